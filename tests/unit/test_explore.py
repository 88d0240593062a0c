"""What the page of a run shows, without a page: directions of codes, and each part as a function."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

from advcodes.app.cli import main
from advcodes.app.explore.directions import attribute_vectors, principal
from advcodes.app.explore.explorer import Explorer
from advcodes.core.errors import AdvcodesError
from advcodes.training.train import train
from conftest import architecture_for, run_config

CPU = torch.device("cpu")


def test_principal_directions_are_those_of_scikit_learn():
    codes = torch.randn(200, 5, generator=torch.Generator().manual_seed(0)) @ torch.diag(
        torch.tensor([5, 3, 2, 1, 0.5])
    )
    found, independent = principal(codes, 3), PCA(3).fit(codes.numpy())
    np.testing.assert_allclose(found.mean, independent.mean_, atol=1e-5)
    np.testing.assert_allclose(found.share, independent.explained_variance_ratio_, atol=1e-5)
    np.testing.assert_allclose(found.sd, independent.explained_variance_**0.5, rtol=1e-4)
    np.testing.assert_allclose(np.abs((found.axes @ independent.components_.T).numpy()), np.eye(3), atol=1e-4)
    assert all(axis[axis.abs().argmax()] > 0 for axis in found.axes)


def test_a_code_lies_where_the_sliders_say():
    found = principal(torch.randn(50, 4, generator=torch.Generator().manual_seed(1)), 2)
    torch.testing.assert_close(found.at([0.0, 0.0]), found.mean)
    torch.testing.assert_close(found.at([0.0, -2.0]), found.mean - 2 * found.sd[1] * found.axes[1])
    start = torch.ones(4)
    torch.testing.assert_close(found.at([1.5], start), start + 1.5 * found.sd[0] * found.axes[0])


def test_there_are_no_more_directions_than_codes_have():
    assert principal(torch.randn(10, 2), 6).axes.shape == (2, 2)
    assert principal(torch.randn(3, 8), 6).axes.shape == (2, 8)
    alike = principal(torch.ones(5, 3), 2)
    assert alike.share.tolist() == [0, 0] and torch.equal(alike.at([3.0, 3.0]), torch.ones(3))


def test_vectors_of_attributes_are_differences_of_means():
    codes = torch.tensor([[0.0, 0], [2, 0], [0, 4], [2, 4]])
    holds = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]])
    found = attribute_vectors(codes, holds, ["right", "up", "always"])
    assert list(found) == ["right", "up"], "what all images have is no direction"
    assert found["right"].tolist() == [2, 0] and found["up"].tolist() == [0, 4]


@pytest.fixture(scope="module")
def runs(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short runs on digits, laid out as the pipeline does: <runs>/<variant>/seed0."""
    data = tmp_path_factory.mktemp("explored")
    shutil.copytree(prepared / "digits", data / "prepared/digits")
    fast = {"method__optimiser": {"lr": 1e-2}, "budget__images": 960}  # so that its codes tell images apart
    for method, more in (("acl_ae", fast), ("gan", {}), ("ae", {}), ("lpaae_supervised", {}),
                         ("ali", {"method__masked": True})):  # fmt: skip
        config = run_config(method, architecture=architecture_for(method), **{"budget__images": 64, **more})
        train(config, prepared / "digits", data / f"runs/demo/digits/{method}/seed0", CPU)
    return data / "runs/demo/digits"


