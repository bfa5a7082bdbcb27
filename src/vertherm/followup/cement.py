"""Cement in a scan after the procedure: what is far denser than it was before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.followup.scene import LocalScene, voxels
from vertherm.geometry.surface import enclosed_volume_ml
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import TISSUE_OF

Bool = NDArray[np.bool_]
CEMENT_HU = 1000.0
"""Cement with its contrast agent is denser, trabecular bone is not; dense cortex is known from the plan's scan."""
RISE_HU = 500.0
"""And at least so much denser than on the planning scan, in the voxel and beside it (registration is not perfect)."""
LEAST_ML = 0.03


@dataclass(frozen=True, eq=False)
class ObservedCement:
    """Cement of one examination, in the planning frame.

    Args:
        mask: bool.
        given: True where a person drew or edited it.
        volume_ml: enclosed by the surface half-way between cement and its surroundings; by voxels where given.
        by_site_ml: in the vertebra, in the canal, in discs, elsewhere; by voxels.
    """

    mask: Volume
    given: bool
    volume_ml: float
    by_site_ml: dict[str, float]


def find_cement(followup: Volume, scene: LocalScene, threshold_hu: float = CEMENT_HU) -> ObservedCement:
    """Cement around a lesion.

    Args:
        followup: HU on the scene's grid, already registered.
        scene: the lesion's surroundings.
        threshold_hu: cement is at least this dense.

    Returns:
        An empty mask where there is none.
    """
    from scipy import ndimage

    before = ndimage.maximum_filter(scene.planning.data, size=3)
    dense = (followup.data >= threshold_hu) & (followup.data - before >= RISE_HU)
    dense &= scene.tissue != TISSUE_OF["metal"]
    labels, count = ndimage.label(dense, np.ones((3, 3, 3)))
    sizes = ndimage.sum_labels(dense, labels, np.arange(1, count + 1)) * scene.grid.voxel_volume_ml
    kept = np.isin(labels, 1 + np.flatnonzero(np.asarray(sizes) >= LEAST_ML))
    mask = Volume(kept, scene.grid, f"cement in {followup.source}")
    return ObservedCement(mask, False, _volume_ml(followup, kept), _by_site(kept, scene))


def given_cement(mask: Volume, scene: LocalScene) -> ObservedCement:
    """Cement that a person drew or edited; the mask may be empty: then there is none."""
    inside = mask.data.astype(bool)
    volume = float(np.count_nonzero(inside)) * mask.grid.voxel_volume_ml
    return ObservedCement(mask.with_data(inside), True, volume, _by_site(voxels(mask, scene.grid), scene))


def _volume_ml(followup: Volume, mask: Bool) -> float:
    """Volume to half-way between the cement's own value and that of its surroundings: thresholds alone are biased."""
    from scipy import ndimage

    if not mask.any():
        return 0.0
    near = ndimage.binary_dilation(mask, iterations=3)
    rim = ndimage.binary_dilation(mask, iterations=4) & ~near
    inside = ndimage.binary_erosion(mask)
    plateau = float(np.median(followup.data[inside if inside.any() else mask]))
    around = float(np.median(followup.data[rim])) if rim.any() else 0.0
    low = float(followup.data.min()) - 1.0
    alone = followup.with_data(np.where(near, followup.data, low).astype(np.float64))
    return enclosed_volume_ml(alone, 0.5 * (plateau + around))


def _by_site(mask: Bool, scene: LocalScene) -> dict[str, float]:
    canal = np.zeros(mask.shape, bool) if scene.canal is None else voxels(scene.canal, scene.grid)
    vertebra = voxels(scene.vertebra, scene.grid) & ~canal
    disc = (scene.tissue == TISSUE_OF["disc"]) & ~vertebra & ~canal
    sites = {"vertebra": vertebra, "canal": canal, "disc": disc, "elsewhere": ~(vertebra | canal | disc)}
    one = scene.grid.voxel_volume_ml
    return {name: float(np.count_nonzero(mask & part)) * one for name, part in sites.items()}
