"""A dose held against limits and goal: what the surrogate reads, what decides, and how much room is left.

Limits are kept where every structure stays below its stop limits (and its warn limits, if they bind) by the deciding
rule: the largest of the variants, or with 59 and more samples the bound of the 95th percentile; the nominal one counts
always. What is left to a limit is a share: 1 at body temperature and without dose, 0 at the limit, negative beyond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from vertherm.ensemble.order_statistics import Side, tolerance_bound
from vertherm.geometry.volume import FloatArray
from vertherm.materials.constants import constants
from vertherm.planning.assessment import Status
from vertherm.planning.limits import judge as status_of
from vertherm.planning.optimise.cap import share_left
from vertherm.planning.optimise.goal import SAME_MM, TOLERANCE, Goal
from vertherm.planning.percentiles import CONFIDENCE, NEEDED, SHARE
from vertherm.planning.protocol import Limit

if TYPE_CHECKING:
    from vertherm.planning.surrogate.dose import Dose
    from vertherm.planning.surrogate.readings import Readings

BREAK_C = 43.0
MOST_DOUBLINGS = 60.0
LARGEST_DOSE_MIN = 1e6
"""Dose beyond which a larger one says nothing more; keeps corrections of doses finite."""


class Reader(Protocol):
    """What reads a dose: the surrogate."""

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the antenna places that pulses count by."""

    def readings(self, dose: Dose) -> Readings:
        """Temperatures, doses and coverage of every variant."""


@dataclass(frozen=True)
class Correction:
    """What the surrogate's readings are changed by, once the full model has been asked about a dose.

    Args:
        rise_factor: by structure, on its rise above body temperature.
        dose_factor: by structure, on CEM43.
        margin_mm: by target, added to margins (negative: the surrogate reads them too large).
        coverage: by target, added to coverages.
    """

    rise_factor: Mapping[str, float] = field(default_factory=dict)
    dose_factor: Mapping[str, float] = field(default_factory=dict)
    margin_mm: Mapping[str, float] = field(default_factory=dict)
    coverage: Mapping[str, float] = field(default_factory=dict)

    def then(self, more: Correction) -> Correction:
        """This correction, and another on top of it."""

        def product(one: Mapping[str, float], two: Mapping[str, float]) -> dict[str, float]:
            return {name: one.get(name, 1.0) * two.get(name, 1.0) for name in {**one, **two}}

        def total(one: Mapping[str, float], two: Mapping[str, float]) -> dict[str, float]:
            return {name: one.get(name, 0.0) + two.get(name, 0.0) for name in {**one, **two}}

        return Correction(
            product(self.rise_factor, more.rise_factor),
            product(self.dose_factor, more.dose_factor),
            total(self.margin_mm, more.margin_mm),
            total(self.coverage, more.coverage),
        )


NO_CORRECTION = Correction()
SMALL_K = 0.2
"""Rises around which a ratio means nothing."""


@dataclass(frozen=True)
class StructureJudgement:
    """One structure: what decides, and the share left to the nearest limit that binds."""

    name: str
    peak_c: float
    cem43_min: float
    status: Status
    reserve: float


@dataclass(frozen=True)
class TargetJudgement:
    """One target: what decides; ``margin_mm`` None where there is no zone."""

    name: str
    coverage: float
    lesion_coverage: float
    margin_mm: float | None
    reached: bool


@dataclass(frozen=True)
class Judgement:
    """One dose."""

    structures: tuple[StructureJudgement, ...]
    targets: tuple[TargetJudgement, ...]

    @property
    def binding(self) -> StructureJudgement | None:
        """The structure with the least left; None where no structure has a limit."""
        return min(self.structures, key=lambda s: (s.reserve, s.name), default=None)

    @property
    def reserve(self) -> float:
        """Share left to the nearest limit; 1 where there is none."""
        return self.binding.reserve if self.binding is not None else 1.0

    @property
    def safe(self) -> bool:
        """True where every limit is kept: to reach a limit is to break it."""
        return self.reserve > 0.0

    @property
    def reached(self) -> bool:
        """True where every target is ablated as wanted."""
        return bool(self.targets) and all(target.reached for target in self.targets)

    @property
    def coverage(self) -> float:
        """The least covered target."""
        return min((target.coverage for target in self.targets), default=0.0)

    def score(self, goal: Goal) -> float:
        """One number: 0 where a limit breaks, up to 1 for coverage, and up to 2 for what is left to the limits."""
        if not self.safe:
            return 0.0
        return 1.0 + self.reserve if self.reached else min(self.coverage / goal.coverage, 1.0)


