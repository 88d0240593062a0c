"""Grids of small images as PNG files that stay small themselves."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.build.writing import written
from advcodes.core.errors import AdvcodesError

if TYPE_CHECKING:
    from PIL import Image

LIMIT = 300_000  #: bytes of a PNG: reports lie in git
PALETTE_SAVES = 4  #: times that a file becomes smaller by fewer colours, at most
SIDE = 64  #: pixels on the screen that a small image is enlarged to, at least
GAP = 2
MARGIN = 10
FONT = 15
_BLANK = 255


def grid(
    images: Any, rows: int, columns: int, path: Path | str, scale: int | None = None, limit: int | None = LIMIT
) -> None:
    """Write images as a PNG of ``rows`` x ``columns``, row by row; missing ones are left white.

    Enlargement is by a whole factor without smoothing. A picture over ``limit`` bytes is stored with fewer colours,
    and shrunk only if that is not enough.

    Args:
        images: uint8 [N, C, H, W], C = 1 or 3; array or CPU tensor. Those beyond rows x columns are left out.
        rows: of the grid.
        columns: of the grid.
        path: of the PNG.
        scale: enlargement; None enlarges to at least 64 pixels a side.
        limit: of the file in bytes; None for pictures that do not lie in git.

    Raises:
        AdvcodesError: the images have another shape or type.
    """
    picture = tile(checked(images), rows, columns, scale)
    data = encode(picture)
    if limit is None:
        with written(Path(path)):
            Path(path).write_bytes(data)
    else:
        write(picture, data, path, limit)


def sheet(
    blocks: Sequence[Sequence[Any]],
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path | str,
    shapes: Sequence[tuple[int, int]] = ((3, 8), (2, 8), (2, 6), (1, 8)),
) -> tuple[int, int]:
    """Write a labelled table of blocks of images as one PNG under :data:`LIMIT` bytes.

    Args:
        blocks: for each row and column images uint8 [N, C, H, W], or words to print in their place.
        rows: labels of the rows.
        columns: labels of the columns.
        path: of the PNG.
        shapes: (rows, columns) of images that a block may have, from large to small.

    Returns:
        The shape of the blocks drawn: the first that the file's size allows, or the last.

    Raises:
        AdvcodesError: images have another shape or type.
    """
    arrays = [[b if isinstance(b, str) else checked(b) for b in line] for line in blocks]
    for shape in shapes:
        picture = _sheet(arrays, rows, columns, shape)
        data = encode(picture)
        if len(data) <= LIMIT:
            break
    write(picture, data, path)
    return shape


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
    arrays = [(title, [checked(row) for row in rows]) for title, rows in blocks]
    most = max(len(rows) for _, rows in arrays)
    for shown, colours in ((most, None), (6, None), (most, 256), (6, 256), (4, 256), (3, 256)):
        picture = _transitions([(title, rows[:shown]) for title, rows in arrays])
        data = encode(picture, colours)
        if len(data) <= LIMIT:
            break
    write(picture, data, path)
    return min(shown, most)


def _transitions(blocks: Sequence[tuple[str, Sequence[np.ndarray]]]) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(FONT)
    tiled = []
    for title, rows in blocks:
        for i, row in enumerate(rows):
            parts = [tile(part, 1, len(part), None) for part in (row[:1], row[1:-1], row[-1:])]
            tiled.append((title if i == 0 else "", parts))
    height = sum(parts[0].shape[0] + GAP + (FONT + 2 * MARGIN if title else 0) for title, parts in tiled) + MARGIN
    widths = [sum(p.shape[1] for p in parts) + 4 * MARGIN for _, parts in tiled]
    widths += [int(font.getlength(title)) + 2 * MARGIN for title, _ in tiled if title]
    canvas = Image.new("RGB", (max(widths), height), "white")
    pen, y = ImageDraw.Draw(canvas), 0
    for title, parts in tiled:
        if title:
            pen.text((MARGIN, y + MARGIN), title, fill="black", font=font)
            y += FONT + 2 * MARGIN
        x = MARGIN
        for part in parts:
            canvas.paste(Image.fromarray(part), (x, y))
            x += part.shape[1] + MARGIN
        y += parts[0].shape[0] + GAP
    return np.asarray(canvas)


def write(picture: np.ndarray, data: bytes, path: Path | str, limit: int = LIMIT) -> None:
    """Write a picture as :func:`encode` gave it, or a reduced one of at most ``limit`` bytes, and say so."""
    whole = len(data) <= limit
    if len(data) > PALETTE_SAVES * limit:
        picture = _shrunk(picture, (3 * limit / len(data)) ** 0.5)
    for colours in (256, 96):
        if len(data) > limit:
            data = encode(picture, colours)
    while len(data) > limit:
        picture = _shrunk(picture, min(0.9, (limit / len(data)) ** 0.5))
        data = encode(picture, 256)
    with written(Path(path)):
        Path(path).write_bytes(data)
    if not whole:
        height, width = picture.shape[:2]
        print(f"{path}: reduced to {width}x{height} pixels in few colours, to stay under {limit:,} bytes", flush=True)


def _shrunk(picture: np.ndarray, factor: float) -> np.ndarray:
    from PIL import Image

    size = (int(picture.shape[1] * factor), int(picture.shape[0] * factor))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def checked(images: Any) -> np.ndarray:
    array = np.asarray(images)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or array.dtype != np.uint8:
        raise AdvcodesError(
            f"cannot draw an array of {array.dtype} {list(array.shape)}: expected uint8 images [N, C, H, W] "
            "with 1 or 3 channels"
        )
    return array


def tile(images: np.ndarray, rows: int, columns: int, scale: int | None) -> np.ndarray:
    """uint8 [H, W, 3]: the images in a grid, with white lines between them."""
    height, width = images.shape[2:]
    scale = scale or max(1, -(-SIDE // max(height, width)))
    big = np.repeat(np.repeat(images[: rows * columns], scale, axis=2), scale, axis=3)
    cell_h, cell_w = height * scale + GAP, width * scale + GAP
    picture = np.full((rows * cell_h - GAP, columns * cell_w - GAP, 3), _BLANK, np.uint8)
    for i, image in enumerate(big):
        y, x = i // columns * cell_h, i % columns * cell_w
        picture[y : y + height * scale, x : x + width * scale] = image.transpose(1, 2, 0)
    return picture


def _sheet(
    blocks: list[list[np.ndarray | str]], rows: Sequence[str], columns: Sequence[str], shape: tuple[int, int]
) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(FONT)

    def text_width(text: str) -> int:
        return int(font.getlength(text)) + 1

    tiles = [[b if isinstance(b, str) else tile(b, *shape, None) for b in line] for line in blocks]
    sizes = [[(FONT, text_width(t)) if isinstance(t, str) else t.shape[:2] for t in line] for line in tiles]
    heights = [max([FONT, *(height for height, _ in line)]) for line in sizes]
    widths = [max([text_width(label), *(line[j][1] for line in sizes)]) for j, label in enumerate(columns)]
    left = max(map(text_width, rows), default=0) + 2 * MARGIN
    top = FONT + 2 * MARGIN
    size = (left + sum(w + MARGIN for w in widths), top + sum(h + MARGIN for h in heights))
    canvas = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(canvas)
    x = left
    for j, label in enumerate(columns):
        pen.text((x, MARGIN), label, fill="black", font=font)
        y = top
        for i, line in enumerate(tiles):
            block = line[j]
            if j == 0:
                pen.text((MARGIN, y + heights[i] // 2), rows[i], fill="black", font=font, anchor="lm")
            if isinstance(block, str):
                pen.text((x, y + heights[i] // 2), block, fill="gray", font=font, anchor="lm")
            else:
                canvas.paste(Image.fromarray(block), (x, y))
            y += heights[i] + MARGIN
        x += widths[j] + MARGIN
    return np.asarray(canvas)


def encode(picture: np.ndarray, colours: int | None = None) -> bytes:
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
