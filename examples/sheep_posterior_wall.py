"""The sheep scenario: an intact posterior wall is not protection.

Nijland 2024 (10.1080/02656736.2024.2434607): 20-30 W paralysed 10 of 12 sheep; ex vivo the posterior wall stayed below
60 degC for 4 min. The geometry is our choice: the antenna's slot 5 mm from an intact posterior wall of the torso
phantom's thoracic vertebra, 4 min. It must not come out green, because of the heat and not of a rule on watts.
"""

from __future__ import annotations

from vertherm.heat.member import Member
from vertherm.planning.case import Numerics
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.predict import CaseResult, predict
from vertherm.planning.protocol import default_protocol

# The thoracic body reaches 14 mm behind its centre. The needle comes from the right side through the body, across the
# midline, 5 mm in front of the wall.
WALL_Y_MM = -14.0
TIP_MM, ENTRY_MM = (-6.0, WALL_Y_MM + 5.0, 0.0), (40.0, WALL_Y_MM + 5.0, 0.0)


def run(
    power_w: float,
    spacing_mm: float = 1.0,
    workers: int = 0,
    time_s: float = 240.0,
    run_members: tuple[Member, ...] | None = None,
) -> CaseResult:
    """Predict one power, with all members or with some."""

    case = phantom_case(
        "T8",
        lesion_radius_mm=5.0,
        lesion_offset_mm=(0.0, 0.0, 0.0),
        posterior_wall="intact",
        name=f"sheep {power_w:g} W",
    )
    treatment = constant_power(power_w, time_s, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    numerics = Numerics(spacing_mm=spacing_mm)
    return predict(case, treatment, default_protocol(), numerics, workers=workers, run_members=run_members)


if __name__ == "__main__":
    for power in (20.0, 30.0):
        assessment = run(power).assessment
        print(f"{power:g} W:", assessment.verdict.upper(), assessment.verdict_words)
