"""Figures of priors: codes over training, their numbers over seeds, and how they are drawn."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from figure_fakes import few_steps, render, request, would_be_saved

from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load
from advcodes.losses.codes import mismatch
from advcodes.pages import text
from advcodes.pages.kinds.codes import priors as page_of
from advcodes.studies import networks
from advcodes.studies.kinds import priors
from advcodes.training.restore import restore
from methods_kit import MLP


def trained(prepared, directory, method="acl_ae", **changes):
    """A few steps on `gaussians`."""
    settings = {"method__latent_dim": 2, "budget__images": 32 * 6, "training__snapshots": 3, **changes}
    return few_steps(prepared, directory, method, "gaussians", architecture=MLP, **settings)


@pytest.fixture(scope="module")
def run(prepared, tmp_path_factory):
    """A run with the four-mode prior and snapshots at steps 2, 4 and 6."""
    return trained(prepared, tmp_path_factory.mktemp("run"), method__prior="four_modes")


@pytest.fixture(scope="module")
def points(prepared):
    return np.array(load(prepared / "gaussians").split("test").images[:500])


def test_codes_at_every_snapshot(run, points):
    found = priors.codes_over_training(run, points, 3, "acl/fig11")
    assert [(step, images) for step, images, _, _ in found] == [(2, 64), (4, 128), (6, 192)]
    with torch.no_grad():
        for step, _, real, generated in found:
            method = restore(run, step=step).method
            torch.testing.assert_close(real, method.encode(torch.from_numpy(points)))
            expected = method.codes(500, torch.Generator().manual_seed(3))
            torch.testing.assert_close(generated, expected)
    assert not torch.equal(found[0][2], found[1][2]) and not torch.equal(found[0][3], found[1][3])


def test_points_of_a_strip(run, points):
    codes = priors.codes_over_training(run, points, 0, "acl/fig11")
    found = priors.strip(codes, restore(run), 0)
    prior = np.array([found["prior"]["x"], found["prior"]["y"]])
    assert prior.shape == (2, priors.DRAWN)
    assert (abs(abs(prior) - 2) < 1.5).all() and {tuple(p) for p in np.sign(prior).T} == {
        (1, 1),
        (1, -1),
        (-1, 1),
        (-1, -1),
    }
    assert [s["step"] for s in found["snapshots"]] == [2, 4, 6]
    np.testing.assert_allclose(found["snapshots"][1]["real"]["x"], codes[1][2][: priors.DRAWN, 0], atol=1e-3)
    np.testing.assert_allclose(found["snapshots"][2]["codes"]["y"], codes[2][3][: priors.DRAWN, 1], atol=1e-3)


def test_a_strip_shows_first_and_last_of_many_snapshots(run, points):
    codes = priors.codes_over_training(run, points[:5], 0, "acl/fig11")
    many = [(i, 32 * i, *codes[0][2:]) for i in range(1, 21)]
    shown = [s["step"] for s in priors.strip(many, restore(run), 0)["snapshots"]]
    assert len(shown) == priors.PANELS and shown[0] == 1 and shown[-1] == 20


def test_mismatches_are_those_of_all_points(run, points):
    codes = priors.codes_over_training(run, points, 0, "acl/fig11")
    for (step, images, value), (_, _, real, generated) in zip(priors.mismatches(codes), codes, strict=True):
        assert images == 32 * step and value == pytest.approx(mismatch(real, generated).item(), abs=1e-6)


def test_numbers_over_seeds():
    curve = page_of._curve({0: [(10, 320, 1.0), (20, 640, 0.5)], 3: [(10, 320, 3.0), (15, 480, 9.0), (20, 640, 0.1)]})
    assert curve[0] == {"step": 10, "images": 320, "mean": 2, "low": 1, "high": 3, "seeds": {"0": 1, "3": 3}}
    assert [p["step"] for p in curve] == [10, 20]  # 15 was not measured with every seed
    assert page_of._final({0: 1.0, 3: 3.0}) == {"mean": 2, "sd": pytest.approx(2**0.5), "seeds": {"0": 1, "3": 3}}
    assert page_of._final({0: 1.0})["sd"] is None


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        (
            "acl_ae",
            {"method__latent_dim": 3},
            r"in the plane, got data of shape \[2\] and codes of 3 numbers; ",
        ),
        ("gan", {}, "gan does not both encode and sample"),
        ("aae", {}, "snapshots of aae hold no encoder"),
    ],
)
def test_runs_that_cannot_be_shown(prepared, points, tmp_path, method, changes, message):
    directory = trained(prepared, tmp_path, method, **changes)
    with pytest.raises(AdvcodesError, match=f"^acl/fig11: .*{message}"):
        priors.codes_over_training(directory, points, 0, "acl/fig11")


# ------------------------------------------------------------------------------------------------------------
# Picture and page


def strip(scale: float, seeds: int, distance: float) -> dict:
    """A row whose codes are as large as ``scale`` and whose curve ends at ``distance``."""
    rng = np.random.default_rng(0)

    def cloud() -> dict:
        return networks.coordinates(scale * rng.uniform(-1, 1, (30, 2)))

    def curve(last: float) -> list:
        return page_of._curve({s: [(100, 3200, 1.0 + s), (5000, 160000, last + 0.02 * s)] for s in range(seeds)})

    steps = ((100, 3200), (5000, 160000))
    return {
        "split": "test",
        "seed": 0,
        "prior": cloud(),
        "snapshots": [{"step": s, "images": n, "real": cloud(), "codes": cloud()} for s, n in steps],
        "data": cloud(),
        "generated": cloud(),
        "measured": 2000,
        "mismatch": curve(-0.001),
        "energy_distance": curve(distance),
        "final": {
            "energy_distance": page_of._final({s: distance + 0.02 * s for s in range(seeds)}),
            "mismatch": page_of._final({s: 0.004 for s in range(seeds)}),
        },
    }


@pytest.fixture
def figure():
    floor = {"metrics": {"energy_distance": 0.0005}, "protocol": {"n_generated": 5000}}
    rows = {"acl_ae_1mode": ("1-mode prior", 1.0, 0.08), "acl_ae_4mode": ("4-mode prior", 50.0, 0.03)}
    return {
        "columns": {"gaussians": {"served_by": "gaussians", "floor": floor}},
        "rows": {
            variant: {"label": label, "kind": "trained", "strips": {"gaussians": strip(scale, 3, distance)}}
            for variant, (label, scale, distance) in rows.items()
        },
    }


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figure that would be saved."""
    return lambda content: would_be_saved(monkeypatch, lambda: page_of.draw(content, None))


