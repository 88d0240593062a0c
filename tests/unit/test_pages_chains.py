"""Figures of chains: what follows what, how far it drifts, and what the page says of it."""

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
from advcodes.evaluation.sample import generate
from advcodes.metrics.images.reconstruction import reconstructions
from advcodes.pages.kinds.images import chains as page_of
from advcodes.pages.pictures import images
from advcodes.studies import networks
from advcodes.studies.kinds import chains
from advcodes.studies.kinds.chains import IMAGES, PRIOR, ROWS, TURNS
from advcodes.studies.request import drawn as shown
from advcodes.training.restore import restore
from evaluation_fakes import write_prepared

SHAPE = (1, 1, 2)  #: an image is a pair of pixels, so that it can be its own code
FIGURE = {
    "id": "gali/fig1a",
    "kind": "chains",
    "metric": "fid",
    "columns": ["celeba_64"],
    "rows": {"gali_4": {"label": "GALI-4"}},
}
TEST = np.arange(40, dtype=np.uint8) * 3 + 100  #: brightness of each test image


class Darker(nn.Module):
    """Images of codes, so much darker."""

    def __init__(self, by: int):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by / 255))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return (codes - self.by).unflatten(1, SHAPE)


@pytest.fixture
def drawn(tmp_path):
    """300 images to train on, and 40 plain ones to test on."""
    pixels = np.concatenate([np.full(300, 250), TEST]).astype(np.uint8)[:, None, None, None]
    return write_prepared(tmp_path / "drawn", np.tile(pixels, (1, *SHAPE)), {"train": 300, "test": 40})


def measured(restored, directory, sampling=SAMPLING, n=40):
    data = load(directory)
    return chains.both(restored, np.array(data.split("test").images[:n]), sampling, data.split("train").images, 0)


def test_each_turn_encodes_and_decodes_what_the_last_one_made(drawn):
    found = measured(coder(nn.Flatten(), Darker(5), shape=SHAPE), drawn)[IMAGES]
    assert found.shown.shape == (ROWS, 1 + TURNS, *SHAPE)
    expected = TEST[:ROWS, None].astype(int) - 5 * np.arange(1 + TURNS)
    np.testing.assert_array_equal(found.shown[:, :, 0, 0, 1], expected)
    turns, one = np.arange(1, 1 + TURNS), (5 / 255) ** 2
    assert found.numbers[IMAGES]["to_start"] == pytest.approx(list(turns**2 * one), abs=1e-6)
    assert found.numbers[IMAGES]["to_previous"] == pytest.approx([one] * TURNS, abs=1e-6)
    # each image and the one before it in the split, the first one and the last one
    assert found.numbers[IMAGES]["unrelated"] == pytest.approx((39 * 3**2 + (39 * 3) ** 2) / 40 / 255**2, abs=1e-6)


def test_distances_of_codes_are_relative_to_the_prior(drawn):
    """Codes of images are their pixels; the prior's are four times as wide as noise."""
    restored = coder(nn.Flatten(), Darker(50), shape=SHAPE)
    plain = measured(restored, drawn)[IMAGES].numbers["codes"]
    restored.method.networks["code_generator"].weight.data *= 4
    wide = measured(restored, drawn)[IMAGES].numbers["codes"]
    assert plain["to_start"] == pytest.approx([t**2 * (50 / 255) ** 2 for t in range(1, 5)], rel=0.5)
    assert wide["to_start"] == pytest.approx([value / 16 for value in plain["to_start"]], abs=2e-6)
    assert plain["to_previous"] == pytest.approx([plain["to_start"][0]] * TURNS, abs=2e-6)


def test_chains_of_the_prior_begin_with_what_is_drawn(drawn):
    restored = coder(nn.Flatten(), Darker(5), 0.5, SHAPE)
    with torch.inference_mode():
        z, samples = chains.prior(restored, 40, SAMPLING, 0)
    np.testing.assert_array_equal(samples, generate(restored, 40, SAMPLING, 0))
    found = measured(restored, drawn)[PRIOR]
    np.testing.assert_array_equal(found.shown[:, 0], samples[:ROWS])
    z, start = z.double().numpy(), samples.reshape(40, 2) / 255
    codes = np.stack([z, *(start - 5 / 255 * turn for turn in range(TURNS))], 1)  # z, E(G(z)), E(x1), ...
    for key, others in (("to_start", codes[:, :1]), ("to_previous", codes[:, :-1])):
        expected = ((codes[:, 1:] - others) ** 2).mean((0, 2)) / z.var(0).mean()
        assert found.numbers["codes"][key] == pytest.approx(list(expected), abs=1e-5)
    assert found.numbers["codes"]["to_start"][0] > 0.01, "samples are cut off at black and white"
    assert found.numbers["codes"]["unrelated"] == pytest.approx(2, rel=0.4)


