"""Every method under one protocol: quality, coverage, reconstruction, speed and size, best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from advcodes.core.statistics import mean_sd
from advcodes.metrics.registry import parse
from advcodes.pages import given, text
from advcodes.pages.content import label, ran
from advcodes.pages.pictures import lines
from advcodes.pages.pictures.drawing import save
from advcodes.pages.pictures.styles import color

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from advcodes.pages.request import Request
    from advcodes.pages.results import Result

KINDS = ("precision", "recall", "mse")  #: metrics beside the item's own; such as a run has none of are left out
_COVERAGE = (("0.15", "o"), ("0.55", "D"))  #: gray and marker of precision and recall: colours are those of methods
_DIGITS = 3  #: of numbers of parameters
_LOG_ABOVE = 10  #: ratio of largest to smallest mean from which on the axis of quality is logarithmic


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md``; returns their names."""
    return given.write_plot(directory, name, content(request), draw, markdown)


def content(request: Request) -> dict[str, Any]:
    """Everything the page says, as JSON.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, and in each row ``style``, if it ran, and ``board``: by
        column ``scores`` over seeds, ``speed`` in training (images a second, mean and sd over seeds), ``device`` that
        it was measured on (several, if they differ), and ``parameters`` of all networks.
    """
    board = request.frame()
    for variant, style in request.styles().items():
        board["rows"][variant]["style"] = style
    for row, column, results in request.cells(board, "board"):
        row["board"][column] = {
            "scores": given.scores(results, board["columns"][column]["metric"], KINDS),
            **_cost(request, results),
        }
    return board


def _cost(request: Request, results: Sequence[Result]) -> dict[str, Any]:
    """Speed and size, as the runs recorded them."""
    facts = []
    for result in results:
        record = request.inputs[f"run/{request.id(result)}"].record()
        assert record is not None  # a page is made after its runs
        facts.append(record["facts"])
    mean, sd = mean_sd([float(f["images_per_second"]) for f in facts])
    return {
        "speed": {"mean": mean, "sd": sd},
        "device": sorted({f["device"] for f in facts}),
        "parameters": sum(facts[0]["parameters"].values()),
    }


class _Entry(NamedTuple):
    """What ran of a row in a column."""

    model: str
    color: str
    cell: Mapping[str, Any]


def _ranked(board: Mapping[str, Any], name: str) -> list[_Entry]:
    """Rows that ran in a column, the best mean first."""
    metric = board["columns"][name]["metric"]
    entries = [
        _Entry(label(row), color(row["style"]), row["board"][name])
        for row in board["rows"].values()
        if name in row["board"]
    ]
    return sorted(entries, key=lambda e: e.cell["scores"][metric]["mean"], reverse=board["better"] == "higher")


def _metrics(entries: Sequence[_Entry]) -> list[str]:
    """Full names of what any row was measured by, the item's metric first."""
    return list(dict.fromkeys(name for entry in entries for name in entry.cell["scores"]))


def draw(board: Mapping[str, Any], path: Path) -> None:
    """Write the picture as PNG and SVG: a line of panels for each column, a height for each row, the best on top."""
    from matplotlib.figure import Figure

    shown = {name: _ranked(board, name) for name in list(ran(board)) or list(board["columns"])[:1]}
    heights = [max(3, len(entries)) for entries in shown.values()]
    drawing = Figure(figsize=(11, 0.24 * sum(heights) + 1.2 * len(shown)), layout="constrained")
    grid = drawing.subplots(len(shown), 3, squeeze=False, height_ratios=heights, sharey="row")
    for (name, entries), panels in zip(shown.items(), grid, strict=True):
        column, (quality, coverage, speed) = board["columns"][name], panels
        quality.set_title(text.column(name, column["served_by"]), loc="left")
        if not entries:
            for panel in panels:
                lines.not_run(panel)
            continue
        _quality(quality, entries, column["metric"])
        _coverage(coverage, entries)
        _speeds(speed, entries)
        quality.set_yticks(range(len(entries)), [e.model for e in entries])
        quality.invert_yaxis()
        for panel in panels:
            panel.grid(alpha=0.3)
    save(drawing, path)


