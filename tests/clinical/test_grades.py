"""Scales against the project's facts: ESCC, CIRSE 2017, SIR, CTCAE; CIRSE 2026 is there and cannot be used."""

from __future__ import annotations

import pytest

from vertherm.clinical import grades, ordering
from vertherm.core.errors import InputError
from vertherm.registry.schema.catalogue import BY_NAME


def test_cirse_2026_is_present_and_cannot_be_used() -> None:
    assert grades.CIRSE_2026.codes == ()
    assert set(grades.CIRSE_2026.labels) == {"1a", "1b", "2", "3a", "3b", "4", "5", "6"}
    assert not any(term.verified or term.enabled for term in grades.CIRSE_2026.terms)
    assert grades.CIRSE_VERSION.codes == ("2017",)
    assert "2026" in grades.CIRSE_VERSION.labels
    with pytest.raises(InputError, match="cannot be used"):
        ordering.rank(grades.CIRSE_2026, "1a")
    with pytest.raises(InputError, match="cannot be used"):
        ordering.rank(grades.CIRSE_VERSION, "2026")


def test_the_record_of_a_complication_takes_2017_only() -> None:
    fields = BY_NAME["complication"].by_name
    assert fields["cirse_version"].vocabulary is not None
    assert fields["cirse_version"].vocabulary.codes == ("2017",)
    assert fields["cirse_grade"].vocabulary is grades.CIRSE_2017


def test_orders() -> None:
    assert grades.ESCC.codes == ("0", "1a", "1b", "1c", "2", "3", "not_assessed")
    assert grades.CIRSE_2017.codes == ("1", "2", "3", "4", "5", "6")
    assert grades.SIR.codes == ("A", "B", "C", "D", "E", "F")
    assert grades.CTCAE.codes == ("1", "2", "3", "4", "5")
    for scale in (grades.ESCC, grades.CIRSE_2017, grades.SIR, grades.CTCAE):
        ranks = [ordering.rank(scale, code) for code in scale.codes if code != "not_assessed"]
        assert ranks == list(range(len(ranks)))
    # Sources that were read in part only, or recalled, are marked.
    assert not any(term.verified for term in grades.SIR.terms)


@pytest.mark.parametrize(
    ("code", "high"),
    [("0", False), ("1a", False), ("1b", False), ("1c", False), ("2", True), ("3", True), ("not_assessed", None)],
)
def test_high_grade_escc(code: str, high: bool | None) -> None:
    assert ordering.is_high_grade_escc(code) is high


def test_highest_passes_over_what_is_no_grade() -> None:
    assert ordering.highest(grades.CTCAE, ["2", None, "4", "1"]) == "4"
    assert ordering.highest(grades.ESCC, ["not_assessed", "1c", "1a"]) == "1c"
    assert ordering.highest(grades.CTCAE, [None]) is None
    assert ordering.worst_response(["cr", "ne", "sd", "pr"]) == "sd"
    assert ordering.worst_response(["ne"]) is None
    with pytest.raises(InputError):
        ordering.highest(grades.CTCAE, ["7"])


@pytest.mark.parametrize(
    ("given", "major"),
    [
        ({}, None),
        ({"sir": "B"}, False),
        ({"sir": "C"}, True),
        ({"cirse": "2"}, False),
        ({"cirse": "3"}, True),
        ({"ctcae": "2"}, False),
        ({"cirse": "1", "ctcae": "3"}, True),
    ],
)
def test_major_complications(given: dict[str, str], major: bool | None) -> None:
    assert ordering.is_major(**given) is major
