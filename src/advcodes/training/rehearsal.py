"""A few steps of a run at its full size, from its start and from its middle: what would fail in days, in seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError
from advcodes.jobs import checkpoint
from advcodes.jobs.memory import free, peak, reset_peak
from advcodes.training.early_stopping import EarlyStopping
from advcodes.training.loop import Loop
from advcodes.training.train import LossLog, begin, write_about

AFFECTS_RESULTS = False
FLOAT = 4  #: bytes of a weight, its gradient, and each of Adam's two moments
PART = 8  #: images of a step where those of the whole batch take too long


def rehearse(
    config: Mapping[str, Any],
    data_directory: Path,
    directory: Path,
    where: torch.device,
    images: int,
    *,
    limit: float,
    text: Path | None = None,
    pretrained: Path | None = None,
) -> tuple[list[str], dict[str, Any]]:
    """Train as :func:`advcodes.training.train.train` does, but for a cycle of steps at the start and one in the middle.

    A cycle is as many steps as it takes for each phase to be due. The files are those of a finished run, so that
    sampling, metrics and studies can go on from it. Where steps of the whole batch would take too long, or more memory
    than there is, they are of :data:`PART` images, and what the whole batch takes is reckoned in a line through this
    and half of it.

    Args:
        config: of the run.
        data_directory: of the prepared dataset; that of a few images.
        directory: to write to.
        where: device.
        images: that the whole run would see, by which rates decay and phases begin and end.
        limit: seconds that a step may take.
        text: directory of the captions' embeddings, for methods that ask for text.
        pretrained: directory of the network whose features the method learns from, if it asks for one.

    Returns:
        Names of the files, and what was found: ``steps`` of the whole run, ``batch_size``, and how many images of it
        were ``used``; ``seconds`` of a step of the whole batch, ``peak`` of the process's memory, ``needs`` of a GPU's
        (both in bytes, ``needs`` without the training images), ``parameters``, and ``problems``, a sentence each.

    Raises:
        AdvcodesError: a loss is not finite, or the run cannot begin.
    """
    batch_size = config["training"]["batch_size"]
    steps = math.ceil(images / batch_size)
    part = min(PART, batch_size)

    def begun(used: int) -> _Steps:
        training = {**config["training"], "batch_size": used}
        return _Steps({**config, "training": training}, steps, data_directory, where, text, pretrained)

    half = begun(max(2, part // 2))
    half.cycle(0)
    run = begun(part)
    reset_peak()
    run.cycle(0)
    small = run
    if (
        part < batch_size
        and _reckoned(half, run, batch_size, "slowest") <= limit
        and (_reckoned(half, run, batch_size, "most") < free() / 2)
    ):
        run = begun(batch_size)
        reset_peak()
        run.cycle(0)
    log, kept = LossLog(directory / "losses.csv", batch_size), [run.loop.step]
    log.start()
    log.write(run.loop.step, run.loop.flush())
    (directory / "snapshots").mkdir(parents=True, exist_ok=True)
    checkpoint.save(directory / f"snapshots/{kept[0]:09d}.pt", run.weights())
    run.cycle(max(run.loop.step, steps // 2))
    kept.append(run.loop.step)
    log.write(run.loop.step, run.loop.flush())
    log.close()
    checkpoint.save(directory / "networks.pt", run.weights())
    if stopping := config["training"].get("early_stopping"):
        watch = EarlyStopping(stopping, run.loop.method, run.data, steps)
        watch.steps.add(run.loop.step)
        watch.check(run.loop.step)
    method = run.loop.method
    write_about(directory, {**config, "budget": {"images": images, "epochs": None}}, run.loop, kept)
    parameters = sum(p.numel() for net in method.networks.values() for p in net.parameters())
    whole = run.used == batch_size
    facts = {
        "steps": steps,
        "batch_size": batch_size,
        "used": run.used,
        "precision": run.loop.precision,
        "seconds": run.seconds if whole else _reckoned(half, small, batch_size, "seconds"),
        "peak": peak(),
        "needs": 4 * FLOAT * parameters + round(run.most if whole else _reckoned(half, small, batch_size, "most")),
        "parameters": parameters,
        "problems": run.gradients.problems(),
    }
    return ["networks.pt", "run.json", "losses.csv", f"snapshots/{kept[0]:09d}.pt"], facts


class _Steps:
    """A run that has begun.

    Attributes:
        used: images of a step.
        data: batches.
        loop: of the training.
        gradients: what optimisers were given.
        most: bytes that forward passes kept.
    """

    def __init__(self, config: Mapping[str, Any], steps: int, data_directory: Path, where: torch.device,
                 text: Path | None, pretrained: Path | None):  # fmt: skip
        self.used = config["training"]["batch_size"]
        config = {**config, "budget": {"images": steps * self.used, "epochs": None}}
        self.data, self.loop, _ = begin(config, data_directory, where, text, pretrained)
        with torch.no_grad():
            self.loop.method.initialise(self.data.batch(0).images)
        for net in self.loop.method.networks.values():
            net.train()
        self.gradients, self._saved = Gradients(self.loop), Saved(self.loop)
        self._taken: list[float] = []

    def cycle(self, step: int) -> None:
        """Train a cycle of steps from this one on."""
        self.loop.step = step
        for _ in range(math.lcm(*(phase.every for phase in self.loop.phases))):
            started = time.monotonic()
            with self._saved.counted():
                self.loop.train_step(self.data.batch(self.loop.step), logged=True)
            self._taken.append(time.monotonic() - started)

    @property
    def most(self) -> int:
        return self._saved.most

    @property
    def seconds(self) -> float:
        """A step's, on average; the first one's counts only where there is no other."""
        return fmean(self._taken[1:] or self._taken)

    @property
    def slowest(self) -> float:
        """The slowest step's."""
        return max(self._taken)

    def weights(self) -> dict[str, Any]:
        """Content of a snapshot."""
        method = self.loop.method
        return {"networks": {role: net.state_dict() for role, net in method.networks.items()}, "method": method.state()}


