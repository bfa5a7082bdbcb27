"""From a case to what a search for needle paths sees: obstacles with their rules, goal, own bone, body, directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.access.rules import AccessRules
from vertherm.access.scene import AccessScene, Solid, VertebraFrame
from vertherm.access.vertebra import vertebra_frame
from vertherm.clinical.levels import Level, Region
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import TISSUE_OF, Anatomy, Structure, StructureKind, cropped, extent, on_grid, subgrid
from vertherm.planning.access.goal import access_goal
from vertherm.planning.access.sacral_canal import sacral_canal, sacral_foramina
from vertherm.planning.limits import requirements
from vertherm.planning.objects import Case, Target
from vertherm.planning.protocol import Protocol

LEAST_IN_BONE = 0.05
"""A lesion with less of it in bone is not a lesion of that bone: the mask or the level is wrong."""
SACRUM = "sacrum"
ILIUM = ("hip bone", "ilium")
_BY_NAME_ONLY = (StructureKind.bone, StructureKind.cortex, StructureKind.muscle)
"""Kinds without a rule of their own: they bar the way only where a rule names them."""
_SACRAL_NOTE = (
    "Sacral canal and foramina were placed by a rule where labels leave them out (canal below the dural sac, holes in "
    "the sacrum): check them on the image."
)
_WANTED: dict[Region, tuple[str, ...]] = {
    Region.cervical: (
        "name:vertebral artery left",
        "name:vertebral artery right",
        "name:common carotid artery left",
        "name:common carotid artery right",
        "name:internal jugular vein left",
        "name:internal jugular vein right",
        "name:thyroid gland",
        "oesophagus",
        "trachea",
    ),
    Region.thoracic: ("pleura|lung", "vessel", "oesophagus", "name:rib"),
    Region.lumbar: ("vessel", "kidney", "bowel", "ureter"),
    Region.sacral: (
        "bowel|rectum",
        "name:iliac artery left",
        "name:iliac artery right",
        "name:iliac vein left",
        "name:iliac vein right",
        "plexus",
    ),
}
"""What lies beside the ways into a region, beyond what the protocol requires; words as in the protocol's [required]."""


def access_scene(case: Case, target: Target, protocol: Protocol, *, margin_mm: float) -> AccessScene:
    """The surroundings of one target as a search for paths sees them.

    The target's own vertebra is never an obstacle (for a sacral target: the sacrum with all sacral vertebrae, which
    are one bone). Other vertebrae are, as "vertebra L4". So is the sacrum for every other target, L5 with its
    transiliac approach included: the needle then leaves the ilium above the sacral ala and meets L5 directly; a way
    through the sacroiliac joint and the ala is not offered, because it would need a rule of its own.

    Args:
        margin_mm: how far beyond the lesion shall be ablated.

    Raises:
        InputError: C1, an empty lesion, a lesion outside bone, or a level whose bone is not labelled.
    """
    anatomy, level = case.anatomy, target.level
    where = f"target {target.name}"
    if level is Level.C1:
        raise InputError(
            "No needle path is sought to C1.",
            where=where,
            got="level C1",
            expected="C2 to S5",
            advice="C1 has no body, and vertebral arteries and medulla lie on every way: plan it by hand",
        )
    bone = own_bone(anatomy, level, where)
    _check_lesion(target, anatomy, bone, where)
    solids, left_out = _solids(anatomy, level, protocol.access)
    if level.region is Region.sacral:
        inner = _within_sacrum(anatomy, bone, protocol.access)
        solids += inner
        left_out += [_SACRAL_NOTE] if inner else []
    goal, goal_notes = access_goal(target, anatomy, margin_mm)
    frame = own_frame(anatomy, level)
    body, skin = _body(anatomy)
    notes = [*_standing_notes(anatomy, level, frame), *goal_notes, *left_out]
    return AccessScene(
        target=target.name,
        level=level,
        lesion=_tight(target.mask),
        goal=goal,
        body=body,
        skin_in_image=skin,
        solids=solids,
        bone=bone,
        vertebral_body=(anatomy.bodies or {}).get(level),
        ilium=_union(anatomy, [s.mask for s in anatomy.structures if s.name.startswith(ILIUM)], "ilium"),
        frame=frame,
        not_labelled=_not_labelled(protocol, level, anatomy, target),
        notes=tuple(notes),
    )


