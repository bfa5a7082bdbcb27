"""Numbers by subgroup, with a warning where they are too small to say much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vertherm.core.errors import InputError
from vertherm.review.statistics.inputs import labels, numbers, same_length
from vertherm.review.statistics.proportion import Proportion, proportion
from vertherm.review.statistics.summary import Summary, summarise

SMALL_GROUP, FEW_EVENTS = 10, 5
"""Our choice: below these a warning stands beside the numbers."""


@dataclass(frozen=True)
class SubgroupProportion:
    """The proportion in one subgroup.

    Args:
        group: its label.
        proportion: events of the units with a known answer.
        missing: units without one.
        warning: why the numbers say little; "" where they are large enough.
    """

    group: Any
    proportion: Proportion
    missing: int
    warning: str


@dataclass(frozen=True)
class SubgroupSummary:
    """Location and spread in one subgroup.

    Args:
        group: its label.
        summary: of the values present.
        warning: why the numbers say little; "" where they are large enough.
    """

    group: Any
    summary: Summary
    warning: str


def proportions_by(group: Any, event: ArrayLike, level: float = 0.95) -> tuple[SubgroupProportion, ...]:
    """Proportion with the event in each subgroup, in the order of the labels.

    Args:
        group: label of each unit.
        event: 1 or 0; NaN for unknown.
        level: confidence level.

    Raises:
        InputError: columns of different length, a missing label, an event other than 0, 1, NaN.
    """
    names, place = labels(group, "group")
    column = numbers(event, "event")
    same_length(group=place, event=column)
    known = ~np.isnan(column)
    if not np.isin(column[known], (0.0, 1.0)).all():
        raise InputError(
            "An event is neither 0 nor 1.", where="event", got=np.unique(column[known])[:5], expected="0, 1"
        )
    n = np.bincount(place[known], minlength=names.size)
    events = np.bincount(place[known], weights=column[known], minlength=names.size)
    missing = np.bincount(place[~known], minlength=names.size)
    return tuple(
        SubgroupProportion(_plain(name), proportion(int(events[i]), int(n[i]), level), int(missing[i]),
                           small_numbers(int(n[i]), int(events[i])))
        for i, name in enumerate(names)
    )  # fmt: skip


def summaries_by(group: Any, values: ArrayLike) -> tuple[SubgroupSummary, ...]:
    """Location and spread in each subgroup, in the order of the labels.

    Args:
        group: label of each unit.
        values: numbers, NaN for missing.

    Raises:
        InputError: columns of different length, a missing label, no numbers.
    """
    names, place = labels(group, "group")
    column = numbers(values, "values")
    same_length(group=place, values=column)
    if names.size == 0:
        return ()
    order = np.argsort(place, kind="stable")
    parts = np.split(column[order], np.cumsum(np.bincount(place, minlength=names.size))[:-1])
    found = [summarise(part) for part in parts]
    return tuple(SubgroupSummary(_plain(n), s, small_numbers(s.n)) for n, s in zip(names, found, strict=True))


def small_numbers(n: int, events: int | None = None) -> str:
    """The warning for n units (and so many events), or ""."""
    if n < SMALL_GROUP:
        return f"small numbers: n = {n} (fewer than {SMALL_GROUP})"
    if events is not None and events < FEW_EVENTS:
        return f"small numbers: {events} event{'' if events == 1 else 's'} (fewer than {FEW_EVENTS})"
    return ""


def _plain(name: Any) -> Any:
    return name.item() if hasattr(name, "item") else name