def _quality(panel: Axes, entries: Sequence[_Entry], metric: str) -> None:
    """The item's metric, in each method's colour."""
    for y, entry in enumerate(entries):
        _dots(panel, [entry], metric, entry.color, first=y)
    means = [e.cell["scores"][metric]["mean"] for e in entries]
    wide = min(means) > 0 and max(means) > _LOG_ABOVE * min(means)
    if wide:
        _log(panel)
    panel.set_xlabel(f"{metric} {text.arrow(metric)}{', log scale' if wide else ''}")


def _coverage(panel: Axes, entries: Sequence[_Entry]) -> None:
    """Precision and recall, as far as they were computed."""
    names = [m for m in _metrics(entries) if parse(m)[0] in ("precision", "recall")]
    for i, metric in enumerate(names):
        _dots(panel, entries, metric, *_COVERAGE[i])
    if names:
        panel.set_xlim(-0.02, 1.02)
        panel.legend(fontsize="small", loc="lower right", bbox_to_anchor=(1, 1), ncols=len(names), frameon=False)


def _dots(panel: Axes, entries: Sequence[_Entry], metric: str, color: str, marker: str = "o", first: int = 0) -> None:
    """Means as dots, seeds as small ones, from the height of the first entry on."""
    there = [(y, e.cell["scores"][metric]) for y, e in enumerate(entries, first) if metric in e.cell["scores"]]
    panel.plot([s["mean"] for _, s in there], [y for y, _ in there], marker, color=color, label=metric)
    seeds = [(v, y) for y, s in there for v in s["seeds"].values()]
    panel.plot([v for v, _ in seeds], [y for _, y in seeds], ".", color=color, alpha=0.4, markersize=3)


def _speeds(panel: Axes, entries: Sequence[_Entry]) -> None:
    for y, entry in enumerate(entries):
        panel.plot([entry.cell["speed"]["mean"]], [y], "o", color=entry.color)
    _log(panel)
    panel.set_xlabel("training images a second, log scale")


def _log(panel: Axes) -> None:
    panel.set_xscale("log")
    lines.plain_decades(panel.xaxis)


def markdown(board: Mapping[str, Any], picture: str, files: Sequence[str] = ()) -> str:
    """The page: a table for each column that ran, the best first."""
    parts = [part for name in ran(board) for part in _table(board, name)]
    devices = sorted({device for *_, cell in given.shown(board, "board") for device in cell["device"]})
    own = []
    if parts:
        own = [
            "**Order**: by the mean over seeds; neighbours whose spreads overlap are not told apart.",
            f"**Speed**: images a second in training, as each run recorded it on {text.listing(devices)}, beside "
            "whatever else that machine did; to be compared on this page only.",
            "**Parameters**: of all networks that are trained, in millions; sampling takes fewer.",
            given.NUMBERS,
        ]
    return given.page(board, "board", picture, parts, own, files)


def _table(board: Mapping[str, Any], name: str) -> Iterator[str]:
    """A column's head and its table."""
    entries = _ranked(board, name)
    metrics = _metrics(entries)
    yield f"## {text.column(name, board['columns'][name]['served_by'])}"
    heads = ["Model", "Seeds", *(f"`{m}` {text.arrow(m)}" for m in metrics), "Images/s ↑", "Parameters (million)"]
    yield text.markdown_table(heads, (_cells(entry, metrics) for entry in entries))


def _cells(entry: _Entry, metrics: Sequence[str]) -> list[str]:
    scores, speed = entry.cell["scores"], entry.cell["speed"]
    seeds = len(next(iter(scores.values()))["seeds"])
    millions = entry.cell["parameters"] / 1e6
    return [
        entry.model,
        str(seeds),
        *(given.cell(scores.get(m)) for m in metrics),
        f"{speed['mean']:,.0f}",
        f"{millions:.{_DIGITS}g}",
    ]
