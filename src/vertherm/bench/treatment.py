"""Time of one coupled treatment around a phantom vertebra (antenna solves, deposition, heat) and of an antenna solve.

A treatment: 15 W forward for 270 s with a re-solve every 30 s, then cool-down until every structure has peaked, on the
heat grid that planning cuts around the needle. First: an empty solution cache and no state in the process (compiled
code on disk); warm: the same again. The parts are the calls' own times; what is left is set-up, probes, bookkeeping.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from vertherm.core.progress import Progress, silent

Row = dict[str, Any]
TIP_MM, ENTRY_MM = (5.0, 8.0, 0.0), (25.0, -60.0, 0.0)
POWER_W, TIME_S = 15.0, 270.0
GOAL_S, ANTENNA_GOAL_S = 15.0, 0.3
_CACHE = "VERTHERM_CACHE"


@dataclass
class _Parts:
    """Seconds and calls by name."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """``work``, its time added under ``name``."""

        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
                self.calls[name] = self.calls.get(name, 0) + 1

        return run


def rows(quick: bool = False, progress: Progress = silent, threads: int | None = None) -> list[Row]:
    """Benchmark rows; ``ratio`` is the goal over the time (above 1: reached).

    Args:
        quick: 20 s of heating at 3 mm, for tests.
        progress: receives progress.
        threads: of the heat solver; None: all cores.
    """
    threads = threads or os.cpu_count() or 1
    spacing, duration = (3.0, 20.0) if quick else (1.0, TIME_S)
    with _own_cache():
        progress("phantom", 0.0)
        setup, setup_s = _setup(spacing, duration)
        out = [_row("set-up of the case on the heat grid", setup_s, None, _size(setup))]
        for turn, which in enumerate(("first", "warm")):
            progress(f"treatment, {which}", 0.2 + 0.3 * turn)
            out += _treatment(setup, which, spacing, duration, threads, quick)
        progress("antenna", 0.8)
        return [*out, *_antenna(setup, 2 if quick else 7), _memory()]


def _setup(spacing_mm: float, duration_s: float) -> tuple[Any, float]:
    from vertherm.planning.objects import Numerics
    from vertherm.planning.phantom import constant_power, phantom_case
    from vertherm.planning.protocol import default_protocol
    from vertherm.planning.setup import make_setup

    case = phantom_case(spacing_mm=1.5)
    given = constant_power(POWER_W, duration_s, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    start = time.perf_counter()
    setup = make_setup(case, given, default_protocol(), Numerics(spacing_mm=spacing_mm, resolve_every_s=30.0))
    return setup, time.perf_counter() - start


def _size(setup: Any) -> str:
    shape = setup.tissue.grid.shape
    return f"{shape[0]} x {shape[1]} x {shape[2]} cells of {setup.tissue.grid.spacing_mm[0]:g} mm"


@contextmanager
def _watched(parts: _Parts) -> Iterator[None]:
    """Every antenna solve, deposition and march within is timed."""
    from vertherm.applicator.axisymmetric import AxisymmetricModel
    from vertherm.applicator.deposition import Deposition
    from vertherm.heat.bioheat import BioheatSolver

    targets: tuple[tuple[str, type, str], ...] = (
        ("antenna mesh", AxisymmetricModel, "__init__"),
        ("antenna solve", AxisymmetricModel, "solve"),
        ("deposition weights", Deposition, "__init__"),
        ("azimuthal mean", Deposition, "azimuthal_mean"),
        ("deposition", Deposition, "deposit"),
        ("heat", BioheatSolver, "advance"),
    )
    before = [(kind, name, getattr(kind, name)) for _, kind, name in targets]
    for (title, kind, name), (_, _, work) in zip(targets, before, strict=True):
        setattr(kind, name, parts.timed(title, work))
    try:
        yield
    finally:
        for kind, name, work in before:
            setattr(kind, name, work)


@contextmanager
def _own_cache() -> Iterator[None]:
    """An empty folder for antenna solutions, so that the first treatment finds none."""
    before = os.environ.get(_CACHE)
    with tempfile.TemporaryDirectory(prefix="vertherm-bench-") as folder:
        os.environ[_CACHE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[_CACHE]
            else:
                os.environ[_CACHE] = before


def _treatment(setup: Any, which: str, spacing: float, duration: float, threads: int, quick: bool) -> list[Row]:
    from vertherm.heat.coupling import run_member
    from vertherm.heat.member import NOMINAL

    parts = _Parts()
    with _watched(parts):
        start = time.perf_counter()
        result = run_member(setup, NOMINAL, threads=threads)
        took = time.perf_counter() - start
    on = f"{threads} thread{'s' if threads > 1 else ''}"
    ended = f"{result.status}, {result.curves['time_s'][-1]:.0f} s simulated"
    title = f"treatment, {duration:g} s and cool-down at {spacing:g} mm, {which}"
    out = [_row(title, took, None if quick else GOAL_S / took, f"{_size(setup)}; {on}; {ended}")]
    for name, seconds in parts.seconds.items():
        out.append(_row(f"  {name}, {which}", seconds, None, f"{parts.calls[name]} calls, {seconds / took:.0%}"))
    rest = took - sum(parts.seconds.values())
    return [*out, _row(f"  rest, {which}", rest, None, f"{rest / took:.0%}")]


def _antenna(setup: Any, rounds: int) -> list[Row]:
    """One antenna in uniform tissue, mesh made before and together with its mesh; the best of the rounds."""
    from vertherm.applicator.axisymmetric import AxisymmetricModel
    from vertherm.applicator.medium import Homogeneous
    from vertherm.materials.tissue import tissue

    emitter = setup.emitters[0]
    medium = Homogeneous(*tissue("lytic_tumour").permittivity(emitter.frequency_hz))
    alone, together = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        model = AxisymmetricModel(emitter.antenna, emitter.frequency_hz)
        middle = time.perf_counter()
        solution = model.solve(medium)
        alone.append(time.perf_counter() - middle)
        together.append(time.perf_counter() - start)
    note = f"{emitter.antenna.name}, {model.dof} unknowns, |S11| {abs(solution.s11):.3f}, one thread"
    return [
        _row("antenna solve, mesh kept", min(alone), ANTENNA_GOAL_S / min(alone), note),
        _row("antenna solve with mesh", min(together), ANTENNA_GOAL_S / min(together), note),
    ]


def _memory() -> Row:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    note = "largest resident size of this process so far, phantom and tissue map included"
    return {"name": "peak memory", "value": peak, "unit": "MB", "ratio": None, "note": note}


def _row(name: str, value: float, ratio: float | None, note: str) -> Row:
    return {"name": name, "value": float(value), "unit": "s", "ratio": ratio, "note": note}
