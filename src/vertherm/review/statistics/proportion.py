"""One proportion with its exact interval and Wilson's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import betaincinv, ndtri

from vertherm.core.errors import InputError
from vertherm.review.statistics.inputs import confidence_level


@dataclass(frozen=True)
class Proportion:
    """A proportion; estimate and limits are NaN where n is 0.

    Args:
        events: how many had the event.
        n: out of how many.
        estimate: events / n.
        low: lower Clopper-Pearson limit.
        high: upper Clopper-Pearson limit.
        wilson_low: lower Wilson limit.
        wilson_high: upper Wilson limit.
        level: confidence level.
    """

    events: int
    n: int
    estimate: float
    low: float
    high: float
    wilson_low: float
    wilson_high: float
    level: float

    @property
    def methods(self) -> tuple[str, ...]:
        """Ids in ``methods``."""
        return ("clopper_pearson", "wilson")


def proportion(events: int, n: int, level: float = 0.95) -> Proportion:
    """Proportion of independent units with the event.

    The exact limits are those p at which as many events or more (fewer) have probability (1 - level)/2: quantiles of
    beta distributions. They cover at least ``level``, never less. They hold for independent units: for lesions within
    patients see ``clustered_proportion``.

    Args:
        events: number with the event.
        n: number in all.
        level: confidence level.

    Raises:
        InputError: events is not between 0 and n, or one of them is no whole number.

    Source: Clopper and Pearson, Biometrika 1934;26:404-413; Wilson, J Am Stat Assoc 1927;22:209-212.
    """
    level = confidence_level(level)
    if int(events) != events or int(n) != n or not 0 <= events <= n:
        raise InputError("These counts make no proportion.", where="proportion", got=f"{events} of {n}",
                         expected="whole numbers, 0 <= events <= n")  # fmt: skip
    events, n = int(events), int(n)
    if n == 0:
        nan = float("nan")
        return Proportion(0, 0, nan, nan, nan, nan, nan, level)
    tail = (1.0 - level) / 2.0
    low = float(betaincinv(events, n - events + 1, tail)) if events > 0 else 0.0
    high = float(betaincinv(events + 1, n - events, 1.0 - tail)) if events < n else 1.0
    wilson_low, wilson_high = _wilson(events, n, tail)
    return Proportion(events, n, events / n, low, high, wilson_low, wilson_high, level)


def _wilson(events: int, n: int, tail: float) -> tuple[float, float]:
    z = float(-ndtri(tail))
    share = events / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At 0 and n the limit is 0 or 1 exactly; rounding would leave some 1e-18.
    return (0.0 if events == 0 else middle - half), (1.0 if events == n else middle + half)
