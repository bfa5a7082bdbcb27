"""Performance status keeps to its scales. Eligibility asks and repeats; nothing it says is an answer or a clearance."""

from __future__ import annotations

import pytest

from vertherm.clinical import eligibility, performance
from vertherm.core.errors import InputError
from vertherm.registry.schema.catalogue import BY_NAME

CLEAR = {question.field: "no" for question in eligibility.QUESTIONS}


@pytest.mark.parametrize(("scale", "value"), [("ecog", 0), ("ecog", 5), ("kps", 0), ("kps", 70), ("kps", 100)])
def test_statuses_of_the_scales(scale: str, value: int) -> None:
    assert performance.check(scale, value) == value


@pytest.mark.parametrize(("scale", "value"), [("ecog", 6), ("ecog", -1), ("kps", 75), ("kps", 110), ("who", 1)])
def test_others_are_refused(scale: str, value: int) -> None:
    with pytest.raises(InputError):
        performance.check(scale, value)


@pytest.mark.parametrize(
    ("kps", "ecog"), [(100, 0), (90, 0), (80, 1), (70, 1), (60, 2), (40, 3), (20, 4), (10, 4), (0, 5)]
)
def test_karnofsky_as_ecog(kps: int, ecog: int) -> None:
    assert performance.ecog("kps", kps) == ecog
    assert performance.ecog("ecog", ecog) == ecog


def fields(**more: object) -> list[str]:
    answers = {**CLEAR, **{name: value for name, value in more.items() if name in CLEAR}}
    rest = {"sins_total": 4, "escc": "0", **{name: value for name, value in more.items() if name not in CLEAR}}
    return [notice.field for notice in eligibility.notices(answers, **rest)]


def test_all_answered_with_no() -> None:
    assert fields() == []


def test_questions_are_those_of_the_procedure_record() -> None:
    assert set(CLEAR) < set(BY_NAME["procedure"].by_name)


@pytest.mark.parametrize("answer", ["yes", "not_asked", None])
@pytest.mark.parametrize("field", sorted(CLEAR))
def test_open_and_positive_answers_are_shown(field: str, answer: str | None) -> None:
    assert fields(**{field: answer}) == [field]


@pytest.mark.parametrize(("total", "shown"), [(6, False), (7, True), (18, True), (None, True)])
def test_surgical_opinion_from_sins_7(total: int | None, shown: bool) -> None:
    assert (fields(sins_total=total) == ["sins_total"]) is shown


@pytest.mark.parametrize(("escc", "shown"), [("1b", False), ("1c", False), ("2", True), ("3", True), (None, True)])
def test_cord_compression(escc: str | None, shown: bool) -> None:
    assert (fields(escc=escc) == ["escc"]) is shown


def test_a_contradiction_is_asked_not_solved() -> None:
    (notice,) = eligibility.notices(CLEAR, sins_total=0, escc="2")
    assert "answered with no" in notice.text
    assert notice.text.endswith("?")


@pytest.mark.parametrize(
    ("answers", "more"), [({"infection": "perhaps"}, {}), ({}, {"sins_total": 19}), ({}, {"escc": "4"})]
)
def test_nonsense_is_refused(answers: dict[str, str], more: dict) -> None:
    with pytest.raises(InputError):
        eligibility.notices(answers, **more)
