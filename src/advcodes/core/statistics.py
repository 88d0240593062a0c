"""Statistics over seeds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1 in the denominator); a single value has no deviation."""
    return fmean(values), stdev(values) if len(values) > 1 else None


def hedges_g(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Difference of means, a - b, in pooled standard deviations, corrected for the bias of small samples.

    Cohen's d times J = Γ(m/2) / (√(m/2) Γ((m-1)/2)) with m = len(a) + len(b) - 2 degrees of freedom (Hedges
    1981, "Distribution theory for Glass's estimator of effect size and related estimators").

    Returns:
        None where it is undefined: fewer than 2 values on a side, or no spread at all.
    """
    if min(len(a), len(b)) < 2:
        return None
    m = len(a) + len(b) - 2
    pooled = math.sqrt(((len(a) - 1) * stdev(a) ** 2 + (len(b) - 1) * stdev(b) ** 2) / m)
    if pooled == 0:
        return None
    correction = math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)
    return correction * (fmean(a) - fmean(b)) / pooled


@dataclass(frozen=True)
class Test:
    """Welch's t-test: two-sided p-value and the 95 % confidence interval of the difference of means."""

    p: float
    low: float
    high: float


def welch(a: Sequence[float], b: Sequence[float]) -> Test | None:
    """Welch's unequal-variances t-test of a - b.

    Returns:
        None where it is undefined: fewer than 2 values on a side, or no spread at all.
    """
    if min(len(a), len(b)) < 2 or stdev(a) == stdev(b) == 0:
        return None
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one side without spread is fine, and scipy warns
        result = ttest_ind(a, b, equal_var=False)
        interval = result.confidence_interval(0.95)
    return Test(float(result.pvalue), float(interval.low), float(interval.high))


def paired(a: Sequence[float], b: Sequence[float]) -> Test | None:
    """Paired t-test of a - b.

    Returns:
        None where it is undefined: fewer than 2 pairs, or differences without spread.
    """
    differences = [x - y for x, y in zip(a, b, strict=True)]
    if len(differences) < 2 or stdev(differences) == 0:
        return None
    from scipy.stats import ttest_rel

    result = ttest_rel(a, b)
    interval = result.confidence_interval(0.95)
    return Test(float(result.pvalue), float(interval.low), float(interval.high))


def by_seed(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[list[float], list[float]]:
    """Values of those seeds that both have, in the seeds' order: pairs, for runs that share data order and noise."""
    both = sorted(set(a) & set(b))
    return [a[seed] for seed in both], [b[seed] for seed in both]


def equal_within(a: Sequence[float], b: Sequence[float], margin: float, pairs: bool = False) -> Test | None:
    """Two one-sided t-tests (TOST; Schuirmann 1987) that the means of a and b differ by less than a margin.

    Args:
        a: values of one row.
        b: of the other.
        margin: in their unit, above 0.
        pairs: whether they belong together one by one; if not, variances need not be equal (Welch).

    Returns:
        p: the larger one of both tests; small says equal. low, high: the 90 % confidence interval of a - b, which lies
        within the margin where p < 0.05. None where it is undefined: fewer than 2 values, or no spread at all.
    """
    spread = _paired_spread(a, b) if pairs else _welch_spread(a, b)
    if spread is None:
        return None
    from scipy.stats import t

    error, freedom = spread
    difference = fmean(a) - fmean(b)
    p = max(t.sf((margin + difference) / error, freedom), t.sf((margin - difference) / error, freedom))
    reach = error * float(t.ppf(0.95, freedom))
    return Test(float(p), difference - reach, difference + reach)


def _welch_spread(a: Sequence[float], b: Sequence[float]) -> tuple[float, float] | None:
    """Standard error of the difference of means, and Welch's degrees of freedom."""
    if min(len(a), len(b)) < 2:
        return None
    one, two = stdev(a) ** 2 / len(a), stdev(b) ** 2 / len(b)
    if one + two == 0:
        return None
    return math.sqrt(one + two), (one + two) ** 2 / (one**2 / (len(a) - 1) + two**2 / (len(b) - 1))


def _paired_spread(a: Sequence[float], b: Sequence[float]) -> tuple[float, float] | None:
    """Standard error of the mean difference, and its degrees of freedom."""
    differences = [x - y for x, y in zip(a, b, strict=True)]
    if len(differences) < 2 or stdev(differences) == 0:
        return None
    return stdev(differences) / math.sqrt(len(differences)), len(differences) - 1


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979), in the order given: below alpha where the family-wise error stays below it."""
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = highest
    return adjusted


def power_to_differ(n: int, effect: float, pairs: bool = False, alpha: float = 0.05) -> float:
    """Probability that a two-sided t-test tells two rows of n seeds each apart.

    Args:
        n: seeds of each row.
        effect: difference of means in standard deviations of a row; with pairs, in those of the differences.
        pairs: whether the test is paired.
        alpha: of the test.
    """
    if n < 2:
        return 0.0
    from scipy.stats import nct, t

    freedom, shift = _design(n, pairs)
    shift *= abs(effect)
    critical = t.ppf(1 - alpha / 2, freedom)
    if shift > _FAR + critical:
        return 1.0
    return float(nct.sf(critical, freedom, shift) + nct.cdf(-critical, freedom, shift))


def power_to_equal(n: int, margin: float, effect: float = 0.0, pairs: bool = False, alpha: float = 0.05) -> float:
    """Probability that two one-sided t-tests find two rows of n seeds each equal within a margin.

    By the noncentral t of each test as if they were independent of the spread they share (Phillips 1990), and so a
    little below the truth where it is small.

    Args:
        n: seeds of each row.
        margin: in standard deviations of a row; with pairs, in those of the differences.
        effect: true difference of means in the same unit.
        pairs: whether the tests are paired.
        alpha: of each test.
    """
    if n < 2 or abs(effect) >= margin:
        return 0.0
    from scipy.stats import nct, t

    freedom, shift = _design(n, pairs)
    critical = t.ppf(1 - alpha, freedom)

    def misses(distance: float) -> float:
        return 0.0 if distance * shift > _FAR + critical else float(nct.cdf(critical, freedom, distance * shift))

    return max(0.0, 1 - misses(margin - effect) - misses(margin + effect))


_FAR = 30.0  #: shifts of the noncentral t beyond which scipy's loses its digits, and power is 1


def _design(n: int, pairs: bool) -> tuple[int, float]:
    """Degrees of freedom, and the noncentrality of an effect of one standard deviation."""
    return (n - 1, math.sqrt(n)) if pairs else (2 * n - 2, math.sqrt(n / 2))


def seeds_for(power: Callable[[int], float], wanted: float = 0.8, most: int = 1000) -> int | None:
    """The fewest seeds a row with the power wanted; None where even the most have less.

    Args:
        power: of n seeds, which grows with n.
        wanted: between 0 and 1.
        most: seeds a row.
    """
    low, high = 1, 2
    while power(high) < wanted:
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    return high
