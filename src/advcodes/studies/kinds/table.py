"""Samples that a table shows."""

from __future__ import annotations

import numpy as np

from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import TABLE_SHOWN


def study(request: Request) -> Study:
    """``samples`` of the first seed of every cell: uint8 [N, C, H, W], or points."""
    return {
        place.key: Cell(arrays={"samples": np.array(request.samples(place.first)[:TABLE_SHOWN])})
        for place in request.places()
    }
