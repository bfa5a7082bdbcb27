"""The negative control: a small ablation far from everything, everything labelled, must come out green.

10 W for 60 s in a large lumbar body, the antenna at least 25 mm from canal and roots. A safety engine that cannot say
green says nothing.
"""

from __future__ import annotations

from vertherm.planning.case import Numerics
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.predict import CaseResult, predict
from vertherm.planning.protocol import default_protocol

# The canal's anterior wall lies 18 mm behind the body's centre. The antenna comes straight from the right and keeps to
# the anterior half of the body.
TIP_MM, ENTRY_MM = (-4.0, 9.0, 0.0), (70.0, 9.0, 0.0)


def run(spacing_mm: float = 1.0, workers: int = 0) -> CaseResult:
    """Predict it."""
    case = phantom_case(lesion_radius_mm=5.0, lesion_offset_mm=(2.0, 9.0, 0.0), name="negative control")
    treatment = constant_power(10.0, 60.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    return predict(case, treatment, default_protocol(), Numerics(spacing_mm=spacing_mm), workers=workers)


if __name__ == "__main__":
    assessment = run().assessment
    print(assessment.verdict.upper(), assessment.verdict_words)
    for row in assessment.structures[:6]:
        print(row.name, row.words, f"{row.distance_to_antenna_mm:.0f} mm from the antenna")
