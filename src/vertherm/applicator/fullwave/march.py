"""Marching a driven Yee grid to its steady oscillation, on the processor or on a graphics card."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.fullwave.absorber import Absorber
from vertherm.applicator.fullwave.sources import Rows
from vertherm.core.errors import InputError, SolverError
from vertherm.core.progress import Progress, silent

Field = NDArray[np.float32]
Three = tuple[Field, Field, Field]
Waves = NDArray[np.float32]
DEVICES = ("cpu", "cuda")
RAMP_PERIODS = 2.0
"""Periods over which the drive is faded in: a sudden start would excite every frequency."""


@dataclass(frozen=True, eq=False)
class YeeProblem:
    """Everything a back end needs.

    Attributes:
        decay, gain: update factors of E on the edges, three (nx+1, ny+1, nz+1) arrays.
        courant: c dt / spacing.
        absorbers: recursion factors along the three axes.
        layers: thickness of the absorbing layers in cells.
        electric, magnetic: currents, packed by row and scaled to changes per step.
        steps_per_period: a multiple of four.
    """

    decay: Three
    gain: Three
    courant: float
    absorbers: tuple[Absorber, Absorber, Absorber]
    layers: int
    electric: Rows
    magnetic: Rows
    steps_per_period: int

    @property
    def nodes(self) -> tuple[int, int, int]:
        """Shape of the field arrays."""
        x, y, z = self.gain[0].shape
        return x, y, z

    @property
    def cells(self) -> int:
        """Number of cells with the layers."""
        return int(np.prod([n - 1 for n in self.nodes]))


class Marcher(Protocol):
    """A back end: holds E and H, starts from zero."""

    def advance(self, waves_e: Waves, waves_h: Waves) -> None:
        """As many time steps as there are rows; each row holds the cosine and sine factors of the currents."""

    def electric(self) -> Three:
        """E on the edges now, on the host."""

    def close(self) -> None:
        """Release what it holds."""


class CpuMarcher:
    """Numba kernels over slabs, one thread each.

    Args:
        problem: what to march.
        threads: number of threads.
    """

    def __init__(self, problem: YeeProblem, threads: int = 1) -> None:
        self.problem = problem
        nodes, layers = problem.nodes, problem.layers

        def three() -> Three:
            return np.zeros(nodes, np.float32), np.zeros(nodes, np.float32), np.zeros(nodes, np.float32)

        def memory() -> tuple[Field, ...]:
            return tuple(
                np.zeros([2 * layers if a == axis else n for a, n in enumerate(nodes)], np.float32)
                for axis in (0, 0, 1, 1, 2, 2)
            )

        self.E, self.H = three(), three()
        self._memory_e, self._memory_h = memory(), memory()
        self._factors_e = tuple(a.electric for a in problem.absorbers)
        self._factors_h = tuple(a.magnetic for a in problem.absorbers)
        self._J, self._M = (
            (rows.first, rows.count, rows.offset, rows.re, rows.im) for rows in (problem.electric, problem.magnetic)
        )
        edges = np.linspace(1, nodes[0] - 1, threads + 1).round().astype(int)
        self._slabs = [(int(a), int(b)) for a, b in pairwise(edges) if b > a]
        self._pool = ThreadPoolExecutor(len(self._slabs)) if len(self._slabs) > 1 else None

    def advance(self, waves_e: Waves, waves_h: Waves) -> None:
        """See :class:`Marcher`."""
        from vertherm.applicator.fullwave.kernels import finish_slab, sweep_slab

        p, courant = self.problem, np.float32(self.problem.courant)
        for wave_e, wave_h in zip(waves_e, waves_h, strict=True):
            e, h = (wave_e[0], wave_e[1]), (wave_h[0], wave_h[1])
            self._all(
                sweep_slab,
                self.E, self.H, p.decay, p.gain, courant, self._memory_e, self._memory_h, self._factors_e,
                self._factors_h, p.layers, self._J, self._M, e, h,
            )  # fmt: skip
            self._all(
                finish_slab,
                self.E, self.H, courant, self._memory_h, self._factors_h, p.layers, self._M, h,
            )  # fmt: skip

    def _all(self, kernel, *args) -> None:  # type: ignore[no-untyped-def]
        slabs = self._slabs if kernel.__name__ == "sweep_slab" else [(hi,) for _, hi in self._slabs]
        if self._pool is None:
            for slab in slabs:
                kernel(*args, *slab)
            return
        for done in [self._pool.submit(kernel, *args, *slab) for slab in slabs]:
            done.result()

    def electric(self) -> Three:
        """See :class:`Marcher`."""
        return self.E

    def close(self) -> None:
        """See :class:`Marcher`."""
        if self._pool is not None:
            self._pool.shutdown()


@contextmanager
def marcher(problem: YeeProblem, device: str, threads: int) -> Iterator[Marcher]:
    """The back end of that name.

    Raises:
        InputError: unknown device, or no usable graphics card.
    """
    made: Marcher
    if device == "cpu":
        made = CpuMarcher(problem, threads)
    elif device == "cuda":
        from vertherm.applicator.fullwave.cuda import CudaMarcher

        made = CudaMarcher(problem)
    else:
        raise InputError("Unknown device.", where="full wave", got=device, expected=", ".join(DEVICES))
    try:
        yield made
    finally:
        made.close()


@dataclass(frozen=True, eq=False)
class Steady:
    """The steady oscillation.

    Attributes:
        phasors: complex E on the edges, three complex64 arrays, peak, exp(+j w t).
        converged: whether the change fell below the tolerance.
        changes: relative change of the phasors (L2 over a sample of edges) from period to period, after the ramp.
        periods: periods marched.
    """

    phasors: tuple[NDArray[np.complex64], NDArray[np.complex64], NDArray[np.complex64]]
    converged: bool
    changes: tuple[float, ...]
    periods: int


def march(
    problem: YeeProblem,
    *,
    device: str = "cpu",
    threads: int = 1,
    tolerance: float = 2e-3,
    max_periods: int = 40,
    progress: Progress = silent,
) -> Steady:
    """Drive the grid until its phasors stop changing.

    Phasors come from four samples a period, a quarter apart: constants and even harmonics cancel.

    Raises:
        InputError: unknown or unavailable device.
        SolverError: the field grows without bound.
    """
    quarter = problem.steps_per_period // 4
    re: Three | None = None
    changes: list[float] = []
    before: NDArray[np.complex128] | None = None
    with marcher(problem, device, threads) as machine:
        for period in range(max_periods):
            with np.errstate(over="ignore", invalid="ignore"):
                re, im = _period(machine, period, quarter)
                sample = _sample(re, im)
                norm = float(np.linalg.norm(sample))
            if not np.isfinite(norm):
                raise SolverError("The full wave's field is not finite.", got=f"period {period + 1}")
            if before is not None and period >= RAMP_PERIODS:
                changes.append(float(np.linalg.norm(sample - before)) / max(norm, 1e-30))
                _check_growth(changes, norm, float(np.linalg.norm(before)))
            progress("full wave", min(0.99, (period + 1) / max_periods))
            before = sample
            if changes and changes[-1] < tolerance:
                break
    progress("full wave", 1.0)
    assert re is not None
    x, y, z = (a + 1j * b for a, b in zip(re, im, strict=True))
    return Steady((x, y, z), bool(changes and changes[-1] < tolerance), tuple(changes), period + 1)


def _period(machine: Marcher, period: int, quarter: int) -> tuple[Three, Three]:
    """March one period; E at its four quarters gives real and imaginary parts."""
    first = period * 4 * quarter
    re: list[Field] = []
    im: list[Field] = []
    half = np.float32(0.5)
    for n in range(4):
        steps = first + n * quarter + np.arange(quarter)
        machine.advance(_waves(steps + 0.5, 4 * quarter), _waves(steps + 1.0, 4 * quarter))
        # Now at (n + 1) quarters: E = -Im, -Re, Im, Re of the phasor in turn.
        parts, sign = (im if n % 2 == 0 else re), (-half if n < 2 else half)
        for c, field in enumerate(machine.electric()):
            if n < 2:
                parts.append(sign * field)
            else:
                parts[c] += sign * field
    return (re[0], re[1], re[2]), (im[0], im[1], im[2])


def _waves(steps: NDArray[Any], steps_per_period: int) -> Waves:
    """Cosine and sine at times given in steps, faded in over ``RAMP_PERIODS``."""
    periods = steps / steps_per_period
    x = np.clip(periods / RAMP_PERIODS, 0.0, 1.0)
    ramp = x**3 * (10 - 15 * x + 6 * x**2)
    angle = 2 * np.pi * periods
    return np.asarray(np.stack([ramp * np.cos(angle), ramp * np.sin(angle)], axis=-1), dtype=np.float32)


def _sample(re: Three, im: Three) -> NDArray[np.complex128]:
    """Every third edge in every direction: enough to judge convergence."""
    parts = [(a[::3, ::3, ::3].astype(float) + 1j * b[::3, ::3, ::3]).ravel() for a, b in zip(re, im, strict=True)]
    return np.concatenate(parts)


def _check_growth(changes: list[float], norm: float, before: float) -> None:
    """A passive grid settles; one whose phasors keep growing by half a period after period is unstable.

    Raises:
        SolverError: it grows.
    """
    growing = len(changes) >= 4 and min(changes[-4:]) > 0.3 and norm > 1.3 * before
    if growing:
        raise SolverError(
            "The full wave does not settle: its field grows from period to period.",
            got=f"relative changes {', '.join(f'{c:.2g}' for c in changes[-4:])}",
            expected="falling changes",
            advice="report this case; a smaller time step or thicker layers may help",
        )
