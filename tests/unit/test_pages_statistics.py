"""Statistics over seeds against numpy, scipy and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import special, stats

from advcodes.core.statistics import hedges_g, mean_sd, welch

CASES = [(3, 3), (2, 5), (8, 4)]


def samples(n, m):
    rng = np.random.default_rng([n, m])
    return rng.normal(3, 1, n).tolist(), rng.normal(2, 2, m).tolist()


@pytest.mark.parametrize(("n", "m"), CASES)
def test_mean_sd_is_numpy_s_with_n_minus_1(n, m):
    for values in samples(n, m):
        mean, sd = mean_sd(values)
        assert mean == pytest.approx(np.mean(values), rel=1e-13)
        assert sd == pytest.approx(np.std(values, ddof=1), rel=1e-13)


def test_one_value_has_no_sd():
    assert mean_sd([2.5]) == (2.5, None)


@pytest.mark.parametrize(("n", "m"), CASES)
def test_hedges_g_against_the_textbook_formula(n, m):
    a, b = samples(n, m)
    df = n + m - 2
    pooled = math.sqrt(((n - 1) * np.var(a, ddof=1) + (m - 1) * np.var(b, ddof=1)) / df)
    exact = special.gamma(df / 2) / (math.sqrt(df / 2) * special.gamma((df - 1) / 2))
    assert hedges_g(a, b) == pytest.approx(exact * (np.mean(a) - np.mean(b)) / pooled, rel=1e-12)
    assert exact == pytest.approx(1 - 3 / (4 * df - 1), rel=0.01)  # Hedges' own approximation
    assert hedges_g(b, a) == pytest.approx(-hedges_g(a, b))


def test_hedges_g_is_unbiased_where_cohen_s_d_is_not():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(8_000, 6))
    draws[:, :3] += 1.0  # a true effect of one standard deviation
    mean = np.mean([hedges_g(row[:3].tolist(), row[3:].tolist()) for row in draws])
    assert mean == pytest.approx(1.0, abs=0.05)  # d's mean is 1.25


@pytest.mark.parametrize(("n", "m"), CASES)
def test_welch_is_scipy_s_and_satterthwaite_s_formula(n, m):
    a, b = samples(n, m)
    test = welch(a, b)
    assert test.p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    va, vb = np.var(a, ddof=1) / n, np.var(b, ddof=1) / m
    df = (va + vb) ** 2 / (va**2 / (n - 1) + vb**2 / (m - 1))
    difference, error = np.mean(a) - np.mean(b), math.sqrt(va + vb)
    assert test.p == pytest.approx(2 * stats.t.sf(abs(difference) / error, df))
    margin = stats.t.ppf(0.975, df) * error
    assert (test.low, test.high) == pytest.approx((difference - margin, difference + margin))


def test_undefined_cases():
    assert welch([1.0], [2.0, 3.0]) is None
    assert welch([1.0, 1.0], [2.0, 2.0]) is None
    assert hedges_g([1.0], [2.0, 3.0]) is None
    assert hedges_g([1.0, 1.0], [2.0, 2.0]) is None


@pytest.mark.filterwarnings("error")
def test_one_side_without_spread_is_tested():
    test = welch([1.0, 1.0, 1.0], [2.0, 2.1, 2.2])
    assert 0 < test.p < 0.05 and test.high < 0


def test_three_seeds_a_side_cannot_be_decided_by_permutation():
    """Why Welch's test: with 3 + 3 seeds the smallest two-sided p of an exact permutation test is 0.1."""
    pooled = [1.0, 2.0, 3.0, 10.0, 11.0, 12.0]
    sums = [sum(c) for c in itertools.combinations(pooled, 3)]
    extreme = sum(abs(2 * s - sum(pooled)) >= abs(2 * 6.0 - sum(pooled)) for s in sums)
    assert extreme / len(sums) == 0.1
    assert welch(pooled[:3], pooled[3:]).p < 0.001
