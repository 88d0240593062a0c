"""JSON files that only save time: what they hold can be found out again, so losing or damaging them loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AFFECTS_RESULTS = False


def recall(path: Path) -> dict[str, Any]:
    """What :func:`remember` wrote; nothing where the file is missing or damaged."""
    try:
        content = json.loads(path.read_text())
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}


def remember(path: Path, content: Mapping[str, Any]) -> None:
    """Write it, whole or not at all; where that is impossible, do without."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content))
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
