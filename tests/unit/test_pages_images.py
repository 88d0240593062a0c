"""Grids: exact pixels where they fit, small files always."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from advcodes.core.errors import AdvcodesError
from advcodes.pages.pictures import images


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_grid_is_exact(tmp_path):
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
    images.grid(batch, 2, 3, tmp_path / "g.png", scale=2)
    pixels = read(tmp_path / "g.png")
    assert pixels.shape == (2 * 8 + 2, 3 * 8 + 2 * 2, 3)
    for i in range(5):
        y, x = i // 3 * 10, i % 3 * 10
        block = pixels[y : y + 8 : 2, x : x + 8 : 2]
        np.testing.assert_array_equal(block, batch[i].transpose(1, 2, 0))
        np.testing.assert_array_equal(pixels[y + 1 : y + 8 : 2, x + 1 : x + 8 : 2], block)
    assert (pixels[10:, 20:] == 255).all()  # the sixth cell
    assert (pixels[8:10] == 255).all()  # the line between rows


@pytest.mark.parametrize(("side", "shown"), [(8, 64), (28, 84), (32, 64), (64, 64), (100, 100), (7, 70)])
def test_small_images_are_enlarged_by_whole_factors(tmp_path, side, shown):
    images.grid(np.zeros((1, 1, side, side), np.uint8), 1, 1, tmp_path / "g.png")
    assert read(tmp_path / "g.png").shape == (shown, shown, 3)


def test_grey_is_stored_as_grey_and_tensors_are_taken(tmp_path):
    images.grid(torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8), 1, 1, tmp_path / "g.png", scale=1)
    with Image.open(tmp_path / "g.png") as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), np.arange(64).reshape(8, 8))


def test_extra_images_are_left_out(tmp_path):
    images.grid(np.zeros((9, 1, 8, 8), np.uint8), 2, 2, tmp_path / "g.png", scale=1)
    assert read(tmp_path / "g.png").shape == (18, 18, 3)


@pytest.mark.parametrize("shape", [(64, 3, 64, 64), (36, 3, 128, 128), (400, 1, 64, 64)])
def test_noise_the_worst_case_still_gives_a_small_file(tmp_path, shape):
    rng = np.random.default_rng(0)
    side = int(shape[0] ** 0.5)
    images.grid(rng.integers(0, 256, shape, dtype=np.uint8), side, side, tmp_path / "g.png")
    assert (tmp_path / "g.png").stat().st_size <= images.LIMIT
    assert min(read(tmp_path / "g.png").shape[:2]) > 250


def test_fewer_colours_keep_the_size_and_the_look(tmp_path):
    yy, xx = np.mgrid[:64, :64] * 4
    batch = np.stack([np.stack([yy, xx, (yy + xx + 8 * i) % 256]) for i in range(64)]).astype(np.uint8)
    batch = batch ^ np.random.default_rng(0).integers(0, 8, batch.shape, dtype=np.uint8)  # does not compress
    images.grid(batch, 8, 8, tmp_path / "g.png")
    assert (tmp_path / "g.png").stat().st_size <= images.LIMIT
    pixels = read(tmp_path / "g.png")
    assert pixels.shape == (8 * 66 - 2, 8 * 66 - 2, 3)
    exact = batch.reshape(8, 8, 3, 64, 64)[0, 0].transpose(1, 2, 0).astype(int)
    assert np.abs(pixels[:64, :64] - exact).mean() < 16


@pytest.mark.parametrize(
    "array", [np.zeros((4, 2), np.float32), np.zeros((4, 3, 8, 8), np.float32), np.zeros((4, 4, 8, 8), np.uint8)]
)
def test_other_arrays_are_refused(tmp_path, array):
    with pytest.raises(AdvcodesError, match=r"cannot draw an array of \w+ \[4, .*expected uint8 images \[N, C, H, W\]"):
        images.grid(array, 2, 2, tmp_path / "g.png")


def test_sheet_shows_fewer_images_where_the_file_would_be_large(tmp_path):
    rng = np.random.default_rng(0)
    flat = np.zeros((24, 3, 32, 32), np.uint8)
    noise = rng.integers(0, 256, (3, 2, 24, 3, 32, 32), dtype=np.uint8)
    assert images.sheet([[flat]], ["a"], ["b"], tmp_path / "s.png") == (3, 8)
    assert images.sheet([list(line) for line in noise], list("abc"), ["x", "y"], tmp_path / "t.png") == (2, 6)
    assert (tmp_path / "t.png").stat().st_size <= images.LIMIT


def test_sheet_prints_words_in_place_of_images(tmp_path):
    images.sheet([["not run"], [np.zeros((24, 1, 8, 8), np.uint8)]], ["a", "b"], ["x"], tmp_path / "s.png")
    words = read(tmp_path / "s.png")
    images.sheet([[""], [np.zeros((24, 1, 8, 8), np.uint8)]], ["a", "b"], ["x"], tmp_path / "s.png")
    assert (words != read(tmp_path / "s.png")).any()
