"""Times to a first event of several kinds, counted at each distinct time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vertherm.core.errors import InputError
from vertherm.review.statistics.inputs import Floats, Integers, complete, same_length

CENSORED, INTEREST, COMPETING = 0, 1, 2


def event_columns(time: ArrayLike, event: ArrayLike) -> tuple[Floats, Integers]:
    """Times and kinds of event, checked.

    Raises:
        InputError: missing or negative times, or an event other than 0 (censored), 1 (of interest), 2 (competing).
    """
    times, kinds = complete(time, "time"), complete(event, "event")
    same_length(time=times, event=kinds)
    if np.any(times < 0):
        raise InputError("A time is negative.", where="time", got=float(times.min()), expected="0 or later")
    if not np.isin(kinds, (CENSORED, INTEREST, COMPETING)).all():
        raise InputError("An event code is unknown.", where="event", got=np.unique(kinds)[:5],
                         expected="0 censored, 1 of interest, 2 competing")  # fmt: skip
    return times, kinds.astype(np.int64)


@dataclass(frozen=True, eq=False)
class EventTable:
    """Counts at each distinct time, one column a group.

    Who is censored at a time counts as at risk at that time: events come before censoring on the same day. Nothing is
    jittered; events of several kinds on one day share the same number at risk.

    Args:
        time: distinct times, ascending.
        at_risk: under observation just before each time [times, groups].
        interest: events of interest [times, groups].
        competing: competing events [times, groups].
        censored: censored [times, groups].
    """

    time: Floats
    at_risk: Integers
    interest: Integers
    competing: Integers
    censored: Integers

    @staticmethod
    def of(times: Floats, kinds: Integers, group: Integers | None = None, groups: int = 1) -> EventTable:
        """The table of all subjects; ``group`` holds positions 0 ... groups - 1."""
        distinct, place = np.unique(times, return_inverse=True)
        column = np.zeros(times.size, np.int64) if group is None else group
        cell = (place * groups + column) * 3 + kinds
        counts = np.bincount(cell, minlength=distinct.size * groups * 3).reshape(distinct.size, groups, 3)
        leaving = counts.sum(axis=2)
        at_risk = leaving[::-1].cumsum(axis=0)[::-1]
        return EventTable(distinct, at_risk, counts[..., INTEREST], counts[..., COMPETING], counts[..., CENSORED])

    @property
    def events(self) -> Integers:
        """Events of both kinds."""
        return self.interest + self.competing

    def survival_before(self) -> Floats:
        """Kaplan-Meier estimate of being free of every event just before each time [times, groups]."""
        after = self.survival()
        return np.concatenate((np.ones((1, after.shape[1])), after[:-1]))

    def survival(self) -> Floats:
        """Kaplan-Meier estimate of being free of every event just after each time [times, groups]."""
        risk = np.maximum(self.at_risk, 1)
        return np.asarray(np.cumprod((risk - self.events) / risk, axis=0), dtype=np.float64)
