"""What the kernels need of shafts and of faces to fixed temperatures, packed into flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.fields import FixedFaces, FluidCells
from vertherm.heat.problem import Field
from vertherm.heat.shaft import BoundShaft

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fin:
    """All shafts' nodes one after another.

    Args:
        cells, weights, starts: flat padded cells of each node and their share in its tissue temperature.
        operator: (nodes, nodes), heat in W/m per kelvin of the tissue around the nodes; zero between shafts.
        blocks: (nodes, 2), first node and one past the last of each node's shaft.
        gain: (nodes,), what spreads W/m over cells: piece of length over cell size.
        piece_m: (nodes,), length of each node's piece.
        held: (nodes,), share of its heat that falls on cells of fixed temperature.
        rows: (rows, 2), padded i and j of every row it touches.
        of: nodes of each shaft.
        spread: the cells in order, their weights and nodes, and the offset of each padded plane's first (planes + 1).
    """

    cells: Index
    weights: Array
    starts: Index
    operator: Array
    blocks: Index
    gain: Array
    piece_m: Array
    held: Array
    rows: Index
    of: tuple[slice, ...]
    spread: tuple[Index, Array, Index, Index]

    @staticmethod
    def pack(shafts: Sequence[BoundShaft], w: Field, spacing_m: float) -> Fin:
        """Pack ``shafts``; ``w`` is padded and 0 in cells of fixed temperature."""
        sizes = [s.g.size for s in shafts]
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        of = tuple(slice(int(a), int(b)) for a, b in pairwise(first))
        cells = np.concatenate([s.cells for s in shafts] or [np.zeros(0, np.int64)]).astype(np.int64)
        weights = np.concatenate([s.weights for s in shafts] or [np.zeros(0)])
        lengths = np.concatenate([np.diff(s.starts) for s in shafts] or [np.zeros(0, np.int64)])
        operator, blocks = np.zeros((int(first[-1]),) * 2), np.zeros((int(first[-1]), 2), dtype=np.int64)
        for shaft, nodes in zip(shafts, of, strict=True):
            operator[nodes, nodes] = shaft.operator
            blocks[nodes] = nodes.start, nodes.stop
        piece = np.repeat([s.step_m for s in shafts], sizes).astype(np.float64)
        fixed = (w.reshape(-1)[cells] == 0.0) * weights
        node = np.repeat(np.arange(lengths.size), lengths)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        held = np.bincount(node, fixed, minlength=lengths.size).astype(np.float64)
        rows = rows_of(cells, w.shape)
        order = np.argsort(cells, kind="stable")
        spread = cells[order], weights[order], node[order], _offsets(cells[order], w.shape)
        return Fin(cells, weights, starts, operator, blocks, piece / spacing_m, piece, held, rows, of, spread)

    @property
    def group(self) -> tuple[Index, Array, Index, Array, Index]:
        """What the kernels take."""
        return self.cells, self.weights, self.starts, self.operator, self.blocks

    def heats_w(self, per_m: Array) -> tuple[Array, Array]:
        """W of each shaft (..., shafts) and W that fall on fixed cells (...), from W/m of the nodes (..., nodes)."""
        watts = per_m * self.piece_m
        total = np.zeros((*per_m.shape[:-1], len(self.of)))
        for number, nodes in enumerate(self.of):
            total[..., number] = watts[..., nodes].sum(axis=-1)
        return total, (watts * self.held).sum(axis=-1)


Planes = tuple[NDArray[np.int32], Field, Index]


FluidPlanes = tuple[NDArray[np.int32], Field, Field, Index]


def by_plane(faces: FixedFaces, shape: tuple[int, ...]) -> Planes:
    """Cells, weights and the offset of each padded plane's first face (planes + 1); the cells are in order."""
    return faces.cells, faces.weights, _offsets(faces.cells, shape)


def fluid_by_plane(fluid: FluidCells, shape: tuple[int, ...]) -> FluidPlanes:
    """Cells, weights, load and the offset of each padded plane's first cell (planes + 1)."""
    return fluid.cells, fluid.weights, fluid.load, _offsets(fluid.cells, shape)


def _offsets(cells: NDArray[np.integer], shape: tuple[int, ...]) -> Index:
    edges = np.arange(shape[0] + 1, dtype=np.int64) * (shape[1] * shape[2])
    return np.searchsorted(cells, edges).astype(np.int64)


def rows_of(cells: NDArray[np.integer], shape: tuple[int, ...]) -> Index:
    """Padded i and j of every row that flat padded ``cells`` lie in, (rows, 2)."""
    lines = np.unique(cells // shape[2]).astype(np.int64)
    return np.stack([lines // shape[1], lines % shape[1]], axis=1)
