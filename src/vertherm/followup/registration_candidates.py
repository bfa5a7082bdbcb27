"""Every place where a vertebra may lie in another scan, refined and scored: the right level and its rivals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vertherm.followup.registration_coarse import around, coarse, neighbours, places, reduced
from vertherm.followup.registration_images import Image, cropped, image
from vertherm.followup.registration_refine import Fit, refine, scattered
from vertherm.followup.registration_rigid import Rigid
from vertherm.geometry.volume import FloatArray, Volume

LEVEL_SHIFTS_MM = (-38.0, -27.0, 27.0, 38.0)
KEPT = 4
WHOLE_VOXELS = 2_000_000
SAME_MM = 4.0
"""Two refined motions nearer than this on average over the vertebra are one solution."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What one registration works on.

    Args:
        planning: HU.
        followup: HU.
        distance: mm to the vertebra, 0 inside, on a crop around it.
        barred: weight field, above 0.5 where the image has changed; None: nowhere.
        centre_mm: of the vertebra.
        seed: of the random points.
    """

    planning: Volume
    followup: Volume
    distance: Volume
    barred: Volume | None
    centre_mm: FloatArray
    seed: int

    def points(self, reach_mm: float, step_mm: float, number: int) -> FloatArray:
        """(n, 3) random planning points within reach of the vertebra, none where the image has changed."""
        points = scattered(self.distance, reach_mm, step_mm, np.random.default_rng((self.seed, number)))
        if self.barred is None:
            return points
        return np.asarray(points[self.barred.sample(points, outside=0.0) < 0.5])

    def fixed(self, smoothing_mm: float, *, rough: bool = False) -> Image | None:
        """The planning scan around the vertebra."""
        lower, upper = self.distance.grid.bounds()
        crop = cropped(self.planning, lower, upper)
        return None if crop is None else image(reduced(crop, smoothing_mm) if rough else crop, smoothing_mm)

    def moving(self, motion: Rigid, smoothing_mm: float, room_mm: float, *, rough: bool = False) -> Image | None:
        """The follow-up where a motion puts the vertebra, and some room around."""
        lower, upper = self.distance.grid.bounds()
        corners = np.stack(np.meshgrid(*zip(lower, upper, strict=True), indexing="ij"), -1).reshape(-1, 3)
        there = motion(corners)
        crop = cropped(self.followup, there.min(axis=0) - room_mm, there.max(axis=0) + room_mm)
        return None if crop is None else image(reduced(crop, smoothing_mm) if rough else crop, smoothing_mm)

    def whole(self, smoothing_mm: float) -> Image | None:
        """All of the follow-up, made once for all candidates; None where it is large: then a crop for each."""
        coarser = reduced(self.followup, smoothing_mm)
        return image(coarser, smoothing_mm) if coarser.data.size <= WHOLE_VOXELS else None


def candidates(scene: Scene, starts: Sequence[Rigid]) -> list[Fit]:
    """Refined solutions in falling order of score, no two alike.

    Each start, each place of the wide search, and the neighbouring levels of the best place are refined: first on
    smooth images with the surroundings, then on the vertebra.

    Args:
        scene: what to register.
        starts: known motions, e.g. of a shared frame of reference.
    """
    found = places(scene.planning, around(scene.distance), coarse(scene.followup), scene.centre_mm)
    motions = [*starts, *(place.motion for place in found)]
    if not motions:
        return []
    near = neighbours(motions[len(starts)] if found else motions[0], np.array([0.0, 0.0, 1.0]), LEVEL_SHIFTS_MM)
    solutions: list[Fit] = []
    for smoothing, reach, step, room in ((3.0, 12.0, 3.0, 15.0), (1.8, 4.0, 2.0, 6.0)):
        points, fixed = scene.points(reach, step, int(10 * smoothing)), scene.fixed(smoothing, rough=True)
        if fixed is None:
            return []
        solutions, whole = [], scene.whole(smoothing)
        for motion in [*motions, *near]:
            moving = whole or scene.moving(motion, smoothing, room, rough=True)
            fit = None if moving is None else refine(points, fixed, moving, motion, max_iterations=15)
            if fit is not None:
                solutions.append(fit)
        solutions = distinct(solutions)[:KEPT]
        motions, near = [fit.motion for fit in solutions], []
    return solutions


def score(fit: Fit) -> float:
    """Correlation at the vertebra, less where the follow-up does not cover it."""
    return fit.similarity * min(1.0, fit.covered / 0.9)


def distinct(fits: Sequence[Fit]) -> list[Fit]:
    """In falling order of score, without those that ended where a better one did."""
    kept: list[Fit] = []
    for fit in sorted(fits, key=score, reverse=True):
        if all(fit.motion.distance_mm(other.motion) > SAME_MM for other in kept):
            kept.append(fit)
    return kept
