"""A run that diverged is a row like any other, and pages say when it did."""

from __future__ import annotations

import json

import numpy as np
from pages_fakes import ITEM, item, requested, run

from advcodes.pages import claims
from advcodes.pages.content import frame
from advcodes.pages.footnotes import footnotes
from advcodes.pages.kinds.images import grids
from advcodes.pages.results import read_results

FIGURE = {**ITEM, "id": "acl/fig6", "kind": "grids", "paper_measures": False, "columns": ["cifar10"]}
FIGURE["rows"] = {"gan": {"label": "GAN"}, "acl_gan": {"label": "ACL-GAN"}}
CLAIM = {"id": "c", "paper": "acl", "item": "acl/table1", "says": "s", "where": "w", "column": "cifar10",
         "winner": "acl_gan", "loser": "gan"}  # fmt: skip


def made(root, steps=(437, 1512)):
    """Two rows of two seeds; those of `gan` diverged at these steps."""
    inputs = {}
    for variant, values in (("gan", (30.0, 31.0)), ("acl_gan", (10.0, 11.0))):
        for seed, value in enumerate(values):
            inputs |= run(root, f"demo/digits/{variant}/seed{seed}", value)
    for seed, step in enumerate(steps):
        about = inputs[f"run/demo/digits/gan/seed{seed}"].directory / "run.json"
        about.write_text(json.dumps({**json.loads(about.read_text()), "images": 25_600, "diverged": step}))
    return inputs


def test_the_step_stands_in_a_footnote_and_in_the_cell(tmp_path):
    results = read_results(made(tmp_path))
    assert [(r.seed, r.diverged) for r in results if r.variant == "gan"] == [(0, 437), (1, 1512)]
    figure = frame(item(FIGURE), "demo", ["gan", "acl_gan"], {"cifar10": "digits"}, results, {})
    assert figure["columns"]["cifar10"]["diverged"] == {"gan": [437, 1512]}
    notes = footnotes(figure)
    said = "**GAN** diverged at step 437 and 1,512 on digits: a result, whose numbers and images are those of the last"
    assert sum(note.startswith(said) for note in notes) == 1
    assert any("25,600 to 128,000 images of digits seen" in note and "not the same" in note for note in notes)


def test_a_figure_of_grids_goes_on(tmp_path):
    declared = item(FIGURE)
    asked = requested(tmp_path, declared, made(tmp_path), columns={"cifar10": None})
    figure = frame(declared, "demo", ["gan", "acl_gan"], {"cifar10": "digits"}, asked.results, {})
    for variant, row in figure["rows"].items():
        score = {"mean": 1.0, "sd": None, "seeds": {"0": 1.0}, "shown": 0}
        row["scores"] = {"cifar10": score if variant == "gan" else {**score, "mean": np.pi}}
    page = grids.markdown(figure, "fig6.png", 8)
    assert "(1 seed; diverged at step 437 and 1,512) |" in page and "| ACL-GAN | 3.14 (1 seed) |" in page


def test_a_claim_is_judged_by_its_numbers_and_says_so(tmp_path):
    table = {"item": item().declaration(), "columns": {"cifar10": "digits", "celeba": None}, "seeds": [0, 1]}
    found = claims.content("demo", [CLAIM], {"acl/table1": table}, read_results(made(tmp_path, (437,))))
    [claim] = found["claims"]
    assert claim["verdict"] == "holds" and claim["loser"]["diverged"] == [437] and "diverged" not in claim["winner"]
    page = claims.markdown(found, {"acl": "ACL"})
    assert "(2 seeds; diverged at step 437) |" in page and "the numbers are those of its last finite snapshot" in page
