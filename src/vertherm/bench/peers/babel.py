"""BabelViscoFDTD's bioheat on the problems, out of process: explicit voxels through OpenCL.

``VERTHERM_PEER_BABEL`` names a Python that has BabelViscoFDTD and an OpenCL device (pocl on a CPU); without it the one
that runs us is tried.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np

from vertherm.bench.peers.outcome import Clock, Outcome
from vertherm.bench.peers.problem import Problem

VARIABLE = "VERTHERM_PEER_BABEL"
LIMIT_S = 300.0


def run(problem: Problem, spacing_mm: float = 1.0, *, threads: int = 1) -> Outcome:
    """Solve with label voxels of ``spacing_mm``; perfusion never stops (the code knows no damage).

    Raises:
        ImportError: no Python with BabelViscoFDTD, or no OpenCL device; the message says which.
    """
    from vertherm.bench.peers.ours import source_w_m3
    from vertherm.geometry.volume import Grid
    from vertherm.heat.tracking import trilinear

    clock = Clock()
    half = np.full(3, problem.half_width_mm)
    grid = Grid.isotropic(-half, half, spacing_mm)
    local = (grid.centres() - np.array(problem.centre_mm)) @ problem.frame.T
    labels = problem.region(np.hypot(local[..., 0], local[..., 1]), local[..., 2]).astype(np.uint32)
    fastest = max(m.conductivity / m.capacity for m in problem.materials)
    limit = 0.95 * (1e-3 * spacing_mm) ** 2 / (6 * fastest)
    # One step length that meets every time of comparison.
    common = math.gcd(*(round(t) for t in (*problem.times_s, problem.heating_s)))
    dt = common / math.ceil(common / limit)
    corners, monitor = _monitor(problem, grid, trilinear)
    with tempfile.TemporaryDirectory(prefix="vertherm-babel-") as folder:
        given, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(
            given, labels=labels, source=source_w_m3(problem, grid), monitor=monitor, dt=dt,
            spacing_m=1e-3 * spacing_mm, steps=round(problem.times_s[-1] / dt),
            steps_on=round(problem.heating_s / dt), capacity=np.array([m.capacity for m in problem.materials]),
            conductivity=np.array([m.conductivity for m in problem.materials]),
            flow=np.array([m.perfusion for m in problem.materials]),
        )  # fmt: skip
        sampled = clock("sampling")
        _call(given, target, threads)
        clock("process")
        with np.load(target) as got:
            curves, build, march = got["curves"], float(got["build_s"]), float(got["run_s"])
            device = str(got["device"])
    rows = [round(t / dt) - 1 for t in problem.times_s]
    flat = monitor.reshape(-1)
    values = np.array([[sum(w * curves[flat[c] - 1, r] for c, w in probe) for probe in corners] for r in rows])
    note = f"label voxels, perfusion never stops; OpenCL on {device}"
    return Outcome(values, sampled + build, march, labels.size, round(problem.times_s[-1] / dt), clock.parts_s, note)


def _monitor(problem: Problem, grid: object, trilinear: object) -> tuple[list[list[tuple[int, float]]], np.ndarray]:
    """Corners (flat index, weight) of each probe, and the map that numbers the monitored voxels."""
    shape = grid.shape  # type: ignore[attr-defined]
    corners = []
    used: set[int] = set()
    for number, point in enumerate(problem.probes_mm):
        padded, weights = trilinear(shape, str(number), grid.index(point))  # type: ignore[operator,attr-defined]
        i, j, k = np.unravel_index(padded, tuple(n + 2 for n in shape))
        flat = np.ravel_multi_index((i - 1, j - 1, k - 1), shape)
        corners.append(list(zip(flat.tolist(), weights.tolist(), strict=True)))
        used |= set(flat.tolist())
    monitor = np.zeros(int(np.prod(shape)), np.uint32)
    ordered = np.array(sorted(used))
    monitor[ordered] = np.arange(1, ordered.size + 1)
    return corners, monitor.reshape(shape)


def _call(given: Path, target: Path, threads: int) -> None:
    python = os.environ.get(VARIABLE) or sys.executable
    script = str(files("vertherm.bench.peers").joinpath("babel_script.py"))
    environment = os.environ | {"POCL_MAX_PTHREAD_COUNT": str(threads), "OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(
            [python, script, str(given), str(target)],
            capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImportError(f"BabelViscoFDTD did not run ({type(error).__name__})") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ImportError(f"BabelViscoFDTD did not run ({last}); {VARIABLE} may name a Python that has it")