def test_strips_are_in_the_papers_order(figure, drawn):
    *strips, distance, codes = drawn(figure).axes
    assert [a.get_title() for a in strips] == ["prior", "step 100", "step 5,000", "data"] * 2
    assert strips[0].get_ylabel() == "(a) 1-mode prior" and strips[4].get_ylabel() == "(b) 4-mode prior"
    one, four = strips[1:3], strips[5:7]
    assert one[0].get_xlim() == one[1].get_xlim() and four[0].get_ylim() == four[1].get_ylim()
    assert four[0].get_xlim()[1] > 20 * one[0].get_xlim()[1]  # each row has axes of its own
    shown = figure["rows"]["acl_ae_4mode"]["strips"]["gaussians"]
    real, generated = strips[5].collections
    np.testing.assert_array_equal(real.get_offsets()[:, 0], shown["snapshots"][0]["real"]["x"])
    np.testing.assert_array_equal(generated.get_offsets()[:, 1], shown["snapshots"][0]["codes"]["y"])
    np.testing.assert_array_equal(strips[7].collections[0].get_offsets()[:, 0], shown["data"]["x"])
    assert "Energy distance" in distance.get_title() and "Mismatch" in codes.get_title()


def test_curves_show_every_seed(figure, drawn):
    drawing = drawn(figure)
    distance, codes = drawing.axes[-2:]
    np.testing.assert_allclose(distance.get_lines()[0].get_xydata(), [[100, 2], [5000, 0.1]])
    band = distance.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(0.08) and band[:, 1].max() == 3
    assert codes.get_yscale() == "log"
    assert codes.collections[0].get_paths()[0].vertices[:, 1].min() == 1e-4  # -0.001 has no logarithm
    texts = [t.get_text() for sub in drawing.subfigs for legend in sub.legends for t in legend.get_texts()]
    assert texts[-2:] == ["1-mode prior", "4-mode prior"]
    assert drawing.subfigs[1].legends[0].get_title().get_text() == "mean of 3 seeds, band from lowest to highest"


