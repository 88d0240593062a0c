"""Maximum mean discrepancy under inverse multiquadratics (Tolstikhin et al. 2018, WAE-MMD; facts 5.13)."""

from __future__ import annotations

import torch
from torch import Tensor

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def inverse_multiquadratics(x: Tensor, y: Tensor) -> Tensor:
    """MMD^2 of two batches of codes, each [N, d], under the sum over s of C / (C + |a - b|^2), C = 2 d s.

    2 d is the mean squared distance of two draws from N(0, I). Terms within a batch leave out a code's distance to
    itself, which makes the estimate unbiased: it is 0 on average for equal distributions, and so by chance below 0.
    Always in float32 at least.
    """
    with torch.autocast(x.device.type, enabled=False):
        wanted = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
        x, y = x.to(wanted), y.to(wanted)
        n, size = x.shape
        within_x, within_y, between = (_squared_distances(*pair) for pair in ((x, x), (y, y), (x, y)))
        other = 1 - torch.eye(n, dtype=x.dtype, device=x.device)
        total = x.new_zeros(())
        for scale in SCALES:
            c = 2 * size * scale
            total = total + ((c / (c + within_x) + c / (c + within_y)) * other).sum() / (n * (n - 1))
            total = total - 2 * (c / (c + between)).mean()
        return total


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2, [N, M]; by products of codes, whose gradient is finite also where two are the same."""
    return (a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T).clamp_min(0)


def moments(codes: Tensor) -> Tensor:
    """Squared distance of the mean [d] and the covariance [d, d] of codes [N, d] from those of N(0, I), per entry.

    What the encoder of WAE is pretrained on (tolstikhin/wae; facts 5.13).
    """
    with torch.autocast(codes.device.type, enabled=False):
        codes = codes.to(torch.promote_types(codes.dtype, torch.float32))
        mean = codes.mean(0)
        centred = codes - mean
        covariance = centred.T @ centred / (len(codes) - 1)
        identity = torch.eye(codes.shape[1], dtype=codes.dtype, device=codes.device)
        return mean.square().mean() + (covariance - identity).square().mean()
