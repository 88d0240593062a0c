"""Manifests: nothing half-written counts, nothing stale is kept; and what a change of params.yaml touches."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from advcodes.build import files, produce, provenance, versions
from advcodes.build.provenance import Artifact, ancestors_first
from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.papers.kinds import KINDS
from advcodes.papers.read import read_items


def artifact(folder: Path, config: Any = 1, **inputs: Artifact) -> Artifact:
    folder.mkdir(exist_ok=True)
    return Artifact(f"toy/{folder.name}", folder / "manifest.json", {"value": config}, inputs, ("advcodes.losses.gan",))


def build(a: Artifact, content: str = "x") -> None:
    with a.begin():
        (a.directory / "file").write_text(content)
        a.finish(["file"])


def test_fresh_means_same_key_and_every_file_there(tmp_path: Path):
    a = artifact(tmp_path / "a")
    assert not a.fresh()
    build(a)
    assert a.fresh()
    assert a.begin() is None
    assert not artifact(tmp_path / "a", config=2).fresh()
    (a.directory / "file").write_text("longer")
    assert not a.fresh()
    (a.directory / "file").unlink()
    assert not a.fresh()


def test_a_damaged_manifest_is_a_missing_one(tmp_path: Path):
    a = artifact(tmp_path / "a")
    build(a)
    for text in ("", "{", "[]", '{"key": 1}', json.dumps({"key": a.key, "files": {"file": {}}})):
        a.manifest.write_text(text)
        assert not a.fresh()


def test_a_change_travels_along_inputs(tmp_path: Path):
    a, other = artifact(tmp_path / "a"), artifact(tmp_path / "a", config=2)
    assert artifact(tmp_path / "b", x=a).key != artifact(tmp_path / "b", x=other).key


def test_beginning_removes_the_old_manifest_first(tmp_path: Path):
    build(artifact(tmp_path / "a"))
    changed = artifact(tmp_path / "a", config=2)
    with changed.begin():
        assert not changed.manifest.exists()


def test_a_plan_that_is_out_of_date_is_refused(tmp_path: Path):
    with pytest.raises(
        AdvcodesError,
        match=r"toy/a: params.yaml or the sources changed while the pipeline was running; run it again",
    ):
        artifact(tmp_path / "a").begin(expected="another key")


def test_a_missing_input_is_named(tmp_path: Path):
    a = artifact(tmp_path / "a")
    with pytest.raises(AdvcodesError, match=r"toy/b: its source \(toy/a\) is missing or stale; run `snakemake"):
        artifact(tmp_path / "b", source=a).begin()


def test_another_process_is_waited_for_and_its_result_is_used(tmp_path: Path):
    a = artifact(tmp_path / "a")
    script = textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_provenance import artifact
        a = artifact(Path({str(tmp_path / "a")!r}))
        with a.begin():
            print("begun", flush=True)
            time.sleep(1)
            (a.directory / "file").write_text("x")
            a.finish(["file"])
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "begun\n"
        assert a.begin() is None, "the other process had made it"


def test_a_lock_dies_with_its_process(tmp_path: Path):
    a = artifact(tmp_path / "a")
    script = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_provenance import artifact
lock = artifact(Path({str(tmp_path / "a")!r})).begin()
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    build(a)
    assert a.fresh()


def test_accept_takes_results_over_when_code_alone_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, result = artifact(tmp_path / "a"), None
    build(source)
    result = artifact(tmp_path / "b", a=source)
    build(result)
    monkeypatch.setattr(provenance, "code", lambda *m: {"advcodes.losses.gan": "changed"})
    source, result = artifact(tmp_path / "a"), artifact(tmp_path / "b", a=artifact(tmp_path / "a"))
    assert not source.fresh()
    assert not result.accept("only after its inputs")
    assert source.accept("renamed a variable") and result.accept("renamed a variable")
    assert source.fresh() and result.fresh()
    assert json.loads(source.manifest.read_text())["accepted"][0]["reason"] == "renamed a variable"
    assert not artifact(tmp_path / "a", config=2).accept("a changed parameter is never accepted")


def test_what_was_finished_outlives_its_manifest(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Snakemake deletes the manifest of a job that it starts, or whose log it could not write."""
    a = artifact(tmp_path / "a")
    build(a)
    text = a.manifest.read_text()
    a.manifest.unlink()
    assert not a.fresh() and a.restore() and a.fresh()
    assert a.manifest.read_text() == text
    assert capsys.readouterr().err == "toy/a: finished before; its manifest is restored\n"
    a.manifest.unlink()
    assert a.begin() is None and a.fresh(), "a job that was started all the same has nothing to do"


