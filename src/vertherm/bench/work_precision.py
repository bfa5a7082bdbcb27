"""Work against precision: the heat solver beside NGSolve, scikit-fem, plain C and BabelViscoFDTD.

Every contestant solves the same two problems (``peers/problem.py``) in a process of its own; its error is the largest
over all probes and times against a reference that is none of them (``peers/reference.py``). Total time is everything
from the problem's description to the last temperature: mesh or sampling, assembly, factors, start of the solver, steps.
What compiled-code caches and imports cost once is not counted, for anybody. The ratio at an error is taken on each
code's own front of best runs, interpolated in the logarithms.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vertherm.bench.peers import voxel_c
from vertherm.bench.peers.worker import Entry, measure
from vertherm.core.progress import Progress, silent

Row = dict[str, Any]
GOALS_K = (0.2, 0.1)
OURS = "vertherm"
NGSOLVE: tuple[dict[str, Any], ...] = (
    {"order": 2, "hot_mm": 2.5, "fine_mm": 8.0, "tolerance": 2e-3},
    {"order": 2, "hot_mm": 2.5, "fine_mm": 5.0, "tolerance": 2e-3},
    {"order": 3, "hot_mm": 3.5, "fine_mm": 12.0, "far_mm": 48.0, "grading": 0.7, "tolerance": 2e-3},
    {"order": 3, "hot_mm": 2.5, "fine_mm": 20.0, "far_mm": 48.0, "grading": 0.7, "tolerance": 2e-3},
    {"order": 3, "hot_mm": 2.5, "fine_mm": 8.0, "grading": 0.7, "tolerance": 2e-3},
    {"order": 3, "hot_mm": 2.5, "fine_mm": 12.0, "tolerance": 2e-3},
    {"order": 3, "hot_mm": 2.5, "fine_mm": 6.0, "tolerance": 5e-4, "heating_s": 7.5},
    {"order": 3, "hot_mm": 2.0, "fine_mm": 5.0, "tolerance": 5e-4, "heating_s": 5.0, "cooling_s": 10.0},
    {"order": 4, "hot_mm": 5.0, "fine_mm": 8.0, "tolerance": 2e-3},
    {"order": 3, "hot_mm": 2.5, "fine_mm": 8.0, "grading": 0.7, "solver": "cholesky", "cooling_s": 10.0},
    {"order": 3, "hot_mm": 2.5, "fine_mm": 8.0, "grading": 0.7, "tolerance": 2e-3, "solver": "bddc"},
)
"""The peer's best of about sixty settings tried (benchmarks/README.md); a direct and a BDDC solver for comparison."""
NGSOLVE_HOMOGENEOUS: tuple[dict[str, Any], ...] = (
    {"order": 2, "hot_mm": 4.0, "tolerance": 2e-3},
    {"order": 2, "hot_mm": 2.5, "tolerance": 2e-3},
    {"order": 3, "hot_mm": 3.0, "tolerance": 1e-3},
    {"order": 4, "hot_mm": 4.0, "tolerance": 1e-3},
)
STEPS = {"heating_s": 10.0, "cooling_s": 30.0}
"""Steps as long as the peer's; the solver's defaults (5 and 15 s) are run beside them."""


def rows(
    quick: bool = False, progress: Progress = silent, *, rounds: int = 3, threads: Sequence[int] = ()
) -> list[Row]:
    """Benchmark rows: one a run (``value``: total s), then the ratio at each goal (``value``: our total s there).

    Columns beyond the usual: ``error_k``, ``setup_s``, ``steps_s``, ``cpu_s``, ``peak_mb``, ``unknowns``. A ratio above
    1: we are faster than that peer's best at the same error.

    Args:
        quick: one coarse run a contestant, for tests.
        progress: receives progress.
        rounds: runs in each process; the fastest counts.
        threads: numbers of threads to run with; empty: one, and all cores.
    """
    with tempfile.TemporaryDirectory(prefix="vertherm-bench-") as folder:
        library, why = voxel_c.compile_library(Path(folder))
        entries = _quick() if quick else _full(rounds, threads or sorted({1, os.cpu_count() or 1}))
        out: list[Row] = []
        for number, entry in enumerate(entries):
            progress(entry.label, number / len(entries))
            if entry.who == "c_openmp":
                if library is None:
                    out.append(_silent(entry, why))
                    continue
                entry.options["library"] = str(library)
            out.append(_row(entry, measure(entry)))
    return [*out, *comparisons(out)]


def _spacings(
    who: str, problem: str, spacings: Sequence[float], threads: Sequence[int], rounds: int, **options: Any
) -> list[Entry]:
    return [
        Entry(who, problem, {"spacing_mm": s, **options}, t, 1 if s < 0.7 else rounds)
        for s in spacings
        for t in threads
    ]


def _quick() -> list[Entry]:
    return [
        Entry(OURS, "vertebra", {"spacing_mm": 3.0}),
        Entry("ngsolve", "vertebra", {"order": 2, "hot_mm": 4.0, "fine_mm": 8.0}),
        Entry("scikit-fem", "vertebra", {"fine_mm": 6.0, "step_s": 15.0}),
        Entry("c_openmp", "vertebra", {"spacing_mm": 3.0}),
        Entry("babelviscofdtd", "homogeneous", {"spacing_mm": 4.0}),
    ]


