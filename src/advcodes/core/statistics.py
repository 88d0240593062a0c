"""Statistics over seeds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
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
