"""The common face of feature extractors: stored images in, features and logits out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from advcodes.core.errors import AdvcodesError
from advcodes.core.progress import Progress
from advcodes.extractors.registry import measuring


@dataclass(frozen=True)
class Extractor:
    """A frozen network whose features metrics compare.

    Attributes:
        network: maps stored images, uint8 [N, C, H, W] (points: float32 [N, D]), to features [N, F] and logits [N, K].
        sha256: of its weights file.
        batch_size: images a pass.
        resize: what it does to an image's size, in words.
        classes: whether logits are those of one softmax over classes, without which the Inception Score has no sense.
        about: what it was trained to do and how well; goes to metrics.json.
    """

    network: nn.Module
    sha256: str
    batch_size: int
    resize: str
    classes: bool
    about: Mapping[str, Any] = field(default_factory=dict)

    @torch.inference_mode()
    def features(self, images: np.ndarray, what: str = "features") -> tuple[Tensor, Tensor]:
        """Features float32 [N, F] and logits float32 [N, K], on the CPU.

        Args:
            images: uint8 [N, C, H, W] (0..255), or float32 points [N, D]; a memory map is read batch by batch.
            what: first words of progress lines.

        Raises:
            AdvcodesError: there are no images, or they are none that the extractor takes.
        """
        if len(images) == 0:
            raise AdvcodesError(f"{what}: no images to extract features from; expected at least one")
        device = next(self.network.parameters()).device
        progress, features, logits = Progress(what, len(images), "images"), [], []
        for start in range(0, len(images), self.batch_size):
            batch = torch.from_numpy(np.array(images[start : start + self.batch_size])).to(device)
            f, k = self.network(batch)
            features.append(f.float().cpu())
            logits.append(k.float().cpu())
            progress.at(min(start + self.batch_size, len(images)))
        return torch.cat(features), torch.cat(logits)


def load_extractor(directory: Path | str, kind: str, device: torch.device | str = "cpu") -> Extractor:
    """Load an extractor that metrics may be on.

    Args:
        directory: of the extractor.
        kind: of those that measure, see :data:`advcodes.extractors.registry.EXTRACTORS`.
        device: to run on.

    Raises:
        AdvcodesError: no such kind, or weights that are missing, damaged or not the expected ones.
    """
    return measuring(kind).load(Path(directory), device)


def check_images(stored: Tensor, what: str, without: str) -> None:
    """See that a network of colour images can take stored ones: uint8 [N, 1 or 3, H, W].

    Args:
        stored: images.
        what: takes them, for the message.
        without: how to do without it.

    Raises:
        AdvcodesError: they are neither grey nor in colour, or not of 8 bits.
    """
    if stored.ndim != 4 or stored.dtype != torch.uint8 or stored.shape[1] not in (1, 3):
        raise AdvcodesError(
            f"{what} takes grey or colour images of 8 bits, got {stored.dtype} {list(stored.shape[1:])}; {without}"
        )


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
