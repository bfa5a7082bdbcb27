"""A re-plan as its document: what to do in a sentence, then tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vertherm import RESEARCH_NOTICE
from vertherm.core.provenance import provenance
from vertherm.geometry.volume import FloatArray
from vertherm.planning.assessment import Status
from vertherm.planning.checks import tip_outside_mm
from vertherm.planning.compare_plans import Comparison, shift_words, turn_deg
from vertherm.planning.limits import worst
from vertherm.planning.monitor.delivered import beyond_range, planned
from vertherm.planning.optimise.goal import TOLERANCE, share_words
from vertherm.planning.outline import Outline
from vertherm.planning.replan.checks import target_of
from vertherm.planning.replan.outline import Parts, dose_rows, dose_words
from vertherm.planning.replan.rows import (
    CheckRow,
    DifferenceRow,
    NeedleRow,
    Recommendation,
    ReplanDocument,
    ReplanStructure,
    ReplanTarget,
)

DEEPER_MM = 1.0
"""From this on drawing the needle back is suggested where the dose alone does not help."""


def document(
    parts: Parts, outlines: Sequence[Outline], comparison: Comparison, checks: list[CheckRow], timings: dict[str, float]
) -> ReplanDocument:
    """The document; ``outlines``: plan, real place with the same dose, and with the new one where it is safe."""
    state = parts.state
    recommendation = recommended(parts)
    new = parts.new if recommendation in ("change the dose", "goal not reached") else None
    change = new is not None
    decides = outlines[2] if change else outlines[1]
    verdict: Status = worst([*(row.status for row in decides.structures), *_beyond_heat(parts)])
    return ReplanDocument(
        case=state.case.name,
        title=state.case.title,
        notice=RESEARCH_NOTICE,
        synthetic=state.case.anatomy.synthetic,
        mode=parts.mode,
        recommendation=recommendation,
        words=_words(parts, recommendation),
        comparison=comparison.words,
        verdict=verdict,
        needles=needle_rows(parts),
        checks=checks,
        planned_dose=dose_rows(parts.same_dose, parts.places),
        new_dose=dose_rows(new.dose, parts.places) if new is not None else [],
        power_kind=parts.treatment.power_kind,
        structures=_structures(outlines, change),
        targets=_targets(outlines, change),
        differences=_differences(comparison),
        not_assessed=list(parts.not_assessed),
        variants=parts.variants,
        model=decides.model,
        notes=[*parts.notes, *_notes(parts, checks)],
        timings_s=timings,
        provenance=provenance(state.case.inputs, {"plan": state.plan.status}, {}),
    )


def _differences(comparison: Comparison) -> list[DifferenceRow]:
    return [
        DifferenceRow(
            subject=r.subject,
            quantity=r.quantity,
            unit=r.unit,
            before=r.before,
            after=r.after,
            limit=r.limit,
            weight=r.weight,
            words=r.words,
        )
        for r in comparison.rows
    ]


def recommended(parts: Parts) -> Recommendation:
    """What to do with the dose; a needle through the canal has no safe dose."""
    crossed = any(parts.crossed.values())
    if parts.pierced or crossed:
        return "no safe dose"
    if parts.same.safe and parts.same.reached:
        return "keep the dose"
    if parts.new is not None and parts.new.judgement.safe:
        if parts.new.judgement.reached:
            return "change the dose"
        return "goal not reached"
    if parts.new is None and parts.same.safe:
        return "goal not reached"
    return "no safe dose"


def _beyond_heat(parts: Parts) -> list[Status]:
    """What decides beside temperatures."""
    found: list[Status] = []
    if parts.pierced or any(parts.crossed.values()):
        found.append("stop")
    if parts.not_assessed:
        found.append("not assessed")
    return found


# ---- words ----------------------------------------------------------------------------------------------------------
def _words(parts: Parts, recommendation: Recommendation) -> str:
    through = [*parts.pierced, *(name for names in parts.crossed.values() for name in names)]
    if through:
        names = ", ".join(dict.fromkeys(through))
        return f"Give no power: the needle passes through {names}. Draw it back and place it anew."
    now = dose_words(parts.same_dose, parts.places, parts.treatment.power_kind)
    if recommendation == "keep the dose":
        return f"Keep the dose ({now}): every limit is kept and the goal is reached where the needle lies."
    if recommendation == "change the dose":
        assert parts.new is not None  # as recommended() decided
        dose = dose_words(parts.new.dose, parts.places, parts.treatment.power_kind)
        highest = [max(pulse.power_w for pulse in d.pulses) for d in (parts.same_dose, parts.new.dose)]
        verb = "Lower the power" if highest[1] < highest[0] else "Change the dose"
        return f"{verb}: {dose} (planned: {now}): {_why(parts)}. It keeps every limit and reaches the goal."
    if recommendation == "goal not reached":
        return _short_of_goal(parts, now)
    words = f"No safe dose here: {_why(parts)}."
    if parts.new is None:
        words = f"The planned dose is not safe here: {_why(parts)}. Another dose was not sought (mode same dose)."
    return f"{words} {_move(parts)}".strip()


def _short_of_goal(parts: Parts, now: str) -> str:
    judgement, dose = (parts.same, parts.same_dose) if parts.new is None else (parts.new.judgement, parts.new.dose)
    given = dose_words(dose, parts.places, parts.treatment.power_kind)
    share = f"{share_words(judgement.coverage)} of lesion and margin"
    what = f"The best dose within the limits is {given}"
    if parts.new is None:
        what = f"The planned dose ({now}) keeps every limit"
    return f"{what}, but it ablates {share}, short of {parts.goal.words()}: {_why(parts)}. {_move(parts)}".strip()


def _why(parts: Parts) -> str:
    """What is wrong with the planned dose at the real place."""
    found = []
    binding = parts.same.binding
    if binding is not None and not parts.same.safe:
        dose = f"CEM43 {min(binding.cem43_min, 1e4):.0f} min"
        found.append(f"with the planned dose {binding.name} reaches {binding.peak_c:.1f} °C and {dose}")
    if parts.same.reached:
        return " and ".join(found)
    if parts.same.coverage < 1.0 - TOLERANCE:
        found.append(f"with the planned dose coverage is {share_words(parts.same.coverage)}")
    else:
        short = max(parts.goal.margin_mm - (target.margin_mm or 0.0) for target in parts.same.targets)
        found.append(f"with the planned dose the margin falls {short:.1f} mm short")
    return " and ".join(found)


def _move(parts: Parts) -> str:
    """How to bring the needle back to the plan, deepest error first."""
    found = []
    for before, after in zip(parts.planned_needles, parts.needles, strict=True):
        deeper = float((before.trajectory.tip_mm - after.trajectory.tip_mm) @ before.trajectory.axis)
        if deeper >= DEEPER_MM:
            found.append(f"Drawing {after.name} back by {deeper:.0f} mm restores its depth; re-plan that place.")
        elif shift_words(before.trajectory, after.trajectory):
            found.append(f"Placing {after.name} nearer to the plan would help; re-plan that place.")
    return " ".join(found)


def _notes(parts: Parts, checks: Sequence[CheckRow]) -> list[str]:
    spacing = max(float(model.grid.spacing_mm.max()) for model in parts.state.surrogates.values())
    notes = [
        f"PROVISIONAL: a surrogate on {spacing:g} mm cells for the real place, held to the plan's numbers for the "
        "planned one.",
        "It reads the nominal patient and the worst standard members; the plan's samples are not moved along.",
    ]
    schedules = [parts.treatment.schedule, *([parts.new.dose.schedule(parts.places)] if parts.new is not None else [])]
    courses = [planned(replace(parts.treatment, schedule=schedule)) for schedule in schedules]
    known = [parts.state.standard(name) for name in parts.state.surrogates]
    notes += dict.fromkeys(words for course in courses for model in known if (words := beyond_range(course, model)))
    for needle in parts.needles:
        target = target_of(parts.state.case, needle.trajectory)
        outside = tip_outside_mm(target, needle.trajectory)
        if outside > 0.0:
            notes.append(f"The tip of {needle.name} lies {outside:.1f} mm outside {target.name}.")
    broken = [check for check in checks if not check.kept]
    notes += [f"{c.needle} breaks a rule of access: {c.rule}: {c.value} (limit {c.limit})." for c in broken]
    if parts.not_assessed:
        notes.append(f"Not assessed, because not labelled: {', '.join(parts.not_assessed)}.")
    if parts.state.plan.status == "no safe plan":
        notes.append("The plan itself did not reach its goal within the limits.")
    return notes


# ---- tables ---------------------------------------------------------------------------------------------------------
def needle_rows(parts: Parts) -> list[NeedleRow]:
    """Every needle, planned and real."""
    rows = []
    for before, after in zip(parts.planned_needles, parts.needles, strict=True):
        one, other = before.trajectory, after.trajectory
        target = target_of(parts.state.case, other)
        rows.append(
            NeedleRow(
                name=after.name,
                target=target.name,
                planned_entry_ras_mm=_point(one.entry_mm),
                planned_tip_ras_mm=_point(one.tip_mm),
                entry_ras_mm=_point(other.entry_mm),
                tip_ras_mm=_point(other.tip_mm),
                moved_mm=float(np.linalg.norm(other.tip_mm - one.tip_mm)),
                turned_deg=turn_deg(one, other),
                words=shift_words(one, other),
                tip_outside_mm=tip_outside_mm(target, other),
                crosses=list(parts.crossed.get(after.name, ())),
            )
        )
    return rows


def _point(point: FloatArray) -> tuple[float, float, float]:
    return (float(point[0]), float(point[1]), float(point[2]))


def _structures(outlines: Sequence[Outline], change: bool) -> list[ReplanStructure]:
    planned = {row.name: row for row in outlines[0].structures}
    new = {row.name: row for row in outlines[2].structures} if change else {}
    rows = []
    for row in outlines[1].structures:
        before, after = planned.get(row.name), new.get(row.name)
        rows.append(
            ReplanStructure(
                name=row.name,
                stop_c=row.stop_c,
                stop_cem43_min=row.stop_dose_min,
                planned_c=None if before is None else before.peak_c,
                planned_cem43_min=None if before is None else before.dose_min,
                same_c=row.peak_c,
                same_cem43_min=row.dose_min,
                same_status=row.status,
                new_c=None if after is None else after.peak_c,
                new_cem43_min=None if after is None else after.dose_min,
                new_status=None if after is None else after.status,
                planned_distance_mm=None if before is None else before.distance_mm,
                distance_mm=row.distance_mm,
            )
        )
    rows.sort(key=lambda row: (row.stop_c or 1e3) - row.same_c)
    return rows


def _targets(outlines: Sequence[Outline], change: bool) -> list[ReplanTarget]:
    planned = {row.name: row for row in outlines[0].targets}
    new = {row.name: row for row in outlines[2].targets} if change else {}
    rows = []
    for row in outlines[1].targets:
        before, after = planned.get(row.name), new.get(row.name)
        rows.append(
            ReplanTarget(
                name=row.name,
                planned_coverage=None if before is None else before.coverage,
                planned_margin_mm=None if before is None else before.margin_mm,
                same_coverage=row.coverage,
                same_margin_mm=row.margin_mm,
                same_reached=row.reached,
                new_coverage=None if after is None else after.coverage,
                new_margin_mm=None if after is None else after.margin_mm,
                new_reached=None if after is None else after.reached,
            )
        )
    return rows
