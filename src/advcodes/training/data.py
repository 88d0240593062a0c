"""Training data: the whole split as one uint8 tensor on the device, a batch is an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from advcodes.data.prepared import load
from advcodes.data.values import to_float
from advcodes.errors import AdvcodesError
from advcodes.methods.base import Examples
from advcodes.text.embeddings import Embeddings
from advcodes.training.seed import epoch_order


@dataclass
class Batch:
    """Images [N, C, H, W] in the value range, labels int64 [N], attributes float [N, A] and text [N, E] or None."""

    images: Tensor
    labels: Tensor
    attributes: Tensor | None
    text: Tensor | None = None


class TrainingData:
    """One split of a prepared dataset.

    Args:
        directory: of the prepared dataset.
        split: its name.
        value_range: what networks see.
        batch_size: images a batch; the incomplete last batch of an epoch is left out.
        seed: of the order.
        device: that holds the array and makes the batches.
        flip: random horizontal flips.
        channels_last: memory layout of batches.
        text: directory of the embeddings of the dataset's captions; None where they are not used.

    Raises:
        AdvcodesError: the split has fewer images than a batch.
    """

    def __init__(
        self,
        directory: Path,
        split: str,
        value_range: Sequence[float],
        batch_size: int,
        seed: int,
        device: torch.device,
        flip: bool = False,
        channels_last: bool = False,
        text: Path | None = None,
    ):
        whole = load(directory)
        data = whole.split(split)
        if len(data.images) < batch_size:
            raise AdvcodesError(
                f"{directory}: split {split!r} has {len(data.images)} images, fewer than one batch; "
                f"lower training.batch_size ({batch_size}) or add images"
            )
        self.shape = tuple(data.images.shape[1:])
        self.text = None if text is None else Embeddings(text, whole.rows(split), device)
        self.examples = Examples(
            self.shape,
            tuple(value_range),
            len(data.classes),
            len(data.attribute_names),
            self.text.size if self.text else 0,
        )
        self.images = _on(device, data.images)
        self.labels = _on(device, data.labels)
        self.attributes = None if data.attributes is None else _on(device, data.attributes)
        self.value_range, self.batch_size, self.seed, self.device = value_range, batch_size, seed, device
        self.flip = flip and len(self.shape) == 3
        self.memory_format = torch.channels_last if channels_last and len(self.shape) == 3 else torch.contiguous_format
        self.steps_per_epoch = len(data.images) // batch_size
        self._order: tuple[int, Tensor] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of a step (from 0): a function of seed and step, whatever was drawn before."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, epoch_order(len(self.images), self.seed, epoch).to(self.device)
        index = self._order[1][position * self.batch_size : (position + 1) * self.batch_size]
        images = to_float(self.images[index], self.value_range)
        if self.flip:
            chosen = torch.rand(len(images), 1, 1, 1, device=self.device) < 0.5
            images = torch.where(chosen, images.flip(-1), images)
        attributes = None if self.attributes is None else self.attributes[index].float()
        text = None if self.text is None else self.text.any(index)
        return Batch(images.contiguous(memory_format=self.memory_format), self.labels[index], attributes, text)


def _on(device: torch.device, array: np.ndarray) -> Tensor:
    """The array as a tensor on the device: read from the file straight into one copy."""
    tensor = torch.empty(array.shape, dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype, device=device)
    for start in range(0, len(array), 16_384):  # a slice at a time, so that a memory map is never held twice
        tensor[start : start + 16_384] = torch.from_numpy(np.array(array[start : start + 16_384]))
    return tensor
