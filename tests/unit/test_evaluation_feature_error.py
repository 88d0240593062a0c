"""Pixel- and feature-MSE of reconstructions: against direct computations, over minibatches, and in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from advcodes.config.sections import FeatureNetworkSettings as Settings
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation import reference
from advcodes.extractors import feature_network
from advcodes.methods.base import Method, MethodConfig
from advcodes.metrics.images.feature_error import FeatureError, errors
from advcodes.metrics.images.reconstruction import over_minibatches, pairs, squared_error
from advcodes.metrics.registry import describe
from advcodes.nets.features import FeatureNetwork, build
from advcodes.nets.spec import DatasetSpec
from advcodes.training.restore import Restored
from evaluation_fakes import SAMPLING, artifact, measured_by, write_prepared

CONFIG = Settings(
    digits_width=6, digits_units=16, digits_side=8, digits_epochs=1, digits_batch_size=16,
    attributes_width=2, attributes_epochs=1, attributes_batch_size=16,
).model_dump(mode="json") | {"train_split": "train", "test_split": "test"}  # fmt: skip
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (140, 1, 8, 8)).astype(np.uint8)
TRAINING, TEST = IMAGES[:90], IMAGES[90:]
LABELS, ATTRIBUTES = np.arange(140) % 3, (IMAGES.reshape(140, -1)[:, :4] > 127).astype(np.uint8)


class Net(Method):
    """Reconstructions are what one network makes of the images."""

    name = "net"

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        return self.networks["net"](x)


def restored(value_range: tuple[float, float] = (0.0, 1.0), *last: nn.Module) -> Restored:
    torch.manual_seed(0)
    first = nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1), nn.Sigmoid()
    net = nn.Sequential(*first, *last).eval().requires_grad_(False)
    method = Net(MethodConfig(), {"net": net}, DatasetSpec((1, 8, 8)))
    config = {"seed": 0, "view": {"train_split": "train"}}
    return Restored(method, (1, 8, 8), value_range, 10, 40, config)


def features(kind: str = "classes") -> FeatureNetwork:
    torch.manual_seed(3)
    network = build(kind, 1, 3, CONFIG).requires_grad_(False)
    # Normalised by the statistics of no images, features of different images would differ by float32's rounding alone.
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(torch.from_numpy(TRAINING) / 255)
    return network.eval()


@pytest.fixture(scope="module", params=["classes", "attributes"])
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An artifact of a run's metrics, with a trained feature network."""
    root = tmp_path_factory.mktemp(request.param)
    given = {"labels": LABELS} if request.param == "classes" else {"attributes": ATTRIBUTES}
    data = write_prepared(root / "data", IMAGES, {"train": 90, "test": 50}, **given)
    network = artifact(root / "features", "extractor/features/x", CONFIG, data=data)
    feature_network.make(network, Machine(device="cpu"))
    asked = {"split": "test", "n_images": 1000, "minibatch": 10}
    config = {"feature_error": asked, "sampling": SAMPLING | {"batch_norm": "running"}}
    return artifact(root / "metrics", "evaluate/x", config, data=data, features=network)


def asking(measured: Any, **changes: Any) -> Any:
    asked = measured.config["feature_error"] | changes
    return artifact(
        measured.directory, measured.id, measured.config | {"feature_error": asked}, **measured.inputs
    )  # fmt: skip


# -- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0)])
def test_pixel_mse_is_a_quarter_of_mse(measured: Any, value_range: tuple[float, float]):
    run = restored(value_range)
    pixel = measured_by(FeatureError, measured, run)["metrics"]["pixel_mse"]
    assert 4 * pixel == pytest.approx(squared_error(run, TEST, measured.config["sampling"], TRAINING, 0), rel=1e-12)


