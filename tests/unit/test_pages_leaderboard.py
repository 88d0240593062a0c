"""The leaderboard: order, what stands beside quality, and that nothing is in it that was not trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from figure_fakes import would_be_saved
from pages_fakes import ITEM, item, render_artifact, requested, run
from pydantic import ValidationError

from advcodes.build.provenance import Artifact
from advcodes.config.params import resolve
from advcodes.config.sections import Machine
from advcodes.graph.graph import Graph
from advcodes.pages import render, text
from advcodes.pages.kinds.tables import leaderboard

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOARD = {
    **{k: v for k, v in ITEM.items() if k not in ("id", "kind", "rows")},
    "id": "advcodes/leaderboard",
    "kind": "leaderboard",
    "paper_measures": False,
    "in_paper": False,
    "rows": {name: {"label": name.upper()} for name in ("gan", "vae", "ali", "began")},
}
DECLARED = item(BOARD)
#: Fréchet distance by row and seed; ``began`` is not trained.
TRAINED = {"gan": (9.0, 11.0), "vae": (20.0, 22.0), "ali": (4.0, 5.0)}
SPEED = {"gan": 1000.0, "vae": 3000.0, "ali": 250.0}
RECONSTRUCT = {"vae": 0.125, "ali": 0.25}  #: mse of those that do
MSE = {"mse_images": 500, "mse_split": "test", "mse_range": [-1, 1]}
SERVED = {"cifar10": "digits", "celeba": None}


def inputs(root: Path, trained: Mapping[str, tuple[float, ...]] = TRAINED, **facts: Any) -> dict[str, Artifact]:
    found = {}
    for variant, values in trained.items():
        for seed, fd in enumerate(values):
            name = f"demo/digits/{variant}/seed{seed}"
            made = run(root, name, fd)
            if variant in RECONSTRUCT:
                path = made[name].directory / "metrics.json"
                content = json.loads(path.read_text())
                content["metrics"]["mse"] = RECONSTRUCT[variant]
                content["protocol"] |= MSE
                path.write_text(json.dumps(content))
            about = {
                "images_per_second": SPEED[variant] + 10 * seed, "device": "CPU, 1 threads",
                "parameters": {"generator": 1_500_000, "discriminator": 734_000}, **facts,
            }  # fmt: skip
            made[f"run/{name}"].manifest.write_text(json.dumps({"files": {}, "facts": about}))
            found |= made
    return found


def rendered(root: Path, **kwargs: Any) -> tuple[str, dict[str, Any]]:
    made = render_artifact(root, DECLARED, inputs(root, **kwargs), columns=SERVED)
    files, _ = render.make(made, Machine())
    assert sorted(files) == ["leaderboard.json", "leaderboard.md", "leaderboard.png", "leaderboard.svg"]
    assert (made.directory / "leaderboard.png").stat().st_size < 300_000
    page = (made.directory / "leaderboard.md").read_text()
    return page, json.loads((made.directory / "leaderboard.json").read_text())


def table(page: str) -> list[list[str]]:
    return [[c.strip() for c in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]


def test_the_best_stands_first_and_what_was_not_trained_nowhere(tmp_path: Path):
    page, content = rendered(tmp_path)
    head, _, *lines = table(page)
    assert [line[0] for line in lines] == ["ALI", "GAN", "VAE"] and "BEGAN" not in page
    assert head[:3] == ["Model", "Seeds", "`fd_classifier` ↓"] and head[-2:] == ["Images/s ↑", "Parameters (million)"]
    assert lines[0][1:3] == ["2", "4.50 ± 0.71"] and lines[1][2] == "10.00 ± 1.41"
    assert content["rows"]["began"]["board"] == {} and list(content["rows"]["gan"]["board"]) == ["cifar10"]
    assert "**Not run** at this scale: CelebA." in page and "No paper** has this" in page


def test_speed_and_size_are_those_that_runs_recorded(tmp_path: Path):
    page, content = rendered(tmp_path)
    found = content["rows"]["gan"]["board"]["cifar10"]
    assert found["speed"]["mean"] == 1005.0 and found["parameters"] == 2_234_000
    assert [line[-2:] for line in table(page)[2:]] == [["255", "2.23"], ["1,005", "2.23"], ["3,005", "2.23"]]
    assert "as each run recorded it on CPU, 1 threads, beside" in page


def test_what_a_method_cannot_do_is_a_dash(tmp_path: Path):
    page, _ = rendered(tmp_path)
    head, _, *lines = table(page)
    at = head.index("`mse` ↓")
    assert [line[at] for line in lines] == ["0.250 ± 0.000", text.DASH, "0.125 ± 0.000"]
    assert {"`precision_classifier` ↑", "`recall_classifier` ↑"} < set(head)


def test_different_machines_are_named(tmp_path: Path):
    trained = inputs(tmp_path)
    other = trained["run/demo/digits/ali/seed1"].manifest
    other.write_text(other.read_text().replace("CPU, 1 threads", "NVIDIA H200"))
    made = render_artifact(tmp_path, DECLARED, trained, columns=SERVED)
    render.make(made, Machine())
    assert "on CPU, 1 threads and NVIDIA H200, beside" in (made.directory / "leaderboard.md").read_text()


def drawn(root: Path, monkeypatch: pytest.MonkeyPatch, trained: Mapping[str, Any], columns: Any = SERVED) -> Figure:
    board = leaderboard.content(requested(root, DECLARED, inputs(root, trained), columns=columns))
    return would_be_saved(monkeypatch, lambda: leaderboard.draw(board, root / "x.png"))


def test_the_picture_has_a_height_for_each_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    quality, coverage, speed = drawn(tmp_path, monkeypatch, TRAINED).axes
    assert [t.get_text() for t in quality.get_yticklabels()] == ["ALI", "GAN", "VAE"] and quality.yaxis_inverted()
    means, seeds = quality.lines[::2], quality.lines[1::2]
    assert [line.get_xdata().tolist() for line in means] == [[4.5], [10.0], [21.0]]
    assert [line.get_ydata().tolist() for line in means] == [[0], [1], [2]] and quality.get_xscale() == "linear"
    assert [sorted(line.get_xdata()) for line in seeds] == [[4.0, 5.0], [9.0, 11.0], [20.0, 22.0]]
    assert [t.get_text() for t in coverage.get_legend().get_texts()] == ["precision_classifier", "recall_classifier"]
    assert [line.get_xdata()[0] for line in speed.lines] == [255.0, 1005.0, 3005.0] and speed.get_xscale() == "log"


def test_distances_far_apart_are_drawn_on_a_log_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    quality = drawn(tmp_path, monkeypatch, {"gan": (1.0,), "vae": (11.0,)}).axes[0]
    assert quality.get_xscale() == "log" and "log scale" in quality.get_xlabel()


def test_nothing_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    axes = drawn(tmp_path, monkeypatch, {}, {"cifar10": None, "celeba": None}).axes
    assert [panel.texts[0].get_text() for panel in axes] == ["not run"] * 3


def test_what_is_in_no_paper_has_no_number_of_a_paper():
    with pytest.raises(ValidationError, match="paper_measures: `true` goes with what is in a paper only"):
        item(BOARD, paper_measures=True)


def test_every_method_but_those_that_need_more_has_a_row():
    """Of the registered methods: `ae` cannot sample, and `lpaae_text` needs captions."""
    from advcodes.core.yaml import read_yaml
    from advcodes.methods import registry
    from advcodes.papers.read import read_items

    board, params = read_items()["advcodes/leaderboard"], resolve(read_yaml(Path("params.yaml")), "params.yaml")
    shown = {params.variants[name].method for name in board.rows}
    assert shown == set(registry.methods()) - {"ae", "lpaae_text"}
    rows = Graph(params).runs(board)
    assert rows and {r.dataset for r in rows} == {"digits"} and not any(r.variant == "aae_cifar10" for r in rows)
