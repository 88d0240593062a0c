"""Fully connected networks for 2-D points and small images (facts 5.9: the toy of acl/fig11)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from advcodes.nets import code
from advcodes.nets.build import output_activation
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


class Discriminator(nn.Module):
    """Examples [N, *shape] to logits [N]; ``batch_norm`` is accepted for a common signature, there is none."""

    def __init__(
        self,
        a: Mlp,
        shape: tuple[int, ...],
        value_range: tuple[float, ...],
        latent_dim: int,
        batch_norm: bool = True,
    ):
        super().__init__()
        slope = a.slope
        sizes = [math.prod(shape), *[a.width] * a.hidden_layers]
        self.trunk = nn.Sequential(nn.Flatten(), code.mlp(sizes, lambda: nn.LeakyReLU(slope)), nn.LeakyReLU(slope))
        self.head = nn.Linear(a.width, 1)

    def features(self, x: Tensor) -> Tensor:
        """Last hidden layer, [N, width]."""
        return self.trunk(x)

    def logit(self, features: Tensor) -> Tensor:
        """Logits [N] of :meth:`features`."""
        return self.head(features).squeeze(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.logit(self.features(x))


class Encoder(nn.Module):
    """Examples [N, *shape] to codes [N, d]."""

    def __init__(self, a: Mlp, shape: tuple[int, ...], value_range: tuple[float, ...], latent_dim: int):
        super().__init__()
        sizes = [math.prod(shape), *[a.width] * a.hidden_layers, latent_dim]
        self.net = nn.Sequential(nn.Flatten(), code.mlp(sizes, nn.ReLU))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


KINDS = {"generator": Generator, "discriminator": Discriminator, "encoder": Encoder, **code.KINDS}
