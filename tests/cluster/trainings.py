"""One training on the cluster, halted where a test wants to do something to it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from workflow.project import Process, Project

PROFILE = ("snakemake", "--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1")
TRAIN = "data/runs/demo/digits/gan/seed0/manifest.json"
CHECKPOINT = Path("data/unfinished/train-demo-digits-gan-seed0/checkpoint.pt")
IMAGES = 64 * 300


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
    checkpoint = project.root / CHECKPOINT
    old = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    driver.until(lambda: checkpoint.exists() and checkpoint.stat().st_mtime_ns != old)
    training = training_of(project)
    assert training is not None, driver.fail("trains no more")
    training.suspend()
    return training


def said(project: Project) -> str:
    """What the training printed, as long as no other attempt writes over it."""
    return (project.root / "logs/train/demo/digits/gan/seed0.log").read_text(errors="replace")
