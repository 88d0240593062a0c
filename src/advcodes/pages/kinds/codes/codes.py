"""A figure of codes in the plane: an encoder's beside a code generator's, coloured by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from advcodes.core.statistics import mean_sd
from advcodes.pages import given, layout, text
from advcodes.pages.content import label
from advcodes.pages.footnotes import footnotes, origin
from advcodes.pages.pictures import scatter
from advcodes.pages.pictures.drawing import save
from advcodes.studies.shared import CODES_NEIGHBOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from advcodes.pages.request import Request

_ACROSS = 3  #: panels of generated codes alone, side by side
_PALETTE = 10  #: colours of matplotlib's tab10
_SPARSE = 0.02  #: share of points below which a class gets no name in the picture


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of codes; returns their names."""
    return given.write_plot(directory, name, content(request), draw, markdown)


def content(request: Request) -> dict[str, Any]:
    """Everything the figure shows, as JSON.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``codes`` in each row: by column what
        :mod:`advcodes.studies.kinds.codes` found, and ``metric`` of the samples by seed.
    """
    figure = request.frame()
    for row, column, results in request.cells(figure, "codes"):
        row["codes"][column] = {
            **request.studied(column, results).numbers,
            "metric": {str(r.seed): r.metrics[figure["columns"][column]["metric"]] for r in results},
        }
    return figure


