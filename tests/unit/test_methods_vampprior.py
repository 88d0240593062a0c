"""VampPrior: what is updated, how the KL warms up, its pseudo-inputs, its samples, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from advcodes import losses
from advcodes.core.errors import AdvcodesError
from advcodes.evaluation.sample import normalised_for_samples
from advcodes.methods import registry
from advcodes.nets.spec import DatasetSpec
from advcodes.nets.variational import LogScale, PseudoInputs
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method
from conftest import run_config
from methods_kit import CPU, MLP, OneStep, batches, make

FAMILIES = {
    "infogan": {"family": "infogan", "width": 8, "features": 32},
    "mlp": MLP,
    "residual": {"family": "residual", "width": 4, "features": 16},
}


def vampprior(family: str = "infogan", shape: tuple[int, ...] = (1, 8, 8), **changes: Any) -> Any:
    torch.manual_seed(0)
    changes = {"method__pseudo_inputs": 20, **changes}
    config = run_config("vampprior", architecture=FAMILIES[family], **changes)
    return build_method(config, DatasetSpec(shape, tuple(config["view"]["range"])), CPU)


def test_one_phase_updates_every_network():
    cls = registry.method("vampprior")
    (phase,) = cls.phases(cls.Config())
    assert phase.updates == ("encoder", "decoder", "pseudo_inputs", "log_scale")
    for likelihood in ("bernoulli", "gaussian"):
        (phase,) = cls.phases(cls.Config(likelihood=likelihood))
        assert phase.updates == ("encoder", "decoder", "pseudo_inputs")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("likelihood", ["logistic", "bernoulli", "gaussian"])
def test_every_family_and_likelihood_trains(family: str, likelihood: str, prepared: Path):
    method = vampprior(family, method__likelihood=likelihood)
    before = {role: [p.clone() for p in net.parameters()] for role, net in method.networks.items()}
    loop = Loop(method, method.phases(method.config), total=2)
    for step in range(2):
        loop.train_step(batches(prepared).batch(step), logged=True)
    assert all(v == v for v in loop.flush().values())
    for role, net in method.networks.items():
        assert any(not torch.equal(a, b) for a, b in zip(before[role], net.parameters(), strict=True)), role


def test_the_kl_warms_up_over_a_share_of_the_run():
    method = make("vampprior", method__warmup=0.2)
    assert [method.warmth(share) for share in (0.0, 0.05, 0.1, 0.2, 0.9)] == [0, 0.25, 0.5, 1, 1]
    assert make("vampprior", method__warmup=0.0).warmth(0.0) == 1
    assert registry.method("vampprior").Config().warmup == 100 / 2000, "the authors' longest run"


def test_the_warm_up_scales_the_kl_of_the_loss(prepared: Path):
    method = vampprior(method__warmup=0.5, method__kl_weight=2.0)
    images = batches(prepared).batch(0).images
    for progress in (0.0, 0.125, 0.25, 0.5, 0.75):
        terms = method.evidence(fake := OneStep(images, progress))
        warmth = min(1.0, 2 * progress)
        assert fake.logged["warmth"] == warmth
        kl = fake.logged["bound"] - terms["likelihood"].item()
        assert terms["kl"].item() == pytest.approx(2 * warmth * kl, rel=1e-3)


def test_without_pseudo_inputs_it_is_a_vae_that_is_the_same_in_all_else(prepared: Path):
    method, with_them = vampprior(method__pseudo_inputs=None), vampprior()
    assert set(with_them.networks) - set(method.networks) == {"pseudo_inputs"}
    assert method.sampling_roles == ("decoder",)
    x = batches(prepared).batch(0).images
    method.gaussian = lambda x: (torch.ones(len(x), 16), torch.full((len(x), 16), -1.0))
    found = method.evidence(OneStep(x.repeat(20, 1, 1, 1), progress=0.9))["kl"].item()
    exact = losses.variational.kl_to_standard_normal(torch.ones(1, 16), torch.full((1, 16), -0.5).exp()).item()
    assert found == pytest.approx(exact, rel=0.05), "estimated from one code of each image"
    codes = method.codes(4000, torch.Generator().manual_seed(0))
    assert abs(codes.mean().item()) < 0.02 and codes.std().item() == pytest.approx(1, abs=0.02)
    assert method.sample(3).shape == (3, 1, 8, 8)


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0)])
def test_pseudo_inputs_stay_in_the_range_of_images(value_range: tuple[float, float]):
    low, high = value_range
    torch.manual_seed(0)
    net = PseudoInputs(None, DatasetSpec((3, 8, 8), value_range), 16, count=50)
    on_unit = (net() - low) / (high - low)
    assert net().shape == (50, 3, 8, 8)
    assert on_unit.mean().item() == pytest.approx(0.4, abs=0.005) and on_unit.std().item() == pytest.approx(
        0.05, rel=0.1
    )
    with torch.no_grad():
        net.weight.mul_(100).sub_(40)
    assert net().min().item() == low and net().max().item() == high


def test_pseudo_inputs_that_are_points_are_unbounded():
    torch.manual_seed(0)
    net = PseudoInputs(None, DatasetSpec((2,)), 2, count=500)
    assert torch.equal(net(), net.weight) and net().abs().max() > 2


def test_log_scales_start_at_the_spread_of_pixels_and_stay_in_range():
    net = LogScale(None, DatasetSpec((3, 4, 4)), 16)
    assert net().shape == (1, 3, 4, 4)
    torch.testing.assert_close(net(), torch.full((1, 3, 4, 4), -2.0))
    for far, end in ((30.0, -4.5), (-30.0, 0.0)):
        with torch.no_grad():
            net.weight.fill_(far)
        torch.testing.assert_close(net(), torch.full((1, 3, 4, 4), end))


def test_the_posteriors_log_variance_is_clamped():
    method = vampprior("mlp")
    with torch.no_grad():
        last = [m for m in method.encoder.modules() if isinstance(m, torch.nn.Linear)][-1]
        last.bias[16:24], last.bias[24:] = 100, -100
        _, log_variance = method.gaussian(torch.rand(5, 1, 8, 8))
        _, sd = method.posterior(torch.rand(5, 1, 8, 8))
    assert (log_variance[:, :8] == 2).all() and (log_variance[:, 8:] == -6).all()
    torch.testing.assert_close(sd, (log_variance / 2).exp())


def test_a_pseudo_input_that_is_the_image_costs_nothing():
    method = vampprior("mlp", method__pseudo_inputs=1, method__warmup=0.0)
    x = torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        method.pseudo_inputs.weight.copy_(x)
    assert abs(method.evidence(OneStep(x.expand(2, -1, -1, -1)))["kl"].item()) < 1e-5


def test_a_standard_normal_prior_makes_the_bound_of_a_vae():
    """Both in expectation over codes: the closed KL, and the likelihood of the same draws."""
    n, x = 4000, torch.rand(1, 1, 8, 8)
    options = {"method__likelihood": "gaussian"}
    ours = vampprior("mlp", method__pseudo_inputs=1, method__warmup=0.0, **options)
    vae = build_method(run_config("vae", architecture=MLP, **options), DatasetSpec((1, 8, 8)), CPU)
    for role in ("encoder", "decoder"):
        vae.networks[role].load_state_dict(ours.networks[role].state_dict())
    with torch.no_grad():  # a spread that is the same sd to both
        mean, log_variance = ours.gaussian(x)
        vae.posterior = lambda images: (mean.expand(len(images), -1), (log_variance / 2).exp().expand(len(images), -1))
        ours.components = lambda: (torch.zeros(1, 16), torch.zeros(1, 16))
        found = []
        for method in (ours, vae):
            torch.manual_seed(1)
            found.append(method.evidence(OneStep(x.expand(n, -1, -1, -1))))
    assert found[0]["likelihood"].item() == pytest.approx(found[1]["likelihood"].item(), rel=1e-5)
    spread = (losses.variational.kl_to_standard_normal(mean, (log_variance / 2).exp()) + 16).sqrt().item()
    assert found[0]["kl"].item() == pytest.approx(found[1]["kl"].item(), abs=4 * spread / n**0.5)


@pytest.mark.parametrize("family", ["infogan", "residual"])
def test_pseudo_inputs_have_statistics_of_their_own(family: str):
    """Encoding them leaves the running statistics to real images, and does not depend on them or on the mode."""
    method = vampprior(family)
    before = {k: v.clone() for k, v in method.encoder.state_dict().items()}
    in_training, _ = method.components()
    after = method.encoder.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(m.training for m in method.encoder.modules())
    with torch.no_grad():
        torch.testing.assert_close(in_training, method.encoder(method.pseudo_inputs()).chunk(2, 1)[0])
    changed = method.encoder.state_dict()
    assert any(not torch.equal(before[k], changed[k]) for k in before), "an ordinary pass does keep statistics"
    method.encoder.eval()
    torch.testing.assert_close(method.components()[0], in_training)
    assert not any(m.training for m in method.encoder.modules())


def test_samples_draw_every_component_and_follow_their_generator():
    method = vampprior("mlp", method__pseudo_inputs=4)
    centres = 10 * torch.arange(4.0)[:, None].expand(4, 16)
    method.components = lambda: (centres, torch.full((4, 16), -6.0))
    codes = method.codes(4000, torch.Generator().manual_seed(0))
    assert torch.equal(codes, method.codes(4000, torch.Generator().manual_seed(0)))
    nearest = (codes.mean(1) / 10).round()
    counts = torch.bincount(nearest.long())
    assert len(counts) == 4 and counts.min() > 900
    sd = (codes - 10 * nearest[:, None]).std().item()
    assert sd == pytest.approx(torch.tensor(-3.0).exp().item(), rel=0.02)
    with torch.no_grad():
        images = method.sample(7, torch.Generator().manual_seed(0))
        torch.testing.assert_close(images, method.decode(method.codes(7, torch.Generator().manual_seed(0))))


@pytest.mark.parametrize("mode", ["running", "batch", "reestimate"])
def test_its_codes_are_the_same_however_batch_norm_is_set_for_samples(mode: str):
    method = vampprior()
    with torch.no_grad():
        for _ in range(5):
            method.encoder(torch.rand(16, 1, 8, 8))
    for net in method.networks.values():
        net.eval()
    config = {"batch_norm": mode, "batch_size": 8, "reestimate_batches": 2}
    with torch.no_grad():
        expected, reconstructed = (
            method.codes(8, torch.Generator().manual_seed(0)),
            method.reconstruct(torch.ones(2, 1, 8, 8)),
        )
        with normalised_for_samples(method, config, torch.Generator().manual_seed(1)):
            found = method.codes(8, torch.Generator().manual_seed(0))
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(method.reconstruct(torch.ones(2, 1, 8, 8)), reconstructed)


def test_the_log_tells_the_bound_the_warm_up_and_the_codes(prepared: Path):
    method = vampprior()
    method.evidence(step := OneStep(batches(prepared).batch(0).images))
    assert set(step.logged) == {"bound", "warmth", "active_units", "rank_real", "rank_generated", "mismatch"}
    assert 0 <= step.logged["active_units"] <= 16 and step.logged["rank_generated"] >= 1


def test_the_likelihood_does_not_depend_on_the_range_of_images():
    x = torch.randint(0, 256, (4, 1, 8, 8)) / 255
    found = {}
    for low in (0.0, -1.0):
        method = vampprior(view__range=[low, 1.0])
        to_range = lambda image, low=low: low + (1 - low) * image  # noqa: E731
        found[low] = method.negative_log_likelihood(to_range(x.flip(0)), to_range(x)).item()
    assert found[0.0] == pytest.approx(found[-1.0], rel=1e-5)


def test_points_need_a_gaussian_likelihood():
    for likelihood in ("logistic", "bernoulli"):
        method = vampprior("mlp", (2,), method__likelihood=likelihood)
        with pytest.raises(
            AdvcodesError, match=f"vampprior: a likelihood of '{likelihood}' needs images; set `likelih"
        ):
            method.evidence(OneStep(torch.randn(4, 2)))
    method = vampprior("mlp", (2,), method__likelihood="gaussian")
    assert torch.isfinite(method.evidence(OneStep(torch.randn(4, 2)))["likelihood"])


def test_one_pseudo_input_has_no_batch_to_normalise():
    with pytest.raises(AdvcodesError, match="vampprior: one pseudo-input has no statistics for batch norm; set"):
        vampprior(method__pseudo_inputs=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pseudo_inputs": 0}, "pseudo_inputs\n  Input should be greater than 0"),
        ({"warmup": -0.1}, "warmup\n  Input should be greater than or equal to 0"),
        ({"warmup": 6400}, "warmup\n  Input should be less than 1"),
        ({"likelihood": "laplace"}, "likelihood\n  Input should be 'logistic', 'bernoulli' or 'gaussian'"),
        ({"prior": "uniform"}, "prior\n  Input should be 'normal'"),
        ({"kl_weight": -1.0}, "kl_weight\n  Input should be greater than or equal to 0"),
    ],
)
def test_bad_settings_are_refused_by_name(settings: dict[str, Any], message: str):
    with pytest.raises(ValidationError) as refused:
        registry.method("vampprior").Config(**settings)
    assert message in str(refused.value)


def test_a_vaes_row_has_the_same_networks_and_half_the_squared_error():
    """LPAAE's table 1: the decoder of every row is the same, the encoder ends in 2 d, and sigma is 1 on [-1, 1]."""
    options = {"view__range": [-1.0, 1.0], "method__likelihood": "gaussian"}
    settings = DatasetSpec((3, 32, 32), (-1.0, 1.0))
    made = {
        name: build_method(run_config(name, architecture=FAMILIES["residual"], **options), settings, CPU)
        for name in ("vae", "vampprior")
    }
    shapes = [{k: v.shape for k, v in m.networks["decoder"].state_dict().items()} for m in made.values()]
    assert shapes[0] == shapes[1]
    vae, x = made["vae"], 2 * torch.rand(4, 3, 32, 32) - 1
    assert vae.encoder(x).shape == (4, 2 * 16)
    expected = (0.25 - x).square().sum() / 2 / 4
    found = vae.negative_log_likelihood(torch.full_like(x, 0.25), x)
    torch.testing.assert_close(found, expected)
