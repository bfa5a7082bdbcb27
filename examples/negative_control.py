"""The negative control: a small ablation far from everything, everything labelled, must come out green.

10 W for 60 s in a large lumbar body, the antenna at least 25 mm from canal and roots. A safety engine that cannot say
green says nothing.
"""

from __future__ import annotations

import numpy as np

from vertherm.geometry.volume import Grid
from vertherm.planning.case import Numerics
from vertherm.planning.objects import Case
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.predict import CaseResult, predict
from vertherm.planning.protocol import default_protocol

# The canal lies 18 mm behind the centre of the body. The antenna comes from the right flank through the psoas,
# clear of kidney and roots, and keeps to the anterior half of the body; the image reaches the skin where it enters.
TIP_MM, ENTRY_MM = (-9.0, 13.5, 0.0), (134.0, -49.0, 20.0)
LOWER_MM, UPPER_MM = np.array([-80.0, -107.0, -60.0]), np.array([160.0, 79.0, 60.0])


def control_case(voxel_mm: float = 1.5) -> Case:
    """A large lumbar body with a small lesion in its anterior half."""
    grid = Grid.isotropic(LOWER_MM, UPPER_MM, voxel_mm)
    return phantom_case(grid=grid, lesion_radius_mm=5.0, lesion_offset_mm=(0.0, 9.0, 0.0), name="negative control")


def run(spacing_mm: float = 1.0, workers: int = 0) -> CaseResult:
    """Predict it."""
    case = control_case()
    treatment = constant_power(10.0, 60.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    return predict(case, treatment, default_protocol(), Numerics(spacing_mm=spacing_mm), workers=workers)


if __name__ == "__main__":
    assessment = run().assessment
    print(assessment.verdict.upper(), assessment.verdict_words)
    for row in assessment.structures[:6]:
        print(row.name, row.words, f"{row.distance_to_antenna_mm:.0f} mm from the antenna")
