"""The least-squares game against its closed forms in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from advcodes.losses import least_squares

OUTPUTS = np.random.default_rng(0).normal(0.5, 2, 300)


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (least_squares.discriminator_real, 1),
        (least_squares.discriminator_fake, 0),
        (least_squares.generator, 1),
    ],
)
def test_half_the_mean_squared_distance_to_the_target_of_eq_9(loss: object, target: float):
    outputs = torch.tensor(OUTPUTS, requires_grad=True)
    value = loss(outputs)
    assert value.item() == pytest.approx(0.5 * np.mean((OUTPUTS - target) ** 2), rel=1e-12)
    value.backward()
    np.testing.assert_allclose(outputs.grad.numpy(), (OUTPUTS - target) / len(OUTPUTS), rtol=1e-12)


def test_the_best_discriminator_is_the_share_of_real_examples():
    """Mao et al. 2017, Eq. 5: D* = (b p_data + a p_g) / (p_data + p_g); with a = 0, b = 1 the share of real ones."""
    real, fake = 3, 5  # of the same point
    d = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([d], 0.5)
    for _ in range(200):
        optimiser.zero_grad()
        real_loss, fake_loss = least_squares.discriminator_real(d[None]), least_squares.discriminator_fake(d[None])
        ((real * real_loss + fake * fake_loss) / (real + fake)).backward()
        optimiser.step()
    assert d.item() == pytest.approx(real / (real + fake), rel=1e-9)


def test_accuracy_splits_in_the_middle_of_the_targets():
    assert least_squares.accuracy(torch.tensor([0.6, 0.4]), torch.tensor([0.4, -3.0])).item() == 0.75
