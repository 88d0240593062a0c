"""Real images and samples that a figure of grids shows."""

from __future__ import annotations

import numpy as np

from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import GRIDS_SHOWN


def study(request: Request) -> Study:
    """``real`` images of every column, and ``samples`` of the first seed: uint8 [N, C, H, W], or points."""
    found = {}
    for place in request.places():
        samples = request.samples(place.first)[:GRIDS_SHOWN]
        found[place.key] = Cell(arrays={"real": request.real(place, GRIDS_SHOWN), "samples": np.array(samples)})
    return found
