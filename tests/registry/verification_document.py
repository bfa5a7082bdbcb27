"""Documents as ``vertherm verify`` writes them, made by hand; a test compares their shape with the real model."""

from __future__ import annotations

from typing import Any

CT, LATER = "24 h", "week 12"


def row(examination: str = CT, target: str = "target", **more: Any) -> dict[str, Any]:
    """One lesion at one examination: covered, with zone, margin, cement and two metrics."""
    return {
        "target": target, "level": "L2", "examination": examination, "date": "2023-03-02", "days": 0, "modality": "CT",
        "contrast": True, "frame_uid": "", "files": {},
        "registration": {"status": "ok", "reasons": [], "error_mm": 0.4, "matrix": None, "method": "rigid",
                         "similarity": 0.97, "agreement": 0.98, "strain": 0.004, "covered": 1.0},
        "coverage": "covered", "words": "", "no_zone": "", "tumour": None, "findings": [],
        "zone": {"given": False, "volume_ml": 14.5, "long_mm": 36.0, "short_mm": 27.5, "cnr": 6.0, "edge_sd_mm": 0.7,
                 "hidden": 0.0, "notes": []},
        "margin": {"minimum_mm": 1.5, "low_mm": 0.25, "high_mm": 2.75, "worst_point_mm": [0.0, 0.0, 0.0],
                   "coverage": 0.995, "below_0": 0.0, "from_0_to_goal": 1.0, "goal_or_more": 0.0, "goal_mm": 5.0,
                   "within_bone_mm": 2.0, "within_bone_low_mm": 1.0, "within_bone_high_mm": 3.0,
                   "decided_by_barrier": 0.4, "beyond_barrier": 0.1},
        "agreement": [agreement("isotherm_60", 15.0), agreement("cem43_240", 20.0)],
        "cement": {"given": False, "volume_ml": 3.5,
                   "by_site_ml": {"vertebra": 3.2, "canal": 0.0, "disc": 0.3, "elsewhere": 0.0}},
        "suggestions": [{"criterion": "mda", "response": "pd", "words": "", "source": ""}],
        "progression": "suggested", "progression_words": "", "notes": [],
    } | more  # fmt: skip


def agreement(metric: str, predicted_ml: float) -> dict[str, Any]:
    """One metric against the zone of ``row``."""
    return {
        "metric": metric, "label": metric, "predicted_ml": predicted_ml, "observed_ml": 14.5, "predicted_long_mm": 40.0,
        "predicted_short_mm": 30.0, "dice": 0.8, "mean_distance_mm": 1.5, "hausdorff95_mm": 4.0, "signed_mm": -0.0,
    }  # fmt: skip


def unseen(examination: str, day: str, target: str = "target", **more: Any) -> dict[str, Any]:
    """One lesion at an examination on which coverage is not assessed."""
    return row(examination, target, date=day, coverage="not assessed", zone=None, margin=None, agreement=[],
               cement=None) | more  # fmt: skip


def document(*rows: dict[str, Any], synthetic: bool = True, device: str = "Antenna at 2450 MHz") -> dict[str, Any]:
    """A whole document; without rows one lesion at two examinations."""
    lines = list(rows) or [row(), unseen(LATER, "2023-05-25")]
    calibration = [
        {"target": line["target"], "examination": line["examination"], "device": device, "net_kj": 4.1, **item,
         "volume_ratio": 1.0, "observed_long_mm": 36.0, "observed_short_mm": 27.5}
        for line in lines
        for item in line["agreement"]
    ]  # fmt: skip
    return {
        "schema_version": 1, "title": "made up", "synthetic": synthetic, "notice": "", "confirmed": False,
        "rows": lines, "calibration": calibration, "notes": [], "provenance": {}, "timings_s": {},
    }  # fmt: skip
