"""How well members share the cores: one against two single-threaded workers on a reduced real case, in turns.

The case: torso phantom, heat cells of 2 mm within 30 mm of the antenna, 15 W for 120 s; each task is one sample in both
readings, as in a prediction. Both contestants are Dask workers, so that their difference is the second worker and not
the scheduler. On a shared machine the other tenants' load is part of what is measured: look at the CPU time beside it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vertherm.core.progress import Progress, silent
from vertherm.ensemble.cluster import run_on_cluster
from vertherm.ensemble.runner import Outcome
from vertherm.ensemble.sampling import unit_points
from vertherm.planning.case import Numerics
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.protocol import default_protocol
from vertherm.planning.setup import make_setup
from vertherm.planning.uncertainty import Uncertainty
from vertherm.planning.work import Task, Work, perform

Row = dict[str, Any]
WARM_UP = 2
"""Tasks a worker runs before the clock starts: compiled code is loaded, meshes are built."""


@dataclass(eq=False)
class _Clock:
    """Arrivals of the outcomes of one ensemble."""

    workers: int
    start: float = field(default_factory=time.perf_counter)
    arrivals: list[float] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def __call__(self, outcome: Outcome) -> None:
        if outcome.failed:
            raise RuntimeError(outcome.error)
        self.arrivals.append(time.perf_counter() - self.start)
        self.outcomes.append(outcome)

    @property
    def start_up_s(self) -> float:
        """Until the first task began."""
        return self.arrivals[0] - self.outcomes[0].wall_s

    @property
    def per_task_s(self) -> float:
        """Wall time a task after the warm-up, all workers together."""
        first = WARM_UP * self.workers
        return (self.arrivals[-1] - self.arrivals[first - 1]) / (len(self.arrivals) - first)

    @property
    def cpu_s(self) -> float:
        """CPU time a task after the warm-up."""
        return float(np.mean([outcome.value for outcome in self.outcomes[WARM_UP * self.workers :]]))


def timed(task: Task, work: Work) -> float:
    """CPU seconds of one task."""
    start = time.process_time()
    perform(task, work)
    return time.process_time() - start


def rows(quick: bool = False, progress: Progress = silent) -> list[Row]:
    """Benchmark rows: ``name``, ``value``, ``unit``, ``ratio`` (efficiency), ``note``."""
    cores = os.cpu_count() or 1
    if cores < 2:
        return [_row("ensemble 1 to 2 workers", None, "s/sample", None, "not run: needs two cores")]
    work, tasks = reduced_case(8 if quick else 14, 3.0 if quick else 2.0)
    best: dict[int, _Clock] = {}
    rounds = 1 if quick else 2
    for turn in range(rounds):
        for workers in (1, 2):
            progress("ensemble", (2 * turn + workers - 1) / (2 * rounds))
            clock = _Clock(workers)
            run_on_cluster(timed, tasks, work, workers, None, 0, clock)
            if workers not in best or clock.per_task_s < best[workers].per_task_s:
                best[workers] = clock
    one, two = best[1], best[2]
    shape = "x".join(str(n) for n in work.setup.tissue.grid.shape)
    note = (
        f"{len(tasks)} samples x 2 readings, {shape} cells, one thread a worker, best of {rounds} turns, {cores} cores"
    )
    efficiency = one.per_task_s / (2.0 * two.per_task_s)
    return [
        _row("ensemble 1 worker", one.per_task_s, "s/sample", 1.0, note),
        _row("ensemble 2 workers", two.per_task_s, "s/sample", efficiency, f"ratio: efficiency from 1 to 2; {note}"),
        _row(
            "ensemble CPU time, 1 worker", one.cpu_s, "s/sample", one.cpu_s / one.per_task_s, "ratio: of a core in use"
        ),
        _row(
            "ensemble CPU time, 2 workers",
            two.cpu_s,
            "s/sample",
            two.cpu_s / (2.0 * two.per_task_s),
            f"ratio: share of core; {100 * (two.cpu_s / one.cpu_s - 1):+.0f} % CPU time against one worker",
        ),
        _row("ensemble start-up, 2 workers", two.start_up_s, "s", None, "processes, imports, inputs; once a run"),
    ]


def reduced_case(samples: int, spacing_mm: float) -> tuple[Work, list[Task]]:
    """The shared inputs and tasks that are timed."""
    case = phantom_case(spacing_mm=1.5)
    treatment = constant_power(15.0, 120.0, tip_mm=(5.0, 8.0, 0.0), entry_mm=(25.0, -60.0, 0.0))
    protocol = default_protocol()
    numerics = Numerics(spacing_mm=spacing_mm, reach_mm=30.0)
    setup = make_setup(case, treatment, protocol, numerics)
    uncertainty = Uncertainty.of(setup, case.anatomy)
    points = unit_points(samples, len(uncertainty.space.parameters), seed=1)
    tasks = [Task(number=i, sample=uncertainty.space.sample(u)) for i, u in enumerate(points, 1)]
    return Work(setup, protocol, (), uncertainty), tasks


def _row(name: str, value: float | None, unit: str, ratio: float | None, note: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "ratio": ratio, "note": note}
