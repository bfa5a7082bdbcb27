"""What the document may claim: nothing that doubtful registration, a cut image or a partial comparison cannot show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vertherm.followup.changes import Finding
from vertherm.followup.criteria import Suggestion
from vertherm.followup.rows import _calibration, _coverage, _coverage_words, _progression
from vertherm.followup.zone import NotVisible
from vertherm.report.verify import _worst

INFINITE = float("inf")


def margin(low: float = 1.0, bone_low: float | None = None, goal: float = 5.0) -> Any:
    bone = None
    if bone_low is not None:
        bone = SimpleNamespace(low_mm=bone_low, minimum_mm=bone_low + 1, high_mm=bone_low + 2, decided_share=0.1)
    return SimpleNamespace(
        minimum_mm=low + 1, low_mm=low, high_mm=low + 2, coverage=1.0, goal_mm=goal, within_barriers=bone
    )


def visit(**changes: Any) -> Any:
    """A visit with a zone, registered, all of it shown, against an earlier one, without findings."""
    seen: dict[str, Any] = {
        "registration": SimpleNamespace(status="ok", reasons=()),
        "margin": margin(),
        "zone": object(),
        "seen_zone": object(),
        "shown": 1.0,
    }
    seen |= {name: changes.pop(name) for name in tuple(changes) if name in seen}
    rest: dict[str, Any] = {"compared_with": "day 1", "findings": (), "suggestions": (), "gaps": (), "hidden": 0.0}
    return SimpleNamespace(examined=SimpleNamespace(**seen), agreement=(), **(rest | changes))


DOUBTFUL = SimpleNamespace(status="doubtful", reasons=("scale off",))
NO_MASK: Any = None
NODULE = Finding("enhancing nodule", "at its margin", 0.5, 9.0, (0.0, 0.0, 0.0), 40.0, NO_MASK)
RIM = Finding("enhancing rim", "inside the treated zone", 0.5, 9.0, (0.0, 0.0, 0.0), 40.0, NO_MASK)


def test_nothing_new_is_said_only_of_a_whole_comparison() -> None:
    state, words = _progression(visit())
    assert state == "not seen"
    assert "canal, disc, fat" in words
    assert _progression(visit(findings=((RIM, "day 1"),)))[0] == "not seen"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"registration": DOUBTFUL}, "scale off"),
        ({"gaps": ("without contrast medium",)}, "without contrast medium"),
        ({"gaps": ("has grown by 3 ml",), "findings": ((RIM, "day 1"),)}, "has grown"),
        ({"zone": NotVisible("contrast to noise 2"), "compared_with": ""}, "contrast to noise 2"),
        ({"compared_with": ""}, "no earlier examination"),
    ],
)
def test_what_was_not_compared_is_not_assessed(changes: dict[str, Any], reason: str) -> None:
    state, words = _progression(visit(**changes))
    assert state == "not assessed"
    assert reason in words


def test_a_finding_is_raised_even_where_doubt_remains() -> None:
    state, words = _progression(visit(findings=((NODULE, "day 1"),), registration=DOUBTFUL))
    assert state == "suggested"
    assert "scale off" in words
    grown = Suggestion("recist_1_1", "pd", "now 30 mm", "")
    assert _progression(visit(suggestions=(grown,), compared_with=""))[0] == "suggested"


def test_sizes_that_a_reader_drew_speak_for_themselves() -> None:
    stable, unknown = Suggestion("mda", "sd", "now 30 mm", ""), Suggestion("recist_1_1", "ne", "no", "")
    state, words = _progression(visit(suggestions=(stable, unknown), gaps=("cut",)))
    assert state == "not seen"
    assert "cut" in words
    assert _progression(visit(suggestions=(unknown,), gaps=("cut",)))[0] == "not assessed"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "covered"),
        ({"margin": margin(5.0)}, "covered with margin"),
        ({"margin": margin(-0.1)}, "not covered"),
        ({"margin": margin(-3.0, bone_low=0.5)}, "covered"),
        ({"margin": margin(9.0, bone_low=INFINITE)}, "covered with margin"),
        ({"margin": margin(float("nan"))}, "not covered"),
        ({"margin": None}, "not assessed"),
        ({"registration": DOUBTFUL}, "not assessed"),
        ({"shown": 0.9}, "not assessed"),
        ({"compared_with": "day 1"}, "not assessed"),
    ],
)
def test_coverage(changes: dict[str, Any], expected: str) -> None:
    made = visit(**({"compared_with": ""} | changes))
    assert _coverage(made) == expected
    words = _coverage_words(made, _coverage(made))
    assert ("inf" in words, "90 %" in words) == (False, changes.get("shown") == 0.9)


def test_only_judged_zones_calibrate_a_device() -> None:
    row = SimpleNamespace(predicted_ml=2.0, observed_ml=1.0, observed_long_mm=10.0, observed_short_mm=9.0)
    followup: Any = SimpleNamespace(planned=SimpleNamespace(devices=("a",), energy_kj=None))
    for changes, count in (({"compared_with": ""}, 1), ({}, 0), ({"compared_with": "", "shown": 0.5}, 0)):
        made = visit(**changes)
        made.agreement, made.target = (row,), SimpleNamespace(name="lesion")
        made.examined.scan = SimpleNamespace(entry=SimpleNamespace(name="x"))
        assert len(_calibration(made, followup)) == count


def test_a_doubtful_examination_is_never_green() -> None:
    def row(status: str, coverage: str, progression: str) -> Any:
        registration = SimpleNamespace(status=status)
        return SimpleNamespace(target="a", registration=registration, coverage=coverage, progression=progression)

    good = row("ok", "covered with margin", "not assessed")
    for second, colour in (
        (row("ok", "not assessed", "not seen"), "green"),
        (row("doubtful", "not assessed", "not seen"), "warn"),
        (row("ok", "not assessed", "not assessed"), "warn"),
        (row("ok", "not assessed", "suggested"), "stop"),
    ):
        document: Any = SimpleNamespace(rows=[good, second])
        assert _worst(document) == colour
