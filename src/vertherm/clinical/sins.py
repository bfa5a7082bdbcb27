"""Spinal Instability Neoplastic Score: its components, their points and the total."""

from __future__ import annotations

from vertherm.clinical.levels import Level, Region
from vertherm.clinical.vocabulary import Vocabulary, vocabulary

_SOURCE = "SINS, six components"

LOCATION = vocabulary(
    "sins_location",
    [("junctional", "junctional"), ("mobile", "mobile spine"), ("semirigid", "semirigid"), ("rigid", "rigid")],
    _SOURCE,
)
PAIN = vocabulary(
    "sins_pain",
    [("mechanical", "mechanical"), ("occasional", "occasional, not mechanical"), ("none", "painless")],
    _SOURCE,
)
BONE = vocabulary("sins_bone", [("lytic", "lytic"), ("mixed", "mixed"), ("blastic", "blastic")], _SOURCE)
ALIGNMENT = vocabulary(
    "sins_alignment",
    [("subluxation", "subluxation or translation"), ("deformity", "de-novo deformity"), ("normal", "normal")],
    _SOURCE,
)
COLLAPSE = vocabulary(
    "sins_collapse",
    [
        ("over_50", "more than 50 %"),
        ("under_50", "less than 50 %"),
        ("involved", "none, more than 50 % of the body involved"),
        ("none", "none"),
    ],
    _SOURCE,
)
POSTEROLATERAL = vocabulary(
    "sins_posterolateral", [("bilateral", "both sides"), ("unilateral", "one side"), ("none", "none")], _SOURCE
)

POINTS: dict[str, dict[str, int]] = {
    "sins_location": {"junctional": 3, "mobile": 2, "semirigid": 1, "rigid": 0},
    "sins_pain": {"mechanical": 3, "occasional": 1, "none": 0},
    "sins_bone": {"lytic": 2, "mixed": 1, "blastic": 0},
    "sins_alignment": {"subluxation": 4, "deformity": 2, "normal": 0},
    "sins_collapse": {"over_50": 3, "under_50": 2, "involved": 1, "none": 0},
    "sins_posterolateral": {"bilateral": 3, "unilateral": 1, "none": 0},
}
"""Points by component and code."""
COMPONENTS: dict[str, Vocabulary] = {
    item.name: item for item in (LOCATION, PAIN, BONE, ALIGNMENT, COLLAPSE, POSTEROLATERAL)
}
SURGICAL_OPINION = 7
"""Total from which a surgical opinion is asked for."""


def location(level: Level) -> str:
    """Location component of a level: junctional C1-2, C7-T2, T11-L1, L5-S1; mobile C3-6, L2-4; semirigid T3-10.

    Supernumerary levels count with their junction: T13 with T11-L1, L6 with L5-S1.
    """
    if level in (Level.T13, Level.L6):
        return "junctional"
    number = int(level.value[1:])
    if level.region is Region.cervical:
        return "mobile" if 3 <= number <= 6 else "junctional"
    if level.region is Region.thoracic:
        return "semirigid" if 3 <= number <= 10 else "junctional"
    if level.region is Region.lumbar:
        return "mobile" if 2 <= number <= 4 else "junctional"
    return "junctional" if number == 1 else "rigid"


def total(components: dict[str, str | None]) -> int | None:
    """Sum of the points of all six components, 0-18; None where one is missing.

    Raises:
        KeyError: a code that the component does not have.
    """
    if any(components.get(name) is None for name in POINTS):
        return None
    return sum(points[str(components[name])] for name, points in POINTS.items())


def stability(score: int) -> str:
    """Class of a total: stable 0-6, potentially unstable 7-12, unstable 13-18."""
    if score < SURGICAL_OPINION:
        return "stable"
    return "potentially unstable" if score <= 12 else "unstable"
