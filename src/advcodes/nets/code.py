"""The networks of adversarial code learning: ACL's G_z and D_c (section 3.2; widths are facts 5.9's assumption)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from torch import Tensor, nn


def mlp(sizes: list[int], activation: Callable[[], nn.Module]) -> nn.Sequential:
    """Linear layers with an activation between them, none after the last."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers += [nn.Linear(a, b)] if i == len(sizes) - 2 else [nn.Linear(a, b), activation()]
    return nn.Sequential(*layers)


class CodeGenerator(nn.Module):
    """G_z: noise [N, d] to codes [N, d], ReLU inside, linear output."""

    def __init__(self, architecture: Any, shape: tuple[int, ...], value_range: tuple[float, ...], latent_dim: int):
        super().__init__()
        code = architecture.code
        self.net = mlp([latent_dim, *[code.width] * code.hidden_layers, latent_dim], nn.ReLU)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class CodeDiscriminator(nn.Module):
    """D_c: codes [N, d] to logits [N] (real = encoder's code)."""

    def __init__(self, architecture: Any, shape: tuple[int, ...], value_range: tuple[float, ...], latent_dim: int):
        super().__init__()
        code = architecture.code
        self.net = mlp([latent_dim, *[code.width] * code.hidden_layers, 1], lambda: nn.LeakyReLU(code.slope))

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c).squeeze(1)


KINDS = {"code_generator": CodeGenerator, "code_discriminator": CodeDiscriminator}
