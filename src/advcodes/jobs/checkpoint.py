"""Checkpoints: written beside the old one and moved over it, loaded without unpickling code."""

from __future__ import annotations

import os
import pickle
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


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint with ``weights_only=True``.

    Raises:
        AdvcodesError: there is none, it is damaged, not ours, or of another format.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise AdvcodesError(f"{path}: no such checkpoint; train the run first (`advcodes train <run>`)") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError):
        raise AdvcodesError(
            f"{path}: not a readable checkpoint (truncated, damaged, or with code inside); delete it and train again"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise AdvcodesError(f"{path}: not a checkpoint of this version (format {FORMAT}); delete it and train again")
    return content
