"""Files below a folder or inside zips, read in place and by name."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from advcodes.core.errors import AdvcodesError

#: Endings of what counts as an image; anything else in a folder is passed over.
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")


#: Marks a folder that advcodes writes to: below a folder of images it is never read as data.
OUTPUT = ".advcodes-output"


def is_image(name: str) -> bool:
    """Whether a relative name looks like an image: a known ending, nothing hidden or outside on its way."""
    odd = (not p or p.startswith((".", "__MACOSX")) for p in name.split("/"))
    return name.lower().endswith(IMAGES) and not any(odd)


def walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Relative names (with ``/``) and status of all files below a folder; links are followed once.

    Folders below it that advcodes wrote itself (:data:`OUTPUT`) are passed over.
    """
    seen: set[str] = set()
    for here, subfolders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen or (OUTPUT in names and not os.path.samefile(here, folder)):
            subfolders.clear()
            continue
        seen.add(real)
        below = os.path.relpath(here, folder).replace(os.sep, "/")
        prefix = "" if below == "." else below + "/"
        for name in names:
            try:
                yield prefix + name, os.stat(os.path.join(here, name))
            except OSError:
                continue  # a dangling link


class Tree:
    """The files of one folder, or of several zips that were cut from one set.

    Nothing is unpacked, so that no member of a zip can leave its folder.

    Args:
        roots: one folder, or zips.

    Raises:
        AdvcodesError: a zip that is damaged, or two zips that hold the same file.
    """

    def __init__(self, *roots: Path):
        self.roots = roots
        self._zips: dict[str, zipfile.ZipFile] = {}
        self._names: dict[str, str] = {}  # relative name -> name in the folder or zip
        for root in roots:
            if root.is_dir():
                self._names |= {name: name for name, _ in walk(root)}
                continue
            try:
                archive = zipfile.ZipFile(root)
            except (zipfile.BadZipFile, OSError) as error:
                raise AdvcodesError(f"{root}: not a readable zip ({error}); copy or download it again") from None
            for inner in archive.namelist():
                # Some systems write folders with backslashes, some begin every name with the current folder.
                name = inner.replace("\\", "/").removeprefix("./")
                if name.endswith("/"):
                    continue
                if name in self._names:
                    other = self._zips[name].filename
                    again = "keep one of the two zips" if other != str(root) else "pack it again, each file once"
                    raise AdvcodesError(f"{root}: {name} is also in {other}; {again}")
                self._names[name], self._zips[name] = inner, archive

    @property
    def names(self) -> list[str]:
        """Relative names of all files, sorted."""
        return sorted(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def under(self, folder: str) -> Tree | None:
        """The files below the first folder of that name, wherever it lies; None where there is none."""
        for name in self._names:
            parts = name.split("/")[:-1]
            if folder in parts:
                prefix = "/".join(parts[: parts.index(folder) + 1]) + "/"
                return self._below(prefix)
        return None

    def without(self, names: Collection[str]) -> Tree:
        """The same files but for these."""
        tree = Tree()
        tree.roots, tree._zips = self.roots, self._zips
        tree._names = {name: inner for name, inner in self._names.items() if name not in names}
        return tree

    def _below(self, prefix: str) -> Tree:
        tree = Tree()
        tree.roots = self.roots
        for name, inner in self._names.items():
            if name.startswith(prefix):
                tree._names[name.removeprefix(prefix)] = inner
                if name in self._zips:
                    tree._zips[name.removeprefix(prefix)] = self._zips[name]
        return tree

    def unwrapped(self, keep: tuple[str, ...] = ()) -> Tree:
        """The same files without outer folders that hold nothing but one folder of folders."""
        tops = {name.split("/")[0] for name in self._names if is_image(name)}
        if len(tops) == 1 and (top := tops.pop()).lower() not in keep:
            inner = self._below(top + "/")
            if any("/" in name for name in inner._names if is_image(name)):
                return inner.unwrapped(keep)
        return self

    def where(self, name: str) -> str:
        """How messages call a file."""
        if name in self._zips:
            return f"{self._zips[name].filename}: {self._names[name]}"
        return str(self.roots[0] / self._names.get(name, name))

    def read(self, name: str) -> bytes:
        """A file's bytes; safe to call from several threads.

        Raises:
            AdvcodesError: the file is missing or cannot be read.
        """
        if name not in self._names:
            raise AdvcodesError(f"{name}: missing in {self.roots[0]}; copy or download the data set again")
        try:
            if name in self._zips:
                return self._zips[name].read(self._names[name])
            return (self.roots[0] / self._names[name]).read_bytes()
        except (
            OSError,
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            raise AdvcodesError(f"{self.where(name)}: cannot be read ({error}); copy or download it again") from None
