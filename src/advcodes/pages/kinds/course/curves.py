"""A figure of a metric over training: its content as JSON, the picture, and the page around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.statistics import mean_sd
from advcodes.pages import layout, text
from advcodes.pages.content import as_json, label, ran, write_pages
from advcodes.pages.footnotes import footnotes, origin
from advcodes.pages.pictures import lines
from advcodes.pages.pictures.drawing import save
from advcodes.pages.results import Result
from advcodes.papers.items import Item

if TYPE_CHECKING:
    from advcodes.pages.request import Request

INSIDE = 4  #: lines whose legend still finds a place among them


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.md``, ``.json`` and ``.png``; returns their names."""
    figure = content(request)
    picture = directory / f"{name}.png"
    draw(figure, picture)
    return write_pages(picture, {"json": as_json(figure)}, lambda names: markdown(figure, picture.name, names))


def content(request: Request) -> dict[str, Any]:
    """Everything a figure shows, as JSON.

    Returns:
        The frame, with ``curves`` in each row: by column, points of ``images``, ``mean``, ``low`` and
        ``high`` (extremes over seeds) and ``seeds`` (value by seed); and ``panels``: title, column, rows.
    """
    figure = request.frame(along_training=True)
    for variant, style in request.styles().items():
        figure["rows"][variant]["style"] = style
    for row, column, runs in request.cells(figure, "curves"):
        row["curves"][column] = _points(runs, figure["columns"][column]["metric"])
    figure["panels"] = _panels(request.item, figure)
    return figure


def _panels(item: Item, figure: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The declared panels with rows that params.yaml adds in each; else one for each column that ran, with all rows."""
    if not item.panels:
        names = list(ran(figure)) or list(figure["columns"])[:1]
        return [{"title": "", "column": c, "rows": [v for v in figure["rows"] if item.trains(v, c)]} for c in names]
    added = [v for v, row in figure["rows"].items() if row["kind"] == "addition"]
    return [{**panel.model_dump(), "rows": [*panel.rows, *added]} for panel in item.panels]


def _points(runs: Sequence[Result], metric: str) -> list[dict[str, Any]]:
    """One point for each number of images at which every seed was measured."""
    by_seed = {r.seed: {p["images"]: p[metric] for p in r.curve} for r in sorted(runs, key=lambda r: r.seed)}
    common = set.intersection(*(set(p) for p in by_seed.values()))
    points = []
    for images in sorted(common):
        values = {str(seed): p[images] for seed, p in by_seed.items()}
        mean, _ = mean_sd(list(values.values()))
        extremes = {"low": min(values.values()), "high": max(values.values())}
        points.append({"images": images, "mean": mean, **extremes, "seeds": values})
    return points


def draw(figure: Mapping[str, Any], path: Path) -> None:
    """Write the figure as PNG and SVG: a panel for each column that ran, a line for each row, a band over its seeds."""
    from matplotlib.figure import Figure

    legend, shown = _legend(figure), figure["panels"]
    most = max(len(declared["rows"]) for declared in shown)
    place: dict[str, Any] = {}
    if crowded := most > INSIDE:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.17), "frameon": False}
    drawing = Figure(figsize=(5.2 * len(shown), 3.9 + (0.2 * (most + 2) if crowded else 0)), layout="constrained")
    panels = drawing.subplots(1, len(shown), squeeze=False)[0]
    for declared, panel in zip(shown, panels, strict=True):
        name = declared["column"]
        column = figure["columns"][name]
        panel.set_title("\n".join(filter(None, [declared["title"], text.column(name, column["served_by"])])))
        for variant in declared["rows"]:
            row = figure["rows"][variant]
            points = row["curves"].get(name)
            if not points:
                continue
            band = {key: [p[key] for p in points] for key in ("mean", "low", "high")}
            lines.draw(panel, row["style"], [p["images"] for p in points], band, marker=".", label=label(row))
        if not panel.lines:
            lines.not_run(panel)
            continue
        lines.images_axis(panel)
        log = lines.log_if_wide(panel)
        direction = text.ARROW[figure["better"]]
        axis = f"{column['metric']} {direction}{', log scale' if log else ''}"
        panel.set_ylabel(f"{axis}\n{_counts(column['protocol'])}")
        panel.grid(alpha=0.3)
        title = legend if crowded else legend.replace(", ", ",\n")
        panel.legend(title=title, title_fontsize="small", fontsize="small", alignment="left", **place)
    save(drawing, path)


def _counts(protocol: Mapping[str, Any]) -> str:
    return f"{protocol['n_generated']:,} generated, {protocol['n_reference']:,} real ({protocol['split']})"


def _legend(figure: Mapping[str, Any]) -> str:
    """What lines and bands are."""
    return lines.legend(len(p[0]["seeds"]) for r in figure["rows"].values() for p in r["curves"].values() if p)


def markdown(figure: Mapping[str, Any], picture: str, files: Sequence[str] = ()) -> str:
    """The page of a figure."""
    notes = [f"**Curves**: {_legend(figure)}.", *footnotes(figure), origin(figure, files)]
    table = _table(figure)
    return layout.page(figure, [f"![{figure['title']}]({picture})", *([table] if table else [])], notes)


def _table(figure: Mapping[str, Any]) -> str:
    """Where each curve begins and ends, and its best point, in Markdown; empty where nothing ran."""
    best = min if figure["better"] == "lower" else max
    lines_ = []
    for row in figure["rows"].values():
        for name, points in ((name, points) for name, points in row["curves"].items() if points):
            ends = [points[0], points[-1], best(points, key=lambda p: p["mean"])]
            over_seeds = [mean_sd(list(p["seeds"].values())) for p in ends]
            places = text.decimals([mean for mean, _ in over_seeds])
            numbers = [
                f"{text.plus_minus(*summary, places)} ({p['images']:,})"
                for summary, p in zip(over_seeds, ends, strict=True)
            ]
            where = text.column(name, figure["columns"][name]["served_by"])
            lines_.append([label(row), where, str(len(points[0]["seeds"])), *numbers])
    if not lines_:
        return ""
    arrow = text.ARROW[figure["better"]]
    heads = ["Model", "Dataset", "Seeds", *(f"{what} {arrow} (images seen)" for what in ("First", "Last", "Best mean"))]
    return text.markdown_table(heads, lines_, left=(0, 1))
