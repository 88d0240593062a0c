"""A cluster for each file of tests, so that the files can run side by side, and a small project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.slurm import Slurm
from workflow.project import Project


@pytest.fixture(scope="module")
def slurm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A cluster, and the clients' environment; with accounting where the file says so."""
    cluster = Slurm(tmp_path_factory.mktemp("slurm"), getattr(request.module, "ACCOUNTING", False))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with its data prepared, on this machine."""
    folder = tmp_path_factory.mktemp("cluster")
    project = Project.create(folder / "prepared", folder / "home")
    project.set(seeds=[0])
    project.snakemake("data/prepared/digits/manifest.json")
    return project


@pytest.fixture
def project(prepared: Project, tmp_path: Path) -> Iterator[Project]:
    yield (project := prepared.copy(tmp_path / "project"))
    project.end_processes()
