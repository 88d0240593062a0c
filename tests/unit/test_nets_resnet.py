"""The ResNet of improved_wgan_training: blocks, parameters and initial weights of the script."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from advcodes.core.errors import AdvcodesError
from advcodes.nets.build import build
from advcodes.nets.config import Resnet
from advcodes.nets.families import resnet
from advcodes.nets.spec import DatasetSpec, Net
from nets_kit import INVISIBLE, parameters, sizes

PAPER, SMALL = Resnet(family="resnet"), Resnet(family="resnet", width=4)
E, G, D = Net("encoder"), Net("generator"), Net("discriminator")


def small(shape: tuple[int, ...], **options: Any) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return build(
        SMALL, {"e": E, "g": G, "d": Net("discriminator", options)}, DatasetSpec(shape, (-1.0, 1.0), text=7), 6
    )


def test_layers_are_those_of_the_script():
    nets = build(PAPER, {"g": G, "d": D}, DatasetSpec((3, 32, 32), (-1.0, 1.0)), 128)
    assert sizes(nets["g"], torch.zeros(1, 128), INVISIBLE) == [
        ("Linear", (2048,)), ("Block", (128, 8, 8)), ("Block", (128, 16, 16)), ("Block", (128, 32, 32)),
        ("BatchNorm2d", (128, 32, 32)), ("Conv2d", (3, 32, 32)),
    ]  # fmt: skip
    assert sizes(nets["d"], torch.zeros(1, 3, 32, 32), INVISIBLE) == [
        ("Block", (128, 16, 16)), ("Block", (128, 8, 8)), ("Block", (128, 8, 8)), ("Block", (128, 8, 8)),
        ("Linear", (1,)),
    ]  # fmt: skip
    conv, skip, image = 9 * 128 * 128 + 128, 128 * 128 + 128, 9 * 3 * 128 + 128
    up = 2 * conv + skip + 4 * 128
    assert parameters(nets["g"]) == (128 * 2048 + 2048) + 3 * up + 2 * 128 + (9 * 128 * 3 + 3)
    first = image + conv + (3 * 128 + 128)
    assert parameters(nets["d"]) == first + (2 * conv + skip) + 2 * 2 * conv + 129
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in nets["d"].modules())


@pytest.mark.parametrize(("side", "ups", "downs"), [(8, 1, 1), (16, 2, 1), (28, 3, 2), (64, 4, 3)])
def test_every_side_has_its_stages(side: int, ups: int, downs: int):
    nets, x = small((3, side, side)), torch.rand(2, 3, side, side)
    with torch.no_grad():
        assert nets["e"](x).shape == (2, 6) and nets["d"](x).shape == (2,)
        made = nets["g"](torch.randn(2, 6))
        assert made.shape == x.shape and made.abs().max() <= 1
        last = 4 if side == 8 else 8
        assert nets["d"].features(x).shape == (2, 4)
        assert nets["d"].features(x, "convolution").shape == (2, 4 * last**2)
    assert [k for k, _ in sizes(nets["g"], torch.randn(2, 6))].count("Block") == ups
    assert [k for k, _ in sizes(nets["d"], x)].count("Block") == downs + 2


def test_features_are_means_over_places():
    d, x = small((1, 16, 16))["d"], torch.rand(2, 1, 16, 16)
    where = d.features(x, "convolution").unflatten(1, (4, 8, 8))
    assert where.min() >= 0, "a ReLU comes first"
    assert torch.allclose(d.features(x), where.mean((2, 3)), atol=1e-6)


def test_blocks_are_the_scripts():
    """Written out as the script has them: skips of 1x1 at the larger size, the pool behind the convolution."""
    torch.manual_seed(0)
    x, relu = torch.randn(2, 4, 8, 8), torch.relu

    def conv(m: nn.Conv2d, y: torch.Tensor) -> torch.Tensor:
        return conv2d(y, m.weight, m.bias, padding=m.kernel_size[0] // 2)

    def convolutions(block: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
        main, skip = ([m for m in part.modules() if isinstance(m, nn.Conv2d)] for part in (block.main, block.skip))
        return main, skip

    def close(a: torch.Tensor, b: torch.Tensor) -> bool:
        return a.shape == b.shape and torch.allclose(a, b, atol=1e-5)

    up = resnet.Block(SMALL, "up")
    (one, two), (skip,) = convolutions(up)
    larger = interpolate(x, scale_factor=2)
    assert close(up(x), conv(skip, larger) + conv(two, relu(conv(one, interpolate(relu(x), scale_factor=2)))))
    down = resnet.Block(SMALL, "down")
    (one, two), (skip,) = convolutions(down)
    assert close(down(x), avg_pool2d(conv(skip, x), 2) + avg_pool2d(conv(two, relu(conv(one, relu(x)))), 2))
    flat = resnet.Block(SMALL)
    (one, two), none = convolutions(flat)
    assert not none and close(flat(x), x + conv(two, relu(conv(one, relu(x)))))
    first, image = resnet.Block(SMALL, "down", inputs=3), torch.randn(2, 3, 8, 8)
    (one, two), (skip,) = convolutions(first)
    assert close(first(image), conv(skip, avg_pool2d(image, 2)) + avg_pool2d(conv(two, relu(conv(one, image))), 2))


def test_initial_weights_have_the_variance_of_the_script():
    torch.manual_seed(0)
    nets = build(PAPER, {"g": G, "d": D}, DatasetSpec((3, 32, 32)), 128)
    block, out = nets["g"].net[2], nets["g"].net[-3]
    inner, skip = next(m for m in block.main if isinstance(m, nn.Conv2d)), block.skip[0]
    head = nets["d"].head
    for layer, variance in {
        inner: 4 / (9 * 256), skip: 2 / 256, out: 2 / (9 * (128 + 3)), head: 2 / 129,
    }.items():  # fmt: skip
        assert layer.weight.var().item() == pytest.approx(variance, rel=0.25 if layer is head else 0.05)
        assert layer.weight.abs().max().item() <= (3 * variance) ** 0.5 and not layer.bias.any()


def test_a_condition_reaches_the_logit():
    d, x = small((1, 8, 8), condition="text")["d"], torch.rand(3, 1, 8, 8)
    told = torch.randn(3, 7)
    assert d.features(x, "last", told).shape == (3, 4)
    assert not torch.equal(d(x, told), d(x, -told))
    assert torch.equal(d.features(x, "convolution", told), d.features(x, "convolution"))
    with pytest.raises(AdvcodesError, match="together with a condition, and none is given"):
        d(x)


def test_other_shapes_are_refused():
    with pytest.raises(AdvcodesError, match=r"'resnet' needs square images with a side of at least 5, got \(2,\)"):
        small((2,))
