"""Figures of a metric over training."""

from __future__ import annotations

import json

import numpy as np
import pytest
from figure_fakes import would_be_saved
from pages_fakes import CURVES, item, render_artifact, requested, run
from PIL import Image

from advcodes.config.sections import Machine
from advcodes.pages import render
from advcodes.pages.kinds.course import curves
from advcodes.pages.pictures.drawing import PALETTE
from advcodes.pages.pictures.styles import color


def inputs_of(root, values):
    """Runs of digits with the given value at 1,000 and 2,000 images, by variant and seed."""
    inputs = {}
    for variant, seeds in values.items():
        for seed, (early, late) in enumerate(seeds):
            curve = [(1000, early), (2000, late)]
            inputs |= run(root, f"demo/digits/{variant}/seed{seed}", late, curve=curve, images=2000)
    return inputs


VALUES = {"gan": [(9.0, 5.0), (11.0, 7.0)], "acl_gan": [(8.0, 4.0), (8.5, 4.5)]}


@pytest.fixture
def figure(tmp_path):
    made = render_artifact(tmp_path, item(CURVES), inputs_of(tmp_path, VALUES))
    files, _ = render.make(made, Machine())
    assert sorted(files) == ["fig8.json", "fig8.md", "fig8.png", "fig8.svg"]
    return made.directory


def test_json_has_the_plotted_numbers(figure):
    content = json.loads((figure / "fig8.json").read_text())
    assert content["rows"]["gan"]["curves"] == {
        "cifar10": [
            {"images": 1000, "mean": 10.0, "low": 9.0, "high": 11.0, "seeds": {"0": 9.0, "1": 11.0}},
            {"images": 2000, "mean": 6.0, "low": 5.0, "high": 7.0, "seeds": {"0": 5.0, "1": 7.0}},
        ]
    }
    assert content["columns"]["cifar10"]["protocol"]["n_generated"] == 500  # of curves, not of the table


def test_page_states_the_curves_protocol(figure):
    page = (figure / "fig8.md").read_text()
    assert "![FID of GANs](fig8.png)" in page
    assert "**Curves**: mean of 2 seeds, band from lowest to highest." in page
    assert "500 generated and 360 real images" in page and "2,000 generated" not in page
    assert "**Not comparable with the paper's numbers**" in page
    assert "**Not run** at this scale: CelebA." in page
    assert "`snakemake --cores 8 reports/demo/acl/fig8.md`" in page
    assert "Floor" not in page  # measured with the tables' number of images


def test_numbers_stand_under_the_curves(figure):
    page = (figure / "fig8.md").read_text()
    head = "| Model | Dataset | Seeds | First ↓ (images seen) | Last ↓ (images seen) | Best mean ↓ (images seen) |"
    assert head in page
    line = (
        "| GAN | CIFAR-10 (served by digits) | 2 | 10.00 ± 1.41 (1,000) | 6.00 ± 1.41 (2,000) | 6.00 ± 1.41 (2,000) |"
    )
    assert line in page


def drawn(tmp_path, monkeypatch, declared, values, columns=None):
    """The matplotlib figure that would be saved."""
    columns = columns or {"cifar10": "digits", "celeba": None}
    rows = [*declared.variants, "extra"]
    content = curves.content(requested(tmp_path, declared, inputs_of(tmp_path, values), rows=rows, columns=columns))
    return would_be_saved(monkeypatch, lambda: curves.draw(content, tmp_path / "x.png")).axes


def test_lines_bands_and_labels(tmp_path, monkeypatch):
    (ran,) = drawn(tmp_path, monkeypatch, item(CURVES), VALUES | {"extra": [(3.0, 2.0)]})  # CelebA did not run
    assert ran.get_title() == "CIFAR-10 (served by digits)"
    assert ran.get_xlabel() == "training images seen"
    assert ran.get_ylabel() == "fd_classifier ↓, log scale\n500 generated, 360 real (test)"
    gan, acl, extra = ran.get_lines()
    assert (gan.get_label(), gan.get_color(), gan.get_linestyle()) == ("GAN", PALETTE["blue"], "--")
    assert (acl.get_label(), acl.get_linestyle()) == ("ACL-GAN", "-")
    assert extra.get_label() == "extra (addition)" and extra.get_linestyle() == ":"
    np.testing.assert_array_equal(gan.get_xydata(), [[1000, 10], [2000, 6]])
    band = ran.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 5 and band[:, 1].max() == 11


