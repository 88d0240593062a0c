"""Rectangular masks of images, for encoders that see images with a piece missing (GALI-MIX; facts 5.17, G-5, G-6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor

FILL = -2.0  #: of masked pixels, on a scale where images are on [-1, 1] (G-5)


def draw(
    n: int,
    shape: Sequence[int],
    smallest: int = 1,
    largest: int | None = None,
    generator: Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """``n`` rectangles, each inside its image and never empty: bool [n, 1, H, W], true where something is missing.

    Height and width are independent and uniform on {smallest, ..., largest}, and the corner is uniform on those that
    keep the rectangle in the image. The published code draws from 0 and bounds columns by the height (G-6).

    Args:
        n: number of masks.
        shape: of an image, (C, H, W).
        smallest: least height and width in pixels, 1 at least.
        largest: most, at most the image's; None: the image's.
        generator: on the CPU, for draws that are the same on every device; None: the device's global stream.
        device: of the result.
    """
    import torch

    where = device if generator is None else "cpu"

    def whole(low: Tensor | int, high: Tensor) -> Tensor:
        """Uniform on {low, ..., high}, element by element."""
        share = torch.rand(n, generator=generator, device=where, dtype=torch.float64)
        return low + (share * (high - low + 1)).long().clamp(max=high - low)

    inside = []
    for side in shape[1:]:
        most = torch.full((n,), min(side, largest or side), device=where)
        extent = whole(min(smallest, side), most)
        first = whole(0, side - extent)
        place = torch.arange(side, device=where)
        inside.append((place >= first[:, None]) & (place < (first + extent)[:, None]))
    rows, columns = inside
    return (rows[:, None, :, None] & columns[:, None, None, :]).to(device)


def occlude(images: Tensor, mask: Tensor, value_range: Sequence[float], fill: float = FILL) -> Tensor:
    """Images [N, C, H, W] in ``value_range`` with ``fill`` where the mask [N, 1, H, W] is true.

    Args:
        images: in ``value_range``.
        mask: bool, or numbers that are true where they are not 0.
        value_range: of the images.
        fill: of masked pixels, on the scale where images are on [-1, 1]; it may lie outside of it.
    """
    low, high = value_range
    return images.masked_fill(mask.bool(), low + (fill + 1) / 2 * (high - low))


def mixed(images: Tensor, filling: Tensor, mask: Tensor) -> Tensor:
    """``filling`` [N, C, H, W] where the mask [N, 1, H, W] is true, and ``images`` elsewhere (GALI figure 2)."""
    return filling.where(mask.bool(), images)
