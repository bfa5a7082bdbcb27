"""The cement: fill, curing heat and strength of one body, and the strength beside a direct sparse solution.

The peer solves the very system that the strength solves, assembled once (its own time is stated apart) and factorised
by SuperLU, which is what SciPy and scikit-fem users take; at sizes where its memory allows it.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.front import Injection, fill
from vertherm.core.progress import Progress, silent

Row = dict[str, Any]
Array = NDArray[np.float64]
FILL_ML, VISCOSITY_PA_S = 6.0, 200.0
CURING_CELLS = 60
BODY_MM = (52.0, 40.0, 33.0)
"""Width, depth and height of the body of the strength rows; ellipse with a cortex, a lytic ball and cement in it."""
TOLERANCE = 1e-7
GOAL_STRENGTH_S = 120.0


def rows(quick: bool = False, progress: Progress = silent) -> list[Row]:
    """Benchmark rows; ``ratio`` is the peer's time over ours, or the goal over ours where there is no peer.

    Args:
        quick: coarse, for tests.
        progress: told what is done.
    """
    progress("cement fill", 0.0)
    found = _fill_rows(25 if quick else 41, 0.5 if quick else FILL_ML)
    progress("cement curing", 0.3)
    found += _curing_rows(20 if quick else CURING_CELLS)
    progress("cement strength", 0.5)
    # Before the peer, whose factors would count as memory of ours.
    found += _strength_rows(3.0 if quick else 1.0)
    return found + _peer_rows(3.0 if quick else 2.0)


def _timed(work: Callable[[], Any], rounds: int = 3) -> tuple[float, Any]:
    """Smallest of the times after one run that compiles, and the last result."""
    result = work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def _fill_rows(n: int, volume_ml: float) -> list[Row]:
    injection = Injection(1.0 / 30.0, volume_ml, lambda _: VISCOSITY_PA_S, 0.1, 5.0)
    porosity = np.full((n, n, n), 0.85, np.float32)
    rough = np.exp(0.6 * np.random.default_rng(0).standard_normal((n, n, n))).astype(np.float32)
    opening = np.array([np.ravel_multi_index((n // 2,) * 3, (n, n, n))])
    out = []
    for name, field in (("even", np.ones_like(rough)), ("uneven", rough)):
        taken, found = _timed(partial(fill, porosity, 4e-9 * field, 1.0, opening, injection))
        held = float((found.saturation.astype(np.float64) * porosity).sum()) / 1000.0
        note = f"{n}^3 cells of 1 mm, one thread; volume kept to {abs(held / volume_ml - 1):.0e}"
        out.append(_row(f"fill of {volume_ml:g} ml, {name} bone", taken, "s", None, note))
    return out


def _curing_rows(n: int) -> list[Row]:
    from vertherm.cement.curing import cure, with_cement
    from vertherm.cement.kinetics import kinetics
    from vertherm.heat.problem import BioheatProblem
    from vertherm.materials.bone_cement import bone_cement
    from vertherm.materials.tissue import tissue

    bone = tissue("cancellous_bone")
    k = np.float32(bone.conductivity)
    shape = (n, n, n)
    faces = tuple(np.full(tuple(size + (axis == other) for other, size in enumerate(shape)), k) for axis in range(3))
    tissue_only = BioheatProblem(
        spacing_m=1e-3,
        capacity=np.full(shape, bone.volumetric_heat_capacity, np.float32),
        conductivity_faces=(faces[0], faces[1], faces[2]),
        perfusion=np.full(shape, bone.perfusion, np.float32),
        boundary="insulated",
    )
    away = np.sqrt(((np.indices(shape) - (n - 1) / 2) ** 2).sum(axis=0))
    share = (0.85 * np.clip(0.2 * n + 0.5 - away, 0.0, 1.0)).astype(np.float32)
    problem = with_cement(tissue_only, share, bone_cement("medium_viscosity"))
    start = np.full(shape, 37.0, np.float32)
    taken, found = _timed(
        lambda: cure(problem, share, kinetics("medium"), initial_c=start, alpha_start=0.01, structures={}), rounds=2
    )
    volume = float(share.sum()) / 1000.0
    note = f"{volume:.1f} ml of cement; {found.time_s:.0f} s of curing, energy balance {found.energy['error']:.0e}"
    return [_row(f"curing heat, {n}^3 cells of 1 mm", taken, "s", None, note)]


def body(spacing_mm: float) -> Array:
    """Moduli in MPa of a body with a cortex, a lytic ball and cement in its lower half; 0 outside."""
    shape = tuple(round(size / spacing_mm) for size in BODY_MM)
    half = [0.5 * size for size in BODY_MM]
    centres = ((np.arange(n) + 0.5) * spacing_mm - h for n, h in zip(shape, half, strict=True))
    x, y, z = np.meshgrid(*centres, indexing="ij")
    outer = (x / half[0]) ** 2 + (y / half[1]) ** 2
    inner = (x / (half[0] - 2.0)) ** 2 + (y / (half[1] - 2.0)) ** 2
    bone = 250.0 * np.exp(0.3 * np.random.default_rng(0).standard_normal(x.shape))
    modulus = np.where(outer <= 1.0, np.where(inner <= 1.0, bone, 10_000.0), 0.0)
    ball = x**2 + y**2 + z**2 < 10.0**2
    modulus[ball] = 10.0
    modulus[ball & (z < 0)] = 2_000.0
    return np.asarray(modulus, np.float64)


def _strength_rows(spacing_mm: float) -> list[Row]:
    from vertherm.cement.strength import compress

    modulus = body(spacing_mm)
    taken, found = _timed(lambda: compress(modulus, spacing_mm, tolerance=TOLERANCE), rounds=2)
    s = found.statistics
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    note = (
        f"{s['elements']:.0f} elements, {s['dof']:.0f} unknowns, {s['iterations']:.0f} steps to {TOLERANCE:g}; largest "
        f"memory of the process so far {peak:.0f} MB; ratio to the goal of {GOAL_STRENGTH_S:g} s for all states"
    )
    return [_row(f"compression at {spacing_mm:g} mm", taken, "s", GOAL_STRENGTH_S / taken, note)]


def _peer_rows(spacing_mm: float) -> list[Row]:
    """Ours and SuperLU on the same system, without caps so that both have the same elements."""
    from vertherm.cement.strength.system import System, solve

    system = System(body(spacing_mm), spacing_mm, 0.3)
    fixed, given = between_plates(system.nodal, 0.01 * system.shape[2] * spacing_mm)
    ours, (displacement, steps) = _timed(lambda: solve(system, fixed, given, tolerance=TOLERANCE), rounds=2)
    direct = DirectSolution(system, fixed, given)
    start = time.perf_counter()
    exact = direct.solve()
    theirs = time.perf_counter() - start
    apart = float(np.abs(displacement - exact).max() / np.abs(exact).max())
    size = f"{direct.free.size} unknowns at {spacing_mm:g} mm"
    note = f"{steps.iterations} steps to {TOLERANCE:g}; displacements {apart:.0e} of the largest apart"
    peer = f"factor and solve; assembly before it {direct.assembly_s:.2f} s, {direct.filled / 1e6:.1f} M entries filled"
    return [
        _row(f"strength, {size}", ours, "s", 1.0, note),
        _row(f"SuperLU, {size}", theirs, "s", theirs / ours, peer),
    ]


def between_plates(nodal: tuple[int, int, int, int], shortening_mm: float) -> tuple[NDArray[np.bool_], Array]:
    """Where displacement is given and what it is: both ends bonded to plates that approach each other."""
    fixed, given = np.zeros(nodal, np.bool_), np.zeros(nodal)
    fixed[:, :, [0, -1]] = True
    given[:, :, -1, 2] = -shortening_mm
    return fixed, given


class DirectSolution:
    """The assembled matrix of a system between plates, and its factorisation.

    Args:
        system: voxels.
        fixed, given_mm: where and how displacement is given, (nodes..., 3).
    """

    def __init__(self, system: Any, fixed: NDArray[np.bool_], given_mm: Array) -> None:
        from scipy.sparse import coo_array

        from vertherm.cement.strength.elements import unit_stiffness, unknowns

        start = time.perf_counter()
        numbers = unknowns(system.base, system.shape)
        values = system.scale[:, None, None] * unit_stiffness(system.poisson)
        row, column = (np.broadcast_to(part, values.shape).ravel() for part in (numbers[:, :, None], numbers[:, None]))
        self.matrix: Any = coo_array((values.ravel(), (row, column)), shape=(fixed.size, fixed.size)).tocsc()
        touched = np.zeros(fixed.size, np.bool_)
        touched[numbers] = True
        held = fixed.reshape(-1)
        self.free = np.flatnonzero(touched & ~held)
        self.given = np.where(touched & held, given_mm.reshape(-1), 0.0)
        self.shape, self.filled = fixed.shape, 0
        self.assembly_s = time.perf_counter() - start

    def solve(self) -> Array:
        """Displacement in mm, (nodes..., 3)."""
        from scipy.sparse.linalg import splu

        load = -(self.matrix @ self.given)[self.free]
        factor = splu(self.matrix[self.free][:, self.free])
        self.filled = int(factor.L.nnz + factor.U.nnz)
        out = self.given.copy()
        out[self.free] = factor.solve(load)
        return out.reshape(self.shape)


def _row(name: str, value: float, unit: str, ratio: float | None, note: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "ratio": ratio, "note": note}
