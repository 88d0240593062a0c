"""A table on a real Slurm: the same bits as on one machine, in fewer submissions than jobs."""

from __future__ import annotations

from pathlib import Path

import yaml

from cluster.slurm import Slurm
from cluster.trainings import PROFILE
from workflow.project import NOTHING, Project, equal, jobs

TABLE = "reports/table1.md"


def test_a_table_has_the_same_bits_as_on_one_machine(project: Project, slurm: Slurm, tmp_path: Path):
    local, ungrouped = project.copy(tmp_path / "local"), project.copy(tmp_path / "ungrouped")
    profile = ungrouped.root / "profiles/slurm/config.yaml"
    settings = yaml.safe_load(profile.read_text())
    del settings["groups"]
    profile.write_text(yaml.safe_dump(settings))

    on_one_machine = local.start("snakemake", "--cores", "1", "train_all")
    one_by_one = ungrouped.start(*PROFILE, TABLE)
    rules = jobs(project.run(*PROFILE, TABLE))
    on_one_machine.wait()
    assert jobs(one_by_one.wait()) == rules
    assert rules["train"] == rules["sample"] == rules["evaluate"] == 2
    # The classifier, the reference, each run, the study, and the pages: six submissions for eleven jobs' work.
    assert rules.total() == slurm.submitted(ungrouped.root) == 11
    assert slurm.submitted(project.root) == 6

    for variant in ("gan", "acl_gan"):
        networks = local.networks(variant, 0)
        assert equal(project.networks(variant, 0), networks) and equal(ungrouped.networks(variant, 0), networks)
    page = (project.root / TABLE).read_text()
    assert "(1 seed)" in page and page == (ungrouped.root / TABLE).read_text()
    assert NOTHING in project.run(*PROFILE, TABLE)