def test_batch_norm_of_samples_and_of_reconstructions(drawn):
    """A generator that centres what it decodes: draws of the prior on grey, training images on grey."""
    norm = nn.BatchNorm1d(2, eps=0.01)  # training images are all the same
    norm.weight.data, norm.bias.data = torch.full((2,), 0.02), torch.full((2,), 0.5)
    restored = coder(nn.Flatten(), nn.Sequential(norm, nn.Unflatten(1, SHAPE)), 9.0, SHAPE)
    found, training = measured(restored, drawn), load(drawn).split("train").images
    assert found[PRIOR].shown[:, 0].mean() == pytest.approx(128, abs=8)  # of codes around 9
    for strips in (found[IMAGES].shown, found[PRIOR].shown):
        again = reconstructions(restored, strips[:, 0], SAMPLING, training, 0)
        np.testing.assert_array_equal(strips[:, 1], again)
        assert 50 < again.mean() < 120  # darker than training images by less than one
    running = measured(restored, drawn, SAMPLING | {"batch_norm": "running"})[PRIOR].shown[:, 0]
    assert running.mean() > 160  # 0.5 + 0.02 * 9


def test_batches_do_not_matter(drawn):
    restored = coder(nn.Flatten(), Darker(5), 0.2, SHAPE)
    one, several = (measured(restored, drawn, SAMPLING | {"batch_size": size})[IMAGES] for size in (40, 4))
    np.testing.assert_array_equal(one.shown, several.shown)
    assert one.numbers[IMAGES] == several.numbers[IMAGES]


def test_few_images_make_few_rows(drawn):
    found = measured(coder(nn.Flatten(), Darker(5), shape=SHAPE), drawn, n=3)
    assert [len(found[kind].shown) for kind in (IMAGES, PRIOR)] == [3, 3]


# ------------------------------------------------------------------------------------------------------------
# Files


@pytest.fixture
def figure(drawn, tmp_path, monkeypatch):
    """Renders a figure of fake runs: page, content, picture."""

    def make(seeds=(0, 1)):
        runs = pretend(tmp_path / "runs", [f"gali_4/seed{s}" for s in seeds])
        monkeypatch.setattr(
            networks,
            "restore",
            lambda directory, _: coder(nn.Flatten(), Darker(5 + int(directory.name[4:])), 0.5, SHAPE),
        )
        found = request(FIGURE, drawn, runs, np.zeros((64, *SHAPE), np.uint8))
        assert sorted(render(found, tmp_path, "f")) == ["f.json", "f.md", "f.png"]
        with Image.open(tmp_path / "f.png") as picture:
            grey = np.asarray(picture.convert("L")).astype(int)
        return (tmp_path / "f.md").read_text(), json.loads((tmp_path / "f.json").read_text()), grey

    return make


def test_a_row_of_the_picture_is_a_chain(figure):
    page, _, picture = figure()
    upper = picture.shape[0] - images.MARGIN - (ROWS * 34 - 2)  # images of 2 x 1 pixels, 64 x 32 on the screen
    strips = picture[upper + 16 :: 34][:ROWS, images.MARGIN + 32 :: 66][:, : 1 + TURNS]
    np.testing.assert_array_equal(strips, TEST[shown(40, ROWS), None].astype(int) - 5 * np.arange(1 + TURNS))
    right = picture[upper + 16 :: 34][:ROWS, 2 * images.MARGIN + 5 * 66 - 2 + 16 :: 66][:, : 1 + TURNS]
    assert (np.diff(right)[right[:, :-1] > 5] == -5).all() and right[:, 0].std() > 0
    assert "Left: from x, 6 images of split test, drawn once for all figures. Right: from G(z), the" in page
    assert "x1 is G(E(x)), x2 is G(E(x1)), and so on to x4; g1 is G(E(G(z))), g2 is G(E(g1)), and so on to g4." in page
    real, prior = page_of.drawn_as("t", {kind: np.zeros((1, 5, *SHAPE), np.uint8) for kind in ("images", "prior")})
    assert (real.heads, prior.heads) == (["x", "x1", "x2", "x3", "x4"], ["G(z)", "g1", "g2", "g3", "g4"])
    assert "Of seed 0, not selected." in page and "means over 40 chains of each kind" in page


