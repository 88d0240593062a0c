"""Whether samples show what they were asked to: the two classifiers of a dataset, the stage, and what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from figure_fakes import Asked, conditional_run
from torch import Tensor, nn

from advcodes.app.cli import main, parser
from advcodes.config.params import resolve
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data import generated
from advcodes.data.prepared import Prepared, load
from advcodes.evaluation import evaluate, reference, subject
from advcodes.extractors import classifier
from advcodes.extractors.features import Extractor, load_extractor
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.methods import registry
from advcodes.metrics.extracted import metric_name
from advcodes.metrics.registry import describe, parse
from advcodes.metrics.samples import conditional, noise_diversity
from advcodes.metrics.samples.conditional import CONDITIONAL
from advcodes.pages import text
from evaluation_fakes import MEASURED, SAMPLING, artifact, write_prepared

CPU = Machine(device="cpu")
TRAINING = {"width": 4, "epochs": 1, "batch_size": 16, "lr": 1e-2, "precision": "float32",
            "train_split": "train", "test_split": "test"}  # fmt: skip


# -- two classifiers of one dataset -------------------------------------------------------------------------------


def test_the_usual_classifier_is_where_it_always_was(tree: dict[str, Any]):
    graph = Graph(resolve(tree))
    usual, statements = graph.classifier("shapes"), graph.classifier("shapes", "statements")
    assert "task" not in usual.config and statements.config == {**usual.config, "task": "statements"}
    assert usual.key == graph.extractor("shapes").key
    assert len({a.id for a in (usual, statements)}) == len({a.key for a in (usual, statements)}) == 2


@pytest.mark.parametrize("extractor", ["classifier", "inception"])
def test_a_classifier_is_found_by_its_directory(tree: dict[str, Any], extractor: str):
    """Also where Inception is the extractor: figures of codes and conditional runs need classifiers then."""
    tree["metrics"]["extractor"] = extractor
    graph = Graph(resolve(tree))
    for task in ("auto", "statements"):
        wanted = graph.classifier("shapes", task)
        assert graph.extractor_at("classifier", "shapes", wanted.manifest.parent.name).key == wanted.key
    with pytest.raises(
        AdvcodesError, match=r"classifier/shapes/0123abcd: params.yaml asks for \w{8} and \w{8} and \w{8}"
    ):
        graph.extractor_at("classifier", "shapes", "0123abcd")
    with pytest.raises(AdvcodesError, match="unknown dataset 'shape'; did you mean 'shapes'"):
        graph.classifier("shape")


def test_the_command_line_makes_each_of_them(monkeypatch: pytest.MonkeyPatch):
    made = []
    monkeypatch.setattr("advcodes.app.cli.produce", lambda artifact, params, key=None: made.append((artifact, key)))
    for arguments in ([], ["--task", "auto", "--key", "k"], ["--task", "statements"]):
        assert main(["extractor", "shapes", *arguments]) == 0
    (usual, _), (auto, key), (statements, _) = made
    assert usual.id == auto.id != statements.id and key == "k"
    assert statements.config["task"] == "statements"
    for other in ("attributes", "edges"):
        with pytest.raises(SystemExit):
            parser().parse_args(["extractor", "shapes", "--task", other])


def test_statements_are_attributes_and_classes_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(classifier, "MIN_STEPS", 2)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (30, 1, 6, 6)).astype(np.uint8)
    both = {"labels": np.arange(30) % 3, "attributes": random.integers(0, 2, (30, 4))}
    data = write_prepared(tmp_path / "both", images, {"train": 20, "test": 10}, **both)
    for task, outputs in (("classes", 3), ("statements", 4 + 3)):
        config = TRAINING | ({"task": task} if task == "statements" else {})
        classifier.make(artifact(tmp_path / task, "extractor/classifier/tiny/0", config, data=data), CPU)
        found = load_extractor(tmp_path / task, "classifier")
        assert found.about["task"] == task and found.classes == (task == "classes")
        assert found.features(images)[1].shape == (30, outputs)
    about = json.loads((tmp_path / "statements" / "classifier.json").read_text())
    assert "attributes" in about["trained_to"] and "class" in about["trained_to"] and "noise" in about["trained_to"]
    classes = write_prepared(tmp_path / "data", images, {"train": 20, "test": 10}, labels=both["labels"])
    with pytest.raises(AdvcodesError, match="tiny: has no attributes for a classifier to learn"):
        config = TRAINING | {"task": "statements"}
        classifier.make(artifact(tmp_path / "none", "extractor/classifier/tiny/0", config, data=classes), CPU)


def test_targets_of_statements():
    images, bits = np.zeros((4, 1, 6, 6), np.uint8), np.array([[0, 1], [1, 1], [0, 0], [1, 0]], np.uint8)

    def targets(labels: list[int]) -> tuple[int, list[list[int]]]:
        data = Prepared("tiny", images, np.array(labels), bits, None, {}, (), (), {})
        task = classifier.task_of(data, "statements")
        shown, told = classifier._examples(data, task)
        assert len(shown) == len(told)
        return task.outputs, told.tolist()

    assert targets([2, 0, 1, 2]) == (5, [[0, 1, 0, 0, 1], [1, 1, 1, 0, 0], [0, 0, 0, 1, 0], [1, 0, 0, 0, 1]])
    assert targets([1, -1, 0, -1]) == (4, [[0, 1, 0, 1], [0, 0, 1, 0]]), "of which class an image is must be known"
    assert targets([-1] * 4) == targets([0] * 4) == (2, bits.tolist()), "no classes"


def test_noise_is_for_statements_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    images, bits = random.integers(0, 256, (20, 1, 6, 6)).astype(np.uint8), random.integers(0, 2, (20, 2))
    data = load(write_prepared(tmp_path, images, {"train": 20, "test": 0}, attributes=bits))
    noisy, calls = classifier._noisy, []
    monkeypatch.setattr(classifier, "MIN_STEPS", 2)
    monkeypatch.setattr(classifier, "_noisy", lambda *given: calls.append(given) or noisy(*given))
    for task, name, times in (("auto", "attributes", 0), ("statements", "statements", 2)):
        _, found, _ = classifier.train(data, TRAINING | {"task": task}, torch.device("cpu"))
        assert found.name == name and len(calls) == times


# -- what conditional runs are made from --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "dataset", "roles"),
    [
        ("gan", "shapes", set()),
        ("lpaae_supervised", "digits", {"data", "classifier"}),
        ("lpaae_unsupervised", "digits", {"data", "classifier"}),
        ("lpaae_text", "shapes", {"data", "text", "statements"}),
        ("lpaae_text", "flowers102", {"data", "text"}),
    ],
)
def test_runs_that_are_asked_something_are_read_by_classifiers(
    tree: dict[str, Any], method: str, dataset: str, roles: set[str]
):
    tree["variants"]["asked"] = {"method": method}
    graph = Graph(resolve(tree))
    made = graph.metrics(Run("demo", dataset, "asked", 0))
    assert set(made.inputs) == {"samples", "run", "extractor", "reference"} | roles
    read = bool({"classifier", "statements"} & roles)
    assert made.config.get("conditioned_on") == (registry.method(method).conditioned_on if read else None)
    assert ("advcodes.metrics.samples.noise_diversity" in made.spec["code"]) == bool(roles), (
        "of all that are asked something"
    )
    assert made.modules[0] == "advcodes.evaluation.evaluate", "the module that makes it"
    if "classifier" in roles:
        assert made.inputs["classifier"].key == graph.classifier(dataset).key
    if "statements" in roles:
        assert made.inputs["statements"].key == graph.classifier(dataset, "statements").key


# -- the stage ----------------------------------------------------------------------------------------------------


class Known(nn.Module):
    """A classifier that knows these images by heart; it counts the images that it is shown."""

    def __init__(self, images: np.ndarray, logits: np.ndarray):
        super().__init__()
        self.rows = {image.tobytes(): i for i, image in enumerate(images)}
        self.logits = nn.Parameter(torch.from_numpy(logits).float(), requires_grad=False)
        self.shown = 0

    def forward(self, stored: Tensor) -> tuple[Tensor, Tensor]:
        self.shown += len(stored)
        rows = [self.rows[image.numpy().tobytes()] for image in stored]
        return stored.float().flatten(1)[:, :5], self.logits[rows]

    def extractor(self, task: str) -> Extractor:
        return Extractor(self, "sha", 50, "none", task == "classes", {"task": task, "accuracy": 0.99})


class Project:
    """`shapes`, 60 scenes to train on and 40 to test on, and what the stage reads of it."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch):
        source = generated.read({"source": "shapes", "seed": 3, "count": 100}, CPU, root)
        self.images = np.stack([np.asarray(source.image(i)) for i in range(100)]).transpose(0, 3, 1, 2).copy()
        self.labels, self.captions, self.root = source.labels, [c[0] for c in source.captions], root
        splits = {"train": 60, "test": 40}
        self.data = write_prepared(root / "data", self.images, splits, self.labels, source.attributes)
        meta = json.loads((self.data / "meta.json").read_text())
        (self.data / "meta.json").write_text(json.dumps(meta | {"attribute_names": list(source.attribute_names)}))
        self.networks = {
            "classifier": Known(self.images, np.eye(6)[self.labels]),
            "statements": Known(self.images, np.hstack([source.attributes * 2.0 - 1, np.eye(6)[self.labels] - 3])),
            "inception": Known(self.images, np.eye(6)[self.labels]),
        }
        self.tasks = {"classifier": "classes", "statements": "statements", "inception": "classes"}

        def load(directory: Path, kind: str, where: Any = "cpu") -> Extractor:
            return self.networks[directory.name].extractor(self.tasks[directory.name])

        for module in (evaluate, subject, reference):
            patch.setattr(module, "load_extractor", load)
        final = SimpleNamespace(config={"seed": 0}, step=10, images=40)
        patch.setattr(evaluate, "restore", lambda directory, where, step=None: final)
        patch.setattr(evaluate, "snapshots", lambda directory: [(10, 40)])

    def evaluated(
        self, conditioned_on: str | None, shown: np.ndarray, asked: np.ndarray, **config: Any
    ) -> dict[str, Any]:
        """Measure samples that are these rows of the dataset."""
        extractor = config.get("extractor", "classifier")
        settings = {"extractor": extractor, "split": "test", "n_reference": 40, "floor_split": "train",
                    "n_generated": 50, **MEASURED}  # fmt: skip
        made = artifact(self.root / "reference", "reference/shapes/0", settings, data=self.data,
                        extractor=self.root / extractor)  # fmt: skip
        reference.make(made, CPU)
        for network in self.networks.values():
            network.shown = 0
        (self.root / "samples").mkdir(exist_ok=True)
        np.save(self.root / "samples" / "samples.npy", self.images[shown])
        np.save(self.root / "samples" / "conditions.npy", asked)
        roles = {"labels": ["classifier"], "clusters": ["classifier"], "text": ["statements"], None: []}
        inputs = {"run": self.root, "samples": self.root / "samples", "reference": self.root / "reference",
                  "extractor": self.root / extractor, "data": self.data}  # fmt: skip
        settings = {"sampling": SAMPLING, "curve_n_generated": 10, **MEASURED} | {"extractor": extractor}
        if conditioned_on:
            settings["conditioned_on"] = conditioned_on
        measured = artifact(self.root / "metrics", "evaluate/demo/shapes/x/seed0", settings,
                            **inputs, **{role: self.root / role for role in roles[conditioned_on]})  # fmt: skip
        evaluate.make(measured, CPU)
        return json.loads((self.root / "metrics" / "metrics.json").read_text())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


