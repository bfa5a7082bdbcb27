"""Irrigation on the heat grid: heat that a flow takes up, spread over the soft tissue of its region.

A flow F that arrives at T_in and leaves a region of volume V at its mean temperature takes up rho c F (mean T - T_in):
the most it can carry. Spread evenly, that is rho c F / V (T - T_in) in every part of the region.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Volume
from vertherm.heat.dissection import REPLACED, sub_cells
from vertherm.heat.problem import FluidExchange
from vertherm.heat.protection import Irrigation
from vertherm.materials.tissue import tissue
from vertherm.materials.tissue_map import TissueMap

IRRIGATED = (*REPLACED, "csf", "saline", "dextrose")
"""Tissues and media that a flow passes through or along; never bone or nerve."""


def irrigated_share(irrigation: Irrigation, tissues: TissueMap) -> NDArray[np.float32]:
    """Share of each cell that is irrigated, 0 to 1, (nx, ny, nz)."""
    return tissues.block_mean(sub_cells(irrigation.region, tissues) & tissues.holds(IRRIGATED))


def irrigated_ml(irrigation: Irrigation, tissues: TissueMap) -> float:
    """Volume of soft tissue and fluid that is irrigated, mL; of a region that leaves the heat grid, all of it."""
    inside = float(irrigated_share(irrigation, tissues).sum(dtype=np.float64)) * tissues.grid.voxel_volume_ml
    return inside / max(_inside(irrigation.region, tissues), 1e-9)


def _inside(region: Volume, tissues: TissueMap) -> float:
    """Share of a region that lies in the heat grid: what flows elsewhere must not cool here."""
    points = region.grid.world(np.argwhere(region.data))
    return float(np.mean(tissues.grid.contains(points))) if points.size else 1.0


def heat_flow_w_k(irrigation: Irrigation) -> float:
    """rho c F: what the flow carries away, W per kelvin above its temperature."""
    return tissue(irrigation.medium).volumetric_heat_capacity * irrigation.flow_ml_min * 1e-6 / 60.0


def fluid_exchange(tissues: TissueMap, irrigations: Sequence[Irrigation]) -> FluidExchange | None:
    """What all irrigations take up together; None where nothing on the heat grid is irrigated."""
    parts = []
    for one in irrigations:
        share = irrigated_share(one, tissues)
        cells = np.flatnonzero(share > 0)
        if not cells.size:
            continue
        volume_m3 = irrigated_ml(one, tissues) * 1e-6
        coefficient = heat_flow_w_k(one) / volume_m3 * share.reshape(-1)[cells].astype(np.float64)
        parts.append(FluidExchange(cells, coefficient, np.full(cells.size, one.temperature_c)))
    return FluidExchange.together(parts)
