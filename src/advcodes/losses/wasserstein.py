"""The WGAN-GP game (facts 5.2; the settings of compare_gan that ACL's table 1 builds on)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def discriminator_real(scores: Tensor) -> Tensor:
    """-E[D(x)] over scores [N] of real examples."""
    return -scores.mean()


def discriminator_fake(scores: Tensor) -> Tensor:
    """E[D(G(z))] over scores [N] of fakes."""
    return scores.mean()


def generator(scores: Tensor) -> Tensor:
    """-E[D(G(z))] over scores [N] of fakes."""
    return -scores.mean()


def accuracy(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Share of two batches on the right side of the middle of their means (a critic has no threshold), in [0, 1]."""
    middle = (real_scores.mean() + fake_scores.mean()) / 2
    return ((real_scores > middle).float().mean() + (fake_scores <= middle).float().mean()) / 2


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """E[(||grad D(x^)||_2 - 1)^2] on interpolates x^ = real + a (fake - real), a ~ U(0, 1) per example.

    The norm is sqrt(1e-4 + sum of squares), which keeps its own gradient finite (compare_gan WGAN_GP.py). Under
    autocast the critic computes in bfloat16, and all else here in float32: the gradient's numbers are rounded one by
    one, but their norm, whose distance from 1 is the loss, is not.

    Args:
        critic: examples [N, ...] to scores [N].
        real: real examples.
        fake: generated examples, detached, of the same shape.
    """
    real, fake = real.float(), fake.detach().float()
    a = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
    x = torch.lerp(real, fake, a).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).float().sum(), x, create_graph=True)
    norm = gradient.float().flatten(1).square().sum(1).add(1e-4).sqrt()
    return (norm - 1).square().mean()
