"""Codes: joined, compared, and what is known of many: the dimensions they use, how far two sets are apart."""

from __future__ import annotations

import torch
from torch import Tensor


def join(*codes: Tensor) -> Tensor:
    """Batches of codes [N_i, d] as one, [sum N_i, d]."""
    return torch.cat([c.float() for c in codes])


def beside(*parts: Tensor) -> Tensor:
    """Codes [N, sum d_i] of parts [N, d_i]: a label and noise, say."""
    return torch.cat([part.float() for part in parts], 1)


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean of 1 - cos(a_i, b_i) over the rows of a and b [N, E]: 0 if directions agree, 1 if they are orthogonal."""
    return 1 - torch.nn.functional.cosine_similarity(a.float(), b.float()).mean()


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


@torch.no_grad()
def mismatch(real: Tensor, generated: Tensor) -> Tensor:
    """How far two sets of codes [N, d] and [M, d] are apart: 0 the same distribution, 1 nothing in common.

    The energy coefficient of Székely and Rizzo (2013), (2E|X-Y| - E|X-X'| - E|Y-Y'|) / 2E|X-Y| with Euclidean norms.
    Expectations are over pairs of different rows, so that small batches have no bias: equal distributions give 0 on
    average, and a little below it half of the time.
    """
    with torch.autocast(real.device.type, enabled=False):
        x, y = real.float(), generated.float()
        between = torch.cdist(x, y).mean()
        within = [torch.cdist(s, s).sum() / max(1, len(s) * (len(s) - 1)) for s in (x, y)]
        return 1 - (within[0] + within[1]) / (2 * between).clamp_min(1e-12)
