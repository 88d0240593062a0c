"""Source code is an input: what changes results retrains what uses it, what does not retrains nothing."""

from __future__ import annotations

import json

from workflow.project import EVERYTHING, NOTHING, ONE_VARIANT, Project, jobs

LOSS = "src/advcodes/losses/gan.py"
RECONSTRUCTION = "src/advcodes/losses/reconstruction.py"


def test_comments_and_formatting_retrain_nothing(built: Project):
    for path in (LOSS, "src/advcodes/training/train.py", "src/advcodes/metrics/samples/frechet.py"):
        text = (built.root / path).read_text()
        text = text.replace("\n\n\ndef ", "\n\n\n# A remark.\n\n\ndef ", 1).replace('"""', '"""Said otherwise: ', 1)
        (built.root / path).write_text(text)
    assert NOTHING in built.snakemake()
    assert not jobs(built.dvc("repro"))
    built.assert_nothing_to_do()


def test_a_changed_loss_retrains_exactly_what_uses_it(built: Project):
    text = (built.root / RECONSTRUCTION).read_text()
    assert ".mean()" in text
    (built.root / RECONSTRUCTION).write_text(text.replace(".mean()", ".mean() * 2"))
    plan = built.snakemake("--dry-run")
    assert jobs(plan) == ONE_VARIANT
    listed = built.advcodes("list", "runs")
    states = {line.split()[0]: line.split()[2] for line in listed.splitlines()[1:]}
    assert states == {
        "demo/digits/gan/seed0": "built", "demo/digits/gan/seed1": "built",
        "demo/digits/acl_gan/seed0": "stale", "demo/digits/acl_gan/seed1": "stale",
    }  # fmt: skip
    output = built.snakemake("data/runs/demo/digits/acl_gan/seed0/manifest.json")
    assert jobs(output) == {"train": 1}


def test_results_are_declared_valid_after_an_equal_refactoring(built: Project):
    built.edit(
        LOSS, "return softplus(wide(logits)).mean()\n", "costs = softplus(wide(logits))\n    return costs.mean()\n"
    )
    before = built.metrics()
    stale = jobs(built.snakemake("--dry-run"))
    assert stale == {k: n for k, n in EVERYTHING.items() if k not in ("prepare", "classifier", "reference")}
    assert "required: --reason" in built.advcodes("accept", ok=False)
    accepted = built.advcodes("accept", "--reason", "a name for a value; losses are bitwise equal")
    assert accepted.count("accepted train/") == 4
    built.assert_nothing_to_do()
    assert built.metrics() == before
    record = json.loads((built.root / "data/runs/demo/digits/gan/seed0/manifest.json").read_text())
    assert record["accepted"][0]["reason"] == "a name for a value; losses are bitwise equal"
    assert "nothing to accept" in built.advcodes("accept", "--reason", "again")


def test_accepting_code_does_not_accept_parameters(built: Project):
    built.set(variants__gan__optimiser__lr=1e-3)
    assert "nothing to accept" in built.advcodes("accept", "--reason", "wishful thinking")
    assert jobs(built.snakemake("--dry-run")) == ONE_VARIANT
