"""Training data: the whole split as one uint8 tensor on the device, a batch is an index."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_float
from advcodes.data.expected import held_out_split
from advcodes.data.prepared import load
from advcodes.jobs.seed import epoch_order
from advcodes.nets.spec import DatasetSpec
from advcodes.text.embeddings import Embeddings


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
        held_out: share of the split that batches leave out, for :meth:`validation`: the same images whatever the seed.
            None for all, and for none where the dataset has a split ``validation`` or ``val`` that is not trained on.

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
        held_out: float | None = None,
    ):
        whole = load(directory)
        data = whole.split(split)
        validation = held_out_split(whole.splits, split)
        set_aside = None if validation else held_out
        rows = np.arange(len(data)) if set_aside is None else np.random.default_rng(0).permutation(len(data))
        first = 0 if set_aside is None else max(1, round(set_aside * len(data)))
        self._held_out = data.images[np.sort(rows[:first])]
        if held_out is not None and validation is not None:
            self._held_out = whole.split(validation).images
        if len(data) - first < batch_size:
            raise AdvcodesError(
                f"{directory}: split {split!r} has {len(data) - first} images, fewer than one batch; "
                f"lower training.batch_size ({batch_size}) or add images"
            )
        self.shape = tuple(data.images.shape[1:])
        low, high = value_range
        self.text = None if text is None else Embeddings(text, whole.rows(split), device)
        self.spec = DatasetSpec(
            self.shape,
            (low, high),
            len(data.classes),
            len(data.attribute_names),
            self.text.size if self.text else 0,
        )
        self._rows = torch.from_numpy(np.sort(rows[first:])) if first else None
        self.images = _on(device, data.images)
        self.labels = _on(device, data.labels)
        self.attributes = None if data.attributes is None else _on(device, data.attributes)
        self.value_range, self.batch_size, self.seed, self.device = value_range, batch_size, seed, device
        self.flip = flip and len(self.shape) == 3
        self.memory_format = torch.channels_last if channels_last and len(self.shape) == 3 else torch.contiguous_format
        self.seen = len(data) - first  #: images that batches are made of
        self.steps_per_epoch = self.seen // batch_size
        self._order: tuple[int, Tensor] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of a step (from 0): a function of seed and step, whatever was drawn before."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            order = epoch_order(self.seen, self.seed, epoch)
            self._order = epoch, (order if self._rows is None else self._rows[order]).to(self.device)
        index = self._order[1][position * self.batch_size : (position + 1) * self.batch_size]
        images = to_float(self.images[index], self.value_range)
        if self.flip:
            chosen = torch.rand(len(images), 1, 1, 1, device=self.device) < 0.5
            images = torch.where(chosen, images.flip(-1), images)
        attributes = None if self.attributes is None else self.attributes[index].float()
        text = None if self.text is None else self.text.any(index)
        return Batch(images.contiguous(memory_format=self.memory_format), self.labels[index], attributes, text)

    def validation(self, size: int) -> Iterator[Tensor]:
        """Held-out images in the value range, in batches of ``size`` on the device."""
        for start in range(0, len(self._held_out), size):
            stored = torch.from_numpy(np.array(self._held_out[start : start + size])).to(self.device)
            yield to_float(stored, self.value_range).contiguous(memory_format=self.memory_format)


def _on(device: torch.device, array: np.ndarray) -> Tensor:
    """The array as a tensor on the device: read from the file straight into one copy."""
    tensor = torch.empty(array.shape, dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype, device=device)
    for start in range(0, len(array), 16_384):  # a slice at a time, so that a memory map is never held twice
        tensor[start : start + 16_384] = torch.from_numpy(np.array(array[start : start + 16_384]))
        _let_go(array)
    return tensor


def _let_go(array: np.ndarray) -> None:
    """Take what was read of a memory map out of this process's memory; where it is read again, it comes back."""
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
