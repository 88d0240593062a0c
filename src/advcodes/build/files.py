"""Whether files still hold what was written: SHA-256 of what looks changed, and what was last looked at, remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from advcodes.core.remembered import recall, remember

AFFECTS_RESULTS = False


def measure(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file, as manifests have them."""
    with open(path, "rb") as f:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(f, "sha256").hexdigest()}


def _looks(path: Path) -> list[int]:
    """What changes when a file is written anew or put in another's place."""
    stat = path.stat()
    return [stat.st_size, stat.st_ino, stat.st_mtime_ns]


def record_of(directory: Path, names: list[str], memory: Path) -> dict[str, dict[str, Any]]:
    """Measure files just made, and remember how they look.

    Args:
        directory: that the names are relative to.
        names: of the files.
        memory: where to remember; losing it costs a look at every byte.
    """
    looks = {name: _looks(directory / name) for name in names}
    measured = {name: measure(directory / name) for name in names}
    remember(memory, {str(directory / name): [*looks[name], measured[name]["sha256"]] for name in names})
    return measured


def damaged(
    directory: Path, record: Mapping[str, Mapping[str, Any]], memory: Path, everything: bool = False
) -> list[str]:
    """Names of files that are missing, or hold something else than was recorded.

    Args:
        directory: that the names are relative to.
        record: what :func:`record_of` gave.
        memory: how the files looked when they were last found whole. Those that look the same are not read again.
        everything: read every file all the same.
    """
    known, whole, bad = recall(memory), {}, []
    for name, recorded in record.items():
        path = directory / name
        try:
            look = [*_looks(path), recorded["sha256"]]
            if (everything or known.get(str(path)) != look) and measure(path) != recorded:
                bad.append(name)
                continue
        except (OSError, KeyError, TypeError):
            bad.append(name)
            continue
        whole[str(path)] = look
    if whole != known:
        remember(memory, whole)
    return bad
