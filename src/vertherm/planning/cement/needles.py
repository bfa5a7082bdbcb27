"""The cannulas of each target: as given, along the antennas' needles, or along the best path that the search finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vertherm.access.path import AccessResult, NeedlePath
from vertherm.access.rules import AccessRules
from vertherm.cement.leakage import OPENING_MM, Needle
from vertherm.cement.rules import CementRules
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.imaging.anatomy import Anatomy, Structure, StructureKind
from vertherm.planning.case import CaseFile
from vertherm.planning.objects import Case, Target
from vertherm.planning.prepare import in_ras

WAY_STEP_MM = 0.5
NERVES = frozenset(
    {StructureKind.canal, StructureKind.dural_sac, StructureKind.cord, StructureKind.cauda, StructureKind.root}
)


@dataclass(frozen=True, eq=False)
class Cannula:
    """One cannula.

    Args:
        name: of the cannula.
        path: path of the search it follows; "" where it was given.
        trajectory: RAS.
        share: of the target's volume.
    """

    name: str
    path: str
    trajectory: Trajectory
    share: float

    def needle(self, rules: CementRules) -> Needle:
        """As the fill wants it."""
        return Needle(self.trajectory.tip_mm, self.share, rules.needle_radius_mm, rules.needle_length_mm)


def given_cannulas(entry: CaseFile, case: Case) -> dict[str, list[Cannula]]:
    """Those of [cement] needles, else those along [[applicators]]; by target, shares adding to 1.

    Raises:
        InputError: a needle names no target, or a target that does not exist.
    """
    found: dict[str, list[Cannula]] = {}
    for number, item in enumerate(entry.cement.needles if entry.cement else (), 1):
        name = item.name or f"cement needle {number}"
        needle = Trajectory(in_ras(item.entry, item.frame), in_ras(item.tip, item.frame))
        target = _target_of(item.target, case, f"cement.needles[{number}]")
        found.setdefault(target, []).append(Cannula(name, "", needle, item.share))
    stated = set(found)
    for placed in entry.applicators:
        needle = Trajectory(in_ras(placed.entry, placed.frame), in_ras(placed.tip, placed.frame))
        nearest = min(case.targets, key=lambda target: float(((target.centre_mm - needle.tip_mm) ** 2).sum()))
        if nearest.name in stated:
            continue
        # A needle that is drawn back lies in one place for the cement: where its tip is deepest.
        kept = found.setdefault(nearest.name, [])
        if not any(_same_way(needle, one.trajectory) for one in kept):
            kept.append(Cannula(f"along {placed.name}", "", to_the_middle(needle, nearest), 1.0))
    return {target: _shared(cannulas) for target, cannulas in found.items()}


def cannulas_of_paths(paths: Mapping[str, NeedlePath], case: Case) -> dict[str, list[Cannula]]:
    """One cannula along a path of each target."""
    targets = {target.name: target for target in case.targets}
    return {
        name: [Cannula("cement needle", path.name, to_the_middle(path.trajectory, targets[name]), 1.0)]
        for name, path in paths.items()
    }


def to_the_middle(way: Trajectory, target: Target) -> Trajectory:
    """The way up to where it comes nearest to the lesion's middle: an antenna goes deeper, its zone lies behind it."""
    _, z = way.cylindrical_mm(target.centre_mm)
    back = float(np.clip(z, 0.0, way.length_mm - 5.0))
    return Trajectory(way.entry_mm, way.point_mm(back))


def best_path(result: AccessResult, target: Target) -> NeedlePath:
    """The path with the smallest risk among those that bring the opening into the lesion; without such, of all.

    Raises:
        InputError: there is none.
    """
    if not result.paths:
        reasons = "; ".join(refusal.reason for refusal in result.refusals[:3])
        raise InputError(
            "No needle path reaches the lesion, so no cement does.",
            where=f"target {result.target}",
            got=reasons,
            advice="give the cannula in [[cement.needles]], or loosen the rules of access",
        )
    within = [path for path in result.paths if opens_within(to_the_middle(path.trajectory, target), target)]
    return min(within or result.paths, key=lambda path: path.risk)


def opens_within(way: Trajectory, target: Target) -> bool:
    """True where the opening, and all within its own radius around it, lies in the lesion."""
    around = way.tip_mm + OPENING_MM * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    return bool((target.mask.sample(around, order=0, outside=0.0) > 0).all())


def crossed(way: Trajectory, anatomy: Anatomy, rules: AccessRules) -> list[Structure]:
    """Structures that a needle must not meet, and that it runs through on its way from the skin."""
    points = way.point_mm(np.arange(0.0, way.length_mm + WAY_STEP_MM, WAY_STEP_MM))
    return [
        structure
        for structure in anatomy.structures
        if (rule := rules.rule_for(structure.kind.value, structure.name)) is not None
        and rule.forbidden
        and (structure.mask.sample(points, order=0, outside=0.0) > 0).any()
    ]


def check_targets(names: Mapping[str, object], case: Case, where: str) -> None:
    """Every name is that of a target.

    Raises:
        InputError: one is not.
    """
    known = [target.name for target in case.targets]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(
            "There is no target of this name.", where=where, got=", ".join(unknown), expected=", ".join(known)
        )


def target_named(case: Case, name: str, where: str) -> Target:
    """The target of that name; without a name the only one.

    Raises:
        InputError: there is none, or there are several and no name.
    """
    found = _target_of(name, case, where)
    return next(target for target in case.targets if target.name == found)


def _target_of(name: str, case: Case, where: str) -> str:
    if not name:
        if len(case.targets) == 1:
            return case.targets[0].name
        raise InputError(
            "Several targets, and no name says which.",
            where=where,
            expected=f"target = one of {', '.join(t.name for t in case.targets)}",
        )
    check_targets({name: None}, case, where)
    return name


def _same_way(one: Trajectory, other: Trajectory) -> bool:
    """Both lie on one line, to a millimetre."""
    r, _ = other.cylindrical_mm(one.tip_mm)
    return float(r) < 1.0 and float(one.axis @ other.axis) > 0.999


def _shared(cannulas: list[Cannula]) -> list[Cannula]:
    total = sum(one.share for one in cannulas)
    return [Cannula(one.name, one.path, one.trajectory, one.share / total) for one in cannulas]
