"""The axisymmetric solution as a vector field in a box: what the full wave starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import Antenna
from vertherm.applicator.axisymmetric import AxisymmetricSolution
from vertherm.applicator.fullwave.box import Needle

Array = NDArray[np.float64]
OUTLINE_STEP_M = 2e-5
"""Spacing of the table of the antenna's outer radius along its axis."""


@dataclass(frozen=True, eq=False)
class IncidentField:
    """Tables for the sampling kernels.

    Attributes:
        r, z: sample lines in metres.
        table: (nr, nz, 3) complex64: r E_r in V, E_z in V/m, r H_phi in A per watt forward; continued into the
            antenna with the value beside it, so that interpolation sees no step. E_r and H_phi fall about as 1/r:
            times r they interpolate well.
        outline_z0, outline: start and values of the antenna's outer radius in metres, every ``OUTLINE_STEP_M``.
    """

    r: Array
    z: Array
    table: NDArray[np.complex64]
    outline_z0: float
    outline: Array

    @staticmethod
    def of(solution: AxisymmetricSolution, antenna: Antenna) -> IncidentField:
        """Prepare a solution of ``antenna``."""
        r = np.asarray(solution.r_m, dtype=np.float64)
        z = np.asarray(solution.z_m, dtype=np.float64)
        first = np.argmax(solution.tissue, axis=0)
        rows = np.maximum(np.arange(r.size)[:, None], first[None, :])
        columns = np.arange(z.size)[None, :]
        weight = r[rows]
        table = np.stack(
            [
                weight * solution.e_r[rows, columns],
                solution.e_z[rows, columns],
                weight * solution.h_phi[rows, columns],
            ],
            axis=-1,
        )
        z0 = float(z[0])
        along = z0 + OUTLINE_STEP_M * np.arange(int(np.ceil((z[-1] - z0) / OUTLINE_STEP_M)) + 2)
        outline = antenna.outer_radius_mm(along * 1e3) * 1e-3
        # Above the samples the shaft goes on; nothing may be taken for tissue inside it.
        return IncidentField(r, z, np.ascontiguousarray(table, dtype=np.complex64), z0, np.asarray(outline))

    def electric(self, needle: Needle, component: int, index: NDArray[np.int32]) -> NDArray[np.complex64]:
        """E along axis ``component`` at the edges ``index`` (n, 3) of their lower nodes; 0 inside the antenna."""
        return self._at(needle, component, index, _EDGE[component], magnetic=False)

    def magnetic(self, needle: Needle, component: int, index: NDArray[np.int32]) -> NDArray[np.complex64]:
        """H along axis ``component`` at the faces ``index`` (n, 3) of their lower nodes."""
        return self._at(needle, component, index, _FACE[component], magnetic=True)

    def _at(
        self, needle: Needle, component: int, index: NDArray[np.int32], shift: Array, *, magnetic: bool
    ) -> NDArray[np.complex64]:
        from vertherm.applicator.fullwave.sampling import points_kernel

        out = np.zeros(index.shape[0], dtype=np.complex64)
        points_kernel(
            np.ascontiguousarray(index, dtype=np.int32), shift, needle.origin, needle.axis, needle.spacing_m,
            self.r, self.z, self.table, self.outline_z0, OUTLINE_STEP_M, self.outline, component, magnetic, out,
        )  # fmt: skip
        return out


_EDGE = 0.5 * np.eye(3)
_FACE = 0.5 * (1.0 - np.eye(3))
"""Middle of an edge and of a face in cells from their lower node, by component."""
