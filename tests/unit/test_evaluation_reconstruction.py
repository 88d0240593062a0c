"""Reconstructions: what they depend on, how batch norm is treated, and which runs are measured by their error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from advcodes.config.params import resolve
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation import evaluate, reference, sample
from advcodes.extractors import classifier
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.methods import registry
from advcodes.methods.base import Method, MethodConfig
from advcodes.metrics.images import reconstruction
from advcodes.metrics.images.reconstruction import reconstructions, squared_error
from advcodes.metrics.registry import describe
from advcodes.nets.spec import DatasetSpec
from advcodes.training.restore import Restored, restore
from advcodes.training.train import train
from conftest import run_config
from evaluation_fakes import MEASURED, SAMPLING, artifact, measured_by, write_prepared
from methods_kit import make

CPU = torch.device("cpu")
RANDOM = np.random.default_rng(0)
TRAINING = RANDOM.integers(0, 256, (90, 1, 4, 4)).astype(np.uint8)
TEST = RANDOM.integers(0, 256, (50, 1, 4, 4)).astype(np.uint8)


class Net(Method):
    """Reconstructions are what one network makes of the images."""

    name = "net"

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        return self.networks["net"](x)


def restored(net: nn.Module, value_range: tuple[float, float] = (0.0, 1.0)) -> Restored:
    net.register_parameter("somewhere", nn.Parameter(torch.zeros(1)))  # a network is where its parameters are
    method = Net(MethodConfig(), {"net": net.eval().requires_grad_(False)}, DatasetSpec((1, 4, 4)))
    return Restored(method, (1, 4, 4), value_range, 10, 40, {"seed": 0})


def seeded(*layers: nn.Module) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(*layers)
    for p in net.parameters():
        p.data = 0.3 * torch.randn(p.shape, generator=generator)
    return net


def plain() -> nn.Module:
    return seeded(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1), nn.Sigmoid())


def with_norm() -> nn.Module:
    """A network that gives normalised images."""
    norm = nn.BatchNorm2d(1, affine=False, eps=1e-12)
    norm.running_mean.fill_(7.0)  # what training left there
    return nn.Sequential(norm)


def settings(**kwargs: Any) -> dict[str, Any]:
    return SAMPLING | kwargs


# -- the images -------------------------------------------------------------------------------------------------


def test_reconstructions_are_stored_images_and_the_same_every_time():
    run = restored(plain())
    torch.manual_seed(1)
    first = reconstructions(run, TEST, SAMPLING, TRAINING, 0)
    assert first.shape == TEST.shape and first.dtype == np.uint8
    torch.manual_seed(2)
    np.testing.assert_array_equal(first, reconstructions(run, TEST, SAMPLING, TRAINING, 0))
    exact = run.method.reconstruct(torch.from_numpy(TEST) / 255)
    np.testing.assert_array_equal(first, (255 * exact).round().numpy())
    np.testing.assert_array_equal(first[:7], reconstructions(run, TEST[:7], SAMPLING, TRAINING, 0))
    assert reconstructions(run, TEST[:0], SAMPLING, TRAINING, 0).shape == (0, 1, 4, 4)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0)])
def test_networks_see_the_value_range_of_the_run(low: float, high: float):
    run = restored(nn.Identity(), (low, high))
    seen: list[torch.Tensor] = []
    run.method.networks["net"].register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    np.testing.assert_array_equal(reconstructions(run, TEST, SAMPLING, TRAINING, 0), TEST)
    expected = low + (high - low) * torch.from_numpy(TEST[:20]) / 255
    torch.testing.assert_close(seen[0], expected)


def test_batch_norm_is_reestimated_on_training_images():
    """Of 90 images 3 batches of 20 are seen, each once; the running mean of training, far away, is not used."""
    run = restored(with_norm())
    seen: list[torch.Tensor] = []
    run.method.networks["net"].register_forward_pre_hook(
        lambda net, given: seen.append(given[0].clone()) if net[0].training else None
    )
    made = reconstructions(run, TEST, SAMPLING, TRAINING, 5)
    assert [len(x) for x in seen] == [20, 20, 20]
    used = torch.cat(seen)
    rows = {(255 * x).round().to(torch.uint8).numpy().tobytes() for x in used}
    known = {x.tobytes() for x in TRAINING}
    assert len(rows) == 60 and rows <= known
    mean = torch.stack([x.mean() for x in seen]).mean()
    variance = torch.stack([x.var() for x in seen]).mean()
    exact = 255 * (torch.from_numpy(TEST) / 255 - mean) / variance.sqrt()
    np.testing.assert_allclose(made, exact.clamp(0, 255).round().numpy(), atol=1)
    assert (made != reconstructions(run, TEST, SAMPLING, TRAINING, 6)).any(), "the seed chooses the training images"
    np.testing.assert_array_equal(made[:7], reconstructions(run, TEST[:7], SAMPLING, TRAINING, 5))


def test_few_training_images_are_one_batch():
    seen: list[int] = []
    run = restored(with_norm())
    run.method.networks["net"].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    reconstructions(run, TEST, settings(batch_size=50), TRAINING[:30], 0)
    assert seen == [30, 50]


def test_other_modes_of_batch_norm():
    run = restored(with_norm())
    x = torch.from_numpy(TEST) / 255
    running = reconstructions(run, TEST, settings(batch_norm="running"), TRAINING, 0)
    np.testing.assert_array_equal(running, (255 * (x - 7)).clamp(0, 255).round().numpy())
    own = reconstructions(run, TEST, settings(batch_norm="batch"), TRAINING, 0)
    first = x[:20]
    exact = 255 * (first - first.mean()) / first.var(correction=0).sqrt()
    np.testing.assert_allclose(own[:20], exact.clamp(0, 255).round().numpy(), atol=1)
    # The last ten are filled up with training images to a batch of twenty.
    order = np.random.default_rng(0).permutation(90)[:10]
    filled = torch.cat([x[40:], torch.from_numpy(TRAINING[np.sort(order)]) / 255])
    exact = 255 * (x[40:] - filled.mean()) / filled.var(correction=0).sqrt()
    np.testing.assert_allclose(own[40:], exact.clamp(0, 255).round().numpy(), atol=1)


@pytest.mark.parametrize("mode", ["running", "batch", "reestimate"])
def test_networks_are_left_as_they_were(mode: str):
    run = restored(with_norm())
    squared_error(run, TEST, settings(batch_norm=mode), TRAINING, 0)
    norm = run.method.networks["net"][0]
    assert float(norm.running_mean) == 7 and float(norm.running_var) == 1 and not norm.training
    assert norm.momentum == 0.1


def test_what_is_not_finite_is_named():
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x == x.max(), torch.nan, x)

    at = int(TEST[:20].reshape(20, -1).max(1).argmax())
    with pytest.raises(
        AdvcodesError, match=f"^here: the reconstruction of image {at} by 'net' at step 10 is not finite"
    ):
        squared_error(restored(Broken()), TEST, settings(batch_norm="running"), TRAINING, 0, "here")


def test_nothing_to_reconstruct():
    with pytest.raises(AdvcodesError, match=r"^here: no images to reconstruct"):
        squared_error(restored(plain()), TEST[:0], SAMPLING, TRAINING, 0, "here")


def test_a_method_that_cannot(prepared: Path):
    run = Restored(make("gan"), (1, 8, 8), (0.0, 1.0), 1, 1, {"seed": 0})
    images = load_prepared(prepared / "digits").images[:30]
    with pytest.raises(AdvcodesError, match="gan cannot reconstruct"):
        reconstructions(run, images, SAMPLING, images, 0)


@pytest.mark.parametrize("name", [n for n, cls in registry.methods().items() if cls.can("reconstruct")])
def test_every_encoder_is_deterministic_out_of_training(name: str):
    method = make(name)
    for net in method.networks.values():
        net.eval()
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(method.reconstruct(x), method.reconstruct(x))


# -- the stage --------------------------------------------------------------------------------------------------


def test_the_stage_measures_it(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A trained run in files: metrics.json has the error, its protocol and no floor; a footnote says what it is."""
    monkeypatch.setattr(classifier, "MIN_STEPS", 5)
    digits, cpu = prepared / "digits", Machine(device="cpu")
    (tmp_path / "run").mkdir()
    train(run_config("acl_gan"), digits, tmp_path / "run", CPU)
    splits = {"train_split": "train", "test_split": "test"}
    known = {"width": 4, "epochs": 1, "batch_size": 16, "lr": 1e-2, "precision": "float32"} | splits
    extractor = artifact(tmp_path / "extractor", "extractor/x", known, data=digits)
    classifier.make(extractor, cpu)
    config = {"extractor": "classifier", "split": "test", "n_reference": 30, "floor_split": "train", "n_generated": 45}
    real = artifact(tmp_path / "reference", "reference/x", config | MEASURED, data=digits, extractor=extractor)
    reference.make(real, cpu)
    made = artifact(tmp_path / "samples", "sample/x", SAMPLING | {"n_generated": 45}, run=tmp_path / "run")
    sample.make(made, cpu)
    asked = {"split": "test", "train_split": "train", "n_images": 60}
    config = {"extractor": "classifier", "sampling": SAMPLING, "curve_n_generated": 25, "mse": asked, **MEASURED}
    inputs = {"run": tmp_path / "run", "samples": made, "extractor": extractor, "reference": real, "data": digits}
    measured = artifact(tmp_path / "metrics", "evaluate/demo/digits/acl_gan/seed0", config, **inputs)
    evaluate.make(measured, cpu)
    content = json.loads((tmp_path / "metrics" / "metrics.json").read_text())

    data = load_prepared(digits)
    images = data.images[reference.choose(data, "test", 60)]
    exact = squared_error(restore(tmp_path / "run"), images, SAMPLING, data.split("train").images, 0)
    assert content["metrics"]["mse"] == pytest.approx(exact, rel=1e-9)
    assert "mse" not in content["floor"]["metrics"] and "mse" not in content["spread"]
    protocol = content["protocol"]
    own = {k: v for k, v in protocol.items() if k.startswith("mse_")}
    assert 0 < own.pop("mse_of_mean_image") < 1
    assert own == {
        "mse_range": [-1, 1], "mse_images": 60, "mse_split": "test", "mse_encoder": "deterministic",
        "mse_trained_on": False,
    }  # fmt: skip
    assert "mean squared error of reconstructions" in describe("mse", protocol)


