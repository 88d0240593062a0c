"""A figure of images that turn into one another: decoded from codes on the line between two encoded ones.

Of a model that cannot encode, between the codes of two samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from advcodes.core.statistics import mean_sd
from advcodes.core.values import to_stored
from advcodes.data.prepared import Prepared
from advcodes.evaluation.sample import normalised_for_samples
from advcodes.nets.batch_norm import normalised
from advcodes.pages import given, text
from advcodes.pages.content import footnotes, head, label, origin
from advcodes.pages.pictures import images, scatter
from advcodes.training.restore import Restored, restore

if TYPE_CHECKING:
    from advcodes.pages.request import Request

ROWS = 8
STEPS = 8  #: generated images of a row: both ends' reconstructions and what lies between them


@dataclass(frozen=True)
class Transitions:
    """Interpolations of one run.

    Attributes:
        real: the pairs, uint8 [R, 2, C, H, W]; None of a model that cannot encode them.
        generated: from the first image's reconstruction to the second's, or from one sample to another, uint8
            [R, S, C, H, W].
    """

    real: np.ndarray | None
    generated: np.ndarray


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of interpolations; returns their names.

    Raises:
        AdvcodesError: a run cannot decode, or its dataset has no images.
    """
    figure, shown = content(request)

    def draw(path: Path) -> int:
        return images.transitions([(title, _rows(found)) for title, found in shown], path)

    return given.write(request, directory, name, figure, draw if shown else None, markdown)


def _rows(found: Transitions) -> np.ndarray:
    """Images of each row with its ends; blanks in their places, where there are none."""
    ends = np.full_like(found.generated[:, :2], 255) if found.real is None else found.real
    return np.concatenate([ends[:, :1], found.generated, ends[:, 1:]], axis=1)


def content(request: Request) -> tuple[dict[str, Any], list[tuple[str, Transitions]]]:
    """Everything the figure says, as JSON, and what it shows: title and images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``interpolation`` in each row: by column the
        ``split``, ``first_seed``, ``runs`` by seed, each a list of what :func:`measure` gives, and ``metric`` of the
        samples by seed.
    """
    figure = request.frame()
    blocks = []
    for row, column, results in request.cells(figure, "interpolation"):
        dataset = request.columns[column]
        data, split, runs = request.pictured(column), results[0].protocol["split"], {}
        for result in results:
            sampling = request.inputs[f"samples/{request.id(result)}"].config
            found = interpolate(restore(request.run(result)), data, split, sampling)
            runs[str(result.seed)] = measure(found)
            if result is results[0]:
                title = f"{label(row)} on {text.column(column, dataset)}, seed {result.seed}"
                blocks.append((title, found))
        metric = {str(r.seed): r.metrics[figure["columns"][column]["metric"]] for r in results}
        row["interpolation"][column] = {
            "split": split, "first_seed": results[0].seed, "runs": runs, "metric": metric
        }  # fmt: skip
    return figure, blocks


