"""How a user meets a real Slurm: through DVC, with Ctrl-C, and where it refuses a job."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import psutil
import yaml

from cluster.slurm import Slurm
from cluster.trainings import CHECKPOINT, IMAGES, PROFILE, TRAIN, halted, said, training_of
from workflow.project import Project, equal

NOWHERE = ("--default-resources", "slurm_partition=nowhere", "runtime=1", "--retries", "0")
REFUSED = "SLURM sbatch failed. The error message was 'sbatch: error: invalid partition specified: nowhere"


def test_what_the_cluster_refuses_is_said(project: Project, slurm: Slurm):
    """Also where jobs are grouped, and Snakemake keeps sbatch's answer to itself."""
    output = project.run(*PROFILE, *NOWHERE, TRAIN, ok=False)
    assert REFUSED in output and "sbatch call" not in output
    shutil.rmtree(project.root / "data/prepared")
    output = project.run(*PROFILE, *NOWHERE, "prepare_all", ok=False)
    assert REFUSED in output and "recorded in dvc.lock" not in output, "there is nothing to record"


def test_dvc_submits_jobs(project: Project, slurm: Slurm):
    shutil.rmtree(project.root / "data/prepared")
    project.run("env", "SNAKEMAKE_PROFILE=profiles/slurm", "dvc", "repro", "data")
    assert slurm.submitted(project.root) == 1
    assert "deps" in yaml.safe_load((project.root / "dvc.lock").read_text())["stages"]["data"], (
        "DVC has not recorded it"
    )


def test_ctrl_c_cancels_the_jobs_and_the_next_call_goes_on(project: Project, slurm: Slurm, tmp_path: Path):
    project.set(budget__default__images=IMAGES)
    local = project.copy(tmp_path / "local")
    driver = project.start(*PROFILE, TRAIN)
    halted(project, driver)
    psutil.Process(driver.pid).send_signal(signal.SIGINT)
    driver.wait(ok=False)
    slurm.until(lambda: not slurm.jobs("running,pending,completing"), "jobs do not end")
    assert training_of(project) is None
    assert (project.root / CHECKPOINT).exists()

    on_one_machine = local.start("snakemake", "--cores", "1", TRAIN)
    project.run(*PROFILE, TRAIN)
    assert "resumed at step" in said(project)
    on_one_machine.wait()
    assert equal(project.networks("gan", 0), local.networks("gan", 0))
