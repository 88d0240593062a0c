"""What every registered method gets tested for, without a line of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from advcodes import registry
from advcodes.errors import AdvcodesError
from advcodes.methods.base import Examples, Method, MethodConfig, Net
from advcodes.nets.build import build
from advcodes.nets.config import Infogan
from advcodes.registry import register
from advcodes.training.data import TrainingData
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method
from conftest import run_config

METHODS = sorted(registry.methods())
CPU = torch.device("cpu")
MLP = {"family": "mlp", "width": 16, "code": {"width": 16}}


def make(name: str, shape: tuple[int, ...] = (1, 8, 8), **changes: Any) -> Method:
    torch.manual_seed(0)
    config = run_config(name, architecture=None if len(shape) == 3 else MLP, **changes)
    return build_method(config, Examples(shape, tuple(config["view"]["range"]), classes=10, attributes=3), CPU)


def cycle(method: Method) -> int:
    """Steps until every phase has run."""
    return max(phase.every for phase in method.phases(method.config))


def batches(prepared: Path, dataset: str = "digits") -> TrainingData:
    return TrainingData(prepared / dataset, "train", (0.0, 1.0), 32, 0, CPU)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 64, 64), (2,)], ids=str)
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
    method, data = make(name), batches(prepared)
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
def test_frozen_networks_get_no_gradient(name: str, prepared: Path):
    """A phase must not leave gradients in networks that another phase updates."""
    method, data = make(name), batches(prepared)
    loop = Loop(method, method.phases(method.config))
    for step in range(cycle(method)):
        for net in method.networks.values():
            for p in net.parameters():
                p.grad = None
        loop.train_step(data.batch(step))
        due = [ph for ph in loop.phases if (step + 1) % ph.every == 0]
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
        build(Infogan(family="infogan"), {"generator": Net("generator")}, Examples((1, 28, 30)), 8)
    with pytest.raises(
        AdvcodesError, match=r"unknown network kind for role 'x' .*'genrator'; did you mean 'generator'"
    ):
        build(Infogan(family="infogan"), {"x": Net("genrator")}, Examples((1, 8, 8)), 8)


def test_a_method_without_networks_or_phases_says_so():
    class Empty(Method):
        pass

    for what in (Empty.nets, Empty.phases):
        with pytest.raises(AdvcodesError, match="method Empty declares no"):
            what(MethodConfig())


# The readings of ACL (facts 7.1)


def updates(**config: Any) -> dict[str, tuple[str, ...]]:
    cls = registry.method("acl_gan")
    return {p.name: p.updates for p in cls.phases(cls.Config(**config))}


def test_the_reconstruction_loss_updates_both_or_the_encoder_alone():
    assert updates()["generate"] == ("generator", "encoder")
    literal = updates(reconstruction_updates_generator=False)
    assert literal["match"] == ("encoder",) and literal["generate"] == ("generator",)


@pytest.mark.parametrize("literal", [False, True])
@pytest.mark.parametrize("through", [False, True])
def test_every_reading_of_acl_trains(literal: bool, through: bool, prepared: Path):
    method = make(
        "acl_gan",
        method__reconstruction_updates_generator=not literal,
        method__adversarial_updates_code_generator=through,
    )
    data, loop = batches(prepared), Loop(method, method.phases(method.config))
    code_generator = [p.detach().clone() for p in method.code_generator.parameters()]
    for step in range(3):
        loop.train_step(data.batch(step), logged=True)
    assert all(v == v for v in loop.flush().values())
    assert any(not torch.equal(a, b) for a, b in zip(code_generator, method.code_generator.parameters(), strict=True))


def test_the_image_game_reaches_the_code_generator_only_when_asked(prepared: Path):
    data = batches(prepared)
    for through in (False, True):
        method = make("acl_gan", method__adversarial_updates_code_generator=through)
        phases = [p for p in method.phases(method.config) if p.name == "generate"]
        before = [p.detach().clone() for p in method.code_generator.parameters()]
        Loop(method, phases).train_step(data.batch(0))
        moved = any(not torch.equal(a, b) for a, b in zip(before, method.code_generator.parameters(), strict=True))
        assert moved == through


def test_the_penalty_alone_fixes_the_critic_of_wgan_gp():
    method = make("wgan_gp")
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in method.discriminator.modules())
    assert any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in make("gan").discriminator.modules())


def test_layers_and_sizes_are_those_of_the_reference():
    """The networks behind acl/table1 at full width, counted by hand from the layer list (facts 5.1)."""
    a = Infogan(family="infogan")
    nets = build(a, {"g": Net("generator"), "d": Net("discriminator"), "e": Net("encoder")}, Examples((3, 32, 32)), 64)
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


def test_the_code_game_keeps_step_with_the_generator():
    cls = registry.method("acl_gan_gp")
    every = {p.name: p.every for p in cls.phases(cls.Config(n_critic=4))}
    assert every == {"discriminate": 1, "generate": 4, "discriminate_codes": 4, "generate_codes": 4}
    assert {p.every for p in cls.phases(cls.Config(n_critic=4, code_every=2)) if "codes" in p.name} == {2}


def test_features_come_from_the_layer_that_is_asked_for(prepared: Path):
    method = make("acl_gan", method__phi="convolution")
    x = torch.rand(3, 1, 8, 8)
    width = method.discriminator.trunk.convolutions(x).shape[1]
    assert method.discriminator.features(x, "convolution").shape == (3, width)
    assert method.discriminator.features(x).shape == (3, 32) and width != 32
    Loop(method, method.phases(method.config)).train_step(batches(prepared).batch(0))
    points = make("acl_gan", (2,), method__phi="convolution")
    with pytest.raises(AdvcodesError, match="no convolutions to take features from; set `phi: last`"):
        points.discriminator.features(torch.rand(3, 2), "convolution")
