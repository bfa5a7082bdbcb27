"""A treatment held against limits and goal by the full model: what a plan's status rests on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vertherm.heat.member import Member
from vertherm.materials.constants import constants
from vertherm.planning.access.goal import access_goal
from vertherm.planning.assessment import Percentile, Probability, StructureRow
from vertherm.planning.evaluate import LesionOnGrid
from vertherm.planning.limits import without_factor
from vertherm.planning.objects import Numerics, Treatment
from vertherm.planning.optimise.cap import lacking_mm
from vertherm.planning.optimise.goal import SAME_MM, TOLERANCE, Goal
from vertherm.planning.optimise.judge import Correction, Judgement, StructureJudgement, dose_ratio, reserve
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.outcome import CoverageOutcome, MemberOutcome
from vertherm.planning.percentiles import bounded, probability
from vertherm.planning.plan import CoverageRow, LimitRow
from vertherm.planning.predict import CaseResult, predict

if TYPE_CHECKING:
    from vertherm.heat.setup import Setup

GUARD_RISE, GUARD_DOSE, GUARD_MM, GUARD_SHARE = 1.02, 1.1, 0.1, 0.002
"""Kept beyond what the full model found, so that the next try does not end on the limit again; [guess]."""
LARGEST_FACTOR = 8.0
"""Of the full model's rise or dose over the surrogate's that a correction takes over."""
SMALL_K, SMALL_MIN = 0.2, 0.05
"""Rises and doses around which a ratio means nothing."""


@dataclass(frozen=True, eq=False)
class Checked:
    """What the full model says of one treatment.

    Args:
        treatment: what was predicted.
        result: the prediction.
        limits: a row for every structure with a limit, worst first.
        coverage: a row for every target.
        partial: some of the samples were run alone: such an answer may refuse a treatment, never pass it.
        not_assessed: names of required structures that nothing is known of, and why, in words.
    """

    treatment: Treatment
    result: CaseResult
    limits: tuple[LimitRow, ...]
    coverage: tuple[CoverageRow, ...]
    not_assessed: dict[str, str]
    warn_is_limit: bool
    partial: bool = False

    @property
    def broken(self) -> tuple[LimitRow, ...]:
        """Structures whose limit is reached."""
        bad = ("stop", "warn") if self.warn_is_limit else ("stop",)
        return tuple(row for row in self.limits if row.status in bad)

    @property
    def safe(self) -> bool:
        """True where no limit of any structure is reached."""
        stopped = [row for row in self.result.assessment.structures if row.status == "stop"]
        return not self.broken and not stopped

    @property
    def reached(self) -> bool:
        """True where every target is ablated as wanted."""
        return all(row.reached for row in self.coverage)


def check(
    problem: Problem,
    treatment: Treatment,
    numerics: Numerics,
    *,
    run_members: Sequence[Member] | None = None,
    setup: Setup | None = None,
    only: Collection[int] = (),
) -> Checked:
    """Run the full model on a treatment and read limits and goal from it; ``only``: numbers of the samples to run."""
    goal = problem.goal
    result = predict(
        problem.case,
        treatment,
        problem.protocol,
        numerics,
        workers=problem.workers,
        address=problem.address,
        run_members=run_members,
        space=problem.space,
        also=goal_volumes(problem),
        setup=setup,
        only=only,
        progress=problem.progress,
    )
    rows = result.assessment.structures
    limits = [_limit_row(problem, row) for row in rows if row.peak_temperature_c is not None]
    limits = nearest_first(problem, [row for row in limits if row.name in problem.limits])
    coverage = [coverage_row(goal, target.name, result.outcomes) for target in problem.case.targets]
    unknown = {row.name: row.words for row in rows if row.status == "not assessed"}
    return Checked(treatment, result, tuple(limits), tuple(coverage), unknown, goal.warn_is_limit, bool(only))


def goal_volumes(problem: Problem) -> tuple[LesionOnGrid, ...]:
    """Every lesion with its margin, less what must not be ablated, named so that no target can have the same name."""
    margin = problem.goal.margin_mm
    return tuple(
        LesionOnGrid(goal_name(t.name), access_goal(t, problem.case.anatomy, margin)[0]) for t in problem.case.targets
    )


def goal_ml(problem: Problem) -> dict[str, float]:
    """Volume of every target's goal."""
    names = {goal_name(target.name): target.name for target in problem.case.targets}
    return {
        names[goal.name]: float(np.count_nonzero(goal.mask.data)) * goal.mask.grid.voxel_volume_ml
        for goal in goal_volumes(problem)
    }


