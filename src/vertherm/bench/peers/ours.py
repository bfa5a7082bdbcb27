"""Vertherm's bioheat solver on the problems, as a treatment uses it: sub-cell tissue map, shut-down, doses, ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.bench.peers.outcome import Clock, Outcome
from vertherm.bench.peers.problem import ARTERIAL_C, Floats, Problem


def run(
    problem: Problem,
    spacing_mm: float = 1.0,
    *,
    threads: int = 1,
    subdivision: int = 2,
    limits: dict[str, float] | None = None,
    stairs: bool = False,
    order: int = 4,
) -> Outcome:
    """Solve on cubic cells of ``spacing_mm``.

    Args:
        threads: of sweeps and of sampling.
        subdivision: sub-points per cell and axis.
        limits: of the steps (``StepLimits``); None: the solver's defaults.
        stairs: label voxels without partial volume, for comparison.
        order: in space, 2 or 4 (``heat/fourth_order.py``: where the tissue is uniform).
    """
    from vertherm.heat.bioheat import BioheatSolver, StepLimits
    from vertherm.heat.fourth_order import use_fourth_order

    clock = Clock()
    heat, grid = tissue_arrays(problem, spacing_mm, threads, subdivision, stairs, clock)
    sensors = {str(n): grid.index(point) for n, point in enumerate(problem.probes_mm)}
    solver = BioheatSolver(
        heat,
        threads=threads,
        sensors=sensors,
        limits=StepLimits(**(limits or {})),  # type: ignore[arg-type]
    )
    if order == 4:
        use_fourth_order(solver, threads)
    source = source_w_m3(problem, grid)
    nodes = [cubic(grid.index(point), grid.shape) for point in problem.probes_mm]
    clock("solver")
    setup = sum(clock.parts_s.values())
    out, sensed, now = [], [], 0.0
    for stop in sorted({*problem.times_s, problem.heating_s}):
        solver.advance(stop - now, source if stop <= problem.heating_s else None)
        now = stop
        if stop in problem.times_s:
            field = solver.temperature_c
            out.append([read(field, node) for node in nodes])
            readings = solver.readings()
            sensed.append([readings[str(n)] for n in range(len(problem.probes))])
    steps = clock("steps")
    statistics = solver.statistics
    note = f"{statistics.stages} stages"
    cells = int(np.prod(grid.shape))
    return Outcome(np.array(out), setup, steps, cells, statistics.steps, clock.parts_s, note, np.array(sensed))


Nodes = tuple[tuple[slice, ...], tuple[Floats, ...]]


def cubic(index: Floats, shape: tuple[int, ...]) -> Nodes:
    """The 4 x 4 x 4 cells around a fractional index and the weights of cubic Lagrange interpolation along each axis."""
    windows, weights = [], []
    for x, n in zip(index, shape, strict=True):
        first = int(np.clip(np.floor(x) - 1, 0, n - 4))
        t = x - first
        others = [[m for m in range(4) if m != k] for k in range(4)]
        weights.append(np.array([np.prod([(t - m) / (k - m) for m in rest]) for k, rest in enumerate(others)]))
        windows.append(slice(first, first + 4))
    return tuple(windows), tuple(weights)


def read(field: NDArray[np.float32], nodes: Nodes) -> float:
    """A field at the point of :func:`cubic`."""
    windows, (x, y, z) = nodes
    return float(np.einsum("ijk,i,j,k->", field[windows].astype(np.float64), x, y, z))


def source_w_m3(problem: Problem, grid: Any) -> NDArray[np.float32]:
    """W/m3: the Gaussian at the cell centres: a product of three."""
    sigma = problem.sigma_mm
    factors = []
    for axis in range(3):
        x = grid.affine[axis, 3] + grid.affine[axis, axis] * np.arange(grid.shape[axis]) - problem.centre_mm[axis]
        factors.append((np.exp(-0.5 * (x / sigma) ** 2) / np.sqrt(2 * np.pi * (1e-3 * sigma) ** 2)).astype(np.float32))
    plane = np.float32(problem.power_w) * factors[0][:, None] * factors[1][None]
    return np.asarray(plane[:, :, None] * factors[2][None, None])


def tissue_arrays(
    problem: Problem, spacing_mm: float, threads: int, subdivision: int, stairs: bool, clock: Clock
) -> tuple[Any, Any]:
    """What the solver is given (``BioheatProblem``) and the heat grid, sampled from the exact solids."""
    from vertherm.geometry.volume import Grid
    from vertherm.heat.problem import BioheatProblem

    half = np.full(3, problem.half_width_mm)
    grid = Grid.isotropic(-half, half, spacing_mm)
    if not problem.solids:
        tissue, shape = problem.background, grid.shape
        faces = [
            np.full(tuple(n + (a == b) for b, n in enumerate(shape)), tissue.conductivity, np.float32) for a in range(3)
        ]
        heat = BioheatProblem(
            spacing_m=1e-3 * spacing_mm,
            capacity=np.full(shape, tissue.capacity, np.float32),
            conductivity_faces=(faces[0], faces[1], faces[2]),
            perfusion=np.full(shape, tissue.perfusion, np.float32),
            arterial_c=ARTERIAL_C,
            initial_c=ARTERIAL_C,
        )
        clock("tissue")
        return heat, grid
    return _heterogeneous(problem, grid, spacing_mm, threads, subdivision, stairs, clock), grid


def _heterogeneous(
    problem: Problem, grid: Any, spacing_mm: float, threads: int, subdivision: int, stairs: bool, clock: Clock
) -> Any:
    from vertherm.bench.peers.sampling import fill, solids_table
    from vertherm.heat.problem import BioheatProblem
    from vertherm.materials.perfusion import perfusion_model
    from vertherm.materials.tissue import tissue
    from vertherm.materials.tissue_map import TissueMap

    s = 1 if stairs else subdivision
    index = np.empty(tuple(s * n for n in grid.shape), np.uint8)
    first = np.array([grid.affine[a, 3] for a in range(3)])
    shared = (index, solids_table(problem), problem.frame, np.array(problem.centre_mm), first, spacing_mm, s)
    edges = np.linspace(0, grid.shape[0], threads + 1).round().astype(int)
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(partial(fill, *shared), lo, hi) for lo, hi in pairwise(edges)]:
            done.result()
    if stairs:
        index = np.repeat(np.repeat(np.repeat(index, 2, 0), 2, 1), 2, 2)
        s = 2
    clock("sampling")
    palette = tuple(tissue(m.name) for m in problem.materials)
    tissues = TissueMap(grid, s, index, palette, np.zeros(grid.shape, bool))
    capacity, faces = tissues.capacity(), tissues.face_conductivities(0.0)
    flow = tissues.cell_mean([t.perfusion for t in palette])
    damage, models = tissues.damage_index()
    clock("tissue")
    return BioheatProblem(
        spacing_m=1e-3 * spacing_mm,
        capacity=capacity,
        conductivity_faces=faces,
        perfusion=flow,
        arterial_c=ARTERIAL_C,
        initial_c=ARTERIAL_C,
        perfusion_response=perfusion_model(1.0),
        damage_index=damage,
        damage_models=models,
    )
