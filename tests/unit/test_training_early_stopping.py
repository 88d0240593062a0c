"""Early stopping: held-out images are not trained on, the best networks are kept, and it survives being killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from advcodes.config.params import read
from advcodes.core.errors import AdvcodesError
from advcodes.data.expected import expected, held_out_split, images_of
from advcodes.data.prepared import load
from advcodes.jobs import checkpoint
from advcodes.training.data import TrainingData
from advcodes.training.early_stopping import EarlyStopping
from advcodes.training.restore import restore, snapshots
from advcodes.training.train import train
from conftest import run_config
from methods_kit import CPU, make

SETTINGS = {"checks": 6, "patience": 2, "held_out": 0.1}


class Killed(Exception):
    pass


def go(prepared: Path, to: Path, **kw: Any) -> dict[str, Any]:
    to.mkdir(exist_ok=True)
    rate = kw.pop("lr", 1e-3)
    config = run_config("ae", training__early_stopping=SETTINGS, training__snapshots=6, budget__images=32 * 30,
                        method__optimiser={"lr": rate})  # fmt: skip
    train(config, prepared / "digits", to, CPU, key="k", log_every=5, **kw)
    return json.loads((to / "run.json").read_text())


class Scripted:
    """A method whose held-out error is what the script says."""

    name = "scripted"

    def __init__(self, errors: list[float]):
        self.errors, self.networks = list(errors), {"net": torch.nn.Linear(1, 1)}

    def can(self, ability: str) -> bool:
        return True

    def state(self) -> dict[str, Any]:
        return {"left": len(self.errors)}

    def validation_error(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor(self.errors.pop(0))


class One:
    def validation(self, size: int):
        yield torch.zeros(1, 1)


def test_it_keeps_the_best_and_stops_after_patience_checks_without_a_better_one():
    method = Scripted([5.0, 3.0, 4.0, 3.0, 1.0])
    watch = EarlyStopping({"checks": 5, "patience": 2}, method, One(), total=50)
    seen = []
    for step in range(1, 51):
        with torch.no_grad():
            method.networks["net"].weight.fill_(step)
        watch.check(step)
        if watch.over:
            break
        seen.append(step)
    assert step == 40, "20 was the best, 30 and 40 were none better"
    assert watch.best["step"] == 20
    assert watch.best["networks"]["net"]["weight"].item() == 20, "the weights of then, not of now"
    assert watch.best["method"] == {"left": 3}
    assert watch.errors == [(10, 5.0), (20, 3.0), (30, 4.0), (40, 3.0)]


def test_an_infinite_error_stops_training_with_a_reason():
    watch = EarlyStopping({"checks": 1, "patience": 1}, Scripted([float("nan")]), One(), total=3)
    with pytest.raises(AdvcodesError, match=r"error of held-out reconstructions became nan at step 3; lower"):
        watch.check(3)


def test_a_method_that_cannot_reconstruct_is_refused():
    with pytest.raises(AdvcodesError, match=r"training.early_stopping: 'gan' cannot reconstruct.*set it to null"):
        EarlyStopping(SETTINGS, make("gan"), One(), total=3)


def test_held_out_images_are_the_same_for_every_seed_and_never_trained_on(prepared: Path):
    whole = load(prepared / "digits").split("train").images
    assert len({i.tobytes() for i in whole}) == len(whole), "no image is there twice, or this test cannot tell"
    held = []
    for seed in (0, 1):
        data = TrainingData(prepared / "digits", "train", (0.0, 1.0), 16, seed, CPU, held_out=0.1)
        held.append(torch.cat(list(data.validation(50))))
        assert len(held[-1]) == round(0.1 * len(whole)) and data.seen + len(held[-1]) == len(whole)
        seen = torch.cat([data.batch(i).images for i in range(data.steps_per_epoch)])
        assert torch.cdist(held[-1].flatten(1), seen.flatten(1)).min() > 1e-3
    assert torch.equal(*held)
    assert held[0].max() == 1.0 and held[0].min() == 0.0, "in the value range"


def test_held_out_images_are_an_official_split_unless_it_is_trained_on():
    celeba, flowers = ("train", "val", "test"), "train+val+test"
    assert held_out_split(celeba, "train") == "val"
    assert held_out_split(celeba, flowers) is None
    assert held_out_split(celeba, "train", "val") is None
    assert held_out_split(("validation", *celeba), "train") == "validation"
    assert held_out_split(("train", "test"), "train") is None


@pytest.mark.parametrize(("dataset", "epochs"), [("celeba_178", 200), ("mnist", 200), ("cifar10", 200 / 0.95)])
def test_at_scale_paper_aaae_trains_on_all_of_celeba(dataset: str, epochs: float):
    """Its 19,867 validation images are held out; of CIFAR-10, which has none, a share of those trained on."""
    params = read(scale="paper")
    config = {
        "training": {"batch_size": 100, "early_stopping": {"held_out": 0.05}},
        "view": {"train_split": "train"},
        "budget": params.budget_of(dataset, "aaae").model_dump(),
    }
    look = expected(params, dataset)
    assert look is not None
    seen = images_of(config, look, dataset)
    trained_on = look.splits["train"] * (0.95 if dataset == "cifar10" else 1)
    assert seen == pytest.approx(epochs * trained_on, rel=1e-3)


def test_a_run_keeps_its_best_step_and_says_what_it_saw(prepared: Path, tmp_path: Path):
    about = go(prepared, tmp_path / "a", lr=2.0)  # so high a rate that all saturates soon
    errors = about["early_stopping"]["errors"]
    best = min(errors, key=lambda e: e[1])[0]
    assert about["steps"] == best == 15 < about["early_stopping"]["stopped"] < 30
    assert about["images"] == best * 32
    assert [s for s, _ in snapshots(tmp_path / "a")] == list(range(5, best + 1, 5))
    assert sorted(int(p.stem) for p in (tmp_path / "a/snapshots").iterdir()) == list(range(5, best, 5))
    restored = restore(tmp_path / "a")
    data = TrainingData(prepared / "digits", "train", (0.0, 1.0), 32, 0, CPU, held_out=0.1)
    with torch.inference_mode():
        images = torch.cat(list(data.validation(10_000)))
        again = float(restored.method.validation_error(images.contiguous(memory_format=torch.channels_last)))
    assert again == pytest.approx(min(e for _, e in errors), rel=1e-5)


def test_a_killed_run_remembers_its_best(prepared: Path, tmp_path: Path):
    def kill(step: int) -> None:
        if step == 15:
            raise Killed

    for rate in (2.0, 1e-3):
        a, b = tmp_path / f"killed {rate}", tmp_path / f"whole {rate}"
        with pytest.raises(Killed):
            go(prepared, a, lr=rate, checkpoint_seconds=1e-9, on_checkpoint=kill)
        assert go(prepared, a, lr=rate) == go(prepared, b, lr=rate)
        one, two = (checkpoint.load(f / "networks.pt")["networks"] for f in (a, b))
        assert all(torch.equal(t, two[role][k]) for role, state in one.items() for k, t in state.items())
        assert (a / "losses.csv").read_bytes() == (b / "losses.csv").read_bytes()
