"""The stages in a row on a tiny dataset: classifier, reference, samples, metrics; and what they say to bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from advcodes.build import keys
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation import evaluate, reference, sample
from advcodes.extractors import classifier
from advcodes.extractors.features import load_extractor
from advcodes.metrics.registry import describe
from advcodes.metrics.samples.energy_distance import energy_distance
from advcodes.metrics.samples.frechet import frechet_distance, statistics
from evaluation_fakes import DAMAGES, MEASURED, SAMPLING, Fake, artifact, damaged, run, write_prepared

CPU = Machine(device="cpu")
TRAINING = {"width": 4, "epochs": 1, "batch_size": 16, "lr": 1e-2, "precision": "float32"}
SPLITS = {"train_split": "train", "test_split": "test"}


def tiny(directory: Path, **kwargs: Any) -> Path:
    """90 grey 6x6 images, 50 of them to train on."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 90)
    images = (random.integers(0, 60, (90, 1, 6, 6)) + 90 * labels[:, None, None, None]).astype(np.uint8)
    return write_prepared(directory, images, {"train": 50, "test": 40}, **(kwargs or {"labels": labels}))


def train(directory: Path, data: Path, **config: Any) -> Any:
    made = artifact(directory, "extractor/classifier/tiny/0", TRAINING | SPLITS | config, "extractor-key", data=data)
    made.result = classifier.make(made, CPU)
    return made


def refer(directory: Path, data: Path, extractor: Any, **config: Any) -> Any:
    settings = {
        "extractor": "classifier",
        "split": "test",
        "n_reference": 30,
        "floor_split": "train",
        "n_generated": 45,
    }
    made = artifact(
        directory, "reference/tiny/0", settings | MEASURED | config, "reference-key", data=data, extractor=extractor
    )
    made.result = reference.make(made, CPU)
    return made


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "MIN_STEPS", 5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Dataset, extractor and reference, made once."""
    root = tmp_path_factory.mktemp("stages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "MIN_STEPS", 5)
        data = tiny(root / "data")
        extractor = train(root / "extractor", data)
    return SimpleNamespace(
        root=root, data=data, extractor=extractor, reference=refer(root / "reference", data, extractor)
    )


def generator(scale: float = 1.0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 36), nn.BatchNorm1d(36), nn.Sigmoid(), nn.Unflatten(1, (1, 6, 6)))
    net[1].weight.data.mul_(scale)
    return net


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    """Snapshots at steps 5 and 10 of a run, in place of files."""
    runs = {step: run(generator(step / 10), (1, 6, 6), seed=2, step=step) for step in (5, 10)}
    for module in (sample, evaluate):
        monkeypatch.setattr(module, "restore", lambda directory, where, step=None: runs[step or 10])
    monkeypatch.setattr(evaluate, "snapshots", lambda directory: [(5, 20), (10, 40)])
    return runs


def evaluated(directory: Path, made: Any, **config: Any) -> dict[str, Any]:
    config_ = SAMPLING | {"n_generated": 45}
    samples = artifact(directory / "samples", "sample/demo/tiny/fake/seed2", config_, "samples-key", run=directory)
    sample.make(samples, CPU)
    settings = {"extractor": "classifier", "sampling": SAMPLING, "curve_n_generated": 25, **MEASURED} | config
    trained = SimpleNamespace(directory=directory, key="run-key")
    measured = artifact(directory / "metrics", "evaluate/demo/tiny/fake/seed2", settings, run=trained, samples=samples,
                        extractor=made.extractor, reference=made.reference)  # fmt: skip
    files, facts = evaluate.make(measured, CPU)
    assert files == ["metrics.json"]
    content = json.loads((directory / "metrics" / "metrics.json").read_text())
    assert facts == {"metrics": content["metrics"]}
    return content


# -- what depends on what -----------------------------------------------------------------------------------------


def test_nothing_but_measuring_imports_torch_fidelity():
    modules = ("training.train", "evaluation.sample", "extractors.classifier", "evaluation.evaluate", "api", "app.cli")
    script = (
        "import sys\n"
        + "".join(f"import advcodes.{m}\n" for m in modules)
        + "assert 'torch_fidelity' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("stage", ["reference", "evaluate", "sample"])
def test_the_code_of_one_extractor_is_not_part_of_the_others_results(stage: str):
    """The extractor itself is an input, which has its code in its own key."""
    reached = keys.code(f"advcodes.evaluation.{stage}")
    assert f"advcodes.evaluation.{stage}" in reached
    assert not {"advcodes.extractors.inception", "advcodes.extractors.classifier"} & set(reached)


# -- the classifier -----------------------------------------------------------------------------------------------


def test_the_classifier_says_what_it_learnt(made: Any):
    files, facts = made.extractor.result
    assert files == ["classifier.pt", "classifier.json"]
    about = json.loads((made.root / "extractor" / "classifier.json").read_text())
    assert about["task"] == "classes" and about["outputs"] == 3 and about["features"] == 16
    assert about["accuracy"] == facts["accuracy"] and 0 <= about["accuracy"]["test"] <= 1
    assert about["steps"] == 5 and about["images"] == 50


def test_the_classifier_is_the_same_every_time(made: Any, tmp_path: Path):
    torch.manual_seed(7)  # whatever the global stream holds
    train(tmp_path, made.data)
    one, two = (load_extractor(d, "classifier") for d in (made.root / "extractor", tmp_path))
    images = load_prepared(made.data).images
    assert all(torch.equal(a, b) for a, b in zip(one.features(images), two.features(images), strict=True))
    assert one.sha256 == two.sha256


def test_features_do_not_depend_on_the_batch(made: Any):
    extractor = load_extractor(made.root / "extractor", "classifier")
    images = load_prepared(made.data).images
    whole = extractor.features(images)[0]
    assert whole.shape == (90, 16) and not whole.requires_grad
    torch.testing.assert_close(extractor.features(images[80:])[0], whole[80:])
    with pytest.raises(AdvcodesError, match="floor: no images to extract features from"):
        extractor.features(images[:0], "floor")


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3, 64, 64), np.uint8), ((1, 3, 5), np.uint8), ((3, 1, 1), np.uint8), ((2,), np.float32)]
)
def test_any_shape_of_images(shape: tuple[int, ...], dtype: Any, tmp_path: Path):
    random = np.random.default_rng(0)
    rows = random.integers(0, 256, (24, *shape)).astype(dtype)
    data = write_prepared(tmp_path / "data", rows, {"train": 16, "test": 8}, labels=np.arange(24) % 2)
    train(tmp_path / "out", data)
    features, logits = load_extractor(tmp_path / "out", "classifier").features(rows)
    assert features.shape == (24, 16) and logits.shape == (24, 2) and features.isfinite().all()


def test_features_of_floats_have_a_gradient():
    """What a method can learn from: pixels between two of 8 bits, on [0, 255], too."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = classifier.Classifier((3, 12, 10), 4, 4).eval().requires_grad_(False)
    stored = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 12, 10), dtype=np.uint8))
    x = stored.float().requires_grad_()
    features, _ = network(x)
    assert torch.equal(features, network(stored)[0])
    [gradient] = torch.autograd.grad(features[0].sum(), x)
    assert gradient[0].ne(0).float().mean() > 0.5 and gradient[1].eq(0).all()


