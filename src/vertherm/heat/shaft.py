"""The needle's shaft as a fin: metal that conducts along the needle, heats itself, is cooled, and touches the tissue.

Along the needle, per metre of length and with T_s the shaft's temperature:

    kA T_s'' + q - film (T_s - T_coolant) - ambient (T_s - T_room) - g (T_s - T_tissue) = 0

The fin is quasi-steady: metal passes on in a second what tissue takes minutes for, and what the shaft stores is counted
in the cells it displaces (metal and tissue store nearly the same per volume). T_s is therefore a linear function of the
tissue's temperatures around it, T_s = R (q + film T_coolant + ambient T_room + g T_tissue) with a small dense R, and is
evaluated inside every stage of the time integrator. Its operator g R g - g is symmetric and between -g and 0, so
that it conserves energy exactly, keeps second order, and never limits the step, however well the metal conducts.

The tissue is touched on a ring of points at the shaft's radius (trilinear both ways), so that the exchange does not
depend on how the needle lies in the grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid
from vertherm.heat.problem import BioheatProblem, Field

Array = NDArray[np.float64]
RING_POINTS = 12
RING_OFFSET = 0.22
"""The tissue temperature read on the ring is that of tissue this share of a cell outside the shaft's surface: what the
trilinear ring resolves. Calibrated on the steady perfused cylinder (tests/heat/test_shaft.py)."""


@dataclass(frozen=True, eq=False)
class ShaftFin:
    """One needle's shaft.

    Args:
        trajectory: where the needle lies.
        radius_mm: outer radius of the shaft.
        from_mm, to_mm: the part of the needle that is this fin, measured from the tip (usually from above the
            radiating part to the hub outside the skin).
        axial_w_m_k: sum of conductivity times cross-section of its metals, W m/K.
        film_w_mk: conductance to the coolant per metre of length, W/mK (coefficient times wetted perimeter); 0: none.
        coolant_c: mean temperature of the coolant; needed where it is cooled.
        cooled_from_mm: distance from the tip at which the coolant turns round; None: it cools the whole fin.
        ambient_w_mk: conductance per metre to the room, for the part in air.
        ambient_c: temperature of the room.
        contact_w_mk: conductance of the wall between metal and tissue (catheter) per metre; None: perfect contact.
        heat_capacity_j_mk: heat capacity per metre, in place of that of the displaced tissue; None: like tissue.
        node_mm: distance of nodes.
    """

    trajectory: Trajectory
    radius_mm: float
    from_mm: float
    to_mm: float
    axial_w_m_k: float
    film_w_mk: float = 0.0
    coolant_c: float | None = None
    cooled_from_mm: float | None = None
    ambient_w_mk: float = 0.0
    ambient_c: float = 22.0
    contact_w_mk: float | None = None
    heat_capacity_j_mk: float | None = None
    node_mm: float = 1.0

    def __post_init__(self) -> None:
        positive = {"radius_mm": self.radius_mm, "length": self.to_mm - self.from_mm, "node_mm": self.node_mm}
        for name, value in positive.items():
            if not (np.isfinite(value) and value > 0):
                raise InputError("A shaft is unusable.", where=name, got=value, expected="> 0 mm")
        for name in ("axial_w_m_k", "film_w_mk", "ambient_w_mk"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError("A shaft is unusable.", where=name, got=getattr(self, name), expected=">= 0")
        if self.film_w_mk > 0 and self.coolant_c is None:
            raise InputError("A cooled shaft needs the temperature of its coolant.", where="coolant_c")

    @property
    def nodes_mm(self) -> Array:
        """Distance of the nodes from the tip in mm (centres of equal pieces)."""
        count = max(2, round((self.to_mm - self.from_mm) / self.node_mm))
        return self.from_mm + (np.arange(count) + 0.5) * (self.to_mm - self.from_mm) / count

    def film(self) -> Array:
        """Conductance to the coolant at every node, W/mK."""
        start = self.from_mm if self.cooled_from_mm is None else self.cooled_from_mm
        return np.where(self.nodes_mm >= start, self.film_w_mk, 0.0)

    def resolvent(self, g: Array, air: Array, step_m: float) -> tuple[Array, Array]:
        """R and the constant part of the loads: T_s = R (constant + q + g T_tissue); W/mK and W/m, ends insulated."""
        n = g.size
        neighbours = np.full(n, 2.0)
        neighbours[[0, -1]] = 1.0
        axial = self.axial_w_m_k / step_m**2
        room = self.ambient_w_mk * air
        # The tiny last term keeps a fin that touches nothing at all regular.
        film = self.film()
        diagonal = axial * neighbours + film + room + g + 1e-9
        matrix = np.diag(diagonal) - axial * (np.eye(n, k=1) + np.eye(n, k=-1))
        coolant = film * (self.coolant_c or 0.0)
        return np.asarray(np.linalg.inv(matrix), dtype=np.float64), coolant + room * self.ambient_c

    def bind(self, grid: Grid, problem: BioheatProblem, air: NDArray[np.bool_] | None = None) -> BoundShaft:
        """Tie the fin to the cells of ``problem`` on ``grid``; ``air`` marks cells that a needle hardly touches."""
        if grid.shape != problem.shape:
            raise InputError("The grid does not fit the problem.", got=grid.shape, expected=problem.shape)
        nodes = self.nodes_mm
        points = self._ring(nodes)
        open_air = np.zeros(problem.shape, dtype=bool) if air is None else air
        weights = _ring_weights(grid, points, ~open_air)
        share = np.array([w.sum() for _, w in weights])
        conductivity = _cell_conductivity(problem)
        near = np.array([np.sum(conductivity.reshape(-1)[c] * w) / max(w.sum(), 1e-12) for c, w in weights])
        gap = np.log1p(RING_OFFSET * problem.spacing_m / (self.radius_mm * 1e-3))
        resistance = gap / (2 * np.pi * np.maximum(near, 1e-9))
        if self.contact_w_mk is not None:
            resistance = resistance + 1.0 / self.contact_w_mk
        return BoundShaft.of(self, problem, weights, share / resistance, 1.0 - share)

    def _ring(self, nodes_mm: Array) -> Array:
        axis = self.trajectory.axis
        helper = np.eye(3)[int(np.argmin(np.abs(axis)))]
        u = np.cross(axis, helper)
        u /= np.linalg.norm(u)
        v = np.cross(axis, u)
        angle = (np.arange(RING_POINTS) + 0.5) * 2 * np.pi / RING_POINTS
        ring = self.radius_mm * (np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v)
        return self.trajectory.point_mm(nodes_mm)[:, None, :] + ring


def _ring_weights(grid: Grid, points: Array, tissue: NDArray[np.bool_]) -> list[tuple[NDArray[np.int64], Array]]:
    """Flat cells and weights of each node's ring; points outside the grid and cells in air have no weight."""
    index = grid.index(points)
    inside = grid.contains(points)
    top = np.array(grid.shape) - 1
    index = np.clip(index, 0, top)
    low = np.clip(np.floor(index).astype(np.int64), 0, np.maximum(top - 1, 0))
    corner = np.array(list(np.ndindex(2, 2, 2)))[:, None, :]
    share = (index - low)[:, None]
    weight = np.where(corner == 1, share, 1 - share).prod(axis=-1) * inside[:, None] / points.shape[1]
    at = np.minimum(low[:, None] + corner, top)
    cell = np.ravel_multi_index(tuple(np.moveaxis(at, -1, 0)), grid.shape)
    used = (weight > 0) & tissue.reshape(-1)[cell]
    node = np.nonzero(used)[0]
    code, place = np.unique(node * tissue.size + cell[used], return_inverse=True)
    total = np.bincount(place, weight[used], minlength=code.size)
    starts = np.searchsorted(code, np.arange(1, len(points)) * tissue.size)
    return list(zip(np.split(code % tissue.size, starts), np.split(total, starts), strict=True))


