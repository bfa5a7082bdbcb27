"""What a reader must know about one target's cement, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from vertherm.planning.cement.document import NeedleRow, TargetCement
from vertherm.planning.cement.fill import STEP_ML, TargetFill, fill_row
from vertherm.planning.cement.needles import Cannula, opens_within
from vertherm.planning.objects import Target

LITTLE = 0.5
"""Share of the lesion below which a proposed volume is said to fill little."""
BOILING_C = 105.0
"""Methyl methacrylate boils at about 100 °C."""


def needle_notes(target: Target, cannulas: Sequence[Cannula], rows: Sequence[NeedleRow]) -> list[str]:
    """Openings that lie outside the lesion, and what given needles run through."""
    found = [
        f"The opening of {one.name} does not lie well within the lesion: the cement may spread beside it."
        for one in cannulas
        if not opens_within(one.trajectory, target)
    ]
    return found + [f"{row.name} runs through {', '.join(row.crosses)}." for row in rows if row.crosses]


def volume_notes(found: TargetFill) -> list[str]:
    """What was proposed or asked for, and what does not fit."""
    notes = _proposed(found) if not found.asked else []
    safe = found.safe
    if found.asked and safe.binds and safe.enough and found.volume_ml > safe.volume_ml + 1e-9:
        notes.append(
            f"The volume asked for ({found.volume_ml:.1f} ml) lies beyond the largest safe one "
            f"({safe.volume_ml:.1f} ml)."
        )
    if found.nominal.reached_ml < found.volume_ml - 1e-6:
        notes.append(f"Only {found.nominal.reached_ml:.1f} ml of {found.volume_ml:.1f} ml find room.")
    if found.failed:
        notes.append(f"{found.failed} of {found.failed + len(found.samples)} samples have no result.")
    return notes


def _proposed(found: TargetFill) -> list[str]:
    volume = f"{found.volume_ml:.1f} ml"
    ends = [s for s in found.stops if s.volume_ml is not None and s.volume_ml <= found.volume_ml + STEP_ML]
    names = ", ".join(stop.rule for stop in ends)
    if any((stop.volume_ml or 0.0) < STEP_ML for stop in ends):
        return [f"No volume keeps every rule ({names}): {volume} are looked at so that there is something to see."]
    judged = "" if found.safe.enough else "; leakage was not judged, the samples are too few"
    ended = f" ({names} ends it)" if ends else ""
    notes = [f"No volume was asked for: {volume} is the largest that keeps every rule{ended}{judged}."]
    held = fill_row(found).lesion_share.value
    if held < LITTLE:
        notes.append(
            f"At this volume {held:.0%} of the lesion hold cement. Another place of the opening may allow more: give "
            "it in [[cement.needles]] and compare."
        )
    return notes


def heat_notes(row: TargetCement) -> list[str]:
    """Where the model of curing is known to be wrong."""
    if row.curing is None or row.curing.cement_peak_c.high <= BOILING_C:
        return []
    return [
        f"The cement itself reads up to {row.curing.cement_peak_c.high:.0f} °C. Monomer would boil there; the model "
        "leaves that out, so the middle of the cement reads too hot."
    ]
