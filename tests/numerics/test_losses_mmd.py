"""WAE's distances between codes and the prior, against direct computation in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from advcodes.losses import mmd


def test_mmd_is_the_double_sum_over_pairs():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(6, 3)), random.normal(1.0, 2.0, size=(6, 3))

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return sum(2 * 3 * s / (2 * 3 * s + ((a - b) ** 2).sum()) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    within = sum(k(s[i], s[j]) for s in (x, y) for i in range(6) for j in range(6) if i != j) / (6 * 5)
    between = sum(k(a, b) for a in x for b in y) / 36
    found = mmd.inverse_multiquadratics(torch.tensor(x), torch.tensor(y))
    assert found.dtype == torch.float64 and found.item() == pytest.approx(within - 2 * between, rel=1e-12)


def test_mmd_is_0_on_average_for_equal_distributions_and_grows_with_their_distance():
    generator = torch.Generator().manual_seed(0)

    def found(shift: float) -> np.ndarray:
        pairs = [torch.randn(2, 50, 8, generator=generator, dtype=torch.float64) for _ in range(200)]
        return np.array([mmd.inverse_multiquadratics(p[0] + shift, p[1]).item() for p in pairs])

    same, near, far = found(0), found(0.5), found(2)
    assert abs(same.mean()) < 4 * same.std() / 200**0.5, "unbiased"
    assert same.min() < 0 < 20 * abs(same.mean()) < near.mean() < far.mean()


def test_the_gradient_of_mmd_is_finite_where_codes_coincide():
    x = torch.zeros(4, 3, requires_grad=True)
    mmd.inverse_multiquadratics(x, torch.zeros(4, 3)).backward()
    assert torch.isfinite(x.grad).all()


def test_moments_are_those_of_numpy():
    codes = np.random.default_rng(0).normal(0.3, 1.7, size=(40, 5))
    expected = np.square(codes.mean(0)).mean() + np.square(np.cov(codes.T) - np.eye(5)).mean()
    assert mmd.moments(torch.tensor(codes)).item() == pytest.approx(expected, rel=1e-12)
    many = torch.randn(200_000, 4, generator=torch.Generator().manual_seed(0))
    assert mmd.moments(many) < 1e-3, "0 for the prior itself"


def test_neither_is_computed_in_bfloat16():
    x, y = torch.randn(2, 32, 8, generator=torch.Generator().manual_seed(0)).unbind()
    plain = mmd.inverse_multiquadratics(x, y), mmd.moments(x)
    with torch.autocast("cpu", torch.bfloat16):
        cast = mmd.inverse_multiquadratics(x, y), mmd.moments(x)
    assert all(torch.equal(a, b) for a, b in zip(plain, cast, strict=True))
