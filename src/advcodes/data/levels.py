"""Images of more than 8 bits a channel: which of their values are black and white is said, never guessed.

A file of 16 bits may hold a camera's 12, and nothing in 32-bit integers or floats says where white is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from advcodes.core.errors import AdvcodesError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FULL = (0.0, 65535.0)  #: of 16 bits
COLOUR = "16-bit colour"  #: of which Pillow gives the upper 8 bits alone
KINDS = {"I": "32-bit integer", "F": "floating-point"}


def kind_of(image: Picture) -> str | None:
    """What an image's pixels are, in words, if they have more than 8 bits a channel; its header is enough."""
    if image.mode.startswith("I;16"):
        return "16-bit"
    if image.mode in KINDS:
        return KINDS[image.mode]
    return COLOUR if any(";16" in str(part[3]) for part in getattr(image, "tile", ())) else None


def settled(
    kinds: Mapping[str, str], given: Sequence[float] | None, extremes: Callable[[Sequence[str]], tuple[float, float]]
) -> tuple[float, float] | None:
    """Values that are black and white.

    Args:
        kinds: kind of pixels by name of the image, of all that have more than 8 bits a channel.
        given: what the user says of them.
        extremes: lowest and highest value of some images.

    Returns:
        The given ones; or 0 and 65,535 where all are of 16 bits and use the upper one; None where no image is such.

    Raises:
        AdvcodesError: nobody says, and the images do not tell; or what is said cannot be done.
    """
    if not kinds:
        return None
    colour = [name for name, kind in kinds.items() if kind == COLOUR]
    if given is not None:
        low, high = given
        if not low < high:
            raise AdvcodesError(f"levels {low:g} {high:g}: expected the value of black, then that of white above it")
        if colour and (low, high) != FULL:
            raise AdvcodesError(
                f"{colour[0]}: levels {low:g} {high:g}: of 16-bit colour the upper 8 bits are read alone, so that only "
                "0 65535 can be said of it; save such images with 8 bits a channel"
            )
        return low, high
    name, kind = next(((n, k) for n, k in kinds.items() if k in KINDS.values()), next(iter(kinds.items())))
    low, high = extremes(list(kinds))
    if kind not in KINDS.values() and high > FULL[1] / 2:
        return FULL
    doubt = "have no known range" if kind in KINDS.values() else "do not use their upper bit"
    others = f" (and {len(kinds) - 1} more files)" if len(kinds) > 1 else ""
    raise AdvcodesError(
        f"{name}{others}: {kind} pixels {doubt}; save the image with 8 bits a channel, or say which values are "
        f"black and white: --levels LOW HIGH, or folder.levels in params.yaml (found are {low:g} to {high:g})"
    )


def extremes_of(image: Picture) -> tuple[float, float]:
    """Lowest and highest value of a decoded image, on the scale of 16 bits where it is of 16-bit colour.

    Raises:
        AdvcodesError: a value is not finite.
    """
    pixels = np.asarray(image)
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite([low, high]).all():
        raise AdvcodesError("has values that are not finite (NaN or infinite)")
    return (257 * low, 257 * high) if pixels.dtype == np.uint8 else (low, high)


def to_8bit(image: Picture, levels: tuple[float, float]) -> Picture:
    """Grey of 8 bits: black from the first level down, white from the second up; what has 8 bits stays as it is.

    Raises:
        AdvcodesError: a value is not finite.
    """
    if not image.mode.startswith("I;16") and image.mode not in KINDS:
        return image
    extremes_of(image)
    low, high = levels
    scaled = (np.asarray(image).astype(np.float64) - low) * (255 / (high - low))
    return Image.fromarray(np.rint(scaled.clip(0, 255)).astype(np.uint8))
