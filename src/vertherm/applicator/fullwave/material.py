"""From the heat grid's cells to the factors of the Yee update: fine cells, edge averages, time step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import EPS_0, LIGHT_M_S
from vertherm.applicator.fullwave.box import FineBox, Needle
from vertherm.applicator.fullwave.metal import AntennaCells
from vertherm.applicator.medium import Medium
from vertherm.core.errors import InputError

Field = NDArray[np.float32]
COURANT_SHARE = 0.98
"""Share of the largest stable time step."""


@dataclass(frozen=True, eq=False)
class EdgeMaterial:
    """What the update needs to know about every edge.

    Attributes:
        eps_r, sigma_s_m: three (nx+1, ny+1, nz+1) arrays by component: mean of the four cells around an edge.
        metal: (3, nx+1, ny+1, nz+1) True for edges in metal (tangential E = 0), None: no metal.
        steps_per_period: time steps in a period, a multiple of four.
        courant: c dt / spacing.
        dt_s: the time step.
    """

    eps_r: tuple[Field, Field, Field]
    sigma_s_m: tuple[Field, Field, Field]
    metal: NDArray[np.bool_] | None
    steps_per_period: int
    courant: float
    dt_s: float

    def factors(self) -> tuple[tuple[Field, Field, Field], tuple[Field, Field, Field]]:
        """``decay`` and ``gain`` of every edge (semi-implicit conduction); both 0 in metal."""
        decay, gain = [], []
        for c in range(3):
            loss = self.sigma_s_m[c] * np.float32(0.5 * self.dt_s / EPS_0) / self.eps_r[c]
            one = np.float32(1.0)
            d, g = (one - loss) / (one + loss), np.float32(self.courant) / self.eps_r[c] / (one + loss)
            if self.metal is not None:
                d[self.metal[c]], g[self.metal[c]] = 0.0, 0.0
            decay.append(d)
            gain.append(g)
        return (decay[0], decay[1], decay[2]), (gain[0], gain[1], gain[2])


def fine_cells(box: FineBox, cells: NDArray, where: str) -> Field:
    """Heat-grid values on all fine cells: piecewise constant, so that power adds up cell by cell.

    Raises:
        InputError: wrong shape or non-finite values.
    """
    values = np.asarray(cells, dtype=np.float32)
    if values.shape != box.grid.shape:
        raise InputError("Cell values do not fit the grid.", where=where, got=values.shape, expected=box.grid.shape)
    fine = values[np.ix_(*box.heat_cell_of())]
    if not np.isfinite(fine).all():
        raise InputError("The tissue's properties are not finite.", where=where, got="nan or infinity")
    return fine


def check_tissue(eps: Field, sigma: Field) -> None:
    """Refuse what a passive dielectric cannot be.

    Raises:
        InputError: permittivity below 1 or conductivity below 0.
    """
    if float(eps.min()) < 0.999 or float(sigma.min()) < 0.0:
        raise InputError(
            "The tissue's properties are unphysical.",
            where="full wave",
            got=f"permittivity from {eps.min():.4g}, conductivity from {sigma.min():.4g} S/m",
            expected="permittivity >= 1, conductivity >= 0",
        )


def with_antenna(eps: Field, sigma: Field, antenna: AntennaCells) -> tuple[Field, Field]:
    """Cells that hold dielectric of the antenna take the mean of that and the tissue; metal has no say."""
    eps, sigma = eps.copy(), sigma.copy()
    at = tuple(antenna.index.T)
    tissue = 1.0 - antenna.share
    total = tissue + antenna.dielectric
    solid = total <= 0
    weight = np.where(solid, 1.0, total)
    for values, own in ((eps, antenna.eps_r), (sigma, antenna.sigma_s_m)):
        mixed = (tissue * values[at] + antenna.dielectric * own) / weight
        values[at] = np.where(solid, values[at], mixed)
    return eps, sigma


def edge_mean(cells: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Mean of the four cells around every inner edge, by component, on node arrays; 0 on the outermost nodes."""
    found = []
    for c in range(3):
        across = [a for a in range(3) if a != c]
        out = np.zeros([n + 1 for n in cells.shape], dtype=cells.dtype)
        total: NDArray = np.zeros(0)
        for first in (slice(None, -1), slice(1, None)):
            for second in (slice(None, -1), slice(1, None)):
                piece: list[slice] = [slice(None)] * 3
                piece[across[0]], piece[across[1]] = first, second
                total = cells[tuple(piece)] if total.size == 0 else total + cells[tuple(piece)]
        target: list[slice] = [slice(1, -1)] * 3
        target[c] = slice(None, -1)
        out[tuple(target)] = total * cells.dtype.type(0.25)
        found.append(out)
    return found[0], found[1], found[2]


def edge_material(
    spacing_m: float, eps: Field, sigma: Field, metal: NDArray[np.bool_] | None, frequency_hz: float
) -> EdgeMaterial:
    """Edge values and the time step that the smallest permittivity allows."""
    eps_edges = edge_mean(eps)
    for values in eps_edges:
        values[values < 1.0] = 1.0  # outermost nodes, which are never updated
    smallest = float(eps.min())
    largest_dt = COURANT_SHARE * spacing_m * math.sqrt(max(smallest, 1.0) / 3) / LIGHT_M_S
    steps = 4 * math.ceil(1 / (4 * frequency_hz * largest_dt))
    dt = 1 / (steps * frequency_hz)
    return EdgeMaterial(eps_edges, edge_mean(sigma), metal, steps, LIGHT_M_S * dt / spacing_m, dt)


def medium_cells(box: FineBox, needle: Needle, medium: Medium) -> tuple[Field, Field]:
    """The axisymmetric medium at the centres of all fine cells; the absorbing layers continue the edge."""
    nx, ny, nz = box.inner
    eps, sigma = np.empty((nx, ny, nz), np.float32), np.empty((nx, ny, nz), np.float32)
    j, k = np.meshgrid(np.arange(ny) + box.layers + 0.5, np.arange(nz) + box.layers + 0.5, indexing="ij")
    for i in range(nx):
        r, z = needle.cylindrical(np.stack([np.full_like(j, i + box.layers + 0.5), j, k], axis=-1))
        eps[i], sigma[i] = medium(r, z)
    return np.pad(eps, box.layers, mode="edge"), np.pad(sigma, box.layers, mode="edge")


def fade_in(box: FineBox, fade_mm: float) -> Field:
    """Weight of the patient's own tissue on all fine cells: 0 at the faces of the block, 1 from ``fade_mm`` inwards."""
    lines = []
    for n in box.inner:
        depth = np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) * box.spacing_m * 1e3
        x = np.clip(depth / min(fade_mm, 0.2 * n * box.spacing_m * 1e3), 0.0, 1.0)
        lines.append(np.pad(x * x * (3 - 2 * x), box.layers, mode="edge").astype(np.float32))
    return lines[0][:, None, None] * lines[1][None, :, None] * lines[2][None, None, :]
