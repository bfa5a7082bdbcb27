"""A plain C OpenMP program on the problems: explicit Euler at its limit, on the same voxel arrays as ours."""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.bench.peers.outcome import Clock, Outcome
from vertherm.bench.peers.problem import ARTERIAL_C, Problem

Field = NDArray[np.float32]
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp")
SAFETY = 0.95
"""Share of the explicit limit that a step takes."""


def compile_library(folder: Path) -> tuple[Path | None, str]:
    """The C program as a shared library in ``folder``, or None and the reason."""
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if compiler is None:
        return None, "not run: no C compiler (gcc) found"
    source, target = Path(__file__).parent / "voxel_c.c", folder / "voxel_c.so"
    # Linked apart, without -ffast-math: see bench/kernel.py.
    commands = (
        [compiler, *FLAGS, "-fPIC", "-c", str(source), "-o", str(folder / "voxel_c.o")],
        [compiler, "-fopenmp", "-shared", str(folder / "voxel_c.o"), "-o", str(target), "-lm"],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            first = (done.stderr.strip().splitlines() or ["no message"])[0]
            return None, f"not run: the C compiler failed ({first})"
    return target, ""


def run(
    problem: Problem,
    spacing_mm: float,
    *,
    library: Path,
    threads: int = 1,
    subdivision: int = 2,
    stairs: bool = False,
) -> Outcome:
    """Solve with the compiled library (see :func:`compile_library`); arguments as for ``ours.run``."""
    from vertherm.bench.peers.ours import tissue_arrays
    from vertherm.heat.fields import build_fields

    clock = Clock()
    heat, grid = tissue_arrays(problem, spacing_mm, threads, subdivision, stairs, clock)
    fields = build_fields(heat)
    c = _Program(library, threads, fields, grid, problem)
    damaged = np.zeros_like(fields.w)
    if problem.arrhenius is not None and heat.damage_index is not None and heat.damage_models is not None:
        alive = [n for n, model in enumerate(heat.damage_models) if model.id == "liver_coagulation"]
        damaged[1:-1, 1:-1, 1:-1] = np.isin(heat.damage_index, alive)
    c.damaged = damaged
    limit = SAFETY * 2.0 / float((fields.stiffness + fields.p0).max())
    clock("solver")
    setup = sum(clock.parts_s.values())
    out, now, steps = [], 0.0, 0
    for stop in sorted({*problem.times_s, problem.heating_s}):
        count = math.ceil((stop - now) / limit)
        for _ in range(count):
            c.step((stop - now) / count, now < problem.heating_s - 1e-9)
        steps, now = steps + count, stop
        if stop in problem.times_s:
            out.append(c.read(problem))
    march = clock("steps")
    return Outcome(np.array(out), setup, march, int(np.prod(grid.shape)), steps, clock.parts_s, "explicit Euler")


class _Program:
    """Arrays and calls of the C library."""

    def __init__(self, library: Path, threads: int, fields: Any, grid: Any, problem: Problem) -> None:
        from vertherm.bench.peers.ours import source_w_m3

        self.c, self.grid, self.f, self.law = ctypes.CDLL(str(library)), grid, fields, problem.arrhenius
        self.c.set_threads(ctypes.c_int(threads))
        self.T, self.new, self.omega, self.s = (np.zeros_like(fields.w) for _ in range(4))
        self.p = fields.p0.copy()
        self.s[1:-1, 1:-1, 1:-1] = source_w_m3(problem, grid) / fields.capacity[1:-1, 1:-1, 1:-1]
        self.damaged = np.zeros_like(fields.w)

    def step(self, dt: float, heating: bool) -> None:
        """One step of explicit Euler."""
        f, law = self.f, self.law
        arrays = (self.T, self.new, f.kx, f.ky, f.kz, f.w, self.p, self.s, self.omega, self.damaged)
        numbers = (dt, float(heating), ARTERIAL_C, *((law.ln_a, law.slope_k, law.from_c) if law else (0.0, 0.0, 1e9)))
        self.c.step(
            *(a.ctypes.data_as(ctypes.c_void_p) for a in arrays),
            *map(ctypes.c_float, numbers),
            *map(ctypes.c_int, (int(law is not None), *self.grid.shape)),
        )
        self.T, self.new = self.new, self.T

    def read(self, problem: Problem) -> NDArray[np.float64]:
        """Cubic interpolation at the probes, as for ours."""
        from vertherm.bench.peers.ours import cubic, read

        field = self.T[1:-1, 1:-1, 1:-1]
        nodes = [cubic(self.grid.index(point), self.grid.shape) for point in problem.probes_mm]
        return ARTERIAL_C + np.array([read(field, node) for node in nodes])
