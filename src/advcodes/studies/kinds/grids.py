"""Real images and samples that a figure of grids shows."""

from __future__ import annotations

from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import GRIDS_SHOWN


def study(request: Request) -> Study:
    """``real`` images of every column, and ``samples`` of the first seed: uint8 [N, C, H, W], or points."""
    cells = {}
    for place in request.places():
        arrays = {"real": request.real(place, GRIDS_SHOWN), "samples": request.sampled(place, GRIDS_SHOWN)}
        cells[place.key] = Cell(arrays=arrays)
    return cells
