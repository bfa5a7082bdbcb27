"""The surrogate held to the plan's full model: what it reads for the planned dose against what the plan says.

The plan's limits come from the full model. The surrogate's rise of every structure is scaled so that its worst variant
reads the same for the planned dose; the same factor is then used for other doses and for the running treatment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.materials.constants import constants
from vertherm.materials.damage import cem43_increment
from vertherm.planning.monitor.delivered import Heat, end_s, planned
from vertherm.planning.state.state import State

Array = NDArray[np.float64]
SMALL_K, SMALL_MIN = 1.0, 0.05
"""Rises and doses below these say nothing about a factor."""
RISE_RANGE, DOSE_RANGE = (0.5, np.inf), (0.2, np.inf)
"""A factor below is no correction but another problem; upwards, towards caution, nothing is cut."""
LEAST_K = 0.2
"""Rise of the surrogate that a factor is formed with at least."""
COOLING_S, STEP_S = 900.0, 5.0


@dataclass(frozen=True)
class PlanScale:
    """Factors by structure; 1 where the plan says nothing."""

    rises: Mapping[str, float]
    doses: Mapping[str, float]

    def rise(self, name: str) -> float:
        """On temperature rises."""
        return self.rises.get(name, 1.0)

    def dose(self, name: str) -> float:
        """On CEM43."""
        return self.doses.get(name, 1.0)


def plan_scale(state: State, heat: Heat) -> PlanScale:
    """Factors that make the worst variant read the plan's own numbers for the plan's own dose."""
    body = constants("body_temperature").value
    schedule = planned(state.treatment)
    times = np.arange(0.0, end_s(schedule) + COOLING_S, STEP_S)
    curves = heat.structures(schedule, times)
    rises: dict[str, float] = {}
    doses: dict[str, float] = {}
    for row in state.plan.limits:
        if row.name not in curves:
            continue
        worst = curves[row.name].max(axis=0)
        if row.peak_c - body >= SMALL_K:
            rises[row.name] = float(np.clip((row.peak_c - body) / max(float(worst.max()), LEAST_K), *RISE_RANGE))
        dose = cem43_min(times, body + rises.get(row.name, 1.0) * worst)
        if row.cem43_min >= SMALL_MIN:
            doses[row.name] = float(np.clip(row.cem43_min / max(dose, SMALL_MIN), *DOSE_RANGE))
    return PlanScale(rises, doses)


def cem43_min(time_s: Array, temperature_c: Array) -> float:
    """Equivalent minutes at 43 degC of one curve, (nt,) times in s and degC; trapezoids of the rate."""
    # 100 degC is far beyond any limit: higher temperatures must not overflow.
    rate = cem43_increment(np.minimum(temperature_c, 100.0), 1.0)
    return float(np.sum(0.5 * (rate[1:] + rate[:-1]) * np.diff(time_s)))
