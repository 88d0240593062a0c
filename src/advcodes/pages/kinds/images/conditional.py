"""A figure of what is asked for: in each column another class or cluster, in each row the same noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.statistics import mean_sd
from advcodes.pages import given, text
from advcodes.pages.content import label, ran
from advcodes.pages.pictures.blocks import Block, blocks
from advcodes.studies.shared import CONDITIONAL_SHOWN as SHOWN

if TYPE_CHECKING:
    from advcodes.pages.request import Request


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md``; returns their names."""
    figure, grids = content(request)
    draw = (lambda path: blocks(grids, path)) if any(block for line in grids for block in line) else None
    return given.write(request, directory, name, figure, draw, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[list[Block | None]]]:
    """Everything the figure says, as JSON, and the grids of the first seed: a line a row, a block a column that ran.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``conditional`` in each row: by column what
        :mod:`advcodes.studies.kinds.conditional` found, and ``scores``.
    """
    figure = request.frame()
    grids: list[tuple[dict[str, Any], dict[str, Block]]] = []
    for row, column, results in request.cells(figure, "conditional"):
        studied = request.studied(column, results)
        numbers = dict(studied.numbers)
        seen = numbers.pop("seen")
        scores = given.scores(results, figure["columns"][column]["metric"])
        row["conditional"][column] = {**numbers, "scores": scores, **seen}
        title = f"{label(row)}, {text.column(column, request.columns[column])}"
        if not grids or grids[-1][0] is not row:
            grids.append((row, {}))
        grids[-1][1][column] = Block(title, studied.arrays["images"], numbers["names"])
    return figure, [[line.get(column) for column in ran(figure)] for _, line in grids]


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: rows of images in each grid.
        files: beside the page, to be linked.
    """
    shown = [(where, cell) for where, _, cell in given.named(figure, "conditional")]
    if not shown:
        return given.page(figure, "conditional", picture, [], [], files)
    parts = [_caption([cell for _, cell in shown], drawn), given.table(figure, "conditional")]
    parts += [*_accuracies(shown), *(_clusters(where, cell) for where, cell in shown if "most" in cell)]
    return given.page(figure, "conditional", picture, parts, [given.NUMBERS], files)


def _caption(shown: Sequence[Mapping[str, Any]], drawn: int) -> str:
    seeds = text.listing(sorted({str(cell["seed"]) for cell in shown}))
    kinds = {cell["conditioned_on"] for cell in shown}
    what = " or ".join(word for condition, word in (("labels", "class"), ("clusters", "cluster")) if condition in kinds)
    sentences = [
        f"Each column was asked for the {what} above it, and all images of a row were made of the same noise: "
        f"{drawn} draws with seed {seeds}, not selected. Small images are enlarged without smoothing."
    ]
    if any(cell["choices"] > len(cell["order"]) for cell in shown):
        counts = text.listing(sorted({f"{len(f['order'])} of {f['choices']}" for f in shown if f["choices"] > SHOWN}))
        sentences.append(f"Shown are the first {counts}.")
    if "clusters" in kinds:
        sentences.append("A cluster is a value of the categorical input; the model saw no labels in training.")
    if any("most" in cell for cell in shown):
        sentences.append(
            "Columns are in the order of the class that a classifier of the dataset sees most in a cluster's samples; "
            "that is presentation only."
        )
    return " ".join(sentences)


def _accuracies(shown: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """For each list of classes a table of how often the classifier sees the class of the condition."""
    measured = [(where, cell) for where, cell in shown if "accuracy" in cell]
    for names in dict.fromkeys(tuple(cell["names"]) for _, cell in measured):
        lines = []
        for where, cell in measured:
            if tuple(cell["names"]) == names:
                by_class = [[100 * shares[k] for shares in cell["accuracy"].values()] for k in cell["order"]]
                lines.append([where, *(text.plus_minus(*mean_sd(shares), 0) for shares in by_class)])
        yield (
            "Share of samples asked for a class, in %, that the classifier takes for this class:\n\n"
            + text.markdown_table(["", *names], lines)
        )


def _clusters(where: str, cell: Mapping[str, Any]) -> str:
    """A table of what the classifier sees in samples of each cluster that is shown."""
    most = cell["most"][: len(cell["names"])]
    lines = [
        ["class seen most", *(m["class"] for m in most)],
        ["share in %", *(text.number(100 * m["share"], 0) for m in most)],
    ]
    intro = f"What the classifier sees in each cluster's samples, {where}, seed {cell['seed']}:"
    return f"{intro}\n\n{text.markdown_table(['', *cell['names']], lines)}"
