"""Vertebral levels, their regions, transitional anatomy, and which nerve roots leave where."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import Enum, StrEnum

from vertherm.core.errors import InputError


class Region(StrEnum):
    """Region of the spine."""

    cervical = "cervical"
    thoracic = "thoracic"
    lumbar = "lumbar"
    sacral = "sacral"


_REGIONS = {"C": Region.cervical, "T": Region.thoracic, "L": Region.lumbar, "S": Region.sacral}
_COUNTS = {"C": 7, "T": 13, "L": 6, "S": 5}


@functools.total_ordering
class Level(Enum):
    """A vertebra, C1 to S5, ordered from head to tail; T13 and L6 are supernumerary (transitional) levels.

    ``Level("L3")`` and :func:`parse_level` build one from its name.
    """

    C1 = "C1"
    C2 = "C2"
    C3 = "C3"
    C4 = "C4"
    C5 = "C5"
    C6 = "C6"
    C7 = "C7"
    T1 = "T1"
    T2 = "T2"
    T3 = "T3"
    T4 = "T4"
    T5 = "T5"
    T6 = "T6"
    T7 = "T7"
    T8 = "T8"
    T9 = "T9"
    T10 = "T10"
    T11 = "T11"
    T12 = "T12"
    T13 = "T13"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"
    L6 = "L6"
    S1 = "S1"
    S2 = "S2"
    S3 = "S3"
    S4 = "S4"
    S5 = "S5"

    @staticmethod
    def parse(name: str) -> Level:
        """Same as :func:`parse_level`."""
        return parse_level(name)

    @property
    def order(self) -> int:
        """Position from the head, C1 = 0."""
        return _ORDER[self]

    @property
    def region(self) -> Region:
        """Cervical, thoracic, lumbar or sacral."""
        return _REGIONS[self.value[0]]

    @property
    def supernumerary(self) -> bool:
        """True for T13 and L6: they exist only where the count differs from the usual 7-12-5-5."""
        return self in (Level.T13, Level.L6)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Level):
            return NotImplemented
        return self.order < other.order

    def __str__(self) -> str:
        return str(self.value)


_ORDER = {level: index for index, level in enumerate(Level)}


def parse_level(name: str) -> Level:
    """Level from a name as people write it ("L3", "l3", "Th12", "D12", "vertebra L3").

    Raises:
        InputError: not the name of a vertebra.
    """
    match = re.fullmatch(r"(?:VERTEBRAE?[\s_]*)?(TH|[CTDLS])\s*0?(\d{1,2})", str(name).strip().upper())
    if match is not None:
        letter, number = match.group(1)[0].replace("D", "T"), int(match.group(2))
        if 1 <= number <= _COUNTS[letter]:
            return Level(f"{letter}{number}")
    raise InputError(
        "This is not the name of a vertebra.",
        got=repr(name),
        expected="C1..C7, T1..T13, L1..L6 or S1..S5",
        advice="write the level as for example L3",
    )


class Transition(StrEnum):
    """Transitional anatomy at the ends of the lumbar spine."""

    none = "none"
    sacralised_l5 = "sacralised L5"
    lumbarised_s1 = "lumbarised S1"
    thirteenth_rib = "T13 or lumbar rib"
    six_lumbar = "L6"
    unclear = "unclear"


class CountingRule(StrEnum):
    """How the level was counted; stored with every plan because transitional anatomy makes it ambiguous."""

    from_c2 = "counted down from C2"
    from_last_rib = "counted from the last rib-bearing vertebra"
    from_sacrum = "counted up from the sacrum"
    from_labels = "taken from the label map"
    other = "other landmark"


@dataclass(frozen=True)
class LevelStatement:
    """What a person states about the level: name, whether confirmed, the counting rule and any transition."""

    level: Level
    confirmed: bool = False
    counting_rule: CountingRule = CountingRule.from_labels
    transition: Transition = Transition.none

    @property
    def transitional(self) -> bool:
        """True where the count is not the usual one, so that the name alone is ambiguous."""
        return self.level.supernumerary or self.transition is not Transition.none


def root_below(level: Level) -> str:
    """Name of the nerve root that leaves through the foramen below ``level``.

    Cervical rule: root Cn leaves above vertebra Cn, so C(n+1) leaves below Cn and C8 below C7; from T1 on, root n
    leaves below vertebra n.
    """
    if level.region is Region.cervical:
        return f"C{level.order + 2}"
    return level.value


def root_above(level: Level, upper: Level | None = None) -> str:
    """Name of the root that leaves above ``level``; ``upper`` names the vertebra above where the count is unusual."""
    if level is Level.C1:
        return "C1"
    return root_below(upper if upper is not None else neighbour_above(level))


def root_names(level: Level, upper: Level | None = None) -> tuple[str, str]:
    """The two roots (one a side each) whose foramina ``level`` borders: the one above it and the one below it."""
    return root_above(level, upper), root_below(level)


def root_level(root: str) -> Level:
    """The vertebra of the same name as a root; C8, which has none, belongs to C7 (it leaves below C7)."""
    return Level.C7 if root == "C8" else parse_level(root)


def neighbour_above(level: Level) -> Level:
    """The vertebra above by the usual count (skips T13 and L6).

    Raises:
        InputError: C1 has none.
    """
    return _neighbour(level, -1)


def neighbour_below(level: Level) -> Level:
    """The vertebra below by the usual count (skips T13 and L6).

    Raises:
        InputError: S5 has none.
    """
    return _neighbour(level, +1)


def _neighbour(level: Level, step: int) -> Level:
    everyone = list(Level)
    position = level.order + step
    while 0 <= position < len(everyone) and everyone[position].supernumerary:
        position += step
    if not 0 <= position < len(everyone):
        raise InputError("There is no vertebra beyond this one.", got=level.value)
    return everyone[position]
