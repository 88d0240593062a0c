"""Snakemake builds what is missing or stale and nothing else; DVC records it and agrees."""

from __future__ import annotations

import re

from workflow.project import (
    EVERYTHING,
    MEASURED,
    NOTHING,
    ONE_RUN,
    ONE_VARIANT,
    REPORTS,
    Project,
    equal,
    hangs_on,
    jobs,
    remade,
)


def test_a_clean_clone_builds_table1_with_one_command(built: Project, built_output: str):
    assert jobs(built_output) == {rule: n for rule, n in EVERYTHING.items() if rule != "summary"}
    table = (built.root / "reports/table1.md").read_text()
    cells = {row: re.search(rf"^\| {row} \| (.*?) \|", table, re.MULTILINE)[1] for row in ("GAN", "ACL-GAN", "WGAN-GP")}
    assert re.search(r"\d ± \d.*\(2 seeds\)", cells["GAN"])
    assert re.search(r"\d ± \d.*\(2 seeds\)", cells["ACL-GAN"])
    assert cells["WGAN-GP"] == "\N{EN DASH}", "a row whose variant is not in params.yaml is a dash"
    assert NOTHING in built.snakemake("reports/table1.md")
    assert NOTHING in built.run("snakemake", "--cores", "8")


def test_snakemake_records_its_results_in_dvc(built: Project):
    """`dvc exp run` restores dvc.lock first: what is not recorded there would be lost."""
    assert built.git("ls-files", "dvc.lock").strip() == "dvc.lock"
    built.assert_nothing_to_do()
    assert built.git("status", "--porcelain") == ""


def test_dvc_repro_after_table1_trains_nothing(built: Project):
    # As `snakemake reports/table1.md` leaves it:
    for name in ("data/reports/manifest.json", "data/finished/summary-demo/record.json", "dvc.lock"):
        (built.root / name).unlink()
    built.git("rm", "--quiet", "--cached", "dvc.lock")
    assert jobs(built.dvc("repro")) == {"summary": 1}
    built.assert_nothing_to_do()


def test_the_same_training_under_another_name_is_copied(built: Project):
    """From what is there (seed 0), and from what is trained first in the same call (seed 2)."""
    again = {"like": "gan", "items": ["acl/table1"], "label": "GAN, once more"}
    built.params = built.params | {"seeds": [0, 2], "variants": {**built.params["variants"], "again": again}}
    output = built.snakemake("train_all")
    assert jobs(output) == {"train": 4}, output
    for seed in (0, 2):
        said = f"train/demo/digits/again/seed{seed}: the same training as train/demo/digits/gan/seed{seed}; copied"
        assert said in output
        assert equal(built.networks("again", seed), built.networks("gan", seed))
    built.set(variants__gan__optimiser__lr=1e-3, variants__again__optimiser__lr=2e-4)
    assert jobs(built.snakemake("--dry-run", "train_all"))["train"] == 2, "what was copied is a result of its own"


def test_dvc_repro_records_what_is_built_without_making_anything(built: Project):
    built.git("rm", "--quiet", "--cached", "dvc.lock")
    (built.root / "dvc.lock").unlink()
    before = built.keys()
    output = built.dvc("repro")
    assert output.count(NOTHING) == 5, output
    assert not jobs(output)
    assert (built.root / "dvc.lock").exists()
    assert built.keys() == before
    built.assert_nothing_to_do()


def test_dvc_keeps_results_of_a_part_without_taking_them_for_all(built: Project):
    """`dvc exp run` deletes what dvc.lock does not name: neither trained runs nor what else was there may be lost."""
    before = built.keys()
    tree = built.params
    del tree["variants"]["acl_gan"]
    built.params = tree | {"seeds": [2]}
    built.snakemake("data/runs/demo/digits/gan/seed2/manifest.json")
    status = built.dvc("status")
    assert all(f"{stage}:\n\tchanged deps:" in status for stage in ("data", "train", "evaluate", "study", "reports")), (
        status
    )
    output = built.dvc("exp", "run")
    assert jobs(output) == {"sample": 1, "evaluate": 1, **MEASURED}
    assert remade(before, built.keys()) == hangs_on("gan/seed2")
    built.assert_nothing_to_do()


