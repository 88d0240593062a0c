"""The squared error of reconstructions against a direct computation in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from advcodes.methods.base import Method, MethodConfig
from advcodes.metrics.images.reconstruction import error_of_mean, squared_error
from advcodes.nets.spec import DatasetSpec
from advcodes.training.restore import Restored

SAMPLING = {"batch_norm": "running", "batch_size": 7, "reestimate_batches": 2}
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (23, 3, 5, 4)).astype(np.uint8)
TRAINING = RANDOM.integers(0, 120, (40, 3, 5, 4)).astype(np.uint8)


class Shares(nn.Module):
    """Images whose distance from black is multiplied by a factor a pixel: the same picture in either range."""

    def __init__(self, low: float, high: float):
        super().__init__()
        self.low, self.high = low, high
        self.factors = nn.Parameter(torch.from_numpy(np.random.default_rng(1).random((3, 5, 4), np.float32)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.low + (x - self.low) * self.factors


class Net(Method):
    name = "net"

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        return self.networks["net"](x)


def run(net: nn.Module, low: float, high: float) -> Restored:
    method = Net(MethodConfig(), {"net": net.requires_grad_(False)}, DatasetSpec((3, 5, 4)))
    return Restored(method, (3, 5, 4), (low, high), 1, 1, {"seed": 0})


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0)])
def test_the_error_is_that_on_minus_one_to_one(low: float, high: float):
    net = Shares(low, high)
    factors = net.factors.detach().numpy().astype(np.float64)
    x = IMAGES.astype(np.float64) / 127.5 - 1
    again = (IMAGES * factors) / 127.5 - 1
    exact = np.mean((x - again) ** 2)
    found = squared_error(run(net, low, high), IMAGES, SAMPLING, TRAINING, 0)
    assert found == pytest.approx(exact, rel=1e-6)
    on_zero_to_one = np.mean((IMAGES / 255 - IMAGES * factors / 255) ** 2)
    assert found == pytest.approx(4 * on_zero_to_one, rel=1e-6), "on [0, 1] it is a quarter"


def test_nothing_is_rounded_to_levels():
    """An error of a tenth of a level, which images of 8 bits would not show."""
    step = 0.1 / 255

    class Offset(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step = nn.Parameter(torch.tensor(step))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.step

    found = squared_error(run(Offset(), 0.0, 1.0), IMAGES, SAMPLING, TRAINING, 0)
    assert found == pytest.approx((2 * step) ** 2, rel=1e-3)


@pytest.mark.parametrize("size", [1, 5, 23, 100])
def test_batches_do_not_matter(size: int):
    net = Shares(0.0, 1.0)
    whole = squared_error(run(net, 0.0, 1.0), IMAGES, SAMPLING | {"batch_size": 23}, TRAINING, 0)
    parts = squared_error(run(net, 0.0, 1.0), IMAGES, SAMPLING | {"batch_size": size}, TRAINING, 0)
    assert parts == pytest.approx(whole, rel=1e-9)


def test_the_mean_training_image():
    mean = (TRAINING.astype(np.float64) / 127.5 - 1).mean(0)
    exact = np.mean((IMAGES / 127.5 - 1 - mean) ** 2)
    assert error_of_mean(IMAGES, TRAINING) == pytest.approx(exact, rel=1e-12)
    assert error_of_mean(IMAGES, IMAGES) < error_of_mean(IMAGES, TRAINING)


def test_errors_are_in_order():
    perfect = run(nn.Sequential(nn.Identity(), nn.Conv2d(3, 3, 1)), 0.0, 1.0)
    conv = perfect.method.networks["net"][1]
    conv.weight.data = torch.eye(3).view(3, 3, 1, 1)
    conv.bias.data.zero_()
    assert squared_error(perfect, IMAGES, SAMPLING, TRAINING, 0) == pytest.approx(0, abs=1e-12)
    conv.weight.data.zero_()
    conv.bias.data.fill_(1.0)  # white
    white = np.mean((2 * (1 - IMAGES / 255)) ** 2)
    assert squared_error(perfect, IMAGES, SAMPLING, TRAINING, 0) == pytest.approx(white, rel=1e-6)
