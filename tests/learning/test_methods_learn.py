"""Every registered method learns: a few seconds on the handwritten digits bring its samples close to the data.

Measured in pixels by the energy distance, 2 E|X-Y| - E|X-X'| - E|Y-Y'|, which is 0 only for equal distributions. Seeds
are fixed; nothing here depends on the clock.
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
from advcodes.methods import registry
from advcodes.methods.began import BEGAN
from advcodes.nets.spec import DatasetSpec
from advcodes.training.restore import Restored, build_method, restore
from advcodes.training.train import train
from conftest import CAPTION, architecture_for, captions_for, run_config

CPU = torch.device("cpu")
#: A trained method's samples (reconstructions, where it cannot sample) must come so many times closer to the test
#: images than an untrained one's.
GAIN = 5


def pace(steps: int, rate: float, **changes: Any) -> dict[str, Any]:
    """Parts of :func:`run_config` that say how long and how fast a method learns."""
    return {"budget__images": 64 * steps, "method__optimiser": {"lr": rate}, **changes}


USUAL = pace(450, 1e-3)
#: Without codes to go by they take longer. At the usual rate the GAN's discriminator gets so far ahead with one seed of
#: three that its samples are hardly closer than untrained ones after 1,500 steps.
SLOWER = {"gan": pace(1500, 4e-4), "wgan_gp": pace(900, 1e-3)}
#: For methods whose discriminator is an autoencoder. At a higher rate it learns to draw anything before it judges; and
#: the weight of generated images moves by a thousandth of an error a step, for which 900 steps are few.
OF_ENERGIES = pace(900, 3e-4, method__integral_gain=0.05)


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()


def wider(architecture: dict[str, Any]) -> dict[str, Any]:
    """All widths doubled."""
    double = {k: 2 * v for k, v in architecture.items() if k in ("width", "features")}
    return architecture | double | ({"code": {"width": 64}} if "code" in architecture else {})


@pytest.mark.parametrize("name", sorted(registry.methods()))
def test_it_learns_the_digits(name: str, prepared: Path, tmp_path: Path):
    config = run_config(
        name,
        architecture=wider(architecture_for(name)),
        training__batch_size=64,
        training__snapshots=1,
        **(OF_ENERGIES if issubclass(registry.method(name), BEGAN) else SLOWER.get(name, USUAL)),
    )
    torch.manual_seed(0)
    untrained = build_method(config, DatasetSpec((1, 8, 8), classes=10, text=CAPTION), CPU)
    train(config, prepared / "digits", tmp_path, CPU, text=captions_for(name, prepared))
    data = np.array(load(prepared / "digits").split("test").images).reshape(500, -1) / 255

    def distance(run: Restored) -> float:
        if not run.method.can("sample"):  # an autoencoder alone: how far are its reconstructions?
            x = torch.from_numpy(data.reshape(-1, 1, 8, 8)).float()
            with torch.no_grad():
                return float((run.method.reconstruct(x) - x).square().mean())
        return energy_distance(generate(run, 500, Sampling().model_dump(), 0).reshape(500, -1) / 255, data)

    before, after = distance(Restored(untrained, (1, 8, 8), (0.0, 1.0), 0, 0, config)), distance(restore(tmp_path))
    print(f"{name}: {before:.3f} -> {after:.3f}")
    assert after < before / GAIN
