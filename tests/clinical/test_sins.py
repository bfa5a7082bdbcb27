"""SINS by the published table: locations, points, sum of six components, classes 0-6, 7-12, 13-18."""

from __future__ import annotations

import pytest

from vertherm.clinical import sins
from vertherm.clinical.levels import Level

JUNCTIONAL = ["C1", "C2", "C7", "T1", "T2", "T11", "T12", "L1", "L5", "S1", "T13", "L6"]
MOBILE = ["C3", "C4", "C5", "C6", "L2", "L3", "L4"]
SEMIRIGID = ["T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10"]
RIGID = ["S2", "S3", "S4", "S5"]
WORST = {
    "sins_location": "junctional",
    "sins_pain": "mechanical",
    "sins_bone": "lytic",
    "sins_alignment": "subluxation",
    "sins_collapse": "over_50",
    "sins_posterolateral": "bilateral",
}
BEST = {
    "sins_location": "rigid",
    "sins_pain": "none",
    "sins_bone": "blastic",
    "sins_alignment": "normal",
    "sins_collapse": "none",
    "sins_posterolateral": "none",
}


@pytest.mark.parametrize(
    ("names", "code"), [(JUNCTIONAL, "junctional"), (MOBILE, "mobile"), (SEMIRIGID, "semirigid"), (RIGID, "rigid")]
)
def test_location(names: list[str], code: str) -> None:
    assert {sins.location(Level(name)) for name in names} == {code}


def test_every_level_has_a_location() -> None:
    assert len(JUNCTIONAL + MOBILE + SEMIRIGID + RIGID) == len(Level)


def test_points() -> None:
    assert list(sins.POINTS["sins_location"].values()) == [3, 2, 1, 0]
    assert sins.POINTS["sins_pain"] == {"mechanical": 3, "occasional": 1, "none": 0}
    assert sins.POINTS["sins_bone"] == {"lytic": 2, "mixed": 1, "blastic": 0}
    assert sins.POINTS["sins_alignment"] == {"subluxation": 4, "deformity": 2, "normal": 0}
    assert sins.POINTS["sins_collapse"] == {"over_50": 3, "under_50": 2, "involved": 1, "none": 0}
    assert sins.POINTS["sins_posterolateral"] == {"bilateral": 3, "unilateral": 1, "none": 0}
    for name, vocabulary in sins.COMPONENTS.items():
        assert set(sins.POINTS[name]) == set(vocabulary.codes)


def test_total() -> None:
    assert sins.total(dict(WORST)) == 18
    assert sins.total(dict(BEST)) == 0
    assert sins.total({**BEST, "sins_pain": "occasional", "sins_collapse": "under_50"}) == 3
    assert sins.total({**WORST, "sins_bone": None}) is None
    with pytest.raises(KeyError):
        sins.total({**WORST, "sins_bone": "soft"})


@pytest.mark.parametrize(
    ("score", "word"),
    [(0, "stable"), (6, "stable"), (7, "potentially unstable"), (12, "potentially unstable"), (13, "unstable")],
)
def test_stability(score: int, word: str) -> None:
    assert sins.stability(score) == word
