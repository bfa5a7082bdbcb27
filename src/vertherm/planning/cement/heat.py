"""Curing heat of one target on top of the ablation: structures, courses, delays, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.curing import CuringResult
from vertherm.cement.rules import CementRules
from vertherm.core.errors import SolverError
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.runner import run
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import Structure
from vertherm.materials.bone_cement import BoneCement
from vertherm.planning.assessment import Banded, Status
from vertherm.planning.cement.ablation import Ablation
from vertherm.planning.cement.curing_work import CuringTask, curing_tasks, moved, run_curing, shared_inputs
from vertherm.planning.cement.document import CuringCourse, CuringRow, CuringStructureRow, DelayRow
from vertherm.planning.cement.published import CANAL_TEMPERATURE
from vertherm.planning.limits import SEVERITY, judge, worst
from vertherm.planning.objects import Case, Numerics
from vertherm.planning.protocol import Limit, Protocol

Field = NDArray[np.float32]
SHOWN = 4
"""Structures with a course in the report: the warmest ones and the canal."""


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
    shared, limits, seen = shared_inputs(case, protocol, numerics, share, cement, rules, ablation, mixed_s)
    delay = rules.ablation_delay_s if ablation is not None else None
    tasks = curing_tasks(cement, delay, ablation)
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
        delay_needed_s=_delay_needed_s(delays),
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
                moved(state.peak_c, ablation.grid, grid, 37.0), moved(state.cem43_min, ablation.grid, grid, 0.0)
            )
        return _Before(found)

    def at(self, delay_s: float | None) -> _State:
        return self.states[delay_s]


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
    good = _delay_needed_s(rows)
    if good is None:
        return (
            f"At none of the delays up to {rows[-1].delay_s / 60:.0f} min do ablation and curing together keep every "
            f"limit: {rows[-1].structure} reaches {rows[-1].combined_peak_c:.1f} °C."
        )
    if good == 0:
        return "Ablation and curing together keep every limit at every delay, also without any (nominal kinetics)."
    return (
        f"Cement {good / 60:.0f} min or later after the last switch-off keeps every limit together with it (nominal "
        "kinetics; the status is that of the worst)."
    )


def _delay_needed_s(rows: Sequence[DelayRow]) -> float | None:
    """The shortest delay from which on every one looked at keeps the limits; rows by delay."""
    found = None
    for row in reversed(rows):
        if row.status != "green":
            break
        found = row.delay_s
    return found


def _starts_from(ablation: Ablation | None, delay: float | None) -> str:
    if ablation is None or delay is None:
        return "Curing starts from body temperature: no ablation goes before it."
    after = f"{delay / 60:.1f} min after its last switch-off"
    return f"Curing starts from what the ablation leaves {after}; the antenna is out by then."


def _course(task: CuringTask, result: CuringResult, rows: Sequence[CuringStructureRow]) -> CuringCourse:
    names = [row.name for row in rows[:SHOWN]]
    if "canal" not in names and any(row.name == "canal" for row in rows):
        names = [*names[: SHOWN - 1], "canal"]  # what a reader looks for first
    return CuringCourse(
        variant=task.variant,
        since_injection_s=result.curves["time_s"].tolist(),
        temperature_c={name: result.curves[name].tolist() for name in names if name in result.curves},
    )


def _band(values: Sequence[float]) -> Banded:
    """The first value is the nominal one."""
    return Banded(value=values[0], low=min(values), high=max(values))
