"""Our kernels beside plain C OpenMP kernels of the same formulas and a memory triad, in one run.

Absolute times on shared machines drift: all contestants take turns in every round and the best round of each counts.
Bytes a cell are counted once per array and pass (reads + writes, no write-allocate), so that the share of the memory
limit is a lower bound.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vertherm.bench.kernel_solver import gpu_rows, memory_row
from vertherm.core.progress import Progress, silent
from vertherm.heat import kernels, kernels_step
from vertherm.heat.cpu import PAIR_BYTES, SWEEP_BYTES
from vertherm.heat.exchange import Fin
from vertherm.heat.problem import BioheatProblem, temperature_functions
from vertherm.heat.rkl2 import Plan
from vertherm.heat.tables import RateTable
from vertherm.heat.team import Team, meet

Field = NDArray[np.float32]
Row = dict[str, Any]
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp")
STAGES, STEP_S, ARTERIAL_C = 4, 4.0, 37.0
STAGE_BYTES = 36
"""D1, D2, rate, kx, ky, kz, w, p read and D2 written."""
STEP_BYTES = 32 + (STAGES - 1) * STAGE_BYTES + 20
"""rate: 7 read, 1 written; stages; Y, D, peak read and Y, peak written. Doses of the warm rows are not counted, nor are
p and capacity, which ours reads once more for the energy ledger and C does not."""
f4 = np.float32


def rows(quick: bool = False, threads: int | None = None, progress: Progress = silent) -> list[Row]:
    """Benchmark rows: ``name``, ``value``, ``unit``, ``ratio`` (ours over the peer; above 1: ours is faster), ``note``.

    Args:
        quick: small grids and few rounds, for tests.
        threads: threads of every contestant; None: all cores.
    """
    threads = threads or os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="vertherm-bench-") as folder:
        library, why = compile_c(Path(folder))
        out: list[Row] = []
        for done, n in enumerate((48, 64) if quick else (128, 256)):
            progress("kernel", done / 2)
            out += _grid_rows(n, threads, library, why, rounds=3 if quick else 9)
            out += [memory_row(n), *gpu_rows(n)]
        return out


def compile_c(folder: Path) -> tuple[ctypes.CDLL | None, str]:
    """The C kernels as a loaded library, or None and the reason."""
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if compiler is None:
        return None, "not run: no C compiler (gcc) found"
    source, target = folder / "c_kernel.c", folder / "c_kernel.so"
    source.write_text(files("vertherm.bench").joinpath("c_kernel.c").read_text("utf-8"), "utf-8")
    # Linked apart, without -ffast-math: with it the linker adds start-up code that flushes subnormal numbers to zero in
    # the whole process that loads the library.
    compiled = folder / "c_kernel.o"
    commands = (
        [compiler, *FLAGS, "-fPIC", "-c", str(source), "-o", str(compiled)],
        [compiler, "-fopenmp", "-shared", str(compiled), "-o", str(target), "-lm"],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            first = (done.stderr.strip().splitlines() or ["no message"])[0]
            return None, f"not run: the C compiler failed ({first})"
    return ctypes.CDLL(str(target)), ""


@dataclass(eq=False)
class _Block:
    """Fields of a heterogeneous block with a warm middle (an eighth of the rows above 39 degC)."""

    n: int
    fields: dict[str, Field] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, rng = self.n, np.random.default_rng(1)
        shape = (n + 2,) * 3
        axis = (np.arange(n + 2) - (n + 1) / 2) / (0.08 * n)
        bump = np.exp(-0.5 * axis**2).astype(np.float32)
        warm = 18.0 * bump[:, None, None] * bump[None, :, None] * bump[None, None, :]
        self.fields["Y"] = self._edged(warm)
        self.fields["s"] = self._edged(0.01 * warm)
        for name in ("kx", "ky", "kz"):
            self.fields[name] = rng.uniform(0.3, 0.6, shape).astype(np.float32)
        self.fields["w"] = self._edged(1.0 / (rng.uniform(2e6, 4e6, shape) * 1e-6))
        self.fields["p"] = self._edged(rng.uniform(0, 1e-3, shape))
        for name in ("rate", "Da", "Db", "peak", "cem", "omega", "lam", "G", "latent"):
            self.fields[name] = np.zeros(shape, np.float32)
        self.fields["rv"] = np.ones(shape, np.float32)
        self.fields["capacity"] = np.full(shape, 3e6, np.float32)

    def _edged(self, values: NDArray) -> Field:
        out = np.zeros((self.n + 2,) * 3, np.float32)
        out[1:-1, 1:-1, 1:-1] = values[1:-1, 1:-1, 1:-1]
        return out

    def fresh(self) -> dict[str, Field]:
        """Same parameters, a state of its own."""
        own = ("Y", "rate", "Da", "Db", "peak", "cem", "omega", "G", "latent")
        return {name: values.copy() if name in own else values for name, values in self.fields.items()}


Factors = tuple[float, float, float, float]


@njit(fastmath=True, nogil=True, error_model="numpy", cache=True)
def _one_stage(D1, D2, rate, medium, factors, spans, cuts, barrier, thread, threads):  # type: ignore[no-untyped-def]
    """One sweep of all rows: what ``kernels_step.stages`` does once a stage."""
    kx, ky, kz, w, p = medium
    X, R = D1.shape[1] * D1.shape[2], D1.shape[2]
    a, b, c, e = factors
    for i in range(cuts[thread], cuts[thread + 1]):
        first, last = i * X + spans[i, 0] * R + 1, i * X + spans[i, 1] * R + R - 1
        kernels.stage_cells(
            D1.reshape(-1), D2.reshape(-1), rate.reshape(-1), kx.reshape(-1), ky.reshape(-1), kz.reshape(-1),
            w.reshape(-1), p.reshape(-1), a, b, c, e, kernels.u8(X), kernels.u8(R), first, last,
        )  # fmt: skip
    meet(barrier, threads)


@dataclass(eq=False)
class _Ours:
    """The kernels as the solver calls them, on a tissue without shafts or fixed cells; every row is swept."""

    n: int
    f: dict[str, Field]
    team: Team

    def __post_init__(self) -> None:
        cell = (np.ones((1, 1, 1), np.float32),) * 2
        faces = tuple(np.ones(tuple(1 + (a == b) for b in range(3)), np.float32) for a in range(3))
        problem = BioheatProblem(1e-3, cell[0], (faces[0], faces[1], faces[2]), cell[1])
        table, f, size = RateTable.of_temperature(temperature_functions(problem)), self.f, self.n + 2
        rate, most, before = (np.zeros((size, size), np.float32) for _ in range(3))
        # The step reads the row maxima before it from the third array and writes those after it into the first.
        before[...] = f["Y"].max(axis=2)
        self.rows = (most, rate, before, np.zeros((size, size), np.bool_))
        offset, never = table.low - ARTERIAL_C, f4(1e30)
        self.marks = (never, f4(table.first_nonzero(slice(1, None)) - ARTERIAL_C), 1e30)
        self.tables = (table.values, offset, table.per_unit, table.values, table.per_unit)
        self.curve = (f["lam"], f["rv"], never, never)
        self.medium = (f["kx"], f["ky"], f["kz"], f["w"], f["p"])
        self.model = np.zeros(f["Y"].shape, np.uint8)
        self.spans = np.tile(np.array([1, self.n], np.int64), (size, 1))
        self.cuts = np.linspace(1, self.n + 1, self.team.threads + 1).round().astype(np.int64)
        self.box = np.array([1, 0, 1, 0, 1, 0], np.int64)
        none = (np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(size + 1, np.int64))
        self.faces = (*none, *none)
        self.fluid = (*none[:2], none[1], none[2])
        self.fin = Fin.pack((), f["w"], 1e-3)
        self.shaft = (*self.fin.group, self.fin.spread)
        self.paired = SWEEP_BYTES * f["w"].size > PAIR_BYTES
        self.heats, self.heat = np.zeros((STAGES - 1, 3, size)), np.zeros((STAGES - 1, 0))
        self.sums, self.extra = np.zeros((size, size), np.float32), np.zeros(size)

    def stage(self, X: Field, target: Field, factors: Factors) -> None:
        a, b, c, e = map(f4, factors)
        self.team.run(_one_stage, X, target, self.f["rate"], self.medium, (a, b, c, e), self.spans, self.cuts)

    def step(self, plan: Plan) -> None:
        f, none = self.f, np.zeros(0)
        self.team.run(
            kernels_step.rates, f["Y"], f["rate"], f["s"], f["G"], f4(1.0), self.medium, self.faces, self.fluid,
            self.shaft, none, none, self.rows[1], self.fin.rows, self.box, self.spans, self.cuts, self.heats[0],
            none, none,
        )  # fmt: skip
        self.team.run(
            kernels_step.step, (f["Y"], f["G"], f["peak"], f["cem"], f["omega"], f["latent"], self.model),
            (f["rate"], f["Da"], f["Db"]), (f["p"], f["capacity"]), plan.factors, plan.operators, plan.first,
            f4(STEP_S), self.medium, self.curve, self.faces, self.fluid, self.shaft, none, self.tables, self.marks,
            self.rows, self.box, self.spans, self.cuts, self.heats, none, self.heat, self.sums, self.extra, False,
            self.paired,
        )  # fmt: skip
        most, rate, before, active = self.rows
        self.rows = (before, rate, most, active)


@dataclass(eq=False)
class _InC:
    """The same step by the C library."""

    n: int
    f: dict[str, Field]
    library: ctypes.CDLL

    def __post_init__(self) -> None:
        self.row_rate = np.zeros((self.n + 2, self.n + 2), np.float32)

    def call(self, name: str, *args: Any) -> None:
        size = (ctypes.c_int(self.n),) * 3
        given = [a.ctypes.data_as(ctypes.c_void_p) if isinstance(a, np.ndarray) else ctypes.c_float(a) for a in args]
        getattr(self.library, name)(*given, *size)

    def stage(self, X: Field, target: Field, factors: Factors) -> None:
        f = self.f
        self.call("stage", X, target, f["rate"], f["kx"], f["ky"], f["kz"], f["w"], f["p"], *factors)

    def step(self, plan: Plan) -> None:
        f = self.f
        model = _liver()
        self.call("rate", f["Y"], f["rate"], f["kx"], f["ky"], f["kz"], f["w"], f["p"], f["s"], self.row_rate)
        D = _march(self.stage, f, plan)
        self.call("doses", f["Y"], D, f["peak"], f["cem"], f["omega"], ARTERIAL_C, STEP_S, *model)


def _liver() -> tuple[float, float, float]:
    from vertherm.materials.damage import GAS_CONSTANT, damage_model

    model = damage_model("liver_coagulation")
    return model.ln_a, model.ea_j_mol / GAS_CONSTANT, float(model.valid_from_c or 0.0)


def _march(stage: Callable[..., None], f: dict[str, Field], plan: Plan) -> Field:
    X, older, newer = f["rate"], f["Da"], f["Db"]
    for factors in plan.factors:
        stage(X, older, factors)
        X, older, newer = older, newer, older
    return newer


def _timed(work: Callable[[], None], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def _grid_rows(n: int, threads: int, library: ctypes.CDLL | None, why: str, rounds: int) -> list[Row]:
    plan, block = Plan.of(STAGES, STEP_S), _Block(n)
    repeats = max(1, round(2e7 / n**3))
    with Team(threads) as team:
        ours = _Ours(n, block.fresh(), team)
        work: dict[str, Callable[[], None]] = {
            "numba stage": lambda: ours.stage(ours.f["Da"], ours.f["Db"], plan.factors[-1]),
            "numba step": lambda: ours.step(plan),
        }
        rival: _InC | None = None
        if library is not None:
            library.set_threads(ctypes.c_int(threads))
            rival = _InC(n, block.fresh(), library)
            work |= _c_work(rival, plan, library)
        agreement = _agreement(ours, rival, plan)
        times: dict[str, list[float]] = {name: [] for name in work}
        for turn in range(rounds + 1):  # the first round warms up and is dropped
            for name, one in work.items():
                taken = _timed(one, repeats)
                if turn:
                    times[name].append(taken)
    return _report(n, threads, times, agreement, why)


def _c_work(rival: _InC, plan: Plan, library: ctypes.CDLL) -> dict[str, Callable[[], None]]:
    size = rival.f["Y"].size
    a, b, c = (np.ones(size, np.float32) for _ in range(3))
    pointers = [x.ctypes.data_as(ctypes.c_void_p) for x in (a, b, c)]

    def triad() -> None:
        library.triad(*pointers, ctypes.c_float(0.5), ctypes.c_long(a.size))

    return {
        "c_openmp stage": lambda: rival.stage(rival.f["Da"], rival.f["Db"], plan.factors[-1]),
        "c_openmp step": lambda: rival.step(plan),
        "triad": triad,
    }


def _agreement(ours: _Ours, rival: _InC | None, plan: Plan) -> tuple[float, float] | None:
    """Largest difference after one step: temperature in K, CEM43 relative to its maximum. Proof of the same formula."""
    ours.step(plan)
    if rival is None:
        return None
    rival.step(plan)
    kelvin = float(np.abs(ours.f["Y"] - rival.f["Y"]).max())
    dose = float(np.abs(ours.f["cem"] - rival.f["cem"]).max() / ours.f["cem"].max())
    return kelvin, dose


def _report(
    n: int, threads: int, times: dict[str, list[float]], agreement: tuple[float, float] | None, why: str
) -> list[Row]:
    grid, on = f"{n}^3", f"{threads} thread{'s' if threads > 1 else ''}"
    bytes_of = {"stage": STAGE_BYTES, "step": STEP_BYTES}
    titles = {
        "stage": f"one RKL2 stage, {STAGE_BYTES} B/cell",
        "step": f"one RKL2 step of {STAGES} stages + peak + CEM43 + Arrhenius, an eighth of the rows warm, "
        f"{STEP_BYTES} B/cell",
    }
    out: list[Row] = []
    triad = min(times["triad"]) if "triad" in times else None
    for kind in ("stage", "step"):
        own = min(times[f"numba {kind}"])
        note = f"{titles[kind]}; {on}"
        if triad is not None:
            limit = bytes_of[kind] * n**3 / (12 * (n + 2) ** 3 / triad)
            note += f"; {limit / own:.2f} of the memory limit"
        name = f"c_openmp {kind} {grid}"
        if f"c_openmp {kind}" in times:
            rival = min(times[f"c_openmp {kind}"])
            ratio = rival / own
            out.append(_row(f"vertherm {kind} {grid}", n**3 / own / 1e6, "Mcell/s", ratio, note))
            out.append(_row(name, n**3 / rival / 1e6, "Mcell/s", 1.0, f"gcc {' '.join(FLAGS)}; {on}"))
        else:
            out.append(_row(f"vertherm {kind} {grid}", n**3 / own / 1e6, "Mcell/s", None, note))
            out.append({"name": name, "value": None, "unit": "Mcell/s", "ratio": None, "note": why})
    if triad is None:
        out.append({"name": f"triad {grid}", "value": None, "unit": "GB/s", "ratio": None, "note": why})
    else:
        out.append(_row(f"triad {grid}", 12 * (n + 2) ** 3 / triad / 1e9, "GB/s", None, f"12 B/element; {on}"))
    if agreement is not None:
        out.append(
            _row(f"difference of the two {grid}", agreement[0], "K", None, f"CEM43 differs by {agreement[1]:.1e}")
        )
    return out


def _row(name: str, value: float, unit: str, ratio: float | None, note: str) -> Row:
    return {"name": name, "value": float(value), "unit": unit, "ratio": ratio, "note": note}
