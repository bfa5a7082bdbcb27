"""Thermoprotection as part of a treatment: dissection with gas or fluid, irrigation, cooling of the skin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vertherm.geometry.volume import FloatArray, Volume

Medium = Literal["co2", "saline", "dextrose"]
"""What a dissection is made with: carbon dioxide, 0.9 % saline, 5 % dextrose in water."""


@dataclass(frozen=True, eq=False)
class Dissection:
    """Gas or fluid injected between the zone and a structure. It replaces soft tissue where it lies; nothing is pushed
    away in the model, so the structure stays as near as it is in the image (the cautious side).

    Args:
        name: as in the case file.
        medium: what was injected.
        region: bool, any grid of the frame; where the medium lies (soft tissue of it: never bone, nerve, vessel).
        protects: the structure it is meant for, "" for none in particular.
        temperature_c: of the medium at the start.
    """

    name: str
    medium: Medium
    region: Volume
    protects: str = ""
    temperature_c: float = 37.0


@dataclass(frozen=True, eq=False)
class Irrigation:
    """Fluid that flows through a region (epidural space, foramen) from the start until everything has cooled.

    Args:
        name: as in the case file.
        region: bool; soft tissue, fat and CSF in it are irrigated, never bone or nerve.
        flow_ml_min: fluid that passes.
        temperature_c: at which it arrives.
        medium: saline or dextrose.
    """

    name: str
    region: Volume
    flow_ml_min: float
    temperature_c: float
    medium: Medium = "saline"


@dataclass(frozen=True, eq=False)
class SkinCooling:
    """A cold pack or cooled fluid on a patch of skin, from the start until everything has cooled.

    Args:
        name: as in the case file.
        centre_mm: RAS, on the skin.
        radius_mm: of the patch.
        temperature_c: of the coolant.
        film_w_m2k: heat transfer between coolant and skin.
    """

    name: str
    centre_mm: FloatArray
    radius_mm: float
    temperature_c: float
    film_w_m2k: float


@dataclass(frozen=True, eq=False)
class Protection:
    """Everything that protects; empty: nothing does."""

    dissections: tuple[Dissection, ...] = ()
    irrigations: tuple[Irrigation, ...] = ()
    skin_cooling: tuple[SkinCooling, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.dissections or self.irrigations or self.skin_cooling)


NONE = Protection()
