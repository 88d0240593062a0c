"""A figure of what a prior does to code learning: points in the plane, from noise over codes to generated data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.statistics import mean_sd
from advcodes.pages import given, layout, text
from advcodes.pages.content import label
from advcodes.pages.footnotes import footnotes, origin
from advcodes.pages.pictures import scatter
from advcodes.pages.pictures.drawing import COLORS, PALETTE, save
from advcodes.pages.results import Result, only
from advcodes.studies.shared import PRIORS_DRAWN as DRAWN
from advcodes.studies.shared import PRIORS_PANELS as PANELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from advcodes.pages.request import Request

DISTANCE = "energy_distance"
_LEAST = 1e-4  #: lower end of logarithmic axes: the numbers are unbiased, so that chance takes them below 0
_COLOURS = {
    "prior": PALETTE["gray"],
    "real": PALETTE["purple"],
    "codes": PALETTE["cyan"],
    "data": PALETTE["red"],
    "generated": "#1a1a1a",
}


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of priors; returns their names."""
    return given.write_plot(directory, name, content(request), draw, markdown)


def content(request: Request) -> dict[str, Any]:
    """Everything the figure shows, as JSON.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``strips`` in each row: by column the points of
        the first seed (``prior``, ``snapshots``, ``data``, ``generated``), and over all seeds ``mismatch`` of codes and
        ``energy_distance`` of data at each snapshot, and ``final`` ones.
    """
    figure = request.frame()
    for row, column, results in request.cells(figure, "strips"):
        numbers = dict(request.studied(column, results).numbers)
        mismatches = {int(seed): points for seed, points in numbers.pop("mismatches").items()}
        where = request.item.id
        row["strips"][column] = {
            **numbers,
            "mismatch": _curve(mismatches),
            DISTANCE: _curve({r.seed: _distances(r, where) for r in results}),
            "final": {
                DISTANCE: _final({r.seed: r.metrics[only(DISTANCE, r.metrics, where)] for r in results}),
                "mismatch": _final({seed: points[-1][2] for seed, points in mismatches.items()}),
            },
        }
    return figure


def _distances(result: Result, where: str) -> list[tuple[int, int, float]]:
    name = only(DISTANCE, result.curve[-1], where)
    return [(int(p["step"]), int(p["images"]), p[name]) for p in result.curve]


def _curve(by_seed: Mapping[int, Sequence[tuple[int, int, float]]]) -> list[dict[str, Any]]:
    """A point for each step at which every seed was measured."""
    values = {seed: {step: v for step, _, v in points} for seed, points in by_seed.items()}
    images = {step: n for points in by_seed.values() for step, n, _ in points}
    curve = []
    for step in sorted(set.intersection(*(set(v) for v in values.values()))):
        seeds = {str(seed): v[step] for seed, v in values.items()}
        numbers = list(seeds.values())
        extremes = {"low": min(numbers), "high": max(numbers)}
        curve.append({"step": step, "images": images[step], "mean": mean_sd(numbers)[0], **extremes, "seeds": seeds})
    return curve


def _final(by_seed: Mapping[int, float]) -> dict[str, Any]:
    mean, sd = mean_sd(list(by_seed.values()))
    return {"mean": mean, "sd": sd, "seeds": {str(seed): v for seed, v in by_seed.items()}}


def _shown(figure: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """Row, column, and strip of everything that ran."""
    for row in figure["rows"].values():
        for column, cell in row["strips"].items():
            yield row, column, cell


def draw(figure: Mapping[str, Any], path: Path) -> None:
    """Write the figure as PNG and SVG: a strip of panels for each prior, and two curves over all seeds."""
    from matplotlib.figure import Figure

    shown = list(_shown(figure))
    wide = max([len(s["snapshots"]) for _, _, s in shown], default=PANELS) + 2
    drawing = Figure(figsize=(1.55 * wide, 1.95 * max(1, len(shown)) + 3.1), layout="constrained")
    heights = (1.95 * max(1, len(shown)), 3.1)
    (top,), (bottom,) = drawing.subfigures(2, 1, squeeze=False, height_ratios=heights)
    panels = top.subplots(max(1, len(shown)), wide, squeeze=False)
    for line in panels:
        for panel in line:
            panel.set_axis_off()
    for i, (line, (row, column, cell)) in enumerate(zip(panels, shown, strict=False)):
        _strip(line, cell)
        name = label(row) if len(figure["columns"]) == 1 else f"{label(row)}\n{column}"
        line[0].set_ylabel(f"({chr(ord('a') + i)}) {name}")
    handles = [_dot(_COLOURS[k], what) for k, what in _LEGEND.items()]
    top.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, columnspacing=1.2)
    for panel, key in zip(curves := bottom.subplots(1, 2), (DISTANCE, "mismatch"), strict=True):
        _curves(panel, key, shown)
    if not shown:
        drawing.text(0.5, 0.5, "not run", ha="center")
    else:
        lines, names = curves[0].get_legend_handles_labels()
        bottom.legend(lines, names, title=_seeds(shown), loc="outside lower center", ncols=len(lines), frameon=False)
    save(drawing, path)


