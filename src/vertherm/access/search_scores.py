"""Soft scores of needle paths: risk, the share of the goal within the reference zone, and how large that must be.

Risk is a weighted sum without a unit; it orders paths and measures nothing:

    risk = sum over structures of  weight * max(0, 1 - (clearance after error - required) / comfort)^2
         + depth_weight * length / 100 mm
         + angle_weight * (cranio-caudal angle / its limit)^2
         + incidence_weight * (incidence / its limit)^2
         + breach_weight * (max(0, 1 - wall / placement error)^2 + breach / 2 mm)     (pedicles only)
         + preference of the approach

A pedicle's wall as thick as the placement error costs nothing; 2 mm is the width of a grade of breach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.access.candidates import angles_deg
from vertherm.access.rules import Approach
from vertherm.access.search_question import APPROACHES, Question
from vertherm.access.search_work import shared_out
from vertherm.access.solids import unsheared
from vertherm.access.solids_obstacles import HIP, Obstacles
from vertherm.geometry.volume import FloatArray, Volume

GRADE_MM = 2.0
RANK_POINTS = 400
TRANSILIAC = APPROACHES.index(Approach.transiliac)


@dataclass(frozen=True, eq=False)
class Ways:
    """Needle paths as arrays with what the bone says of them (see ``BoneScores``); all (n,) or (n, 3), RAS mm."""

    entries: FloatArray
    tips: FloatArray
    from_behind: NDArray[np.bool_]
    at_edge: NDArray[np.bool_]
    approach: NDArray[np.int64]
    side: NDArray[np.int64]
    incidence_deg: FloatArray
    bone_mm: FloatArray
    wall_mm: FloatArray
    breach_mm: FloatArray
    crosses_ilium: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.tips)

    def take(self, which: NDArray[Any]) -> Ways:
        """Some of them, by index or mask."""
        return Ways(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    @property
    def axes(self) -> FloatArray:
        """Unit vectors from the tip towards the entry."""
        along = self.entries - self.tips
        return along / np.linalg.norm(along, axis=1)[:, None]

    @property
    def length_mm(self) -> FloatArray:
        """Entry to tip."""
        return np.linalg.norm(self.entries - self.tips, axis=1)

    @property
    def transiliac(self) -> NDArray[np.bool_]:
        """True where the ilium is crossed on purpose."""
        return (self.approach == TRANSILIAC) & self.crosses_ilium


def ways_through(
    asked: Question,
    entries: FloatArray,
    tips: FloatArray,
    from_behind: NDArray[np.bool_],
    at_edge: NDArray[np.bool_],
    threads: int = 1,
) -> Ways:
    """Paths with what the bone says of them."""
    n = len(entries)
    out = Ways(
        entries, tips, from_behind, at_edge, np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n), np.empty(n),
        np.empty(n), np.empty(n), np.empty(n, bool),
    )  # fmt: skip

    def work(part: slice) -> None:
        bone = asked.through(asked.scene, entries[part], tips[part], asked.needle.radius_mm)
        out.approach[part], out.side[part] = bone.approach, bone.side
        out.incidence_deg[part], out.bone_mm[part] = bone.incidence_deg, bone.bone_mm
        out.wall_mm[part], out.breach_mm[part] = bone.pedicle_wall_mm, bone.breach_mm
        out.crosses_ilium[part] = bone.crosses_ilium

    if n:
        # The first few alone: what is made once a scene must not be made once a thread.
        first = min(n, 64)
        work(slice(0, first))
        shared_out(lambda part: work(slice(part.start + first, part.stop + first)), n - first, threads)
    return out


def risks(asked: Question, obstacles: Obstacles, ways: Ways, threads: int = 1) -> FloatArray:
    """Risk of each path, (n,); formula at the top of this module."""
    from vertherm.access.search_kernels import obstacle_risk

    ruled = [solid.rule for solid in obstacles.solids if solid.rule is not None]
    weights = np.array([rule.weight for rule in ruled], float)
    required = np.array([rule.clearance_mm for rule in ruled], float)
    comfort = np.array([rule.comfort_mm for rule in ruled], float)
    hips = np.array([solid.name.startswith(HIP) for solid in obstacles.solids], bool)
    risk, without = np.zeros(len(ways)), ways.transiliac

    def work(part: slice) -> None:
        obstacle_risk(
            obstacles.forest, ways.entries[part], ways.tips[part], asked.own_mm, weights, required, comfort, hips,
            without[part], risk[part],
        )  # fmt: skip

    shared_out(work, len(ways), threads, chunk=4096)
    return np.round(risk + _other_risk(asked, ways), 6)


def _other_risk(asked: Question, ways: Ways) -> FloatArray:
    """The terms that need no obstacle."""
    rules = asked.rules
    axial, rise, _ = angles_deg(ways.axes)
    error = rules.placement_error_mm
    wall = np.nan_to_num(ways.wall_mm, nan=np.inf)
    thin = np.clip(1.0 - wall / error, 0.0, None) ** 2 if error > 0 else np.zeros(len(ways))
    # Where the image ends before the body, the depth is the field of view's, not the patient's.
    risk = rules.depth_weight * np.where(ways.at_edge, 0.0, ways.length_mm) / 100.0
    risk += rules.angle_weight * (rise / rules.max_cranio_caudal_deg) ** 2
    risk += rules.angle_weight * (axial / rules.max_axial_deg) ** 2
    risk += rules.incidence_weight * (np.nan_to_num(ways.incidence_deg) / rules.max_incidence_deg) ** 2
    risk += rules.breach_weight * (np.where(np.isinf(wall), 0.0, thin) + ways.breach_mm / GRADE_MM)
    return risk + preferences(asked, ways)


def preferences(asked: Question, ways: Ways) -> FloatArray:
    """Preference of each path's approach, 0 where it is not allowed."""
    out = np.zeros(len(ways))
    for facing, known in ((True, asked.from_behind), (False, asked.from_front)):
        for approach, preference in known.items():
            out[(ways.from_behind == facing) & (ways.approach == APPROACHES.index(approach))] = preference
    return out


