"""Dissections on the heat grid: the medium painted on the sub-cells, its volume, the temperature it starts with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Volume
from vertherm.heat.protection import Dissection
from vertherm.materials.tissue import tissue
from vertherm.materials.tissue_map import TissueMap

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]
REPLACED = ("fat", "muscle", "soft_tissue")
"""Tissues that gas or fluid takes the place of; bone, nerves, vessels, CSF, organs, skin and tumour are left alone."""
MEDIA = ("co2", "saline", "dextrose")
GAS_CAPACITY_J_M3K = 2e4
"""What a cell of gas stores at least: 0.5 % of tissue, in place of 0.04 %. A layer of 6 mm then follows its walls
within 4 s instead of 0.3 s, and the solver needs a third of the stages; steady temperatures are the same."""


def sub_cells(region: Volume, tissues: TissueMap) -> Bool:
    """Sub-cells whose centre lies in ``region`` (bool, any grid), by linear interpolation; shape of the map's index."""
    fine = tissues.fine_grid
    out = np.zeros(fine.shape, bool)
    lower, upper = region.grid.bounds()
    low = np.maximum(np.floor(fine.index(lower)).astype(int), 0)
    high = np.minimum(np.ceil(fine.index(upper)).astype(int) + 1, fine.shape)
    if (high <= low).any() or not region.data.any():
        return out
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    for i in axes[0]:  # by planes: the points of a whole region would take ten times the memory of the map
        index = np.stack(np.meshgrid([i], axes[1], axes[2], indexing="ij"), axis=-1)
        inside = region.sample(fine.world(index), order=1, outside=0.0) >= 0.5
        out[i, low[1] : high[1], low[2] : high[2]] = inside[0]
    return out


def dissected(tissues: TissueMap, dissections: Sequence[Dissection]) -> TissueMap:
    """The map with every medium in place of the soft tissue of its region; where two overlap the first stays."""
    for one in dissections:
        tissues = tissues.painted(sub_cells(one.region, tissues), tissue(one.medium), REPLACED)
    return tissues


def medium_ml(dissection: Dissection, tissues: TissueMap) -> float:
    """Volume of the medium in its region of a dissected map, mL."""
    filled = sub_cells(dissection.region, tissues) & tissues.holds((dissection.medium,))
    return float(np.count_nonzero(filled)) * tissues.fine_grid.voxel_volume_ml


def filled_cells(tissues: TissueMap) -> Bool:
    """Cells that hold gas or fluid alone, (nx, ny, nz): nothing in them can be injured."""
    return np.asarray(tissues.fraction(MEDIA) > 1.0 - 1e-6)


def start_c(tissues: TissueMap, dissections: Sequence[Dissection], body_c: float) -> Float32 | float:
    """Temperature at the start, degC: that of the body, and in dissected cells the mean by heat content."""
    other = [one for one in dissections if one.temperature_c != body_c]
    if not other:
        return body_c
    capacity = np.array([entry.volumetric_heat_capacity for entry in tissues.palette], dtype=np.float32)
    excess = np.zeros(tissues.index.shape, np.float32)
    for one in reversed(other):  # the first stays where two overlap
        filled = sub_cells(one.region, tissues) & tissues.holds((one.medium,))
        excess[filled] = capacity[tissues.index[filled]] * np.float32(one.temperature_c - body_c)
    return np.asarray(np.float32(body_c) + tissues.block_mean(excess) / tissues.capacity())


def stored(tissues: TissueMap) -> Float32:
    """Heat capacity of the cells in J/m3K, that of gas raised to :data:`GAS_CAPACITY_J_M3K`."""
    capacity = tissues.capacity()
    if not any(entry.name == "co2" for entry in tissues.palette):
        return capacity
    return np.where(tissues.air_cells(), capacity, np.maximum(capacity, np.float32(GAS_CAPACITY_J_M3K)))
