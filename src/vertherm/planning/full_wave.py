"""The full-wave check of a treatment: each antenna's power density solved in three dimensions on the patient's cells.

The solve is made once, for the tissue as it is at 37 °C, on the sub-cells of the tissue map (0.5 mm where the heat grid
has 1 mm). What it changes, the ratio of the full-wave power density to the axisymmetric one in every cell, multiplies
the axisymmetric power density of every later solve of the coupled run: how the field bends around the canal is a matter
of the anatomy, how tissue dries near the antenna one of the axisymmetric solve. The ratio is scaled so that at 37 °C it
moves power and makes none: reflection at the antenna's port stays that of the axisymmetric solve. Where tissue has
dried since, the absorbed power follows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.axisymmetric import AxisymmetricModel, AxisymmetricSolution
from vertherm.applicator.cache import SolutionCache
from vertherm.applicator.deposition import Deposition
from vertherm.applicator.fullwave.result import FullWaveResult
from vertherm.applicator.fullwave.solve import FullWaveNumerics, full_wave
from vertherm.applicator.medium import Medium
from vertherm.core.errors import SolverError
from vertherm.core.progress import Progress, silent
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.emission import ABOVE_MM, field_reach_mm
from vertherm.heat.setup import Emitter, Setup

Field = NDArray[np.float32]
Device = Literal["cpu", "cuda"]
SOURCE_ORDER = 3
"""Polynomial order of the axisymmetric field that drives the solve: good to 0.2 % at a point, order 2 to 2 %."""
LARGEST_RATIO = 20.0
"""Where the rotated field all but vanishes (in air, at its nodes) the ratio has no bound; such cells carry no heat."""
LARGEST_POWER_CHANGE = 0.15
"""A full wave that absorbs so much more or less is no redistribution any more: the factor on the rows must stay."""


def with_full_wave(
    setup: Setup,
    *,
    factor_beyond: float = 1.0,
    spacing_mm: float = 0.5,
    threads: int = 1,
    device: Device = "cpu",
    progress: Progress = silent,
) -> Setup:
    """The setup with every antenna's redistribution, and words on how it was found.

    Args:
        factor_beyond: on the power density of neural cells that lie outside the block of the solve.
        spacing_mm: largest edge of the cells of the solve.
        threads: threads of the solve.
        device: where it runs.

    Raises:
        SolverError: a solve did not reach its steady state; the local SAR factor is then the honest choice.
    """
    emitters, words = [], []
    for emitter in setup.emitters:
        ratio, inside, text = _redistribution(setup, emitter, spacing_mm, threads, device, progress)
        beyond = setup.neural_cells[~inside.reshape(-1)[setup.neural_cells]]
        ratio.reshape(-1)[beyond] = factor_beyond
        emitters.append(replace(emitter, redistribution=ratio))
        words.append(text if len(setup.emitters) == 1 else f"{emitter.name}: {text}")
    return replace(setup, emitters=tuple(emitters), full_wave="; ".join(words))


def carried_over(coarse: Setup, fine: Setup) -> Setup:
    """A setup on a coarser grid with the redistributions of another one of the same antennas.

    Args:
        coarse: without redistributions.
        fine: after the full wave; its antennas are found by name.
    """
    known = {emitter.name: emitter.redistribution for emitter in fine.emitters}
    emitters = []
    for emitter in coarse.emitters:
        ratio = known[emitter.name]
        if ratio is not None:
            ratio = Volume(ratio, fine.tissue.grid).resampled(coarse.tissue.grid, outside=1.0).data.astype(np.float32)
        emitters.append(replace(emitter, redistribution=ratio))
    return replace(coarse, emitters=tuple(emitters), full_wave=fine.full_wave)


def _redistribution(
    setup: Setup, emitter: Emitter, spacing_mm: float, threads: int, device: Device, progress: Progress
) -> tuple[Field, NDArray[np.bool_], str]:
    tissue = setup.tissue
    values = np.array([p.permittivity(emitter.frequency_hz) for p in tissue.palette], dtype=np.float32)
    eps, sigma = tissue.cell_mean(values[:, 0]), tissue.cell_mean(values[:, 1])
    reach = field_reach_mm(setup, emitter.frequency_hz)
    deposition = Deposition(
        tissue.grid,
        emitter.trajectory,
        emitter.antenna.shaft_radius_mm,
        reach_mm=reach,
        axial_mm=(-reach, reach + ABOVE_MM),
        outline_mm=emitter.antenna.outer_radius_mm,
    )
    medium = deposition.azimuthal_mean(eps, sigma)
    # Sub-cells hold what the CT's partial volume tells; cells that are fine enough need none.
    parts = 1 if tissue.grid.spacing_mm.mean() <= spacing_mm else tissue.subdivision
    result = full_wave(
        sub_grid(tissue.grid, parts),
        emitter.trajectory,
        emitter.antenna,
        _source(emitter, reach, medium),
        medium,
        eps if parts == 1 else values[tissue.index, 0],
        sigma if parts == 1 else values[tissue.index, 1],
        threads=threads,
        device=device,
        numerics=FullWaveNumerics(spacing_mm=spacing_mm),
        progress=progress,
    )
    if not result.converged:
        raise SolverError(
            "The full-wave solve did not reach its steady state.",
            where=emitter.name,
            got=result.text,
            advice='use [numerics] fidelity = "axisymmetric": the rows then carry the local SAR factor',
        )
    rotated, full, inside = (_mean(field, parts) for field in (result.q_axisymmetric, result.q, result.inside))
    ratio, power = redistribution(rotated, full, inside == 1.0)
    if abs(power - 1.0) > LARGEST_POWER_CHANGE:
        raise SolverError(
            "The full-wave solve absorbs another power than the axisymmetric one.",
            where=emitter.name,
            got=f"{100 * (power - 1):+.0f} %",
            expected=f"within {100 * LARGEST_POWER_CHANGE:.0f} %",
        )
    return ratio, inside == 1.0, _words(result, rotated, ratio, setup.neural_cells, power)


def sub_grid(grid: Grid, subdivision: int) -> Grid:
    """The grid of a tissue map's sub-cells."""
    affine = grid.affine.copy()
    affine[:3, :3] /= subdivision
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, 0.5 * (subdivision - 1))
    nx, ny, nz = (n * subdivision for n in grid.shape)
    return Grid((nx, ny, nz), affine, grid.frame)


