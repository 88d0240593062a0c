"""What figures share, most of all those of images that were asked for or changed: files, pages, scores beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.statistics import mean_sd
from advcodes.metrics.registry import parse
from advcodes.metrics.samples.conditional import CONDITIONAL, NOISE_DIVERSITY
from advcodes.pages import layout, text
from advcodes.pages.content import label, once, ran, write_pages
from advcodes.pages.footnotes import descriptions, footnotes, origin
from advcodes.pages.pictures import images, scatter
from advcodes.pages.results import Result
from advcodes.studies.shared import DRAWN, DRAWN_MORE

if TYPE_CHECKING:
    from advcodes.pages.request import Request

#: Metrics that say whether images show what they were asked for, and how good they are.
SCORES = (*CONDITIONAL, NOISE_DIVERSITY, "fid")
NUMBERS = "**Numbers**: mean ± sample standard deviation over seeds."
AUTOENCODED = ("mse", "feature_mse", "fid")  #: how good reconstructions and samples are


def drawn(figure: Mapping[str, Any]) -> str:
    """Which real images a figure shows, in words."""
    return DRAWN_MORE if figure.get("more") else DRAWN


def first(figure: Mapping[str, Any]) -> str:
    """Which samples a figure shows, in a word."""
    return "next" if figure.get("more") else "first"


def write(
    request: Request,
    directory: Path,
    name: str,
    figure: Mapping[str, Any],
    draw: Callable[[Path], int] | None,
    markdown: Callable[[Mapping[str, Any], str, int, Sequence[str]], str],
) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure; returns their names.

    Args:
        request: what is rendered.
        directory: of the files.
        name: of the item.
        figure: everything that it says, as JSON.
        draw: writes the picture to a path; returns how many rows or images are in it. None where nothing ran.
        markdown: the page, of the figure, the picture's name, that number and the names of other files.
    """
    picture, drawn = directory / f"{name}.png", 0
    if draw:
        drawn = draw(picture)
    else:
        images.sheet([["not run"]], [""], [request.item.title], picture)
    files = {"json": scatter.to_json(figure)}
    return write_pages(picture, files, lambda names: markdown(figure, picture.name, drawn, names))


def write_plot(
    directory: Path,
    name: str,
    figure: Mapping[str, Any],
    draw: Callable[[Mapping[str, Any], Path], object],
    markdown: Callable[[Mapping[str, Any], str, Sequence[str]], str],
) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure whose JSON holds all that is drawn; returns their names.

    Args:
        directory: of the files.
        name: of the item.
        figure: everything that it says, as JSON.
        draw: writes the picture of the figure to a path.
        markdown: the page, of the figure, the picture's name and the names of other files.
    """
    picture = directory / f"{name}.png"
    draw(figure, picture)
    files = {"json": scatter.to_json(figure)}
    return write_pages(picture, files, lambda names: markdown(figure, picture.name, names))


def page(
    figure: Mapping[str, Any], key: str, picture: str, parts: Sequence[str], own: Sequence[str], files: Sequence[str]
) -> str:
    """The page of a figure, in Markdown.

    Args:
        figure: everything that it says, as JSON; ``row[key]`` holds by column what ran.
        key: of that.
        picture: PNG beside the page.
        parts: paragraphs under the picture.
        own: of its own, before those that all figures have.
        files: beside the page, to be linked.
    """
    every = [*own, *footnotes(figure), *notes(figure, key), origin(figure, files)]
    return layout.page(figure, [f"![{figure['title']}]({picture})", *parts], every)


def shown(figure: Mapping[str, Any], key: str) -> Iterator[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """Row, head of the column, and ``row[key][column]`` of everything that ran."""
    for row in figure["rows"].values():
        for column, cell in row[key].items():
            yield row, text.column(column, figure["columns"][column]["served_by"]), cell


def named(figure: Mapping[str, Any], key: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """``row on column``, the dataset, and ``row[key][column]`` of everything that ran."""
    for row in figure["rows"].values():
        for column, cell in row[key].items():
            served = figure["columns"][column]["served_by"]
            yield f"{label(row)} on {text.column(column, served)}", served, cell


def lines(shown: Sequence[Any], upper: Mapping[str, str], made: str) -> tuple[list[list[Any]], list[str], list[str]]:
    """Lines of images with a block for each column of the item: first images alone, then a line for each model.

    Args:
        shown: images of one run each, with its row's ``title`` and the column that it is ``on``.
        upper: label of each line above the models', and the attribute that holds its images.
        made: the attribute that holds what a model made.

    Returns:
        Images [N, C, H, W] by line and column (words where a model was not run), and the labels of both.
    """
    columns, titles = (list(dict.fromkeys(getattr(run, key) for run in shown)) for key in ("on", "title"))
    by_column, by_both = {run.on: run for run in shown}, {(run.title, run.on): getattr(run, made) for run in shown}
    first = [[getattr(by_column[on], part) for on in columns] for part in upper.values()]
    drawn = [*first, *([by_both.get((title, on), "not run") for on in columns] for title in titles)]
    return drawn, [*upper, *titles], columns


def scores(results: Sequence[Result], main: str, kinds: Sequence[str] = SCORES) -> dict[str, Any]:
    """The item's metric and those of other kinds over seeds.

    Args:
        results: of a row in a column, by seed.
        main: full name of the item's metric.
        kinds: of metrics beside it; such as a run has none of, or as the item's repeats, are left out.

    Returns:
        By name: ``mean``, ``sd`` (None of one seed), and ``seeds``: value by seed.
    """
    others = [name for kind in kinds for name in results[0].metrics if name != main and parse(name)[0] == kind]
    summaries = {}
    for name in once([main, *others]):
        values = {str(r.seed): r.metrics[name] for r in results}
        mean, sd = mean_sd(list(values.values()))
        summaries[name] = {"mean": mean, "sd": sd, "seeds": values}
    return summaries


def table(figure: Mapping[str, Any], key: str) -> str:
    """The scores of everything that ran, in Markdown; ``row[key]`` holds them by column."""
    every = [(label(row), column, scores["scores"]) for row, column, scores in shown(figure, key)]
    names = dict.fromkeys(name for *_, scores in every for name in scores)
    cells = [
        [model, column, str(len(next(iter(scores.values()))["seeds"])), *(cell(scores.get(name)) for name in names)]
        for model, column, scores in every
    ]
    return text.markdown_table(
        ["Model", "Dataset", "Seeds", *(f"`{name}` {text.arrow(name)}" for name in names)], cells, left=(0, 1)
    )


def cell(score: Mapping[str, Any] | None) -> str:
    """A score over seeds as printed; a dash where there is none."""
    return text.DASH if score is None else text.plus_minus(score["mean"], score["sd"], text.decimals([score["mean"]]))


def notes(figure: Mapping[str, Any], key: str) -> list[str]:
    """What the scores beside the item's own metric are: a Markdown paragraph each."""
    columns = ran(figure)
    main = {column["metric"] for column in columns.values()}
    names = {name for *_, cell in shown(figure, key) for name in cell["scores"]} - main
    return [f"**Beside it**: {sentence}" for sentence in descriptions(columns, names)]
