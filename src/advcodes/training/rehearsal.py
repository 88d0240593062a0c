"""A few steps of a run at its full size, from its start and from its middle: what would fail in days, in seconds."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from advcodes.build.provenance import write_atomically
from advcodes.core.errors import AdvcodesError
from advcodes.jobs import checkpoint
from advcodes.jobs.memory import peak, reset_peak
from advcodes.training.early_stopping import EarlyStopping
from advcodes.training.loop import Loop
from advcodes.training.train import LossLog, begin

AFFECTS_RESULTS = False
FLOAT = 4  #: bytes of a weight, its gradient, and each of Adam's two moments


def rehearse(
    config: Mapping[str, Any],
    data_directory: Path,
    directory: Path,
    where: torch.device,
    images: int,
    *,
    text: Path | None = None,
    pretrained: Path | None = None,
) -> tuple[list[str], dict[str, Any]]:
    """Train as :func:`advcodes.training.train.train` does, but for a cycle of steps at the start and one in the middle.

    A cycle is as many steps as it takes for each phase to be due. The files are those of a finished run, so that
    sampling, metrics and studies can go on from it.

    Args:
        config: of the run.
        data_directory: of the prepared dataset; that of a few images.
        directory: to write to.
        where: device.
        images: that the whole run would see, by which rates decay and phases begin and end.
        text: directory of the captions' embeddings, for methods that ask for text.
        pretrained: directory of the network whose features the method learns from, if it asks for one.

    Returns:
        Names of the files, and what was found: ``steps`` of the whole run, ``seconds`` of a step (from the second on),
        ``peak`` of the process's memory, ``needs`` of a GPU's (both in bytes, ``needs`` without the training images),
        ``parameters``, and ``problems``, a sentence each.

    Raises:
        AdvcodesError: a loss is not finite, or the run cannot begin.
    """
    reset_peak()
    config = {**config, "budget": {"images": images, "epochs": None}}
    data, loop, total = begin(config, data_directory, where, text, pretrained)
    method, batch_size = loop.method, config["training"]["batch_size"]
    with torch.no_grad():
        method.initialise(data.batch(0).images)
    for net in method.networks.values():
        net.train()
    cycle = math.lcm(*(phase.every for phase in loop.phases))
    gradients, saved, log = Gradients(loop), Saved(loop), LossLog(directory / "losses.csv", batch_size)
    log.start()
    (directory / "snapshots").mkdir(parents=True, exist_ok=True)
    kept, seconds = [], []
    for begun in (0, max(cycle, total // 2)):
        loop.step = begun
        for _ in range(cycle):
            started = time.monotonic()
            with saved.counted():
                loop.train_step(data.batch(loop.step), logged=True)
            seconds.append(time.monotonic() - started)
        log.write(loop.step, loop.flush())
        kept.append(loop.step)
        weights = {role: net.state_dict() for role, net in method.networks.items()}
        content = {"networks": weights, "method": method.state()}
        last = "networks.pt" if begun else f"snapshots/{loop.step:09d}.pt"
        checkpoint.save(directory / last, content)
    log.close()
    problems = gradients.problems()
    if stopping := config["training"].get("early_stopping"):
        watch = EarlyStopping(stopping, method, data, total)
        watch.steps.add(loop.step)
        watch.check(loop.step)
    about = {
        "config": config,
        "examples": asdict(method.spec),
        "steps": kept[-1],
        "images": kept[-1] * batch_size,
        "snapshots": kept,
        "precision": loop.precision,
    }
    write_atomically(directory / "run.json", json.dumps(about, indent=1) + "\n")
    parameters = sum(p.numel() for net in method.networks.values() for p in net.parameters())
    facts = {
        "steps": total,
        "batch_size": batch_size,
        "precision": loop.precision,
        "seconds": sum(seconds[1:]) / max(len(seconds) - 1, 1),
        "peak": peak(),
        "needs": 4 * FLOAT * parameters + saved.most,
        "parameters": parameters,
        "problems": problems,
    }
    return ["networks.pt", "run.json", "losses.csv", f"snapshots/{kept[0]:09d}.pt"], facts


class Gradients:
    """What every optimiser was given before its steps."""

    def __init__(self, loop: Loop):
        self._loop = loop
        self._phases: set[str] = set()
        self._reached: set[tuple[str, str, int]] = set()
        for phase in loop.phases:
            loop.optimisers[phase.name].register_step_pre_hook(lambda *_, phase=phase: self._look(phase))

    def _look(self, phase: Any) -> None:
        self._phases.add(phase.name)
        for role in phase.updates:
            for i, p in enumerate(self._loop.parameters[role]):
                if p.grad is None:
                    continue
                largest = float(p.grad.detach().abs().max()) if p.grad.numel() else 0.0
                if not math.isfinite(largest):
                    raise AdvcodesError(f"phase {phase.name!r}: a gradient of {role} is {largest}")
                if largest > 0:
                    self._reached.add((phase.name, role, i))

    def problems(self) -> list[str]:
        """Phases that never ran, networks that no gradient reached, and weights that none did in any phase."""
        found = []
        for phase in {p.name: p for p in self._loop.phases}.values():
            if phase.name not in self._phases:
                found.append(f"phase {phase.name} is due neither at the start nor in the middle")
                continue
            found += [
                f"no gradient of phase {phase.name} reaches {role}"
                for role in phase.updates
                if self._loop.parameters[role] and not any((phase.name, role) == r[:2] for r in self._reached)
            ]
        for role, net in self._loop.method.networks.items():
            reached = {i for _, r, i in self._reached if r == role}
            names = [name for i, (name, _) in enumerate(net.named_parameters()) if i not in reached]
            if names and reached:
                found.append(f"no gradient reaches {', '.join(names)} of {role}")
            elif names:
                found.append(f"no gradient reaches {role}")
        return list(dict.fromkeys(found))


class Saved:
    """Bytes that forward passes keep for backward ones at a time: what activations take on a GPU, too.

    Each storage counts once; those of parameters do not.
    """

    def __init__(self, loop: Loop):
        self._own = {p.untyped_storage().data_ptr() for ps in loop.parameters.values() for p in ps}
        self._held: dict[int, int] = {}
        self._now = 0
        self.most = 0

    def counted(self) -> Any:
        """A context in which what is saved is counted."""
        return torch.autograd.graph.saved_tensors_hooks(self._pack, lambda kept: kept.tensor)

    def _pack(self, tensor: Tensor) -> _Kept:
        return _Kept(self, tensor)

    def hold(self, storage: int, size: int) -> None:
        """Count a storage that something keeps."""
        if storage in self._own:
            return
        if storage not in self._held:
            self._now += size
            self.most = max(self.most, self._now)
        self._held[storage] = self._held.get(storage, 0) + 1

    def release(self, storage: int, size: int) -> None:
        """One that kept it has gone."""
        if storage not in self._held:
            return
        self._held[storage] -= 1
        if not self._held[storage]:
            del self._held[storage]
            self._now -= size


class _Kept:
    """A saved tensor, for as long as a backward pass may want it."""

    def __init__(self, saved: Saved, tensor: Tensor):
        self.tensor = tensor.detach()
        storage = tensor.untyped_storage()
        self._saved, self._storage, self._size = saved, storage.data_ptr(), storage.nbytes()
        saved.hold(self._storage, self._size)

    def __del__(self) -> None:
        self._saved.release(self._storage, self._size)
