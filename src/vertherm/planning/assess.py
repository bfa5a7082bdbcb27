"""From the outcomes of all members to the one assessment and the scene of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vertherm import RESEARCH_NOTICE
from vertherm.applicator.antenna import Antenna
from vertherm.core.provenance import provenance
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.heat.coupling import CONSTANTS_USED, Setup, models_used
from vertherm.materials.constants import constants
from vertherm.materials.drying import DRYING_IDS
from vertherm.materials.unverified import UnverifiedValue, used_unverified
from vertherm.planning.assessment import (
    Assessment,
    Assumption,
    Banded,
    CoverageStatus,
    EnergyBalance,
    PowerRow,
    Status,
    StructureRow,
    TargetMetricRow,
    TargetRow,
    ThermocoupleRow,
    TreatmentRow,
    ZoneRow,
)
from vertherm.planning.limits import (
    Circumstances,
    Requirement,
    counted_for,
    coverage_status,
    missing_row,
    requirements,
    structure_row,
    verdict_words,
    without_factor,
    worst,
)
from vertherm.planning.objects import Case, Numerics, Target, Treatment
from vertherm.planning.outcome import CoverageOutcome, MemberOutcome
from vertherm.planning.protocol import Protocol
from vertherm.planning.scene import Curve, Scene, ZoneField
from vertherm.planning.setup import skin_crossing

HEATED_C = 43.0
EDGE_WARM_C = 39.0
"""Outermost cells this warm mean that the crop is too small: 2 K that the fixed faces hide from what lies beyond."""
BESIDE_SHAFT_MM = 12.0
COVERAGE_ORDER: tuple[CoverageStatus, ...] = ("covered with margin", "covered", "not covered", "no zone")


def assess(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    numerics: Numerics,
    setup: Setup,
    outcomes: Sequence[MemberOutcome],
    notes: Sequence[str],
    pierced: Sequence[str],
    distances: dict[str, float],
    timings: dict[str, float],
) -> Assessment:
    """The assessment of one case: the worst member that counts decides every status."""
    rows = _structure_rows(case, treatment, protocol, outcomes, pierced, distances, setup)
    verdict: Status = worst(row.status for row in rows)
    physical = without_factor(outcomes)
    targets = [_target_row(target, physical, protocol) for target in case.targets]
    unfinished = [f"Member «{o.member.name}» is incomplete: {o.status}." for o in outcomes if o.status != "settled"]
    level = case.targets[0].level
    return Assessment(
        case=case.name,
        title=case.title,
        level=level.value,
        region=level.region.value,
        notice=RESEARCH_NOTICE,
        synthetic=case.anatomy.synthetic,
        verdict=verdict,
        verdict_words=verdict_words(rows),
        coverage_verdict=max((t.status for t in targets), key=COVERAGE_ORDER.index),
        treatment=_treatment_row(treatment, outcomes),
        zones=[_zone_row(metric.id, metric.label, physical) for metric in protocol.metrics],
        targets=targets,
        structures=rows,
        thermocouples=[_thermocouple(name, point, physical) for name, point in treatment.thermocouples.items()],
        energy_balance=[EnergyBalance(member=o.member.name, **o.ledger) for o in outcomes],
        members=[_member_row(o) for o in outcomes],
        models=models_used(),
        assumptions=_assumptions(protocol, setup),
        notes=[*case.anatomy.notes, *notes, *_edge_note(setup, outcomes), *unfinished],
        timings_s={name: round(value, 3) for name, value in timings.items()},
        provenance=provenance(
            case.inputs,
            {
                "numerics": numerics.model_dump(),
                "protocol": {"name": protocol.name, "version": protocol.version},
                "heat_grid": {"shape": list(setup.tissue.grid.shape), "spacing_mm": numerics.spacing_mm},
                "targets": [_target_parameters(target) for target in case.targets],
            },
            case.seeds,
        ),
    )


def _target_parameters(target: Target) -> dict[str, Any]:
    statement = target.statement
    return {
        "name": target.name,
        "level": statement.level.value,
        "counting_rule": statement.counting_rule.value,
        "transition": statement.transition.value,
    }


def _structure_rows(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    outcomes: Sequence[MemberOutcome],
    pierced: Sequence[str],
    distances: dict[str, float],
    setup: Setup,
) -> list[StructureRow]:
    wanted = [
        r for target in case.targets for r in requirements(protocol, target.level, case.anatomy, target.centre_mm)
    ]
    needed = {name for requirement in wanted for name in requirement.answered_by}
    around = Circumstances(
        treatment.schedule.switch_off_s, distances, frozenset(pierced), _unseen(case, treatment, setup, outcomes)
    )
    rows = [
        structure_row(structure, outcomes, protocol, structure.name in needed, around)
        for structure in case.anatomy.structures
        if structure.name in outcomes[0].structures
        and (protocol.limit_for(structure.kind.value) or structure.name in needed or structure.name in pierced)
    ]
    # The most severe first, then the hottest: what a reader must see stands on top.
    rows.sort(key=lambda row: (-("green", "warn", "not assessed", "stop").index(row.status), -_hottest(row)))
    shown = {row.name for row in rows}
    missing = {r.name: missing_row(r) for r in wanted if not set(r.answered_by) & shown}
    return [*rows, *missing.values(), *_beyond_row(setup, outcomes)]


def _hottest(row: StructureRow) -> float:
    return row.peak_temperature_c.high if row.peak_temperature_c else 0.0


def _banded(outcomes: Sequence[MemberOutcome], value: Callable[[MemberOutcome], float]) -> Banded:
    values = [value(o) for o in outcomes]
    return Banded(value=values[0], low=min(values), high=max(values))


def _thermocouple(name: str, point_mm: FloatArray, outcomes: Sequence[MemberOutcome]) -> ThermocoupleRow:
    key = f"thermocouple {name}"
    body = constants("body_temperature").value
    nominal = outcomes[0]
    curve = nominal.curves.get(key)
    return ThermocoupleRow(
        name=name,
        position_ras_mm=(float(point_mm[0]), float(point_mm[1]), float(point_mm[2])),
        peak_temperature_c=_banded(outcomes, lambda o: float(o.curves[key].max()) if key in o.curves else body),
        peak_time_s=0.0 if curve is None else float(nominal.time_s[int(np.argmax(curve))]),
    )


def _zone_row(metric: str, label: str, outcomes: Sequence[MemberOutcome]) -> ZoneRow:
    return ZoneRow(
        metric=metric,
        label=label,
        volume_ml=_banded(outcomes, lambda o: o.zones[metric].volume_ml),
        long_axis_mm=_banded(outcomes, lambda o: o.zones[metric].long_axis_mm),
        short_axis_mm=_banded(outcomes, lambda o: o.zones[metric].short_axis_mm),
    )


def _target_row(target: Target, outcomes: Sequence[MemberOutcome], protocol: Protocol) -> TargetRow:
    rows = [_target_metric(m.id, [o.coverage[target.name][m.id] for o in outcomes]) for m in protocol.metrics]
    deciding = next(row for row in rows if row.metric == protocol.coverage_metric)
    margin = deciding.minimal_margin_mm.low if deciding.minimal_margin_mm else None
    return TargetRow(
        name=target.name,
        level=target.level.value,
        level_confirmed=target.statement.confirmed,
        pathology=target.pathology,
        kind=target.kind,
        volume_ml=float(np.count_nonzero(target.mask.data)) * target.mask.grid.voxel_volume_ml,
        deciding_metric=protocol.coverage_metric,
        status=coverage_status(deciding.coverage.low, margin, protocol.margin_goal_mm),
        metrics=rows,
        synthetic=target.synthetic,
    )


def _target_metric(metric: str, values: Sequence[CoverageOutcome]) -> TargetMetricRow:
    coverage = [value.coverage for value in values]
    margins = [value.margin_mm for value in values if value.margin_mm is not None]
    errors = [value.error_mm for value in values if value.error_mm is not None]
    whole = len(margins) == len(values)
    return TargetMetricRow(
        metric=metric,
        coverage=Banded(value=coverage[0], low=min(coverage), high=max(coverage)),
        # One member without a zone has no margin; a band over the others would hide the worst.
        minimal_margin_mm=Banded(value=margins[0], low=min(margins), high=max(margins)) if whole else None,
        margin_error_mm=max(errors) if errors else None,
    )


def _treatment_row(treatment: Treatment, outcomes: Sequence[MemberOutcome]) -> TreatmentRow:
    schedule, trajectory = treatment.schedule, treatment.trajectory
    return TreatmentRow(
        antenna=treatment.antenna.title,
        frequency_mhz=treatment.frequency_hz / 1e6,
        entry_ras_mm=tuple(float(v) for v in trajectory.entry_mm),  # type: ignore[arg-type]
        tip_ras_mm=tuple(float(v) for v in trajectory.tip_mm),  # type: ignore[arg-type]
        insertion_mm=trajectory.length_mm,
        power_kind=treatment.power_kind,
        power_note=treatment.power_note,
        activations=[asdict(activation) for activation in schedule.activations],
        treatment_time_s=schedule.switch_off_s,
        simulated_time_s=max(float(o.time_s[-1]) for o in outcomes),
        power=[_power_row(o) for o in without_factor(outcomes) if o.member.cooling == outcomes[0].member.cooling],
    )


def _power_row(outcome: MemberOutcome) -> PowerRow:
    log = outcome.power
    on = log["forward_w"] > 0
    seconds = log["duration_s"]

    def mean(name: str) -> float:
        return float(np.sum(log[name] * seconds) / np.sum(seconds[on])) if on.any() else 0.0

    def energy_kj(name: str) -> float:
        return float(np.sum(log[name] * seconds)) / 1000.0

    reflection = log["reflection_db"][on]
    return PowerRow(
        member=outcome.member.name,
        forward_w=mean("forward_w"),
        net_w=mean("net_w"),
        absorbed_w=mean("absorbed_w"),
        forward_kj=energy_kj("forward_w"),
        net_kj=energy_kj("net_w"),
        absorbed_kj=energy_kj("absorbed_w"),
        reflection_start_db=float(reflection[0]) if on.any() else 0.0,
        reflection_end_db=float(reflection[-1]) if on.any() else 0.0,
    )


def _member_row(outcome: MemberOutcome) -> dict[str, Any]:
    member = outcome.member
    return {
        "name": member.name,
        "drying": member.drying,
        "power": member.power,
        "cooling": member.cooling,
        "sar_factor": member.sar_factor,
        "status": outcome.status,
        "hottest_tissue_c": round(float(outcome.fields["peak_c"].max()), 1),
        "simulated_s": round(float(outcome.time_s[-1]), 1),
        **{name: round(value, 3) for name, value in outcome.statistics.items()},
    }


def _assumptions(protocol: Protocol, setup: Setup) -> list[Assumption]:
    used: dict[UnverifiedValue, None] = {}
    for model in DRYING_IDS:
        found = used_unverified(setup.tissue.palette, constant_names=CONSTANTS_USED, drying_id=model)
        used.update(dict.fromkeys(found))
    rows = [
        Assumption(
            name=row.name,
            value=f"{row.value:g} {row.unit}".strip() if isinstance(row.value, float) else str(row.value),
            range=row.range,
            source=row.source,
            certainty=row.certainty,
            verified=False,
        )
        for row in used
    ]
    rows.extend(_antenna_assumptions(setup.antenna))
    local = protocol.local_sar
    rows.append(_protocol_assumption("local SAR factor in neural structures", f"{local.factor:g}", local.source))
    rows.append(_protocol_assumption("margin goal", f"{protocol.margin_goal_mm:g} mm", protocol.margin_source))
    rows.extend(
        _protocol_assumption(f"limit of {', '.join(limit.kinds)}", f"stop at {limit.words('stop')}", limit.source)
        for limit in protocol.limits
    )
    rows.extend(_protocol_assumption(f"zone metric {m.label}", f"{m.level:g}", m.source) for m in protocol.metrics)
    return rows


def _antenna_assumptions(antenna: Antenna) -> Iterable[Assumption]:
    for name in antenna.unverified:
        yield Assumption(
            name=f"antenna: {name}",
            value="see the catalogue entry",
            range="",
            source=antenna.source,
            certainty=antenna.certainty,
            verified=False,
        )
    for text in antenna.missing:
        yield Assumption(
            name="antenna: not in the source", value=text, range="", source=antenna.source, certainty="", verified=False
        )


def _protocol_assumption(name: str, value: str, source: str) -> Assumption:
    marks = [mark for mark in ("guess", "R", "D", "S") if f"[{mark}]" in source]
    # Without a mark it is a default of ours: a proposal, however well argued. The weakest mark counts.
    certainty = marks[0] if marks else "guess"
    return Assumption(
        name=name, value=value, range="", source=source, certainty=certainty, verified=certainty in ("S", "D")
    )


def _unseen(case: Case, treatment: Treatment, setup: Setup, outcomes: Sequence[MemberOutcome]) -> dict[str, str]:
    """Structures that the prediction does not reach where it matters, and why."""
    found: dict[str, str] = {}
    if _edge_heated(setup, outcomes):
        why = "heat reaches the edge of the computed region; raise [numerics] reach_mm"
        found.update({name: why for name in setup.tracked if name not in setup.probes})
    if skin_crossing(case.anatomy, treatment.trajectory) is None:
        why = "the shaft leaves the image before it reaches the skin"
        found.update({s.name: why for s in case.anatomy.structures if s.kind.value == "skin"})
    return found


def _edge_heated(setup: Setup, outcomes: Sequence[MemberOutcome]) -> bool:
    """True where the outermost cells of the heat grid grow warm although their outer faces are held at 37 degC.

    Cells beside the shaft do not count: where it leaves the grid it is warm, and a larger grid would not change that.
    """
    edge = np.ones(setup.tissue.grid.shape, bool)
    edge[1:-1, 1:-1, 1:-1] = False
    radius, _ = setup.trajectory.cylindrical_mm(setup.tissue.grid.world(np.argwhere(edge)))
    away = radius > BESIDE_SHAFT_MM
    return any(float(o.fields["peak_c"][edge][away].max()) >= EDGE_WARM_C for o in outcomes)


def _edge_note(setup: Setup, outcomes: Sequence[MemberOutcome]) -> Iterable[str]:
    if _edge_heated(setup, outcomes):
        yield "Heat reaches the edge of the computed region: raise [numerics] reach_mm."


def _beyond_row(setup: Setup, outcomes: Sequence[MemberOutcome]) -> Iterable[StructureRow]:
    """Tissue heated where there is no image: unknown structures may lie there, so it is not assessed."""
    hot = np.any([o.fields["peak_c"][setup.tissue.outside_image] >= HEATED_C for o in outcomes], axis=0)
    if hot.any():
        volume = float(np.count_nonzero(hot)) * setup.tissue.grid.voxel_volume_ml
        yield missing_row(
            Requirement("tissue beyond the image", ()),
            f"{volume:.1f} mL beyond the image reach {HEATED_C:g} °C in some member: soft tissue was assumed there, "
            "and nothing that may lie there is assessed.",
        )


def make_scene(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    setup: Setup,
    outcomes: Sequence[MemberOutcome],
    assessment: Assessment,
) -> Scene:
    """Fields and curves of the nominal member with the envelopes over all members that count."""
    grid = setup.tissue.grid
    physical = without_factor(outcomes)
    zones = []
    for metric in protocol.metrics:
        fields = [o.fields[metric.field] for o in physical]
        zones.append(
            ZoneField(
                metric.id,
                metric.label,
                metric.level,
                Volume(fields[0], grid),
                Volume(np.minimum.reduce(fields), grid),
                Volume(np.maximum.reduce(fields), grid),
                metric.field,
            )
        )
    nominal = outcomes[0]
    return Scene(
        ct=case.anatomy.ct,
        lesions={target.name: target.mask for target in case.targets},
        structures=case.anatomy.structures,
        trajectory=treatment.trajectory,
        shaft_radius_mm=treatment.antenna.shaft_radius_mm,
        peak_c=Volume(nominal.fields["peak_c"], grid),
        zones=tuple(zones),
        curves=tuple(_curves(case, protocol, outcomes, assessment)),
        power_time_s=nominal.power["time_s"],
        power_w={name: nominal.power[f"{name}_w"] for name in ("forward", "net", "absorbed")},
        activations_s=treatment.schedule.intervals_s,
        focus_mm=case.targets[0].mask.grid.world(np.argwhere(case.targets[0].mask.data).mean(axis=0)),
        mr=case.anatomy.mr,
    )


def _curves(
    case: Case, protocol: Protocol, outcomes: Sequence[MemberOutcome], assessment: Assessment
) -> Iterable[Curve]:
    """Curves of the structures whose rows stand on top of the table, and of every thermocouple."""
    chosen = [row.name for row in assessment.structures if row.peak_temperature_c is not None][:8]
    for name in chosen:
        structure = case.anatomy.structure(name)
        limit = protocol.limit_for(structure.kind.value)
        counted = counted_for(structure, outcomes, protocol)
        yield _curve(
            name, structure.kind.value, counted, limit.warn_c if limit else None, limit.stop_c if limit else None
        )
    for name in outcomes[0].curves:
        if name.startswith("thermocouple "):
            yield _curve(name, "thermocouple", without_factor(outcomes), None, None)


def _curve(name: str, kind: str, counted: Sequence[MemberOutcome], warn_c: float | None, stop_c: float | None) -> Curve:
    # Members end at different times, each when all has peaked and cooled: shown is the time that all of them cover.
    followed = [o for o in counted if name in o.curves]
    end = min((float(o.time_s[-1]) for o in followed), default=1.0)
    time = np.linspace(0.0, end, 600)
    body = constants("body_temperature").value
    lines = [np.interp(time, o.time_s, o.curves[name]) for o in followed] or [np.full(time.shape, body)]
    return Curve(name, kind, time, lines[0], np.min(lines, axis=0), np.max(lines, axis=0), warn_c, stop_c)
