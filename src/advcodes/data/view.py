"""Crop, colour and size: how one paper looks at a dataset's images.

The CelebA crops of the papers (facts section 6.1), as entries of ``datasets`` in params.yaml:

=================  ==========================================================  =================
user               crop, keep_aspect                                           resample, size 64
=================  ==========================================================  =================
AAAE               ``{kind: center, size: 178}``                               bilinear (not stated)
GALI               ``keep_aspect: true``                                       bilinear
ALI                ``keep_aspect: true``                                       lanczos
ACL (compare_gan)  ``{kind: center, size: 160}``                               tf1_bilinear
Khan (BEGAN)       ``{kind: box, size: 128, top: 50, left: 25}``               tf1_nearest
WAE                ``{kind: center, size: 140}``                               lanczos
DCGAN              ``{kind: center, size: 108}``                               bilinear
VAE/GAN            ``{kind: box, size: 148, top: 40, left: 15}``               bicubic
=================  ==========================================================  =================

The VAE/GAN code smooths with a Gaussian before a cubic resize; the antialiased cubic comes nearest to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from advcodes.core.errors import AdvcodesError

#: Pillow's filters. When they shrink an image all but ``nearest`` widen their support with the scale, that
#: is, they antialias; ``nearest`` takes the pixel under each centre.
PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"}


def is_grey(image: Image.Image) -> bool:
    """Whether the image's mode has no colour (a palette counts as colour)."""
    return image.mode in _GREY


def to_8bit(image: Image.Image, channels: int | None = None) -> Image.Image:
    """Grey (``L``) or colour (``RGB``) with 8 bits a channel; ``channels`` None keeps which of the two it is.

    Transparent pixels are laid on white, 16-bit grey keeps its upper 8 bits.

    Raises:
        AdvcodesError: floating-point or 32-bit pixels, whose range nothing tells.
    """
    grey = is_grey(image) if channels is None else channels == 1
    if image.mode in ("F", "I"):
        what = "floating-point" if image.mode == "F" else "32-bit integer"
        raise AdvcodesError(f"{what} pixels have no known range; save the image with 8 bits a channel")
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 256).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if grey else "RGB")


def padded(image: Image.Image) -> Image.Image:
    """An image in the middle of a black square."""
    side = max(image.size)
    square = Image.new(image.mode, (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def view_image(
    image: Image.Image,
    *,
    crop: Mapping[str, Any] | None = None,
    size: int | None = None,
    resample: str = "bilinear",
    keep_aspect: bool = False,
    channels: int | None = None,
) -> np.ndarray:
    """Crop, resize and lay out one image as uint8 [C, H, W].

    Args:
        image: any image that Pillow opens.
        crop: ``{kind: center, size}``: the square around the centre, black where it exceeds the image;
            ``{kind: box, size, top, left}``: the square whose first row and column are given.
        size: side of the square result; None keeps the size after cropping.
        resample: ``nearest``, ``bilinear``, ``bicubic``, ``lanczos``: Pillow's, which antialias (but for
            nearest); ``tf1_bilinear``, ``tf1_nearest``: TensorFlow 1's ``resize_images`` with its defaults,
            which sample at ``row * H / size`` without antialiasing (facts section 6.1: R-CG, R-BEGAN).
        keep_aspect: bring the shorter side to ``size`` and cut the centre, instead of squeezing to a square.
        channels: 1 (grey) or 3 (colour); None keeps what the image has.

    Raises:
        AdvcodesError: a box that leaves the image, or pixels without a known range.
    """
    image = to_8bit(image, channels)
    if crop:
        image = _crop(image, **crop)
    if size and keep_aspect:
        width, height = image.size
        short = min(width, height)
        # The longer side is rounded down, as torchvision.transforms.Resize does (CelebA: 64 x 78).
        image = _resize(image, (size * width // short, size * height // short), resample)
        image = _crop(image, "center", size)
    elif size:
        image = _resize(image, (size, size), resample)
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def _crop(image: Image.Image, kind: str, size: int, top: int = 0, left: int = 0) -> Image.Image:
    width, height = image.size
    if kind == "center":
        # Rounded towards zero, as TensorFlow cuts and pads.
        left, top = int((width - size) / 2), int((height - size) / 2)
    elif left + size > width or top + size > height:
        raise AdvcodesError(
            f"the crop box of {size}x{size} at top {top}, left {left} leaves the image of "
            f"{height}x{width} (rows x columns); correct `crop`"
        )
    return image.crop((left, top, left + size, top + size))


def _resize(image: Image.Image, size: tuple[int, int], resample: str) -> Image.Image:
    if image.size == size:
        return image
    if resample in PILLOW:
        return image.resize(size, PILLOW[resample])
    pixels = np.asarray(image)
    columns, rows = (np.arange(new) * (old / new) for new, old in zip(size, image.size, strict=True))
    if resample == "tf1_nearest":
        return Image.fromarray(pixels[rows.astype(int)][:, columns.astype(int)])
    pixels = _lerp(_lerp(pixels.astype(np.float64), rows, 0), columns, 1)
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def _lerp(pixels: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    """Linear interpolation at the positions ``at`` along an axis; beyond the last pixel its value holds."""
    low = at.astype(int)
    high = np.minimum(low + 1, pixels.shape[axis] - 1)
    weight = (at - low).reshape([-1 if i == axis else 1 for i in range(pixels.ndim)])
    return pixels.take(low, axis) * (1 - weight) + pixels.take(high, axis) * weight
