"""How blood flow and heat conduction follow temperature and damage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.materials.constants import constants

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PerfusionModel:
    """Factor on the 37 degC perfusion: rise(T) while the tissue lives, zero once it is coagulated.

    The rise has **no source** (a guess with a range, 1 to 4): a straight line from 1 at ``start_c`` to ``factor`` at
    ``full_c``, then constant. The stop is a step at ``stop_omega`` of the tissue's own Arrhenius integral.
    """

    factor: float
    start_c: float
    full_c: float
    stop_omega: float

    def rise(self, temperature_c: ArrayLike) -> Array:
        """Rise of perfusion with temperature, 1 at and below ``start_c``."""
        share = (np.asarray(temperature_c, dtype=np.float64) - self.start_c) / (self.full_c - self.start_c)
        return 1.0 + (self.factor - 1.0) * np.clip(share, 0.0, 1.0)

    def survival(self, omega: ArrayLike) -> Array:
        """1 while ``omega`` is below ``stop_omega``, 0 from there on."""
        return (np.asarray(omega, dtype=np.float64) < self.stop_omega).astype(np.float64)

    def __call__(self, temperature_c: ArrayLike, omega: ArrayLike) -> Array:
        """The factor on the 37 degC perfusion."""
        return self.rise(temperature_c) * self.survival(omega)


def perfusion_model(rise_factor: float | None = None) -> PerfusionModel:
    """The project's perfusion model; ``rise_factor`` replaces the guessed rise (1 switches it off)."""
    return PerfusionModel(
        constants("perfusion_rise_factor").value if rise_factor is None else rise_factor,
        constants("perfusion_rise_start").value,
        constants("perfusion_rise_full").value,
        constants("perfusion_stop_omega").value,
    )


def conductivity_factor(temperature_c: ArrayLike) -> Array:
    """Factor on the 37 degC thermal conductivity: 1 + 0.0066 (T - 37), held above 100 degC and below 37 degC.

    From k = 0.5 + 0.0033 dT W/mK of soft tissue (MITA model); its use for bone is an assumption.
    """
    body = constants("body_temperature").value
    t = np.clip(np.asarray(temperature_c, dtype=np.float64), body, constants("conductivity_cap").value)
    return 1.0 + constants("conductivity_slope").value * (t - body)