def _mean(fine: NDArray, subdivision: int) -> Field:
    """Mean of every cell's sub-cells."""
    nx, ny, nz = (n // subdivision for n in fine.shape)
    blocks = fine.reshape(nx, subdivision, ny, subdivision, nz, subdivision)
    return blocks.mean(axis=(1, 3, 5), dtype=np.float32)


def _source(emitter: Emitter, reach_mm: float, medium: Medium) -> AxisymmetricSolution:
    model = AxisymmetricModel(
        emitter.antenna,
        emitter.frequency_hz,
        radius_mm=reach_mm,
        below_mm=reach_mm,
        above_mm=reach_mm + ABOVE_MM,
        order=SOURCE_ORDER,
    )
    return SolutionCache().solve(model, medium)


def redistribution(rotated: Field, full: Field, inside: NDArray[np.bool_]) -> tuple[Field, float]:
    """Factor on the rotated power density that gives the full-wave one, power kept; and full over rotated power.

    Args:
        rotated: axisymmetric power density turned around the needle, W/m3 per watt forward, any shape.
        full: full-wave power density of the same cells.
        inside: cells that the full-wave solve holds; the others keep a factor of 1.

    Returns:
        float32 factor of the same shape, and the share of the rotated power that the full wave puts into ``inside``.
    """
    heated = inside & (rotated > 1e-9 * float(rotated.max()))
    ratio = np.ones(rotated.shape, np.float32)
    ratio[heated] = np.clip(full[heated] / rotated[heated], 0.0, LARGEST_RATIO)
    before, after = (float((rotated * factor)[heated].sum(dtype=np.float64)) for factor in (np.float32(1), ratio))
    if after <= 0.0:
        raise SolverError("The full-wave solve puts no power into the tissue.", got=f"{after:.3g} of {before:.3g}")
    ratio[heated] *= np.float32(before / after)
    return ratio, after / before


def _words(result: FullWaveResult, rotated: Field, ratio: Field, neural_cells: NDArray[np.int64], power: float) -> str:
    rotated = rotated.reshape(-1)[neural_cells].astype(np.float64)
    full = rotated * ratio.reshape(-1)[neural_cells]
    beside = "no power in neural cells"
    if rotated.sum() > 0:
        beside = (
            f"neural cells take {full.sum() / rotated.sum():.2f} times the power of the rotated field, the hottest of "
            f"them {full.max() / rotated.max():.2f} times its density"
        )
    return (
        f"run on the tissue at 37 °C ({result.text}); {beside}; {100 * (power - 1):+.1f} % power before it was "
        "scaled to the axisymmetric one; no local SAR factor"
    )
