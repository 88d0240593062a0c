"""A figure of reconstructions: test images beside what trained runs make of their codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.pages import given, text
from advcodes.pages.content import label
from advcodes.pages.pictures import images
from advcodes.pages.pictures.blocks import Block, blocks
from advcodes.studies.shared import RECONSTRUCTED_ACROSS
from advcodes.studies.shared import RECONSTRUCTED_PAIRS as PAIRS

if TYPE_CHECKING:
    from advcodes.pages.request import Request

ACROSS = ((1, RECONSTRUCTED_ACROSS), (1, 10))  #: images of a line of layout `rows`: as many as the file's size allows
ORIGINALS = "Original"
_ACROSS = 3  #: panels side by side, at most


@dataclass(frozen=True)
class ReconstructedRun:
    """Images of one run, uint8 [N, C, H, W].

    Attributes:
        title: the run's row.
        on: its column.
        real: images that are reconstructed.
        made: their reconstructions.
        samples: of the run; None where the item shows none.
    """

    title: str
    on: str
    real: np.ndarray
    made: np.ndarray
    samples: np.ndarray | None


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of reconstructions; returns their names."""
    (figure, shown), item = content(request), request.item

    def draw(path: Path) -> int:
        if item.layout == "rows":
            return images.sheet(*lines(shown), path, ACROSS)[1]
        return blocks(sweep(shown) if item.layout == "blocks" else pairs(shown, item.samples), path)

    return given.write(request, directory, name, figure, draw if shown else None, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[ReconstructedRun]]:
    """Everything the figure says, as JSON, and the images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``layout``, ``samples`` (whether some are drawn),
        and ``reconstructed`` in each row: by column what :mod:`advcodes.studies.kinds.reconstructions` found, and
        ``scores`` over seeds.
    """
    item = request.item
    figure = request.frame()
    figure |= {"layout": item.layout, "samples": item.samples or item.layout == "blocks"}
    shown = []
    for row, column, results in request.cells(figure, "reconstructed"):
        studied = request.studied(column, results)
        arrays, on = studied.arrays, text.column(column, request.columns[column])
        shown.append(ReconstructedRun(label(row), on, arrays["real"], arrays["made"], arrays.get("samples")))
        scores = given.scores(results, figure["columns"][column]["metric"], given.AUTOENCODED)
        row["reconstructed"][column] = {**studied.numbers, "scores": scores}
    return figure, shown


def pairs(shown: Sequence[ReconstructedRun], samples: bool = False) -> list[list[Block]]:
    """A panel for each run: images in odd columns, each with its reconstruction to the right.

    Args:
        shown: runs.
        samples: put a panel of samples beside each; every run then has a line of its own.

    Returns:
        Lines of panels; without samples a line for each column of the item, or several of one.
    """
    if samples:
        return [[Block(f"{run.title}, {run.on}: reconstructions", *_alternating(run)), _square(run)] for run in shown]
    lines = [
        [Block(f"{run.title}, {run.on}", *_alternating(run)) for run in shown if run.on == on]
        for on in dict.fromkeys(run.on for run in shown)
    ]
    if len(lines) > 1:
        return lines
    across = -(-len(lines[0]) // -(-len(lines[0]) // _ACROSS))  # in lines of as many, if possible
    return [lines[0][i : i + across] for i in range(0, len(lines[0]), across)]


def _alternating(run: ReconstructedRun) -> tuple[np.ndarray, list[str]]:
    """Images and reconstructions by turns, [R, 2 P, C, H, W], filled up with white; and heads of columns."""
    both = np.stack([run.real, run.made], axis=1)
    return _rows(both.reshape(-1, *run.real.shape[1:]), 2 * PAIRS), ["true", "rec."] * PAIRS


def _square(run: ReconstructedRun) -> Block:
    return Block(f"{run.title}, {run.on}: samples", _rows(_samples(run), 2 * PAIRS))


def _samples(run: ReconstructedRun) -> np.ndarray:
    assert run.samples is not None  # or the item would not show them
    return run.samples


def _rows(flat: np.ndarray, across: int) -> np.ndarray:
    """[R, across, C, H, W] of images [N, C, H, W], row by row; the last row is filled up with white."""
    lacking = -len(flat) % across
    white = np.full((lacking, *flat.shape[1:]), 255, np.uint8)
    return np.concatenate([flat, white]).reshape(-1, across, *flat.shape[1:])


def sweep(shown: Sequence[ReconstructedRun]) -> list[list[Block]]:
    """Three blocks: inputs, reconstructions, samples, with a column for each run; a line for each column of the item.

    A row of the first two is about one test image.
    """
    lines: list[list[Block]] = []
    places = list(dict.fromkeys(run.on for run in shown))
    for on in places:
        runs = [run for run in shown if run.on == on]
        heads, where = [run.title for run in runs], f", {on}" if len(places) > 1 else ""
        lines.append(
            [
                Block("Inputs", runs[0].real[:, None]),
                Block(f"Reconstructions{where}", np.stack([run.made for run in runs], axis=1), heads),
                Block(f"Samples{where}", np.stack([_samples(run) for run in runs], axis=1), heads),
            ]
        )
    return lines


def lines(shown: Sequence[ReconstructedRun]) -> tuple[list[list[Any]], list[str], list[str]]:
    """Images in a line, and below them each model's reconstructions: see `given.lines`."""
    return given.lines(shown, {ORIGINALS: "real"}, "made")


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: rows of images in each panel or block; with layout `rows`, images of a line.
        files: beside the page, to be linked.
    """
    cells = [cells for *_, cells in given.shown(figure, "reconstructed")]
    if not cells:
        return given.page(figure, "reconstructed", picture, [], [], files)
    parts = [_caption(figure, cells, drawn), given.table(figure, "reconstructed")]
    return given.page(figure, "reconstructed", picture, parts, [given.NUMBERS, _BATCH_NORM], files)


_BATCH_NORM = (
    "**Batch norm** is re-estimated on reconstructions of training images if `sampling.batch_norm` is `reestimate`, as "
    "for `mse`."
)


def _caption(figure: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], drawn: int) -> str:
    seeds, splits = (text.listing(sorted({str(cell[key]) for cell in shown})) for key in ("seed", "split"))
    most = max(cell["images"] for cell in shown)
    which, first = given.drawn(figure), given.first(figure)
    if figure["layout"] == "blocks":
        count = min(drawn, most)
        what = (
            f"Left: {count} images of split {splits}, {which}. Middle: their reconstructions, each in the row of its "
            f"image, with a column for each model. Right: the {first} samples of each model, which are not made from "
            "the images in their rows."
        )
    elif figure["layout"] == "rows":
        what = (
            f"Uppermost: {min(drawn, most)} images of split {splits}, {which}. Below: their reconstructions, each "
            "under its image, with a row for each model."
        )
    else:
        count = min(drawn * PAIRS, most)
        what = (
            f"Odd columns: {count} images of split {splits}, {which}, row by row, the same for every model. Even "
            "columns: the reconstruction of the image to the left."
        )
        if figure["samples"]:
            what += f" Beside them: the {first} samples."
    return f"{what} Of seed {seeds}, not selected. Small images are enlarged without smoothing."
