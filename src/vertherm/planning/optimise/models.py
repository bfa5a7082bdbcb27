"""Surrogates of arms, each with the judge of its readings: what a dose is held against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vertherm.planning.optimise.arms import Arm, places_of
from vertherm.planning.optimise.check import goal_ml
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.judge import Correction, Judge, Judgement, worse
from vertherm.planning.optimise.problem import Problem

if TYPE_CHECKING:
    from vertherm.geometry.volume import Volume
    from vertherm.heat.setup import Setup
    from vertherm.planning.objects import Treatment
    from vertherm.planning.optimise.linear import LinearModel
    from vertherm.planning.surrogate.dose import Dose
    from vertherm.planning.surrogate.surrogate import Surrogate

SPACING_MM, CHECKED_SPACING_MM = 2.5, 2.0
"""Cells of the surrogate, and of that of a verified plan: the larger ones take a third less time for nearly the same
doses; see decision 0024."""


@dataclass(frozen=True, eq=False)
class Model:
    """A surrogate and the judge of what it reads."""

    surrogate: Surrogate
    judge: Judge

    @property
    def samples(self) -> int:
        """How many of the variants are samples."""
        return self.surrogate.n - 1 if self.judge.sampled else 0

    def __call__(self, dose: Dose) -> Judgement:
        """The judgement of one dose."""
        return self.judge(self.surrogate.readings(dose))


@dataclass(frozen=True, eq=False)
class Models:
    """Several models of the same arm: the worst of them decides."""

    parts: tuple[Model, ...]
    goal: Goal

    def __call__(self, dose: Dose) -> Judgement:
        """The worst judgement of one dose."""
        return worse([part(dose) for part in self.parts], self.goal)

    def anchored(self, dose: Dose, fields: dict[str, Volume]) -> Models:
        """The same models scaled to one nominal run of the full model; which takes most of its error away."""
        parts = (replace(part, surrogate=part.surrogate.anchored(dose, fields)) for part in self.parts)
        return Models(tuple(parts), self.goal)

    def beyond(self, aim: Correction) -> Models:
        """The same models with a correction on top of those they have: what reaches the goal then has some to spare."""
        parts = (replace(p, judge=p.judge.corrected(p.judge.correction.then(aim))) for p in self.parts)
        return Models(tuple(parts), self.goal)

    def corrected(self, correction: Correction) -> Models:
        """The same models with other corrections."""
        return Models(tuple(replace(part, judge=part.judge.corrected(correction)) for part in self.parts), self.goal)


@dataclass(frozen=True, eq=False)
class FirstLook:
    """The linear answer of an arm and the judge of what it reads."""

    linear: LinearModel
    judge: Judge

    def __call__(self, dose: Dose) -> Judgement:
        """The judgement of one dose."""
        return self.judge(self.linear.readings(dose))


def first_look(problem: Problem, arm: Arm, treatment: Treatment | None = None) -> FirstLook:
    """The linear answer of an arm; ``treatment``: other than that of its places (a protection on trial)."""
    from vertherm.planning.optimise.linear import linear_model

    judge = Judge(problem.goal, problem.limits, (arm.target.name,), sampled=False)
    return FirstLook(linear_model(problem, treatment or places_of(problem, arm)), judge)


def build(
    problem: Problem,
    arm: Arm,
    *,
    samples: int = 0,
    setup: Setup | None = None,
) -> Model:
    """The surrogate of an arm's places and its judge.

    Args:
        samples: 0: the nominal and the standard members that can be the worst.
        setup: with the full wave's redistribution.
    """
    from vertherm.planning.surrogate.surrogate import Surrogate

    plan = problem.entry.plan
    surrogate = Surrogate.build(
        problem.case,
        places_of(problem, arm),
        problem.protocol,
        problem.numerics,
        spacing_mm=SPACING_MM,
        margin_mm=problem.goal.margin_mm,
        samples=samples,
        seed=problem.entry.numerics.ensemble_seed,
        longest_s=plan.time_s[1],
        power_w=plan.power_w,
        setup=setup,
        workers=problem.workers,
        progress=problem.progress,
    )
    judge = Judge(problem.goal, problem.limits, (arm.target.name,), samples > 0, volumes_ml=goal_ml(problem))
    return Model(surrogate, judge)
