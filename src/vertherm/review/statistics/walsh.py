"""Order statistics of the Walsh averages (x_i + x_j)/2, i <= j, without making all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vertherm.core.errors import InputError
from vertherm.review.statistics.inputs import Floats, Integers

COLLECT = 50_000
"""Candidates left at which they are listed and sorted: 0.4 MB."""


@dataclass(eq=False)
class WalshAverages:
    """The n(n + 1)/2 averages of a sample as a sorted triangle that is never written down.

    With the values sorted, the sums x_i + x_j grow along every row i. A rank is found as in Johnson and Mizoguchi:
    the weighted median of the middles of the rows is the pivot; the sums below and up to it are counted; at least a
    quarter of the candidates drops out each time. Equal values are merged and counted, so ties cost nothing. Sums are
    compared as the computer rounds them, so the result is the very number that sorting all averages would give.

    Args:
        values: finite numbers.
        collect: candidates left at which they are listed (a test sets it small).

    Source: Johnson and Mizoguchi, SIAM J Comput 1978;7:147-153.
    """

    values: Floats
    collect: int = COLLECT

    def __post_init__(self) -> None:
        self.x, self.count = np.unique(self.values, return_counts=True)
        self.n = int(self.values.size)
        self.total = self.n * (self.n + 1) // 2
        self.rows = np.arange(self.x.size)
        self.before = np.concatenate(([0], np.cumsum(self.count)))

    def at(self, rank: int) -> float:
        """The ``rank``-th smallest average (1 is the smallest).

        Raises:
            InputError: there is no such rank.
        """
        if not 1 <= rank <= self.total:
            raise InputError("There is no such rank.", where="Walsh averages", got=rank, expected=f"1 to {self.total}")
        first, end = self.rows.copy(), np.full(self.x.size, self.x.size)
        dropped = 0
        while int((end - first).sum()) > self.collect:
            pivot = self._pivot(first, end)
            below, upto = self._first(pivot, strict=False), self._first(pivot, strict=True)
            if rank <= self._pairs(below):
                end = np.minimum(end, below)
            elif rank > self._pairs(upto):
                dropped = self._pairs(upto)
                first = np.maximum(first, upto)
            else:
                return float(pivot / 2.0)
            first = np.minimum(first, end)
        return self._among(first, end, rank - dropped)

    def _pivot(self, first: Integers, end: Integers) -> float:
        """Weighted median of the middles of the rows."""
        width = end - first
        open_rows = np.flatnonzero(width > 0)
        middle = (first[open_rows] + end[open_rows] - 1) // 2
        sums = self.x[open_rows] + self.x[middle]
        order = np.argsort(sums)
        reached = np.cumsum(width[open_rows][order])
        return float(sums[order][np.searchsorted(reached, (reached[-1] + 1) // 2)])

    def _first(self, pivot: float, *, strict: bool) -> Integers:
        """First column of each row whose sum is not below the pivot (strict: above it); at least the diagonal."""
        x, size = self.x, self.x.size
        column = np.searchsorted(x, pivot - x, side="right" if strict else "left").astype(np.int64)
        compare = np.less_equal if strict else np.less
        # pivot - x is rounded, and so is x + x: settle the last step by the sums themselves.
        while True:
            back = column > 0
            back[back] = ~compare(x[back] + x[column[back] - 1], pivot)
            on = column < size
            on[on] = compare(x[on] + x[column[on]], pivot)
            if not (back.any() or on.any()):
                return np.maximum(column, self.rows)
            column = column - back + on

    def _pairs(self, column: Integers) -> int:
        """Averages, counted with their ties, in the columns before ``column`` of every row."""
        some = column > self.rows
        rows = self.rows[some]
        own = self.count[rows]
        right = self.before[column[some]] - self.before[rows + 1]
        return int((own * (own + 1) // 2 + own * right).sum())

    def _among(self, first: Integers, end: Integers, rank: int) -> float:
        width = end - first
        row = np.repeat(self.rows, width)
        start = np.repeat(first - np.concatenate(([0], np.cumsum(width)[:-1])), width)
        column = start + np.arange(row.size)
        own = self.count[row]
        weight = np.where(row == column, own * (own + 1) // 2, own * self.count[column])
        sums = self.x[row] + self.x[column]
        order = np.argsort(sums, kind="stable")
        place = np.searchsorted(np.cumsum(weight[order]), rank)
        return float(sums[order][place] / 2.0)