def goal_name(target: str) -> str:
    """What the outcomes call the goal of a target."""
    return f"{target}\nwith margin"


def coverage_row(goal: Goal, target: str, outcomes: Sequence[MemberOutcome]) -> CoverageRow:
    """One target by the rule that decides: the worst member, or the bound of the 5th percentile of the samples.

    The share of the goal decides. The margin beside it is measured all around the lesion, also where the goal stops at
    the canal, and decides nothing.
    """
    counted = without_factor(outcomes)
    share = _lowest(counted, lambda o: o.coverage[goal_name(target)][goal.metric].coverage)
    lesion = _lowest(counted, lambda o: o.coverage[target][goal.metric].coverage)
    margins = [o.coverage[target][goal.metric] for o in counted if not o.failed]
    whole = all(item.margin_mm is not None for item in margins)
    margin = _lowest(counted, lambda o: _margin(o.coverage[target][goal.metric])) if whole else None
    failed = any(o.failed for o in counted)
    return CoverageRow(
        target=target,
        coverage=share,
        lesion_coverage=lesion,
        margin_mm=margin,
        # What a failed run would have shown is not known: it may be the one that does not cover.
        reached=not failed and goal.reached(share),
        probability_full=_chance(goal, target, counted),
    )


def _chance(goal: Goal, target: str, counted: Sequence[MemberOutcome]) -> Probability | None:
    """Probability that the goal is reached, by the samples; None where members were run."""
    samples = [o for o in counted if o.sample]
    known = [goal.reached(o.coverage[goal_name(target)][goal.metric].coverage) for o in samples if not o.failed]
    return probability(known, len(samples) - len(known))


def _margin(outcome: CoverageOutcome) -> float:
    return -np.inf if outcome.margin_mm is None else outcome.margin_mm


def _lowest(counted: Sequence[MemberOutcome], value: Callable[[MemberOutcome], float]) -> float:
    """The deciding lower value: of standard members the smallest, of samples the bound, and never above the nominal."""
    runs = [o for o in counted if o.sample and not o.failed]
    values = [value(o) for o in counted if not o.failed]
    if not runs:
        return float(min(values, default=0.0))
    bound = bounded([value(o) for o in runs], sum(o.failed for o in counted), "lower")
    nominal = [value(o) for o in counted if not o.sample and not o.failed]
    return float(min([bound.bound if bound is not None else 0.0, *nominal]))


def _limit_row(problem: Problem, row: StructureRow) -> LimitRow:
    limit = problem.limits.get(row.name)
    peak = _deciding(row.p95_temperature_c, row.peak_temperature_c.value if row.peak_temperature_c else 37.0)
    dose = _deciding(row.p95_cem43_min, row.cem43_min.value if row.cem43_min else 0.0)
    return LimitRow(
        name=row.name,
        status=row.status,
        peak_c=row.peak_temperature_c.high if peak is None and row.peak_temperature_c else peak or 37.0,
        cem43_min=row.cem43_min.high if dose is None and row.cem43_min else dose or 0.0,
        stop_c=limit.stop_c if limit else None,
        stop_cem43_min=limit.stop_cem43_min if limit else None,
        warn_c=limit.warn_c if limit else None,
        warn_cem43_min=limit.warn_cem43_min if limit else None,
        percentile=row.p95_temperature_c,
        probability_stop=row.probability_stop,
    )