SHOWN = np.random.default_rng(1).permutation(60)[:50]


def test_labels(project: Project):
    asked = project.labels[SHOWN].copy()
    asked[:10] = (asked[:10] + 1) % 6
    content = project.evaluated("labels", SHOWN, asked)
    assert content["metrics"]["label_accuracy"] == 0.8 and content["floor"]["metrics"]["label_accuracy"] == 1
    assert 0 < content["chance"]["label_accuracy"] < 0.4 and content["agreement"] == {}
    protocol = content["protocol"]
    assert {k: protocol[k] for k in ("conditioned_on", "classes", "class_accuracy", "classifier_key")} == {
        "conditioned_on": "labels", "classes": 6, "class_accuracy": 0.99, "classifier_key": "classifier",
    }  # fmt: skip
    assert "energy_distance" not in content["metrics"] and "fd_classifier" in content["metrics"]


def test_clusters(project: Project):
    content = project.evaluated("clusters", SHOWN, (project.labels[SHOWN] * 5 + 2) % 6)
    assert content["metrics"]["cluster_accuracy"] == 1 and content["metrics"]["cluster_nmi"] == pytest.approx(1)
    assert not set(CONDITIONAL) & set(content["floor"]["metrics"])
    assert set(content["chance"]) == {"cluster_accuracy", "cluster_nmi"} and content["protocol"]["clusters"] == 6


