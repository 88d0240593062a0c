"""The precision that losses are computed in: float32 at least, whatever the networks before them used."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """The tensor in float32 where it has fewer digits, else as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