def picture(seed: int = 0, size: tuple[int, int] = (20, 30)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8))


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("acl_ae", ("samples", "walk", "between", "attributes")),
        ("gan", ("samples", "walk")),
        ("ae", ("walk", "between", "attributes")),
        ("lpaae_supervised", ("samples", "ask", "walk", "between", "attributes")),
        ("ali", ("samples", "walk", "between", "attributes", "fill")),
    ],
)
def test_only_what_the_method_can_is_there(method: str, parts: tuple[str, ...], runs: Path):
    explorer = Explorer(runs / method / "seed0")
    assert explorer.can == parts
    assert explorer.walk([1.0, -1.0], start=2).shape == (1, 1, 8, 8)
    assert explorer.overview().shape == (42, 1, 8, 8)
    if "samples" in parts:
        a, b, c = (explorer.samples(5, seed) for seed in (0, 0, 1))
        assert a.shape == (5, 1, 8, 8) and np.array_equal(a, b) and not np.array_equal(a, c)
    if "between" in parts:
        line = explorer.between(picture(0), picture(1), 5)
        assert line.shape == (7, 1, 8, 8) and line.dtype == np.uint8
        there = explorer.run.reconstruct(torch.from_numpy(line[:1]))
        torch.testing.assert_close(explorer._stored(there)[0], line[1])
    if "attributes" in parts:
        assert list(explorer.attributes) == [str(d) for d in range(10)], "classes serve where there are no attributes"
        none, some = (explorer.edited(picture(), "3", strength) for strength in (0, 30))
        assert np.array_equal(none[1], none[2])
        assert method != "acl_ae" or not np.array_equal(some[1], some[2])
    if "ask" in parts:
        assert explorer.conditional("7", 4, 0).shape == (4, 1, 8, 8)
        with pytest.raises(AdvcodesError, match="unknown label 'seven'"):
            explorer.conditional("seven", 4, 0)


def test_what_is_painted_is_filled_and_nothing_else(runs: Path):
    explorer, given = Explorer(runs / "ali" / "seed0"), Image.new("RGB", (80, 80), "black")
    paint = np.zeros((80, 80, 4), np.uint8)
    paint[20:40, 20:60] = (255, 0, 0, 128)
    layers = [Image.fromarray(paint), None]
    holes, filled = explorer.filled(given, layers)
    missing = holes[0] == 127
    assert missing[2:4, 2:6].all() and missing.sum() == 8
    assert np.array_equal(filled[0][~missing], holes[0][~missing])
    for nothing in (None, [], [None], [Image.new("RGBA", (80, 80))]):
        with pytest.raises(AdvcodesError, match="nothing is painted yet"):
            explorer.filled(given, nothing)
    with pytest.raises(AdvcodesError, match="the picture is missing: drop a picture there"):
        explorer.filled(None, layers)


def test_a_picture_that_the_page_enlarged_is_itself_again(runs: Path):
    explorer = Explorer(runs / "acl_ae" / "seed0")
    small = explorer.examples(1)[0]
    large = small.resize((320, 320), Image.Resampling.NEAREST).convert("RGB")
    assert np.array_equal(explorer.between(large, large)[0, 0], np.asarray(small))


def test_a_run_without_its_dataset_shows_less(runs: Path, tmp_path: Path):
    for method, parts in (("acl_ae", ("samples", "walk", "between")), ("ae", ("between",))):
        shutil.copytree(runs / method / "seed0", tmp_path / method)
        explorer = Explorer(tmp_path / method)
        assert explorer.can == parts and explorer.examples(2) == []
        assert explorer.between(picture(0), picture(1)).shape == (9, 1, 8, 8)


def test_the_networks_are_normalised_for_reconstructions_as_figures_have_them(runs: Path):
    """Samples stay those of `advcodes sample`, whatever was decoded before."""
    import advcodes

    explorer = Explorer(runs / "acl_ae" / "seed0")
    explorer.walk([2.0])
    plain = advcodes.load(runs / "acl_ae" / "seed0").sample(4, 3)
    assert np.array_equal(explorer.samples(4, 3), (plain * 255).round().to(torch.uint8).numpy())


@pytest.mark.parametrize(("n", "seed", "message"), [(0, 0, "1 to 256, got 0"), (None, 0, "got None"), (4, -1, "seed:")])
def test_numbers_out_of_range_are_said(n: int, seed: int, message: str, runs: Path):
    with pytest.raises(AdvcodesError, match=message):
        Explorer(runs / "gan" / "seed0").samples(n, seed)


def test_points_are_nothing_to_look_at(prepared: Path, tmp_path: Path):
    config = run_config("acl_ae", architecture={"family": "mlp", "width": 8}, method__latent_dim=2, budget__images=64)
    train(config, prepared / "gaussians", tmp_path, CPU)
    with pytest.raises(AdvcodesError, match="gives points, no images"):
        Explorer(tmp_path)


def test_without_gradio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setitem(sys.modules, "gradio", None)
    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")
    assert main(["explore", "demo/digits/gan/seed0"]) == 1
    assert "explore needs the package gradio: pip install 'advcodes[explore]'" in capsys.readouterr().err