def test_what_was_finished_outlives_its_files(tmp_path: Path):
    """`dvc exp run` puts back what dvc.lock names: other results, or none."""
    a = artifact(tmp_path / "a")
    build(a, "finished")
    old = a.manifest.read_text()
    for instead in (None, "an older result"):
        (a.directory / "file").unlink()
        a.manifest.write_text(old.replace(a.key, "older"))
        if instead:
            (a.directory / "file").write_text(instead)
        assert not a.fresh() and a.restore() and a.fresh()
        assert (a.directory / "file").read_text() == "finished"


def test_only_what_is_whole_and_asked_for_is_brought_back(tmp_path: Path):
    a = artifact(tmp_path / "a")
    build(a)
    a.manifest.unlink()
    assert not artifact(tmp_path / "a", config=2).restore()
    (a.directory / "file").write_text("y")  # same size; its link is the same file
    assert not a.restore() and not a.manifest.exists()
    build(a, "z")
    assert a.fresh() and (a.directory / "file").read_text() == "z"
    with a._lock:
        a.manifest.unlink()
        assert not a.restore(), "a process that works on it is left alone"
    a.second_record.write_text("{")
    assert not a.restore()


def test_links_to_finished_files_take_no_space_and_go_when_it_is_made_anew(tmp_path: Path):
    a = artifact(tmp_path / "a")
    build(a)
    link = a.second_record.parent / provenance.LINKS / "file"
    assert link.stat().st_ino == (a.directory / "file").stat().st_ino
    with artifact(tmp_path / "a", config=2).begin():
        assert not link.parent.parent.exists()


def test_an_input_of_the_same_size_and_other_content_is_never_used(tmp_path: Path):
    source = artifact(tmp_path / "a")
    build(source, "right")
    (source.directory / "file").write_text("wrong")
    assert source.fresh()
    with pytest.raises(
        AdvcodesError, match=r"toy/b: its x \(toy/a\) is damaged: .*file does not hold what was written"
    ):
        artifact(tmp_path / "b", x=source).begin()
    assert not source.fresh() and not source.restore(), "it counts as missing"
    build(source, "right")
    build(artifact(tmp_path / "b", x=source))


def test_what_was_found_whole_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    a, read = artifact(tmp_path / "a"), []
    build(a)
    measure = files.measure
    monkeypatch.setattr(files, "measure", lambda path: read.append(path) or measure(path))
    assert not a.damaged() and not read
    os.utime(a.directory / "file", ns=(1, 1))
    assert not a.damaged() and len(read) == 1
    assert not a.damaged() and len(read) == 1
    assert not a.damaged(everything=True) and len(read) == 2


def test_what_is_fresh_needs_no_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = artifact(tmp_path / "a")
    result, made = artifact(tmp_path / "b", x=source), []
    monkeypatch.setattr(produce, "produce", lambda a, params: made.append(a.id) or (a.fresh() or build(a)))
    produce.produce_all(result, None)
    assert made == ["toy/a", "toy/b"]
    shutil.rmtree(source.directory)
    produce.produce_all(result, None)
    assert made == ["toy/a", "toy/b", "toy/b"] and not source.directory.exists()


def test_results_are_accepted_though_an_unchanged_input_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = artifact(tmp_path / "a")
    build(source)
    build(artifact(tmp_path / "b", a=source))
    monkeypatch.setattr(provenance, "code", lambda *m: {"advcodes.losses.gan": "changed"})
    result = artifact(tmp_path / "b", a=source)  # whose key is as it was
    source.manifest.unlink()
    assert result.accept("renamed a variable") and result.fresh()


