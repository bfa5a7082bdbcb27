"""Cumulative incidence where another event can come first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from vertherm.core.errors import InputError
from vertherm.review.statistics.events import EventTable, event_columns
from vertherm.review.statistics.inputs import Floats, Integers, complete, confidence_level


@dataclass(frozen=True, eq=False)
class CumulativeIncidence:
    """The curve as a step function: it jumps at ``time`` and holds until the next one.

    Args:
        time: 0 and every distinct observed time, ascending, in the unit given.
        estimate: probability of the event of interest up to and including each time.
        low: lower limit; NaN as long as the estimate is 0 (or once it is 1).
        high: upper limit, likewise.
        at_risk: under observation just before each time.
        n: subjects.
        events: events of interest.
        competing: competing events.
        censored: subjects censored.
        se: standard error of the estimate.
        level: confidence level.
    """

    time: Floats
    estimate: Floats
    low: Floats
    high: Floats
    at_risk: Integers
    n: int
    events: int
    competing: int
    censored: int
    se: Floats
    level: float

    @property
    def methods(self) -> tuple[str, ...]:
        """Ids in ``methods``."""
        return ("aalen_johansen",)

    def at(self, t: float) -> tuple[float, float, float]:
        """Estimate and limits at time ``t``; NaN beyond the last observed time, where nothing is known.

        Raises:
            InputError: ``t`` is negative or NaN.
        """
        if not t >= 0:
            raise InputError(
                "This is no time of the curve.", where="cumulative incidence", got=t, expected="0 or later"
            )
        if t > self.time[-1]:
            return float("nan"), float("nan"), float("nan")
        place = int(np.searchsorted(self.time, t, side="right")) - 1
        return float(self.estimate[place]), float(self.low[place]), float(self.high[place])

    def number_at_risk(self, times: ArrayLike) -> Integers:
        """Subjects under observation just before each of ``times``.

        Raises:
            InputError: a time is missing.
        """
        place = np.searchsorted(self.time, complete(times, "times"), side="left")
        return np.append(self.at_risk, 0)[place]


def aalen_johansen(time: ArrayLike, event: ArrayLike, level: float = 0.95) -> CumulativeIncidence:
    """Aalen-Johansen estimate of the cumulative incidence of the event of interest.

    Each jump is the Kaplan-Meier probability of being free of both events just before, times events over number at
    risk. The variance is the delta method's, exact for ties (multinomial at each time); it is Greenwood's where
    nothing competes. The limits are made on the log(-log) scale. On one day events come before censoring.

    Args:
        time: time to the first event or to censoring, any unit, 0 or later.
        event: 0 censored, 1 of interest, 2 competing.
        level: confidence level.

    Raises:
        InputError: no subjects, missing or negative times, unknown event codes, no such level.

    Source: Aalen and Johansen, Scand J Stat 1978;5:141-150; variance as in Marubini and Valsecchi, Analysing Survival
    Data 1995, and Collett, Modelling Survival Data in Medical Research.
    """
    level = confidence_level(level)
    times, kinds = event_columns(time, event)
    if times.size == 0:
        raise InputError("There are no subjects.", where="cumulative incidence", got=0, expected="at least one")
    table = EventTable.of(times, kinds)
    risk, d, d1 = (column[:, 0] for column in (table.at_risk, table.events, table.interest))
    before = table.survival_before()[:, 0]
    estimate = np.cumsum(before * d1 / risk)
    se = np.sqrt(_variance(risk.astype(np.float64), d, d1, before, estimate))
    grid, at_risk = table.time, risk
    if grid[0] > 0:
        grid, at_risk = np.append(0.0, grid), np.append(times.size, at_risk)
        estimate, se = np.append(0.0, estimate), np.append(0.0, se)
    low, high = _log_log_limits(estimate, se, level)
    events, competing, censored = (int(one.sum()) for one in (table.interest, table.competing, table.censored))
    return CumulativeIncidence(
        grid, estimate, low, high, at_risk, int(times.size), events, competing, censored, se, level
    )


def _variance(risk: Floats, d: Integers, d1: Integers, before: Floats, F: Floats) -> Floats:
    """Sum over earlier times k of (F - F_k)^2 a_k + b_k - 2 (F - F_k) c_k, by running sums."""
    alive = risk - d
    # Where all that are left have an event the curve ends: the factor (F - F_k)^2 is zero from there on.
    a = np.divide(d, risk * alive, out=np.zeros_like(risk), where=alive > 0)
    b = before**2 * d1 * (risk - d1) / risk**3
    c = before * d1 / risk**2
    squares = F**2 * np.cumsum(a) - 2 * F * np.cumsum(F * a) + np.cumsum(F**2 * a)
    cross = F * np.cumsum(c) - np.cumsum(F * c)
    return np.asarray(np.maximum(squares + np.cumsum(b) - 2 * cross, 0.0), dtype=np.float64)


def _log_log_limits(F: Floats, se: Floats, level: float) -> tuple[Floats, Floats]:
    z = float(ndtri(0.5 + level / 2))
    low, high = np.full(F.size, np.nan), np.full(F.size, np.nan)
    inside = (F > 0) & (F < 1 - 1e-12)
    f = F[inside]
    half = z * se[inside] / (f * np.abs(np.log(f)))
    low[inside], high[inside] = f ** np.exp(half), f ** np.exp(-half)
    return low, high
