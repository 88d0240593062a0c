"""Sampling: determinism, quantisation, and what each mode does to batch norm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.evaluation import sample
from evaluation_fakes import SAMPLING, artifact, run


def images(**kwargs) -> object:
    """A run that makes 1x2x2 images without batch norm."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return run(nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Unflatten(1, (1, 2, 2))), (1, 2, 2), **kwargs)


def normalised() -> tuple[object, nn.Linear]:
    """A run whose generator normalises a known Gaussian, N(b, W W^T), and the layer before."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        linear = nn.Linear(2, 2)
    linear.bias.data = torch.tensor([5.0, -3.0])
    norm = nn.BatchNorm1d(2, affine=False)
    norm.num_batches_tracked.fill_(1000)  # what it saw in training
    return run(nn.Sequential(linear, norm), (2,)), linear


def settings(**kwargs) -> dict:
    return SAMPLING | kwargs


def test_samples_are_quantised_and_follow_the_seed():
    first = sample.generate(images(), 50, settings(), 3)
    assert first.dtype == np.uint8 and first.shape == (50, 1, 2, 2)
    np.testing.assert_array_equal(first, sample.generate(images(), 50, settings(), 3))
    assert (first != sample.generate(images(), 50, settings(), 4)).any()


@pytest.mark.parametrize("mode", ["running", "batch", "reestimate"])
def test_fewer_samples_are_the_first_of_more(mode: str):
    restored, _ = normalised()
    many = sample.generate(restored, 41, settings(batch_norm=mode), 0)
    np.testing.assert_array_equal(many[:7], sample.generate(restored, 7, settings(batch_norm=mode), 0))


def test_values_are_clamped_and_rounded():
    for low, high in ((0.0, 1.0), (-1.0, 1.0)):
        for value, stored in ((low, 0), (high, 255), (high + 9, 255), (low - 9, 0), (low + (high - low) * 0.2, 51)):
            constant = nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (1, 2, 2)))
            constant[0].weight.data.zero_()
            constant[0].bias.data.fill_(value)
            restored = run(constant, (1, 2, 2), value_range=(low, high))
            assert (sample.generate(restored, 3, settings(), 0) == stored).all(), (low, high, value)


def test_points_stay_floats():
    points = sample.generate(normalised()[0], 30, settings(), 0)
    assert points.dtype == np.float32 and points.shape == (30, 2)


def test_reestimated_statistics_are_those_of_samples():
    """Outputs are standard normal; statistics left over from training (here none: mean 0, variance 1) would not do."""
    restored, linear = normalised()
    config = settings(batch_size=500, reestimate_batches=20)
    fresh = sample.generate(restored, 10_000, config, 0)
    np.testing.assert_allclose(fresh.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(fresh.std(0), 1, atol=0.05)
    stale = sample.generate(restored, 10_000, config | {"batch_norm": "running"}, 0)
    np.testing.assert_allclose(stale.mean(0), [5, -3], atol=0.05)
    np.testing.assert_allclose(np.cov(stale.T), (linear.weight @ linear.weight.T).numpy(), atol=0.05)
    own = sample.generate(restored, 1_000, config | {"batch_norm": "batch"}, 0)
    np.testing.assert_allclose(own.reshape(2, 500, 2).mean(1), 0, atol=1e-4)


def test_reestimation_averages_over_all_its_batches():
    """One batch of 20 is a poor estimate, 200 of them a good one; neither shifts the samples' own noise."""
    restored, linear = normalised()
    shift = {}
    for batches in (1, 200):
        found = sample.generate(restored, 20, settings(reestimate_batches=batches), 0)
        exact = sample.generate(restored, 20, settings(batch_norm="running"), 0)
        sd = (linear.weight @ linear.weight.T).diagonal().sqrt().numpy()
        shift[batches] = np.abs(found - (exact - [5, -3]) / sd).max()
    assert shift[200] < 0.1 < shift[1]


@pytest.mark.parametrize("mode", ["running", "batch", "reestimate"])
def test_networks_are_left_as_they_were(mode: str):
    restored, _ = normalised()
    norm = restored.method.networks["generator"][1]
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    sample.generate(restored, 30, settings(batch_norm=mode), 0)
    assert not norm.training and norm.momentum == 0.1
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())


def test_only_sampling_networks_are_reestimated():
    restored, _ = normalised()
    encoder = nn.BatchNorm1d(2).eval()
    encoder.running_mean.fill_(7)
    seen = []
    restored.method.networks["encoder"] = encoder
    original = restored.method.sample
    restored.method.sample = lambda *a: seen.append((encoder.training, encoder.running_mean[0].item())) or original(*a)
    sample.generate(restored, 30, settings(), 0)
    assert set(seen) == {(False, 7.0)}