def test_writing_atomically_leaves_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    provenance.write_atomically(path, "old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(provenance.os, "fsync", full)
    with pytest.raises(AdvcodesError, match="cannot write: No space left on device; free some space"):
        provenance.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


WHOLE = "schema: '2.0'\nstages:\n  data:\n    cmd: make\n    outs:\n    - path: data\n      md5: abc.dir\n"


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole dvc.lock of which there is a copy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(versions.time, "sleep", lambda seconds: None)
    versions.LOCK.write_text(WHOLE)
    versions.keep_lock()
    return versions.LOCK


@pytest.mark.parametrize("cut", [0, 3, 20, 31, len(WHOLE) - 5])
def test_a_dvc_lock_that_was_cut_off_is_put_back(lock: Path, cut: int, capsys: pytest.CaptureFixture):
    lock.write_text(WHOLE[:cut])
    versions.keep_lock()
    assert lock.read_text() == WHOLE
    assert capsys.readouterr().err == "dvc.lock was cut off when DVC was killed: its last whole version is put back\n"
    versions.keep_lock()
    assert not capsys.readouterr().err


def test_a_dvc_lock_without_a_copy_is_set_aside(lock: Path, capsys: pytest.CaptureFixture):
    versions.KEPT.unlink()
    lock.write_text("schema")
    versions.keep_lock()
    assert not lock.exists()
    assert "dvc.lock was cut off when DVC was killed: it is set aside as .snakemake/" in capsys.readouterr().err


def test_a_new_dvc_lock_is_kept_and_none_is_none(lock: Path):
    lock.write_text(WHOLE.replace("abc", "def"))
    versions.keep_lock()
    assert versions.KEPT.read_text() == lock.read_text()
    lock.unlink()
    versions.keep_lock()
    assert not lock.exists(), "who deleted it wanted it away"


# What of params.yaml enters which key


def keys(tree: dict[str, Any]) -> dict[str, str]:
    return {a.id: a.key for a in Graph(resolve(tree)).everything()}


def changed(before: dict[str, str], tree: dict[str, Any]) -> set[str]:
    after = keys(tree)
    return {i for i in before if after.get(i) != before[i]}


def stages(ids: set[str]) -> set[str]:
    return {i.split("/")[0] for i in ids}


def test_a_learning_rate_touches_exactly_its_variant(tree: dict[str, Any]):
    before = keys(tree)
    tree["variants"]["gan"]["optimiser"]["lr"] = 3e-4
    ids = changed(before, tree)
    runs = {i for i in ids if i.startswith(("train/", "sample/", "evaluate/"))}
    assert runs and all("/gan/" in i for i in runs)
    assert stages(ids) == {"train", "sample", "evaluate", "study", "item", "front", "summary"}


def test_the_machine_and_the_log_touch_nothing(tree: dict[str, Any]):
    before = keys(tree)
    tree["machine"] = {"device": "cpu", "threads": 2, "mirror": "/somewhere", "inception_weights": "/a/path"}
    tree["training"]["log_every"] = 7
    tree["training"]["checkpoint_seconds"] = 1
    assert not changed(before, tree)


def test_another_metric_retrains_nothing(tree: dict[str, Any]):
    before = keys(tree)
    tree["metrics"]["prc_neighborhood"] = 5
    assert stages(changed(before, tree)) == {"reference", "evaluate", "item", "front", "summary"}


def test_a_new_variant_row_touches_only_studies_and_reports(tree: dict[str, Any]):
    before = keys(tree)
    tree["variants"]["gan_z8"] = {"method": "gan", "latent_dim": 8, "items": ["acl/table1"]}
    assert stages(changed(before, tree)) == {"study", "item", "front", "summary"}
    assert "train/demo/digits/gan_z8/seed0" in keys(tree)


def test_runs_are_told_by_their_id():
    run = Run("demo", "digits", "gan", 3)
    assert Run.parse(run.id) == Run.parse(f"data/runs/{run.id}") == run
    for text in ("demo/digits/gan", "demo/digits/gan/3"):
        with pytest.raises(AdvcodesError, match="expected <scale>/<dataset>/<variant>/seed<k>"):
            Run.parse(text)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("demo/digits/gam/seed0", "unknown variant 'gam'; did you mean 'gan'"),
        ("demo/digit/gan/seed0", "unknown dataset 'digit'; did you mean 'digits'"),
        ("paper/digits/gan/seed0", "params.yaml is at scale 'demo'; set `scale: paper`"),
    ],
)
def test_unknown_runs_are_named(tree: dict[str, Any], run: str, message: str):
    with pytest.raises(AdvcodesError, match=message):
        Graph(resolve(tree)).train(Run.parse(run))


def test_an_unknown_item_is_named(tree: dict[str, Any]):
    tree["items"] = ["acl/tabel1"]
    with pytest.raises(AdvcodesError, match="unknown item 'acl/tabel1'; did you mean 'acl/table1'"):
        Graph(resolve(tree)).chosen()


def test_settings_of_an_unknown_item_are_named(tree: dict[str, Any]):
    tree["per_item"]["acl/fig12"] = {"seeds": [0]}
    with pytest.raises(AdvcodesError, match="unknown item under per_item 'acl/fig12'; did you mean 'acl/fig1"):
        Graph(resolve(tree)).chosen()


def test_a_papers_key_stands_for_all_its_items_once(tree: dict[str, Any]):
    tree["items"] = ["acl/fig6", "acl"]
    chosen = Graph(resolve(tree)).chosen()
    assert chosen[0] == "acl/fig6" and sorted(chosen) == sorted(i for i in read_items() if i.startswith("acl/"))


def test_claims_and_what_is_kept_cover_every_item_whichever_are_chosen(tree: dict[str, Any]):
    tree["items"] = ["acl/table1"]
    few = Graph(resolve(tree))
    tree["items"] = sorted({i.partition("/")[0] for i in few.items})
    every = Graph(resolve(tree))
    assert few.claims().key == every.claims().key
    assert few.summary().key != every.summary().key
    assert few.every_run() == every.all_runs() != few.all_runs()
    assert {a.id for a in few.everything()} < {a.id for a in few.every_item()}


