"""Clouds of codes: taken from trained runs, rounded for JSON, drawn in the plane."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError
from advcodes.core.statistics import mean_sd
from advcodes.core.values import to_float
from advcodes.pages import text
from advcodes.pages.content import as_json
from advcodes.training.restore import Restored

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURED = 2000  #: codes a side that numbers are computed from, at most
BATCH = 250
MISMATCH = (
    "the energy coefficient (2 E|X-Y| - E|X-X'| - E|Y-Y'|) / 2 E|X-Y| of Székely and Rizzo 2013, unbiased: 0 for equal "
    "distributions (by chance a little below), 1 for such that have nothing in common; the scale of codes, which the "
    "encoder is free to choose, plays no part"
)
_MARGIN = 0.06  #: of the range, around the points
_OUTER = 1  #: percent of loose points that may lie beyond a panel, on each of its sides
_FIRST = 4  #: digits of a coordinate in JSON


def check(restored: Restored, where: str) -> None:
    """See that a run has codes of both kinds.

    Raises:
        AdvcodesError: it has no encoder, or no codes that are decoded into samples.
    """
    method = restored.method
    if not (method.can("encode") and method.can("sample") and hasattr(method, "codes")):
        raise AdvcodesError(
            f"{where}: {method.name} does not both encode and sample, so there are no codes to compare; take its "
            "variant out of this figure (`items` of the variant in params.yaml)"
        )


def encoded(restored: Restored, images: np.ndarray) -> Tensor:
    """Codes E(x), float32 [N, d], of stored images uint8 [N, C, H, W] or points float32 [N, D]."""
    with torch.inference_mode():
        return torch.cat([restored.method.encode(x).float() for x in batches(restored, images)])


def batches(restored: Restored, images: np.ndarray, size: int = BATCH) -> Iterator[Tensor]:
    """Stored images as networks see them, ``size`` at a time."""
    for start in range(0, len(images), size):
        yield to_float(torch.from_numpy(np.array(images[start : start + size])), restored.value_range)


def generated(restored: Restored, n: int, seed: int) -> Tensor:
    """``n`` codes that are decoded into samples, float32 [n, d]; the same noise for every snapshot of a run."""
    with torch.inference_mode():
        return restored.method.codes(n, torch.Generator().manual_seed(seed)).float()


def coordinates(points: np.ndarray | Tensor) -> dict[str, list[float]]:
    """Points [N, 2] for JSON: ``x`` and ``y``, rounded to a part in ten thousand of their largest."""
    array = np.asarray(points, np.float64)
    largest = float(np.abs(array).max(initial=0))
    places = max(0, _FIRST - 1 - int(np.floor(np.log10(largest)))) if largest > 0 else 0
    x, y = array.round(places).T.tolist()
    return {"x": x, "y": y}


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
