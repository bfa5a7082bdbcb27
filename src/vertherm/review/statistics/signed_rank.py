"""Wilcoxon's signed-rank test with Pratt's zeros, and the quantiles its confidence interval needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from vertherm.review.statistics.inputs import Floats, Integers

EXACT_UP_TO = 50
"""Differences up to which the exact distribution is used (the limit of scipy and R)."""


NAME = "Wilcoxon signed-rank, Pratt zeros"


@dataclass(frozen=True)
class SignedRank:
    """Result of the test.

    Args:
        n: differences, zeros included.
        zeros: differences that are exactly zero.
        statistic: the smaller one of the rank sums of positive and of negative differences.
        p: two-sided p-value; NaN where no difference is other than zero.
        method: how p was made.
        exact: True where p comes from the exact distribution.
    """

    n: int
    zeros: int
    statistic: float
    p: float
    method: str
    exact: bool


def signed_rank_test(differences: Floats) -> SignedRank:
    """Two-sided signed-rank test; zeros take part in the ranking and are then left out (Pratt).

    Up to 50 differences p is exact, given the ranks as they are (mid-ranks of ties and the ranks lost to zeros
    included): all 2^m sign patterns of the m differences other than zero are counted. Beyond, p is normal with the
    variance corrected for ties and zeros, without continuity correction.

    Args:
        differences: finite numbers, any unit.

    Source: Wilcoxon, Biometrics Bull 1945;1:80-83; Pratt, J Am Stat Assoc 1959;54:655-667; Streitberg and Roehmel,
    Stat Softw Newsl 1986;12:10-17 (the counting).
    """
    n = int(differences.size)
    zeros = int((differences == 0).sum())
    if n == zeros:
        why = "no differences" if n == 0 else "every difference is zero"
        return SignedRank(n, zeros, 0.0, float("nan"), f"not tested: {why}", False)
    ranks = doubled_ranks(np.abs(differences))
    positive, negative = (int(ranks[side].sum()) for side in (differences > 0, differences < 0))
    smaller = min(positive, negative)
    signed = ranks[differences != 0]
    if n <= EXACT_UP_TO:
        tail = float(null_distribution(signed)[: smaller + 1].sum())
        return SignedRank(n, zeros, smaller / 2, min(1.0, 2.0 * tail), f"{NAME}, exact", True)
    # Mean and variance of the sum of ranks with random signs; ties and zeros are in the ranks themselves.
    z = (smaller - signed.sum() / 2.0) / (math.sqrt(float((signed.astype(np.float64) ** 2).sum())) / 2.0)
    method = f"{NAME}, normal approximation corrected for ties"
    return SignedRank(n, zeros, smaller / 2, float(2.0 * ndtr(z)), method, False)


def doubled_ranks(values: Floats) -> Integers:
    """Twice the mid-ranks of the values: whole numbers, whatever the ties."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    # Ranks last - count + 1 ... last share their mean.
    return np.asarray((2 * last - count + 1)[place], dtype=np.int64)


def null_distribution(ranks: Integers) -> Floats:
    """Probability of each sum 0, 1, 2, ... of the ranks with a positive sign; all sign patterns are equally likely."""
    weights = np.zeros(int(ranks.sum()) + 1)
    weights[0], reached = 1.0, 0
    for rank in ranks.tolist():
        moved = weights[: reached + 1].copy()
        weights[: reached + 1] *= 0.5
        weights[rank : rank + reached + 1] += 0.5 * moved
        reached += rank
    return weights


def exact_limit(n: int, level: float) -> tuple[int, float]:
    """Position k of the lower limit among the sorted Walsh averages, and the exact coverage; k = 0: there is none.

    k is the largest number with P(T <= k - 1) <= (1 - level)/2 under the null hypothesis; the interval reaches from
    the k-th smallest to the k-th largest Walsh average.
    """
    below = np.cumsum(null_distribution(np.arange(1, n + 1)))
    k = int(np.searchsorted(below, (1.0 - level) / 2.0, side="right"))
    return k, float(1.0 - 2.0 * below[k - 1]) if k else 0.0


def normal_limit(n: int, level: float) -> int:
    """The same position by the normal approximation, rounded outwards; 0: there is none."""
    z = float(-ndtri((1.0 - level) / 2.0))
    return max(0, math.floor(n * (n + 1) / 4.0 - z * math.sqrt(n * (n + 1) * (2 * n + 1) / 24.0)))
