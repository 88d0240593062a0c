"""The stage that generates a run's images, and how batch norm is prepared for it."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from advcodes.data.values import to_stored
from advcodes.errors import AdvcodesError
from advcodes.methods.base import Method
from advcodes.params import Machine
from advcodes.progress import Progress
from advcodes.provenance import Artifact
from advcodes.training import device
from advcodes.training.restore import Restored, restore


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make a `sample/...` artifact: ``samples.npy``, uint8 [N, C, H, W], or float32 [N, D] for points.

    The noise is drawn from a stream of its own that the run's seed fixes, on the CPU: the same on every device.

    Raises:
        AdvcodesError: the run is missing, or a sample is not finite.
    """
    config = artifact.config
    with device.claimed(machine) as where:
        restored = restore(artifact.inputs["run"].directory, where)
        began = time.monotonic()
        samples = generate(restored, config["n_generated"], config, restored.config["seed"], artifact.id)
        seconds = time.monotonic() - began
    path = artifact.directory / "samples.npy"
    path.unlink(missing_ok=True)  # a cache may hold a hard link to the old one
    np.save(path, samples)
    return [path.name], {"images": len(samples), "step": restored.step, "seconds": round(seconds, 2)}


def generate(restored: Restored, n: int, config: Mapping[str, Any], seed: int, what: str = "sampling") -> np.ndarray:
    """Generate ``n`` images, quantised to 8 bits.

    The same seed gives the same images whatever ``n``: a smaller ``n`` gives the first of them. The networks are
    left as they were.

    Args:
        restored: a trained run.
        n: how many.
        config: ``batch_norm``, ``batch_size``, ``reestimate_batches``: `sampling` of params.yaml.
        seed: fixes two independent CPU streams: one for samples, one to re-estimate batch norm.
        what: named in progress lines and errors.

    Returns:
        uint8 [n, C, H, W] (0..255), or float32 [n, D] for points.

    Raises:
        AdvcodesError: a sample is not finite, or the method cannot sample; ``n`` or ``seed`` out of range.
    """
    if n < 1 or seed < 0:
        raise AdvcodesError(f"{what}: got {n} images and seed {seed}; expected at least one image and a seed from 0 on")
    method, size = restored.method, config["batch_size"]
    points = len(restored.shape) == 1
    for_samples, for_statistics = (
        torch.Generator().manual_seed(int(s)) for s in np.random.SeedSequence(seed).generate_state(2)
    )
    progress, images = Progress(what, n, "images"), []
    with torch.inference_mode(), normalised_for_samples(method, config, for_statistics):
        for start in range(0, n, size):
            # Always whole batches: each image is then the same for every n, also where batches have statistics of
            # their own.
            batch = method.sample(size, for_samples)[: n - start]
            finite = torch.isfinite(batch.flatten(1)).all(1)
            if not finite.all():
                bad = start + int((~finite).nonzero()[0])
                raise AdvcodesError(
                    f"{what}: image {bad} of {n} by {method.name!r} at step {restored.step} is not finite (NaN or "
                    "infinite); the run has diverged: lower its learning rate (optimiser.lr) and train again"
                )
            images.append(to_stored(batch, restored.value_range, points).cpu().numpy())
            progress.at(min(start + size, n))
    return np.concatenate(images)


def normalised_for_samples(
    method: Method, config: Mapping[str, Any], generator: torch.Generator
) -> contextlib.AbstractContextManager[None]:
    """Batch norm as `sampling` of params.yaml (``config``) has it for samples; ``generator`` fixes those it draws."""

    def passes() -> None:
        for _ in range(config["reestimate_batches"]):
            method.sample(config["batch_size"], generator)

    networks = [method.networks[role] for role in method.sampling_roles or method.networks]
    return normalised(networks, config["batch_norm"], passes)


@contextlib.contextmanager
def normalised(networks: Iterable[nn.Module], mode: str, passes: Callable[[], object]) -> Iterator[None]:
    """Put the batch norm of networks into a mode, and back when done; everything else, dropout too, stays as it is.

    A generator that decodes two kinds of codes (ACL-GAN's: G_z's codes into samples, the encoder's into
    reconstructions) has one set of running statistics for both, or for the one that it was trained on. Re-estimated,
    each kind gets its own: ``passes`` decodes that kind, and so does the body. For reconstructions::

        def passes():
            for x in batches_of_training_images:
                method.reconstruct(x)

        with torch.inference_mode(), normalised([method.generator], "reestimate", passes):
            images = method.reconstruct(held_out)

    Args:
        networks: whose layers it concerns; others keep the statistics of training.
        mode: ``running``: statistics accumulated in training; ``batch``: each batch's own; ``reestimate``: the plain
            mean over the batches of ``passes``.
        passes: forward passes, called once with ``reestimate``, and only if there is batch norm at all.
    """
    layers = [m for net in networks for m in net.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    before = [(layer.training, layer.momentum, copy.deepcopy(layer.state_dict())) for layer in layers]
    try:
        for layer in layers:
            layer.train(mode != "running")
        if mode == "reestimate" and layers:
            for layer in layers:
                layer.reset_running_stats()
                layer.momentum = None  # a plain mean over batches
            passes()
            for layer in layers:
                layer.eval()
        yield
    finally:
        for layer, (training, momentum, state) in zip(layers, before, strict=True):
            layer.load_state_dict(state)
            layer.train(training)
            layer.momentum = momentum
