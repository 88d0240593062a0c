"""Images that lie in a folder or in zips: anyone's own, or a mirror's copy of a known dataset."""

from __future__ import annotations

import functools
import hashlib
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
LOOSE = "loose"  #: class of images beside the folders of classes, where they are to have one
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

    With ``folder.skip_broken`` those that do not decode are left out; ``files`` of the result then names them, with
    the reasons, under ``broken``.

    Raises:
        AdvcodesError: nothing is there, or what is there does not make a dataset.
    """
    path = Path(config["path"]).expanduser()
    _check(path)
    tree = Tree(path).unwrapped(tuple(SPLITS))
    names = [n for n in tree.names if is_image(n)]
    used = {"name": _text(path.name), "fingerprint": config.get("content"), "files": len(names), "origin": "folder"}
    if (config.get("folder") or {}).get("skip_broken") and names:
        broken = _broken(path, config.get("content") or fingerprint(path), machine.threads)
        said = {_text(name): _text(why) for name, why in broken.items()}
        used |= {"files": len(names) - len(broken), "broken": said}
        tree = tree.without(broken)
        if len(broken) == len(names):
            raise AdvcodesError(f"{path}: none of its {len(names)} images decodes (the first: {broken[names[0]]})")
    return from_tree(tree, config, [used])


def _text(name: str) -> str:
    """A name as text that can be written, whatever bytes the file system has in it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@functools.lru_cache(maxsize=1)  # what is said of a folder, and then done with it
def _broken(path: Path, content: str, threads: int) -> Mapping[str, str]:
    """Images that do not decode, and why not; ``content`` says of which state of the folder."""
    from advcodes.data.decoding import broken

    tree = Tree(path).unwrapped(tuple(SPLITS))
    return broken(tree, [n for n in tree.names if is_image(n)], threads)


def from_tree(tree: Tree, config: Mapping[str, Any], used: list[dict[str, Any]]) -> Source:
    """Make a dataset of the images in a folder or in zips.

    ``train/``, ``val/``, ``test/`` (and ``extra/``; also ``training/``, ``Test/`` ...) at the top are splits; with
    none but ``train/`` a tenth of the images, drawn with the seed, is the test split. Below that, the first folder's
    name is the class.
    The rows of a split are in random order (by the seed), since folders are in order of class.

    Args:
        tree: the files.
        config: ``dataset``, ``seed``, ``crop``, ``size`` and ``channels``; without ``channels`` the images
            become colour, unless all of them are grey. ``folder``: how anyone's own are read
            (:class:`advcodes.config.sections.Reading`).
        used: provenance; the first learns how many images were left out as ``loose``, how many have more than 8 bits
            a channel (``deep``), and which of their values are black and white (``levels``).

    Raises:
        AdvcodesError: no images; images beside the folders of splits or classes, and nobody says what to do with them;
            a test split without a training split, or below classes; sizes that differ, without a size to bring them
            to; files that do not decode; pixels whose range nothing tells.
    """
    import numpy as np

    from advcodes.data.decoding import headers, settled
    from advcodes.data.source import Source

    where, how = tree.roots[0], config.get("folder") or {}
    loose = how.get("loose") or "refuse"
    names = [n for n in tree.names if is_image(n)]
    if not names:
        raise AdvcodesError(f"{where}: no images in it (looked for {' '.join(IMAGES)})")
    if loose == "skip" and (beside := _loose(names)):
        used[0]["loose"] = len(beside)
        names = [n for n in names if n not in beside]
    members = _splits(names, where, config["seed"])
    below = [(n, n.split("/")[1:] if by_folder else n.split("/")) for _, n, by_folder in members]
    classes, class_of = _classes(below, where, loose)
    random = np.random.Generator(np.random.PCG64([config["seed"], 1]))
    rows: list[str] = []
    counts = {}
    for split in dict.fromkeys(SPLITS.values()):
        inside = [name for s, name, _ in members if s == split]
        if inside:
            rows += [inside[i] for i in random.permutation(len(inside))]
            counts[split] = len(inside)
    channels = config.get("channels")
    levels: tuple[float, float] | None = None
    if channels is None or config.get("source") == "folder":
        by_name = headers(tree, names)
        channels = channels or (1 if all(h.grey for h in by_name.values()) else 3)
        if levels := settled(tree, by_name, how.get("levels")):
            used[0] |= {"deep": sum(1 for h in by_name.values() if h.deep), "levels": list(levels)}
        if not (config.get("size") or config.get("crop")):
            _same_size(tree, {name: h.size for name, h in by_name.items()}, config["dataset"])
    return Source(
        splits=counts,
        labels=np.array([class_of[n] for n in rows], np.int64),
        image=_reader(tree, rows, levels, bool(how.get("pad")), channels),
        name=lambda i: tree.where(rows[i]),
        classes=[_text(name) for name in classes],
        channels=channels,
        files=used,
    )


