"""Curing heat of one target on top of the ablation: structures, courses, delays, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.curing import CuringResult, cure, injected, with_cement
from vertherm.cement.kinetics import premixed
from vertherm.cement.rules import CementRules
from vertherm.core.errors import SolverError
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.runner import run
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.assembly import heated, tissue_problem
from vertherm.heat.member import Cooling
from vertherm.heat.problem import BioheatProblem
from vertherm.imaging.anatomy import Structure
from vertherm.materials.bone_cement import KINETICS, BoneCement, Kinetics, kinetics
from vertherm.materials.constants import constants
from vertherm.materials.tissue_map import TissueMap
from vertherm.planning.assessment import Banded, Status
from vertherm.planning.cement.ablation import Ablation
from vertherm.planning.cement.document import CuringCourse, CuringRow, CuringStructureRow, DelayRow
from vertherm.planning.cement.published import CANAL_TEMPERATURE
from vertherm.planning.limits import SEVERITY, judge, worst
from vertherm.planning.objects import Case, Numerics
from vertherm.planning.protocol import Limit, Protocol
from vertherm.planning.setup import structure_cells

Field = NDArray[np.float32]
REACH_MM = 20.0
"""Heat is followed this far around the cement: it takes ten minutes to get there."""
WARM_C, WARM_MM = 38.0, 5.0
"""What the ablation has warmed beyond this lies within the grid, with so much room around it."""
LONGEST_S = 2400.0
SHOWN = 4
"""Structures with a course in the report: the warmest ones."""


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


def curing(
    case: Case,
    protocol: Protocol,
    numerics: Numerics,
    share: Volume,
    cement: BoneCement,
    rules: CementRules,
    ablation: Ablation | None,
    *,
    mixed_s: float,
    workers: int = 0,
    progress: Progress = silent,
) -> tuple[CuringRow | None, dict[str, Any]]:
    """Curing heat of one target.

    Args:
        share: share of each cell that holds cement.
        ablation: what goes before; None: the cement starts from body temperature.
        mixed_s: time from mixing to injection.

    Returns:
        The rows, and the fields ``curing_peak_c`` and ``curing_cem43_min``; nothing where there is no cement.
    """
    if not share.data.any():
        return None, {}
    shared, limits, seen = _shared(case, protocol, numerics, share, cement, rules, ablation, mixed_s)
    delay = rules.ablation_delay_s if ablation is not None else None
    tasks = _tasks(cement, delay, ablation)
    outcomes = run(run_curing, tasks, shared=shared, workers=workers, progress=progress, label="curing")
    failed = next((o for o in outcomes if o.failed), None)
    if failed is not None:
        raise failed.cause or SolverError("A run of the curing heat failed.", got=failed.error)
    runs = [(task, cast(CuringResult, o.value)) for task, o in zip(tasks, outcomes, strict=True)]
    before = _Before.of(ablation, shared.tissue.grid)
    chosen = [(t, r) for t, r in runs if t.delay_s == delay]
    rows = _structures(chosen, before.at(delay), limits, seen, shared.cells)
    delays = _delays(runs, before, limits, shared.cells)
    nominal = chosen[0][1]
    peak, dose = before.at(delay).together(nominal)
    grid = shared.tissue.grid
    row = CuringRow(
        starts_from=_starts_from(ablation, delay),
        delay_s=delay,
        cement_peak_c=_band([float(r.peak_c[shared.cement > 0].max()) for _, r in chosen]),
        structures=rows,
        courses=[_course(task, result, rows) for task, result in chosen],
        delays=delays,
        delay_needed_s=next((d.delay_s for d in delays if d.status == "green"), None),
        delay_words=_delay_words(delays, ablation),
        released_kj=nominal.released_j / 1000.0,
        energy_error=float(nominal.energy["error"]),
        published=CANAL_TEMPERATURE,
    )
    return row, {"curing_peak_c": Volume(peak, grid), "curing_cem43_min": Volume(dose, grid)}


@dataclass(frozen=True, eq=False)
class _State:
    """Peaks and doses that a run adds to."""

    peak_c: Field | None
    cem43_min: Field | None

    def together(self, result: CuringResult) -> tuple[Field, Field]:
        """Largest temperature and sum of doses of both."""
        if self.peak_c is None or self.cem43_min is None:
            return result.peak_c, result.cem43_min
        return np.maximum(self.peak_c, result.peak_c), self.cem43_min + result.cem43_min


@dataclass(frozen=True, eq=False)
class _Before:
    """What the ablation did up to each delay, on the curing grid."""

    states: dict[float | None, _State]

    @staticmethod
    def of(ablation: Ablation | None, grid: Grid) -> _Before:
        found: dict[float | None, _State] = {None: _State(None, None)}
        for delay, state in (ablation.states if ablation is not None else {}).items():
            assert ablation is not None
            found[delay] = _State(
                _moved(state.peak_c, ablation.grid, grid, 37.0), _moved(state.cem43_min, ablation.grid, grid, 0.0)
            )
        return _Before(found)

    def at(self, delay_s: float | None) -> _State:
        return self.states[delay_s]


def _moved(field: Field, source: Grid, grid: Grid, outside: float) -> Field:
    return np.asarray(Volume(field, source).resampled(grid, order=1, outside=outside).data, np.float32)


def _shared(
    case: Case,
    protocol: Protocol,
    numerics: Numerics,
    share: Volume,
    cement: BoneCement,
    rules: CementRules,
    ablation: Ablation | None,
    mixed_s: float,
) -> tuple[CuringShared, dict[str, Limit], dict[str, Structure]]:
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
        start[delay] = _moved(state.temperature_c, ablation.grid, grid, constants("body_temperature").value)
        omega[delay] = _moved(state.omega, ablation.grid, grid, 0.0)
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


def _tasks(cement: BoneCement, delay: float | None, ablation: Ablation | None) -> list[CuringTask]:
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


def _structures(
    runs: Sequence[tuple[CuringTask, CuringResult]],
    before: _State,
    limits: dict[str, Limit],
    seen: dict[str, Structure],
    cells: dict[str, NDArray[np.int64]],
) -> list[CuringStructureRow]:
    rows = []
    both = [before.together(result) for _, result in runs]
    for name, limit in limits.items():
        own = cells[name]
        peaks = [float(peak.reshape(-1)[own].max()) for peak, _ in both]
        doses = [float(dose.reshape(-1)[own].max()) for _, dose in both]
        old = None if before.peak_c is None else float(before.peak_c.reshape(-1)[own].max())
        old_dose = None if before.cem43_min is None else float(before.cem43_min.reshape(-1)[own].max())
        rows.append(
            CuringStructureRow(
                name=name,
                kind=seen[name].kind.value,
                ablation_peak_c=old,
                ablation_cem43_min=old_dose,
                curing_peak_c=_band([float(r.peak_c.reshape(-1)[own].max()) for _, r in runs]),
                curing_cem43_min=_band([float(r.cem43_min.reshape(-1)[own].max()) for _, r in runs]),
                combined_peak_c=_band(peaks),
                combined_cem43_min=_band(doses),
                warn_words=limit.words("warn"),
                stop_words=limit.words("stop"),
                status=judge(max(peaks), max(doses), limit),
            )
        )
    return sorted(rows, key=lambda row: (-SEVERITY.index(row.status), -row.combined_peak_c.high, row.name))


def _delays(
    runs: Sequence[tuple[CuringTask, CuringResult]],
    before: _Before,
    limits: dict[str, Limit],
    cells: dict[str, NDArray[np.int64]],
) -> list[DelayRow]:
    """The nominal kinetics at every delay: the structure that is nearest to its limit."""
    rows: dict[float, DelayRow] = {}
    for task, result in runs:
        if task.delay_s is None or task.delay_s in rows:
            continue
        peak, dose = before.at(task.delay_s).together(result)
        found: list[tuple[Status, float, float, str]] = []
        for name, limit in limits.items():
            warm, sum_ = float(peak.reshape(-1)[cells[name]].max()), float(dose.reshape(-1)[cells[name]].max())
            found.append((judge(warm, sum_, limit), warm, sum_, name))
        if not found:
            continue
        nearest = max(found, key=lambda item: (SEVERITY.index(item[0]), item[1]))
        rows[task.delay_s] = DelayRow(
            delay_s=task.delay_s,
            structure=nearest[3],
            combined_peak_c=nearest[1],
            combined_cem43_min=nearest[2],
            status=worst(item[0] for item in found),
        )
    return [rows[delay] for delay in sorted(rows)]


def _delay_words(rows: Sequence[DelayRow], ablation: Ablation | None) -> str:
    if ablation is None or not rows:
        return ""
    good = next((row for row in rows if row.status == "green"), None)
    if good is None:
        return (
            f"At none of the delays up to {rows[-1].delay_s / 60:.0f} min do ablation and curing together keep every "
            f"limit: {rows[-1].structure} reaches {rows[-1].combined_peak_c:.1f} °C."
        )
    if good.delay_s == 0:
        return "Ablation and curing together keep every limit at every delay, also without any."
    return f"Cement {good.delay_s / 60:.0f} min or later after the last switch-off keeps every limit together with it."


def _starts_from(ablation: Ablation | None, delay: float | None) -> str:
    if ablation is None or delay is None:
        return "Curing starts from body temperature: no ablation goes before it."
    after = f"{delay / 60:.1f} min after its last switch-off"
    return f"Curing starts from what the ablation leaves {after}; the antenna is out by then."


def _course(task: CuringTask, result: CuringResult, rows: Sequence[CuringStructureRow]) -> CuringCourse:
    names = [row.name for row in rows[:SHOWN]]
    return CuringCourse(
        variant=task.variant,
        since_injection_s=result.curves["time_s"].tolist(),
        temperature_c={name: result.curves[name].tolist() for name in names if name in result.curves},
    )


def _band(values: Sequence[float]) -> Banded:
    """The first value is the nominal one."""
    return Banded(value=values[0], low=min(values), high=max(values))
