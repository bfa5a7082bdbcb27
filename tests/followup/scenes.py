"""A made-up vertebra for the follow-up: a block of textured bone in muscle, with a canal behind it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from vertherm.clinical.levels import Level
from vertherm.followup.scene import LocalScene
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import TISSUE_OF
from vertherm.imaging.synthetic_followup import Ellipsoid

LESION = Ellipsoid((0.0, 4.0, 0.0), (6.0, 6.0, 6.0))


def block_scene(spacing_mm: float = 1.0, half_mm: float = 34.0, seed: int = 0) -> LocalScene:
    """Bone of 44 x 34 x 30 mm, canal of 16 mm behind it, muscle around; lesion in its middle."""
    grid = Grid.isotropic(np.full(3, -half_mm), np.full(3, half_mm), spacing_mm)
    points = grid.centres()
    bone = (np.abs(points[..., 0]) < 22) & (np.abs(points[..., 1] - 4) < 17) & (np.abs(points[..., 2]) < 15)
    canal = np.hypot(points[..., 0], points[..., 1] + 21) < 8
    tissue = np.full(grid.shape, TISSUE_OF["muscle"], np.uint8)
    tissue[bone] = TISSUE_OF["vertebra"]
    tissue[canal] = TISSUE_OF["csf"]
    texture = gaussian_filter(np.random.default_rng(seed).standard_normal(grid.shape), 1.0 / spacing_mm)
    hu = np.where(bone, 180.0 + 60.0 * texture / texture.std(), 50.0)
    hu[canal] = 5.0
    return LocalScene(
        "target",
        Level.L3,
        grid,
        Volume(hu.astype(np.float32), grid, "made-up planning scan"),
        LESION.mask(grid),
        Volume(bone, grid),
        Volume(canal, grid),
        tissue,
    )


def enhancement(scene: LocalScene, bone_hu: float = 40.0, muscle_hu: float = 25.0) -> Volume:
    """What contrast medium adds in living tissue."""
    hu = np.where(scene.tissue == TISSUE_OF["vertebra"], bone_hu, 0.0)
    hu[scene.tissue == TISSUE_OF["muscle"]] = muscle_hu
    return Volume(hu.astype(np.float32), scene.grid)
