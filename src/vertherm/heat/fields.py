"""The padded float32 arrays a solver works on, built once from a :class:`BioheatProblem`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.core.warnings import ModelRangeWarning
from vertherm.heat.problem import BioheatProblem, Field

FASTEST_CELL_PER_S = 1000.0
"""Cells that would come into balance with their neighbours or their blood faster than in about a millisecond (copper at
1 mm needs 700/s) are slowed down to that: invisible at steps of seconds, and it bounds the work for any input."""
LEAST_CAPACITY_J_M3K = 1e3
"""Floor of a cell's heat capacity, about that of air: 1/4000 of tissue, so it stores nothing that matters."""


Links = tuple[list[NDArray[np.int64]], list[NDArray[np.int64]], list[NDArray[np.int64]]]
"""By axis: flat indices into its face array, cells a, cells b (flat padded indices)."""


@dataclass(frozen=True, eq=False)
class FixedFaces:
    """Faces between free cells and fixed temperatures; heat = sum(weights * T[cells]) - constant, in W/m.

    Args:
        cells: flat padded indices of the free cells, in order.
        weights: conductance of their faces, W/mK.
        constant: sum of conductance times fixed temperature, W/m.
    """

    cells: NDArray[np.int32]
    weights: Field
    constant: float


@dataclass(frozen=True, eq=False)
class FixedLinks:
    """Where faces to fixed temperatures lie, so that other conductances can be looked up there.

    Args:
        at: by axis, flat indices into its face array, one after another in ``place``.
        cells: padded free cells, in order.
        place: which of ``cells`` each face belongs to.
        fixed: the fixed temperature behind each face.
    """

    at: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    cells: NDArray[np.int32]
    place: NDArray[np.int64]
    fixed: NDArray[np.float64]

    @staticmethod
    def of(links: Links, temperature: Field) -> FixedLinks:
        """Sort ``links``; ``temperature`` is padded and holds the fixed values."""
        at, a, b = links
        cells, place = np.unique(np.concatenate(a), return_inverse=True)
        fixed = temperature.reshape(-1)[np.concatenate(b)].astype(np.float64)
        return FixedLinks((at[0], at[1], at[2]), cells.astype(np.int32), place.astype(np.int64), fixed)

    def faces(self, conductances: list[Field]) -> FixedFaces:
        """The faces with their conductances, by axis in W/mK."""
        parts = [k.reshape(-1)[at] for k, at in zip(conductances, self.at, strict=True)]
        conductance = np.concatenate(parts).astype(np.float64)
        weights = np.bincount(self.place, conductance, minlength=self.cells.size)
        return FixedFaces(self.cells, weights.astype(np.float32), float(conductance @ self.fixed))


@dataclass(frozen=True, eq=False)
class FluidCells:
    """Free cells that passing fluid cools or warms; heat = sum(weights * T[cells] - load), in W/m, as for faces.

    Args:
        cells: flat padded indices, in order.
        weights: coefficient times spacing^2, W/mK.
        load: weights times the temperature of the fluid, relative to arterial blood, W/m.
    """

    cells: NDArray[np.int32]
    weights: Field
    load: Field

    @staticmethod
    def of(problem: BioheatProblem, free: NDArray[np.bool_]) -> FluidCells:
        """Those of ``problem`` that are free to change."""
        fluid = problem.fluid
        if fluid is None:
            return FluidCells(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.float32))
        order = np.argsort(fluid.cells)
        order = order[free.reshape(-1)[fluid.cells[order]]]
        flat = _flat(np.unravel_index(fluid.cells[order], problem.shape), problem.shape, (0, 0, 0))
        fastest = FASTEST_CELL_PER_S * problem.capacity.reshape(-1)[fluid.cells[order]].astype(np.float64)
        weights = np.minimum(fluid.coefficient[order], fastest) * problem.spacing_m**2
        load = weights * (fluid.temperature_c[order] - problem.arterial_c)
        return FluidCells(flat.astype(np.int32), weights.astype(np.float32), load.astype(np.float32))

    def stiffness(self, w: Field) -> Field:
        """Rate in 1/s that the fluid adds to each cell; ``w`` is padded, and so is the result."""
        rate = np.zeros(w.size, dtype=np.float32)
        rate[self.cells] = self.weights * w.reshape(-1)[self.cells]
        return rate.reshape(w.shape)


