"""Two plans, or a plan and the needle's real place, compared in words: what matters first, noise left out.

Directions are the patient's: in RAS +x is right, +y anterior, +z towards the head. Differences below the tolerances are
not said: a surrogate on 2 mm cells does not know better (its own error is stated by its validation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vertherm.geometry.trajectory import Trajectory
from vertherm.planning.limits import SEVERITY
from vertherm.planning.outline import Outline, OutlineStructure, OutlineTarget

Weight = Literal["stop", "coverage", "warn", "better", "small"]
ORDER: tuple[Weight, ...] = ("stop", "coverage", "warn", "better", "small")
"""What comes first: a limit newly reached, lost coverage, other changes for the worse, for the better, the rest."""


@dataclass(frozen=True)
class Tolerances:
    """Differences smaller than these are not said. [guess] a little above what 2 mm cells and 3 mm labels resolve.

    Args:
        length_mm: of tips, distances and margins.
        angle_deg: of the needle's direction.
        temperature_k: of peaks.
        dose_share: of CEM43, relative to the larger one; doses below ``dose_min`` never differ.
        dose_min: minutes.
        coverage: share.
    """

    length_mm: float = 0.5
    angle_deg: float = 1.0
    temperature_k: float = 0.5
    dose_share: float = 0.25
    dose_min: float = 1.0
    coverage: float = 0.01


TOLERANCES = Tolerances()


@dataclass(frozen=True)
class ComparisonRow:
    """One quantity in both plans.

    Args:
        subject: needle, structure or target.
        quantity: "tip", "direction", "distance", "peak temperature", "CEM43", "coverage", "minimal margin", "energy".
        unit: of the numbers.
        before, after: None where one of the plans does not have it.
        limit: the stop limit; None where there is none.
        weight: how much it matters.
        words: the row as a clause.
    """

    subject: str
    quantity: str
    unit: str
    before: float | None
    after: float | None
    limit: float | None
    weight: Weight
    words: str = ""

    @property
    def difference(self) -> float | None:
        """After minus before; None where one is missing."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """Two plans compared.

    Args:
        before, after: what the two are called.
        rows: every quantity that differs by more than the tolerances, what matters first.
        words: the same as sentences.
    """

    before: str
    after: str
    rows: tuple[ComparisonRow, ...]
    words: str

    @property
    def same(self) -> bool:
        """True where nothing differs by more than the tolerances."""
        return not self.rows


def compare(before: Outline, after: Outline, tolerances: Tolerances = TOLERANCES) -> Comparison:
    """Compare two plans of the same case."""
    rows: list[ComparisonRow] = []
    for name, trajectory in after.needles.items():
        if name in before.needles:
            rows += needle_rows(name, before.needles[name], trajectory, tolerances)
    there = {row.name: row for row in before.structures}
    for structure in after.structures:
        if structure.name in there:
            rows += _structure_rows(there[structure.name], structure, tolerances)
    goals = {row.name: row for row in before.targets}
    for target in after.targets:
        if target.name in goals:
            rows += _target_rows(goals[target.name], target, tolerances)
    rows += _dose_rows(before, after)
    # Python's sort keeps the order of equals: needles come first among what matters alike.
    rows.sort(key=lambda row: (row.quantity not in ("tip", "direction"), ORDER.index(row.weight), -_size(row)))
    return Comparison(before.label, after.label, tuple(rows), _words(rows, tolerances))


def _size(row: ComparisonRow) -> float:
    return abs(row.difference or 0.0) if row.quantity == "peak temperature" else 0.0


# ---- needles --------------------------------------------------------------------------------------------------------
DIRECTIONS = (("right", "left"), ("anterior", "posterior"), ("towards the head", "towards the feet"))
"""Along +x and -x, +y and -y, +z and -z of the patient (RAS)."""


def shift_words(before: Trajectory, after: Trajectory, tolerance_mm: float = TOLERANCES.length_mm) -> str:
    """Where the tip lies instead: depth along the first needle, the rest as the patient's directions.

    Returns:
        "4.2 mm deeper and 2.1 mm further left"; "" where every part is within the tolerance.
    """
    moved = after.tip_mm - before.tip_mm
    # The axis points from the tip towards the entry.
    depth = -float(moved @ before.axis)
    across = moved + depth * before.axis
    parts = [f"{abs(depth):.1f} mm {'deeper' if depth > 0 else 'less deep'}"] if abs(depth) >= tolerance_mm else []
    for axis in np.argsort(-np.abs(across)):
        if abs(across[axis]) >= tolerance_mm:
            word = DIRECTIONS[axis][0 if across[axis] > 0 else 1]
            parts.append(f"{abs(across[axis]):.1f} mm further {word}")
    return parts[0] if len(parts) == 1 else " and ".join([", ".join(parts[:-1]), parts[-1]]) if parts else ""


def turn_deg(before: Trajectory, after: Trajectory) -> float:
    """Angle between two needles, degrees."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(before.axis, after.axis)), before.axis @ after.axis)))


def needle_rows(name: str, before: Trajectory, after: Trajectory, tolerances: Tolerances) -> list[ComparisonRow]:
    """Tip and direction of one needle."""
    rows = []
    distance = float(np.linalg.norm(after.tip_mm - before.tip_mm))
    where = shift_words(before, after, tolerances.length_mm)
    if where or distance >= 2.0 * tolerances.length_mm:
        words = f"the tip of {name} lies {where}" if where else f"the tip of {name} lies {distance:.1f} mm away"
        rows.append(ComparisonRow(name, "tip", "mm", 0.0, distance, None, "small", words))
    angle = turn_deg(before, after)
    if angle >= tolerances.angle_deg:
        words = f"{name} is turned by {angle:.0f}°"
        rows.append(ComparisonRow(name, "direction", "°", 0.0, angle, None, "small", words))
    return rows


