"""One call from a case to its plan."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vertherm.access.path import AccessResult
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.distributions import Space
from vertherm.ensemble.runner import kept_workers
from vertherm.planning.access.access import case_access
from vertherm.planning.case import CaseFile
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.optimise.arms import arms
from vertherm.planning.optimise.assemble import Findings, plan_document
from vertherm.planning.optimise.chart import chart
from vertherm.planning.optimise.dose import patterns
from vertherm.planning.optimise.gap import gap
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.models import build
from vertherm.planning.optimise.problem import Clock, Problem
from vertherm.planning.optimise.relax import no_path, relaxations
from vertherm.planning.optimise.screen import Tried, screen
from vertherm.planning.optimise.several import Choice, choose, together
from vertherm.planning.optimise.verify import Outcome, covers, provisional, verified
from vertherm.planning.plan import Gap, Plan, Relaxation
from vertherm.planning.predict import CaseResult
from vertherm.planning.prepare import prepare_case
from vertherm.planning.protocol import Protocol

if TYPE_CHECKING:
    from vertherm.planning.surrogate.surrogate import Surrogate

Robust = Literal["quick", "full"]
NEEDED_BY_WORKERS = ("vertherm.planning.optimise.screen", "vertherm.planning.surrogate.build", "vertherm.planning.work")
ARMS_TRIED = 2
"""Arms of a single lesion that get a surrogate and a check by the full model, at most."""


@dataclass(frozen=True, eq=False)
class PlanResult:
    """What planning leaves: the document and what reports, files and re-planning need.

    Args:
        plan: the document.
        access: paths, one result a target.
        treatment: the chosen one; None where there is no safe plan.
        prediction: the full model of the chosen treatment; of no plan, that of the largest treatment within the limits
            (``plan.status`` says so); None where nothing keeps the limits.
        surrogates: by name of the arm, the model of the chosen arms' places.
        case, protocol: what was planned.
    """

    plan: Plan
    access: tuple[AccessResult, ...]
    treatment: Treatment | None
    prediction: CaseResult | None
    surrogates: dict[str, Surrogate]
    case: Case
    protocol: Protocol


def plan_case(
    entry: CaseFile,
    case_path: Path | None = None,
    *,
    robust: Robust = "quick",
    workers: int = 0,
    address: str | None = None,
    space: Space | None = None,
    progress: Progress = silent,
) -> PlanResult:
    """Read a case file's images and plan its treatment; see :func:`make_plan`.

    Raises:
        InputError: the case, its images, antennas or protocol cannot be used.
    """
    clock = Clock()
    with kept_workers(workers, NEEDED_BY_WORKERS) if address is None else nullcontext():
        with clock.step("reading"):
            case, protocol = prepare_case(entry, case_path, progress)
        return make_plan(
            case,
            protocol,
            entry,
            robust=robust,
            workers=workers,
            address=address,
            space=space,
            progress=progress,
            clock=clock,
        )


def make_plan(
    case: Case,
    protocol: Protocol,
    entry: CaseFile,
    *,
    robust: Robust = "quick",
    workers: int = 0,
    address: str | None = None,
    space: Space | None = None,
    progress: Progress = silent,
    clock: Clock | None = None,
) -> PlanResult:
    """Find paths, antenna, power and time that ablate every lesion with its margin and keep every limit.

    Args:
        case, protocol: as read from ``entry``; its treatment, if it names one, is ignored.
        entry: [plan], [access], [protection] and [numerics] are used.
        robust: "quick", a provisional plan; "full", the full wave and 59 samples.
        workers, address, space: of the runs of the full model.
        progress: told what is done.
        clock: with the time of what was done before.

    Raises:
        InputError: antennas, protection or targets cannot be used.
        SolverError: the full model has no result.
    """
    goal = Goal.of(protocol, entry.plan)
    problem = Problem(case, protocol, entry, goal, workers, address, space, progress, clock or Clock())
    with problem.clock.step("paths"):
        found = Findings(_paths(problem))
    with problem.clock.step("arms"):
        for target, access in zip(case.targets, found.access, strict=True):
            found.trials[target.name] = screen(problem, arms(problem, target, access))
    if all(found.trials.values()):
        _treat(problem, found, robust)
    else:
        empty = [result for result in found.access if not found.trials[result.target]]
        found.relaxations += [row for result in empty for row in no_path(result)]
    return _result(problem, found)


def _paths(problem: Problem) -> tuple[AccessResult, ...]:
    """Paths for the thickest antenna that may be chosen: they are wide enough for all of them."""
    thickest = max(problem.antennas(), key=lambda antenna: antenna.shaft_radius_mm)
    return case_access(
        problem.case,
        problem.protocol,
        problem.entry.access,
        thickest,
        margin_mm=problem.goal.margin_mm,
        progress=problem.progress,
    )


def _treat(problem: Problem, found: Findings, robust: Robust) -> None:
    """The dose of the best arm of every target, its check, its chart, and what would help where there is no plan.

    The ranking of arms comes from a first look; where the best arm has no plan, the next one is tried too.
    """
    firsts, notes = _first_arms(found), []
    for number, items in enumerate(firsts, 1):
        with problem.clock.step("samples"):
            choices = together(problem, [_sampled(problem, item) for item in items])
        outcome = verified(problem, choices) if robust == "full" else provisional(problem, choices)
        if found.outcome is None or _better(outcome, found.outcome):
            found.outcome = outcome
        if outcome.status != "no safe plan":
            break
        found.no_plan_for |= {item.arm.name for item in items}
        if len(firsts) > 1:
            notes += [*outcome.notes, f"{items[0].arm.name}: no plan{'' if number == 1 else ' either'}."]
    assert found.outcome is not None
    found.outcome = replace(found.outcome, notes=list(dict.fromkeys([*notes, *found.outcome.notes])))
    with problem.clock.step("chart"):
        found.charts = [chart(problem, c.arm, c.models, c.sampled, c.found.dose) for c in found.outcome.choices]
        found.gap = _gap(problem, [trials[0] for trials in found.trials.values()])
    if found.outcome.status == "no safe plan":
        with problem.clock.step("what would help"):
            found.relaxations = _helpful(problem, found)


def _first_arms(found: Findings) -> list[list[Tried]]:
    """The best arm of every target; for a single target the next one as well."""
    trials = list(found.trials.values())
    best = [items[0] for items in trials]
    return [best, *([item] for item in trials[0][1:ARMS_TRIED])] if len(trials) == 1 else [best]


def _better(one: Outcome, other: Outcome) -> bool:
    """True for a plan, and among what is none for the one that covers more within the limits."""
    if one.status != "no safe plan" or one.checked is None:
        return one.status != "no safe plan"
    return other.checked is None or covers(one.checked) > covers(other.checked)


def _sampled(problem: Problem, item: Tried) -> Choice:
    """The arm with the places its best dose uses (those of the dose that reaches the goal, where none is safe)."""
    doses = item.doses
    dose = doses.best.dose if doses.best.judgement.safe else doses.reaching.dose
    used = sorted({pulse.place for pulse in dose.pulses})
    arm = item.arm.only(used)
    return choose(problem, arm, [build(problem, arm, samples=problem.entry.plan.samples)])


def _gap(problem: Problem, firsts: Sequence[Tried]) -> Gap | None:
    """The gap to a dense sweep, for one target and one needle."""
    if len(firsts) != 1 or len(firsts[0].arm.paths) != 1:
        return None
    item = firsts[0]
    return gap(item.model, patterns(item.arm.needle_of, 1), problem.lattice, problem.goal, item.doses.best)


def _helpful(problem: Problem, found: Findings) -> list[Relaxation]:
    assert found.outcome is not None
    by_target = {result.target: result for result in found.access}
    rows: list[Relaxation] = []
    for choice in found.outcome.choices:
        judgement = choice.found.judgement
        if judgement.safe and judgement.reached and len(found.outcome.choices) > 1:
            continue
        rows += relaxations(problem, choice, by_target[choice.arm.target.name], found.outcome)
    return rows


def _result(problem: Problem, found: Findings) -> PlanResult:
    plan = plan_document(problem, found)
    outcome = found.outcome
    checked = outcome.checked if outcome is not None else None
    is_plan = plan.status != "no safe plan"
    prediction = checked.result if checked is not None else None
    if prediction is not None and not is_plan:
        prediction = _marked(prediction)
    if is_plan and prediction is not None and checked is not None and checked.treatment.protection:
        from vertherm.planning.protection.effect import effect_of_protection

        with problem.clock.step("effect of the protection"):
            effect = effect_of_protection(
                problem.case,
                checked.treatment,
                problem.protocol,
                problem.numerics,
                workers=problem.workers,
                progress=problem.progress,
            )
        prediction = replace(prediction, effect=effect)
    surrogates = {c.arm.name: c.sampled.surrogate for c in outcome.choices} if outcome is not None else {}
    return PlanResult(
        plan=plan,
        access=found.access,
        treatment=checked.treatment if is_plan and checked is not None else None,
        prediction=prediction,
        surrogates=surrogates,
        case=problem.case,
        protocol=problem.protocol,
    )


def _marked(prediction: CaseResult) -> CaseResult:
    """The prediction of what is no plan says so in its own document too."""
    assessment = prediction.assessment
    words = "NOT A PLAN: the largest treatment found within the limits; it does not reach the goal."
    return replace(prediction, assessment=assessment.model_copy(update={"notes": [words, *assessment.notes]}))