@dataclass(frozen=True, eq=False)
class Fields:
    """Arrays of shape (nx+2, ny+2, nz+2) and lists of faces; temperatures relative to arterial blood.

    Args:
        w: 1 / (capacity * spacing^2), m K/W s; 0 in held cells and ghosts.
        kx, ky, kz: conductances between cell i-1 and i, W/mK; outer faces doubled (half a cell to the face) or 0.
        p0: perfusion / capacity, 1/s.
        capacity: J/m3K, 0 in held cells.
        lam: latent heat in kelvin of wet tissue.
        rv: wet over dry capacity.
        stiffness: Gershgorin bound of a cell's conduction and of what fluid takes up, 1/s.
        start: temperature at the start.
        sinks, outer: faces into held cells and to the outside.
        sink_links, outer_links: where those faces lie.
        limited_cells: how many cells were slowed down (see :data:`FASTEST_CELL_PER_S`).
        fluid: cells that passing fluid cools or warms.
    """

    w: Field
    kx: Field
    ky: Field
    kz: Field
    p0: Field
    capacity: Field
    lam: Field
    rv: Field
    stiffness: Field
    start: Field
    sinks: FixedFaces
    outer: FixedFaces
    sink_links: FixedLinks
    outer_links: FixedLinks
    limited_cells: int
    fluid: FluidCells


def padded(values: NDArray | float, shape: tuple[int, int, int], fill: float = 0.0) -> Field:
    """``values`` on the cells, ``fill`` in one ghost layer around them."""
    out = np.full(tuple(n + 2 for n in shape), fill, dtype=np.float32)
    out[1:-1, 1:-1, 1:-1] = values
    return out


def build_fields(problem: BioheatProblem) -> Fields:
    """Pad, scale and bound the arrays of ``problem``."""
    shape = problem.shape
    held = np.zeros(shape, dtype=bool) if problem.held is None else problem.held
    capacity = np.where(held, np.inf, np.maximum(problem.capacity, LEAST_CAPACITY_J_M3K)).astype(np.float32)
    w = (1.0 / (capacity.astype(np.float64) * problem.spacing_m**2)).astype(np.float32)
    faces = [_outer(k, axis, problem.boundary) for axis, k in enumerate(problem.conductivity_faces)]
    faces, limited = _limited(faces, w)
    p0 = np.minimum(problem.perfusion / capacity, FASTEST_CELL_PER_S).astype(np.float32)
    wet = np.where(held, 0, capacity).astype(np.float32)
    latent = 0.0 if problem.latent_j_m3 is None else problem.latent_j_m3
    boils = (problem.latent_j_m3 is not None) & ~held
    lam = np.where(boils, latent / capacity, 0.0)
    # A cell without water has no vapour branch either: it stays on its own capacity at any temperature.
    rv = np.where(boils & (lam > 0), wet / np.asarray(problem.vapour, dtype=np.float64), 1.0)
    start = np.where(held, problem.held_temperature_c, problem.initial_c) - problem.arterial_c
    begin = padded(start, shape)
    sink_links = FixedLinks.of(_sink_links(held), begin)
    outer_links = FixedLinks.of(_outer_links(held), begin)
    kx, ky, kz = (_padded_faces(k, axis, shape) for axis, k in enumerate(faces))
    if limited:
        _warn(limited)
    inverse, fluid = padded(w, shape), FluidCells.of(problem, ~held)
    return Fields(
        inverse, kx, ky, kz, padded(p0, shape), padded(wet, shape), padded(lam, shape), padded(rv, shape, 1.0),
        _stiffness(inverse, faces, fluid), begin, sink_links.faces(faces), outer_links.faces(faces),
        sink_links, outer_links, limited, fluid,
    )  # fmt: skip


def reconduct(fields: Fields, problem: BioheatProblem) -> Fields:
    """``fields`` of the same tissue with the conductances that ``problem`` has now."""
    shape = problem.shape
    w = fields.w[1:-1, 1:-1, 1:-1]
    faces = [_outer(k, axis, problem.boundary) for axis, k in enumerate(problem.conductivity_faces)]
    faces, limited = _limited(faces, w)
    if limited > fields.limited_cells:
        _warn(limited)
    kx, ky, kz = (_padded_faces(k, axis, shape) for axis, k in enumerate(faces))
    return replace(
        fields, kx=kx, ky=ky, kz=kz, stiffness=_stiffness(fields.w, faces, fields.fluid),
        sinks=fields.sink_links.faces(faces), outer=fields.outer_links.faces(faces), limited_cells=limited,
    )  # fmt: skip


def _stiffness(w: Field, faces: list[Field], fluid: FluidCells) -> Field:
    """Gershgorin bound in 1/s of every cell; ``w`` is padded, and so is the result."""
    bound = padded(2.0 * w[1:-1, 1:-1, 1:-1] * _face_sum(faces), (w.shape[0] - 2, w.shape[1] - 2, w.shape[2] - 2))
    return bound + fluid.stiffness(w) if fluid.cells.size else bound


