"""The one supervised loop: it ends bitwise alike when killed and resumed, keeps the best weights, and ends early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from advcodes.build.provenance import Artifact
from advcodes.config.sections import ClassifierSettings, FeatureNetworkSettings, Text
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load as load_prepared
from advcodes.extractors import classifier, feature_network, mnist_classifier
from advcodes.jobs import checkpoint
from advcodes.jobs.fit import Fitted, Plan, Resume, Validation, fit
from advcodes.text import encoder
from evaluation_fakes import write_prepared

CPU = torch.device("cpu")
Train = Callable[[Resume | None], nn.Module]


def a_classifier(root: Path, task: str = "auto", **targets: np.ndarray) -> Train:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 1, 8, 8)).astype(np.uint8)
    data = load_prepared(write_prepared(root, images, {"train": 40}, **targets)).split("train")
    config = ClassifierSettings(width=2, epochs=1, batch_size=8).model_dump(mode="json") | {"task": task}
    return lambda resume: classifier.train(data, config, CPU, "it", resume)[0]


def of_rotations(root: Path) -> Train:
    return a_classifier(root)


def of_statements(root: Path) -> Train:
    """With noise on images, drawn beside their order."""
    random = np.random.default_rng(1)
    return a_classifier(root, "statements", labels=random.integers(0, 3, 40), attributes=random.integers(0, 2, (40, 2)))


def of_the_mnist_score(root: Path) -> Train:
    random = np.random.default_rng(2)
    images, labels = random.integers(0, 256, (30, 1, 28, 28)).astype(np.uint8), random.integers(0, 10, 30)
    config = {"epochs": 2, "batch_size": 8, "copies": 0, "precision": "bfloat16"}
    given = (images[:24], labels[:24], (images[24:], labels[24:]))
    return lambda resume: mnist_classifier.train(*given, config, CPU, "it", resume)[0]


def a_feature_network(kind: str, **config: Any) -> Train:
    random = np.random.default_rng(3)
    images = random.integers(0, 256, (30, 1, 8, 8)).astype(np.uint8)
    targets = random.integers(0, 3, 30) if kind == "classes" else random.integers(0, 2, (30, 3))
    all_ = feature_network.LabelledImages(images, targets)
    parts = all_.rows(np.arange(24)), all_.rows(np.arange(24, 30))
    settings = FeatureNetworkSettings(**config).model_dump(mode="json")
    return lambda resume: feature_network.train(*parts, kind, 3, settings, CPU, "it", resume)[0]


def of_digits(root: Path) -> Train:
    """With dropout, and a learning rate that falls."""
    return a_feature_network(
        "classes", digits_width=4, digits_units=8, digits_side=8, digits_epochs=4, digits_batch_size=8
    )


def of_attributes(root: Path) -> Train:
    return a_feature_network("attributes", attributes_width=2, attributes_epochs=3, attributes_batch_size=8)


def of_sentences(root: Path) -> Train:
    config = Text(word=6, hidden=4, steps=9, batch_size=2, min_count=1).model_dump()
    captions = [[f"a {c} {t}", f"the {t} is {c}"] for c in ("red", "blue") for t in ("rose", "iris", "lily")]
    return lambda resume: encoder.train(captions, config, CPU, "it", resume)[0]


@pytest.mark.parametrize(
    "training", [of_rotations, of_statements, of_the_mnist_score, of_digits, of_attributes, of_sentences]
)
def test_a_killed_training_goes_on_and_ends_bitwise_alike(
    training: Callable[[Path], Train], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    """In the middle of an epoch, one step after the last checkpoint."""
    monkeypatch.setattr(classifier, "MIN_STEPS", 12)
    monkeypatch.setattr(feature_network, "DECAY_STEPS", 2)
    monkeypatch.setattr(mnist_classifier, "CHECK", 2)
    train = training(tmp_path / "data")
    whole, path, seen = train(None).state_dict(), tmp_path / "checkpoint.pt", []

    def killed(step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Resume(path, "key", 0, killed))
    torch.manual_seed(99)  # another process' stream
    stream = torch.get_rng_state()
    again = train(Resume(path, "key", on_step=seen.append)).state_dict()
    assert f"it: resumed after step 2 of {seen[-1]}" in capsys.readouterr().out
    assert seen == list(range(3, seen[-1] + 1)) and torch.equal(torch.get_rng_state(), stream)
    assert whole.keys() == again.keys() and all(torch.equal(whole[k], again[k]) for k in whole)


# -- the loop itself ----------------------------------------------------------------------------------------------


def straight(plan: Plan, lr: float = 0.1, **options: Any) -> tuple[nn.Linear, Fitted]:
    """A line through y = 2 x."""
    x = torch.linspace(-1, 1, plan.examples)[:, None]
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    optimiser = torch.optim.SGD(network.parameters(), lr)
    fitted = fit(
        network, plan, lambda index, _: (x[index], 2 * x[index]), lambda y, t: (y - t).square().mean(), optimiser,
        what="line", **options,
    )  # fmt: skip
    return network, fitted


@pytest.mark.parametrize(
    ("plan", "size", "steps"),
    [(Plan(10, 4, epochs=3), 4, 6), (Plan(10, 4, epochs=3, least_steps=9), 4, 9), (Plan(3, 4, least_steps=2), 3, 2)],
)
def test_a_plan_counts_whole_batches(plan: Plan, size: int, steps: int):
    assert (plan.size, plan.steps) == (size, steps)
    done: list[int] = []
    assert straight(plan, validation=Validation(lambda: float(len(done)), 1))[1].kept_step == 1
    straight(plan, validation=Validation(lambda: done.append(0) or 0.0, 1))
    assert len(done) == steps


def test_each_epoch_sees_every_example_once():
    seen: list[int] = []

    def order(n: int, random: torch.Generator) -> torch.Tensor:
        numbers = torch.randperm(n, generator=random)
        seen.extend(numbers.tolist())
        return numbers

    network, fitted = straight(Plan(8, 2, epochs=40), order=order)
    assert sorted(seen) == sorted(list(range(8)) * 40) and fitted.kept_step == 160
    assert network.weight.item() == pytest.approx(2, abs=1e-3) and fitted.loss < 1e-5 and not network.training


@pytest.mark.parametrize(("patience", "looks"), [(None, 8), (2, 4), (3, 5)])
def test_training_ends_early_and_keeps_the_best(patience: int | None, looks: int):
    scores, steps = iter([0.1, 0.5, 0.5, 0.4, 0.2, 0.3, 0.4, 0.4]), []
    weights: list[float] = []
    plan = Plan(8, 8, epochs=15)

    def score() -> float:
        steps.append(len(weights))
        weights.append(network.weight.item())
        return next(scores)

    network = nn.Linear(1, 1, bias=False)
    x = torch.linspace(-1, 1, 8)[:, None]
    fitted = fit(
        network, plan, lambda index, _: (x[index], 2 * x[index]), lambda y, t: (y - t).square().mean(),
        torch.optim.SGD(network.parameters(), 0.1), what="line", validation=Validation(score, 2, patience),
    )  # fmt: skip
    assert len(steps) == looks and fitted.kept_step == 4 and fitted.score == 0.5
    assert network.weight.item() == weights[1] and len(set(weights)) == looks


@pytest.mark.parametrize("kill_at", range(2, 9))
def test_wherever_it_is_killed(kill_at: int, tmp_path: Path):
    """With dropout, a schedule, momentum and numbers drawn beside; epochs of three steps."""
    x, path = torch.linspace(-1, 1, 36).view(9, 4), tmp_path / "checkpoint.pt"

    def trained(resume: Resume | None) -> dict[str, torch.Tensor]:
        torch.manual_seed(4)
        network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 2))
        optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
        plan, scores = Plan(9, 3, epochs=3), lambda: network[0].weight.sum().item()
        fit(
            network, plan, lambda index, random: (x[index] + torch.rand(3, 4, generator=random), None),
            lambda y, _: y.square().mean(), optimiser,
            torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=plan.steps), what="it",
            order=lambda n, random: torch.randperm(n, generator=random), validation=Validation(scores, 2),
            resume=resume,
        )  # fmt: skip
        return network.state_dict()

    def killed(step: int) -> None:
        if step == kill_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(Resume(path, "k", 0, killed))
    whole, again = trained(None), trained(Resume(path, "k", 0))
    assert all(torch.equal(whole[k], again[k]) for k in whole)


def test_patience_is_counted_over_a_kill(tmp_path: Path):
    plan, path = Plan(8, 8, epochs=15), tmp_path / "checkpoint.pt"

    def killed(step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        straight(plan, validation=Validation(iter([0.5, 0.4, 0.4]).__next__, 1, 3), resume=Resume(path, "k", 0, killed))
    rest: list[int] = []
    validation = Validation(lambda: rest.append(0) or 0.4, 1, 3)
    assert straight(plan, validation=validation, resume=Resume(path, "k"))[1].score == 0.5
    assert len(rest) == 2, "looks after steps 3 and 4: the one after step 2 was in the checkpoint"


def test_a_checkpoint_of_something_else_is_not_continued(tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "checkpoint.pt"
    straight(Plan(8, 2, epochs=2), resume=Resume(path, "one", 0))
    assert checkpoint.load(path)["step"] == 7, "none after the last step"
    one, _ = straight(Plan(8, 2, epochs=1), resume=Resume(path, "another"))
    assert torch.equal(one.weight, straight(Plan(8, 2, epochs=1))[0].weight)
    assert "resumed" not in capsys.readouterr().out


def test_a_damaged_checkpoint_is_set_aside(tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"half")
    one, _ = straight(Plan(8, 2, epochs=1), resume=Resume(path, "one"))
    assert torch.equal(one.weight, straight(Plan(8, 2, epochs=1))[0].weight)
    assert "not a readable checkpoint" in capsys.readouterr().out and path.with_suffix(".damaged").exists()


def test_a_training_that_diverges_leaves_no_checkpoint_of_it(tmp_path: Path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(AdvcodesError, match=r"^line: training diverged at step \d+ \(loss (inf|nan)\); lower it$"):
        straight(Plan(8, 8, epochs=400), 1e5, advice="lower it", resume=Resume(path, "k", 0))
    assert all(torch.isfinite(w).all() for w in checkpoint.load(path)["network"].values())
    with pytest.raises(AdvcodesError, match=r"^line: training diverged at step 400 \(loss (inf|nan)\)$"):
        straight(Plan(8, 8, epochs=400), 1e5)


def test_an_artifact_keeps_its_checkpoint_with_its_unfinished_work(tmp_path: Path):
    made = Artifact("extractor/x", tmp_path / "manifest.json", {})
    resume = Resume.of(made)
    assert resume.key == made.key and resume.path.parent == made.directory / "unfinished" and resume.load() is None
    straight(Plan(8, 8, epochs=2), resume=Resume(resume.path, made.key, 0))
    assert resume.load()["step"] == 1
    made.finish([])
    assert not resume.path.parent.exists()