def test_bfloat16_is_for_training_only(made: Any, tmp_path: Path):
    train(tmp_path, made.data, precision="bfloat16")
    extractor = load_extractor(tmp_path, "classifier")
    features, _ = extractor.features(load_prepared(made.data).images)
    assert all(p.dtype == torch.float32 for p in extractor.network.parameters())
    assert (features != features.bfloat16().float()).any()


def test_rows_without_a_class_are_left_out(tmp_path: Path):
    labels = np.arange(90) % 3
    labels[:20] = -1
    train(tmp_path / "out", tiny(tmp_path / "data", labels=labels))
    assert json.loads((tmp_path / "out" / "classifier.json").read_text())["images"] == 30


@pytest.mark.parametrize("task", ["attributes", "rotations"])
def test_without_classes_there_is_no_score(task: str, tmp_path: Path):
    given = {"attributes": np.arange(180).reshape(90, 2) % 3 == 0} if task == "attributes" else {"labels": np.zeros(90)}
    data = tiny(tmp_path / "data", **given)
    extractor = train(tmp_path / "extractor", data)
    about = json.loads((tmp_path / "extractor" / "classifier.json").read_text())
    assert about["task"] == task and about["outputs"] == {"attributes": 2, "rotations": 4}[task]
    floor = refer(tmp_path / "reference", data, extractor).directory / "floor.json"
    assert set(json.loads(floor.read_text())["metrics"]) == {
        "fd_classifier", "kd_classifier", "precision_classifier", "recall_classifier",
    }  # fmt: skip


def test_rotations_turn_the_centre_square():
    image = torch.arange(6).view(1, 1, 2, 3).repeat(4, 1, 1, 1)
    turned = classifier._rotated(image, torch.arange(4))
    assert turned.flatten(1).tolist() == [[0, 1, 3, 4], [1, 4, 0, 3], [4, 3, 1, 0], [3, 0, 4, 1]]


