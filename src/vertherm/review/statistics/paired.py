"""Change within patients: Wilcoxon's test, the Hodges-Lehmann estimate, the mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from vertherm.review.statistics.inputs import Floats, confidence_level, numbers, same_length
from vertherm.review.statistics.signed_rank import EXACT_UP_TO, exact_limit, normal_limit, signed_rank_test
from vertherm.review.statistics.walsh import WalshAverages

NAN = float("nan")


@dataclass(frozen=True)
class HodgesLehmann:
    """Pseudo-median with its interval; limits are NaN where so few differences reach no such level.

    Args:
        estimate: median of all averages of two differences (each difference with itself included).
        low: lower limit.
        high: upper limit.
        level: confidence level asked for.
        method: how the limits were made.
        coverage: exact coverage where it is known (exact method, continuous differences), else NaN.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str
    coverage: float = NAN

    @property
    def methods(self) -> tuple[str, ...]:
        """Ids in ``methods``."""
        return ("hodges_lehmann",)


@dataclass(frozen=True)
class PairedChange:
    """Change of the patients who have both values; after - before.

    Args:
        n: complete pairs.
        zeros: pairs without change.
        mean: mean change.
        sd: its sample standard deviation.
        mean_low: lower t limit of the mean change.
        mean_high: upper t limit.
        median: median change.
        hl: Hodges-Lehmann pseudo-median of the change.
        statistic: smaller signed rank sum.
        p: two-sided p-value of the signed-rank test.
        method: how p was made.
        level: confidence level of both intervals.
    """

    n: int
    zeros: int
    mean: float
    sd: float
    mean_low: float
    mean_high: float
    median: float
    hl: HodgesLehmann
    statistic: float
    p: float
    method: str
    level: float = 0.95

    @property
    def methods(self) -> tuple[str, ...]:
        """Ids in ``methods``."""
        test = "signed_rank_exact" if self.method.endswith("exact") else "signed_rank_normal"
        return (test, *self.hl.methods, "mean_change")


def differences(before: ArrayLike, after: ArrayLike) -> Floats:
    """after - before of the complete pairs, freed of binary rounding.

    Scores are decimal numbers of few digits. 0.3 - 0.1 and 0.2 differ in the last bit, which would break ties and
    zeros that the data have: differences are rounded to 12 digits of the largest value.

    Raises:
        InputError: the columns differ in length or hold no numbers.
    """
    first, second = numbers(before, "before"), numbers(after, "after")
    same_length(before=first, after=second)
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    largest = max(np.abs(first).max(initial=0.0), np.abs(second).max(initial=0.0))
    if largest == 0.0:
        return second - first
    # + 0.0 turns -0.0 into 0.0.
    return np.asarray(np.round(second - first, 12 - math.ceil(math.log10(largest))) + 0.0, dtype=np.float64)


def hodges_lehmann(differences: ArrayLike, level: float = 0.95) -> HodgesLehmann:
    """Pseudo-median of the differences and the interval that belongs to the signed-rank test.

    The limits are the k-th smallest and k-th largest Walsh average; k comes from the exact distribution of the signed
    rank sum up to 50 differences without ties or zeros, else from its normal approximation, rounded outwards and
    without correction for ties (so never too narrow on their account). Zeros take part. Time grows as n log n.

    Args:
        differences: numbers, NaN for missing.
        level: confidence level.

    Raises:
        InputError: not a vector of finite numbers, or no such level.

    Source: Hodges and Lehmann, Ann Math Stat 1963;34:598-611; limits as in Hollander, Wolfe and Chicken, Nonparametric
    Statistical Methods, 3rd ed. 2014, section 3.3.
    """
    level = confidence_level(level)
    column = numbers(differences, "differences")
    d = column[~np.isnan(column)]
    n = int(d.size)
    if n == 0:
        return HodgesLehmann(NAN, NAN, NAN, level, "no differences")
    walsh = WalshAverages(d)
    upper = walsh.at(walsh.total // 2 + 1)
    estimate = upper if walsh.total % 2 else (walsh.at(walsh.total // 2) + upper) / 2.0
    exact = n <= EXACT_UP_TO and np.unique(np.abs(d)).size == n and not np.any(d == 0)
    k, coverage = exact_limit(n, level) if exact else (normal_limit(n, level), NAN)
    if k == 0:
        return HodgesLehmann(estimate, NAN, NAN, level, f"no interval: {n} differences do not reach {level:.0%}")
    method = "exact signed-rank quantiles" if exact else "signed-rank quantiles by normal approximation"
    return HodgesLehmann(estimate, walsh.at(k), walsh.at(walsh.total + 1 - k), level, method, coverage)


def paired_change(before: ArrayLike, after: ArrayLike, level: float = 0.95) -> PairedChange:
    """Change of the patients who have both values; a fall is negative.

    Args:
        before: one value a patient, NaN for missing.
        after: the same patients in the same order.
        level: confidence level.

    Raises:
        InputError: the columns differ in length or hold no numbers, or no such level.

    Source: see ``signed_rank_test`` and ``hodges_lehmann``; Student's t for the mean.
    """
    level = confidence_level(level)
    d = differences(before, after)
    n = int(d.size)
    test = signed_rank_test(d)
    mean = float(d.mean()) if n else NAN
    sd = float(d.std(ddof=1)) if n > 1 else NAN
    half = float(stdtrit(n - 1, 0.5 + level / 2.0)) * sd / math.sqrt(n) if n > 1 else NAN
    median = float(np.median(d)) if n else NAN
    return PairedChange(
        n, test.zeros, mean, sd, mean - half, mean + half, median, hodges_lehmann(d, level), test.statistic, test.p,
        test.method, level,
    )  # fmt: skip
