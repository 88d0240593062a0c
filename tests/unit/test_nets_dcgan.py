"""The CIFAR networks of improved_wgan_training: layers, parameters and initial weights of the script."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.nets.build import build
from advcodes.nets.config import Dcgan
from advcodes.nets.spec import DatasetSpec, Net
from nets_kit import INVISIBLE, parameters, sizes

PAPER, SMALL = Dcgan(family="dcgan"), Dcgan(family="dcgan", width=4)


def small(shape: tuple[int, ...], **options: Any) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    nets = {"e": Net("encoder"), "g": Net("generator"), "d": Net("discriminator", options)}
    return build(SMALL, nets, DatasetSpec(shape, (-1.0, 1.0), text=7), 6)


def test_layers_are_those_of_the_script():
    nets = {"g": Net("generator"), "d": Net("discriminator"), "critic": Net("discriminator", {"batch_norm": False})}
    nets, x = build(PAPER, nets, DatasetSpec((3, 32, 32), (-1.0, 1.0)), 128), torch.zeros(2, 3, 32, 32)
    assert sizes(nets["g"], torch.zeros(2, 128), INVISIBLE) == [
        ("Linear", (8192,)), ("BatchNorm1d", (8192,)),
        ("ConvTranspose2d", (256, 8, 8)), ("BatchNorm2d", (256, 8, 8)),
        ("ConvTranspose2d", (128, 16, 16)), ("BatchNorm2d", (128, 16, 16)), ("ConvTranspose2d", (3, 32, 32)),
    ]  # fmt: skip
    convolutions = [("Conv2d", (128, 16, 16)), ("Conv2d", (256, 8, 8)), ("Conv2d", (512, 4, 4)), ("Linear", (1,))]
    assert sizes(nets["critic"], x, INVISIBLE) == convolutions
    normalised = [("BatchNorm2d", (256, 8, 8)), ("BatchNorm2d", (512, 4, 4))]
    first, second, third, last = convolutions
    assert sizes(nets["d"], x, INVISIBLE) == [first, second, normalised[0], third, normalised[1], last]
    conv = [25 * a * b for a, b in ((3, 128), (128, 256), (256, 512))]
    assert parameters(nets["critic"]) == sum(conv) + 128 + 256 + 512 + 8192 + 1
    assert parameters(nets["d"]) == parameters(nets["critic"]) + 2 * (256 + 512)
    generator = (128 * 8192 + 8192) + sum(conv) + 256 + 128 + 3
    assert parameters(nets["g"]) == generator + 2 * (8192 + 256 + 128)


@pytest.mark.parametrize(("side", "stages"), [(8, 1), (28, 3), (64, 4)])
def test_every_side_has_its_stages(side: int, stages: int):
    nets, x = small((3, side, side)), torch.rand(2, 3, side, side)
    with torch.no_grad():
        assert nets["e"](x).shape == (2, 6) and nets["d"](x).shape == (2,)
        made = nets["g"](torch.randn(2, 6))
    assert made.shape == x.shape and made.abs().max() <= 1
    kinds = [kind for kind, _ in sizes(nets["g"], torch.randn(2, 6))]
    assert kinds.count("ConvTranspose2d") == stages
    widest = 4 * 2 ** (stages - 1)
    assert [size for kind, size in sizes(nets["d"], x) if kind == "Conv2d"][-1] == (widest, 4, 4)
    assert torch.equal(nets["d"].features(x, "convolution"), nets["d"].features(x))
    assert nets["d"].features(x).shape == (2, widest * 16)


def test_initial_weights_have_the_variance_of_the_script():
    """4 / (fan in + fan out) for convolutions, where a stride of 2 meets a quarter of the wider side; 2 / ... else."""
    torch.manual_seed(0)
    nets = build(PAPER, {"g": Net("generator"), "d": Net("discriminator")}, DatasetSpec((3, 32, 32)), 128)
    linear, up = nets["g"].net[0], next(m for m in nets["g"].net if isinstance(m, nn.ConvTranspose2d))
    down = next(m for m in nets["d"].modules() if isinstance(m, nn.Conv2d) and m.in_channels == 128)
    expected = {
        linear: 2 / (128 + 8192),
        up: 4 / (512 * 25 / 4 + 256 * 25),
        down: 4 / (128 * 25 + 256 * 25 / 4),
    }
    for layer, variance in expected.items():
        assert layer.weight.var().item() == pytest.approx(variance, rel=0.02)
        assert layer.weight.abs().max().item() == pytest.approx((3 * variance) ** 0.5, rel=0.01), "uniform"
        assert not layer.bias.any()


def test_a_condition_reaches_the_logit_at_every_place():
    d, x = small((1, 8, 8), condition="text")["d"], torch.rand(3, 1, 8, 8)
    told = torch.randn(3, 7)
    assert d.features(x, "last", told).shape == d.features(x, "convolution").shape
    change = d.features(x, "last", told) - d.features(x, "last", -told)
    assert (change.unflatten(1, (4, 16)).abs().sum(1) > 0).all()
    with pytest.raises(AdvcodesError, match="together with a condition, and none is given"):
        d(x)


def test_other_shapes_are_refused():
    with pytest.raises(AdvcodesError, match=r"'dcgan' needs square images with a side of at least 5, got \(1, 8, 9\)"):
        small((1, 8, 9))
