"""The front of cement in porous bone: Darcy flow in the filled cells, and a front that moves with it.

    div(K / mu grad p) = 0 in the cement,  p = what pushes the marrow away at the front,  phi ds/dt = u_n

Solved on cubic cells in the filled region alone. A front cell is filled by the flow through its faces; the resistance
behind a face is half a full cell, the cement in the front cell, and ``drainage`` of marrow ahead of it in series. With
cement far more viscous than marrow the last part vanishes, and the pattern no longer depends on the viscosity.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError, SolverError

Field = NDArray[np.float32]
Array = NDArray[np.float64]
EXCESS = 0.1
"""Share of a step's volume that may find its cell full and goes in with the next step: sets the length of a step."""
TOLERANCE = 1e-4
"""Imbalance of flow over the whole flow; what goes in is scaled to the rate, so volume does not depend on it."""
MOST_ITERATIONS = 2000
MOST_STEPS = 20_000
TABLE = 200


@dataclass(frozen=True)
class Injection:
    """What is injected, whatever the medium.

    Args:
        rate_ml_s: constant rate.
        volume_ml: wanted.
        viscosity_pa_s: of seconds since the start of this injection.
        marrow_viscosity_pa_s: of what is displaced.
        drainage_mm: length of marrow that is pushed ahead of the front.
    """

    rate_ml_s: float
    volume_ml: float
    viscosity_pa_s: Callable[[float], float]
    marrow_viscosity_pa_s: float
    drainage_mm: float

    def __post_init__(self) -> None:
        given = (self.rate_ml_s, self.volume_ml)
        least = (self.marrow_viscosity_pa_s, self.drainage_mm)
        if not all(np.isfinite(v) and v > 0 for v in given) or not all(np.isfinite(v) and v >= 0 for v in least):
            raise InputError(
                "An injection is unusable.",
                got=f"{self.volume_ml:g} ml at {self.rate_ml_s:g} ml/s, marrow {self.marrow_viscosity_pa_s:g} Pa s "
                f"over {self.drainage_mm:g} mm",
                expected="volume and rate above 0, the others not negative",
            )


@dataclass(frozen=True, eq=False)
class Filling:
    """What an injection fills; fields of the medium's shape.

    Args:
        arrival_ml: float32, injected volume at which a cell became half full; inf: never.
        saturation: float32, share of a cell's pores filled at the end.
        injected_ml, time_s, pressure_pa: (n,) after each step: volume, time, pressure at the needle's opening.
        complete: False: all room that can be reached was full before the volume was in.
        statistics: steps, iterations, wall_s, cells.
    """

    arrival_ml: Field
    saturation: Field
    injected_ml: Array
    time_s: Array
    pressure_pa: Array
    complete: bool
    statistics: dict[str, float]


def fill(
    porosity: Field,
    permeability_m2: Field,
    spacing_mm: float,
    opening_cells: NDArray[np.int64],
    injection: Injection,
    *,
    occupied: NDArray[np.bool_] | None = None,
) -> Filling:
    """Inject into a porous medium.

    Args:
        porosity: (nx, ny, nz), share of each cell that cement can take.
        permeability_m2: likewise; where either is 0 nothing flows. The edge of the grid is closed.
        spacing_mm: edge of a cell.
        opening_cells: flat cells that the needle's opening touches; they share one pressure and fill first, together.
        injection: rate, volume, viscosities.
        occupied: cells that hold cement already: closed.

    Raises:
        InputError: arrays that do not fit or are not finite, or no opening in the medium.
        SolverError: the pressure has no solution.
    """
    started = time.perf_counter()
    free = _checked(porosity, permeability_m2, spacing_mm, occupied)
    from vertherm.cement import front_kernels as kernels

    h = spacing_mm * 1e-3
    shape = tuple(n + 2 for n in porosity.shape)
    state = _padded(np.where(free, kernels.EMPTY, kernels.CLOSED).astype(np.uint8))
    openings = _openings(opening_cells, porosity.shape, shape, state == kernels.EMPTY)
    pores = _padded(porosity.astype(np.float64) * h**3)
    filled, arrival = np.zeros(state.size), np.full(state.size, np.inf)
    at, viscosity = _viscosity(injection)
    resist = injection.drainage_mm * 1e-3 * injection.marrow_viscosity_pa_s / viscosity
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    log = np.zeros((MOST_STEPS, 3))
    steps, volume, cells = kernels.march(
        openings,
        np.concatenate([-strides, strides]),
        state,
        _padded(permeability_m2.astype(np.float64)),
        pores,
        filled,
        h,
        injection.volume_ml * 1e-6,
        at,
        resist,
        arrival,
        log,
        np.array([EXCESS, TOLERANCE, MOST_ITERATIONS]),
    )
    log = log[:steps]
    _check_run(log, steps)
    injected, pressure = _courses(log, volume, injection, at, viscosity)
    statistics = {
        "steps": float(steps),
        "iterations": float(log[:, 2].sum()),
        "cells": float(cells),
        "wall_s": time.perf_counter() - started,
    }
    return Filling(
        arrival_ml=_inner(arrival * 1e6, shape),
        saturation=_inner(filled, shape),
        injected_ml=injected,
        time_s=injected / injection.rate_ml_s,
        pressure_pa=pressure,
        complete=bool(volume >= injection.volume_ml * 1e-6 * (1.0 - 1e-6)),
        statistics=statistics,
    )


