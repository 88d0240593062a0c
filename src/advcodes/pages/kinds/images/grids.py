"""A figure of image grids: real images beside samples of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.core.statistics import mean_sd
from advcodes.pages import given, layout, text
from advcodes.pages.content import as_json, ended, label, ran, write_pages
from advcodes.pages.footnotes import footnotes, origin
from advcodes.pages.pictures import images
from advcodes.pages.pictures.blocks import panels

if TYPE_CHECKING:
    from advcodes.pages.request import Request

_ACROSS = 2  #: grids side by side where there is one column; several columns have a line each


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.md``, ``.json`` and ``.png``; returns their names."""
    figure = content(request)
    picture = directory / f"{name}.png"
    side = draw(request, figure, picture)
    return write_pages(picture, {"json": as_json(figure)}, lambda names: markdown(figure, picture.name, side, names))


def content(request: Request) -> dict[str, Any]:
    """Everything the page says, as JSON.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``scores`` in each row: by column the metric's
        mean and sd over seeds, its value by seed, and the seed whose samples are shown.
    """
    figure = request.frame()
    for variant, row in figure["rows"].items():
        row["scores"] = {}
        for name, column in ran(figure).items():
            if results := request.of(name, variant):
                values = {str(r.seed): r.metrics[column["metric"]] for r in results}
                mean, sd = mean_sd(list(values.values()))
                row["scores"][name] = {"mean": mean, "sd": sd, "seeds": values, "shown": results[0].seed}
    return figure


def draw(request: Request, figure: Mapping[str, Any], path: Path) -> int:
    """Write a grid of real images and one for each row; returns the rows and columns of images in a grid."""
    lines: list[list[tuple[str, np.ndarray]]] = []
    for name, column in ran(figure).items():
        where = "" if len(figure["columns"]) == 1 else f", {text.column(name, column['served_by'])}"
        cells = {v: request.study[v, name].arrays for v, row in figure["rows"].items() if name in row["scores"]}
        line = [(f"Real images{where}", next(iter(cells.values()))["real"])]
        line += [(f"{label(figure['rows'][v])}{where}", arrays["samples"]) for v, arrays in cells.items()]
        lines.append(line)
    if not lines or any(images_.ndim != 4 for line in lines for _, images_ in line):
        images.sheet([["not run" if not lines else "no images"]], [""], [request.item.title], path)
        return 0
    if len(lines) == 1:
        lines = [lines[0][i : i + _ACROSS] for i in range(0, len(lines[0]), _ACROSS)]
    return panels(lines, path)


def markdown(figure: Mapping[str, Any], picture: str, side: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        side: rows and columns of images in a grid; 0 where nothing was run.
        files: beside the page, to be linked.
    """
    parts = [f"![{figure['title']}]({picture})"]
    columns = ran(figure)
    if columns:
        seeds = sorted({s["shown"] for row in figure["rows"].values() for s in row["scores"].values()})
        split = text.listing(list(dict.fromkeys(c["protocol"]["split"] for c in columns.values())))
        parts.append(
            f"Up to {side * side} of each: images of split {split}, {given.drawn(figure)}, and the "
            f"{given.first(figure)} samples of seed "
            f"{text.listing([str(s) for s in seeds])} of each row, not selected; small images are enlarged without "
            "smoothing."
        )
        arrow = text.ARROW[figure["better"]]
        heads = ["Model", *(f"{text.column(n, c['served_by'])}, `{c['metric']}` {arrow}" for n, c in columns.items())]
        lines = [[label(row), *_cells(v, row, columns)] for v, row in figure["rows"].items()]
        parts.append(text.markdown_table(heads, lines))
    notes = ["**Numbers**: mean ± sample standard deviation over seeds."] if columns else []
    return layout.page(figure, parts, [*notes, *footnotes(figure), origin(figure, files)])


def _cells(variant: str, row: Mapping[str, Any], columns: Mapping[str, Any]) -> list[str]:
    cells = []
    for name, column in columns.items():
        score = row["scores"].get(name)
        if score is None:
            cells.append(text.DASH)
            continue
        number = text.plus_minus(score["mean"], score["sd"], text.decimals([score["mean"]]))
        about = [text.count(len(score["seeds"]), "seed"), *filter(None, [ended(column, variant)])]
        cells.append(f"{number} ({'; '.join(about)})")
    return cells
