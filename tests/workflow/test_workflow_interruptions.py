"""Killed, called twice, edited meanwhile: every call that follows finds its way back by itself."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import pytest
import torch

from workflow.project import CHANGED, NOTHING, ONE_RUN, Process, Project, equal, jobs, once

RUN = "data/runs/demo/digits/gan/seed0"
TRAIN = f"{RUN}/manifest.json"
NAME = "train/demo/digits/gan/seed0"
SAMPLE = "data/evaluation/samples/demo/digits/gan/seed0/manifest.json"
WAITING = "another snakemake is working in this directory; waiting until it has finished"


def long_training(project: Project) -> Project:
    """Ask for one run of one variant that takes some seconds and is checkpointed several times a second."""
    project.set(seeds=[0], budget__default__images=64 * 300)
    tree = project.params
    del tree["variants"]["acl_gan"]
    project.params = tree
    return project


@pytest.fixture
def project(built: Project) -> Project:
    return long_training(built)


@pytest.fixture(scope="session")
def uninterrupted(shared: Path, _built: tuple[Project, str]) -> dict[str, torch.Tensor]:
    """The networks of that run, trained without a break."""

    def make(root: Path) -> str:
        return long_training(_built[0].copy(root)).snakemake(TRAIN)

    return once(shared, "uninterrupted", make)[0].networks("gan", 0)


def in_training(project: Project, *command: str) -> tuple[Process, psutil.Process]:
    """Start a command, and halt its training process when it has written a new checkpoint."""
    checkpoint = project.unfinished("gan", 0) / "checkpoint.pt"
    old = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    process = project.start(*command)
    process.until(lambda: checkpoint.exists() and checkpoint.stat().st_mtime_ns != old)
    training = process.child("train")
    training.suspend()
    return process, training


def test_a_killed_training_resumes_and_ends_as_if_uninterrupted(
    project: Project, uninterrupted: dict[str, torch.Tensor]
):
    snakemake = ("snakemake", "--cores", "2", TRAIN)
    process, training = in_training(project, *snakemake)
    training.kill()
    assert "resumed" not in process.wait(ok=False)
    assert not (project.root / TRAIN).exists(), "nothing half-made counts"
    assert re.search(r"demo/digits/gan/seed0 +train: missing", project.advcodes("list", "runs"))

    process, _ = in_training(project, *snakemake)
    process.kill_all()
    assert "resumed at step" in process.output
    assert not (project.root / TRAIN).exists()

    output = project.snakemake(TRAIN)
    assert "resumed at step" in output
    assert jobs(output) == {"train": 1}
    assert equal(project.networks("gan", 0), uninterrupted)
    assert not project.unfinished("gan", 0).exists()
    assert NOTHING in project.snakemake(TRAIN)


def test_a_training_that_outlives_a_killed_snakemake_is_waited_for(
    project: Project, uninterrupted: dict[str, torch.Tensor]
):
    process, training = in_training(project, "snakemake", "--cores", "2", TRAIN)
    process.kill()
    assert not (project.root / TRAIN).exists()
    process = project.start("snakemake", "--cores", "2", TRAIN)
    process.until(lambda: f"{NAME}: another process is making this; waiting for it" in process.output)
    training.resume()
    assert f"{NAME}: already made" in process.wait()
    assert equal(project.networks("gan", 0), uninterrupted)
    assert NOTHING in project.snakemake(TRAIN)


def test_dvc_repro_takes_up_again_where_it_was_killed(project: Project, uninterrupted: dict[str, torch.Tensor]):
    in_training(project, "dvc", "repro", "train")[0].kill_all()
    output = project.dvc("repro", "train")
    assert "resumed at step" in output
    assert jobs(output) == {"train": 1}
    assert equal(project.networks("gan", 0), uninterrupted)
    assert "up to date" in project.dvc("status", "train")


def test_an_experiment_takes_up_again_where_it_was_killed(project: Project, uninterrupted: dict[str, torch.Tensor]):
    """`dvc exp run` deletes what dvc.lock does not name before it starts, but not a checkpoint."""
    in_training(project, "dvc", "exp", "run")[0].kill_all()
    output = project.dvc("exp", "run")
    assert "resumed at step" in output
    assert jobs(output) == ONE_RUN
    assert equal(project.networks("gan", 0), uninterrupted)
    project.assert_nothing_to_do()


def test_a_second_call_waits_says_so_and_then_has_nothing_to_do(project: Project):
    first, training = in_training(project, "snakemake", "--cores", "2", TRAIN)
    second = project.start("snakemake", "--cores", "2", TRAIN)
    second.until(lambda: WAITING in second.output)
    look = project.snakemake("-np", TRAIN)
    assert WAITING not in look and jobs(look) == {"train": 1}, "who only looks need not wait"
    training.resume()
    assert jobs(first.wait()) == {"train": 1}
    output = second.wait()
    assert NOTHING in output and not jobs(output)


def test_dvc_repro_beside_snakemake_waits_and_records(project: Project):
    first, training = in_training(project, "snakemake", "--cores", "2", TRAIN)
    second = project.start("dvc", "repro", "train")
    second.until(lambda: WAITING in second.output)
    training.resume()
    assert "not recorded in dvc.lock; run `dvc commit`: failed to commit" in first.wait(), "dvc is busy meanwhile"
    output = second.wait()
    assert not jobs(output), output
    assert "up to date" in project.dvc("status", "train")


def test_an_edit_during_a_run_stops_it_before_the_next_job(project: Project):
    process, training = in_training(project, "snakemake", "--cores", "2", SAMPLE)
    project.set(variants__gan__optimiser__lr=1e-3, budget__default__images=640)
    training.resume()
    output = process.wait(ok=False)
    assert "sample/demo/digits/gan/seed0: params.yaml or the sources " + CHANGED in output
    assert "Traceback" not in output
    assert "train: stale  sample: missing" in project.advcodes("list", "runs")

    output = project.snakemake(SAMPLE)
    assert jobs(output) == {"train": 1, "sample": 1}
    assert "resumed" not in output, "the other learning rate's checkpoint is not continued"
    assert (project.root / RUN / "manifest.json").read_text().count('"lr": 0.001')
    assert NOTHING in project.snakemake(SAMPLE)


def test_an_edit_during_the_last_job_is_noticed_too(project: Project):
    process, training = in_training(project, "dvc", "repro", "train")
    project.set(variants__gan__optimiser__lr=1e-3, budget__default__images=640)
    training.resume()
    output = process.wait(ok=False)
    assert "params.yaml or the sources " + CHANGED in output
    assert "Traceback" not in output
    status = project.dvc("status", "train")
    assert "params.yaml" in status, "dvc must not take the old result for the edited file's"
    assert jobs(project.dvc("repro", "train")) == {"train": 1}
