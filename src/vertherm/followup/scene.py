"""The surroundings of one lesion on a fine grid of the planning frame: where every comparison is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.followup.zone import Tissue
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.anatomy import TISSUE_OF, Anatomy, StructureKind, on_grid

Bool = NDArray[np.bool_]
REACH_MM = 25.0
"""Beyond lesion, vertebra and predicted zone."""
CEMENT_GLARE_MM = 1.5
_BONE = ("vertebra", "cancellous_bone", "cortical_bone", "lytic_tumour", "blastic_tumour", "mixed_tumour")
_SOFT = ("muscle", "soft_tissue")


@dataclass(frozen=True, eq=False)
class LocalScene:
    """One lesion with its vertebra in the planning frame.

    Args:
        target: name of the lesion.
        level: its vertebra.
        grid: RAS-aligned, cubic voxels.
        planning: HU of the planning scan on the grid.
        lesion: bool mask on its own grid.
        vertebra: bool mask on its own grid.
        canal: bool mask; None where it is not known.
        tissue: uint8 tissue codes on the grid.
    """

    target: str
    level: Level
    grid: Grid
    planning: Volume
    lesion: Volume
    vertebra: Volume
    canal: Volume | None
    tissue: NDArray[np.uint8]

    def seen(self, cement: Bool) -> Tissue:
        """What each voxel is for the segmentation, once the cement is known."""
        from scipy.ndimage import distance_transform_edt

        glare = cement
        if cement.any():
            glare = np.asarray(distance_transform_edt(~cement)) * self.grid.spacing_mm.max() <= CEMENT_GLARE_MM
        metal = self.tissue == TISSUE_OF["metal"]
        return Tissue(self._codes(_BONE), self._codes(_SOFT), np.asarray(glare | metal))

    @cached_property
    def followable(self) -> Bool:
        """Bone and soft tissue: what takes up contrast medium. Disc, fat, fluid and canal are not followed."""
        return self._codes(_BONE) | self._codes(_SOFT)

    def _codes(self, names: tuple[str, ...]) -> Bool:
        return np.isin(self.tissue, [TISSUE_OF[name] for name in names])


def local_scene(
    anatomy: Anatomy, target: str, level: Level, lesion: Volume, reach: tuple[Volume, ...], spacing_mm: float
) -> LocalScene:
    """Cut the surroundings of a lesion out of the planning scan.

    Args:
        anatomy: of the planning scan.
        target: name of the lesion.
        level: its vertebra.
        lesion: its mask.
        reach: masks that must fit too (predicted zones).
        spacing_mm: of the grid.

    Raises:
        InputError: the vertebra is not labelled.
    """
    vertebra = anatomy.vertebrae.get(level)
    if vertebra is None:
        raise InputError(
            "The vertebra of a lesion is not labelled: its follow-up cannot be registered.",
            where=target,
            got=", ".join(str(known) for known in anatomy.vertebrae) or "no vertebra",
            expected=str(level),
            advice="plan with labels that hold this vertebra",
        )
    low, high = _box((lesion, vertebra, *reach))
    ct_low, ct_high = anatomy.ct.grid.bounds()
    low, high = np.maximum(low - REACH_MM, ct_low), np.minimum(high + REACH_MM, ct_high)
    grid = Grid.isotropic(low, high, spacing_mm, anatomy.ct.grid.frame)
    tissue = anatomy.tissue.resampled(grid, order=0, outside=TISSUE_OF["air"]).data.astype(np.uint8)
    canal = next((s.mask for s in anatomy.of_kind(StructureKind.canal)), None)
    planning = anatomy.ct.resampled(grid, outside=-1000.0)
    return LocalScene(target, level, grid, planning, lesion, vertebra, canal, tissue)


def _box(masks: tuple[Volume, ...]) -> tuple[FloatArray, FloatArray]:
    points = [mask.grid.world(np.argwhere(mask.data)) for mask in masks if mask.data.any()]
    together = np.concatenate(points)
    return together.min(axis=0), together.max(axis=0)


def voxels(mask: Volume, grid: Grid) -> Bool:
    """A mask on the scene's grid (nearest voxel)."""
    return on_grid(mask, grid)
