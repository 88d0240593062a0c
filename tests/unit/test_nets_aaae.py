"""AAAE's networks: layer by layer as in its table III, at any side, with padding that nothing can see."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.nets.build import build
from advcodes.nets.config import Aaae
from advcodes.nets.families import aaae
from advcodes.nets.layers import layers
from advcodes.nets.spec import DatasetSpec, Net
from nets_kit import assert_padding_does_not_leak, parameters, sizes

PAPER = Aaae(family="aaae")
SMALL = Aaae(family="aaae", width=4, init_std=0.1, code={"width": 16})
NETS = {
    "e": Net("encoder"),
    "g": Net("generator"),
    "d": Net("discriminator"),
    "cg": Net("code_generator", {"noise": 64}),
    "cd": Net("code_discriminator"),
}


def made(a: Aaae, side: int, channels: int = 3, latent_dim: int = 128) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return build(a, NETS, DatasetSpec((channels, side, side), (-1.0, 1.0)), latent_dim)


@pytest.fixture(scope="module")
def paper() -> dict[str, nn.Module]:
    return made(PAPER, 32)


def test_layers_are_those_of_the_table(paper: dict[str, nn.Module]):
    x = torch.zeros(2, 3, 32, 32)
    found = sizes(paper["e"], x, but=("Pad", "Flatten", "Identity"))
    maps = [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1024, 2, 2)]
    expected = [("SameMargin", (3, 35, 35))]
    expected += [(kind, size) for size in maps for kind in ("Conv2d", "BatchNorm2d", "ELU")]
    assert found == [*expected, ("Linear", (128,))]
    assert sizes(paper["g"], torch.zeros(2, 128), but=("Crop",)) == [
        ("Linear", (4096,)), ("BatchNorm1d", (4096,)), ("ELU", (4096,)), ("Unflatten", (1024, 2, 2)),
        ("ConvTranspose2d", (512, 4, 4)), ("BatchNorm2d", (512, 4, 4)), ("ELU", (512, 4, 4)),
        ("ConvTranspose2d", (256, 8, 8)), ("BatchNorm2d", (256, 8, 8)), ("ELU", (256, 8, 8)),
        ("ConvTranspose2d", (128, 16, 16)), ("BatchNorm2d", (128, 16, 16)), ("ELU", (128, 16, 16)),
        ("ConvTranspose2d", (64, 32, 32)), ("BatchNorm2d", (64, 32, 32)), ("ELU", (64, 32, 32)),
        ("Conv2d", (3, 32, 32)), ("Tanh", (3, 32, 32)),
    ]  # fmt: skip
    assert sizes(paper["d"], x, but=("Pad",)) == [
        ("Conv2d", (64, 16, 16)), ("LeakyReLU", (64, 16, 16)), ("Conv2d", (128, 8, 8)), ("LeakyReLU", (128, 8, 8)),
        ("Conv2d", (256, 4, 4)), ("LeakyReLU", (256, 4, 4)), ("Conv2d", (512, 2, 2)), ("LeakyReLU", (512, 2, 2)),
        ("Conv2d", (1, 2, 2)), ("Flatten", (4,)),
    ]  # fmt: skip
    hidden = [(kind, (512,)) for _ in range(3) for kind in ("Linear", "ELU")]
    assert sizes(paper["cg"], torch.zeros(2, 64)) == [*hidden, ("Linear", (128,))]
    hidden = [(kind, (512,)) for _ in range(3) for kind in ("Linear", "LeakyReLU")]
    assert sizes(paper["cd"], torch.zeros(2, 128)) == [*hidden, ("Linear", (1,))]
    assert {m.negative_slope for net in paper.values() for m in net.modules() if isinstance(m, nn.LeakyReLU)} == {0.1}


def test_parameters_are_those_counted_by_hand(paper: dict[str, nn.Module]):
    conv = 3_136 + 131_200 + 524_544 + 2_097_664  # 16 k k' + k' for 3, 64, 128, 256 and 512 channels
    encoder = conv + 8_389_632 + 2 * (64 + 128 + 256 + 512 + 1024) + 524_416
    transposed = 8_389_120 + 2_097_408 + 524_416 + 131_136
    generator = 528_384 + 8_192 + transposed + 2 * (512 + 256 + 128 + 64) + 1_731
    codes = {"cg": 33_280 + 2 * 262_656 + 65_664, "cd": 66_048 + 2 * 262_656 + 513}
    expected = {"e": encoder, "g": generator, "d": conv + 4_609, **codes}
    assert {role: parameters(net) for role, net in paper.items()} == expected
    # At 64 one more convolution of 1024 channels in E and in G, with its batch norm; D_omega gives 4x4 patches.
    larger, more = made(PAPER, 64), 16 * 1024 * 1024 + 1024 + 2 * 1024
    grown = {"e": encoder + more, "g": generator + more}
    assert {role: parameters(net) for role, net in larger.items()} == expected | grown
    x = torch.zeros(2, 3, 64, 64)
    maps = [size for kind, size in sizes(larger["e"], x) if kind == "Conv2d"]
    assert maps[0] == (64, 64, 64) and maps[-2:] == [(1024, 4, 4), (1024, 2, 2)]
    maps = [size for kind, size in sizes(larger["g"], torch.zeros(2, 128)) if kind == "ConvTranspose2d"]
    assert maps[0] == (1024, 4, 4) and maps[-1] == (64, 64, 64)


@pytest.mark.parametrize(
    ("side", "widths", "patches"),
    [(8, [4, 8, 16], 1), (16, [4, 8, 16, 32], 1), (28, [4, 8, 16, 32, 64], 4), (64, [4, 8, 16, 32, 64, 64], 16)],
)
def test_every_side_has_its_stages(side: int, widths: list[int], patches: int):
    nets, x = made(SMALL, side, channels=1, latent_dim=6), torch.rand(3, 1, side, side)
    with torch.no_grad():
        code = nets["e"](x)
        assert code.shape == (3, 6) and nets["g"](code).shape == x.shape
        assert nets["d"](x).shape == (3, patches)
    maps = [size for kind, size in sizes(nets["e"], x) if kind == "Conv2d"]
    assert [m[0] for m in maps] == widths and maps[-1][1:] == (2, 2)
    maps = [size for kind, size in sizes(nets["g"], torch.zeros(3, 6)) if kind == "ConvTranspose2d"]
    assert [m[0] for m in maps] == widths[-2::-1]


def test_the_first_convolution_is_tensorflows_same():
    """One row of zeros before and two behind: a picture in a corner meets the kernel's second row and column."""
    nets = made(SMALL, 8, channels=1, latent_dim=6)
    margin, convolution = nets["e"].convolutions[1:3]
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 0, 0] = 1
    out = convolution(margin(x))[0] - convolution.bias[:, None, None]
    assert out.shape == (4, 8, 8)
    assert torch.allclose(out[:, 0, 0], convolution.weight[:, 0, 1, 1])
    assert torch.allclose(out[:, 1, 1], convolution.weight[:, 0, 0, 0]) and out[:, 2:].abs().max() == 0


