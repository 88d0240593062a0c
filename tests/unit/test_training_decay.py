"""Learning rates that fall to zero over the run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from advcodes.core.errors import AdvcodesError
from advcodes.jobs import checkpoint
from advcodes.training.loop import Loop
from advcodes.training.train import train
from conftest import run_config
from methods_kit import CPU, batches, make


class Killed(Exception):
    pass


def lengths(loop: Loop, prepared: Path, steps: int) -> list[list[float]]:
    """Learning rates of all groups at each step's updates."""
    data, found = batches(prepared), []
    for step in range(steps):
        loop.train_step(data.batch(step))
        found.append([g["lr"] for o in loop.optimisers.values() for g in o.param_groups])
    return found


def test_rates_fall_linearly_to_zero_each_from_its_own(prepared: Path):
    method = make("gan", method__optimiser={"lr": 1e-3, "decay": "linear"}, method__learning_rates={"generator": 4e-3})
    loop = Loop(method, method.phases(method.config), total=4)
    found = lengths(loop, prepared, 4)
    assert found == [pytest.approx([1e-3 * share, 4e-3 * share]) for share in (1, 0.75, 0.5, 0.25)]
    before = [p.detach().clone() for net in method.networks.values() for p in net.parameters()]
    assert lengths(loop, prepared, 1) == [[0.0, 0.0]]
    after = [p for net in method.networks.values() for p in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True)), "nothing moves beyond the end"


def test_rates_are_halved_after_each_third(prepared: Path):
    """As in carpedm20/BEGAN-tensorflow every 100,000 of 300,000 steps, which ends at its floor of 2e-5."""
    method = make("gan", method__optimiser={"lr": 8e-5, "decay": "step"})
    found = lengths(Loop(method, method.phases(method.config), total=6), prepared, 6)
    assert [rates[0] for rates in found] == pytest.approx([8e-5, 8e-5, 4e-5, 4e-5, 2e-5, 2e-5])


def test_rates_stay_unless_asked_to_fall(prepared: Path):
    method = make("gan", method__optimiser={"lr": 1e-3})
    assert lengths(Loop(method, method.phases(method.config), total=4), prepared, 3) == [[1e-3, 1e-3]] * 3


def test_an_unknown_number_of_steps_is_refused():
    method = make("gan", method__optimiser={"decay": "linear"})
    with pytest.raises(AdvcodesError, match=r"optimiser.decay: linear needs the number of steps"):
        Loop(method, method.phases(method.config))


def test_a_killed_run_goes_on_with_the_rates_of_the_whole(prepared: Path, tmp_path: Path):
    config = run_config("wgan_gp", method__optimiser={"lr": 1e-3, "decay": "linear"}, budget__images=960)

    def go(name: str, **kw: object) -> dict[str, dict[str, torch.Tensor]]:
        (tmp_path / name).mkdir(exist_ok=True)
        train(config, prepared / "digits", tmp_path / name, CPU, key="k", log_every=5, **kw)
        return checkpoint.load(tmp_path / name / "networks.pt")["networks"]

    def kill(step: int) -> None:
        if step == 15:
            raise Killed

    whole = go("whole")
    with pytest.raises(Killed):
        go("killed", checkpoint_seconds=1e-9, on_checkpoint=kill)
    saved = checkpoint.load(tmp_path / "killed" / "checkpoint.pt")["optimisers"]["generate"]["param_groups"]
    assert [g["lr"] for g in saved] == pytest.approx([1e-3 * (1 - 14 / 30)]), "what is saved is the decayed rate"
    resumed = go("killed")
    for role, state in whole.items():
        assert all(torch.equal(t, resumed[role][name]) for name, t in state.items()), role
    config["method"]["optimiser"]["decay"] = "none"
    kept = go("kept")
    assert not all(torch.equal(t, kept["generator"][name]) for name, t in whole["generator"].items())
