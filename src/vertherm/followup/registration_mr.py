"""Registration of a vertebra to an MR: mutual information from a rough start, then the same refinement as for CT.

Mutual information (Mattes) needs no relation between HU and MR signal and finds the place. Then the MR signal is
taken for a polygon of HU on a field that varies linearly in space, and the refinement of CT to CT gives its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vertherm.core.errors import InputError
from vertherm.followup.registration_candidates import Scene, distinct
from vertherm.followup.registration_coarse import neighbours, reduced
from vertherm.followup.registration_images import BONE_WINDOW_HU, cropped, image
from vertherm.followup.registration_refine import Fit, refine
from vertherm.followup.registration_rigid import Rigid
from vertherm.geometry.volume import LPS_RAS, FloatArray, Volume

BINS = 24
STAGES = ((3.0, 10.0), (1.5, 6.0))
"""Smoothing, and reach around the bone, in mm, of each stage of the search."""
LEVEL_SHIFTS_MM = (-32.0, 32.0)
KNOTS = 7
NEAR_MM = 20.0
"""From the start: more than a rough start is off, less than a vertebral level."""
ROOM_MM = 20.0


@dataclass(frozen=True, eq=False)
class _Pair:
    """Both scans as the search reads them."""

    fixed: Any
    mask: Any
    moving: Any


def mr_candidates(scene: Scene, starts: list[Rigid]) -> list[Fit]:
    """Refined solutions from each start and from a level above and below: those near a start first, then by score.

    Raises:
        InputError: no start.
    """
    if not starts:
        raise InputError(
            "Registration to an MR needs a rough start.",
            where="start",
            expected="a 4x4 transform within about 10 mm and 10 degrees, or a shared frame of reference",
        )
    near = neighbours(starts[0], np.array([0.0, 0.0, 1.0]), LEVEL_SHIFTS_MM)
    # The starts themselves too: mutual information may wander off from a good one.
    motions = [*starts, *(_searched(scene, start) for start in [*starts, *near])]
    fits = [fit_mr(scene, motion, 1.8, 2.0) for motion in motions]
    found = distinct([fit for fit in fits if fit is not None])
    # A person or a frame of reference said where; what fits better elsewhere is a rival and makes it doubtful.
    return sorted(found, key=lambda fit: min(fit.motion.distance_mm(start) for start in starts) > NEAR_MM)


def fit_mr(scene: Scene, start: Rigid, smoothing_mm: float, step_mm: float) -> Fit | None:
    """Refinement on the vertebra, the signal a polygon of HU."""
    fixed = scene.fixed(smoothing_mm)
    lower, upper = _box(scene, start)
    crop = cropped(scene.followup, lower - 6.0, upper + 6.0)
    if fixed is None or crop is None:
        return None
    points = scene.points(STAGES[-1][1], step_mm, 7)
    points = points[fixed.inside(points)[1]]
    if len(points) == 0:
        return None
    knots = np.unique(np.quantile(fixed.read(points), np.linspace(0.02, 0.98, KNOTS)))
    if len(knots) < 3:
        return None
    return refine(points, fixed, image(crop, smoothing_mm, None), start, knots=knots)


def _searched(scene: Scene, start: Rigid) -> Rigid:
    """Where mutual information is highest near a start."""
    motion = start
    for smoothing, reach in STAGES:
        pair = _pair(scene, motion, smoothing, reach)
        if pair is None:
            return motion
        motion = _climbed(pair, motion, scene.seed)
    return motion


def _box(scene: Scene, motion: Rigid) -> tuple[FloatArray, FloatArray]:
    corners = np.stack(np.meshgrid(*zip(*scene.distance.grid.bounds(), strict=True), indexing="ij"), -1).reshape(-1, 3)
    there = motion(corners)
    return there.min(axis=0), there.max(axis=0)


def _pair(scene: Scene, motion: Rigid, smoothing: float, reach: float) -> _Pair | None:
    from scipy.ndimage import gaussian_filter

    lower, upper = _box(scene, motion)
    moving = cropped(scene.followup, lower - ROOM_MM, upper + ROOM_MM)
    fixed = cropped(scene.planning, *scene.distance.grid.bounds())
    if moving is None or fixed is None:
        return None
    moving, fixed = reduced(moving, smoothing), reduced(fixed, smoothing)
    at = fixed.grid.centres()
    mask = scene.distance.sample(at, outside=1e3) <= reach
    if scene.barred is not None:
        mask &= scene.barred.sample(at, outside=0.0) < 0.5
    if mask.sum() < 200:
        return None
    smooth = [
        volume.with_data(gaussian_filter(np.nan_to_num(data), smoothing / volume.grid.spacing_mm))
        for volume, data in ((fixed, np.clip(fixed.data, *BONE_WINDOW_HU)), (moving, moving.data))
    ]
    return _Pair(_itk(smooth[0]), _itk(fixed.with_data(mask.astype(np.uint8))), _itk(smooth[1]))


def _climbed(pair: _Pair, start: Rigid, seed: int) -> Rigid:
    import SimpleITK as sitk  # noqa: N813

    transform = sitk.Euler3DTransform()
    transform.SetCenter((LPS_RAS @ start.centre_mm).tolist())
    transform.SetMatrix((LPS_RAS @ start.turn @ LPS_RAS).ravel().tolist())
    transform.SetTranslation((LPS_RAS @ start.shift_mm).tolist())
    method = sitk.ImageRegistrationMethod()
    # One thread: sums in another order would give other numbers.
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(pair.mask)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.5, seed + 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.02, 80, 0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, True)
    try:
        method.Execute(pair.fixed, pair.moving)
    except RuntimeError:
        # ITK throws where the images no longer overlap.
        return start
    turn = np.array(transform.GetMatrix()).reshape(3, 3)
    shift = np.array(transform.GetTranslation())
    return Rigid(LPS_RAS @ turn @ LPS_RAS, LPS_RAS @ shift, start.centre_mm)


def _itk(volume: Volume) -> Any:
    """A SimpleITK image in LPS."""
    import SimpleITK as sitk  # noqa: N813

    data = volume.data if volume.data.dtype == np.uint8 else volume.data.astype(np.float32)
    out = sitk.GetImageFromArray(np.ascontiguousarray(data.transpose(2, 1, 0)))
    spacing = volume.grid.spacing_mm
    out.SetSpacing(spacing.tolist())
    out.SetOrigin((LPS_RAS @ volume.grid.affine[:3, 3]).tolist())
    out.SetDirection((LPS_RAS @ volume.grid.affine[:3, :3] / spacing).ravel().tolist())
    return out
