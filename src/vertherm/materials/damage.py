"""Thermal damage: cumulative equivalent minutes at 43 degC and Arrhenius integrals with their range of validity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.core.errors import MissingValueError
from vertherm.materials.constants import constants
from vertherm.materials.quantity import Certainty, certainty_of, number, optional_number, read_table

GAS_CONSTANT = 8.31446261815324
"""J/(mol K), CODATA 2018 (exact)."""
ZERO_CELSIUS_K = 273.15
LARGEST_LN_RATE = 70.0
"""Rates beyond exp(70)/s are held there: any such tissue is dead at once, and float32 ends at exp(88)."""


def cem43_increment(t_c: ArrayLike, dt_s: float) -> NDArray[np.float64]:
    """Equivalent minutes at 43 degC gathered in ``dt_s`` at constant temperature: dt R^(43 - T).

    R is 0.5 above and 0.25 below 43 degC (Mertyna 2009). **Nothing counts below 39 degC**, by convention.

    Args:
        t_c: temperature in degC, any shape.
        dt_s: time in seconds.
    """
    t = np.asarray(t_c, dtype=np.float64)
    base = np.where(t >= 43.0, constants("cem43_base_above").value, constants("cem43_base_below").value)
    minutes = dt_s / 60.0 * base ** (43.0 - t)
    return np.where(t < constants("cem43_cutoff").value, 0.0, minutes)


@dataclass(frozen=True)
class ArrheniusModel:
    """First-order damage, d(omega)/dt = A exp(-Ea / (R T)); a share 1 - exp(-omega) of the tissue is dead.

    Args:
        id: name of the model.
        ln_a: natural logarithm of A in 1/s.
        ea_j_mol: activation energy in J/mol.
        valid_from_c: below this temperature the rate is **zero**: liver constants would kill at body temperature
            within an hour. None for the model "none", whose rate is zero throughout.
        valid_to_c: above this temperature the rate is an extrapolation (it is still used; see :meth:`extrapolated`).
        source: where the constants were read.
        certainty: certainty of the constants.
        note: what a user must know.
        shift_k: the model reads the temperature minus this (uncertainty of its constants); positive: less damage.
    """

    id: str
    ln_a: float
    ea_j_mol: float
    valid_from_c: float | None
    valid_to_c: float | None
    source: str
    certainty: Certainty
    note: str = ""
    shift_k: float = 0.0

    def rate(self, t_c: ArrayLike) -> NDArray[np.float64]:
        """d(omega)/dt in 1/s at temperatures ``t_c`` in degC; zero below ``valid_from_c``."""
        t = np.asarray(t_c, dtype=np.float64) - self.shift_k
        if self.valid_from_c is None:
            return np.zeros_like(t)
        kelvin = np.maximum(t + ZERO_CELSIUS_K, 1.0)
        ln_rate = np.minimum(self.ln_a - self.ea_j_mol / (GAS_CONSTANT * kelvin), LARGEST_LN_RATE)
        return np.where(t < self.valid_from_c, 0.0, np.exp(ln_rate))

    def extrapolated(self, t_c: ArrayLike) -> NDArray[np.bool_]:
        """True where the model is used above the temperatures it was measured at."""
        if self.valid_to_c is None:
            return np.zeros(np.shape(t_c), dtype=bool)
        return np.asarray(t_c, dtype=np.float64) - self.shift_k > self.valid_to_c

    def time_to_omega_1_s(self, t_c: float) -> float:
        """Seconds at constant ``t_c`` until omega is 1; infinite where the rate is zero."""
        rate = float(self.rate(t_c))
        return math.inf if rate == 0.0 else 1.0 / rate


@cache
def damage_models() -> tuple[ArrheniusModel, ...]:
    """All Arrhenius models, in the order of ``data/damage.csv``."""
    return tuple(
        ArrheniusModel(
            row["id"],
            number(row, "ln_a", f"damage.csv: {row['id']}"),
            number(row, "ea_j_mol", f"damage.csv: {row['id']}"),
            optional_number(row, "valid_from_c"),
            optional_number(row, "valid_to_c"),
            row["source"],
            certainty_of(row["certainty"], f"damage.csv: {row['id']}"),
            row["note"],
        )
        for row in read_table("damage")
    )


def damage_model(model_id: str) -> ArrheniusModel:
    """The Arrhenius model ``model_id``.

    Raises:
        MissingValueError: there is no such model.
    """
    for model in damage_models():
        if model.id == model_id:
            return model
    known = ", ".join(model.id for model in damage_models())
    raise MissingValueError(
        "No damage model of that name.", where="materials/data/damage.csv", got=model_id, expected=known
    )
