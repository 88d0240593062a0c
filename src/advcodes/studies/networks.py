"""What studies ask of trained runs: their networks on the device, and codes of images and of noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_float
from advcodes.extractors.features import Extractor, load_extractor
from advcodes.studies.request import Request
from advcodes.training.restore import Restored, restore

MEASURED = 2000  #: codes a side that numbers are computed from, at most
BATCH = 250
_FIRST = 4  #: digits of a coordinate in JSON


def restored(request: Request, run: str) -> Restored:
    """A trained run, on the request's device."""
    return restore(request.run(run), request.device)


def classifier(request: Request, dataset: str, role: Literal["extractor", "statements"] = "extractor") -> Extractor:
    """A classifier of a dataset, on the request's device."""
    return load_extractor(request.inputs[f"{role}/{dataset}"].directory, "classifier", request.device)


def check_codes(restored: Restored, where: str) -> None:
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


def check_condition(restored: Restored, wanted: Sequence[str], where: str) -> None:
    """See that a run makes images of a condition.

    Args:
        restored: a trained run.
        wanted: conditions that it may have: ``labels``, ``clusters``, ``text``.
        where: the item and row, named in errors.

    Raises:
        AdvcodesError: it has another condition or none, or its samples are points.
    """
    method = restored.method
    if method.conditioned_on not in wanted:
        raise AdvcodesError(
            f"{where}: samples of {method.name} are conditioned on {method.conditioned_on or 'nothing'}, and this "
            f"figure shows what {' or '.join(wanted)} give; take its variant out"
        )
    if len(restored.shape) == 1:
        raise AdvcodesError(f"{where}: has points, no images; serve its column by images (`stand_ins`)")


def encoded(restored: Restored, images: np.ndarray) -> Tensor:
    """Codes E(x), float32 [N, d] on the CPU, of stored images uint8 [N, C, H, W] or points float32 [N, D]."""
    with torch.inference_mode():
        return torch.cat([restored.method.encode(x).float() for x in batches(restored, images)]).cpu()


def batches(restored: Restored, images: np.ndarray, size: int = BATCH) -> Iterator[Tensor]:
    """Stored images as networks see them, ``size`` at a time, on the networks' device."""
    for start in range(0, len(images), size):
        stored = torch.from_numpy(np.array(images[start : start + size]))
        yield to_float(stored.to(restored.method.device), restored.value_range)


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