def _deciding(percentile: Percentile | None, nominal: float) -> float | None:
    return None if percentile is None else max(percentile.bound, nominal)


def nearest_first(problem: Problem, rows: Sequence[LimitRow]) -> list[LimitRow]:
    """The rows, nearest to their limits first, which is the one that binds."""
    found = sorted(rows, key=lambda row: (_left(problem, row), row.name))
    return [row.model_copy(update={"binding": number == 0}) for number, row in enumerate(found)]


def _left(problem: Problem, row: LimitRow) -> float:
    return reserve(row.peak_c, row.cem43_min, problem.limits[row.name], problem.goal.warn_is_limit)


def correction(
    before: Correction, read: Judgement, found: Checked, goal: Goal, volumes_ml: Mapping[str, float]
) -> Correction:
    """What the surrogate's readings of this dose lack against the full model, with a little distance kept.

    Args:
        before: the correction that ``read`` was made with.
        read: the surrogate's judgement.
        found: the full model's.
        goal: what was wanted.
        volumes_ml: of the goal by target.
    """
    rows = {row.name: row for row in found.limits}
    peaks, doses = dict(before.rise_factor), dict(before.dose_factor)
    for item in read.structures:
        row = rows.get(item.name)
        if row is not None:
            peaks[item.name], doses[item.name] = _of_structure(before, item, row)
    margins, shares = dict(before.margin_mm), dict(before.coverage)
    by_name = {row.target: row for row in found.coverage}
    for target in read.targets:
        full = by_name[target.name]
        if target.coverage >= 1.0 - TOLERANCE > full.coverage and target.margin_mm is not None:
            # The surrogate's share stands at its ceiling: what it errs by is a distance.
            error = target.margin_mm - _margin_of(full, goal, volumes_ml[target.name])
            margins[target.name] = before.margin_mm.get(target.name, 0.0) - error - GUARD_MM
        elif target.coverage < 1.0 - TOLERANCE:
            share = before.coverage.get(target.name, 0.0)
            shares[target.name] = share + full.coverage - target.coverage - GUARD_SHARE
    return replace(before, rise_factor=peaks, dose_factor=doses, margin_mm=margins, coverage=shares)


def _margin_of(full: CoverageRow, goal: Goal, volume_ml: float) -> float:
    """The margin behind a share that falls short: of one missed side, or all around where that is nearer.

    The margin measured all around also counts where the goal stops short of the canal; a cap also where all sides lack
    a little. Both say too much at worst. And a share that falls short is a margin that does, whatever its surface says
    of a voxel's corner.
    """
    of_cap = goal.margin_mm - lacking_mm(full.coverage, volume_ml)
    found = of_cap if full.margin_mm is None else max(of_cap, full.margin_mm)
    return min(found, goal.margin_mm - SAME_MM)


def _of_structure(before: Correction, read: StructureJudgement, row: LimitRow) -> tuple[float, float]:
    """Factors on rise and dose of one structure; small readings, whose ratio means nothing, change little."""
    body = constants("body_temperature").value
    rise = ratio(row.peak_c - body, read.peak_c - body, SMALL_K) * GUARD_RISE
    # What the other peak alone changes in the dose is in the rise already.
    expected = read.cem43_min * float(dose_ratio(np.array(read.peak_c), np.array(row.peak_c)))
    dose = ratio(row.cem43_min, expected, SMALL_MIN) * GUARD_DOSE
    return before.rise_factor.get(read.name, 1.0) * rise, before.dose_factor.get(read.name, 1.0) * dose


def ratio(full: float, read: float, small: float) -> float:
    """The full model's value over the surrogate's, within what may be taken over.

    A reading below ``small`` counts as that much and never lowers what is read: its ratio means nothing.
    """
    found = full / max(read, small)
    return float(np.clip(found, 1.0 if read < small else 1.0 / LARGEST_FACTOR, LARGEST_FACTOR))
