"""A figure of energies: images and what a discriminator that is an autoencoder makes of them (Khan figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.core.statistics import mean_sd
from advcodes.pages import given, text
from advcodes.pages.content import label
from advcodes.pages.pictures.blocks import panels
from advcodes.studies.shared import DRAWN

if TYPE_CHECKING:
    from advcodes.pages.request import Request

FAKE, REAL, AGAIN = "generated", "real", "reconstructed"


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of energies; returns their names."""
    figure, shown = content(request)
    draw = (lambda path: panels(shown, path)) if shown else None
    return given.write(request, directory, name, figure, draw, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[list[tuple[str, np.ndarray]]]]:
    """Everything the figure says, as JSON, and the images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``energies`` in each row: by column what
        :mod:`advcodes.studies.kinds.energies` found, and ``scores`` over seeds. And four panels a run, two a line.
    """
    figure, shown = request.frame(), []
    for row, column, results in request.cells(figure, "energies"):
        studied = request.studied(column, results)
        title = f"{label(row)}, {text.column(column, request.columns[column])}"
        for kind, head in ((FAKE, f"{title}: samples"), (REAL, "real images")):
            again = ("redrawn by the discriminator", studied.arrays[f"{kind}_redrawn"])
            shown.append([(head, studied.arrays[kind]), again])
        scores = given.scores(results, figure["columns"][column]["metric"], ("imbalance", "fid", "is"))
        row["energies"][column] = {**studied.numbers, "scores": scores}
    return figure, shown


def markdown(figure: Mapping[str, Any], picture: str, side: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        side: rows and columns of images in a panel.
        files: beside the page, to be linked.
    """
    shown: list[Any] = list(given.shown(figure, "energies"))
    parts, notes = [], []
    if shown:
        seeds, splits = (text.listing(sorted({str(f[key]) for *_, f in shown})) for key in ("seed", "split"))
        parts.append(
            f"Up to {side * side} of each: the first samples of seed {seeds}, and images of split {splits}, "
            f"{DRAWN}; to the right of each what the discriminator makes of them. Small images are enlarged "
            "without smoothing."
        )
        lines = [[label(row), column, str(len(f["runs"])), *_cells(f)] for row, column, f in shown]
        heads = ["Model", "Dataset", "Seeds", "Energy of samples", "of reconstructions", "of real images"]
        heads += ["Samples over real images", "in balance"]
        parts += [text.markdown_table(heads, lines, left=(0, 1)), given.table(figure, "energies")]
        measured = text.listing([f"{n:,}" for n in sorted({f["measured"] for *_, f in shown})])
        notes = [
            f"**Energy**: mean absolute error of what the discriminator makes of {measured} images, pixels on [0, 1]. "
            "Samples and reconstructions are measured as in training: as they leave the generator, not clamped and not "
            "rounded. Mean ± sample standard deviation over seeds.",
            "**In balance**: the controller's error is 0 where L_g is `diversity` times L_d. With reconstructions that "
            "is L_g + `vae_weight` L_v, so samples are at `diversity` / (1 + `vae_weight`) of real images where "
            "their energy and that of reconstructions are alike.",
        ]
    return given.page(figure, "energies", picture, parts, notes, files)


def _cells(cell: Mapping[str, Any]) -> list[str]:
    columns = [[run[key] for run in cell["runs"].values()] for key in (FAKE, AGAIN, REAL, "ratio")]
    cells = [text.DASH if None in of else text.plus_minus(*mean_sd(of), text.decimals(of)) for of in columns]
    return [*cells, text.number(next(iter(cell["runs"].values()))["balance"], 3)]  # a setting: the same of all seeds
