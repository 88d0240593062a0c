"""Figures of BEGAN's controller over training: what is drawn, when a row has settled, and the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from figure_fakes import would_be_saved
from pages_fakes import CURVES, item, render_artifact, requested, run
from PIL import Image
from pydantic import ValidationError

from advcodes.build.provenance import Artifact
from advcodes.config.params import resolve
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.metrics.course.settling import SettlingTime
from advcodes.pages import render
from advcodes.pages.kinds.course import controller
from advcodes.pages.pictures.drawing import PALETTE
from advcodes.papers.items import Item
from advcodes.training.train import LossLog
from evaluation_fakes import measured_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = {
    **{k: v for k, v in CURVES.items() if k not in ("id", "kind", "metric", "columns", "rows", "title")},
    "id": "khan/controller",
    "kind": "controller",
    "title": "The controller's course",
    "metric": "settling_images",
    "paper_measures": False,
    "in_paper": False,
    "columns": ["cifar10"],
    "rows": {"began": {"label": "BEGAN"}, "began_star": {"label": "BEGAN*"}},
}
DECLARED = item(FIGURE)
#: Errors by row and seed, where eta L_d is 0.25: of BEGAN the first settles within a tenth, at the third point.
ERRORS = {
    "began": ([-0.25, 0.0, 0.0125, 0.0], [0.25, 0.0, 0.0, 0.25]),
    "began_star": ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
}
NEVER = {"began": [[0.25] * 4], "began_star": [[0.25] * 4]}
SERVED = {"cifar10": "digits"}


def measured(root: Path, name: str, errors: Sequence[float], real: float = 0.5) -> dict[str, Artifact]:
    """A run with these errors in its log, 800 images apart, measured by windows of two."""
    method = "began_lsm" if "star" in name else "began"
    made = run(root, name, 3.0, images=800 * len(errors), method={"method": method})
    directory = made[f"run/{name}"].directory
    log = LossLog(directory / "losses.csv", 16)
    log.start()
    for i, e in enumerate(errors, 1):
        values = {"real": real, "k": 0.25 * i, "balance": e, "convergence": real + abs(e)}
        log.write(50 * i, {f"discriminate/{k}": v for k, v in values.items()})
    log.close()
    inputs = {"run": made[f"run/{name}"]}
    evaluated = SimpleNamespace(id=name, config={"settling": {"band": 0.1, "window": 1600}}, inputs=inputs)
    trained = SimpleNamespace(config=SimpleNamespace(diversity=0.5))
    found = measured_by(SettlingTime, evaluated, SimpleNamespace(method=trained))
    path = made[name].directory / "metrics.json"
    content = json.loads(path.read_text())
    for part in ("metrics", "protocol"):
        content[part] |= found[part]
    path.write_text(json.dumps(content))
    return made


def inputs(root: Path, errors: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Artifact]:
    found = {}
    for variant, seeds in errors.items():
        for seed, of_seed in enumerate(seeds):
            found |= measured(root, f"demo/digits/{variant}/seed{seed}", of_seed)
    return found


def rendered(
    root: Path,
    errors: Mapping[str, Sequence[Sequence[float]]] = ERRORS,
    declared: Item = DECLARED,
    columns: Mapping[str, str | None] = SERVED,
) -> tuple[str, dict[str, Any]]:
    made = render_artifact(root, declared, inputs(root, errors), columns=columns)
    files, _ = render.make(made, Machine())
    assert sorted(files) == ["controller.json", "controller.md", "controller.png", "controller.svg"]
    assert (made.directory / "controller.png").stat().st_size < 300_000
    return (made.directory / "controller.md").read_text(), json.loads((made.directory / "controller.json").read_text())


def drawn(root: Path, monkeypatch: pytest.MonkeyPatch, errors: Mapping[str, Any] = ERRORS, **changes: Any) -> Figure:
    """The matplotlib figure that would be saved."""
    content = controller.content(requested(root, DECLARED, inputs(root, errors), columns=SERVED, **changes))
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", lambda buffer: Image.new("RGB", (1, 1)))  # nothing was saved
        return would_be_saved(patch, lambda: controller.draw(content, root / "x.png"))


# -- numbers ----------------------------------------------------------------------------------------------------


def test_json_has_the_plotted_numbers(tmp_path: Path):
    """By hand: balance and convergence are means over two points, the first over itself."""
    _, content = rendered(tmp_path)
    found = content["rows"]["began"]["controller"]["cifar10"]
    assert found["images"] == [800, 1600, 2400, 3200]
    assert found["k"] == {key: [0.25, 0.5, 0.75, 1.0] for key in ("mean", "low", "high")}
    assert found["balance"] == {
        "low": [-1.0, -0.5, 0.0, 0.025], "high": [1.0, 0.5, 0.025, 0.5], "mean": [0.0, 0.0, 0.0125, 0.2625],
    }  # fmt: skip
    assert found["convergence"]["low"] == [0.75, 0.625, 0.5, 0.50625]
    assert found["convergence"]["high"] == [0.75, 0.625, 0.50625, 0.625]
    assert found["runs"] == {
        "0": {"k": 1.0, "convergence": 0.50625, "settled": True},
        "1": {"k": 1.0, "convergence": 0.625, "settled": False},
    }
    assert found["scores"]["settling_images"]["seeds"] == {"0": 2400, "1": 3200}
    assert list(found["scores"]) == [
        "settling_images", "balance_share", "imbalance", "energy_ratio", "score_classifier", "fd_classifier",
    ]  # fmt: skip
    assert content["columns"]["cifar10"]["protocol"]["settling_points"] == 2


def test_long_logs_are_thinned_and_keep_their_end(tmp_path: Path):
    _, content = rendered(tmp_path, {"began": [np.linspace(0.25, 0, 1001)]})
    found = content["rows"]["began"]["controller"]["cifar10"]
    assert len(found["images"]) == len(found["k"]["mean"]) == controller.POINTS
    assert (found["images"][0], found["images"][-1]) == (800, 800 * 1001) and found["k"]["mean"][-1] == 250.25
    assert len(set(np.diff(found["images"]))) == 2, "as evenly as can be"


def test_seeds_are_compared_where_all_were_logged(tmp_path: Path):
    made = inputs(tmp_path, {"began": [[0.1] * 4, [0.3] * 4]})
    log = made["run/demo/digits/began/seed1"].directory / "losses.csv"
    log.write_text("".join(line for i, line in enumerate(log.read_text().splitlines(True)) if i != 2))
    content = controller.content(requested(tmp_path, DECLARED, made, columns=SERVED))
    found = content["rows"]["began"]["controller"]["cifar10"]
    assert found["images"] == [800, 2400, 3200] and found["balance"]["mean"] == [0.8] * 3


def test_a_run_without_a_controller(tmp_path: Path):
    made = inputs(tmp_path, ERRORS)
    log = made["run/demo/digits/began/seed0"].directory / "losses.csv"
    log.write_text("step,images,discriminate/loss\n50,800,1\n")
    with pytest.raises(AdvcodesError, match=r"losses.csv: lacks discriminate/k, .*: only methods with a controller"):
        render.make(render_artifact(tmp_path, DECLARED, made, columns=SERVED), Machine())


# -- the picture ------------------------------------------------------------------------------------------------


def test_lines_bands_and_axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    figure = drawn(tmp_path, monkeypatch)
    k, balance, convergence = figure.axes
    assert k.get_title("left") == "CIFAR-10 (served by digits)"
    assert [axes.get_ylabel() for axes in figure.axes] == list(controller.QUANTITIES.values())
    assert {axes.get_xlabel() for axes in figure.axes} == {"training images seen"}
    began, star = k.get_lines()
    assert (began.get_color(), began.get_linestyle(), star.get_color()) == (PALETTE["gray"], "-", PALETTE["orange"])
    np.testing.assert_allclose(balance.get_lines()[0].get_xydata()[-1], [3200, 0.2625])
    band = balance.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == -1 and band[:, 1].max() == 1
    assert balance.get_yscale() == "symlog" and convergence.get_yscale() == "linear"
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["BEGAN", "BEGAN*", "settled: within ±10 %"]
    assert legend.get_title().get_text() == "mean of 2 seeds, band from lowest to highest"


def test_marks_are_where_rows_have_settled_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def marks(figure: Figure) -> list[tuple[float, str]]:
        dashed = (line for line in figure.axes[1].get_lines() if line.is_dashed())
        return [(line.get_xdata()[0], line.get_color()) for line in dashed]

    assert marks(drawn(tmp_path / "a", monkeypatch)) == [(2800, PALETTE["gray"]), (1600, PALETTE["orange"])]
    assert marks(drawn(tmp_path / "b", monkeypatch, NEVER)) == []


def test_wide_ranges_of_the_convergence_measure_are_logarithmic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    axes = drawn(tmp_path, monkeypatch, {"began": [[9.5, 9.5, *[0.0] * 10]]}).axes[2]
    assert axes.get_yscale() == "log" and axes.get_ylabel().endswith(", log scale")


def test_many_columns_stay_small(tmp_path: Path):
    columns = ["cifar10", "celeba", "svhn", "mnist"]
    random = np.random.default_rng(0)
    errors = {variant: random.normal(0, 0.2, (3, 200)) for variant in ERRORS}
    page, _ = rendered(tmp_path, errors, item(FIGURE, columns=columns), dict.fromkeys(columns, "digits"))
    assert page.count("| BEGAN* | ") == 8


# -- the page ---------------------------------------------------------------------------------------------------


def test_the_page(tmp_path: Path):
    page, _ = rendered(tmp_path)
    assert "![The controller's course](controller.png)" in page
    lines = page.splitlines()
    assert "| Model | Dataset | Seeds | k at the end | Convergence at the end | Settled |" in lines
    assert "| BEGAN | CIFAR-10 (served by digits) | 2 | 1.00 ± 0.00 | 0.566 ± 0.084 | 1 of 2 |" in lines
    assert "| BEGAN* | CIFAR-10 (served by digits) | 2 | 1.00 ± 0.00 | 0.500 ± 0.000 | 2 of 2 |" in lines
    scores = next(line for line in lines if line.startswith("| BEGAN |") and "of 2" not in line)
    assert scores.split(" | ")[3] == "2800.00 ± 565.69"
    assert "`settling_images` ↓" in page
    assert (
        "stays within ±10 % of eta L_d to the end of training, both as means over the last 1,600 images (2 logged "
        in page
    )
    assert "1 of 4 runs never settled; they count as the whole training" in page
    assert "**Lines**: mean of 2 seeds, band from lowest to highest, from the runs' `losses.csv`." in page
    assert "**No paper** has this: it is our own, and so is the choice of its metric." in page
    assert "Not comparable" not in page and "**Floor**" not in page


def test_nothing_ran(tmp_path: Path):
    page, content = rendered(tmp_path, {}, columns={"cifar10": None})
    assert "**Not run** at this scale: CIFAR-10." in page and "| Model" not in page
    assert content["rows"]["began"]["controller"] == {}


# -- its declaration, and what it is made from ------------------------------------------------------------------


def test_it_shows_when_controllers_settle():
    with pytest.raises(ValidationError, match="metric: `kind: controller` shows settling_images, not 'fid'"):
        item(FIGURE, metric="fid")


def test_it_is_made_from_runs_alone(tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    for variant in FIGURE["rows"]:
        tree["variants"][variant] = {"method": "began", "architecture": "began"}
    graph = Graph(resolve(tree))
    monkeypatch.setitem(vars(graph), "items", {"khan/controller": DECLARED})
    made = graph.item("khan/controller")
    runs = [f"demo/digits/{variant}/seed{seed}" for variant in FIGURE["rows"] for seed in (0, 1, 2)]
    assert set(made.inputs) == {*runs, *(f"run/{run}" for run in runs)}
    assert made.modules[:2] == ("advcodes.pages.render", "advcodes.pages.kinds.course.controller")
    assert all("settling" in made.inputs[run].config for run in runs)
