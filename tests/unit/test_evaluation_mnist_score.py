"""The MNIST score: its classifier, how that is trained, the two stages, and which runs have it."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from advcodes.app import cli
from advcodes.build.produce import produce_all
from advcodes.config.params import resolve
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data import official
from advcodes.data.prepared import load as load_prepared
from advcodes.extractors import mnist_classifier
from advcodes.extractors.mnist_classifier import SHIFT, Network, centre, divided, logits_of, train, turned
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.metrics.extracted import fidelity
from advcodes.metrics.registry import describe
from advcodes.metrics.samples.mnist_score import MnistScore
from evaluation_fakes import DAMAGES, artifact, damaged, measured_by, write_prepared

CPU = torch.device("cpu")
BRIEF = {"epochs": 1, "batch_size": 10, "copies": 1, "precision": "float32"}
MODULE = "advcodes.metrics.samples.mnist_score"


def digits(n: int, side: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """Images whose class is where a bright bar is, uint8 [n, 1, side, side], padded with black; and labels."""
    random = np.random.default_rng(n)
    labels = np.arange(n) % 10
    images = random.integers(0, 60, (n, 1, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * label + 4 : 2 * label + 7, 6:22] = 255
    edge = (side - 28) // 2
    return np.pad(images, ((0, 0), (0, 0), (edge, edge), (edge, edge))), labels


def mnist(directory: Path, side: int = 28) -> Path:
    images, labels = digits(160, side)
    return write_prepared(directory, images, {"validation": 20, "train": 100, "test": 40}, labels=labels)


# -- the network ------------------------------------------------------------------------------------------------


def test_the_network_is_the_authors():
    network = Network()
    trained = {name: tuple(p.shape) for name, p in network.named_parameters() if p.requires_grad}
    assert sorted(trained.values()) == sorted([
        (32, 1, 5, 5), (32,), (64, 32, 5, 5), (64,), (1024, 3136), (1024,), (10, 1024), (10,),
    ])  # fmt: skip
    assert sum(int(np.prod(s)) for s in trained.values()) == 800 + 32 + 51_264 + 3_211_264 + 1024 + 10_250
    features, logits = network.eval()(torch.zeros(3, 1, 28, 28, dtype=torch.uint8))
    assert features.shape == (3, 1024) and logits.shape == (3, 10) and (features >= 0).all()
    norms = [m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert [m.num_features for m in norms] == [32, 1024]
    assert all(m.momentum == pytest.approx(0.1) and (m.weight == 1).all() for m in norms)
    (dropout,) = (m for m in network.modules() if isinstance(m, torch.nn.Dropout))
    assert dropout.p == pytest.approx(0.3)


def test_images_reach_it_between_minus_and_plus_a_half():
    network = Network().eval()
    seen: list[torch.Tensor] = []
    network.trunk[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 1, 28, 28))
    torch.testing.assert_close(seen[0][:, 0, 0, 0], torch.tensor([-0.5, -0.3, 0.5]))


def test_initial_weights():
    torch.manual_seed(0)
    network = Network().requires_grad_(False)
    for layer in (network.trunk[0], network.trunk[8]):
        assert layer.weight.abs().max() <= 0.02 and layer.bias is None
        assert float(layer.weight.std()) == pytest.approx(0.0088, rel=0.05)  # N(0, 0.01) cut at two sds
    bound = (6 / (25 * (32 + 64))) ** 0.5
    assert (
        float(network.trunk[4].weight.abs().max()) == pytest.approx(bound, rel=1e-2)
        and (network.trunk[4].bias == 0).all()
    )


# -- images -------------------------------------------------------------------------------------------------------


def test_the_centre_of_padded_images():
    plain, padded = digits(10)[0], digits(10, 32)[0]
    assert padded.shape == (10, 1, 32, 32)
    np.testing.assert_array_equal(centre(padded, ""), plain)
    assert centre(plain, "") is not None and centre(plain, "").shape == plain.shape
    for shape in ((2, 3, 28, 28), (2, 1, 20, 28), (2, 2)):
        with pytest.raises(AdvcodesError, match=r"^here: the MNIST score is of grey images of at least 28x28, got \["):
            centre(np.zeros(shape, np.uint8), "here")


def test_copies_are_turned_and_moved_within_the_stated_ranges():
    """A disc in the middle tells the shift, and a dot beside it the angle."""
    rows, columns = np.mgrid[:28, :28] - 13.5
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, np.hypot(rows, columns) < 2] = 255
    image[0, np.hypot(rows, columns - 10) < 1.6] = 255
    copies = turned(np.repeat(image[None], 400, 0), np.random.default_rng(0))
    assert copies.dtype == np.uint8 and copies.shape == (400, 1, 28, 28)
    inside, found = np.hypot(rows, columns) < 5.5, []
    for copy in copies[:, 0].astype(float):
        disc, dot = (
            [(w * rows).sum() / w.sum(), (w * columns).sum() / w.sum()] for w in (copy * inside, copy * ~inside)
        )
        moved = np.round(disc)
        found.append((*moved, np.degrees(np.arctan2(*(dot - moved)))))
    down, right, angle = np.array(found).T
    for way in (down, right):
        assert set(way) == set(range(SHIFT[0], SHIFT[1] + 1))
    assert -16 < angle.min() < -12 and 12 < angle.max() < 16 and abs(np.mean(angle)) < 2
    again = turned(np.repeat(image[None], 400, 0), np.random.default_rng(0))
    np.testing.assert_array_equal(copies, again)


def test_an_image_that_is_not_turned_is_only_moved(monkeypatch: pytest.MonkeyPatch):
    images = digits(30)[0]
    monkeypatch.setattr(mnist_classifier, "DEGREES", (0, 0))
    copies = turned(images, np.random.default_rng(0))
    for image, copy in zip(images[:, 0], copies[:, 0], strict=True):
        framed = np.pad(image, 2)
        ways = [(2 - down, 2 - right) for down in range(-2, 2) for right in range(-2, 2)]
        assert any(np.array_equal(copy, framed[top : top + 28, left : left + 28]) for top, left in ways)


@pytest.mark.parametrize("splits", [{"validation": 20, "train": 100}, {"train": 120}], ids=["held out", "not"])
def test_validation_images_are_the_first(splits: dict[str, int], tmp_path: Path):
    images, labels = digits(160)
    data = load_prepared(write_prepared(tmp_path, images, {**splits, "test": 40}, labels=labels))
    first = 20 if len(splits) == 2 else 10  # a twelfth: 5,000 of 60,000
    seen, known, (held_out, its) = divided(data)
    np.testing.assert_array_equal(held_out, images[:first])
    np.testing.assert_array_equal(seen, images[first:120])
    np.testing.assert_array_equal(np.concatenate([its, known]), labels[:120])


# -- training -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data() -> Any:
    return (*digits(100), digits(30))


def same(one: Network, two: Network) -> bool:
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_it_learns_and_keeps_the_best_weights(data: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mnist_classifier, "CHECK", 4)
    answers, right = [], mnist_classifier._right

    def watched(logits: torch.Tensor, labels: np.ndarray) -> float:
        answers.append(right(logits, labels))
        return answers[-1]

    monkeypatch.setattr(mnist_classifier, "_right", watched)
    network, facts = train(*data, BRIEF | {"epochs": 2, "precision": "bfloat16"}, CPU)
    assert facts["images"] == 200 and facts["steps"] == 40
    assert len(answers) == 10 and facts["accuracy"] == max(answers) > 0.5 > answers[0]
    assert facts["kept_step"] == 4 * (1 + answers.index(max(answers)))
    assert right(logits_of(network, data[2][0]), data[2][1]) == facts["accuracy"]
    assert not network.training and all(p.dtype == torch.float32 for p in network.parameters())


def test_the_learning_rate_falls_by_a_factor_an_epoch(data: Any, monkeypatch: pytest.MonkeyPatch):
    rates, step = [], torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *a: (rates.append(self.param_groups[0]["lr"]), step(self, *a))[1]
    )
    train(*data, BRIEF | {"epochs": 3, "copies": 0, "batch_size": 100}, CPU)
    assert rates == pytest.approx([1e-4, 0.95e-4, 0.9025e-4])


def test_labels_that_are_no_digits(data: Any):
    images, labels, validation = data
    with pytest.raises(AdvcodesError, match=r"^x: expected labels 0 to 9 of every training image"):
        train(images, labels - 1, validation, BRIEF, CPU, "x")


# -- the two stages -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("mnist")
    classifier = artifact(root / "classifier", "extractor/mnist_score/0", BRIEF, data=mnist(root / "data"))
    classifier.result = mnist_classifier.make(classifier, Machine(device="cpu"))
    return classifier


def test_the_stage_says_what_it_learnt(made: Any):
    files, facts = made.result
    assert files == ["about.json", "network.pt"]
    about = json.loads((made.directory / "about.json").read_text())
    assert {k: about[k] for k in BRIEF} == BRIEF and about["images"] == 200 and about["steps"] == 20
    assert about["accuracy"] == facts["accuracy"] and set(about["accuracy"]) == {"validation", "test"}
    assert about["parameters"] == 3_274_634
    data = load_prepared(made.inputs["data"].directory).split("test")
    network, known = mnist_classifier.load(made.directory, "cpu")
    assert known == about and not any(p.requires_grad for p in network.parameters())
    logits = logits_of(network, data.images)
    assert about["accuracy"]["test"] == pytest.approx((logits.argmax(1).numpy() == data.labels).mean(), abs=1e-4)
    exact = fidelity("metric_isc").isc_features_to_metric(logits, splits=10, shuffle=True, rng_seed=2020)
    assert about["score_of_test_images"] == {
        "mean": round(exact["inception_score_mean"], 4), "sd": round(exact["inception_score_std"], 4), "images": 40,
    }  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_classifier(damage: str, made: Any, tmp_path: Path):
    name = "network.pt"
    damaged(damage, made.directory / name, tmp_path / name, lambda content: content["state"].pop("head.bias"))
    with pytest.raises(
        AdvcodesError, match=r"network.pt: (no classifier for the|not a readable|not the MNIST score's)"
    ):
        mnist_classifier.load(tmp_path, "cpu")


@pytest.mark.parametrize("side", [28, 32])
def test_samples_are_scored_by_the_formula(side: int, made: Any, tmp_path: Path):
    samples = digits(57, side)[0]
    config = {"mnist_score": {"split": "test"}, "n_generated": 50, "is_splits": 1}
    measured = artifact(tmp_path / "out", "evaluate/x", config, mnist_score=made, data=mnist(tmp_path / "data", side))
    found = measured_by(MnistScore, measured, None, samples)
    network, about = mnist_classifier.load(made.directory, "cpu")

    def exact(images: np.ndarray) -> float:
        p = torch.softmax(logits_of(network, images).double(), 1).numpy()
        return float(np.exp((p * (np.log(p) - np.log(p.mean(0)))).sum(1).mean()))

    assert found["metrics"] == {"mnist_score": pytest.approx(exact(centre(samples, "")[:50]), rel=1e-5)}
    assert found["floor"] == {"mnist_score": pytest.approx(exact(digits(160)[0][120:]), rel=1e-5)}
    assert found["spread"] == found["floor_spread"] == {"mnist_score": pytest.approx(0, abs=1e-9)}
    protocol = found["protocol"]
    assert protocol["mnist_score_images"] == 50 and protocol["mnist_score_real_images"] == 40
    assert protocol["mnist_score_cropped"] == (side == 32)
    assert protocol["mnist_classifier"]["accuracy"] == about["accuracy"]
    sentence = describe("mnist_score", protocol)
    assert f"{100 * about['accuracy']['test']:.2f} % right on test images" in sentence
    assert ("of each the centre 28x28 (assumed)" in sentence) == (side == 32)

    ten = artifact(tmp_path / "ten", "evaluate/x", config | {"is_splits": 10}, **measured.inputs)
    scored = measured_by(MnistScore, ten, None, samples)
    logits = logits_of(network, centre(samples[:50], ""))
    theirs = fidelity("metric_isc").isc_features_to_metric(logits, splits=10, shuffle=True, rng_seed=2020)
    assert scored["metrics"]["mnist_score"] == pytest.approx(theirs["inception_score_mean"])
    assert scored["spread"]["mnist_score"] == pytest.approx(theirs["inception_score_std"])


def test_the_original_files_to_a_classifier(tree: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """MNIST in its own format, prepared and learnt as the pipeline does it."""
    counts, files = {"train": 60, "t10k": 20}, {}
    for part, n in counts.items():
        images, labels = digits(n)
        head = (0x803).to_bytes(4, "big") + n.to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
        files[f"{part}-images-idx3-ubyte"] = head + images.tobytes()
        head = (0x801).to_bytes(4, "big") + n.to_bytes(4, "big")
        files[f"{part}-labels-idx1-ubyte"] = head + labels.astype(np.uint8).tobytes()
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in (files | packed).items()}
    monkeypatch.setattr(MNIST, "resources", [(name, md5[name]) for name in packed])
    monkeypatch.setattr(official, "MNIST_UNPACKED", {name: md5[name] for name in files})
    monkeypatch.setattr(official, "COUNTS", {"mnist": {"train": 60, "test": 20}})
    monkeypatch.setenv("ADVCODES_MIRROR", str(tmp_path))
    tree["datasets"]["mnist"] = {"hold_out": 10}
    tree["scales"]["demo"].setdefault("metrics", {})["mnist_score"] = BRIEF
    graph = Graph(resolve(tree, scale="demo"), data=tmp_path / "data")
    found = graph.mnist_score()
    produce_all(found, graph.params)
    assert found.fresh() and sorted(p.name for p in found.directory.iterdir()) == [
        ".manifest.json.lock", "about.json", "finished", "manifest.json", "network.pt",
    ]  # fmt: skip
    assert found.directory.parent == tmp_path / "data/evaluation/extractors/mnist_score"
    about = json.loads((found.directory / "about.json").read_text())
    assert about["images"] == 2 * 50 and about["score_of_test_images"]["images"] == 20


# -- which runs have it ---------------------------------------------------------------------------------------------


def graph_of(tree: dict[str, Any], **datasets: Any) -> Graph:
    tree["datasets"] |= datasets
    return Graph(resolve(tree, scale="demo"))


def test_runs_on_mnist_have_it(tree: dict[str, Any]):
    padded, enlarged, colour = (
        {"source": "mnist", **view} for view in ({"crop": {"size": 32}}, {"size": 64}, {"size": 32, "channels": 3})
    )
    graph = graph_of(tree, padded=padded, enlarged=enlarged, colour=colour)
    classifier = graph.mnist_score()
    assert classifier.inputs["data"].id == "prepared/mnist"
    for dataset in ("mnist", "padded"):
        measured = graph.metrics(Run("demo", dataset, "gan", 0))
        assert measured.inputs["mnist_score"].key == classifier.key
        assert measured.inputs["data"].id == f"prepared/{dataset}"
        assert measured.config["mnist_score"] == {"split": "test"} and MODULE in measured.spec["code"]
    for dataset in ("enlarged", "colour", "cifar10", "digits", "gaussians"):
        variant = "acl_ae_1mode" if dataset == "gaussians" else "gan"
        measured = graph.metrics(Run("demo", dataset, variant, 0))
        assert "mnist_score" not in {**measured.config, **measured.inputs}
        assert not [m for m in measured.spec["code"] if "mnist" in m]


def test_it_hangs_on_nothing_but_what_it_is_trained_with(tree: dict[str, Any]):
    """Names of metrics, their formulas and settings may change; it takes an hour to train."""
    before = graph_of(tree).mnist_score()
    assert not [module for module in before.spec["code"] if module.startswith("advcodes.metrics")]
    tree["metrics"] |= {"is_splits": 5, "n_generated": 77}
    tree["datasets"]["mnist"] |= {"range": [-1, 1]}
    assert graph_of(tree).mnist_score().key == before.key
    tree["metrics"]["mnist_score"] = {"epochs": 3}
    after = graph_of(tree).mnist_score()
    assert after.key != before.key and after.directory != before.directory, "of several scales they lie side by side"


def test_without_it(tree: dict[str, Any]):
    tree["scales"]["demo"].setdefault("metrics", {})["mnist_score"] = None
    graph = graph_of(tree)
    assert "mnist_score" not in graph.metrics(Run("demo", "mnist", "gan", 0)).inputs
    with pytest.raises(AdvcodesError, match=r"asks for no classifier \(metrics.mnist_score is null\)"):
        graph.mnist_score()


def test_it_is_found_by_its_directory(tree: dict[str, Any]):
    graph = graph_of(tree)
    wanted = graph.mnist_score()
    assert graph.extractor_at("mnist_score", hash_=wanted.directory.name).key == wanted.key
    with pytest.raises(
        AdvcodesError,
        match=r"^extractor mnist_score/0123abcd: params.yaml asks for \w{8} there; its metrics.mnist_score",
    ):
        graph.extractor_at("mnist_score", hash_="0123abcd")


def test_the_command(tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys):
    graph, asked = graph_of(tree), []
    monkeypatch.setattr(cli, "_graph", lambda: graph)
    monkeypatch.setattr(cli, "produce", lambda found, params, key: asked.append((found.id, key)))
    for arguments in ([], ["mnist"], ["mnist", "--key", "k"]):
        assert cli.main(["extractor", *arguments, "--task", "mnist_score"]) == 0
    assert asked == [(graph.mnist_score().id, key) for key in (None, None, "k")]
    for other in ("cifar10", "nothing"):
        assert cli.main(["extractor", other, "--task", "mnist_score"]) == 1
        assert f"extractor --task mnist_score: trained on MNIST alone, not on '{other}'" in capsys.readouterr().err
