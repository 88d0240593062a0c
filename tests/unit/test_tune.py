"""`advcodes tune`: the same trials for every row, on a held-out seed and split; winners printed and written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from advcodes.app.cli import main
from advcodes.app.planning import tune as tuning_module
from advcodes.app.planning.tune import tune
from advcodes.core.errors import AdvcodesError
from advcodes.papers.read import read_tuning
from advcodes.papers.tuning import Tuning

ITEM = "acl/table1"
GRID = [1.0e-4, 3.0e-4, 1.0e-3]
BEST = {"gan": 3.0e-4, "acl_gan": 1.0e-3, "acl_gan_alg1": 3.0e-4, "acl_gan_eq6": 1.0e-4,
        "wgan_gp": 1.0e-4, "acl_gan_gp": 1.0e-4, "wgan_gp_1": 1.0e-3, "acl_gan_gp_1": 3.0e-4}  # fmt: skip


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Artifacts that are asked for, in place of made ones: metrics are best at BEST, and gan diverges at 1e-3."""
    made: list[Any] = []

    def produce(artifact: Any, params: Any) -> None:
        made.append(artifact)
        variant = artifact.id.split("/")[3]
        (row,) = (row for row in BEST if variant.startswith(f"{row}_lr"))
        lr = params.variants[variant].optimiser.lr
        if (row, lr) == ("gan", 1.0e-3):
            raise AdvcodesError("training diverged: 'loss' of phase 'generate' became nan at step 3")
        artifact.directory.mkdir(parents=True)
        metrics = {"metrics": {"fd_classifier": 5 + abs(lr - BEST[row])}}
        (artifact.directory / "metrics.json").write_text(json.dumps(metrics))

    monkeypatch.setattr(tuning_module, "produce_all", produce)
    return made


def test_every_row_has_the_same_trials_and_each_its_winner(
    trials: list[Any], tree: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tune(tree, "demo", ITEM, tmp_path / "data", tmp_path / "reports")
    assert path == tmp_path / "reports" / "demo" / "tuning" / "acl-table1.json" and len(trials) == 3 * len(BEST)
    content = json.loads(path.read_text())
    (found,) = content["datasets"]
    assert content["tuning"]["grid"] == {"optimiser.lr": GRID} and content["tuning"]["seed"] == 1000
    assert (found["dataset"], found["metric"]) == ("digits", "fd_classifier")
    assert {row: about["winner"]["optimiser.lr"] for row, about in found["rows"].items()} == BEST
    for about in found["rows"].values():
        assert sorted(trial["optimiser.lr"] for trial in about["trials"]) == GRID
    assert [t["value"] for t in found["rows"]["gan"]["trials"]].count(None) == 1
    printed = capsys.readouterr().out
    assert "3 trials a row of optimiser.lr: 0.0001, 0.0003, 0.001; seed 1000" in printed and "diverged" in printed


def test_trials_are_apart_from_results_on_a_held_out_split_and_seed(
    trials: list[Any], tree: dict[str, Any], tmp_path: Path
):
    tune(tree, "demo", ITEM, tmp_path / "data", tmp_path / "reports")
    for artifact in trials:
        assert artifact.id.endswith("/seed1000") and tmp_path / "data" / "tuning" in artifact.directory.parents
        assert artifact.inputs["reference"].config["split"] == "validation"
        train = artifact.inputs["run"]
        assert train.config["budget"] == {"images": 25600, "epochs": None}  # a fifth
        assert train.inputs["data"].config["hold_out"] == 130  # a tenth of 1,297
    assert not {a.id for a in trials if "validation" in a.inputs["run"].config["view"]["train_split"]}


def test_a_row_of_which_all_trials_diverge(trials: list[Any], tree: dict[str, Any], tmp_path: Path, monkeypatch: Any):
    only = Tuning(grid={"optimiser.lr": [1.0e-3]}, trials=1)
    monkeypatch.setattr(tuning_module, "read_tuning", lambda item: only)
    with pytest.raises(AdvcodesError, match=r"tune acl/table1: every trial of gan on digits diverged; widen the grid"):
        tune(tree, "demo", ITEM, tmp_path / "data", tmp_path / "reports")


def test_bad_input_is_one_line(
    trials: list[Any], tree: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fails(match: str, item: str = ITEM) -> None:
        with pytest.raises(AdvcodesError, match=match):
            tune(tree, "demo", item, tmp_path / "data", tmp_path / "reports")

    fails("unknown item 'acl/table2'; did you mean 'acl/table1'", "acl/table2")
    tree["seeds"] = [0, 1000]
    fails("tune acl/table1: seed 1000 is one of the item's; give `tuning` another")
    tree["seeds"] = [0]
    tree["scales"]["demo"]["stand_ins"] |= {"cifar10": None}
    fails("tune acl/table1: no column is run at scale demo")


def test_without_optuna(tree: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(AdvcodesError, match=r"optuna is not installed; run `pip install 'advcodes\[tune\]'`"):
        tune(tree, "demo", ITEM, tmp_path, tmp_path)


def test_the_grid_is_declared_by_the_paper(tmp_path: Path):
    assert all(read_tuning(f"{paper}/x").points == 3 for paper in ("aaae", "acl", "advcodes", "gali", "khan", "lpaae"))
    with pytest.raises(ValueError, match="trials: 4, and the grid has 3"):
        Tuning(grid={"optimiser.lr": GRID}, trials=4)
    (tmp_path / "p.yaml").write_text("{paper: p, title: t, reference: r, items: {}}")
    with pytest.raises(AdvcodesError, match=r"p\.yaml: tuning: missing; declare the grid"):
        read_tuning("p/x", tmp_path)
    with pytest.raises(AdvcodesError, match=r"tune q/x: no paper of .* declares it"):
        read_tuning("q/x", tmp_path)


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(tuning_module, "tune", lambda tree, scale, item, *_: f"{scale} {item} {tree['scale']}")
    assert main(["tune", ITEM, "--scale", "laptop"]) == 0
    assert capsys.readouterr().out == "laptop acl/table1 demo\n"
