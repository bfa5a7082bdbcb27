"""From the surrogate's dose to one that the full model stands behind: provisional, verified, or no plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vertherm.geometry.volume import Volume
from vertherm.heat.coupling import run_member
from vertherm.heat.setup import Setup
from vertherm.planning.case import Numerics
from vertherm.planning.optimise.arms import Arm, places_of, protected, treatment
from vertherm.planning.optimise.check import Checked, check, correction, goal_ml
from vertherm.planning.optimise.goal import share_words
from vertherm.planning.optimise.judge import NO_CORRECTION, Correction
from vertherm.planning.optimise.models import CHECKED_SPACING_MM, Model, build
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.optimise.several import Choice, choose, corrected, joint, joint_first, together
from vertherm.planning.optimise.words import dose_words
from vertherm.planning.optimise.worst import (
    all_worst,
    by_members,
    close,
    has_members,
    nominal_member,
    worst_members,
    worst_samples,
)
from vertherm.planning.percentiles import NEEDED
from vertherm.planning.plan import PlanStatus
from vertherm.planning.predict import full_wave_setup, scheduled
from vertherm.planning.setup import make_setup

TRIES = 2
"""Doses that get a whole answer of the full model, at most."""
TURNS = 5
"""Doses that it is asked about at all: most are refused by the few samples that the fast model calls the worst."""

Ask = Callable[[Sequence[Choice]], Checked]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of the chosen arms.

    Args:
        status: of the plan.
        choices: arms and doses at the end.
        checked: the full model's answer for them, or for the best dose that is no plan; None: not asked, or none of
            the doses it was asked about kept the limits.
        notes: what happened on the way, in words.
        refuted: the full model broke a limit at the last doses it was asked about: nothing may be offered from them.
    """

    status: PlanStatus
    choices: list[Choice]
    checked: Checked | None
    notes: list[str]
    refuted: bool = False


def provisional(problem: Problem, choices: Sequence[Choice]) -> Outcome:
    """Check the dose with the full model on the nominal and the worst members; step down where it breaks a limit."""

    with problem.clock.step("full model's grid"):
        setup = _bare_setup(problem, choices, problem.numerics)

    def ask(now: Sequence[Choice]) -> Checked:
        chosen = treatment(problem, [(c.arm, c.found.dose) for c in now])
        few, most = worst_members(problem, now), all_worst(problem)
        with problem.clock.step("full model"):
            found = check(problem, chosen, problem.numerics, run_members=few, setup=setup)
            if len(few) < len(most) and found.safe and found.reached and close(problem, found):
                found = check(problem, chosen, problem.numerics, run_members=most, setup=setup)
        return found

    return _tried(problem, anchored(problem, choices, setup), ask, "provisional")


def _bare_setup(problem: Problem, choices: Sequence[Choice], numerics: Numerics) -> Setup:
    """Tissue and antennas at all places of the choices; every dose of them brings its own schedule."""
    placed = tuple(place for choice in choices for place in choice.arm.places)
    schedule = treatment(problem, [(c.arm, c.found.dose) for c in choices]).schedule
    return make_setup(problem.case, protected(problem, placed, schedule), problem.protocol, numerics)


def anchored(problem: Problem, choices: Sequence[Choice], setup: Setup) -> list[Choice]:
    """The choices with surrogates scaled to one nominal run of the full model, and their doses sought again.

    The surrogate's grid is coarse; what it errs by is much the same for all members and nearby doses. Where no dose
    keeps the limits, or one lesion's heat cannot be told from another's, nothing is scaled.
    """
    if len(choices) > 1 or not joint(choices).safe:
        return list(choices)
    choice = choices[0]
    with problem.clock.step("nominal run"):
        chosen = treatment(problem, [(choice.arm, choice.found.dose)])
        threads = problem.workers or os.cpu_count() or 1
        run = run_member(scheduled(setup, chosen), nominal_member(problem), threads=threads)
    with problem.clock.step("dose again"):
        models = choice.models.anchored(choice.found.dose, {"peak_c": Volume(run.peak_c, setup.tissue.grid)})
        return [choose(problem, choice.arm, models.parts)]


def verified(problem: Problem, choices: Sequence[Choice]) -> Outcome:
    """Full wave first, then the dose anew, then the full ensemble: verified only if that keeps limits and goal.

    Every sample must do so (or all but a few of very many), so a dose is first tried on those that the fast model
    calls the worst: what they refuse needs no further runs.
    """
    numerics = full_numerics(problem)
    with problem.clock.step("full wave"):
        bare = _bare_setup(problem, choices, numerics)
        setup, notes = full_wave_setup(bare, problem.protocol, numerics, problem.workers, problem.progress)
    with problem.clock.step("surrogate after the full wave"):
        again = [choose(problem, c.arm, [_checked_model(problem, c.arm, setup)]) for c in choices]
        now = together(problem, again)
    now = anchored(problem, now, setup)

    def ask(chosen: Sequence[Choice]) -> Checked:
        given = treatment(problem, [(c.arm, c.found.dose) for c in chosen])
        few = worst_samples(chosen, numerics.ensemble)
        if few:
            with problem.clock.step("worst samples"):
                found = check(problem, given, numerics, setup=setup, only=few)
            if not (found.safe and found.reached):
                return found
        with problem.clock.step("full model"):
            return check(problem, given, numerics, setup=setup)

    outcome = _tried(problem, now, ask, "verified")
    # Without the full wave the ensemble is as large, but the field beside the canal is not checked.
    lowered = outcome.status == "verified" and not setup.full_wave
    return replace(
        outcome, status="provisional" if lowered else outcome.status, notes=[*dict.fromkeys(notes), *outcome.notes]
    )


