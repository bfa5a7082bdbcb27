"""Which cross-sections of a needle path are worth a picture: closest approaches, bone entry, narrowest bone, focus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vertherm.access.path import Clearance, NeedlePath
from vertherm.access.rules import Approach
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.report.planes import across_plane
from vertherm.report.slices import label_values

MOST_APPROACHES = 3
FARTHEST_MM = 16.0
"""Structures farther away than this lie outside the picture of a section."""
_SAME_MM = 1.5
"""Sections nearer to each other than this share a picture."""
_ALONG_MM, _STEP_MM = 2.0, 1.0
_PEDICLE_HALF_MM = 22.0


@dataclass(frozen=True)
class Section:
    """A cross-section of a path.

    Args:
        depth_mm: from the entry along the needle.
        reasons: why it is shown ("closest to root L3 left", "bone entry").
        clearances: the structures whose closest approach lies here.
    """

    depth_mm: float
    reasons: tuple[str, ...]
    clearances: tuple[Clearance, ...] = ()


def sections(
    path: NeedlePath, bones: Sequence[Volume], vertebra: Volume | None, canal: Volume | None, focus_mm: float
) -> list[Section]:
    """The sections of a path, by depth.

    Args:
        path: which path.
        bones: masks of bone, for the depth at which the needle enters it.
        vertebra: of the target, for the narrowest bone of a transpedicular path.
        canal: tells where a pedicle can be; None: no such section.
        focus_mm: middle of the ablation zone behind the tip.
    """
    points: list[tuple[float | None, str]] = [(bone_depth(path.trajectory, bones), "bone entry")]
    if path.approach is Approach.transpedicular and vertebra is not None and canal is not None:
        points.append((narrowest_depth(path.trajectory, vertebra, canal), "isthmus of the pedicle"))
    points.append((path.length_mm - focus_mm, "middle of the zone"))
    found: list[Section] = []
    for clearance in _nearest(path):
        if len(found) < MOST_APPROACHES:
            ahead = " (ahead)" if clearance.depth_mm > path.length_mm - 0.5 else ""
            _add(found, clearance.depth_mm, f"closest to {clearance.name}{ahead}", clearance)
    for depth, reason in points:
        if depth is not None:
            _add(found, depth, reason, None)
    return sorted(found, key=lambda section: section.depth_mm)


def _nearest(path: NeedlePath) -> list[Clearance]:
    """The structures within sight, those with the least to spare beyond what the rules ask for first."""
    seen = (clearance for clearance in path.clearances if clearance.distance_mm <= FARTHEST_MM)
    return sorted(seen, key=lambda c: (c.after_error_mm - c.required_mm, c.name))


def _add(found: list[Section], depth: float, reason: str, clearance: Clearance | None) -> None:
    new = () if clearance is None else (clearance,)
    for position, section in enumerate(found):
        if abs(section.depth_mm - depth) <= _SAME_MM:
            reasons, clearances = (*section.reasons, reason), (*section.clearances, *new)
            found[position] = Section(section.depth_mm, reasons, clearances)
            return
    found.append(Section(depth, (reason,), new))


def depths(trajectory: Trajectory, step_mm: float) -> FloatArray:
    """Depths from the entry to the tip."""
    return np.linspace(0.0, trajectory.length_mm, max(round(trajectory.length_mm / step_mm), 1) + 1)


def inside(trajectory: Trajectory, masks: Sequence[Volume], depth_mm: FloatArray) -> np.ndarray:
    """True where the axis lies in one of the masks, bool of the shape of ``depth_mm``."""
    points = trajectory.point_mm(trajectory.length_mm - depth_mm)
    hit = np.zeros(len(depth_mm), bool)
    for mask in masks:
        if mask.grid.contains(points).any():
            hit |= mask.sample(points, order=0, outside=0.0) > 0.5
    return hit


def bone_depth(trajectory: Trajectory, bones: Sequence[Volume]) -> float | None:
    """How deep below the entry the axis first meets bone; None where it meets none."""
    along = depths(trajectory, 0.25)
    hit = np.flatnonzero(inside(trajectory, bones, along))
    return float(along[hit[0]]) if hit.size else None


def narrowest_depth(trajectory: Trajectory, vertebra: Volume, canal: Volume) -> float | None:
    """Where the bone around the needle is narrowest beside the canal: the isthmus of a pedicle.

    Bone around the needle is what hangs together with the axis in the plane across it; beside the canal means that the
    canal is cut by that plane within 22 mm. None where the axis lies in bone nowhere beside the canal.
    """
    from scipy.ndimage import label

    along = depths(trajectory, _ALONG_MM)
    best: tuple[int, float] | None = None
    for depth in along[inside(trajectory, (vertebra,), along)]:
        plane = across_plane(trajectory, float(depth), _PEDICLE_HALF_MM)
        if not label_values(canal, plane, _STEP_MM).any():
            continue
        parts, _ = label(label_values(vertebra, plane, _STEP_MM))
        middle = parts[parts.shape[0] // 2, parts.shape[1] // 2]
        area = int((parts == middle).sum())
        if middle and (best is None or area < best[0]):
            best = (area, float(depth))
    return None if best is None else best[1]
