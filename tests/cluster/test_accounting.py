"""A training on a real Slurm that records its jobs in a database, where a job's state has other words."""

from __future__ import annotations

from pathlib import Path

from cluster.slurm import ACCOUNT, BOOT_SECONDS, Slurm
from cluster.trainings import IMAGES, PROFILE, TRAIN, halted, said
from workflow.project import NOTHING, Project, equal

ACCOUNTING = True


def test_ends_and_cancelled_jobs_are_seen(project: Project, slurm: Slurm, tmp_path: Path):
    """What `sacct` calls ``CANCELLED by 0``, Snakemake's plugin takes for a job that runs; `squeue` knows better."""
    mine = f"default-resources:\n  slurm_account: {ACCOUNT}\n  slurm_partition: main\n"
    project.edit("profiles/slurm/config.yaml", "default-resources:\n", mine)
    project.set(budget__default__images=IMAGES)
    local = project.copy(tmp_path / "local")
    on_one_machine = local.start("snakemake", "--cores", "1", TRAIN)

    driver = project.start(*PROFILE, TRAIN)
    training = halted(project, driver)
    slurm.command("scancel", *slurm.jobs("running"))
    training.wait(BOOT_SECONDS)
    halted(project, driver).resume()
    assert "resumed at step" in said(project)
    driver.wait()
    assert "SLURM status is: 'CANCELLED'" in driver.output
    states = [(ACCOUNT, "CANCELLED by 0"), (ACCOUNT, "COMPLETED")]
    slurm.until(lambda: slurm.recorded(project.root) == states, "the database has not what happened")

    on_one_machine.wait()
    assert equal(project.networks("gan", 0), local.networks("gan", 0))
    assert NOTHING in project.run(*PROFILE, TRAIN)


def test_an_account_of_others_is_refused(project: Project, slurm: Slurm):
    theirs = ("--default-resources", "slurm_account=their_group", "runtime=1", "--retries", "0")
    output = project.run(*PROFILE, *theirs, TRAIN, ok=False)
    assert "The given account their_group appears to be invalid" in output
    assert slurm.submitted(project.root) == 0
