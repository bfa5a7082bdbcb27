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
from vertherm.planning.cement.measured import measured_by_target, measured_cement, measured_target
from vertherm.planning.cement.needles import NERVES, Cannula, check_targets, crossed
from vertherm.planning.cement.notes import heat_notes, needle_notes, volume_notes
from vertherm.planning.cement.published import beside_published
from vertherm.planning.cement.result import CementFields, CementResult
from vertherm.planning.cement.scene import SceneNotes, density_calibration, vertebra_scene
from vertherm.planning.cement.status import target_status
from vertherm.planning.objects import Case, Target
from vertherm.planning.protocol import Protocol
from vertherm.planning.sins import sins_of


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
    measured = measured_by_target(own, case)
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
    needles = [_needle_row(work, one, found.volume_ml) for one in cannulas]
    row = TargetCement(
        target=target.name,
        level=str(target.level),
        kind=target.kind,
        source="predicted",
        status="green",
        needles=needles,
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
        notes=[*seen.notes, *needle_notes(target, cannulas, needles), *volume_notes(found)],
    )
    row = _judged(row, seen)
    return row, replace(_fields(target, cannulas, found, share), **warm, strain=strain)


def _judged(row: TargetCement, seen: SceneNotes) -> TargetCement:
    """With its status, its place among published numbers, and what the heat leaves out."""
    unclear = bool(seen.doubts) or bool({"canal", "foramen"} & seen.missing_sites)
    found = {
        "status": target_status(row, unclear=unclear),
        "beside_published": beside_published(row),
        "notes": [*row.notes, *heat_notes(row)],
    }
    return row.model_copy(update=found)


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


def _needle_row(work: Work, one: Cannula, volume_ml: float) -> NeedleRow:
    # A path of the search was checked with its clearances; one that a person gave is only as good as the person.
    met = [] if one.path else crossed(one.trajectory, work.case.anatomy, work.protocol.access)
    entry, tip = one.trajectory.entry_mm.tolist(), one.trajectory.tip_mm.tolist()
    return NeedleRow(
        name=one.name,
        path=one.path,
        entry_ras_mm=(entry[0], entry[1], entry[2]),
        tip_ras_mm=(tip[0], tip[1], tip[2]),
        volume_ml=volume_ml * one.share,
        crosses=[structure.name for structure in met],
        crosses_nerves=any(structure.kind in NERVES for structure in met),
    )
