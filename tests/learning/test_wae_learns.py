"""WAE in its own networks: a few seconds on the digits, and it reconstructs them with codes like the prior's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from advcodes.data.prepared import load
from advcodes.losses import mmd
from advcodes.training.restore import restore
from advcodes.training.train import train
from conftest import run_config

CPU = torch.device("cpu")
#: Squared error of test images, as a share of the error of the training images' mean.
ERROR = 0.3
#: MMD between codes of test images and the prior; codes that all are 0 have 1.8.
MMD = 0.1


@pytest.mark.parametrize("name", ["wae_gan", "wae_mmd"])
def test_it_reconstructs_the_digits_with_codes_like_noise(prepared: Path, tmp_path: Path, name: str):
    config = run_config(
        name,
        architecture={"family": "wae", "width": 16, "code": {"width": 128}},
        method__latent_dim=8,
        method__pretrain_steps=50,
        method__optimiser={"lr": 1e-3},
        training__snapshots=1,
        training__batch_size=64,
        budget__images=64 * 400,
        view__range=[-1.0, 1.0],
    )
    train(config, prepared / "digits", tmp_path, CPU)
    method, data = restore(tmp_path).method, load(prepared / "digits")
    seen, unseen = (np.array(data.split(s).images).astype(np.float32) / 127.5 - 1 for s in ("train", "test"))
    x = torch.from_numpy(unseen)
    with torch.no_grad():
        error, codes = float((method.reconstruct(x) - x).square().mean()), method.encode(x)
        noise = method.noise(len(x), torch.Generator().manual_seed(0))
        distance = float(mmd.inverse_multiquadratics(codes, noise))
        nothing = float(mmd.inverse_multiquadratics(torch.zeros_like(codes), noise))
    constant = float(np.square(unseen - seen.mean(0)).mean())
    print(f"{name}: error {error:.4f} of {constant:.4f}, mmd {distance:.4f} of {nothing:.2f}")
    assert error < ERROR * constant
    assert distance < MMD