PARTS = (r"\b(small|large)\b", r"\b(outlined)?\b (?:red|green|blue|yellow|purple|orange)",
         r"\b(red|green|blue|yellow|purple|orange)\b", r"\b(circle|square|triangle|star|cross|diamond)\b",
         r"\b(dark|light)\b", r"\b(upper|lower)\b", r"\b(left|right)\b")  # fmt: skip


def said(caption: str) -> list[Any]:
    return [re.search(part, caption)[1] for part in PARTS]


def test_captions_agree_as_their_words_do(project: Project):
    asked = np.arange(50) % 40
    content = project.evaluated("text", SHOWN, asked)
    given, shown = ([said(project.captions[i]) for i in rows] for rows in (60 + asked, SHOWN))
    same = np.array([[a == b for a, b in zip(g, s, strict=True)] for g, s in zip(given, shown, strict=True)])
    assert content["metrics"]["caption_agreement"] == pytest.approx(same.mean())
    words = ("size", "outline", "colour", "shape", "ground", "row", "column")
    for name, share in zip(words, same.mean(0), strict=True):
        found = content["agreement"][name]
        assert found["samples"] == pytest.approx(share) and found["real"] == 1 and 0 < found["chance"] < 0.8
    assert set(content["agreement"]) == set(words) == set(content["protocol"]["statements"])
    assert content["floor"]["metrics"]["caption_agreement"] == 1
    protocol = content["protocol"]
    assert protocol["statement_accuracy"] == 0.99 and protocol["statements_key"] == "statements"
    assert not {"classes", "class_accuracy", "classifier_key"} & set(protocol)
    assert project.networks["statements"].shown == 50 + 40, "samples and real images"
    assert content["chance"]["caption_agreement"] == pytest.approx(content["protocol"]["caption_chance"], abs=0.05)


