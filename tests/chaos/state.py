"""What a project has finished, and where it differs from another."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

from workflow.project import Project

#: What has to be there in the end; what it was made from may be missing as a whole.
TRAININGS = ("data/runs",)
PAGES = ("data/reports", "reports")
PASSING = ("finished", "unfinished")  #: folders of second records and of work in progress


def _records(root: Path) -> Iterator[tuple[dict, Path]]:
    for path in sorted((root / "data/finished").glob("*/*record.json")):
        yield json.loads(path.read_text()), path


def finished(root: Path, reference: Path) -> dict[str, tuple[int, int]]:
    """Results that are made as the reference's: inode and time of their second record, which only making writes."""
    keys = {record["spec"]["id"]: record["key"] for record, _ in _records(reference)}
    found = {}
    for record, path in _records(root):
        if keys.get(record["spec"]["id"]) == record["key"]:
            found[record["spec"]["id"]] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def _files(root: Path, asked: tuple[str, ...]) -> dict[str, Path]:
    found = {}
    for top in {"data", *asked}:
        for path in sorted((root / top).rglob("*")):
            if path.is_file() and not set(path.parts) & set(PASSING):
                found[str(path.relative_to(root))] = path
    return found


def _content(path: Path) -> object:
    """Bytes; of a manifest what does not depend on how long it took."""
    if path.name.endswith("manifest.json"):
        return {k: v for k, v in json.loads(path.read_text()).items() if k in ("key", "spec", "files")}
    return path.read_bytes()


def _complete(manifest: Path) -> bool:
    """Whether a result counts as there."""
    try:
        files = json.loads(manifest.read_text())["files"]
        return all((manifest.parent / name).stat().st_size == f["bytes"] for name, f in files.items())
    except OSError:
        return False


def differences(reference: Path, root: Path, asked: tuple[str, ...]) -> Iterator[str]:
    """One line for each file that is missing, left over or different, and for work in progress that is left.

    Args:
        reference: built without interruption.
        root: of the other project.
        asked: folders whose files must all be there; elsewhere a result may be missing: one without a manifest, or
            with a file of another length than its manifest says.
    """
    expected, found = _files(reference, asked), _files(root, asked)
    missing = {m.parent for m in map(Path, expected) if m.name == "manifest.json" and not _complete(root / m)}
    for name in sorted(expected.keys() | found.keys()):
        if not name.startswith(asked) and missing & set(Path(name).parents):
            continue
        if name not in found:
            yield f"{name} is missing"
        elif name not in expected:
            yield f"{name} is left over"
        elif _content(expected[name]) != _content(found[name]):
            yield f"{name} differs"
    for path in sorted((root / "data/unfinished").glob("*")):
        yield f"{path.relative_to(root)} is left over"


def leave_partial(reference: Project, project: Project, random: Random) -> None:
    """Give a project some of the reference's finished results, as a killed call leaves them that recorded nothing."""
    for manifest in sorted((reference.root / "data").rglob("manifest.json")):
        if "reports" not in manifest.parts and random.random() < 0.5:
            record = json.loads(manifest.read_text())
            here = project.root / manifest.parent.relative_to(reference.root)
            shutil.copytree(manifest.parent, here, dirs_exist_ok=True)
            second = project.root / "data/finished" / record["spec"]["id"].replace("/", "-")
            second.mkdir(parents=True)
            shutil.copy2(manifest, second / "record.json")
            for name in record["files"]:
                link = second / "files" / name
                link.parent.mkdir(parents=True, exist_ok=True)
                os.link(here / name, link)