def own_bone(anatomy: Anatomy, level: Level, where: str = "") -> Volume:
    """The bone of a level, bool: its vertebra and body; for a sacral level everything that is sacrum.

    Raises:
        InputError: nothing labels it.
    """
    bodies = anatomy.bodies or {}
    if level.region is Region.sacral:
        parts = [mask for known, mask in anatomy.vertebrae.items() if known.region is Region.sacral]
        parts += [mask for known, mask in bodies.items() if known.region is Region.sacral]
        parts += [s.mask for s in anatomy.structures if s.name == SACRUM]
    else:
        parts = [known[level] for known in (anatomy.vertebrae, bodies) if level in known]
    found = _union(anatomy, parts, f"bone of {level}")
    if found is None:
        raise InputError(
            "The bone of the target's level is not labelled.",
            where=where,
            got=f"vertebrae {', '.join(str(known) for known in anatomy.vertebrae) or 'none'}",
            expected=f"vertebra {level}" + (" or sacrum" if level.region is Region.sacral else ""),
            advice="add a label map that holds it: without it no way through bone can be judged",
        )
    return found


def _check_lesion(target: Target, anatomy: Anatomy, bone: Volume, where: str) -> None:
    inside = np.argwhere(target.mask.data)
    if len(inside) == 0:
        raise InputError("The lesion mask is empty.", where=where, advice="check the mask file and its label value")
    points = target.mask.grid.world(inside)
    share = float(np.mean(bone.sample(points, order=0, outside=0.0) > 0))
    if share >= LEAST_IN_BONE:
        return
    other = [f"vertebra {level}" for level, mask in anatomy.vertebrae.items() if _touches(mask, points)]
    other += [s.name for s in anatomy.of_kind(StructureKind.bone) if _touches(s.mask, points)]
    raise InputError(
        "The lesion lies outside the bone of its level.",
        where=where,
        got=f"{share:.0%} of it in {target.level}" + (f"; it lies in {', '.join(other)}" if other else ""),
        expected=f"at least {LEAST_IN_BONE:.0%} of it in the labelled bone",
        advice="check the level, and that lesion and labels belong to this CT; where the tumour has eaten the bone's "
        "label away, label the bone as it was",
    )


def _touches(mask: Volume, points: NDArray[np.float64]) -> bool:
    return float(np.mean(mask.sample(points, order=0, outside=0.0) > 0)) >= LEAST_IN_BONE


def _solids(anatomy: Anatomy, level: Level, rules: AccessRules) -> tuple[tuple[Solid, ...], list[str]]:
    """Every structure that bars the way, and notes on kinds that no rule knows."""
    found = [
        Solid(f"vertebra {other}", StructureKind.bone.value, mask, rules.rule_for("bone", f"vertebra {other}"))
        for other, mask in anatomy.vertebrae.items()
        if mask.data.any() and not _same_bone(other, level)
    ]
    unruled: list[str] = []
    for structure in anatomy.structures:
        if not structure.mask.data.any() or structure.kind is StructureKind.skin:
            continue
        if structure.name == SACRUM and level.region is Region.sacral:
            continue
        rule = rules.rule_for(structure.kind.value, structure.name)
        if structure.name == SACRUM and rule is None:
            rule = rules.rule_for("bone", "vertebra S1")  # it is five of them
        if rule is not None:
            found.append(Solid(structure.name, structure.kind.value, structure.mask, rule, structure.derived))
        elif structure.kind not in _BY_NAME_ONLY:
            unruled.append(structure.name)
    text = f"The protocol has no access rule for {', '.join(unruled)}: paths may cross them."
    return tuple(solid for solid in found if solid.rule is not None), [text] if unruled else []


def _within_sacrum(anatomy: Anatomy, bone: Volume, rules: AccessRules) -> tuple[Solid, ...]:
    """Canal and foramina of the sacrum where labels leave them out, derived."""
    canal = next((found.mask for found in anatomy.of_kind(StructureKind.canal)), None)
    below = sacral_canal(bone, canal)
    parts = (("sacral canal", "canal", below), ("sacral foramina", "root", sacral_foramina(bone, canal)))
    found = [
        Solid(name, kind, mask, rules.rule_for(kind, name), True) for name, kind, mask in parts if mask is not None
    ]
    return tuple(solid for solid in found if solid.rule is not None)


def _same_bone(one: Level, other: Level) -> bool:
    return one is other or (one.region is Region.sacral and other.region is Region.sacral)


def own_frame(anatomy: Anatomy, level: Level) -> VertebraFrame | None:
    """Directions of a level's vertebra; None without its body or a canal."""
    bodies = anatomy.bodies or {}
    canal = next(
        (found for kind in (StructureKind.canal, StructureKind.dural_sac) for found in anatomy.of_kind(kind)), None
    )
    if canal is None or level not in bodies:
        return None
    return vertebra_frame(bodies[level], canal.mask, [mask for other, mask in bodies.items() if other is not level])


