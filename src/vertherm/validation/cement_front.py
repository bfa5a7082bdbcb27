"""Validation rows of the cement's moving front: ball, needle pressure, layers, channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.front import Filling, Injection, fill
from vertherm.validation.case import Case

Array = NDArray[np.float32]
POROSITY, PERMEABILITY_M2 = 0.8, 4e-9
FLOW_M3_S, VISCOSITY_PA_S = 1e-6 / 30.0, 200.0
BALL_ML, NEEDLE_ML, LAYERS_ML, CHANNEL_ML = 6.0, 3.0, 0.6, 0.032
WATSON = 0.25273
"""Resistance from a node of the cubic lattice to infinity, in units of one bond (Watson 1939)."""
STEADY = Injection(FLOW_M3_S * 1e6, 1.0, lambda _: VISCOSITY_PA_S, 0.0, 0.0)
CASE = "cement front, cells of 1 mm"


def even(shape: tuple[int, int, int]) -> tuple[Array, Array]:
    """Porosity and permeability of an even medium."""
    return np.full(shape, POROSITY, np.float32), np.full(shape, PERMEABILITY_M2, np.float32)


def ball_radius_m(volume_ml: float) -> float:
    """R = (3 V / (4 pi phi))^(1/3)."""
    return float((3.0 * volume_ml * 1e-6 / (4.0 * np.pi * POROSITY)) ** (1.0 / 3.0))


def filled_from_one_cell(n: int, volume_ml: float) -> tuple[Filling, NDArray[np.float64]]:
    """A fill from the middle cell of n^3, and every cell's distance from it in mm."""
    porosity, permeability = even((n, n, n))
    offset = np.indices((n, n, n)) - n // 2
    opening = np.array([np.ravel_multi_index((n // 2,) * 3, (n, n, n))])
    found = fill(porosity, permeability, 1.0, opening, replace(STEADY, volume_ml=volume_ml))
    return found, np.sqrt((offset**2).sum(axis=0))


def ball_cases() -> list[Case]:
    """Shape, volume and pressure in an even medium."""
    found, radius = filled_from_one_cell(41, BALL_ML)
    partly = (found.saturation > 0.02) & (found.saturation < 0.98)
    held = float(found.saturation.astype(np.float64).sum()) * POROSITY / 1000.0
    needle, _ = filled_from_one_cell(35, NEEDLE_ML)
    source = 4.0 * np.pi * WATSON / 1e-3
    pressure = (
        FLOW_M3_S * VISCOSITY_PA_S / (4.0 * np.pi * PERMEABILITY_M2) * (source - 1.0 / ball_radius_m(NEEDLE_ML)) * 1e-3
    )
    return [
        Case(
            CASE, f"radius of a ball of {BALL_ML:g} ml", 1e3 * ball_radius_m(BALL_ML), "R = (3 V / 4 pi phi)^(1/3)",
            float(radius[partly].mean()), 0.15, "mm",
        ),
        Case(CASE, "volume that the cells hold", BALL_ML, "what was injected", held, 0.01 * BALL_ML, "ml"),
        Case(
            CASE, f"pressure in a cell-sized needle, {NEEDLE_ML:g} ml", pressure,
            "Q mu / (4 pi K) (1 / a - 1 / R), a = h / (4 pi 0.2527) (Watson 1939)",
            float(needle.pressure_pa[-1]) * 1e-3, 0.01 * pressure, "kPa",
        ),
    ]  # fmt: skip


def layer_cases() -> list[Case]:
    """Two layers with a wall between them, a channel in next to nothing, and two layers one behind the other."""
    shape = (60, 9, 3)
    porosity, permeability = even(shape)
    permeability[:, :4] *= 4.0
    porosity[:, 4] = 0.0
    found = fill(porosity, permeability, 1.0, _first_layer(shape), replace(STEADY, volume_ml=LAYERS_ML))
    fast, slow = (float(found.saturation[:, rows].sum(axis=0).mean()) for rows in (slice(0, 4), slice(5, 9)))
    return [
        Case(CASE, "fronts of two layers side by side, K 4 : 1", 2.0, "sqrt(K1 / K2)", fast / slow, 0.12, "1"),
        _channel(),
        _series(),
    ]


def _channel() -> Case:
    shape = (60, 7, 7)
    porosity, permeability = even(shape)
    permeability[:] = 1e-14
    permeability[:, 3, 3] = 1e-9
    opening = np.array([np.ravel_multi_index((0, 3, 3), shape)])
    found = fill(porosity, permeability, 1.0, opening, replace(STEADY, volume_ml=CHANNEL_ML))
    depth = CHANNEL_ML * 1e3 / POROSITY
    got = float(found.saturation[:, 3, 3].sum())
    return Case(CASE, "depth of a channel of 1 mm2", depth, "V / (phi A)", got, 0.05 * depth, "mm")


def _series() -> Case:
    """The rise of pressure from 0.1 to 0.2 ml, all of it in the second layer."""
    shape = (40, 3, 3)
    porosity, permeability = even(shape)
    permeability[10:] *= 0.25
    found = fill(porosity, permeability, 1.0, _first_layer(shape), replace(STEADY, volume_ml=0.2))
    area, second = 9e-6, 0.25 * PERMEABILITY_M2
    gradient = FLOW_M3_S * VISCOSITY_PA_S / (area * second)
    expected = gradient * 0.1e-6 / (POROSITY * area) * 1e-6
    low, high = np.interp([0.1, 0.2], found.injected_ml, found.pressure_pa)
    # The front stands in the middle of its cell: each value may be off by half a cell.
    return Case(
        CASE, "rise of pressure in the second of two layers", expected, "Q mu x / (K A)", float(high - low) * 1e-6,
        gradient * 1e-3 * 1e-6, "MPa",
    )  # fmt: skip


def _first_layer(shape: tuple[int, int, int]) -> NDArray[np.intp]:
    return np.arange(shape[1] * shape[2])


def front_cases() -> list[Case]:
    """All rows of the front."""
    return [*ball_cases(), *layer_cases()]
