"""The ResNet for CIFAR of improved_wgan_training, whose WGAN-GP reaches an Inception Score of 7.86 (facts 5.2).

The script is for sides of 32. Each doubling of the side is one more stage in both networks; other sides are padded to
the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from advcodes.nets import code
from advcodes.nets.common import (
    Crop,
    FeatureDiscriminator,
    Pad,
    Trunk,
    check_square,
    init_uniform,
    joined,
    normaliser,
    output_activation,
    stages,
)
from advcodes.nets.config import Resnet
from advcodes.nets.spec import DatasetSpec


def check(shape: Sequence[int]) -> None:
    """Refuse what these networks cannot serve; see :func:`~advcodes.nets.common.check_square`."""
    check_square("resnet", shape)


def _norm(a: Resnet, on: bool = True) -> nn.Module:
    return nn.BatchNorm2d(a.width, eps=a.bn_eps, momentum=a.bn_momentum) if on else nn.Identity()


class Block(nn.Module):
    """Residual block with the activation first: [N, width, s, s] to [N, width, S, S].

    The skip is a convolution of 1x1 at the smaller size, which is the same as the script's at the larger one.

    Args:
        a: width, and batch norm.
        change: of the side: ``up`` (S = 2 s, nearest neighbours), ``down`` (S = s / 2, mean of four) or ``none``.
        batch_norm: before each ReLU.
        inputs: channels of the input, if it is an image: then the first activation is left out ("optimised").
    """

    def __init__(self, a: Resnet, change: str = "none", batch_norm: bool = False, inputs: int | None = None):
        super().__init__()
        self.about = f"residual block{'' if change == 'none' else f' {change}'}"
        first = [] if inputs else [_norm(a, batch_norm), nn.ReLU()]
        enlarge = [nn.Upsample(scale_factor=2)] if change == "up" else []
        halve = [nn.AvgPool2d(2)] if change == "down" else []
        self.main = nn.Sequential(
            *first, *enlarge, nn.Conv2d(inputs or a.width, a.width, 3, padding=1),
            _norm(a, batch_norm), nn.ReLU(), nn.Conv2d(a.width, a.width, 3, padding=1), *halve,
        )  # fmt: skip
        skip = [*halve, nn.Conv2d(inputs or a.width, a.width, 1), *enlarge]
        self.skip = nn.Identity() if change == "none" else nn.Sequential(*skip)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x) + self.skip(x)


def _init(module: nn.Module) -> None:
    """Convolutions that no ReLU follows, the skips' and the last one, have half the variance."""
    convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    glorot = [m for m in convolutions if m.kernel_size == (1, 1)]
    init_uniform(module, [*glorot, *convolutions[-1:]] if isinstance(module, Generator) else glorot)


class Generator(nn.Module):
    """Codes [N, d] to images [N, C, H, W] in the value range: a linear layer, blocks that double the side, BN, ReLU."""

    def __init__(self, a: Resnet, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        blocks = [Block(a, "up", batch_norm=True) for _ in range(stages(side))]
        self.net = nn.Sequential(
            nn.Linear(latent_dim, a.width * 16), nn.Unflatten(1, (a.width, 4, 4)), *blocks, _norm(a), nn.ReLU(),
            nn.Conv2d(a.width, channels, 3, padding=1), output_activation(spec.value_range), Crop(side),
        )  # fmt: skip
        _init(self)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c)


def _convolutions(a: Resnet, spec: DatasetSpec) -> nn.Sequential:
    """Images [N, C, H, W] to a flat map, of 8x8 for sides of 16 and more: blocks that halve, two that do not, ReLU."""
    channels, side, _ = spec.shape
    down = [Block(a, "down", inputs=channels), *(Block(a, "down") for _ in range(stages(side) - 2))]
    return nn.Sequential(Pad(side, spec.value_range[0]), *down, Block(a), Block(a), nn.ReLU(), nn.Flatten())


class Pool(nn.Module):
    """A flat map [N, width * s * s], with a condition behind it or not, to features [N, width].

    The mean of the map over its places; a condition is joined to that and mixed in by a linear layer (**assumed**).

    Args:
        width: channels.
        condition: numbers of the condition; 0 without one.
    """

    def __init__(self, width: int, condition: int = 0):
        super().__init__()
        self.width, self.condition, self.about = width, condition, "mean over places"
        self.mix = nn.Sequential(nn.Linear(width + condition, width), nn.ReLU()) if condition else nn.Identity()

    def forward(self, flat: Tensor) -> Tensor:
        flat, condition = flat.split([flat.shape[1] - self.condition, self.condition], 1)
        mean = flat.unflatten(1, (self.width, -1)).mean(2)
        return self.mix(torch.cat([mean, condition], 1))


class Discriminator(FeatureDiscriminator):
    """Images [N, C, H, W] to logits [N]: residual blocks, the mean over all places and a linear layer.

    Args:
        batch_norm: accepted for a common signature; there is none.
        condition: what it is conditioned on: see :class:`~advcodes.nets.common.FeatureDiscriminator`.
    """

    def __init__(
        self,
        a: Resnet,
        spec: DatasetSpec,
        latent_dim: int,
        batch_norm: bool = True,
        condition: str | int | None = None,
    ):
        size = spec.condition_size(condition)
        super().__init__(Trunk(_convolutions(a, spec), Pool(a.width, joined(size))), a.width, size)
        _init(self)


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d]: the discriminator's blocks and a linear layer (**assumed**).

    Args:
        outputs: numbers for each code: 2 for a mean and a spread.
        normalise: what :func:`~advcodes.nets.common.normaliser` does to codes.
    """

    def __init__(self, a: Resnet, spec: DatasetSpec, latent_dim: int, outputs: int = 1, normalise: str = "none"):
        super().__init__()
        self.trunk = Trunk(_convolutions(a, spec), Pool(a.width))
        self.head = nn.Linear(a.width, outputs * latent_dim)
        self.normalise = normaliser(normalise, latent_dim)
        _init(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(self.head(self.trunk(x)))


KINDS = {"generator": Generator, "discriminator": Discriminator, "encoder": Encoder, **code.KINDS}
