"""Members: the explicit choices that change a prediction more than any numerical error.

The dielectric drying model and the meaning of the given power move the zone by up to 15 mm (own prototype runs, 60 W
for 10 min); cooling by vessels and CSF, and the local SAR beside the canal, move the temperatures of the structures.
All are run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Drying = Literal["sigmoid", "water"]
PowerReading = Literal["forward", "net"]
Cooling = Literal["none", "full"]


@dataclass(frozen=True)
class Member:
    """One combination of model choices.

    Args:
        drying: id of the dielectric drying model.
        power: "forward", the given power travels towards the antenna and part of it is reflected; "net", the generator
            makes up for reflection so that the given power is what enters the antenna.
        cooling: "none", vessels and CSF conduct but do not carry heat away, perfusion does not rise (for safety);
            "full", they stay at arterial temperature and perfusion rises with temperature (for coverage).
        sar_factor: multiplies the power density in neural structures (no full-wave check has run).
    """

    drying: Drying = "water"
    power: PowerReading = "forward"
    cooling: Cooling = "none"
    sar_factor: float = 1.0

    @property
    def name(self) -> str:
        """Short, stable, readable."""
        local = f", local SAR ×{self.sar_factor:g}" if self.sar_factor != 1.0 else ""
        cooling = "no" if self.cooling == "none" else self.cooling
        return f"{self.drying} drying, {self.power} power, {cooling} cooling{local}"


NOMINAL = Member()


def members(sar_factor: float, power_kind: str = "forward") -> tuple[Member, ...]:
    """Every member of an assessment, the nominal one first: it reads the power as the case says it is meant.

    Drying (2) × meaning of power (2) × {no cooling, full cooling, no cooling with the local SAR factor}.

    Args:
        sar_factor: factor on the power density in neural structures.
        power_kind: "set", "forward" or "net".
    """
    variants: tuple[tuple[Cooling, float], ...] = (("none", 1.0), ("full", 1.0), ("none", sar_factor))
    drying: tuple[Drying, ...] = ("water", "sigmoid")
    power: tuple[PowerReading, ...] = ("net", "forward") if power_kind == "net" else ("forward", "net")
    unique = dict.fromkeys(Member(d, p, cooling, factor) for cooling, factor in variants for d in drying for p in power)
    return tuple(unique)
