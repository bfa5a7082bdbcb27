"""Repeated measurements as a table of patients by visits, and least squares under equal correlation within patients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.core.errors import InputError
from vertherm.review.statistics.inputs import Floats, Integers, labels, numbers, same_length


@dataclass(frozen=True, eq=False)
class Panel:
    """Values of patients at visits.

    Args:
        visits: labels, the reference first.
        values: [patients, visits], NaN where missing; every patient has at least one value.
        pattern: for each patient, which of ``patterns`` it shows.
        patterns: distinct sets of visits present [patterns, visits], as 0.0 and 1.0.
    """

    visits: tuple[Any, ...]
    values: Floats
    pattern: Integers
    patterns: Floats

    @staticmethod
    def of(patient: Any, visit: Any, value: ArrayLike, reference: Any, visits: Sequence[Any] | None = None) -> Panel:
        """The table of the rows whose value is known.

        Args:
            patient: label of the patient of each row.
            visit: label of the visit of each row.
            value: number, NaN for missing.
            reference: label of the visit to compare with.
            visits: order of the visits; None: sorted labels, numbers in them by size (week 2 before week 20). The
                reference always comes first.

        Raises:
            InputError: columns of different length, two values of one patient at one visit, or unknown visits.
        """
        column = numbers(value, "value")
        people, who = labels(patient, "patient")
        names, when = labels(visit, "visit")
        same_length(patient=who, visit=when, value=column)
        known = ~np.isnan(column)
        cell = who[known] * names.size + when[known]
        if np.unique(cell).size < cell.size:
            twice = int(np.flatnonzero(np.bincount(cell) > 1)[0])
            raise InputError("A patient has two values at one visit.", where=str(names[twice % names.size]),
                             got=f"patient {people[twice // names.size]}", expected="one value")  # fmt: skip
        table = np.full((people.size, names.size), np.nan)
        table[who[known], when[known]] = column[known]
        order = _order(names, reference, visits)
        table = table[:, order]
        table = table[~np.isnan(table).all(axis=1)]
        bits = (~np.isnan(table)).astype(np.float64)
        patterns, pattern = np.unique(bits, axis=0, return_inverse=True)
        chosen = tuple(names[place].item() if hasattr(names[place], "item") else names[place] for place in order)
        return Panel(chosen, table, pattern.astype(np.int64).ravel(), patterns)

    @property
    def patients(self) -> int:
        """Patients with a value."""
        return int(self.values.shape[0])

    @property
    def observations(self) -> int:
        """Values in all."""
        return int((~np.isnan(self.values)).sum())

    def by_visit(self) -> Integers:
        """Values at each visit."""
        return np.asarray((~np.isnan(self.values)).sum(axis=0))


def _order(names: NDArray[Any], reference: Any, visits: Sequence[Any] | None) -> list[int]:
    position = {(name.item() if hasattr(name, "item") else name): place for place, name in enumerate(names)}
    wanted = sorted(position, key=_natural) if visits is None else list(visits)
    missing = [name for name in [reference, *position] if name not in wanted or name not in position]
    if missing and names.size:
        raise InputError("A visit is unknown.", where="visits", got=missing[0], expected=sorted(map(str, position)))
    wanted = [name for name in wanted if name in position]
    return [position[name] for name in sorted(wanted, key=lambda name: name != reference)]


def _natural(name: Any) -> list[tuple[bool, Any]]:
    if not isinstance(name, str):
        return [(False, name)]
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"([0-9]+)", name)]


@dataclass(eq=False)
class EqualCorrelation:
    """Generalised least squares of visit means when the values of a patient have covariance I + ratio J.

    Patients with the same visits share their matrices, so sums by pattern are all that is needed; a new ratio costs
    nothing that grows with the patients. Values are centred at the visit means before they are squared.
    """

    panel: Panel

    def __post_init__(self) -> None:
        y = self.panel.values
        present = ~np.isnan(y)
        self.centre: Floats = np.nansum(y, axis=0) / present.sum(axis=0)
        self.y: Floats = np.where(present, y - self.centre, 0.0)
        self.size = self.panel.patterns.sum(axis=1)
        kinds = self.size.size
        total = self.y.sum(axis=1)
        self.members = np.bincount(self.panel.pattern, minlength=kinds).astype(np.float64)
        self.totals = np.bincount(self.panel.pattern, weights=total, minlength=kinds)
        self.squares = np.bincount(self.panel.pattern, weights=total**2, minlength=kinds)
        self.at_visit = present.sum(axis=0).astype(np.float64)
        self.sums = self.y.sum(axis=0)
        self.sum_of_squares = float((self.y**2).sum())

    def information(self, ratio: float) -> Floats:
        """X'V^-1 X for cell means."""
        weight = self.members * ratio / (1 + self.size * ratio)
        m = self.panel.patterns
        return np.asarray(np.diag(self.at_visit) - (m * weight[:, None]).T @ m)

    def means(self, ratio: float) -> Floats:
        """Visit means, relative to ``centre``."""
        weight = ratio / (1 + self.size * ratio)
        right = self.sums - self.panel.patterns.T @ (weight * self.totals)
        return np.asarray(np.linalg.solve(self.information(ratio), right), dtype=np.float64)

    def residual_sums(self, means: Floats) -> Floats:
        """For each pattern the sum over its patients of the squared sum of residuals."""
        fitted = self.panel.patterns @ means
        return np.asarray(self.squares - 2 * fitted * self.totals + self.members * fitted**2)

    def residual_square(self, means: Floats) -> float:
        """Sum of squared residuals."""
        return float(self.sum_of_squares - 2 * means @ self.sums + (self.at_visit * means**2).sum())


def contrasts(visits: int) -> Floats:
    """Matrix that turns visit means into the reference mean and the differences from it."""
    out = np.eye(visits)
    out[1:, 0] = -1.0
    return out