def _cell_conductivity(problem: BioheatProblem) -> Array:
    total = np.zeros(problem.shape)
    for axis, k in enumerate(problem.conductivity_faces):
        total += k[(slice(None),) * axis + (slice(0, -1),)] + k[(slice(None),) * axis + (slice(1, None),)]
    return total / 6.0


def _exchange(fin: ShaftFin, g: Array, air: Array, step_m: float) -> tuple[Array, Array, Array]:
    """Resolvent, operator and load of a bound fin."""
    resolvent, load = fin.resolvent(g, air, step_m)
    return resolvent, g[:, None] * resolvent * g[None, :] - np.diag(g), load


@dataclass(frozen=True, eq=False)
class BoundShaft:
    """A fin tied to the cells of a grid. n nodes; ``cells`` and ``weights`` are lists of all nodes, cut at ``starts``.

    Args:
        fin: the shaft.
        step_m: distance of nodes.
        cells: flat indices into padded arrays.
        weights: their share in the node's tissue temperature, sum 1 a node (0 where it touches no tissue).
        starts: (n + 1) offsets.
        g: conductance to the tissue per metre, W/mK.
        air: share of each node's ring that lies in air or outside the grid.
        resolvent: (n, n), mK/W.
        operator: (n, n) g R g - g, heat into tissue per kelvin of tissue temperature.
        load: (n,) W/m from coolant and room.
        displaced: share of each cell's volume (flat, unpadded) that is shaft.
    """

    fin: ShaftFin
    step_m: float
    cells: NDArray[np.int64]
    weights: Array
    starts: NDArray[np.int64]
    g: Array
    air: Array
    resolvent: Array
    operator: Array
    load: Array
    displaced: dict[int, float]

    @staticmethod
    def of(
        fin: ShaftFin,
        problem: BioheatProblem,
        weights: list[tuple[NDArray[np.int64], Array]],
        g: Array,
        air: Array,
    ) -> BoundShaft:
        """Assemble from the ring weights."""
        from vertherm.heat.tracking import padded_index

        nodes = fin.nodes_mm
        step = float(nodes[1] - nodes[0]) * 1e-3
        resolvent, operator, load = _exchange(fin, g, air, step)
        piece = np.pi * (fin.radius_mm * 1e-3) ** 2 * step / problem.spacing_m**3
        displaced: dict[int, float] = {}
        for cells, w in weights:
            for cell, share in zip(cells.tolist(), w.tolist(), strict=True):
                displaced[cell] = displaced.get(cell, 0.0) + share * piece
        flat = np.concatenate([c for c, _ in weights])
        padded = padded_index(problem.shape, np.unravel_index(flat, problem.shape))
        normal = np.concatenate([w / max(w.sum(), 1e-12) for _, w in weights])
        starts = np.concatenate([[0], np.cumsum([c.size for c, _ in weights])]).astype(np.int64)
        return BoundShaft(fin, step, padded, normal, starts, g, air, resolvent, operator, load, displaced)

    def without_coolant(self) -> BoundShaft:
        """The same shaft after its coolant has been switched off."""
        fin = replace(self.fin, film_w_mk=0.0)
        resolvent, operator, load = _exchange(fin, self.g, self.air, self.step_m)
        return replace(self, fin=fin, resolvent=resolvent, operator=operator, load=load)

    def absent(self) -> BoundShaft:
        """The same shaft while its needle is not in the tissue: no contact, no load."""
        nothing = np.zeros_like(self.g)
        return replace(self, g=nothing, operator=np.zeros_like(self.operator), load=nothing)

    def into(self, problem: BioheatProblem) -> BioheatProblem:
        """The problem with the shaft's heat capacity in place of the displaced tissue's; metal holds no water."""
        if self.fin.heat_capacity_j_mk is None:
            return problem
        cells = np.fromiter(self.displaced.keys(), np.int64, len(self.displaced))
        share = np.minimum(np.fromiter(self.displaced.values(), float, len(self.displaced)), 0.95)
        metal = self.fin.heat_capacity_j_mk / (np.pi * (self.fin.radius_mm * 1e-3) ** 2)
        capacity = problem.capacity.copy()
        capacity.reshape(-1)[cells] = (1 - share) * capacity.reshape(-1)[cells] + share * metal
        latent: Field | None = None
        if problem.latent_j_m3 is not None:
            latent = problem.latent_j_m3.copy()
            latent.reshape(-1)[cells] *= 1 - share
        return replace(problem, capacity=capacity, latent_j_m3=latent)

    def temperature_c(self, tissue_c: Array, source_w_per_m: Array | float = 0.0) -> Array:
        """Shaft temperature at the nodes, given the tissue's around them."""
        return self.resolvent @ (self.load + source_w_per_m + self.g * tissue_c)

    def heat_w_per_m(self, tissue_c: Array, source_w_per_m: Array | float = 0.0) -> Array:
        """Heat from the shaft into the tissue at the nodes."""
        return self.operator @ tissue_c + self.constant(source_w_per_m)

    def removed_w_per_m(self, tissue_c: Array, source_w_per_m: Array | float = 0.0) -> Array:
        """Heat that coolant and room take from the shaft at the nodes."""
        shaft = self.temperature_c(tissue_c, source_w_per_m)
        coolant = self.fin.film() * (shaft - (self.fin.coolant_c or 0.0))
        return coolant + self.fin.ambient_w_mk * self.air * (shaft - self.fin.ambient_c)

    def constant(self, source_w_per_m: Array | float, reference_c: float = 0.0) -> Array:
        """The part of the heat that does not depend on the tissue, with temperatures relative to ``reference_c``."""
        constant = self.g * (self.resolvent @ (self.load + source_w_per_m))
        return constant + self.operator @ np.full(self.g.size, reference_c)
