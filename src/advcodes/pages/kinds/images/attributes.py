"""A figure of attribute arithmetic: a mean difference of codes is added to those of images that lack the attribute.

Or of samples: then it is taken from those that have it, too (Khan figure 8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from advcodes.core.statistics import mean_sd
from advcodes.pages import given, text
from advcodes.pages.content import label
from advcodes.pages.pictures.blocks import Block, blocks
from advcodes.studies.shared import ATTRIBUTES_ENCODED as ENCODED
from advcodes.studies.shared import ATTRIBUTES_MEASURED as MEASURED

if TYPE_CHECKING:
    from advcodes.pages.request import Request

BLIND = 75  #: percent of right answers, the mean of both kinds of images, below which a classifier is no witness


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of attributes; returns their names."""
    figure, shown = content(request)
    draw = (lambda path: blocks([[block] for block in shown], path)) if shown else None
    return given.write(request, directory, name, figure, draw, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[Block]]:
    """Everything the figure says, as JSON, and the images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``strength``, and ``edited`` in each row: by column
        what :mod:`advcodes.studies.kinds.attributes` found, and ``scores`` over seeds.
    """
    figure, shown = request.frame() | {"strength": request.item.strength}, []
    for row, column, results in request.cells(figure, "edited"):
        studied = request.studied(column, results)
        title = f"{label(row)} on {text.column(column, request.columns[column])}, seed {results[0].seed}"
        shown.append(block(studied.arrays, studied.numbers["attributes"], title, _of_samples(studied.numbers)))
        scores = given.scores(results, figure["columns"][column]["metric"], given.AUTOENCODED)
        row["edited"][column] = {**studied.numbers, "scores": scores}
    return figure, shown


def block(images: Mapping[str, np.ndarray], attributes: Sequence[str], title: str, samples: bool = False) -> Block:
    """Images, reconstructions, and a column for each attribute; white where an image has the attribute already.

    Of samples there are no reconstructions, and nothing is white: there the attribute was taken away.

    Args:
        images: ``real``, ``plain`` (reconstructions) uint8 [R, C, H, W], ``edited`` [A, R, C, H, W], and whether an
            image ``has`` an attribute already, bool [R, A].
        attributes: in order.
        title: above them.
        samples: whether they are samples.
    """
    if samples:
        return Block(
            title, np.stack([images["plain"], *images["edited"]], axis=1), ["sample", *map(_words, attributes)]
        )
    columns = [images["real"], images["plain"]]
    for a, pictures in enumerate(images["edited"]):
        columns.append(np.where(images["has"][:, a, None, None, None], np.uint8(255), pictures))
    heads = ["image", "reconstruction", *(_words(name) for name in attributes)]
    return Block(title, np.stack(columns, axis=1), heads)


def _of_samples(cell: Mapping[str, Any]) -> bool:
    return cell["edits"] == "samples"


def _words(name: str) -> str:
    return name.replace("_", " ")


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: rows of images of each model.
        files: beside the page, to be linked.
    """
    shown, parts = list(given.named(figure, "edited")), []
    if shown:
        parts.append(_caption(figure, [cell for *_, cell in shown], drawn))
        for where, _, cell in shown:
            parts.append(f"Attributes that were added, {where} ({text.count(len(cell['runs']), 'seed')}):")
            parts.append(_table(cell))
        parts.append(given.table(figure, "edited"))
    return given.page(figure, "edited", picture, parts, _notes(shown), files)


def _caption(figure: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], drawn: int) -> str:
    seeds, splits = (text.listing(sorted({str(cell[key]) for cell in shown})) for key in ("seed", "split"))
    times = "" if figure["strength"] == 1 else f", times {figure['strength']:g}"
    if any(map(_of_samples, shown)):
        return (
            f"Left: the first {drawn} samples of seed {seeds}, not selected. Beside them: the same samples with an "
            "attribute added, or removed where the classifier sees it; a column for each. What is added to a sample's "
            "code, or taken from it, is the mean code of training images with the attribute minus the mean code of "
            f"those without it{times}, and nothing else. Small images are enlarged without smoothing."
        )
    return (
        f"Left: the first {drawn} images of split {splits}, not selected, and their reconstructions, seed {seeds}. "
        "Beside them: the same images with an attribute added, a column for each. What is added to an image's code is "
        f"the mean code of training images with the attribute minus the mean code of those without it{times}, "
        "and nothing else. White: the image has the attribute already. Small images are enlarged without smoothing."
    )


class _Column(NamedTuple):
    """A number of the page's table."""

    key: str
    head: str
    places: int | None  #: None: as many as show it
    factor: int = 1


