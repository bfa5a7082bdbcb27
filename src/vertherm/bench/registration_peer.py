"""SimpleITK's registration framework, set up for one vertebra as a good user would.

Euler3D about the vertebra's centre, three resolutions, both images clipped to the bone window, mutual information at
every voxel of the vertebra and its rim, steps by gradient descent. Its result carries no verdict and no error.

Chosen among three on other pairs than the benchmark's. Correlation instead of mutual information took longer and was
worse on the worst pair (1.4 against 0.2 mm, lumbar, changed), though better on some; LBFGSB, whose parameters ITK does
not scale, left 0.4 mm on two of four pairs. Voxels of 3 mm are not reduced further.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813

from vertherm.followup.registration_images import cropped
from vertherm.followup.registration_rigid import Rigid
from vertherm.geometry.volume import LPS_RAS, FloatArray, Volume

RIM_MM = 4.0
ROOM_MM = 40.0
WINDOW_HU = (-200.0, 1300.0)
VOXELS_MM, SMOOTHING_MM = (4.0, 2.0, 0.0), (3.0, 1.5, 0.0)
"""Of the three resolutions, as far as the planning scan has finer ones: 3 mm voxels are not reduced further."""
BINS = 50


def by_simpleitk(planning: Volume, followup: Volume, vertebra: Volume, start: FloatArray) -> FloatArray | None:
    """(4, 4) planning to follow-up, RAS mm; None where SimpleITK gives up.

    Args:
        planning: HU.
        followup: HU.
        vertebra: bool, planning world.
        start: (4, 4).
    """
    points = vertebra.grid.world(np.argwhere(vertebra.data))
    fixed = cropped(planning, points.min(axis=0) - 2 * RIM_MM, points.max(axis=0) + 2 * RIM_MM)
    there = points @ start[:3, :3].T + start[:3, 3]
    moving = cropped(followup, there.min(axis=0) - ROOM_MM, there.max(axis=0) + ROOM_MM)
    if fixed is None or moving is None:
        return None
    transform = _start(start, points.mean(axis=0))
    method = _method(float(fixed.grid.spacing_mm.min()))
    method.SetMetricFixedMask(_itk(fixed.with_data(_near(vertebra, fixed))))
    method.SetInitialTransform(transform, True)
    try:
        method.Execute(_itk(_clipped(fixed)), _itk(_clipped(moving)))
    except RuntimeError:
        # ITK throws where the images no longer overlap.
        return None
    out = np.eye(4)
    out[:3, :3] = LPS_RAS @ np.array(transform.GetMatrix()).reshape(3, 3) @ LPS_RAS
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    out[:3, 3] = LPS_RAS @ (centre + shift) - out[:3, :3] @ (LPS_RAS @ centre)
    return out


def _method(voxel_mm: float) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 200, 0.6, 1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([max(1, int(wanted / voxel_mm)) for wanted in VOXELS_MM])
    method.SetSmoothingSigmasPerLevel(list(SMOOTHING_MM))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


def _start(start: FloatArray, centre: FloatArray) -> Any:
    motion = Rigid.of(start, centre)
    transform = sitk.Euler3DTransform()
    transform.SetCenter((LPS_RAS @ centre).tolist())
    transform.SetMatrix((LPS_RAS @ motion.turn @ LPS_RAS).ravel().tolist())
    transform.SetTranslation((LPS_RAS @ motion.shift_mm).tolist())
    return transform


def _near(vertebra: Volume, fixed: Volume) -> Any:
    """The vertebra and its rim on the planning scan's grid."""
    from scipy.ndimage import distance_transform_edt

    inside = vertebra.sample(fixed.grid.centres(), order=0, outside=0) > 0
    away = distance_transform_edt(~inside, sampling=fixed.grid.spacing_mm)
    return (away <= RIM_MM).astype(np.uint8)


def _clipped(volume: Volume) -> Volume:
    return volume.with_data(np.clip(np.nan_to_num(volume.data, nan=WINDOW_HU[0]), *WINDOW_HU).astype(np.float32))


def _itk(volume: Volume) -> Any:
    """A SimpleITK image in LPS."""
    out = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.transpose(2, 1, 0)))
    spacing = volume.grid.spacing_mm
    out.SetSpacing(spacing.tolist())
    out.SetOrigin((LPS_RAS @ volume.grid.affine[:3, 3]).tolist())
    out.SetDirection((LPS_RAS @ volume.grid.affine[:3, :3] / spacing).ravel().tolist())
    return out
