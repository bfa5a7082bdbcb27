"""Equivalents by hand: 60 mg morphine 60, 40 mg oxycodone 60, fentanyl 25 ug/h 60, tramadol 200 mg 40 mg/day."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from vertherm.clinical import opioids
from vertherm.clinical.vocabularies import DOSE_UNIT, OPIOID_ROUTE
from vertherm.core.errors import InputError

DOCUMENT = Path(__file__).parents[2] / "docs" / "theory" / "scores.md"


@pytest.mark.parametrize(
    ("dose", "expected"),
    [
        (("morphine", "oral", 60.0, "mg_per_day"), 60.0),
        (("oxycodone", "oral", 40.0, "mg_per_day"), 60.0),
        (("fentanyl", "transdermal", 25.0, "ug_per_h"), 60.0),
        (("tramadol", "oral", 200.0, "mg_per_day"), 40.0),
        (("hydromorphone", "oral", 8.0, "mg_per_day"), 40.0),
        (("tapentadol", "oral", 100.0, "mg_per_day"), 40.0),
        (("codeine", "oral", 120.0, "mg_per_day"), 18.0),
        # 75:1 by mass: 35 ug/h is 0.84 mg/day.
        (("buprenorphine", "transdermal", 35.0, "ug_per_h"), 63.0),
        (("morphine", "parenteral", 10.0, "mg_per_day"), 30.0),
        ((" Oxycodone ", "oral", 40.0, "mg_per_day"), 60.0),
    ],
)
def test_single_opioids(dose: tuple[str, str, float, str], expected: float) -> None:
    assert opioids.oral_morphine_mg_day([dose]) == pytest.approx(expected, abs=1e-9)


def test_doses_add_and_none_is_zero() -> None:
    doses = [("oxycodone", "oral", 40.0, "mg_per_day"), ("fentanyl", "transdermal", 25.0, "ug_per_h")]
    assert opioids.oral_morphine_mg_day(doses) == pytest.approx(120.0)
    assert opioids.oral_morphine_mg_day([]) == 0.0


@pytest.mark.parametrize(
    ("dose", "named"),
    [
        (("paracetamol", "oral", 1000.0, "mg_per_day"), "oxycodone"),
        (("fentanyl", "oral", 25.0, "mg_per_day"), "transdermal in ug_per_h"),
        (("fentanyl", "transdermal", 25.0, "mg_per_day"), "transdermal in ug_per_h"),
        (("morphine", "oral", 0.0, "mg_per_day"), "positive"),
        (("morphine", "oral", -5.0, "mg_per_day"), "positive"),
        (("morphine", "oral", math.nan, "mg_per_day"), "positive"),
    ],
)
def test_what_cannot_be_converted_is_refused(dose: tuple[str, str, float, str], named: str) -> None:
    with pytest.raises(InputError, match=named):
        opioids.oral_morphine_mg_day([dose])


def test_versions() -> None:
    assert opioids.CURRENT in opioids.VERSIONS
    # The CDC's table has no buprenorphine; asking for it there must not fall back to another table.
    with pytest.raises(InputError, match="cdc-2022"):
        opioids.oral_morphine_mg_day([("buprenorphine", "transdermal", 35.0, "ug_per_h")], table="cdc-2022")
    with pytest.raises(InputError, match="no opioid conversion table"):
        opioids.drugs("cdc-1999")


@pytest.mark.parametrize("version", opioids.VERSIONS)
def test_every_factor_has_source_certainty_and_a_range_that_holds_it(version: str) -> None:
    lines = opioids.conversions(version)
    assert len(lines) >= 10
    for item in lines.values():
        assert item.drug == item.drug.strip().lower()
        assert item.route in OPIOID_ROUTE.codes
        assert item.unit in DOSE_UNIT.codes
        assert item.factor > 0.0
        assert item.source
        # Nothing was read again, so nothing may claim to be verified; morphine is 1 by definition.
        definition = (item.drug, item.route) == ("morphine", "oral")
        assert item.certainty == ("definition" if definition else "R")
        if item.low is not None and item.high is not None:
            assert item.low <= item.factor <= item.high
    assert opioids.drugs(version) == tuple(sorted({drug for drug, _, _ in lines}))


def test_the_documentation_prints_the_current_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for item in opioids.conversions().values():
        unit = {"mg_per_day": "mg/day", "ug_per_h": "µg/h"}[item.unit]
        assert f"| {item.drug} | {item.route} | {unit} | {item.factor:g} |" in text
