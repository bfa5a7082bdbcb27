"""The antenna in the fine cells: which edges are metal, and how much of a cell is its dielectrics."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import EPS_0, Antenna
from vertherm.applicator.fullwave.box import FineBox, Needle
from vertherm.geometry.trajectory import Trajectory

Array = NDArray[np.float64]
SUBS = 4
TOP_MM = 1e4


@dataclass(frozen=True, eq=False)
class AntennaCells:
    """The antenna's share of the fine cells.

    Attributes:
        index: (n, 3) cells that the antenna touches.
        share: (n,) share of each cell that is antenna (metal or dielectric).
        dielectric: (n,) share that is dielectric.
        eps_r, sigma_s_m: (n,) mean properties of that dielectric.
        metal: (3, nx+1, ny+1, nz+1) True for edges inside metal.
    """

    index: NDArray[np.int64]
    share: Array
    dielectric: Array
    eps_r: Array
    sigma_s_m: Array
    metal: NDArray[np.bool_]


def antenna_cells(box: FineBox, trajectory: Trajectory, antenna: Antenna, frequency_hz: float) -> AntennaCells:
    """Cut the antenna into the fine cells; the needle runs on through the absorbing layers.

    What lies inside the outermost metal at a height (a coax, a choke's cavity) counts as metal: it cannot be resolved
    and is closed to the outside but for its slots.
    """
    needle = box.needle(trajectory)
    cells, edges = _candidates(box, needle, antenna)
    share, dielectric, eps, sigma = _cell_shares(needle, antenna, cells, frequency_hz)
    keep = share > 0
    metal = np.zeros((3, *box.nodes), dtype=bool)
    shape = np.array(box.nodes)
    for c in range(3):
        r, z = needle.cylindrical(edges + 0.5 * np.eye(3)[c])
        inside = (r * 1e3 <= metal_radius_mm(antenna, z * 1e3)) & (r > 0)
        i, j, k = edges[inside & (edges[:, c] < shape[c] - 1)].T
        metal[c, i, j, k] = True
    _connect(metal, needle, antenna)
    return AntennaCells(cells[keep], share[keep], dielectric[keep], eps[keep], sigma[keep], metal)


def metal_radius_mm(antenna: Antenna, z_mm: Array) -> Array:
    """Outermost radius of metal at heights above the tip; 0 where there is none."""
    z = np.asarray(z_mm, float)
    low, high = float(z.min(initial=0.0)), float(z.max(initial=0.0))
    table_z = np.linspace(low, high, max(2, int((high - low) / 0.02)))
    radii = np.linspace(0.0, antenna.shaft_radius_mm, 65)[1:] - antenna.shaft_radius_mm / 128
    part = antenna.part_at(radii[:, None], table_z[None, :], TOP_MM)
    is_metal = np.array([antenna.materials[p.material].metal for p in antenna.parts] + [False])[part]
    outermost = np.where(is_metal, (radii + antenna.shaft_radius_mm / 128)[:, None], 0.0).max(axis=0)
    return np.asarray(np.interp(z, table_z, outermost))


def _candidates(box: FineBox, needle: Needle, antenna: Antenna) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells and nodes near the needle, from a walk along its axis through the whole box."""
    h, around = needle.spacing_m, int(np.ceil(antenna.shaft_radius_mm * 1e-3 / needle.spacing_m)) + 2
    length = float(np.linalg.norm(box.nodes)) * h + float(np.linalg.norm(needle.origin))
    steps = np.arange(-around * h, length, 0.5 * h)
    at = np.unique(np.round((steps[:, None] * needle.axis - needle.origin) / h).astype(np.int64), axis=0)
    near = np.stack(np.meshgrid(*(np.arange(-around, around + 1),) * 3, indexing="ij"), -1).reshape(-1, 3)
    inside = ((at >= -around) & (at < np.array(box.nodes) + around)).all(axis=1)
    if not inside.any():
        none = np.zeros((0, 3), dtype=np.int64)
        return none, none
    every = np.unique((at[inside][:, None, :] + near).reshape(-1, 3), axis=0)
    every = every[((every >= 0) & (every < np.array(box.nodes))).all(axis=1)]
    return every[(every < np.array(box.cells)).all(axis=1)], every


def _cell_shares(
    needle: Needle, antenna: Antenna, cells: NDArray[np.int64], frequency_hz: float
) -> tuple[Array, Array, Array, Array]:
    ticks = (np.arange(SUBS) + 0.5) / SUBS
    sub = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).reshape(-1, 3)
    r, z = needle.cylindrical(cells[:, None, :] + sub)
    part = antenna.part_at(r * 1e3, z * 1e3, TOP_MM)
    materials = [antenna.materials[p.material] for p in antenna.parts]
    eps_c = np.array([1.0 if m.metal else m.eps_c for m in materials] + [1.0], dtype=complex)
    in_metal = (r * 1e3 <= metal_radius_mm(antenna, z * 1e3)) & (part >= 0)
    in_dielectric = (part >= 0) & ~in_metal
    count = np.maximum(in_dielectric.sum(axis=1), 1)
    eps = np.where(in_dielectric, eps_c[part], 0.0).sum(axis=1) / count
    sigma = -eps.imag * 2 * np.pi * frequency_hz * EPS_0
    return (part >= 0).mean(axis=1), in_dielectric.mean(axis=1), eps.real, sigma


def _connect(metal: NDArray[np.bool_], needle: Needle, antenna: Antenna) -> None:
    """Join the metal along the axis by a path of edges where it is thinner than a cell: a wire must conduct."""
    h, shape = needle.spacing_m, np.array(metal.shape[1:])
    steps = np.arange(0.0, float(np.linalg.norm(shape)) * h + float(np.linalg.norm(needle.origin)), 0.25 * h)
    steps = steps[metal_radius_mm(antenna, steps * 1e3) > 0]
    path = np.round((steps[:, None] * needle.axis - needle.origin) / h).astype(int)
    for (start, here), (stop, there) in pairwise(zip(steps, path, strict=True)):
        if stop - start > 0.26 * h:
            continue
        node = here.copy()
        for c in range(3):
            while node[c] != there[c]:
                step = 1 if there[c] > node[c] else -1
                lower = node.copy()
                lower[c] = min(node[c], node[c] + step)
                if (lower >= 0).all() and (lower < shape).all() and lower[c] < shape[c] - 1:
                    metal[c, lower[0], lower[1], lower[2]] = True
                node[c] += step
