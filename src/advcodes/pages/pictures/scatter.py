"""Clouds of codes: drawn in the plane, and written as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.core.statistics import mean_sd
from advcodes.pages import text
from advcodes.pages.content import as_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISMATCH = (
    "the energy coefficient (2 E|X-Y| - E|X-X'| - E|Y-Y'|) / 2 E|X-Y| of Székely and Rizzo 2013, unbiased: 0 for equal "
    "distributions (by chance a little below), 1 for such that have nothing in common; the scale of codes, which the "
    "encoder is free to choose, plays no part"
)
_MARGIN = 0.06  #: of the range, around the points
_OUTER = 1  #: percent of loose points that may lie beyond a panel, on each of its sides


def limits(
    clouds: Sequence[Mapping[str, Sequence[float]]], loose: Sequence[Mapping[str, Sequence[float]]] = ()
) -> dict[str, tuple[float, float]]:
    """``xlim`` and ``ylim`` of a square that holds ``clouds``, and ``loose`` ones but for their outermost points."""
    middle, half = [], 0.0
    for axis in ("x", "y"):
        values = [v for cloud in clouds for v in cloud[axis]]
        if scattered := [v for cloud in loose for v in cloud[axis]]:
            values += np.percentile(scattered, [_OUTER, 100 - _OUTER]).tolist()
        middle.append((min(values) + max(values)) / 2)
        half = max(half, (max(values) - min(values)) / 2)
    half = half * (1 + 2 * _MARGIN) or 1.0
    return {name: (m - half, m + half) for name, m in zip(("xlim", "ylim"), middle, strict=True)}


def metric_head(content: Mapping[str, Any]) -> str:
    """Head of the table's column for the metric of the runs' samples."""
    names = dict.fromkeys(c["metric"] for c in content["columns"].values() if c["metric"])
    return f"Samples: {' or '.join(f'{name} {text.arrow(name)}' for name in names)}"


def metric_cell(by_seed: Mapping[str, float]) -> str:
    """That metric over seeds."""
    values = list(by_seed.values())
    return text.plus_minus(*mean_sd(values), text.decimals(values))


def frameless(panel: Axes, **settings: Any) -> None:
    """A square panel without ticks, whose frame stays behind its points."""
    panel.set(xticks=[], yticks=[], aspect="equal", **settings)
    for spine in panel.spines.values():
        spine.set(color="0.75", linewidth=0.8)


def to_json(content: Mapping[str, Any]) -> str:
    """Indented JSON with each list of numbers on one line."""
    return re.sub(r"\[\n[\s\d.,eE+-]*\]", lambda match: re.sub(r"\s+", "", match[0]), as_json(content))
