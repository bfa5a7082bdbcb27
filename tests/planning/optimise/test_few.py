"""The search by few variants finds what the search by all of them finds, and reads far fewer.

Each of 40 samples heats a structure by a (1 - exp(-t / tau)) P with its own a and tau, and covers with its own radius:
which sample is the worst changes with power and time. Expected: doses and judgements equal to those of a search over
all variants (the worst decides in both), every end judged by all variants, and fewer than half the readings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.planning.optimise.problems import problem_for
from vertherm.planning.optimise.dose import Doses, Pattern, search_doses
from vertherm.planning.optimise.few import WORTHWHILE, search
from vertherm.planning.optimise.judge import Background, Judge
from vertherm.planning.optimise.models import Model, Models
from vertherm.planning.surrogate.dose import Dose
from vertherm.planning.surrogate.readings import Readings, StructureReading, TargetReading

ONE = (Pattern((0,)),)


@dataclass(eq=False)
class Many:
    """Variants that differ in how fast they heat, so that the worst one depends on the dose."""

    gain: np.ndarray
    tau_s: np.ndarray
    reach: np.ndarray
    read: list[int] = field(default_factory=list)

    @property
    def n(self) -> int:
        return len(self.gain)

    def readings(self, dose: Dose, variants: Any = None) -> Readings:
        asked = np.arange(self.n) if variants is None else np.array(variants)
        self.read.append(len(asked))
        (pulse,) = dose.pulses
        peak = 37.0 + pulse.power_w * self.gain[asked] * (1.0 - np.exp(-pulse.on_s / self.tau_s[asked]))
        minutes = pulse.on_s / 60.0 * np.where(peak >= 43, 2.0, 4.0) ** (peak - 43.0)
        radius = self.reach[asked] * np.sqrt(pulse.power_w * (1.0 - np.exp(-pulse.on_s / (0.5 * self.tau_s[asked]))))
        target = TargetReading(
            np.minimum(1.0, (radius / 8.0) ** 3), np.minimum(1.0, (radius / 8) ** 3), radius - 8, 1e3
        )
        return Readings({"canal": StructureReading(peak, minutes)}, {"target": target}, 37.0)


def many(seed: int, n: int = 41) -> Many:
    rng = np.random.default_rng(seed)
    return Many(rng.uniform(0.08, 0.3, n), rng.uniform(30.0, 500.0, n), rng.uniform(1.9, 2.6, n))


def models(problem: Any, reader: Many, **changes: Any) -> Models:
    judge = Judge(problem.goal, problem.limits, ("target",), sampled=True, **changes)
    return Models((Model(reader, judge),), problem.goal)  # type: ignore[arg-type]


def both(seed: int, n: int = 41, **changes: Any) -> tuple[Doses, Doses, Many, Many]:
    problem = problem_for(margin_mm=0.0)
    one, other = many(seed, n), many(seed, n)
    few = search(models(problem, one, **changes), ONE, problem.lattice, "target")
    whole = search_doses(models(problem, other, **changes), ONE, problem.lattice, problem.goal, "target")
    return few, whole, one, other


@pytest.mark.parametrize("seed", range(12))
def test_few_variants_find_what_all_of_them_find(seed: int) -> None:
    few, whole, one, other = both(seed)
    assert few.best.dose == whole.best.dose
    assert few.best.judgement == whole.best.judgement
    assert few.reaching.dose == whole.reaching.dose
    assert few.reaching.judgement == whole.reaching.judgement
    assert (few.widest is None) == (whole.widest is None)
    if few.widest is not None and whole.widest is not None:
        assert few.widest.dose == whole.widest.dose
    assert sum(one.read) < 0.5 * sum(other.read)


def test_the_worst_variant_changes_with_the_dose() -> None:
    """Without that the test above would show little."""
    reader = many(0)
    worst = {
        int(reader.readings(ONE[0].dose(power, time)).structures["canal"].peak_c.argmax())
        for power in (10.0, 60.0)
        for time in (60.0, 150.0, 600.0)
    }
    assert len(worst) > 1


def test_what_other_lesions_add_to_single_variants_needs_all_of_them() -> None:
    background = Background({"canal": np.linspace(37.0, 40.0, 41)}, {"canal": np.linspace(0.0, 3.0, 41)})
    few, whole, one, other = both(3, background=background)
    assert few.best == whole.best or few.best.dose == whole.best.dose
    assert sum(one.read) == sum(other.read)


def test_a_bound_that_is_not_the_worst_needs_all_variants() -> None:
    """From 93 samples on the bound of the 95th percentile is the second largest: nothing may be left out."""
    few, whole, one, other = both(1, 121)
    assert few.best.dose == whole.best.dose
    assert sum(one.read) == sum(other.read)


def test_a_handful_of_variants_is_read_throughout() -> None:
    _, _, one, other = both(2, WORTHWHILE - 1)
    assert sum(one.read) == sum(other.read)
