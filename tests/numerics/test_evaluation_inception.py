"""The Inception path, with weights that the test draws at random, against torch-fidelity's own pipeline."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from threadpoolctl import threadpool_limits
from torch import nn

from advcodes.app.cli import main
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.download import fetch
from advcodes.evaluation.compared import measure
from advcodes.extractors import fidelity, inception
from advcodes.extractors.features import load_extractor
from advcodes.metrics.extracted import Reference
from advcodes.metrics.samples.frechet import statistics
from advcodes.metrics.samples.inception_score import inception_score
from evaluation_fakes import MEASURED, artifact, write_prepared


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the published one: the same networks' state, initialised so that signals neither fade nor grow."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *a, **k: None)
        extractor = FeatureExtractorInceptionV3("random", ["2048"], feature_extractor_weights_path=empty)
        for module in extractor.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
    path = tmp_path_factory.mktemp("weights") / "given.pth"
    torch.save(extractor.state_dict(), path)
    return path


def accept(patch: pytest.MonkeyPatch, path: Path) -> None:
    """Let the file pass for the published one."""
    patch.setattr(
        inception, "WEIGHTS", replace(inception.WEIGHTS, sha256=hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    )


def make(directory: Path, **machine: str) -> tuple[list[str], dict]:
    return inception.make(artifact(directory, "extractor/inception", {"extractor": "inception"}), Machine(**machine))


class _Images(torch.utils.data.Dataset):
    def __init__(self, images: np.ndarray):
        self.images = torch.from_numpy(images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> torch.Tensor:
        return self.images[i]


def test_it_agrees_with_torch_fidelity(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from torch_fidelity import calculate_metrics

    accept(monkeypatch, weights)
    files, facts = make(tmp_path / "extractor", inception_weights=str(weights))
    assert files == [inception.NAME, "inception.json"] and facts["sha256"].startswith(inception.WEIGHTS.sha256)

    random = np.random.default_rng(0)
    generated, real = (random.integers(0, high, (4, 3, 32, 32), dtype=np.uint8) for high in (256, 128))
    extractor = load_extractor(tmp_path / "extractor", "inception")
    (features, logits), (of_real, _) = extractor.features(generated), extractor.features(real)
    assert features.shape == (4, 2048) and logits.shape == (4, 1008)
    settings = MEASURED | {"is_splits": 2, "kid_subset_size": 3, "prc_neighborhood": 2, "compute": ["is", "kid", "prc"]}
    ours = measure(features, logits, Reference(of_real, statistics(of_real), "test"), "inception", True, settings)[
        "metrics"
    ]
    # As (A A')(B B') has the trace of roots |A'B|_*, four images need no root of a 2048 x 2048 matrix.
    a, b = ((x - x.mean(0)).double().numpy() / np.sqrt(3) for x in (features, of_real))
    shift = (features - of_real).mean(0).double().square().sum().item()
    ours["fid_4_vs_4_test"] = shift + (a**2).sum() + (b**2).sum() - 2 * np.linalg.norm(a @ b.T, "nuc")

    with threadpool_limits(1, "blas"):
        theirs = calculate_metrics(
            input1=_Images(generated), input2=_Images(real), fid=True, isc=True, kid=True, prc=True,
            isc_splits=2, kid_subset_size=3, kid_subsets=5, prc_neighborhood=2,
            feature_extractor="inception-v3-compat", feature_extractor_weights_path=str(weights),
            cuda=False, batch_size=4, save_cpu_ram=True, verbose=False, cache=False,
        )  # fmt: skip
    for name, key in (
        ("fid_4_vs_4_test", "frechet_inception_distance"),
        ("is_4_in_2_splits", "inception_score_mean"),
        ("kid_4_vs_4_test", "kernel_inception_distance_mean"),
        ("precision_4_vs_4_test", "precision"),
        ("recall_4_vs_4_test", "recall"),
    ):
        assert ours[name] == pytest.approx(theirs[key], rel=1e-3), name
    assert theirs["frechet_inception_distance"] > 1, "a distance of nothing would agree with anything"


def test_grey_images_count_as_three_equal_channels(weights: Path, monkeypatch: pytest.MonkeyPatch):
    accept(monkeypatch, weights)
    network = inception.network(weights)
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    network.extractor = nn.Identity()
    grey = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    assert torch.equal(network(grey), grey.repeat(1, 3, 1, 1))
    with pytest.raises(
        AdvcodesError, match=r"Inception takes grey or colour images of 8 bits, got torch.float32 \[2\]"
    ):
        network(torch.zeros(5, 2))


def test_features_with_a_gradient_are_those_of_8_bits(weights: Path, monkeypatch: pytest.MonkeyPatch):
    accept(monkeypatch, weights)
    network = inception.network(weights)
    stored = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 1, 24, 20), dtype=np.uint8))
    expected, x = network(stored)[0], stored.float().requires_grad_()
    features = network.pool3(x)
    assert features.shape == (2, 2048) and expected.std() > 0.01
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)
    # one image's features depend on each of its pixels, and on no other image
    [gradient] = torch.autograd.grad(features[0].square().sum(), x)
    assert gradient[0].ne(0).all() and gradient[1].eq(0).all()
    # a step against it makes them smaller, by about as much as it says
    step = gradient / gradient.norm()
    with torch.no_grad():
        change = network.pool3(x - step)[0].square().sum() - features[0].square().sum()
    assert float(change) == pytest.approx(-float(gradient.norm()), rel=0.2)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network.pool3(x), features)


def test_only_floats_have_a_gradient(weights: Path, monkeypatch: pytest.MonkeyPatch):
    accept(monkeypatch, weights)
    message = r"Inception's pool3 takes grey or colour images of floats on \[0, 255\], got torch.uint8 \[3, 8, 8\]"
    with pytest.raises(AdvcodesError, match=message):
        inception.network(weights).pool3(torch.zeros((1, 3, 8, 8), dtype=torch.uint8))


def test_the_check_value_of_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its mechanics only: with the published weights and all of CIFAR-10 it is 11.24."""

    class Network(nn.Linear):
        def forward(self, stored: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return stored.flatten(1).float(), super().forward(stored.flatten(1).float() / 255)

    network = Network(12, 10)
    monkeypatch.setattr(inception, "network", lambda weights: network.requires_grad_(False))
    images = np.random.default_rng(0).integers(0, 256, (500, 3, 2, 2), dtype=np.uint8)
    prepared = write_prepared(tmp_path / "cifar10", images, {"train": 450, "test": 50})
    expected = inception_score(network(torch.from_numpy(images[:450]))[1], splits=10)
    assert inception.check_cifar10_is("weights.pth", prepared) == pytest.approx(expected, rel=1e-6)


# -- where weights come from --------------------------------------------------------------------------------------


def test_the_environment_and_the_mirror_and_the_download(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    accept(monkeypatch, weights)
    content = weights.read_bytes()
    kept = tmp_path / "kept.pth"

    monkeypatch.setenv("ADVCODES_INCEPTION_WEIGHTS", str(weights))
    inception.obtain(kept, Machine(inception_weights="/nowhere", mirror=str(tmp_path)))
    assert kept.read_bytes() == content and kept.stat().st_nlink == 1
    monkeypatch.delenv("ADVCODES_INCEPTION_WEIGHTS")

    kept.unlink()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / inception.NAME).symlink_to(weights)
    inception.obtain(kept, Machine(mirror=str(tmp_path / "mirror")))
    assert kept.read_bytes() == content and not kept.is_symlink()

    asked = {}
    monkeypatch.setattr(fidelity, "fetch", lambda url, path, **sums: asked.update(url=url, path=path, **sums) or path)
    assert inception.obtain(kept, Machine()) == kept
    assert asked["url"].endswith("weights-inception-2015-12-05-6726825d.pth") and asked["path"] == kept
    assert asked["sha256_prefix"] == inception.WEIGHTS.sha256


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("advcodes.data.download.ATTEMPTS", 1)
    closed = "http://127.0.0.1:9/weights.pth"
    monkeypatch.setattr(fidelity, "fetch", lambda url, path, **sums: fetch(closed, path, **sums))
    with pytest.raises(AdvcodesError) as error:
        inception.obtain(tmp_path / "kept.pth", Machine())
    text = str(error.value)
    assert text.startswith(f"the 2015 Inception weights: {closed}: cannot be downloaded") and "\n" not in text
    assert "machine.inception_weights" in text and "metrics.extractor to classifier" in text


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(
        AdvcodesError, match=rf"{tmp_path}/no.pth: no such file; expected the 2015 Inception weights .*{inception.NAME}"
    ):
        make(tmp_path / "out", inception_weights=str(tmp_path / "no.pth"))


def test_a_wrong_checksum_is_refused_before_loading(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("loaded before it was verified"))
    with pytest.raises(
        AdvcodesError, match=r"given.pth: not the 2015 Inception weights \(SHA256 is \w{8}, expected 6726825d\)"
    ):
        make(tmp_path / "out", inception_weights=str(weights))
    assert list((tmp_path / "out").iterdir()) == []
    images = write_prepared(tmp_path / "cifar10", np.zeros((2, 3, 8, 8), np.uint8), {"train": 2})
    with pytest.raises(AdvcodesError, match="not the 2015 Inception weights"):
        inception.check_cifar10_is(weights, images)


class _Bomb:
    def __reduce__(self) -> tuple:
        return os.mkdir, (os.environ["BOMB"],)


@pytest.mark.parametrize("how", ["torch", "pickle", "other weights", "truncated"])
def test_a_file_with_something_else_inside_is_refused_and_not_executed(
    how: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    path = tmp_path / "bad.pth"
    if how == "torch":
        torch.save({"fc.weight": _Bomb()}, path)
    elif how == "pickle":
        path.write_bytes(pickle.dumps(_Bomb(), protocol=2))
    elif how == "other weights":
        torch.save({"fc.weight": torch.zeros(3)}, path)
    else:
        path.write_bytes(weights.read_bytes()[:100_000])
    accept(monkeypatch, path)
    with pytest.raises(
        AdvcodesError, match=r"holds something else than Inception's weights \(it was not executed\)"
    ) as error:
        make(tmp_path / "out", inception_weights=str(path))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "exploded").exists()


def test_a_run_on_own_images_is_measured_by_it(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    accept(monkeypatch, weights)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    train = ["train", "--data=photos", "--method=acl_ae", "--size=16", "--images=8", "--out=run"]
    assert main([*train, "--set=training.batch_size=8", "--set=architectures.infogan.width=4"]) == 0
    capsys.readouterr()
    assert (
        main(["evaluate", "run", "--extractor=inception", "--n=6", f"--set=machine.inception_weights={weights}"]) == 0
    )
    said = capsys.readouterr().out
    assert re.search(r"^\| fid_6_vs_2_test ↓ \| +[\d.,]+ \| +[\d.,]+ \|", said, re.MULTILINE), said
    assert "| mse ↓" in said and "warning: 2 real images held out and 6 generated images" in said
