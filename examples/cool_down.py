"""Heat arrives after switch-off: green when the power goes off, stop minutes later.

A strong, short treatment in a large lumbar body: at switch-off canal and roots are still under every warn limit; the
heat stored around the antenna reaches them while nobody watches. Whoever judges at switch-off is wrong. Shown with the
nominal member; with the local SAR factor the canal is heated directly as well, and earlier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vertherm.heat.member import NOMINAL, Member
from vertherm.materials.damage import cem43_increment
from vertherm.planning.assessment import Status
from vertherm.planning.case import Numerics
from vertherm.planning.limits import counted_for, judge, worst
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.predict import predict
from vertherm.planning.protocol import Protocol, default_protocol

TIP_MM, ENTRY_MM = (-4.0, 1.0, 0.0), (70.0, 1.0, 0.0)


@dataclass(frozen=True)
class CoolDown:
    """Status by the same limits at switch-off and at the end; how much later the worst structure peaked."""

    at_switch_off: Status
    final: Status
    structure: str
    peak_after_s: float
    switch_off_c: float
    peak_c: float


def status_until(case: Case, outcomes: tuple[MemberOutcome, ...], protocol: Protocol, time_s: float) -> Status:
    """Status of what had happened until ``time_s``: peaks and doses of the hottest cells up to then."""
    statuses: list[Status] = []
    for structure in case.anatomy.structures:
        limit = protocol.limit_for(structure.kind.value)
        if limit is None:
            continue
        for outcome in counted_for(structure, outcomes, protocol):
            curve = outcome.curves.get(structure.name)
            if curve is None:
                continue
            before = outcome.time_s <= time_s + 1e-6
            steps = np.diff(outcome.time_s[before], prepend=0.0)
            dose = sum(float(cem43_increment(t, dt)) for t, dt in zip(curve[before], steps, strict=True))
            statuses.append(judge(float(curve[before].max()), dose, limit))
    return worst(statuses)


def run(
    power_w: float = 60.0,
    time_s: float = 60.0,
    spacing_mm: float = 1.0,
    workers: int = 0,
    run_members: tuple[Member, ...] | None = (NOMINAL,),
) -> CoolDown:
    """Predict it, by default with the nominal member alone, and judge it twice."""
    case = phantom_case(lesion_radius_mm=8.0, lesion_offset_mm=(2.0, 3.0, 0.0), name="cool-down")
    treatment: Treatment = constant_power(power_w, time_s, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    protocol = default_protocol()
    numerics = Numerics(spacing_mm=spacing_mm)
    result = predict(case, treatment, protocol, numerics, workers=workers, run_members=run_members)
    row = next(r for r in result.assessment.structures if r.peak_temperature_c is not None)
    worst_member = next(o for o in result.outcomes if o.member.name == row.worst_member)
    curve = worst_member.curves[row.name]
    return CoolDown(
        at_switch_off=status_until(case, result.outcomes, protocol, time_s),
        final=result.assessment.verdict,
        structure=row.name,
        peak_after_s=(row.peak_time_s or 0.0) - time_s,
        switch_off_c=float(np.interp(time_s, worst_member.time_s, curve)),
        peak_c=float(curve.max()),
    )


if __name__ == "__main__":
    print(run())