def _reckoned(half: _Steps, run: _Steps, batch_size: int, what: str) -> float:
    """A number at the whole batch, in a line through those at a part and at half of it; never below the part's."""
    fewer, more = getattr(half, what), getattr(run, what)
    slope = max(0.0, more - fewer) / max(1, run.used - half.used)
    return more + slope * (batch_size - run.used)


class Gradients:
    """What every optimiser was given before its steps."""

    def __init__(self, loop: Loop):
        self._loop = loop
        self._phases: set[str] = set()
        self._moved: set[tuple[str, str]] = set()
        self._reached: set[tuple[str, int]] = set()
        for phase in loop.phases:
            optimiser = loop.optimisers[phase.name]
            optimiser.step = self._watched(phase, optimiser.step)  # type: ignore[method-assign]

    def _watched(self, phase: Any, step: Callable[[], None]) -> Callable[[], None]:
        def looked_at() -> None:
            self._look(phase)
            step()

        return looked_at

    def _look(self, phase: Any) -> None:
        self._phases.add(phase.name)
        for role in phase.updates:
            for i, p in enumerate(self._loop.parameters[role]):
                if p.grad is None:
                    continue
                self._reached.add((role, i))  # it may be 0: that of the bias of a Wasserstein critic is
                largest = float(p.grad.detach().abs().max()) if p.grad.numel() else 0.0
                if not math.isfinite(largest):
                    raise AdvcodesError(f"phase {phase.name!r}: a gradient of {role} is {largest}")
                if largest > 0:
                    self._moved.add((phase.name, role))

    def problems(self) -> list[str]:
        """Phases that never ran or do not move a network, and weights that no phase has a gradient of."""
        problems = []
        for phase in {p.name: p for p in self._loop.phases}.values():
            if phase.name not in self._phases:
                problems.append(f"phase {phase.name} is due neither at the start nor in the middle")
                continue
            problems += [
                f"no gradient of phase {phase.name} reaches {role}"
                for role in phase.updates
                if self._loop.parameters[role] and (phase.name, role) not in self._moved
            ]
        for role, net in self._loop.method.networks.items():
            missed = [n for i, (n, _) in enumerate(net.named_parameters()) if (role, i) not in self._reached]
            if missed:
                some = len(missed) < len(self._loop.parameters[role])
                problems.append(
                    f"no gradient reaches {', '.join(missed)} of {role}" if some else f"no gradient reaches {role}"
                )
        return list(dict.fromkeys(problems))


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
