"""BEGAN and Khan's additions: the controller, what each network is moved by, and what a resumed run needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advcodes.core.errors import AdvcodesError
from advcodes.methods.base import Method
from advcodes.methods.began import Controller
from advcodes.nets.spec import DatasetSpec
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method
from conftest import run_config
from methods_kit import CPU, OneStep, batches

NAMES = ["began", "began_lsm", "vae_began_lsm"]
NETS = {"family": "began", "width": 4}
#: Errors as they may come: far off at first, then on both sides of the balance, with a jump.
SCRIPT = [*np.linspace(0.4, 0.0, 30), *(0.1 * np.sin(np.arange(40))), -0.5, 0.5, *np.linspace(-0.3, 0.05, 30)]


def made(name: str, shape: tuple[int, ...] = (1, 8, 8), value_range: tuple[float, float] = (-1.0, 1.0), **kw: Any):
    torch.manual_seed(0)
    config = run_config(name, architecture=NETS, view__range=list(value_range))
    config["method"] |= kw
    return build_method(config, DatasetSpec(shape, value_range), CPU)


# -- the controller


def by_hand(errors: list[float], gains: tuple[float, float, float], limits: tuple[float, float] | None) -> list[float]:
    """Khan Eq. 12 in double precision, with no errors before the first."""
    k, found, e = 0.0, [], [0.0, 0.0, *errors]
    for t in range(2, len(e)):
        k += gains[0] * e[t] + gains[1] * (e[t] - e[t - 1]) + gains[2] * (e[t] - 2 * e[t - 1] + e[t - 2])
        k = k if limits is None else min(max(k, limits[0]), limits[1])
        found.append(k)
    return found


def trace(controller: Controller, errors: list[float]) -> list[float]:
    found = []
    for error in errors:
        controller.update(torch.tensor(error, dtype=torch.float64))
        found.append(controller.k.item())
    return found


@pytest.mark.parametrize("gains", [(1e-3, 1e-5, 1e-5), (0.3, 0.2, 0.1), (0.05, 0.0, 0.4)])
@pytest.mark.parametrize("limits", [(0.0, 1.0), None])
def test_pid_controller(gains: tuple[float, float, float], limits: tuple[float, float] | None):
    found = trace(Controller(*gains, limits), SCRIPT)
    np.testing.assert_allclose(found, by_hand(SCRIPT, gains, limits), rtol=1e-12, atol=1e-15)


def test_without_its_other_terms_it_is_begans_controller_step_for_step():
    """k <- clip(k + 0.001 (gamma L(x) - L(G(z))), 0, 1), as carpedm20/BEGAN-tensorflow has it."""
    k, expected = 0.0, []
    for error in SCRIPT:
        k = min(max(k + 1e-3 * error, 0.0), 1.0)
        expected.append(k)
    assert trace(Controller(1e-3, 0.0, 0.0), SCRIPT) == pytest.approx(expected, rel=1e-12)
    assert trace(Controller(1e-3), SCRIPT) == trace(Controller(1e-3, 0.0, 0.0), SCRIPT)


@pytest.mark.parametrize(("gains", "most"), [((1e-3, 1e-5, 1e-5), 2e-5), ((0.05, 1.0, 1.0), 2.0)])
def test_its_other_terms_telescope(gains: tuple[float, float, float], most: float):
    """They add l2 e + l3 (e - e before) to the integral and nothing else: 1e-5 at the paper's gains (K-12)."""
    whole, integral = trace(Controller(*gains, limits=None), SCRIPT), trace(Controller(gains[0], limits=None), SCRIPT)
    e = np.array([0.0, *SCRIPT])
    expected = gains[1] * e[1:] + gains[2] * np.diff(e)
    np.testing.assert_allclose(np.subtract(whole, integral), expected, atol=1e-12)
    assert most / 100 < np.abs(expected).max() < most


def test_it_goes_on_where_it_was():
    whole, first, second = (Controller(0.3, 0.2, 0.1) for _ in range(3))
    expected = trace(whole, SCRIPT)
    begun = trace(first, SCRIPT[:17])
    second.load_state(first.state())
    assert [*begun, *trace(second, SCRIPT[17:])] == expected


# -- the game


