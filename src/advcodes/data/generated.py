"""Data that needs no download: handwritten digits of scikit-learn, drawn scenes, a 2-D toy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from advcodes.core.scenes import COLOURS
from advcodes.data.source import Source

if TYPE_CHECKING:
    from advcodes.config.sections import Machine

DIGITS_TEST = 500
SHAPES_COUNT = 12_000  #: one in six for testing
POINTS_COUNT = 25_000  #: one in five for testing
MODES = ((2.0, 2.0), (-2.0, 2.0), (-2.0, -2.0), (2.0, -2.0))  #: means of the Gaussians (facts 5.9)
SIGMA = 0.3


def read(config: Mapping[str, Any], machine: Machine, scratch: Path) -> Source:
    """Make ``config["source"]``: ``digits``, ``shapes`` or ``gaussians``, with its ``seed`` and ``count``."""
    return MAKERS[config["source"]](config)


def _digits(config: Mapping[str, Any]) -> Source:
    """scikit-learn's 1,797 real handwritten digits, 8x8, values 0..16 scaled to 0..255; 500 for testing."""
    import sklearn
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)
    rows = np.concatenate(
        train_test_split(
            np.arange(len(pixels)), test_size=DIGITS_TEST, stratify=data.target, random_state=config["seed"]
        )
    )
    pixels, labels = pixels[rows], data.target[rows].astype(np.int64)
    return Source(
        splits={"train": len(rows) - DIGITS_TEST, "test": DIGITS_TEST},
        labels=labels,
        image=lambda i: Image.fromarray(pixels[i]),
        classes=[str(d) for d in range(10)],
        files=[
            {
                "name": f"scikit-learn {sklearn.__version__}: load_digits",
                "bytes": int(pixels.nbytes),
                "origin": "generated",
            }
        ],
    )