def interpolate(restored: Restored, data: Prepared, split: str, sampling: Mapping[str, Any]) -> Transitions:
    """Linear interpolation between codes of the split's images 0 and 1, 2 and 3, and so on.

    Batch norm is treated as for samples, but re-estimated on reconstructions of training images: interpolated codes
    are near the encoder's, not near the code generator's. A model that cannot encode goes between the codes of its
    samples 0 and 1, and so on, in place of them.

    Args:
        restored: a trained run.
        data: all of its dataset.
        split: whose images are the ends.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``.

    Raises:
        AdvcodesError: the method cannot decode.
    """
    method, size = restored.method, sampling["batch_size"]
    if not method.can("encode", method.config):
        return Transitions(None, _between_samples(restored, sampling))
    ends = np.array(data.split(split).images[: 2 * ROWS])
    ends = ends[: len(ends) // 2 * 2]
    training = data.split(restored.config["view"]["train_split"]).images
    chosen = np.random.default_rng(0).permutation(len(training))[: sampling["reestimate_batches"] * size]

    def passes() -> None:
        for x in scatter.batches(restored, training[chosen], size):
            method.reconstruct(x)

    with torch.inference_mode(), normalised(method.networks.values(), sampling["batch_norm"], passes):
        generated = _between(restored, torch.cat([method.encode(x) for x in scatter.batches(restored, ends)]))
    return Transitions(ends.reshape(-1, 2, *ends.shape[1:]), generated)


def _between_samples(restored: Restored, sampling: Mapping[str, Any]) -> np.ndarray:
    """Images uint8 [R, S, C, H, W] between pairs of samples, of noise that is the same for every run."""
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode(), normalised_for_samples(restored.method, sampling, generator):
        return _between(restored, restored.method.codes(2 * ROWS, torch.Generator().manual_seed(0)))


def _between(restored: Restored, codes: torch.Tensor) -> np.ndarray:
    """Images uint8 [R, S, C, H, W] of codes between 0 and 1, 2 and 3, and so on, of [2 R, d]."""
    weight = torch.linspace(0, 1, STEPS, device=codes.device)[None, :, None]
    decoded = restored.method.decode(torch.lerp(codes[0::2, None], codes[1::2, None], weight).flatten(0, 1))
    return to_stored(decoded, restored.value_range).cpu().numpy().reshape(-1, STEPS, *decoded.shape[1:])


def measure(found: Transitions) -> list[dict[str, Any]]:
    """Numbers of each row, with pixels from 0 to 1.

    Returns:
        ``images``: the pair's positions in the split; ``mse``: of both ends' reconstructions (both are None between
        samples); ``steps``: mean absolute change of pixels from each generated image to the next; ``unevenness``: the
        largest step over the mean step, 1 if all are equal, 7 if one of the seven does it all; None if nothing changes.
    """
    generated = found.generated.astype(np.float64) / 255
    pixels = tuple(range(2, generated.ndim))
    steps = np.abs(np.diff(generated, axis=1)).mean(pixels)
    pairs: list[dict[str, Any]] = [{"images": None, "mse": None}] * len(steps)
    if found.real is not None:
        mse = np.square(generated[:, [0, -1]] - found.real / 255).mean(pixels).round(5).tolist()
        pairs = [{"images": [2 * i, 2 * i + 1], "mse": error} for i, error in enumerate(mse)]
    return [
        {
            **pair,
            "steps": step.round(5).tolist(),
            "unevenness": round(float(step.max() / step.mean()), 3) if step.any() else None,
        }
        for pair, step in zip(pairs, steps, strict=True)
    ]


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: rows of each model in it.
        files: beside the page, to be linked.
    """
    parts, shown = [head(figure), f"![{figure['title']}]({picture})"], list(given.shown(figure, "interpolation"))
    if shown:
        splits = text.listing(sorted({found["split"] for _, _, found in shown}))
        sampled = [label(row) for row, _, found in shown if _sampled(found)]
        instead = f" {text.listing(sampled)} cannot encode: there the ends are two samples." if sampled else ""
        parts += [
            f"Leftmost and rightmost: images of split {splits}, the first {drawn} pairs, not selected. Between them: "
            f"decoded codes, {STEPS} in equal steps from the left image's code to the right image's; the first and the "
            f"last of these are the two reconstructions.{instead} Small images are enlarged without smoothing.",
            text.markdown_table(
                [*_HEADER, scatter.metric_head(figure)], [_line(*entry) for entry in shown], left=(0, 1)
            ),
        ]
    notes = _NOTES if shown else []
    parts.append("\n".join(f"- {note}" for note in [*notes, *footnotes(figure), origin(figure, files)]))
    return "\n\n".join(parts) + "\n"


_HEADER = ("Model", "Dataset", "Seeds", "MSE of reconstructions ↓", "Largest / mean step", "Worst row")
_NOTES = (
    f"**Numbers**: means over {ROWS} rows, and over seeds (± sample standard deviation over seeds where there are "
    "several).",
    "**MSE of reconstructions**: of both ends' images, pixels from 0 to 1.",
    f"**Largest / mean step**: how evenly a row goes from one end to the other. A step is the mean absolute change of "
    f"pixels between neighbours; 1 means that all {STEPS - 1} are equal, {STEPS - 1} that one of them does it all. "
    "Evenness alone does not show that the images between are good ones: a cross-fade of pixels has 1.",
    "**Batch norm** is re-estimated on reconstructions of training images if `sampling.batch_norm` is `reestimate`, as "
    "interpolated codes are like the encoder's.",
)


def _sampled(found: Mapping[str, Any]) -> bool:
    """Whether a run's rows go between samples."""
    return any(row["mse"] is None for rows in found["runs"].values() for row in rows)


def _line(row: Mapping[str, Any], column: str, found: Mapping[str, Any]) -> list[str]:
    runs = list(found["runs"].values())
    mse = [] if _sampled(found) else [fmean(m for r in rows for m in r["mse"]) for rows in runs]
    even = [[r["unevenness"] for r in rows if r["unevenness"] is not None] for rows in runs]
    known = [values for values in even if values]
    cells = [text.plus_minus(*mean_sd(mse), text.decimals(mse)) if mse else text.DASH]
    if known:
        cells += [text.plus_minus(*mean_sd([fmean(v) for v in known]), 2), text.number(max(map(max, known)), 2)]
    else:
        cells += [text.DASH, text.DASH]
    return [label(row), column, str(len(runs)), *cells, scatter.metric_cell(found["metric"])]
