"""Networks of codes: ACL's G_z and D_c (section 3.2; widths are facts 5.9's assumption), LPAAE's CG, D_C and Q.

A *condition* is what such a network gets beside its input: ``classes`` (one-hot), ``text`` (the embedding of a
caption), a number of clusters (one-hot), or nothing. It is joined to the input.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from advcodes.nets.spec import DatasetSpec
from advcodes.nets.variational import LogScale, PseudoInputs


def mlp(
    sizes: list[int], activation: Callable[[], nn.Module], dropout: float = 0.0, batch_norm: bool = False
) -> nn.Sequential:
    """Linear layers with activation and dropout between them, none after the last; batch norm after each or none."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(a, b))
        if batch_norm:
            layers.append(nn.BatchNorm1d(b))
        if i < len(sizes) - 2:
            layers += [activation(), nn.Dropout(dropout)] if dropout else [activation()]
    return nn.Sequential(*layers)


class CodeGenerator(nn.Module):
    """Noise [N, noise] to codes [N, d], ReLU inside, linear output.

    With ``generator_batch_norm`` every layer is normalised, the last one too (LPAAE table A.2).

    Args:
        noise: numbers of noise; as many as a code has, less those of the condition, if None.
        condition: what it is conditioned on.
    """

    def __init__(
        self,
        architecture: Any,
        spec: DatasetSpec,
        latent_dim: int,
        noise: int | None = None,
        condition: str | int | None = None,
    ):
        super().__init__()
        code, condition_size = architecture.code, spec.condition_size(condition)
        size = condition_size + (noise or latent_dim - condition_size)
        width = 2 * size if code.generator_width == "double" else code.generator_width or code.width
        sizes = [size, *[width] * code.hidden_layers, latent_dim]
        self.net = mlp(sizes, nn.ReLU, batch_norm=code.generator_batch_norm)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.net(_joined(z, condition))


class CodeDiscriminator(nn.Module):
    """Codes [N, d] to logits [N] (real = encoder's code in ACL, the prior's in AAE and LPAAE).

    Args:
        condition: what it is conditioned on.
    """

    def __init__(self, architecture: Any, spec: DatasetSpec, latent_dim: int, condition: str | int | None = None):
        super().__init__()
        code = architecture.code
        widths = code.discriminator_widths or [code.width] * code.hidden_layers
        sizes = [latent_dim + spec.condition_size(condition), *widths, 1]
        self.net = mlp(sizes, lambda: nn.LeakyReLU(code.slope), code.dropout)

    def forward(self, c: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.net(_joined(c, condition)).squeeze(1)


class LabelHead(nn.Module):
    """Codes [N, d] to logits of classes [N, K], or of binary attributes [N, A].

    Codes are the classifier's last hidden layer before its activation (facts 5.10, SGAN).
    """

    def __init__(self, architecture: Any, spec: DatasetSpec, latent_dim: int, supervision: str):
        super().__init__()
        n = getattr(spec, spec.targets(supervision))
        self.net = nn.Sequential(nn.LeakyReLU(architecture.slope), nn.Linear(latent_dim, n))

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c)


class Recogniser(nn.Module):
    """Q: last hidden layer of an image discriminator [N, F] to the condition of the image (LPAAE table A.3).

    Logits [N, K] of classes or clusters, or the embedding of a sentence [N, E]. The discriminator's layers below are
    shared, as in InfoGAN.

    Args:
        condition: what is read.
        features: F; the architecture's if None.
    """

    def __init__(
        self, architecture: Any, spec: DatasetSpec, latent_dim: int, condition: str | int, features: int | None = None
    ):
        super().__init__()
        # Of `mlp` and `resnet`: the width of hidden layers.
        features = features or getattr(architecture, "features", architecture.width)
        self.head = nn.Linear(features, spec.condition_size(condition))

    def forward(self, features: Tensor) -> Tensor:
        return self.head(features)


def _joined(x: Tensor, condition: Tensor | None) -> Tensor:
    return x if condition is None else torch.cat([condition.to(x.dtype), x], 1)


KINDS = {
    "code_generator": CodeGenerator,
    "code_discriminator": CodeDiscriminator,
    "label_head": LabelHead,
    "recogniser": Recogniser,
    "pseudo_inputs": PseudoInputs,
    "log_scale": LogScale,
}
