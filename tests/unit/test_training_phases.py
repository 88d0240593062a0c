"""When phases run, and phases that are stepped together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from advcodes.core.errors import AdvcodesError
from advcodes.methods.base import Method, MethodConfig, Optimiser, Phase
from advcodes.nets.spec import Net
from advcodes.training.loop import Loop
from methods_kit import batches


class Duel(Method):
    """x and y of min_x max_y x * y, by whose gradients a simultaneous update shows."""

    order: ClassVar[list[Phase]] = []

    def __init__(self, **config: Any):
        nets = {}
        for role in ("x", "y"):
            nets[role] = torch.nn.Linear(1, 1, bias=False)
            torch.nn.init.ones_(nets[role].weight)
        super().__init__(MethodConfig(optimiser=Optimiser(lr=0.1, **config)), nets, None)
        self.seen: list[tuple[str, float, float, float]] = []

    @classmethod
    def nets(cls, config: MethodConfig) -> dict[str, Net]:
        return {}

    def _loss(self, step: Any, sign: int) -> dict[str, torch.Tensor]:
        self.seen.append((step.phase.name, self.x.weight.item(), self.y.weight.item(), step.progress))
        return {"loss": sign * (self.x.weight * self.y.weight).sum()}

    def lower(self, step: Any) -> dict[str, torch.Tensor]:
        return self._loss(step, 1)

    def raise_(self, step: Any) -> dict[str, torch.Tensor]:
        return self._loss(step, -1)


def play(prepared: Path, phases: list[Phase], steps: int = 1, **config: Any) -> Duel:
    method, data = Duel(**config), batches(prepared)
    loop = Loop(method, phases, total=steps)
    for step in range(steps):
        loop.train_step(data.batch(step))
    return method


def test_joint_phases_take_their_gradients_at_the_same_parameters(prepared: Path):
    played = play(prepared, [Phase("lower", ("x",), joint=True), Phase("raise_", ("y",))])
    assert [s[1:3] for s in played.seen] == [(1.0, 1.0), (1.0, 1.0)]
    assert (played.x.weight.item(), played.y.weight.item()) == pytest.approx((0.9, 1.1))
    apart = play(prepared, [Phase("lower", ("x",)), Phase("raise_", ("y",))])
    assert [s[1] for s in apart.seen] == pytest.approx([1.0, 0.9])


def test_a_joint_phase_whose_partner_is_not_due_steps_alone(prepared: Path):
    phases = [Phase("lower", ("x",), joint=True), Phase("raise_", ("y",), every=2)]
    played = play(prepared, phases, steps=2)
    assert [s[0] for s in played.seen] == ["lower", "lower", "raise_"]
    assert played.seen[1][1] == pytest.approx(0.9), "stepped in the first step, alone"
    assert played.seen[2][1] == pytest.approx(0.9), "and in the second one after both gradients"


def test_a_phase_that_stands_twice_runs_twice_with_one_optimiser(prepared: Path):
    played = play(prepared, [Phase("lower", ("x",)), Phase("raise_", ("y",))] * 2)
    assert [s[0] for s in played.seen] == ["lower", "raise_"] * 2
    assert len(Loop(played, [Phase("lower", ("x",))] * 2).optimisers) == 1


def test_phases_begin_and_end_when_they_say(prepared: Path):
    played = play(prepared, [Phase("lower", ("x",), until=2), Phase("raise_", ("y",), after=2, every=2)], steps=6)
    assert [s[0] for s in played.seen] == ["lower", "lower", "raise_", "raise_"]
    assert [s[3] for s in played.seen] == pytest.approx([0, 1 / 6, 3 / 6, 5 / 6]), "steps 1, 2, 4 and 6"


def test_what_cannot_be_joined_is_refused():
    for phases, why in (
        ([Phase("lower", ("x",), joint=True)], "it needs a next one"),
        ([Phase("lower", ("x",), joint=True, times=2), Phase("raise_", ("y",))], "`times: 1`"),
        ([Phase("lower", ("x", "y"), joint=True), Phase("raise_", ("y",))], "both update y"),
    ):
        with pytest.raises(AdvcodesError, match=rf"phase 'lower' cannot be stepped jointly with the next: .*{why}"):
            Loop(Duel(), phases)


def test_rates_fall_to_a_hundredth_by_a_factor(prepared: Path):
    method, data, found = Duel(decay="exponential"), batches(prepared), []
    loop = Loop(method, [Phase("lower", ("x",))], total=4)
    for step in range(4):
        loop.train_step(data.batch(step))
        found.append(loop.optimisers["lower"].param_groups[0]["lr"])
    assert found == pytest.approx([0.1 * 0.01 ** (k / 4) for k in range(4)])
