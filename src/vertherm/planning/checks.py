"""Checks of a treatment against the anatomy, before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray
from vertherm.imaging.anatomy import Anatomy
from vertherm.planning.objects import Case, Target, Treatment
from vertherm.planning.protocol import CANAL_KINDS

TOUCHED_SHARE = 0.1
"""Share of a lesion in a vertebra from which it counts as lying in it."""
SHAFT_MM = 400.0
SHAFT_CHECKED_MM = 150.0
"""Needles must stay clear of each other over this length at least: no shorter antenna is used through the skin."""
NEAR_CANAL_MM = 20.0
"""Closer than this the warning about the posterior cortex is shown."""
RADIATING_MM = 15.0
"""The last part of the needle, where every catalogued antenna radiates most."""
NEAR_LEVEL_MM = 15.0
"""A lesion farther than this from its vertebra's label is called out: the level may be wrong."""


def radiating_points(trajectories: Sequence[Trajectory]) -> FloatArray:
    """Points (n, 3) every 0.5 mm along the last part of each needle, RAS mm."""
    along = np.arange(0.0, RADIATING_MM + 0.5, 0.5)
    return np.concatenate([trajectory.point_mm(along) for trajectory in trajectories])


def check_tips(treatment: Treatment, anatomy: Anatomy) -> None:
    """Raises InputError where an antenna's tip lies outside the image or outside the body."""
    for number, placed in enumerate(treatment.applicators, 1):
        _check_tip(placed.trajectory.tip_mm, f"applicators[{number}].tip", anatomy)


def _check_tip(tip: FloatArray, where: str, anatomy: Anatomy) -> None:
    lower, upper = anatomy.ct.grid.bounds()
    if not anatomy.ct.grid.contains(tip) or _without_data(tip[None], anatomy)[0]:
        raise InputError(
            "The antenna's tip lies outside the image.",
            where=where,
            got=f"RAS {_mm(tip)}",
            expected=f"within RAS {_mm(lower)} to {_mm(upper)}",
            advice="check the coordinates and their frame (RAS or LPS)",
        )
    if anatomy.tissue_at(tip) == "air":
        raise InputError(
            "The antenna's tip lies outside the body.",
            where=where,
            got=f"air at RAS {_mm(tip)}",
            expected="a point in tissue",
            advice="check the coordinates and their frame (RAS or LPS)",
        )


def _without_data(points_mm: FloatArray, anatomy: Anatomy) -> NDArray[np.bool_]:
    """True where the image holds no data (beyond the field of view), points of shape (n, 3)."""
    if anatomy.no_data is None:
        return np.zeros(len(points_mm), bool)
    return np.asarray(anatomy.no_data.sample(points_mm, order=0, outside=0.0) > 0)


def check_target(target: Target, anatomy: Anatomy) -> list[str]:
    """Notes on a lesion; raises InputError where it is empty, outside the image or outside the body."""
    where = f"target {target.name}"
    inside = np.argwhere(target.mask.data)
    if inside.size == 0:
        raise InputError("The lesion mask is empty.", where=where, advice="check the mask file and its label value")
    points = target.mask.grid.world(inside)
    codes = anatomy.tissue.sample(points, order=0, outside=-1.0)
    air = [code for code, name in anatomy.tissue_names.items() if name == "air"]
    outside = float(np.mean((codes < 0) | np.isin(codes, air) | _without_data(points, anatomy)))
    if outside > 0.05:
        raise InputError(
            "The lesion lies outside the body or the image.",
            where=where,
            got=f"{outside:.0%} of its volume in air or beyond the image",
            expected="all of it in tissue",
            advice="check that the mask belongs to this CT and was drawn in its frame",
        )
    _check_level(target, anatomy, points)
    vertebra = anatomy.vertebrae.get(target.level)
    if vertebra is None:
        return [f"{target.name}: no label for vertebra {target.level}; the level rests on the user's word alone."]
    from scipy.spatial import cKDTree

    bone = vertebra.grid.world(np.argwhere(vertebra.data))
    distance = float(cKDTree(bone).query(points.mean(axis=0))[0])
    if distance > NEAR_LEVEL_MM:
        return [f"{target.name}: its centre lies {distance:.0f} mm from vertebra {target.level}: is the level right?"]
    return []


