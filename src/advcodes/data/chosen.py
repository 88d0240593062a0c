"""Which images of a dataset stand for it where not all are looked at: the same ones for every run."""

from __future__ import annotations

import numpy as np

from advcodes.data.prepared import Prepared

SEED = 0  #: of the choice of images


def choose(prepared: Prepared, split: str, n: int, besides: np.ndarray | None = None) -> np.ndarray:
    """Rows of ``n`` images of a split, ascending int64: a seeded random choice, or all where there are not more.

    Args:
        prepared: the whole dataset.
        split: to choose from.
        n: how many at most.
        besides: rows that must not be chosen.

    Raises:
        AdvcodesError: no such split.
    """
    of_split = prepared.rows(split)
    rows = np.arange(of_split.start, of_split.stop)
    if besides is not None:
        rows = np.setdiff1d(rows, besides)
    if n < len(rows):
        rows = np.sort(np.random.default_rng(SEED).choice(rows, n, replace=False))
    return rows
