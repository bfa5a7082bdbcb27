"""One needle path with everything that speaks for or against it, and what a search leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from vertherm.access.rules import Approach, Position
from vertherm.geometry.trajectory import Trajectory

Side = Literal["left", "right", "midline"]


@dataclass(frozen=True)
class NeedleSpec:
    """The instrument as a path sees it.

    Args:
        radius_mm: outer radius of the shaft.
        length_mm: usable length, hub to tip.
        focus_mm: how far behind the tip the middle of the ablation zone lies.
        zone_long_mm, zone_short_mm: axes of the reference zone (a spheroid around the focus).
    """

    radius_mm: float
    length_mm: float
    focus_mm: float
    zone_long_mm: float
    zone_short_mm: float


@dataclass(frozen=True)
class Clearance:
    """How near a path comes to one structure.

    Args:
        name, kind: of the structure.
        distance_mm: from the needle's surface to the label's voxels (0: touches; negative: how deep the axis-to-label
            distance falls below the radius).
        after_error_mm: the same when the needle ends up as far off as the placement error allows.
        required_mm: what the rules ask for beyond the error.
        label_error_mm: how far the label itself may be off (half the diagonal of its voxels).
        depth_mm: where, from the skin along the needle.
        derived: the structure was placed by a rule, not labelled.
    """

    name: str
    kind: str
    distance_mm: float
    after_error_mm: float
    required_mm: float
    label_error_mm: float
    depth_mm: float
    derived: bool

    @property
    def kept(self) -> bool:
        """True where the rule is kept."""
        return self.after_error_mm >= self.required_mm


@dataclass(frozen=True, eq=False)
class NeedlePath:
    """An admissible straight path; angles in degrees, lengths in mm, RAS.

    Args:
        name: "P1", "P2", ... in the order of the result.
        trajectory: from the point on the skin to the tip.
        focus_ras_mm: middle of the reference zone.
        approach, side: how it enters; the side of the patient.
        entry_kind: "skin", or "image edge" where the image ends before the body does (length and skin unknown).
        length_mm: entry to tip.
        bone_mm: length within bone.
        axial_deg: turn in the transverse plane from the straight sagittal way, positive towards the patient's left.
        cranio_caudal_deg: out of the transverse plane, positive where the entry lies above the tip.
        gantry_deg: tilt of the gantry that brings the needle into one slice.
        incidence_deg: between needle and the normal of the first bone surface.
        clearances: every obstacle nearer than the comfort of its rule, nearest (after its requirement) first.
        pedicle_wall_mm: thinnest bone between the needle's surface and the outside within the pedicle; None elsewhere.
        breach_mm: how far the needle leaves the pedicle (0: contained).
        breach_grade: Gertzbein-Robbins A to E by ``breach_mm``; "" where no pedicle is crossed.
        tip_to_target_mm: tip to the lesion's centre; negative never.
        tip_outside_mm: how far the tip lies outside the lesion, 0 inside.
        coverage: share of the lesion with its margin inside the reference zone, 0 to 1.
        risk: weighted sum of the soft scores; smaller is better.
        crosses: names of what it passes through on purpose (own vertebra, ilium, muscle left out).
        notes: what a person must read.
        zone_factor: smallest factor on the axes of the reference zone with which it holds lesion and margin: small
            where the needle lies in the middle; nan: not computed.
        only_in_set: not of the front itself: it belongs to a set of several needles.
    """

    name: str
    trajectory: Trajectory
    focus_ras_mm: tuple[float, float, float]
    approach: Approach
    side: Side
    entry_kind: Literal["skin", "image edge"]
    length_mm: float
    bone_mm: float
    axial_deg: float
    cranio_caudal_deg: float
    gantry_deg: float
    incidence_deg: float
    clearances: tuple[Clearance, ...]
    pedicle_wall_mm: float | None
    breach_mm: float
    breach_grade: str
    tip_to_target_mm: float
    tip_outside_mm: float
    coverage: float
    risk: float
    crosses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    only_in_set: bool = False
    zone_factor: float = math.nan

    @property
    def nearest(self) -> Clearance | None:
        """The clearance with the least to spare."""
        return min(self.clearances, key=lambda c: c.after_error_mm - c.required_mm, default=None)


@dataclass(frozen=True)
class Refusal:
    """Why candidates were refused.

    Args:
        reason: in words, with the rule's number ("nearer than 1 mm to root L4 left after a placement error of 2 mm").
        rule: short id of the rule ("obstacle: root", "length", "axial angle", ...).
        count: candidates that break it.
        alone: candidates that break nothing else: what relaxing this rule alone would admit.
        best_miss: the smallest excess among those, in ``unit`` (0.3 mm too near, 4 degrees too steep).
    """

    reason: str
    rule: str
    count: int
    alone: int
    best_miss: float
    unit: str

    @property
    def miss_words(self) -> str:
        """By how little the nearest of those misses; never nothing."""
        return f"{'under 0.05' if self.best_miss < 0.05 else format(self.best_miss, '.1f')} {self.unit}"


@dataclass(frozen=True)
class Check:
    """One rule applied to one path, for the explanation of a refusal."""

    rule: str
    value: str
    limit: str
    kept: bool


@dataclass(frozen=True, eq=False)
class NeedleSet:
    """Several needles for one lesion: names of their paths, their mutual gap and the coverage of all together."""

    paths: tuple[str, ...]
    gap_mm: float
    coverage: float
    risk: float


@dataclass(frozen=True, eq=False)
class AccessResult:
    """What a search leaves.

    Args:
        target: name of the lesion.
        level: its vertebra.
        position: of the patient, as assumed for the reachable side.
        needle: the instrument.
        paths: the Pareto front over risk, size of the zone and length, best risk first; then what only sets need.
        sets: combinations of several needles, best first.
        candidates, admissible: how many were looked at, how many kept every rule.
        refusals: by rule, most frequent first.
        not_labelled: structures that the region's rules ask for and that no label holds: never silently clear.
        notes: what a person must read.
        timings_s: by step.
        placement_error_mm: radius of the tube in which a needle may end up, as the rules said; None where not stated.
    """

    target: str
    level: str
    position: Position
    needle: NeedleSpec
    paths: tuple[NeedlePath, ...]
    sets: tuple[NeedleSet, ...]
    candidates: int
    admissible: int
    refusals: tuple[Refusal, ...]
    not_labelled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    timings_s: dict[str, float] = field(default_factory=dict)
    placement_error_mm: float | None = None

    def path(self, name: str) -> NeedlePath:
        """The path of that name (KeyError where there is none)."""
        for item in self.paths:
            if item.name == name:
                return item
        raise KeyError(name)
