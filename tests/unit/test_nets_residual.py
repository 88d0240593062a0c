"""LPAAE's networks: layer by layer as in its tables, at any side, with padding that nothing can see."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.nets import common
from advcodes.nets.build import build
from advcodes.nets.config import Residual
from advcodes.nets.families import residual
from advcodes.nets.spec import DatasetSpec, Net
from nets_kit import assert_padding_does_not_leak, parameters, sizes

PAPER = Residual(family="residual")
SMALL = Residual(family="residual", width=4, features=12)
E, G, D = Net("encoder"), Net("generator"), Net("discriminator")


def small(shape: tuple[int, ...], a: Residual = SMALL, **options: Any) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    nets = {"e": E, "g": G, "d": Net("discriminator", options)}
    return build(a, nets, DatasetSpec(shape, (-1.0, 1.0), text=7), 6)


def test_layers_are_those_of_the_tables():
    nets = build(PAPER, {"e": E, "g": G, "d": D}, DatasetSpec((3, 32, 32), (-1.0, 1.0)), 64)
    x = torch.zeros(2, 3, 32, 32)
    assert sizes(nets["e"], x) == [
        ("Pad", (3, 32, 32)), ("Conv2d", (64, 32, 32)), ("ReLU", (64, 32, 32)),
        ("Block", (64, 32, 32)), ("Block", (128, 16, 16)), ("Block", (256, 8, 8)), ("Block", (512, 4, 4)),
        ("AvgPool2d", (512, 1, 1)), ("Flatten", (512,)),
        ("Linear", (128,)), ("BatchNorm1d", (128,)), ("ReLU", (128,)), ("Linear", (64,)), ("Identity", (64,)),
    ]  # fmt: skip
    assert sizes(nets["g"], torch.zeros(2, 64)) == [
        ("Unflatten", (64, 1, 1)), ("ConvTranspose2d", (512, 4, 4)), ("BatchNorm2d", (512, 4, 4)),
        ("ReLU", (512, 4, 4)),
        ("Block", (256, 8, 8)), ("Block", (128, 16, 16)), ("Block", (64, 32, 32)),
        ("Conv2d", (3, 32, 32)), ("Tanh", (3, 32, 32)), ("Crop", (3, 32, 32)),
    ]  # fmt: skip
    assert sizes(nets["d"], x, but=("Identity", "LeakyReLU", "Pad")) == [
        ("Conv2d", (64, 16, 16)), ("Conv2d", (128, 8, 8)), ("BatchNorm2d", (128, 8, 8)),
        ("Conv2d", (256, 4, 4)), ("BatchNorm2d", (256, 4, 4)), ("Flatten", (4096,)),
        ("Linear", (1000,)), ("Linear", (1,)),
    ]  # fmt: skip


@pytest.mark.parametrize(("side", "down", "convolutions"), [(8, 1, 2), (28, 3, 3), (32, 3, 3), (64, 4, 4)])
def test_every_side_has_its_stages(side: int, down: int, convolutions: int):
    nets, x = small((3, side, side)), torch.rand(2, 3, side, side)
    with torch.no_grad():
        code = nets["e"](x)
        assert code.shape == (2, 6) and nets["g"](code).shape == x.shape
        assert nets["d"](x).shape == (2,) and nets["d"].features(x).shape == (2, 12)
        left = common.padded_side(side) // 2**convolutions
        assert nets["d"].features(x, "convolution").shape == (2, 4 * 2 ** (convolutions - 1) * left**2)
    maps = [shape for kind, shape in sizes(nets["e"], x) if kind in ("Block", "AvgPool2d")]
    assert maps[-2:] == [(4 * 2**down, 4, 4), (4 * 2**down, 1, 1)] and len(maps) == down + 2
    assert sizes(nets["g"], torch.zeros(2, 6))[1][1] == (4 * 2**down, 4, 4)


@pytest.mark.parametrize(
    ("change", "batch_norm", "expected", "side"),
    [
        ("none", False, 2 * (9 * 5 * 5 + 5), 8),
        ("down", False, (9 * 5 * 10 + 10) + (9 * 10 * 10 + 10) + (5 * 10 + 10), 4),
        ("up", True, (16 * 5 * 10 + 10) + (9 * 10 * 10 + 10) + (5 * 10 + 10) + 2 * 2 * 10, 16),
    ],
)
def test_a_block_has_the_parameters_counted_by_hand(change: str, batch_norm: bool, expected: int, side: int):
    outputs = 5 if change == "none" else 10
    block = residual.Block(SMALL, 5, outputs, change, batch_norm)
    assert parameters(block) == expected
    assert block(torch.rand(2, 5, 8, 8)).shape == (2, outputs, side, side)


def test_a_block_adds_its_input_and_its_convolutions():
    block, x = residual.Block(SMALL, 3, 3), torch.randn(2, 3, 5, 5)
    first, second = block.main[0], block.main[3]
    by_hand = torch.relu(x + torch.relu(second(torch.relu(first(x)))))
    assert torch.equal(block(x), by_hand)
    up = residual.Block(SMALL, 3, 2, "up")
    nn.init.zeros_(up.main[3].weight)
    nn.init.zeros_(up.main[3].bias)
    enlarged = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
    assert torch.allclose(up(x), up.skip[0](enlarged).relu(), atol=1e-6)


@pytest.mark.parametrize(("where", "normalised"), [("none", set()), ("decoder", {"g"}), ("all", {"e", "g"})])
def test_batch_norm_in_blocks_is_a_choice(where: str, normalised: set[str]):
    nets = small((1, 8, 8), Residual(family="residual", width=4, features=12, resblock_bn=where))
    blocks = {role: [m for m in net.modules() if isinstance(m, residual.Block)] for role, net in nets.items()}
    found = {role for role in blocks for b in blocks[role] for m in b.modules() if isinstance(m, nn.BatchNorm2d)}
    assert found == normalised and blocks["e"] and blocks["g"] and not blocks["d"]


def test_a_critic_without_batch_norm_has_none():
    critic = small((1, 8, 8), batch_norm=False)["d"]
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in critic.modules())


def test_images_are_padded_with_the_lowest_value():
    x = torch.rand(2, 1, 28, 28)
    padded = common.Pad(28, -1.0)(x)
    assert padded.shape == (2, 1, 32, 32) and torch.equal(padded[:, :, 2:30, 2:30], x)
    assert padded.sum() == pytest.approx(float(x.sum()) - 2 * (32**2 - 28**2), rel=1e-4)
    odd = common.Pad(9, 0.0)(torch.ones(1, 1, 9, 9))
    assert odd.shape[-1] == 16 and torch.equal(odd[0, 0, :, 8], torch.tensor([0.0] * 3 + [1.0] * 9 + [0.0] * 4))
    assert torch.equal(common.Crop(9)(odd), torch.ones(1, 1, 9, 9))
    assert common.Pad(32, -1.0)(y := torch.rand(1, 1, 32, 32)) is y


def test_padding_does_not_leak_into_outputs():
    assert_padding_does_not_leak(small((1, 28, 28)), small((1, 32, 32)), codes=6)


def test_a_condition_reaches_the_logit_and_no_convolution():
    d, x = small((1, 8, 8), condition="text")["d"], torch.rand(4, 1, 8, 8)
    told = torch.randn(4, 7, requires_grad=True)
    d(x, told).sum().backward()
    assert told.grad.abs().sum(1).min() > 0
    assert not torch.equal(d(x, told), d(x, -told)) and d.features(x, "last", told).shape == (4, 12)
    assert torch.equal(d.features(x, "convolution", told), d.features(x, "convolution"))
    plain = small((1, 8, 8))["d"]
    assert parameters(d) - parameters(plain) == (7 * 128 + 128) + 128 * 12
    with pytest.raises(AdvcodesError, match="together with a condition, and none is given"):
        d(x)
    with pytest.raises(AdvcodesError, match="is not built for a condition"):
        plain(x, told)


def test_an_encoder_gives_as_many_outputs_as_asked():
    nets = {"two": Net("encoder", {"outputs": 2}), "flat": Net("encoder", {"normalise": "batch"})}
    nets, x = build(SMALL, nets, DatasetSpec((1, 8, 8)), 6), torch.rand(9, 1, 8, 8)
    assert nets["two"](x).shape == (9, 12)
    assert torch.allclose(nets["flat"](x).mean(0), torch.zeros(6), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 8, 9), (3, 4, 4), (2,)], ids=str)
def test_other_shapes_are_refused(shape: tuple[int, ...]):
    with pytest.raises(AdvcodesError, match=r"'residual' needs square images with a side of at least 5, got \("):
        build(SMALL, {"e": E}, DatasetSpec(shape), 6)


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_a_skip_that_picks_pixels_first_is_the_same_convolution(channels: int):
    block = residual.Block(Residual(family="residual"), channels, 16, "down")
    x = torch.randn(4, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = block.skip(x.contiguous())
    torch.testing.assert_close(block._skipped(x), expected)
