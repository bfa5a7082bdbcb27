"""The catalogue's antenna as a fin in this patient: which part of the shaft conducts, is cooled, and heats itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import Antenna
from vertherm.applicator.axisymmetric import AxisymmetricSolution
from vertherm.core.errors import MissingValueError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid
from vertherm.heat.shaft import ShaftFin
from vertherm.materials.constants import constants

Array = NDArray[np.float64]
TIP_MM = 1.0
"""The shaft's metal conducts over its whole length but for the pointed tip itself."""
SHORTEST_MM = 5.0
LONGEST_MM = 400.0


def fin_of(antenna: Antenna, trajectory: Trajectory, grid: Grid) -> ShaftFin:
    """The shaft from its tip to where it leaves the heat grid; coolant acts from where the catalogue says.

    A grid that reaches the skin holds some of the shaft in air, which loses heat to the room; one that ends in tissue
    cuts the shaft there (insulated end).

    Raises:
        MissingValueError: a cooled antenna without coolant data.
    """
    cooling = antenna.cooling
    along = np.arange(0.0, LONGEST_MM, 0.5)
    inside = grid.contains(trajectory.point_mm(along))
    leaves = float(along[np.argmin(inside)]) if not inside.all() else LONGEST_MM
    circumference = 2.0 * np.pi * antenna.shaft_radius_mm * 1e-3
    cooled_from, film, coolant = None, 0.0, None
    if cooling.cooled:
        values = (cooling.from_mm, cooling.film_coefficient_w_m2k, cooling.coolant_temperature_c)
        if any(value is None for value in values):
            raise MissingValueError("A cooled antenna lacks its coolant data.", where=antenna.name, got=cooling.name)
        cooled_from, per_area, coolant = (value.value for value in values if value is not None)
        film = per_area * circumference
    return ShaftFin(
        trajectory=trajectory,
        radius_mm=antenna.shaft_radius_mm,
        from_mm=TIP_MM,
        to_mm=max(leaves, TIP_MM + SHORTEST_MM),
        axial_w_m_k=antenna.shaft_conductivity_w_mk.value * np.pi * (antenna.shaft_radius_mm * 1e-3) ** 2,
        film_w_mk=film,
        coolant_c=coolant,
        cooled_from_mm=cooled_from,
        ambient_w_mk=constants("skin_convection").value * circumference,
        ambient_c=constants("room_temperature").value,
    )


def shaft_source_w_m(fin: ShaftFin, antenna: Antenna, solution: AxisymmetricSolution, forward_w: float) -> Array:
    """Heat set free in the shaft at the fin's nodes, W/m: conductor losses of the antenna and of the line inside it.

    Losses below the fin's start (the very tip) enter at its first node, so none is lost.
    """
    nodes = fin.nodes_mm * 1e-3
    step = float(nodes[1] - nodes[0])
    edges = np.concatenate([nodes - 0.5 * step, [nodes[-1] + 0.5 * step]])
    cumulative = np.concatenate([[0.0], np.cumsum(solution.wall_loss_w_m * np.diff(solution.wall_z_m))])
    total = np.interp(edges, solution.wall_z_m, cumulative)
    loss = np.diff(total) / step
    # Beyond the computed domain the line carries forward and reflected waves.
    line = antenna.shaft_loss_w_m(solution.frequency_hz, 1.0 + abs(solution.s11) ** 2)
    beyond = np.clip((edges[1:] - np.maximum(edges[:-1], solution.wall_z_m[-1])) / step, 0.0, 1.0)
    loss = loss + line * beyond
    loss[0] += total[0] / step
    return np.asarray(loss * forward_w)
