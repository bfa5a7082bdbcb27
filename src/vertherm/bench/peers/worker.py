"""One contestant in a process of its own, so that its time and its peak memory are its own.

``python -m vertherm.bench.peers.worker '{"who": ..., "problem": ..., "threads": ..., "options": {...}}'`` writes one
JSON document: times, error against the third reference, memory. :func:`measure` calls it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vertherm.bench.peers.outcome import Outcome
from vertherm.bench.peers.problem import Problem, homogeneous, vertebra

PROBLEMS: dict[str, Callable[[], Problem]] = {"homogeneous": homogeneous, "vertebra": vertebra}
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Entry:
    """One contestant with its settings.

    Args:
        who: "vertherm", "ngsolve", "scikit-fem", "c_openmp" or "babelviscofdtd".
        problem: key of :data:`PROBLEMS`.
        options: of the contestant's ``run`` (its tuning).
        threads: that it may use.
        rounds: runs in the process; the fastest counts.
    """

    who: str
    problem: str
    options: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    rounds: int = 1

    @property
    def label(self) -> str:
        """Settings in words."""
        given = ", ".join(f"{key} {value}" for key, value in self.options.items() if key != "library")
        return f"{self.who}, {given}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def measure(entry: Entry, limit_s: float = 570.0) -> dict[str, Any]:
    """Run ``entry`` in a fresh process; the result's dict, or ``{"reason": ...}`` where it could not run."""
    given = json.dumps(vars(entry))
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    environment["NUMBA_NUM_THREADS"] = str(entry.threads)
    command = [sys.executable, "-m", "vertherm.bench.peers.worker", given]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return {"reason": f"not run: took more than {limit_s:.0f} s"}
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"reason": f"not run: {last}"}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def work(entry: Entry) -> dict[str, Any]:
    """Run in this process: a warm-up on a coarse mesh, then the rounds.

    Raises:
        ImportError: the contestant is not installed.
    """
    from vertherm.bench.peers.reference import reference

    problem = PROBLEMS[entry.problem]()
    truth = reference(problem)
    run = _runner(entry)
    run(problem, coarse=True)  # imports, caches of compiled code, thread pools
    best: Outcome | None = None
    cpu = 0.0
    for _ in range(entry.rounds):
        started = _cpu_s()
        outcome = run(problem, coarse=False)
        took = _cpu_s() - started
        if best is None or outcome.total_s < best.total_s:
            best, cpu = outcome, took
    assert best is not None
    errors = np.abs(best.temperature_c - truth.temperature_c)
    found = {
        "total_s": best.total_s,
        "setup_s": best.setup_s,
        "steps_s": best.steps_s,
        "cpu_s": cpu,
        "error_k": float(errors.max()),
        "error_of_probe_k": errors.max(axis=0).tolist(),
        "unknowns": int(best.unknowns),
        "steps": best.steps,
        "parts_s": best.parts_s,
        "peak_mb": _peak_mb(),
        "note": best.note,
    }
    if best.sensors_c is not None:
        found["sensor_error_k"] = float(np.abs(best.sensors_c - truth.temperature_c).max())
    return found


def _cpu_s() -> float:
    """Processor time of this process and of those it has waited for."""
    import resource
    import time

    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited.ru_utime + waited.ru_stime


def _peak_mb() -> float:
    """Largest resident size of this process or of one it has waited for."""
    import resource

    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024.0


def _runner(entry: Entry) -> Callable[..., Outcome]:
    """The contestant's ``run`` with its settings; ``coarse`` makes a quick one."""
    options, threads = dict(entry.options), entry.threads
    if entry.who == "vertherm":
        from vertherm.bench.peers import ours

        return lambda p, coarse: ours.run(p, **(options | ({"spacing_mm": 6.0} if coarse else {})), threads=threads)
    if entry.who == "c_openmp":
        from vertherm.bench.peers import voxel_c

        options["library"] = Path(options["library"])
        return lambda p, coarse: voxel_c.run(p, **(options | ({"spacing_mm": 6.0} if coarse else {})), threads=threads)
    if entry.who == "ngsolve":
        from vertherm.bench.peers import ngsolve_peer

        small = {"order": 1, "hot_mm": 9.0, "fine_mm": 16.0}
        return lambda p, coarse: ngsolve_peer.run(
            p, ngsolve_peer.Tuning(**(options | (small if coarse else {}))), threads=threads
        )
    if entry.who == "scikit-fem":
        from vertherm.bench.peers import skfem_peer

        rough = {"fine_mm": 12.0, "step_s": 30.0}
        return lambda p, coarse: skfem_peer.run(p, skfem_peer.Tuning(**(options | (rough if coarse else {}))))
    from vertherm.bench.peers import babel

    return lambda p, coarse: babel.run(p, **(options | ({"spacing_mm": 6.0} if coarse else {})), threads=threads)


def main() -> None:
    """Entry point of the process."""
    found = work(Entry(**json.loads(sys.argv[1])))
    sys.stdout.write("\n" + json.dumps(found, allow_nan=False) + "\n")


if __name__ == "__main__":
    try:
        main()
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(3)
