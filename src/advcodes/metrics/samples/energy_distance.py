"""The energy distance of points, in place of an extractor's features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from advcodes.core.errors import AdvcodesError
from advcodes.metrics.base import Facts, Quantity
from advcodes.metrics.extracted import COUNTS, Compared, Comparison, Reference
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    import numpy as np

_ROWS = 250  #: of a block of the distance matrix: small enough for a processor's cache
NAME = "energy_distance"


@register(NAME)
class EnergyDistance(Compared):
    """How far apart generated and real points lie, beyond what points of either side do."""

    order = 50
    quantities = (Quantity(NAME, "lower", over_training=True, needed=COUNTS),)
    needs = ("samples",)
    source = "points"

    @classmethod
    def applies_to(cls, dataset: Facts) -> bool:
        return dataset.points

    @classmethod
    def possible(cls, reference: Reference, classes: bool) -> bool:
        return reference.points is not None

    @classmethod
    def used(cls, settings: Mapping[str, Any], n: int, m: int, n_is: int) -> dict[str, Any]:
        return {NAME: "of the points themselves, Euclidean norm, unbiased (U-statistic)"}

    @classmethod
    def values(cls, compared: Comparison) -> dict[str, tuple[float, float | None]]:
        points, real = compared.points, compared.reference.points
        assert points is not None and real is not None  # or it were not possible
        return {NAME: (energy_distance(points, real), None)}

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        return (
            "2 E|X-Y| - E|X-X'| - E|Y-Y'| of the points themselves (Székely and Rizzo 2013), in the data's "
            "unit; unbiased, so 0 on average for equal distributions, and by chance a little below (our own choice: no "
            f"paper reports it); {protocol['n_generated']:,} generated and {protocol['n_reference']:,} real points "
            f"(split {protocol['split']})"
        )


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """``2 E|X - Y| - E|X - X'| - E|Y - Y'|`` of points [N, D] and [M, D], in their unit (Székely & Rizzo 2013).

    Norms are Euclidean, and expectations are means over pairs of different points (a U-statistic, in float64): without
    bias whatever the counts, 0 on average for equal distributions, and so by chance a little below it.

    Raises:
        AdvcodesError: fewer than two points on a side have no distance to each other.
    """
    import numpy as np
    from scipy.spatial.distance import cdist

    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if min(len(x), len(y)) < 2:
        raise AdvcodesError(
            f"energy distance: got {len(x)} generated and {len(y)} real points, expected at least 2 of each; raise "
            "metrics.n_generated and metrics.n_reference"
        )

    def total(a: np.ndarray, b: np.ndarray) -> float:
        return sum(float(cdist(a[i : i + _ROWS], b).sum()) for i in range(0, len(a), _ROWS))

    between = total(x, y) / (len(x) * len(y))
    return 2 * between - sum(total(s, s) / (len(s) * (len(s) - 1)) for s in (x, y))
