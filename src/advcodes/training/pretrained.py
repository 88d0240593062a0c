"""Networks trained beforehand whose features of images methods learn from (GALI-PT; facts 5.17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError
from advcodes.extractors.registry import EXTRACTORS


@dataclass(frozen=True)
class Known:
    """Features [N, size] of images [N, C, H, W] in a run's value range; a gradient goes through to the images.

    Attributes:
        features: of images on [0, 1].
        size: numbers of an image.
        value_range: of the run's images.
    """

    features: Callable[[Tensor], Tensor]
    size: int
    value_range: Sequence[float]

    def __call__(self, x: Tensor) -> Tensor:
        low, high = self.value_range
        return self.features((x.float() - low) / (high - low)).float()


def load(
    directory: Path | None,
    network: Literal["features", "classifier", "inception"],
    value_range: Sequence[float],
    where: torch.device,
) -> Known:
    """What training asks a network for.

    Args:
        directory: of the network.
        network: that of the feature-MSE, or one that metrics are computed on.
        value_range: of the run's images.
        where: device.

    Raises:
        AdvcodesError: there is none, or its files are missing or damaged.
    """
    if directory is None:
        raise AdvcodesError(
            "this method learns from the features of a pretrained network, which the pipeline trains; train it as a "
            "run of params.yaml"
        )
    if network == "features":
        known = EXTRACTORS["features"].load(directory, where)
        return Known(known.for_training().features, known.size, value_range)
    extractor = EXTRACTORS[network].load(directory, where)
    if network == "inception":
        return Known(lambda x: extractor.network.pool3(255 * x), 2048, value_range)
    return Known(lambda x: extractor.network(255 * x)[0], extractor.network.head.in_features, value_range)
