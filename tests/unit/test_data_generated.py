"""Data without a download: digits, drawn scenes, points."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from advcodes.config.sections import Machine, View
from advcodes.data import generated
from advcodes.data.view import view_image


def read(name, **view):
    config = {"dataset": name, **View(**view).model_dump(mode="json"), "source": name}
    return generated.read(config, Machine(), Path("unused"))


def pixels(source) -> np.ndarray:
    return np.stack([view_image(source.image(i)) for i in range(len(source))])


def test_digits_are_all_of_scikit_learns():
    source, data = read("digits"), load_digits()
    assert source.splits == {"train": 1297, "test": 500} and source.classes == list("0123456789")
    ours = sorted((x.tobytes(), int(y)) for x, y in zip(pixels(source), source.labels, strict=True))
    scaled = np.round(data.images * 255 / 16).astype(np.uint8)
    assert ours == sorted((x.tobytes(), int(y)) for x, y in zip(scaled, data.target, strict=True))
    test = np.bincount(source.labels[1297:])
    assert np.abs(test - 500 * np.bincount(data.target) / 1797).max() < 1  # every class in proportion
    assert source.labels[:1297].tolist() != sorted(source.labels[:1297])
    assert (read("digits").labels == source.labels).all() and (read("digits", seed=1).labels != source.labels).any()


def test_gaussians():
    source = read("gaussians")
    assert source.splits == {"train": 20_000, "test": 5_000}
    assert source.points.shape == (25_000, 2) and source.points.dtype == np.float32
    signs = {}
    for mode in range(4):
        points = source.points[source.labels == mode].astype(float)
        assert len(points) == pytest.approx(6_250, abs=300)
        standard_error = 0.3 / len(points) ** 0.5
        assert np.abs(np.abs(points.mean(0)) - 2).max() < 4 * standard_error
        assert points.std(0) == pytest.approx(0.3, rel=0.04)
        signs[tuple(np.sign(points.mean(0)))] = mode
    assert len(signs) == 4
    small = read("gaussians", count=100)
    assert small.splits == {"train": 80, "test": 20} and len(small.points) == 100


def test_shapes_are_the_same_everywhere():
    """This hash is part of what `shapes` means: another one makes every result on it incomparable."""
    source = read("shapes", count=120)
    everything = pixels(source).tobytes() + source.labels.tobytes() + source.attributes.tobytes()
    assert hashlib.sha256(everything).hexdigest()[:16] == "a454c49feebfc485"
    assert source.captions[0] == [
        "a large green star on a light background, lower left",
        "at the bottom left of a bright picture there is a big green star without an outline",
        "green and plain, the star is large; it lies at the left, in the lower half, and the ground is light",
    ]


def test_shapes_come_in_all_kinds():
    source = read("shapes", count=3_000)
    assert source.splits == {"train": 2_500, "test": 500}
    assert np.bincount(source.labels, minlength=6).min() > 400 and len(source.classes) == 6
    share = source.attributes.mean(0)
    assert source.attributes.shape == (3_000, len(source.attribute_names)) and set(np.unique(source.attributes)) == {
        0,
        1,
    }
    assert share[:6] == pytest.approx(1 / 6, abs=0.04) and share[6:] == pytest.approx(0.5, abs=0.05)
    assert (source.attributes[:, :6].sum(1) == 1).all()
    assert (read("shapes", count=50).attributes == source.attributes[:50]).all()
    np.testing.assert_array_equal(pixels(read("shapes", count=50)), pixels(source)[:50])
    assert (read("shapes", count=50, seed=1).labels != source.labels[:50]).any()
    assert generated.SHAPES_COUNT == 12_000


def _is(source, name) -> np.ndarray:
    return source.attributes[:, list(source.attribute_names).index(name)].astype(bool)


def test_pictures_show_what_attributes_and_captions_say():
    """Where the picture differs from its background tells position and size; its colours tell the rest."""
    source = read("shapes", count=600)
    x = pixels(source).astype(float)
    # A row of the background has one colour, and no shape touches the first and last columns.
    assert (x[..., 0] == x[..., -1]).all()
    drawn = np.abs(x - x[..., :1]).max(1) > 30
    area = drawn.sum((1, 2))
    rows, columns = (drawn.any(2), drawn.any(1))
    middle = np.arange(32) + 0.5
    y = np.array([middle[r][[0, -1]].mean() for r in rows])
    left_to_right = np.array([middle[c][[0, -1]].mean() for c in columns])
    assert ((y < 16) == _is(source, "top")).mean() > 0.97  # a triangle's middle is not its centre
    assert ((left_to_right < 16) == _is(source, "left")).all()
    extent = np.maximum(rows.sum(1), columns.sum(1))
    assert extent[_is(source, "large")].min() > extent[~_is(source, "large")].max()
    ground = x[:, :, :, 0].mean((1, 2))
    assert ((ground < 128) == _is(source, "dark background")).all()

    names = list(generated.COLOURS)
    fill = np.stack([np.median(image[:, where], axis=1) for image, where in zip(x, drawn, strict=True)])
    plain = ~_is(source, "outlined")
    nearest = np.linalg.norm(fill[:, None] - np.array(list(generated.COLOURS.values())), axis=2).argmin(1)
    assert (nearest == source.attributes[:, :6].argmax(1))[plain].all()
    assert area[source.labels == 1].mean() > area[source.labels == 5].mean()  # squares cover more than diamonds

    # Each wording says each thing; what is not outlined need not be called plain.
    said = {
        "large": ({"large", "big"}, {"small", "little", "tiny"}),
        "outlined": ({"outlined", "with"}, {"plain", "without"}),
        "dark background": ({"dark"}, {"light", "bright"}),
        "top": ({"upper", "top"}, {"lower", "bottom"}),
        "left": ({"left"}, {"right"}),
    }
    for sentences, label, row in zip(source.captions, source.labels, source.attributes, strict=True):
        is_ = dict(zip(source.attribute_names, row, strict=True))
        assert len(sentences) == 3
        for number, text in enumerate(sentences):
            words = set(re.findall(r"\w+", text))
            assert words & set(source.classes) == {source.classes[label]}
            assert words & set(names) == {names[row[:6].argmax()]}
            for attribute, (yes, no) in said.items():
                assert bool(words & yes) == is_[attribute], text
                assert bool(words & no) == (not is_[attribute]) or (attribute == "outlined" and number == 0), text


def test_outlines_are_of_the_other_brightness():
    source = read("shapes", count=600)
    x = pixels(source).astype(float)
    extreme = np.where(_is(source, "dark background"), (x.min(1) > 130).any((1, 2)), (x.max(1) < 110).any((1, 2)))
    large = _is(source, "large")
    assert extreme[large & _is(source, "outlined")].all() and not extreme[~_is(source, "outlined")].any()


@pytest.mark.parametrize(("name", "area"), [("circle", np.pi), ("square", 1.56**2), ("diamond", 2 * 1.1 * 0.62)])
def test_coverage_sums_to_the_area(name, area):
    number = np.array([generated.SHAPES.index(name)])
    for x, y, r in [(16.0, 16.0, 8.0), (13.3, 17.9, 10.21), (20.25, 11.5, 4.7)]:
        covered = generated._coverage(number, np.array([[x, y]]), np.array([r]))
        assert covered.min() >= 0 and covered.max() == pytest.approx(1)
        assert covered.sum() == pytest.approx(area * r * r, abs=2 * r / generated.SUBROWS)
        along = (
            covered.sum(1)[0] @ (np.arange(32) + 0.5) / covered.sum(),
            covered.sum(2)[0] @ (np.arange(32) + 0.5) / covered.sum(),
        )
        assert along == pytest.approx((x, y), abs=0.05)
