"""Made-up search results, for tests of documents and files."""

from __future__ import annotations

from typing import Any

import numpy as np

from vertherm.access.path import AccessResult, Clearance, NeedlePath, NeedleSet, NeedleSpec, Refusal
from vertherm.access.rules import Approach
from vertherm.geometry.trajectory import Trajectory

NEEDLE = NeedleSpec(radius_mm=1.0, length_mm=170.0, focus_mm=11.0, zone_long_mm=32.0, zone_short_mm=26.0)


def path(name: str, entry: tuple[float, float, float], tip: tuple[float, float, float], **changed: Any) -> NeedlePath:
    near = Clearance("root L3 left", "root", np.float32(3.5), 1.5, 1.0, 2.6, 60.0, True)
    known: dict[str, Any] = {
        "name": name,
        "trajectory": Trajectory(np.array(entry), np.array(tip)),
        "focus_ras_mm": tuple(np.array(tip) + 1.0),
        "approach": Approach.transpedicular,
        "side": "left",
        "entry_kind": "skin",
        "length_mm": float(np.linalg.norm(np.subtract(entry, tip))),
        "bone_mm": np.float64(40.0),
        "axial_deg": -15.0,
        "cranio_caudal_deg": 3.0,
        "gantry_deg": 3.0,
        "incidence_deg": 20.0,
        "clearances": (near,),
        "pedicle_wall_mm": 2.2,
        "breach_mm": 0.0,
        "breach_grade": "A",
        "tip_to_target_mm": 6.0,
        "tip_outside_mm": 0.0,
        "coverage": 0.8,
        "zone_factor": 0.9,
        "risk": 1.25,
        "crosses": ("vertebra L3",),
        "notes": ("a, note",),
    }
    return NeedlePath(**{**known, **changed})


def result(target: str, *paths: NeedlePath, **changed: Any) -> AccessResult:
    known: dict[str, Any] = {
        "target": target,
        "level": "L3",
        "position": "prone",
        "needle": NEEDLE,
        "paths": paths,
        "sets": (NeedleSet(("P1", "P2"), np.float64(7.0), 0.95, 2.0),),
        "candidates": 1000,
        "admissible": len(paths),
        "refusals": (Refusal("nearer than 1 mm to root L3 left", "obstacle: root", 12, 3, float("inf"), "mm"),),
        "not_labelled": ("ureter",),
        "notes": ("note",),
        "timings_s": {"search": np.float64(0.5)},
        "placement_error_mm": 2.0,
    }
    return AccessResult(**{**known, **changed})
