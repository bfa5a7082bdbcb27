"""A real CT with skin: the shaft crosses it, and its temperature is a row of the report.

Lumbar scan of the shared data (TotalSegmentator repository, Apache-2.0), 3 mm voxels: fine for access, too coarse for
millimetre margins. L3, left transpedicular, synthetic lytic lesion, 4.1 kJ in 4 min 30 s. The scan is supine; distances
from skin to target differ in prone patients.
"""

from __future__ import annotations

import os
from pathlib import Path

from vertherm.heat.member import Member
from vertherm.planning.case import CaseFile, Numerics
from vertherm.planning.predict import CaseResult, predict
from vertherm.planning.prepare import prepare


def data_folder() -> Path:
    """``VERTHERM_DATA``, or ``../shared/data`` beside the checkout."""
    named = os.environ.get("VERTHERM_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"


def case_file(spacing_mm: float = 1.0) -> CaseFile:
    """The case; the same keys as in a TOML case file."""
    folder = data_folder() / "totalseg_lumbar"
    return CaseFile.model_validate(
        {
            "case": "lumbar scan",
            "title": "Lumbar scan: L3, synthetic lytic lesion, shaft through the skin",
            "images": {
                "ct": folder / "ct.nii.gz",
                "labels": [
                    {"path": folder / "seg_total117_fast.nii.gz", "vocabulary": "totalsegmentator"},
                    {
                        "path": folder / "seg_vertebrae_body_disc.nii.gz",
                        "vocabulary": "totalsegmentator-vertebrae-body",
                    },
                ],
            },
            "targets": [
                {
                    "name": "lesion",
                    "level": "L3",
                    "level_confirmed": True,
                    "pathology": "breast",
                    "kind": "lytic",
                    "synthetic": {"centre_mm": [-10.0, 144.0, 318.0], "radius_mm": 9.0, "seed": 1},
                }
            ],
            "applicators": [
                {
                    "model": "tosoratti_mini_choke",
                    "frame": "RAS",
                    "entry": [-46.0, 40.0, 331.0],
                    "tip": [-7.0, 151.0, 317.0],
                }
            ],
            "schedule": {"power_kind": "forward", "activations": [{"power_w": 15.185, "time_s": 270}]},
            "numerics": {"spacing_mm": spacing_mm},
        }
    )


def run(spacing_mm: float = 1.0, workers: int = 0, run_members: tuple[Member, ...] | None = None) -> CaseResult:
    """Predict it."""
    case, treatment, protocol = prepare(case_file(spacing_mm))
    numerics = Numerics(spacing_mm=spacing_mm)
    return predict(case, treatment, protocol, numerics, workers=workers, run_members=run_members)


if __name__ == "__main__":
    assessment = run().assessment
    print(assessment.verdict.upper(), assessment.verdict_words)
    for row in assessment.structures:
        print(row.name, row.words)
