"""Images that lie in a folder or in zips: anyone's own, or a mirror's copy of a known dataset."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.errors import AdvcodesError
from advcodes.core.remembered import recall, remember
from advcodes.data.files import IMAGES, Tree, is_image, walk

if TYPE_CHECKING:
    from PIL.Image import Image

    from advcodes.config.sections import Machine
    from advcodes.data.source import Source

CACHE = Path(".snakemake/advcodes/fingerprints.json")
#: Top folders that are splits (in any case), and what the splits are called.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
    "extra": "extra",
}
ORIENTATION = 0x0112  #: EXIF tag; 5 to 8 turn the image by a quarter
TEST_SHARE = 10  #: without a test/ folder, one image in ten is for testing


# ------------------------------------------------------------------------------------------------------------
# Identity, for keys; called on every planning, so neither Pillow nor numpy is imported here


def fingerprint(path: Path) -> str:
    """Identity of the images in a folder or zip: hash of their relative names, sizes and contents.

    Content hashes are remembered by what changes whenever a file is written, renamed or replaced (size, times and
    inode), so that a second call only lists the folder. The time of the last change cannot be set: files of one size
    and time that swap their names are seen.

    Raises:
        AdvcodesError: nothing is there, or it cannot be read.
    """
    path = path.expanduser()
    _check(path)
    return content_of(path, is_image)


def content_of(path: Path, wanted: Callable[[str], bool] = bool) -> str:
    """As :func:`fingerprint`, of any file, or of all files in a folder.

    Args:
        path: of the file or folder.
        wanted: which files of a folder count, by their relative names.
    """
    root = os.path.abspath(path)
    if path.is_file():
        status = {"": path.stat()}
    else:
        status = {name: s for name, s in walk(path) if wanted(name)}
    cache = recall(CACHE)
    old = cache.get(root, {})
    # A file that changed within the clock's granularity would keep its time: such hashes are not remembered.
    settled = time.time_ns() - 2_000_000_000
    new, entries = {}, []
    for name in sorted(status):
        size, changed = status[name].st_size, status[name].st_mtime_ns
        state = [size, changed, status[name].st_ctime_ns, status[name].st_ino]
        known = old.get(name)
        if known and known[:-1] == state:
            content = known[-1]
        else:
            content = _hash(os.path.join(root, name) if name else root)
        entries.append([name, size, content])
        if changed < settled:
            new[name] = [*state, content]
    if new != old:
        remember(CACHE, {**cache, root: new})
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:20]


def _check(path: Path) -> None:
    if not path.exists():
        raise AdvcodesError(f"{path}: no such folder or zip of images; correct `path` of the dataset in params.yaml")
    if path.is_file() and path.suffix.lower() != ".zip":
        raise AdvcodesError(f"{path}: expected a folder or a zip of images")


def _hash(path: str) -> str:
    try:
        with open(path, "rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    except OSError as error:
        raise AdvcodesError(f"{path}: cannot be read: {error.strerror}; fix its permissions or remove it") from None


# ------------------------------------------------------------------------------------------------------------
# Reading


def read(config: Mapping[str, Any], machine: Machine, scratch: Path) -> Source:
    """The images of ``config["path"]``, a folder or a zip; see :func:`from_tree`.

    Raises:
        AdvcodesError: nothing is there, or what is there does not make a dataset.
    """
    path = Path(config["path"]).expanduser()
    _check(path)
    tree = Tree(path).unwrapped(tuple(SPLITS))
    names = [n for n in tree.names if is_image(n)]
    used = {"name": path.name, "fingerprint": config.get("content"), "files": len(names), "origin": "folder"}
    return from_tree(tree, config, [used])


def from_tree(tree: Tree, config: Mapping[str, Any], used: list[dict[str, Any]]) -> Source:
    """Make a dataset of the images in a folder or in zips.

    ``train/``, ``val/``, ``test/`` (and ``extra/``; also ``training/``, ``Test/`` ...) at the top are splits; with
    none but ``train/`` a tenth of the images, drawn with the seed, is the test split. Below that, the first folder's
    name is the class.
    The rows of a split are in random order (by the seed), since folders are in order of class.

    Args:
        tree: the files.
        config: ``dataset``, ``seed``, ``crop``, ``size`` and ``channels``; without ``channels`` the images
            become colour, unless all of them are grey.
        used: provenance.

    Raises:
        AdvcodesError: no images; images beside the folders of splits or classes; a test split without a training
            split, or below classes; sizes that differ, without a size to bring them to; a file that does not decode.
    """
    import numpy as np

    from advcodes.data.source import Source

    where = tree.roots[0]
    names = [n for n in tree.names if is_image(n)]
    if not names:
        raise AdvcodesError(f"{where}: no images in it (looked for {' '.join(IMAGES)})")
    members = _splits(names, where, config["seed"])
    classes, class_of = _classes(
        [(n, n.split("/")[1:] if by_folder else n.split("/")) for _, n, by_folder in members], where
    )
    random = np.random.Generator(np.random.PCG64([config["seed"], 1]))
    rows: list[str] = []
    counts = {}
    for split in dict.fromkeys(SPLITS.values()):
        inside = [name for s, name, _ in members if s == split]
        if inside:
            rows += [inside[i] for i in random.permutation(len(inside))]
            counts[split] = len(inside)
    channels = config.get("channels")
    if channels is None:
        sizes, grey = _headers(tree, names)
        channels = 1 if grey else 3
        if not (config.get("size") or config.get("crop")):
            _same_size(tree, names, sizes, config["dataset"])
    return Source(
        splits=counts,
        labels=np.array([class_of[n] for n in rows], np.int64),
        image=lambda i: decode(tree, rows[i]),
        name=lambda i: tree.where(rows[i]),
        classes=classes,
        channels=channels,
        files=used,
    )


def _splits(names: Sequence[str], where: Path, seed: int) -> list[tuple[str, str, bool]]:
    """Split, name and whether a folder says the split, for every image."""
    import numpy as np

    tops = {n.split("/")[0] for n in names if "/" in n}
    splits = {top: SPLITS[top.lower()] for top in sorted(tops) if top.lower() in SPLITS}
    if "train" in splits.values():
        beside = [n for n in names if n.split("/")[0] not in splits]
        if beside:
            train = next(top for top, split in splits.items() if split == "train")
            raise AdvcodesError(
                f"{where}: has {train}/, but {beside[0]} lies beside it; move it into {train}/ or into one for testing"
            )
        members = [(splits[n.split("/")[0]], n, True) for n in names]
        if {s for s, _, _ in members} != {"train"}:
            return members
    elif held := [top for top, split in splits.items() if split in ("test", "val")]:
        raise AdvcodesError(
            f"{where}: has {held[0]}/ but no train/, and images for testing are not trained on; put the others into "
            f"train/, or rename {held[0]}/ if that is a class"
        )
    elif low := [n for n in names if n.count("/") > 1 and SPLITS.get(n.split("/")[1].lower()) == "test"]:
        top, below = low[0].split("/")[:2]
        raise AdvcodesError(
            f"{where}: {top}/{below}/ looks like images for testing inside a class, and those are not trained on; "
            f"put splits at the top, as in {below}/{top}/"
        )
    else:
        members = [("train", n, False) for n in names]
    if len(names) < 2:
        raise AdvcodesError(
            f"{where}: only one image, {names[0]}; expected at least two, one to train on and one to test"
        )
    random = np.random.Generator(np.random.PCG64([seed, 0]))
    test = set(random.permutation(len(names))[: max(1, round(len(names) / TEST_SHARE))].tolist())
    return [("test" if i in test else "train", n, f) for i, (_, n, f) in enumerate(members)]


def _classes(members: list[tuple[str, list[str]]], where: Path) -> tuple[list[str], dict[str, int]]:
    """Class names, and the class of every image: that of the first folder, -1 where there are none."""
    loose = [name for name, parts in members if len(parts) == 1]
    if loose and len(loose) < len(members):
        raise AdvcodesError(
            f"{where}: {len(loose)} images lie beside the folders of classes (the first: {loose[0]}); "
            "move them into one"
        )
    if loose:
        return [], dict.fromkeys(loose, -1)
    found = {parts[0] for _, parts in members}
    classes = sorted(found, key=lambda c: (int(c), c)) if all(c.isdecimal() for c in found) else sorted(found)
    number = {c: i for i, c in enumerate(classes)}
    return classes, {name: number[parts[0]] for name, parts in members}


def _headers(tree: Tree, names: Sequence[str]) -> tuple[list[tuple[int, int]], bool]:
    """Width and height of every image, and whether all are grey, without decoding them."""
    from advcodes.data.view import is_grey

    sizes, grey = [], True
    for name in names:
        image = _open(tree, name)
        try:
            turned = image.getexif().get(ORIENTATION, 1) >= 5
        except Exception as error:
            raise _undecodable(tree, name, error) from None
        width, height = image.size
        sizes.append((height, width) if turned else (width, height))
        grey = grey and is_grey(image)
    return sizes, grey


def _same_size(tree: Tree, names: Sequence[str], sizes: Sequence[tuple[int, int]], dataset: str) -> None:
    for name, size in zip(names, sizes, strict=True):
        if size != sizes[0]:
            first, other = ("x".join(map(str, s)) for s in (sizes[0], size))
            raise AdvcodesError(
                f"{tree.where(names[0])} is {first} and {tree.where(name)} is {other} pixels; "
                f"set datasets.{dataset}.size in params.yaml to bring all images to one size"
            )


def _open(tree: Tree, name: str) -> Image:
    from PIL import Image

    data = tree.read(name)
    try:
        return Image.open(io.BytesIO(data))
    except Exception as error:
        raise _undecodable(tree, name, error) from None


def decode(tree: Tree, name: str, upright: bool = True) -> Image:
    """Decode one image.

    Args:
        tree: where it lies.
        name: its relative name.
        upright: turn it as its camera's note (EXIF) says.

    Raises:
        AdvcodesError: the file is no image or is damaged.
    """
    from PIL import ImageOps

    image = _open(tree, name)
    try:
        image.load()
        return ImageOps.exif_transpose(image) if upright else image
    except Exception as error:  # Pillow's decoders raise whatever damaged bytes lead them to
        raise _undecodable(tree, name, error) from None


def _undecodable(tree: Tree, name: str, error: Exception) -> AdvcodesError:
    reason = (
        "no known image format" if type(error).__name__ == "UnidentifiedImageError" else " ".join(str(error).split())
    )
    return AdvcodesError(f"{tree.where(name)}: does not decode ({reason}); replace or remove it")
