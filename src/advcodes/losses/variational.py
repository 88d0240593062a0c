"""The two terms of a VAE's evidence lower bound (Kingma & Welling 2014), summed over dimensions, in float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def bernoulli(reconstruction: Tensor, target: Tensor) -> Tensor:
    """-log p(x|c) in nats for pixels in [0, 1] read as Bernoulli means, summed over pixels, averaged over the batch.

    Args:
        reconstruction: means in [0, 1], of any shape [N, ...].
        target: pixels in [0, 1] of the same shape.
    """
    with torch.autocast(target.device.type, enabled=False):
        each = functional.binary_cross_entropy(reconstruction.float(), target.float(), reduction="none")
        return each.flatten(1).sum(1).mean()


def gaussian(reconstruction: Tensor, target: Tensor) -> Tensor:
    """-log p(x|c) in nats for variance 1, up to a constant: half the squared error, summed; batch mean."""
    return (reconstruction.float() - target.float()).square().flatten(1).sum(1).mean() / 2


def kl_to_standard_normal(mean: Tensor, sd: Tensor) -> Tensor:
    """KL(N(mean, sd^2) || N(0, I)) in nats, summed over the d dimensions of [N, d], averaged over the batch."""
    mean, variance = mean.float(), sd.float().square()
    return (mean.square() + variance - variance.log() - 1).sum(1).mean() / 2
