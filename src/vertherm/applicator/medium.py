"""What surrounds the antenna, as a function of (r, z): homogeneous, concentric layers, or gridded values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.core.errors import InputError

Array = NDArray[np.float64]


class Medium(Protocol):
    """Dielectric properties around the needle in the antenna's frame (z = 0 at the tip, positive to the entry)."""

    def __call__(self, r_m: Array, z_m: Array) -> tuple[Array, Array]:
        """Relative permittivity and conductivity (S/m) at points given in metres; same shape as the points."""

    @property
    def key(self) -> str:
        """Hash of everything that decides the values: equal keys, equal media."""


def _hash(kind: str, *arrays: ArrayLike) -> str:
    digest = hashlib.sha256(kind.encode())
    for array in arrays:
        values = np.ascontiguousarray(array, dtype=np.float64)
        digest.update(repr(values.shape).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _check(where: str, eps_r: ArrayLike, sigma: ArrayLike) -> None:
    eps, sig = np.asarray(eps_r, float), np.asarray(sigma, float)
    if not (np.isfinite(eps).all() and np.isfinite(sig).all() and (eps >= 1.0).all() and (sig >= 0.0).all()):
        raise InputError(
            "The medium around the antenna is unphysical.",
            where=where,
            got=f"permittivity {eps.min():.4g}..{eps.max():.4g}, conductivity {sig.min():.4g}..{sig.max():.4g} S/m",
            expected="finite, permittivity >= 1, conductivity >= 0",
        )


@dataclass(frozen=True)
class Homogeneous:
    """One material everywhere: relative permittivity and conductivity in S/m (air is ``Homogeneous(1.0, 0.0)``)."""

    eps_r: float
    sigma_s_m: float

    def __post_init__(self) -> None:
        _check("Homogeneous", self.eps_r, self.sigma_s_m)

    def __call__(self, r_m: Array, z_m: Array) -> tuple[Array, Array]:
        """See :class:`Medium`."""
        shape = np.broadcast_shapes(np.shape(r_m), np.shape(z_m))
        return np.full(shape, self.eps_r), np.full(shape, self.sigma_s_m)

    @property
    def key(self) -> str:
        """See :class:`Medium`."""
        return _hash("homogeneous", [self.eps_r, self.sigma_s_m])


@dataclass(frozen=True)
class Layered:
    """Concentric cylinders around the needle.

    Args:
        radii_mm: outer radii of all layers but the last, increasing; n values.
        eps_r: relative permittivity of the n + 1 layers, innermost first.
        sigma_s_m: conductivity of the n + 1 layers in S/m.

    Give the radii to the model as ``fit_radii_mm`` too, so that no element straddles a layer.
    """

    radii_mm: tuple[float, ...]
    eps_r: tuple[float, ...]
    sigma_s_m: tuple[float, ...]

    def __post_init__(self) -> None:
        layers = len(self.radii_mm) + 1
        if len(self.eps_r) != layers or len(self.sigma_s_m) != layers or np.any(np.diff(self.radii_mm) <= 0):
            raise InputError(
                "The layers around the antenna do not fit together.",
                where="Layered",
                got=f"{layers - 1} radii, {len(self.eps_r)} permittivities, {len(self.sigma_s_m)} conductivities",
                expected="n increasing radii and n + 1 values of each property",
            )
        _check("Layered", self.eps_r, self.sigma_s_m)

    def __call__(self, r_m: Array, z_m: Array) -> tuple[Array, Array]:
        """See :class:`Medium`."""
        r, _ = np.broadcast_arrays(np.asarray(r_m, float), np.asarray(z_m, float))
        layer = np.searchsorted(np.asarray(self.radii_mm) * 1e-3, r, side="right")
        return np.asarray(self.eps_r)[layer], np.asarray(self.sigma_s_m)[layer]

    @property
    def key(self) -> str:
        """See :class:`Medium`."""
        return _hash("layered", self.radii_mm, self.eps_r, self.sigma_s_m)


@dataclass(frozen=True, eq=False)
class Gridded:
    """Values on an (r, z) grid, bilinear between its lines and constant beyond them.

    Args:
        r_m: (nr,) radii of the values in metres, increasing.
        z_m: (nz,) positions along the needle in metres, increasing.
        eps_r: (nr, nz) relative permittivity.
        sigma_s_m: (nr, nz) conductivity in S/m.
    """

    r_m: Array
    z_m: Array
    eps_r: Array
    sigma_s_m: Array

    def __post_init__(self) -> None:
        for name in ("r_m", "z_m", "eps_r", "sigma_s_m"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        shape = (self.r_m.size, self.z_m.size)
        increasing = bool(np.all(np.diff(self.r_m) > 0) and np.all(np.diff(self.z_m) > 0))
        if self.eps_r.shape != shape or self.sigma_s_m.shape != shape or min(shape) < 2 or not increasing:
            raise InputError(
                "A gridded medium does not fit its lines.",
                where="Gridded",
                got=f"permittivity {self.eps_r.shape}, conductivity {self.sigma_s_m.shape}",
                expected=f"shape {shape}, both at least 2, on increasing lines",
            )
        _check("Gridded", self.eps_r, self.sigma_s_m)

    def __call__(self, r_m: Array, z_m: Array) -> tuple[Array, Array]:
        """See :class:`Medium`."""
        r, z = np.broadcast_arrays(np.asarray(r_m, float), np.asarray(z_m, float))
        i, a = interval_weights(self.r_m, r)
        j, b = interval_weights(self.z_m, z)
        return bilinear(self.eps_r, i, a, j, b), bilinear(self.sigma_s_m, i, a, j, b)

    @property
    def key(self) -> str:
        """See :class:`Medium`."""
        return _hash("gridded", self.r_m, self.z_m, self.eps_r, self.sigma_s_m)


def interval_weights(lines: Array, x: Array) -> tuple[NDArray[np.intp], Array]:
    """Index of the interval of ``lines`` that holds ``x`` and the position in it (0..1); clamped at both ends."""
    index = np.clip(np.searchsorted(lines, x, side="right") - 1, 0, lines.size - 2)
    weight = np.clip((x - lines[index]) / (lines[index + 1] - lines[index]), 0.0, 1.0)
    return index, weight


def bilinear(table: Array, i: NDArray[np.intp], a: Array, j: NDArray[np.intp], b: Array) -> Array:
    """Bilinear interpolation in ``table`` (nr, nz) at intervals (i, j) and positions (a, b) in them."""
    lower = table[i, j] * (1 - b) + table[i, j + 1] * b
    upper = table[i + 1, j] * (1 - b) + table[i + 1, j + 1] * b
    result: Array = lower * (1 - a) + upper * a
    return result