def test_points_without_classes_teach_nothing(tmp_path: Path):
    data = write_prepared(tmp_path / "data", np.zeros((20, 2), np.float32), {"train": 10, "test": 10})
    with pytest.raises(AdvcodesError, match="tiny: points without classes give the classifier nothing to learn"):
        train(tmp_path / "out", data)


def test_a_diverged_classifier(made: Any, tmp_path: Path):
    with pytest.raises(AdvcodesError, match=r"training diverged at step \d+ .* lower metrics.classifier.lr \(1e\+30\)"):
        train(tmp_path, made.data, lr=1e30)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_classifier(damage: str, made: Any, tmp_path: Path):
    whole = made.root / "extractor" / "classifier.pt"
    damaged(damage, whole, tmp_path / whole.name, lambda content: content.update(width=5))
    with pytest.raises(
        AdvcodesError, match=r"classifier.pt: (no such classifier|not a (readable checkpoint|classifier of this))"
    ):
        load_extractor(tmp_path, "classifier")


def test_an_unknown_extractor(tmp_path: Path):
    with pytest.raises(AdvcodesError, match="unknown extractor 'inceptoin'; did you mean 'inception'"):
        load_extractor(tmp_path, "inceptoin")


# -- the reference ------------------------------------------------------------------------------------------------


def test_the_reference_is_a_seeded_choice_of_the_split(made: Any):
    prepared = load_prepared(made.data)
    chosen = reference.choose(prepared, "test", 30)
    assert len(set(chosen)) == 30 and chosen.min() >= 50 and (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, reference.choose(prepared, "test", 30))
    np.testing.assert_array_equal(reference.choose(prepared, "test", 999), np.arange(50, 90))
    with pytest.raises(AdvcodesError, match="unknown split of dataset 'tiny': 'tset'"):
        reference.choose(prepared, "tset", 5)

    found = reference.load(made.root / "reference")
    features, _ = load_extractor(made.root / "extractor", "classifier").features(prepared.images[chosen])
    assert torch.equal(found.features, features) and found.split == "test"
    np.testing.assert_array_equal(found.statistics.mean, statistics(features).mean)
    np.testing.assert_array_equal(found.statistics.covariance, statistics(features).covariance)


def test_the_floor_is_what_training_images_score(made: Any):
    floor = json.loads((made.root / "reference" / "floor.json").read_text())
    prepared = load_prepared(made.data)
    rows = reference.choose(prepared, "train", 45)
    features, _ = load_extractor(made.root / "extractor", "classifier").features(prepared.images[rows])
    exact = frechet_distance(statistics(features), reference.load(made.root / "reference").statistics)
    assert floor["metrics"]["fd_classifier"] == pytest.approx(exact)
    assert floor["protocol"]["n_generated"] == 45 and floor["protocol"]["floor_split"] == "train"


def test_the_floor_never_shares_images_with_the_reference(made: Any, tmp_path: Path):
    refer(tmp_path / "a", made.data, made.extractor, split="train", n_reference=30)
    assert json.loads((tmp_path / "a" / "floor.json").read_text())["protocol"]["n_generated"] == 20
    refer(tmp_path / "b", made.data, made.extractor, split="train", n_reference=50)
    assert json.loads((tmp_path / "b" / "floor.json").read_text())["metrics"] == {}


def test_points_are_compared_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Points have an energy distance in metrics, floor and curve; images (above) have none."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((90, 2)).astype(np.float32)
    data = write_prepared(tmp_path / "data", rows, {"train": 50, "test": 40}, labels=np.arange(90) % 2)
    extractor = train(tmp_path / "extractor", data)
    made = SimpleNamespace(extractor=extractor, reference=refer(tmp_path / "reference", data, extractor))
    real = reference.load(tmp_path / "reference")
    prepared = load_prepared(data)
    np.testing.assert_array_equal(real.points, prepared.images[reference.choose(prepared, "test", 30)])

    runs = {step: run(nn.Linear(2, 2), (2,), seed=2, step=step) for step in (5, 10)}
    for module in (sample, evaluate):
        monkeypatch.setattr(module, "restore", lambda directory, where, step=None: runs[step or 10])
    monkeypatch.setattr(evaluate, "snapshots", lambda directory: [(5, 20), (10, 40)])
    content = evaluated(tmp_path, made)

    def exact(step: int, n: int) -> float:
        return energy_distance(sample.generate(runs[step], n, SAMPLING, 2), real.points)

    assert content["metrics"]["energy_distance"] == pytest.approx(exact(10, 45), rel=1e-9)
    assert "unbiased" in content["protocol"]["energy_distance"]
    training = prepared.images[reference.choose(prepared, "train", 45)]
    assert content["floor"]["metrics"]["energy_distance"] == pytest.approx(energy_distance(training, real.points))
    assert [list(p) for p in content["curve"]] == [["step", "images", "fd_classifier", "energy_distance"]] * 2
    curve = [p["energy_distance"] for p in content["curve"]]
    assert curve == [pytest.approx(exact(step, 25), rel=1e-9) for step in (5, 10)]
    assert all(describe(name, content["protocol"]) for name in content["metrics"])


