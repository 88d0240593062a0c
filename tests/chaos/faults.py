"""Faults of files: each damages a project between two calls, and says which finished results it hit."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from workflow.project import Project

Fault = Callable[[Project, Random], set[str] | None]


def _manifests(project: Project) -> list[Path]:
    return sorted((project.root / "data").rglob("*manifest.json"))


def _id(manifest: Path) -> str:
    return json.loads(manifest.read_text())["spec"]["id"]


def _any_result(project: Project, random: Random) -> tuple[str, Path] | None:
    """A finished result and one of its files, not of a report."""
    found = [m for m in _manifests(project) if m.name == "manifest.json" and "reports" not in m.parts]
    if not found:
        return None
    manifest = random.choice(found)
    names = sorted(json.loads(manifest.read_text())["files"])
    return _id(manifest), manifest.parent / random.choice(names)


def flip(path: Path, random: Random) -> None:
    """Change one bit; size, inode and time stay, as on a failing disk."""
    status, content = path.stat(), bytearray(path.read_bytes())
    if content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        path.chmod(0o644)
        with open(path, "r+b") as f:
            f.write(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _flipped(project: Project, random: Random) -> set[str] | None:
    """A flipped bit that `advcodes verify` looks for, as its documentation tells."""
    if not (found := _any_result(project, random)):
        return None
    flip(found[1], random)
    project.advcodes("verify", "--all", ok=None)
    return {found[0]}


def _truncated(project: Project, random: Random) -> set[str] | None:
    if not (found := _any_result(project, random)):
        return None
    found[1].chmod(0o644)
    os.truncate(found[1], found[1].stat().st_size // 2)
    return {found[0]}


def _prepared_gone(project: Project, random: Random) -> set[str] | None:
    place = project.root / "data/prepared/digits"
    if not (place / "manifest.json").exists():
        return None
    shutil.rmtree(place)
    return {"prepared/digits"}


def _manifest_gone(project: Project, random: Random) -> set[str] | None:
    """The result is whole, and must not be made again."""
    if not (found := _manifests(project)):
        return None
    random.choice(found).unlink()
    return set()


def _in_progress(damage: Callable[[Path, Random], None], pattern: str) -> Fault:
    def fault(project: Project, random: Random) -> set[str] | None:
        found = sorted((project.root / "data").glob(f"unfinished/*/{pattern}"))
        if not found:
            return None
        damage(random.choice(found), random)
        return set()

    return fault


def _future(project: Project, random: Random) -> set[str] | None:
    """A tree that was copied from a machine with a wrong clock."""
    future = time.time() + 10 * 365 * 86400
    for top in ("data", "reports", "params.yaml", "pipeline"):
        for path in [project.root / top, *(project.root / top).rglob("*")]:
            with contextlib.suppress(OSError):
                os.utime(path, (future, future))
    return set()


def _lock_cut(project: Project, random: Random) -> set[str] | None:
    lock = project.root / "dvc.lock"
    if not lock.exists():
        return None
    os.truncate(lock, random.randrange(max(1, lock.stat().st_size)))
    return set()


FAULTS: dict[str, Fault] = {
    "a flipped bit": _flipped,
    "a truncated file": _truncated,
    "prepared data deleted": _prepared_gone,
    "a manifest deleted": _manifest_gone,
    "a flipped checkpoint": _in_progress(flip, "checkpoint*.pt"),
    "a truncated checkpoint": _in_progress(lambda p, r: os.truncate(p, r.randrange(p.stat().st_size + 1)), "*.pt"),
    "losses.csv deleted": _in_progress(lambda p, r: p.unlink(), "losses.csv"),
    "times in the future": _future,
    "dvc.lock cut off": _lock_cut,
}


@contextlib.contextmanager
def fill_disk(folder: Path) -> Iterator[None]:
    """While this holds, the file system of ``folder`` is full."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as f:
        for size in (1 << 24, 1 << 12, 1):
            try:
                while True:
                    f.write(b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    try:
        yield
    finally:
        filler.unlink()
