"""From the outcomes of all members to the one assessment and the scene of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from vertherm import RESEARCH_NOTICE
from vertherm.core.provenance import provenance
from vertherm.geometry.volume import FloatArray
from vertherm.heat.coupling import models_used
from vertherm.heat.schedule import Activation
from vertherm.heat.setup import Setup
from vertherm.materials.constants import constants
from vertherm.planning.assessment import (
    ApplicatorRow,
    Assessment,
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
from vertherm.planning.assumptions import assumptions
from vertherm.planning.ensemble_rows import Sampling, ensemble_row, target_percentiles, unfinished_notes
from vertherm.planning.envelope import Envelope
from vertherm.planning.evaluate import HEATED_C
from vertherm.planning.limits import (
    Circumstances,
    Requirement,
    coverage_status,
    missing_row,
    requirements,
    sampled,
    structure_row,
    verdict_words,
    without_factor,
    worst,
)
from vertherm.planning.objects import Case, Numerics, PlacedAntenna, Target, Treatment
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.protection.words import protection_notes, protection_rows
from vertherm.planning.protocol import Protocol
from vertherm.planning.setup import skin_crossing

EDGE_WARM_C = 39.0
"""Outermost cells this warm mean that the crop is too small: 2 K that the fixed faces hide from what lies beyond."""
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
    envelope: Envelope,
    sampling: Sampling | None = None,
) -> Assessment:
    """The assessment of one case: the worst member, or a percentile of the samples, decides every status."""
    rows = _structure_rows(case, treatment, protocol, outcomes, pierced, distances, setup, envelope)
    verdict: Status = worst(row.status for row in rows)
    physical = without_factor(outcomes)
    targets = [_target_row(target, physical, protocol) for target in case.targets]
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
        treatment=_treatment_row(treatment, outcomes, setup),
        zones=[_zone_row(metric.id, metric.label, physical) for metric in protocol.metrics],
        targets=targets,
        structures=rows,
        thermocouples=[_thermocouple(name, point, physical) for name, point in treatment.thermocouples.items()],
        energy_balance=[EnergyBalance(member=o.name, **o.ledger) for o in outcomes],
        members=[_member_row(o) for o in outcomes],
        ensemble=ensemble_row(outcomes, sampling) if sampling is not None else None,
        models=models_used(setup),
        assumptions=assumptions(protocol, setup),
        notes=[
            *case.anatomy.notes,
            *notes,
            *protection_notes(setup),
            *_edge_note(outcomes),
            *unfinished_notes(outcomes),
        ],
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
    envelope: Envelope,
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
    return [*rows, *missing.values(), *_beyond_row(setup, envelope)]


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
    rows = [_target_metric(m.id, target.name, outcomes, protocol.margin_goal_mm) for m in protocol.metrics]
    deciding = next(row for row in rows if row.metric == protocol.coverage_metric)
    covered, margin = deciding.coverage.low, deciding.minimal_margin_mm.low if deciding.minimal_margin_mm else None
    if deciding.p5_coverage is not None:
        covered = deciding.p5_coverage.bound
        margin = deciding.p5_margin_mm.bound if deciding.p5_margin_mm is not None else None
    status = coverage_status(covered, margin, protocol.margin_goal_mm)
    if deciding.p5_coverage is not None and deciding.p5_coverage.failed and status.startswith("covered"):
        # What a failed sample would have shown is not known: it may be the one that does not cover.
        status = "not covered"
    return TargetRow(
        name=target.name,
        level=target.level.value,
        level_confirmed=target.statement.confirmed,
        pathology=target.pathology,
        kind=target.kind,
        volume_ml=float(np.count_nonzero(target.mask.data)) * target.mask.grid.voxel_volume_ml,
        deciding_metric=protocol.coverage_metric,
        status=status,
        metrics=rows,
        synthetic=target.synthetic,
    )


def _target_metric(metric: str, target: str, outcomes: Sequence[MemberOutcome], goal_mm: float) -> TargetMetricRow:
    values = [o.coverage[target][metric] for o in outcomes]
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
        **target_percentiles(metric, target, sampled(outcomes), goal_mm),
    )


def _treatment_row(treatment: Treatment, outcomes: Sequence[MemberOutcome], setup: Setup) -> TreatmentRow:
    schedule, trajectory = treatment.schedule, treatment.trajectory
    titles = dict.fromkeys(placed.antenna.title for placed in treatment.applicators)
    return TreatmentRow(
        antenna=", ".join(titles),
        applicators=[_applicator_row(placed) for placed in treatment.applicators],
        coherent=treatment.coherent,
        protection=protection_rows(setup),
        frequency_mhz=treatment.frequency_hz / 1e6,
        entry_ras_mm=tuple(float(v) for v in trajectory.entry_mm),  # type: ignore[arg-type]
        tip_ras_mm=tuple(float(v) for v in trajectory.tip_mm),  # type: ignore[arg-type]
        insertion_mm=trajectory.length_mm,
        power_kind=treatment.power_kind,
        power_note=treatment.power_note,
        activations=[_activation_row(activation, treatment) for activation in schedule.activations],
        treatment_time_s=schedule.switch_off_s,
        simulated_time_s=max(float(o.time_s[-1]) for o in outcomes),
        power=[
            _power_row(o)
            for o in without_factor(outcomes)
            if o.member.cooling == outcomes[0].member.cooling and not o.sample
        ],
    )


def _activation_row(activation: Activation, treatment: Treatment) -> dict[str, Any]:
    """An activation as plain data; the antennas are named where there are several."""
    row = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(activation).items()}
    names = row.pop("emitters") or [placed.name for placed in treatment.applicators]
    return {**row, "applicators": names} if len(treatment.applicators) > 1 else row


def _applicator_row(placed: PlacedAntenna) -> ApplicatorRow:
    needle = placed.trajectory
    return ApplicatorRow(
        name=placed.name,
        antenna=placed.antenna.title,
        cooled=placed.antenna.cooled,
        frequency_mhz=placed.frequency_hz / 1e6,
        entry_ras_mm=tuple(float(v) for v in needle.entry_mm),  # type: ignore[arg-type]
        tip_ras_mm=tuple(float(v) for v in needle.tip_mm),  # type: ignore[arg-type]
        insertion_mm=needle.length_mm,
        phase_deg=placed.phase_deg,
        calibration=placed.calibration_words,
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
        member=outcome.name,
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
        "name": outcome.name,
        "drying": member.drying,
        "power": member.power,
        "cooling": member.cooling,
        "sar_factor": member.sar_factor,
        "status": outcome.status,
        "hottest_tissue_c": round(outcome.hottest_c, 1),
        "simulated_s": round(float(outcome.time_s[-1]), 1),
        **{name: round(value, 3) for name, value in outcome.statistics.items()},
    }


def _unseen(case: Case, treatment: Treatment, setup: Setup, outcomes: Sequence[MemberOutcome]) -> dict[str, str]:
    """Structures that the prediction does not reach where it matters, and why."""
    found: dict[str, str] = {}
    if _edge_heated(outcomes):
        why = "heat reaches the edge of the computed region; raise [numerics] reach_mm"
        found.update({name: why for name in setup.tracked if name not in setup.probes})
    if any(skin_crossing(case.anatomy, trajectory) is None for trajectory in treatment.trajectories):
        why = "a shaft leaves the image before it reaches the skin"
        found.update({s.name: why for s in case.anatomy.structures if s.kind.value == "skin"})
    return found


def _edge_heated(outcomes: Sequence[MemberOutcome]) -> bool:
    """True where the outermost cells of the heat grid grow warm although their outer faces are held at 37 degC."""
    return any(o.edge_c >= EDGE_WARM_C for o in outcomes)


def _edge_note(outcomes: Sequence[MemberOutcome]) -> Iterable[str]:
    if _edge_heated(outcomes):
        yield "Heat reaches the edge of the computed region: raise [numerics] reach_mm."


def _beyond_row(setup: Setup, envelope: Envelope) -> Iterable[StructureRow]:
    """Tissue heated where there is no image: unknown structures may lie there, so it is not assessed."""
    if envelope.beyond is not None and envelope.beyond.any():
        volume = float(np.count_nonzero(envelope.beyond)) * setup.tissue.grid.voxel_volume_ml
        yield missing_row(
            Requirement("tissue beyond the image", ()),
            f"{volume:.1f} mL beyond the image reach {HEATED_C:g} °C in some member: soft tissue was assumed there, "
            "and nothing that may lie there is assessed.",
        )
