"""Percentiles that say how sure they are: distribution-free bounds from ordered values, exact intervals of shares.

The k-th largest of n independent values lies above the q-quantile with probability P(Binomial(n, 1 - q) >= k),
whatever the distribution. With n = 59 the largest is a 95 % confidence bound of the 95th percentile; 93 allow the
second largest, 124 the third. Source: Wilks, Ann Math Stat 1941;12:91-96.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vertherm.core.errors import InputError

Side = Literal["upper", "lower"]


@dataclass(frozen=True)
class Bound:
    """A one-sided bound of a percentile.

    Args:
        value: the bound: with ``confidence``, at least a share ``q`` of the population lies on its safe side.
        rank: how many-th value from the unsafe end it is; 1 is the most extreme one.
        confidence: the confidence it really has (1 - q**n for the extreme value of n).
        n: number of values.
        enough: False where n is too small for the confidence asked for; then the value is the most extreme one.
    """

    value: float
    rank: int
    confidence: float
    n: int
    enough: bool


def rank_confidence(n: int, rank: int, q: float) -> float:
    """Probability that the ``rank``-th largest of n independent values lies above the q-quantile."""
    from scipy.special import betainc

    # P(Binomial(n, 1 - q) >= rank) as an incomplete beta function.
    return float(betainc(rank, n - rank + 1, 1.0 - q)) if 1 <= rank <= n else 0.0


def smallest_sample(q: float = 0.95, confidence: float = 0.95, rank: int = 1) -> int:
    """Fewest values for which the ``rank``-th largest bounds the q-quantile: 59, 93, 124 for ranks 1, 2, 3 at 95/95.

    Raises:
        InputError: a share outside 0..1, or a rank below 1.
    """
    _share("quantile", q)
    _share("confidence", confidence)
    if rank < 1:
        raise InputError("A rank counts from 1.", got=rank)
    n = rank
    while rank_confidence(n, rank, q) < confidence:
        n += 1
    return n


def tolerance_bound(values: Sequence[float], q: float = 0.95, confidence: float = 0.95, side: Side = "upper") -> Bound:
    """Bound of the q-quantile ("upper") or of the (1 - q)-quantile ("lower") of the population behind ``values``.

    The values must be independent draws: a Latin hypercube or Sobol sequence gives no such bound.

    Raises:
        InputError: no values, or a value that is not a number.
    """
    _share("quantile", q)
    _share("confidence", confidence)
    ordered = np.sort(_finite(values))
    n = len(ordered)
    ranks = [rank for rank in range(1, n + 1) if rank_confidence(n, rank, q) >= confidence]
    rank = max(ranks, default=1)
    value = ordered[-rank] if side == "upper" else ordered[rank - 1]
    return Bound(float(value), rank, rank_confidence(n, rank, q), n, bool(ranks))


def percentile(values: Sequence[float], q: float) -> float:
    """Point estimate of the q-quantile: median-unbiased whatever the distribution (Hyndman and Fan's type 8).

    Raises:
        InputError: no values, or a value that is not a number.
    """
    return float(np.quantile(_finite(values), q, method="median_unbiased"))


def share_interval(events: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a share of independent draws (Clopper and Pearson, Biometrika 1934;26:404-413).

    Raises:
        InputError: events is not between 0 and n, or n is 0.
    """
    from scipy.special import betaincinv

    _share("confidence", level)
    if not 0 <= events <= n or n < 1:
        raise InputError("These counts make no share.", got=f"{events} of {n}", expected="0 <= events <= n, n >= 1")
    tail = (1.0 - level) / 2.0
    low = float(betaincinv(events, n - events + 1, tail)) if events > 0 else 0.0
    high = float(betaincinv(events + 1, n - events, 1.0 - tail)) if events < n else 1.0
    return low, high


def _share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise InputError(f"The {name} is unusable.", got=value, expected="between 0 and 1")


def _finite(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not all(map(math.isfinite, array)):
        raise InputError("Order statistics need finite values, at least one.", got=f"{array.size} values")
    return array