def test_numbers_over_seeds(figure):
    page, content, _ = figure()
    found = content["rows"]["gali_4"]["chains"]["celeba_64"]
    assert (found["split"], found["seed"], found["images"], found["measured"]) == ("test", 0, ROWS, 40)
    assert list(found["runs"]) == ["0", "1"] and list(found["runs"]["1"]) == [IMAGES, PRIOR]
    assert found["runs"]["1"][IMAGES][IMAGES]["to_previous"] == pytest.approx([(6 / 255) ** 2] * TURNS, abs=1e-6)
    line = next(line for line in page.splitlines() if "| real images |" in line)
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[:4] == ["GALI-4", "CelebA-64 (served by drawn)", "2", "real images"]
    mean, sd = (36 + 25) / 2 / 255**2, (36 - 25) / 2**0.5 / 255**2
    assert cells[4] == f"{mean:.6f} ± {sd:.6f}" == cells[6]
    assert cells[5] == f"{16 * mean:.5f} ± {16 * sd:.5f}"
    assert len(cells) == 12 and "| the prior |" in page
    assert found["scores"]["fd_classifier"]["seeds"] == {"0": 3, "1": 4} and "| 3.50 ± 0.71 |" in page


def test_nothing_ran(figure):
    page, content, _ = figure(seeds=())
    assert "**Not run** at this scale: CelebA-64." in page and content["rows"]["gali_4"]["chains"] == {}


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    """ACL-GAN and a GAN after a few steps on `digits`."""
    return {method: few_steps(prepared, tmp_path_factory.mktemp(method), method) for method in ("acl_gan", "gan")}


def test_chains_of_a_trained_run(prepared, trained, tmp_path):
    asked = request(
        FIGURE, prepared / "digits", {"gali_4/seed1": trained["acl_gan"]}, np.zeros((64, 1, 8, 8), np.uint8)
    )
    figure, [[left, right]] = page_of.content(studied(asked, tmp_path))
    assert left.title == "GALI-4, CelebA-64 (served by digits): from real images"
    data, restored = load(prepared / "digits"), restore(trained["acl_gan"])
    test, training = data.split("test").images, data.split("train").images
    real = test[shown(len(test), len(test))]
    np.testing.assert_array_equal(left.images[:, 0], real[:ROWS])
    made = reconstructions(restored, real, SAMPLING, training, 1)
    np.testing.assert_array_equal(left.images[:, 1], made[:ROWS])
    np.testing.assert_array_equal(right.images[:, 0], generate(restored, ROWS, SAMPLING, 1))
    numbers = figure["rows"]["gali_4"]["chains"]["celeba_64"]["runs"]["1"]
    error = np.square((made.astype(float) - real) / 255).mean()
    assert numbers[IMAGES][IMAGES]["to_start"][0] == pytest.approx(error, abs=1e-3)
    assert all(np.isfinite(list(numbers[PRIOR]["codes"]["to_start"])))


def test_runs_without_chains_are_refused(prepared, trained, tmp_path):
    asked = request(FIGURE, prepared / "digits", {"gali_4/seed0": trained["gan"]}, np.zeros(0))
    with pytest.raises(AdvcodesError) as error:
        render(asked, tmp_path, "f")
    assert str(error.value) == (
        "gali/fig1a, gali_4: gan does not encode, decode and draw codes, so it has no chains; take its variant out"
    )


def test_points_are_refused(prepared, trained, tmp_path):
    asked = request(FIGURE, prepared / "gaussians", {"gali_4/seed0": trained["acl_gan"]}, np.zeros(0))
    with pytest.raises(AdvcodesError, match="gali/fig1a: 'gaussians' has points, no images; serve 'celeba_64' by"):
        render(asked, tmp_path, "f")
