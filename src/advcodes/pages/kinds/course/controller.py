"""A figure of BEGAN's controller over training: k, the balance, and the convergence measure (Khan Eqs. 11 and 12)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.core.statistics import mean_sd
from advcodes.metrics.course.settling import moving_mean, read
from advcodes.pages import given, text
from advcodes.pages.content import label, ran
from advcodes.pages.pictures import lines
from advcodes.pages.pictures.drawing import save
from advcodes.pages.pictures.styles import color
from advcodes.pages.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from advcodes.pages.request import Request

BESIDE = ("balance_share", "imbalance", "energy_ratio", "is", "fid")  #: metrics that are printed beside the item's
POINTS = 200  #: of a line, at most: evenly chosen, the last among them
_DIGITS = 5
_WIDEST = 3.6  #: points of the first row's line
#: What is drawn, from left to right, and the axis' words for it.
QUANTITIES = {
    "k": "$k$",
    "balance": r"relative balance $e\,/\,(\eta L_d)$",
    "convergence": r"convergence measure $L_d + |e|$",
}


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of controllers; returns their names.

    Raises:
        AdvcodesError: a run's log is unreadable, or that of a method without a controller.
    """
    return given.write_plot(directory, name, content(request), draw, markdown)


def content(request: Request) -> dict[str, Any]:
    """Everything the figure shows, as JSON.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``style`` in each row that ran, and ``controller``: by
        column ``images`` and there of ``k``, ``balance`` (e over eta L_d) and ``convergence`` (L_d + |e|, images in
        the run's value range) ``mean``, ``low`` and ``high`` over seeds; ``runs`` by seed (the last ``k`` and
        ``convergence``, and whether it ``settled``) and ``scores`` over seeds. Balance and convergence are means over
        the last ``settling_points`` points of the log, or as many as there are.
    """
    figure = request.frame()
    for variant, style in request.styles().items():
        figure["rows"][variant]["style"] = style
    for row, column, results in request.cells(figure, "controller"):
        courses = {str(r.seed): _course(request, r) for r in results}
        row["controller"][column] = {
            **_over_seeds(list(courses.values())),
            "runs": {
                str(r.seed): {q: _rounded(courses[str(r.seed)][q][-1]) for q in ("k", "convergence")}
                | {"settled": r.protocol["settled"]}
                for r in results
            },
            "scores": given.scores(
                results,
                figure["columns"][column]["metric"],
                ("balance_share", "imbalance", "energy_ratio", "is", "fid"),
            ),
        }
    return figure


def _course(request: Request, result: Result) -> dict[str, np.ndarray]:
    """A run's images seen, and each quantity there as it is drawn."""
    course, window = read(request.run(result)), result.protocol["settling_points"]
    return {
        "images": course.images,
        "k": course.k,
        "balance": course.relative(result.protocol["settling_diversity"], window),
        "convergence": moving_mean(course.convergence, window),
    }


