# mypy: disable-error-code="no-untyped-def"
"""Fourth order in space where the tissue is uniform: a correction of the face fluxes, once a step.

The seven-point operator is k (u'' + h^2/12 u'''') along each axis. In uniform tissue the flux through the face between
cells i-1 and i is therefore corrected by

    k/12 (Y[i+1] - 3 Y[i] + 3 Y[i-1] - Y[i-2]) / h

taken from the state at the start of the step and held over it (deferred correction): the stages stay the plain kernel
and pay nothing. It is a flux, so what one cell loses its neighbour gains and the energy ledger stays exact. It is
stable: with R the factor of RKL2 on a mode, the step multiplies the stiffest mode by (4 R - 1) / 3.

Faces count where they and both neighbours along the axis carry the same conductivity within ``SAME``, all four cells
are free, and none boils; elsewhere, and in the two layers at the outer faces, the scheme stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.heat.cpu import CpuEngine
from vertherm.heat.problem import Field

if TYPE_CHECKING:
    from vertherm.heat.bioheat import BioheatSolver
    from vertherm.heat.state import BioheatState

OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy", "cache": True}
u8 = np.uint64
SAME = 0.02
"""Conductivities closer than this (relative) are one tissue's."""
Array = NDArray[np.float64]


def face_factors(k: Field, axis: int, free: NDArray[np.bool_]) -> Field:
    """k / 12 at the faces that are corrected, 0 elsewhere; all arrays padded, face i between cells i-1 and i."""
    out = np.zeros_like(k)

    def part(values: NDArray, shift: int) -> NDArray:
        # Faces 3 .. n-1 of n cells: four real cells around each.
        return values[
            tuple(slice(3 + shift, values.shape[a] - 2 + shift) if a == axis else slice(None) for a in range(3))
        ]

    here, before, after = part(k, 0), part(k, -1), part(k, 1)
    same = (np.abs(before - here) <= SAME * here) & (np.abs(after - here) <= SAME * here)
    for shift in (-2, -1, 0, 1):
        same &= part(free, shift)
    part(out, 0)[...] = np.where(same, here / 12.0, 0.0)
    return out


@njit(**OPTIONS)
def correct(Y, rate, w, cx, cy, cz, tl, spans, cuts, _barrier, thread, _threads):
    """rate -= w (differences of the correcting fluxes) in the rows of ``spans``, planes of this thread."""
    X, R = u8(Y.shape[1] * Y.shape[2]), u8(Y.shape[2])
    y, out, ww = Y.reshape(-1), rate.reshape(-1), w.reshape(-1)
    fx, fy, fz = cx.reshape(-1), cy.reshape(-1), cz.reshape(-1)
    one, two, three = u8(1), u8(2), np.float32(3.0)
    last = Y.shape[2] - 2
    for i in range(max(cuts[thread], 2), min(cuts[thread + 1], Y.shape[0] - 2)):
        for j in range(max(spans[i, 0], 2), min(spans[i, 1], Y.shape[1] - 3) + 1):
            row = u8(i) * X + u8(j) * R
            for signed in range(2, last):
                c = row + u8(signed)
                d = y[c]
                a, b, a2, b2 = y[c - X], y[c + X], y[c - two * X], y[c + two * X]
                flux = fx[c + X] * (b2 - three * b + three * d - a) - fx[c] * (b - three * d + three * a - a2)
                top = max(max(a, b), max(a2, b2))
                a, b, a2, b2 = y[c - R], y[c + R], y[c - two * R], y[c + two * R]
                flux += fy[c + R] * (b2 - three * b + three * d - a) - fy[c] * (b - three * d + three * a - a2)
                top = max(top, max(max(a, b), max(a2, b2)))
                a, b, a2, b2 = y[c - one], y[c + one], y[c - two], y[c + two]
                flux += fz[c + one] * (b2 - three * b + three * d - a) - fz[c] * (b - three * d + three * a - a2)
                top = max(top, max(max(a, b), max(a2, b2)))
                out[c] -= ww[c] * (flux if max(top, d) < tl else np.float32(0.0))


class FourthOrderEngine(CpuEngine):
    """:class:`CpuEngine` with the correction."""

    def __init__(self, state: BioheatState, threads: int, rest_k: float) -> None:
        super().__init__(state, threads, rest_k)
        self._factor()

    def _factor(self) -> None:
        f = self.state.fields
        free = f.w > 0
        self._c = tuple(face_factors(k, axis, free) for axis, k in enumerate((f.kx, f.ky, f.kz)))

    def renew(self) -> None:
        """The fields or the shafts have changed."""
        super().renew()
        self._factor()

    def rates(self, scale: float, constant: Array) -> Array:
        """As :meth:`CpuEngine.rates`, corrected in the rows it has just computed."""
        s = self.state
        spans = self.activity.rate_spans(self._everything or scale != self._scale)
        heats = super().rates(scale, constant)
        cuts = self.activity.cuts(self.team.threads)
        self.team.run(correct, s._Y, s._rate, s.fields.w, *self._c, s._tl, spans, cuts)
        return heats


def use_fourth_order(solver: BioheatSolver, threads: int = 1) -> None:
    """Let ``solver`` march with the correction from here on; before its first step, on the processor.

    Raises:
        InputError: the solver has already marched, or runs on a graphics card.
    """
    if solver.time_s > 0 or not isinstance(solver._engine, CpuEngine):
        raise InputError(
            "The fourth-order correction cannot be switched on.",
            where="use_fourth_order",
            got=f"{solver.time_s:g} s marched, {type(solver._engine).__name__}",
            expected="a solver on the processor that has not marched",
        )
    solver._engine = FourthOrderEngine(solver, threads, solver.limits.rest_k)
