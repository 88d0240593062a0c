"""ALI, ALICE and GALI learn: a few seconds on the digits bring samples close to them, and ALICE's reconstructions, too.

Fixed seeds. ALI's reconstructions are of the right kind and of other images, which is what ALICE was made to mend.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from advcodes.config.sections import Sampling
from advcodes.data.prepared import load
from advcodes.evaluation.sample import generate
from advcodes.metrics.images.reconstruction import error_of_mean, squared_error
from advcodes.nets.spec import DatasetSpec
from advcodes.training.restore import Restored, build_method, restore
from advcodes.training.train import train
from conftest import run_config

CPU = torch.device("cpu")
SAMPLING = Sampling().model_dump()
#: An untrained method's samples are so many times as far from the test images as a trained one's, by energy distance.
GAIN = 8
#: Squared error of ALICE's reconstructions of test images, as a share of the error of the training images' mean.
ERROR = 0.4

ALI_NETS = {"family": "ali", "width": 8, "init_std": 0.05}
VARIANTS = {
    "ali": {"method": "ali"},
    "alice": {"method": "alice", "cycle_weight": 10.0},
    "original": {
        "method": "alice", "cycle": "l1", "prior": "uniform", "adversarial": "linear", "stochastic_encoder": False,
        "joined": False, "simultaneous": False,
    },
    "gali": {"method": "gali"},
}  # fmt: skip
NETS = {
    "ali": ALI_NETS,
    "alice": ALI_NETS,
    "original": {"family": "alice", "width": 16},
    "gali": {**ALI_NETS, "discriminator_norm": "spectral"},  # as at scale paper
}
STEPS = {"gali": 100}  #: of others 400; a step of GALI-4's takes as long as several


def config(name: str) -> dict[str, Any]:
    found = run_config(
        VARIANTS[name]["method"],
        architecture=NETS[name],
        method__optimiser={"lr": 1e-3},
        training__batch_size=64,
        training__snapshots=1,
        budget__images=64 * STEPS.get(name, 400),
        view__range=[-1.0, 1.0],
    )
    found["method"] |= {"latent_dim": 32, **VARIANTS[name]}
    return found


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Restored]:
    found = {}
    for name in VARIANTS:
        folder = tmp_path_factory.mktemp(name)
        train(config(name), prepared / "digits", folder, CPU)
        found[name] = restore(folder)
    return found


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_samples_come_close_to_the_digits(name: str, trained: dict[str, Restored], prepared: Path):
    images = np.array(load(prepared / "digits").split("test").images).reshape(500, -1) / 127.5 - 1

    def distance(run: Restored) -> float:
        return energy_distance(generate(run, 500, SAMPLING, 0).reshape(500, -1) / 127.5 - 1, images)

    torch.manual_seed(0)
    untrained = build_method(config(name), DatasetSpec((1, 8, 8), (-1.0, 1.0)), CPU)
    before, after = distance(Restored(untrained, (1, 8, 8), (-1.0, 1.0), 0, 0, config(name))), distance(trained[name])
    print(f"{name}: {before:.3f} -> {after:.3f}")
    assert after < before / GAIN


def test_alice_reconstructs_what_ali_does_not(trained: dict[str, Restored], prepared: Path):
    data = load(prepared / "digits")
    seen, unseen = data.split("train").images, np.array(data.split("test").images)
    constant = error_of_mean(unseen, seen)
    errors = {name: squared_error(run, unseen, SAMPLING, seen, 0) / constant for name, run in trained.items()}
    print({name: round(error, 3) for name, error in errors.items()})
    for name in ("alice", "original"):
        assert errors[name] < ERROR and errors[name] < errors["ali"] / 2
