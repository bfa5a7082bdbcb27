"""Rows of the kernel benchmark that need a whole solver: its memory, and the same solver on a graphics card."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from vertherm.core.errors import InputError
from vertherm.heat.bioheat import BioheatSolver, StepLimits
from vertherm.heat.problem import BioheatProblem

Row = dict[str, Any]
STEP_S = 4.0


def _uniform(n: int) -> BioheatProblem:
    shape = (n, n, n)
    x, y, z = (np.full(tuple(n + (a == b) for b in range(3)), 0.5, np.float32) for a in range(3))
    return BioheatProblem(1e-3, np.full(shape, 3.8e6, np.float32), (x, y, z), np.full(shape, 2000.0, np.float32))


def memory_row(n: int) -> Row:
    """Memory of a solver's own arrays on n^3 cells, counted on a small one (every array grows with the cells)."""
    small = 32
    solver = BioheatSolver(_uniform(small))
    arrays = {id(a): a.nbytes for owner in (solver, solver.fields) for a in vars(owner).values()
              if isinstance(a, np.ndarray) and a.ndim == 3}  # fmt: skip
    a_cell = sum(arrays.values()) / (small + 2) ** 3
    note = f"{a_cell:.0f} B/cell in {len(arrays)} arrays; the problem it was made from is not counted"
    gigabytes = a_cell * (n + 2) ** 3 / 1e9
    return {"name": f"memory of a solver {n}^3", "value": gigabytes, "unit": "GB", "ratio": None, "note": note}


def gpu_rows(n: int, steps: int = 20) -> list[Row]:
    """The same solver on an NVIDIA card, whole steps; a row with the reason where there is none."""
    name = f"vertherm step on cuda {n}^3"
    try:
        from vertherm.heat.gpu import require_cuda

        require_cuda()
    except InputError as error:
        return [{"name": name, "value": None, "unit": "Mcell/s", "ratio": None, "note": f"not run: {error.what}"}]
    middle = np.zeros((n, n, n), np.float32)
    middle[n // 2 - 2 : n // 2 + 2, n // 2 - 2 : n // 2 + 2, n // 2 - 2 : n // 2 + 2] = 1e6
    limits = StepLimits(heating_s=STEP_S, change_k=1e9, rest_k=0.0)
    solver = BioheatSolver(_uniform(n), device="cuda", limits=limits)
    solver.advance(2 * STEP_S, middle)  # compiles
    before, start = solver.statistics.steps, time.perf_counter()
    solver.advance(steps * STEP_S, middle)
    each = (time.perf_counter() - start) / (solver.statistics.steps - before)
    note = "whole steps of the solver with source, doses and ledger; other stages a step than the rows above"
    return [{"name": name, "value": n**3 / each / 1e6, "unit": "Mcell/s", "ratio": None, "note": note}]
