"""The structures that rules speak of, made ready for a search: exact shapes, thresholds, groups of one rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.access.path import Clearance, NeedleSpec
from vertherm.access.rules import AccessRules, ObstacleRule
from vertherm.access.scene import AccessScene, Solid
from vertherm.access.solids import boxes_of, forest_of, unsheared
from vertherm.access.solids_kernels import Forest
from vertherm.geometry.volume import FloatArray

TIE_MM = 1e-6
"""A clearance that falls short by less than this is kept: rounding, not anatomy, decides below it."""
HIP = "hip bone"
"""Beginning of the names of the bones that the transiliac approach crosses on purpose."""


@dataclass(frozen=True, eq=False)
class Group:
    """Obstacles of one rule.

    Args:
        label: what they are, in words ("root or plexus").
        rule: theirs.
        members: indices into the obstacles.
        hip: True for the hip bones.
    """

    label: str
    rule: ObstacleRule
    members: tuple[int, ...]
    hip: bool


@dataclass(frozen=True, eq=False)
class Obstacles:
    """Solids with rules, the forbidden ones first; their trees, and the lesion's as the last tree.

    Args:
        solids: with their rules.
        forbidden: how many of them bar the way; the rest only costs risk.
        limit_mm: (forbidden + 1,) a needle's axis nearer than this breaks the rule (radius, error and clearance); the
            last one is the lesion's: a tip nearer than this to the lesion keeps its rule.
        cutoff_mm: (solids,) distance of the axis from which on nothing more is gained.
        groups: the forbidden ones by rule.
        forest: trees of the solids, then of the lesion.
    """

    solids: tuple[Solid, ...]
    forbidden: int
    limit_mm: FloatArray
    cutoff_mm: FloatArray
    groups: tuple[Group, ...]
    forest: Forest

    @property
    def lesion(self) -> int:
        """Index of the lesion's tree."""
        return len(self.solids)


def ruled_solids(scene: AccessScene) -> tuple[Solid, ...]:
    """Solids that have a rule, forbidden ones first, by name; the target's own bone is none of them."""
    own = f"vertebra {scene.level.value}"
    ruled = [solid for solid in scene.solids if solid.rule is not None and solid.name != own]
    return tuple(sorted(ruled, key=lambda s: (s.rule is not None and not s.rule.forbidden, s.name)))


def obstacles_of(
    scene: AccessScene,
    rules: AccessRules,
    needle: NeedleSpec,
    window: tuple[FloatArray, FloatArray] | None = None,
) -> Obstacles:
    """The scene's obstacles.

    Args:
        scene: lesion and surroundings.
        rules: of the access.
        needle: the instrument.
        window: RAS corners of the box that holds every needle, mm; what lies beyond the comfort of every rule around it
            is left out. None: everything.
    """
    solids = ruled_solids(scene)
    own = needle.radius_mm + rules.placement_error_mm
    asked = [solid.rule for solid in solids if solid.rule is not None]
    forbidden = sum(rule.forbidden for rule in asked)
    limit = [own + rule.clearance_mm - TIE_MM for rule in asked[:forbidden]]
    cutoff = np.array([own + rule.clearance_mm + rule.comfort_mm for rule in asked])
    if window is not None:
        margin = float(cutoff.max(initial=0.0))
        window = (window[0] - margin, window[1] + margin)
    shapes = [boxes_of(unsheared(solid.mask), window) for solid in solids]
    shapes.append(boxes_of(unsheared(scene.lesion), whole=True))
    return Obstacles(
        solids=solids,
        forbidden=forbidden,
        limit_mm=np.array([*limit, rules.tip_beyond_lesion_mm + TIE_MM]),
        cutoff_mm=cutoff,
        groups=_groups(solids[:forbidden]),
        forest=forest_of(shapes),
    )


def _groups(solids: Sequence[Solid]) -> tuple[Group, ...]:
    """Solids of the same rule together, in the order of their first member; hip bones always by themselves."""
    together: dict[tuple[int, bool], list[int]] = {}
    for n, solid in enumerate(solids):
        together.setdefault((id(solid.rule), solid.name.startswith(HIP)), []).append(n)
    found = []
    for (_, hip), members in together.items():
        rule = solids[members[0]].rule
        if rule is not None:
            found.append(Group(_label([solids[n] for n in members], rule), rule, tuple(members), hip))
    return tuple(found)


def _label(solids: Sequence[Solid], rule: ObstacleRule) -> str:
    by_name = [start.strip() for start in rule.names if any(solid.name.startswith(start) for solid in solids)]
    named = tuple(start for start in rule.names)
    kinds = sorted({solid.kind for solid in solids if not solid.name.startswith(named)}) if named else []
    return " or ".join(by_name + (kinds if named else sorted({solid.kind for solid in solids})))


def nearest_mm(
    obstacles: Obstacles, which: int, entries: FloatArray, tips: FloatArray, cutoff_mm: float = np.inf
) -> tuple[FloatArray, FloatArray]:
    """Exact distances (n,) of axes from one solid, at most ``cutoff_mm``; and where, as a share from the entry."""
    from vertherm.access.solids_kernels import nearest_of_many

    distance, place = np.empty(len(entries)), np.empty(len(entries))
    nearest_of_many(obstacles.forest, which, entries, tips, cutoff_mm, distance, place)
    mask = obstacles.solids[which].mask if which < len(obstacles.solids) else None
    if mask is not None and bool(np.isnan(place).any() or cutoff_mm == np.inf):
        # A needle that lies within a solid from end to end meets no face of it.
        inside = mask.with_data(mask.data.astype(np.uint8)).sample(entries, order=0, outside=0.0) > 0
        distance, place = np.where(inside, 0.0, distance), np.where(inside, 0.0, place)
    return distance, place


def clearances(
    obstacles: Obstacles, rules: AccessRules, needle: NeedleSpec, entry: FloatArray, tip: FloatArray
) -> tuple[Clearance, ...]:
    """Every obstacle nearer to one needle than the comfort of its rule, the one with the least to spare first."""
    found = []
    length = float(np.linalg.norm(entry - tip))
    for n, solid in enumerate(obstacles.solids):
        cutoff = float(obstacles.cutoff_mm[n])
        distance, place = nearest_mm(obstacles, n, entry[None], tip[None], cutoff)
        if solid.rule is None or float(distance[0]) >= cutoff:
            continue
        surface = round(float(distance[0]) - needle.radius_mm, 6)
        found.append(
            Clearance(
                name=solid.name,
                kind=solid.kind,
                distance_mm=surface,
                after_error_mm=round(surface - rules.placement_error_mm, 6),
                required_mm=solid.rule.clearance_mm,
                label_error_mm=solid.label_error_mm,
                depth_mm=round(float(place[0]) * length, 3),
                derived=solid.derived,
            )
        )
    return tuple(sorted(found, key=lambda c: (round(c.after_error_mm - c.required_mm, 6), c.name)))


def broken_groups(obstacles: Obstacles, broken: NDArray[np.uint64]) -> list[NDArray[np.bool_]]:
    """For each group, which candidates break it; ``broken`` (n, words) holds a bit a forbidden solid."""
    found = []
    for group in obstacles.groups:
        hit = np.zeros(len(broken), bool)
        for word in range(broken.shape[1]):
            bits = sum(1 << (member - 64 * word) for member in group.members if member // 64 == word)
            hit |= (broken[:, word] & np.uint64(bits)) != 0
        found.append(hit)
    return found
