"""The sentence encoder is a stage like the others: made once, versioned, and what is told by it hangs on it."""

from __future__ import annotations

import re

from workflow.project import Project, jobs, remade

RUN = "demo/shapes_16/lpaae_text/seed0"


def test_a_text_model_is_built_with_its_sentence_encoder(built: Project):
    built.set(
        items=["lpaae/fig14"],
        seeds=[0],
        stand_ins__flowers102="shapes_16",
        datasets__shapes_16__count=600,
        text={"steps": 20},
        variants={"lpaae_text": {"method": "lpaae_text"}},
    )
    made = jobs(built.snakemake())
    assert all(made[rule] == 1 for rule in ("text", "train_text", "sample", "evaluate", "study", "render"))
    built.assert_nothing_to_do()
    page = (built.root / "reports/demo/lpaae/fig14.md").read_text()
    assert "a large red star on a dark background, upper left" in page and "`caption_agreement`" in page
    said = built.advcodes("sample", RUN, "--out", "grid.png", "--text", "a large blue circle")
    assert "grid.png" in said and (built.root / "grid.png").stat().st_size > 1000
    refused = built.advcodes("sample", RUN, "--out", "grid.png", "--text", "xyzzy", ok=False)
    assert re.search(r"^advcodes: error: .*'xyzzy'", refused, re.MULTILINE)

    before = built.keys()
    built.set(text__steps=21)
    again = jobs(built.dvc("repro"))
    assert "prepare" not in again and "classifier" not in again and again["text"] == again["train_text"] == 1
    changed = {i for i in remade(before, built.keys()) if not i.startswith("text/")}
    stages = {f"{stage}/{RUN}" for stage in ("train", "sample", "evaluate")}
    assert changed == stages | {"study/demo/lpaae/fig14", "item/demo/lpaae/fig14", "summary/demo"}
    built.assert_nothing_to_do()
