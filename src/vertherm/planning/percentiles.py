"""Percentiles of a sampled ensemble as rows of the assessment, each with the rule it follows.

Safety is decided by the 95th percentile: with 59 or more samples by its 95 % confidence bound (Wilks), with fewer by
the worst sample. Coverage and margin in the same way by the 5th. Point estimates stand beside and decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vertherm.ensemble.order_statistics import Side, percentile, share_interval, smallest_sample, tolerance_bound
from vertherm.planning.assessment import Percentile, Probability

SHARE = 0.95
CONFIDENCE = 0.95
NEEDED = smallest_sample(SHARE, CONFIDENCE)


def worst_decides(samples: int) -> bool:
    """True where the worst sample is the bound: few of them, or not so many that the bound lies within them."""
    if samples < NEEDED:
        return True
    return tolerance_bound([float(n) for n in range(samples)], SHARE, CONFIDENCE, "upper").rank == 1


def rule(n: int, side: Side, rank: int, enough: bool) -> str:
    """The rule behind a bound, in words."""
    name = "95th" if side == "upper" else "5th"
    end = "largest" if side == "upper" else "smallest"
    if not enough:
        return f"{end} of {n} samples: fewer than {NEEDED} allow no 95 % confidence bound of the {name} percentile"
    ordinal = "" if rank == 1 else f"{_ordinal(rank)} "
    return f"95 % confidence bound of the {name} percentile: {ordinal}{end} of {n} independent samples (Wilks)"


def _ordinal(rank: int) -> str:
    words = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
    return words.get(rank, f"{rank}th")


def bounded(values: Sequence[float], failed: int = 0, side: Side = "upper") -> Percentile | None:
    """The percentile that decides, from the samples that have a value; None where none has."""
    if not values:
        return None
    bound = tolerance_bound(values, SHARE, CONFIDENCE, side)
    return Percentile(
        estimate=percentile(values, SHARE if side == "upper" else 1.0 - SHARE),
        bound=bound.value,
        confidence=bound.confidence,
        samples=len(values),
        failed=failed,
        rule=rule(len(values), side, bound.rank, bound.enough),
    )


def probability(happened: Sequence[bool], failed: int = 0) -> Probability | None:
    """Share of the samples in which something happens, with its exact 95 % interval; None without samples.

    A failed sample may or may not have been one of them: the lower limit counts it as not, the upper limit as yes.
    """
    n, events = len(happened), int(np.count_nonzero(happened))
    if n == 0:
        return None
    low, _ = share_interval(events, n + failed, CONFIDENCE)
    _, high = share_interval(events + failed, n + failed, CONFIDENCE)
    return Probability(events=events, samples=n, failed=failed, estimate=events / n, low=low, high=high)