def _full(rounds: int, both: Sequence[int]) -> list[Entry]:
    most = both[-1:]
    out: list[Entry] = []
    for problem, tunings in (("vertebra", NGSOLVE), ("homogeneous", NGSOLVE_HOMOGENEOUS)):
        out += _spacings(OURS, problem, (3.0, 2.0, 1.75, 1.5, 1.25, 1.0, 0.75), both, rounds, limits=STEPS)
        out += _spacings(OURS, problem, (0.5,), most, 1, limits=STEPS)
        out += _spacings(OURS, problem, (2.0, 1.5, 1.0), both, rounds)
        out += _spacings(OURS, problem, (2.0, 1.5, 1.0, 0.75), most, rounds, order=2)
        out += [Entry("ngsolve", problem, dict(t), n, rounds) for t in tunings for n in both]
        out += _spacings("c_openmp", problem, (2.0, 1.0, 0.75), most, rounds)
        out += [Entry("scikit-fem", problem, {"fine_mm": f, "step_s": 15.0}, 1, 1) for f in (4.5, 3.0)]
        out += _spacings("babelviscofdtd", problem, (2.0, 1.0), most, 1)
    return out


def _silent(entry: Entry, why: str) -> Row:
    name = f"{entry.problem}: {entry.label}"
    return {"name": name, "value": None, "unit": "s", "ratio": None, "note": why}


def _row(entry: Entry, found: dict[str, Any]) -> Row:
    if "reason" in found:
        return _silent(entry, found["reason"])
    parts = ", ".join(f"{name} {seconds:.2g} s" for name, seconds in found["parts_s"].items())
    note = f"error {found['error_k']:.3g} K; {found['note']}; {found['steps']} steps; {parts}"
    if "sensor_error_k" in found:
        note += f"; by its own sensors {found['sensor_error_k']:.3g} K"
    columns = ("error_k", "setup_s", "steps_s", "cpu_s", "peak_mb", "unknowns", "error_of_probe_k")
    return {
        "name": f"{entry.problem}: {entry.label}",
        "value": found["total_s"],
        "unit": "s",
        "ratio": None,
        "note": note,
        "who": entry.who,
        "problem": entry.problem,
        "threads": entry.threads,
        **{name: found[name] for name in columns},
    }


def comparisons(found: Sequence[Row]) -> list[Row]:
    """Ratio of each peer's time to ours at equal error, total and steps alone, for every problem, peer and threads."""
    out = []
    for problem in dict.fromkeys(r["problem"] for r in found if "problem" in r):
        mine = [r for r in found if r.get("problem") == problem and r["who"] == OURS]
        for who in dict.fromkeys(r["who"] for r in found if r.get("problem") == problem and r["who"] != OURS):
            theirs = [r for r in found if r.get("problem") == problem and r["who"] == who]
            for threads in sorted({r["threads"] for r in theirs}):
                for goal in GOALS_K:
                    for column, title in (("value", "total"), ("steps_s", "steps alone"), ("cpu_s", "CPU time")):
                        name = f"{problem}: {title} at {goal} K, vertherm beside {who}, {_threads(threads)}"
                        a = time_at([r for r in mine if r["threads"] == threads], goal, column)
                        b = time_at([r for r in theirs if r["threads"] == threads], goal, column)
                        out.append(_compared(name, a, b))
    return out


def _compared(name: str, ours: float | None, theirs: float | None) -> Row:
    if ours is None or theirs is None:
        note = f"no run {'of ours' if ours is None else 'of the peer'} reaches this error"
        return {"name": name, "value": ours, "unit": "s", "ratio": None, "note": note}
    return {"name": name, "value": ours, "unit": "s", "ratio": theirs / ours, "note": f"the peer needs {theirs:.3g} s"}


def front(found: Sequence[Row], column: str = "value") -> list[tuple[float, float]]:
    """(error in K, time in s) of the runs that no other beats in both, from the largest error to the smallest."""
    best: list[tuple[float, float]] = []
    for error, seconds in sorted((float(r["error_k"]), float(r[column])) for r in found):
        if not best or seconds < best[-1][1]:
            best.append((error, seconds))
    return best[::-1]


def time_at(found: Sequence[Row], error_k: float, column: str = "value") -> float | None:
    """Time in s at which the front reaches ``error_k``; the cheapest run where even that is better; None: never."""
    points = front(found, column)
    if not points or points[-1][0] > error_k:
        return None
    if points[0][0] <= error_k:
        return points[0][1]
    for (e0, t0), (e1, t1) in pairwise(points):
        if e0 >= error_k >= e1:
            share = (np.log(e0) - np.log(error_k)) / (np.log(e0) - np.log(e1))
            return float(np.exp(np.log(t0) + share * (np.log(t1) - np.log(t0))))
    return None


def _threads(number: int) -> str:
    return f"{number} thread{'s' if number > 1 else ''}"
