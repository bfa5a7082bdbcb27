"""A box-shaped vertebra on a 1 mm grid: body, canal behind it, discs above and below, everything known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vertherm.access.scene import VertebraFrame
from vertherm.cement.spread import FlowSample, flow_space, nominal_sample
from vertherm.cement.vertebra import VertebraScene
from vertherm.geometry.volume import Grid

SHAPE = (52, 48, 40)
BODY = (slice(10, 42), slice(18, 42), slice(8, 32))
"""32 mm wide (x, right), 24 mm deep (y, anterior), 24 mm high."""
CANAL = (slice(18, 34), slice(6, 18), slice(0, 40))


def scene(density_mg_cm3: float = 150.0, shell_mg_cm3: float = 400.0, kind: str = "lytic") -> VertebraScene:
    """Even trabecular bone in a dense shell one cell thick; no lesion."""
    grid = Grid.isotropic(np.zeros(3), np.array(SHAPE, float), 1.0)
    bone, canal, disc, none = (np.zeros(SHAPE, bool) for _ in range(4))
    bone[BODY], canal[CANAL] = True, True
    disc[BODY[0], BODY[1], :8] = True
    disc[BODY[0], BODY[1], 32:] = True
    foramen = none.copy()
    foramen[8:18, 10:17, 12:28] = True
    foramen[34:44, 10:17, 12:28] = True
    density = np.full(SHAPE, 20.0, np.float32)
    density[bone] = shell_mg_cm3
    density[11:41, 19:41, 9:31] = density_mg_cm3
    centre = grid.world([25.5, 29.5, 19.5])
    frame = VertebraFrame(
        centre_mm=centre,
        right=np.array([1.0, 0.0, 0.0]),
        anterior=np.array([0.0, 1.0, 0.0]),
        superior=np.array([0.0, 0.0, 1.0]),
        canal_mm=grid.world([25.5, 11.5, 19.5]),
        posterior_wall_mm=-12.0,
        canal_half_width_mm=8.0,
    )
    return VertebraScene(
        grid, density, bone, bone.copy(), none, kind, none, canal, foramen & ~canal, disc, none, frame, 1.0
    )


def with_lesion(found: VertebraScene, centre: tuple[int, int, int], radius: float) -> VertebraScene:
    """A ball of lesion; it may reach through the wall, and then its shell is gone."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    ball = np.linalg.norm(index - np.array(centre), axis=-1) <= radius
    density = found.density_mg_cm3.copy()
    density[ball] = 40.0
    return replace(found, lesion=ball, density_mg_cm3=density)


def even() -> FlowSample:
    """The nominal sample without veins."""
    space = flow_space(density_error_mg_cm3=10.0, tip_error_mm=1.0, tip_source="a test")
    return replace(nominal_sample(space), basivertebral_radius_mm=0.0, segmental_radius_mm=0.0)
