"""Jobs that are forked by a worker: they end as their commands end, and are killed as any job is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from advcodes import __version__
from advcodes.app import worker

ROOT = Path(__file__).parents[2]
SOURCES = str(ROOT / "src")
FRONT = ("front",)  #: a stage that imports little
PARTS = ("params.yaml", "pipeline", "src")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project's directory with a worker in it, which has ended when the module's tests have."""
    directory = tmp_path_factory.mktemp("project")
    for name in PARTS:
        (directory / name).symlink_to(ROOT / name)
    before = Path.cwd()
    os.chdir(directory)
    alive = worker.start(SOURCES)
    (process,) = workers(directory)
    yield directory
    os.close(alive)
    process.wait(60)
    os.chdir(before)


def workers(directory: Path) -> list[psutil.Process]:
    running = (p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE)
    return [p for p in running if "advcodes.app.worker" in p.cmdline() and Path(p.cwd()) == directory]


def start(*arguments: str, where: Path) -> subprocess.Popen[str]:
    """A job as the shell runs it."""
    called = worker.command(sys.executable, SOURCES, by_worker=True)
    return subprocess.Popen(
        ["bash", "-c", f'{called} "$@"', "bash", *arguments], cwd=where, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def forked(directory: Path) -> list[psutil.Process]:
    """Jobs of the worker that have not ended."""
    (process,) = workers(directory)
    return [p for p in process.children() if p.status() != psutil.STATUS_ZOMBIE]


def until(happened: Callable[[], Any]) -> Any:
    end = time.monotonic() + 60
    while not (found := happened()):
        assert time.monotonic() < end, "not in a minute"
        time.sleep(0.01)
    return found


def test_a_job_has_its_own_output_and_status(place: Path):
    said, errors = start("--version", where=place).communicate()
    assert (said.split()[-1], errors) == (__version__, "")
    job = start("train", "nonsense", where=place)
    said, errors = job.communicate()
    assert job.returncode == 1 and said == ""
    assert errors.startswith("advcodes: error: run 'nonsense': expected <scale>/<dataset>/<variant>/seed<k>")
    job = start("no-such-command", where=place)
    assert "invalid choice" in job.communicate()[1] and job.returncode == 2
    job = start(*FRONT, where=place)
    assert "is missing or stale" in job.communicate()[1] and job.returncode == 1
    job = start("list", "datasets", where=place)
    assert job.communicate()[0].startswith("datasets (scale demo):") and job.returncode == 0


def held(place: Path) -> Any:
    """A lock that a job waits for, in a process of its own."""
    lock = place / ".snakemake/advcodes/front-demo.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl, sys; f = open({str(lock)!r}, 'a'); fcntl.flock(f, 2); print(1, "
         "flush=True); sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline()
    return holder


def waiting(place: Path) -> subprocess.Popen[str]:
    """A job that waits for that lock."""
    job = start(*FRONT, where=place)
    assert job.stdout is not None and "another process is making this" in job.stdout.readline()
    return job


def test_what_is_killed_ends_the_other_side_too(place: Path):
    with held(place) as holder:
        job = waiting(place)
        (child,) = forked(place)
        child.kill()
        assert job.wait(60) == 137, "kill -9 of the job"

        job = waiting(place)
        job.send_signal(signal.SIGTERM)
        assert job.wait(60) != 0, "killed by its client's signal"
        until(lambda: not forked(place))

        job = waiting(place)
        for client in [psutil.Process(job.pid), *psutil.Process(job.pid).children()]:
            client.kill()
        until(lambda: not forked(place))
        holder.communicate()


def test_without_a_worker_a_job_is_the_command_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "NAME", "no-such-worker")
    said, errors = start("--version", where=tmp_path).communicate()
    assert (said.split()[-1], errors) == (__version__, "")
    assert worker.command("python", "a b/src", by_worker=False) == (
        "PYTHONPATH='a b/src'${PYTHONPATH:+:$PYTHONPATH} python -m advcodes"
    )
