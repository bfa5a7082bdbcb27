"""Cooling of the skin on the heat grid: film and temperature of the air cells that a coolant replaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Grid
from vertherm.heat.protection import SkinCooling
from vertherm.materials.constants import constants

Float32 = NDArray[np.float32]


def within(cooling: SkinCooling, grid: Grid) -> NDArray[np.bool_]:
    """Cells of ``grid`` whose centre lies within the patch's radius of its centre."""
    axes = [
        grid.affine[a, a] * np.arange(n) + grid.affine[a, 3] - cooling.centre_mm[a] for a, n in enumerate(grid.shape)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    return np.asarray(x**2 + y**2 + z**2 <= cooling.radius_mm**2)


def film_w_m2k(coolings: Sequence[SkinCooling], grid: Grid) -> float | Float32:
    """Heat transfer from skin to what lies on it: to the air of the room, under a patch to its coolant."""
    room = constants("skin_convection").value
    if not coolings:
        return room
    film = np.full(grid.shape, room, np.float32)
    for one in reversed(coolings):  # the first stays where two overlap
        film[within(one, grid)] = one.film_w_m2k
    return film


def outside_c(coolings: Sequence[SkinCooling], grid: Grid) -> float | Float32:
    """Temperature of what lies on the skin: of the room, under a patch of its coolant, degC."""
    room = constants("room_temperature").value
    if not coolings:
        return room
    outside = np.full(grid.shape, room, np.float32)
    for one in reversed(coolings):
        outside[within(one, grid)] = one.temperature_c
    return outside
