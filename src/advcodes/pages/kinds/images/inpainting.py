"""A figure of inpainting: images with a piece missing, and what trained runs put there."""

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
from advcodes.studies.shared import DRAWN, INPAINTED_ACROSS

if TYPE_CHECKING:
    from advcodes.pages.request import Request

ACROSS = ((1, INPAINTED_ACROSS), (1, 10))  #: images of a line of layout `models`: as many as the file's size allows
FORMED = ("x", "M(x)", "G(E(M(x)))", "mixed")  #: columns of such a panel (GALI figure 2)


@dataclass(frozen=True)
class InpaintedRun:
    """Images of one run, uint8 [N, 3, H, W].

    Attributes:
        title: the run's row.
        on: its column.
        real: images, whole.
        masked: the same, in another colour where a piece is missing.
        seen: G(E(M(x))), what the run makes of what is left, as a whole; None with layout `models`.
        filled: images whose missing piece is taken from that.
    """

    title: str
    on: str
    real: np.ndarray
    masked: np.ndarray
    seen: np.ndarray | None
    filled: np.ndarray


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of inpainting; returns their names."""
    figure, shown = content(request)

    def draw(path: Path) -> int:
        if request.item.layout == "formation":
            return blocks([formation(shown)], path)
        return images.sheet(*lines(shown), path, ACROSS)[1]

    return given.write(request, directory, name, figure, draw if shown else None, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[InpaintedRun]]:
    """Everything the figure says, as JSON, and the images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``layout``, and ``inpainted`` in each row: by
        column what :mod:`advcodes.studies.kinds.inpainting` found, and ``scores`` over seeds.
    """
    item = request.item
    figure = request.frame() | {"layout": item.layout}
    shown = []
    for row, column, results in request.cells(figure, "inpainted"):
        studied = request.studied(column, results)
        arrays, on = studied.arrays, text.column(column, request.columns[column])
        real, masked, filled = (_coloured(arrays[name]) for name in ("real", "masked", "filled"))
        seen = _coloured(arrays["seen"]) if "seen" in arrays else None
        shown.append(InpaintedRun(label(row), on, real, masked, seen, filled))
        scores = given.scores(results, figure["columns"][column]["metric"], item.declares.metrics)
        row["inpainted"][column] = {**studied.numbers, "scores": scores}
    return figure, shown


def _coloured(images: np.ndarray) -> np.ndarray:
    """Images [N, C, H, W] with three channels, as those have in which something is missing."""
    return np.repeat(images, 3 // images.shape[1], axis=1)


def lines(shown: Sequence[InpaintedRun]) -> tuple[list[list[Any]], list[str], list[str]]:
    """Images, what is left of them, and below what each model makes of that (GALI figure 4): see `given.lines`."""
    return given.lines(shown, {"Original": "real", "Masked": "masked"}, "filled")


def formation(shown: Sequence[InpaintedRun]) -> list[Block | None]:
    """A panel for each run: how an image becomes a mixed one, step by step from left to right (GALI figure 2)."""
    return [
        Block(f"{run.title}, {run.on}", np.stack([run.real, run.masked, run.seen, run.filled], axis=1), FORMED)
        for run in shown
        if run.seen is not None
    ]


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: images of each line, or rows of each panel.
        files: beside the page, to be linked.
    """
    cells = [cells for *_, cells in given.shown(figure, "inpainted")]
    if not cells:
        return given.page(figure, "inpainted", picture, [], [], files)
    parts = [_caption(figure, cells, drawn), given.table(figure, "inpainted")]
    return given.page(figure, "inpainted", picture, parts, [given.NUMBERS, _BATCH_NORM], files)


_BATCH_NORM = (
    "**Batch norm** is re-estimated while masked training images are filled in if `sampling.batch_norm` is "
    "`reestimate`, as for the metrics."
)


def _caption(figure: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], drawn: int) -> str:
    seeds, splits = (text.listing(sorted({str(cell[key]) for cell in shown})) for key in ("seed", "split"))
    count = min(drawn, max(cell["images"] for cell in shown))
    if figure["layout"] == "formation":
        what = (
            f"From left to right: x, {count} images of split {splits}, {DRAWN}; M(x), with a rectangle missing "
            "(in a colour here; the encoder sees a value there that no image has); G(E(M(x))), the whole image that "
            "the model makes of what is left; and the mixed image: x with the missing piece taken from there."
        )
    else:
        what = (
            f"Uppermost: {count} images of split {splits}, {DRAWN}. Below: the same with a rectangle missing (in a "
            "colour here; the encoder sees a value there that no image has). Below these: what each model puts in its "
            "place, of the same masked images; the rest is the image as it was."
        )
    return (
        f"{what} Of seed {seeds}; neither images nor masks are selected. Small images are enlarged without smoothing."
    )
