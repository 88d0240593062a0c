"""The training loop: phases in order, and alone in charge of gradients, freezing, precision and optimisers.

It never names a method; what differs between methods is in their phases (:mod:`advcodes.methods.base`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError
from advcodes.jobs.precision import autocast
from advcodes.methods.base import Method, Phase
from advcodes.training.adam import Adam
from advcodes.training.data import Batch


class Diverged(AdvcodesError):
    """A loss is not finite.

    Attributes:
        step: the first one at which that is so.
    """

    def __init__(self, text: str, step: int):
        super().__init__(text)
        self.step = step


class StepContext:
    """What a phase sees of the current step; see :class:`advcodes.methods.base.Step`."""

    def __init__(self, loop: Loop, batch: Batch, phases: Sequence[Phase], logged: bool):
        self.images, self.labels, self.attributes, self.text = batch.images, batch.labels, batch.attributes, batch.text
        self._loop, self._phases, self._logged = loop, list(phases), logged
        self.progress = loop.step / loop.total if loop.total else 0.0
        self._shared: dict[str, Tensor] = {}
        self.phase = self._phases[0]

    def once(self, key: str, roles: tuple[str, ...], make: Callable[[], Tensor]) -> Tensor:
        if key not in self._shared:
            coming = self._phases[self._phases.index(self.phase) :]
            wanted = {role for phase in coming for role in phase.updates} & set(roles)
            before = self._loop.thaw(wanted)
            with torch.set_grad_enabled(bool(wanted)):
                self._shared[key] = make()
            self._loop.thaw(before)
        return self._shared[key]

    def log(self, name: str, value: Callable[[], Tensor]) -> None:
        if self._logged:
            self._loop.record(f"{self.phase.name}/{name}", value())


def remaining(decay: str, step: int, total: int) -> float:
    """Share of a learning rate that is left in a step, of ``total`` in all: see ``optimiser.decay``."""
    done = step / total
    return {"linear": 1 - done, "exponential": 0.01**done, "step": 0.5 ** (3 * step // total)}[decay]


class Loop:
    """Trains one method on one device.

    Args:
        method: with its networks on the device.
        phases: in update order.
        precision: ``float32``, or ``bfloat16`` autocast of forward passes (weights and updates stay float32).
        total: steps of the whole training, over which learning rates decay; None where they are constant.

    Raises:
        AdvcodesError: learning rates decay over an unknown number of steps, or a joint phase shares a network with the
            one that it is joined to.
    """

    def __init__(self, method: Method, phases: Sequence[Phase], precision: str = "float32", total: int | None = None):
        self.method, self.phases = method, list(phases)
        self.device = next(next(iter(method.networks.values())).parameters()).device
        self.precision = precision
        self.parameters = {role: list(net.parameters()) for role, net in method.networks.items()}
        self.optimisers = {phase.name: self._optimiser(phase) for phase in self.phases}
        self._check_joint()
        self.decay = method.config.optimiser.decay
        if self.decay != "none" and total is None:
            raise AdvcodesError(f"optimiser.decay: {self.decay} needs the number of steps; give the loop `total`")
        self.total = total
        # Kept apart from the optimisers, whose saved state has the decayed rates.
        self.rates = {name: [g["lr"] for g in o.param_groups] for name, o in self.optimisers.items()}
        self._values: dict[str, list[tuple[int, Tensor]]] = {}
        self._terms: set[str] = set()
        self._thawed: set[str] = set(self.parameters)
        self.step = 0

    def _check_joint(self) -> None:
        for phase, following in itertools.zip_longest(self.phases, self.phases[1:]):
            if not phase.joint:
                continue
            shared = set(phase.updates) & set(following.updates) if following else ()
            if following is None or phase.times > 1 or shared:
                why = f"both update {', '.join(sorted(shared))}" if shared else "it needs a next one, and `times: 1`"
                raise AdvcodesError(f"phase {phase.name!r} cannot be stepped jointly with the next: {why}")

    def _optimiser(self, phase: Phase) -> Adam:
        c = self.method.config
        o = c.optimiser
        groups = [
            {
                "params": self.parameters[role],
                "lr": c.learning_rates.get(role, o.lr) * phase.rates.get(role, 1.0),
                "betas": tuple(c.betas.get(role, o.betas)),
            }
            for role in phase.updates
        ]
        return Adam(groups, o.eps, o.weight_decay)

    def thaw(self, roles: Sequence[str] | set[str]) -> set[str]:
        """Let gradients reach the networks of ``roles`` and no others; returns those that they reached before."""
        roles, before = set(roles), self._thawed
        for role in before ^ roles:
            for p in self.parameters[role]:
                p.requires_grad_(role in roles)
        self._thawed = roles
        return before

    def record(self, name: str, value: Tensor) -> None:
        """Keep a scalar of this step on the device until :meth:`flush`; reading it now would stall a GPU."""
        self._values.setdefault(name, []).append((self.step, value.detach().float()))

    def train_step(self, batch: Batch, logged: bool = False) -> None:
        """Run every phase that is due on one batch."""
        due = [phase for phase in self.phases if phase.due(self.step + 1)]
        context = StepContext(self, batch, due, logged) if due else None
        if self.decay != "none" and self.total is not None:
            self._set_rates(remaining(self.decay, self.step, self.total))
        self.step += 1
        if context is None:
            return
        waiting: list[Phase] = []
        for phase in due:
            context.phase = phase
            self.thaw(phase.updates)
            for _ in range(phase.times):
                self._backward(phase, context)
                waiting.append(phase)
                if phase.joint and phase is not due[-1]:
                    continue
                for ready in waiting:
                    self.optimisers[ready.name].step()
                waiting.clear()

    def _set_rates(self, share: float) -> None:
        """Set every learning rate to this share of what it is at the start."""
        for name, optimiser in self.optimisers.items():
            for group, rate in zip(optimiser.param_groups, self.rates[name], strict=True):
                group["lr"] = rate * max(share, 0.0)

    def _backward(self, phase: Phase, context: StepContext) -> None:
        with autocast(self.precision, self.device):
            terms = getattr(self.method, phase.name)(context)
        self.optimisers[phase.name].zero_grad()
        # Each term with a gradient of 1, as their sum would have it, without making the sum.
        torch.autograd.backward([t for t in terms.values() if t.requires_grad])
        for name, term in terms.items():
            whole = f"{phase.name}/{name}"
            self._terms.add(whole)
            self.record(whole, term)

    def flush(self) -> dict[str, float]:
        """Means of what was recorded since the last call.

        Raises:
            Diverged: a value is not finite; the message names the first one's phase and step.
        """
        names = list(self._values)
        if not names:
            return {}
        flat = torch.stack([v.to(self.device) for name in names for _, v in self._values[name]]).cpu()
        means, position, bad = {}, 0, []
        for name in names:
            steps = [s for s, _ in self._values[name]]
            values = flat[position : position + len(steps)]
            position += len(steps)
            finite = torch.isfinite(values)
            if not finite.all():
                first = int((~finite).nonzero()[0])
                bad.append((steps[first], self._rank(name), name, float(values[first])))
            means[name] = float(values.mean())
        self._values.clear()
        if bad:
            step, _, name, value = min(bad)
            phase, _, term = name.partition("/")
            raise Diverged(
                f"training diverged: {term!r} of phase {phase!r} became {value} at step {step}; lower the learning "
                "rate (optimiser.lr of the variant) or set training.precision to float32",
                step,
            )
        return means

    def by_phase(self, means: dict[str, float]) -> dict[str, float]:
        """The phases' losses, each the sum of its terms, out of what :meth:`flush` gave."""
        totals: dict[str, float] = {}
        for name, value in means.items():
            if self.is_loss(name):
                phase = name.partition("/")[0]
                totals[phase] = totals.get(phase, 0.0) + value
        return totals

    def is_loss(self, name: str) -> bool:
        """Whether a recorded scalar is a term of a loss; the others are diagnostics."""
        return name in self._terms

    def _rank(self, name: str) -> int:
        order = [phase.name for phase in self.phases]
        return order.index(name.partition("/")[0])

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs, but for the random streams."""
        return {
            "values": {name: [[s, float(v)] for s, v in values] for name, values in self._values.items()},
            "step": self.step,
            "networks": {role: net.state_dict() for role, net in self.method.networks.items()},
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
            "method": self.method.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state`."""
        self.step = state["step"]
        self._values = {name: [(s, torch.tensor(v)) for s, v in rows] for name, rows in state["values"].items()}
        for role, net in self.method.networks.items():
            net.load_state_dict(state["networks"][role])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.method.load_state(state["method"])


def total_steps(budget: dict[str, Any], batch_size: int, steps_per_epoch: int) -> int:
    """Steps that a budget of images or epochs makes."""
    if budget.get("images") is not None:
        return max(1, math.ceil(budget["images"] / batch_size))
    return max(1, round(budget["epochs"] * steps_per_epoch))


def snapshot_steps(total: int, kept: int | Sequence[int], batch_size: int) -> list[int]:
    """Steps at which generators are kept, ascending; the last of them is the end.

    Args:
        total: steps of the training.
        kept: how many, evenly spaced; or images seen at each (those beyond the end are left out).
        batch_size: images a step.
    """
    if isinstance(kept, int):
        return sorted({max(1, round(total * k / kept)) for k in range(1, kept + 1)})
    return sorted({step for images in kept if 0 < (step := round(images / batch_size)) < total} | {total})
