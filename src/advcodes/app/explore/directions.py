"""Directions in a space of codes: those along which codes vary most, and those of attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from advcodes.studies.kinds.attributes import direction

AFFECTS_RESULTS = False


@dataclass(frozen=True)
class Principal:
    """Principal directions of codes.

    Attributes:
        mean: of the codes, [d].
        axes: orthonormal rows [K, d], the one of the largest variance first.
        sd: of the codes along each, [K].
        share: of their whole variance, [K]; all 0 where codes do not vary.
    """

    mean: Tensor
    axes: Tensor
    sd: Tensor
    share: Tensor

    def at(self, amounts: Sequence[float], start: Tensor | None = None) -> Tensor:
        """The code [d] that lies ``amounts`` standard deviations along each direction from ``start``, or the mean."""
        steps = torch.zeros(len(self.sd)).index_copy(0, torch.arange(len(amounts)), torch.tensor(amounts).float())
        return (self.mean if start is None else start) + (steps * self.sd) @ self.axes


def principal(codes: Tensor, count: int) -> Principal:
    """The ``count`` principal directions of codes [N, d], or as many as there are: N - 1 or d.

    The sign of a direction, which its variance leaves open, makes its largest number positive.
    """
    mean = codes.double().mean(0)
    _, values, axes = torch.linalg.svd(codes.double() - mean, full_matrices=False)
    count = min(count, codes.shape[1], max(1, len(codes) - 1))
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    axes = axes * largest.sign()
    variance = values.square() / max(1, len(codes) - 1)
    whole = variance.sum()
    share = variance / whole if whole > 0 else torch.zeros_like(variance)
    parts = (mean, axes[:count], variance.sqrt()[:count], share[:count])
    return Principal(*(part.float() for part in parts))


def attribute_vectors(codes: Tensor, holds: np.ndarray, names: Sequence[str]) -> dict[str, Tensor]:
    """By attribute the mean code of images that have it minus that of those that have not, [d].

    Attributes that all images have, or none, are left out.

    Args:
        codes: [N, d].
        holds: 0 or 1, [N, A].
        names: of the A attributes.
    """
    differ = [(a, name) for a, name in enumerate(names) if 0 < holds[:, a].astype(bool).sum() < len(holds)]
    return {name: direction(codes, holds[:, a], name) for a, name in differ}