def _checked_model(problem: Problem, arm: Arm, checked: Setup) -> Model:
    """The surrogate of an arm with the full wave's power density, on the surrogate's own coarse cells."""
    from vertherm.planning.full_wave import carried_over

    placed = places_of(problem, arm)
    coarse = problem.numerics.model_copy(update={"spacing_mm": CHECKED_SPACING_MM})
    setup = make_setup(problem.case, placed, problem.protocol, coarse)
    if checked.full_wave:
        setup = carried_over(setup, scheduled(checked, placed))
    return build(problem, arm, samples=NEEDED, setup=setup)


def full_numerics(problem: Problem) -> Numerics:
    """The case's numerics with the full wave and at least the samples that a bound needs."""
    numerics = problem.entry.numerics
    return numerics.model_copy(update={"fidelity": "full-wave", "ensemble": max(numerics.ensemble, NEEDED)})


def _tried(problem: Problem, choices: list[Choice], ask: Ask, status: PlanStatus) -> Outcome:
    """Ask the full model; correct the surrogate by its answer and try again where that may help."""
    notes: list[str] = []
    kept: tuple[list[Choice], Checked] | None = None
    fix: Correction = NO_CORRECTION
    whole_answers = 0
    for turn in range(1, TURNS + 1):
        whole = joint(choices)
        if not whole.safe or (turn > 1 and not whole.reached and kept is not None):
            break
        found = ask(choices)
        whole_answers += not found.partial
        # The samples decide too: where the full model ran members only, the surrogate's samples must reach the goal.
        only_members = found.result.assessment.ensemble is None and any(c.sampled.judge.sampled for c in choices)
        passes = found.safe and found.reached and not found.partial
        if passes and (whole.reached or not only_members):
            return Outcome(status, choices, found, notes)
        if found.safe and (kept is None or covers(found) > covers(kept[1])):
            kept = choices, found
        notes.append(_missed(found, turn, choices, whole.coverage))
        problem.progress(notes[-1].rstrip("."), 1.0)
        if whole_answers == TRIES or turn == TURNS:
            break
        fix = _measured(problem, fix, choices, found)
        with problem.clock.step("dose again"):
            again = corrected(problem, choices, fix)
        if [c.found.dose for c in again] == [c.found.dose for c in choices]:
            break
        choices = again
    if kept is None:
        return Outcome("no safe plan", choices, None, notes, refuted=bool(notes))
    return Outcome("no safe plan", *kept, notes)


def covers(found: Checked) -> float:
    """The least covered target."""
    return min((row.coverage for row in found.coverage), default=0.0)


def _stricter(fix: Correction) -> Correction:
    """What of a correction makes readings worse: samples must not be relaxed by what a few members do better."""
    return Correction(
        {name: max(factor, 1.0) for name, factor in fix.rise_factor.items()},
        {name: max(factor, 1.0) for name, factor in fix.dose_factor.items()},
        {name: min(more, 0.0) for name, more in fix.margin_mm.items()},
        {name: min(more, 0.0) for name, more in fix.coverage.items()},
    )


def _measured(problem: Problem, fix: Correction, choices: Sequence[Choice], found: Checked) -> Correction:
    """The correction after the full model's answer: samples are held against samples, members against members."""
    if found.result.assessment.ensemble is not None or not any(c.first.judge.sampled for c in choices):
        return correction(fix, joint_first(choices), found, problem.goal, goal_ml(problem))
    if has_members(choices):
        return correction(fix, by_members(choices), found, problem.goal, goal_ml(problem))
    return _stricter(correction(fix, joint_first(choices), found, problem.goal, goal_ml(problem)))


def _missed(found: Checked, turn: int, choices: Sequence[Choice], samples_cover: float) -> str:
    doses = "; ".join(dose_words(choice.found.dose, choice.arm) for choice in choices)
    start = f"Try {turn} ({doses}):"
    if not found.safe:
        names = ", ".join(f"{row.name} ({row.peak_c:.1f} °C, CEM43 {row.cem43_min:.1f} min)" for row in found.broken)
        return f"{start} the full model breaks a limit at {names or 'a structure'}."
    failed = [member["name"] for member in found.result.assessment.members if "failed" in str(member["status"])]
    if failed:
        return f"{start} runs of the full model failed ({', '.join(map(str, failed[:3]))}): nothing can be concluded."
    if found.reached:
        return (
            f"{start} the full model's members keep every limit and reach the goal, but the worst sample of the "
            f"fast model covers only {share_words(samples_cover)}."
        )
    near = next((f" ({r.name} {r.peak_c:.1f} °C, CEM43 {r.cem43_min:.1f} min)" for r in found.limits), "")
    return f"{start} the full model keeps every limit{near}, but covers only {share_words(covers(found))}."
