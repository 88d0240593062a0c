"""Pixels of more than 8 bits, padding, broken files and loose images: said or refused, never guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import advcodes
from advcodes.config.sections import Machine, Reading, View
from advcodes.core.errors import AdvcodesError
from advcodes.data import folder
from advcodes.data.source import Source
from advcodes.data.view import view_image


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(size: int | None = None, **how) -> Source:
    view = View(source="folder", path="images", size=size, folder=Reading(**how)).model_dump(mode="json")
    return folder.read({"dataset": "mine", **view}, Machine(), Path("unused"))


def write(pixels: np.ndarray, *names: str) -> None:
    for name in names:
        path = Path("images", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def drawn(source: Source, **view) -> np.ndarray:
    return view_image(source.image(0), channels=source.channels, **view)


RAMP = np.tile(np.linspace(0, 1, 5), (4, 1))


@pytest.mark.parametrize(
    ("pixels", "ending", "message"),
    [
        (
            np.rint(4095 * RAMP).astype(np.uint16),
            "png",
            r"16-bit pixels do not use .* \(found are 0 to 4095\)",
        ),
        (np.rint(4095 * RAMP).astype(np.uint16), "tif", "16-bit pixels do not use their upper bit"),
        (
            np.rint(240 * RAMP).astype(np.int32),
            "tif",
            r"32-bit integer pixels have no known .* \(found are 0 to 240\)",
        ),
        (RAMP.astype(np.float32), "tif", r"floating-point pixels have no known range.* \(found are 0 to 1\)"),
    ],
)
def test_a_range_is_asked_for_and_taken(pixels: np.ndarray, ending: str, message: str):
    write(pixels, f"a.{ending}", f"b.{ending}")
    with pytest.raises(AdvcodesError, match=message) as error:
        read()
    assert "images/a." in str(error.value) and "(and 1 more files)" in str(error.value)
    source = read(levels=(0, float(pixels.max())))
    assert drawn(source)[0, 0].tolist() == [0, 64, 128, 191, 255]
    as_for_runs = advcodes.images("images", 4, 1, "squash", (0, float(pixels.max())))
    assert as_for_runs.shape == (2, 1, 4, 4) and as_for_runs.max() > 200
    with pytest.raises(AdvcodesError, match=message):
        advcodes.images("images", 4)
    assert source.files[0]["deep"] == 2 and source.files[0]["levels"] == [0, float(pixels.max())]


def test_whole_16_bits_are_known():
    write(np.rint(65535 * RAMP).astype(np.uint16), "a.png", "b.png")
    source = read()
    assert source.files[0]["levels"] == [0, 65535] and drawn(source)[0, 0].tolist() == [0, 64, 128, 191, 255]


def test_one_image_of_16_bits_among_others():
    write(np.rint(4095 * RAMP).astype(np.uint16), "a.png")
    write(np.rint(255 * RAMP).astype(np.uint8), "b.png")
    source = read(levels=(0, 4095))
    assert [view_image(source.image(i))[0, 0].tolist() for i in range(2)] == [[0, 64, 128, 191, 255]] * 2


@pytest.mark.parametrize(
    ("pixels", "levels", "message"),
    [
        (
            np.full((4, 4), 300, np.uint16),
            (9, 9),
            "levels 9 9: expected the value of black, then that of white",
        ),
        (np.full((4, 4), np.nan, np.float32), None, "has values that are not finite"),
    ],
)
def test_levels_that_cannot_be(pixels: np.ndarray, levels: tuple[float, float] | None, message: str):
    write(pixels, "a.tif", "b.tif")
    with pytest.raises(AdvcodesError, match=message):
        read(levels=levels)


def test_padding_keeps_all_of_an_image():
    write(np.full((4, 8, 3), 255, np.uint8), "a.png", "b.png")
    image = drawn(read(8, pad=True), size=8)
    assert image.shape == (3, 8, 8)
    assert image[:, :2].max() == image[:, 6:].max() == 0 and image[:, 2:6].min() == 255


def test_broken_files_are_left_out_or_all_named():
    write(np.zeros((4, 4, 3), np.uint8), "a.png", "b.png")
    Path("images/c.png").write_bytes(b"no image")
    Path("images/d.jpg").write_bytes(b"no image")
    with pytest.raises(AdvcodesError, match=r"2 images cannot be used: images/c.png: .*; images/d.jpg: "):
        read()
    whole = Path("images/a.png").read_bytes()
    Path("images/e.png").write_bytes(whole[: len(whole) // 2])
    source = read(skip_broken=True)
    assert len(source) == 2 and source.files[0]["files"] == 2
    assert sorted(source.files[0]["broken"]) == ["c.png", "d.jpg", "e.png"]
    for name in "ab":
        Path(f"images/{name}.png").write_bytes(b"no image")
    with pytest.raises(AdvcodesError, match="none of its 5 images decodes"):
        read(skip_broken=True)


def test_loose_images_are_a_choice():
    write(np.zeros((4, 4, 3), np.uint8), "cat/a.png", "cat/b.png", "dog/c.png", "d.png")
    with pytest.raises(AdvcodesError, match=r"1 images lie beside the folders of classes .* --loose skip, class"):
        read()
    skipped, own, flat = (read(loose=how) for how in ("skip", "class", "flat"))
    assert len(skipped) == 3 and skipped.classes == ["cat", "dog"] and skipped.files[0]["loose"] == 1
    assert len(own) == 4 and own.classes == ["cat", "dog", "loose"]
    assert len(flat) == 4 and flat.classes == [] and set(flat.labels) == {-1}


def test_images_beside_the_splits_can_be_left_out():
    write(np.zeros((4, 4, 3), np.uint8), "train/cat/a.png", "train/b.png", "test/cat/c.png", "other/d.png", "e.png")
    with pytest.raises(AdvcodesError, match=r"has train/, but \S+ lies beside it"):
        read()
    source = read(loose="skip")
    assert source.splits == {"train": 1, "test": 1} and source.files[0]["loose"] == 3
