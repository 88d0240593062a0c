"""Whether codes align: known clouds, a trained run and its snapshots, and which runs are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advcodes.config.params import resolve
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.metrics.codes.code_distance import CodeDistance, apart
from advcodes.metrics.registry import describe
from advcodes.training.restore import restore, snapshots
from advcodes.training.train import train
from conftest import run_config
from evaluation_fakes import artifact, measured_by

POINTS = np.random.default_rng(0).standard_normal((2, 800, 3))


def test_it_is_0_of_like_codes_and_1_of_two_points_whatever_the_unit():
    assert abs(apart(*POINTS)) < 0.01
    assert apart(np.zeros((5, 2)), np.full((7, 2), 3.0)) == pytest.approx(1)
    far = apart(POINTS[0], POINTS[1] + 2)
    assert 0.2 < far < apart(POINTS[0], POINTS[1] + 4) < 1
    assert apart(100 * POINTS[0], 100 * (POINTS[1] + 2)) == pytest.approx(far)
    assert apart(np.ones((4, 2)), np.ones((4, 2))) == 0


def test_a_run_and_its_snapshots(prepared: Path, tmp_path: Path):
    train(run_config("acl_ae", training__snapshots=2), prepared / "digits", tmp_path, torch.device("cpu"))
    asked = artifact(tmp_path / "m", "evaluate/x", {"code_distance": {"split": "test", "n": 200}}, run=tmp_path,
                     data=prepared / "digits")  # fmt: skip
    found = measured_by(CodeDistance, asked, restore(tmp_path))
    assert found["protocol"] == {"code_distance_n": 200, "code_distance_split": "test"}
    assert 0 < found["metrics"]["code_distance"] < 1
    from advcodes.evaluation.subject import EvaluatedRun

    steps = [step for step, _ in snapshots(tmp_path)]
    along = [CodeDistance.along(EvaluatedRun(asked, None), restore(tmp_path, step=step)) for step in steps]
    assert along[-1] == pytest.approx(found["metrics"]) and along[0] != along[-1]
    assert "200 images of split test" in describe("code_distance", found["protocol"])


def test_runs_are_measured_of_which_a_claim_tells(tree: dict[str, Any]):
    graph = Graph(resolve(tree))
    asked, other = (graph.metrics(Run("demo", "gaussians", v, 0)).config for v in ("acl_ae_1mode", "acl_ae_1mode_even"))
    assert asked["code_distance"]["n"] == 500 and "code_distance" not in other
