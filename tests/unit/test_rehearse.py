"""A rehearsal makes everything at full size, and says what fails: here of one small figure, and of toys that do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from advcodes.app.cli import main
from advcodes.app.rehearse import originals, rehearse
from advcodes.app.rehearse.page import page
from advcodes.app.rehearse.rehearse import Rehearsal, Stage
from advcodes.app.rehearse.settings import COUNTS, settings
from advcodes.config.params import read
from advcodes.config.sections import Machine, View
from advcodes.core.errors import AdvcodesError
from advcodes.data import official
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.jobs import memory
from advcodes.methods.base import Method, MethodConfig, Phase
from advcodes.nets.spec import DatasetSpec
from advcodes.training.loop import Loop
from advcodes.training.rehearsal import Gradients, Saved

ITEM = "acl/fig11"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    return rehearse.rehearse([ITEM], "paper", tmp_path_factory.mktemp("work"))


def test_a_small_figure_is_made_at_scale_paper(found: Rehearsal):
    assert found.failures == [] and found.items == [ITEM]
    assert f"item/paper/{ITEM}" in found.behind[ITEM] and f"study/paper/{ITEM}" in found.stages
    facts = found.stages["train/paper/gaussians/acl_ae_4mode/seed0"].facts
    whole = read(scale="paper").budget["gaussians"].images
    assert (facts["steps"], facts["batch_size"]) == (whole // 512, 512)
    assert facts["used"] == 512, "a toy's whole batch"
    assert facts["parameters"] > 1000 and 16 * facts["parameters"] < facts["needs"] < 1e8
    assert 0 < facts["seconds"] < 10 and facts["peak"] > 1e7


def test_the_page_says_what_was_made_and_what_it_takes(found: Rehearsal):
    text = page(found, [ITEM])
    assert "**1 tables and figures, 1 datasets, 4 trainings, 4 sets of metrics and 1 studies: nothing failed.**" in text
    assert f"| `{ITEM}` | 4 | " in text and "| gaussians | `acl_ae_1mode` | " in text
    assert "What failed" not in text
    broken = Rehearsal("paper", [ITEM], {
        "prepared/x": Stage("prepared/x", 1.0, "no such file"),
        "train/paper/x/gan/seed0": Stage("train/paper/x/gan/seed0", 0.0, "not tried, for want of prepared/x"),
    }, {ITEM: ["prepared/x", "train/paper/x/gan/seed0"]})  # fmt: skip
    text = page(broken, [ITEM])
    assert "2 of them failed.**" in text and "- `prepared/x`: no such file\n" in text and "**2 failed**" in text


def test_the_command_writes_the_page_and_fails_where_something_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    failed = Rehearsal(
        "paper", [ITEM], {"prepared/x": Stage("prepared/x", 1.0, "no such file")}, {ITEM: ["prepared/x"]}
    )
    monkeypatch.setattr(rehearse, "rehearse", lambda *_: failed)
    assert main(["rehearse", ITEM, "--out", str(tmp_path / "docs" / "page.md")]) == 1
    assert "1 of 1 stages failed, the first prepared/x" in capsys.readouterr().err
    assert "no such file" in (tmp_path / "docs" / "page.md").read_text()


def test_an_item_that_is_not_there(tmp_path: Path):
    with pytest.raises(AdvcodesError, match=r"unknown item 'acl/fig111'; did you mean 'acl/fig11'"):
        rehearse.rehearse(["acl/fig111"], "paper", tmp_path)


def test_whatever_fails_the_rest_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(artifact: Any, *_: Any) -> None:
        if artifact.id.startswith("extractor/"):
            raise RuntimeError("of the library's\nown")
        (artifact.manifest.parent).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(rehearse, "produce", broken)
    monkeypatch.setattr(rehearse, "_train", broken)
    stages = rehearse.rehearse([ITEM], "paper", tmp_path).stages
    (extractor,) = (s for s in stages.values() if s.id.startswith("extractor/"))
    assert extractor.failure == "RuntimeError: of the library's"
    (reference,) = (s for s in stages.values() if s.id.startswith("reference/"))
    assert reference.failure == f"not tried, for want of {extractor.id}"
    assert stages["sample/paper/gaussians/acl_ae_1mode/seed0"].failure is None


def test_nothing_but_counts_and_seeds_is_another(tmp_path: Path):
    """Of every run of the five papers: networks, batches, precision, rates and phases are the scale's."""
    whole, cut = Graph(read(scale="paper")), Graph(settings(Path("params.yaml"), "paper", {}))
    assert cut.params.metrics.n_generated == COUNTS["metrics"]["n_generated"] and cut.params.seeds == [0]
    runs = {(r.dataset, r.variant) for r in whole.every_run()}
    assert len(runs) > 100
    for dataset, variant in runs:
        run = Run("paper", dataset, variant, 0)
        assert cut.train(run).config == whole.train(run).config


