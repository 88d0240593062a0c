"""A figure of images that turn into one another: decoded from codes on the line between two encoded ones.

Of a model that cannot encode, between the codes of two samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.core.statistics import mean_sd
from advcodes.pages import given, layout, text
from advcodes.pages.content import label
from advcodes.pages.footnotes import footnotes, origin
from advcodes.pages.pictures import images, scatter
from advcodes.studies.shared import INTERPOLATION_ROWS as ROWS
from advcodes.studies.shared import INTERPOLATION_STEPS as STEPS

if TYPE_CHECKING:
    from advcodes.pages.request import Request


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of interpolations; returns their names."""
    figure, shown = content(request)
    draw = (lambda path: images.transitions(shown, path)) if shown else None
    return given.write(request, directory, name, figure, draw, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[tuple[str, np.ndarray]]]:
    """Everything the figure says, as JSON, and what it shows: title and rows of images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``interpolation`` in each row: by column what
        :mod:`advcodes.studies.kinds.interpolation` found, and ``metric`` of the samples by seed.
    """
    figure = request.frame()
    blocks = []
    for row, column, results in request.cells(figure, "interpolation"):
        studied = request.studied(column, results)
        title = f"{label(row)} on {text.column(column, request.columns[column])}, seed {results[0].seed}"
        blocks.append((title, with_ends(studied.arrays["generated"], studied.arrays.get("real"))))
        metric = {str(r.seed): r.metrics[figure["columns"][column]["metric"]] for r in results}
        row["interpolation"][column] = {**studied.numbers, "metric": metric}
    return figure, blocks


def with_ends(generated: np.ndarray, real: np.ndarray | None) -> np.ndarray:
    """Images of each row [R, S, C, H, W] between its ends [R, 2, C, H, W]; blanks in their places, without any."""
    ends = np.full_like(generated[:, :2], 255) if real is None else real
    return np.concatenate([ends[:, :1], generated, ends[:, 1:]], axis=1)


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: rows of each model in it.
        files: beside the page, to be linked.
    """
    parts, shown = [f"![{figure['title']}]({picture})"], list(given.shown(figure, "interpolation"))
    if shown:
        splits = text.listing(sorted({cell["split"] for _, _, cell in shown}))
        sampled = [label(row) for row, _, cell in shown if _sampled(cell)]
        instead = f" {text.listing(sampled)} cannot encode: there the ends are two samples." if sampled else ""
        parts += [
            f"Leftmost and rightmost: {drawn} pairs of images of split {splits}, {given.drawn(figure)}. Between them: "
            f"decoded codes, {STEPS} in equal steps from the left image's code to the right image's; the first and the "
            f"last of these are the two reconstructions.{instead} Small images are enlarged without smoothing.",
            text.markdown_table(
                [*_HEADER, scatter.metric_head(figure)], [_line(*entry) for entry in shown], left=(0, 1)
            ),
        ]
    notes = _NOTES if shown else []
    return layout.page(figure, parts, [*notes, *footnotes(figure), origin(figure, files)])


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


def _sampled(cell: Mapping[str, Any]) -> bool:
    """Whether a run's rows go between samples."""
    return any(row["mse"] is None for rows in cell["runs"].values() for row in rows)


def _line(row: Mapping[str, Any], column: str, cell: Mapping[str, Any]) -> list[str]:
    runs = list(cell["runs"].values())
    mse = [] if _sampled(cell) else [fmean(m for r in rows for m in r["mse"]) for rows in runs]
    even = [[r["unevenness"] for r in rows if r["unevenness"] is not None] for rows in runs]
    known = [values for values in even if values]
    cells = [text.plus_minus(*mean_sd(mse), text.decimals(mse)) if mse else text.DASH]
    if known:
        cells += [text.plus_minus(*mean_sd([fmean(v) for v in known]), 2), text.number(max(map(max, known)), 2)]
    else:
        cells += [text.DASH, text.DASH]
    return [label(row), column, str(len(runs)), *cells, scatter.metric_cell(cell["metric"])]
