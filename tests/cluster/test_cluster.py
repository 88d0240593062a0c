"""The pipeline on a real Slurm: the same bits as on one machine, whatever is cancelled, fails or is killed."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cluster.slurm import BOOT_SECONDS, Slurm
from workflow.project import NOTHING, Process, Project, equal, jobs

PROFILE = ("snakemake", "--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1")
RUN = "data/runs/demo/digits/gan/seed0"
TRAIN = f"{RUN}/manifest.json"
STEPS = 300


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A cluster, and the clients' environment."""
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, slurm: Slurm) -> Project:
    """A project with its data prepared by `dvc repro`, as a job of the cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    project = Project.create(folder / "prepared", folder / "home")
    project.set(seeds=[0])
    project.run("env", "SNAKEMAKE_PROFILE=profiles/slurm", "dvc", "repro", "data")
    assert len(slurm.submitted) == 1
    return project


@pytest.fixture
def project(prepared: Project, tmp_path: Path) -> Iterator[Project]:
    yield (project := prepared.copy(tmp_path / "project"))
    project.end_processes()


def training_of(project: Project) -> psutil.Process | None:
    """The process that trains in this project."""
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            words = process.info["cmdline"]
            if (
                words
                and "python" in words[0]
                and {"advcodes", "train"} <= set(words)
                and Path(process.cwd()) == project.root
            ):
                return process
    return None


def halted(project: Project, driver: Process) -> psutil.Process:
    """The training on the cluster, halted as soon as it has written a new checkpoint."""
    checkpoint = project.unfinished("gan", 0) / "checkpoint.pt"
    old = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    driver.until(lambda: checkpoint.exists() and checkpoint.stat().st_mtime_ns != old)
    training = training_of(project)
    assert training is not None, driver.fail("trains no more")
    training.suspend()
    return training


def said(project: Project) -> str:
    """What the training printed, as long as no other attempt writes over it."""
    return (project.root / "logs/train/demo/digits/gan/seed0.log").read_text(errors="replace")


def test_a_table_has_the_same_bits_as_on_one_machine(project: Project, slurm: Slurm, tmp_path: Path):
    before = len(slurm.submitted)
    local = project.copy(tmp_path / "local")
    on_one_machine = local.start("snakemake", "--cores", "1", "train_all")
    output = project.run(*PROFILE, "reports/table1.md")
    on_one_machine.wait()
    for variant in ("gan", "acl_gan"):
        assert equal(project.networks(variant, 0), local.networks(variant, 0))
    rules = jobs(output)
    assert rules["train"] == rules["sample"] == rules["evaluate"] == 2
    # The classifier, the reference, each run, the study, and the pages: six jobs for eleven rules' work.
    assert (rules.total(), len(slurm.submitted) - before) == (11, 6)
    assert "(1 seed)" in (project.root / "reports/table1.md").read_text()
    assert NOTHING in project.run(*PROFILE, "reports/table1.md")


def test_cancelled_failed_and_orphaned_trainings_go_on(project: Project, slurm: Slurm, tmp_path: Path):
    project.set(budget__default__images=64 * STEPS)
    local = project.copy(tmp_path / "local")
    on_one_machine = local.start("snakemake", "--cores", "1", TRAIN)
    first = len(slurm.submitted)

    driver = project.start(*PROFILE, TRAIN)
    training = halted(project, driver)
    slurm.command("scancel", *slurm.jobs("running"))
    training.wait(BOOT_SECONDS)
    training = halted(project, driver)
    assert "resumed at step" in said(project)
    assert "CANCELLED" in driver.output
    assert len(slurm.submitted) == first + 2

    slurm.fail_node()
    assert not training.is_running()
    slurm.start_node()
    training = halted(project, driver)
    assert "resumed at step" in said(project)

    # The driver is killed. Another one queues the job again, which starts when the first has ended.
    driver.kill()
    slurm.command("scontrol", "update", "PartitionName=main", "State=DOWN")
    driver = project.start(*PROFILE, TRAIN)
    driver.until(lambda: slurm.jobs("pending"))
    training.resume()
    driver.until((project.root / TRAIN).exists)
    made = json.loads((project.root / TRAIN).read_text())
    slurm.command("scontrol", "update", "PartitionName=main", "State=UP")
    driver.wait()
    assert "finished before; its manifest is restored" in said(project), "trained twice"
    assert json.loads((project.root / TRAIN).read_text()) == made

    on_one_machine.wait()
    assert equal(project.networks("gan", 0), local.networks("gan", 0))
    assert NOTHING in project.run(*PROFILE, TRAIN)


def test_ctrl_c_cancels_the_jobs(project: Project, slurm: Slurm):
    project.set(budget__default__images=64 * STEPS)
    driver = project.start(*PROFILE, TRAIN)
    halted(project, driver)
    psutil.Process(driver.pid).send_signal(signal.SIGINT)
    driver.wait(ok=False)
    slurm.until(lambda: not slurm.jobs("running,pending,completing"), "jobs do not end")
    assert training_of(project) is None
    assert (project.unfinished("gan", 0) / "checkpoint.pt").exists()


def test_what_the_cluster_refuses_is_said(project: Project, slurm: Slurm):
    """Also where jobs are grouped, and Snakemake keeps sbatch's answer to itself."""
    nowhere = ("--default-resources", "slurm_partition=nowhere", "runtime=1", "--retries", "0")
    output = project.run(*PROFILE, *nowhere, TRAIN, ok=False)
    assert "SLURM sbatch failed. The error message was 'sbatch: error: invalid partition specified: nowhere" in output
    assert "sbatch call" not in output
