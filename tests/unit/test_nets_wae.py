"""WAE's networks: sizes and numbers of parameters of the published ones, and other sides."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from advcodes.core.errors import AdvcodesError
from advcodes.nets.config import Wae
from advcodes.nets.families import wae
from advcodes.nets.spec import DatasetSpec

FULL = Wae(family="wae")


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def convolutions(*widths: int) -> int:
    """Of 5x5 with bias, batch norm behind each."""
    return sum(25 * a * b + b + 2 * b for a, b in pairwise(widths))


def test_the_published_networks_have_their_numbers_of_parameters():
    celeba = DatasetSpec((3, 64, 64), (-1.0, 1.0))
    with torch.device("meta"):
        encoder, generator, discriminator = (
            kind(FULL, celeba, 64) for kind in (wae.Encoder, wae.Generator, wae.CodeDiscriminator)
        )
    assert count(encoder) == convolutions(3, 128, 256, 512, 1024) + 1024 * 16 * 64 + 64
    first = 64 * 1024 * 64 + 1024 * 64  # a linear layer to 1024 maps of 8x8
    assert count(generator) == first + convolutions(1024, 512, 256, 128) + 128 * 3 * 25 + 3
    assert count(discriminator) == 65 * 1024 + 3 * 1025 * 1024 + 1025


def test_maps_double_and_halve_as_published():
    encoder = wae.Encoder(Wae(family="wae", width=2), DatasetSpec((3, 64, 64), (-1.0, 1.0)), 8)
    generator = wae.Generator(Wae(family="wae", width=2), DatasetSpec((3, 64, 64), (-1.0, 1.0)), 8)
    x, sides = torch.zeros(1, 3, 64, 64), []
    for layer in encoder.convolutions:
        x = layer(x)
        sides += [x.shape[-1]] if isinstance(layer, torch.nn.Conv2d) else []
    assert sides == [32, 16, 8, 4]
    c, sides = torch.zeros(1, 8), []
    for layer in generator.net:
        c = layer(c)
        sides += [c.shape[-1]] if isinstance(layer, torch.nn.ConvTranspose2d | torch.nn.Unflatten) else []
    assert sides == [8, 16, 32, 64, 64], "the last one keeps the side"


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 16), (1, 28), (3, 32), (3, 48), (3, 128)])
def test_every_side_is_served_and_comes_back(channels: int, side: int):
    small, seen = Wae(family="wae", width=2), DatasetSpec((channels, side, side), (-1.0, 1.0))
    x = torch.rand(2, channels, side, side) * 2 - 1
    codes = wae.Encoder(small, seen, 6)(x)
    images = wae.Generator(small, seen, 6)(codes)
    assert codes.shape == (2, 6) and images.shape == x.shape and images.abs().max() <= 1
    assert wae.CodeDiscriminator(small, seen, 6)(codes).shape == (2,)


def test_weights_start_small_and_biases_at_zero():
    seen = DatasetSpec((3, 32, 32), (-1.0, 1.0))
    for kind in (wae.Encoder, wae.Generator, wae.CodeDiscriminator):
        for module in kind(Wae(family="wae", width=16), seen, 64).modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d | torch.nn.Linear):
                assert module.bias.abs().max() == 0
                assert module.weight.numel() < 1000 or module.weight.std().item() == pytest.approx(0.01, rel=0.1)


def test_what_is_not_square_is_refused():
    with pytest.raises(AdvcodesError, match=r"architecture family 'wae' needs square images"):
        wae.check((3, 32, 16))
