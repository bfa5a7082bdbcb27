"""Structures and sensors followed through a run: their temperature at every step, their peak and its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError

Index = NDArray[np.int64]


@dataclass(frozen=True)
class StructurePeak:
    """The extremes of one structure.

    Args:
        peak_c: highest temperature in any of its cells at any step.
        peak_time_s: when.
        cem43_min: largest dose of any of its cells.
        omega: largest Arrhenius integral of any of its cells.
        last_c: its highest temperature at the end of the run.
        cells: number of cells it has on the heat grid.
    """

    peak_c: float
    peak_time_s: float
    cem43_min: float
    omega: float
    last_c: float
    cells: int


@dataclass(eq=False)
class Tracker:
    """Histories of structures (largest temperature of their cells) and of point sensors (trilinear).

    Args:
        shape: cells of the grid.
        structures: flat C-order cell indices by name.
        sensors: fractional cell indices (3,) by name, 0 at the centre of the first cell.
    """

    shape: tuple[int, int, int]
    structures: Mapping[str, Index]
    sensors: Mapping[str, NDArray[np.float64]]
    cells: Index = field(init=False)
    starts: Index = field(init=False)
    sensor_cells: Index = field(init=False)
    sensor_weights: NDArray[np.float64] = field(init=False)
    times: list[float] = field(default_factory=list)
    rows: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = [self._cells(name, indices) for name, indices in self.structures.items()]
        self.cells = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        self.starts = np.concatenate([[0], np.cumsum([p.size for p in parts])]).astype(np.int64)
        corners = [trilinear(self.shape, name, index) for name, index in self.sensors.items()]
        self.sensor_cells = np.array([c for c, _ in corners], dtype=np.int64).reshape(-1, 8)
        self.sensor_weights = np.array([w for _, w in corners], dtype=np.float64).reshape(-1, 8)

    def _cells(self, name: str, indices: Index) -> Index:
        flat = np.asarray(indices)
        flat = np.flatnonzero(flat) if flat.dtype == bool else flat.astype(np.int64).ravel()
        if flat.size == 0 or flat.min() < 0 or flat.max() >= int(np.prod(self.shape)):
            raise InputError(
                "A structure has no cells on the heat grid, or cells outside it.", where=name, got=f"{flat.size} cells"
            )
        return padded_index(self.shape, np.unravel_index(flat, self.shape))

    @property
    def names(self) -> tuple[str, ...]:
        """Structures, then sensors: the columns of a row."""
        return (*self.structures, *self.sensors)

    def record(self, time_s: float, row: NDArray[np.float64]) -> None:
        """Append the readings (degC) of one moment."""
        self.times.append(time_s)
        self.rows.append(row)

    def curves(self) -> dict[str, NDArray[np.float64]]:
        """Temperature in degC at every step by name, with ``time_s``."""
        table = np.array(self.rows).reshape(len(self.times), len(self.names))
        return {"time_s": np.array(self.times), **{name: table[:, n].copy() for n, name in enumerate(self.names)}}

    def peaks(self, cem43_min: NDArray, omega: NDArray) -> dict[str, StructurePeak]:
        """Extremes of every structure; the maps have the shape of the grid."""
        curves = self.curves()
        out = {}
        for name, indices in self.structures.items():
            flat = np.flatnonzero(indices) if np.asarray(indices).dtype == bool else np.asarray(indices).ravel()
            curve = curves[name]
            at = int(np.argmax(curve))
            cem, om = float(cem43_min.reshape(-1)[flat].max()), float(omega.reshape(-1)[flat].max())
            out[name] = StructurePeak(
                float(curve[at]), float(curves["time_s"][at]), cem, om, float(curve[-1]), int(flat.size)
            )
        return out

    def settled(self, threshold_c: float, field_max_c: float) -> bool:
        """True where every structure has peaked and is below ``threshold_c``.

        A structure has peaked once it is 0.01 K below its highest temperature and falling. One that is still rising
        counts as settled only where the whole grid is below the threshold (then it can never reach it: without a
        source no cell exceeds the hottest one), it is below 39 degC and rises by less than 0.1 K a minute.
        """
        if len(self.rows) < 2:
            return False
        last, before = self.rows[-1], self.rows[-2]
        dt = self.times[-1] - self.times[-2]
        table = np.max(np.array(self.rows), axis=0)
        for n in range(len(self.structures)):
            if last[n] >= threshold_c:
                return False
            fallen = last[n] <= table[n] - 0.01 and last[n] <= before[n]
            harmless = field_max_c < threshold_c and last[n] < 39.0 and last[n] - before[n] < 0.1 * dt / 60.0
            if not (fallen or harmless):
                return False
        return True


def padded_index(shape: tuple[int, int, int], index: tuple[NDArray, ...]) -> Index:
    """Flat index into arrays with one ghost layer."""
    i, j, k = (np.asarray(a, dtype=np.int64) + 1 for a in index)
    return (i * (shape[1] + 2) + j) * (shape[2] + 2) + k


def trilinear(shape: tuple[int, int, int], name: str, index: NDArray[np.float64]) -> tuple[Index, NDArray[np.float64]]:
    """The eight padded cells around a fractional cell index and their weights.

    Raises:
        InputError: the point lies outside the grid.
    """
    point = np.asarray(index, dtype=np.float64)
    top = np.array(shape) - 1
    if point.shape != (3,) or not np.isfinite(point).all() or (point < -0.5).any() or (point > top + 0.5).any():
        expected = f"within {shape} cells"
        raise InputError("A point lies outside the heat grid.", where=name, got=point.tolist(), expected=expected)
    point = np.clip(point, 0, top)
    low = np.minimum(np.floor(point).astype(np.int64), np.maximum(top - 1, 0))
    share = point - low
    cells, weights = [], []
    for corner in np.ndindex(2, 2, 2):
        at = np.minimum(low + corner, top)
        cells.append(int(padded_index(shape, tuple(at))))
        weights.append(float(np.prod(np.where(np.array(corner) == 1, share, 1 - share))))
    return np.array(cells), np.array(weights)
