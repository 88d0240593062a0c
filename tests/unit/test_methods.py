"""What every registered method gets tested for, without a line of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from advcodes.core.errors import AdvcodesError
from advcodes.methods import registry
from advcodes.methods.base import Method, MethodConfig
from advcodes.methods.registry import register
from advcodes.nets.build import build
from advcodes.nets.config import Infogan
from advcodes.nets.spec import DatasetSpec, Net
from advcodes.training.loop import Loop
from conftest import serves
from methods_kit import batches, cycle, make

METHODS = sorted(registry.methods())
SHAPES = [(1, 8, 8), (3, 32, 32), (3, 64, 64), (2,)]


@pytest.mark.parametrize(
    ("name", "shape"), [(n, s) for n in METHODS for s in SHAPES if len(s) == 3 or serves("mlp", n)], ids=str
)
def test_shapes_and_ranges(name: str, shape: tuple[int, ...]):
    method = make(name, shape)
    x = torch.rand(5, *shape)
    with torch.no_grad():
        if method.can("sample"):
            samples = method.sample(5)
            assert samples.shape == (5, *shape)
            if len(shape) == 3:
                assert samples.min() >= 0 and samples.max() <= 1
        if method.can("encode"):
            assert method.encode(x).shape == (5, method.config.latent_dim)
        if method.can("decode"):
            assert method.decode(torch.randn(5, method.config.latent_dim)).shape == (5, *shape)
        if method.can("reconstruct"):
            assert method.reconstruct(x).shape == (5, *shape)


@pytest.mark.parametrize("name", METHODS)
def test_samples_are_in_the_range_of_the_data(name: str):
    method = make(name, view__range=[-1.0, 1.0])
    if not method.can("sample"):
        return
    with torch.no_grad():
        samples = method.sample(64)
    assert samples.min() < -0.01 and samples.max() > 0.01 and samples.abs().max() <= 1


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_each_phase_changes_its_networks_and_no_others(name: str, precision: str, prepared: Path):
    warm = {"method__warmup": 0.0} if name == "vampprior" else {}  # else its prior learns nothing in the first step
    method, data = make(name, **warm), batches(prepared)
    loop = Loop(method, method.phases(method.config), precision)
    seen = []

    def weights() -> dict[str, list[torch.Tensor]]:
        return {role: [p.detach().clone() for p in net.parameters()] for role, net in method.networks.items()}

    for phase in loop.phases:
        optimiser, step_of = loop.optimisers[phase.name], loop.optimisers[phase.name].step

        def watched(phase: Any = phase, step_of: Any = step_of) -> None:
            before = weights()
            step_of()
            after = weights()
            changed = {
                r for r in before if any(not torch.equal(a, b) for a, b in zip(before[r], after[r], strict=True))
            }
            assert changed == set(phase.updates), phase.name
            seen.append(phase.name)

        optimiser.step = watched
    for step in range(cycle(method)):
        loop.train_step(data.batch(step), logged=True)
    assert set(seen) == {phase.name for phase in loop.phases}
    assert all(v == v for v in loop.flush().values())


@pytest.mark.parametrize("name", METHODS)
def test_losses_are_float32_where_networks_are_bfloat16(name: str, prepared: Path, monkeypatch: pytest.MonkeyPatch):
    method, data = make(name), batches(prepared)
    loop, found = Loop(method, method.phases(method.config), "bfloat16"), {}
    monkeypatch.setattr(loop, "record", lambda name, value: found.update({name: value.dtype}))
    for step in range(cycle(method)):
        loop.train_step(data.batch(step), logged=True)
    assert found and torch.bfloat16 not in found.values(), found


@pytest.mark.parametrize("name", METHODS)
def test_frozen_networks_get_no_gradient(name: str, prepared: Path):
    """A phase must not leave gradients in networks that another phase updates."""
    method, data = make(name), batches(prepared)
    loop = Loop(method, method.phases(method.config))
    for step in range(cycle(method)):
        for net in method.networks.values():
            for p in net.parameters():
                p.grad = None
        loop.train_step(data.batch(step))
        due = [ph for ph in loop.phases if ph.due(step + 1)]
        updated = {role for ph in due for role in ph.updates}
        for role, net in method.networks.items():
            if role not in updated:
                assert all(p.grad is None for p in net.parameters()), role


@pytest.mark.parametrize("name", METHODS)
def test_learning_rates_follow_the_role(name: str):
    roles = registry.method(name).nets(registry.method(name).Config())
    rates = {role: 1e-3 * (i + 1) for i, role in enumerate(roles)}
    method = make(name, method__learning_rates=rates)
    loop = Loop(method, method.phases(method.config))
    for phase in loop.phases:
        groups = loop.optimisers[phase.name].param_groups
        assert [g["lr"] for g in groups] == [rates[role] for role in phase.updates]


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_cannot_do_is_a_clear_error(name: str):
    method = make(name)
    with pytest.raises(AdvcodesError, match=rf"{name} cannot inpaint: it has no network for that \(it can: "):
        method.inpaint(torch.rand(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
    if not method.can("encode"):
        with pytest.raises(AdvcodesError, match=f"{name} cannot encode"):
            method.encode(torch.rand(1, 1, 8, 8))


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_noise_follows_the_prior_and_its_generator(prior: str):
    method = make("gan", method__prior=prior)
    z = method.noise(4000, torch.Generator().manual_seed(1))
    assert torch.equal(z, method.noise(4000, torch.Generator().manual_seed(1)))
    if prior == "uniform":
        assert z.abs().max() <= 1 and abs(z.std().item() - 3**-0.5) < 0.01
    else:
        assert z.abs().max() > 3 and abs(z.std().item() - 1) < 0.01


def test_a_name_is_registered_once():
    class Other(Method):
        pass

    with pytest.raises(AdvcodesError, match=r"method 'gan' is registered twice: advcodes\.methods\.gan and"):
        register("gan")(Other)


def test_an_architecture_says_what_it_cannot_serve():
    with pytest.raises(
        AdvcodesError, match=r"'infogan' needs square images with a side divisible by 4, got \(1, 28, 30\)"
    ):
        build(Infogan(family="infogan"), {"generator": Net("generator")}, DatasetSpec((1, 28, 30)), 8)
    with pytest.raises(
        AdvcodesError, match=r"unknown network kind for role 'x' .*'genrator'; did you mean 'generator'"
    ):
        build(Infogan(family="infogan"), {"x": Net("genrator")}, DatasetSpec((1, 8, 8)), 8)


def test_a_method_without_networks_or_phases_says_so():
    class Empty(Method):
        pass

    for what in (Empty.nets, Empty.phases):
        with pytest.raises(AdvcodesError, match="method Empty declares no"):
            what(MethodConfig())


def test_the_penalty_alone_fixes_the_critic_of_wgan_gp():
    method = make("wgan_gp")
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in method.discriminator.modules())
    assert any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in make("gan").discriminator.modules())


def test_layers_and_sizes_are_those_of_the_reference():
    """The networks behind acl/table1 at full width, counted by hand from the layer list (facts 5.1)."""
    a = Infogan(family="infogan")
    nets = build(
        a, {"g": Net("generator"), "d": Net("discriminator"), "e": Net("encoder")}, DatasetSpec((3, 32, 32)), 64
    )
    conv = (3 * 16 * 64 + 64) + (64 * 16 * 128 + 128) + 2 * 128
    trunk = conv + (128 * 8 * 8 * 1024 + 1024) + 2 * 1024
    g = (
        (64 * 1024 + 1024)
        + 2 * 1024
        + (1024 * 8192 + 8192)
        + 2 * 8192
        + (128 * 16 * 64 + 64)
        + 2 * 64
        + (64 * 16 * 3 + 3)
    )
    count = {k: sum(p.numel() for p in n.parameters()) for k, n in nets.items()}
    assert count == {"g": g, "d": trunk + 1024 + 1, "e": trunk + 1024 * 64 + 64}