def test_samples_that_show_their_captions(project: Project):
    rows = np.arange(40)
    assert project.evaluated("text", 60 + rows, rows)["metrics"]["caption_agreement"] == 1


def test_the_samples_are_read_once_where_the_extractor_is_the_classifier(project: Project):
    usual = project.evaluated("labels", SHOWN, project.labels[SHOWN])
    assert project.networks["classifier"].shown == 50 + 10 + 40, "samples, a point of the curve, real images"
    other = project.evaluated("labels", SHOWN, project.labels[SHOWN], extractor="inception")
    assert project.networks["classifier"].shown == 50 + 40
    assert usual["metrics"]["label_accuracy"] == other["metrics"]["label_accuracy"] == 1


def test_runs_that_are_asked_nothing_keep_what_they_had(project: Project):
    content = project.evaluated(None, SHOWN, SHOWN)
    assert list(content) == ["run", "metrics", "spread", "protocol", "curve", "curve_protocol", "floor"]
    assert not set(CONDITIONAL) & set(content["metrics"]) and "conditioned_on" not in content["protocol"]


@pytest.mark.parametrize("conditioned_on", ["labels", "clusters", "text"])
def test_without_classes_nothing_can_be_told(project: Project, conditioned_on: str):
    project.tasks["classifier"] = "attributes"
    np.save(project.data / "labels.npy", np.full(100, -1))
    with pytest.raises(
        AdvcodesError, match=rf"tiny: has no classes, so no classifier can tell .* \({conditioned_on}\); use a"
    ):
        project.evaluated(conditioned_on, SHOWN, SHOWN)


@pytest.mark.parametrize(
    ("conditioned_on", "asked", "message"),
    [
        ("labels", SHOWN[:9], r"conditions.npy: int64 \[9\], expected int64 \[50\], one for each sample; delete"),
        ("labels", SHOWN.astype(float), r"conditions.npy: float64 \[50\], expected int64"),
        (
            "labels",
            np.full(50, 6),
            "conditions.npy: has class 6, and there are 6; the dataset has changed",
        ),
        (
            "text",
            np.full(50, 40),
            "conditions.npy: has row of the split 40, and there are 40; the dataset has changed",
        ),
        ("text", np.full(50, -1), "conditions.npy: has row of the split -1"),
        (
            "labels",
            np.array({"a": 1}),
            r"conditions.npy: cannot read the conditions of the samples \(damaged\); delete",
        ),
    ],
)
def test_what_was_asked_does_not_fit_the_samples(
    project: Project, conditioned_on: str, asked: np.ndarray, message: str
):
    with pytest.raises(AdvcodesError, match=message):
        project.evaluated(conditioned_on, SHOWN, asked)