@pytest.mark.parametrize("damage", ["missing", "truncated", "another file"])
def test_a_damaged_reference(damage: str, made: Any, tmp_path: Path):
    path = tmp_path / "reference.npz"
    if damage == "truncated":
        path.write_bytes((made.root / "reference" / "reference.npz").read_bytes()[:200])
    elif damage == "another file":
        np.savez(path, features=np.zeros(3))
    with pytest.raises(
        AdvcodesError, match=r"reference.npz: not a readable reference \(.*\); delete it and run `snakemake` again"
    ):
        reference.load(tmp_path)


# -- metrics ------------------------------------------------------------------------------------------------------


def test_metrics_carry_their_protocol(made: Any, trained: dict[int, Any], tmp_path: Path):
    content = evaluated(tmp_path, made)
    assert content["run"] == "demo/tiny/fake/seed2"
    assert list(content["metrics"]) == [
        "fd_classifier", "score_classifier", "kd_classifier", "precision_classifier", "recall_classifier",
    ]  # fmt: skip
    protocol = content["protocol"]
    expected = {
        "n_generated": 45, "n_reference": 30, "split": "test", "resize": "none", "extractor": "classifier", "seed": 2,
        "step": 10, "images": 40, "batch_norm": "reestimate", "checkpoint_key": "run-key", "samples_key": "samples-key",
        "reference_key": "reference-key", "extractor_key": "extractor-key", "extractor_task": "classes",
    }  # fmt: skip
    assert protocol | expected == protocol
    assert len(protocol["extractor_sha256"]) == 64 and protocol["torch_fidelity"]
    assert all(describe(name, protocol) for name in content["metrics"])
    assert content["floor"] == json.loads((made.root / "reference" / "floor.json").read_text())


def test_metrics_and_curve_are_those_of_the_snapshots(made: Any, trained: dict[int, Any], tmp_path: Path):
    content = evaluated(tmp_path, made)
    extractor = load_extractor(made.root / "extractor", "classifier")
    against = reference.load(made.root / "reference").statistics

    def exact(step: int, n: int) -> float:
        images = sample.generate(trained[step], n, SAMPLING, 2)
        return frechet_distance(statistics(extractor.features(images)[0]), against)

    assert content["metrics"]["fd_classifier"] == pytest.approx(exact(10, 45), rel=1e-4)
    assert [(p["step"], p["images"]) for p in content["curve"]] == [(5, 20), (10, 40)]
    assert [p["fd_classifier"] for p in content["curve"]] == [pytest.approx(exact(s, 25), rel=1e-4) for s in (5, 10)]
    assert content["curve_protocol"] == {
        "metric": "fd_classifier",
        "n_generated": 25,
        "n_reference": 30,
        "split": "test",
    }


def test_the_last_point_of_a_curve_uses_the_samples_that_exist(
    made: Any, trained: dict[int, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = []
    original = Fake.sample
    monkeypatch.setattr(Fake, "sample", lambda self, n, g=None: asked.append(self) or original(self, n, g))
    few = evaluated(tmp_path / "few", made)
    assert set(asked[-5:]) == {trained[5].method}, "the final generator ran again"
    many = evaluated(tmp_path / "many", made, curve_n_generated=60)
    assert trained[10].method in asked[-6:], "60 images were taken from 45"
    assert few["metrics"] == many["metrics"] and few["curve"] != many["curve"]


def test_a_curve_on_inception_bears_its_own_counts(made: Any):
    extractor = load_extractor(made.root / "extractor", "classifier")
    found = reference.load(made.root / "reference")
    images = load_prepared(made.data).images
    settings = {"extractor": "inception", "curve_n_generated": 25, **MEASURED}
    content = evaluate.evaluate(images, [(1, 4)], lambda step, n: images[:n], found, extractor, settings)
    assert "fid_90_vs_30_test" in content["metrics"] and "fid" not in content["metrics"]
    assert list(content["curve"][0]) == ["step", "images", "fid_25_vs_30_test"]
