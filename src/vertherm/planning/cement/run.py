"""The cement of a case, start to finish: scene, fill, heat, strength, SINS, one document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from vertherm.cement.rules import CementRules
from vertherm.cement.spread import flow_space
from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.geometry.volume import Volume
from vertherm.materials.bone_cement import bone_cement
from vertherm.planning.case import CaseFile, CementEntry, MeasuredCement
from vertherm.planning.cement.ablation import Ablation
from vertherm.planning.cement.assemble import Work, cement_document
from vertherm.planning.cement.document import CuringRow, NeedleRow, StrengthRow, TargetCement
from vertherm.planning.cement.fill import (
    TargetFill,
    course_row,
    distances_mm,
    fill_row,
    fill_target,
    leakage_curve,
    site_rows,
)
from vertherm.planning.cement.injection import injection_plan
from vertherm.planning.cement.measured import measured_cement, measured_target
from vertherm.planning.cement.needles import Cannula, check_targets, opens_within
from vertherm.planning.cement.published import beside_published
from vertherm.planning.cement.result import CementFields, CementResult
from vertherm.planning.cement.scene import SceneNotes, density_calibration, vertebra_scene
from vertherm.planning.cement.status import target_status
from vertherm.planning.objects import Case, Target
from vertherm.planning.protocol import Protocol
from vertherm.planning.sins import sins_of

LITTLE = 0.5
"""Share of the lesion below which a proposed volume is said to fill little."""
BOILING_C = 105.0
"""Methyl methacrylate boils at about 100 °C."""


def cement_rules(rules: CementRules, entry: CementEntry) -> CementRules:
    """The protocol's rules with what the case states."""
    names = ("start_after_mixing_s", "rate_ml_min", "room_c", "ablation_delay_s", "samples")
    stated = {name: getattr(entry, name) for name in names if getattr(entry, name) is not None}
    return rules.model_copy(update=stated)


def cement_case(
    case: Case,
    protocol: Protocol,
    entry: CaseFile,
    cannulas: Mapping[str, list[Cannula]],
    *,
    ablation: Ablation | None = None,
    workers: int = 0,
    address: str | None = None,
    progress: Progress = silent,
) -> CementResult:
    """Predict the cement of every target that has a cannula, or whose cement a later scan shows.

    Args:
        entry: [cement], [numerics] and the entered parts of the SINS are used.
        cannulas: by target.
        ablation: what goes before; None: the cement starts from body temperature.
        workers, address: of the samples.

    Raises:
        InputError: cement, needles, volumes or targets do not fit the case.
        SolverError: no sample of a fill has a result.
    """
    own = entry.cement or CementEntry()
    check_targets(own.volume_ml, case, "[cement] volume_ml")
    cement, rules = bone_cement(own.type), cement_rules(protocol.cement, own)
    calibration = density_calibration(case.anatomy, own.calibration)
    work = Work(case, protocol, entry, cement, rules, calibration, ablation, workers, address, progress)
    measured = {item.target or case.targets[0].name: item for item in own.measured}
    check_targets(measured, case, "[[cement.measured]] target")
    treated = [t for t in case.targets if t.name in cannulas or t.name in measured]
    if not treated:
        raise InputError(
            "No target has a cannula.", where="[cement]", advice="give [[cement.needles]], or [[applicators]] to follow"
        )
    rows: list[TargetCement] = []
    fields: list[CementFields] = []
    for target in treated:
        if target.name in measured:
            row, volumes = _measured(work, target, measured[target.name])
        else:
            row, volumes = _predicted(work, target, cannulas[target.name])
        rows.append(row)
        fields.append(volumes)
    return CementResult(cement_document(work, rows), case, tuple(fields))


def _scene(work: Work, target: Target) -> SceneNotes:
    zone = work.ablation.zone if work.ablation is not None else None
    rules = work.rules
    return vertebra_scene(
        work.case, target, work.calibration, spacing_mm=rules.spacing_mm, room_mm=rules.room_mm, ablated=zone
    )


def _predicted(work: Work, target: Target, cannulas: list[Cannula]) -> tuple[TargetCement, CementFields]:
    rules = work.rules
    with work.step("scene"):
        seen = _scene(work, target)
    with work.step("fill"):
        space = flow_space(
            density_error_mg_cm3=work.calibration.error_mg_cm3,
            tip_error_mm=rules.tip_error_mm,
            tip_source=rules.tip_source,
        )
        found = fill_target(
            seen.scene,
            injection_plan(work, target, cannulas, seen.scene, space),
            space,
            rules,
            missing=seen.missing_sites,
            asked_ml=work.own.volume_ml.get(target.name),
            working_to_s=work.working_s[1],
            samples=rules.samples,
            seed=work.own.seed,
            workers=work.workers,
            address=work.address,
            progress=work.progress,
        )
    share = cement_share(found)
    heat, warm = _heat(work, share)
    strong, strain = _strength(work, target, share, found)
    row = TargetCement(
        target=target.name,
        level=str(target.level),
        kind=target.kind,
        source="predicted",
        status="green",
        needles=[_needle_row(one, found.volume_ml) for one in cannulas],
        fill=fill_row(found),
        sites=site_rows(found, seen.derived_sites, seen.missing_sites),
        curve=leakage_curve(found.samples, found.failed, found.plan, distances_mm(found)),
        safe=found.safe,
        course=course_row(found),
        stops=list(found.stops),
        curing=heat,
        strength=strong,
        sins=sins_of(work.case, target, _entered(work, target)),
        samples=len(found.samples),
        failed=found.failed,
        notes=[*seen.notes, *_needle_notes(target, cannulas), *_volume_notes(found)],
    )
    row = _judged(row, seen)
    return row, replace(_fields(target, cannulas, found, share), **warm, strain=strain)


