"""Crops, resizing and colour of images, against computations of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from advcodes.core.errors import AdvcodesError
from advcodes.data.view import to_8bit, view_image

# Rows x columns of a CelebA image; levels from which no filter overshoots 0..255.
FACE = np.random.default_rng(0).integers(60, 196, (218, 178, 3), dtype=np.uint8)


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


def _cubic(x: float) -> float:
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


FILTERS = {
    "bilinear": lambda x: max(0.0, 1 - abs(x)),
    "bicubic": _cubic,
    "lanczos": lambda x: _sinc(x) * _sinc(x / 3) if abs(x) < 3 else 0.0,
}


def antialiased(pixels: np.ndarray, rows: int, columns: int, kind: str) -> np.ndarray:
    """Textbook resampling in float64: the filter is stretched by the scale and its weights sum to 1."""
    kernel = FILTERS[kind]

    def matrix(old: int, new: int) -> np.ndarray:
        scale = old / new
        weights = np.array(
            [[kernel((j + 0.5 - (i + 0.5) * scale) / max(scale, 1)) for j in range(old)] for i in range(new)]
        )
        return weights / weights.sum(1, keepdims=True)

    x = pixels.astype(float)
    x = np.einsum("ij,jkc->ikc", matrix(x.shape[0], rows), x)
    x = np.einsum("ij,kjc->kic", matrix(x.shape[1], columns), x)
    return x.clip(0, 255)


def tensorflow1(pixels: np.ndarray, side: int) -> np.ndarray:
    """``tf.image.resize_images`` with its defaults, pixel by pixel as its kernel has it."""
    rows, columns = pixels.shape[:2]
    out = np.empty((side, side, 3))
    for i in range(side):
        for j in range(side):
            y, x = i * rows / side, j * columns / side
            top, left = int(y), int(x)
            below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            a, b, c, d = (pixels[p, q].astype(float) for p in (top, below) for q in (left, right))
            upper, lower = a + (b - a) * (x - left), c + (d - c) * (x - left)
            out[i, j] = upper + (lower - upper) * (y - top)
    return out


# facts 6.1, one entry a row of its table of CelebA crops; the slices are worked out by hand from its text.
CROPS = {
    "aaae": ({"crop": {"kind": "center", "size": 178}}, antialiased(FACE[20:198], 64, 64, "bilinear")),
    "gali": ({"keep_aspect": True}, antialiased(FACE, 78, 64, "bilinear")[7:71]),
    "ali": ({"keep_aspect": True, "resample": "lanczos"}, antialiased(FACE, 78, 64, "lanczos")[7:71]),
    "acl": (
        {"crop": {"kind": "center", "size": 160}, "resample": "tf1_bilinear"},
        tensorflow1(FACE[29:189, 9:169], 64),
    ),
    "khan": (
        {"crop": {"kind": "box", "size": 128, "top": 50, "left": 25}, "resample": "tf1_nearest"},
        FACE[50:178:2, 25:153:2],
    ),
    "wae": (
        {"crop": {"kind": "center", "size": 140}, "resample": "lanczos"},
        antialiased(FACE[39:179, 19:159], 64, 64, "lanczos"),
    ),
    "dcgan": (
        {"crop": {"kind": "center", "size": 108}},
        antialiased(FACE[55:163, 35:143], 64, 64, "bilinear"),
    ),
    "vaegan": (
        {"crop": {"kind": "box", "size": 148, "top": 40, "left": 15}, "resample": "bicubic"},
        antialiased(FACE[40:188, 15:163], 64, 64, "bicubic"),
    ),
}


@pytest.mark.parametrize("paper", CROPS)
def test_crop_of_each_paper(paper):
    view, expected = CROPS[paper]
    got = view_image(Image.fromarray(FACE), size=64, **view)
    assert got.shape == (3, 64, 64) and got.dtype == np.uint8 and got.flags.c_contiguous
    # Pillow rounds to whole levels after each direction; Lanczos' negative weights make a little more of it.
    assert np.abs(got.transpose(1, 2, 0) - expected).max() <= (0.5 if paper in ("acl", "khan") else 1.25)


def test_the_crops_differ():
    """Otherwise the test above could not tell one from another."""
    means = [e.mean((0, 1)).round(4).tolist() for _, e in CROPS.values()]
    assert len({tuple(m) for m in means}) == len(CROPS)


@pytest.mark.parametrize("face", [FACE, FACE[:100, :151]])  # 78.4 and 96.6 pixels are rounded down
def test_gali_is_what_its_code_does(face):
    from torchvision import transforms

    theirs = transforms.Compose([transforms.Resize(64), transforms.CenterCrop(64)])(Image.fromarray(face))
    ours = view_image(Image.fromarray(face), size=64, keep_aspect=True)
    np.testing.assert_array_equal(ours.transpose(1, 2, 0), np.asarray(theirs))


def test_nearest_takes_the_pixel_under_each_centre():
    ramp = Image.fromarray(np.arange(8, dtype=np.uint8)[None].repeat(8, 0))
    assert view_image(ramp, size=4, resample="nearest")[0, 0].tolist() == [1, 3, 5, 7]
    assert view_image(ramp, size=4, resample="tf1_nearest")[0, 0].tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize("resample", ["nearest", "bilinear", "bicubic", "lanczos", "tf1_nearest", "tf1_bilinear"])
def test_an_image_of_the_right_size_stays_as_it_is(resample):
    square = FACE[:64, :64]
    got = view_image(Image.fromarray(square), size=64, resample=resample)
    np.testing.assert_array_equal(got.transpose(1, 2, 0), square)


def test_a_centre_crop_larger_than_the_image_pads_with_black():
    digit = np.full((28, 28), 200, np.uint8)
    got = view_image(Image.fromarray(digit), crop={"kind": "center", "size": 32})
    assert got.shape == (1, 32, 32)
    np.testing.assert_array_equal(got[0], np.pad(digit, 2))
    # Wider than the square, but not as high: cut in one direction, padded in the other (TensorFlow: one row
    # less above).
    got = view_image(Image.fromarray(np.full((7, 20), 9, np.uint8)), crop={"kind": "center", "size": 10})
    np.testing.assert_array_equal(got[0], np.pad(np.full((7, 10), 9), ((1, 2), (0, 0))))


def test_keep_aspect_cuts_the_longer_side():
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255
    assert view_image(Image.fromarray(wide), size=10, keep_aspect=True).min() == 255
    assert view_image(Image.fromarray(wide), size=10, resample="nearest").min() == 0


def test_a_box_that_leaves_the_image_is_an_error():
    with pytest.raises(AdvcodesError, match=r"box of 128x128 at top 50, left 60 leaves the image of 218x178"):
        view_image(Image.fromarray(FACE), crop={"kind": "box", "size": 128, "top": 50, "left": 60})


@pytest.mark.parametrize(
    ("mode", "channels", "shape"),
    [("L", None, 1), ("RGB", None, 3), ("L", 3, 3), ("RGB", 1, 1), ("P", None, 3)],
)
def test_channels(mode, channels, shape):
    image = Image.new("RGB", (4, 5), (0, 204, 51)).convert(mode)  # a colour that the standard palette has
    got = view_image(image, channels=channels)
    assert got.shape == (shape, 5, 4)
    if mode == "RGB" and channels == 1:
        assert abs(int(got[0, 0, 0]) - (0.587 * 204 + 0.114 * 51)) <= 1
    if mode == "P":
        assert got[:, 0, 0].tolist() == [0, 204, 51]


def test_transparency_is_laid_on_white():
    half = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    half.putpixel((1, 0), (10, 20, 30, 255))
    assert view_image(half)[:, 0].T.tolist() == [[255, 255, 255], [10, 20, 30]]
    grey = Image.new("LA", (1, 1), (0, 0))
    assert view_image(grey).tolist() == [[[255]]]
    palette = Image.new("P", (1, 1), 0)
    palette.info["transparency"] = 0
    assert view_image(palette)[:, 0, 0].tolist() == [255, 255, 255]


def test_16_bit_grey_keeps_its_upper_bits():
    deep = Image.fromarray(np.array([[0, 255, 256, 65535]], np.uint16))
    assert np.asarray(to_8bit(deep)).tolist() == [[0, 0, 1, 255]]


def test_floating_point_pixels_are_an_error():
    with pytest.raises(AdvcodesError, match="floating-point pixels have no known range"):
        view_image(Image.new("F", (2, 2)))
