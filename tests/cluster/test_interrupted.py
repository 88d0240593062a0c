"""A training on a real Slurm that is cancelled, loses its node, and loses its driver: the same bits, and made once."""

from __future__ import annotations

import json
from pathlib import Path

from cluster.slurm import BOOT_SECONDS, Slurm
from cluster.trainings import IMAGES, PROFILE, TRAIN, halted, said
from workflow.project import NOTHING, Project, equal


def test_cancelled_failed_and_orphaned_trainings_go_on(project: Project, slurm: Slurm, tmp_path: Path):
    project.set(budget__default__images=IMAGES)
    local = project.copy(tmp_path / "local")
    on_one_machine = local.start("snakemake", "--cores", "1", TRAIN)

    driver = project.start(*PROFILE, TRAIN)
    training = halted(project, driver)
    slurm.command("scancel", *slurm.jobs("running"))
    training.wait(BOOT_SECONDS)
    training = halted(project, driver)
    assert "resumed at step" in said(project)
    assert "CANCELLED" in driver.output
    assert slurm.submitted(project.root) == 2

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
