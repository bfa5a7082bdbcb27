"""What every contestant returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Outcome:
    """One run of one contestant.

    Args:
        temperature_c: degC, shape (times, probes).
        setup_s: everything before the first step: mesh or sampling, assembly, factorisation, start of the solver.
        steps_s: the march.
        unknowns: cells or degrees of freedom.
        steps: time steps.
        parts_s: pieces of the set-up by name.
        note: what else a reader must know.
        sensors_c: the same by the code's own point sensors, where they read otherwise.
    """

    temperature_c: NDArray[np.float64]
    setup_s: float
    steps_s: float
    unknowns: int
    steps: int
    parts_s: dict[str, float] = field(default_factory=dict)
    note: str = ""
    sensors_c: NDArray[np.float64] | None = None

    @property
    def total_s(self) -> float:
        """Set-up and steps."""
        return self.setup_s + self.steps_s


class Clock:
    """Seconds since the last call, by name."""

    def __init__(self) -> None:
        from time import perf_counter

        self._now = perf_counter
        self._last = self._now()
        self.parts_s: dict[str, float] = {}

    def __call__(self, name: str) -> float:
        """Seconds since the previous call (or the start), added under ``name``."""
        now = self._now()
        took, self._last = now - self._last, now
        self.parts_s[name] = self.parts_s.get(name, 0.0) + took
        return took
