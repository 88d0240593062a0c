"""Diagnostics of codes: how many dimensions they use, and how far two sets of codes are apart."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def effective_rank(codes: Tensor) -> Tensor:
    """Participation ratio (sum of variances along principal axes)^2 / sum of their squares, for codes [N, d].

    Between 1 (all codes on a line) and d (a ball); below about 3 a generator of codes has collapsed.
    """
    with torch.autocast(codes.device.type, enabled=False):
        c = codes.float() - codes.float().mean(0)
        # trace(C)^2 / trace(C^2): no eigenvalues needed.
        covariance = c.T @ c
        return covariance.trace().square() / covariance.square().sum().clamp_min(1e-12)
