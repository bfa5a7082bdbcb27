"""From marched phasors to power densities on fine cells and on the heat grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import Antenna
from vertherm.applicator.fullwave.box import FineBox, Needle
from vertherm.applicator.fullwave.incident import OUTLINE_STEP_M, IncidentField
from vertherm.applicator.fullwave.sources import within_surface
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid

Field = NDArray[np.float32]
Phasors = tuple[NDArray[np.complex64], NDArray[np.complex64], NDArray[np.complex64]]
NEAR_MM, SUBS = 2.0, 4
"""Within this distance of the shaft the axisymmetric field is averaged over SUBS^3 points a cell (it falls as 1/r)."""


@dataclass(frozen=True, eq=False)
class Powers:
    """Inside the box, per W forward and with the marched field as it came.

    Attributes:
        q, q_axisymmetric: heat cells, in W/m^3.
        e2: fine cells, in (V/m)^2.
        medium_w: power that the axisymmetric field deposits in its own medium.
    """

    q: Field
    q_axisymmetric: Field
    e2: Field
    medium_w: float


def total_field(
    phasors: Phasors,
    box: FineBox,
    needle: Needle,
    incident: IncidentField,
    metal: NDArray[np.bool_],
    surface_m: float,
) -> Phasors:
    """Inside the equivalence surface the march holds what comes back only: add the antenna's own field."""
    found = []
    for c, field in enumerate(phasors):
        inside = within_surface(box.nodes, needle, c, surface_m, magnetic=False) & ~metal[c]
        index = np.argwhere(inside).astype(np.int32)
        out = field.copy()
        out[inside] += incident.electric(needle, c, index)
        found.append(out)
    return found[0], found[1], found[2]


def densities(
    box: FineBox,
    needle: Needle,
    incident: IncidentField,
    antenna: Antenna,
    sigma: Field,
    sigma_medium: Field,
    phasors: Phasors | None,
    *,
    add_incident: bool,
) -> Powers:
    """Power densities inside the box.

    Args:
        box, needle, incident, antenna: geometry and field.
        sigma, sigma_medium: conductivity of all fine cells in S/m, of the patient and of the axisymmetric medium.
        phasors: marched E on the edges, None where nothing was marched.
        add_incident: whether the axisymmetric field is to be added.
    """
    if phasors is None:
        mean = tuple(np.zeros(box.inner, np.complex64) for _ in range(3))
        spread = np.zeros(box.inner, np.float32)
        add_incident = True
    else:
        mean, spread = _cell_means(phasors, box)
    block = box.inside
    corner = needle.origin + needle.spacing_m * (box.layers + 0.5)
    total, alone = _squares(mean, spread, add_incident, corner, needle.axis, needle.spacing_m, incident, antenna)
    half_sigma = np.float32(0.5) * sigma[block]
    medium_w = 0.5 * float((sigma_medium[block] * alone).sum(dtype=np.float64)) * box.spacing_m**3
    return Powers(_heat_mean(half_sigma * total, box), _heat_mean(half_sigma * alone, box), total, medium_w)


def axisymmetric_density(
    grid: Grid, trajectory: Trajectory, incident: IncidentField, antenna: Antenna, sigma_cells: NDArray
) -> Field:
    """0.5 sigma |E|^2 of the axisymmetric field on all cells of the heat grid, W/m^3 per W forward."""
    spacing = float(grid.spacing_mm.mean()) * 1e-3
    to_box = (grid.affine[:3, :3] / grid.spacing_mm).T
    first = to_box @ (grid.affine[:3, 3] - trajectory.tip_mm) * 1e-3
    mean = tuple(np.zeros(grid.shape, np.complex64) for _ in range(3))
    _, alone = _squares(
        mean, np.zeros(grid.shape, np.float32), True, first, to_box @ trajectory.axis, spacing, incident, antenna
    )
    return np.asarray(0.5 * np.asarray(sigma_cells, np.float32) * alone, dtype=np.float32)


def _squares(
    mean: tuple[NDArray[np.complex64], ...],
    spread: Field,
    add_incident: bool,
    first_cell_m: NDArray[np.float64],
    axis: NDArray[np.float64],
    spacing_m: float,
    incident: IncidentField,
    antenna: Antenna,
) -> tuple[Field, Field]:
    from vertherm.applicator.fullwave.sampling import cells_kernel

    total, alone = np.zeros(spread.shape, np.float32), np.zeros(spread.shape, np.float32)
    near = (antenna.shaft_radius_mm + NEAR_MM) * 1e-3
    cells_kernel(
        (mean[0], mean[1], mean[2]), spread, add_incident, near, SUBS, np.ascontiguousarray(first_cell_m),
        np.ascontiguousarray(axis), spacing_m, incident.r, incident.z, incident.table, incident.outline_z0,
        OUTLINE_STEP_M, incident.outline, total, alone,
    )  # fmt: skip
    return total, alone


def _cell_means(phasors: Phasors, box: FineBox) -> tuple[tuple[NDArray[np.complex64], ...], Field]:
    """Mean of each component over the four edges of every inner cell, and the mean squares about these means."""
    means = []
    spread = np.zeros(box.inner, np.float32)
    for c, field in enumerate(phasors):
        pieces = []
        others = [a for a in range(3) if a != c]
        for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
            piece = [slice(box.layers, box.layers + n) for n in box.inner]
            for axis, shift in zip(others, step, strict=True):
                piece[axis] = slice(box.layers + shift, box.layers + shift + box.inner[axis])
            pieces.append(field[tuple(piece)])
        mean = (pieces[0] + pieces[1] + pieces[2] + pieces[3]) * np.float32(0.25)
        for piece_values in pieces:
            away = piece_values - mean
            spread += np.float32(0.25) * (away.real**2 + away.imag**2)
        means.append(np.ascontiguousarray(mean))
    return tuple(means), spread


def _heat_mean(fine: Field, box: FineBox) -> Field:
    """Mean of the fine cells in every heat cell of the block."""
    n, (x, y, z) = box.ratio, box.count
    return np.asarray(fine.reshape(x, n, y, n, z, n).mean(axis=(1, 3, 5)), dtype=np.float32)
