"""What worker processes do for the curing heat: tissue, cement and start of one target, and every run of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.curing import CuringResult, cure, injected, with_cement
from vertherm.cement.kinetics import premixed
from vertherm.cement.rules import CementRules
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.assembly import heated, tissue_problem
from vertherm.heat.member import Cooling
from vertherm.heat.problem import BioheatProblem
from vertherm.imaging.anatomy import Structure
from vertherm.materials.bone_cement import KINETICS, BoneCement, Kinetics, kinetics
from vertherm.materials.constants import constants
from vertherm.materials.tissue_map import TissueMap
from vertherm.planning.cement.ablation import Ablation
from vertherm.planning.objects import Case, Numerics
from vertherm.planning.protocol import Limit, Protocol
from vertherm.planning.setup import structure_cells

Field = NDArray[np.float32]
REACH_MM = 20.0
"""Heat is followed this far around the cement: it takes ten minutes to get there."""
WARM_C, WARM_MM = 38.0, 5.0
"""What the ablation has warmed beyond this lies within the grid, with so much room around it."""
LONGEST_S = 2400.0


@dataclass(frozen=True, eq=False)
class CuringShared:
    """What all runs of one target need.

    Args:
        tissue: on the curing grid.
        cement: share of each cell.
        properties: of the cement, and by variant its kinetics.
        mixed_s, room_c: since mixing at the injection, and where it was mixed.
        cells: of the structures with a limit.
        start, omega: temperature and Arrhenius integral by delay; empty: body temperature, all alive.
    """

    tissue: TissueMap
    cement: Field
    properties: BoneCement
    mixed_s: float
    room_c: float
    cells: dict[str, NDArray[np.int64]]
    start: dict[float, Field]
    omega: dict[float, Field]


@dataclass(frozen=True)
class CuringTask:
    """One run: a kinetics, a cooling, and a delay (None: from body temperature)."""

    variant: str
    kinetics: Kinetics
    cooling: Cooling
    delay_s: float | None


def run_curing(task: CuringTask, shared: CuringShared) -> CuringResult:
    """What a worker does."""
    tissue = tissue_problem(shared.tissue, task.cooling)
    body = np.full(tissue.shape, constants("body_temperature").value, np.float32)
    before = body if task.delay_s is None else shared.start[task.delay_s]
    omega = None if task.delay_s is None else shared.omega[task.delay_s]
    problem = with_cement(tissue, shared.cement, shared.properties, omega)
    problem = replace(problem, conductivity_faces=heated(problem.conductivity_faces, before))
    if task.cooling == "full":
        start = injected(tissue, before, shared.cement, shared.properties, shared.room_c)
    else:
        start = _with_all_heat(tissue, problem, before)
    return cure(
        problem,
        shared.cement,
        task.kinetics,
        initial_c=start,
        alpha_start=premixed(task.kinetics, 0.0, shared.mixed_s, shared.room_c),
        structures=shared.cells,
        longest_s=LONGEST_S,
    )


def _with_all_heat(tissue: BioheatProblem, problem: BioheatProblem, before: Field) -> Field:
    """Temperatures with the cement in place that hold the heat which the tissue held.

    Cold cement cools where it lies, but the hot tissue that it displaces goes somewhere: where safety is judged without
    cooling, neither the cold of the cement nor the heat of what it displaces is taken off.
    """
    body = np.float32(constants("body_temperature").value)
    return np.asarray(body + (before - body) * tissue.capacity / problem.capacity, np.float32)


def moved(field: Field, source: Grid, grid: Grid, outside: float) -> Field:
    """A field on another grid, linear in between."""
    return np.asarray(Volume(field, source).resampled(grid, order=1, outside=outside).data, np.float32)


def shared_inputs(
    case: Case,
    protocol: Protocol,
    numerics: Numerics,
    share: Volume,
    cement: BoneCement,
    rules: CementRules,
    ablation: Ablation | None,
    mixed_s: float,
) -> tuple[CuringShared, dict[str, Limit], dict[str, Structure]]:
    """What all runs of one target need, and the limits and structures by name that its rows are about."""
    anatomy = case.anatomy
    grid = _grid(share, ablation, numerics.spacing_mm)
    tissue = TissueMap.from_volumes(grid, anatomy.tissue, anatomy.tissue_names, hu=anatomy.ct)
    cells: dict[str, NDArray[np.int64]] = {}
    limits: dict[str, Limit] = {}
    seen: dict[str, Structure] = {}
    for structure in anatomy.structures:
        limit = protocol.limit_for(structure.kind.value)
        if limit is None or not structure.mask.data.any():
            continue
        found = structure_cells(structure, grid)
        if found.size:
            cells[structure.name], limits[structure.name], seen[structure.name] = found, limit, structure
    start, omega = {}, {}
    for delay, state in (ablation.states if ablation is not None else {}).items():
        assert ablation is not None
        start[delay] = moved(state.temperature_c, ablation.grid, grid, constants("body_temperature").value)
        omega[delay] = moved(state.omega, ablation.grid, grid, 0.0)
    held = np.asarray(share.resampled(grid, order=1, outside=0.0).data, np.float32)
    # Interpolation may shift a little cement: the heat released must be that of what was injected.
    volume = float(share.data.sum()) * share.grid.voxel_volume_ml
    held *= np.float32(volume / max(float(held.sum()) * grid.voxel_volume_ml, 1e-9))
    shared = CuringShared(tissue, np.minimum(held, 1.0), cement, mixed_s, rules.room_c, cells, start, omega)
    return shared, limits, seen


def _grid(share: Volume, ablation: Ablation | None, spacing_mm: float) -> Grid:
    """Around the cement, and around all that the ablation has warmed: its edge is held at body temperature."""
    points = share.grid.world(np.argwhere(share.data > 0))
    reach = REACH_MM + 0.5 * float(share.grid.spacing_mm[0])
    lower, upper = points.min(axis=0) - reach, points.max(axis=0) + reach
    if ablation is not None:
        hottest = ablation.states[min(ablation.states)].temperature_c
        warm = ablation.grid.world(np.argwhere(hottest > WARM_C))
        if len(warm):
            lower, upper = np.minimum(lower, warm.min(axis=0) - WARM_MM), np.maximum(upper, warm.max(axis=0) + WARM_MM)
    return Grid.isotropic(lower, upper, spacing_mm, share.grid.frame)


def curing_tasks(cement: BoneCement, delay: float | None, ablation: Ablation | None) -> list[CuringTask]:
    """At the chosen delay every kinetics without cooling, and the nominal one with it; elsewhere the nominal one."""
    nominal = cement.kinetics
    hot = nominal.heat.high or nominal.heat.value
    tasks = [
        CuringTask(f"{nominal.name} kinetics, no cooling", nominal, "none", delay),
        CuringTask(f"{nominal.name} kinetics, full cooling", nominal, "full", delay),
        CuringTask("most heat of curing, no cooling", _with_heat(nominal, hot), "none", delay),
    ]
    others = [kinetics(name) for name in KINETICS if name != nominal.name]
    tasks += [CuringTask(f"{other.name} kinetics, no cooling", other, "none", delay) for other in others]
    delays = sorted(d for d in ablation.states if d != delay) if ablation is not None else []
    return tasks + [CuringTask("delay", nominal, "none", other) for other in delays]


def _with_heat(law: Kinetics, heat_j_m3: float) -> Kinetics:
    return replace(law, heat=replace(law.heat, value=heat_j_m3))
