"""`dvc exp run` in the workspace, in a temporary directory and in the queue."""

from __future__ import annotations

import time

from workflow.project import MEASURED, ONE_RUN, Project, equal, hangs_on, jobs, remade

LEARNING_RATE = "variants.gan.optimiser.lr=5e-4"


def revision(project: Project, name: str) -> str:
    """The commit of an experiment."""
    lines = project.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    return next(line.split()[0] for line in lines if line.endswith(f"/{name}"))


def test_experiments_retrain_only_what_they_affect(built: Project, changed: Project):
    """The same change at the workspace, with --temp and in the queue gives what `dvc repro` gave for it."""
    before, numbers = built.keys(), built.metrics()
    # One seed only, made by a bare snakemake: dvc.lock is recorded, but not committed to git.
    built.set(seeds=[1])
    assert jobs(built.snakemake()) == MEASURED
    params, one_seed = built.params, built.metrics()

    built.dvc("exp", "run", "--queue", "--name", "queued", "--set-param", LEARNING_RATE)
    built.dvc("queue", "start")  # works on in the background
    aside = built.dvc("exp", "run", "--temp", "--name", "aside", "--set-param", LEARNING_RATE)
    assert jobs(aside) == ONE_RUN
    queue = built.dvc("queue", "status")
    while "Queued" in queue or "Running" in queue:
        time.sleep(2)
        queue = built.dvc("queue", "status")
    queued = built.dvc("queue", "logs", "queued")
    assert jobs(queued) == ONE_RUN, queued
    # The workspace is as it was.
    assert (built.params, built.metrics()) == (params, one_seed)
    assert remade(before, built.keys()) == {
        "study/demo/acl/table1",
        "item/demo/acl/table1",
        "front/demo",
        "summary/demo",
    }
    built.assert_nothing_to_do()

    here = built.dvc("exp", "run", "--name", "here", "--set-param", LEARNING_RATE)
    assert jobs(here) == ONE_RUN, "results that a bare snakemake made are still there"
    assert remade(before, built.keys()) == hangs_on("gan/seed1")
    built.assert_nothing_to_do()

    right = built.metrics()["digits"]
    for name in ("aside", "queued", "here"):
        assert built.metrics(revision(built, name))["digits"] == right, name
    assert right["acl_gan"] == one_seed["digits"]["acl_gan"]
    assert right["gan"] != one_seed["digits"]["gan"] != numbers["digits"]["gan"]
    trained = built.networks("gan", 1), changed.networks("gan", 1)
    assert built.params["variants"] == changed.params["variants"] and equal(*trained)
