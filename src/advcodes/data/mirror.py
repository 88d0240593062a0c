"""Where original files come from: the mirror directory, else data/raw, else a download."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.errors import AdvcodesError
from advcodes.data.download import checksum, fetch, gunzip, mismatch
from advcodes.data.files import Tree, is_image
from advcodes.data.folder import content_of

if TYPE_CHECKING:
    from advcodes.config.sections import Machine

RAW = Path("data/raw")
VARIABLE = "ADVCODES_MIRROR"
#: Other names of datasets' folders and zips.
ALIASES = {
    "mnist": (),
    "svhn": (),
    "cifar10": ("cifar-10", "cifar-10-batches-py"),
    "celeba": ("celeba-dataset",),
    "flowers102": ("flowers-102", "flowers", "oxford-102", "oxford102", "cvpr2016_flowers"),
}
#: Folders that datasets' authors have inside.
INSIDE = {"celeba": ("anno", "eval", "img")}


def directory(machine: Machine) -> Path | None:
    """The mirror: the environment variable ADVCODES_MIRROR, else ``machine.mirror``, else None.

    Raises:
        AdvcodesError: it is set, but no such directory exists.
    """
    name = os.environ.get(VARIABLE) or machine.mirror
    if not name:
        return None
    path = Path(name).expanduser()
    if not path.is_dir():
        setting = VARIABLE if os.environ.get(VARIABLE) else "machine.mirror"
        raise AdvcodesError(f"{setting}: no such directory: {path}; correct it, or leave it empty to download")
    return path


@dataclass(frozen=True)
class Original:
    """One file as its authors publish it.

    Attributes:
        name: its file name.
        md5: its checksum; None where nobody published one.
        urls: where to download it, in order; empty where a program cannot.
        unpacked: for a gzipped file, the name and the MD5 of its content, by which it is verified.
    """

    name: str
    md5: str | None
    urls: tuple[str, ...] = ()
    unpacked: tuple[str, str] | None = None


class Search:
    """Looks for one dataset's files in the mirror and in data/raw.

    In both, the directory itself counts, folders in it that are named like the dataset, and torchvision's
    layout in any of these; in the mirror also zips that are named like the dataset (``cifar10-train-1.zip``).

    Args:
        source: the dataset.
        machine: where the mirror is.
        scratch: an empty folder for what has to be unpacked; it lasts as long as the dataset is being read.
    """

    def __init__(self, source: str, machine: Machine, scratch: Path):
        self.source, self.scratch = source, scratch
        self.aliases = {source, *ALIASES[source]}
        self.inside = {"raw", *INSIDE.get(source, ())}
        self.mirror = directory(machine)
        self.raw = RAW / source
        #: what was used, for the dataset's provenance
        self.used: list[dict[str, Any]] = []
        self._tree = functools.cache(Tree)

    def _places(self, root: Path) -> Iterator[Path]:
        """A root, and to three levels the folders named like the dataset, or as its authors or torchvision do."""
        level = [root] if root.is_dir() else []
        for _ in range(4):
            yield from level
            level = [
                d
                for p in level
                for d in sorted(p.iterdir())
                if d.name.lower() in self.aliases | self.inside and d.is_dir()
            ]

    def _roots(self) -> list[tuple[Path, str]]:
        return ([(self.mirror, "mirror")] if self.mirror else []) + [(self.raw, "download")]

    def _zips(self) -> Iterator[list[Path]]:
        """Groups of zips in the mirror that may have been cut from one set."""
        if self.mirror is None:
            return
        pattern = re.compile(rf"({'|'.join(map(re.escape, sorted(self.aliases)))})([-_. ].*)?\.zip", re.IGNORECASE)
        for place in self._places(self.mirror):
            zips = sorted(p for p in place.glob("*.zip") if pattern.fullmatch(p.name))
            if zips:
                yield zips

    # -- original files ------------------------------------------------------------------------------------

    def find(self, original: Original) -> Path | None:
        """A verified original file: its path, or that of its unpacked content; None where it is nowhere.

        Raises:
            AdvcodesError: the file is there and its checksum is wrong.
        """
        names = [original.name] + ([original.unpacked[0]] if original.unpacked else [])
        for root, origin in self._roots():
            for place in self._places(root):
                for name in names:
                    if (place / name).is_file():
                        return self._take(place / name, original, origin)
        for zips in self._zips():
            for path in zips:
                tree = self._tree(path)
                for member in tree.names:
                    if member.split("/")[-1] in names:
                        copy = self.scratch / "from-zip" / member.split("/")[-1]
                        copy.parent.mkdir(exist_ok=True)
                        copy.write_bytes(tree.read(member))
                        return self._take(copy, original, "mirror")
        return None

    def _take(self, path: Path, original: Original, origin: str) -> Path:
        """Verify a file that was found, and unpack it if it is gzipped."""
        used, md5 = path, original.md5
        if original.unpacked:
            name, md5 = original.unpacked
            if path.name != name:
                used = self.scratch / name
                gunzip(path, used)
        problem = mismatch(used, md5=md5)
        if problem:
            raise AdvcodesError(f"{path}: not the original file of {self.source} ({problem}); replace it or remove it")
        self._use({"name": path.name, "md5": checksum(path, "md5"), "bytes": path.stat().st_size, "origin": origin})
        return used

    def _use(self, entry: dict[str, Any]) -> None:
        if entry not in self.used:
            self.used.append(entry)

    def find_all(self, originals: Iterable[Original]) -> dict[str, Path] | None:
        """All of several original files, or None if one is missing."""
        before = list(self.used)
        paths = {}
        for original in originals:
            path = self.find(original)
            if path is None:
                self.used = before
                return None
            paths[original.name] = path
        return paths

    def get(self, original: Original, wanted: Iterable[Original]) -> Path:
        """Find an original file, or download it into data/raw.

        Args:
            original: the file.
            wanted: all files of the dataset, which the message names.

        Raises:
            AdvcodesError: it is nowhere and cannot be downloaded.
        """
        path = self.find(original)
        if path is not None:
            return path
        problem: object = "a program cannot download it"
        for url in original.urls:
            try:
                return self._take(fetch(url, self.raw / original.name, md5=original.md5), original, "download")
            except AdvcodesError as error:
                problem = error
        raise self.missing(problem, wanted)

    def missing(self, problem: object, wanted: Iterable[Original]) -> AdvcodesError:
        """What to say when a file is nowhere."""
        names = ", ".join(o.name for o in wanted)
        place = f"{self.mirror}/{self.source}" if self.mirror else "a folder"
        tell = "" if self.mirror else f", and set `machine.mirror` in params.yaml (or {VARIABLE}) to that folder"
        return AdvcodesError(f"{self.source}: {problem}; put the original files ({names}) into {place}{tell}")

    # -- folders of images ---------------------------------------------------------------------------------

    def folder(self, name: str) -> Tree | None:
        """A folder of that name (``img_align_celeba``) in the mirror, in data/raw or in a zip, or None."""
        for root, origin in self._roots():
            for place in self._places(root):
                if (place / name).is_dir():
                    self._use(_folder(place / name, origin))
                    return _innermost(Tree(place / name), name)
        for zips in self._zips():
            tree = self._tree(*zips).under(name)
            if tree is not None:
                self._use_zips(zips)
                return _innermost(tree, name)
        return None

    def images(self) -> Tree | None:
        """The dataset as a folder or as zips of images with ``train/`` inside, from the mirror, or None."""
        if self.mirror is None:
            return None
        if place := self.images_place():
            self._use(_folder(place, "mirror"))
            return Tree(place)
        for zips in self._zips():
            tree = self._tree(*zips).unwrapped(("train",))
            if any(n.startswith("train/") and is_image(n) for n in tree.names):
                self._use_zips(zips)
                return tree
        return None

    def _use_zips(self, zips: Iterable[Path]) -> None:
        for path in zips:
            entry = {"name": path.name, "sha256": checksum(path, "sha256"), "bytes": path.stat().st_size}
            self._use({**entry, "origin": "mirror"})

    # -- identity ------------------------------------------------------------------------------------------

    def place_of(self, name: str) -> Path | None:
        """Where a file or folder of that name lies, in the mirror or in data/raw; None where it does not."""
        return next((p / name for root, _ in self._roots() for p in self._places(root) if (p / name).exists()), None)

    def images_place(self) -> Path | None:
        """Where the dataset lies in the mirror as a folder of images; None where it does not."""
        places = self._places(self.mirror) if self.mirror else ()
        return next((p for p in places if p != self.mirror and (p / "train").is_dir()), None)

    def zips(self) -> list[Path]:
        """All zips in the mirror that are named like the dataset."""
        return [path for group in self._zips() for path in group]


def _folder(path: Path, origin: str) -> dict[str, Any]:
    """Provenance of a folder that was read."""
    return {"name": f"{path.name}/", "fingerprint": content_of(path), "origin": origin}


def _innermost(tree: Tree, name: str) -> Tree:
    """The files below a folder, which some archives hold in another of the same name."""
    return _innermost(inner, name) if (inner := tree.under(name)) else tree


def link(files: dict[str, Path], folder: Path) -> None:
    """Lay files out in a folder as a library expects them, without copying."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in files.items():
        (folder / name).symlink_to(path.resolve())
