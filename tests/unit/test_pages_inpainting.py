"""Figures of inpainting: which images stand where, and what the page says of them."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from figure_fakes import SAMPLING, coder, few_steps, pretend, render, request, studied
from PIL import Image
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load
from advcodes.methods.masks import mixed, occlude
from advcodes.metrics.images.inpainting import completed, drawn_masks
from advcodes.pages.kinds.images import inpainting
from advcodes.pages.kinds.images.inpainting import InpaintedRun
from advcodes.pages.pictures import images
from advcodes.papers.items import Item
from advcodes.studies import networks
from advcodes.studies.request import drawn
from advcodes.studies.shared import INPAINTED_STEPS as STEPS
from advcodes.studies.shared import MISSING_COLOUR
from advcodes.training.restore import restore
from evaluation_fakes import write_prepared

SHAPE = (1, 8, 8)
FIGURE = {
    "id": "gali/fig4",
    "kind": "inpainting",
    "layout": "models",
    "metric": "inpainted_pixel_mse",
    "columns": ["celeba_64"],
    "rows": {"ali_masked": {"label": "ALI"}, "gali_mix": {"label": "GALI-MIX"}},
}
FORMATION = {"id": "gali/fig2", "layout": "formation", "rows": {"gali_mix": {"label": "GALI-MIX"}}}
TEST = np.arange(100, 120, dtype=np.uint8)  #: brightness of each test image
SHOWN = drawn(len(TEST), len(TEST))  #: in the order in which figures show them
GREY = 99  #: of that colour in a picture without colours
BY = {"ali_masked": 3, "gali_mix": 60}  #: how much darker models make images
MASKS = drawn_masks(len(TEST), SHAPE, 0.25, 0.75, 5).numpy()[SHOWN]
PROTOCOL = {
    "inpainting_images": 20, "inpainting_split": "test", "inpainting_minibatch": 100, "inpainting_smallest": 0.25,
    "inpainting_largest": 0.75, "inpainting_seed": 5, "inpainting_rectangles": [2, 6],
    "inpainting_seam_of_originals": 0.0125, "inpainting_kind": "classes", "inpainting_units": 3072,
    "inpainting_side": 54,
}  # fmt: skip


class Darker(nn.Module):
    """Images of one brightness: that of the brightest pixel that is seen, and so much darker."""

    def __init__(self, by: int):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by / 255))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        level = codes.amax(1) - self.by
        return level[:, None, None, None].expand(-1, *SHAPE)


def filler(by: int):
    """A run that fills in what is around, but darker."""
    run = coder(nn.Flatten(), Darker(by), 0.0, SHAPE)
    method = run.method
    method.occluded = lambda x, mask: occlude(x, mask, (0.0, 1.0))
    method.inpaint = lambda x, mask: mixed(x, method.reconstruct(method.occluded(x, mask)), mask)
    method.can = lambda ability, config=None: True
    return run


def measured(found):
    """The same request, of runs that inpaint."""
    results = []
    for result in found.results:
        metrics = {
            "inpainted_pixel_mse": 0.0625 + result.seed / 4,
            "inpainted_feature_mse": 0.25,
            "inpainted_seam": 0.5,
        }
        floor = {"metrics": {"inpainted_seam": 0.0125}, "protocol": result.protocol}
        protocol = {**result.protocol, **PROTOCOL}
        results.append(dataclasses.replace(result, metrics=metrics, protocol=protocol, floor=floor))
    return dataclasses.replace(found, results=results)


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """Renders a figure of fake runs on 20 plain test images: page, content, picture."""

    def make(variants=("ali_masked", "gali_mix"), seeds=(0, 1), **declared):
        pixels = np.concatenate([np.full(300, 250), TEST]).astype(np.uint8)[:, None, None, None]
        data = write_prepared(tmp_path / "drawn", np.tile(pixels, (1, *SHAPE)), {"train": 300, "test": 20})
        runs = pretend(tmp_path / "runs", [f"{v}/seed{s}" for v in variants for s in seeds])
        monkeypatch.setattr(
            networks, "restore", lambda directory, _: filler(BY[directory.parent.name] + int(directory.name[4:]))
        )
        found = measured(request({**FIGURE, **declared}, data, runs, np.zeros((1, *SHAPE), np.uint8)))
        assert sorted(render(found, tmp_path, "f")) == ["f.json", "f.md", "f.png"]
        with Image.open(tmp_path / "f.png") as picture:
            grey = np.asarray(picture.convert("L")).astype(int)
        return (tmp_path / "f.md").read_text(), json.loads((tmp_path / "f.json").read_text()), grey

    return make


def cells(picture: np.ndarray, rows: int, columns: int, down: int) -> np.ndarray:
    """Images [rows, columns, 8, 8] of a picture that they end in the lower right corner of; ``down`` to the next."""
    bottom = picture.shape[0] - images.MARGIN - ((rows - 1) * down + 64)
    right = picture.shape[1] - images.MARGIN - (columns * 66 - 2)
    cut = [[picture[y + 4 : y + 64 : 8, x + 4 : x + 64 : 8] for x in range(right, right + 66 * columns, 66)]
           for y in range(bottom, bottom + rows * down, down)]  # fmt: skip
    return np.array(cut)


def test_lines_of_images_and_of_what_models_make_of_them(figure):
    page, content, picture = figure()
    drawn = cells(picture, 4, 12, 64 + images.MARGIN)
    level, mask = TEST[SHOWN[:12], None, None].astype(int), MASKS[:12, 0]
    np.testing.assert_array_equal(drawn[0], np.broadcast_to(level, (12, 8, 8)))
    np.testing.assert_array_equal(drawn[1], np.where(mask, GREY, level))
    np.testing.assert_array_equal(drawn[2], np.where(mask, level - 3, level))
    np.testing.assert_array_equal(drawn[3], np.where(mask, level - 60, level))
    assert "Uppermost: 12 images of split test, drawn once for all figures." in page and "Of seed 0; neither" in page
    assert "`inpainted_pixel_mse` ↓ | `inpainted_feature_mse` ↓ | `inpainted_seam` ↓ |" in page
    assert "| ALI | CelebA-64 (served by drawn) | 2 | 0.188 ± 0.177 | 0.250 ± 0.000 | 0.500 ± 0.000 |" in page
    assert "**Beside it**: `inpainted_seam`: mean squared jump" in page and "in the originals it is 0.0125" in page
    found = content["rows"]["gali_mix"]["inpainted"]["celeba_64"]
    assert (found["split"], found["seed"], found["images"]) == ("test", 0, 12)
    for (top, left, height, width), missing in zip(found["masks"], mask, strict=True):
        assert missing.sum() == height * width and missing[top : top + height, left : left + width].all()
    assert found["scores"]["inpainted_pixel_mse"]["seeds"] == {"0": 0.0625, "1": 0.3125}


def test_how_a_mixed_image_is_formed(figure):
    page, content, picture = figure(variants=("gali_mix",), **FORMATION)
    drawn = cells(picture, STEPS, 4, 66)
    level, mask = TEST[SHOWN[:STEPS], None, None].astype(int), MASKS[:STEPS, 0]
    whole = np.broadcast_to(level - 60, mask.shape)
    for i, expected in enumerate((level + 0 * mask, np.where(mask, GREY, level), whole, np.where(mask, whole, level))):
        np.testing.assert_array_equal(drawn[:, i], expected)
    assert "From left to right: x, 6 images of split test, drawn once for all figures; M(x), with a" in page
    assert content["layout"] == "formation"


def test_a_seam_that_is_shown_has_a_floor(figure):
    page, *_ = figure(metric="inpainted_seam")
    assert "real images of split test score `inpainted_seam` 0.0125 (20 images of drawn)" in page


def test_large_images_make_small_files(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, 3, 64, 64), dtype=np.uint8)
    shown = [InpaintedRun(title, "CelebA-64", *[noise] * 4) for title in ("ALI", "ALICE", "GALI-4", "GALI-MIX")]
    assert images.sheet(*inpainting.lines(shown), tmp_path / "f.png", inpainting.ACROSS) in inpainting.ACROSS
    assert (tmp_path / "f.png").stat().st_size <= images.LIMIT


def test_columns_stand_side_by_side():
    one, two = (np.full((2, *SHAPE), n, np.uint8) for n in (1, 2))
    shown = [InpaintedRun("ALI", "A", one, one, None, one), InpaintedRun("ALI", "B", two, two, None, two),
             InpaintedRun("GALI", "B", two, two, None, two)]  # fmt: skip
    drawn, rows, columns = inpainting.lines(shown)
    assert rows == ["Original", "Masked", "ALI", "GALI"] and columns == ["A", "B"]
    assert [[b if isinstance(b, str) else int(b[0, 0, 0, 0]) for b in line] for line in drawn] == [
        [1, 2], [1, 2], [1, 2], ["not run", 2]
    ]  # fmt: skip


def test_nothing_ran(figure):
    page, content, _ = figure(seeds=())
    assert "**Not run** at this scale: CelebA-64." in page and content["rows"]["gali_mix"]["inpainted"] == {}


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    """ALI after a few steps on `digits`: one that saw masked images, and one that did not."""
    return {
        name: few_steps(prepared, tmp_path_factory.mktemp(name), "ali", method__masked=masked)
        for name, masked in (("ali_masked", True), ("gali_mix", False))
    }


def test_images_are_those_that_the_metrics_are_of(prepared, trained, tmp_path):
    asked = measured(request(FIGURE, prepared / "digits", {"ali_masked/seed1": trained["ali_masked"]}, np.zeros(0)))
    _, [run] = inpainting.content(studied(asked, tmp_path))
    data = load(prepared / "digits")
    test, training = data.split("test").images, data.split("train").images
    rows = drawn(len(test), 12)
    real, missing = test[rows], drawn_masks(500, SHAPE, 0.25, 0.75, 5)[rows]
    np.testing.assert_array_equal(run.real, np.repeat(real, 3, axis=1))
    made = completed(restore(trained["ali_masked"]), np.array(real), missing, SAMPLING, training, 1)
    np.testing.assert_array_equal(run.filled, np.repeat(made, 3, axis=1))
    where = np.broadcast_to(missing.numpy(), real.shape)[:, 0]
    assert (run.masked.transpose(0, 2, 3, 1)[where] == MISSING_COLOUR).all(), "dark images show it, too"
    np.testing.assert_array_equal(run.masked.transpose(0, 2, 3, 1)[~where], run.real.transpose(0, 2, 3, 1)[~where])
    assert (run.filled != run.real).any() and run.seen is None


def test_runs_that_do_not_inpaint_are_refused(prepared, trained, tmp_path):
    asked = measured(request(FIGURE, prepared / "digits", {"gali_mix/seed0": trained["gali_mix"]}, np.zeros(0)))
    with pytest.raises(AdvcodesError, match=r"^gali/fig4, gali_mix: ali as it was trained does not inpaint; take its"):
        render(asked, tmp_path, "f")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"layout": "pairs"}, "layout: `kind: inpainting` has `models` or `formation`, not 'pairs'"),
        ({"layout": "rows"}, "layout: `kind: inpainting` has `models` or `formation`, not 'rows'"),
        ({"metric": "pixel_mse"}, "metric: `kind: inpainting` shows inpainted_pixel_mse or .*, not 'pixel_mse'"),
        (
            {"kind": "reconstructions"},
            "layout: `kind: reconstructions` has `pairs` or `blocks` or `rows`, not 'models'",
        ),
        ({"kind": "grids"}, "layout: goes with `kind: reconstructions` or `inpainting` only, not with 'grids'"),
        ({"samples": True}, "samples: go with `kind: reconstructions` only"),
    ],
)
def test_what_the_declaration_says_has_to_agree(declared, message):
    usual = {"title": "A figure", "source": "Figure 4", "better": "lower", "protocol": "none", "paper_measures": False}
    assert Item.model_validate({**usual, **FIGURE}).layout == "models"
    with pytest.raises(ValueError, match=message):
        Item.model_validate({**usual, **FIGURE, **declared})
