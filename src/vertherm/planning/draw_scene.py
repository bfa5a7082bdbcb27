"""From outcomes and envelope to the scene of the pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from vertherm.geometry.volume import Volume
from vertherm.heat.protection import Protection
from vertherm.heat.setup import Setup
from vertherm.materials.constants import constants
from vertherm.planning.assessment import Assessment
from vertherm.planning.envelope import Envelope
from vertherm.planning.limits import counted_for, without_factor
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.protocol import Protocol
from vertherm.planning.scene import Curve, MediumRegion, Needle, ProbabilityField, Scene, ZoneField


def make_scene(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    setup: Setup,
    outcomes: Sequence[MemberOutcome],
    assessment: Assessment,
    envelope: Envelope,
) -> Scene:
    """Fields and curves of the nominal member with the envelopes over all members that count."""
    grid = setup.tissue.grid
    nominal = outcomes[0]
    zones = [
        ZoneField(
            metric.id,
            metric.label,
            metric.level,
            Volume(nominal.fields[metric.field], grid),
            Volume(envelope.smallest[metric.field], grid),
            Volume(envelope.largest[metric.field], grid),
            metric.field,
        )
        for metric in protocol.metrics
    ]
    share = protocol.metrics if assessment.ensemble is not None and envelope.members else ()
    return Scene(
        ct=case.anatomy.ct,
        lesions={target.name: target.mask for target in case.targets},
        structures=case.anatomy.structures,
        needles=tuple(Needle(p.name, p.trajectory, p.antenna.shaft_radius_mm) for p in treatment.applicators),
        peak_c=Volume(nominal.fields["peak_c"], grid),
        zones=tuple(zones),
        curves=tuple(_curves(case, protocol, outcomes, assessment)),
        power_time_s=nominal.power["time_s"],
        power_w={name: nominal.power[f"{name}_w"] for name in ("forward", "net", "absorbed")},
        activations_s=treatment.schedule.intervals_s,
        focus_mm=case.targets[0].mask.grid.world(np.argwhere(case.targets[0].mask.data).mean(axis=0)),
        mr=case.anatomy.mr,
        probabilities=tuple(
            ProbabilityField(m.id, m.label, Volume(envelope.share(m.id), grid), envelope.members) for m in share
        ),
        protection=_regions(treatment.protection),
    )


def _regions(protection: Protection) -> tuple[MediumRegion, ...]:
    """Where gas and fluid lie."""
    found = [MediumRegion(item.name, item.medium, item.region) for item in protection.dissections]
    return (*found, *(MediumRegion(item.name, item.medium, item.region) for item in protection.irrigations))


def _curves(
    case: Case, protocol: Protocol, outcomes: Sequence[MemberOutcome], assessment: Assessment
) -> Iterable[Curve]:
    """Curves of the structures whose rows stand on top of the table, and of every thermocouple."""
    # A structure wholly beyond the heat grid has a row but no history.
    followed = {name for outcome in outcomes for name in outcome.curves}
    chosen = [row.name for row in assessment.structures if row.name in followed][:8]
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
