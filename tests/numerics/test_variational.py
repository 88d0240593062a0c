"""Terms of the evidence lower bound against direct computation, scipy and closed forms, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp
from scipy.stats import norm
from torch.distributions import Bernoulli, Normal, kl_divergence

from advcodes.losses import variational

RANDOM = np.random.default_rng(0)


def tensor(x: np.ndarray | float) -> torch.Tensor:
    return torch.from_numpy(np.asarray(x, np.float64))


def masses(mean: float, log_scale: float, dtype: torch.dtype = torch.float64) -> np.ndarray:
    """Of the 256 values of a pixel, one call each: a call gives their mean over a batch."""
    each = [
        variational.logistic(*(torch.tensor([[v]], dtype=dtype) for v in (mean, log_scale, value / 255)))
        for value in range(256)
    ]
    return np.exp(-torch.stack(each).double().numpy())


@pytest.mark.parametrize("log_scale", [-4.5, -2.0, 0.0])
@pytest.mark.parametrize("mean", [1 / 512, 0.3, 0.5, 1 - 1 / 512])
def test_the_discretised_logistic_is_that_of_its_bins(mean: float, log_scale: float):
    edges = expit((np.arange(257) / 256 - mean) / np.exp(log_scale))
    edges[[0, 256]] = 0, 1  # the outer bins take the tails
    found = masses(mean, log_scale)
    assert found.sum() == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(found, np.diff(edges), rtol=1e-9, atol=1e-15)
    assert found[0] == pytest.approx(expit((1 / 256 - mean) / np.exp(log_scale)), rel=1e-12)
    assert found[255] == pytest.approx(expit(-(255 / 256 - mean) / np.exp(log_scale)), rel=1e-12)
    np.testing.assert_allclose(masses(mean, log_scale, torch.float32), found, rtol=2e-4)


def test_the_discretised_logistic_clamps_means_and_sums_over_pixels():
    x = RANDOM.integers(0, 256, (5, 2, 3)) / 255
    scale = RANDOM.uniform(-2, 0, (1, 2, 3))
    for outside, inside in ((0.0, 1 / 512), (1.0, 1 - 1 / 512)):
        a, b = (variational.logistic(tensor(np.full_like(x, m)), tensor(scale), tensor(x)) for m in (outside, inside))
        assert a == b
    mean = RANDOM.uniform(0.1, 0.9, (5, 2, 3))
    value = np.round(x * 255)
    upper = np.where(value == 255, 1, expit(((value + 1) / 256 - mean) / np.exp(scale)))
    lower = np.where(value == 0, 0, expit((value / 256 - mean) / np.exp(scale)))
    expected = -np.log(upper - lower).sum() / 5
    found = variational.logistic(tensor(mean), tensor(scale), tensor(x))
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_the_discretised_logistic_has_a_gradient_far_from_its_mean():
    """Where the authors' `log(cdf_plus - cdf_minus + 1e-7)` is flat."""
    mean = torch.tensor([[0.9]], requires_grad=True)
    variational.logistic(mean, torch.tensor([[-4.5]]), torch.tensor([[0.1]])).backward()
    assert mean.grad.item() == pytest.approx(np.exp(4.5), rel=1e-3)


def test_the_mixtures_log_density_is_scipys():
    c, means, log_variances = RANDOM.normal(size=(7, 4)), RANDOM.normal(size=(5, 4)), RANDOM.uniform(-6, 2, (5, 4))
    each = norm.logpdf(c[:, None], means, np.exp(log_variances / 2)).sum(2)
    expected = logsumexp(each, 1) - np.log(5)
    found = variational.log_mixture(tensor(c), tensor(means), tensor(log_variances))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    single = variational.log_mixture(*(tensor(v).float() for v in (c, means, log_variances)))
    np.testing.assert_allclose(single, expected, rtol=1e-5)