def test_both_errors_by_a_direct_computation(measured: Any):
    """Of a run on [-1, 1]: the mean over all numbers, since all minibatches are of the same size."""
    run = restored((-1.0, 1.0))
    found = measured_by(FeatureError, measured, run)
    network = feature_network.load(measured.inputs["features"].directory, "cpu")
    x = torch.from_numpy(TEST) / 255
    again = (run.method.reconstruct(2 * x - 1) + 1) / 2
    pixels = (again - x).square().flatten(1).double().mean(1).numpy().reshape(5, 10).mean(1)
    difference = network.features(again) - network.features(x)
    assert difference.shape == (50, network.size) and difference.abs().max() > 0
    distances = difference.square().double().mean(1).numpy().reshape(5, 10).mean(1)
    assert found["metrics"] == {
        "pixel_mse": pytest.approx(pixels.mean(), rel=1e-5),
        "feature_mse": pytest.approx(distances.mean(), rel=1e-3),
    }
    assert found["spread"] == {
        "pixel_mse": pytest.approx(np.std(pixels), rel=1e-4),
        "feature_mse": pytest.approx(np.std(distances), rel=1e-2),
    }


def test_measuring_is_repeatable(measured: Any):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = measured_by(FeatureError, measured, restored())
    torch.set_rng_state(state)
    assert one == measured_by(FeatureError, measured, restored())


@pytest.mark.parametrize("batch_size", [7, 20, 500])
def test_the_batches_of_reconstructing_are_not_the_minibatches(batch_size: int):
    """What is counted together is settled by `minibatch` alone."""
    sampling = SAMPLING | {"batch_norm": "running"}
    pixels, distances = errors(restored(), TEST, sampling | {"batch_size": batch_size}, TRAINING, features(), 0)
    whole = errors(restored(), TEST, sampling, TRAINING, features(), 0)
    assert pixels.shape == distances.shape == (50,) and pixels.dtype == distances.dtype == np.float64
    np.testing.assert_allclose(pixels, whole[0], rtol=1e-5)
    np.testing.assert_allclose(distances, whole[1], rtol=1e-3)


def test_perfect_reconstructions_have_no_error():
    run = restored()
    run.method.networks["net"].forward = lambda x: x
    for found in errors(run, TEST, SAMPLING | {"batch_norm": "running"}, TRAINING, features(), 0):
        assert (found == 0).all()


def test_minibatches_count_alike_and_the_last_may_be_smaller():
    of_images = RANDOM.random(23)
    mean, sd = over_minibatches(of_images, 10)
    means = [of_images[:10].mean(), of_images[10:20].mean(), of_images[20:].mean()]
    assert mean == pytest.approx(np.mean(means)) and sd == pytest.approx(np.std(means))
    assert mean != pytest.approx(of_images.mean(), rel=1e-6)
    assert over_minibatches(of_images, 100) == (pytest.approx(of_images.mean()), 0)


# -- what is made of images -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["running", "batch", "reestimate"])
def test_pairs_of_anything_that_is_made_of_images(mode: str):
    """It is told where a batch begins, and not while batch norm is re-estimated."""
    told: list[tuple[int, int | None]] = []

    def darker(x: torch.Tensor, first: int | None) -> torch.Tensor:
        told.append((len(x), first))
        return x / 2

    run = restored((0.0, 1.0), nn.BatchNorm2d(1))
    found = list(pairs(run, TEST, SAMPLING | {"batch_norm": mode}, TRAINING, 0, "x", darker))
    assert [len(x) for x, _ in found] == [20, 20, 10]
    np.testing.assert_allclose(torch.cat([made for _, made in found]), TEST / 510, rtol=1e-6)
    np.testing.assert_allclose(torch.cat([x for x, _ in found]), TEST / 255, rtol=1e-6)
    seen = [(20, 0), (20, 20), (20 if mode == "batch" else 10, 40)]
    assert told == ([(20, None)] * 3 if mode == "reestimate" else []) + seen


def test_what_is_not_finite_is_named_by_what_it_is():
    sampling = SAMPLING | {"batch_norm": "running"}
    with pytest.raises(AdvcodesError, match=r"^here: the filling of image 0 by 'net' at step 10 is not finite"):
        list(pairs(restored(), TEST, sampling, TRAINING, 0, "here", lambda x, _: x / 0, "filling"))


def test_nothing_to_reconstruct():
    with pytest.raises(AdvcodesError, match=r"^here: no images to reconstruct; expected at least one$"):
        errors(restored(), TEST[:0], SAMPLING, TRAINING, features(), 0, "here")


def test_no_feature_network(measured: Any, tmp_path: Path):
    inputs = measured.inputs | {"features": tmp_path}
    with pytest.raises(AdvcodesError, match=r"network.pt: no network for features; run `snakemake` to train it$"):
        measured_by(FeatureError, artifact(tmp_path, "x", measured.config, **inputs), restored())