def test_a_changed_learning_rate_remakes_that_variant_and_what_hangs_on_it(
    built: Project, changed: Project, changed_output: str
):
    assert jobs(changed_output) == ONE_VARIANT
    assert remade(built.keys(), changed.keys()) == hangs_on("gan/seed0", "gan/seed1")
    changed.assert_nothing_to_do()
    before, after = built.metrics()["digits"], changed.metrics()["digits"]
    assert before["acl_gan"] == after["acl_gan"]
    assert before["gan"]["fd_classifier"] != after["gan"]["fd_classifier"]

    params = changed.dvc("params", "diff")
    changed_params = [line.split() for line in params.splitlines()[1:] if line.strip()]
    assert changed_params == [["params.yaml", "variants.gan.optimiser.lr", "0.0002", "0.0005"]], params
    metrics = changed.dvc("metrics", "diff")
    names = {line.split()[1] for line in metrics.splitlines()[1:] if line.strip()}
    assert "digits.gan.fd_classifier" in names, metrics
    assert not {name for name in names if ".acl_gan." in name}, metrics


def test_going_back_to_an_older_commit_needs_nothing_but_dvc_checkout(built: Project, changed: Project):
    new = changed.keys()
    changed.commit("another learning rate")
    changed.git("checkout", "--quiet", "HEAD~1")
    changed.dvc("checkout")
    assert changed.keys() == built.keys() != new
    changed.assert_nothing_to_do()
    assert changed.git("status", "--porcelain") == ""
    changed.git("checkout", "--quiet", "main")
    changed.dvc("checkout")
    assert changed.keys() == new
    changed.assert_nothing_to_do()


def test_a_clone_pulls_the_results_and_rebuilds_exactly_what_changes(built: Project):
    built.dvc("remote", "add", "--default", "storage", str(built.root.parent / "storage"))
    built.commit("remote")
    built.dvc("push")
    built.run("git", "clone", "--quiet", str(built.root), "../clone")
    clone = Project(built.root.parent / "clone", built.home)
    assert jobs(clone.snakemake("--dry-run")) == EVERYTHING, "reports in git do not pass for results"
    clone.dvc("pull")
    assert clone.keys() == built.keys()
    clone.assert_nothing_to_do()
    assert clone.git("status", "--porcelain") == ""

    before = clone.keys()
    clone.set(seeds=[1], variants__gan__optimiser__lr=1e-3)
    output = clone.snakemake()
    assert jobs(output) == ONE_RUN
    assert remade(before, clone.keys()) == hangs_on("gan/seed1")
    assert "(1 seed)" in (clone.root / "reports/table1.md").read_text()
    clone.assert_nothing_to_do()

    # The pulled result of the other seed is still there, for the old learning rate: never taken for the new one.
    clone.set(seeds=[0, 1])
    assert jobs(clone.snakemake("--dry-run")) == ONE_RUN
    assert re.search(r"demo/digits/gan/seed0 +train: stale", clone.advcodes("list", "runs"))


def test_a_changed_table_is_drawn_anew_and_nothing_is_trained(built: Project):
    built.edit("pipeline/papers/acl.yaml", "acl_gan: {label: ACL-GAN, paper:", "acl_gan: {label: Ours, paper:")
    output = built.dvc("repro")
    assert jobs(output) == REPORTS
    assert "| Ours |" in (built.root / "reports/table1.md").read_text().replace("**", "")
    built.assert_nothing_to_do()


def test_settings_of_the_machine_change_no_result(built: Project):
    built.set(machine={"threads": 2}, training__checkpoint_seconds=30, training__log_every=1)
    assert NOTHING in built.snakemake()
    assert not jobs(built.dvc("repro"))
    built.assert_nothing_to_do()
