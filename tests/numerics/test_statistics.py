"""Power, equivalence and correction against closed forms, scipy and simulation."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import stats

from advcodes.core.statistics import (
    by_seed,
    equal_within,
    holm,
    power_to_differ,
    power_to_equal,
    seeds_for,
)

A, B = [3.1, 2.9, 3.4, 3.0], [2.7, 3.0, 2.8, 3.2]


def test_equivalence_is_two_one_sided_tests_of_scipy():
    for margin in (0.1, 0.5, 1.0):
        shifted = [
            stats.ttest_ind(np.add(A, margin), B, equal_var=False, alternative="greater").pvalue,
            stats.ttest_ind(np.subtract(A, margin), B, equal_var=False, alternative="less").pvalue,
        ]
        assert equal_within(A, B, margin).p == pytest.approx(max(shifted))
        shifted = [
            stats.ttest_rel(np.add(A, margin), B, alternative="greater").pvalue,
            stats.ttest_rel(np.subtract(A, margin), B, alternative="less").pvalue,
        ]
        assert equal_within(A, B, margin, pairs=True).p == pytest.approx(max(shifted))


def test_equal_is_where_the_interval_lies_within_the_margin():
    interval = stats.ttest_ind(A, B, equal_var=False).confidence_interval(0.90)
    found = equal_within(A, B, 1.0)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    edge = max(abs(found.low), abs(found.high))
    assert equal_within(A, B, 1.001 * edge).p < 0.05 < equal_within(A, B, 0.999 * edge).p


def test_equivalence_without_spread_is_undefined():
    assert equal_within([1.0], [1.0, 2.0], 1.0) is None and equal_within([1.0, 1.0], [2.0, 2.0], 1.0) is None
    assert equal_within([1.0, 2.0], [2.0, 3.0], 1.0, pairs=True) is None
    with pytest.raises(ValueError, match="shorter"):
        equal_within([1.0, 2.0, 3.0], [2.0, 3.0], 1.0, pairs=True)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == [] and holm([0.2]) == [0.2]


def test_pairs_are_of_seeds_that_both_have():
    assert by_seed({2: 1.0, 0: 2.0, 5: 9.0}, {0: 3.0, 2: 4.0, 1: 8.0}) == ([2.0, 1.0], [3.0, 4.0])


def test_power_of_textbooks():
    """Cohen 1988, table 2.3.5: d = 0.5 at n = 64, d = 0.8 at n = 26, alpha = 0.05 two-sided; paired: G*Power's."""
    assert power_to_differ(64, 0.5) == pytest.approx(0.801, abs=1e-3)
    assert power_to_differ(26, 0.8) == pytest.approx(0.807, abs=1e-3)
    assert power_to_differ(34, 0.5, pairs=True) == pytest.approx(0.808, abs=1e-3)
    assert seeds_for(partial(power_to_differ, effect=0.5)) == 64
    assert seeds_for(partial(power_to_differ, effect=-0.8)) == 26


def test_power_without_an_effect_is_alpha():
    for n in (2, 5, 40):
        assert power_to_differ(n, 0.0) == pytest.approx(0.05) and power_to_differ(n, 0.0, alpha=0.01) == pytest.approx(
            0.01
        )
    assert power_to_differ(1, 3.0) == 0


def test_power_is_the_noncentral_t_and_near_one_where_that_loses_its_digits():
    freedom, shift = 6, 1.3 * 2**0.5
    critical = stats.t.ppf(0.975, freedom)
    assert power_to_differ(4, 1.3) == pytest.approx(
        stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift)
    )
    assert power_to_differ(3, 1e6) == power_to_equal(3, 1e6) == 1.0


def test_power_is_what_simulation_finds():
    rng = np.random.default_rng(0)
    n, runs = 6, 4000
    a, b = rng.normal(0.2, 1, (runs, n)), rng.normal(0, 1, (runs, n))
    differs = stats.ttest_ind(a + 1.4, b, axis=1).pvalue < 0.05
    assert power_to_differ(n, 1.6) == pytest.approx(differs.mean(), abs=0.02)
    margin = 2.0
    equal = [
        stats.ttest_ind(a + margin, b, axis=1, alternative="greater").pvalue < 0.05,
        stats.ttest_ind(a - margin, b, axis=1, alternative="less").pvalue < 0.05,
    ]
    assert power_to_equal(n, margin, 0.2) == pytest.approx(np.logical_and(*equal).mean(), abs=0.02)


def test_equality_needs_more_seeds_the_smaller_the_margin_and_never_comes_beyond_it():
    needed = [seeds_for(partial(power_to_equal, margin=m)) for m in (2.0, 1.0, 0.5)]
    assert needed == sorted(needed) and needed[0] > 2
    # Julious 2004: n = 2 (z_0.95 + z_0.90)^2 / margin^2 a side, by the normal distribution; the t needs one more or so.
    normal = 2 * (stats.norm.ppf(0.95) + stats.norm.ppf(0.9)) ** 2 / 0.5**2
    assert 0 <= needed[2] - normal <= 3
    assert power_to_equal(1000, 0.5, 0.5) == 0 and seeds_for(partial(power_to_equal, margin=0.5, effect=0.6)) is None


def test_seeds_are_the_fewest_and_at_most_so_many():
    for effect in (0.3, 1.0, 4.0):
        n = seeds_for(partial(power_to_differ, effect=effect))
        assert power_to_differ(n, effect) >= 0.8 and (n == 2 or power_to_differ(n - 1, effect) < 0.8)
    assert seeds_for(partial(power_to_differ, effect=0.3), most=20) is None
    assert seeds_for(partial(power_to_differ, effect=100.0)) == 2
