"""Stiffness of bone, tumour, ablated bone and cement: apparent density to modulus, and mixtures.

    E = coefficient (density / 1 g/cm3)^exponent, between a floor and a cap               MPa
    with cement in a share f of the voxel:  E = E_bone + (E_cement - E_bone) f^n      n of the mixture

All laws are isotropic. Nearly all numbers are recalled or guesses; the table marks each one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.materials.quantity import Quantity, read_quantities

Field = NDArray[np.float64]
TABLE = "bone_mechanics"
LAWS = ("morgan", "shallow", "steep", "kopperdahl", "carter")


def mechanics_constant(name: str) -> Quantity:
    """A constant of ``materials/data/bone_mechanics.csv``."""
    return read_quantities(TABLE)[name]


def laws() -> tuple[str, ...]:
    """Names of the laws from density to modulus.

    "morgan" is the default; "shallow" and "steep" have the smallest and largest exponent that Morgan 2003 reports and
    meet it at the middle of vertebral densities; "kopperdahl" is linear; "carter" cubic.
    """
    return LAWS


def modulus_mpa(density_g_cm3: Any, law: str = "morgan") -> Field:
    """Young's modulus of bone in MPa from its apparent wet density, between the table's floor and cap.

    Args:
        density_g_cm3: any shape; below 0 counts as 0.
        law: one of :func:`laws`.

    Raises:
        InputError: no such law, or a density that is not finite.
    """
    density = np.maximum(np.asarray(density_g_cm3, np.float64), 0.0)
    if not np.isfinite(density).all():
        raise InputError("A density is not a number.", where="bone modulus", expected="finite values in g/cm3")
    return np.clip(_law(density, law), _value("smallest_modulus"), _value("largest_modulus"))


def _law(density: Field, law: str) -> Field:
    exponent = mechanics_constant("morgan_exponent")
    if law == "morgan":
        return np.asarray(_value("morgan_coefficient") * density**exponent.value)
    if law in ("shallow", "steep"):
        other = exponent.low if law == "shallow" else exponent.high
        pivot = _value("pivot_density")
        return np.asarray(_value("morgan_coefficient") * pivot**exponent.value * (density / pivot) ** (other or 1.0))
    if law == "kopperdahl":
        return np.asarray(_value("kopperdahl_slope") * density - _value("kopperdahl_offset"))
    if law == "carter":
        return np.asarray(_value("carter_coefficient") * density ** _value("carter_exponent"))
    raise InputError("There is no such law from density to modulus.", where="bone modulus", got=law, expected=LAWS)


def lytic_mpa() -> float:
    """Modulus of lytic tumour tissue in MPa (a guess)."""
    return _value("lytic_modulus")


def ablated_mpa(untreated_mpa: Any) -> Field:
    """Modulus of ablated tissue in MPa from that before (a guess)."""
    return np.asarray(_value("ablated_factor") * np.asarray(untreated_mpa, np.float64))


def cemented_mpa(bone_mpa: Any, fraction: Any, cement: str | float = "cement_modulus") -> Field:
    """Modulus in MPa of a voxel whose pores hold cement.

        E = E_bone + (E_cement - E_bone) f^n          where bone is softer than cement, else E_bone

    f = 0 is the bone, f = 1 the cement alone. Never below the bone, and rising with f; n = 1 is Voigt's upper bound.

    Args:
        bone_mpa: before the injection.
        fraction: share of the voxel that cement fills, 0 to 1.
        cement: "cement_modulus", "low_modulus_cement", or MPa.

    Raises:
        InputError: a fraction outside 0 to 1.
    """
    share = np.asarray(fraction, np.float64)
    if not ((share >= 0.0) & (share <= 1.0)).all():
        raise InputError("A share of cement is out of range.", where="cemented bone", expected="0 to 1")
    bone = np.asarray(bone_mpa, np.float64)
    whole = _value(cement) if isinstance(cement, str) else cement
    return np.asarray(bone + np.maximum(whole - bone, 0.0) * share ** _value("cement_exponent"))


def _value(name: str) -> float:
    return mechanics_constant(name).value
