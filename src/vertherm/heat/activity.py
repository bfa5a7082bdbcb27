"""Which rows of the grid a step has to sweep: those that move, and as far as heat can travel in the step.

A row (all cells along k) *sleeps* while all it would have changed in the steps it was left out of stays below
``rest_k`` kelvin, and while it is too cold for doses or for perfusion to change. A row that woke stays awake. A step
with s stages carries heat s cells far: rows within s of an awake one are swept with it, so that nothing is lost at the
edge and what is left out is only the sleeping rows' own rate, at most ``rest_k`` each over the whole run. Rows without
a free cell are never swept: they cannot change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Spans = NDArray[np.int64]


def spans_of(rows: NDArray[np.bool_]) -> Spans:
    """First and last row that is True in each plane (1 and 0 where none)."""
    some = rows.any(axis=1)
    first = np.where(some, rows.argmax(axis=1), 1)
    last = np.where(some, rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1), 0)
    return np.ascontiguousarray(np.stack([first, last], axis=1), dtype=np.int64)


def reach(spans: Spans, cells: int) -> Spans:
    """Spans of all rows at most ``cells`` steps, along i and j together, from one in ``spans``."""
    far = 1 << 30
    empty = spans[:, 1] < spans[:, 0]
    first, last = np.where(empty, far, spans[:, 0]), np.where(empty, -far, spans[:, 1])
    low, high = first.copy(), last.copy()
    n = len(spans)
    for shift in range(-min(cells, n - 1), min(cells, n - 1) + 1):
        to, source = slice(max(0, shift), n + min(0, shift)), slice(max(0, -shift), n - max(0, shift))
        rest = cells - abs(shift)
        low[to] = np.minimum(low[to], first[source] - rest)
        high[to] = np.maximum(high[to], last[source] + rest)
    return np.stack([low, high], axis=1)


class Activity:
    """Sweeps of a run.

    Args:
        free: padded cells that can change, (nx+2, ny+2, nz+2).
        always: padded rows (nx+2, ny+2) that are awake from the start.
        rest_k: what a sleeping row may have been left behind; 0: every row is swept.
        warm_k: rows that may pass this temperature (above arterial) within a step are awake.
    """

    def __init__(self, free: NDArray[np.bool_], always: NDArray[np.bool_], rest_k: float, warm_k: float) -> None:
        rows = self._rows = np.asarray(free.any(axis=2))
        self._possible = spans_of(rows)
        self._sleeping = rows & ~always if rest_k > 0 else np.zeros_like(rows)
        self._owed: Rows = np.zeros(rows.shape, dtype=np.float32)
        self._rest, self._warm = np.float32(rest_k), np.float32(warm_k)
        self.spans = self._clipped(spans_of(rows & ~self._sleeping))
        self._reach = 0

    @property
    def complete(self) -> bool:
        """Whether every row is swept."""
        return bool((self.spans == self._possible).all())

    @property
    def share(self) -> float:
        """Swept rows over all rows with a free cell."""
        size = np.maximum(self._possible[:, 1] - self._possible[:, 0] + 1, 0).sum()
        return float(np.maximum(self.spans[:, 1] - self.spans[:, 0] + 1, 0).sum() / max(size, 1))

    def rate_spans(self, everything: bool) -> Spans:
        """Rows whose rate may differ from the one last computed: the swept ones and their neighbours."""
        return self._possible if everything or self.complete else self._clipped(reach(self.spans, 1))

    def prepare(self, dt_s: float, stages: int, row_rate: Rows, row_max: Rows) -> None:
        """Choose the rows of a step; what stays asleep owes its change."""
        if self.complete:
            return
        change = np.float32(dt_s) * row_rate
        waking = self._sleeping & ((self._owed + change > self._rest) | (row_max + change >= self._warm))
        if waking.any() or stages > self._reach:
            self._sleeping &= ~waking
            self._reach = max(stages, self._reach)
            awake = spans_of(self._rows & ~self._sleeping)
            self.spans = self._clipped(reach(awake, self._reach))
        self._owed += np.where(self._within(self.spans), np.float32(0.0), change)

    def cuts(self, threads: int) -> Spans:
        """Planes that split the swept rows evenly between threads, (threads + 1)."""
        count: NDArray[np.int64] = np.maximum(self.spans[:, 1] - self.spans[:, 0] + 1, 0)
        total = np.cumsum(count)
        inner = [int(np.searchsorted(total, total[-1] * n / threads)) + 1 for n in range(1, threads)]
        return np.maximum.accumulate(np.array([1, *inner, len(count) - 1], dtype=np.int64).clip(1, len(count) - 1))

    def _within(self, spans: Spans) -> NDArray[np.bool_]:
        j = np.arange(self._owed.shape[1])
        first, last = spans[:, 0].reshape(-1, 1), spans[:, 1].reshape(-1, 1)
        return np.asarray((j >= first) & (j <= last))

    def _clipped(self, spans: Spans) -> Spans:
        first = np.maximum(spans[:, 0], self._possible[:, 0])
        last = np.minimum(spans[:, 1], self._possible[:, 1])
        empty = last < first
        return np.ascontiguousarray(np.stack([np.where(empty, 1, first), np.where(empty, 0, last)], axis=1))
