"""The stage of the network for features: what it learns, from which images, and what it leaves in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advcodes.config.sections import FeatureNetworkSettings, Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load as load_prepared
from advcodes.extractors import feature_network
from advcodes.extractors.feature_network import accuracy_of, divided, examples, task_of, train
from advcodes.nets.features import Attributes, Digits, FeatureNetwork
from evaluation_fakes import DAMAGES, artifact, damaged, write_prepared

CPU = torch.device("cpu")
CONFIG = FeatureNetworkSettings(
    digits_width=6, digits_units=16, digits_side=8, digits_epochs=6, digits_batch_size=16,
    attributes_width=4, attributes_epochs=8, attributes_batch_size=16, attributes_lr=1e-2,
).model_dump(mode="json") | {"train_split": "train", "test_split": "test"}  # fmt: skip


def bars(n: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images with two bright rows where their class says; labels; and two attributes: low, and dark."""
    random = np.random.default_rng(n)
    labels = random.integers(0, classes, n)
    dark = random.integers(0, 2, n)
    images = random.integers(0, 60, (n, 1, 8, 8)).astype(np.uint8)
    for image, label, night in zip(images, labels, dark, strict=True):
        image[0, 2 * label : 2 * label + 2] = 130 if night else 255
    return images, labels, np.stack([labels >= classes // 2, dark], 1)


def dataset(directory: Path, kind: str, splits: dict[str, int] | None = None) -> Path:
    splits = splits or {"train": 160, "test": 40}
    images, labels, attributes = bars(sum(splits.values()))
    given = {"labels": labels} if kind == "classes" else {"attributes": attributes}
    return write_prepared(directory, images, splits, **given)


def same(one: FeatureNetwork, two: FeatureNetwork) -> bool:
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# -- what is learnt ---------------------------------------------------------------------------------------------


def test_attributes_come_before_classes(tmp_path: Path):
    images, labels, attributes = bars(30)
    both = load_prepared(write_prepared(tmp_path / "both", images, {"train": 30}, labels, attributes))
    assert task_of(both) == ("attributes", 2)
    assert task_of(load_prepared(write_prepared(tmp_path / "one", images, {"train": 30}, labels))) == ("classes", 4)


def test_a_dataset_without_either(tmp_path: Path):
    lacks = load_prepared(write_prepared(tmp_path / "images", bars(30)[0], {"train": 30}))
    with pytest.raises(AdvcodesError, match=r"^tiny: has neither attributes nor two classes, so no network for feat"):
        task_of(lacks)
    points = np.zeros((30, 2), np.float32)
    points = load_prepared(write_prepared(tmp_path / "points", points, {"train": 30}, np.arange(30) % 3))
    with pytest.raises(AdvcodesError, match=r"^tiny: points, not images, so no network for features can be trained"):
        task_of(points)


def test_only_images_of_known_class_count(tmp_path: Path):
    images, labels, _ = bars(30)
    labels[::3] = -1
    found = examples(load_prepared(write_prepared(tmp_path, images, {"train": 30}, labels)), "classes")
    np.testing.assert_array_equal(found.images, images[labels >= 0])
    np.testing.assert_array_equal(found.targets, labels[labels >= 0])


@pytest.mark.parametrize("name", ["validation", "val"])
def test_weights_are_chosen_by_the_split_for_it(name: str, tmp_path: Path):
    data = load_prepared(dataset(tmp_path, "classes", {name: 20, "train": 60, "test": 20}))
    training, validation = divided(data, "classes", CONFIG)
    np.testing.assert_array_equal(validation.images, data.images[:20])
    np.testing.assert_array_equal(validation.targets, data.labels[:20])
    np.testing.assert_array_equal(training.images, data.images[20:80])


@pytest.mark.parametrize("train_split", ["train", "val+train"])
def test_else_by_a_share_of_the_training_images(train_split: str, tmp_path: Path):
    splits = {"val": 20, "train": 80, "test": 20} if train_split != "train" else {"train": 100, "test": 20}
    data = load_prepared(dataset(tmp_path, "classes", splits))
    training, validation = divided(data, "classes", CONFIG | {"train_split": train_split, "held_out": 0.2})
    assert len(training.images) == len(training.targets) == 80 and len(validation.images) == 20
    rows = {image.tobytes(): row for row, image in enumerate(data.images)}
    kept, held = ([rows[image.tobytes()] for image in part.images] for part in (training, validation))
    assert sorted(kept + held) == list(range(100)) and kept == sorted(kept)
    np.testing.assert_array_equal(validation.targets, data.labels[held])
    assert max(held) > 60, "drawn from the whole split, whose rows may be in order of their classes"
    again = divided(data, "classes", CONFIG | {"train_split": train_split, "held_out": 0.2})
    np.testing.assert_array_equal(again[1].images, validation.images)


def test_one_training_image_is_too_few(tmp_path: Path):
    data = load_prepared(dataset(tmp_path, "classes", {"train": 1, "test": 20}))
    with pytest.raises(AdvcodesError, match=r"^tiny: split 'train' has 1 image\(s\) of known classes, expected at lea"):
        divided(data, "classes", CONFIG)


# -- training ---------------------------------------------------------------------------------------------------


def parts(directory: Path, kind: str) -> tuple[Any, ...]:
    data = load_prepared(dataset(directory, kind))
    return (*divided(data, kind, CONFIG), *task_of(data))


@pytest.mark.parametrize("kind", ["classes", "attributes"])
def test_training_is_repeatable_and_draws_nothing_from_the_global_stream(kind: str, tmp_path: Path):
    given = parts(tmp_path, kind)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, facts = train(*given, CONFIG, CPU)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    two, _ = train(*given, CONFIG, CPU)
    assert same(one, two) and not one.training
    epochs = {"classes": 6, "attributes": 8}[kind]
    assert facts.items() >= {"images": 144, "epochs": epochs, "steps": 9 * epochs}.items()


def test_the_weights_of_the_best_epoch_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[dict[str, torch.Tensor]] = []
    answers = iter([0.5, 0.7, 0.7, 0.6, 0.1, 0.2])

    def judged(network: FeatureNetwork, part: Any) -> float:
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
        return next(answers)

    monkeypatch.setattr(feature_network, "accuracy_of", judged)
    network, facts = train(*parts(tmp_path, "classes"), CONFIG, CPU)
    assert facts["kept_epoch"] == 2 and len(seen) == 6
    assert all(torch.equal(v, seen[1][k]) for k, v in network.state_dict().items())


def test_the_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Facts 5.17: SGD whose rate falls by a tenth each 10,000 steps (here three), and Adam, whose does not."""
    monkeypatch.setattr(feature_network, "DECAY_STEPS", 3)
    seen: list[dict[str, Any]] = []
    for kind in (torch.optim.SGD, torch.optim.Adam):
        step = kind.step
        monkeypatch.setattr(
            kind, "step", lambda self, *a, step=step: (seen.append(self.param_groups[0] | {"at": self}), step(self))[1]
        )
    train(*parts(tmp_path / "classes", "classes"), CONFIG | {"digits_epochs": 1}, CPU)
    assert [g["lr"] for g in seen] == pytest.approx([1e-2] * 3 + [9e-3] * 3 + [8.1e-3] * 3)
    assert {(type(g["at"]), g["momentum"], g["weight_decay"]) for g in seen} == {(torch.optim.SGD, 0.9, 5e-4)}
    seen.clear()
    train(*parts(tmp_path / "attributes", "attributes"), CONFIG | {"attributes_epochs": 1}, CPU)
    assert {(type(g["at"]), g["lr"], g["weight_decay"]) for g in seen} == {(torch.optim.Adam, 1e-2, 0)}


def test_divergence_is_named(tmp_path: Path):
    with pytest.raises(AdvcodesError, match=r"^x: training diverged at step 9 .* lower metrics.feature_network.digit"):
        train(*parts(tmp_path, "classes"), CONFIG | {"digits_lr": 1e30}, CPU, "x")


# -- the stage --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["classes", "attributes"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp(request.param)
    stage = artifact(root / "network", "extractor/features/x", CONFIG, data=dataset(root / "data", request.param))
    stage.result, stage.kind = feature_network.make(stage, Machine(device="cpu")), request.param
    return stage


def test_the_stage_learns_and_says_what(made: Any):
    files, facts = made.result
    assert files == ["about.json", "network.pt"]
    about = json.loads((made.directory / "about.json").read_text())
    classes = made.kind == "classes"
    assert about["kind"] == made.kind and about["outputs"] == (4 if classes else 2)
    assert about["features"] == 16 and about["side"] == (8 if classes else 64)
    assert about["images"] == 144 and about["accuracy"] == facts["accuracy"]
    assert set(about["accuracy"]) == {"train", "validation", "test"}
    assert about["accuracy"]["test"] > (0.6 if classes else 0.75)
    network = feature_network.load(made.directory, "cpu")
    assert isinstance(network, Digits if classes else Attributes) and network.size == about["features"]
    assert network.about == about and not network.training and not any(p.requires_grad for p in network.parameters())
    test = load_prepared(made.inputs["data"].directory).split("test")
    with torch.no_grad():
        features, logits = network(torch.from_numpy(np.array(test.images)) / 255)
    right = logits.argmax(1).numpy() == test.labels if classes else (logits > 0).numpy() == test.attributes
    assert about["accuracy"]["test"] == pytest.approx(right.mean(), abs=1e-4)
    assert accuracy_of(network, examples(test, made.kind)) == pytest.approx(right.mean(), abs=1e-9)
    assert features.shape == (40, network.size)


@pytest.mark.parametrize(("train_split", "saw"), [("train", False), ("train+test", True)])
def test_a_test_split_that_was_trained_on_is_said_to_be(train_split: str, saw: bool, tmp_path: Path):
    config = CONFIG | {"train_split": train_split, "digits_epochs": 1}
    data = dataset(tmp_path / "data", "classes", {"train": 40, "test": 10})
    stage = artifact(tmp_path / "out", "extractor/features/x", config, data=data)
    feature_network.make(stage, Machine(device="cpu"))
    about = feature_network.load(stage.directory, "cpu").about
    assert about["saw_test"] == saw and about["images"] == (45 if saw else 36)


def test_loading_leaves_the_global_stream(made: Any):
    state = torch.get_rng_state()
    feature_network.load(made.directory, "cpu")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_network(damage: str, made: Any, tmp_path: Path):
    name = "network.pt"
    damaged(damage, made.directory / name, tmp_path / name, lambda content: content["state"].pop("head.bias"))
    with pytest.raises(AdvcodesError, match=r"network.pt: (no network for features|not a readable|not a network for)"):
        feature_network.load(tmp_path, "cpu")
