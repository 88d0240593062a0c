"""The Python interface to trained runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advcodes.config.sections import Sampling
from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_float
from advcodes.evaluation.sample import generate, shown
from advcodes.training.restore import SENTENCES, Restored, restore

AFFECTS_RESULTS = False


class TrainedRun:
    """A trained method that samples, encodes and decodes; asking for what it cannot is a clear error.

    Images are float32 [N, C, H, W] in :attr:`value_range`.
    """

    def __init__(self, restored: Restored, directory: Path):
        self._restored, self.directory = restored, directory
        self.method = restored.method
        self.shape, self.value_range, self.config = restored.shape, restored.value_range, restored.config

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """``n`` generated images, rounded to 8 bits as metrics see them; the same for the same seed."""
        stored = generate(self._restored, n, Sampling().model_dump(), seed)
        return to_float(torch.from_numpy(np.asarray(stored)), self.value_range)

    def say(self, sentences: Sequence[str], n: int, seed: int = 0) -> Tensor:
        """Images of sentences, [S, n, C, H, W], with the same ``n`` draws of noise for each sentence.

        Raises:
            AdvcodesError: the method is not asked in words, or no word of a sentence is known.
        """
        from advcodes.text import encoder

        if self.method.asks != "text":
            raise AdvcodesError(
                f"{self.method.name} is asked for {self.method.asks or 'nothing'}, not in words; use a run of a method "
                "that is told captions, such as lpaae_text"
            )
        conditions = encoder.load(self.directory / SENTENCES).embed(list(sentences))
        stored = shown(self._restored, conditions, n, Sampling().model_dump(), seed)
        return to_float(torch.from_numpy(stored), self.value_range).transpose(0, 1)

    def encode(self, x: Tensor) -> Tensor:
        """Codes [N, latent_dim] of images."""
        return self._run(self.method.encode, x)

    def decode(self, c: Tensor) -> Tensor:
        """Images of codes [N, latent_dim]."""
        return self._run(self.method.decode, c)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images of the codes of images."""
        return self._run(self.method.reconstruct, x)

    def inpaint(self, x: Tensor, mask: Tensor) -> Tensor:
        """Images filled where ``mask`` is true; elsewhere they stay as they are.

        Batch norm has the statistics of training, as there are no images here to estimate others from.

        Args:
            x: float32 [N, C, H, W] in :attr:`value_range`; what is missing may have any value.
            mask: [N, 1, H, W], bool, or numbers that are true where they are not 0.

        Raises:
            AdvcodesError: the method cannot inpaint, or not without ``masked: true``.
        """
        return self._run(self.method.inpaint, x, mask)

    @torch.no_grad()  # not inference mode: its tensors cannot be learned from
    def _run(self, function: Any, *tensors: Tensor) -> Tensor:
        device = next(next(iter(self.method.networks.values())).parameters()).device
        return function(*(t.to(device) for t in tensors)).cpu()


def load(run: str | Path, device: Any = "cpu") -> TrainedRun:
    """See :func:`advcodes.load`."""
    directory = Path(run).expanduser()
    if not directory.is_dir():
        directory = Path("data/runs") / run
    return TrainedRun(restore(directory, device), directory)
