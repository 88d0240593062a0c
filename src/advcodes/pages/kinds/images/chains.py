"""A figure of recursive chains: encoder and generator by turns, from test images and from draws of the prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.core.statistics import mean_sd
from advcodes.pages import given, text
from advcodes.pages.content import label
from advcodes.pages.pictures.blocks import Block, blocks
from advcodes.studies.shared import CHAIN_TURNS as TURNS
from advcodes.studies.shared import CHAINS_FROM, DRAWN

if TYPE_CHECKING:
    from advcodes.pages.request import Request

IMAGES, PRIOR = CHAINS_FROM


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of chains; returns their names."""
    figure, shown = content(request)
    draw = (lambda path: blocks(shown, path)) if shown else None
    return given.write(request, directory, name, figure, draw, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[list[Block | None]]]:
    """Everything the figure says, as JSON, and the images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``chains`` in each row: by column what
        :mod:`advcodes.studies.kinds.chains` found, and ``scores`` over seeds. And two blocks for each run, one for each
        chain.
    """
    figure, shown = request.frame(), []
    for row, column, results in request.cells(figure, "chains"):
        studied = request.studied(column, results)
        title = f"{label(row)}, {text.column(column, request.columns[column])}"
        shown.append(drawn_as(title, {kind: studied.arrays[kind] for kind in CHAINS_FROM}))
        scores = given.scores(results, figure["columns"][column]["metric"], given.AUTOENCODED)
        row["chains"][column] = {**studied.numbers, "scores": scores}
    return figure, shown


def drawn_as(title: str, shown: Mapping[str, np.ndarray]) -> list[Block | None]:
    """Blocks of the chains of a run, side by side, with a row for each chain."""
    heads = {IMAGES: ("x", "x"), PRIOR: ("G(z)", "g")}  # the start, and what later ones are called
    return [
        Block(f"{title}: from {CHAINS_FROM[kind]}", strips, [first, *(f"{named}{n}" for n in range(1, TURNS + 1))])
        for kind, strips in shown.items()
        for first, named in [heads[kind]]
    ]


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: chains of each kind in it.
        files: beside the page, to be linked.
    """
    shown, parts = list(given.shown(figure, "chains")), []
    every = [cell for *_, cell in shown]
    if shown:
        lines = [line for row, column, cell in shown for line in _lines(label(row), column, cell)]
        table = text.markdown_table(_HEADER, lines, left=(0, 1, 3))
        parts = [_caption(every, drawn), table, given.table(figure, "chains")]
    return given.page(figure, "chains", picture, parts, _notes(every), files)


_HEADER = (
    "Model", "Dataset", "Seeds", "Chains from",
    "Images: after 1 turn", f"after {TURNS}", "last turn", "unrelated",
    "Codes: after 1 turn", f"after {TURNS}", "last turn", "unrelated",
)  # fmt: skip


def _lines(model: str, column: str, cell: Mapping[str, Any]) -> Iterator[list[str]]:
    runs = list(cell["runs"].values())
    for kind, where in CHAINS_FROM.items():
        cells = []
        for what in (IMAGES, "codes"):
            numbers = [run[kind][what] for run in runs]
            columns = [[n["to_start"][0] for n in numbers], [n["to_start"][-1] for n in numbers]]
            columns.append([n["to_previous"][-1] for n in numbers])
            columns.append([n["unrelated"] for n in numbers])
            cells += [text.plus_minus(*mean_sd(values), text.decimals(values)) for values in columns]
        yield [model, column, str(len(runs)), where, *cells]


def _caption(shown: Sequence[Mapping[str, Any]], drawn: int) -> str:
    seeds, splits = (text.listing(sorted({str(cell[key]) for cell in shown})) for key in ("seed", "split"))
    count = min(drawn, max(cell["images"] for cell in shown))
    return (
        f"Each row is a chain. Left: from x, {count} images of split {splits}, {DRAWN}. Right: from G(z), the "
        f"first {count} samples. In both, what follows are reconstructions of reconstructions: x1 is G(E(x)), x2 is "
        f"G(E(x1)), and so on to x{TURNS}; g1 is G(E(G(z))), g2 is G(E(g1)), and so on to g{TURNS}. Of seed {seeds}, "
        "not selected. Small images are enlarged without smoothing."
    )


def _notes(shown: Sequence[Mapping[str, Any]]) -> list[str]:
    if not shown:
        return []
    measured = text.listing([f"{n:,}" for n in sorted({cell["measured"] for cell in shown})])
    return [
        f"**Numbers**: means over {measured} chains of each kind; mean ± sample standard deviation over seeds, where "
        "there are several. The other turns are in the JSON.",
        "**Images**: mean squared distance of pixels on [0, 1] to the image where the chain starts, after one turn of "
        f"encoder and generator and after {TURNS}; **last turn**: to the image one turn before. **Unrelated**: that of "
        "two different starts, such as a chain that has forgotten its own would have.",
        "**Codes**: the same of codes, relative to the variance of codes that are decoded into samples: two "
        "independent ones of these are 2 apart. Chains from images start at E(x), those from the prior at z. Encoders "
        "that draw codes are replaced by their means.",
        "**Batch norm** is re-estimated if `sampling.batch_norm` is `reestimate`: for G(z) on samples, for all else on "
        "reconstructions of training images, as for `mse`.",
    ]