def test_one_seed_and_none(figure, drawn):
    row = figure["rows"]["acl_ae_1mode"]
    row["strips"]["gaussians"] = strip(1.0, 1, 0.1)
    figure["rows"] = {"acl_ae_1mode": row}
    assert drawn(figure).subfigs[1].legends[0].get_title().get_text() == "1 seed"
    empty = copy.deepcopy(figure)
    empty["rows"]["acl_ae_1mode"]["strips"] = {}
    assert [t.get_text() for t in drawn(empty).texts] == ["not run"]


def test_table_has_the_floor(figure):
    assert list(page_of._lines(figure, list(page_of._shown(figure)))) == [
        ["1-mode prior", "3", "0.1000 ± 0.0200", "0.00400 ± 0.00000"],
        ["4-mode prior", "3", "0.0500 ± 0.0200", "0.00400 ± 0.00000"],
        ["floor: real training data (5,000)", text.DASH, "0.0005", text.DASH],
    ]


FIGURE = {
    "id": "acl/fig11",
    "kind": "priors",
    "metric": "energy_distance",
    "columns": ["gaussians"],
    "rows": {"acl_ae_1mode": {"label": "1-mode prior"}, "acl_ae_4mode": {"label": "4-mode prior"}},
}


def test_files_of_a_figure(prepared, run, tmp_path):
    other = trained(prepared, tmp_path / "other", seed=1)
    runs = {"acl_ae_4mode/seed0": run, "acl_ae_4mode/seed1": other, "acl_ae_1mode/seed1": other}
    samples = np.full((600, 2), 1.5, np.float32)
    asked = request(FIGURE, prepared / "gaussians", runs, samples)
    assert sorted(render(asked, tmp_path, "fig11")) == ["fig11.json", "fig11.md", "fig11.png", "fig11.svg"]
    assert all(0 < (tmp_path / f"fig11.{end}").stat().st_size < 300_000 for end in ("json", "md", "png"))
    rows = json.loads((tmp_path / "fig11.json").read_text())["rows"]
    one, four = (rows[v]["strips"]["gaussians"] for v in FIGURE["rows"])
    assert four["seed"] == 0 and one["seed"] == 1 and four["generated"]["x"] == [1.5] * priors.DRAWN
    assert four["final"]["energy_distance"]["seeds"] == {"0": 0.25, "1": 1.25}
    assert four["measured"] == networks.MEASURED
    codes = priors.codes_over_training(other, load(prepared / "gaussians").split("test").images[:2000], 1, "acl/fig11")
    expected = mismatch(codes[-1][2], codes[-1][3]).item()
    assert one["final"]["mismatch"]["mean"] == pytest.approx(expected, abs=1e-5)
    assert four["mismatch"][-1]["seeds"]["1"] == pytest.approx(expected, abs=1e-5)
    page = (tmp_path / "fig11.md").read_text()
    assert "| 4-mode prior | 2 | 0.750 ± 0.707 |" in page and "| 1-mode prior | 1 | 1.250 |" in page
    assert "| floor: real training data (2,000) | – | 0.250 | – |" in page  # noqa: RUF001
    assert "prints no number" in page and "mean of 1 seed and 2 seeds" in page


def test_a_figure_without_runs(prepared, tmp_path):
    render(request(FIGURE, prepared / "gaussians", {}, np.zeros(0)), tmp_path, "fig11")
    assert "**Not run** at this scale: gaussians." in (tmp_path / "fig11.md").read_text()
    assert (tmp_path / "fig11.png").exists()
