"""BEGAN's encoder and decoder: its generator, its discriminator and Khan's VAE are made of them (facts 5.5, 5.7).

Convolutions of 3x3 with ELU, no batch norm, no dropout and no transposed convolutions. All maps end at 8x8: a side of
32 has three stages, and each doubling one more, unless the architecture says how many (``pairs``). Other sides are
padded to the next one with the lowest value (**assumed**). Nothing normalises what passes, so all depends on initial
weights: Xavier's, as in the published code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from advcodes.core.errors import AdvcodesError
from advcodes.nets.common import Crop, Pad, check_square, init_xavier, padded_side
from advcodes.nets.config import Began
from advcodes.nets.spec import DatasetSpec

SMALLEST = 8  #: side of the maps between convolutions and the dense layer, where `pairs` does not say otherwise


def check(shape: Sequence[int]) -> None:
    """Refuse what these networks cannot serve; see :func:`~advcodes.nets.common.check_square`."""
    check_square("began", shape)


def stages(side: int, pairs: int | None = None) -> tuple[int, int]:
    """Pairs of convolutions for images of this (padded) side, and the side of the smallest maps.

    Args:
        side: of the images: 32 has 3 pairs, 64 has 4, 128 has 5, and maps end at 8x8.
        pairs: another number of them; maps of 64 pixels then end at 16x16 with 3.

    Raises:
        AdvcodesError: images are too small for as many.
    """
    padded = padded_side(side)
    count = pairs or padded.bit_length() - SMALLEST.bit_length() + 1
    if padded >> (count - 1) < 1:
        raise AdvcodesError(
            f"architecture family 'began': {count} pairs need images of {2 ** (count - 1)} pixels or more"
        )
    return count, padded >> (count - 1)


def _conv(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    # In place: of what the convolution makes nothing else is kept, which halves a step's memory.
    return [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ELU(inplace=True)]


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d], or with ``outputs`` 2 to means and logarithms of variances, [N, 2 d].

    Args:
        outputs: numbers for each code.
    """

    def __init__(self, a: Began, spec: DatasetSpec, latent_dim: int, outputs: int = 1):
        super().__init__()
        channels, side, _ = spec.shape
        count, smallest = stages(side, a.pairs)
        layers: list[nn.Module] = [Pad(side, spec.value_range[0]), *_conv(channels, a.width)]
        width = a.width
        for i in range(1, count + 1):
            layers += [*_conv(width, i * a.width), *_conv(i * a.width, i * a.width)]
            width = i * a.width
            if i < count:
                layers += _conv(width, width, stride=2)
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(smallest**2 * width, outputs * latent_dim))
        init_xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Decoder(nn.Module):
    """Codes [N, d] to images [N, C, H, W]; there is no output activation, so they may leave the value range."""

    def __init__(self, a: Began, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        count, smallest = stages(side, a.pairs)
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, smallest**2 * a.width), nn.Unflatten(1, (a.width, smallest, smallest)),
        ]  # fmt: skip
        for i in range(count):
            if i:
                layers.append(nn.Upsample(scale_factor=2))
            layers += [*_conv(a.width, a.width), *_conv(a.width, a.width)]
        self.net = nn.Sequential(*layers, nn.Conv2d(a.width, channels, 3, padding=1), Crop(side))
        init_xavier(self)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c)


class EnergyDiscriminator(nn.Module):
    """An autoencoder as discriminator, whose error is low on what looks real: images to images, [N, C, H, W]."""

    def __init__(self, a: Began, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        self.encoder, self.decoder = Encoder(a, spec, latent_dim), Decoder(a, spec, latent_dim)

    def code(self, x: Tensor) -> Tensor:
        """What it makes of images between its halves, [N, d]: the space of the learned similarity metric."""
        return self.encoder(x)

    def decode(self, codes: Tensor) -> Tensor:
        """What it makes of :meth:`code`'s, [N, C, H, W]."""
        return self.decoder(codes)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.code(x))


KINDS: dict[str, Callable[..., nn.Module]] = {
    "encoder": Encoder,
    "generator": Decoder,
    "energy_discriminator": EnergyDiscriminator,
}
