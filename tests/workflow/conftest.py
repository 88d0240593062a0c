"""One small project, built once a session; every test works on a copy of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from workflow.project import Project, jobs, once


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a parallel session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "workflow"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def _built(shared: Path) -> tuple[Project, str]:
    def make(root: Path) -> str:
        project = Project.create(root, shared / "home")
        output = project.run("snakemake", "--cores", "8", "reports/table1.md")
        assert jobs(project.run("snakemake", "--cores", "8")) == {"summary": 1}  # all else is behind the table
        project.commit("results")
        return output

    return once(shared, "built", make)


@pytest.fixture(scope="session")
def _changed(shared: Path, _built: tuple[Project, str]) -> tuple[Project, str]:
    def make(root: Path) -> str:
        project = _built[0].copy(root)
        project.set(variants__gan__optimiser__lr=5e-4)
        return project.dvc("repro")

    return once(shared, "changed", make)


@pytest.fixture(scope="session")
def built_output(_built: tuple[Project, str]) -> str:
    """What the first `snakemake --cores 8 reports/table1.md` in a clean clone printed."""
    return _built[1]


@pytest.fixture(scope="session")
def changed_output(_changed: tuple[Project, str]) -> str:
    """What `dvc repro` printed after one variant's learning rate was changed."""
    return _changed[1]


@pytest.fixture
def built(_built: tuple[Project, str], tmp_path: Path) -> Iterator[Project]:
    """A copy of the built project, its results committed."""
    yield (project := _built[0].copy(tmp_path / "project"))
    project.end_processes()


@pytest.fixture
def changed(_changed: tuple[Project, str], tmp_path: Path) -> Iterator[Project]:
    """A copy of the project after a change of one variant's learning rate and `dvc repro`, not committed."""
    yield (project := _changed[0].copy(tmp_path / "changed"))
    project.end_processes()
