"""Reconstruction losses."""

from __future__ import annotations

from torch import Tensor


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference over all elements: ACL Eq. 2 (pixels) or Eq. 4 (features).

    The paper prints squared norms, summed over elements, next to losses that are means, so that its weights of 1 are
    undefined until a normalisation is chosen; per-element means are (facts 7.1, ACL-5).
    """
    return (a.float() - b.float()).square().mean()


def summed_squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Squared norm of the difference, summed over elements and averaged over the batch: ACL Eqs. 2 and 4 as printed."""
    return (a.float() - b.float()).square().flatten(1).sum(1).mean()
