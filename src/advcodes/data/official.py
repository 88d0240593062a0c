"""MNIST, SVHN, CIFAR-10, CelebA and Oxford-102 from their original files, through torchvision.

Splits are the official ones. torchvision's lists of addresses and checksums are used; nothing of
torchvision's own downloading is. A mirror may also hold the data set as a folder or zips of images
(``train/<class>/*``), whose order is then random. See facts section 6.1.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from advcodes.core.errors import AdvcodesError
from advcodes.data import folder
from advcodes.data.decoding import decode
from advcodes.data.download import unpack
from advcodes.data.expected import COUNTS
from advcodes.data.files import Tree
from advcodes.data.mirror import Original, Search, link
from advcodes.data.source import Source

if TYPE_CHECKING:
    from advcodes.config.sections import Machine

#: MD5 of MNIST's files as they are inside the gzips, of which torchvision has no list.
MNIST_UNPACKED = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def read(config: Mapping[str, Any], machine: Machine, scratch: Path) -> Source:
    """Read one of the data sets that torchvision knows.

    Args:
        config: ``source`` says which; the rest goes to :func:`advcodes.data.folder.from_tree` for folders of
            images.
        machine: where the mirror is.
        scratch: an empty folder for what has to be unpacked while the images are read.

    Raises:
        AdvcodesError: files that are missing and cannot be downloaded, damaged, or not the original ones.
    """
    source = config["source"]
    search = Search(source, machine, scratch)
    return READERS[source](search, config)


def _from_images(search: Search, config: Mapping[str, Any], classes: Sequence[str] = ()) -> Source | None:
    """The data set as a folder or zips of images in the mirror, complete; None where there is none."""
    tree = search.images()
    if tree is None:
        return None
    channels = config["channels"] or (1 if search.source == "mnist" else 3)  # some formats have no grey
    source = folder.from_tree(tree, {**config, "channels": channels}, search.used)
    expected = COUNTS[search.source]
    if source.splits != expected:
        got, want = (", ".join(f"{n:,} {s}" for s, n in c.items()) for c in (source.splits, expected))
        raise AdvcodesError(
            f"{tree.roots[0]}: images of {search.source}: expected {want}; got {got}; "
            "add the zip or folder that is missing"
        )
    if set(classes) == set(source.classes):  # labels as the originals have them
        order = np.array([list(classes).index(c) for c in source.classes])
        source = Source(**{**vars(source), "classes": classes, "labels": order[source.labels]})
    return source


def _from_arrays(
    splits: Mapping[str, Callable[[], tuple[np.ndarray, np.ndarray]]],
    classes: Sequence[str],
    used: list[dict[str, Any]],
) -> Source:
    """A data set whose splits load as whole arrays: images uint8 [N, H, W(, 3)] and labels [N].

    One split is in memory at a time: SVHN's ``extra`` alone takes 1.6 GB.
    """

    @functools.lru_cache(maxsize=1)
    def load(split: str) -> tuple[np.ndarray, np.ndarray]:
        return splits[split]()

    names = list(splits)
    labels = [np.asarray(load(split)[1], np.int64) for split in names]
    starts = [0, *itertools.accumulate(map(len, labels))]
    lock = threading.Lock()

    def image(i: int) -> Image.Image:
        part = bisect.bisect_right(starts, i) - 1
        with lock:
            pixels = load(names[part])[0]
        return Image.fromarray(np.ascontiguousarray(pixels[i - starts[part]]))

    return Source(
        splits=dict(zip(names, map(len, labels), strict=True)),
        labels=np.concatenate(labels),
        image=image,
        classes=classes,
        files=used,
    )


def _mnist(search: Search, config: Mapping[str, Any]) -> Source:
    from torchvision.datasets import MNIST

    files = []
    for name, md5 in MNIST.resources:
        inside = name.removesuffix(".gz")
        files.append(Original(name, md5, tuple(m + name for m in MNIST.mirrors), (inside, MNIST_UNPACKED[inside])))
    paths = search.find_all(files)
    classes = [str(i) for i in range(10)]
    if paths is None:
        if source := _from_images(search, config, classes):
            return source
        paths = {f.name: search.get(f, files) for f in files}
    link({name.removesuffix(".gz"): path for name, path in paths.items()}, search.scratch / "MNIST" / "raw")

    def load(train: bool) -> tuple[np.ndarray, np.ndarray]:
        data = MNIST(search.scratch, train=train)
        return data.data.numpy(), data.targets.numpy()

    return _from_arrays({"train": lambda: load(True), "test": lambda: load(False)}, classes, search.used)


def _svhn(search: Search, config: Mapping[str, Any]) -> Source:
    from torchvision.datasets import SVHN

    files = [Original(name, md5, (url,)) for url, name, md5 in SVHN.split_list.values()]
    paths = search.find_all(files)
    classes = [str(i) for i in range(10)]
    if paths is None:
        if source := _from_images(search, config, classes):
            return source
        paths = {f.name: search.get(f, files) for f in files}
    link(paths, search.scratch / "svhn")

    def load(split: str) -> tuple[np.ndarray, np.ndarray]:
        data = SVHN(search.scratch / "svhn", split=split)
        return data.data.transpose(0, 2, 3, 1), data.labels

    return _from_arrays({s: functools.partial(load, s) for s in ("train", "test", "extra")}, classes, search.used)


def _cifar10(search: Search, config: Mapping[str, Any]) -> Source:
    from torchvision.datasets import CIFAR10

    batches = [Original(name, md5) for name, md5 in (*CIFAR10.train_list, *CIFAR10.test_list)]
    batches.append(Original(CIFAR10.meta["filename"], CIFAR10.meta["md5"]))
    archive = Original(CIFAR10.filename, CIFAR10.tgz_md5, (CIFAR10.url,))
    if paths := search.find_all(batches):
        link(paths, search.scratch / CIFAR10.base_folder)
    elif path := search.find(archive):
        unpack(path, search.scratch)
    elif source := _from_images(search, config):
        return source
    else:
        unpack(search.get(archive, [archive]), search.scratch)

    def load(train: bool) -> tuple[np.ndarray, np.ndarray]:
        data = CIFAR10(search.scratch, train=train)
        return data.data, np.array(data.targets)

    classes = CIFAR10(search.scratch, train=False).classes
    return _from_arrays({"train": lambda: load(True), "test": lambda: load(False)}, classes, search.used)


def _celeba(search: Search, config: Mapping[str, Any]) -> Source:
    """CelebA, aligned and cropped by its authors to 218x178, with the official partition and 40 attributes.

    torchvision's class asks for five lists, of which two are needed here, and for the unpacked images, which
    are read from the zip instead; its checksums are used. Found are also the layout of its publisher (`Anno/`, `Eval/`,
    `Img/`) and Kaggle's, whose lists are tables with commas and whose images lie in two folders of one name.
    """
    from torchvision.datasets import CelebA

    md5 = {name: sum_ for _, sum_, name in CelebA.file_list}
    files = [Original(n, md5[n]) for n in ("img_align_celeba.zip", "list_attr_celeba.txt", "list_eval_partition.txt")]
    archive, attribute_list, partition_list = files
    tables = [Original(list_.name.replace(".txt", ".csv"), None) for list_ in (attribute_list, partition_list)]
    lists = search.find_all([attribute_list, partition_list]) or search.find_all(tables)
    tree = search.folder("img_align_celeba")
    if tree is None and (path := search.find(archive)):
        tree = Tree(path).under("img_align_celeba")
    if lists is None or tree is None:
        raise search.missing(
            "a program cannot download it from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html", files
        )

    head, rows, partition = _celeba_lists(*lists.values())
    order = sorted(partition, key=lambda name: (int(partition[name]), name))
    for name in order:
        if name not in tree or name not in rows:
            place = f"{tree.roots[0]}" if name not in tree else next(iter(lists))
            raise AdvcodesError(f"celeba: {name} is missing in {place}; copy the original files again")
    codes = np.array([int(partition[name]) for name in order])
    return Source(
        splits={s: int((codes == c).sum()) for c, s in enumerate(("train", "val", "test"))},
        labels=np.full(len(order), -1, np.int64),
        image=lambda i: decode(tree, order[i], upright=False),
        name=lambda i: tree.where(order[i]),
        attributes=(np.array([rows[name] for name in order]).astype(np.int8) > 0).astype(np.uint8),
        attribute_names=head,
        channels=3,
        files=search.used,
    )


def _celeba_lists(attributes: Path, partition: Path) -> tuple[list[str], dict[str, list[str]], dict[str, str]]:
    """Names of attributes; of each image, its attributes (-1 or 1) and the number of its split."""

    def lines(path: Path) -> list[list[str]]:
        return [line.replace(",", " ").split() for line in path.read_text().splitlines() if line.strip()]

    table, splits = lines(attributes), lines(partition)
    if attributes.suffix == ".csv":  # each begins with a line of names
        (_, *head), splits = table[0], splits[1:]
    else:  # the number of images, then names
        head, table = table[1], table[1:]
    rows = {name: values for name, *values in table[1:]}
    bad = [name for name, values in rows.items() if len(values) != len(head) or not {*values} <= {"-1", "1"}]
    bad += [line[0] for line in splits if len(line) != 2 or line[1] not in ("0", "1", "2")]
    if bad:
        raise AdvcodesError(f"celeba: {bad[0]} in {attributes} or {partition} is not as published; copy them again")
    return head, rows, {name: split for name, split in splits}


def _flowers102(search: Search, config: Mapping[str, Any]) -> Source:
    """Oxford-102, with the captions of Reed et al. (``text_c10``) where the mirror or data/raw has them."""
    from torchvision.datasets import Flowers102

    prefix = Flowers102._download_url_prefix
    archive, labels, setid = (Original(n, md5, (prefix + n,)) for n, md5 in Flowers102._file_dict.values())
    lists = search.find_all([labels, setid])
    path = search.find(archive)
    tree = None if path else search.folder("jpg")
    if not (lists and (path or tree)):
        if source := _from_images(search, config, Flowers102.classes):
            return source
        wanted = [archive, labels, setid]
        if not tree:
            path = search.get(archive, wanted)
        lists = {f.name: search.get(f, wanted) for f in (labels, setid)}
    layout = search.scratch / "flowers-102"
    link(lists, layout)
    if path:
        unpack(path, layout)
    images = tree or Tree(layout / "jpg")
    (layout / "jpg").mkdir(exist_ok=True)  # torchvision looks whether it is there

    rows: list[tuple[str, int]] = []
    splits = {}
    for split in ("train", "val", "test"):
        # A loader that gives the name makes torchvision say which file belongs to which split and class.
        data = Flowers102(search.scratch, split=split, loader=lambda path: Path(path).name)
        rows += [data[i] for i in range(len(data))]
        splits[split] = len(data)
    for name, _ in rows:
        if name not in images:
            raise AdvcodesError(f"flowers102: {name} is missing in {images.roots[0]}; copy the original files again")
    return Source(
        splits=splits,
        labels=np.array([label for _, label in rows], np.int64),
        image=lambda i: decode(images, rows[i][0], upright=False),
        name=lambda i: images.where(rows[i][0]),
        classes=Flowers102.classes,
        captions=_captions(search, [name for name, _ in rows]),
        channels=3,
        files=search.used,
    )


def _captions(search: Search, images: Sequence[str]) -> list[list[str]] | None:
    """Sentences of every image from ``text_c10``: one ``image_?????.txt`` each, a sentence a line."""
    tree = search.folder("text_c10")
    if tree is None:
        return None
    texts = {name.split("/")[-1].removesuffix(".txt"): name for name in tree.names if name.endswith(".txt")}
    captions = []
    for image in images:
        stem = image.removesuffix(".jpg")
        if stem not in texts:
            raise AdvcodesError(
                f"{tree.roots[0]}: no captions for {image} in text_c10/ (expected {stem}.txt); copy it again"
            )
        sentences = [line.strip() for line in _decoded(tree.read(texts[stem])).splitlines() if line.strip()]
        if not sentences:
            raise AdvcodesError(f"{tree.where(texts[stem])}: no sentence in it; copy text_c10/ again")
        captions.append(sentences)
    return captions


def _decoded(text: bytes) -> str:
    """UTF-8, or else what Windows wrote; a mark at the beginning goes."""
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")


READERS: dict[str, Callable[[Search, Mapping[str, Any]], Source]] = {
    "mnist": _mnist,
    "svhn": _svhn,
    "cifar10": _cifar10,
    "celeba": _celeba,
    "flowers102": _flowers102,
}
