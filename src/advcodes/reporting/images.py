"""Grids of small images as PNG files that stay small themselves."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.errors import AdvcodesError

if TYPE_CHECKING:
    from PIL import Image

LIMIT = 300_000  #: bytes of a PNG: reports lie in git
_SIDE = 64  #: pixels on the screen that a small image is enlarged to, at least
_GAP = 2
_BLANK = 255
_MARGIN = 10
_FONT = 15


def grid(images: Any, rows: int, columns: int, path: Path | str, scale: int | None = None) -> None:
    """Write images as a PNG of ``rows`` x ``columns``, row by row; missing ones are left white.

    Enlargement is by a whole factor without smoothing. A picture over :data:`LIMIT` bytes is stored with
    fewer colours, and shrunk only if that is not enough.

    Args:
        images: uint8 [N, C, H, W], C = 1 or 3; array or CPU tensor. Those beyond rows x columns are left out.
        rows: of the grid.
        columns: of the grid.
        path: of the PNG.
        scale: enlargement; None enlarges to at least 64 pixels a side.

    Raises:
        AdvcodesError: the images have another shape or type.
    """
    picture = _tile(_checked(images), rows, columns, scale)
    _write(picture, _encode(picture), path)


def sheet(
    blocks: Sequence[Sequence[Any]], rows: Sequence[str], columns: Sequence[str], path: Path | str
) -> tuple[int, int]:
    """Write a labelled table of blocks of images as one PNG under :data:`LIMIT` bytes.

    Args:
        blocks: for each row and column images uint8 [N, C, H, W], or words to print in their place.
        rows: labels of the rows.
        columns: labels of the columns.
        path: of the PNG.

    Returns:
        (rows, columns) of images within each block: as many, from the first on, as the file's size allows.

    Raises:
        AdvcodesError: images have another shape or type.
    """
    arrays = [[b if isinstance(b, str) else _checked(b) for b in line] for line in blocks]
    for shape in ((3, 8), (2, 8), (2, 6), (1, 8)):
        picture = _sheet(arrays, rows, columns, shape)
        data = _encode(picture)
        if len(data) <= LIMIT:
            break
    _write(picture, data, path)
    return shape


def panels(blocks: Sequence[tuple[str, Any]], across: int, path: Path | str) -> int:
    """Write titled square grids of images as one PNG under :data:`LIMIT` bytes.

    Args:
        blocks: a title and images uint8 [N, C, H, W] each.
        across: blocks side by side.
        path: of the PNG.

    Returns:
        Rows and columns of images in each block: as many, from the first image on, as the file's size allows.

    Raises:
        AdvcodesError: images have another shape or type.
    """
    arrays = [(title, _checked(images)) for title, images in blocks]
    for side in (8, 6, 5, 4):
        picture = _panels(arrays, side, across)
        data = _encode(picture)
        if len(data) <= LIMIT:
            break
    _write(picture, data, path)
    return side


def _panels(blocks: Sequence[tuple[str, np.ndarray]], side: int, across: int) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(_FONT)
    tiles = [(title, _tile(images, side, side, None)) for title, images in blocks]
    head = _FONT + 2 * _MARGIN
    width, height = (max(tile.shape[i] for _, tile in tiles) + _MARGIN for i in (1, 0))
    down = -(-len(tiles) // across)
    canvas = Image.new("RGB", (across * width + _MARGIN, down * (head + height)), "white")
    pen = ImageDraw.Draw(canvas)
    for i, (title, tile) in enumerate(tiles):
        x, y = _MARGIN + i % across * width, i // across * (head + height)
        pen.text((x, y + _MARGIN), title, fill="black", font=font)
        canvas.paste(Image.fromarray(tile), (x, y + head))
    return np.asarray(canvas)


def transitions(blocks: Sequence[tuple[str, Any]], path: Path | str) -> int:
    """Write rows of images that turn from the first into the last as one PNG under :data:`LIMIT` bytes.

    The first and the last image of each row stand a little apart.

    Args:
        blocks: a title and images uint8 [R, S, C, H, W] (rows, images of a row) each; all of one S.
        path: of the PNG.

    Returns:
        Rows drawn of each block: as many, from the first on, as the file's size allows.

    Raises:
        AdvcodesError: images have another shape or type.
    """
    arrays = [(title, [_checked(row) for row in rows]) for title, rows in blocks]
    most = max(len(rows) for _, rows in arrays)
    for shown, colours in ((most, None), (6, None), (most, 256), (6, 256), (4, 256), (3, 256)):
        picture = _transitions([(title, rows[:shown]) for title, rows in arrays])
        data = _encode(picture, colours)
        if len(data) <= LIMIT:
            break
    _write(picture, data, path)
    return min(shown, most)


def _transitions(blocks: Sequence[tuple[str, Sequence[np.ndarray]]]) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(_FONT)
    tiled = []
    for title, rows in blocks:
        for i, row in enumerate(rows):
            parts = [_tile(part, 1, len(part), None) for part in (row[:1], row[1:-1], row[-1:])]
            tiled.append((title if i == 0 else None, parts))
    height = sum(parts[0].shape[0] + _GAP + (_FONT + 2 * _MARGIN if title else 0) for title, parts in tiled) + _MARGIN
    widths = [sum(p.shape[1] for p in parts) + 4 * _MARGIN for _, parts in tiled]
    widths += [int(font.getlength(title)) + 2 * _MARGIN for title, _ in tiled if title]
    canvas = Image.new("RGB", (max(widths), height), "white")
    pen, y = ImageDraw.Draw(canvas), 0
    for title, parts in tiled:
        if title:
            pen.text((_MARGIN, y + _MARGIN), title, fill="black", font=font)
            y += _FONT + 2 * _MARGIN
        x = _MARGIN
        for part in parts:
            canvas.paste(Image.fromarray(part), (x, y))
            x += part.shape[1] + _MARGIN
        y += parts[0].shape[0] + _GAP
    return np.asarray(canvas)


def _write(picture: np.ndarray, data: bytes, path: Path | str) -> None:
    """Write the encoded picture, or a reduced one that fits."""
    if len(data) > 4 * LIMIT:  # more than fewer colours can save
        picture = _shrunk(picture, (3 * LIMIT / len(data)) ** 0.5)
    for colours in (256, 96):
        if len(data) > LIMIT:
            data = _encode(picture, colours)
    while len(data) > LIMIT:
        picture = _shrunk(picture, min(0.9, (LIMIT / len(data)) ** 0.5))
        data = _encode(picture, 256)
    Path(path).write_bytes(data)


def _shrunk(picture: np.ndarray, factor: float) -> np.ndarray:
    from PIL import Image

    size = (int(picture.shape[1] * factor), int(picture.shape[0] * factor))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _checked(images: Any) -> np.ndarray:
    array = np.asarray(images)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or array.dtype != np.uint8:
        raise AdvcodesError(
            f"cannot draw an array of {array.dtype} {list(array.shape)}: expected uint8 images [N, C, H, W] "
            "with 1 or 3 channels"
        )
    return array


def _tile(images: np.ndarray, rows: int, columns: int, scale: int | None) -> np.ndarray:
    """uint8 [H, W, 3]: the images in a grid, with white lines between them."""
    height, width = images.shape[2:]
    scale = scale or max(1, -(-_SIDE // max(height, width)))
    big = np.repeat(np.repeat(images[: rows * columns], scale, axis=2), scale, axis=3)
    cell_h, cell_w = height * scale + _GAP, width * scale + _GAP
    picture = np.full((rows * cell_h - _GAP, columns * cell_w - _GAP, 3), _BLANK, np.uint8)
    for i, image in enumerate(big):
        y, x = i // columns * cell_h, i % columns * cell_w
        picture[y : y + height * scale, x : x + width * scale] = image.transpose(1, 2, 0)
    return picture


def _sheet(
    blocks: list[list[np.ndarray | str]], rows: Sequence[str], columns: Sequence[str], shape: tuple[int, int]
) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(_FONT)

    def text_width(text: str) -> int:
        return int(font.getlength(text)) + 1

    tiles = [[b if isinstance(b, str) else _tile(b, *shape, None) for b in line] for line in blocks]
    sizes = [[(_FONT, text_width(t)) if isinstance(t, str) else t.shape[:2] for t in line] for line in tiles]
    heights = [max([_FONT, *(height for height, _ in line)]) for line in sizes]
    widths = [max([text_width(label), *(line[j][1] for line in sizes)]) for j, label in enumerate(columns)]
    left = max(map(text_width, rows), default=0) + 2 * _MARGIN
    top = _FONT + 2 * _MARGIN
    size = (left + sum(w + _MARGIN for w in widths), top + sum(h + _MARGIN for h in heights))
    canvas = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(canvas)
    x = left
    for j, label in enumerate(columns):
        pen.text((x, _MARGIN), label, fill="black", font=font)
        y = top
        for i, line in enumerate(tiles):
            tile = line[j]
            if j == 0:
                pen.text((_MARGIN, y + heights[i] // 2), rows[i], fill="black", font=font, anchor="lm")
            if isinstance(tile, str):
                pen.text((x, y + heights[i] // 2), tile, fill="gray", font=font, anchor="lm")
            else:
                canvas.paste(Image.fromarray(tile), (x, y))
            y += heights[i] + _MARGIN
        x += widths[j] + _MARGIN
    return np.asarray(canvas)


def _encode(picture: np.ndarray, colours: int | None = None) -> bytes:
    """PNG bytes; grey pictures are stored as such."""
    from PIL import Image

    grey = bool((picture == picture[..., :1]).all())
    image: Image.Image = Image.fromarray(picture[..., 0] if grey else picture)
    if colours is not None and not (grey and colours >= 256):
        # Rare colours survive, those of small objects, which median cut would lose. A ninth of the pixels will do.
        few = Image.fromarray(picture[::3, ::3]).quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=1)
        image = Image.fromarray(picture).quantize(palette=few, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
