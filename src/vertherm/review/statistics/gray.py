"""Gray's test: do groups differ in cumulative incidence?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from vertherm.review.statistics.events import EventTable, event_columns
from vertherm.review.statistics.inputs import Floats, Integers, labels, same_length
from vertherm.review.statistics.result import NotEstimable, counted

MIN_EVENTS = 10
"""Our choice: events of interest in all."""
MIN_EXPECTED = 5.0
"""Events expected in each group under the null hypothesis, after Cochran's rule for chi-squared tests."""


@dataclass(frozen=True)
class GroupEvents:
    """One group of the test.

    Args:
        group: its label.
        n: subjects.
        events: events of interest.
        expected: events expected if all groups had the same cumulative incidence.
    """

    group: Any
    n: int
    events: int
    expected: float


@dataclass(frozen=True)
class GrayTest:
    """Result of the test.

    Args:
        statistic: chi-squared statistic.
        df: groups - 1.
        p: its upper tail.
        events_by_group: counts of each group, in the order of the labels.
    """

    statistic: float
    df: int
    p: float
    events_by_group: tuple[GroupEvents, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """Ids in ``methods``."""
        return ("gray",)


def gray_test(time: ArrayLike, event: ArrayLike, group: Any) -> GrayTest | NotEstimable:
    """Gray's K-sample test of equal cumulative incidence of the event of interest (weight rho = 0).

    Not estimable (our rule) with fewer than 2 groups, fewer than 10 events of interest, or fewer than 5 expected in
    any group.

    Args:
        time: time to the first event or to censoring, any unit, 0 or later.
        event: 0 censored, 1 of interest, 2 competing.
        group: a label a subject.

    Raises:
        InputError: columns of different length, missing values, unknown event codes.

    Source: Gray, Ann Stat 1988;16:1141-1154; rule of 5 expected: Cochran, Biometrics 1954;10:417-451.
    """
    times, kinds = event_columns(time, event)
    names, place = labels(group, "group")
    same_length(time=times, group=place)
    if names.size < 2:
        return NotEstimable(f"{counted(names.size, 'group')}; Gray's test compares at least 2")
    table = EventTable.of(times, kinds, place, int(names.size))
    observed = table.interest.sum(axis=0)
    if observed.sum() < MIN_EVENTS:
        return NotEstimable(f"{counted(int(observed.sum()), 'event')}; Gray's test needs {MIN_EVENTS} (our rule)")
    weights = _Weights(table)
    expected = observed - weights.score
    if expected.min() < MIN_EXPECTED:
        least = int(np.argmin(expected))
        return NotEstimable(
            f"{expected[least]:.1f} events expected in group {names[least]}; Gray's test needs "
            f"{MIN_EXPECTED:g} in each (our rule)"
        )
    return _result(names, place, observed, expected, weights)


def _result(
    names: NDArray, place: Integers, observed: Integers, expected: Floats, weights: _Weights
) -> GrayTest | NotEstimable:
    df = int(names.size) - 1
    score, covariance = weights.score[:df], weights.covariance()[:df, :df]
    try:
        statistic = float(score @ np.linalg.solve(covariance, score))
    except np.linalg.LinAlgError:
        return NotEstimable("the groups' events leave no variance to compare them by")
    size = np.bincount(place, minlength=names.size)
    rows = tuple(
        GroupEvents(name.item() if hasattr(name, "item") else name, int(n), int(d), float(e))
        for name, n, d, e in zip(names, size, observed, expected, strict=True)
    )
    return GrayTest(statistic, df, float(chdtrc(df, statistic)), rows)


class _Weights:
    """Observed minus expected events of each group (``score``), and the covariance of these differences.

    Each group r has weight R_r = Y_r (1 - F_r-)/S_r-, the number at risk of the subdistribution; events are spread in
    proportion to R. Arrays are [times with an event, groups].
    """

    def __init__(self, table: EventTable) -> None:
        keep = table.events.sum(axis=1) > 0
        self.risk, d1, self.d2 = (
            one[keep].astype(np.float64) for one in (table.at_risk, table.interest, table.competing)
        )
        # Survival only changes where something happens, so the kept rows carry all of it.
        self.before, self.after = table.survival_before()[keep], table.survival()[keep]
        self.active = (self.risk > 0) & (self.before > 0)
        self.u = np.divide(self.risk, self.before, out=np.zeros_like(self.risk), where=self.active)
        jumps = np.divide(self.before * d1, self.risk, out=np.zeros_like(self.risk), where=self.active)
        own = np.cumsum(jumps, axis=0)
        own_before = np.concatenate((np.zeros((1, own.shape[1])), own[:-1]))
        self.D1 = d1.sum(axis=1)
        R = self.u * (1 - own_before)
        self.score: Floats = (d1 - self.D1[:, None] * R / R.sum(axis=1, keepdims=True)).sum(axis=0)

    def covariance(self) -> Floats:
        """Sum, over the events of both kinds, of the square of what one of them moves.

        An event moves the difference itself and, through S and F, the weights of all later times. Under the null
        hypothesis F is pooled.
        """
        u, total = self.u, self.u.sum(axis=1)
        pooled = np.cumsum(self.D1 / total)
        rest = np.maximum(1 - np.append(0.0, pooled[:-1]), np.finfo(float).tiny)
        alive = self.after > 0
        ended = np.divide(1 - pooled[:, None], self.after, out=np.zeros_like(u), where=alive)
        first_later = np.where(alive, 1 - ended, 1.0)
        at_risk = total[:, None] * self.before
        var1 = _variance_of_events(self.D1[:, None], at_risk, self.before, self.risk * total[:, None], 1, self.active)
        var2 = _variance_of_events(self.d2, self.risk, self.before, self.risk**2, 2, self.active & alive)
        out = np.zeros((u.shape[1], u.shape[1]))
        for r in range(u.shape[1]):
            # What one unit of hazard in group r moves in the difference of each group, now and later.
            move = -u * (u[:, r] / total)[:, None]
            move[:, r] += u[:, r]
            carried = np.cumsum(move * (self.D1 / (total * rest))[:, None], axis=0)
            later = carried[-1] - carried
            first, second = move + first_later[:, r, None] * later, ended[:, r, None] * later
            out += (first * var1[:, r, None]).T @ first + (second * var2[:, r, None]).T @ second
        return out


def _variance_of_events(d: Floats, risk: Floats, before: Floats, below: Floats, power: int, where: Any) -> Floats:
    """S^power d / below with the hypergeometric correction for ties, 0 where nobody is at risk."""
    shape = np.broadcast_shapes(d.shape, risk.shape)
    tied = np.broadcast_to((d > 1) & (risk > 1), shape)
    ties = 1.0 - np.divide(d - 1, risk - 1, out=np.zeros(shape), where=tied)
    return np.asarray(np.divide(ties * before**power * d, below, out=np.zeros(shape), where=where), dtype=np.float64)