def test_the_mixtures_log_density_is_finite_far_from_all_components():
    found = variational.log_mixture(torch.full((1, 64), 50.0), torch.zeros(3, 64), torch.full((3, 64), -6.0))
    assert torch.isfinite(found).all() and found.dtype == torch.float32


def test_the_mixture_is_float32_under_autocast():
    c, means, log_variances = torch.randn(3, 8), torch.randn(5, 8), torch.randn(5, 8)
    outside = variational.log_mixture(c, means, log_variances)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(variational.log_mixture(c, means, log_variances), outside)
        kl = variational.sampled_kl(c.bfloat16(), c.bfloat16(), c.bfloat16(), outside)
    assert kl.dtype == torch.float32


def draws(mean: np.ndarray, log_variance: np.ndarray, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes [n, d] of one posterior, and its mean and log-variance beside each."""
    generator = torch.Generator().manual_seed(0)
    m, v = (tensor(a).expand(n, -1) for a in (mean, log_variance))
    return m + (v / 2).exp() * torch.randn(m.shape, generator=generator, dtype=m.dtype), m, v


MEAN, LOG_VARIANCE = RANDOM.normal(size=6), RANDOM.uniform(-2, 1, 6)


def test_the_kl_to_ones_own_posterior_is_none():
    """One pseudo-input that is the image: no sample can tell the posterior from the prior."""
    codes, mean, log_variance = draws(MEAN, LOG_VARIANCE, 50)
    prior = variational.log_mixture(codes, mean[:1], log_variance[:1])
    assert abs(variational.sampled_kl(codes, mean, log_variance, prior).item()) < 1e-12
    several = variational.log_mixture(codes, mean[:9], log_variance[:9])
    torch.testing.assert_close(several, prior, rtol=1e-12, atol=0)


@pytest.mark.parametrize("components", [1, 3])
def test_the_sampled_kl_to_a_standard_normal_is_the_closed_form_on_average(components: int):
    """Pseudo-posteriors that are all N(0, I) make a VAE's prior, and its bound."""
    n = 40_000
    codes, mean, log_variance = draws(MEAN, LOG_VARIANCE, n)
    zeros = torch.zeros(components, 6, dtype=torch.float64)
    prior = variational.log_mixture(codes, zeros, zeros)
    closed = variational.kl_to_standard_normal(mean, (log_variance / 2).exp()).item()
    each = variational.log_normal(codes, mean, log_variance) - prior
    found = variational.sampled_kl(codes, mean, log_variance, prior).item()
    assert found == pytest.approx(each.mean().item(), rel=1e-12)
    assert abs(found - closed) < 4 * each.std().item() / n**0.5 < 0.1 * closed


def test_a_vaes_terms_are_torchs_in_float64():
    mean, sd = tensor(RANDOM.normal(size=(6, 4))), tensor(RANDOM.uniform(0.01, 3, (6, 4)))
    expected = kl_divergence(Normal(mean, sd), Normal(tensor(0.0), tensor(1.0))).sum(1).mean()
    torch.testing.assert_close(variational.kl_to_standard_normal(mean, sd), expected, rtol=1e-12, atol=0)
    p, x = tensor(RANDOM.uniform(0.01, 0.99, (6, 2, 3))), tensor(RANDOM.uniform(size=(6, 2, 3)))
    expected = -Bernoulli(p, validate_args=False).log_prob(x).flatten(1).sum(1).mean()
    torch.testing.assert_close(variational.bernoulli(p, x), expected, rtol=1e-9, atol=0)
    constant = 6 * np.log(2 * np.pi) / 2
    expected = -Normal(p, tensor(1.0)).log_prob(x).flatten(1).sum(1).mean() - constant
    torch.testing.assert_close(variational.gaussian(p, x), expected, rtol=1e-9, atol=0)


def test_units_are_active_that_vary_with_the_image():
    mean = torch.randn(500, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.2, 0.05, 0.0])
    assert variational.active_units(mean).item() == 2
