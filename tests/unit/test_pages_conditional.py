"""Figures of what is asked for: grids of chosen conditions, and what a classifier sees in samples."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from figure_fakes import SAMPLING, Asked, Clustered, Told, coder, conditional_run, pretend, render, request
from PIL import Image
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.evaluation.sample import shown
from advcodes.extractors.features import Extractor
from advcodes.pages import given
from advcodes.studies import networks
from advcodes.studies.kinds import conditional
from advcodes.studies.kinds.conditional import SHOWN
from evaluation_fakes import write_prepared

SHAPE = (1, 16, 16)
CLASSES = ["dark", "middle", "bright"]


class Brightness(nn.Module):
    """Class by brightness: 50, 100, 150 and above."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([50.0, 100.0, 150.0]))

    def forward(self, images):
        level = images.float().mean((1, 2, 3))[:, None]
        return level, -(level - self.weight).abs()


EXTRACTOR = Extractor(Brightness(), "ab", 100, "none", True, {"accuracy": 0.97})


@pytest.fixture
def bright(tmp_path):
    """Directory of a dataset with three classes, which is never looked at but for their names."""
    found = write_prepared(
        tmp_path / "bright", np.zeros((9, *SHAPE), np.uint8), {"train": 5, "test": 4}, np.arange(9) % 3
    )
    meta = json.loads((found / "meta.json").read_text())
    (found / "meta.json").write_text(json.dumps({**meta, "classes": CLASSES}))
    return found


ITEM = {
    "id": "lpaae/fig10",
    "kind": "conditional",
    "metric": "label_accuracy",
    "better": "higher",
    "columns": ["mnist"],
    "rows": {"lpaae": {"label": "LPAAE"}, "aae": {"label": "AAE"}},
}


@pytest.fixture
def figure(bright, tmp_path, monkeypatch):
    """Renders a figure of fake runs: by ``<variant>/seed<k>`` a run, and the share of samples that miss their class."""

    def make(runs, extractor=EXTRACTOR, **declared):
        directories = pretend(tmp_path / "runs", runs)
        fakes = {directories[name]: run for name, (run, _) in runs.items()}
        monkeypatch.setattr(networks, "restore", lambda directory, _: fakes[directory])
        monkeypatch.setattr(networks, "load_extractor", lambda *args: extractor)
        inputs = {"extractor/bright": SimpleNamespace(directory=tmp_path)}
        found = request({**ITEM, **declared}, bright, directories, np.zeros(0), **inputs)
        for name, (run, missed) in runs.items():
            asks = np.arange(400) % run.method.choices
            seen = np.where(np.arange(400) < 400 * missed, (asks + 1) % run.method.choices, asks)
            levels = 50 * (np.minimum(seen, 2) + 1)
            np.save(directories[name] / "conditions.npy", asks)
            samples = np.broadcast_to(levels[:, None, None, None], (400, *SHAPE)).astype(np.uint8)
            np.save(directories[name] / "samples.npy", samples)
        main = declared.get("metric", "label_accuracy")
        asked_for = {"conditioned_on": "labels", "classes": 3, "class_accuracy": 0.97}
        results = [
            dataclasses.replace(
                r,
                metrics={"fd_classifier": 3.0 + r.seed, main: 0.75 + r.seed / 10, "recall_classifier": 0.5},
                protocol={**r.protocol, **asked_for},
                floor={"metrics": {"fd_classifier": 0.25, main: 0.97}, "protocol": r.floor["protocol"]},
            )
            for r in found.results
        ]
        found = dataclasses.replace(found, results=results)
        (tmp_path / "out").mkdir(exist_ok=True)
        assert sorted(render(found, tmp_path / "out", "f")) == ["f.json", "f.md", "f.png"]
        assert (tmp_path / "out" / "f.png").stat().st_size < 300_000
        return (tmp_path / "out" / "f.md").read_text(), json.loads((tmp_path / "out" / "f.json").read_text())

    return make


