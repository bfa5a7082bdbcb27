"""Outlines of a re-plan: the plan as it was, and what a dose does at the real place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vertherm.planning.objects import Treatment
from vertherm.planning.optimise.dose import Found
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.judge import Judgement
from vertherm.planning.outline import Outline, OutlineStructure, OutlineTarget, clock, outline_of_plan
from vertherm.planning.replan.needle_input import Needle
from vertherm.planning.replan.rows import DoseRow, Mode
from vertherm.planning.state.state import State

if TYPE_CHECKING:
    from vertherm.planning.surrogate.dose import Dose


@dataclass(frozen=True, eq=False)
class Parts:
    """Everything a re-plan found, before it is put in words.

    Args:
        state: the plan.
        treatment: with the needles as they lie, and the planned dose.
        planned_needles, needles: physical needles, planned and real, in the same order.
        goal, mode: what was asked.
        same, same_dose: the planned dose at the real place.
        new: the best dose within the limits; None where none was sought.
        variants: of the surrogate.
        pierced: canal structures a needle passes through (reconstruction).
        crossed: by needle, structures that the rules of access forbid and the needle passes through.
        not_assessed: required, but not labelled.
        notes: of the checks.
    """

    state: State
    treatment: Treatment
    planned_needles: tuple[Needle, ...]
    needles: tuple[Needle, ...]
    goal: Goal
    mode: Mode
    same: Judgement
    same_dose: Dose
    new: Found | None
    variants: int
    pierced: tuple[str, ...]
    crossed: Mapping[str, Sequence[str]]
    not_assessed: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the places, in the order that pulses count them in."""
        return tuple(placed.name for placed in self.treatment.applicators)


def dose_rows(dose: Dose, places: Sequence[str]) -> list[DoseRow]:
    """The pulses as rows."""
    return [DoseRow(place=places[p.place], power_w=p.power_w, time_s=p.on_s, pause_s=p.pause_s) for p in dose.pulses]


def dose_words(dose: Dose, places: Sequence[str], power_kind: str) -> str:
    """ "45 W forward, 5:00"; with the place where there are several."""
    words = [f"{p.power_w:.0f} W {power_kind}, {clock(p.on_s)}" for p in dose.pulses]
    if len({p.place for p in dose.pulses}) > 1:
        words = [f"{places[p.place]}: {text}" for p, text in zip(dose.pulses, words, strict=True)]
    return "; then ".join(words)


def planned_outline(parts: Parts, distances_mm: Mapping[str, float]) -> Outline:
    """The plan by its own (full-model) numbers, with what its document does not hold."""
    state = parts.state
    bare = outline_of_plan(state.plan)
    return Outline(
        label="plan",
        needles={needle.name: needle.trajectory for needle in parts.planned_needles},
        structures=tuple(_with_distance(row, distances_mm) for row in bare.structures),
        targets=bare.targets,
        dose=dose_words(parts.same_dose, parts.places, parts.treatment.power_kind),
        energy_kj=parts.same_dose.energy_j / 1000.0,
        model=bare.model,
    )


def _with_distance(row: OutlineStructure, distances_mm: Mapping[str, float]) -> OutlineStructure:
    return OutlineStructure(
        row.name, row.peak_c, row.dose_min, row.stop_c, row.stop_dose_min, row.status, distances_mm.get(row.name)
    )


def judged_outline(
    parts: Parts, label: str, judgement: Judgement, dose: Dose, distances_mm: Mapping[str, float]
) -> Outline:
    """What a dose does at the real place."""
    limits = parts.state.limits()
    structures = []
    for item in judgement.structures:
        limit = limits[item.name]
        status = "stop" if item.name in parts.pierced else item.status
        structures.append(
            OutlineStructure(
                item.name,
                item.peak_c,
                item.cem43_min,
                limit.stop_c,
                limit.stop_cem43_min,
                status,
                distances_mm.get(item.name),
            )
        )
    return Outline(
        label=label,
        needles={needle.name: needle.trajectory for needle in parts.needles},
        structures=tuple(structures),
        targets=tuple(
            OutlineTarget(t.name, t.coverage, t.lesion_coverage, t.margin_mm, t.reached) for t in judgement.targets
        ),
        dose=dose_words(dose, parts.places, parts.treatment.power_kind),
        energy_kj=dose.energy_j / 1000.0,
        model=f"surrogate, worst of {parts.variants} variants",
    )
