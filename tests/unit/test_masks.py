"""Masks: rectangles inside their images, of every size and at every place as often as they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from advcodes.methods.masks import FILL, draw, mixed, occlude

SHAPES = [(3, 64, 64), (1, 8, 8), (1, 5, 12), (3, 12, 5), (1, 1, 9), (1, 9, 1), (1, 1, 1), (1, 2, 2)]


def drawn(n: int, shape: tuple[int, ...], smallest: int = 1, largest: int | None = None, seed: int = 0) -> torch.Tensor:
    return draw(n, shape, smallest, largest, torch.Generator().manual_seed(seed))


def boxes(mask: torch.Tensor) -> np.ndarray:
    """Top, left, height, width of each [n, 4]; that the mask is that rectangle and nothing else is asserted."""
    rows, columns = mask.any(3)[:, 0], mask.any(2)[:, 0]
    top, left = rows.int().argmax(1), columns.int().argmax(1)
    height, width = rows.sum(1), columns.sum(1)
    i, j = torch.arange(mask.shape[2])[:, None], torch.arange(mask.shape[3])
    at = [n[:, None, None] for n in (top, left, height, width)]
    again = (i >= at[0]) & (i < at[0] + at[2]) & (j >= at[1]) & (j < at[1] + at[3])
    assert torch.equal(mask[:, 0], again)
    return torch.stack([top, left, height, width], 1).numpy()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_mask_is_a_rectangle_inside_and_never_empty(shape: tuple[int, ...]):
    mask = drawn(4000, shape)
    assert mask.dtype == torch.bool and mask.shape == (4000, 1, *shape[1:])
    top, left, height, width = boxes(mask).T
    assert min(height.min(), width.min()) == 1 and min(top.min(), left.min()) == 0
    # Every row and column comes first and last somewhere: none is out of reach.
    assert (top + height).max() == height.max() == shape[1] and (left + width).max() == width.max() == shape[2]
    assert mask.flatten(1).any(1).all()


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 5, 12)], ids=str)
def test_height_and_width_are_uniform_and_independent(shape: tuple[int, ...]):
    n = 24_000
    *_, height, width = boxes(drawn(n, shape)).T
    for extent, side in ((height, shape[1]), (width, shape[2])):
        assert chisquare(np.bincount(extent, minlength=side + 1)[1:]).pvalue > 1e-4
    both = np.bincount((height - 1) * shape[2] + width - 1, minlength=shape[1] * shape[2])
    assert chisquare(both).pvalue > 1e-4


def test_the_corner_is_uniform_for_each_size():
    side = 6
    top, left, height, width = boxes(drawn(40_000, (1, side, side), seed=1)).T
    for extent, first in ((height, top), (width, left)):
        for size in range(1, side + 1):
            counts = np.bincount(first[extent == size])
            assert len(counts) == side - size + 1
            if len(counts) > 1:
                assert chisquare(counts).pvalue > 1e-4, size
    pair = (height == 3) & (width == 5)
    assert chisquare(np.bincount(top[pair] * 2 + left[pair], minlength=8)).pvalue > 1e-4


@pytest.mark.parametrize(("smallest", "largest"), [(8, 54), (3, 3), (64, 64), (1, 2)])
def test_sizes_keep_to_their_range(smallest: int, largest: int):
    *_, height, width = boxes(drawn(4000, (3, 64, 64), smallest, largest)).T
    for extent in (height, width):
        assert (extent.min(), extent.max()) == (smallest, largest)
        assert chisquare(np.bincount(extent)[smallest:]).pvalue > 1e-4 if smallest < largest else True


def test_sizes_beyond_the_image_are_the_images():
    *_, height, width = boxes(drawn(500, (1, 4, 20), 8, 54)).T
    assert set(height) == {4} and (width.min(), width.max()) == (8, 20)


def test_the_same_generator_gives_the_same_masks():
    first = drawn(50, (3, 16, 16), seed=3)
    assert torch.equal(first, drawn(50, (3, 16, 16), seed=3))
    assert not torch.equal(first, drawn(50, (3, 16, 16), seed=4))
    torch.manual_seed(0)
    free = draw(50, (3, 16, 16))
    torch.manual_seed(0)
    assert torch.equal(free, draw(50, (3, 16, 16))), "without a generator, the global stream counts"
    assert drawn(0, (1, 8, 8)).shape == (0, 1, 8, 8)


@pytest.mark.parametrize(("value_range", "fill"), [((-1.0, 1.0), -2.0), ((0.0, 1.0), -0.5)])
def test_missing_pixels_have_one_value_on_each_scale(value_range: tuple[float, float], fill: float):
    """-2 where images are on [-1, 1]: half the range below black, whatever the range."""
    x, mask = torch.rand(6, 3, 8, 8), drawn(6, (3, 8, 8))
    seen = occlude(x, mask, value_range)
    assert fill == value_range[0] + (FILL + 1) / 2 * (value_range[1] - value_range[0])
    everywhere = mask.expand_as(x)
    assert (seen[everywhere] == fill).all() and torch.equal(seen[~everywhere], x[~everywhere])
    assert torch.equal(occlude(x, mask.float(), value_range), seen)


def test_a_mixed_image_is_filled_inside_alone():
    x, filling, mask = torch.rand(6, 3, 8, 8), torch.rand(6, 3, 8, 8), drawn(6, (3, 8, 8))
    everywhere = mask.expand_as(x)
    found = mixed(x, filling, mask)
    assert torch.equal(found[everywhere], filling[everywhere]) and torch.equal(found[~everywhere], x[~everywhere])
