"""What bounds an injection of cement: data of the protocol, not code. All are defaults of ours, meant to be edited."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vertherm.cement.vertebra import SITES


class CementRules(BaseModel):
    """Rules of cementoplasty. Every number is a default of ours unless its source says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    leakage_limits: dict[str, float] = Field(description="largest accepted probability of cement at each site")
    leakage_source: str = Field(min_length=3)
    pressure_stop_mpa: float = Field(gt=0, le=50, description="at the pump, needle included")
    pressure_source: str = Field(min_length=3)
    volume_looked_at_ml: float = Field(gt=0.5, le=30, description="curves go up to here")
    session_warn_ml: float = Field(gt=1, le=100, description="of all lesions of a procedure together")
    session_source: str = Field(min_length=3)
    tip_error_mm: float = Field(ge=0, le=10, description="standard deviation of the tip's place, each direction")
    tip_source: str = Field(min_length=3)
    needle_radius_mm: float = Field(gt=0.1, le=3, description="inner radius of the cannula")
    needle_length_mm: float = Field(gt=20, le=400)
    needle_source: str = Field(min_length=3)
    rate_ml_min: float = Field(gt=0.05, le=20)
    start_after_mixing_s: float | None = Field(default=None, ge=0, description="left out: start of the working window")
    room_c: float = Field(ge=10, le=35)
    injection_source: str = Field(min_length=3)
    ablation_delay_s: float = Field(ge=0, le=7200, description="from the last switch-off to the cement")
    delay_source: str = Field(min_length=3)
    samples: int = Field(ge=10, le=2000)
    spacing_mm: float = Field(ge=0.5, le=3.0)
    room_mm: float = Field(ge=4, le=30, description="how far around the vertebra cement is followed")

    @field_validator("leakage_limits")
    @classmethod
    def _every_site(cls, value: dict[str, float]) -> dict[str, float]:
        if set(value) != set(SITES):
            raise ValueError(f"give a limit for each of {', '.join(SITES)}; got {', '.join(sorted(value)) or 'none'}")
        if not all(0 < limit <= 1 for limit in value.values()):
            raise ValueError("a limit is a probability above 0, at most 1")
        return value
