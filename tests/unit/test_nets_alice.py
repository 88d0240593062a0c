"""ALICE's networks: layers and parameters of the published code, noise beside every input, codes in [-1, 1]."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.nets.build import build
from advcodes.nets.config import Alice
from advcodes.nets.families.alice import Noise
from advcodes.nets.spec import DatasetSpec, Net
from nets_kit import INVISIBLE, parameters, sizes

NETS = {"e": Net("encoder"), "g": Net("generator"), "d": Net("joint_discriminator")}
HIDDEN = (*INVISIBLE, "BatchNorm2d", "Noise")


def nets(side: int, d: int = 256, channels: int = 3, **settings: Any) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return build(Alice(family="alice", **settings), NETS, DatasetSpec((channels, side, side), (-1.0, 1.0)), d)


def maps(net: nn.Module, x: torch.Tensor) -> list[tuple[int, ...]]:
    return [size[:2] if len(size) == 3 else size for _, size in sizes(net, x, HIDDEN)]


def test_layers_for_32_are_those_of_cifar10():
    made, x, z = nets(32), torch.zeros(2, 3, 32, 32), torch.zeros(2, 256)
    assert maps(made["e"], x) == [(32, 16), (64, 8), (128, 4), (256, 2), (256,)]
    assert maps(made["g"], z) == [(8192,), (256, 8), (128, 16), (3, 32)]
    assert maps(made["d"].of_image, x) == [(64, 16), (128, 8), (256, 4), (512, 2)]
    assert maps(made["d"].of_code, z) == [(2048,)]
    encoder = 25 * (4 * 32 + 32 * 64 + 64 * 128 + 128 * 256) + 2 * (32 + 64 + 128 + 256) + 1024 * 256 + 256
    assert parameters(made["e"]) == encoder
    generator = 276 * 8192 + 25 * (512 * 256 + 256 * 128 + 128 * 3) + 3 + 2 * (512 + 256 + 128)
    assert parameters(made["g"]) == generator
    judging = 276 * 2048 + 2048 + 4096 + 1
    assert parameters(made["d"]) == 25 * (4 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 2 * 960 + judging


def test_layers_for_64_have_a_stage_more_and_pooling():
    made, x = nets(64, 64), torch.zeros(2, 3, 64, 64)
    assert maps(made["e"], x) == [(32, 32), (64, 16), (128, 8), (256, 4), (512, 2), (64,)]
    assert maps(made["g"], torch.zeros(2, 64)) == [(8192,), (256, 8), (128, 16), (64, 32), (3, 64)]
    assert maps(made["d"].of_image, x) == [(64, 32), (128, 16), (256, 8), (512, 4), (512, 2)]
    assert sizes(made["d"].of_image, x)[-2][0] == "AvgPool2d"


@pytest.mark.parametrize("side", [8, 13, 16, 28, 32, 64, 100])
def test_every_side_has_its_networks(side: int):
    made, x = nets(side, 6, channels=1, width=2), torch.rand(3, 1, side, side)
    with torch.no_grad():
        assert made["e"](x).shape == (3, 6) and made["d"](x, torch.randn(3, 6)).shape == (3,)
        assert made["g"](torch.randn(3, 6)).shape == x.shape


def test_codes_are_bounded_and_spreads_are_not():
    a, seen = Alice(family="alice", width=2), DatasetSpec((1, 8, 8), (-1.0, 1.0))
    for outputs in (1, 2):
        e = build(a, {"e": Net("encoder", {"outputs": outputs})}, seen, 6)["e"].eval()
        with torch.no_grad():
            e.head.bias.fill_(3)
            found = e(torch.rand(4, 1, 8, 8))
        assert found.shape == (4, 6 * outputs) and (found[:, :6].abs() <= 1).all()
        assert outputs == 1 or (found[:, 6:] > 1).all()
    free = build(a.model_copy(update={"bounded_codes": False}), NETS, seen, 6)["e"].eval()
    with torch.no_grad():
        free.head.bias.fill_(3)
        assert (free(torch.rand(4, 1, 8, 8)) > 1).all()


def test_noise_is_uniform_and_new_in_training_and_zero_otherwise():
    noise, x = Noise(2), torch.randn(500, 3, 4, 4)
    first, second = noise(x), noise(x)
    assert first.shape == (500, 5, 4, 4) and torch.equal(first[:, :3], x) and not torch.equal(first, second)
    beside = first[:, 3:]
    assert beside.abs().max() <= 1 and abs(beside.mean()) < 0.02 and abs(beside.std() - 3**-0.5) < 0.01
    noise.eval()
    assert not noise(x)[:, 3:].any() and noise(torch.randn(4, 6)).shape == (4, 8)
    assert torch.equal(Noise(0)(x), x)


@pytest.mark.parametrize("role", ["e", "g", "d"])
def test_noise_reaches_every_network(role: str):
    """Without it a network is a function of its input in training, too (batch norm has the same batch)."""
    inputs = {"e": (torch.rand(4, 1, 8, 8),), "g": (torch.randn(4, 6),)}
    inputs["d"] = (*inputs["e"], *inputs["g"])
    with torch.no_grad():
        noisy = nets(8, 6, 1, width=2)[role]
        assert not torch.equal(noisy(*inputs[role]), noisy(*inputs[role]))
        still = nets(8, 6, 1, width=2, noise_channels=0, noise_numbers=0)[role]
        assert torch.equal(still(*inputs[role]), still(*inputs[role]))
        assert torch.equal(noisy.eval()(*inputs[role]), noisy(*inputs[role]))


def test_initial_weights_are_xaviers():
    made = nets(32)
    down, up = made["e"].convolutions[5], made["g"].net[5]
    for m, a, b in ((down, 32, 64), (up, 256, 512)):
        bound = (6 / (25 * (a + b))) ** 0.5
        assert m.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
        assert m.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not made["d"].head.bias.any()


def test_other_shapes_are_refused():
    for shape in ((2,), (1, 8, 9)):
        with pytest.raises(AdvcodesError, match="architecture family 'alice' needs square images"):
            build(Alice(family="alice"), NETS, DatasetSpec(shape), 6)
