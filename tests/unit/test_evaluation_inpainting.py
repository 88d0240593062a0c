"""Inpainting: which pixels count, the same masks for everyone, and numbers that loops give, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError
from advcodes.extractors import feature_network
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.methods import masks as rectangles
from advcodes.methods.base import Method, MethodConfig
from advcodes.metrics.images import inpainting
from advcodes.metrics.images.inpainting import completed, drawn_masks, extent, jumps
from advcodes.metrics.registry import describe
from advcodes.nets.spec import DatasetSpec
from advcodes.training.restore import Restored
from evaluation_fakes import SAMPLING, artifact, measured_by, write_prepared
from methods_kit import make

RANDOM = np.random.default_rng(0)
SHAPE = (3, 8, 6)
TRAINING = RANDOM.integers(0, 256, (90, *SHAPE)).astype(np.uint8)
TEST = RANDOM.integers(0, 256, (50, *SHAPE)).astype(np.uint8)
CONFIG = {"split": "test", "n_images": 1000, "minibatch": 15, "smallest": 0.125, "largest": 0.84375, "seed": 3}


class Filler(Method):
    """What is missing is taken from what one network makes of the rest."""

    name = "filler"

    def occluded(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return rectangles.occlude(x, mask, self.spec.value_range)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        return self.networks["net"](x)

    def inpaint(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return rectangles.mixed(x, self.reconstruct(self.occluded(x, mask)), mask)


class Perfect(Filler):
    """Knows what is missing."""

    def inpaint(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x


class Features:
    """Two features of an image: its mean, and thrice the upper left pixel of its first channel."""

    kind, size, side = "classes", 2, 6
    about = {"accuracy": {"train": 0.9, "test": 0.75}, "saw_test": False}

    def features(self, x: torch.Tensor) -> torch.Tensor:
        assert x.dtype == torch.float32 and x.min() >= 0 and x.max() <= 1
        return torch.stack([x.flatten(1).mean(1), 3 * x[:, 0, 0, 0]], 1)


def net() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(3, 3, 3, padding=1)
    for p in layer.parameters():
        p.data = 0.5 * torch.randn(p.shape, generator=generator)
    return nn.Sequential(layer, nn.Sigmoid())


def restored(
    net: nn.Module, kind: type[Method] = Filler, value_range: tuple[float, float] = (0.0, 1.0), seed: int = 0
) -> Restored:
    net.register_parameter("somewhere", nn.Parameter(torch.zeros(1)))  # a network is where its parameters are
    method = kind(MethodConfig(), {"net": net.eval().requires_grad_(False)}, DatasetSpec(SHAPE, value_range))
    return Restored(method, SHAPE, value_range, 10, 40, {"seed": seed, "view": {"train_split": "train"}})


def masks(n: int = 50, seed: int = 3) -> torch.Tensor:
    return drawn_masks(n, SHAPE, 0.125, 0.84375, seed)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Measures a run on the fifty images."""
    monkeypatch.setattr(feature_network, "load", lambda directory, where: Features())
    data = write_prepared(tmp_path / "data", np.concatenate([TRAINING, TEST]), {"train": 90, "test": 50})

    def run(of: Restored, **config: Any) -> dict[str, Any]:
        asked = {"inpainting": CONFIG | config, "sampling": SAMPLING}
        made = artifact(tmp_path / "out", "evaluate/x", asked, data=data, features=tmp_path)
        return measured_by(inpainting.Inpainting, made, of)

    return run


# -- masks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [((3, 64, 64), (8, 54)), ((1, 8, 8), (1, 7)), ((3, 16, 16), (2, 14)), ((3, 8, 6), (1, 5)), ((1, 1, 1), (1, 1))],
)
def test_sizes_are_shares_of_the_side(shape: tuple[int, ...], pixels: tuple[int, int]):
    assert extent(shape, 0.125, 0.84375) == pixels


