"""Neurological status: order of the Frankel / ASIA grades, change of strength by root, roots beside a vertebra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vertherm.clinical import ordering
from vertherm.clinical.levels import Level, root_names
from vertherm.clinical.vocabularies import FRANKEL, ROOT_SIDE
from vertherm.core.errors import InputError

HIGHEST_MOTOR = 5
_LEFT_RIGHT = ROOT_SIDE.codes
_SIDES = {
    "left": ("left",),
    "right": ("right",),
    "midline": _LEFT_RIGHT,
    "both": _LEFT_RIGHT,
    "unknown": _LEFT_RIGHT,
}


@dataclass(frozen=True)
class Deficit:
    """A root that lost strength: its name and side, and the motor grades (0-5) before and after."""

    root: str
    side: str
    before: int
    after: int

    @property
    def grades_lost(self) -> int:
        """How many grades."""
        return self.before - self.after


def frankel_steps(before: str | None, after: str | None) -> int | None:
    """Steps of the Frankel grade from ``before`` to ``after``: negative is worse; None where one is not known.

    Raises:
        InputError: not a grade.
    """
    if before is None or after is None:
        return None
    # The vocabulary runs from A, complete, to E, normal.
    return ordering.rank(FRANKEL, after) - ordering.rank(FRANKEL, before)


def motor_deficits(
    before: Mapping[tuple[str, str], int | None], after: Mapping[tuple[str, str], int | None]
) -> tuple[Deficit, ...]:
    """Roots that are weaker after than before, by root and side; a root that was not tested twice is left out.

    Args:
        before, after: motor grade by root and side.

    Raises:
        InputError: a motor grade outside 0-5.
    """
    found = []
    for (root, side), grade in sorted(after.items()):
        first, second = _grade(before.get((root, side)), root), _grade(grade, root)
        if first is not None and second is not None and second < first:
            found.append(Deficit(root, side, first, second))
    return tuple(found)


def _grade(grade: int | None, root: str) -> int | None:
    if grade is not None and not 0 <= grade <= HIGHEST_MOTOR:
        raise InputError("This is not a motor grade.", where=f"root {root}", got=grade, expected="0-5")
    return grade


def roots_at_risk(level: Level, side: str = "unknown", upper: Level | None = None) -> tuple[tuple[str, str], ...]:
    """Roots, each with its side, whose foramina a lesion borders: those above and below its vertebra.

    Args:
        level: vertebra of the lesion.
        side: side of the lesion; midline, both and unknown count as both sides.
        upper: the vertebra above, where the count is unusual.

    Raises:
        InputError: not a side.
    """
    if side not in _SIDES:
        raise InputError("This is not a side.", got=repr(side), expected=", ".join(_SIDES))
    roots = dict.fromkeys(root_names(level, upper))
    return tuple((root, each) for root in roots for each in _SIDES[side])
