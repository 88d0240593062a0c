"""Checkpoints: written beside the old one and moved over it, loaded without unpickling code."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from advcodes.core.errors import AdvcodesError

FORMAT = 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` (tensors, numbers, strings, containers) so that ``path`` is always a whole file.

    Raises:
        AdvcodesError: the disk is full or the folder cannot be written; an earlier file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as f:
            torch.save({"format": FORMAT, **content}, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise AdvcodesError(
            f"{path}: cannot write checkpoint: {why}; free some space and run again (training resumes)"
        ) from None


def keep(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint to go on from; the one before it stays beside it, should this one be damaged.

    Raises:
        AdvcodesError: as :func:`save`.
    """
    new = path.with_name(f"new_{path.name}")
    save(new, content)
    if path.exists():
        os.replace(path, _before(path))
    os.replace(new, path)


def _before(path: Path) -> Path:
    return path.with_stem(f"{path.stem}_before")


def resume(
    path: Path,
    key: str,
    device: torch.device | str = "cpu",
    check: Callable[[dict[str, Any]], None] = lambda content: None,
    earlier: Sequence[str] = (),
) -> dict[str, Any] | None:
    """What to go on from: the newest checkpoint that :func:`keep` wrote, that is whole and of this ``key``.

    A damaged one is set aside, with a line that says so.

    Args:
        path: as :func:`keep` was given it.
        key: that the content has under ``key``; another's is not continued.
        device: for its tensors.
        check: raises an AdvcodesError where something else is missing without which one cannot go on.
        earlier: other keys whose checkpoints are continued, too.

    Returns:
        Its content; None where one has to start anew.
    """
    for candidate in (path, _before(path)):
        if not candidate.exists():
            continue
        try:
            content = load(candidate, device)
            if content.get("key") not in (key, *earlier):
                continue
            check(content)
        except AdvcodesError as error:
            os.replace(candidate, aside := candidate.with_suffix(".damaged"))
            print(f"{str(error).partition(';')[0]}: not continued, and set aside as {aside}", flush=True)
        else:
            return content
    return None


def clear(path: Path) -> None:
    """Delete what :func:`keep` wrote."""
    for file in (path, _before(path)):
        file.unlink(missing_ok=True)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint with ``weights_only=True``.

    Raises:
        AdvcodesError: there is none, it is damaged, not ours, or of another format.
    """
    try:
        with zipfile.ZipFile(path) as parts:  # torch itself compares no checksum: a flipped bit would be a weight
            if parts.testzip() is not None:
                raise zipfile.BadZipFile
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise AdvcodesError(f"{path}: no such checkpoint; train the run first (`advcodes train <run>`)") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile):
        raise AdvcodesError(
            f"{path}: not a readable checkpoint (truncated, damaged, or with code inside); delete it and train again"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise AdvcodesError(f"{path}: not a checkpoint of this version (format {FORMAT}); delete it and train again")
    return content
