"""Terms of a VAE's evidence lower bound (Kingma & Welling 2014; VampPrior: Tomczak & Welling 2018), summed over
dimensions, in float32 at least, also under autocast."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from advcodes.losses.precision import wide

BINS = 256  #: of the discretised logistic, one for each value of a pixel
ACTIVE = 0.01  #: variance of a posterior mean over images above which its unit is active (Burda et al. 2016)


def bernoulli(reconstruction: Tensor, target: Tensor) -> Tensor:
    """-log p(x|c) in nats for pixels in [0, 1] read as Bernoulli means, summed over pixels, averaged over the batch.

    Args:
        reconstruction: means in [0, 1], of any shape [N, ...].
        target: pixels in [0, 1] of the same shape.
    """
    with torch.autocast(target.device.type, enabled=False):
        each = functional.binary_cross_entropy(wide(reconstruction), wide(target), reduction="none")
        return each.flatten(1).sum(1).mean()


def gaussian(reconstruction: Tensor, target: Tensor) -> Tensor:
    """-log p(x|c) in nats for variance 1, up to a constant: half the squared error, summed; batch mean."""
    return (wide(reconstruction) - wide(target)).square().flatten(1).sum(1).mean() / 2


def logistic(reconstruction: Tensor, log_scale: Tensor, target: Tensor) -> Tensor:
    """-log p(x|c) in nats for 8-bit pixels under a discretised logistic, summed over pixels, averaged over the batch.

    Pixel value v has the mass of the logistic on [v/256, (v+1)/256]; the first and the last bin take the tails, so that
    masses sum to 1. The published code leaves the tails out and adds 1e-7 to each mass (facts 5.11).

    Args:
        reconstruction: means in [0, 1], [N, ...]; clamped to [1/512, 1 - 1/512], the centres of the outer bins.
        log_scale: of the logistic, broadcast to the same shape.
        target: pixels v/255 of the same shape.
    """
    mean, scale = wide(reconstruction).clamp(1 / (2 * BINS), 1 - 1 / (2 * BINS)), wide(log_scale).exp()
    value = (wide(target) * (BINS - 1)).round()
    below, above = (value / BINS - mean) / scale, ((value + 1) / BINS - mean) / scale
    # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)): no difference of nearly equal numbers
    inner = (-torch.expm1(-1 / (BINS * scale))).log().expand_as(value)
    first, last = value <= 0, value >= BINS - 1
    each = functional.logsigmoid(above).masked_fill(last, 0) + functional.logsigmoid(-below).masked_fill(first, 0)
    return -(each + inner.masked_fill(first | last, 0)).flatten(1).sum(1).mean()


def kl_to_standard_normal(mean: Tensor, sd: Tensor) -> Tensor:
    """KL(N(mean, sd^2) || N(0, I)) in nats, summed over the d dimensions of [N, d], averaged over the batch."""
    mean, variance = wide(mean), wide(sd).square()
    return (mean.square() + variance - variance.log() - 1).sum(1).mean() / 2


def log_normal(codes: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(codes; mean, exp(log_variance)) in nats, summed over the last dimension; the arguments broadcast."""
    codes, mean, log_variance = wide(codes), wide(mean), wide(log_variance)
    each = (codes - mean).square() * (-log_variance).exp() + log_variance + math.log(2 * math.pi)
    return each.sum(-1) / -2


def log_mixture(codes: Tensor, means: Tensor, log_variances: Tensor) -> Tensor:
    """log p(c) in nats [N] of codes [N, d] under the even mixture of K Gaussians [K, d] (VampPrior, Eq. 9)."""
    # Differences code by code: squares expanded into a matrix product would cancel in float32.
    each = log_normal(codes[:, None], means, log_variances)
    return each.logsumexp(1) - math.log(len(means))


def sampled_kl(codes: Tensor, mean: Tensor, log_variance: Tensor, log_prior: Tensor) -> Tensor:
    """KL(q(c|x) || p(c)) estimated by one sample of each image: log q(c|x) - log p(c), averaged over the batch.

    Args:
        codes: drawn from q, [N, d].
        mean: of q, [N, d].
        log_variance: of q, [N, d].
        log_prior: log p(c) of these codes, [N].
    """
    return (log_normal(codes, mean, log_variance) - wide(log_prior)).mean()


def active_units(mean: Tensor) -> Tensor:
    """How many of the d posterior means [N, d] vary with the image: a variance above :data:`ACTIVE`."""
    return (mean.float().var(0) > ACTIVE).sum().float()
