"""fd_efficientnet_lite0: the yardstick of a dataset, what a run scores on it, and what it never calls itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advcodes.config.params import resolve
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.extractors import efficientnet_lite0
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.metrics.registry import describe
from advcodes.metrics.samples.fd_efficientnet_lite0 import NAME, EfficientNetDistance
from evaluation_fakes import artifact, digits, measured_by, run, write_prepared

#: As small as it may be.
CONFIG = {"side": 32, "n_generated": 60, "n_reference": 60, "train_split": "train", "test_split": "test"}


def made(directory: Path, data: Path) -> Any:
    extractor = artifact(directory, "extractor/efficientnet_lite0/tiny/x", CONFIG, data=data)
    efficientnet_lite0.make(extractor, Machine(device="cpu"))
    return extractor


@pytest.fixture(scope="module")
def yardstick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yardstick")
    return made(folder / "extractor", digits(folder / "data")).directory


def scored(folder: Path, yardstick: Path, samples: np.ndarray) -> dict[str, Any]:
    evaluated = artifact(folder, "evaluate/x", {NAME: {"n_generated": 60}}, efficientnet_lite0=yardstick)
    return measured_by(EfficientNetDistance, evaluated, run(torch.nn.Identity(), (1, 8, 8)), samples)


def test_real_images_are_near_the_floor_and_damaged_ones_are_not(tmp_path: Path, yardstick: Path):
    images = np.load(digits(tmp_path / "data") / "images.npy")[:60]
    noise = np.random.default_rng(0).normal(0, 60, images.shape)
    noisy = np.clip(images + noise, 0, 255).astype(np.uint8)
    real, bad, one = (scored(tmp_path / "m", yardstick, x)["metrics"][NAME] for x in
                      (images, noisy, np.repeat(images[:1], 60, 0)))  # fmt: skip
    floor = json.loads((yardstick / "about.json").read_text())["floor"]
    assert real == pytest.approx(floor, rel=0.5) and bad > 2 * floor and one > 2 * floor


def test_its_protocol_is_its_own_and_its_footnote_denies_being_the_fid(tmp_path: Path, yardstick: Path):
    found = scored(tmp_path, yardstick, np.zeros((70, 1, 8, 8), np.uint8))
    protocol = found["protocol"]
    assert all(key.startswith(NAME) for key in protocol)
    assert (protocol[f"{NAME}_generated"], protocol[f"{NAME}_reference"]) == (60, 60)
    assert protocol[f"{NAME}_sha256"] == efficientnet_lite0.SHA256
    assert found["floor"] == {NAME: json.loads((yardstick / "about.json").read_text())["floor"]}
    said = describe(NAME, protocol)
    assert "not the FID" in said and "60 generated and 60 real images (split test), resized to 32x32" in said
    assert EfficientNetDistance.floor_of(protocol, {}) == ("images of split train", 60)


def test_features_are_the_package_s_own(yardstick: Path):
    """By the package's whole forward pass, on colour images of its side."""
    loaded = efficientnet_lite0.load(yardstick, "cpu")
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    features, logits = loaded.extractor.network(images)
    assert features.shape == (3, efficientnet_lite0.FEATURES) and logits.shape == (3, 1000)
    inner = loaded.extractor.network.network
    torch.testing.assert_close(logits, inner((images.float() - 127) / 128), rtol=1e-4, atol=1e-4)


def test_images_of_any_size_in_grey_or_colour(yardstick: Path):
    network = efficientnet_lite0.load(yardstick, "cpu").extractor.network
    grey = torch.full((2, 1, 8, 8), 200, dtype=torch.uint8)
    torch.testing.assert_close(network(grey)[0], network(torch.full((2, 3, 50, 40), 200, dtype=torch.uint8))[0])
    with pytest.raises(AdvcodesError, match=r"takes grey or colour images of 8 bits, got torch.float32 \[2\]"):
        network(torch.zeros(3, 2))


def test_what_is_damaged_is_said(tmp_path: Path, yardstick: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(AdvcodesError, match=r"not a readable yardstick \(No such file or directory\); delete it"):
        efficientnet_lite0.load(tmp_path, "cpu")
    other = tmp_path / efficientnet_lite0.NAME
    with pytest.raises(AdvcodesError, match="no such file; delete its directory"):
        efficientnet_lite0.network(other, 32)
    other.write_bytes(b"no weights")
    with pytest.raises(AdvcodesError, match=r"not the weights of EfficientNet-Lite0 \(SHA256 is .*expected 5793"):
        efficientnet_lite0.network(other, 32)
    torch.save({"weight": torch.zeros(1)}, other)
    monkeypatch.setattr(efficientnet_lite0, "SHA256", efficientnet_lite0.sha256(other))
    with pytest.raises(AdvcodesError, match="does not fit the network of efficientnet_lite_pytorch; install version"):
        efficientnet_lite0.network(other, 32)


def test_points_have_none(tmp_path: Path):
    data = write_prepared(tmp_path / "data", np.zeros((8, 2), np.float32), {"train": 4, "test": 4})
    with pytest.raises(AdvcodesError, match="takes images, and dataset 'tiny' has points"):
        made(tmp_path / "extractor", data)


def test_it_is_planned_where_params_ask_for_it(tree: dict[str, Any]):
    run_ = Run("demo", "digits", "gan", 0)
    assert NAME not in Graph(resolve(tree)).metrics(run_).config
    tree["metrics"]["efficientnet_lite0"] = {"n_generated": 500}
    planned = Graph(resolve(tree)).metrics(run_)
    assert planned.config[NAME] == {"n_generated": 500}
    assert "advcodes.extractors.efficientnet_lite0" in planned.spec["code"]
    assert planned.inputs["efficientnet_lite0"].id.startswith("extractor/efficientnet_lite0/digits/")
    points = Graph(resolve(tree)).metrics(Run("demo", "gaussians", "acl_ae_1mode", 0))
    assert NAME not in points.config and "efficientnet_lite0" not in points.inputs


def test_scale_laptop_measures_with_it(tree: dict[str, Any]):
    graph = Graph(resolve(tree, scale="laptop"))
    assert NAME in graph.metrics(Run("laptop", "mnist", "acl_ae_mnist", 0)).config
