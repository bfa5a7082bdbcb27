"""Acrylic bone cements by class of viscosity: curing, thermal properties, viscosity over time, look on CT.

The values stand in ``data/cement_curing.csv``; most are recalled or proposed, none is fitted to a product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.core.errors import InputError
from vertherm.materials.damage import GAS_CONSTANT
from vertherm.materials.quantity import Quantity, certainty_of, number, read_quantities, read_table

ROOM_K = 296.15
"""23 degC: the room in which setting times and viscosities are stated."""
KINETICS = ("fast", "medium", "slow")
CEMENTS = ("low_viscosity", "medium_viscosity", "high_viscosity")
# Thin cements are made to stay liquid longer. A pairing of ours: run the others as well to see what it decides.
_PACE = {"low_viscosity": "slow", "medium_viscosity": "medium", "high_viscosity": "fast"}


@dataclass(frozen=True)
class Kinetics:
    """Autocatalytic curing, see ``vertherm.cement.kinetics``.

    Args:
        name: "fast", "medium" or "slow".
        heat: J/m3 of cement from liquid to set.
        activation: J/mol.
        seed_conversion: alpha0, what starts the reaction.
        setting: s to half conversion at a constant 23 degC from the end of mixing.
    """

    name: str
    heat: Quantity
    activation: Quantity
    seed_conversion: Quantity
    setting: Quantity

    @property
    def heat_j_m3(self) -> float:
        """Heat of curing."""
        return self.heat.value

    @property
    def seed(self) -> float:
        """alpha0."""
        return self.seed_conversion.value

    @property
    def temperature_k(self) -> float:
        """E / R."""
        return self.activation.value / GAS_CONSTANT

    @property
    def constant_23_per_s(self) -> float:
        """k at 23 degC, such that half conversion falls on the setting time."""
        return float(np.log((1.0 + 2.0 * self.seed) / self.seed) / ((1.0 + self.seed) * self.setting.value))

    @property
    def frequency_per_s(self) -> float:
        """A of A exp(-E / R T)."""
        return self.constant_23_per_s * float(np.exp(self.temperature_k / ROOM_K))

    def constant_per_s(self, temperature_c: ArrayLike) -> NDArray[np.float64]:
        """k(T) in 1/s."""
        return np.asarray(self.constant_23_per_s * self.pace(temperature_c), np.float64)

    def pace(self, temperature_c: ArrayLike) -> NDArray[np.float64]:
        """How much faster than at 23 degC."""
        kelvin = np.maximum(np.asarray(temperature_c, np.float64), -200.0) + 273.15
        return np.asarray(np.exp(self.temperature_k * (1.0 / ROOM_K - 1.0 / kelvin)), np.float64)


@dataclass(frozen=True)
class BoneCement:
    """One class of cement.

    Args:
        name: one of :data:`CEMENTS`.
        kinetics: how it cures.
        density: kg/m3.
        heat_capacity: J/kgK.
        conductivity: W/mK.
        viscosity_start: Pa s at the end of mixing, 23 degC.
        viscosity_growth: s in which viscosity grows e-fold at 23 degC.
        window: start and end of injection in s after mixing at 23 degC.
        radiopacity: HU of the set cement.
    """

    name: str
    kinetics: Kinetics
    density: Quantity
    heat_capacity: Quantity
    conductivity: Quantity
    viscosity_start: Quantity
    viscosity_growth: Quantity
    window: tuple[Quantity, Quantity]
    radiopacity: Quantity

    @property
    def volumetric_heat_capacity(self) -> float:
        """J/m3K."""
        return self.density.value * self.heat_capacity.value

    @property
    def working_s(self) -> tuple[float, float]:
        """Start and end of injection in s after mixing, room of 23 degC."""
        return self.window[0].value, self.window[1].value

    def working_at_s(self, room_c: float) -> tuple[float, float]:
        """The window in a room of another temperature: it shifts with the pace of curing."""
        pace = float(self.kinetics.pace(room_c))
        return self.working_s[0] / pace, self.working_s[1] / pace

    def viscosity_pa_s(self, time_since_mixing_s: ArrayLike, room_c: float = 23.0) -> NDArray[np.float64]:
        """mu0 exp(t / tau), tau shorter in a warmer room by the pace of curing; for liquid cement, not for set."""
        aged = np.asarray(time_since_mixing_s, np.float64) * self.kinetics.pace(room_c)
        return np.asarray(self.viscosity_start.value * np.exp(aged / self.viscosity_growth.value), np.float64)

    def quantities(self) -> dict[str, Quantity]:
        """Every number behind this cement, by name."""
        law = self.kinetics
        return {
            "heat of curing": law.heat,
            "activation energy": law.activation,
            "seed conversion": law.seed_conversion,
            f"setting time ({law.name})": law.setting,
            "density": self.density,
            "heat capacity": self.heat_capacity,
            "conductivity": self.conductivity,
            "viscosity at the start": self.viscosity_start,
            "viscosity growth": self.viscosity_growth,
            "working window start": self.window[0],
            "working window end": self.window[1],
            "radiopacity": self.radiopacity,
        }

    def unverified(self) -> list[str]:
        """Names of the values that no source confirms."""
        return [name for name, quantity in self.quantities().items() if not quantity.verified]


def kinetics(name: str) -> Kinetics:
    """Curing kinetics by name.

    Raises:
        InputError: none of :data:`KINETICS`.
    """
    if name not in KINETICS:
        raise InputError("These curing kinetics are unknown.", where="kinetics", got=name, expected=KINETICS)
    table = read_quantities("cement_curing")
    seed, setting = table["seed_conversion"], table[f"{name}_setting"]
    return Kinetics(name, table["heat_of_curing"], table["activation_energy"], seed, setting)


@cache
def bone_cement(name: str) -> BoneCement:
    """One class of cement with its usual kinetics; ``dataclasses.replace`` gives it others.

    Raises:
        InputError: none of :data:`CEMENTS`.
    """
    if name not in CEMENTS:
        raise InputError("This bone cement is unknown.", where="bone_cement", got=name, expected=CEMENTS)
    table = read_quantities("cement_curing")
    return BoneCement(
        name=name,
        kinetics=kinetics(_PACE[name]),
        density=_thermal("density_kg_m3", "kg/m3"),
        heat_capacity=_thermal("heat_capacity_j_kgk", "J/kgK"),
        conductivity=_thermal("conductivity_w_mk", "W/mK"),
        viscosity_start=table[f"{name}_start"],
        viscosity_growth=table[f"{name}_growth"],
        window=(table[f"{name}_window_start"], table[f"{name}_window_end"]),
        radiopacity=table["set_radiopacity"],
    )


def bone_cements() -> tuple[BoneCement, ...]:
    """All classes, thinnest first."""
    return tuple(bone_cement(name) for name in CEMENTS)


def _thermal(column: str, unit: str) -> Quantity:
    """A property of the PMMA row of the thermal table."""
    (row,) = [row for row in read_table("thermal") if row["key"] == "PMMA"]
    where = "thermal.csv: PMMA"
    return Quantity(number(row, column, where), unit, None, None, row["source"], certainty_of(row["certainty"], where))