def _over_seeds(courses: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """Each quantity over seeds, at points that all of them have."""
    seen = reduce(np.intersect1d, [course["images"] for course in courses])
    seen = seen[np.unique(np.linspace(0, len(seen) - 1, POINTS).round().astype(int))]
    series: dict[str, Any] = {"images": seen.tolist()}
    for quantity in QUANTITIES:
        values = np.stack([c[quantity][np.searchsorted(c["images"], seen)] for c in courses])
        bands = {"mean": values.mean(0), "low": values.min(0), "high": values.max(0)}
        series[quantity] = {name: [_rounded(v) for v in band] for name, band in bands.items()}
    return series


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def draw(figure: Mapping[str, Any], path: Path) -> None:
    """Write the figure as PNG and SVG: a line of panels for each column, in each a line and a band for each row."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    shown = list(ran(figure)) or list(figure["columns"])[:1]
    drawing = Figure(figsize=(12.6, 3.4 * len(shown) + 0.7), layout=ConstrainedLayoutEngine(wspace=0.03))
    entries: dict[str, Any] = {}  # of the legend
    for name, panels in zip(shown, drawing.subplots(len(shown), len(QUANTITIES), squeeze=False), strict=True):
        column = figure["columns"][name]
        panels[0].set_title(text.column(name, column["served_by"]), loc="left")
        for panel, (quantity, axis) in zip(panels, QUANTITIES.items(), strict=True):
            panel.set_ylabel(axis)
            if not column["metric"]:
                lines.not_run(panel)
                continue
            for i, (model, style, cell) in enumerate(_shown(figure, name)):
                wide = max(1.2, _WIDEST - i)  # so that it is seen on both sides of a later line that runs over it
                lines.draw(panel, style, cell["images"], cell[quantity], label=model, linewidth=wide)
            if quantity == "balance":
                _mark(panel, figure, name)
            elif quantity == "convergence" and lines.log_if_wide(panel):
                panel.set_ylabel(f"{axis}, log scale")
            lines.images_axis(panel)
            panel.grid(alpha=0.3)
            entries |= {words: handle for handle, words in zip(*panel.get_legend_handles_labels(), strict=True)}
    if entries:
        drawing.legend(
            entries.values(), entries.keys(), title=_legend(figure), loc="outside lower center",
            ncols=min(4, len(entries)), fontsize="small", title_fontsize="small",
        )  # fmt: skip
    save(drawing, path)


def _mark(panel: Axes, figure: Mapping[str, Any], name: str) -> None:
    """Show the band within which a controller has settled, and when each row has."""
    from matplotlib.ticker import PercentFormatter

    column = figure["columns"][name]
    band = column["protocol"]["settling_band"]
    panel.axhspan(-band, band, color="0.85", zorder=0, label=f"settled: within ±{100 * band:g} %")
    panel.set_yscale("symlog", linthresh=band)  # it starts at a hundred percent and more
    panel.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    for _, style, cell in _shown(figure, name):
        if any(run["settled"] for run in cell["runs"].values()):
            settled = cell["scores"][column["metric"]]["mean"]
            panel.axvline(settled, color=color(style), linewidth=1, dashes=(4, 3))


def _shown(figure: Mapping[str, Any], column: str) -> Iterator[tuple[str, Mapping[str, str], Mapping[str, Any]]]:
    """Name, style and course of every row that ran in a column."""
    for row in figure["rows"].values():
        if column in row["controller"]:
            yield label(row), row["style"], row["controller"][column]


def _legend(figure: Mapping[str, Any]) -> str:
    """What lines and bands are."""
    return lines.legend(len(cell["runs"]) for row in figure["rows"].values() for cell in row["controller"].values())


def markdown(figure: Mapping[str, Any], picture: str, files: Sequence[str] = ()) -> str:
    """The page of the figure."""
    cells: list[list[str]] = [
        [label(row), column, str(len(cell["runs"])), *_cells(cell)]
        for row, column, cell in given.shown(figure, "controller")
    ]
    parts, notes = [], []
    if cells:
        heads = ["Model", "Dataset", "Seeds", "k at the end", "Convergence at the end", "Settled"]
        parts = [text.markdown_table(heads, cells, left=(0, 1)), given.table(figure, "controller")]
        windows = sorted({column["protocol"]["settling_window"] for column in ran(figure).values()})
        notes = [
            f"**Lines**: {_legend(figure)}, from the runs' `losses.csv`. k as logged; balance and convergence as means "
            f"over the last {text.listing([f'{w:,}' for w in windows])} images, or as many as there are. Dashed: "
            "when a row has settled, the mean over its seeds (none where no seed has).",
            "**Tables**: mean ± sample standard deviation over seeds. k is the weight of generated images in the "
            "discriminator's loss; convergence is BEGAN's measure of it (lower is better), the energy of real images "
            "plus the size of the error, of images on the range that networks see. Settled: how many seeds have.",
        ]
    return given.page(figure, "controller", picture, parts, notes, files)


def _cells(cell: Mapping[str, Any]) -> list[str]:
    """The last k and convergence, and how many seeds have settled."""
    runs = list(cell["runs"].values())
    columns = [[run[quantity] for run in runs] for quantity in ("k", "convergence")]
    numbers = [text.plus_minus(*mean_sd(values), text.decimals(values)) for values in columns]
    return [*numbers, f"{sum(run['settled'] for run in runs)} of {len(runs)}"]
