"""ALI's networks: layers and parameters of the published tables, the generator's first images, spectral norm."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.nets.build import build
from advcodes.nets.config import Ali
from advcodes.nets.families.ali import Maxout
from advcodes.nets.spec import DatasetSpec, Net
from nets_kit import INVISIBLE, parameters, sizes

NETS = {"e": Net("encoder", {"outputs": 2}), "g": Net("generator"), "d": Net("joint_discriminator")}
HIDDEN = (*INVISIBLE, "BatchNorm1d", "BatchNorm2d", "Dropout", "PixelBias", "Maxout")


def nets(side: int, d: int = 256, channels: int = 3, low: float = -1.0, **settings: Any) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return build(Ali(family="ali", **settings), NETS, DatasetSpec((channels, side, side), (low, 1.0)), d)


def maps(net: nn.Module, x: torch.Tensor) -> list[tuple[int, ...]]:
    """Channels and side of each layer's map, or units of a linear layer."""
    return [size[:2] if len(size) == 3 else size for _, size in sizes(net, x, HIDDEN)]


def bn(*channels: int) -> int:
    return 2 * sum(channels)


def test_layers_for_32_are_those_of_svhn():
    made, x, z = nets(32), torch.zeros(2, 3, 32, 32), torch.zeros(2, 256)
    down = [(32, 28), (64, 13), (128, 10), (256, 4), (512, 1)]
    assert maps(made["e"], x) == [*down, (512,), (512,)]
    assert maps(made["g"], z) == [(256, 4), (128, 10), (64, 13), (32, 28), (32, 32), (32, 32), (3, 32)]
    assert maps(made["d"].of_image, x) == down
    assert maps(made["d"].of_code, z) == [(512,), (512,)]
    assert maps(made["d"].of_both, torch.zeros(2, 1024)) == [(1024,), (1024,), (1,)]
    convolutions = 25 * 3 * 32 + 16 * (32 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    assert parameters(made["e"]) == convolutions + 512 * 512 + 512 * 512 + 512 + bn(32, 64, 128, 256, 512, 512)
    up = 16 * (256 * 256 + 256 * 128 + 128 * 64 + 64 * 32) + 25 * 32 * 32 + 32 * 32
    assert parameters(made["g"]) == up + 32 * 3 + 3 * 32 * 32 + bn(256, 128, 64, 32, 32, 32)
    judging = 256 * 512 + 512 * 512 + 2 * (1024 * 1024 + 1024) + 1024 + 1
    assert parameters(made["d"]) == convolutions + 32 + bn(64, 128, 256, 512) + judging


def test_layers_for_64_are_those_of_celeba():
    made, x, z = nets(64), torch.zeros(2, 3, 64, 64), torch.zeros(2, 256)
    down = [(64, 63), (128, 29), (256, 13), (256, 4), (512, 1)]
    assert maps(made["e"], x) == [*down, (512,)]
    assert maps(made["g"], z) == [(512, 4), (256, 13), (256, 29), (128, 63), (64, 64), (3, 64)]
    assert maps(made["d"].of_image, x) == down
    assert maps(made["d"].of_code, z) == [(1024,), (1024,)]
    assert maps(made["d"].of_both, torch.zeros(2, 1536)) == [(2048,), (2048,), (1,)]
    convolutions = 4 * 3 * 64 + 49 * 64 * 128 + 25 * 128 * 256 + 49 * 256 * 256 + 16 * 256 * 512
    assert parameters(made["e"]) == convolutions + 512 * 512 + 512 + bn(64, 128, 256, 256, 512)
    up = 16 * 256 * 512 + 49 * 512 * 256 + 25 * 256 * 256 + 49 * 256 * 128 + 4 * 128 * 64
    assert parameters(made["g"]) == up + 64 * 3 + 3 * 64 * 64 + bn(512, 256, 256, 128, 64)
    judging = 256 * 1024 + 1024 * 1024 + 1536 * 2048 + 2048 * 2048 + 2 * 2048 + 2048 + 1
    assert parameters(made["d"]) == convolutions + 64 + bn(128, 256, 256, 512) + judging


def test_maxout_halves_the_discriminator_of_cifar10():
    d = nets(32, 64, networks="cifar10")["d"]
    found = sizes(d.of_image, torch.zeros(2, 3, 32, 32), (*INVISIBLE, "Dropout"))
    expected = [(32, 28), (64, 13), (128, 10), (256, 4), (512, 1)]
    assert [(kind, size[:2]) for kind, size in found] == [
        row for width, side in expected for row in (("Conv2d", (width, side)), ("Maxout", (width // 2, side)))
    ]
    convolutions = 25 * 3 * 32 + 32 + 16 * (16 * 64 + 32 * 128 + 64 * 256 + 128 * 512)
    judging = 64 * 512 + 256 * 512 + (512 * 1024 + 1024) + (512 * 1024 + 1024) + 512 + 1
    assert parameters(d) == convolutions + judging


def test_maxout_takes_the_larger_of_neighbours():
    x = torch.tensor([[1.0, 2.0, 5.0, -3.0]])
    assert Maxout()(x).tolist() == [[2.0, 5.0]]
    assert Maxout()(torch.randn(2, 6, 3, 3)).shape == (2, 3, 3, 3)


@pytest.mark.parametrize(
    ("settings", "side", "slope", "norms", "dropout"),
    [
        ({}, 32, 0.01, 4, [0.2] * 10),
        ({}, 64, 0.02, 4, [0.2] * 10),
        ({"networks": "cifar10"}, 32, None, 0, [0.2, *[0.5] * 4, 0.2, *[0.5] * 4]),
        ({"networks": "cifar10"}, 64, 0.02, 4, [0.2] * 10),
        ({"discriminator_norm": "spectral"}, 32, 0.01, 0, []),
        ({"discriminator_norm": "none", "dropout": 0.1, "slope": 0.3}, 32, 0.3, 0, [0.1] * 10),
    ],
)
def test_what_the_discriminator_has(
    settings: dict[str, Any], side: int, slope: float | None, norms: int, dropout: list[float]
):
    found = list(nets(side, width=4, **settings)["d"].modules())
    assert {m.negative_slope for m in found if isinstance(m, nn.LeakyReLU)} == ({slope} if slope else set())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in found) == norms
    assert [m.p for m in found if isinstance(m, nn.Dropout)] == dropout


def test_slopes_of_encoder_and_generator():
    for side, settings, slope in ((32, {}, 0.01), (28, {"networks": "cifar10"}, 0.1), (64, {}, 0.02)):
        made = nets(side, width=2, **settings)
        for role in "eg":
            assert {m.negative_slope for m in made[role].modules() if isinstance(m, nn.LeakyReLU)} == {slope}


def test_biases_are_where_no_batch_norm_follows():
    """In ALI's discriminator the first layer of D_x and D_xz have one, in GALI's every layer."""
    for settings, without in (({}, 6), ({"networks": "cifar10"}, 6), ({"discriminator_norm": "spectral"}, 0)):
        made = nets(32, width=2, **settings)
        layers = [m for m in made["d"].modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert sum(m.bias is None for m in layers) == without
        assert made["d"].of_image[1 if without == 0 else 2].bias is not None
        for role in "eg":
            found = [m for m in made[role].modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
            assert all(m.bias is None for m in found[:-1])
        assert found[-1].bias is None, "a bias for each pixel instead"


@pytest.mark.parametrize("side", [8, 13, 16, 28, 32, 64, 100])
def test_every_side_has_its_networks(side: int):
    made, x = nets(side, 6, channels=1, width=2), torch.rand(3, 1, side, side)
    with torch.no_grad():
        assert made["e"](x).shape == (3, 12) and made["d"](x, torch.randn(3, 6)).shape == (3,)
        assert made["g"](torch.randn(3, 6)).shape == x.shape
    assert sizes(made["d"].of_image, x)[-1][1] == (made["d"].of_both[1].in_features - 32,)


def test_more_than_one_logit():
    d = build(
        Ali(family="ali", width=2),
        {"d": Net("joint_discriminator", {"outputs": 4})},
        DatasetSpec((1, 8, 8), (-1.0, 1.0)),
        6,
    )["d"]
    assert d(torch.rand(3, 1, 8, 8), torch.randn(3, 6)).shape == (3, 4)


def test_the_width_scales_every_layer():
    whole, half = nets(32), nets(32, width=16)
    for role in "egd":
        x = (torch.zeros(2, 256),) if role == "g" else (torch.zeros(2, 3, 32, 32), torch.zeros(2, 256))
        x = x[:1] if role == "e" else x
        assert len(list(whole[role].modules())) == len(list(half[role].modules()))
        pairs = zip(whole[role].modules(), half[role].modules(), strict=True)
        norms = [(a.num_features, b.num_features) for a, b in pairs if isinstance(a, nn.BatchNorm2d | nn.BatchNorm1d)]
        assert norms and all(a == 2 * b for a, b in norms)


@pytest.mark.parametrize("low", [-1.0, 0.0])
@pytest.mark.parametrize("side", [8, 28])
def test_the_generator_starts_from_the_mean_image(low: float, side: int):
    """Exactly so where all else is zero; pixels that are always black or white are clamped."""
    generator = nets(side, 6, channels=1, low=low, width=2)["g"]
    images = low + (1 - low) * torch.rand(20, 1, side, side)
    images[:, :, 0], images[:, :, 1] = low, 1.0
    generator.start_from(images)
    for m in generator.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.zeros_(m.weight)
    made = generator(torch.randn(5, 6))
    assert torch.allclose(made, images.mean(0).expand_as(made), atol=1e-6)
    assert torch.isfinite(generator.bias.bias).all() and generator.bias.bias.abs().max() < 17


def test_the_bias_is_half_a_logit_with_tanh():
    images = torch.full((2, 3, 8, 8), 0.5)
    for low, expected in ((-1.0, 0.5 * torch.tensor(3.0).log()), (0.0, torch.tensor(1.0).log())):
        generator = nets(8, 6, low=low, width=2)["g"]
        generator.start_from(images)
        assert torch.allclose(generator.bias.bias, expected.expand(3, 8, 8), atol=1e-6)


def test_initial_weights():
    made = nets(32, width=16)
    for net in made.values():
        for m in net.modules():
            if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and m.weight.numel() > 5000:
                assert m.weight.std().item() == pytest.approx(0.01, rel=0.05)
            if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d):
                assert (m.weight == 1).all() and not m.bias.any() and (m.momentum, m.eps) == (0.05, 1e-4)
            elif getattr(m, "bias", None) is not None and isinstance(m.bias, torch.Tensor):
                assert not m.bias.any()


def test_spectral_norm_bounds_every_layer_of_the_discriminator():
    d = nets(32, 16, width=4, discriminator_norm="spectral")["d"]
    layers = [m for m in d.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 5 + 2 + 3
    with torch.no_grad():
        for m in layers:
            m.parametrizations.weight.original.mul_(100)  # the bound does not depend on the weight's scale
    for _ in range(30):  # power iterations, one for each pass in training
        d(torch.randn(2, 3, 32, 32), torch.randn(2, 16))
    for m in layers:
        assert torch.linalg.matrix_norm(m.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)
    assert not any(hasattr(m, "parametrizations") for m in nets(32, 16, width=4)["d"].modules())


def test_other_shapes_are_refused():
    for shape in ((2,), (1, 8, 9), (1, 4, 4)):
        with pytest.raises(AdvcodesError, match="architecture family 'ali' needs square images"):
            build(Ali(family="ali"), NETS, DatasetSpec(shape), 6)