def levels(found):
    """Mean brightness of each image of a grid."""
    return found.astype(float).mean((2, 3, 4))


def test_columns_are_what_was_asked_and_rows_the_same_noise():
    found = shown(conditional_run(Asked, SHAPE), torch.tensor([2, 0]), 5, SAMPLING, 3)
    assert found.shape == (5, 2, *SHAPE) and found.dtype == np.uint8
    noise = 10 * torch.randn(5, 2, generator=torch.Generator().manual_seed(3))[:, 0].tanh().numpy()
    np.testing.assert_allclose(levels(found), np.stack([150 + noise, 50 + noise], 1), atol=0.51)


def test_the_grids_of_a_figure(figure, tmp_path):
    """Each block: three columns of 50, 100 and 150, each brighter or darker by the noise of its row."""
    run = conditional_run(Asked, SHAPE)
    page, content = figure({"lpaae/seed4": (run, 0.0), "lpaae/seed5": (run, 0.5), "aae/seed4": (run, 0.0)})
    found = content["rows"]["lpaae"]["conditional"]["mnist"]
    assert (found["conditioned_on"], found["choices"], found["order"], found["seed"]) == ("labels", 3, [0, 1, 2], 4)
    assert found["names"] == CLASSES
    expected = shown(run, torch.arange(3), SHOWN, SAMPLING, 4)
    picture = np.asarray(Image.open(tmp_path / "out" / "f.png").convert("L"))
    level = int(expected[0, 1, 0, 0, 0])
    assert (picture == level).sum() >= 64 * 64
    assert f"{SHOWN} draws with seed 4, not selected" in page and "Each column was asked for the class above it" in page
    assert "| LPAAE | MNIST (served by bright) | 2 | 1.20 ± 0.07 | 7.50 ± 0.71 |" in page
    assert "| AAE | MNIST (served by bright) | 1 | 1.15 | 7.00 |" in page
    assert "recall_classifier" not in page and "**Beside it**: `fd_classifier`: Fréchet distance on" in page
    assert "real images of split test score `label_accuracy` 0.970 (300 images of bright)" in page


def test_accuracy_of_each_class_over_seeds(figure):
    run = conditional_run(Asked, SHAPE)
    page, content = figure({"lpaae/seed0": (run, 0.0), "lpaae/seed1": (run, 1.0), "aae/seed0": (run, 1.0)})
    assert content["rows"]["lpaae"]["conditional"]["mnist"]["accuracy"] == {"0": [1, 1, 1], "1": [0, 0, 0]}
    assert (
        "|  | dark | middle | bright |\n| --- | ---: | ---: | ---: |\n| LPAAE on MNIST (served by bright) | 50 ± 71 |"
        in page
    )
    assert "| AAE on MNIST (served by bright) | 0 | 0 | 0 |" in page
    assert page.count("Share of samples asked for a class, in %, that the classifier takes for this class:") == 1


def test_shares_of_classes_in_what_was_asked():
    asks = np.array([0, 0, 0, 0, 1, 1, 3])
    seen = np.array([0, 0, 0, 2, 1, 2, 2])
    samples = np.broadcast_to((50 * (seen + 1))[:, None, None, None], (7, *SHAPE)).astype(np.uint8)
    found = conditional.shares(samples, asks, EXTRACTOR, 4, 3)
    np.testing.assert_allclose(found, [[0.75, 0, 0.25], [0, 0.5, 0.5], [0, 0, 0], [0, 0, 1]])


def test_numbers_by_label_and_by_cluster():
    table = np.array([[0.1, 0.9, 0], [0, 0.4, 0.6], [0.8, 0.2, 0], [0.3, 0.7, 0]])
    found = conditional.by_choice("labels", {0: table[:3], 7: np.eye(3)}, CLASSES)
    assert found == {"accuracy": {"0": [0.1, 0.4, 0], "7": [1, 1, 1]}}
    found = conditional.by_choice("clusters", {0: table}, CLASSES)
    assert found["order"] == [2, 0, 3, 1]
    assert found["most"][0] == {"class": "dark", "share": 0.8} and found["most"][3] == {"class": "bright", "share": 0.6}
    assert conditional.by_choice("labels", {}, []) == {}


