"""A training in TensorBoard: losses, metrics and images while it runs (`advcodes train --tensorboard`)."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_float, to_stored
from advcodes.data.prepared import load
from advcodes.evaluation.sample import generate
from advcodes.methods.base import Method
from advcodes.pages.pictures.images import tile
from advcodes.training.restore import Restored

if TYPE_CHECKING:
    from advcodes.training.loop import Loop

AFFECTS_RESULTS = False
PICTURES = 20  #: times in a whole run that images are written
SIDE = 6  #: samples in a row and in a column
SHOWN = 12  #: held-out images that are reconstructed
#: As the generator has it in training; re-estimated statistics would take longer than the steps between two pictures.
SAMPLING = {"batch_norm": "batch", "batch_size": 64, "reestimate_batches": 1}


def watched(artifact: Artifact, folder: Path) -> Watch:
    """A :class:`Watch` of a `train/...` artifact, and a line that says how to look at it.

    Raises:
        AdvcodesError: TensorBoard is not installed.
    """
    watch = Watch(folder, artifact.config, artifact.inputs["data"].directory)
    print(f"tensorboard --logdir {folder.parent}", flush=True)
    return watch


class Watch:
    """Writes what a training logs to TensorBoard: call it with the loop and a row's means.

    The horizontal axis is images seen. A run that is resumed hides what was written beyond its checkpoint. The networks
    and random streams of the training are left as they are: what draws and reconstructs is a copy.

    Args:
        folder: for the log.
        config: the run's resolved configuration.
        data: directory of its prepared dataset.

    Raises:
        AdvcodesError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], data: Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise AdvcodesError("--tensorboard needs the package tensorboard: pip install 'advcodes[watch]'") from None
        self._open, self._folder = SummaryWriter, folder
        self._writer: Any = None  # opened at the first row, which tells where a resumed run goes on
        self._config, self._data, self._batch = config, data, config["training"]["batch_size"]
        self._last: tuple[float, int] | None = None
        self._share: int | None = None

    def __call__(self, loop: Loop, means: Mapping[str, float]) -> None:
        seen = loop.step * self._batch
        if self._writer is None:
            self._writer = self._open(self._folder, purge_step=seen)
            self._writer.add_text("configuration", f"```json\n{json.dumps(self._config, indent=1)}\n```", seen)
        for name, value in means.items():
            self._writer.add_scalar(f"{'losses' if loop.is_loss(name) else 'metrics'}/{name}", value, seen)
        self._speed(seen)
        if self._due(loop):
            self._pictures(loop.method, loop.step, seen)
        self._writer.flush()

    def _speed(self, seen: int) -> None:
        now = time.monotonic()
        if self._last is not None:
            before, earlier = self._last
            self._writer.add_scalar("metrics/images_per_second", (seen - earlier) / max(now - before, 1e-9), seen)
        self._last = now, seen

    def _due(self, loop: Loop) -> bool:
        """Whether another share of the run has passed since the last pictures, or it has ended."""
        share = PICTURES * loop.step // loop.total if loop.total else 0
        before, self._share = self._share, share
        return share != before

    def _pictures(self, method: Method, step: int, seen: int) -> None:
        """Samples, reconstructions of held-out images, and their error."""
        spec = method.spec
        if len(spec.shape) == 1:  # points
            return
        with torch.random.fork_rng():
            twin = copy.deepcopy(method)
            for net in twin.networks.values():
                net.eval().requires_grad_(False)
            if twin.can("sample", twin.config):
                restored = Restored(twin, spec.shape, spec.value_range, step, seen, dict(self._config))
                images = generate(restored, SIDE * SIDE, SAMPLING, self._config["seed"], "tensorboard")
                self._picture("samples", images, SIDE, SIDE, seen)
            if twin.can("reconstruct", twin.config):
                self._reconstructions(twin, seen)

    def _reconstructions(self, method: Method, seen: int) -> None:
        data = load(self._data)
        held = next((name for name in ("val", "test") if name in data.splits), self._config["view"]["train_split"])
        real = np.array(data.split(held).images[:SHOWN])
        x = to_float(torch.from_numpy(real).to(method.device), method.spec.value_range)
        with torch.inference_mode():
            made = method.reconstruct(x)
        low, high = method.spec.value_range
        error = float((made.float() - x).square().mean()) / (high - low) ** 2
        self._writer.add_scalar("metrics/reconstruction_error_held_out", error, seen)
        both = np.concatenate([real, to_stored(made, method.spec.value_range).cpu().numpy()])
        self._picture("reconstructions", both, 2, len(real), seen)

    def _picture(self, name: str, images: np.ndarray, rows: int, columns: int, seen: int) -> None:
        picture = tile(images, rows, columns, None)
        self._writer.add_image(f"images/{name}", picture, seen, dataformats="HWC")
