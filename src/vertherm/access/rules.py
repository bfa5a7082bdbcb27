"""What makes a needle path admissible, and what makes one better than another: data of the protocol, not code."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vertherm.clinical.levels import Region

Position = Literal["prone", "supine", "left lateral", "right lateral"]
"""How the patient lies on the table during the procedure; "left lateral": on the left side."""


class Approach(StrEnum):
    """Ways into a vertebra. Parapedicular and costovertebral paths are the extrapedicular ones."""

    anterolateral = "anterolateral cervical"
    transpedicular = "transpedicular"
    parapedicular = "parapedicular"
    costovertebral = "costovertebral"
    posterolateral = "posterolateral"
    arch = "posterior to the arch"
    sacral_posterior = "sacral posterior"
    transiliac = "transiliac"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ObstacleRule(_Part):
    """How far a needle must stay from some structures.

    ``clearance_mm`` is hard and counts beyond the placement error; from ``comfort_mm`` beyond it on nothing more is
    gained. ``weight`` is the share in the risk of a path that comes as near as it may.
    """

    kinds: tuple[str, ...] = Field(default=(), description="kinds of structure (see the list in docs/how-to/limits)")
    names: tuple[str, ...] = Field(default=(), description="beginnings of names; win over kinds")
    clearance_mm: float = Field(ge=0, le=30)
    comfort_mm: float = Field(default=4.0, gt=0, le=30)
    weight: float = Field(default=1.0, ge=0, le=100)
    forbidden: bool = Field(default=True, description="false: crossing costs risk but is allowed (a disc, fat)")
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _some(self) -> ObstacleRule:
        if not self.kinds and not self.names:
            raise ValueError("an obstacle needs kinds or names")
        return self


class ApproachRule(_Part):
    """Where an approach may be used, and from which side of a patient in which position."""

    approach: Approach
    regions: tuple[Region, ...] = Field(min_length=1)
    position: Literal["prone", "supine"]
    preference: float = Field(default=0.0, ge=0, le=10, description="added to the risk: 0 for the usual way")
    source: str = Field(min_length=3)


class AccessRules(_Part):
    """Rules of needle access. Every number is a default of ours unless its source says otherwise."""

    placement_error_mm: float = Field(ge=0, le=10, description="radius of the tube in which the needle may end up")
    placement_source: str = Field(min_length=3)
    max_cranio_caudal_deg: float = Field(gt=0, le=80, description="tilt of the needle out of the transverse plane")
    max_axial_deg: float = Field(gt=0, le=90, description="turn in the transverse plane away from straight down/up")
    max_gantry_deg: float = Field(gt=0, le=80, description="gantry tilt beyond which the note 'not in plane' is given")
    max_incidence_deg: float = Field(gt=0, le=90, description="between needle and the normal of the bone it enters")
    incidence_source: str = Field(min_length=3)
    instrument_length_mm: float = Field(gt=20, le=500)
    outside_mm: float = Field(ge=0, le=200, description="length of the instrument that must stay outside the skin")
    tip_beyond_lesion_mm: float = Field(ge=0, le=30)
    max_breach_mm: float = Field(ge=0, le=10, description="how far a transpedicular needle may leave the pedicle")
    breach_source: str = Field(min_length=3)
    needle_gap_mm: float = Field(ge=0, le=50, description="between the surfaces of two needles")
    depth_weight: float = Field(ge=0, description="risk of 100 mm of depth")
    angle_weight: float = Field(ge=0, description="risk of the largest admissible tilt")
    incidence_weight: float = Field(ge=0)
    breach_weight: float = Field(ge=0)
    scores_source: str = Field(min_length=3)
    zone_long_mm: float = Field(gt=2, le=100, description="reference zone along the needle, for the coverage of a path")
    zone_short_mm: float = Field(gt=2, le=100)
    zone_source: str = Field(min_length=3)
    obstacles: tuple[ObstacleRule, ...] = Field(min_length=1)
    approaches: tuple[ApproachRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> AccessRules:
        if self.instrument_length_mm <= self.outside_mm:
            raise ValueError("outside_mm leaves no instrument to insert")
        if self.zone_short_mm > self.zone_long_mm * 1.5:
            raise ValueError("zone_short_mm and zone_long_mm look exchanged")
        return self

    def rule_for(self, kind: str, name: str) -> ObstacleRule | None:
        """The rule of a structure: by the beginning of its name first, then by its kind; None: not an obstacle."""
        for rule in self.obstacles:
            if any(name.startswith(start) for start in rule.names):
                return rule
        return next((rule for rule in self.obstacles if kind in rule.kinds), None)
