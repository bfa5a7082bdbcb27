"""What a search is asked, checked before any work: approaches, position, side and instrument must not contradict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vertherm.access.candidates import upper_side
from vertherm.access.path import NeedleSpec
from vertherm.access.rules import AccessRules, Approach, Position
from vertherm.access.scene import AccessScene
from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray

if TYPE_CHECKING:
    from vertherm.access.approach import BoneScores

ThroughBone = Callable[[AccessScene, FloatArray, FloatArray, float], "BoneScores"]
"""See :func:`vertherm.access.approach.through_bone`."""
APPROACHES = tuple(Approach)
"""The code of an approach in arrays is its place here; -1: none."""


@dataclass(frozen=True, eq=False)
class Question:
    """A checked search.

    Args:
        scene, rules, needle: as given.
        position: of the patient; None: prone or supine, whichever the better path wants.
        from_behind: approaches that enter from behind; from_front: from the front (with their preference).
        side: the only side of the patient allowed.
        through: tells how needles go through bone.
    """

    scene: AccessScene
    rules: AccessRules
    needle: NeedleSpec
    position: Position | None
    from_behind: dict[Approach, float]
    from_front: dict[Approach, float]
    side: Literal["left", "right"] | None
    through: ThroughBone

    @property
    def facings(self) -> tuple[bool, ...]:
        """True: entries behind the tip are sought; False: entries in front of it."""
        return tuple(facing for facing, some in ((True, self.from_behind), (False, self.from_front)) if some)

    @property
    def approaches(self) -> tuple[Approach, ...]:
        """All that are allowed."""
        return tuple(dict.fromkeys((*self.from_behind, *self.from_front)))

    @property
    def own_mm(self) -> float:
        """How far metal may lie from the planned axis: radius and placement error."""
        return self.needle.radius_mm + self.rules.placement_error_mm


def question(
    scene: AccessScene,
    rules: AccessRules,
    needle: NeedleSpec,
    position: Position | None = None,
    approaches: Sequence[Approach] = (),
    side: Literal["left", "right"] | None = None,
    through: ThroughBone | None = None,
) -> Question:
    """A checked question.

    Raises:
        InputError: C1; an instrument that cannot enter; no approach for the region, position or choice; a side that
            lies on the table; an empty lesion or body.
    """
    _check_scene(scene)
    _check_needle(rules, needle)
    allowed = [
        rule
        for rule in rules.approaches
        if scene.level.region in rule.regions and (not approaches or rule.approach in approaches)
    ]
    behind = {rule.approach: rule.preference for rule in allowed if rule.position == "prone" and position != "supine"}
    front = {rule.approach: rule.preference for rule in allowed if rule.position == "supine" and position != "prone"}
    if not behind and not front:
        _no_approach(scene, rules, position, approaches)
    upper = 0.0 if position is None else upper_side(position)
    if side is not None and upper and (upper > 0) != (side == "right"):
        raise InputError(
            "The side to enter from lies on the table.",
            where=f"access to {scene.target}",
            got=f"side {side}, position {position}",
            expected=f"side {'right' if upper > 0 else 'left'} in this position",
            advice="change the side or the position",
        )
    return Question(scene, rules, needle, position, behind, front, side, through or _through_bone)


def _through_bone(*args: Any) -> BoneScores:
    from vertherm.access.approach import through_bone

    return through_bone(*args)


def _check_scene(scene: AccessScene) -> None:
    if scene.level is Level.C1:
        raise InputError(
            "Needle paths to C1 are not supported.",
            where=f"access to {scene.target}",
            got="C1",
            expected="C2 to S5",
            advice="no approach to C1 is modelled (mouth, or beside the vertebral artery's loop): plan it "
            "by hand and enter the needle as an applicator",
        )
    if not scene.lesion.data.any():
        raise InputError("The lesion is empty.", where=scene.target, advice="check the lesion's mask")
    if not scene.goal.data.any():
        raise InputError("The volume to be ablated is empty.", where=scene.target, advice="check lesion and margin")
    if not scene.body.data.any():
        raise InputError("The image shows no body.", where=scene.target, advice="check the CT and its units (HU)")


def _check_needle(rules: AccessRules, needle: NeedleSpec) -> None:
    if rules.outside_mm >= needle.length_mm:
        raise InputError(
            "The instrument would have to stay outside the skin with all of its length.",
            where="access: outside_mm",
            got=f"outside_mm {rules.outside_mm:g}, instrument {needle.length_mm:g} mm",
            expected="outside_mm smaller than the instrument's length",
            advice="correct outside_mm in the protocol, or the instrument's length",
        )
    if not (0.0 < needle.radius_mm < 10.0 and 0.0 <= needle.focus_mm < needle.length_mm):
        raise InputError(
            "The measures of the instrument are unusable.",
            where="access: needle",
            got=f"radius {needle.radius_mm:g} mm, focus {needle.focus_mm:g} mm behind the tip",
            expected="radius between 0 and 10 mm, focus between tip and hub",
            advice="check the antenna's measures, or the needle's radius in the case",
        )


def _no_approach(
    scene: AccessScene, rules: AccessRules, position: Position | None, approaches: Sequence[Approach]
) -> None:
    region = scene.level.region
    there = [f"{rule.approach.value} ({rule.position})" for rule in rules.approaches if region in rule.regions]
    asked = ", ".join(approach.value for approach in approaches) or "any approach"
    raise InputError(
        "No approach is left to search for.",
        where=f"access to {scene.target} ({scene.level.value}, {region.value})",
        got=f"{asked}; position {position or 'not given'}",
        expected=f"one of: {', '.join(there)}"
        if there
        else f"an approach for the {region.value} spine in the protocol",
        advice="change the approaches or the position of the case, or add an approach to the protocol",
    )