@pytest.mark.parametrize("name", NAMES)
def test_k_weighs_the_fakes_and_moves_by_the_balance_of_this_step(name: str):
    method, step = made(name), OneStep(torch.rand(6, 1, 8, 8) * 2 - 1)
    method.controller.k += 0.25
    terms = method.discriminate(step)
    fake = method.fake_energy(step)
    torch.testing.assert_close(terms["fake"], -0.25 * fake)  # k of the step before (K-4)
    torch.testing.assert_close(terms["real"], method.energy(step.images))
    error = 0.5 * terms["real"] - fake  # minus, where Eq. 11 has plus for the VAE's term (K-1)
    after = 0.25 + sum(method.controller.gains) * error.double()
    torch.testing.assert_close(method.controller.k, after, rtol=1e-6, atol=0)
    assert step.logged["convergence"] == pytest.approx((terms["real"] + error.abs()).item())


def test_energy_is_the_mean_absolute_error_of_the_same_image():
    method, x = made("began"), torch.rand(6, 1, 8, 8) * 2 - 1
    torch.testing.assert_close(method.energy(x), (method.discriminator(x) - x).abs().mean())


def test_losses_of_the_whole_model():
    """Khan Eqs. 14 and 15, term by term, on one step's images and draws."""
    method, step = made("vae_began_lsm"), OneStep(torch.rand(6, 1, 8, 8) * 2 - 1)
    x, code = step.images, method.discriminator.code
    infer, generate = method.infer(step), method.generate(step)
    mean, log_variance = method.encoder(x).chunk(2, 1)
    x_v, x_g = method.generator(method.drawn_code(step)), method.generated(step)
    kl = (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean() / 2
    common = {
        "similarity": 0.1 * (code(x_v) - code(x)).abs().mean(),
        "reconstruction": 0.1 * (x_v - x).abs().mean(),
    }
    energy = (method.discriminator(x_g) - x_g).abs().mean() + 0.3 * (method.discriminator(x_v) - x_v).abs().mean()
    for found, expected in ((infer, {"kl": kl / 64, **common}), (generate, {"energy": energy, **common})):
        assert found.keys() == expected.keys()
        for term, value in expected.items():
            torch.testing.assert_close(found[term], value)


@pytest.mark.parametrize(("over", "by"), [("pixels", 64), ("codes", 16), ("one", 1)])
def test_what_the_divergence_is_divided_by(over: str, by: int):
    step = OneStep(torch.rand(6, 1, 8, 8))
    whole = made("vae_began_lsm", kl_over="one").infer(step)["kl"]
    torch.testing.assert_close(made("vae_began_lsm", kl_over=over).infer(step)["kl"], whole / by)


def test_similarity_without_an_encoder():
    step = OneStep(torch.rand(6, 1, 8, 8))
    pairs, means = made("began_lsm"), made("began_lsm", similarity="means")
    real, fake = pairs.discriminator.code(step.images), pairs.discriminator.code(pairs.generated(step))
    torch.testing.assert_close(pairs.generate(step)["similarity"], 0.1 * (real - fake).abs().mean())
    expected = 0.1 * (real.mean(0) - fake.mean(0)).abs().mean()
    torch.testing.assert_close(means.generate(step)["similarity"], expected)


def test_the_order_of_algorithm_1():
    phases = {name: [(p.name, p.updates) for p in made(name).phases(made(name).config)] for name in NAMES}
    discriminate, generate = ("discriminate", ("discriminator",)), ("generate", ("generator",))
    assert phases["began"] == [discriminate, generate]
    assert phases["began_lsm"] == [generate, discriminate]
    assert phases["vae_began_lsm"] == [("infer", ("encoder",)), generate, discriminate]


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_clamped_to_the_value_range(name: str):
    method = made(name, value_range=(0.0, 1.0))
    with torch.no_grad():
        for p in method.generator.parameters():
            p.mul_(30)
        assert method.generator(method.codes(20)).abs().max() > 1  # there is no output activation
        samples = method.sample(20)
    assert samples.min() >= 0 and samples.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_the_controller_is_part_of_the_checkpoint(name: str, prepared: Path):
    data = batches(prepared)

    def loop(method: Method) -> Loop:
        return Loop(method, method.phases(method.config), "float32")

    whole, first = made(name), made(name)
    for method in (whole, first):
        method.controller.k += 0.5
    torch.manual_seed(1)
    run = loop(whole)
    for step in range(6):
        run.train_step(data.batch(step))
    torch.manual_seed(1)
    run = loop(first)
    for step in range(3):
        run.train_step(data.batch(step))
    state, random = run.state(), torch.get_rng_state()
    resumed = made(name)
    run = loop(resumed)
    run.load_state(state)
    torch.set_rng_state(random)
    for step in range(3, 6):
        run.train_step(data.batch(step))
    assert 0 < whole.controller.k != 0.5 and torch.equal(whole.controller.k, resumed.controller.k)
    assert torch.equal(whole.controller.errors, resumed.controller.errors)


# -- networks


@pytest.mark.parametrize(("side", "stages"), [(8, 1), (16, 2), (32, 3), (64, 4), (128, 5)])
def test_layers_of_the_published_networks(side: int, stages: int):
    """Facts 5.5: i n channels in stage i of the encoder, n throughout the decoder, maps of 8x8 between them."""
    config = run_config("vae_began_lsm", architecture={"family": "began", "width": 128})
    config["method"]["latent_dim"] = 64
    with torch.device("meta"):
        method = build_method(config, DatasetSpec((3, side, side)), torch.device("meta"))

    def convolutions(net: torch.nn.Module) -> list[tuple[int, int, int]]:
        return [(m.in_channels, m.out_channels, m.stride[0]) for m in net.modules() if isinstance(m, torch.nn.Conv2d)]

    n, expected = 128, [(3, 128, 1)]
    for i in range(1, stages + 1):
        expected += [(max(1, i - 1) * n, i * n, 1), (i * n, i * n, 1), *([(i * n, i * n, 2)] if i < stages else [])]
    assert convolutions(method.encoder) == convolutions(method.discriminator.encoder) == expected
    assert convolutions(method.generator) == [(n, n, 1)] * 2 * stages + [(n, 3, 1)]
    linear = [m for net in (method.encoder, method.discriminator.encoder, method.generator)
              for m in net.modules() if isinstance(m, torch.nn.Linear)]  # fmt: skip
    assert [(m.in_features, m.out_features) for m in linear] == [
        (64 * stages * n, 128), (64 * stages * n, 64), (64, 64 * n)
    ]  # fmt: skip
    x = torch.empty(2, 3, side, side, device="meta")
    assert method.discriminator(x).shape == x.shape


def test_three_pairs_whatever_the_size():
    """Khan section 4 says three pairs of convolutions: at 64 pixels the maps between the halves are then 16x16."""
    config = run_config("began", architecture={"family": "began", "width": 4, "pairs": 3})
    method = build_method(config, DatasetSpec((3, 64, 64)), CPU)
    for half, linear in ((method.discriminator.encoder, -1), (method.discriminator.decoder, 0)):
        assert sum(isinstance(m, torch.nn.Conv2d) and m.stride == (1, 1) for m in half.modules()) == 1 + 2 * 3
        assert 16**2 * 4 * (3 if linear else 1) in (half.net[linear].in_features, half.net[linear].out_features)
    x = torch.rand(2, 3, 64, 64)
    assert method.discriminator(x).shape == x.shape == method.sample(2).shape
    config["architecture"]["pairs"] = 6
    with pytest.raises(AdvcodesError, match="architecture family 'began': 6 pairs need images of 32 pixels or more"):
        build_method(config, DatasetSpec((3, 16, 16)), CPU)


def test_images_depend_on_codes_from_the_first():
    """Facts 5.5: Xavier's weights and zero biases; PyTorch's own would leave a fiftieth of the images' spread."""
    method = made("began", (3, 64, 64))
    for m in method.generator.modules():
        if isinstance(m, torch.nn.Conv2d | torch.nn.Linear):
            area = m.weight[0, 0].numel()
            bound = (6 / (area * (m.weight.shape[0] + m.weight.shape[1]))) ** 0.5
            assert 0.8 * bound < m.weight.abs().max() <= bound and not m.bias.any()
    with torch.no_grad():
        assert method.generator(torch.randn(64, method.config.latent_dim)).std(dim=0).mean() > 0.1
