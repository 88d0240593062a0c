"""The least-squares game on raw outputs: Mao et al. 2017, Eq. 9 (targets: real 1, fake 0, for the generator 1)."""

from __future__ import annotations

from torch import Tensor

from advcodes.losses.precision import wide


def discriminator_real(outputs: Tensor) -> Tensor:
    """E[(D(x) - 1)^2] / 2 over outputs [N] of real examples: the first term of Eq. 9."""
    return (wide(outputs) - 1).square().mean() / 2


def discriminator_fake(outputs: Tensor) -> Tensor:
    """E[D(G(z))^2] / 2 over outputs [N] of fakes: the second term of Eq. 9."""
    return wide(outputs).square().mean() / 2


def generator(outputs: Tensor) -> Tensor:
    """E[(D(G(z)) - 1)^2] / 2 over outputs [N] of fakes: the generator's objective in Eq. 9."""
    return (wide(outputs) - 1).square().mean() / 2


def accuracy(real_outputs: Tensor, fake_outputs: Tensor) -> Tensor:
    """Share of the two batches on the right side of 1/2, in the middle of the targets; a scalar in [0, 1]."""
    return ((real_outputs > 0.5).float().mean() + (fake_outputs <= 0.5).float().mean()) / 2