def test_images_that_were_trained_on_are_said_to_be(tmp_path: Path):
    data = write_prepared(tmp_path / "data", np.concatenate([TRAINING, TEST]), {"train": 90, "test": 50})
    asked = {"split": "test", "train_split": "train+test", "n_images": 1000}
    made = artifact(tmp_path / "out", "evaluate/x", {"mse": asked, "sampling": SAMPLING}, data=data)
    protocol = measured_by(reconstruction.SquaredError, made, restored(plain()))["protocol"]
    assert protocol["mse_trained_on"] and protocol["mse_images"] == 50
    assert "50 images of split test, which were trained on, too, by a" in describe("mse", protocol)


def test_images_are_chosen_from_joined_splits(tmp_path: Path):
    data = load_prepared(
        write_prepared(tmp_path, np.concatenate([TRAINING, TEST]), {"train": 40, "validation": 50, "test": 50})
    )
    np.testing.assert_array_equal(reference.choose(data, "train+validation", 999), np.arange(90))
    assert reference.choose(data, "validation+test", 30).min() >= 40


# -- what depends on what -----------------------------------------------------------------------------------------


def test_runs_that_reconstruct_images_are_measured_by_it(tree: dict[str, Any]):
    graph = Graph(resolve(tree, scale="demo"))
    module = "advcodes.metrics.images.reconstruction"

    def of(dataset: str, variant: str) -> Any:
        return graph.metrics(Run("demo", dataset, variant, 0))

    measured = of("digits", "acl_gan")
    view, metrics = graph.params.datasets["digits"], graph.params.metrics
    assert measured.config["mse"] == {
        "split": view.test_split, "train_split": view.train_split, "n_images": metrics.n_reference
    }  # fmt: skip
    assert measured.inputs["data"].id == "prepared/digits" and module in measured.spec["code"]
    for other in (of("digits", "gan"), of("gaussians", "acl_ae_1mode")):
        assert "mse" not in other.config and module not in other.spec["code"]
