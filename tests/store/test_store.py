"""Data and checkpoints in an object store: pushed from one machine, pulled on another, and nothing trained again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.server import BUCKET, Store
from workflow.project import Project, jobs

GAN = "data/runs/demo/digits/gan/seed0"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A server, and the clients' environment."""
    server = Store(tmp_path_factory.mktemp("server") / "requests.log")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server
    server.stop()


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Project:
    """A project whose table is made and pushed, in two tries: the first is killed."""
    folder = tmp_path_factory.mktemp("store")
    project = Project.create(folder / "project", folder / "home")
    project.set(seeds=[0])
    project.dvc("remote", "add", "--default", "store", f"s3://{BUCKET}/advcodes")
    project.dvc("remote", "modify", "store", "endpointurl", store.endpoint)
    project.snakemake("reports/table1.md")
    project.commit("results")

    push = project.start("dvc", "push", "--jobs", "1")
    push.until(lambda: len(store.uploads) >= 5)
    push.kill_all()
    assert 5 <= len(store.uploads) < len(in_cache(project))
    project.dvc("push")
    return project


def in_cache(project: Project) -> set[str]:
    """What lies in DVC's cache, as it is named in the store."""
    cache = project.root / ".dvc/cache"
    return {f"advcodes/{path.relative_to(cache)}" for path in (cache / "files").rglob("*") if path.is_file()}


def clone_of(project: Project, root: Path) -> Project:
    """As on another machine: what is in git, and no cache."""
    project.run("git", "clone", "--quiet", str(project.root), str(root))
    return Project(root, project.home)


def test_an_interrupted_push_goes_on(pushed: Project, store: Store):
    assert set(store.uploads) == in_cache(pushed)
    assert len(store.uploads) <= len(set(store.uploads)) + 1, "only what was on its way is sent again"
    assert "Everything is up to date" in pushed.dvc("push")


def test_what_was_pulled_is_not_made_again(pushed: Project, tmp_path: Path):
    """One stage, then all: of one table among those asked for, everything is recorded but pages."""
    clone = clone_of(pushed, tmp_path / "clone")
    clone.dvc("pull", "train")
    assert jobs(clone.snakemake("--dry-run", "reports/table1.md")) == {
        "prepare": 1, "classifier": 1, "reference": 1, "sample": 2, "evaluate": 2, "study": 1, "render": 1, "front": 1,
    }  # fmt: skip
    clone.dvc("pull", "--allow-missing")
    assert jobs(clone.snakemake("--dry-run", "reports/table1.md")) == {"render": 1, "front": 1}


def test_after_a_pull_of_one_run_only_the_others_are_trained(pushed: Project, tmp_path: Path):
    clone = clone_of(pushed, tmp_path / "clone")
    clone.dvc("pull", "data/prepared", GAN)
    made = (clone.root / GAN / "manifest.json").read_text()
    assert jobs(clone.snakemake("train_all")) == {"train": 1}
    assert (clone.root / GAN / "manifest.json").read_text() == made
    assert json.loads(made)["key"] == pushed.keys()["train/demo/digits/gan/seed0"]
    assert clone.keys().keys() == {"prepared/digits", "train/demo/digits/gan/seed0", "train/demo/digits/acl_gan/seed0"}


def test_after_a_pull_of_everything_both_tools_have_nothing_to_do(pushed: Project, tmp_path: Path):
    assert jobs(pushed.snakemake()) == {"summary": 1}
    pushed.commit("all")
    pushed.dvc("push")
    clone = clone_of(pushed, tmp_path / "clone")
    clone.dvc("pull")
    assert clone.keys() == pushed.keys()
    clone.assert_nothing_to_do()
    assert clone.git("status", "--porcelain") == ""