def _shown(figure: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """Row, head of the column, and codes of everything that ran."""
    for row in figure["rows"].values():
        for column, codes in row["codes"].items():
            yield row, text.column(column, figure["columns"][column]["served_by"]), codes


def draw(figure: Mapping[str, Any], path: Path) -> None:
    """Write the figure as PNG and SVG: for each row two panels with equal limits and equal colours."""
    from matplotlib.figure import Figure

    shown = list(_shown(figure))
    if shown and not any("real" in codes for _, _, codes in shown):
        _draw_generated(shown, path)
        return
    drawing = Figure(figsize=(9.6, 4.9 * max(1, len(shown))), layout="constrained")
    panels = drawing.subplots(max(1, len(shown)), 2, squeeze=False)
    for line, (row, column, codes) in zip(panels, shown, strict=False):
        square = scatter.limits([], [codes["real"], codes["generated"]])
        titles = _titles(codes)
        names = (codes["classes"], codes.get("choices", codes["classes"]))
        sides = (codes["real"], codes["generated"])
        for axes, title, cloud, named in zip(line, titles, sides, names, strict=True):
            _cloud(axes, cloud, named)
            scatter.frameless(axes, title=title, **square)
        line[0].set_ylabel(f"{label(row)}, {column}")
        if codes.get("conditioned_on") == "clusters":
            _legend(line[0], line[0], "class")
            _legend(line[1], line[1], "cluster")
        else:
            _legend(line[1], line[0])
    if not shown:
        for axes in panels[0]:
            scatter.frameless(axes)
            axes.text(0.5, 0.5, "not run", ha="center", transform=axes.transAxes)
    save(drawing, path)


def _titles(codes: Mapping[str, Any]) -> tuple[str, str]:
    """Of both panels, with the symbols of the paper: LPAAE's codes are those with a condition, ACL's those without."""
    if codes.get("conditioned_on") in ("labels", "clusters"):
        return "encoder's codes enc(x)", "generated codes CG(z, s)"
    return "encoder's codes $E(x)$", "generated codes $G_z(z)$"


def _draw_generated(shown: Sequence[tuple[Mapping[str, Any], str, Mapping[str, Any]]], path: Path) -> None:
    """Write panels of generated codes alone, side by side."""
    from matplotlib.figure import Figure

    across = min(_ACROSS, len(shown))
    down = -(-len(shown) // across)
    drawing = Figure(figsize=(5.4 * across, 4.6 * down), layout="constrained")
    panels = drawing.subplots(down, across, squeeze=False).flat
    for (row, column, codes), axes in zip(shown, panels, strict=False):
        _cloud(axes, codes["generated"], codes.get("choices", codes["classes"]))
        scatter.frameless(axes, title=f"{label(row)}, {column}", **scatter.limits([], [codes["generated"]]))
        _legend(axes, axes, "cluster" if codes.get("conditioned_on") == "clusters" else None)
    for axes in list(panels):  # those that are left
        axes.set_axis_off()
    save(drawing, path)


def _legend(beside: Axes, of: Axes, title: str | None = None) -> None:
    handles, names = of.get_legend_handles_labels()
    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False}
    beside.legend(handles, names, markerscale=2.5, title=title, **place)


def _cloud(panel: Axes, cloud: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Points of one side by class, and the name of each class where most of its points are."""
    from matplotlib import colormaps
    from matplotlib.patheffects import withStroke

    colours = colormaps["tab10"] if len(classes) <= _PALETTE else colormaps["turbo"].resampled(len(classes))
    xy, labels = np.array([cloud["x"], cloud["y"]]).T, np.array(cloud["label"])
    for i, name in enumerate(classes):
        these = xy[labels == i]
        panel.scatter(these[:, 0], these[:, 1], s=9, color=colours(i), alpha=0.75, linewidth=0, label=name)
        if len(these) > _SPARSE * len(xy):
            x, y = these[np.square(these - np.median(these, 0)).sum(1).argmin()]
            outline = [withStroke(linewidth=3, foreground="white")]
            panel.text(x, y, name, ha="center", va="center", weight="bold", path_effects=outline)


def markdown(figure: Mapping[str, Any], picture: str, files: Sequence[str] = ()) -> str:
    """The page of the figure."""
    shown = list(_shown(figure))
    parts = [f"![{figure['title']}]({picture})"]
    if shown:
        parts += _captions([codes for _, _, codes in shown])
        columns = [c for c in _COLUMNS if any(c.key in r for _, _, codes in shown for r in codes["runs"].values())]
        conditional = all("choices" in codes for _, _, codes in shown)
        heads = [
            c.head.replace("E(x)", "enc(x)").replace("G_z(z)", "CG(z, s)") if conditional else c.head for c in columns
        ]
        header = ["Model", "Dataset", "d", *heads, scatter.metric_head(figure)]
        parts.append(text.markdown_table(header, [_line(columns, *entry) for entry in shown], left=(0, 1)))
        for row, column, codes in shown:
            if "share_real" in next(iter(codes["runs"].values())):
                parts.append(f"Share of each class in %, {label(row)} on {column}:\n\n{_shares(codes)}")
    notes = [*_notes(shown), *footnotes(figure), origin(figure, files)]
    return layout.page(figure, parts, notes)


class _Column(NamedTuple):
    """A number of codes in the page's table."""

    key: str
    head: str
    places: int
    factor: int = 1


_COLUMNS = (
    _Column("mismatch", "Mismatch of codes ↓", 4),
    _Column("rank_real", "Effective rank of E(x)", 2),
    _Column("rank_generated", "Effective rank of G_z(z)", 2),
    _Column("knn_real", "Neighbours of the same class, E(x), in %", 1, 100),
    _Column("knn_training", "Neighbours of the same class, E(x) of training images, in %", 1, 100),
    _Column("knn_generated", "Neighbours asked for the same, G_z(z), in %", 1, 100),
)


_COLOURED = {
    None: (
        "that the code generator makes of noise, coloured by the class that a classifier of the dataset sees in the "
        "decoded code (assumed: the paper does not say how it coloured these)"
    ),
    "labels": "that the code generator makes of noise and a class drawn at random, coloured by this class",
    "clusters": (
        "that the code generator makes of noise and a cluster drawn at random (its categorical input), coloured by "
        "this cluster"
    ),
}


def _captions(shown: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the panels show: a paragraph for each way of colouring."""
    paragraphs = []
    for condition, coloured in _COLOURED.items():
        if not (matching := [codes for codes in shown if codes.get("conditioned_on") == condition]):
            continue
        codes = matching[0]
        drawn, seed = len(codes["generated"]["x"]), codes["seed"]
        if "real" not in codes:
            paragraphs.append(
                f"{drawn:,} codes {coloured}. Seed {seed}, not selected; a few outlying codes lie beyond the axes."
            )
            continue
        if condition == "clusters":
            coloured += "; colours of classes and of clusters have nothing to do with each other"
        paragraphs.append(
            f"Left: the encoder's codes of the first {len(codes['real']['x'])} images of split {codes['split']}, "
            f"coloured by their label. Right: as many codes {coloured}. Seed {seed}, not selected; both panels have "
            "the same axes, and a few outlying codes lie beyond them."
        )
    return paragraphs


def _line(columns: Sequence[_Column], row: Mapping[str, Any], column: str, codes: Mapping[str, Any]) -> list[str]:
    numbers = []
    for shown in columns:
        values = [shown.factor * run[shown.key] for run in codes["runs"].values() if shown.key in run]
        numbers.append(text.plus_minus(*mean_sd(values), shown.places) if values else text.DASH)
    return [label(row), column, str(codes["dimensions"]), *numbers, scatter.metric_cell(codes["metric"])]


def _shares(codes: Mapping[str, Any]) -> str:
    runs = list(codes["runs"].values())
    real = [text.number(100 * s, 1) for s in runs[0]["share_real"]]
    by_class = zip(*(r["share_generated"] for r in runs), strict=True)
    generated = [text.plus_minus(*mean_sd([100 * s for s in values]), 1) for values in by_class]
    rows = [[f"images of split {codes['split']}", *real], ["decoded G_z(z), as classified", *generated]]
    return text.markdown_table(["", *codes["classes"]], rows)


def _notes(shown: Sequence[tuple[Mapping[str, Any], str, Mapping[str, Any]]]) -> list[str]:
    if not shown:
        return []
    seeds = text.listing(sorted({text.count(len(c["runs"]), "seed") for _, _, c in shown}))
    measured = {run["measured"] for _, _, c in shown for run in c["runs"].values()}
    plain = [c for _, _, c in shown if "choices" not in c]
    accuracy = [f"{100 * a:.1f} %" for a in dict.fromkeys(c["classifier_accuracy"] for c in plain)]
    notes = [
        f"**Numbers** of codes: of {text.listing([f'{n:,}' for n in sorted(measured)])} a side, from the networks of "
        f"{seeds}; mean ± sample standard deviation where there are several.",
        *([f"**Mismatch**: {scatter.MISMATCH}."] if any("real" in c for _, _, c in shown) else []),
        "**Effective rank**: participation ratio of the codes' variances, between 1 (a line) and d (a ball).",
    ]
    if plain:
        notes.append(
            f"**Classifier**: the pipeline's own, {text.listing(accuracy)} right on test images; what it says of "
            "images that look like no class is a guess."
        )
    if len(plain) < len(shown):
        notes.append(
            "**Neighbours**: how well classes or clusters separate in the codes themselves, not in the picture: share "
            f"of codes whose label is that of most of their {CODES_NEIGHBOURS} nearest others (leave one out); by "
            "chance about the share of the largest."
        )
    if projections := {c["projection"] for _, _, c in shown} - {None}:
        notes.append(f"**Projection** of codes with more than two dimensions: {text.listing(sorted(projections))}.")
    return notes
