"""A figure of the gradients that objectives give over training, to its end or until a run diverges (GALI figure 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.metrics.course.gradient import read
from advcodes.pages import given, text
from advcodes.pages.content import ended, label, ran
from advcodes.pages.pictures import lines
from advcodes.pages.pictures.drawing import save
from advcodes.pages.pictures.styles import color

if TYPE_CHECKING:
    from advcodes.pages.request import Request

POINTS = 200  #: of a line, at most: evenly chosen, the last among them


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of gradients; returns their names.

    Raises:
        AdvcodesError: a run's log is unreadable, or that of a method without such an objective.
    """
    return given.write_plot(directory, name, content(request), draw, markdown)


def content(request: Request) -> dict[str, Any]:
    """Everything the figure shows, as JSON.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``style`` in each row that ran, and ``gradients``: by
        column ``runs`` by seed (``images`` seen, ``norms`` there, and the images at which it ``diverged``, if it did)
        and ``scores`` over seeds.
    """
    figure = request.frame()
    for variant, style in request.styles().items():
        figure["rows"][variant]["style"] = style
    for row, column, results in request.cells(figure, "gradients"):
        runs: dict[str, dict[str, Any]] = {}
        for result in results:
            images, norms = (_thinned(values.tolist()) for values in read(request.run(result)))
            runs[str(result.seed)] = {"images": images, "norms": norms}
            if result.diverged is not None:
                runs[str(result.seed)]["diverged"] = result.diverged * result.batch_size
        row["gradients"][column] = {
            "runs": runs,
            "scores": given.scores(results, figure["columns"][column]["metric"], ("fid",)),
        }
    return figure


def _thinned(values: Sequence[float]) -> list[float]:
    """At most :data:`POINTS` of them, the last among them."""
    every = -(-len(values) // POINTS)
    return list(values[::-1][::every][::-1])


def draw(figure: Mapping[str, Any], path: Path) -> None:
    """Write the figure as PNG and SVG: a panel for each column, a line for each run, a cross where it diverged."""
    from matplotlib.figure import Figure

    shown = list(ran(figure)) or list(figure["columns"])[:1]
    drawing = Figure(figsize=(7.0 * len(shown), 3.9), layout="constrained")
    for name, panel in zip(shown, drawing.subplots(1, len(shown), squeeze=False)[0], strict=True):
        column = figure["columns"][name]
        panel.set_title(text.column(name, column["served_by"]))
        for row in figure["rows"].values():
            for i, run in enumerate(row["gradients"].get(name, {"runs": {}})["runs"].values()):
                shade, named = color(row["style"]), {"label": label(row)} if i == 0 else {}
                line = {"color": shade, "linestyle": row["style"]["line"], "marker": ".", "markersize": 3}
                panel.plot(run["images"], run["norms"], **line, **named)
                if "diverged" in run:
                    panel.plot(run["diverged"], run["norms"][-1], color=shade, marker="X", markersize=9)
        if not panel.lines:
            lines.not_run(panel)
            continue
        lines.images_axis(panel)
        log = lines.log_if_wide(panel)
        panel.set_ylabel(f"norm of the gradient in the logits{', log scale' if log else ''}")
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    save(drawing, path)


def markdown(figure: Mapping[str, Any], picture: str, files: Sequence[str] = ()) -> str:
    """The page of the figure."""
    cells = []
    for variant, row in figure["rows"].items():
        for name, cell in row["gradients"].items():
            column, runs = figure["columns"][name], cell["runs"].values()
            last = [f"{run['norms'][-1]:.3g}" for run in runs]
            cells.append(
                [label(row), text.column(name, column["served_by"]), str(len(runs)), text.listing(last),
                 ended(column, variant) or "trained to the end"]
            )  # fmt: skip
    parts, notes = [], []
    if cells:
        heads = ["Model", "Dataset", "Seeds", "Last gradient of each", "End"]
        parts = [text.markdown_table(heads, cells, left=(0, 1, 4)), given.table(figure, "gradients")]
        notes = [
            "**Lines**: each run's norms from its `losses.csv`, a mean over the tuples of one minibatch at each logged "
            "point; a cross where a run diverged.",
            given.NUMBERS,
        ]
    return given.page(figure, "gradients", picture, parts, notes, files)
