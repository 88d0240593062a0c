"""Fully connected networks for 2-D points and small images (facts 5.8: MNIST; 5.9: the toy of acl/fig11)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from advcodes.nets import code
from advcodes.nets.common import FeatureDiscriminator, Trunk, init_xavier, joined, normaliser, output_activation
from advcodes.nets.config import Mlp
from advcodes.nets.spec import DatasetSpec


def check(shape: Sequence[int]) -> None:
    """Every shape can be flattened."""


def _init(module: nn.Module, how: str) -> None:
    if how == "xavier":
        init_xavier(module)


class Generator(nn.Module):
    """Codes [N, d] to examples [N, *shape]: images in the value range, or unbounded points."""

    def __init__(self, a: Mlp, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        self.shape = spec.shape
        self.net = code.mlp([latent_dim, *[a.width] * a.hidden_layers, math.prod(self.shape)], nn.ReLU, a.dropout)
        self.activation = nn.Identity() if len(self.shape) == 1 else output_activation(spec.value_range)
        _init(self, a.init)

    def forward(self, c: Tensor) -> Tensor:
        return self.activation(self.net(c)).unflatten(1, self.shape)


class Discriminator(FeatureDiscriminator):
    """Examples [N, *shape] to logits [N].

    Args:
        batch_norm: accepted for a common signature; there is none.
        condition: what it is conditioned on: see :class:`~advcodes.nets.common.FeatureDiscriminator`.
    """

    def __init__(
        self,
        a: Mlp,
        spec: DatasetSpec,
        latent_dim: int,
        batch_norm: bool = True,
        condition: str | int | None = None,
    ):
        size = spec.condition_size(condition)
        sizes = [math.prod(spec.shape) + joined(size), *[a.width] * a.hidden_layers]
        layers = code.mlp(sizes, lambda: nn.LeakyReLU(a.slope))
        super().__init__(Trunk(None, nn.Sequential(layers, nn.LeakyReLU(a.slope))), a.width, size)
        _init(self, a.init)


class Encoder(nn.Module):
    """Examples [N, *shape] to codes [N, d].

    Args:
        outputs: numbers for each code: 2 for a mean and a spread.
        normalise: what :func:`~advcodes.nets.common.normaliser` does to codes.
    """

    def __init__(self, a: Mlp, spec: DatasetSpec, latent_dim: int, outputs: int = 1, normalise: str = "none"):
        super().__init__()
        sizes = [math.prod(spec.shape), *[a.width] * a.hidden_layers, outputs * latent_dim]
        self.net = nn.Sequential(nn.Flatten(), code.mlp(sizes, nn.ReLU, a.dropout), normaliser(normalise, latent_dim))
        _init(self, a.init)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class CodeGenerator(code.CodeGenerator):
    """That of :mod:`advcodes.nets.code`, its initial weights as those of all networks of the family."""

    def __init__(self, a: Mlp, *args: Any, **options: Any):
        super().__init__(a, *args, **options)
        _init(self, a.init)


class CodeDiscriminator(code.CodeDiscriminator):
    """That of :mod:`advcodes.nets.code`, its initial weights as those of all networks of the family (facts 5.8)."""

    def __init__(self, a: Mlp, *args: Any, **options: Any):
        super().__init__(a, *args, **options)
        _init(self, a.init)


KINDS = {
    "generator": Generator, "discriminator": Discriminator, "encoder": Encoder, **code.KINDS,
    "code_generator": CodeGenerator, "code_discriminator": CodeDiscriminator,
}  # fmt: skip
