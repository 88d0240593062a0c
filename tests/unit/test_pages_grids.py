"""Figures of image grids: real images and samples, with our metric beside pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pages_fakes import ITEM, artifact, item, render_artifact, run
from PIL import Image

from advcodes.config.sections import Machine
from advcodes.pages import render
from advcodes.pages.pictures import images
from advcodes.pages.pictures.blocks import panels
from evaluation_fakes import write_prepared

GRIDS = {
    **{k: v for k, v in ITEM.items() if k not in ("id", "kind", "rows", "columns")},
    "id": "acl/fig6",
    "kind": "grids",
    "paper_measures": False,
    "columns": ["mnist"],
    "rows": {"vae": {"label": "VAE"}, "acl_ae": {"label": "ACL-AE"}},
}


def made(root, values, shape=(1, 8, 8), **changes):
    inputs = {}
    for variant, seeds in values.items():
        for seed, fd in enumerate(seeds):
            samples = np.full((70, *shape), 100 + seed, np.uint8)
            inputs |= run(root, f"demo/digits/{variant}/seed{seed}", fd, samples=samples)
    real = np.full((100, *shape), 200, np.uint8)
    write_prepared(root / "digits", real, {"train": 30, "test": 70})
    inputs["data/digits"] = artifact(root / "digits", "prepared/digits")
    item_ = render_artifact(root, item({**GRIDS, **changes}), inputs, columns={"mnist": "digits" if values else None})
    files, _ = render.make(item_, Machine())
    assert sorted(files) == ["fig6.json", "fig6.md", "fig6.png"]
    return item_.directory


def test_grids_stand_in_the_papers_order(tmp_path):
    directory = made(tmp_path, {"vae": (3.0, 4.0), "acl_ae": (1.0, 2.0)})
    with Image.open(directory / "fig6.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    high, wide = (n // 2 for n in pixels.shape)
    # Real images first, then the first seed of each row.
    assert (pixels[:high, :wide] == 200).sum() > 8 * 8 * 64
    for quarter in (pixels[:high, wide:], pixels[high:, :wide]):
        assert (quarter == 100).sum() > 8 * 8 * 64 and not (quarter == 101).any()


def test_numbers_are_ours_and_said_to_be(tmp_path):
    directory = made(tmp_path, {"vae": (3.0, 4.0), "acl_ae": (1.0, 2.0)})
    page = (directory / "fig6.md").read_text()
    assert "| VAE | 3.50 ± 0.71 (2 seeds) |" in page and "| ACL-AE | 1.50 ± 0.71 (2 seeds) |" in page
    assert "**The paper** shows pictures here and prints no number: the metric is our choice." in page
    assert "Up to 64 of each: images of split test, drawn once for all figures, and the first samples" in page
    assert "not selected" in page
    assert "MNIST (served by digits), `fd_classifier` ↓" in page
    scores = json.loads((directory / "fig6.json").read_text())["rows"]["vae"]["scores"]["mnist"]
    assert scores["seeds"] == {"0": 3.0, "1": 4.0} and scores["shown"] == 0


def test_a_figure_that_shows_more_has_the_images_that_come_after(tmp_path):
    page = (made(tmp_path, {"vae": (3.0, 4.0)}, more=True) / "fig6.md").read_text()
    assert "drawn once for all figures that show more, after the images of the others, and the next samples" in page


def test_what_was_not_run_is_said(tmp_path):
    page = (made(tmp_path, {}) / "fig6.md").read_text()
    assert "**Not run** at this scale: MNIST." in page
    half = (made(tmp_path, {"vae": (3.0,)}) / "fig6.md").read_text()
    assert "| ACL-AE | \u2013 |" in half


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
def test_pictures_stay_small(tmp_path, shape):
    noise = np.random.default_rng(0).integers(0, 256, (64, *shape), dtype=np.uint8)
    side = panels([[("one", noise), ("two", noise)]] * 2, tmp_path / "p.png")
    assert 4 <= side <= 8
    assert (tmp_path / "p.png").stat().st_size <= images.LIMIT
