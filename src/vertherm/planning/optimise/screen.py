"""Every arm on trial: its linear answer, and the best dose within the limits by it. The best arm is then modelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vertherm.core.errors import SolverError
from vertherm.core.progress import silent
from vertherm.ensemble.runner import run
from vertherm.planning.optimise.arms import Arm
from vertherm.planning.optimise.dose import Doses, patterns, search_doses, thrift
from vertherm.planning.optimise.goal import Goal, share_words
from vertherm.planning.optimise.judge import Order, order
from vertherm.planning.optimise.models import FirstLook, first_look
from vertherm.planning.optimise.problem import Clock, Problem
from vertherm.planning.plan import CandidateRow


@dataclass(frozen=True, eq=False)
class Tried:
    """An arm with its model.

    Args:
        doses: the best dose within the limits, and what it is compared with.
    """

    arm: Arm
    model: FirstLook
    doses: Doses

    def rank(self, goal: Goal) -> Order:
        """Limits, goal, coverage, reserve; then access risk, energy, time, activations, needles. Larger is better."""
        return (
            *order(self.doses.best.judgement, goal),
            -round(self.arm.risk, 2),
            *thrift(self.doses.best.dose),
            -float(len(self.arm.paths)),
        )


def screen(problem: Problem, arms: Sequence[Arm]) -> list[Tried]:
    """Every arm with its best dose, best arm first. Needles are drawn back only where the best arm needs it.

    Each arm is tried with one place a needle, the deepest. Where even the best of them misses the goal, it is tried
    again with all places it may be drawn back to, and counts with those if that is better.
    """
    found = _trials(
        problem, [arm.only([arm.needle_of.index(needle) for needle in range(len(arm.paths))]) for arm in arms]
    )
    whole = {arm.name: arm for arm in arms}
    ranked = _ranked(found, problem.goal)
    if ranked:
        first = ranked[0]
        arm = whole[first.arm.name]
        judgement = first.doses.best.judgement
        if len(arm.places) > len(first.arm.places) and not (judgement.safe and judgement.reached):
            again = tried(problem, arm, first_look(problem, arm))
            if again.rank(problem.goal) > first.rank(problem.goal):
                ranked = _ranked([again, *ranked[1:]], problem.goal)
    return ranked


def _trials(problem: Problem, arms: Sequence[Arm]) -> list[Tried]:
    """Every arm with its best dose, as many at a time as there are workers."""
    outcomes = run(
        _trial,
        arms,
        shared=replace(problem, progress=silent, clock=Clock()),
        workers=problem.workers,
        address=problem.address,
        progress=problem.progress,
        label="arms",
    )
    for outcome in outcomes:
        if outcome.failed:
            raise outcome.cause or SolverError("The first look at a needle failed.", got=outcome.error, where="arms")
    return [Tried(arm, *outcome.value) for arm, outcome in zip(arms, outcomes, strict=True)]


def _trial(arm: Arm, problem: Problem) -> tuple[FirstLook, Doses]:
    """What a worker does; the arm itself need not travel back."""
    found = tried(problem, arm, first_look(problem, arm))
    return found.model, found.doses


def _ranked(found: Sequence[Tried], goal: Goal) -> list[Tried]:
    return sorted(found, key=lambda item: (*(-v for v in item.rank(goal)), item.arm.name))


def tried(problem: Problem, arm: Arm, model: FirstLook) -> Tried:
    """The best dose of one arm."""
    choices = patterns(arm.needle_of, problem.entry.plan.max_activations)
    return Tried(arm, model, search_doses(model, choices, problem.lattice, problem.goal, arm.target.name))


def candidate_row(item: Tried, goal: Goal, chosen: bool | None) -> CandidateRow:
    """An arm as a row of the plan's table of alternatives; ``chosen`` None: it was tried, and no plan came of it."""
    judgement, dose = item.doses.best.judgement, item.doses.best.dose
    worst = judgement.binding
    target = judgement.targets[0]
    return CandidateRow(
        name=item.arm.name,
        target=item.arm.target.name,
        paths=[path.name for path in item.arm.paths],
        antenna=item.arm.antenna.name,
        power_w=max(pulse.power_w for pulse in dose.pulses),
        time_s=sum(pulse.on_s for pulse in dose.pulses),
        activations=len(dose.pulses),
        coverage=judgement.coverage,
        margin_mm=target.margin_mm,
        worst_structure=worst.name if worst else "",
        worst_peak_c=worst.peak_c if worst else 37.0,
        worst_dose_min=worst.cem43_min if worst else 0.0,
        safe=judgement.safe,
        reached=judgement.safe and judgement.reached,
        score=judgement.score(goal),
        why=_why(item, goal, chosen),
    )


def _why(item: Tried, goal: Goal, chosen: bool | None) -> str:
    judgement = item.doses.best.judgement
    worst = judgement.binding
    if not judgement.safe:
        return f"even its least harmful dose breaks the limit at {worst.name if worst else 'a structure'}"
    if not judgement.reached:
        held = f", held by {worst.name}" if worst and not item.doses.reaching.judgement.safe else ""
        return f"covers {share_words(judgement.coverage)} of lesion and margin within the limits{held}"
    if chosen is None:
        return "reaches the goal by the first look; with drying, samples and the full model no plan came of it"
    return "chosen" if chosen else f"reaches the goal ({goal.words()}) by the first look, but ranks behind"