# ---- structures and targets -----------------------------------------------------------------------------------------
def _structure_rows(before: OutlineStructure, after: OutlineStructure, tolerances: Tolerances) -> list[ComparisonRow]:
    nearer = _nearer(before, after, tolerances)
    warmer = after.peak_c - before.peak_c
    larger = max(before.dose_min, after.dose_min)
    dosed = larger >= tolerances.dose_min and abs(after.dose_min - before.dose_min) >= tolerances.dose_share * larger
    changed = before.status != after.status
    if not (abs(warmer) >= tolerances.temperature_k or dosed or changed):
        return []
    weight = _weight(before, after)
    name = after.name
    lead = (
        f"{name} comes {_millimetres(abs(nearer))} mm {'nearer' if nearer < 0 else 'less near'}: "
        if nearer
        else f"{name}: "
    )
    stop = "" if after.stop_c is None else f" (stop at {after.stop_c:g})"
    words = f"{lead}{after.peak_c:.1f} instead of {before.peak_c:.1f} °C{stop}"
    if dosed:
        limit = "" if after.stop_dose_min is None else f" (stop at {after.stop_dose_min:g})"
        words += f", CEM43 {_minutes(after.dose_min)} instead of {_minutes(before.dose_min)} min{limit}"
    if changed:
        words += f", {after.status} instead of {before.status}"
    rows = [ComparisonRow(name, "peak temperature", "°C", before.peak_c, after.peak_c, after.stop_c, weight, words)]
    if dosed:
        rows.append(ComparisonRow(name, "CEM43", "min", before.dose_min, after.dose_min, after.stop_dose_min, weight))
    if nearer:
        rows.append(ComparisonRow(name, "distance", "mm", before.distance_mm, after.distance_mm, None, weight))
    return rows


def _nearer(before: OutlineStructure, after: OutlineStructure, tolerances: Tolerances) -> float:
    """Change of the distance where both know it and it counts, else 0; mm."""
    if before.distance_mm is None or after.distance_mm is None:
        return 0.0
    change = after.distance_mm - before.distance_mm
    return change if abs(change) >= tolerances.length_mm else 0.0


def _weight(before: OutlineStructure, after: OutlineStructure) -> Weight:
    worse = SEVERITY.index(after.status) - SEVERITY.index(before.status)
    if after.status == "stop":
        return "stop"
    if worse > 0:
        return "warn"
    if worse < 0 or after.peak_c < before.peak_c:
        return "better"
    return "warn" if after.status == "warn" else "small"


def _millimetres(length_mm: float) -> str:
    return f"{length_mm:.1f}" if length_mm < 2.0 else f"{length_mm:.0f}"


def _minutes(dose_min: float) -> str:
    return f"{dose_min:.1f}" if dose_min <= 10_000 else "over 10 000"


def _target_rows(before: OutlineTarget, after: OutlineTarget, tolerances: Tolerances) -> list[ComparisonRow]:
    rows = []
    change = after.coverage - before.coverage
    if abs(change) >= tolerances.coverage or before.reached != after.reached:
        verb = "falls" if change < 0 else "rises" if change > 0 else "stays"
        words = f"coverage of {after.name} with its margin {verb} from {_shares(before, after)} %"
        if before.reached != after.reached:
            words += ", the goal is reached" if after.reached else ", short of the goal"
        weight: Weight = "coverage" if change < 0 or not after.reached else "better"
        rows.append(
            ComparisonRow(after.name, "coverage", "%", 100 * before.coverage, 100 * after.coverage, None, weight, words)
        )
    if before.margin_mm is not None and after.margin_mm is not None:
        margin = after.margin_mm - before.margin_mm
        if abs(margin) >= tolerances.length_mm:
            words = f"the smallest margin of {after.name} is {after.margin_mm:.1f} instead of {before.margin_mm:.1f} mm"
            weight = "coverage" if margin < 0 else "better"
            rows.append(
                ComparisonRow(
                    after.name, "minimal margin", "mm", before.margin_mm, after.margin_mm, None, weight, words
                )
            )
    elif (before.margin_mm is None) != (after.margin_mm is None):
        words = f"{after.name}: {'no zone any more' if after.margin_mm is None else 'a zone where there was none'}"
        weight = "coverage" if after.margin_mm is None else "better"
        rows.append(
            ComparisonRow(after.name, "minimal margin", "mm", before.margin_mm, after.margin_mm, None, weight, words)
        )
    return rows


def _shares(before: OutlineTarget, after: OutlineTarget) -> str:
    """Both shares in per cent, with a decimal where whole numbers would look alike."""
    one, other = 100 * before.coverage, 100 * after.coverage
    return f"{one:.0f} to {other:.0f}" if round(one) != round(other) else f"{one:.1f} to {other:.1f}"


def _dose_rows(before: Outline, after: Outline) -> list[ComparisonRow]:
    if before.dose == after.dose:
        return []
    words = f"the dose is {after.dose} instead of {before.dose}"
    return [ComparisonRow("dose", "energy", "kJ", before.energy_kj, after.energy_kj, None, "small", words)]


# ---- sentences ------------------------------------------------------------------------------------------------------
def _words(rows: list[ComparisonRow], tolerances: Tolerances) -> str:
    said = [row.words for row in rows if row.words]
    if not said:
        return (
            f"No difference beyond {tolerances.length_mm:g} mm, {tolerances.temperature_k:g} K and "
            f"{100 * tolerances.coverage:g} % of coverage."
        )
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in said)