_COLUMNS = (
    _Column("images", "Images", 0),
    _Column("before", "Seen before, %", 1, 100),
    _Column("after", "Seen after, %", 1, 100),
    _Column("random_after", "… random direction", 1, 100),
    _Column("true", "Seen where true, %", 1, 100),
    _Column("others", "Others flip, %", 1, 100),
    _Column("random_others", "… random direction", 1, 100),
    _Column("change", "Squared change", None),
    _Column("random_change", "… random direction", None),
)
_OF_SAMPLES = (
    *(column for column in _COLUMNS if column.key not in ("before", "true")),
    _Column("removed_images", "Removed from", 0),
    _Column("removed", "Then gone, %", 1, 100),
)


def _table(cell: Mapping[str, Any]) -> str:
    runs, lines = list(cell["runs"].values()), []
    columns = _OF_SAMPLES if _of_samples(cell) else _COLUMNS
    for name in cell["attributes"]:
        line = [_words(name)]
        for column in columns:
            line.append(_number(column, _values(column, runs, [name])))
        right = cell["classifier"][name]
        lines.append([*line, " / ".join(_percent(right[side]) for side in ("with", "without"))])
    if len(lines) > 1:
        means = [
            "" if column.key == "removed_images" else _number(column, _values(column, runs, cell["attributes"]))
            for column in columns[1:]
        ]
        lines.append(["**mean**", "", *means, ""])
    heads = ["Attribute", *(column.head for column in columns), "Classifier right: with / without it, %"]
    return text.markdown_table(heads, lines)


def _values(column: _Column, runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[float]:
    """A number of each run, the mean over those attributes that have it; none where no attribute has."""
    by_run = [[run[name][column.key] for name in names if run[name]] for run in runs]
    known = [[value for value in values if value is not None] for values in by_run]
    return [column.factor * fmean(values) for values in known if values]


def _number(column: _Column, values: Sequence[float]) -> str:
    if not values:
        return text.DASH
    if column.key in ("images", "removed_images"):
        return f"{int(values[0]):,}"  # the same of every seed
    return text.plus_minus(*mean_sd(values), text.decimals(values) if column.places is None else column.places)


def _percent(share: float | None) -> str:
    return text.DASH if share is None else text.number(100 * share, 0)


def _notes(shown: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[str]:
    if not shown:
        return []
    notes = [
        "**Numbers**: mean ± sample standard deviation over seeds, where there are several; the last line is the mean "
        "over attributes.",
    ]
    if any(_of_samples(cell) for *_, cell in shown):
        notes += [
            f"**Samples**: an attribute is added to those of {MEASURED} in which the classifier does not see it, and "
            "taken from those in which it does. Their number is the first seed's.",
            "**Seen after, then gone**: share of these samples in which the classifier sees the attribute after it was "
            "added, and does not after it was removed. The classifier is the pipeline's own, trained on the "
            "dataset's real training images.",
        ]
    else:
        notes += [
            f"**Images**: an attribute is added to up to {MEASURED} images of the split that lack it.",
            "**Seen before, after**: share of these images in which a classifier sees the attribute, before (in the "
            "plain reconstruction) and after it was added. The classifier is the pipeline's own, trained on the "
            "dataset's real training images.",
            f"**Seen where true**: in plain reconstructions of up to {MEASURED} images of the split that have the "
            "attribute: about what can be reached, as a model that does not reconstruct an attribute cannot add it.",
        ]
    notes += [
        "**Others flip**: share of all other attributes of the dataset that the classifier reads otherwise after than "
        "before. **Squared change**: mean squared difference of pixels between the two images, on [-1, 1] as `mse`.",
        "**Random direction**: the same for a direction drawn at random for each image, of the same length: what any "
        "change of this size does.",
        "**Classifier right**: on real test images, with and without the attribute. Where it is hardly ever right on "
        "images with the attribute it cannot see it, and its word above is worth nothing.",
        f"**Codes** are means over up to {ENCODED:,} training images.",
        "**Batch norm** is re-estimated on reconstructions of training images where `sampling.batch_norm` says "
        "`reestimate`.",
    ]
    for dataset, cell in {dataset: cell for _, dataset, cell in shown}.items():
        if blind := [_words(name) for name, right in cell["classifier"].items() if _blind(right)]:
            notes.append(
                f"**Hardly seen by the classifier** on {text.dataset(dataset)}: {text.listing(blind)} (right on less "
                f"than {BLIND} %, the mean of images with and without it)."
            )
        for group in cell["groups"]:
            notes.append(
                f"**Exclusive** on {text.dataset(dataset)}: of {text.listing([_words(g) for g in group])} exactly one "
                "holds in every image. To add one is to take another away, which counts among others that flip."
            )
    return notes


def _blind(right: Mapping[str, float | None]) -> bool:
    sides = [share for side in ("with", "without") if (share := right[side]) is not None]
    return 100 * fmean(sides) < BLIND