def test_masks_depend_on_nothing_but_their_seed():
    torch.manual_seed(1)
    every = drawn_masks(250, (3, 16, 16), 0.125, 0.84375, 0)
    torch.manual_seed(2)
    assert torch.equal(every[:130], drawn_masks(130, (3, 16, 16), 0.125, 0.84375, 0)), "fewer are the first of more"
    assert not torch.equal(every, drawn_masks(250, (3, 16, 16), 0.125, 0.84375, 1))
    assert not torch.equal(every[:100], every[100:200])
    sizes = every.any(3).sum(2)
    assert (sizes.min(), sizes.max()) == (2, 14)
    assert drawn_masks(0, (3, 16, 16), 0.125, 0.84375, 0).shape == (0, 1, 16, 16)


# -- images -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0)])
def test_outside_of_the_mask_nothing_changes(value_range: tuple[float, float]):
    run, missing = restored(net(), value_range=value_range), masks()
    made = completed(run, TEST, missing, SAMPLING, TRAINING, 0)
    inside = np.broadcast_to(missing.numpy(), TEST.shape)
    np.testing.assert_array_equal(made[~inside], TEST[~inside])
    assert (made[inside] != TEST[inside]).mean() > 0.9
    low, high = value_range
    x = low + (high - low) * torch.from_numpy(TEST) / 255
    # The encoder sees what it saw in training where pixels are missing: half the range below black.
    seen = x.where(~missing, torch.tensor(low - (high - low) / 2))
    whole = (255 * (run.method.reconstruct(seen) - low) / (high - low)).clamp(0, 255).round().numpy()
    np.testing.assert_allclose(made[inside], whole[inside], atol=1)
    np.testing.assert_allclose(completed(run, TEST, missing, SAMPLING, TRAINING, 0, whole=True), whole, atol=1)


def test_images_do_not_depend_on_chance_or_on_their_batch():
    run, missing = restored(net()), masks()
    made = completed(run, TEST, missing, SAMPLING, TRAINING, 0)
    np.testing.assert_array_equal(made[:7], completed(run, TEST[:7], missing[:7], SAMPLING, TRAINING, 0))
    assert completed(run, TEST[:0], missing[:0], SAMPLING, TRAINING, 0).shape == (0, *SHAPE)


def test_batch_norm_is_reestimated_on_masked_training_images():
    norm = nn.BatchNorm2d(3, affine=False)
    norm.running_mean.fill_(7.0)  # what training left there
    run, seen = restored(nn.Sequential(norm)), []
    run.method.networks["net"].register_forward_pre_hook(lambda net, x: seen.append(x[0]) if net[0].training else None)
    missing = masks(7)
    made = completed(run, TEST[:7], missing, SAMPLING, TRAINING, 5)
    assert [len(x) for x in seen] == [20, 20, 20]
    used = torch.cat(seen)
    # The masks of the images that are asked for, one after the other and from the first again.
    expected = missing[torch.arange(60) % 7].expand_as(used)
    assert torch.equal(used == -0.5, expected)
    left = used[~expected]
    known = {n for image in TRAINING for n in image.tobytes()}
    assert left.min() >= 0 and set((255 * left).round().int().tolist()) <= known
    outside = {tuple((255 * x[~m]).round().int().tolist()) for x, m in zip(used, expected, strict=True)}
    assert len(outside) == 60, "no image twice"
    mean = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    variance = torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)
    x = rectangles.occlude(torch.from_numpy(TEST[:7]) / 255, missing, (0.0, 1.0))
    exact = 255 * (x - mean[:, None, None]) / (variance[:, None, None] + norm.eps).sqrt()
    inside = np.broadcast_to(missing.numpy(), made.shape)
    np.testing.assert_allclose(made[inside], exact.clamp(0, 255).round().numpy()[inside], atol=1)