def test_padding_does_not_leak_into_outputs():
    assert_padding_does_not_leak(*(made(SMALL, side, channels=1, latent_dim=6) for side in (28, 32)), codes=6)


def test_a_patchs_logit_sees_its_place():
    """Logits are of patches: the far corner cannot reach the first one through four convolutions and a last one."""
    nets = made(SMALL, 64, channels=1, latent_dim=6)
    x = torch.rand(1, 1, 64, 64, requires_grad=True)
    nets["d"](x)[0, 0].backward()
    assert x.grad[0, 0, 0, 0] != 0 and x.grad[0, 0, -8:, -8:].abs().max() == 0


def test_initial_weights_are_the_papers(paper: dict[str, nn.Module]):
    for net in paper.values():
        for m in net.modules():
            if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                assert m.weight.std().item() == pytest.approx(0.01, rel=0.2) and not m.bias.any()


def test_batch_norm_is_in_encoder_and_decoder_alone(paper: dict[str, nn.Module]):
    norms = {
        role: [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        for role, net in paper.items()
    }
    assert {role: len(found) for role, found in norms.items()} == {"e": 5, "g": 5, "d": 0, "cg": 0, "cd": 0}
    a = Aaae(family="aaae", width=4, bn_momentum=0.25, bn_eps=1e-3)
    changed = [m for m in made(a, 8)["e"].modules() if isinstance(m, nn.BatchNorm2d)]
    assert changed and all((m.momentum, m.eps) == (0.25, 1e-3) for m in changed)


def test_an_encoder_gives_as_many_outputs_as_asked():
    nets = {"two": Net("encoder", {"outputs": 2}), "flat": Net("encoder", {"normalise": "batch"})}
    nets, x = build(SMALL, nets, DatasetSpec((1, 8, 8)), 6), torch.rand(9, 1, 8, 8)
    assert nets["two"](x).shape == (9, 12)
    assert torch.allclose(nets["flat"](x).mean(0), torch.zeros(6), atol=1e-5)


def test_noise_is_as_large_as_a_code_unless_given():
    net = build(SMALL, {"cg": Net("code_generator")}, DatasetSpec((1, 8, 8)), 6)["cg"]
    assert net(torch.zeros(2, 6)).shape == (2, 6)


def test_the_margin_has_a_line_in_the_table_of_layers(paper: dict[str, nn.Module]):
    with torch.no_grad():
        margin, convolution, *_ = layers(paper["e"], torch.zeros(2, 3, 32, 32))[1:]
    assert margin.about == "margin of 0, 1 before and 2 behind"
    assert convolution.about.startswith("conv 4x4, stride 1, pad 0, BN")


def test_what_they_cannot_serve_is_a_clear_error():
    for shape, channels in itertools.product([(8, 9), (4, 4)], (1, 3)):
        with pytest.raises(AdvcodesError, match="architecture family 'aaae' needs square images with a side of at"):
            aaae.check((channels, *shape))
    aaae.check((1, 5, 5))
