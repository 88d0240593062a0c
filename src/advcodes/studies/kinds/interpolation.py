"""Images decoded from codes on the line between two encoded ones.

Of a model that cannot encode, between the codes of two samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from advcodes.core.values import to_stored
from advcodes.data.prepared import Prepared
from advcodes.evaluation.sample import normalised_for_samples
from advcodes.nets.batch_norm import normalised
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request, drawn
from advcodes.studies.shared import INTERPOLATION_ROWS as ROWS
from advcodes.studies.shared import INTERPOLATION_STEPS as STEPS
from advcodes.training.restore import Restored


@dataclass(frozen=True)
class Transitions:
    """Interpolations of one run.

    Attributes:
        real: the pairs, uint8 [R, 2, C, H, W]; None of a model that cannot encode them.
        generated: from the first image's reconstruction to the second's, or from one sample to another, uint8
            [R, S, C, H, W].
        rows: positions of the pairs in their split, int64 [R, 2].
    """

    real: np.ndarray | None
    generated: np.ndarray
    rows: np.ndarray | None = None


def study(request: Request) -> Study:
    """Of each row and column the ``split``, ``first_seed``, and ``runs`` by seed: what :func:`measure` gives.

    And of the first seed the images of :class:`Transitions`; ``real`` is missing where they go between samples.

    Raises:
        AdvcodesError: a run cannot decode, or its dataset has no images.
    """
    cells = {}
    for place in request.places():
        data, runs, arrays = request.pictured(place), {}, {}
        for seed, run in place.runs.items():
            made = interpolate(
                networks.restored(request, run), data, request.split(place), request.sampling, request.more
            )
            runs[str(seed)] = measure(made)
            if seed == place.seed:
                arrays = {"generated": made.generated} | ({} if made.real is None else {"real": made.real})
        numbers = {"split": request.split(place), "first_seed": place.seed, "runs": runs}
        cells[place.key] = Cell(numbers, arrays)
    return cells


def interpolate(
    restored: Restored, data: Prepared, split: str, sampling: Mapping[str, Any], more: bool = False
) -> Transitions:
    """Linear interpolation between codes of pairs of the split's images, see :func:`advcodes.studies.request.drawn`.

    Batch norm is treated as for samples, but re-estimated on reconstructions of training images: interpolated codes
    are near the encoder's, not near the code generator's. A model that cannot encode goes between the codes of its
    samples 0 and 1, and so on, in place of them.

    Args:
        restored: a trained run.
        data: all of its dataset.
        split: whose images are the ends.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``.
        more: other pairs than figures show else.

    Raises:
        AdvcodesError: the method cannot decode.
    """
    method, size = restored.method, sampling["batch_size"]
    if not method.can("encode", method.config):
        return Transitions(None, _between_samples(restored, sampling, more))
    images = data.split(split).images
    rows = drawn(len(images), 2 * ROWS, more)
    rows = rows[: len(rows) // 2 * 2]
    ends = np.array(images[rows])
    training = data.split(restored.config["view"]["train_split"]).images
    chosen = np.random.default_rng(0).permutation(len(training))[: sampling["reestimate_batches"] * size]

    def passes() -> None:
        for x in networks.batches(restored, training[chosen], size):
            method.reconstruct(x)

    with torch.inference_mode(), normalised(method.networks.values(), sampling["batch_norm"], passes):
        generated = _between(restored, torch.cat([method.encode(x) for x in networks.batches(restored, ends)]))
    return Transitions(ends.reshape(-1, 2, *ends.shape[1:]), generated, rows.reshape(-1, 2))


def _between_samples(restored: Restored, sampling: Mapping[str, Any], more: bool) -> np.ndarray:
    """Images uint8 [R, S, C, H, W] between pairs of samples, of noise that is the same for every run."""
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode(), normalised_for_samples(restored.method, sampling, generator):
        return _between(restored, restored.method.codes(2 * ROWS, torch.Generator().manual_seed(int(more))))


def _between(restored: Restored, codes: torch.Tensor) -> np.ndarray:
    """Images uint8 [R, S, C, H, W] of codes between 0 and 1, 2 and 3, and so on, of [2 R, d]."""
    weight = torch.linspace(0, 1, STEPS, device=codes.device)[None, :, None]
    decoded = restored.method.decode(torch.lerp(codes[0::2, None], codes[1::2, None], weight).flatten(0, 1))
    return to_stored(decoded, restored.value_range).cpu().numpy().reshape(-1, STEPS, *decoded.shape[1:])


def measure(transitions: Transitions) -> list[dict[str, Any]]:
    """Numbers of each row, with pixels from 0 to 1.

    Returns:
        ``images``: the pair's positions in the split; ``mse``: of both ends' reconstructions (both are None between
        samples); ``steps``: mean absolute change of pixels from each generated image to the next; ``unevenness``: the
        largest step over the mean step, 1 if all are equal, 7 if one of the seven does it all; None if nothing changes.
    """
    generated = transitions.generated.astype(np.float64) / 255
    pixels = tuple(range(2, generated.ndim))
    steps = np.abs(np.diff(generated, axis=1)).mean(pixels)
    pairs: list[dict[str, Any]] = [{"images": None, "mse": None}] * len(steps)
    if transitions.real is not None and transitions.rows is not None:
        mse = np.square(generated[:, [0, -1]] - transitions.real / 255).mean(pixels).round(5).tolist()
        pairs = [{"images": pair, "mse": error} for pair, error in zip(transitions.rows.tolist(), mse, strict=True)]
    return [
        {
            **pair,
            "steps": step.round(5).tolist(),
            "unevenness": round(float(step.max() / step.mean()), 3) if step.any() else None,
        }
        for pair, step in zip(pairs, steps, strict=True)
    ]
