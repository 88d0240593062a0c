"""AAAE in its own networks: a few seconds on the digits, and it reconstructs and samples them. Fixed seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.spatial.distance import cdist

from advcodes.config.sections import Sampling
from advcodes.data.prepared import load
from advcodes.evaluation.sample import generate
from advcodes.nets.spec import DatasetSpec
from advcodes.training.restore import Restored, build_method, restore
from advcodes.training.train import train
from conftest import run_config

CPU = torch.device("cpu")
#: Squared error of test images, as a share of the error of the training images' mean.
ERROR = 0.15
#: An untrained method's samples are so many times as far from the test images as a trained one's, by energy distance.
GAIN = 8


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()


def test_it_reconstructs_and_samples_the_digits(prepared: Path, tmp_path: Path):
    config = run_config(
        "aaae",
        # Weights of 0.01, as the paper has them, are for 512 units and for longer trainings.
        architecture={"family": "aaae", "width": 8, "init_std": 0.05, "code": {"width": 128}},
        method__latent_dim=32,
        method__optimiser={"lr": 1e-3},
        training__batch_size=64,
        training__snapshots=1,
        budget__images=64 * 250,
        view__range=[-1.0, 1.0],
    )
    torch.manual_seed(0)
    untrained = build_method(config, DatasetSpec((1, 8, 8), (-1.0, 1.0)), CPU)
    train(config, prepared / "digits", tmp_path, CPU)
    trained, data = restore(tmp_path), load(prepared / "digits")
    seen, unseen = (np.array(data.split(name).images).astype(np.float32) / 127.5 - 1 for name in ("train", "test"))

    x = torch.from_numpy(unseen)
    with torch.no_grad():
        error = float((trained.method.reconstruct(x) - x).square().mean())
    constant = float(np.square(unseen - seen.mean(0)).mean())

    def distance(run: Restored) -> float:
        samples = generate(run, 500, Sampling().model_dump(), 0).reshape(500, -1) / 127.5 - 1
        return energy_distance(samples, unseen.reshape(len(unseen), -1))

    before = distance(Restored(untrained, (1, 8, 8), (-1.0, 1.0), 0, 0, config))
    after = distance(trained)
    print(f"aaae: error {error:.4f} of {constant:.4f}, samples {before:.3f} -> {after:.3f}")
    assert error < ERROR * constant
    assert after < before / GAIN
