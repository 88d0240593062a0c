"""Nothing finished is made twice, and nothing damaged is used: whatever is deleted, cut off, flipped or mis-dated."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

import pytest

from workflow.project import MEASURED, NOTHING, ONE_RUN, Project, equal, hangs_on, jobs, remade

RUN, ACL = (f"data/runs/demo/digits/{variant}/seed0" for variant in ("gan", "acl_gan"))


def flip(path: Path) -> None:
    """Change one bit; size and inode stay."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with open(path, "r+b") as f:
        f.write(content)


def test_what_is_finished_needs_none_of_its_inputs(built: Project):
    shutil.move(built.root / "data/prepared/digits", built.root.parent / "digits")
    assert NOTHING in built.snakemake()
    assert jobs(built.snakemake("--dry-run", "prepare_all")) == {"prepare": 1}
    built.set(seeds=[0, 1, 2])
    plan = built.snakemake("--dry-run")
    assert jobs(plan) == {"prepare": 1, "train": 2, "sample": 2, "evaluate": 2, **MEASURED}
    built.set(seeds=[0, 1])
    shutil.rmtree(built.root / "data/evaluation/extractors")
    shutil.rmtree(built.root / "data/evaluation/reference")
    assert NOTHING in built.snakemake()


def test_a_finished_result_outlives_its_manifest(built: Project):
    for name in (RUN, "data/prepared/digits", "data/evaluation/metrics/demo/digits/gan/seed0"):
        (built.root / name / "manifest.json").unlink()
    (built.root / "data/reports/demo/acl/table1.manifest.json").unlink()
    output = built.snakemake()
    assert NOTHING in output and output.count("finished before; its manifest is restored") == 4
    built.assert_nothing_to_do()


def test_an_experiment_keeps_what_a_killed_snakemake_had_finished(built: Project):
    """`dvc exp run` puts data/ back to dvc.lock before it starts: over a run of other parameters, and a new seed's."""
    tree = built.params
    del tree["variants"]["acl_gan"]
    built.params = tree | {"seeds": [0, 2]}
    built.set(variants__gan__optimiser__lr=1e-3)
    process = built.start("snakemake", "--cores", "1", "all")
    process.until(lambda: all(built.second_record("gan", seed).exists() for seed in (0, 2)) and both(built))
    process.kill_all()
    trained = [built.networks("gan", seed) for seed in (0, 2)]
    output = built.dvc("exp", "run", "--set-param", "metrics.kid_subsets=4")
    assert "train" not in jobs(output), output
    for seed, networks in zip((0, 2), trained, strict=True):
        assert equal(built.networks("gan", seed), networks)
    built.git("checkout", "--quiet", ".")
    built.dvc("checkout")
    assert NOTHING in built.snakemake()


def test_an_experiment_before_anything_was_recorded_loses_nothing(built: Project):
    """`dvc exp run` deletes whole outputs where dvc.lock names nothing: a finished run, and another's checkpoint."""
    built.git("rm", "--quiet", "dvc.lock")
    built.commit("nothing was ever recorded")
    for place in ("data", ".dvc/cache", ".snakemake"):
        shutil.rmtree(built.root / place, ignore_errors=True)
    built.git("checkout", "--quiet", ".")
    built.set(training__checkpoint_seconds=1e-6, budget__default__images=64 * 50)
    built.commit("a checkpoint after every step")
    process = built.start("snakemake", "--cores", "1", f"{RUN}/manifest.json", f"{ACL}/manifest.json")
    process.until(lambda: any(built.root.glob("data/finished/train-*/record.json")))
    (done,) = (v for v in ("gan", "acl_gan") if built.second_record(v, 0).exists())
    (other,) = {"gan", "acl_gan"} - {done}
    process.until(lambda: (built.unfinished(other, 0) / "checkpoint.pt").exists())
    process.kill_all()
    trained = built.networks(done, 0)
    output = built.dvc("exp", "run", "--set-param", "metrics.kid_subsets=4", "train")
    assert f"train/demo/digits/{done}/seed0: finished before; its manifest is restored" in output
    assert f"demo/digits/{other}/seed0 | resumed at step" in output
    assert equal(built.networks(done, 0), trained)


