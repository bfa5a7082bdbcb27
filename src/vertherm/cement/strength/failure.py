"""Load at which a compressed body fails, by a criterion on its strains, and how the load is shared.

The solution is linear, so the load at which a share s of the bone lies above a critical strain e_c is

    F_fail = F e_c / e_(1 - s)          e_(1 - s): quantile of the effective strain over the bone at the force F

(Pistoia 2002, Bone 30:842: e_c 0.007, s 2 %; recalled; found for the distal radius, not for a vertebra with a lesion).
It looks at the most strained bone only. Beside cement, bone strains more while the body as a whole strains less, so a
second estimate stands next to it that looks at the whole only,

    F_whole = 0.0068 K H                K stiffness, H height: a body fails at the same mean strain

(Crawford, Cann, Keaveny 2003, Bone 33:744; recalled). Where the two disagree in direction, neither is established.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.strength.compression import Compression
from vertherm.core.errors import InputError
from vertherm.materials.bone_mechanics import mechanics_constant

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Failure:
    """The load at failure.

    Args:
        load_n: at which the critical share of the bone exceeds the critical strain.
        low_n, high_n: the smallest and largest of it over the ranges of both critical values.
        whole_n: load at the critical mean strain of the whole body: proportional to stiffness.
        cement_load_n: at which the same share of the cement exceeds its strength; None without cement. Apart from
            ``load_n``: nobody has validated a criterion for both together.
        critical_strain: used for ``load_n``.
        critical_share: used for both loads.
        bone_voxels: that were judged.
    """

    load_n: float
    low_n: float
    high_n: float
    whole_n: float
    cement_load_n: float | None
    critical_strain: float
    critical_share: float
    bone_voxels: int


def failure_load(
    compression: Compression,
    modulus_mpa: Any,
    *,
    bone: Any = None,
    cement: Any = None,
    critical_strain: float | None = None,
    critical_share: float | None = None,
    reference_voxels: int | None = None,
) -> Failure:
    """The load at which a body fails.

    Args:
        compression: the body at any applied strain.
        modulus_mpa: the moduli it was computed with, (nx, ny, nz).
        bone: voxels that are judged as bone; all of the body without ``cement`` if None. Leave lytic tissue out: it
            strains most and carries nothing.
        cement: voxels that hold cement: never judged as bone, but by their stress.
        critical_strain, critical_share: instead of those in ``bone_mechanics.csv``.
        reference_voxels: the share is one of so many voxels of bone, at least those judged; of those judged if None.
            With the count before the injection, bone that cement now holds still counts, as bone that does not fail.

    Raises:
        InputError: a mask on another grid, no voxel to judge, or a critical value out of range.
    """
    strain = _critical(critical_strain, "critical_strain", 1.0)
    share = _critical(critical_share, "critical_share", 1.0)
    held = np.zeros_like(compression.solid) if cement is None else _mask(cement, compression, "cement")
    judged = compression.solid & ~held & (True if bone is None else _mask(bone, compression, "bone"))
    values = compression.effective_strain[judged].astype(np.float64)
    if not values.size:
        raise InputError("There is no bone to judge.", where="failure load", expected="bone that carries")
    grown = 1.0 if reference_voxels is None else reference_voxels / values.size
    if grown < 1.0:
        raise InputError("The reference is smaller than the bone that is judged.", where="failure load", got=grown)
    corners = product(_ends("critical_strain", strain), _ends("critical_share", share))
    loads = [_load(compression, values, limit, part * grown) for limit, part in corners]
    return Failure(
        _load(compression, values, strain, share * grown),
        min(loads),
        max(loads),
        compression.force_n * mechanics_constant("critical_mean_strain").value / compression.strain,
        _cement_load(compression, modulus_mpa, held & compression.solid, share),
        strain,
        share,
        int(values.size),
    )


def posterior_share(compression: Compression, mask_posterior: Any, slices: int = 1) -> float:
    """Share of the axial force that passes through ``mask_posterior`` at mid-height.

    Args:
        compression: the body.
        mask_posterior: bool (nx, ny, nz).
        slices: layers about mid-height to average over.

    Raises:
        InputError: a mask on another grid, or no layer.
    """
    mask = _mask(mask_posterior, compression, "posterior wall")
    middle = _mid_height(compression, slices)
    stress = compression.axial_stress_mpa[:, :, middle].astype(np.float64)
    return float(stress[mask[:, :, middle]].sum() / stress.sum())


def load_centre_mm(compression: Compression) -> tuple[float, float]:
    """Where the line of load passes mid-height: first moment of the axial stress over its sum.

    Returns:
        Along the grid's first and second axis, mm from the centre of the first voxel. A stiffer side draws it there:
        how far it moves between two states of one body tells how one-sided the cement carries.
    """
    stress = compression.axial_stress_mpa[:, :, _mid_height(compression, 1)].astype(np.float64).sum(axis=2)
    total, spacing = stress.sum(), compression.spacing_mm
    along = [float((stress.sum(axis=1 - axis) * np.arange(stress.shape[axis])).sum() / total) for axis in (0, 1)]
    return along[0] * spacing, along[1] * spacing


def _mid_height(compression: Compression, slices: int) -> slice:
    layers = np.flatnonzero((compression.solid | compression.cap).any(axis=(0, 1)))
    if not 1 <= slices <= len(layers):
        raise InputError("There is no such number of layers.", where="mid-height", got=slices, expected="1 or more")
    first = int(layers[0]) + (len(layers) - slices) // 2
    return slice(first, first + slices)


def _load(compression: Compression, values: NDArray[np.float64], limit: float, share: float) -> float:
    return compression.force_n * limit / float(np.quantile(values, max(1.0 - share, 0.0)))


def _cement_load(compression: Compression, modulus_mpa: Any, cement: Mask, share: float) -> float | None:
    """By the effective stress E e, which under uniaxial load is the stress itself."""
    if not cement.any():
        return None
    modulus = np.asarray(modulus_mpa, np.float64)
    if modulus.shape != cement.shape:
        raise InputError(
            "The moduli lie on another grid.", where="failure load", got=modulus.shape, expected=f"shape {cement.shape}"
        )
    stress = modulus[cement] * compression.effective_strain[cement]
    return _load(compression, stress, mechanics_constant("cement_strength").value, share)


def _critical(given: float | None, name: str, largest: float) -> float:
    value = mechanics_constant(name).value if given is None else given
    if not 0.0 < value < largest:
        raise InputError("A critical value is out of range.", where=name, got=value, expected=f"0 to {largest}")
    return value


def _ends(name: str, value: float) -> tuple[float, float]:
    """The range of a critical value, scaled to the one in use."""
    quantity = mechanics_constant(name)
    low, high = quantity.low or quantity.value, quantity.high or quantity.value
    return value * low / quantity.value, min(value * high / quantity.value, 0.999)


def _mask(values: Any, compression: Compression, name: str) -> Mask:
    mask = np.asarray(values, np.bool_)
    if mask.shape != compression.solid.shape:
        raise InputError(
            "A mask lies on another grid.", where=name, got=mask.shape, expected=f"shape {compression.solid.shape}"
        )
    return mask