def test_clusters_stand_in_the_order_of_the_class_seen_most(figure, tmp_path):
    run = conditional_run(Clustered, SHAPE)
    page, content = figure({"lpaae/seed0": (run, 1.0), "lpaae/seed1": (run, 1.0)}, metric="cluster_accuracy")
    found = content["rows"]["lpaae"]["conditional"]["mnist"]
    # Cluster 3 is seen as class 0, cluster 0 as 1, clusters 1 and 2 (levels 3 and 4, of which the most is 2) as 2.
    assert found["order"] == [3, 0, 1, 2] and found["names"] == ["cluster 3", "cluster 0", "cluster 1", "cluster 2"]
    assert [m["class"] for m in found["most"]] == ["dark", "middle", "bright", "bright"]
    assert "that is presentation only" in page and "the model saw no labels in training" in page
    assert "|  | cluster 3 | cluster 0 | cluster 1 | cluster 2 |" in page
    assert "| class seen most | dark | middle | bright | bright |" in page
    picture = np.asarray(Image.open(tmp_path / "out" / "f.png").convert("L"))
    level = shown(run, torch.tensor(found["order"]), SHOWN, SAMPLING, 0)[0, :, 0, 0, 0]
    places = [np.flatnonzero((picture == value).sum(0) >= 64) for value in level]
    assert [int(p.min()) for p in places] == sorted(int(p.min()) for p in places)  # from left to right


def test_clusters_of_a_dataset_without_classes_keep_their_order(figure):
    page, content = figure(
        {"lpaae/seed0": (conditional_run(Clustered, SHAPE), 1.0)},
        dataclasses.replace(EXTRACTOR, classes=False),
        metric="cluster_accuracy",
    )
    found = content["rows"]["lpaae"]["conditional"]["mnist"]
    assert found["order"] == [0, 1, 2, 3] and "most" not in found
    assert "class seen most" not in page and "presentation" not in page


def test_ten_of_many_classes_are_shown(figure):
    class Many(Clustered):
        choices = 12

    page, content = figure({"lpaae/seed0": (conditional_run(Many, SHAPE), 0.0)}, metric="cluster_accuracy")
    assert len(content["rows"]["lpaae"]["conditional"]["mnist"]["names"]) == 10
    assert "Shown are the first 10 of 12." in page


def test_nothing_ran(figure):
    page, _ = figure({})
    assert "**Not run** at this scale: MNIST." in page and "Each column" not in page


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (coder(nn.Identity(), nn.Identity(), shape=SHAPE),
         "lpaae/fig10, LPAAE: samples of coder are conditioned on nothing, and this figure shows what labels or"),
        (conditional_run(Told, SHAPE), "samples of asked are conditioned on text, and this figure shows what labels"),
        (dataclasses.replace(conditional_run(Asked, SHAPE), shape=(2,)),
         "has points, no images; serve its column by images"),
    ],
)  # fmt: skip
def test_runs_that_cannot_be_shown_are_refused(run, message):
    with pytest.raises(AdvcodesError, match=message):
        networks.check_condition(run, ("labels", "clusters"), "lpaae/fig10, LPAAE")


def test_scores_are_the_items_and_those_that_belong_to_it():
    metrics = {"fd_classifier": 1.0, "kd_classifier": 2.0, "cluster_accuracy": 0.5, "cluster_nmi": 0.25}
    results = [SimpleNamespace(seed=s, metrics={k: v + s for k, v in metrics.items()}) for s in (0, 2)]
    found = given.scores(results, "cluster_accuracy")
    assert list(found) == ["cluster_accuracy", "cluster_nmi", "fd_classifier"]
    assert found["cluster_nmi"] == {"mean": 1.25, "sd": pytest.approx(2**0.5), "seeds": {"0": 0.25, "2": 2.25}}
