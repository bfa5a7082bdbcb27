"""What drives the Yee grid: complex currents on edges and faces, and two ways to make them from the antenna's field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import EPS_0
from vertherm.applicator.fullwave.box import Needle
from vertherm.applicator.fullwave.material import edge_mean
from vertherm.applicator.tm import ETA_0

Array = NDArray[np.float64]
Index = NDArray[np.int32]
Mask = NDArray[np.bool_]
Nodes = tuple[int, int, int]
FieldAt = Callable[[int, Index], NDArray[Any]]
"""A field's complex component at the edges or faces with these lower nodes, (n, 3) to (n,)."""
Currents = tuple[tuple[Index, NDArray[np.complex64]], ...]
"""For each component: (n, 3) lower nodes and (n,) complex amplitudes."""


@dataclass(frozen=True, eq=False)
class Sources:
    """Impressed currents, peak phasors, exp(+j w t).

    Attributes:
        electric: current density J on edges in A/m^2 (curl H = (sigma + j w eps) E + J).
        magnetic: magnetic current density M on faces in V/m^2 (curl E = -j w mu H - M).
    """

    electric: Currents
    magnetic: Currents

    @property
    def silent(self) -> bool:
        """True where nothing is driven."""
        return not any(np.any(amplitude) for _, amplitude in (*self.electric, *self.magnetic))


NOTHING: Currents = tuple((np.zeros((0, 3), np.int32), np.zeros(0, np.complex64)) for _ in range(3))


@dataclass(frozen=True, eq=False)
class Rows:
    """Currents packed for the kernels: one run of amplitudes along each row (i, j).

    Attributes:
        first, count, offset: (3, nx+1, ny+1) first node of the run, its length, its start in ``re`` and ``im``.
        re, im: the field's change per step is re cos(wt) - im sin(wt).
    """

    first: NDArray[np.int32]
    count: NDArray[np.int32]
    offset: NDArray[np.int64]
    re: NDArray[np.float32]
    im: NDArray[np.float32]

    @staticmethod
    def pack(shape: tuple[int, int, int], parts: Currents) -> Rows:
        """Pack amplitudes already multiplied with the update's factor; gaps within a row are filled with zeros."""
        rows = shape[0] * shape[1]
        first = np.full(3 * rows, shape[2], dtype=np.int64)
        last = np.full(3 * rows, -1, dtype=np.int64)
        flat = []
        for c, (index, _) in enumerate(parts):
            row = c * rows + index[:, 0].astype(np.int64) * shape[1] + index[:, 1]
            np.minimum.at(first, row, index[:, 2])
            np.maximum.at(last, row, index[:, 2])
            flat.append(row)
        count = np.maximum(last - first + 1, 0)
        offset = np.cumsum(count) - count
        re, im = np.zeros(int(count.sum()), np.float32), np.zeros(int(count.sum()), np.float32)
        for row, (index, amplitude) in zip(flat, parts, strict=True):
            at = offset[row] + index[:, 2] - first[row]
            np.add.at(re, at, amplitude.real)
            np.add.at(im, at, amplitude.imag)
        first[count == 0] = 0
        table = (3, shape[0], shape[1])
        return Rows(
            first.astype(np.int32).reshape(table), count.astype(np.int32).reshape(table), offset.reshape(table), re, im
        )


def scaled(sources: Sources, gain: tuple[NDArray, NDArray, NDArray], courant: float, spacing_m: float) -> Sources:
    """The same as change of E per step (times gain) and of H times the impedance of vacuum (times courant)."""
    electric = tuple(
        (index, (-spacing_m * ETA_0 * gain[c][tuple(index.T)] * amplitude).astype(np.complex64))
        for c, (index, amplitude) in enumerate(sources.electric)
    )
    magnetic = tuple(
        (index, (-spacing_m * courant * amplitude).astype(np.complex64)) for index, amplitude in sources.magnetic
    )
    return Sources(electric, magnetic)