def _check_run(log: Array, steps: int) -> None:
    if steps and (not np.isfinite(log[:, 1]).all() or log[:, 2].max() >= MOST_ITERATIONS):
        raise SolverError(
            "The pressure of the cement did not converge.",
            got=f"{log[:, 2].max():.0f} iterations in a step",
            expected=f"fewer than {MOST_ITERATIONS}",
            advice="look for permeabilities that differ by many orders of magnitude from cell to cell",
        )
    if steps >= MOST_STEPS:
        raise SolverError("The front of the cement takes too many steps.", got=steps, expected=f"< {MOST_STEPS}")


def _courses(log: Array, volume_m3: float, injection: Injection, at: Array, viscosity: Array) -> tuple[Array, Array]:
    """Injected volume in ml and pressure in Pa; the last pressure stands for the end, too."""
    if not len(log):
        return np.array([volume_m3 * 1e6]), np.zeros(1)
    volumes = np.append(log[:, 0], max(volume_m3, log[-1, 0]))
    per_flow = np.append(log[:, 1], log[-1, 1])
    return volumes * 1e6, per_flow * injection.rate_ml_s * 1e-6 * np.interp(volumes, at, viscosity)


def _viscosity(injection: Injection) -> tuple[Array, Array]:
    """The cement's viscosity over the injected volume in m3."""
    volumes_ml = np.linspace(0.0, injection.volume_ml, TABLE)
    found = np.array([injection.viscosity_pa_s(float(v) / injection.rate_ml_s) for v in volumes_ml])
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise InputError("The viscosity of the cement is unusable.", got=float(found.min()), expected="Pa s, above 0")
    return volumes_ml * 1e-6, found


def _checked(
    porosity: Field, permeability_m2: Field, spacing_mm: float, occupied: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    if porosity.ndim != 3 or porosity.shape != permeability_m2.shape or not 0 < spacing_mm < np.inf:
        raise InputError(
            "A porous medium is unusable.",
            got=f"porosity {porosity.shape}, permeability {permeability_m2.shape}, cells of {spacing_mm:g} mm",
            expected="two fields of one shape (nx, ny, nz), cells above 0",
        )
    good = np.isfinite(porosity).all() and np.isfinite(permeability_m2).all()
    if not good or porosity.min() < 0 or porosity.max() > 1 or permeability_m2.min() < 0:
        raise InputError("A porous medium holds impossible values.", expected="porosity 0 to 1, permeability from 0")
    free = (porosity > 0) & (permeability_m2 > 0)
    if occupied is None:
        return free
    if occupied.shape != porosity.shape:
        raise InputError("Occupied cells lie on another grid.", got=occupied.shape, expected=porosity.shape)
    return free & ~occupied


def _openings(
    cells: NDArray[np.int64], shape: tuple[int, ...], padded: tuple[int, ...], free: NDArray[np.bool_]
) -> NDArray[np.int64]:
    flat = np.asarray(cells, np.int64)
    inside = (flat >= 0) & (flat < int(np.prod(shape)))
    index = np.stack(np.unravel_index(flat[inside], shape)) + 1
    found = np.ravel_multi_index(tuple(index), padded).astype(np.int64)
    found = np.unique(found[free[found]])
    if not found.size:
        raise InputError(
            "The needle's opening touches no cell that cement can enter.",
            where="opening_cells",
            expected="a cell with porosity and permeability, not occupied",
        )
    return found


def _padded(values: NDArray[Any]) -> NDArray[Any]:
    """Flat, with one closed cell around: neighbours need no check."""
    return np.pad(values, 1).reshape(-1)


def _inner(values: Array, shape: tuple[int, ...]) -> Field:
    return values.reshape(shape)[1:-1, 1:-1, 1:-1].astype(np.float32)
