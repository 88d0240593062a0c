"""Every method trains on every architecture family that the tests of methods do not use."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from advcodes.methods import registry
from advcodes.nets.spec import DatasetSpec
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method
from conftest import run_config, serves
from methods_kit import CPU, batches, cycle

FAMILIES = {
    "residual": {"family": "residual", "width": 4, "features": 16, "code": {"width": 16}},
    "dcgan": {"family": "dcgan", "width": 4, "code": {"width": 16}},
    "resnet": {"family": "resnet", "width": 4, "code": {"width": 16}},
    "alice": {"family": "alice", "width": 4},
}


@pytest.mark.parametrize(
    ("family", "name"), [(f, n) for f in sorted(FAMILIES) for n in sorted(registry.methods()) if serves(f, n)]
)
def test_a_cycle_of_steps(family: str, name: str, prepared: Path):
    data = batches(prepared)
    method = build_method(run_config(name, architecture=FAMILIES[family]), data.spec, CPU)
    loop = Loop(method, method.phases(method.config))
    for step in range(cycle(method)):
        loop.train_step(data.batch(step))
    found = loop.flush()
    assert found and all(math.isfinite(value) for value in found.values())
    assert {key.partition("/")[0] for key in found} == {phase.name for phase in loop.phases}


@pytest.mark.parametrize("name", ["acl_ae", "aae"])
def test_code_networks_of_mnist_begin_as_all_others_do(name: str):
    """tensorflow-mnist-AAE: Xavier uniform weights and zero biases, the code discriminator's among them (facts 5.8)."""
    networks = {"family": "mlp", "width": 8, "init": "xavier", "code": {"width": 64}}
    method = build_method(run_config(name, architecture=networks), DatasetSpec((1, 28, 28)), CPU)
    for role in ("code_generator", "code_discriminator"):
        for layer in method.networks[role].net if role in method.networks else ():
            if isinstance(layer, torch.nn.Linear):
                bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
                assert not layer.bias.any() and 0.5 * bound < float(layer.weight.detach().abs().max()) <= bound