def _check_level(target: Target, anatomy: Anatomy, points: np.ndarray) -> None:
    """Refuse a lesion that lies in labelled vertebrae, but not in the one the case names."""
    inside = {
        level: float(np.mean(vertebra.sample(points, order=0, outside=0.0) > 0))
        for level, vertebra in anatomy.vertebrae.items()
    }
    touched = [level for level, share in inside.items() if share > TOUCHED_SHARE]
    if touched and target.level not in touched:
        raise InputError(
            "The lesion does not lie in the vertebra that the case names.",
            where=f"target {target.name}",
            got=f"level {target.level}, lesion in {', '.join(str(level) for level in touched)}",
            expected="the level the lesion lies in",
            advice="check the level on the images; the labels may count differently",
        )


def pierced_structures(trajectory: Trajectory, radius_mm: float, anatomy: Anatomy, kinds: tuple[str, ...]) -> list[str]:
    """Names of structures of ``kinds`` that a needle of ``radius_mm`` passes through, tip to entry."""
    found = []
    # The entry point of a case may lie inside the body: the straight shaft goes on all the same.
    along = trajectory.point_mm(np.arange(0.0, max(trajectory.length_mm, SHAFT_MM), 0.25))
    normal = _normals(trajectory)
    angles = np.linspace(0.0, 2.0 * np.pi, 8, endpoint=False)
    ring = radius_mm * (np.cos(angles)[:, None] * normal[0] + np.sin(angles)[:, None] * normal[1])
    points = np.concatenate([along, (along[:, None, :] + ring).reshape(-1, 3)])
    for structure in anatomy.structures:
        if structure.kind.value in kinds and (structure.mask.sample(points, order=0, outside=0.0) > 0).any():
            found.append(structure.name)
    return found


def check_path(treatment: Treatment, anatomy: Anatomy) -> list[str]:
    """Names of canal structures a needle passes through; raises InputError unless this is a reconstruction."""
    found: list[str] = []
    for number, placed in enumerate(treatment.applicators, 1):
        pierced = pierced_structures(placed.trajectory, placed.antenna.shaft_radius_mm, anatomy, CANAL_KINDS)
        if pierced and not treatment.reconstruction:
            raise InputError(
                "The needle passes through the spinal canal.",
                where=f"applicators[{number}]",
                got=f"crosses {', '.join(pierced)}",
                expected="a path clear of cord, cauda, dural sac and canal",
                advice="choose another path; to reconstruct what really happened set [protocol] reconstruction = true "
                "(the status stays stop)",
            )
        found += pierced
    return list(dict.fromkeys(found))


def proximity_notes(treatment: Treatment, anatomy: Anatomy) -> list[str]:
    """What a person must read when an antenna lies near the canal or near metal; distances are the nearest needle's."""
    from scipy.spatial import cKDTree

    needle = radiating_points(treatment.trajectories)
    notes = []
    near = {}
    for structure in anatomy.structures:
        if structure.kind.value in CANAL_KINDS and structure.mask.data.any():
            points = structure.mask.grid.world(np.argwhere(structure.mask.data))
            near[structure.name] = float(np.min(cKDTree(points).query(needle)[0]))
    if near and min(near.values()) < NEAR_CANAL_MM:
        name = min(near, key=lambda key: near[key])
        notes.append(
            f"The antenna lies {near[name]:.0f} mm from the {name}. An intact posterior cortex is not protection: in "
            "sheep 20-30 W paralysed 10 of 12 (Nijland 2024)."
        )
    if anatomy.metal is not None:
        points = anatomy.metal.grid.world(np.argwhere(anatomy.metal.data))
        distance = float(np.min(cKDTree(points).query(needle)[0]))
        notes.append(f"Metal lies {distance:.0f} mm from the antenna: near metal, field and SAR are not to be trusted.")
    return notes