@dataclass(frozen=True, eq=False)
class Background:
    """What other treatments add: by structure, the worst peak (degC) and the dose (min), one value or one a variant."""

    peak_c: Mapping[str, FloatArray | float] = field(default_factory=dict)
    cem43_min: Mapping[str, FloatArray | float] = field(default_factory=dict)


NO_BACKGROUND = Background()


@dataclass(frozen=True, eq=False)
class Judge:
    """Holds readings against limits and goal.

    Args:
        goal: what must be reached.
        limits: by name of structure; a structure without one binds nothing.
        targets: names of the targets this dose is meant for.
        sampled: the variants after the first are independent samples.
        volumes_ml: of the goal by target; a corrected margin moves the share too where the volume is known.
    """

    goal: Goal
    limits: Mapping[str, Limit]
    targets: tuple[str, ...]
    sampled: bool
    correction: Correction = NO_CORRECTION
    background: Background = NO_BACKGROUND
    volumes_ml: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, readings: Readings) -> Judgement:
        """The judgement of one dose."""
        structures = tuple(
            self._structure(name, readings) for name in readings.structures if self.limits.get(name) is not None
        )
        return Judgement(structures, tuple(self._target(name, readings) for name in self.targets))

    def corrected(self, correction: Correction) -> Judge:
        """The same judge with other corrections."""
        return replace(self, correction=correction)

    def structure_values(self, name: str, readings: Readings) -> tuple[FloatArray, FloatArray]:
        """Peaks and doses of every variant, corrected and with the background."""
        read, fix, behind = readings.structures[name], self.correction, self.background
        body = constants("body_temperature").value
        peak = np.asarray(read.peak_c, float)
        fixed = body + (peak - body) * fix.rise_factor.get(name, 1.0)
        dose = np.minimum(np.asarray(read.cem43_min, float) * dose_ratio(peak, fixed), LARGEST_DOSE_MIN)
        dose = dose * fix.dose_factor.get(name, 1.0)
        fixed = np.maximum(np.maximum(fixed, body), behind.peak_c.get(name, body))
        return fixed, dose + behind.cem43_min.get(name, 0.0)

    def target_values(self, name: str, readings: Readings) -> tuple[FloatArray, FloatArray]:
        """Coverages and margins (nan: no zone) of every variant, corrected."""
        read, fix = readings.targets[name], self.correction
        coverage, moved = np.asarray(read.coverage, float), fix.margin_mm.get(name, 0.0)
        margin = np.asarray(read.margin_mm, float) + moved
        if moved and name in self.volumes_ml:
            short = np.nan_to_num(self.goal.margin_mm - SAME_MM - margin, nan=np.inf)
            now, before = (share_left(mm, self.volumes_ml[name]) for mm in (short, short + moved))
            coverage = np.where(short <= 0.0, 1.0, coverage + now - before)
        coverage = np.clip(coverage + fix.coverage.get(name, 0.0), 0.0, 1.0)
        return coverage, margin

    def _structure(self, name: str, readings: Readings) -> StructureJudgement:
        peaks, doses = self.structure_values(name, readings)
        peak, dose, limit = self._decides(peaks), self._decides(doses), self.limits[name]
        left = reserve(peak, dose, limit, self.goal.warn_is_limit)
        return StructureJudgement(name, peak, dose, status_of(peak, dose, limit), left)

    def _target(self, name: str, readings: Readings) -> TargetJudgement:
        coverages, margins = self.target_values(name, readings)
        lesion = np.asarray(readings.targets[name].lesion_coverage, float)
        coverage = self._decides(coverages, "lower")
        margin = None if np.isnan(margins).any() else self._decides(margins, "lower")
        return TargetJudgement(
            name, coverage, self._decides(lesion, "lower"), margin, reaches(self.goal, coverage, margin)
        )

    def _decides(self, values: FloatArray, side: Side = "upper") -> float:
        worst, nominal = (max, values.max()) if side == "upper" else (min, values.min())
        if self.sampled and len(values) - 1 >= NEEDED:
            bound = tolerance_bound(values[1:].tolist(), SHARE, CONFIDENCE, side).value
            return float(worst(bound, values[0]))
        return float(nominal)