def test_methods_that_do_not_inpaint_are_refused():
    images = np.zeros((4, 1, 8, 8), np.uint8)
    missing = drawn_masks(4, (1, 8, 8), 0.125, 0.84375, 0)
    for name in ("acl_gan", "ali"):
        run = Restored(make(name), (1, 8, 8), (0.0, 1.0), 1, 1, {"seed": 0})
        with pytest.raises(
            AdvcodesError, match=f"^inpainting: {name} as it was trained does not inpaint; take .*masked"
        ):
            completed(run, images, missing, SAMPLING, images, 0)


# -- numbers ----------------------------------------------------------------------------------------------------


def by_loops(made: np.ndarray, missing: np.ndarray) -> tuple[list[float], float]:
    """Squared errors of each image's missing pixels, and the mean squared jump across their borders."""
    n, channels, height, width = made.shape
    real, errors, steps = TEST[:n] / 255, [], []
    for i in range(n):
        inside = []
        for y in range(height):
            for x in range(width):
                for c in range(channels):
                    if missing[i, 0, y, x]:
                        inside.append((made[i, c, y, x] - real[i, c, y, x]) ** 2)
                    for down, right in ((1, 0), (0, 1)):
                        v, w = y + down, x + right
                        if v < height and w < width and missing[i, 0, y, x] != missing[i, 0, v, w]:
                            steps.append((made[i, c, y, x] - made[i, c, v, w]) ** 2)
        errors.append(float(np.mean(inside)))
    return errors, float(np.mean(steps))


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0)])
def test_numbers_are_those_of_loops(measured, value_range: tuple[float, float]):
    run, missing = restored(net(), value_range=value_range), masks()
    low, high = value_range
    x = low + (high - low) * torch.from_numpy(TEST) / 255
    made = ((run.method.inpaint(x, missing) - low) / (high - low)).clamp(0, 1)
    if low < 0:  # the sigmoid gives half of this range alone
        assert made[missing.expand_as(made)].min() > 0.5
    found = measured(run)
    errors, seam = by_loops(made.double().numpy(), missing.numpy())
    batches = [np.mean(errors[i : i + 15]) for i in (0, 15, 30, 45)]
    assert found["metrics"]["inpainted_pixel_mse"] == pytest.approx(np.mean(batches), rel=1e-5)
    assert found["spread"]["inpainted_pixel_mse"] == pytest.approx(np.std(batches), rel=1e-4)
    assert found["metrics"]["inpainted_seam"] == pytest.approx(seam, rel=1e-5)
    _, floor = by_loops(TEST / 255, missing.numpy())
    assert found["floor"] == {"inpainted_seam": pytest.approx(floor, rel=1e-6)}
    real, network = torch.from_numpy(TEST) / 255, Features()
    differences = (network.features(made.float()) - network.features(real)).square().mean(1).numpy()
    batches = [differences[i : i + 15].mean() for i in (0, 15, 30, 45)]
    assert found["metrics"]["inpainted_feature_mse"] == pytest.approx(np.mean(batches), rel=1e-4)
    assert found["spread"]["inpainted_feature_mse"] == pytest.approx(np.std(batches), rel=1e-4)
    mean = TRAINING.mean(0) / 255
    of_mean, _ = by_loops(np.where(missing.numpy(), mean, TEST / 255), missing.numpy())
    batches = [np.mean(of_mean[i : i + 15]) for i in (0, 15, 30, 45)]
    assert found["protocol"]["inpainting_of_mean_image"] == pytest.approx(np.mean(batches), abs=1e-6)


def test_who_knows_what_is_missing_makes_no_error(measured):
    found = measured(restored(net(), Perfect))
    assert found["metrics"]["inpainted_pixel_mse"] == found["metrics"]["inpainted_feature_mse"] == 0
    assert found["metrics"]["inpainted_seam"] == found["floor"]["inpainted_seam"] > 0
    assert found["spread"] == {"inpainted_pixel_mse": 0, "inpainted_feature_mse": 0}


def test_every_run_fills_in_the_same(measured):
    """Neither the method nor the run's seed changes masks or images, but the masks' own seed does."""
    one, other = measured(restored(net(), seed=1)), measured(restored(net(), Perfect, seed=2))
    assert one["floor"] == other["floor"] and one["protocol"] == other["protocol"]
    assert measured(restored(net()), seed=4)["floor"] != one["floor"]


