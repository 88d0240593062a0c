"""The networks of adversarial code learning: ACL's G_z and D_c (section 3.2; widths are facts 5.9's assumption)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from advcodes.methods.base import Examples


def mlp(sizes: list[int], activation: Callable[[], nn.Module], dropout: float = 0.0) -> nn.Sequential:
    """Linear layers with an activation (and dropout) between them, none after the last."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(a, b))
        if i < len(sizes) - 2:
            layers += [activation(), nn.Dropout(dropout)] if dropout else [activation()]
    return nn.Sequential(*layers)


class CodeGenerator(nn.Module):
    """G_z: noise [N, d] to codes [N, d], ReLU inside, linear output."""

    def __init__(self, architecture: Any, examples: Examples, latent_dim: int):
        super().__init__()
        code = architecture.code
        self.net = mlp([latent_dim, *[code.width] * code.hidden_layers, latent_dim], nn.ReLU)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class CodeDiscriminator(nn.Module):
    """D_c: codes [N, d] to logits [N] (real = encoder's code)."""

    def __init__(self, architecture: Any, examples: Examples, latent_dim: int):
        super().__init__()
        code = architecture.code
        sizes = [latent_dim, *[code.width] * code.hidden_layers, 1]
        self.net = mlp(sizes, lambda: nn.LeakyReLU(code.slope), code.dropout)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c).squeeze(1)


class LabelHead(nn.Module):
    """Codes [N, d] to logits of classes [N, K], or of binary attributes [N, A].

    Codes are the classifier's last hidden layer before its activation (facts 5.10, SGAN).
    """

    def __init__(self, architecture: Any, examples: Examples, latent_dim: int, supervision: str):
        super().__init__()
        n = getattr(examples, examples.targets(supervision))
        self.net = nn.Sequential(nn.LeakyReLU(architecture.slope), nn.Linear(latent_dim, n))

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c)


KINDS = {"code_generator": CodeGenerator, "code_discriminator": CodeDiscriminator, "label_head": LabelHead}