def _reader(
    tree: Tree, rows: Sequence[str], levels: tuple[float, float] | None, pad: bool, channels: int
) -> Callable[[int], Image]:
    """What reads the image of a row."""
    from advcodes.data.decoding import decode
    from advcodes.data.levels import to_8bit as levelled
    from advcodes.data.view import padded, to_8bit

    def read_row(i: int) -> Image:
        image = decode(tree, rows[i])
        image = levelled(image, levels) if levels else image
        return padded(to_8bit(image, channels)) if pad else image

    return read_row


def _loose(names: Sequence[str]) -> set[str]:
    """Images that lie beside folders of images: of splits, where there is one to train on, or of classes."""
    tops = {n.split("/")[0] for n in names if "/" in n}
    splits = {top for top in tops if top.lower() in SPLITS}
    if not any(SPLITS[top.lower()] == "train" for top in splits):
        splits = set()
    beside = {n for n in names if splits and n.split("/")[0] not in splits}
    depth = 2 if splits else 1
    flat = {n for n in names if n not in beside and n.count("/") < depth}
    return beside | (flat if len(flat) + len(beside) < len(names) else set())


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
                f"{where}: has {train}/, but {beside[0]} lies beside it; move it into {train}/ or one for testing, "
                "or leave all such out by --loose skip"
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


def _classes(members: list[tuple[str, list[str]]], where: Path, how: str) -> tuple[list[str], dict[str, int]]:
    """Class names, and the class of every image: that of the first folder, -1 where there are none.

    Those that lie beside the folders are a class of their own, or all have none, as ``how`` says.
    """
    loose = [name for name, parts in members if len(parts) == 1]
    if loose and len(loose) < len(members) and how not in ("class", "flat"):
        raise AdvcodesError(
            f"{where}: {len(loose)} images lie beside the folders of classes (the first: {loose[0]}); "
            "move them into one, or choose: --loose skip, class (of their own) or flat (no classes at all), which is "
            "folder.loose in params.yaml"
        )
    if len(loose) == len(members) or (loose and how == "flat"):
        return [], dict.fromkeys((name for name, _ in members), -1)
    members = [(name, parts if len(parts) > 1 else [LOOSE]) for name, parts in members]
    folders = {parts[0] for _, parts in members}
    classes = sorted(folders, key=lambda c: (int(c), c)) if all(c.isdecimal() for c in folders) else sorted(folders)
    number = {c: i for i, c in enumerate(classes)}
    return classes, {name: number[parts[0]] for name, parts in members}


def _same_size(tree: Tree, sizes: Mapping[str, tuple[int, int]], dataset: str) -> None:
    (first, of_first), *_ = sizes.items()
    for name, size in sizes.items():
        if size != of_first:
            one, other = ("x".join(map(str, s)) for s in (of_first, size))
            raise AdvcodesError(
                f"{tree.where(first)} is {one} and {tree.where(name)} is {other} pixels; "
                f"set datasets.{dataset}.size in params.yaml to bring all images to one size"
            )