def both(project: Project) -> bool:
    """Whether both seeds are trained for the learning rate that params.yaml asks for."""
    manifests = [project.run_directory("gan", seed) / "manifest.json" for seed in (0, 2)]
    return all(m.exists() and '"lr": 0.001' in m.read_text() for m in manifests)


def test_a_dvc_lock_that_was_cut_off_is_put_back(built: Project):
    whole = (built.root / "dvc.lock").read_text()
    assert NOTHING in built.snakemake()
    (built.root / "dvc.lock").write_text(whole[: whole.index("cmd") + 2])
    built.dvc("status", ok=False)
    assert "dvc.lock was cut off when DVC was killed: its last whole version is put back" in built.snakemake()
    assert (built.root / "dvc.lock").read_text() == whole and len(whole) < 8192
    built.assert_nothing_to_do()


def test_verify_finds_a_flipped_bit_and_says_what_to_do(built: Project):
    assert "results hold what was written" in built.advcodes("verify", "--all")
    flip(built.root / RUN / "networks.pt")
    assert NOTHING in built.snakemake()
    said = built.advcodes("verify", ok=False)
    assert f"{RUN}/networks.pt: does not hold what was written; train/demo/digits/gan/seed0 counts as missing" in said
    assert f"`snakemake --cores all {RUN}/manifest.json` makes it again" in said
    assert "advcodes: error: 1 of " in said
    assert jobs(built.snakemake("--dry-run", f"{RUN}/manifest.json")) == {"train": 1}
    built.dvc("checkout", "--force", RUN)
    assert "results hold what was written" in built.advcodes("verify")
    built.assert_nothing_to_do()


def test_a_job_refuses_damaged_inputs_and_the_next_call_mends_them(built: Project):
    flip(built.root / RUN / "networks.pt")
    built.set(seeds=[0], sampling__reestimate_batches=1)
    target = "data/evaluation/samples/demo/digits/gan/seed0/manifest.json"
    refused = built.snakemake(target, ok=False)
    assert f"(train/demo/digits/gan/seed0) is damaged: {RUN}/networks.pt does not hold what was written" in refused
    assert jobs(built.snakemake(target)) == {"train": 1, "sample": 1}
    assert "results hold what was written" in built.advcodes("verify")


def test_times_in_the_future_change_nothing(built: Project):
    future = time.time() + 10 * 365 * 86400
    for path in built.root.rglob("*"):
        if path.is_file() and ".git" not in path.parts and ".dvc" not in path.parts:
            os.utime(path, (future, future))
    assert NOTHING in built.snakemake()
    before = built.keys()
    built.set(seeds=[0], variants__gan__optimiser__lr=1e-3)
    assert jobs(built.snakemake()) == ONE_RUN
    assert remade(before, built.keys()) == hangs_on("gan/seed0")
    assert (built.root / RUN / "manifest.json").stat().st_mtime < time.time() + 60
    assert NOTHING in built.snakemake()


@pytest.mark.parametrize(
    ("limit", "what"), [(10, r"\.snakemake/advcodes"), (40, "data/unfinished/train-demo-digits-gan-seed0/.*")]
)
def test_a_full_disk_is_one_line_and_the_next_call_goes_on(built: Project, limit: int, what: str):
    """Of the pipeline's own notes and logs, or of a training; here no file may get longer than so many KiB."""
    built.set(seeds=[0], variants__gan__optimiser__lr=1e-3)
    said = built.run("bash", "-c", f"ulimit -f {limit}; exec snakemake --cores 1", ok=False)
    assert re.search(rf"{what}: cannot write.*: .*; free some space", said), said
    assert "Traceback" not in said
    assert jobs(built.snakemake()) == ONE_RUN
    assert NOTHING in built.snakemake()