def test_the_protocol_makes_sentences(measured):
    protocol = measured(restored(net()))["protocol"]
    assert {k.partition("_")[0] for k in protocol} == {"inpainting"}
    expected = {"images": 50, "split": "test", "minibatch": 15, "trained_on": False, "rectangles": [1, 5], "seed": 3}
    assert {k: protocol[f"inpainting_{k}"] for k in expected} == expected
    pixel, feature, seam = (describe(f"inpainted_{kind}", protocol) for kind in ("pixel_mse", "feature_mse", "seam"))
    over = "mean and standard deviation over 4 minibatches of 15 (the last is smaller)"
    assert "mean squared error of filled-in pixels alone" in pixel and over in pixel and over in feature
    assert f"would give {protocol['inpainting_of_mean_image']:.3f}" in pixel
    for sentence in (pixel, feature, seam):
        assert "50 images of split test, of each a rectangle 1 to 5 pixels high and wide" in sentence
    assert "the 2 outputs of the last hidden layer of a classifier trained here on this dataset's classes" in feature
    assert "(75.0 % right on test images), a substitute for" in feature and "at 6x6" in feature
    assert "one minibatch; 15 images" in describe("inpainted_pixel_mse", protocol | {"inpainting_images": 15})
    assert f"in the originals it is {protocol['inpainting_seam_of_originals']:.4f}" in seam
    with pytest.raises(AdvcodesError, match="its protocol lacks inpainting_rectangles"):
        describe("inpainted_seam", {k: v for k, v in protocol.items() if k != "inpainting_rectangles"})


def test_images_that_were_trained_on_are_said_to_be(measured):
    protocol = measured(restored(net()), split="train+test", n_images=30)["protocol"]
    assert protocol["inpainting_trained_on"] and protocol["inpainting_images"] == 30
    assert "split train+test, which were trained on, too, of each" in describe("inpainted_pixel_mse", protocol)


def test_masks_without_a_border(measured, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inpainting, "drawn_masks", lambda n, shape, *_: torch.ones(n, 1, *shape[1:], dtype=torch.bool))
    with pytest.raises(AdvcodesError, match=r"^evaluate/x: no mask leaves .*; lower metrics.inpainting.largest$"):
        measured(restored(net()))


def test_jumps_are_those_across_the_border():
    x = torch.tensor([[0.0, 1, 3, 6], [10, 15, 21, 28], [36, 45, 55, 66]])[None, None]
    mask = torch.zeros(1, 1, 3, 4, dtype=torch.bool)
    mask[..., 1:2, 1:3] = True
    down, across = [14, 18, 30, 34], [5, 7]
    assert jumps(x, mask) == (sum(n * n for n in down + across), 6)
    assert jumps(x.expand(1, 3, 3, 4), mask)[1] == 18
    assert jumps(x, torch.ones_like(mask)) == (0, 0)
    assert jumps(x, ~mask) == jumps(x, mask)


# -- what depends on what ---------------------------------------------------------------------------------------


def test_runs_that_items_show_inpainting_of_are_measured_by_it(tree: dict[str, Any]):
    graph = Graph(resolve(tree, scale="demo"))
    module = "advcodes.metrics.images.inpainting"
    made = graph.metrics(Run("demo", "digits", "gali_mix", 0))
    assert made.config["inpainting"].keys() == CONFIG.keys()
    assert {made.inputs["data"].id, made.inputs["features"].id.rpartition("/")[0]} == {
        "prepared/digits", "extractor/features/digits"
    }  # fmt: skip
    assert {module, "advcodes.methods.masks", "advcodes.extractors.feature_network"} <= made.spec["code"].keys()
    other = graph.metrics(Run("demo", "digits", "gali_4_celeba", 0))
    assert "inpainting" not in other.config and module not in other.spec["code"]