def _body(anatomy: Anatomy) -> tuple[Volume, bool]:
    """All that is not outside air, bool on the CT's grid, and whether the image holds skin.

    Outside is the air that lies against skin: gas in lungs, bowel and trachea does not. Voxels without data count as
    body, so that a path through them ends at the image's edge and is marked, not at a skin that nobody saw.
    """
    from scipy import ndimage

    grid = anatomy.ct.grid
    skin = np.zeros(grid.shape, bool)
    for structure in anatomy.of_kind(StructureKind.skin):
        skin |= structure.on(grid)
    if not skin.any():
        return anatomy.ct.with_data(np.ones(grid.shape, bool), "body: no skin in the image"), False
    air = anatomy.tissue.data == TISSUE_OF["air"]
    pieces, _ = ndimage.label(air)
    against = np.unique(pieces[ndimage.binary_dilation(skin) & air])
    outside = np.isin(pieces, against[against > 0])
    return anatomy.ct.with_data(~outside, "body: all but the air that lies against skin"), True


def _standing_notes(anatomy: Anatomy, level: Level, frame: VertebraFrame | None) -> list[str]:
    notes = [
        "How the patient lay in the scanner is not known to the program: paths assume the position of the procedure, "
        "distances and the skin hold for the posture of the scan."
    ]
    if frame is None and level.region is Region.sacral:
        notes.append(f"{level} has no labelled body and canal: directions are the patient's, not the sacrum's.")
    elif frame is None:
        notes.append(
            f"Body or canal of {level} are not known: no approach can be told apart and no pedicle measured, so no "
            "path is offered. Label vertebra, body and canal."
        )
    roots = [s.name for s in anatomy.of_kind(StructureKind.root, StructureKind.plexus) if s.derived]
    if roots:
        notes.append("Nerve roots were placed by a rule, not seen: their true course may differ by several mm.")
    return notes


@dataclass(frozen=True)
class _Word:
    """One wanted structure: how a reader calls it, and what answers it."""

    text: str

    @property
    def name(self) -> str:
        return self.text.removeprefix("name:").replace("|", " or ")

    def answered(self, structure: Structure) -> bool:
        if not structure.mask.data.any():
            return False
        if self.text.startswith("name:"):
            return structure.name.startswith(self.text.removeprefix("name:"))
        return structure.kind.value in self.text.split("|")


def _not_labelled(protocol: Protocol, level: Level, anatomy: Anatomy, target: Target) -> tuple[str, ...]:
    """What the protocol requires or the region's ways pass, and no label holds."""
    asked = requirements(protocol, level, anatomy, target.centre_mm)
    missing = [item.name for item in asked if not item.answered_by]
    wanted = [_Word(text) for text in _WANTED[level.region]]
    missing += [word.name for word in wanted if not any(word.answered(s) for s in anatomy.structures)]
    # "vertebral artery" of the protocol and "vertebral artery left" of this list are the same gap: the finer one stays.
    return tuple(dict.fromkeys(m for m in missing if not any(o != m and o.startswith(f"{m} ") for o in missing)))


def _union(anatomy: Anatomy, masks: list[Volume], source: str) -> Volume | None:
    """Masks merged on the CT's grid, cropped; None where they hold nothing. A single mask keeps its own grid."""
    filled = [mask for mask in masks if mask.data.any()]
    if len(filled) < 2:
        return filled[0] if filled else None
    grid = anatomy.ct.grid
    finest = min(filled, key=lambda mask: float(mask.grid.spacing_mm.prod()))
    if float(finest.grid.spacing_mm.prod()) < 0.99 * float(grid.spacing_mm.prod()):
        lower = np.min([mask.grid.bounds()[0] for mask in filled], axis=0)
        upper = np.max([mask.grid.bounds()[1] for mask in filled], axis=0)
        grid = type(grid).isotropic(lower, upper, float(finest.grid.spacing_mm.min()), grid.frame)
    merged = np.zeros(grid.shape, bool)
    for mask in filled:
        merged |= on_grid(mask, grid)
    return cropped(merged, grid, source)


def _tight(mask: Volume) -> Volume:
    """A bool mask cut to its own extent, in its own storage order."""
    data = np.asarray(mask.data) > 0
    window = extent(data, 1)
    assert window is not None  # an empty lesion was refused
    return Volume(np.ascontiguousarray(data[window]), subgrid(mask.grid, window), mask.source)