def test_nothing_was_noted(tmp_path: Path):
    with pytest.raises(
        AdvcodesError, match=r"conditions.npy: cannot read the conditions .* \(No such file or directory\); delete"
    ):
        conditional.read_conditions(tmp_path, 3)


def test_captions_need_the_attributes_of_shapes():
    with pytest.raises(AdvcodesError, match="captions: the dataset lacks the attributes orange, large, "):
        conditional.statements(np.zeros(2), np.zeros((2, 5)), ["red", "green", "blue", "yellow", "purple"])


# -- names --------------------------------------------------------------------------------------------------------


def test_names_of_conditional_metrics():
    for name in CONDITIONAL:
        assert metric_name(name, "classifier", 5, 5, "test") == name and parse(name) == (name, "classifier")
        assert text.arrow(name) == "↑"
        with pytest.raises(AdvcodesError, match=f"unknown metric '{name}'"):
            metric_name(name, "inception", 5, 5, "test")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("label_accuracy",
         "share of generated images in which a classifier trained on this dataset's classes (98.7 % right on test "
         "images) sees the class of the condition (by chance 10.0 %, our own choice: the paper shows pictures); "
         "2,000 generated images."),
        ("cluster_accuracy",
         "share of generated images on the best one-to-one assignment between the 20 clusters of the conditions and "
         "the 10 classes that a classifier trained on this dataset's (98.7 % right on test images) sees in "
         "them (by chance 5.0 % and a little more, since the "
         "best is taken; our own choice: the paper shows pictures); 2,000 generated images."),
        ("cluster_nmi",
         "mutual information, over the mean of the entropies, between the 20 clusters of the conditions and the 10 "
         "classes that a classifier trained on this dataset's (98.7 % right on test images) sees in the "
         "generated images (from 0, where clusters say nothing of classes, to 1; our own choice: the paper "
         "shows pictures); 2,000 generated images."),
        ("caption_agreement",
         "share of what the given captions say (shape, colour) that a classifier trained to read attributes and "
         "classes of this dataset, with noise added to images in training (99.5 % right on test images), sees in the "
         "generated images (with a caption drawn at random 40.5 %, our own choice: the paper shows pictures); 2,000 "
         "generated images."),
    ],
)  # fmt: skip
def test_their_footnotes(name: str, sentence: str):
    counts = {"n_generated": 2000, "n_reference": 500, "split": "test", "extractor": "inception"}
    protocol = {"classes": 10, "clusters": 20, "statements": ["shape", "colour"], "class_accuracy": 0.987,
                "statement_accuracy": 0.995, "caption_chance": 0.405}  # fmt: skip
    assert describe(name, counts | protocol) == f"{name}: {sentence}"
    # What the runs of a column do not share is left out.
    assert "%" not in describe(name, counts) and describe(name, counts).endswith("; 2,000 generated images.")


# -- whether noise is used ----------------------------------------------------------------------------------------


def test_images_of_one_condition_share_it_and_differ_by_noise():
    """A model whose images are 50 times their label and up to 10 more by noise."""
    shape = (1, 2, 2)
    made = noise_diversity.drawn(conditional_run(Asked, shape), 5, 7, SAMPLING).reshape(7, 5, *shape)
    levels = (made.astype(int) + 25) // 50
    assert (levels == levels[:1]).all(), "the same five labels in every draw"
    assert all(made[:, i].std() > 1 for i in range(5))
    again = noise_diversity.drawn(conditional_run(Asked, shape), 5, 7, SAMPLING)
    assert np.array_equal(again, made.reshape(35, *shape))


def test_noise_is_measured_of_conditional_runs_on_images_alone(tree: dict[str, Any]):
    graph = Graph(resolve(tree))
    config = {v: graph.metrics(Run("demo", "digits", v, 0)).config for v in ("lpaae_supervised", "lpaae")}
    assert config["lpaae_supervised"]["noise_diversity"] == {"conditions": 64, "draws": 16}
    assert "noise_diversity" not in config["lpaae"]
