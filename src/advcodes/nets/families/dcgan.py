"""The CIFAR networks of improved_wgan_training, for WGAN-GP and, with batch norm in the discriminator, DCGAN and LSGAN.

See facts 5.2 to 5.4. The script is for sides of 32. Each doubling of the side is one more stage in both networks; other
sides are padded to the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from advcodes.nets import code
from advcodes.nets.common import (
    CONDITION_FEATURES,
    Crop,
    FeatureDiscriminator,
    Pad,
    Trunk,
    check_square,
    init_uniform,
    normaliser,
    output_activation,
    stages,
)
from advcodes.nets.config import Dcgan
from advcodes.nets.spec import DatasetSpec


def check(shape: Sequence[int]) -> None:
    """Refuse what these networks cannot serve; see :func:`~advcodes.nets.common.check_square`."""
    check_square("dcgan", shape)


def _norm(a: Dcgan, kind: type[nn.Module], n: int, on: bool = True) -> nn.Module:
    return kind(n, eps=a.bn_eps, momentum=a.bn_momentum) if on else nn.Identity()


def _widest(a: Dcgan, side: int) -> int:
    """Channels at 4x4: four times the width for sides of 32."""
    return a.width * 2 ** (stages(side) - 1)


class Generator(nn.Module):
    """Codes [N, d] to images [N, C, H, W] in the value range: a linear layer and transposed convolutions of 5x5."""

    def __init__(self, a: Dcgan, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        width = _widest(a, side)
        layers = [
            nn.Linear(latent_dim, width * 16), _norm(a, nn.BatchNorm1d, width * 16), nn.ReLU(),
            nn.Unflatten(1, (width, 4, 4)),
        ]  # fmt: skip
        for i in reversed(range(stages(side))):
            outputs = width // 2 if i else channels
            layers.append(nn.ConvTranspose2d(width, outputs, 5, stride=2, padding=2, output_padding=1))
            if i:
                layers += [_norm(a, nn.BatchNorm2d, outputs), nn.ReLU()]
            width = outputs
        self.net = nn.Sequential(*layers, output_activation(spec.value_range), Crop(side))
        init_uniform(self)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c)


def _convolutions(a: Dcgan, spec: DatasetSpec, batch_norm: bool) -> nn.Sequential:
    """Images [N, C, H, W] to a flat map of 4x4: convolutions of 5x5, with batch norm in all but the first."""
    channels, side, _ = spec.shape
    layers: list[nn.Module] = [Pad(side, spec.value_range[0])]
    for i in range(stages(side)):
        width = a.width * 2**i
        layers += [
            nn.Conv2d(channels, width, 5, stride=2, padding=2),
            _norm(a, nn.BatchNorm2d, width, batch_norm and i > 0), nn.LeakyReLU(a.slope),
        ]  # fmt: skip
        channels = width
    return nn.Sequential(*layers, nn.Flatten())


class Conditioned(nn.Module):
    """A flat map [N, width * 16] with a condition behind it, to one that knows it, of the same size.

    The condition is repeated at each place of the map of 4x4 and mixed in by a convolution of 1x1 (Reed et al. 2016).
    """

    def __init__(self, width: int, slope: float):
        super().__init__()
        self.width, self.about = width, "the condition joined at every place"
        self.mix = nn.Sequential(nn.Conv2d(width + CONDITION_FEATURES, width, 1), nn.LeakyReLU(slope), nn.Flatten())

    def forward(self, joined: Tensor) -> Tensor:
        flat, condition = joined.split([self.width * 16, CONDITION_FEATURES], 1)
        repeated = condition[:, :, None, None].expand(-1, -1, 4, 4)
        return self.mix(torch.cat([flat.unflatten(1, (self.width, 4, 4)), repeated], 1))


class Discriminator(FeatureDiscriminator):
    """Images [N, C, H, W] to logits [N]: strided convolutions down to 4x4 and a linear layer.

    Its last hidden layer is its last convolution.

    Args:
        batch_norm: a critic under a gradient penalty has none.
        condition: what it is conditioned on: see :class:`~advcodes.nets.common.FeatureDiscriminator`.
    """

    def __init__(
        self,
        a: Dcgan,
        spec: DatasetSpec,
        latent_dim: int,
        batch_norm: bool = True,
        condition: str | int | None = None,
    ):
        size, width = spec.condition_size(condition), _widest(a, spec.shape[1])
        dense = Conditioned(width, a.slope) if size else nn.Identity()
        super().__init__(Trunk(_convolutions(a, spec, batch_norm), dense), width * 16, size)
        init_uniform(self)


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d]: the discriminator's convolutions and a linear layer (**assumed**).

    Args:
        outputs: numbers for each code: 2 for a mean and a spread.
        normalise: what :func:`~advcodes.nets.common.normaliser` does to codes.
    """

    def __init__(self, a: Dcgan, spec: DatasetSpec, latent_dim: int, outputs: int = 1, normalise: str = "none"):
        super().__init__()
        self.convolutions = _convolutions(a, spec, batch_norm=True)
        self.head = nn.Linear(_widest(a, spec.shape[1]) * 16, outputs * latent_dim)
        self.normalise = normaliser(normalise, latent_dim)
        init_uniform(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(self.head(self.convolutions(x)))


class Recogniser(code.Recogniser):
    """Q on the discriminator's last convolution."""

    def __init__(self, a: Dcgan, spec: DatasetSpec, latent_dim: int, condition: str | int):
        super().__init__(a, spec, latent_dim, condition, features=_widest(a, spec.shape[1]) * 16)


KINDS = {
    **code.KINDS,
    "generator": Generator,
    "discriminator": Discriminator,
    "encoder": Encoder,
    "recogniser": Recogniser,
}
