"""The Python interface to trained runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advcodes.config.sections import FITS, Sampling
from advcodes.core.errors import AdvcodesError, unknown
from advcodes.core.values import to_float
from advcodes.data.decoding import decode, headers, of_all, settled
from advcodes.data.files import Tree, is_image
from advcodes.data.levels import to_8bit as levelled
from advcodes.data.view import padded, to_8bit, view_image
from advcodes.evaluation.sample import generate, shown
from advcodes.methods.base import ABILITIES
from advcodes.training.restore import SENTENCES, Restored, restore

AFFECTS_RESULTS = False
Images = Tensor | np.ndarray


class TrainedRun:
    """A trained method that samples, encodes and decodes; asking for what it cannot is a clear error.

    Images are float32 [N, C, H, W] in :attr:`value_range`.
    """

    def __init__(self, restored: Restored, directory: Path):
        self._restored, self.directory = restored, directory
        self.method = restored.method
        self.shape, self.value_range, self.config = restored.shape, restored.value_range, restored.config

    def __repr__(self) -> str:
        restored, able = self._restored, [a for a in ABILITIES if self.method.can(a, self.method.config)]
        return (
            f"<TrainedRun {self.method.name}, images {tuple(self.shape)} in {list(self.value_range)}, "
            f"{restored.images:,} seen; can {', '.join(able)}; {self.directory}>"
        )

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """``n`` generated images, rounded to 8 bits as metrics see them; the same for the same seed."""
        stored = generate(self._restored, n, Sampling().model_dump(), seed)
        return to_float(torch.from_numpy(np.asarray(stored)), self.value_range)

    def say(self, sentences: Sequence[str], n: int, seed: int = 0) -> Tensor:
        """Images of sentences, [S, n, C, H, W], with the same ``n`` draws of noise for each sentence.

        Raises:
            AdvcodesError: the method is not conditioned on sentences, or no word of a sentence is known.
        """
        from advcodes.text import encoder

        if self.method.conditioned_on != "text":
            raise AdvcodesError(
                f"{self.method.name} is conditioned on {self.method.conditioned_on or 'nothing'}, not on sentences; "
                "use a run of a method that is, such as lpaae_text"
            )
        conditions = encoder.load(self.directory / SENTENCES).embed(list(sentences))
        stored = shown(self._restored, conditions, n, Sampling().model_dump(), seed)
        return to_float(torch.from_numpy(stored), self.value_range).transpose(0, 1)

    def encode(self, x: Images) -> Tensor:
        """Codes [N, latent_dim] of images; ordinary tensors, for the next model to learn from.

        Here and below images are tensors or arrays [N, C, H, W] of the run's shape: floats in :attr:`value_range`, or
        uint8, 0 to 255, which are brought to it.

        Raises:
            AdvcodesError: images of another shape, type or range.
        """
        return self._run(self.method.encode, self._images(x))

    def decode(self, c: Tensor) -> Tensor:
        """Images of codes [N, latent_dim]."""
        return self._run(self.method.decode, c)

    def reconstruct(self, x: Images) -> Tensor:
        """Images of the codes of images."""
        return self._run(self.method.reconstruct, self._images(x))

    def interpolate(self, a: Images, b: Images, steps: int = 9) -> Tensor:
        """Images of codes on the line from those of ``a`` to those of ``b``: [N, steps, C, H, W], ends included."""
        if steps < 2:
            raise AdvcodesError(f"interpolate: expected 2 steps at least, got {steps}")
        first, last = self.encode(a), self.encode(b)
        if len(first) != len(last):
            raise AdvcodesError(f"interpolate: {len(first)} images and {len(last)}; expected as many")
        share = torch.linspace(0, 1, steps)[None, :, None]
        codes = first[:, None] * (1 - share) + last[:, None] * share
        return self.decode(codes.flatten(0, 1)).unflatten(0, (len(first), steps))

    def _images(self, x: Images) -> Tensor:
        """Images as the networks take them: float32 in the value range."""
        x = torch.as_tensor(x)
        if x.ndim != 1 + len(self.shape) or tuple(x.shape[1:]) != tuple(self.shape):
            raise AdvcodesError(f"images: expected [N, {', '.join(map(str, self.shape))}], got {list(x.shape)}")
        if x.dtype == torch.uint8:
            return to_float(x, self.value_range)
        if not x.is_floating_point():
            raise AdvcodesError(f"images: expected floats, or uint8 from 0 to 255, got {x.dtype}")
        low, high = self.value_range
        slack = 0.01 * (high - low)
        if getattr(self.method.config, "masked", False):
            slack += (high - low) / 2  # what such a method's images have where a piece is missing
        if len(self.shape) > 1 and x.numel() and not (low - slack <= x.min() and x.max() <= high + slack):
            raise AdvcodesError(
                f"images: values from {float(x.min()):.3g} to {float(x.max()):.3g}, but this run's are from {low:g} to "
                f"{high:g}; scale them, or give uint8 from 0 to 255"
            )
        return x.float()

    def inpaint(self, x: Images, mask: Images) -> Tensor:
        """Images filled where ``mask`` is true; elsewhere they stay as they are.

        Batch norm has the statistics of training, as there are no images here to estimate others from.

        Args:
            x: [N, C, H, W], floats in :attr:`value_range` or uint8; what is missing may have any value.
            mask: [N, 1, H, W], bool, or numbers that are true where they are not 0.

        Raises:
            AdvcodesError: the method cannot inpaint, or not without ``masked: true``.
        """
        return self._run(self.method.inpaint, to_float(torch.as_tensor(x), self.value_range), torch.as_tensor(mask))

    def export(self, path: str | Path) -> int:
        """Write all weights as safetensors, for other programs; returns how many tensors.

        They are called ``<role>.<parameter>``: ``encoder.net.0.weight``. The file's metadata hold, as JSON, ``run``:
        configuration, shape and value range.
        """
        from safetensors.torch import save

        tensors = {
            f"{role}.{name}": value.detach().cpu().contiguous().clone()
            for role, net in self.method.networks.items()
            for name, value in net.state_dict().items()
        }
        about = {"config": self.config, "shape": list(self.shape), "value_range": list(self.value_range)}
        content = save(tensors, {"format": "pt", "run": json.dumps(about)})
        Path(path).expanduser().write_bytes(content)  # `save_file` would let nobody else read it
        return len(tensors)

    @torch.no_grad()  # not inference mode: its tensors cannot be learned from
    def _run(self, function: Any, *tensors: Tensor) -> Tensor:
        device = next(next(iter(self.method.networks.values())).parameters()).device
        return function(*(torch.as_tensor(t).to(device) for t in tensors)).cpu()


def images(
    folder: str | Path, size: int, channels: int = 3, fit: str = "crop", levels: Sequence[float] | None = None
) -> Tensor:
    """The images of a folder or zip in order of their names, uint8 [N, channels, size, size], for :class:`TrainedRun`.

    Args:
        folder: or zip.
        size: side of the square images.
        channels: 1 (grey) or 3 (colour).
        fit: how they become square, as for ``advcodes train --data``: ``crop`` to the centre, ``pad`` or ``squash``.
        levels: values that are black and white in images of more than 8 bits a channel.

    Raises:
        AdvcodesError: there are none, some do not decode (all of these are named), nothing tells their range of values,
            or there is no such ``fit``.
    """
    if fit not in FITS:
        raise unknown("fit", fit, FITS)
    root = Path(folder).expanduser()
    tree = Tree(root) if root.exists() else None
    names = [name for name in tree.names if is_image(name)] if tree else []
    if tree is None or not names:
        raise AdvcodesError(f"{root}: no images there")
    known = settled(tree, headers(tree, names), levels)

    def view(name: str) -> np.ndarray:
        image = decode(tree, name)
        try:
            image = levelled(image, known) if known else image
            image = padded(to_8bit(image, channels)) if fit == "pad" else image
            return view_image(image, size=size, keep_aspect=fit == "crop", channels=channels)
        except AdvcodesError as error:
            raise AdvcodesError(f"{tree.where(name)}: {error}") from None

    views = of_all(names, view)
    return torch.from_numpy(np.stack([views[name] for name in names]))


def find(run: str | Path) -> Path:
    """The directory of a run that :func:`load` takes.

    Raises:
        AdvcodesError: several runs lie below it.
    """
    directory = Path(run).expanduser()
    if not directory.is_dir():
        return Path("data/runs") / run
    if (directory / "run.json").exists():
        return directory
    below = sorted(path.parent for path in directory.glob("runs/*/*/*/seed*/run.json"))
    if len(below) > 1:
        raise AdvcodesError(f"{directory}: holds {len(below)} runs; name one: {', '.join(map(str, below))}")
    return below[0] if below else directory


def load(run: str | Path, device: Any = "cpu") -> TrainedRun:
    """See :func:`advcodes.load`."""
    directory = find(run)
    return TrainedRun(restore(directory, device), directory)
