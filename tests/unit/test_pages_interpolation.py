"""Figures of interpolations: codes on a line, their images, and how evenly these change."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from figure_fakes import SAMPLING, Coder, coder, few_steps, render, request
from PIL import Image
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load
from advcodes.methods.base import Method, MethodConfig
from advcodes.nets.spec import DatasetSpec
from advcodes.pages import given, text
from advcodes.pages.kinds.images import interpolation as page_of
from advcodes.pages.pictures import images
from advcodes.studies.kinds import interpolation
from advcodes.studies.kinds.interpolation import ROWS, STEPS, Transitions
from advcodes.studies.request import drawn
from advcodes.training.restore import Restored, restore
from evaluation_fakes import write_prepared

SHAPE = (1, 1, 2)  #: an image is a pair of pixels, so that it can be its own code


@pytest.fixture
def data(tmp_path):
    """300 images to train on, around a grey of 200, and 40 to test on, around 50."""
    rng = np.random.default_rng(0)
    pixels = np.concatenate([rng.integers(190, 210, (300, *SHAPE)), rng.integers(0, 100, (40, *SHAPE))])
    return load(write_prepared(tmp_path / "data", pixels.astype(np.uint8), {"train": 300, "test": 40}))


def itself(decoder: nn.Module | None = None):
    """A run whose codes are pixels."""
    layers = [decoder] if decoder else []
    return coder(nn.Flatten(), nn.Sequential(*layers, nn.Unflatten(1, SHAPE)), shape=SHAPE)


def test_codes_between_two_images_are_on_a_line(data):
    found = interpolation.interpolate(itself(), data, "test", SAMPLING)
    test = data.split("test").images
    test = test[drawn(len(test), 2 * ROWS)]
    assert found.real.shape == (ROWS, 2, *SHAPE) and found.generated.shape == (ROWS, STEPS, *SHAPE)
    np.testing.assert_array_equal(found.real.reshape(-1, *SHAPE), test)  # in pairs
    np.testing.assert_array_equal(found.generated[:, 0], found.real[:, 0])
    np.testing.assert_array_equal(found.generated[:, -1], found.real[:, 1])
    ends = found.real.astype(float)
    third = ends[:, 0] + 3 / 7 * (ends[:, 1] - ends[:, 0])
    np.testing.assert_allclose(found.generated[:, 3], third, atol=0.51)


def test_few_test_images_make_few_rows(tmp_path):
    pixels = np.zeros((9, *SHAPE), np.uint8)
    small = load(write_prepared(tmp_path / "small", pixels, {"train": 4, "test": 5}))
    assert interpolation.interpolate(itself(), small, "test", SAMPLING).generated.shape == (2, STEPS, *SHAPE)


def test_batch_norm_is_that_of_reconstructed_training_images(data):
    """A decoder that centres training images puts test images, which are darker, below zero: that is, at black."""
    norm = nn.BatchNorm1d(2)
    norm.weight.data, norm.bias.data = torch.full((2,), 0.01), torch.full((2,), 0.5)
    shown = {}
    for mode in ("reestimate", "running"):
        found = interpolation.interpolate(itself(norm), data, "test", SAMPLING | {"batch_norm": mode})
        shown[mode] = found.generated.mean()
    train, test = (data.split(name).images / 255 for name in ("train", "test"))
    test = test[drawn(len(test), 2 * ROWS)]
    expected = 255 * (0.5 + 0.01 * ((test.mean((0, 1, 2)) - train.mean((0, 1, 2))) / train.std((0, 1, 2))))
    assert shown["reestimate"] == pytest.approx(expected.mean(), abs=3)
    assert shown["running"] == pytest.approx(128, abs=1)  # mean 0, variance 1: as if nothing had been seen
    assert abs(shown["reestimate"] - shown["running"]) > 20


def transitions(*rows: list[int], ends: tuple[int, int] = (0, 255)) -> Transitions:
    """Rows of images of one pixel."""
    generated = np.array(rows, np.uint8)[..., None, None, None]
    real = np.tile(np.array(ends, np.uint8)[:, None, None, None], (len(rows), 1, 1, 1, 1))
    return Transitions(real, generated, np.arange(2 * len(rows)).reshape(-1, 2) * 5)


def test_numbers_of_a_row():
    even, jump, still = interpolation.measure(
        transitions(list(range(0, 256, 36)), [0, 0, 0, 0, 255, 255, 255, 255], [51] * 8)
    )
    assert even["unevenness"] == 1 and even["images"] == [0, 5] and even["steps"] == [0.14118] * 7
    assert jump["unevenness"] == 7 and jump["images"] == [10, 15] and jump["mse"] == [0, 0]
    assert still["unevenness"] is None and still["mse"] == [0.04, 0.64]


def test_a_model_without_an_encoder_goes_between_two_samples(data):
    class Generator(Coder):
        encode = Method.encode

    networks = {
        role: nn.Linear(2, 2) if role == "code_generator" else nn.Unflatten(1, SHAPE)
        for role in ("code_generator", "decoder")
    }
    networks["code_generator"].weight.data, networks["code_generator"].bias.data = torch.eye(2) / 9, torch.ones(2) / 2
    method = Generator(MethodConfig(latent_dim=2), networks, DatasetSpec(SHAPE))
    run = Restored(method, SHAPE, (0.0, 1.0), 10, 40, {"seed": 0, "view": {"train_split": "train"}})
    found = interpolation.interpolate(run, data, "test", SAMPLING)
    assert found.real is None and found.generated.shape == (ROWS, STEPS, *SHAPE)
    samples = 255 * method.sample(2 * ROWS, torch.Generator().manual_seed(0)).detach().numpy()
    np.testing.assert_allclose(found.generated[:, 0], samples[0::2], atol=0.51)
    np.testing.assert_allclose(found.generated[:, -1], samples[1::2], atol=0.51)
    assert {(row["mse"], row["images"]) for row in interpolation.measure(found)} == {(None, None)}
    name = ["ACL-GAN", "CelebA (served by shapes)"]
    (cells,) = lines(figure(found))
    assert cells[:4] == [*name, "1", text.DASH] and text.DASH not in cells[4:]
    drawn = page_of.with_ends(found.generated, found.real)
    assert (drawn[:, [0, -1]] == 255).all() and (drawn[:, 1:-1] == found.generated).all()


def figure(*seeds: Transitions, **changes):
    """A figure of one row."""
    runs = {str(s): interpolation.measure(found) for s, found in enumerate(seeds)}
    found = {"split": "test", "first_seed": 0, "runs": runs, "metric": {"0": 12.0, "1": 14.0}}
    return {
        "columns": {"celeba": {"served_by": "shapes"}},
        "rows": {"acl_gan": {"label": "ACL-GAN", "kind": "trained", "interpolation": {"celeba": found}}},
        **changes,
    }


def lines(content) -> list[list[str]]:
    return [page_of._line(*entry) for entry in given.shown(content, "interpolation")]


def test_table_of_numbers():
    even, jump, still = list(range(0, 253, 36)), [0] * 4 + [201] * 4, [0] * 8
    one, two = transitions(even, jump, ends=(0, 252)), transitions(even, even, ends=(0, 252))
    name = ["ACL-GAN", "CelebA (served by shapes)"]
    assert lines(figure(one)) == [[*name, "1", "0.0100", "4.00", "7.00", "13.00 ± 1.41"]]
    assert lines(figure(one, two)) == [[*name, "2", "0.0050 ± 0.0071", "2.50 ± 2.12", "7.00", "13.00 ± 1.41"]]
    assert lines(figure(transitions(still))) == [[*name, "1", "0.500", text.DASH, text.DASH, "13.00 ± 1.41"]]


# ------------------------------------------------------------------------------------------------------------
# The picture


def read(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_ends_stand_apart(tmp_path):
    rows = np.arange(2 * 4, dtype=np.uint8).reshape(2, 4, 1, 1, 1) * 30 * np.ones((64, 64), np.uint8)
    assert images.transitions([("A", rows), ("B", rows)], tmp_path / "t.png") == 2
    picture = read(tmp_path / "t.png")
    lines_of_a = [y for y in range(len(picture)) if picture[y, 12].tolist() == [0, 0, 0]]
    assert len(lines_of_a) >= 2 * 64  # black images of A and B, and perhaps a title
    y = max(lines_of_a) - 32
    dark = [x for x in range(picture.shape[1]) if picture[y, x, 0] < 255]
    starts = [x for x in dark if x - 1 not in dark]
    assert np.diff(starts).tolist() == [64 + 10, 64 + 2, 64 + 10]
    assert [int(picture[y, x, 0]) for x in starts] == [0, 30, 60, 90]
    assert [int(picture[y + 66, x, 0]) for x in starts] == [120, 150, 180, 210]


def test_titles_are_not_cut_off(tmp_path):
    tiny = np.zeros((1, 3, 3, 64, 64), np.uint8)
    images.transitions(
        [("A very long title, longer than the few images under it, and then some", tiny)], tmp_path / "t.png"
    )
    assert read(tmp_path / "t.png").shape[1] > 400


def test_rows_are_dropped_before_images_shrink(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (8, 10, 3, 64, 64), dtype=np.uint8)
    shown = images.transitions([("A", noise)], tmp_path / "t.png")
    assert 3 <= shown < 8
    assert (tmp_path / "t.png").stat().st_size <= images.LIMIT
    assert read(tmp_path / "t.png").shape[1] == 10 * 64 + 7 * 2 + 4 * 10
    assert images.transitions([("A", noise), ("B", noise)], tmp_path / "t.png") == 3
    assert (tmp_path / "t.png").stat().st_size <= images.LIMIT


def test_rows_are_dropped_before_colours(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (8, 4, 3, 64, 64), dtype=np.uint8)
    noise[..., 56:, :] = 0
    assert images.transitions([("A", noise)], tmp_path / "t.png") == 6
    assert len(np.unique(read(tmp_path / "t.png").reshape(-1, 3), axis=0)) > 50_000


def test_fewer_greys_are_near_the_ones_they_replace(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (81, 1, 64, 64), dtype=np.uint8)
    images.grid(noise, 9, 9, tmp_path / "g.png")
    pixels = read(tmp_path / "g.png")
    assert pixels.shape[0] == 9 * 66 - 2 and len(np.unique(pixels)) <= 96
    assert np.abs(pixels[:64, :64, 0].astype(int) - noise[0, 0]).max() < 8


def test_smooth_rows_are_all_there_in_full_colour(tmp_path):
    ramp = np.linspace(0, 255, 64).astype(np.uint8) * np.ones((8, 10, 3, 64, 1), np.uint8)
    assert images.transitions([("A", ramp)], tmp_path / "t.png") == 8
    assert len(np.unique(read(tmp_path / "t.png"))) >= 64


def test_rare_colours_survive_when_there_are_fewer(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 120, (64, 3, 64, 64), dtype=np.uint8)
    noise[0, :, :16, :16] = np.array([230, 20, 25])[:, None, None]
    images.grid(noise, 8, 8, tmp_path / "g.png")
    pixels = read(tmp_path / "g.png")
    scale = pixels.shape[0] / (8 * 66 - 2)
    corner = pixels[: int(14 * scale), : int(14 * scale)].astype(int)
    assert np.abs(corner - [230, 20, 25]).max() < 40


# ------------------------------------------------------------------------------------------------------------
# Files

FIGURE = {
    "id": "acl/fig10",
    "kind": "interpolation",
    "metric": "fid",
    "columns": ["celeba"],
    "rows": {"acl_gan": {"label": "ACL-GAN"}},
}


@pytest.fixture(scope="module")
def run(prepared, tmp_path_factory):
    """ACL-GAN after a few steps on `digits`."""
    return few_steps(prepared, tmp_path_factory.mktemp("run"), "acl_gan")


def test_files_of_a_figure(prepared, run, tmp_path):
    runs = {"acl_gan/seed0": run, "acl_gan/seed2": run}
    asked = request(FIGURE, prepared / "digits", runs, np.zeros(0))
    assert sorted(render(asked, tmp_path, "fig10")) == ["fig10.json", "fig10.md", "fig10.png"]
    row = json.loads((tmp_path / "fig10.json").read_text())["rows"]["acl_gan"]["interpolation"]["celeba"]
    expected = interpolation.interpolate(restore(run), load(prepared / "digits"), "test", SAMPLING)
    assert row["runs"]["0"] == row["runs"]["2"] == interpolation.measure(expected) and len(row["runs"]["0"]) == ROWS
    assert row["metric"] == {"0": 3, "2": 5} and row["first_seed"] == 0
    page = (tmp_path / "fig10.md").read_text()
    assert "8 pairs of images of split test, drawn once for all figures" in page
    assert "| ACL-GAN | CelebA (served by digits) | 2 |" in page and "| 4.00 ± 1.41 |" in page
    assert "Samples: fd_classifier ↓" in page and "Our numbers are about digits, not about CelebA." in page
    assert read(tmp_path / "fig10.png").shape[1] == 10 * 64 + 7 * 2 + 4 * 10


def test_a_page_says_whose_ends_are_samples(prepared, run, tmp_path):
    other = few_steps(prepared, tmp_path / "run", "gan")
    declared = {**FIGURE, "rows": {"acl_gan": {"label": "ACL-GAN"}, "gan": {"label": "GAN"}}}
    asked = request(declared, prepared / "digits", {"acl_gan/seed0": run, "gan/seed0": other}, np.zeros(0))
    render(asked, tmp_path, "fig7")
    page = (tmp_path / "fig7.md").read_text()
    assert "are the two reconstructions. GAN cannot encode: there the ends are two samples. Small images" in page
    assert f"| GAN | CelebA (served by digits) | 1 | {text.DASH} |" in page


def test_points_are_refused(prepared, run, tmp_path):
    asked = request(FIGURE, prepared / "gaussians", {"acl_gan/seed0": run}, np.zeros(0))
    with pytest.raises(AdvcodesError, match="acl/fig10: 'gaussians' has points, no images; serve 'celeba' by images"):
        render(asked, tmp_path, "fig10")


def test_a_figure_without_runs(prepared, tmp_path):
    render(request(FIGURE, prepared / "digits", {}, np.zeros(0)), tmp_path, "fig10")
    assert "**Not run** at this scale: CelebA." in (tmp_path / "fig10.md").read_text()
    assert (tmp_path / "fig10.png").exists()
