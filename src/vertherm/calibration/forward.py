"""The forward model of a calibration: what the bench would have measured with given parameters."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.calibration.bench_phantom import BenchPhantom
from vertherm.calibration.device import DryingId
from vertherm.calibration.measurements import CURVE_COUNTS_AS, Boundary, Condition, Measurements
from vertherm.core.errors import SolverError
from vertherm.core.progress import Progress, silent
from vertherm.geometry.surface import zone_axes
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.member import Member, PowerReading
from vertherm.materials.drying import DryingAdjustment

if TYPE_CHECKING:
    from vertherm.heat.bioheat import BioheatSolver

Array = NDArray[np.float64]
CURVE_POINTS = 12
"""Times of a curve that are compared, evenly spread over its rows."""
SIMULATED_SD_MM = 0.5
"""Error of a simulated axis on 2 mm cells, added to the measured one in quadrature (own runs: 0 to 2 mm by time)."""
COOL_LONGEST_S = 1800.0
"""A zone is measured after its tissue has cooled; the model follows it for at most this long."""


@dataclass(frozen=True)
class Parameters:
    """One point of the fit.

    Args:
        drying: drying model.
        efficiency: factor on the modelled absorbed power.
        value: ``shift_k`` (K) of "sigmoid", ``floor`` of "water"; None: the model's own.
    """

    drying: DryingId
    efficiency: float
    value: float | None = None

    @property
    def adjustment(self) -> DryingAdjustment:
        """As the heat set-up takes it."""
        if self.value is None:
            return DryingAdjustment()
        return DryingAdjustment(shift_k=self.value) if self.drying == "sigmoid" else DryingAdjustment(floor=self.value)


@dataclass(frozen=True)
class Datum:
    """One measured number.

    Args:
        row: where it stands in the file.
        quantity: "short axis", "long axis" or "temperature".
        condition, on_s: how it was made.
        boundary: of a zone, else None.
        place_mm, at_s: (r, z) and time of a temperature, else None.
        measured, error: in ``unit``; the error already says that a curve's points depend on each other.
        unit: "mm" or "degC".
        counts: as how many independent numbers it counts; less than 1 for the points of a curve.
    """

    row: str
    quantity: str
    condition: Condition
    on_s: float
    boundary: Boundary | None
    place_mm: tuple[float, float] | None
    at_s: float | None
    measured: float
    error: float
    unit: str
    counts: float = 1.0


def data_of(measurements: Measurements) -> tuple[Datum, ...]:
    """Every number of the file that is compared, in its order."""
    found = []
    for zone in measurements.zones:
        for quantity, value in (("short axis", zone.short_mm), ("long axis", zone.long_mm)):
            if value is not None:
                made = (zone.row, quantity, zone.condition, zone.time_s, zone.boundary, None, None)
                found.append(Datum(*made, value, float(np.hypot(zone.error_mm, SIMULATED_SD_MM)), "mm"))
    for curve in measurements.curves:
        count = min(CURVE_POINTS, curve.time_s.size)
        counts = min(1.0, CURVE_COUNTS_AS / count)
        error, place = curve.error_k / float(np.sqrt(counts)), (curve.r_mm, curve.z_mm)
        for n in np.unique(np.linspace(0, curve.time_s.size - 1, count).round().astype(int)):
            at, value = float(curve.time_s[n]), float(curve.temperature_c[n])
            head = (curve.row, "temperature", curve.condition, curve.on_s, None, place, at)
            found.append(Datum(*head, value, error, "degC", counts))
    return tuple(found)


@dataclass(frozen=True)
class BenchRun:
    """Data that share one forward run: one condition, and one time of power on where curves go beyond it.

    Args:
        condition: medium and power.
        data: (position in the data, datum).
        pause_s: time followed after the power went off.
    """

    condition: Condition
    data: tuple[tuple[int, Datum], ...]
    pause_s: float

    @property
    def marks_s(self) -> tuple[float, ...]:
        """Times with power on at which zones are looked at, and the end of power."""
        zones = {datum.on_s for _, datum in self.data if datum.boundary is not None}
        ends = max(datum.on_s if self.pause_s or datum.boundary else datum.at_s or 0.0 for _, datum in self.data)
        return tuple(sorted({*zones, max(ends, 1.0)}))

    @property
    def places_mm(self) -> dict[str, tuple[float, float]]:
        """Thermocouples of the run by name."""
        return {place_name(d.place_mm): d.place_mm for _, d in self.data if d.place_mm is not None}


def place_name(place_mm: tuple[float, float]) -> str:
    """Name of a thermocouple at (r, z) in mm."""
    return f"r {place_mm[0]:g} z {place_mm[1]:g}"


def runs_of(data: Sequence[Datum]) -> tuple[BenchRun, ...]:
    """Group the data into as few forward runs as possible."""
    groups: dict[tuple[Condition, float], list[tuple[int, Datum]]] = {}
    last: dict[tuple[Condition, float, tuple[float, float]], float] = {}
    for datum in data:
        if datum.place_mm is not None and datum.at_s is not None:
            key = (datum.condition, datum.on_s, datum.place_mm)
            last[key] = max(last.get(key, 0.0), datum.at_s)
    for n, datum in enumerate(data):
        after = datum.place_mm is not None and last[(datum.condition, datum.on_s, datum.place_mm)] > datum.on_s
        groups.setdefault((datum.condition, datum.on_s if after else 0.0), []).append((n, datum))
    runs = []
    for (condition, off_s), members in groups.items():
        pause = max((d.at_s or 0.0) for _, d in members) - off_s if off_s else 0.0
        runs.append(BenchRun(condition, tuple(members), pause))
    return tuple(runs)


@dataclass(frozen=True, eq=False)
class Task:
    """One forward run; picklable."""

    phantom: BenchPhantom
    run: BenchRun
    parameters: Parameters


def simulate(task: Task) -> Array:
    """What ``task.run`` would have measured, in the order of its data.

    Raises:
        SolverError: a field stopped being finite.
    """
    from vertherm.heat.coupling import run_member

    phantom, run, parameters = task.phantom, task.run, task.parameters
    setup = phantom.setup(
        run.condition,
        run.marks_s,
        efficiency=parameters.efficiency,
        drying=parameters.adjustment,
        places_mm=run.places_mm,
        pause_s=run.pause_s,
    )
    seen: dict[tuple[float, Boundary], tuple[float, float]] = {}
    wanted = {(d.on_s, d.boundary) for _, d in run.data if d.boundary is not None}

    def watch(solver: BioheatSolver) -> None:
        for on_s, boundary in wanted:
            if abs(solver.time_s - on_s) < 1e-3 and (on_s, boundary) not in seen:
                seen[(on_s, boundary)] = zone_size_mm(cooled(solver, boundary), phantom.grid, boundary)

    reading: PowerReading = "net" if run.condition.power_kind == "net" else "forward"
    result = run_member(setup, Member(drying=parameters.drying, power=reading), watch)
    found = np.empty(len(run.data))
    for n, (_, datum) in enumerate(run.data):
        if datum.boundary is not None:
            found[n] = seen[(datum.on_s, datum.boundary)][0 if datum.quantity == "short axis" else 1]
        else:
            assert datum.place_mm is not None
            assert datum.at_s is not None
            curve = result.curves[f"thermocouple {place_name(datum.place_mm)}"]
            found[n] = np.interp(datum.at_s, result.curves["time_s"], curve)
    return found


def cooled(solver: BioheatSolver, boundary: Boundary) -> BioheatSolver:
    """A copy of the solver with the power off from now on, marched until the zone can grow no more."""
    other = copy.deepcopy(solver)
    other.stop_coolant()
    until_c = boundary.level if boundary.field == "peak_c" else 43.0

    def done(now: BioheatSolver, _: float) -> bool:
        return now.hottest_c < until_c

    if not done(other, 0.0):
        other.advance(COOL_LONGEST_S, on_step=done)
    return other


def zone_size_mm(solver: BioheatSolver, grid: Grid, boundary: Boundary) -> tuple[float, float]:
    """Short (across) and long axis (along the antenna) of the zone in mm; zeros where there is none."""
    values = np.asarray(getattr(solver, boundary.field), dtype=np.float64)
    level = boundary.level
    if boundary.field != "peak_c":
        # Dose grows exponentially with temperature: its logarithm is what is nearly linear between cells.
        values = np.log(np.clip(values, level * 1e-12, level * 1e12))
        level = float(np.log(level))
    axes = zone_axes(Volume(values.astype(np.float32), grid), level, np.array([0.0, 0.0, 1.0]))
    return axes.short_mm, axes.long_mm


@dataclass(eq=False)
class Forward:
    """The forward model over all data; every run is made once.

    Args:
        phantom: antenna, frequency, cells.
        data: what is compared.
        workers: processes for the runs of one step; 1: this one; 0: one a core. Starting them takes seconds a step:
            they pay off for many powers and long times.
    """

    phantom: BenchPhantom
    data: tuple[Datum, ...]
    workers: int = 1
    progress: Progress = silent
    runs: tuple[BenchRun, ...] = field(init=False)
    made: int = field(default=0, init=False)
    _known: dict[tuple[int, Parameters], Array] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.runs = runs_of(self.data)

    def __call__(self, points: Sequence[Parameters]) -> Array:
        """Predictions, shape (points, data).

        Raises:
            SolverError: a run failed.
        """
        missing = [(n, p) for p in dict.fromkeys(points) for n in range(len(self.runs)) if (n, p) not in self._known]
        tasks = [Task(self.phantom, self.runs[n], p) for n, p in missing]
        for key, values in zip(missing, run_tasks(tasks, self.workers), strict=True):
            self._known[key] = values
        self.made += len(tasks)
        out = np.empty((len(points), len(self.data)))
        for row, point in enumerate(points):
            for n, run in enumerate(self.runs):
                out[row, [at for at, _ in run.data]] = self._known[(n, point)]
        return out


def run_tasks(tasks: Sequence[Task], workers: int) -> list[Array]:
    """Make the runs, in processes where ``workers`` is not 1.

    Raises:
        SolverError: one of them failed.
    """
    if workers == 1 or len(tasks) < 2:
        return [simulate(task) for task in tasks]
    from vertherm.ensemble.runner import run

    found = []
    for outcome in run(simulate, list(tasks), workers=workers, label="forward runs"):
        if outcome.failed:
            raise outcome.cause or SolverError("A forward run of the calibration failed.", got=outcome.error)
        found.append(np.asarray(outcome.value, dtype=np.float64))
    return found
