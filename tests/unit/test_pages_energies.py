"""Figures of energies: what a discriminator that is an autoencoder makes of images, and by how much it errs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from figure_fakes import few_steps, pretend, render, request, studied
from PIL import Image
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.nets.spec import DatasetSpec
from advcodes.pages.kinds.images import energies as page_of
from advcodes.studies import networks
from advcodes.studies.kinds import energies
from advcodes.training.restore import Restored, build_method, restore
from conftest import run_config
from evaluation_fakes import write_prepared

SHAPE = (1, 8, 8)
FIGURE = {
    "id": "khan/fig4",
    "kind": "energies",
    "metric": "fid",
    "columns": ["celeba"],
    "rows": {"began": {"label": "BEGAN"}},
}


class Brighter(nn.Module):
    """Images, so much brighter."""

    def __init__(self, by: float):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.by


def brighter(by: float) -> Restored:
    torch.manual_seed(0)
    config = run_config("began", architecture={"family": "began", "width": 4}, view__range=[-1.0, 1.0])
    method = build_method(config, DatasetSpec(SHAPE, (-1.0, 1.0)), torch.device("cpu"))
    method.discriminator = Brighter(by)
    return Restored(method, SHAPE, (-1.0, 1.0), 10, 320, config)


def test_images_are_redrawn_and_errors_are_on_0_to_1():
    stored = np.linspace(0, 200, 250).astype(np.uint8)[:, None, None, None] + np.zeros((1, *SHAPE), np.uint8)
    made, energy = energies.redrawn(brighter(0.2), stored)
    assert made.shape == stored.shape and made.dtype == np.uint8
    assert np.abs(made.astype(float) - stored - 25.5).max() <= 1
    assert energy == pytest.approx(0.1, rel=1e-5)


def test_what_leaves_the_range_is_clamped_in_pictures_but_counts_whole():
    made, energy = energies.redrawn(brighter(3.0), np.full((3, *SHAPE), 128, np.uint8))
    assert (made == 255).all() and energy == pytest.approx(1.5, rel=1e-5)


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """Renders a figure of fake runs: page, content, picture."""
    pixels = np.full((80, *SHAPE), 100, np.uint8)
    drawn = write_prepared(tmp_path / "drawn", pixels, {"train": 40, "test": 40})

    def make(seeds=(0, 1)):
        runs = pretend(tmp_path / "runs", [f"began/seed{s}" for s in seeds])
        monkeypatch.setattr(networks, "restore", lambda directory, _: brighter(0.2 * (1 + int(directory.name[4:]))))
        found = request(FIGURE, drawn, runs, np.full((64, *SHAPE), 40, np.uint8))
        assert sorted(render(found, tmp_path, "f")) == ["f.json", "f.md", "f.png"]
        with Image.open(tmp_path / "f.png") as picture:
            grey = np.asarray(picture.convert("L")).astype(int)
        return (tmp_path / "f.md").read_text(), json.loads((tmp_path / "f.json").read_text()), grey

    return make


def test_the_page(figure):
    page, content, picture = figure()
    found = content["rows"]["began"]["energies"]["celeba"]
    assert (found["split"], found["seed"], found["images"], found["measured"]) == ("test", 0, 40, 40)
    assert found["runs"]["1"].pop("reconstructed") is None
    assert found["runs"]["1"] == pytest.approx({"generated": 0.2, "real": 0.2, "ratio": 1.0, "balance": 0.5}, rel=1e-4)
    line = next(line for line in page.splitlines() if line.startswith("| BEGAN"))
    assert "| CelebA (served by drawn) | 2 | 0.150 ± 0.071 | \u2013 | 0.150 ± 0.071 | 1.000 ± 0.000 | 0.500 |" in line
    assert (
        {40, 100} <= set(np.unique(picture))
        and set(np.unique(picture)) & {65, 66}
        and np.isin([125, 126], picture).any()
    )
    assert "the first samples of seed 0, and images of split test, drawn once for all figures;" in page


def test_nothing_ran(figure):
    page, content, _ = figure(seeds=())
    assert "**Not run** at this scale: CelebA." in page and content["rows"]["began"]["energies"] == {}


def test_a_trained_run_and_one_that_redraws_nothing(prepared, tmp_path):
    for method, nets in (("began", {"family": "began", "width": 4}), ("gan", None)):
        few_steps(prepared, tmp_path / method, method, architecture=nets)
    samples = np.zeros((64, *SHAPE), np.uint8)
    asked = request(FIGURE, prepared / "digits", {"began/seed0": tmp_path / "began"}, samples)
    content, shown = page_of.content(studied(asked, tmp_path))
    restored = restore(tmp_path / "began")
    assert [[images.shape for _, images in line] for line in shown] == [[(64, *SHAPE)] * 2] * 2
    np.testing.assert_array_equal(shown[0][1][1], energies.redrawn(restored, samples)[0])
    run = content["rows"]["began"]["energies"]["celeba"]["runs"]["0"]
    assert run["ratio"] == pytest.approx(run["generated"] / run["real"]) and run["balance"] == 0.5
    with pytest.raises(AdvcodesError, match="the discriminator of gan is no autoencoder, so it redraws nothing"):
        energies.check(restore(tmp_path / "gan"), "khan/fig4")


@pytest.mark.parametrize(("name", "balance"), [("began", 0.5), ("vae_began_lsm", 0.5 / 1.3)])
def test_energies_are_those_of_training(name: str, balance: float):
    """Unclamped: of a generator that leaves the value range, and of drawn codes' images where there is an encoder."""
    torch.manual_seed(0)
    config = run_config(name, architecture={"family": "began", "width": 4}, view__range=[-1.0, 1.0])
    method = build_method(config, DatasetSpec(SHAPE, (-1.0, 1.0)), torch.device("cpu"))
    with torch.no_grad():
        method.generator.net[-2].bias += 5.0  # far outside
    restored = Restored(method, SHAPE, (-1.0, 1.0), 10, 320, config)
    stored = np.random.default_rng(0).integers(0, 256, (150, *SHAPE), np.uint8)
    fake, again = energies.unclamped(restored, stored, seed=3)
    assert method.balance == pytest.approx(balance)
    with torch.inference_mode():
        noise, parts = torch.Generator().manual_seed(3), []
        for n in (100, 50):
            parts.append(method.imagined(n, noise))
            if again is not None:
                torch.randn((n, config["method"]["latent_dim"]), generator=noise)
        images = torch.cat(parts)
        assert float(images.mean()) > 3 and fake == pytest.approx(float(method.energy(images)) / 2, rel=1e-4)
    assert (again is None) == (name == "began") and (again is None or again > 1)
