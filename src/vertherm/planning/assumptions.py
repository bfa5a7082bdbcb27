"""The values and models that a result rests on, those that no source confirms marked so."""

from __future__ import annotations

from collections.abc import Iterable

from vertherm.applicator.antenna import Antenna
from vertherm.heat.coupling import CONSTANTS_USED
from vertherm.heat.setup import Setup
from vertherm.materials.drying import DRYING_IDS
from vertherm.materials.unverified import UnverifiedValue, used_unverified
from vertherm.planning.assessment import Assumption
from vertherm.planning.protection.words import protection_assumptions, unverified_fluids
from vertherm.planning.protocol import Protocol


def assumptions(protocol: Protocol, setup: Setup) -> list[Assumption]:
    """Unverified values of the tissues, constants and antennas in use, then what the protocol assumes."""
    used: dict[UnverifiedValue, None] = {}
    for model in DRYING_IDS:
        found = used_unverified(setup.tissue.palette, constant_names=CONSTANTS_USED, drying_id=model)
        used.update(dict.fromkeys(found))
    used.update(dict.fromkeys(unverified_fluids(setup)))
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
    for antenna in {e.antenna.key: e.antenna for e in setup.emitters}.values():
        rows.extend(_antenna_assumptions(antenna))
    rows.extend(protection_assumptions(setup))
    local = protocol.local_sar
    if not setup.full_wave:
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
