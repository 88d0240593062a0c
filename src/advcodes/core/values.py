"""Between stored pixels (uint8) and what networks see (floats in the dataset's value range)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def to_float(stored: Tensor, value_range: Sequence[float]) -> Tensor:
    """Map uint8 0..255 linearly onto ``value_range`` (float32); points, float already, pass unchanged."""
    if stored.dtype != torch.uint8:
        return stored
    low, high = value_range
    return stored.to(torch.float32).mul_((high - low) / 255).add_(low)


def to_stored(x: Tensor, value_range: Sequence[float], points: bool = False) -> Tensor:
    """Clamp, scale and round images in ``value_range`` to uint8 0..255; ``points`` (2-D toys) stay float32.

    Rounding before measuring is part of the FID protocol (facts 6.2).
    """
    if points:
        return x.float()
    low, high = value_range
    return x.float().sub(low).mul(255 / (high - low)).round_().clamp_(0, 255).to(torch.uint8)
