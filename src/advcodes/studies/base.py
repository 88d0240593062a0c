"""What a study leaves for a page: numbers as JSON and arrays beside it. Reading and writing them needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from advcodes.build.provenance import write_atomically
from advcodes.build.writing import save_array
from advcodes.core.errors import AdvcodesError

STUDY = "study.json"


@dataclass(frozen=True)
class Cell:
    """What was found of a row in a column.

    Attributes:
        numbers: JSON values by name.
        arrays: by name; images are uint8 [..., C, H, W].
    """

    numbers: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


Study = Mapping[tuple[str, str], Cell]  #: by variant and column


def write(directory: Path, study: Study) -> list[str]:
    """Write ``study.json`` and an .npy file for each array; returns their names."""
    for old in directory.glob("*.npy"):  # a cache may hold a hard link to it
        old.unlink()
    told: dict[str, dict[str, Any]] = {}
    files: list[str] = []
    for (variant, column), cell in study.items():
        places = {name: f"{variant}.{column}.{name}.npy" for name in cell.arrays}
        for name, file in places.items():
            save_array(directory / file, cell.arrays[name])
        told.setdefault(variant, {})[column] = {"numbers": cell.numbers, "arrays": places}
        files += places.values()
    write_atomically(directory / STUDY, json.dumps(told, ensure_ascii=False) + "\n")
    return [STUDY, *files]


def read(directory: Path) -> Study:
    """Read what :func:`write` wrote.

    Raises:
        AdvcodesError: a file is missing or unreadable.
    """
    path = directory / STUDY
    try:
        told = json.loads(path.read_text())
        return {
            (variant, column): Cell(
                record["numbers"],
                {name: np.load(directory / file, allow_pickle=False) for name, file in record["arrays"].items()},
            )
            for variant, columns in told.items()
            for column, record in columns.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise AdvcodesError(f"{path}: no readable study; delete {directory} and run the pipeline again") from None