# ---- contrast -----------------------------------------------------------------------------------------------------
def contrast_sources(
    layers: int,
    spacing_m: float,
    frequency_hz: float,
    eps_contrast: NDArray,
    sigma_contrast: NDArray,
    electric: FieldAt,
    metal: NDArray[np.bool_] | None = None,
) -> tuple[Sources, complex]:
    """Polarisation currents (d sigma + j w eps0 d eps) E of a known field where the tissue differs from its medium.

    Args:
        layers, spacing_m, frequency_hz: absorbing cells on every side, edge of a cell, frequency.
        eps_contrast, sigma_contrast: tissue minus the known field's medium on all cells, 0 where the antenna is.
        electric: the known field at edges.
        metal: edges in metal (no current there).

    Returns:
        the currents, and the integral of them times the known field (no conjugate) in W.
    """
    omega = 2 * np.pi * frequency_hz
    nodes = [n + 1 for n in eps_contrast.shape]
    parts, reaction = [], 0j
    for c, (d_eps, d_sigma) in enumerate(zip(edge_mean(eps_contrast), edge_mean(sigma_contrast), strict=True)):
        here = [slice(layers, n - layers) for n in nodes]
        here[c] = slice(layers, nodes[c] - 1 - layers)
        driven = np.zeros(nodes, dtype=bool)
        driven[tuple(here)] = (d_eps[tuple(here)] != 0) | (d_sigma[tuple(here)] != 0)
        if metal is not None:
            driven &= ~metal[c]
        index = np.argwhere(driven).astype(np.int32)
        at = tuple(index.T)
        factor = d_sigma[at] + 1j * omega * EPS_0 * d_eps[at]
        field = electric(c, index)
        reaction += complex((factor * field.astype(np.complex128) ** 2).sum()) * spacing_m**3
        parts.append((index, (factor * field).astype(np.complex64)))
    return Sources(tuple(parts), NOTHING), reaction


# ---- surface ------------------------------------------------------------------------------------------------------
def within_surface(nodes: Nodes, needle: Needle, component: int, radius_m: float, *, magnetic: bool) -> Mask:
    """Edges (or faces) of one component inside the cylinder around the needle, from ``radius_m`` below the tip on."""
    shift = 0.5 * (1.0 - np.eye(3)) if magnetic else 0.5 * np.eye(3)
    i, j, k = (np.arange(n) + shift[component][a] for a, n in enumerate(nodes))
    x, y, z = (needle.origin[a] + needle.spacing_m * n for a, n in enumerate((i, j, k)))
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
    along = needle.axis[0] * x + needle.axis[1] * y + needle.axis[2] * z
    away2 = x**2 + y**2 + z**2 - along**2
    return np.asarray((away2 < radius_m**2) & (along > -radius_m))


_CURL = (
    # component: (other component, axis of the difference, sign): E_c grows with sign * (H[n] - H[n - axis]).
    ((2, 1, 1.0), (1, 2, -1.0)),
    ((0, 2, 1.0), (2, 0, -1.0)),
    ((1, 0, 1.0), (0, 1, -1.0)),
)


def surface_sources(
    layers: int,
    spacing_m: float,
    edges: tuple[Mask, ...],
    faces: tuple[Mask, ...],
    electric: FieldAt,
    magnetic: FieldAt,
) -> Sources:
    """Equivalence principle on any staircase surface: outside it the total field, inside only what comes back.

    Every difference of the update that straddles the surface lacks the known field on one side; these missing
    terms, put in as currents, are n x H on edges and -n x E on faces.

    Args:
        layers, spacing_m: absorbing cells on every side (no current there), edge of a cell.
        edges, faces: by component, which edges and faces lie inside.
        electric, magnetic: the known field at edges and at faces.
    """
    on_edges = [_missing(layers, edges, faces, magnetic, c, of_faces=False) for c in range(3)]
    on_faces = [_missing(layers, faces, edges, electric, c, of_faces=True) for c in range(3)]
    return Sources(
        tuple((index, (-amplitude / spacing_m).astype(np.complex64)) for index, amplitude in on_edges),
        tuple((index, (amplitude / spacing_m).astype(np.complex64)) for index, amplitude in on_faces),
    )


def _missing(
    layers: int, own: tuple[Mask, ...], other: tuple[Mask, ...], known: FieldAt, c: int, *, of_faces: bool
) -> tuple[Index, NDArray[np.complex64]]:
    """Sum over the straddling differences of sign * (field on the other side), + outside and - inside."""
    inner = tuple(slice(layers + 1, n - layers - 1) for n in own[c].shape)
    index_parts, amplitude_parts = [], []
    for partner, axis, sign in _CURL[c]:
        for step in (0, 1):
            # E reads H at n and n-1; H reads E at n+1 and n.
            shift = step if of_faces else step - 1
            differs = own[c] != np.roll(other[partner], -shift, axis=axis)
            keep = np.zeros_like(differs)
            keep[inner] = differs[inner]
            index = np.argwhere(keep).astype(np.int32)
            at = index.copy()
            at[:, axis] += shift
            value = known(partner, at) * np.float32(sign * (1.0 if step == 1 else -1.0))
            value[own[c][tuple(index.T)]] *= -1.0
            index_parts.append(index)
            amplitude_parts.append(value)
    return np.concatenate(index_parts), np.concatenate(amplitude_parts)