def test_one_item_can_have_its_own_seeds_and_stand_ins(tree: dict[str, Any]):
    tree["scales"]["demo"]["per_item"] = {"acl/fig10": {"seeds": [4], "stand_ins": {"celeba": "shapes"}}}
    graph = Graph(resolve(tree))
    runs = {i: graph.runs(graph.items[i]) for i in ("acl/fig9", "acl/fig10", "acl/fig11")}
    assert runs["acl/fig10"] == [Run("demo", "shapes", v, 4) for v in ("acl_gan", "acl_gan_gp")]
    assert {r.dataset for r in runs["acl/fig9"]} == {"digits"} and {r.seed for r in runs["acl/fig9"]} == {0, 1, 2}
    assert {r.seed for r in runs["acl/fig11"]} == {0, 1, 2, 3, 4}
    assert graph.item("acl/fig10").config["columns"] == {"celeba": "shapes"}


def test_what_is_said_of_a_paper_holds_for_its_items_unless_they_say_otherwise(tree: dict[str, Any]):
    tree["scales"]["demo"]["per_item"] = {"acl": {"seeds": [7], "stand_ins": {"celeba": "shapes"}}}
    tree["per_item"] = {"acl/fig11": {"seeds": [8]}, "acl/fig10": {"stand_ins": {"celeba": None}}}
    graph = Graph(resolve(tree))
    assert {r.seed for r in graph.runs(graph.items["acl/fig6"])} == {7}
    assert {r.seed for r in graph.runs(graph.items["acl/fig11"])} == {8}
    assert {r.dataset for r in graph.runs(graph.items["acl/table1"])} == {"digits", "shapes"}
    assert not graph.runs(graph.items["acl/fig10"])
    assert {r.seed for r in graph.runs(graph.items["lpaae/table1"])} == {0, 1, 2}


def test_a_variant_can_train_in_its_own_way_and_that_is_part_of_its_key(tree: dict[str, Any]):
    run = Run("demo", "digits", "gan", 0)
    usual = Graph(resolve(tree)).train(run)
    tree["variants"]["gan"]["training"] = {"batch_size": 32, "snapshots": [640, 1280]}
    own = Graph(resolve(tree)).train(run)
    assert own.config["training"] == usual.config["training"] | {"batch_size": 32, "snapshots": [640, 1280]}
    assert own.key != usual.key and own.config["method"] == usual.config["method"]


def test_table1_needs_its_own_runs_only(tree: dict[str, Any]):
    tree["items"] = ["acl"]
    graph = Graph(resolve(tree))
    trained = {a.id for a in ancestors_first([graph.front()]) if a.id.startswith("train/")}
    assert trained == {f"train/{r.id}" for r in graph.runs(graph.items["acl/table1"])}
    assert trained < {a.id for a in graph.everything() if a.id.startswith("train/")}


def test_pages_know_the_papers_training_of_their_columns(tree: dict[str, Any]):
    def whole(item: str, scale: str = "demo") -> dict[str, int]:
        return Graph(resolve(tree, scale=scale)).item(item).config["whole"]

    assert whole("acl/table1") == whole("acl/table1", "laptop") == {"cifar10": 100 * 50_000, "celeba": 40 * 162_770}
    assert whole("acl/fig6") == {"mnist": 100 * 55_000}, "5,000 images are held out"
    assert whole("gali/table2") == {"svhn_extra": 100 * 531_131}
    assert whole("acl/table1", "paper") == {}, "it is the paper's"
    assert whole("acl/fig11") == {}, "points have no original"
    assert whole("advcodes/leaderboard") == {}, "no paper has it"
    tree["scales"]["paper"]["budget"]["cifar10"] = {"images": 7}
    assert whole("acl/table1")["cifar10"] == 7


def test_an_items_key_depends_on_its_own_kind(tree: dict[str, Any]):
    graph = Graph(resolve(tree))
    for item, kind in (("acl/table1", "table"), ("acl/fig6", "grids"), ("acl/fig11", "priors")):
        drawn = {m for m in graph.item(item).spec["code"] if m.startswith("advcodes.pages.kinds.")}
        assert drawn & {k.page for k in KINDS.values()} == {KINDS[kind].page}


def test_where_the_first_job_failed_nothing_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """Snakemake makes the folders of a job that then fails; DVC has nothing to record, and nothing to say of it."""
    monkeypatch.chdir(tmp_path)
    for folder in (".dvc", "data/prepared/digits", "data/studies"):
        Path(folder).mkdir(parents=True)
    versions.record(complete=False)
    assert capfd.readouterr() == ("", "")
    assert not Path("dvc.lock").exists()
