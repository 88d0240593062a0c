"""The stage that generates a run's images."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advcodes.build.provenance import Artifact
from advcodes.build.writing import save_array
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.core.progress import Progress
from advcodes.core.values import to_stored
from advcodes.data.prepared import load
from advcodes.jobs import device
from advcodes.methods.base import Method
from advcodes.nets.batch_norm import normalised
from advcodes.text.embeddings import Embeddings
from advcodes.training.restore import Restored, normalised_roles, restore


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make a `sample/...` artifact: ``samples.npy``, uint8 [N, C, H, W], or float32 [N, D] for points.

    The noise is drawn from a stream of its own that the run's seed fixes, on the CPU: the same on every device.
    Samples of a conditional method come with ``conditions.npy``, int64 [N]: the class or cluster of each, or the row of
    the reference split whose first caption is its condition.

    Raises:
        AdvcodesError: the run is missing, or a sample is not finite.
    """
    config, inputs = artifact.config, artifact.inputs
    with device.claimed(machine) as where:
        restored = restore(inputs["run"].directory, where)
        given = captions_of(inputs, config["split"]) if "text" in inputs else None
        began = time.monotonic()
        samples, conditions = draw(restored, config["n_generated"], config, restored.config["seed"], artifact.id, given)
        seconds = time.monotonic() - began
    arrays = {"samples.npy": samples} if conditions is None else {"samples.npy": samples, "conditions.npy": conditions}
    for name, array in arrays.items():
        save_array(artifact.directory / name, array)
    return list(arrays), {"images": len(samples), "step": restored.step, "seconds": round(seconds, 2)}


def captions_of(inputs: Mapping[str, Artifact], split: str) -> Embeddings:
    """Captions of a split, of the artifacts ``data`` and ``text`` of its dataset."""
    return Embeddings(inputs["text"].directory, load(inputs["data"].directory).rows(split))


def generate(
    restored: Restored,
    n: int,
    config: Mapping[str, Any],
    seed: int,
    what: str = "sampling",
    given: Embeddings | None = None,
) -> np.ndarray:
    """The images of :func:`draw`."""
    return draw(restored, n, config, seed, what, given)[0]


def draw(
    restored: Restored,
    n: int,
    config: Mapping[str, Any],
    seed: int,
    what: str = "sampling",
    given: Embeddings | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Generate ``n`` images, quantised to 8 bits, and their conditions.

    The same seed gives the same images whatever ``n``: a smaller ``n`` gives the first of them. The networks are
    left as they were.

    Args:
        restored: a trained run.
        n: how many.
        config: ``batch_norm``, ``batch_size``, ``reestimate_batches``: `sampling` of params.yaml.
        seed: fixes two independent CPU streams: one for samples, one to re-estimate batch norm.
        what: named in progress lines and errors.
        given: captions that a method conditioned on text takes, row by row and from the first again; without them it
            takes such as it has seen in training.

    Returns:
        uint8 [n, C, H, W] (0..255), or float32 [n, D] for points; and int64 [n]: the class or cluster of each, or the
        row of ``given``, and None for unconditional methods.

    Raises:
        AdvcodesError: a sample is not finite, or the method cannot sample; ``n`` or ``seed`` out of range.
    """
    if n < 1 or seed < 0:
        raise AdvcodesError(f"{what}: got {n} images and seed {seed}; expected at least one image and a seed from 0 on")
    method, size = restored.method, config["batch_size"]
    if size == 1 and config["batch_norm"] != "running" and normalised_roles(method.networks):
        raise AdvcodesError(
            f"{what}: sampling.batch_size is 1, and batch norm has no statistics of one image; set 2 or more, or "
            "sampling.batch_norm to running"
        )
    points = len(restored.shape) == 1
    for_samples, for_statistics = (
        torch.Generator().manual_seed(int(s)) for s in np.random.SeedSequence(seed).generate_state(2)
    )
    progress, images, conditions = Progress(what, n, "images"), [], []
    with torch.inference_mode(), normalised_for_samples(method, config, for_statistics):
        for start in range(0, n, size):
            # Always whole batches: each image is then the same for every n, also where batches have statistics of
            # their own, and though torch.randn's first numbers depend on how many are drawn.
            batch, drawn = _batch(method, start, size, for_samples, given)
            batch = batch[: n - start]
            if drawn is not None:
                conditions.append(drawn)
            finite = torch.isfinite(batch.flatten(1)).all(1)
            if not finite.all():
                bad = start + int((~finite).nonzero()[0])
                raise AdvcodesError(
                    f"{what}: image {bad} of {n} by {method.name!r} at step {restored.step} is not finite (NaN or "
                    "infinite); the run has diverged: lower its learning rate (optimiser.lr) and train again"
                )
            images.append(to_stored(batch, restored.value_range, points).cpu().numpy())
            progress.at(min(start + size, n))
    return np.concatenate(images), torch.cat(conditions)[:n].cpu().numpy() if conditions else None


def _batch(
    method: Method, start: int, size: int, generator: torch.Generator, given: Embeddings | None
) -> tuple[Tensor, Tensor | None]:
    """Images ``start`` to ``start + size``, and their conditions."""
    if method.conditioned_on is None or (method.conditioned_on == "text" and given is None):
        return method.sample(size, generator), None
    if given is None:
        drawn = conditions = method.conditions(size, generator)
    else:
        drawn = torch.arange(start, start + size) % len(given)
        conditions = given.first(drawn).to(method.device)
    return method.sample_given(conditions, method.noise(size, generator)), drawn


def shown(restored: Restored, conditions: Tensor, rows: int, config: Mapping[str, Any], seed: int) -> np.ndarray:
    """Images of each of S conditions, of the same noise in each row: uint8 [rows, S, C, H, W].

    Args:
        restored: a trained run of a conditional method.
        conditions: int64 [S], or embeddings float32 [S, E].
        rows: draws of noise. Fewer are not always the first of more: torch.randn's numbers depend on their count.
        config: `sampling` of params.yaml.
        seed: of the noise.
    """
    method, count = restored.method, len(conditions)
    with torch.inference_mode(), normalised_for_samples(method, config, torch.Generator().manual_seed(seed)):
        noise = method.noise(rows, torch.Generator().manual_seed(seed))
        every = conditions.to(noise.device).repeat(rows, *[1] * (conditions.ndim - 1))
        made = method.sample_given(every, noise.repeat_interleave(count, 0))
    return to_stored(made, restored.value_range).cpu().numpy().reshape(rows, count, *restored.shape)


def normalised_for_samples(
    method: Method, config: Mapping[str, Any], generator: torch.Generator
) -> contextlib.AbstractContextManager[None]:
    """Batch norm as `sampling` of params.yaml (``config``) has it for samples; ``generator`` fixes those it draws."""

    def passes() -> None:
        for _ in range(config["reestimate_batches"]):
            method.sample(config["batch_size"], generator)

    networks = [method.networks[role] for role in method.sampling_roles or method.networks]
    return normalised(networks, config["batch_norm"], passes)