def _warn(limited: int) -> None:
    warnings.warn(
        f"{limited} cells conduct or store heat beyond what a step can follow; they were slowed to 1 ms.",
        ModelRangeWarning,
        stacklevel=4,
    )


def _outer(faces: Field, axis: int, boundary: str) -> Field:
    out = np.array(faces, dtype=np.float32)
    factor = 2.0 if boundary == "fixed" else 0.0
    for end in (0, -1):
        out[(slice(None),) * axis + (end,)] *= factor
    return out


def _sides(faces: list[Field]) -> list[Field]:
    lower = [k[(slice(None),) * a + (slice(0, -1),)] for a, k in enumerate(faces)]
    upper = [k[(slice(None),) * a + (slice(1, None),)] for a, k in enumerate(faces)]
    return lower + upper


def _face_sum(faces: list[Field]) -> Field:
    return np.sum(_sides(faces), axis=0, dtype=np.float32)


def _limited(faces: list[Field], w: Field) -> tuple[list[Field], int]:
    rate = w * _face_sum(faces)
    count = int(np.count_nonzero(rate > FASTEST_CELL_PER_S))
    if not count:
        return faces, 0
    share = np.minimum(1.0, FASTEST_CELL_PER_S / np.maximum(rate, 1e-30)).astype(np.float32)
    out = []
    for axis, k in enumerate(faces):
        pad = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        edge = np.pad(share, pad, constant_values=1.0)
        lower = edge[(slice(None),) * axis + (slice(0, -1),)]
        upper = edge[(slice(None),) * axis + (slice(1, None),)]
        out.append(k * np.minimum(lower, upper))
    return out, count


def _padded_faces(faces: Field, axis: int, shape: tuple[int, int, int]) -> Field:
    """Face i of the cells lies at padded index i + 1 along its own axis: between padded cells i and i + 1."""
    out = np.zeros(tuple(n + 2 for n in shape), dtype=np.float32)
    window = tuple(slice(1, None) if a == axis else slice(1, -1) for a in range(3))
    out[window] = faces
    return out


def _flat(index: tuple[NDArray, ...], shape: tuple[int, ...], offset: tuple[int, int, int]) -> NDArray[np.int64]:
    """Flat padded index of the cells ``index + offset``."""
    _, ny, nz = (n + 2 for n in shape)
    i, j, k = (np.asarray(a, dtype=np.int64) + 1 + o for a, o in zip(index, offset, strict=True))
    return (i * ny + j) * nz + k


def _unit(axis: int, sign: int) -> tuple[int, int, int]:
    return (sign * (axis == 0), sign * (axis == 1), sign * (axis == 2))


def _sink_links(held: NDArray[np.bool_]) -> Links:
    """Faces between a free cell (a) and a held one (b)."""
    out: Links = ([], [], [])
    for axis in range(3):
        size = tuple(n + (a == axis) for a, n in enumerate(held.shape))
        lower = held[(slice(None),) * axis + (slice(0, -1),)]
        upper = held[(slice(None),) * axis + (slice(1, None),)]
        parts = []
        for free_is_lower in (True, False):
            index = np.nonzero((upper & ~lower) if free_is_lower else (lower & ~upper))
            low, high = _flat(index, held.shape, (0, 0, 0)), _flat(index, held.shape, _unit(axis, 1))
            face = np.ravel_multi_index(tuple(c + (a == axis) for a, c in enumerate(index)), size)
            parts.append((face, low, high) if free_is_lower else (face, high, low))
        for column, values in zip(out, zip(*parts, strict=True), strict=True):
            column.append(np.concatenate(values).astype(np.int64))
    return out


def _outer_links(held: NDArray[np.bool_]) -> Links:
    """Faces between a free edge cell (a) and its ghost (b)."""
    out: Links = ([], [], [])
    for axis in range(3):
        size = tuple(n + (a == axis) for a, n in enumerate(held.shape))
        parts = []
        for end, sign in ((0, -1), (held.shape[axis] - 1, 1)):
            edge = np.nonzero(~held.take(end, axis))
            index = (*edge[:axis], np.full(edge[0].size, end), *edge[axis:])
            face = np.ravel_multi_index(tuple(c + (a == axis and sign > 0) for a, c in enumerate(index)), size)
            cell, ghost = _flat(index, held.shape, (0, 0, 0)), _flat(index, held.shape, _unit(axis, sign))
            parts.append((face, cell, ghost))
        for column, values in zip(out, zip(*parts, strict=True), strict=True):
            column.append(np.concatenate(values).astype(np.int64))
    return out