def test_a_generator_of_two_kinds_of_codes_gets_the_statistics_of_each():
    """Samples come from N(0, I), reconstructions from codes elsewhere: either kind is standard normal by its own."""
    restored, _ = normalised()
    method = restored.method
    generator, encoder = method.networks["generator"], nn.BatchNorm1d(2).eval()
    method.networks["encoder"] = encoder
    before = {k: v.clone() for k, v in (*encoder.state_dict().items(), *generator.state_dict().items())}
    random = torch.Generator().manual_seed(1)
    training, held_out = (4 + 3 * torch.randn(20, 500, 2, generator=random) for _ in range(2))

    def passes() -> None:
        for x in training:
            generator(encoder(x))

    with torch.inference_mode(), sample.normalised([generator], "reestimate", passes):
        reconstructed = torch.stack([generator(encoder(x)) for x in held_out]).flatten(0, 1)
        assert not encoder.training and not generator[1].training
        # Within, statistics stand still: an image does not depend on the others of its batch.
        others = torch.cat([held_out[0, :1], held_out[1, 1:]])
        assert torch.equal(reconstructed[:1], generator(encoder(others))[:1])
    samples = sample.generate(restored, 10_000, settings(batch_size=500, reestimate_batches=20), 0)
    for images in (reconstructed.numpy(), samples):
        np.testing.assert_allclose(images.mean(0), 0, atol=0.05)
        np.testing.assert_allclose(images.std(0), 1, atol=0.05)
    after = dict((*encoder.state_dict().items(), *generator.state_dict().items()))
    assert all(torch.equal(v, after[k]) for k, v in before.items())


def test_passes_are_for_reestimation_only():
    generator, called = normalised()[0].method.networks["generator"], []
    for mode in ("running", "batch"):
        with sample.normalised([generator], mode, lambda: called.append(1)):
            assert generator[1].training == (mode == "batch")
    with sample.normalised([nn.Linear(2, 2)], "reestimate", lambda: called.append(1)):
        pass
    assert called == []


def test_networks_are_left_as_they_were_when_a_pass_fails():
    norm = (generator := normalised()[0].method.networks["generator"])[1]
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    with pytest.raises(ZeroDivisionError), sample.normalised([generator], "reestimate", lambda: 1 / 0):
        pass
    assert not norm.training and norm.momentum == 0.1
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())


def test_dropout_stays_off():
    restored, _ = normalised()
    restored.method.networks["generator"].append(nn.Dropout(0.9).eval())
    assert (sample.generate(restored, 20, settings(), 0) != 0).all()


def test_a_sample_that_is_not_finite_is_an_error():
    class Broken(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x[:, :1] > 1.5, torch.nan, super().forward(x)).unflatten(1, (1, 2, 2))

    noise = torch.Generator().manual_seed(int(np.random.SeedSequence(0).generate_state(2)[0]))
    z = torch.cat([torch.randn(20, 2, generator=noise) for _ in range(5)])
    first = int((z[:, 0] > 1.5).nonzero()[0])
    message = rf"^sample/x: image {first} of 100 by 'fake' at step 10 is not finite .* lower its learning rate"
    with pytest.raises(AdvcodesError, match=message):
        sample.generate(run(Broken(2, 4), (1, 2, 2)), 100, settings(), 0, "sample/x")


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (5, -1)])
def test_bad_counts_and_seeds(n: int, seed: int):
    with pytest.raises(AdvcodesError, match=f"got {n} images and seed {seed}; expected at least one"):
        sample.generate(images(), n, settings(), seed)


def test_make_writes_the_samples_of_the_runs_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    restored = images(seed=5)
    monkeypatch.setattr(sample, "restore", lambda directory, where: restored)
    (tmp_path / "out").mkdir()
    old = tmp_path / "out" / "samples.npy"
    old.write_bytes(b"cached")
    (tmp_path / "link").hardlink_to(old)
    made = artifact(tmp_path / "out", "sample/run", settings(n_generated=33), run=tmp_path)
    files, facts = sample.make(made, Machine(device="cpu"))
    assert files == ["samples.npy"] and facts["images"] == 33 and facts["step"] == 10
    np.testing.assert_array_equal(np.load(old), sample.generate(restored, 33, settings(), 5))
    assert (tmp_path / "link").read_bytes() == b"cached", "a cache's hard link was written through"
