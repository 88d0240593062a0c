"""The one supervised loop: extractors and the sentence encoder are trained by it, and go on where they were killed.

What is learnt (images, captions, targets) is the caller's: it gives batches, a loss, an optimiser and a schedule.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.core.progress import Progress
from advcodes.jobs import checkpoint
from advcodes.jobs.precision import autocast, used
from advcodes.jobs.seed import epoch_order

Targets = TypeVar("Targets", Tensor, None)  #: of a batch; None where images alone make the loss


@dataclass(frozen=True)
class Plan:
    """How long training is, and in which portions.

    Attributes:
        examples: how many there are, N.
        batch_size: examples of a step; all of them where there are fewer.
        epochs: so many, what is left over of an epoch after its last whole batch not counted.
        least_steps: at least so many steps, whatever ``epochs`` says.
        seed: of order, dropout and of what batches draw.
        precision: ``bfloat16`` for autocast of the network's pass, or ``float32``.
    """

    examples: int
    batch_size: int
    epochs: int = 0
    least_steps: int = 0
    seed: int = 0
    precision: str = "float32"

    @property
    def size(self) -> int:
        """Examples of a step."""
        return min(self.batch_size, self.examples)

    @property
    def steps_per_epoch(self) -> int:
        return self.examples // self.size

    @property
    def steps(self) -> int:
        return max(self.least_steps, self.epochs * self.steps_per_epoch)


@dataclass(frozen=True)
class Validation:
    """By what the best weights are told from others.

    Attributes:
        score: share of right answers of the network as it is; it may leave it in evaluation mode.
        every: steps between looks; there is one after the last step, too.
        patience: looks in a row without a better score after which training ends early; None for never.
    """

    score: Callable[[], float]
    every: int
    patience: int | None = None


@dataclass(frozen=True)
class Resume:
    """Where a training that is killed goes on.

    Attributes:
        path: of its checkpoint.
        key: what the checkpoint has to be of; another's is not continued.
        seconds: between checkpoints; never changes results.
        on_step: called with the number of steps after each, before the checkpoint.
    """

    path: Path
    key: str
    seconds: float = 60.0
    on_step: Callable[[int], None] | None = None

    @classmethod
    def of(cls, artifact: Artifact) -> Resume:
        """In the artifact's directory of work in progress, which goes when the artifact is done."""
        return cls(artifact.unfinished / "checkpoint.pt", artifact.key)

    def load(self) -> dict[str, Any] | None:
        """The checkpoint, on the CPU; None where there is none, or another's."""
        return checkpoint.resume(self.path, self.key)


@dataclass(frozen=True)
class Fitted:
    """How a training went.

    Attributes:
        loss: of the last step.
        kept_step: after which the network's weights were as they are now.
        score: of these weights; NaN where there is no validation.
    """

    loss: float
    kept_step: int
    score: float


def fit(
    network: nn.Module,
    plan: Plan,
    batch: Callable[[Tensor, Generator], tuple[Tensor, Targets]],
    loss_of: Callable[[Any, Targets], Tensor],
    optimiser: torch.optim.Optimizer,
    schedule: LRScheduler | None = None,
    *,
    what: str,
    advice: str = "",
    order: Callable[[int, Generator], Tensor] | None = None,
    validation: Validation | None = None,
    resume: Resume | None = None,
) -> Fitted:
    """Train a network in place; it is in evaluation mode afterwards.

    On a CPU with the same number of threads the result is always the same, killed and resumed or not. Global random
    streams are left as they were.

    Args:
        network: on its device, with its first weights.
        plan: how long, in which portions, and the seed.
        batch: the network's input and the targets of examples, from their numbers, int64 [B] on the CPU, and a stream
            for what is drawn beside.
        loss_of: the loss of the network's output and the targets.
        optimiser: of the network's parameters.
        schedule: of its learning rate, moved after each step.
        what: first words of lines and errors.
        advice: what to do if training diverges.
        order: numbers of all examples in the order of an epoch, int64 [N], from how many there are and the stream;
            None for :func:`advcodes.jobs.seed.epoch_order`.
        validation: the best weights by this are kept; None for the last ones.
        resume: the checkpoint to write and to go on from; None for neither.

    Raises:
        AdvcodesError: training diverged, or the checkpoint is damaged or cannot be written.
    """
    where = next(network.parameters()).device
    on_gpu = [where] if where.type == "cuda" else []
    precision = used(plan.precision, where)
    steps, per_epoch, size = plan.steps, plan.steps_per_epoch, plan.size
    random = Generator().manual_seed(plan.seed)
    first, numbers, best, worse = 0, torch.empty(0, dtype=torch.int64), dict[str, Any](), 0
    with torch.random.fork_rng(devices=on_gpu):
        if resume and (state := resume.load()):
            network.load_state_dict(state["network"])
            optimiser.load_state_dict(state["optimiser"])
            if schedule:
                schedule.load_state_dict(state["schedule"])
            random.set_state(state["random"])
            torch.set_rng_state(state["global"])
            for device, stream in zip(on_gpu, state["gpu"], strict=False):
                torch.cuda.set_rng_state(stream, device)
            first, numbers, best, worse = (state[k] for k in ("step", "order", "best", "worse"))
            print(f"{what}: resumed after step {first:,} of {steps:,}", flush=True)
        progress, saved = Progress(f"{what}: training", steps, "steps", start=first), time.monotonic()
        for step in range(first + 1, steps + 1):
            epoch, position = divmod(step - 1, per_epoch)
            if position == 0:
                torch.manual_seed(plan.seed * 1_000_003 + epoch)  # of dropout
                numbers = order(plan.examples, random) if order else epoch_order(plan.examples, plan.seed, epoch)
            network.train()
            x, targets = batch(numbers[position * size :][:size], random)
            with autocast(precision, where):
                output = network(x)
            loss = loss_of(output, targets)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if schedule:
                schedule.step()
            progress.at(step, f"{best['score']:.2%} of validation images right" if best else "")
            if validation and (step % validation.every == 0 or step == steps):
                _check(loss, step, what, advice)
                score = validation.score()
                worse = 0 if not best or score > best["score"] else worse + 1
                if worse == 0:
                    weights = {k: v.clone() for k, v in network.state_dict().items()}
                    best = {"score": score, "step": step, "weights": weights}
                if worse == validation.patience:
                    break
            if resume and resume.on_step:
                resume.on_step(step)
            if resume and step < steps and time.monotonic() - saved >= resume.seconds:
                _check(loss, step, what, advice)
                content = {
                    "key": resume.key, "step": step, "order": numbers, "best": best, "worse": worse,
                    "network": network.state_dict(), "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict() if schedule else None,
                    "random": random.get_state(), "global": torch.get_rng_state(),
                    "gpu": [torch.cuda.get_rng_state(device) for device in on_gpu],
                }  # fmt: skip
                resume.path.parent.mkdir(parents=True, exist_ok=True)
                checkpoint.keep(resume.path, content)
                saved = time.monotonic()
    _check(loss, step, what, advice)
    if best:
        network.load_state_dict(best["weights"])
    network.eval()
    return Fitted(loss.item(), best.get("step", step), best.get("score", math.nan))


def _check(loss: Tensor, step: int, what: str, advice: str) -> None:
    if not math.isfinite(loss.item()):
        hint = f"; {advice}" if advice else ""
        raise AdvcodesError(f"{what}: training diverged at step {step:,} (loss {loss.item()}){hint}")
