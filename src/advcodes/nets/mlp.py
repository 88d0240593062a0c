"""Fully connected networks for 2-D points and small images (facts 5.9: the toy of acl/fig11)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from advcodes.nets import code
from advcodes.nets.common import FeatureDiscriminator, output_activation
from advcodes.nets.config import Mlp


def check(shape: Sequence[int]) -> None:
    """Every shape can be flattened."""


class Generator(nn.Module):
    """Codes [N, d] to examples [N, *shape]: images in the value range, or unbounded points."""

    def __init__(self, a: Mlp, shape: tuple[int, ...], value_range: tuple[float, ...], latent_dim: int):
        super().__init__()
        self.shape = shape
        self.net = code.mlp([latent_dim, *[a.width] * a.hidden_layers, math.prod(shape)], nn.ReLU)
        self.activation = nn.Identity() if len(shape) == 1 else output_activation(value_range)

    def forward(self, c: Tensor) -> Tensor:
        return self.activation(self.net(c)).unflatten(1, self.shape)


class Discriminator(FeatureDiscriminator):
    """Examples [N, *shape] to logits [N]; ``batch_norm`` is accepted for a common signature, there is none."""

    def __init__(
        self, a: Mlp, shape: tuple[int, ...], value_range: tuple[float, ...], latent_dim: int, batch_norm: bool = True
    ):
        sizes = [math.prod(shape), *[a.width] * a.hidden_layers]
        layers = code.mlp(sizes, lambda: nn.LeakyReLU(a.slope))
        super().__init__(nn.Sequential(nn.Flatten(), layers, nn.LeakyReLU(a.slope)), a.width)


class Encoder(nn.Module):
    """Examples [N, *shape] to codes [N, d]."""

    def __init__(self, a: Mlp, shape: tuple[int, ...], value_range: tuple[float, ...], latent_dim: int):
        super().__init__()
        sizes = [math.prod(shape), *[a.width] * a.hidden_layers, latent_dim]
        self.net = nn.Sequential(nn.Flatten(), code.mlp(sizes, nn.ReLU))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


KINDS = {"generator": Generator, "discriminator": Discriminator, "encoder": Encoder, **code.KINDS}