def check_needles(treatment: Treatment) -> None:
    """Raises InputError where two needles that are in the tissue at the same time touch or cross each other.

    Only needles that fire in the same activation are: one that is moved between activations may use its own track
    again.
    """
    names = [placed.name for placed in treatment.applicators]
    for activation in treatment.schedule.activations:
        firing = [treatment.applicators[names.index(name)] for name in activation.emitters or names]
        for one, other in combinations(firing, 2):
            clearance = clearance_mm(one.trajectory, other.trajectory)
            touching = one.antenna.shaft_radius_mm + other.antenna.shaft_radius_mm
            if clearance < touching:
                raise InputError(
                    "Two needles touch or cross each other.",
                    where=f"applicators {one.name} and {other.name}",
                    got=f"axes {clearance:.1f} mm apart",
                    expected=f"at least {touching:.1f} mm (the sum of their radii)",
                    advice="move one of them, or let them fire one after the other",
                )


def clearance_mm(one: Trajectory, other: Trajectory) -> float:
    """Smallest distance between the axes of two needles, each from its tip to :data:`SHAFT_CHECKED_MM` or its entry."""
    lengths = [max(needle.length_mm, SHAFT_CHECKED_MM) for needle in (one, other)]
    offset = one.tip_mm - other.tip_mm
    cosine, along_one, along_other = one.axis @ other.axis, one.axis @ offset, other.axis @ offset
    # Nearest point of the endless lines, held to the first needle, then to the second, then to the first again.
    parallel = 1.0 - cosine**2
    s = 0.0 if parallel < 1e-12 else np.clip((cosine * along_other - along_one) / parallel, 0.0, lengths[0])
    t = np.clip(along_other + s * cosine, 0.0, lengths[1])
    s = np.clip(t * cosine - along_one, 0.0, lengths[0])
    return float(np.linalg.norm(one.point_mm(s) - other.point_mm(t)))


def calibration_notes(treatment: Treatment) -> list[str]:
    """Where a treatment leaves the conditions its devices were calibrated in."""
    notes = []
    names = [placed.name for placed in treatment.applicators]
    for place, placed in enumerate(treatment.applicators):
        found = placed.calibration
        if found is None:
            continue
        if found.origin.synthetic:
            notes.append(f"{placed.name}: its calibration rests on made-up measurements.")
        if found.origin.power_kind != treatment.power_kind:
            notes.append(
                f"{placed.name}: calibrated with {found.origin.power_kind} power, but the case gives "
                f"{treatment.power_kind} power."
            )
        notes += [f"{placed.name}, calibration: {text}" for text in (*found.origin.warnings, *found.origin.assumptions)]
        notes.append(
            f"{placed.name}: its efficiency was fitted with {found.drying} drying; members with the other drying model "
            "use it too."
        )
        for number, activation in enumerate(treatment.schedule.activations, 1):
            firing = activation.emitters or tuple(names)
            if names[place] in firing:
                power = activation.powers_w(len(firing))[firing.index(names[place])]
                outside = found.outside_range(power, activation.duration_s)
                notes += [f"{placed.name}, activation {number}: {text}." for text in outside]
    return notes


def check_case(case: Case, treatment: Treatment) -> tuple[list[str], list[str]]:
    """Run every check; returns notes for the reader and names of canal structures the needle passes through."""
    notes = [note for target in case.targets for note in check_target(target, case.anatomy)]
    check_needles(treatment)
    notes += [*calibration_notes(treatment), *proximity_notes(treatment, case.anatomy)]
    check_tips(treatment, case.anatomy)
    pierced = check_path(treatment, case.anatomy)
    if pierced:
        notes.append(f"Reconstruction: the needle passes through {', '.join(pierced)}; the status stays stop.")
    return notes, pierced


def _normals(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    axis = trajectory.axis
    helper = np.eye(3)[int(np.argmin(np.abs(axis)))]
    first = np.cross(axis, helper)
    first /= np.linalg.norm(first)
    return first, np.cross(axis, first)


def _mm(point: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in point) + ") mm"


def tip_outside_mm(target: Target, trajectory: Trajectory) -> float:
    """Distance from the tip to the lesion, 0 inside, mm (to the centres of its voxels, less half a voxel)."""
    if float(target.mask.sample(trajectory.tip_mm, order=0, outside=0.0)) > 0:
        return 0.0
    voxels = target.mask.grid.world(np.argwhere(target.mask.data))
    nearest = float(np.linalg.norm(voxels - trajectory.tip_mm, axis=1).min())
    return max(0.0, nearest - 0.5 * float(target.mask.grid.spacing_mm.min()))
