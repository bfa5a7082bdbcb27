"""How acrylic bone cement cures: a self-accelerating reaction whose rate follows temperature.

    dalpha/dt = k(T) (alpha + alpha0) (1 - alpha) ,   k(T) = k23 exp(-E/R (1/T - 1/T23))

alpha is the share of the heat of curing that has been released. The exponents m = n = 1 of the general autocatalytic
law give the logistic curve at constant temperature, which is what :meth:`Kinetics.advance` uses within a step.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from vertherm.core.errors import InputError
from vertherm.materials.bone_cement import KINETICS, Kinetics, kinetics

__all__ = ["KINETICS", "Kinetics", "advance", "kinetics", "premixed", "rate", "setting_time_s"]

Array = NDArray[np.float64]


def rate(law: Kinetics, alpha: ArrayLike, temperature_c: ArrayLike) -> Array:
    """dalpha/dt in 1/s.

    Args:
        law: the kinetics.
        alpha: conversion, 0..1.
        temperature_c: of the cement, broadcast against ``alpha``.
    """
    done = np.asarray(alpha, np.float64)
    return np.asarray(law.constant_per_s(temperature_c) * (done + law.seed) * (1.0 - done), np.float64)


def advance(law: Kinetics, alpha: ArrayLike, temperature_c: ArrayLike, dt_s: float) -> Array:
    """Conversion after ``dt_s`` at constant temperature: exact for any length of step, always within 0..1.

        (alpha + alpha0) / (1 - alpha)  grows by  exp(k (1 + alpha0) dt)

    Args:
        law: the kinetics.
        alpha: conversion, 0..1.
        temperature_c: of the cement, broadcast against ``alpha``.
        dt_s: length of the step, >= 0.

    Raises:
        InputError: conversion outside 0..1, temperature or step that is no usable number.
    """
    if not (np.isfinite(dt_s) and dt_s >= 0):
        raise InputError("A time step is unusable.", where="dt_s", got=dt_s, expected="finite s, >= 0")
    done, warm = np.broadcast_arrays(np.asarray(alpha, np.float64), np.asarray(temperature_c, np.float64))
    if not (np.isfinite(warm).all() and ((done >= 0) & (done <= 1)).all()):
        raise InputError("Conversion or temperature of the cement is unusable.", expected="0..1 and finite degC")
    flat = np.ascontiguousarray(done).ravel().copy()
    # Copies: a broadcast array is several cells in one place.
    _advance(flat, warm.ravel().copy(), dt_s, law.constant_23_per_s, law.temperature_k, law.seed)
    return flat.reshape(done.shape)


def setting_time_s(law: Kinetics, temperature_c: float, alpha_start: float = 0.0) -> float:
    """Time to half conversion at constant temperature, from ``alpha_start``; 0 where that is past half."""
    seed = law.seed
    grown = (0.5 + seed) / 0.5 * (1.0 - alpha_start) / (alpha_start + seed)
    return max(0.0, float(np.log(grown) / (law.constant_per_s(temperature_c) * (1.0 + seed))))


def premixed(law: Kinetics, alpha0: float, mixed_s: float, room_c: float) -> float:
    """Conversion at injection: ``alpha0`` at the end of mixing, then ``mixed_s`` at the temperature of the room."""
    return float(advance(law, alpha0, room_c, mixed_s))


@njit(cache=True, nogil=True)
def _advance(alpha, temperature_c, dt_s, constant_23, activation_k, seed):  # type: ignore[no-untyped-def]
    """In place, the logistic of every cell; written with the decaying exponential so that nothing overflows."""
    for i in range(alpha.size):
        kelvin = max(temperature_c[i], -200.0) + 273.15
        k = constant_23 * np.exp(activation_k * (1.0 / 296.15 - 1.0 / kelvin))
        left = 1.0 - alpha[i]
        decay = np.exp(-k * (1.0 + seed) * dt_s)
        share = left * decay / (alpha[i] + seed + left * decay) * (1.0 + seed)
        alpha[i] = min(1.0, max(alpha[i], 1.0 - share))