@dataclass(frozen=True, eq=False)
class GoalPoints:
    """Points (m, 3) RAS mm that stand for the goal, with weights (m,) that add up to 1."""

    points: FloatArray
    weights: FloatArray


def goal_points(goal: Volume, most: int | None = None) -> GoalPoints:
    """All voxels of the goal, or at most ``most`` cells of them: mean and number of each cell's voxels.

    The cells follow RAS about the goal's middle, so storage and mirroring do not matter.
    """
    straight = unsheared(goal)
    points = straight.grid.world(np.argwhere(straight.data))
    if most is None or len(points) <= most:
        return GoalPoints(np.ascontiguousarray(points), np.full(len(points), 1.0 / len(points)))
    offset = points - points.mean(axis=0)
    edge = float(np.cbrt(len(points) * straight.grid.voxel_volume_ml * 1000.0 / most))
    while True:
        # Halves round to even, the same way on both sides of the middle.
        cells = np.round(np.round(offset / edge, 6)).astype(np.int64)
        found, which, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
        if len(found) <= most:
            break
        edge *= 1.05
    middle = np.stack([np.bincount(which.ravel(), points[:, axis]) for axis in range(3)], axis=1) / count[:, None]
    return GoalPoints(np.ascontiguousarray(middle), count / count.sum())


def covered(asked: Question, goal: GoalPoints, ways: Ways, threads: int = 1) -> tuple[FloatArray, FloatArray]:
    """Share of the goal in each path's reference zone, (n,), 0 to 1; and the smallest factor on the zone's axes with
    which it holds all of it, (n,), to a hundredth."""
    from vertherm.access.search_kernels import coverages

    share, factor, axes = np.empty(len(ways)), np.empty(len(ways)), ways.axes
    foci = ways.tips + asked.needle.focus_mm * axes
    long_half, short_half = 0.5 * asked.needle.zone_long_mm, 0.5 * asked.needle.zone_short_mm

    def work(part: slice) -> None:
        coverages(goal.points, goal.weights, foci[part], axes[part], long_half, short_half, share[part], factor[part])

    shared_out(work, len(ways), threads, chunk=4096)
    return np.round(share, 6), np.round(factor, 2)
