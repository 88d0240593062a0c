"""The absolute difference, the alternative to a squared one (facts 5.12)."""

from __future__ import annotations

from torch import Tensor


def error(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference over all elements of two tensors of one shape, a scalar."""
    return (a.float() - b.float()).abs().mean()
