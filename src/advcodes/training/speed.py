"""How fast a run's configuration trains on this machine, from a few of its steps; nothing of them is kept."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from advcodes.config.sections import Machine
from advcodes.jobs import device
from advcodes.training.train import begin

AFFECTS_RESULTS = False
SECONDS = 5.0
STEPS = 3
BATCHES = 4  #: of random images


def measure(
    config: dict[str, Any],
    data_directory: Path,
    machine: Machine,
    *,
    text: Path | None = None,
    pretrained: Path | None = None,
    seconds: float,
) -> tuple[float, str]:
    """Train for some seconds as :func:`advcodes.training.train.train` does, from the middle of the run on.

    Args:
        config: of the run.
        data_directory: of the prepared dataset, or of :func:`write_random_data`.
        machine: where to run.
        text: directory of the captions' embeddings, for methods that ask for text.
        pretrained: directory of the network whose features the method learns from, if it asks for one.
        seconds: to measure for after a warm-up, in cycles of steps in which every phase is due, 3 steps at least.

    Returns:
        Images per second, and the device's name as manifests have it.

    Raises:
        AdvcodesError: no such device, or the configuration cannot be trained on these data.
    """
    with device.claimed(machine) as where:
        data, loop, total = begin(config, data_directory, where, text, pretrained)
        method, phases = loop.method, loop.phases
        with torch.no_grad():
            method.initialise(data.batch(0).images)
        for net in method.networks.values():
            net.train()
        cycle = math.lcm(*(phase.every for phase in phases))
        middle = total // 2  # a pretraining lies behind, which says little of the rest
        room = max(cycle, (total - middle) // cycle * cycle)

        def train(steps: int) -> float:
            """Seconds of these steps."""
            loop.step, started = middle, time.monotonic()
            for _ in range(steps):
                loop.train_step(data.batch(loop.step))
            if where.type == "cuda":
                torch.cuda.synchronize(where)
            return time.monotonic() - started

        train(cycle)
        cycles, steps, spent = math.ceil(STEPS / cycle), 0, 0.0
        while steps < STEPS or spent < seconds:
            chunk = min(cycles * cycle, room)
            spent += train(chunk)
            steps += chunk
            cycles = max(1, round((seconds - spent) / max(spent, 1e-9) * steps / cycle))
        hardware = (
            torch.cuda.get_device_name(where) if where.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
        )
    return steps * config["training"]["batch_size"] / spent, hardware


def write_random_data(
    directory: Path, shape: Sequence[int], classes: int, attributes: int, batch_size: int, split: str
) -> int:
    """Write a prepared dataset of noise: speed does not depend on what images show.

    Args:
        directory: to write to.
        shape: of one example, (C, H, W), or (D,) for points.
        classes: how many.
        attributes: how many.
        batch_size: of the run, which a few batches are written for.
        split: that is trained on; several (``train+val``) are written as one.

    Returns:
        How many examples were written.
    """
    random, count = np.random.default_rng(0), BATCHES * batch_size
    points = len(shape) == 1
    examples = (
        random.standard_normal((count, *shape), np.float32)
        if points
        else random.integers(0, 256, (count, *shape), np.uint8)
    )
    np.save(directory / "images.npy", examples)
    np.save(directory / "labels.npy", random.integers(classes, size=count) if classes else np.full(count, -1))
    if attributes:
        np.save(directory / "attributes.npy", random.integers(0, 2, (count, attributes), np.uint8))
    first, *others = split.split("+")
    meta = {
        "shape": list(shape),
        "dtype": examples.dtype.name,
        "splits": {first: [0, count], **{name: [count, count] for name in others}},
        "classes": [str(c) for c in range(classes)],
        "attribute_names": [str(a) for a in range(attributes)],
    }
    (directory / "meta.json").write_text(json.dumps(meta))
    return count


def write_random_captions(directory: Path, rows: int, size: int) -> None:
    """Write embeddings of captions, one of ``size`` numbers a row, as the stage `text` does."""
    embeddings = np.random.default_rng(0).standard_normal((rows, size), np.float32)
    np.save(directory / "embeddings.npy", embeddings)
    np.save(directory / "starts.npy", np.arange(rows + 1))
