"""The plan where the needle really lies: what the planned dose does there, and the best dose within the limits.

The plan's surrogate is carried to the real place (see ``model``) and held to the plan's full model: what the
surrogate lacks against the plan's numbers, for the planned place and dose, is added at the real place too. The result
is provisional.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.geometry.trajectory import Trajectory
from vertherm.materials.constants import constants
from vertherm.planning.checks import check_case
from vertherm.planning.compare_plans import Comparison, compare
from vertherm.planning.limits import requirements
from vertherm.planning.monitor.delivered import doses, planned
from vertherm.planning.monitor.plan_scale import DOSE_RANGE, LEAST_K, RISE_RANGE, SMALL_K, SMALL_MIN
from vertherm.planning.objects import Treatment
from vertherm.planning.optimise.dose import Lattice
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.judge import Correction, Judge, Judgement
from vertherm.planning.optimise.problem import Clock
from vertherm.planning.outline import Outline
from vertherm.planning.plan import Plan
from vertherm.planning.replan.checks import access_checks, crossed
from vertherm.planning.replan.document import document
from vertherm.planning.replan.model import moved_model, planned_model
from vertherm.planning.replan.needle_input import needles_of, placed_really
from vertherm.planning.replan.outline import Parts, judged_outline, planned_outline
from vertherm.planning.replan.rows import Mode, ReplanDocument
from vertherm.planning.replan.search import best_dose
from vertherm.planning.replan.state import replanned
from vertherm.planning.setup import distances_mm
from vertherm.planning.state.state import State

if TYPE_CHECKING:
    from vertherm.planning.surrogate.dose import Dose
    from vertherm.planning.surrogate.surrogate import Surrogate


@dataclass(frozen=True, eq=False)
class Replan:
    """A plan at the real place.

    Args:
        document: everything in words and numbers.
        comparison: plan and real place with the planned dose.
        improved: plan and real place with the new dose; None where none was sought or none is safe.
        treatment: needles as they lie, with the recommended dose; None where no dose is safe.
        surrogate: of the real place.
        plan: the document of the re-planned case; None where no dose is safe.
    """

    document: ReplanDocument
    comparison: Comparison
    improved: Comparison | None
    treatment: Treatment | None
    surrogate: Surrogate
    plan: Plan | None


def replan(
    state: State,
    needles: Mapping[str, Trajectory],
    *,
    mode: Mode = "new dose",
    reconstruction: bool = False,
    threads: int = 2,
    progress: Progress = silent,
) -> Replan:
    """Recompute a plan for the needles where they really lie.

    Args:
        state: the planned case.
        needles: entry and tip by name of the planned needle (any of its places; "" for the only one), RAS mm. Needles
            that are not named lie as planned.
        mode: "same dose" predicts the planned dose; "new dose" also seeks the best one within the limits.
        reconstruction: accept a needle through the canal, to reconstruct what happened; its status stays stop.
        threads: of the fast model.
        progress: told what is done.

    Raises:
        InputError: an unknown needle, a tip outside image or body, needles that touch, or one through the canal.
    """
    clock = Clock()
    with clock.step("checks"):
        lying = _checked(state, needles, reconstruction)
    with clock.step("surrogate"):
        progress("heat at the real place", 0.0)
        moved = moved_model(state, lying.treatment, lying.goal, threads=threads)
        progress("heat at the real place", 1.0)
    with clock.step("dose"):
        parts = _judged(state, lying, moved, planned_model(state, lying.goal, threads=threads), mode)
    with clock.step("access"):
        checks = access_checks(state, lying.treatment, parts.needles, lying.goal.margin_mm)
    outlines = _outlines(parts)
    comparison = compare(outlines[0], outlines[1])
    improved = compare(outlines[0], outlines[2]) if len(outlines) > 2 else None
    result = document(parts, outlines, comparison, checks, clock.rounded())
    final = _treatment(parts, result)
    plan = None if final is None else replanned(state.plan, final, _decides(parts, result), state, result.words)
    return Replan(result, comparison, improved, final, moved, plan)


@dataclass(frozen=True, eq=False)
class _Lying:
    """The treatment with its needles as they lie, and what the checks say about them."""

    treatment: Treatment
    goal: Goal
    notes: tuple[str, ...]
    pierced: tuple[str, ...]
    crossed: Mapping[str, Sequence[str]]


def _checked(state: State, needles: Mapping[str, Trajectory], reconstruction: bool) -> _Lying:
    treatment = placed_really(state.treatment, needles)
    treatment = replace(treatment, reconstruction=treatment.reconstruction or reconstruction)
    notes, pierced = check_case(state.case, treatment)
    placed = {item.name: item for item in treatment.applicators}
    through = {n.name: crossed(state.case, placed[n.name], state.protocol) for n in needles_of(treatment)}
    others = {name: [s for s in names if s not in pierced] for name, names in through.items()}
    goal = Goal.of(state.protocol, state.entry.plan)
    return _Lying(treatment, goal, tuple(notes), tuple(pierced), others)


def _judged(state: State, lying: _Lying, there: Surrogate, planned_place: Surrogate, mode: Mode) -> Parts:
    """The planned dose at the real place, and the best one where it is sought."""
    goal = lying.goal
    judge = Judge(goal, state.limits(), tuple(t.name for t in state.case.targets), sampled=False)
    # Held against the same variants at the planned place: the plan's rows may come from samples, which do not move.
    judge = judge.corrected(correction(state, judge, planned_place))
    dose = one_dose(lying.treatment, there.places)
    found = None
    if mode == "new dose":
        lattice = Lattice.of(state.entry.plan.power_w, state.entry.plan.time_s)
        found = best_dose(lambda d: judge(there.readings(d)), goal, lattice, dose)
    return Parts(
        state=state,
        treatment=lying.treatment,
        planned_needles=needles_of(state.treatment),
        needles=needles_of(lying.treatment),
        goal=goal,
        mode=mode,
        same=judge(there.readings(dose)),
        same_dose=dose,
        new=found,
        variants=there.n,
        pierced=lying.pierced,
        crossed=lying.crossed,
        not_assessed=_unlabelled(state),
        notes=lying.notes,
    )


def one_dose(treatment: Treatment, places: tuple[str, ...]) -> Dose:
    """The treatment's schedule as a dose.

    Raises:
        InputError: antennas that fire together, or none at these places.
    """
    found = doses(planned(treatment), places)
    if len(found) != 1:
        raise InputError(
            "This treatment cannot be re-planned.",
            where="schedule",
            got=f"{len(found)} courses of activations at the same time",
            expected="one activation after the other",
        )
    return found[0][1]


def correction(state: State, judge: Judge, model: Surrogate) -> Correction:
    """What the fast model at the planned place lacks against the plan's own numbers, for the plan's dose."""
    readings = model.readings(one_dose(state.treatment, model.places))
    read = judge(readings)
    body = constants("body_temperature").value
    rows = {row.name: row for row in state.plan.limits}
    rises = {
        item.name: float(np.clip((rows[item.name].peak_c - body) / max(item.peak_c - body, LEAST_K), *RISE_RANGE))
        for item in read.structures
        if item.name in rows and rows[item.name].peak_c >= body + SMALL_K
    }
    # What the rise does to the dose is the judge's: only what is then left is a factor on the dose.
    warmed = judge.corrected(Correction(rise_factor=rises))(readings)
    factors = {
        item.name: float(np.clip(rows[item.name].cem43_min / max(item.cem43_min, SMALL_MIN), *DOSE_RANGE))
        for item in warmed.structures
        if item.name in rows and rows[item.name].cem43_min >= SMALL_MIN
    }
    margins, shares = {}, {}
    covered = {row.target: row for row in state.plan.coverage}
    for target in read.targets:
        full = covered.get(target.name)
        if full is None:
            continue
        # At the ceiling of 1 the difference says nothing.
        if min(full.coverage, target.coverage) < 1.0:
            shares[target.name] = full.coverage - target.coverage
        if full.margin_mm is not None and target.margin_mm is not None:
            margins[target.name] = full.margin_mm - target.margin_mm
    return Correction(rises, factors, margins, shares)


def _unlabelled(state: State) -> tuple[str, ...]:
    wanted = [
        requirement
        for target in state.case.targets
        for requirement in requirements(state.protocol, target.level, state.case.anatomy, target.centre_mm)
    ]
    return tuple(dict.fromkeys(r.name for r in wanted if not r.answered_by))


def _outlines(parts: Parts) -> list[Outline]:
    """The plan, the real place with the same dose, and with the new dose where one is safe."""
    anatomy = parts.state.case.anatomy
    far = distances_mm(anatomy, parts.treatment.trajectories)
    found = [
        planned_outline(parts, distances_mm(anatomy, parts.state.treatment.trajectories)),
        judged_outline(parts, "real place, same dose", parts.same, parts.same_dose, far),
    ]
    if parts.new is not None and parts.new.judgement.safe:
        found.append(judged_outline(parts, "real place, new dose", parts.new.judgement, parts.new.dose, far))
    return found


def _decides(parts: Parts, result: ReplanDocument) -> Judgement:
    """Of the recommended dose."""
    return parts.new.judgement if result.new_dose and parts.new is not None else parts.same


def _treatment(parts: Parts, result: ReplanDocument) -> Treatment | None:
    if result.recommendation == "no safe dose":
        return None
    if not result.new_dose or parts.new is None:
        return parts.treatment
    return replace(parts.treatment, schedule=parts.new.dose.schedule(parts.places))