def _gaussians(config: Mapping[str, Any]) -> Source:
    """Points of four equally likely Gaussians (sigma 0.3) around (+-2, +-2); the label is the Gaussian."""
    count = config.get("count") or POINTS_COUNT
    random = np.random.Generator(np.random.PCG64(config["seed"]))
    labels = random.integers(len(MODES), size=count)
    points = np.array(MODES)[labels] + SIGMA * random.standard_normal((count, 2))
    return Source(
        splits={"train": count - count // 5, "test": count // 5},
        labels=labels.astype(np.int64),
        points=points.astype(np.float32),
        classes=[f"({x:+.0f}, {y:+.0f})" for x, y in MODES],
        files=[{"name": f"{count} points, seed {config['seed']}", "origin": "generated"}],
    )


# ------------------------------------------------------------------------------------------------------------
# Drawn scenes

SIDE = 32
SUBROWS = 4  #: rows sampled in each pixel; along a row coverage is exact


def _star() -> list[tuple[float, float]]:
    # Rounded, so that no machine's sine can differ.
    turn = [(1.1 if i % 2 == 0 else 0.45, math.pi * i / 5) for i in range(10)]
    return [(round(r * math.sin(a), 6), round(-r * math.cos(a), 6)) for r, a in turn]


#: Outlines around (0, 0), y downwards, within a radius of 1.1; a circle needs none.
POLYGONS = {
    "square": [(-0.78, -0.78), (0.78, -0.78), (0.78, 0.78), (-0.78, 0.78)],
    "triangle": [(0, -1.0), (0.95, 0.7), (-0.95, 0.7)],
    "star": _star(),
    "cross": [
        *[(-0.32, -1), (0.32, -1), (0.32, -0.32), (1, -0.32), (1, 0.32), (0.32, 0.32)],
        *[(0.32, 1), (-0.32, 1), (-0.32, 0.32), (-1, 0.32), (-1, -0.32), (-0.32, -0.32)],
    ],
    "diamond": [(0, -1.1), (0.62, 0), (0, 1.1), (-0.62, 0)],
}
SHAPES = ("circle", *POLYGONS)
ATTRIBUTES = (*COLOURS, "large", "left", "top", "outlined", "dark background")


def _shapes(config: Mapping[str, Any]) -> Source:
    """Scenes of 32x32 pixels: one shape in one colour, small or large, plain or outlined.

    The class is the shape; the attributes and the caption say all the rest. Only raw bits of PCG64 and
    arithmetic that IEEE 754 fixes are used, so that every machine and every version of numpy draws the same.
    A smaller count gives the first scenes of a larger one.
    """
    count = config.get("count") or SHAPES_COUNT
    pixels = np.empty((count, SIDE, SIDE, 3), np.uint8)
    labels = np.empty(count, np.int64)
    attributes = np.empty((count, len(ATTRIBUTES)), np.uint8)
    bits = np.random.PCG64(config["seed"])
    for start in range(0, count, 500):
        part = slice(start, min(start + 500, count))
        pixels[part], labels[part], attributes[part] = _draw(bits, part.stop - part.start)
    return Source(
        splits={"train": count - count // 6, "test": count // 6},
        labels=labels,
        image=lambda i: Image.fromarray(pixels[i]),
        classes=SHAPES,
        attributes=attributes,
        attribute_names=ATTRIBUTES,
        captions=[_captions(SHAPES[c], a) for c, a in zip(labels, attributes.astype(bool), strict=True)],
        files=[
            {
                "name": f"{count} scenes, seed {config['seed']}",
                "bytes": int(pixels.nbytes),
                "origin": "generated",
            }
        ],
    )


def _captions(shape: str, attributes: np.ndarray) -> list[str]:
    """Three wordings, each of which says everything: colour, shape, size, outline, ground, row and column."""
    is_ = dict(zip(ATTRIBUTES, attributes, strict=True))
    colour = next(c for c in COLOURS if is_[c])
    large, outlined, dark, top = (is_[a] for a in ("large", "outlined", "dark background", "top"))
    column = "left" if is_["left"] else "right"
    return [
        f"a {'large' if large else 'small'} {'outlined ' if outlined else ''}{colour} {shape} on a "
        f"{'dark' if dark else 'light'} background, {'upper' if top else 'lower'} {column}",
        f"at the {'top' if top else 'bottom'} {column} of a {'dark' if dark else 'bright'} picture there is a "
        f"{'big' if large else 'little'} {colour} {shape} {'with' if outlined else 'without'} an outline",
        f"{colour} and {'outlined' if outlined else 'plain'}, the {shape} is {'large' if large else 'tiny'}; it lies "
        f"at the {column}, in the {'upper' if top else 'lower'} half, and the ground is {'dark' if dark else 'light'}",
    ]


def _draw(bits: np.random.PCG64, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw ``n`` scenes: pixels uint8 [n, 32, 32, 3], shapes int64 [n], attributes uint8 [n, 11]."""
    # One row of uniform numbers in [0, 1) a scene.
    u = ((bits.random_raw(n * 20).reshape(n, 20) >> np.uint64(11)) * 2.0**-53).T
    shape = (u[0] * len(SHAPES)).astype(np.int64)
    colour = (u[1] * len(COLOURS)).astype(np.int64)
    large, left, top, outlined, dark = u[2:7] < 0.5
    radius = np.where(large, 8 + 2.5 * u[7], 4 + 2 * u[7])
    # The centre is at least a pixel off the middle lines, so that left and top can be seen.
    room = SIDE / 2 - 1 - 1.1 * radius - 1  # and the shape at least a pixel off the border
    x = SIDE / 2 + np.where(left, -1, 1) * (1 + room * u[8])
    y = SIDE / 2 + np.where(top, -1, 1) * (1 + room * u[9])
    centre = np.stack([x, y], 1)

    ground = np.where(dark, 18 + 40 * u[10], 195 + 35 * u[10])[:, None] + 24 * (u[11:14].T - 0.5)
    slope = (24 * (u[14] - 0.5))[:, None] * (np.arange(SIDE) / (SIDE - 1) - 0.5)
    image = (ground[:, None] + slope[:, :, None])[:, :, None]  # [n, 32, 1, 3]: every row has one colour
    fill = np.array(list(COLOURS.values()))[colour] + 30 * (u[15:18].T - 0.5)
    line = np.where(dark, 235.0, 15.0)[:, None]

    body = _coverage(shape, centre, radius)
    inner = _coverage(shape, centre, radius - 1.5) * outlined[:, None, None]
    outer = np.where(outlined[:, None], line, fill)
    image = image + body[..., None] * (outer[:, None, None] - image)
    image = image + inner[..., None] * (fill[:, None, None] - image)

    has_colour = np.arange(len(COLOURS)) == colour[:, None]
    attributes = np.concatenate([has_colour, np.stack([large, left, top, outlined, dark], 1)], 1)
    return np.rint(image.clip(0, 255)).astype(np.uint8), shape, attributes.astype(np.uint8)


def _coverage(shape: np.ndarray, centre: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Share of every pixel that a shape covers: [n, 32, 32]."""
    covered = np.zeros((len(shape), SIDE, SIDE))
    y = (np.arange(SIDE * SUBROWS) + 0.5) / SUBROWS
    for number, name in enumerate(SHAPES):
        these = np.flatnonzero(shape == number)
        c, r = centre[these], radius[these, None]
        if name == "circle":
            half = np.sqrt(np.maximum(r**2 - (y - c[:, 1:]) ** 2, 0))
            rows = _right_of(c[:, :1] - half) - _right_of(c[:, :1] + half)
        else:
            corners = np.array(POLYGONS[name])[None] * r[:, None] + c[:, None]
            rows = 0.0
            for (x0, y0), (x1, y1) in zip(
                np.moveaxis(corners, 0, 2)[..., None],
                np.moveaxis(np.roll(corners, -1, 1), 0, 2)[..., None],
                strict=True,
            ):
                # +1 where the edge crosses the row upwards, -1 downwards: the space between remains.
                crossing = ((y1 <= y) & (y < y0)).astype(int) - ((y0 <= y) & (y < y1))
                x = x0 + (y - y0) / np.where(y1 == y0, 1, y1 - y0) * (x1 - x0)
                rows = rows + crossing[..., None] * _right_of(x)
        covered[these] = rows.reshape(len(these), SIDE, SUBROWS, SIDE).mean(2)
    return covered


def _right_of(x: np.ndarray) -> np.ndarray:
    """Share of every pixel of a row that lies right of ``x``."""
    return np.clip(np.arange(1, SIDE + 1) - x[..., None], 0, 1)


MAKERS = {"digits": _digits, "shapes": _shapes, "gaussians": _gaussians}
