"""Blocks of images: where they stand, what is written above them, and that files stay small."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from advcodes.core.errors import AdvcodesError
from advcodes.pages.pictures import blocks, images
from advcodes.pages.pictures.blocks import Block


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def ramp(rows, columns, side=64, start=0):
    """Images of one grey each, 2 brighter from one to the next; odd values, which text does not have throughout."""
    greys = start + 2 * np.arange(rows * columns).reshape(rows, columns)
    return np.broadcast_to(greys[..., None, None, None], (rows, columns, 1, side, side)).astype(np.uint8)


def corner(picture, value):
    """Row and column of the upper left pixel of the only square of 64 x 64 of this grey."""
    here = (picture[..., 0] == value) & (picture[..., 1] == value)
    for y, x in zip(*np.nonzero(here), strict=True):
        if here[y : y + 64, x : x + 64].sum() == 64 * 64:
            return int(y), int(x)
    return None


def test_images_stand_in_rows_and_columns_of_their_block(tmp_path):
    lines = [[Block("A", ramp(2, 3)), Block("B", ramp(2, 2, start=101))], [None, Block("C", ramp(1, 2, start=151))]]
    assert blocks.blocks(lines, tmp_path / "b.png") == 2
    picture = read(tmp_path / "b.png")
    top, left = corner(picture, 2)
    assert corner(picture, 4) == (top, left + 66) and corner(picture, 6) == (top + 66, left - 66)
    assert corner(picture, 101) == (top, left - 66 + 3 * 66 - 2 + 10) and corner(picture, 107)[0] == top + 66
    below = corner(picture, 151)
    assert below[1] == corner(picture, 101)[1] and below[0] > top + 2 * 66
    assert (picture[below[0] :, : below[1]] == 255).all()  # nothing in the empty place


def test_heads_stand_over_their_columns_and_turn_where_they_are_too_wide(tmp_path):
    grid = ramp(1, 2, start=101)
    height = {}
    for name, heads in (("short", ["ab", "c"]), ("long", ["ab", "a head wider than that"]), ("none", ())):
        blocks.blocks([[Block("", grid, heads)]], tmp_path / "b.png")
        picture = read(tmp_path / "b.png")
        top, left = corner(picture, 101)
        height[name] = top
        if heads:
            ink = (picture[:top] < 128).any((0, 2))
            first, second = ink[left : left + 64], ink[left + 66 :]
            assert first.any() and second.any()
            for half in (first, second):  # centred over the images
                assert abs(np.flatnonzero(half).mean() - 32) < 4
    assert height["none"] < height["short"] < height["long"] - 60


def test_long_titles_are_wrapped(tmp_path):
    words = "a sentence that is much longer than the few images which stand below it are wide"
    blocks.blocks([[Block("short", ramp(1, 2, start=101))]], tmp_path / "short.png")
    blocks.blocks([[Block(words, ramp(1, 2, start=101))]], tmp_path / "long.png")
    short, long = read(tmp_path / "short.png"), read(tmp_path / "long.png")
    assert long.shape[1] == short.shape[1] and long.shape[0] >= short.shape[0] + 3 * 20
    ink = (long[: corner(long, 101)[0]] < 128).any((1, 2))
    assert np.count_nonzero(np.diff(ink.astype(int)) == 1) >= 4  # lines of text


def noise(rows, columns, side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3, side, side), dtype=np.uint8)


@pytest.mark.parametrize("side", [32, 64])
def test_the_worst_case_still_gives_a_small_file(tmp_path, side):
    heads = [str(i) for i in range(10)]
    lines = [[Block("worst", noise(10, 10, side, 3 * i + j), heads) for j in range(3)] for i in range(2)]
    shown = blocks.blocks(lines, tmp_path / "b.png")
    assert (tmp_path / "b.png").stat().st_size <= images.LIMIT
    assert shown == 5 and min(read(tmp_path / "b.png").shape[:2]) > 250


def test_enlargement_and_colours_go_before_rows(tmp_path):
    smooth = np.linspace(0, 255, 32).astype(np.uint8) * np.ones((10, 10, 3, 32, 1), np.uint8)
    assert blocks.blocks([[Block("smooth", smooth)]], tmp_path / "b.png") == 10
    assert read(tmp_path / "b.png").shape[1] == 10 * 66 - 2 + 20  # enlarged twice
    assert blocks.blocks([[Block("noise", noise(10, 10, 32))]], tmp_path / "b.png") == 10
    assert read(tmp_path / "b.png").shape[1] == 10 * 66 - 2 + 20
    assert len(np.unique(read(tmp_path / "b.png").reshape(-1, 3), axis=0)) <= 256
    both = [Block("noise", noise(10, 10, 32, seed)) for seed in range(2)]
    assert blocks.blocks([both], tmp_path / "b.png") == 10
    assert read(tmp_path / "b.png").shape[1] == 2 * (10 * 34 - 2) + 30


def test_what_is_no_image_is_refused(tmp_path):
    with pytest.raises(AdvcodesError, match="cannot draw an array of float64"):
        blocks.blocks([[Block("A", np.zeros((1, 1, 1, 8, 8)))]], tmp_path / "b.png")
