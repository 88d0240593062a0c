"""Gradients of objectives over training: read from logs, drawn to the end or to where a run diverged."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from pages_fakes import item, render_artifact, run

from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.metrics.course.gradient import ObjectiveGradient, read
from advcodes.metrics.registry import describe
from advcodes.pages import render
from advcodes.pages.kinds.course import gradients
from advcodes.papers.read import read_items
from evaluation_fakes import artifact, measured_by

FIGURE = read_items()["gali/fig5-gradients"].declaration()
PROTOCOL = {"gradient_points": 2, "split": "test", "n_generated": 9, "n_reference": 9}
ROWS = ("gali_4_svhn", "gali_4_minimax")


def logged(directory: Path, norms: list[float], column: str = "infer/gradient") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"{50 * i},{3200 * i},1.5,{norm}" for i, norm in enumerate(norms, 1)]
    (directory / "losses.csv").write_text("\n".join([f"step,images,infer/x_Ex,{column}", *lines]) + "\n")
    return directory


def test_the_median_of_the_log(tmp_path: Path):
    config = {"gradient": {}}
    made = artifact(tmp_path / "metrics", "evaluate/x", config, run=logged(tmp_path, [3.0, 1.0, 0.5]))
    found = measured_by(ObjectiveGradient, made, SimpleNamespace())
    assert found == {"metrics": {"objective_gradient": 1.0}, "protocol": {"gradient_points": 3}}
    said = describe("objective_gradient", found["protocol"])
    assert "its median over 3 logged points" in said and "no paper reports it" in said


@pytest.mark.parametrize(
    ("norms", "column", "message"),
    [([1.0], "discriminate/loss", "lacks infer/gradient: only methods with such an objective"),
     ([], "infer/gradient", "has no point with infer/gradient; train longer")],
)  # fmt: skip
def test_logs_without_it(tmp_path: Path, norms: list[float], column: str, message: str):
    with pytest.raises(AdvcodesError, match=message):
        read(logged(tmp_path, norms, column))
    with pytest.raises(AdvcodesError, match="no readable log of losses"):
        read(tmp_path / "nowhere")


def rendered(root: Path) -> Path:
    inputs = {}
    for variant, norms in zip(ROWS, ([2.0] * 500, [0.9, 0.01]), strict=True):
        for seed in (0, 1):
            name = f"demo/digits/{variant}/seed{seed}"
            inputs |= run(root, name, norms[-1], names=("objective_gradient",), protocol=PROTOCOL)
            about = logged(inputs[f"run/{name}"].directory, norms) / "run.json"
            if variant == "gali_4_minimax":
                about.write_text(json.dumps({**json.loads(about.read_text()), "diverged": 120 + seed}))
    declared = item(FIGURE)
    made = render_artifact(root, declared, inputs, columns={"svhn_extra": "digits"}, rows=list(ROWS))
    files, _ = render.make(made, Machine())
    assert sorted(files) == [f"fig5-gradients.{kind}" for kind in ("json", "md", "png", "svg")]
    return made.directory


def test_a_figure_shows_every_run_and_where_it_ended(tmp_path: Path):
    directory = rendered(tmp_path)
    page = (directory / "fig5-gradients.md").read_text()
    assert (
        "| minimax (Eq. 2) | SVHN, extra (served by digits) | 2 | 0.01 and 0.01 | diverged at step 120 and 121 |"
        in page
    )
    assert "| product of terms (Eq. 4) | SVHN, extra (served by digits) | 2 | 2 and 2 | trained to the end |" in page
    rows = json.loads((directory / "fig5-gradients.json").read_text())["rows"]
    runs = rows["gali_4_minimax"]["gradients"]["svhn_extra"]["runs"]
    assert runs["0"] == {"images": [3200, 6400], "norms": [0.9, 0.01], "diverged": 120 * 64}
    long = rows["gali_4_svhn"]["gradients"]["svhn_extra"]["runs"]["1"]
    assert len(long["images"]) <= gradients.POINTS and long["images"][-1] == 500 * 3200 and "diverged" not in long


def test_what_was_not_run_is_said(tmp_path: Path):
    made = render_artifact(tmp_path, item(FIGURE), {}, columns={"svhn_extra": None}, rows=list(ROWS))
    render.make(made, Machine())
    assert "**Not run** at this scale: SVHN, extra." in (made.directory / "fig5-gradients.md").read_text()
