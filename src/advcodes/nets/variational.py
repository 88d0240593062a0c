"""What a VampPrior VAE has beside encoder and decoder: pseudo-inputs, and the spread of its likelihood (facts 5.11)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from advcodes.nets.spec import DatasetSpec

START = -2.0  #: of log-scales: the spread of natural pixels around their mean, on [0, 1]


class PseudoInputs(nn.Module):
    """K learned examples u_k [K, *shape].

    The published code has them as a bias-free linear map of the identity: that is its weight, and its weight is here.
    Images start as N(0.4, 0.05) on [0, 1], its setting for CIFAR-10, and are clamped to that range (hardtanh) before
    they are mapped to the dataset's. Points start as N(0, 1) and are unbounded (**assumed**).

    Args:
        count: K.
    """

    def __init__(self, architecture: Any, spec: DatasetSpec, latent_dim: int, count: int):
        super().__init__()
        mean, sd = (0.0, 1.0) if len(spec.shape) == 1 else (0.4, 0.05)
        self.weight = nn.Parameter(torch.empty(count, *spec.shape).normal_(mean, sd))
        self.value_range = None if len(spec.shape) == 1 else spec.value_range

    def forward(self) -> Tensor:
        if self.value_range is None:
            return self.weight
        low, high = self.value_range
        return low + (high - low) * nn.functional.hardtanh(self.weight, 0.0, 1.0)


class LogScale(nn.Module):
    """Log-scales in (-4.5, 0) of a discretised logistic, one for each number of an example: [1, *shape].

    In the published code the decoder gives them beside each mean, clamped to that range. Here they are parameters, so
    that the decoder is the one of every other method (**assumed**), and a sigmoid keeps them in the range: a clamped
    parameter would get no gradient once it is beyond.
    """

    LOWEST = -4.5

    def __init__(self, architecture: Any, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        share = torch.tensor(START / self.LOWEST)
        self.weight = nn.Parameter(share.logit().expand(1, *spec.shape).clone())

    def forward(self) -> Tensor:
        return self.LOWEST * self.weight.sigmoid()
