"""The Yee kernel beside plain C OpenMP of the same update and the memory limit, and a whole full-wave check."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.fullwave.absorber import Absorber
from vertherm.applicator.fullwave.march import CpuMarcher, YeeProblem
from vertherm.applicator.fullwave.sources import NOTHING, Rows
from vertherm.core.progress import Progress, silent

Row = dict[str, Any]
Field = NDArray[np.float32]
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp")
STEP_BYTES = 72
"""Six fields read and written, six factors read, each once: what one step of a cell must move."""
COURANT = 0.5
NO_OPENEMS = "not run: openEMS is not importable here (Debian's package serves the system's own Python only)"


def rows(quick: bool = False, threads: int | None = None, progress: Progress = silent) -> list[Row]:
    """Benchmark rows: ``name``, ``value``, ``unit``, ``ratio`` (ours over the peer; above 1: ours is faster), ``note``.

    Args:
        quick: a small grid, few rounds, a small check.
        threads: threads of every contestant; None: all cores.
        progress: told the share done.
    """
    threads = threads or os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="vertherm-bench-") as folder:
        library, why = _compiled(Path(folder))
        out = _kernel_rows(48 if quick else 176, threads, library, why, rounds=3 if quick else 7)
    progress("full-wave", 0.5)
    found = importlib.util.find_spec("openEMS") is not None
    note = "not run: importable, but no case is set up here" if found else NO_OPENEMS
    out.append({"name": "openEMS", "value": None, "unit": "Mcell/s", "ratio": None, "note": note})
    return [*out, *_check_rows(quick, threads)]


def _compiled(folder: Path) -> tuple[ctypes.CDLL | None, str]:
    """The C kernel as a loaded library, or None and the reason (linked apart: see bench/kernel.py)."""
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if compiler is None:
        return None, "not run: no C compiler (gcc) found"
    source, built, target = folder / "fdtd.c", folder / "fdtd.o", folder / "fdtd.so"
    source.write_text(files("vertherm.bench").joinpath("fdtd.c").read_text("utf-8"), "utf-8")
    for command in (
        [compiler, *FLAGS, "-fPIC", "-c", str(source), "-o", str(built)],
        [compiler, "-fopenmp", "-shared", str(built), "-o", str(target)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return None, f"not run: the C compiler failed ({(done.stderr.strip().splitlines() or ['no message'])[0]})"
    return ctypes.CDLL(str(target)), ""


def _problem(n: int, layers: int) -> YeeProblem:
    """A random lossy block of n^3 nodes."""
    rng, shape = np.random.default_rng(1), (n, n, n)

    def three(low: float, high: float) -> tuple[Field, Field, Field]:
        x, y, z = (rng.uniform(low, high, shape).astype(np.float32) for _ in range(3))
        return x, y, z

    absorber = Absorber.along(n, max(layers, 1), 5e-4, 3e-12, 40.0)
    quiet = Rows.pack(shape, NOTHING)
    return YeeProblem(three(0.95, 0.99), three(0.01, 0.02), COURANT, (absorber,) * 3, layers, quiet, quiet, 100)


def _started(problem: YeeProblem, threads: int) -> CpuMarcher:
    machine, rng = CpuMarcher(problem, threads), np.random.default_rng(2)
    for field in machine.E:
        field[2:-2, 2:-2, 2:-2] = rng.normal(size=[n - 4 for n in problem.nodes]).astype(np.float32)
    return machine


def _kernel_rows(n: int, threads: int, library: ctypes.CDLL | None, why: str, rounds: int) -> list[Row]:
    steps = max(2, round(3e7 / n**3))
    wave = np.zeros((steps, 2), np.float32)
    plain, layered = _started(_problem(n, 0), threads), _started(_problem(n, 8), threads)
    work: dict[str, Callable[[], None]] = {
        "ours": lambda: plain.advance(wave, wave),
        "layers": lambda: layered.advance(wave, wave),
    }
    difference = None
    if library is not None:
        library.set_threads(ctypes.c_int(threads))
        rival, twin = _started(plain.problem, 1), _started(plain.problem, threads)
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*rival.E, *rival.H, *rival.problem.decay,
                                                                *rival.problem.gain)]  # fmt: skip
        a, b, c = (np.ones(n**3, np.float32) for _ in range(3))

        def in_c() -> None:
            for _ in range(steps):
                library.step(*pointers, ctypes.c_float(COURANT), ctypes.c_int(n))

        def triad() -> None:
            for _ in range(steps):
                library.triad(*(x.ctypes.data_as(ctypes.c_void_p) for x in (a, b, c)), ctypes.c_float(0.5),
                              ctypes.c_long(a.size))  # fmt: skip

        in_c()
        twin.advance(wave, wave)
        difference = float(np.abs(rival.E[0] - twin.E[0]).max() / np.abs(twin.E[0]).max())
        twin.close()
        work |= {"c": in_c, "triad": triad}
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):  # the first round warms up and is dropped
        for name, one in work.items():
            start = time.perf_counter()
            one()
            if turn:
                times[name].append((time.perf_counter() - start) / steps)
    plain.close()
    layered.close()
    return _report(n, threads, {name: min(t) for name, t in times.items()}, difference, why)


def _report(n: int, threads: int, best: dict[str, float], difference: float | None, why: str) -> list[Row]:
    cells, on = (n - 1) ** 3, f"{threads} thread{'s' if threads > 1 else ''}"
    note, rate = f"{STEP_BYTES} B/cell; {on}", cells / best["ours"] / 1e6
    if "triad" in best:
        note += f"; {STEP_BYTES * cells / (12 * n**3 / best['triad']) / best['ours']:.2f} of the memory limit"
    if difference is not None:
        note += f"; fields differ from C by {difference:.0e}"
    ratio = best["c"] / best["ours"] if "c" in best else None
    out: list[Row] = [
        {"name": f"vertherm yee step {n}^3", "value": rate, "unit": "Mcell/s", "ratio": ratio, "note": note},
        {"name": f"vertherm yee step with layers {n}^3", "value": cells / best["layers"] / 1e6, "unit": "Mcell/s",
         "ratio": None, "note": f"8 absorbing cells on every side, counted as cells; {on}"},
    ]  # fmt: skip
    if "c" in best:
        out.append({"name": f"c_openmp yee step {n}^3", "value": cells / best["c"] / 1e6, "unit": "Mcell/s",
                    "ratio": 1.0, "note": f"gcc {' '.join(FLAGS)}, E and H in two sweeps; {on}"})  # fmt: skip
    else:
        out.append({"name": f"c_openmp yee step {n}^3", "value": None, "unit": "Mcell/s", "ratio": None, "note": why})
    return out


def _check_rows(quick: bool, threads: int) -> list[Row]:
    """A whole check: vertebra-like tissue with a canal beside an oblique antenna."""
    from vertherm.applicator.antenna import load_antenna
    from vertherm.applicator.axisymmetric import AxisymmetricModel
    from vertherm.applicator.deposition import Deposition
    from vertherm.applicator.fullwave.solve import FullWaveNumerics, full_wave
    from vertherm.geometry.trajectory import Trajectory
    from vertherm.geometry.volume import Grid

    reach = 16.0 if quick else 40.0
    half, direction = reach + 6, np.array([0.5, -0.8, 0.15]) / np.linalg.norm([0.5, -0.8, 0.15])
    grid, tip = Grid.isotropic(np.full(3, -half), np.full(3, half), 1.0), np.array([-4.0, 8.0, 0.0])
    needle, antenna = Trajectory(tip + 90 * direction, tip), load_antenna("tosoratti_mini_choke")
    eps, sigma = _vertebra(grid.centres())
    deposition = Deposition(grid, needle, antenna.shaft_radius_mm, outline_mm=antenna.outer_radius_mm)
    medium = deposition.azimuthal_mean(eps, sigma)
    solution = AxisymmetricModel(antenna, 2.45e9).solve(medium)
    result = full_wave(
        grid, needle, antenna, solution, medium, eps, sigma, threads=threads,
        numerics=FullWaveNumerics(spacing_mm=1.0 if quick else 0.5, reach_mm=reach),
    )  # fmt: skip
    rate = result.cells * result.steps / result.march_s / 1e6
    note = (
        f"{result.cells / 1e6:.2f} M cells of {result.spacing_mm:g} mm, {result.steps} steps in {result.periods} "
        f"periods, {rate:.0f} Mcell/s, {threads} threads; {result.status.value}; goal 180 s on 2 cores"
    )
    name = f"full-wave check, {2 * reach:.0f} mm cube"
    return [
        {"name": name, "value": result.wall_s, "unit": "s", "ratio": None, "note": note},
        {"name": f"{name}: arrays", "value": result.memory_mb, "unit": "MB", "ratio": None, "note": "counted"},
    ]


def _vertebra(centres: NDArray[np.float64]) -> tuple[Field, Field]:
    """Muscle, a body of cancellous bone with a cortical shell and a lytic lesion, a canal; values of [R] tables."""
    x, y, z = np.moveaxis(centres, -1, 0)
    eps, sigma = np.full(x.shape, 52.7, np.float32), np.full(x.shape, 1.74, np.float32)
    for inside, e, s in (
        ((np.hypot(x, y - 8) < 20) & (np.abs(z) < 14), 11.4, 0.394),
        ((np.hypot(x, y - 8) < 18.5) & (np.abs(z) < 12.5), 18.5, 0.805),
        (np.hypot(x, y + 16) < 7.5, 66.2, 3.46),
        (np.linalg.norm(centres - [-2.0, 4.0, 0.0], axis=-1) < 9, 48.0, 1.8),
    ):
        eps[inside], sigma[inside] = e, s
    return eps, sigma
