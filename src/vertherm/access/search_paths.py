"""Needle paths as objects: what a person reads of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from vertherm.access.candidates import angles_deg
from vertherm.access.path import Clearance, NeedlePath, Side
from vertherm.access.rules import Approach
from vertherm.access.search_question import APPROACHES, Question
from vertherm.access.search_scores import Ways, covered, goal_points, risks
from vertherm.access.solids_obstacles import HIP, Obstacles, clearances, nearest_mm
from vertherm.clinical.levels import Region
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray

BREACH_GRADES = ((0.0, "A"), (2.0, "B"), (4.0, "C"), (6.0, "D"))
"""Largest breach in mm of each grade (Gertzbein and Robbins 1990); beyond them E. [R]"""
EDGE_NOTE = "the image ends before the skin: length and what lies beyond are not known"


def breach_grade(breach_mm: float) -> str:
    """Gertzbein-Robbins grade of a breach: A contained, B up to 2 mm, C up to 4, D up to 6, E beyond."""
    return next((grade for most, grade in BREACH_GRADES if breach_mm <= most + 1e-9), "E")


def paths_of(asked: Question, obstacles: Obstacles, ways: Ways, names: list[str]) -> tuple[NeedlePath, ...]:
    """Paths with all that is known of them, in the order given."""
    risk, (coverage, factor) = risks(asked, obstacles, ways), covered(asked, goal_points(asked.scene.goal), ways)
    found = asked.scene.lesion
    centroid = found.grid.world(np.argwhere(found.data)).mean(axis=0)
    outside = nearest_mm(obstacles, obstacles.lesion, ways.tips, ways.tips)[0]
    return tuple(
        replace(
            _path(asked, obstacles, ways, n, name, centroid),
            risk=float(risk[n]),
            coverage=float(coverage[n]),
            zone_factor=float(factor[n]),
            tip_outside_mm=float(outside[n]),
        )
        for n, name in enumerate(names)
    )


def _path(
    asked: Question,
    obstacles: Obstacles,
    ways: Ways,
    n: int,
    name: str,
    centroid: FloatArray,
) -> NeedlePath:
    """One path; scores and what is known of all of them at once are filled in by the caller."""
    entry, tip, axis = ways.entries[n], ways.tips[n], ways.axes[n]
    focus = tip + asked.needle.focus_mm * axis
    near = _near(asked, obstacles, ways, n)
    axial, rise, gantry = (float(angle) for angle in angles_deg(axis))
    wall = float(ways.wall_mm[n])
    return NeedlePath(
        name=name,
        trajectory=Trajectory(entry, tip),
        focus_ras_mm=(float(focus[0]), float(focus[1]), float(focus[2])),
        approach=_approach(asked, int(ways.approach[n])),
        side=_side(int(ways.side[n])),
        entry_kind=_entry_kind(bool(ways.at_edge[n])),
        length_mm=float(ways.length_mm[n]),
        bone_mm=float(ways.bone_mm[n]),
        axial_deg=axial,
        cranio_caudal_deg=rise,
        gantry_deg=gantry,
        incidence_deg=float(ways.incidence_deg[n]),
        clearances=near,
        pedicle_wall_mm=None if np.isnan(wall) else wall,
        breach_mm=float(ways.breach_mm[n]),
        breach_grade="" if np.isnan(wall) else breach_grade(float(ways.breach_mm[n])),
        tip_to_target_mm=float(np.linalg.norm(tip - centroid)),
        tip_outside_mm=np.nan,
        coverage=np.nan,
        risk=np.nan,
        crosses=_crosses(asked, ways, n, near),
        notes=_notes(asked, ways, n, near, gantry),
    )


def _near(asked: Question, obstacles: Obstacles, ways: Ways, n: int) -> tuple[Clearance, ...]:
    """Clearances of one path; a bone that it crosses on purpose is none of them."""
    near = clearances(obstacles, asked.rules, asked.needle, ways.entries[n], ways.tips[n])
    return tuple(c for c in near if not (ways.transiliac[n] and c.name.startswith(HIP)))


def _approach(asked: Question, code: int) -> Approach:
    return APPROACHES[code] if code >= 0 else asked.approaches[0]


def _side(side: int) -> Side:
    return "left" if side < 0 else "right" if side > 0 else "midline"


def _entry_kind(at_edge: bool) -> Literal["skin", "image edge"]:
    return "image edge" if at_edge else "skin"


def _crosses(asked: Question, ways: Ways, n: int, near: tuple[Clearance, ...]) -> tuple[str, ...]:
    own = "sacrum" if asked.scene.level.region is Region.sacral else f"vertebra {asked.scene.level.value}"
    names = [own] if ways.bone_mm[n] > 0 else []
    names += ["ilium"] if ways.crosses_ilium[n] else []
    allowed = {s.name for s in asked.scene.solids if s.rule is not None and not s.rule.forbidden}
    return (*names, *(c.name for c in near if c.name in allowed and c.distance_mm < 0.0))


def _notes(asked: Question, ways: Ways, n: int, near: tuple[Clearance, ...], gantry_deg: float) -> tuple[str, ...]:
    notes = []
    beyond = asked.rules.placement_error_mm - float(ways.wall_mm[n])
    if beyond > 0.0:  # nan where no pedicle is used
        notes.append(
            f"after the placement error the needle may leave the pedicle by {beyond:.1f} mm "
            f"(grade {breach_grade(beyond)})"
        )
    if ways.approach[n] < 0:
        notes.append("fits no approach; the one named is only the first that was allowed")
    if ways.at_edge[n]:
        notes.append(EDGE_NOTE)
    if abs(gantry_deg) > asked.rules.max_gantry_deg:
        notes.append(f"not in one slice: needs a gantry tilt of {gantry_deg:+.0f} degrees")
    forbidden = {s.name for s in asked.scene.solids if s.rule is not None and s.rule.forbidden}
    for c in near:
        spare = c.after_error_mm - c.required_mm
        if c.name in forbidden and spare < c.label_error_mm:
            placed = ", which was placed by a rule, not seen" if c.derived else ""
            notes.append(
                f"{c.name}: {max(spare, 0.0):.1f} mm to spare, less than its label may be off by its voxels "
                f"({c.label_error_mm:.1f} mm){placed}"
            )
    return tuple(notes)
