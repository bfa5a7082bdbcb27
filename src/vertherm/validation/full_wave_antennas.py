"""An antenna's full wave in media that its axisymmetric solve can do exactly: same answer wanted, three ways."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import load_antenna
from vertherm.applicator.axisymmetric import AxisymmetricModel, AxisymmetricSolution
from vertherm.applicator.fullwave.incident import IncidentField
from vertherm.applicator.fullwave.power import axisymmetric_density
from vertherm.applicator.fullwave.result import FullWaveResult
from vertherm.applicator.fullwave.solve import FullWaveNumerics, full_wave
from vertherm.applicator.medium import Homogeneous, Layered, Medium
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid

ANTENNA, FREQUENCY_HZ = "tosoratti_mini_choke", 2.45e9
LIVER = Homogeneous(43.03, 1.69)
BONE = Homogeneous(18.5, 0.805)
LAYER_MM = 8.0
LAYERED = Layered((LAYER_MM,), (18.5, 48.0), (0.805, 1.8))
"""Cancellous bone to 8 mm from the needle, tumour beyond."""
NEEDLE = Trajectory(np.array([10.0, 4.0, 100.0]), np.array([-1.3, 0.1, 0.0]))
"""Oblique and off the cells' centres."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A full wave beside the axisymmetric answer for the same medium, on the heat cells compared.

    Attributes:
        result: the full wave.
        field, density: relative L2 differences of |E| and of q.
        shape: the same of q with both scaled to equal power: what is left without the amplitude.
        expected_s11: reflection of the axisymmetric answer.
    """

    result: FullWaveResult
    field: float
    density: float
    shape: float
    expected_s11: complex


@cache
def solved(medium: Homogeneous | Layered) -> AxisymmetricSolution:
    """The antenna in a medium, its mesh fitted to the layer."""
    return AxisymmetricModel(load_antenna(ANTENNA), FREQUENCY_HZ, fit_radii_mm=(LAYER_MM,)).solve(medium)


@cache
def compare(
    start: Homogeneous | Layered,
    patient: Homogeneous | Layered,
    formulation: str,
    *,
    spacing_mm: float = 0.5,
    reach_mm: float = 18.0,
    from_mm: float = 4.0,
    to_mm: float = 15.0,
) -> Comparison:
    """Full wave from the solution in ``start`` within cells of ``patient``, against the solution in ``patient``.

    Compared between two radii and 15 mm either side of the power's centre, without the cells near a layer, where the
    reference itself has no cell value.
    """
    antenna = load_antenna(ANTENNA)
    middle, half = np.array([0.0, 0.0, 13.0]), reach_mm + 2
    grid = Grid.isotropic(middle - half, middle + half, 1.0)
    eps, sigma = cell_means(grid, patient)
    result = full_wave(
        grid, NEEDLE, antenna, solved(start), start, eps, sigma, formulation=formulation,
        numerics=FullWaveNumerics(spacing_mm=spacing_mm, reach_mm=reach_mm),
    )  # fmt: skip
    wanted = solved(patient)
    expected = axisymmetric_density(grid, NEEDLE, IncidentField.of(wanted, antenna), antenna, sigma)
    r, z = NEEDLE.cylindrical_mm(grid.centres())
    chosen = result.inside & (r >= from_mm) & (r <= to_mm) & (np.abs(z - 14.0) < 15.0)
    chosen &= (np.abs(r - LAYER_MM) > 1.5) | (start is patient and isinstance(patient, Homogeneous))
    got, true = result.q[chosen].astype(float), expected[chosen].astype(float)
    return Comparison(
        result,
        _difference(np.sqrt(got), np.sqrt(true)),
        _difference(got, true),
        _difference(got * true.sum() / got.sum(), true),
        wanted.s11,
    )


def cell_means(grid: Grid, medium: Medium, subs: int = 4) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Volume means of a medium around the needle on the cells of a grid."""
    eps, sigma = np.zeros(grid.shape), np.zeros(grid.shape)
    centres, ticks = grid.centres(), ((np.arange(subs) + 0.5) / subs - 0.5) * float(grid.spacing_mm[0])
    for x in ticks:
        for y in ticks:
            for z in ticks:
                r, along = NEEDLE.cylindrical_mm(centres + np.array([x, y, z]))
                one, other = medium(r * 1e-3, along * 1e-3)
                eps, sigma = eps + one, sigma + other
    return (eps / subs**3).astype(np.float32), (sigma / subs**3).astype(np.float32)


def _difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
