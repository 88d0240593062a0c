"""Sentences about the images of a dataset: its own, or templates of class name and measured colour (facts 6.1)."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np

from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import Prepared

#: The colours that LPAAE's figure 15 names, and what they look like (sRGB).
COLOURS = {
    "pink": [(240, 130, 190), (245, 175, 205), (220, 70, 150)],
    "red": [(210, 25, 35), (140, 15, 25)],
    "yellow": [(250, 225, 40), (215, 180, 20), (250, 240, 140)],
    "orange": [(250, 140, 20), (215, 95, 20)],
    "purple": [(130, 50, 160), (170, 120, 210), (190, 165, 225), (75, 25, 110)],
    "blue": [(40, 70, 210), (90, 130, 230), (150, 185, 240), (20, 25, 110)],
    "white": [(255, 255, 255), (215, 215, 215)],
    "green": [(50, 130, 50), (120, 170, 80), (35, 60, 25), (90, 100, 60)],
    "black": [(0, 0, 0), (45, 45, 45), (90, 90, 90), (60, 45, 30)],
}
GREYS = {"black": 0, "grey": 128, "white": 255}  #: of images without colour
GROUND = ("green", "black")  #: leaves and shade: the colour of an image only where nothing else is there
EXTENT = 0.1  #: weighted share of an image that is something to any extent
BITS = 5  #: of each channel that colours are told by
CHUNK = 2048


def captions_of(data: Prepared) -> tuple[list[list[str]], Literal["original", "template"]]:
    """Sentences of every row, at least one each, no two of a row the same.

    Templates are in use where a dataset has no captions (facts 6.1): several wordings of each image's class and
    colour. What is made of them is marked, since the papers used people's sentences.

    Raises:
        AdvcodesError: neither captions nor class names, points, or a row without a sentence.
    """
    if data.captions is not None:
        own = [list(dict.fromkeys(filter(None, (" ".join(s.split()) for s in row)))) for row in data.captions]
        if not all(own):
            raise AdvcodesError(
                f"dataset {data.dataset!r}: row {own.index([])} has no caption; add one, or remove all captions "
                "(class names then serve)"
            )
        return own, "original"
    if data.points or not data.classes:
        lack = "points, which sentences do not describe" if data.points else "neither captions nor class names"
        raise AdvcodesError(
            f"dataset {data.dataset!r} has {lack}; train on text with one that has captions or classes, as `shapes`"
        )
    names = [" ".join(name.replace("_", " ").split()) for name in data.classes]
    things = [names[label] if label >= 0 else "picture" for label in data.labels]
    return [_wordings(thing, colour) for thing, colour in zip(things, colours_of(data.images), strict=True)], "template"


def _wordings(thing: str, colour: str) -> list[str]:
    article = "an" if colour[0] in "aeiou" else "a"
    return [
        f"{article} {colour} {thing}",
        f"this {thing} is {colour}",
        f"{thing}, {colour} in colour",
        f"the colour of the {thing} in this picture is {colour}",
    ]


def colours_of(images: np.ndarray) -> list[str]:
    """The colour of what each image shows: of the named ones, that of the most pixels, the centre weighing most.

    Args:
        images: uint8 [N, C, H, W]; one channel gives white, grey or black.
    """
    names, table = _table(images.shape[1])
    weight = _weight(*images.shape[2:])
    ground = np.array([name in (GROUND if images.shape[1] == 3 else ("black",)) for name in names])
    shown: list[int] = []
    for start in range(0, len(images), CHUNK):
        part = np.asarray(images[start : start + CHUNK]) >> (8 - BITS)
        index = functools.reduce(lambda a, b: a << BITS | b, np.moveaxis(part, 1, 0).astype(np.int32))
        nearest = table[index]
        share = np.stack([((nearest == i) * weight).sum((1, 2)) for i in range(len(names))], 1)
        something = share[:, ~ground].sum(1) >= EXTENT
        shown += np.where(ground == something[:, None], -1.0, share).argmax(1).tolist()
    return [names[i] for i in shown]


def _weight(height: int, width: int) -> np.ndarray:
    """Weights of pixels, of sum 1: a Gaussian around the centre, whose sd is a quarter of the side."""
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in (height, width))
    weight = np.exp(-8 * (y[:, None] ** 2 + x**2))
    return weight / weight.sum()


@functools.cache
def _table(channels: int) -> tuple[list[str], np.ndarray]:
    """Names of colours, and for each value of a pixel the number of the nearest one."""
    level = (np.arange(2**BITS) + 0.5) * 2 ** (8 - BITS)
    if channels == 1:
        greys = np.array(list(GREYS.values()))
        return list(GREYS), np.abs(level[:, None] - greys).argmin(1)
    names = [name for name, looks in COLOURS.items() for _ in looks]
    looks = _lab(np.array([look for looks in COLOURS.values() for look in looks], float))
    pixels = _lab(np.stack(np.meshgrid(level, level, level, indexing="ij"), -1).reshape(-1, 3))
    nearest = np.linalg.norm(pixels[:, None] - looks, axis=2).argmin(1)
    number = np.array([list(COLOURS).index(name) for name in names])
    return list(COLOURS), number[nearest]


def _lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of sRGB values 0..255, [N, 3]: distances are as the eye sees them."""
    linear = np.where(rgb <= 10.31475, rgb / 3294.6, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = linear @ np.array(to_xyz).T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)