# -- protocol and words -----------------------------------------------------------------------------------------


def test_the_protocol_says_what_was_measured(measured: Any):
    found = measured_by(FeatureError, asking(measured, n_images=25), restored())
    protocol, network = found["protocol"], feature_network.load(measured.inputs["features"].directory, "cpu")
    assert {key: value for key, value in protocol.items() if "of_mean" not in key} == {
        "feature_range": [0, 1], "feature_images": 25, "feature_split": "test", "feature_trained_on": False,
        "feature_encoder": "deterministic", "feature_minibatch": 10, "feature_minibatches": 3,
        "feature_kind": network.kind, "feature_units": network.size, "feature_side": network.side,
        "feature_accuracy": network.about["accuracy"], "feature_network_saw_test": False,
    }  # fmt: skip
    data = load_prepared(measured.inputs["data"].directory)
    chosen = data.images[reference.choose(data, "test", 25)]
    pixels, _ = errors(restored(), chosen, measured.config["sampling"], TRAINING, network, 0)
    assert found["metrics"]["pixel_mse"] == over_minibatches(pixels, 10)[0]


def test_footnotes(measured: Any):
    protocol = measured_by(FeatureError, asking(measured, minibatch=15), restored())["protocol"]
    protocol["feature_of_mean_image"], protocol["feature_of_mean_image_pixels"] = 0.5, 0.0625
    over = (
        "50 images of split test, reconstructed by a deterministic encoder and not rounded to 8 bits; mean and "
        "standard deviation over 4 minibatches of 15 (the last is smaller)"
    )
    assert describe("pixel_mse", protocol) == (
        "pixel_mse: mean squared error of reconstructions over pixels and channels, images on [0, 1] (on [-1, 1] it "
        f"would be four times as large); {over}; the mean training image in place of each would give 0.0625."
    )
    sentence = describe("feature_mse", protocol)
    kind, units = protocol["feature_kind"], protocol["feature_units"]
    right = f"{100 * protocol['feature_accuracy']['test']:.1f} % right on test images"
    said = (
        f"the {units} outputs of the last hidden layer of a classifier trained here on this dataset's {kind} ({right})"
    )
    assert said in sentence
    assert ("a substitute for the paper's classifiers" in sentence) == (kind == "classes")
    assert "it depends on that classifier" in sentence
    assert "is not comparable in absolute value with the paper's" in sentence
    assert sentence.endswith(f"{over}; the mean training image in place of each would give 0.5.")
    assert f"({right}, which it was trained on, too)" in (
        describe("feature_mse", protocol | {"feature_network_saw_test": True})
    )
    with pytest.raises(AdvcodesError, match="metric 'feature_mse': its protocol lacks feature_kind"):
        describe("feature_mse", {k: v for k, v in protocol.items() if k != "feature_kind"})


def test_footnotes_of_one_minibatch_and_of_images_that_were_trained_on(measured: Any):
    asked = asking(measured, split="train", minibatch=100)
    found = measured_by(FeatureError, asked, restored())
    assert found["protocol"]["feature_trained_on"] and found["spread"]["pixel_mse"] == 0
    sentence = describe("pixel_mse", found["protocol"])
    assert "90 images of split train, which were trained on, too, reconstructed" in sentence
    assert "; one minibatch; the mean training image" in sentence


def test_what_the_mean_image_would_give(measured: Any):
    """The mean of the training images in place of every reconstruction, by a direct computation."""
    found = measured_by(FeatureError, measured, restored())["protocol"]
    network = feature_network.load(measured.inputs["features"].directory, "cpu")
    x, mean = torch.from_numpy(TEST).double() / 255, torch.from_numpy(TRAINING.mean(0)).double() / 255
    assert found["feature_of_mean_image_pixels"] == pytest.approx(float((x - mean).square().mean()), rel=1e-4)
    difference = network.features(mean[None].float()) - network.features(x.float())
    assert found["feature_of_mean_image"] == pytest.approx(float(difference.square().double().mean()), rel=1e-2)
    said = describe("pixel_mse", found)
    assert f"the mean training image in place of each would give {found['feature_of_mean_image_pixels']:.3g}" in said
