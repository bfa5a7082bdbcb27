"""Who is in the series and what becomes of them: times of procedures, death, loss and progression."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from vertherm.registry.synthetic.columns import Indices, pick

FIRST_DAY, LAST_DAY, DATA_UNTIL = date(2014, 1, 1), date(2019, 12, 31), date(2020, 12, 31)
SUBDISTRIBUTION_HAZARD_RATIO = 0.5
"""True ratio of prior radiotherapy against none for progression."""
NEVER = 10**6
"""Day of what does not happen."""
_BASE_RISK, _TIME_SCALE_D = 0.22, 250.0
_DEATH_RATE_PER_D = 0.00030
_LONGEST_FOLLOW_UP_D = 730
_LESION_SHARES = (0.68, 0.22, 0.07, 0.03)
_EARLIEST_VISIT_D = 60
_FIRST_DATE = FIRST_DAY.toordinal() - _EARLIEST_VISIT_D
_DATES = tuple(date.fromordinal(day) for day in range(_FIRST_DATE, DATA_UNTIL.toordinal() + 1))


@dataclass(frozen=True)
class Population:
    """Arrays with one value a patient; days count from the first procedure, :data:`NEVER` where nothing happens.

    ``end`` is the last day on which the patient was known to be alive; nothing is recorded after it.
    """

    keys: NDArray
    day_zero: Indices
    radiotherapy: NDArray[np.bool_]
    lesions: Indices
    death: Indices
    end: Indices
    progression: Indices
    staged: Indices
    retreatment: Indices

    @property
    def size(self) -> int:
        """Number of patients."""
        return len(self.keys)

    def dates(self, patient: Indices, day: Indices) -> NDArray:
        """Dates of days after day 0; the same day is the same object."""
        return pick(_DATES, self.day_zero[patient] + day - _FIRST_DATE)


def draw_population(rng: np.random.Generator, n: int) -> Population:
    """``n`` patients with their fates."""
    day_zero = rng.integers(FIRST_DAY.toordinal(), LAST_DAY.toordinal() + 1, n)
    radiotherapy = rng.random(n) < 0.45
    progression = _draw_progression(rng, radiotherapy)
    death = np.ceil(rng.exponential(1.0 / _DEATH_RATE_PER_D, n)).astype(np.int64)
    # After progression death comes sooner; before it, it is the competing event.
    after = progression + np.ceil(rng.exponential(900.0, n)).astype(np.int64)
    death = np.where(progression < NEVER, after, death)
    observed = np.minimum(DATA_UNTIL.toordinal() - day_zero, _LONGEST_FOLLOW_UP_D)
    lost = np.where(rng.random(n) < 0.1, rng.integers(20, 700, n), NEVER)
    observed = np.minimum(observed, lost)
    end = np.minimum(death, observed)
    death = np.where(death <= observed, death, NEVER)
    lesions = rng.choice(len(_LESION_SHARES), size=n, p=_LESION_SHARES) + 1
    staged = rng.integers(7, 41, n)
    staged = np.where((lesions > 1) & (rng.random(n) < 0.3) & (staged <= end), staged, NEVER)
    again = progression + rng.integers(170, 230, n)
    again = np.where((progression < NEVER) & (rng.random(n) < 0.5) & (again <= end), again, NEVER)
    keys = pick([f"SYN-STRESS-{i:07d}" for i in range(1, n + 1)], np.arange(n))
    return Population(keys, day_zero, radiotherapy, lesions, death, end, progression, staged, again)


def _draw_progression(rng: np.random.Generator, radiotherapy: NDArray[np.bool_]) -> Indices:
    """Days of progression from F(t|x) = 1 - [1 - p (1 - exp(-t/tau))]^(r^x): r is the subdistribution hazard ratio."""
    power = np.where(radiotherapy, SUBDISTRIBUTION_HAZARD_RATIO, 1.0)
    risk = 1.0 - (1.0 - _BASE_RISK) ** power
    u = rng.random(len(radiotherapy))
    happens = u < risk
    share = (1.0 - (1.0 - np.minimum(u, risk * 0.999999)) ** (1.0 / power)) / _BASE_RISK
    days = np.ceil(-_TIME_SCALE_D * np.log1p(-np.minimum(share, 0.999999))).astype(np.int64)
    return np.where(happens, np.maximum(days, 1), NEVER)