def test_a_panel_for_each_column_that_ran(tmp_path, monkeypatch):
    columns = {"cifar10": "digits", "celeba": "digits"}
    axes = drawn(tmp_path, monkeypatch, item(CURVES), VALUES, columns)
    assert [a.get_title() for a in axes] == ["CIFAR-10 (served by digits)", "CelebA (served by digits)"]
    (empty,) = drawn(tmp_path, monkeypatch, item(CURVES), {}, {"cifar10": None, "celeba": None})
    assert empty.get_title() == "CIFAR-10 (not run)" and not empty.get_lines()


def test_narrow_ranges_and_values_that_are_not_positive_stay_linear(tmp_path, monkeypatch):
    (ran,) = drawn(tmp_path, monkeypatch, item(CURVES), {"gan": [(4.0, 2.0)]})
    assert ran.get_yscale() == "linear" and "log" not in ran.get_ylabel()
    (ran,) = drawn(tmp_path, monkeypatch, item(CURVES), {"gan": [(40.0, 0.0)]})
    assert ran.get_yscale() == "linear"
    (ran,) = drawn(tmp_path, monkeypatch, item(CURVES), {"gan": [(40.0, 2.0)]})
    assert ran.get_yscale() == "log"


def test_rows_of_one_method_have_one_colour_and_differ_by_their_lines(tmp_path, monkeypatch):
    declared = item(CURVES, rows={"gan": {"label": "GAN"}, "acl_gan": {"label": "ACL"}})
    (ran,) = drawn(tmp_path, monkeypatch, declared, VALUES)  # both by the method `gan`
    assert [(line.get_color(), line.get_linestyle()) for line in ran.get_lines()] == [
        (PALETTE["blue"], "--"),
        (color({"color": "blue", "shade": 1}), "-"),
    ]


def test_picture_is_small(figure):
    assert (figure / "fig8.png").stat().st_size < 300_000
    with Image.open(figure / "fig8.png") as picture:
        assert picture.size[0] > 500 and picture.size[1] > 350


def test_one_seed_has_no_band_in_words(tmp_path):
    made = render_artifact(tmp_path, item(CURVES), inputs_of(tmp_path, {"gan": [(2.0, 1.0)]}))
    render.make(made, Machine())
    assert "**Curves**: 1 seed." in (made.directory / "fig8.md").read_text()


def test_nothing_ran(tmp_path):
    made = render_artifact(tmp_path, item(CURVES), {}, columns={"cifar10": None, "celeba": None})
    render.make(made, Machine())
    assert "**Not run** at this scale: CIFAR-10 and CelebA." in (made.directory / "fig8.md").read_text()


def test_panels_show_their_own_rows(tmp_path, monkeypatch):
    panels = [
        {"title": "Without", "column": "cifar10", "rows": ["gan"]},
        {"title": "With", "column": "cifar10", "rows": ["acl_gan"]},
    ]
    saved = drawn(tmp_path, monkeypatch, item(CURVES, panels=panels), VALUES)
    assert [axes.get_title().splitlines()[0] for axes in saved] == ["Without", "With"]
    labels = [[line.get_label() for line in axes.get_lines()] for axes in saved]
    assert labels == [["GAN"], ["ACL-GAN"]]


@pytest.mark.parametrize("rows", [4, 5])
def test_the_legend_of_many_lines_lies_below_them(tmp_path, monkeypatch, rows):
    points = [{"images": n, "mean": v, "low": v, "high": v, "seeds": {"0": v}} for n, v in ((1000, 9.0), (2000, 5.0))]
    named = [f"row_{i}" for i in range(rows)]
    row = {"kind": "row", "style": {"color": "blue", "line": "solid", "shade": 0}, "curves": {"c": points}}
    content = {
        "panels": [{"title": None, "column": "c", "rows": named}], "better": "lower",
        "columns": {"c": {"served_by": "digits", "metric": "fd",
                          "protocol": {"n_generated": 5, "n_reference": 5, "split": "test"}}},
        "rows": {name: {"label": name, **row} for name in named},
    }  # fmt: skip
    drawing = would_be_saved(monkeypatch, lambda: curves.draw(content, tmp_path / "x.png"))
    (panel,) = drawing.axes
    drawing.draw_without_rendering()
    below = panel.get_legend().get_window_extent().y1 < panel.get_window_extent().y0
    assert below == (rows > curves.INSIDE)
