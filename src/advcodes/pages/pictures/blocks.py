"""Blocks of images under titles, side by side and below each other, as one PNG that stays small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from advcodes.pages.pictures.images import FONT, GAP, LIMIT, MARGIN, PALETTE_SAVES, SIDE, checked, encode, tile, write

if TYPE_CHECKING:
    from PIL import Image
    from PIL import ImageFont as Fonts

_SMALL = 12  #: font size of heads
_LEADING = FONT + 5  #: from one line of a title to the next


@dataclass(frozen=True)
class Block:
    """Images under a title.

    Attributes:
        title: wrapped above them.
        images: uint8 [R, S, C, H, W]: R rows of S images.
        heads: over the S columns; none without.
    """

    title: str
    images: np.ndarray
    heads: Sequence[str] = ()


def blocks(lines: Sequence[Sequence[Block | None]], path: Path | str) -> int:
    """Write lines of blocks as one PNG under :data:`~advcodes.pages.pictures.images.LIMIT` bytes.

    Args:
        lines: blocks side by side; None leaves a place empty.
        path: of the PNG.

    Returns:
        Rows drawn of each block: as many, from the first on, as the file's size allows. Before rows are left out,
        images are enlarged less and have fewer colours.

    Raises:
        AdvcodesError: images have another shape or type.
    """
    most = max(len(block.images) for line in lines for block in line if block)
    for shown, side in ((most, SIDE), (most, SIDE // 2), ((most + 1) // 2, SIDE // 2)):
        picture = _arranged([[_tiled(block, shown, side) if block else None for block in line] for line in lines])
        data = encode(picture)
        if LIMIT < len(data) <= PALETTE_SAVES * LIMIT:
            data = encode(picture, 256)
        if len(data) <= LIMIT:
            break
    write(picture, data, path)
    return shown


def panels(lines: Sequence[Sequence[tuple[str, Any]]], path: Path | str) -> int:
    """Write titled square grids of images as one PNG under :data:`~advcodes.pages.pictures.images.LIMIT` bytes.

    Args:
        lines: grids side by side, each a title and images uint8 [N, C, H, W].
        path: of the PNG.

    Returns:
        Rows and columns of images in each block: as many, from the first image on, as the file's size allows.

    Raises:
        AdvcodesError: images have another shape or type.
    """
    arrays = [[(title, checked(images)) for title, images in line] for line in lines]
    for side in (8, 6, 5, 4):
        picture = _arranged(
            [[_Tile(t, (), tile(images, side, side, None), 0) for t, images in line] for line in arrays]
        )
        data = encode(picture)
        if len(data) <= LIMIT:
            break
    write(picture, data, path)
    return side


class _Tile(NamedTuple):
    """A drawn block: its title, heads of its columns, the picture, and pixels from one column to the next."""

    title: str
    heads: Sequence[str]
    picture: np.ndarray
    step: int


def _tiled(block: Block, rows: int, side: int) -> _Tile:
    shown = block.images[:rows]
    images = checked(shown.reshape(-1, *shown.shape[2:]))
    height, width = images.shape[2:]
    scale = max(1, -(-side // max(height, width)))
    return _Tile(block.title, block.heads, tile(images, shown.shape[0], shown.shape[1], scale), width * scale + GAP)


def _arranged(lines: Sequence[Sequence[_Tile | None]]) -> np.ndarray:
    """uint8 [H, W, 3]: lines of tiles below each other, aligned by columns."""
    from PIL import Image, ImageDraw, ImageFont

    font, small = ImageFont.load_default(FONT), ImageFont.load_default(_SMALL)
    across = range(max(map(len, lines)))
    columns = [[there for line in lines if j < len(line) and (there := line[j])] for j in across]
    widths = [max((shown.picture.shape[1] for shown in column), default=0) for column in columns]
    drawn = []  # the tiles of each line, with their titles and heads
    for line in lines:
        tiles = [(j, shown) for j, shown in enumerate(line) if shown]
        drawn.append([(j, shown, _wrapped(shown.title, widths[j], font), _heads(shown, small)) for j, shown in tiles])
    tops = [_top(line) for line in drawn]
    heights = [max((shown.picture.shape[0] for _, shown, *_ in line), default=0) for line in drawn]
    size = (MARGIN + sum(w + MARGIN for w in widths), sum(tops) + sum(h + MARGIN for h in heights))
    canvas = Image.new("RGB", size, "white")
    pen, y = ImageDraw.Draw(canvas), 0
    for parts, top, height in zip(drawn, tops, heights, strict=True):
        for j, shown, title, heads in parts:
            x = MARGIN + sum(w + MARGIN for w in widths[:j])
            for i, words in enumerate(title):
                pen.text((x, y + MARGIN + i * _LEADING), words, fill="black", font=font)
            for i, head in enumerate(heads):
                inset = (shown.step - GAP - head.width) // 2
                canvas.paste(head, (x + i * shown.step + inset, y + top - GAP - head.height))
            canvas.paste(Image.fromarray(shown.picture), (x, y + top))
        y += top + height + MARGIN
    return np.asarray(canvas)


def _top(line: Sequence[tuple[int, _Tile, Sequence[str], Sequence[Image.Image]]]) -> int:
    """Pixels above the images of a line: its longest title, and its tallest head."""
    titles = max((len(title) for _, _, title, _ in line), default=1)
    heads = max((head.height + GAP for *_, heads in line for head in heads), default=0)
    return FONT + 2 * MARGIN + (titles - 1) * _LEADING + heads


def _wrapped(title: str, width: int, font: Fonts.FreeTypeFont | Fonts.ImageFont) -> list[str]:
    """A title in lines that are not wider than its images, if its words allow."""
    lines = [""]
    for word in title.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _heads(shown: _Tile, font: Fonts.FreeTypeFont | Fonts.ImageFont) -> list[Image.Image]:
    """Pictures of the heads of columns, upright where one of them is wider than its column."""
    from PIL import Image, ImageDraw

    upright = any(font.getlength(head) > shown.step - GAP for head in shown.heads)
    drawn = []
    for head in shown.heads:
        picture = Image.new("RGB", (int(font.getlength(head)) + 1, _SMALL + 4), "white")
        ImageDraw.Draw(picture).text((0, 0), head, fill="black", font=font)
        drawn.append(picture.transpose(Image.Transpose.ROTATE_90) if upright else picture)
    return drawn