# -- what a training tells --------------------------------------------------------------------------------------


class _Toy(Method):
    """Of its two networks one is never reached, and one only in half of its weights."""

    late: tuple[int, int | None] = (0, None)

    @classmethod
    def phases(cls, config: MethodConfig) -> list[Phase]:
        after, until = cls.late
        return [Phase("fit", ("encoder", "decoder")), Phase("more", ("encoder",), after=after, until=until)]

    def fit(self, step: Any) -> dict[str, torch.Tensor]:
        return {"loss": self.encoder[0](step.images).square().mean()}

    more = fit


def toy(cls: type[_Toy] = _Toy) -> Loop:
    networks = {"encoder": nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), "decoder": nn.Linear(2, 4)}
    method = cls(MethodConfig(), networks, DatasetSpec((4,), (0.0, 1.0)))
    return Loop(method, cls.phases(method.config))


class _Batch:
    images = torch.ones(5, 4)
    labels = torch.zeros(5, dtype=torch.int64)
    attributes = text = None


def test_networks_weights_and_phases_that_training_does_not_reach_are_named():
    loop = toy()
    gradients = Gradients(loop)
    loop.train_step(_Batch())
    assert gradients.problems() == [
        "no gradient of phase fit reaches decoder",
        "no gradient reaches 1.weight, 1.bias of encoder",
        "no gradient reaches decoder",
    ]
    late = type("Late", (_Toy,), {"late": (7, None)})
    loop = toy(late)
    gradients = Gradients(loop)
    loop.train_step(_Batch())
    assert "phase more is due neither at the start nor in the middle" in gradients.problems()


def test_a_gradient_that_is_not_finite_ends_it():
    loop = toy()
    Gradients(loop)
    with torch.no_grad():
        loop.method.encoder[0].weight.fill_(float("inf"))
    with pytest.raises(AdvcodesError, match=r"phase 'fit': a gradient of encoder is (nan|inf)"):
        loop.train_step(_Batch())


def test_what_forward_passes_keep_is_counted_once_and_let_go():
    loop = toy()
    saved, x = Saved(loop), torch.ones(10, 4, requires_grad=True)
    with saved.counted():
        squared = x * x  # keeps x, twice
        total = squared.exp().sum()  # keeps what exp gives
    assert saved.most == 2 * 40 * 4
    total.backward()
    with saved.counted():
        (x * x).sum().backward()
    assert saved.most == 2 * 40 * 4, "the first was let go"
    own = Saved(loop)
    with own.counted():
        loop.method.encoder[0](torch.ones(1, 4)).sum().backward()
    assert own.most == 4 * 4, "the input; weights are there anyway"


def test_memory():
    memory.reset_peak()
    before = memory.peak()
    block = np.ones(30_000_000 // 8)
    assert memory.peak() >= before and memory.free() > 0
    del block


# -- made files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist", "svhn", "cifar10", "flowers102"])
def test_made_files_are_read_as_the_originals(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(originals, "TRAIN", 20)
    monkeypatch.setattr(originals, "OTHER", 10)
    monkeypatch.setattr(originals, "_SVHN", {"train": 20, "test": 10, "extra": 20})
    before = official.MNIST_UNPACKED
    with originals.standing_in(tmp_path / "mirror"):
        (tmp_path / "scratch").mkdir()
        config = {"dataset": name, **View().model_dump(mode="json"), "source": name}
        source = official.read(config, Machine(mirror=str(tmp_path / "mirror")), tmp_path / "scratch")
    assert source.splits["test"] == 10 and sum(source.splits.values()) >= 30
    assert source.image(len(source) - 1).size[0] >= 28 and source.labels.min() == 0
    assert official.MNIST_UNPACKED is before, "the originals' checksums are back"
    if name == "flowers102":
        assert len(source.captions[0]) == 10
