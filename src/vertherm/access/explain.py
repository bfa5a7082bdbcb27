"""Every rule applied to one given needle, and the numbers of a path for it, admissible or not."""

from __future__ import annotations

import numpy as np

from vertherm.access.candidates import Candidates, angles_deg, upper_side
from vertherm.access.path import Check, NeedlePath, NeedleSpec
from vertherm.access.rules import AccessRules, Approach, Position
from vertherm.access.scene import AccessScene
from vertherm.access.search_paths import paths_of
from vertherm.access.search_question import APPROACHES, Question, ThroughBone, question
from vertherm.access.search_scores import Ways, ways_through
from vertherm.access.skin import exits
from vertherm.access.solids_obstacles import HIP, TIE_MM, Obstacles, nearest_mm, obstacles_of
from vertherm.geometry.trajectory import Trajectory


def explain(
    scene: AccessScene,
    rules: AccessRules,
    needle: NeedleSpec,
    trajectory: Trajectory,
    *,
    position: Position | None = None,
    through: ThroughBone | None = None,
) -> tuple[Check, ...]:
    """Every rule on one given needle, with its value and its limit, kept or not.

    Args:
        scene: lesion and surroundings.
        rules: of the access.
        needle: the instrument.
        trajectory: entry and tip, RAS mm.
        position: of the patient; None: whichever the approach wants.
        through: as in :func:`vertherm.access.search.find_paths`.

    Raises:
        InputError: as :func:`vertherm.access.search.find_paths`.
    """
    asked = question(scene, rules, needle, position, (), None, through)
    obstacles, ways = _given(asked, trajectory)
    return (
        *_bone_checks(asked, ways),
        *_shape_checks(asked, obstacles, ways),
        *_angle_checks(asked, ways),
        *_obstacle_checks(asked, obstacles, ways),
    )


def measure(
    scene: AccessScene,
    rules: AccessRules,
    needle: NeedleSpec,
    trajectory: Trajectory,
    name: str = "given",
    *,
    position: Position | None = None,
    through: ThroughBone | None = None,
) -> NeedlePath:
    """The numbers of a path for a given needle, admissible or not; arguments and errors as :func:`explain`."""
    asked = question(scene, rules, needle, position, (), None, through)
    obstacles, ways = _given(asked, trajectory)
    return paths_of(asked, obstacles, ways, [name])[0]


def _given(asked: Question, trajectory: Trajectory) -> tuple[Obstacles, Ways]:
    entry, tip = trajectory.entry_mm[None], trajectory.tip_mm[None]
    behind = np.array([bool(trajectory.axis[1] < 0.0)])
    ways = ways_through(asked, entry, tip, behind, np.array([_at_edge(asked, trajectory)]))
    return obstacles_of(asked.scene, asked.rules, asked.needle), ways


def _at_edge(asked: Question, trajectory: Trajectory) -> bool:
    """True where the needle's line, drawn on from the tip, leaves the image while it is still in the body."""
    line = Candidates(
        trajectory.tip_mm[None], trajectory.axis[None], np.ones(1, bool), 1.0, 1.0, np.asarray(trajectory.tip_mm)
    )
    return bool(exits(asked.scene.body, line).at_edge[0])


def _bone_checks(asked: Question, ways: Ways) -> list[Check]:
    rules = asked.rules
    known = asked.from_behind if ways.from_behind[0] else asked.from_front
    code = int(ways.approach[0])
    fits = code >= 0 and APPROACHES[code] in known
    names = ", ".join(approach.value for approach in known) or "none from this side of the patient"
    checks = [Check("approach", APPROACHES[code].value if code >= 0 else "none fits", f"one of: {names}", fits)]
    angle = float(ways.incidence_deg[0])
    kept = bool(np.isnan(angle) or angle <= rules.max_incidence_deg + TIE_MM)
    value = "meets no bone" if np.isnan(angle) else f"{angle:.1f} degrees"
    checks.append(Check("incidence", value, f"at most {rules.max_incidence_deg:g} degrees", kept))
    if code >= 0 and APPROACHES[code] is Approach.transpedicular:
        breach = float(ways.breach_mm[0])
        kept = breach <= rules.max_breach_mm + TIE_MM
        checks.append(Check("pedicle breach", f"{breach:.1f} mm", f"at most {rules.max_breach_mm:g} mm", kept))
    return checks


def _shape_checks(asked: Question, obstacles: Obstacles, ways: Ways) -> list[Check]:
    rules, length = asked.rules, float(ways.length_mm[0])
    longest = asked.needle.length_mm - rules.outside_mm
    outside = float(nearest_mm(obstacles, obstacles.lesion, ways.tips, ways.tips)[0][0])
    edge = bool(ways.at_edge[0])
    skin = "the image's edge" if edge else "skin"
    return [
        Check("length", f"{length:.1f} mm", f"at most {longest:g} mm", length <= longest + TIE_MM),
        Check(
            "tip",
            f"{outside:.1f} mm outside the lesion" if outside > 0 else "in the lesion",
            f"at most {rules.tip_beyond_lesion_mm:g} mm outside",
            outside <= rules.tip_beyond_lesion_mm + TIE_MM,
        ),
        Check(
            "skin",
            f"enters through {skin}",
            "through the skin" if asked.scene.skin_in_image else "the image holds no skin",
            not (edge and asked.scene.skin_in_image),
        ),
    ]


def _angle_checks(asked: Question, ways: Ways) -> list[Check]:
    rules, axis = asked.rules, ways.axes[0]
    axial, rise, _ = (float(angle) for angle in angles_deg(axis))
    most = rules.max_axial_deg
    checks = [
        Check("axial angle", f"{axial:+.1f} degrees", f"within {most:g} degrees", abs(axial) <= most + TIE_MM),
        Check(
            "cranio-caudal angle",
            f"{rise:+.1f} degrees",
            f"within {rules.max_cranio_caudal_deg:g} degrees",
            abs(rise) <= rules.max_cranio_caudal_deg + TIE_MM,
        ),
    ]
    if asked.position is not None:
        upper = upper_side(asked.position)
        wanted = (
            upper * float(axis[0]) >= -TIE_MM if upper else bool(ways.from_behind[0]) == (asked.position == "prone")
        )
        where = "from behind" if ways.from_behind[0] else "from the front"
        where += ", from the right" if axis[0] > 0 else ", from the left" if axis[0] < 0 else ""
        checks.append(Check("reachable side", where, f"patient {asked.position}", bool(wanted)))
    return checks


def _obstacle_checks(asked: Question, obstacles: Obstacles, ways: Ways) -> list[Check]:
    """One check a structure, nearest (after its requirement) first; those that only cost risk have no limit."""
    found = []
    error = asked.rules.placement_error_mm
    for n, solid in enumerate(obstacles.solids):
        if solid.rule is None or (ways.transiliac[0] and solid.name.startswith(HIP)):
            continue
        gap = float(nearest_mm(obstacles, n, ways.entries, ways.tips)[0][0]) - asked.needle.radius_mm
        spare = gap - error - solid.rule.clearance_mm
        limit = f"at least {solid.rule.clearance_mm:g} mm" if solid.rule.forbidden else "crossing is allowed"
        if not np.isfinite(gap):
            value = "holds no voxel"
        else:
            value = f"{gap:.2f} mm, {gap - error:.2f} mm after a placement error of {error:g} mm"
        kept = spare >= -TIE_MM or not solid.rule.forbidden
        found.append((spare, Check(f"obstacle: {solid.name}", value, limit, bool(kept))))
    return [check for _, check in sorted(found, key=lambda item: (round(item[0], 6), item[1].rule))]