def _judged(row: TargetCement, seen: SceneNotes) -> TargetCement:
    """With its status, its place among published numbers, and what the heat leaves out."""
    notes = list(row.notes)
    if row.curing is not None and row.curing.cement_peak_c.high > BOILING_C:
        notes.append(
            f"The cement itself reads up to {row.curing.cement_peak_c.high:.0f} °C. Monomer would boil there; "
            "the model leaves that out, so the middle of the cement reads too hot."
        )
    unclear = bool(seen.doubts) or "canal" in seen.missing_sites
    found = {"status": target_status(row, unclear=unclear), "beside_published": beside_published(row)}
    return row.model_copy(update={**found, "notes": notes})


def cement_share(found: TargetFill) -> Volume:
    """Share of each cell that holds cement in the nominal fill: its pores, where cement came."""
    from vertherm.cement.vertebra import porous_medium

    pores = porous_medium(found.scene, found.drawn).porosity
    return Volume(np.where(found.filled, pores, 0.0).astype(np.float32), found.scene.grid, "cement")


def _fields(target: Target, cannulas: list[Cannula], found: TargetFill, share: Volume) -> CementFields:
    scene, grid = found.scene, found.scene.grid
    return CementFields(
        target=target.name,
        needles={one.name: one.trajectory for one in cannulas},
        body=Volume(scene.body, grid),
        lesion=Volume(scene.lesion, grid),
        canal=Volume(scene.canal, grid),
        fill=share,
        probability=Volume(found.probability, grid),
        arrival_ml=Volume(found.nominal.arrival_ml.astype(np.float32), grid),
        sites=Volume(scene.sites, grid),
    )


def _heat(work: Work, share: Volume) -> tuple[CuringRow | None, dict[str, Any]]:
    if not work.own.heat:
        return None, {}
    from vertherm.planning.cement.heat import curing

    with work.step("heat"):
        return curing(
            work.case,
            work.protocol,
            work.entry.numerics,
            share,
            work.cement,
            work.rules,
            work.ablation,
            mixed_s=work.start_s,
            workers=work.workers,
            progress=work.progress,
        )


def _strength(
    work: Work, target: Target, share: Volume, found: TargetFill | None
) -> tuple[StrengthRow | None, dict[str, Volume]]:
    if not work.own.strength:
        return None, {}
    from vertherm.planning.cement.strength import strength

    with work.step("strength"):
        return strength(
            work.case,
            target,
            work.calibration,
            share,
            found,
            work.ablation.zone if work.ablation is not None else None,
            workers=work.workers,
            progress=work.progress,
        )


def _measured(work: Work, target: Target, item: MeasuredCement) -> tuple[TargetCement, CementFields]:
    with work.step("scene"):
        seen = _scene(work, target)
        mask = measured_cement(item, work.case, seen.scene)
    fill, sites, volumes = measured_target(target, seen, mask)
    heat, warm = _heat(work, volumes.fill)
    strong, strain = _strength(work, target, volumes.fill, None)
    row = TargetCement(
        target=target.name,
        level=str(target.level),
        kind=target.kind,
        source="measured",
        status="green",
        needles=[],
        fill=fill,
        sites=sites,
        curing=heat,
        strength=strong,
        sins=sins_of(work.case, target, _entered(work, target)),
        notes=[*seen.notes, "The cement is that of a scan after the procedure, not predicted."],
    )
    row = _judged(row, seen)
    return row, replace(volumes, **warm, strain=strain)


def _entered(work: Work, target: Target) -> Mapping[str, str]:
    return next(item.sins for item in work.entry.targets if item.name == target.name)


def _needle_row(one: Cannula, volume_ml: float) -> NeedleRow:
    entry, tip = one.trajectory.entry_mm.tolist(), one.trajectory.tip_mm.tolist()
    return NeedleRow(
        name=one.name,
        path=one.path,
        entry_ras_mm=(entry[0], entry[1], entry[2]),
        tip_ras_mm=(tip[0], tip[1], tip[2]),
        volume_ml=volume_ml * one.share,
    )


def _needle_notes(target: Target, cannulas: list[Cannula]) -> list[str]:
    """Openings that lie outside the lesion."""
    outside = [one.name for one in cannulas if not opens_within(one.trajectory, target)]
    return [
        f"The opening of {name} does not lie well within the lesion: the cement may spread beside it."
        for name in outside
    ]


def _volume_notes(found: TargetFill) -> list[str]:
    notes = []
    if found.asked and found.safe.binds and found.safe.enough and found.volume_ml > found.safe.volume_ml + 1e-9:
        notes.append(
            f"The volume asked for ({found.volume_ml:.1f} ml) lies beyond the largest safe one "
            f"({found.safe.volume_ml:.1f} ml)."
        )
    if not found.asked:
        ends = [s.rule for s in found.stops if s.volume_ml is not None and s.volume_ml <= found.volume_ml + 0.1]
        notes.append(
            f"No volume was asked for: {found.volume_ml:.1f} ml is the largest that keeps every rule"
            + (f" ({', '.join(ends)} ends it)." if ends else ".")
        )
        held = fill_row(found).lesion_share.value
        if held < LITTLE:
            notes.append(
                f"At this volume {held:.0%} of the lesion hold cement. Another place of the opening may allow more: "
                "give it in [[cement.needles]] and compare."
            )
    if found.nominal.reached_ml < found.volume_ml - 1e-6:
        notes.append(f"Only {found.nominal.reached_ml:.1f} ml of {found.volume_ml:.1f} ml find room.")
    if found.failed:
        notes.append(f"{found.failed} of {found.failed + len(found.samples)} samples have no result.")
    return notes