def dose_ratio(read_c: FloatArray, fixed_c: FloatArray) -> FloatArray:
    """What CEM43 is multiplied by when a peak is another than was read: as if all of it were gathered at the peak.

    CEM43 = t R**(43 - T), R = 0.5 from 43 °C on and 0.25 below (Sapareto and Dewey 1984); most of a dose is gathered
    within a degree of the peak.
    """
    below = np.minimum(fixed_c, BREAK_C) - np.minimum(read_c, BREAK_C)
    above = np.maximum(fixed_c, BREAK_C) - np.maximum(read_c, BREAK_C)
    return np.exp2(np.clip(2.0 * below + above, -MOST_DOUBLINGS, MOST_DOUBLINGS))


def difference(one: Judgement, other: Judgement) -> Correction:
    """What turns the readings behind ``other`` into those behind ``one``, both of the same dose.

    Doses follow from the rises; a coverage at its ceiling on both sides says nothing, a margin does.
    """
    body = constants("body_temperature").value
    before = {item.name: item.peak_c for item in other.structures}
    rises = {
        item.name: (item.peak_c - body + SMALL_K) / (before[item.name] - body + SMALL_K)
        for item in one.structures
        if item.name in before
    }
    was = {target.name: target for target in other.targets}
    pairs = [(target, was[target.name]) for target in one.targets if target.name in was]
    margins = {
        now.name: now.margin_mm - then.margin_mm
        for now, then in pairs
        if now.margin_mm is not None and then.margin_mm is not None
    }
    return Correction(rises, {}, margins, {now.name: now.coverage - then.coverage for now, then in pairs})


def reaches(goal: Goal, coverage: float, margin_mm: float | None) -> bool:
    """True where the goal is reached: the share, and where all must be ablated the margin too."""
    if not goal.reached(coverage):
        return False
    return not goal.whole or (margin_mm is not None and margin_mm >= goal.margin_mm - SAME_MM)


def reserve(peak_c: float, dose_min: float, limit: Limit, warn_is_limit: bool) -> float:
    """Share left to the nearest limit: of the way from body temperature to the temperature limit, and of the dose."""
    body = constants("body_temperature").value
    levels = [(limit.stop_c, limit.stop_cem43_min)]
    levels += [(limit.warn_c, limit.warn_cem43_min)] if warn_is_limit else []
    left = [(warm - peak_c) / (warm - body) for warm, _ in levels if warm is not None]
    left += [1.0 - dose_min / dose for _, dose in levels if dose]
    return min(left, default=1.0)


def worse(judgements: Sequence[Judgement], goal: Goal) -> Judgement:
    """Several models of one dose: of every structure and target the worst that any of them says."""
    structures: dict[str, StructureJudgement] = {}
    targets: dict[str, TargetJudgement] = {}
    for judgement in judgements:
        for item in judgement.structures:
            known = structures.get(item.name)
            structures[item.name] = item if known is None or item.reserve < known.reserve else known
        for target in judgement.targets:
            other = targets.get(target.name)
            targets[target.name] = target if other is None else _worse_target(target, other, goal)
    return Judgement(tuple(structures.values()), tuple(targets.values()))


def _worse_target(one: TargetJudgement, other: TargetJudgement, goal: Goal) -> TargetJudgement:
    coverage = min(one.coverage, other.coverage)
    lesion = min(one.lesion_coverage, other.lesion_coverage)
    margin = None if one.margin_mm is None or other.margin_mm is None else min(one.margin_mm, other.margin_mm)
    return TargetJudgement(one.name, coverage, lesion, margin, reaches(goal, coverage, margin))


Order = tuple[float, ...]


def order(judgement: Judgement, goal: Goal) -> Order:
    """What makes one dose better than another, most important first; larger is better.

    Limits kept; goal reached; coverage (to 0.1 %); what is left to the limits (to 1 %). Where a limit breaks, only how
    little it does counts.
    """
    if not judgement.safe:
        return (0.0, 0.0, 0.0, round(judgement.reserve, 3))
    covered = min(judgement.coverage, goal.coverage) if judgement.reached else judgement.coverage
    return (1.0, float(judgement.reached), round(covered / TOLERANCE) * TOLERANCE, round(judgement.reserve, 2))


def order_without_limits(judgement: Judgement, goal: Goal) -> Order:
    """As :func:`order`, but the goal comes first: what reaching it would cost."""
    covered = min(judgement.coverage, goal.coverage)
    return (float(judgement.reached), round(covered / TOLERANCE) * TOLERANCE, round(judgement.reserve, 3))