_TITLES = {
    DISTANCE: "Energy distance of generated to real data ↓",
    "mismatch": "Mismatch of codes $G_z(z)$ and $E(x)$ ↓",
}
_LEGEND = {
    "prior": "noise $z$",
    "real": "codes $E(x)$",
    "codes": "codes $G_z(z)$",
    "data": "real data",
    "generated": "generated data",
}


def _dot(colour: str, what: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker="o", markersize=6, linestyle="none", label=what)


def _strip(line: Sequence[Axes], cell: Mapping[str, Any]) -> None:
    """One prior: noise, codes at each snapshot (all with the same axes), data."""

    def panel(axes: Axes, title: str, clouds: Mapping[str, Any], square: Mapping[str, Any]) -> None:
        axes.set_axis_on()
        for key, cloud in clouds.items():
            axes.scatter(cloud["x"], cloud["y"], s=5, color=_COLOURS[key], alpha=0.55, linewidth=0, rasterized=True)
        scatter.frameless(axes, **square)
        axes.set_title(title, fontsize="medium")

    first, *middle = line
    panel(first, "prior", {"prior": cell["prior"]}, scatter.limits([cell["prior"]]))
    square = scatter.limits([s["real"] for s in cell["snapshots"]], [s["codes"] for s in cell["snapshots"]])
    for axes, snapshot in zip(middle, cell["snapshots"], strict=False):
        panel(axes, f"step {snapshot['step']:,}", {k: snapshot[k] for k in ("real", "codes")}, square)
    data = {k: cell[k] for k in ("data", "generated")}
    panel(line[-1], "data", data, scatter.limits(list(data.values())))


def _curves(panel: Axes, key: str, shown: Sequence[tuple[Mapping[str, Any], str, Mapping[str, Any]]]) -> None:
    """A number over training for each prior: the mean over seeds, a band between extremes."""
    for i, (row, _, cell) in enumerate(shown):
        colour, points = COLORS[i % len(COLORS)], cell[key]
        x = [p["step"] for p in points]
        low, high, mean = ([max(p[k], _LEAST) for p in points] for k in ("low", "high", "mean"))
        panel.plot(x, mean, color=colour, marker="o", markersize=4, label=label(row))
        panel.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    panel.set_title(_TITLES[key], fontsize="medium")
    panel.set(xscale="log", yscale="log", xlabel="training step")
    if steps := [s["step"] for _, _, cell in shown[:1] for s in cell["snapshots"]]:
        panel.set_xticks(steps, [f"{step:,}" for step in steps], minor=False)
        panel.set_xticks([], minor=True)
    panel.grid(alpha=0.3)


def _seeds(shown: Sequence[tuple[Mapping[str, Any], str, Mapping[str, Any]]]) -> str:
    """What lines and bands are."""
    counts = text.listing(sorted({text.count(len(s["final"][DISTANCE]["seeds"]), "seed") for _, _, s in shown}))
    return counts if counts == "1 seed" else f"mean of {counts}, band from lowest to highest"


def markdown(figure: Mapping[str, Any], picture: str, files: Sequence[str] = ()) -> str:
    """The page of the figure."""
    shown = list(_shown(figure))
    parts = [f"![{figure['title']}]({picture})"]
    notes = []
    if shown:
        first = shown[0][2]
        parts += [
            f"Above, for each prior, seed {first['seed']}, not selected: noise; the encoder's codes and the generated "
            "codes at steps of the training, in axes that are the same along the row; data (split "
            f"{first['split']}) and what the run generates. {DRAWN} points each, the same noise and the same data at "
            "every step; outlying codes may lie beyond their panels. "
            f"Below: {_seeds(shown)}; values under {_LEAST:g}, which chance can take below 0, are drawn at {_LEAST:g}.",
            text.markdown_table(_HEADER, _lines(figure, shown)),
        ]
        notes = [
            "**Numbers**: mean ± sample standard deviation over seeds, where there are several; the curve's energy "
            "distances are of fewer samples than the table's.",
            f"**Mismatch** of {first['measured']:,} codes E(x) and as many G_z(z): {scatter.MISMATCH}.",
        ]
    notes += [*footnotes(figure), origin(figure, files)]
    return layout.page(figure, parts, notes)


_HEADER = ("Prior", "Seeds", "Energy distance at the end ↓", "Mismatch of codes at the end ↓")


def _lines(
    figure: Mapping[str, Any], shown: Sequence[tuple[Mapping[str, Any], str, Mapping[str, Any]]]
) -> Iterator[list[str]]:
    finals = [cell["final"] for _, _, cell in shown]
    for row, _, cell in shown:
        numbers = [
            text.plus_minus(cell["final"][key]["mean"], cell["final"][key]["sd"], _places(finals, key))
            for key in (DISTANCE, "mismatch")
        ]
        yield [label(row), str(len(cell["final"][DISTANCE]["seeds"])), *numbers]
    for name in dict.fromkeys(column for _, column, _ in shown):
        floor = figure["columns"][name]["floor"]
        if (value := floor.get("metrics", {}).get(DISTANCE)) is not None:
            real = f"floor: real training data ({floor['protocol']['n_generated']:,})"
            yield [real, text.DASH, text.number(value, _places(finals, DISTANCE)), text.DASH]


def _places(finals: Sequence[Mapping[str, Any]], key: str) -> int:
    """Decimals that show three digits of the smallest mean."""
    return text.decimals([min(abs(final[key]["mean"]) for final in finals)])
