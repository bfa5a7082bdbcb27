"""The Yee grid on a graphics card (numba-cuda), behind the same interface as the processor's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.fullwave.march import Three, Waves, YeeProblem
from vertherm.applicator.fullwave.sources import Rows
from vertherm.core.errors import InputError

THREADS = (64, 2, 2)
DRIVE_THREADS = 128


def available() -> tuple[bool, str]:
    """Whether a card can be used, and why not."""
    try:
        from numba import cuda

        if cuda.is_available():
            return True, ""
        return False, "no usable card or driver found"
    except Exception as error:  # a broken driver fails in many ways; the reason goes to the user
        return False, repr(error)


class CudaMarcher:
    """See :class:`vertherm.applicator.fullwave.march.Marcher`.

    Args:
        problem: what to march.

    Raises:
        InputError: no usable graphics card.
    """

    def __init__(self, problem: YeeProblem) -> None:
        usable, why = available()
        if not usable:
            raise InputError(
                "The full wave cannot run on a graphics card here.",
                where="device = cuda",
                got=why,
                expected="an NVIDIA card with its driver, and numba's CUDA support",
                advice='use device = "cpu"',
            )
        from numba import cuda

        self.problem = problem
        nodes, layers = problem.nodes, problem.layers

        def zeros(shape: Any) -> Any:
            return cuda.to_device(np.zeros(shape, np.float32))

        self._E, self._H = [zeros(nodes) for _ in range(3)], [zeros(nodes) for _ in range(3)]
        shapes = [[2 * layers if a == axis else n for a, n in enumerate(nodes)] for axis in (0, 0, 1, 1, 2, 2)]
        self._memory_e, self._memory_h = [zeros(s) for s in shapes], [zeros(s) for s in shapes]
        self._decay, self._gain = ([cuda.to_device(a) for a in three] for three in (problem.decay, problem.gain))
        longest = max(nodes)
        self._factors = []
        for kind in ("electric", "magnetic"):
            table = np.zeros((2, 3, longest), np.float32)
            for axis, absorber in enumerate(problem.absorbers):
                for n in (0, 1):
                    values = getattr(absorber, kind)[n]
                    table[n, axis, : values.size] = values
            self._factors.append((cuda.to_device(table[0]), cuda.to_device(table[1])))
        self._J, self._M = (self._flat_currents(rows) for rows in (problem.electric, problem.magnetic))
        self._blocks = tuple(-(-n // t) for n, t in zip(reversed(nodes), THREADS, strict=True))

    def _flat_currents(self, rows: Rows) -> list[tuple[int, Any, Any, Any]]:
        """For each driven component flat indices and amplitudes on the card."""
        from numba import cuda

        _, ny, nz = self.problem.nodes
        out = []
        for c in range(3):
            i, j = np.nonzero(rows.count[c])
            count = rows.count[c, i, j].astype(np.int64)
            if count.size == 0:
                continue
            within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
            at = np.repeat((i * ny + j) * nz + rows.first[c, i, j], count) + within
            source = np.repeat(rows.offset[c, i, j], count) + within
            arrays: list[NDArray[Any]] = [at.astype(np.int64), rows.re[source], rows.im[source]]
            out.append((c, *(cuda.to_device(a) for a in arrays)))
        return out

    def advance(self, waves_e: Waves, waves_h: Waves) -> None:
        """See :class:`vertherm.applicator.fullwave.march.Marcher`."""
        from vertherm.applicator.fullwave.cuda_kernels import electric_kernel, magnetic_kernel

        layers, courant = self.problem.layers, np.float32(self.problem.courant)
        for wave_e, wave_h in zip(waves_e, waves_h, strict=True):
            electric_kernel[self._blocks, THREADS](
                *self._E, *self._H, *self._decay, *self._gain, *self._memory_e, *self._factors[0], layers
            )
            self._drive(self._E, self._J, wave_e)
            magnetic_kernel[self._blocks, THREADS](
                *self._E, *self._H, courant, *self._memory_h, *self._factors[1], layers
            )
            self._drive(self._H, self._M, wave_h)

    def _drive(self, fields: list[Any], currents: list[tuple[int, Any, Any, Any]], wave: NDArray[np.float32]) -> None:
        from vertherm.applicator.fullwave.cuda_kernels import drive_kernel

        for c, at, re, im in currents:
            blocks = -(-at.shape[0] // DRIVE_THREADS)
            drive_kernel[blocks, DRIVE_THREADS](fields[c].reshape(-1), at, re, im, wave[0], wave[1])

    def electric(self) -> Three:
        """See :class:`vertherm.applicator.fullwave.march.Marcher`."""
        x, y, z = (field.copy_to_host() for field in self._E)
        return x, y, z

    def close(self) -> None:
        """See :class:`vertherm.applicator.fullwave.march.Marcher`."""
        self._E, self._H, self._decay, self._gain = [], [], [], []
        self._memory_e, self._memory_h = [], []
