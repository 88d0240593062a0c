"""Figures of reconstructions: which images stand where, and what the page says of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from figure_fakes import SAMPLING, coder, few_steps, pretend, render, request, studied
from PIL import Image
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load
from advcodes.metrics.images.reconstruction import reconstructions as reconstructed
from advcodes.pages.kinds.images import reconstructions
from advcodes.pages.kinds.images.reconstructions import PAIRS, ReconstructedRun
from advcodes.pages.pictures import images
from advcodes.papers.items import Item
from advcodes.studies import networks
from advcodes.studies.request import drawn
from advcodes.studies.shared import RECONSTRUCTED_ROWS as ROWS
from advcodes.training.restore import restore
from evaluation_fakes import write_prepared

SHAPE = (1, 2, 2)
FIGURE = {
    "id": "aaae/fig3",
    "kind": "reconstructions",
    "metric": "fid",
    "columns": ["celeba"],
    "rows": {"aaae": {"label": "AAAE"}, "wae": {"label": "WAE"}},
}
TEST = np.arange(3, 3 + 40, dtype=np.uint8) * 4  #: brightness of each test image
SHOWN = TEST[drawn(len(TEST), len(TEST))]  #: as figures show them
SAMPLES = np.full((70, *SHAPE), 77, np.uint8)


class Darker(nn.Module):
    """Images that are so much darker than their codes."""

    def __init__(self, by: int):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by / 255))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return (codes - self.by).unflatten(1, SHAPE)


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """Renders a figure of fake runs on 40 plain test images: page, content, picture."""

    def make(variants=("aaae", "wae"), seeds=(0, 1), **declared):
        pixels = np.concatenate([np.full(300, 250), TEST]).astype(np.uint8)[:, None, None, None]
        data = write_prepared(tmp_path / "drawn", np.tile(pixels, (1, *SHAPE)), {"train": 300, "test": 40})
        runs = pretend(tmp_path / "runs", [f"{v}/seed{s}" for v in variants for s in seeds])
        by = {"aaae": 3, "wae": 6}
        monkeypatch.setattr(
            networks,
            "restore",
            lambda directory, _: coder(
                nn.Flatten(), Darker(by[directory.parent.name] + int(directory.name[4:])), 0.0, SHAPE
            ),
        )
        found = request({**FIGURE, **declared}, data, runs, SAMPLES)
        assert sorted(render(found, tmp_path, "f")) == ["f.json", "f.md", "f.png"]
        with Image.open(tmp_path / "f.png") as picture:
            grey = np.asarray(picture.convert("L")).astype(int)
        return (tmp_path / "f.md").read_text(), json.loads((tmp_path / "f.json").read_text()), grey

    return make


def brightness(picture: np.ndarray, left: int, rows: int, columns: int) -> np.ndarray:
    """At the middle of each image of a grid that ends above the lower margin and begins at ``left``."""
    upper = picture.shape[0] - images.MARGIN - (rows * 66 - 2)
    return picture[upper + 32 :: 66][:rows, left + 32 :: 66][:, :columns]


def test_pairs_stand_side_by_side(figure):
    page, content, picture = figure()
    real = SHOWN[:32].reshape(ROWS, PAIRS)
    for i, by in enumerate((3, 6)):
        grid = brightness(picture, 10 + i * (8 * 66 - 2 + 10), ROWS, 2 * PAIRS)
        np.testing.assert_array_equal(grid[:, 0::2], real)
        np.testing.assert_array_equal(grid[:, 1::2], real - by)
    assert "Odd columns: 32 images of split test, drawn once for all figures, row by row, the same for" in page
    assert "Of seed 0, not selected." in page and "samples." not in page.partition("Numbers")[0]
    assert "| AAAE | CelebA (served by drawn) | 2 | 3.50 ± 0.71 |" in page
    found = content["rows"]["wae"]["reconstructed"]["celeba"]
    assert (found["split"], found["seed"], found["images"]) == ("test", 0, 32)
    assert found["scores"]["fd_classifier"]["seeds"] == {"0": 3, "1": 4}


def test_a_panel_of_samples_beside_each(figure):
    page, content, picture = figure(variants=("wae",), samples=True)
    np.testing.assert_array_equal(brightness(picture, 10, 8, 8)[:, 1::2], SHOWN[:32].reshape(ROWS, PAIRS) - 6)
    assert (brightness(picture, 10 + 8 * 66 - 2 + 10, 8, 8) == 77).all()
    assert "Beside them: the first samples." in page and content["samples"] is True


def test_blocks_have_a_column_for_each_row(figure):
    page, content, picture = figure(layout="blocks")
    inputs, made, drawn = (brightness(picture, left, 8, 2) for left in (10, 10 + 64 + 10, 10 + 64 + 10 + 130 + 10))
    np.testing.assert_array_equal(inputs[:, 0], SHOWN[:8])
    np.testing.assert_array_equal(made, SHOWN[:8, None] - [3, 6])
    assert (drawn == 77).all()
    assert "Left: 8 images of split test, drawn once for all figures. Middle: their reconstructions" in page
    assert content["layout"] == "blocks" and content["rows"]["aaae"]["reconstructed"]["celeba"]["images"] == 8


def test_lines_have_a_row_for_each_model(figure):
    page, content, picture = figure(layout="rows")
    tops = picture.shape[0] - 3 * (64 + images.MARGIN)  # of 3 images of 64 pixels, each above a margin
    left = picture.shape[1] - images.MARGIN - (12 * 66 - 2)
    grid = picture[tops + 32 :: 74][:3, left + 32 :: 66][:, :12]
    np.testing.assert_array_equal(grid, [SHOWN[:12].astype(int) - by for by in (0, 3, 6)])
    labels = [picture[tops + 74 * row :][:64, images.MARGIN : left - images.MARGIN] for row in range(3)]
    assert all((label < 128).any() for label in labels), "names at the left"
    assert "Uppermost: 12 images of split test, drawn once for all figures. Below: their" in page
    assert "| AAAE | CelebA (served by drawn) | 2 | 3.50 ± 0.71 |" in page
    assert content["layout"] == "rows" and content["rows"]["aaae"]["reconstructed"]["celeba"]["images"] == 12


def test_lines_have_a_block_for_each_dataset():
    runs = [shown("ALI", "SVHN"), shown("GALI-4", "SVHN"), shown("ALI", "CelebA")]
    drawn, rows, columns = reconstructions.lines(runs)
    assert (rows, columns) == (["Original", "ALI", "GALI-4"], ["SVHN", "CelebA"])
    levels = [[block if isinstance(block, str) else int(block[0].mean()) for block in line] for line in drawn]
    assert levels == [[1, 1], [2, 2], [2, "not run"]]


def test_lines_of_large_images_become_shorter_and_keep_all_models(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, 3, 64, 64), dtype=np.uint8)
    drawn, rows, columns = reconstructions.lines([ReconstructedRun(m, "SVHN", noise, noise, noise) for m in "abcd"])
    assert images.sheet(drawn, rows, columns, tmp_path / "f.png", reconstructions.ACROSS) == (1, 10)
    assert (tmp_path / "f.png").stat().st_size <= images.LIMIT
    with Image.open(tmp_path / "f.png") as picture:
        assert (
            picture.size[0] > 10 * 66 and picture.size[1] == 5 * (64 + images.MARGIN) + images.FONT + 2 * images.MARGIN
        )


def shown(title: str, on: str, n: int = 32) -> ReconstructedRun:
    return ReconstructedRun(title, on, *(np.full((n, *SHAPE), level, np.uint8) for level in (1, 2, 3)))


@pytest.mark.parametrize(("panels", "lines"), [(1, [1]), (3, [3]), (4, [2, 2]), (5, [3, 2]), (7, [3, 3, 1])])
def test_panels_of_one_dataset_share_lines(panels, lines):
    drawn = reconstructions.pairs([shown(str(i), "CelebA") for i in range(panels)])
    assert [len(line) for line in drawn] == lines
    assert [block.title for line in drawn for block in line] == [f"{i}, CelebA" for i in range(panels)]


def test_each_dataset_has_a_line():
    runs = [shown("AAAE", "CelebA"), shown("AAAE", "MNIST"), shown("WAE", "CelebA")]
    assert [[b.title for b in line] for line in reconstructions.pairs(runs)] == [
        ["AAAE, CelebA", "WAE, CelebA"],
        ["AAAE, MNIST"],
    ]
    assert [[(b.title, list(b.heads)) for b in line] for line in reconstructions.sweep(runs)] == [
        [("Inputs", []), ("Reconstructions, CelebA", ["AAAE", "WAE"]), ("Samples, CelebA", ["AAAE", "WAE"])],
        [("Inputs", []), ("Reconstructions, MNIST", ["AAAE"]), ("Samples, MNIST", ["AAAE"])],
    ]


def test_few_images_leave_white(tmp_path):
    [[block]] = reconstructions.pairs([shown("AAAE", "CelebA", 5)])
    assert block.images[:, :, 0, 0, 0].tolist() == [[1, 2] * 4, [1, 2, *[255] * 6]]


def test_large_images_make_small_files(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (32, 3, 64, 64), dtype=np.uint8)
    panels = reconstructions.pairs(
        [ReconstructedRun(title, "CelebA", noise, noise, noise) for title in "abc"], samples=False
    )
    assert reconstructions.blocks(panels, tmp_path / "f.png") >= 4
    assert (tmp_path / "f.png").stat().st_size <= images.LIMIT


def test_nothing_ran(figure):
    page, content, _ = figure(seeds=())
    assert "**Not run** at this scale: CelebA." in page and content["rows"]["aaae"]["reconstructed"] == {}


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    """ACL-GAN and a GAN after a few steps on `digits`."""
    return {method: few_steps(prepared, tmp_path_factory.mktemp(method), method) for method in ("acl_gan", "gan")}


def test_reconstructions_are_those_that_the_error_is_measured_on(prepared, trained, tmp_path):
    asked = request(FIGURE, prepared / "digits", {"aaae/seed1": trained["acl_gan"]}, np.zeros((64, 1, 8, 8), np.uint8))
    _, [run] = reconstructions.content(studied(asked, tmp_path))
    data = load(prepared / "digits")
    test, training = data.split("test").images, data.split("train").images
    real = test[drawn(len(test), 32)]
    np.testing.assert_array_equal(run.real, real)
    np.testing.assert_array_equal(run.made, reconstructed(restore(trained["acl_gan"]), real, SAMPLING, training, 1))
    assert run.made.std() > 0


def test_runs_that_do_not_reconstruct_are_refused(prepared, trained, tmp_path):
    asked = request(FIGURE, prepared / "digits", {"wae/seed0": trained["gan"]}, np.zeros(0))
    with pytest.raises(AdvcodesError, match=r"^aaae/fig3, wae: gan does not reconstruct; take its variant out$"):
        render(asked, tmp_path, "f")


def test_points_are_refused(prepared, trained, tmp_path):
    asked = request(FIGURE, prepared / "gaussians", {"aaae/seed0": trained["acl_gan"]}, np.zeros(0))
    with pytest.raises(AdvcodesError, match="aaae/fig3: 'gaussians' has points, no images; serve 'celeba' by images"):
        render(asked, tmp_path, "f")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"layout": "lines"}, "Input should be 'pairs', 'blocks', 'rows'"),
        ({"layout": "rows", "samples": True}, "samples: goes with `layout: pairs` only \\["),
        ({"layout": "blocks", "samples": True}, "samples: goes with `layout: pairs` only; blocks show samples anyway"),
        ({"kind": "grids", "samples": True}, "samples: go with `kind: reconstructions` only, not with 'grids'"),
        (
            {"kind": "grids", "layout": "blocks"},
            "layout: goes with `kind: reconstructions` or `inpainting` only, not with 'grids'",
        ),
    ],
)
def test_malformed_declarations(keys, message):
    usual = {"title": "t", "source": "s", "better": "lower", "protocol": "p"}
    with pytest.raises(ValueError, match=message):
        Item.model_validate({**usual, **FIGURE, **keys})
