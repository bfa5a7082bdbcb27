"""Rows of the validation table: when one passes, what state it is in, and that it is JSON."""

from __future__ import annotations

import json
import math

import pytest

from vertherm.validation.case import Case

KEYS = {"case", "quantity", "expected", "source", "got", "tolerance", "unit", "pass", "known", "status"}


@pytest.mark.parametrize(("got", "passed"), [(1.05, True), (0.9, True), (1.2, False), (math.nan, False), (None, False)])
def test_a_row_passes_only_inside_its_tolerance(got, passed):
    row = Case("c", "q", 1.0, "s", got, 0.11, "W")
    assert row.passed is passed
    assert row.row()["pass"] is passed
    assert set(row.row()) == KEYS


def test_a_row_that_did_not_run_never_passes_but_says_why():
    row = Case.not_run("c", "q", None, "s", "W", "data missing")
    assert not row.passed
    assert row.explained
    assert row.known == "not run: data missing"
    assert row.status == "not run"
    assert row.row()["got"] is None
    assert row.row()["expected"] is None


def test_a_row_without_an_expected_value_never_passes():
    assert not Case("c", "q", None, "s", 1.0, 0.1, "W").passed


@pytest.mark.parametrize(
    ("got", "known", "status"),
    [
        (1.0, "", "pass"),
        (2.0, "", "fail"),
        (2.0, "coarse", "known"),
        (None, "not run: x", "not run"),
        (None, "", "fail"),
    ],
)
def test_state_of_a_row(got, known, status):
    assert Case("c", "q", 1.0, "s", got, 0.1, "W", known=known).status == status


def test_rows_are_json_even_with_non_finite_results():
    text = json.dumps(Case("c", "q", 1.0, "s", math.inf, 0.1, "W").row(), allow_nan=False)
    assert json.loads(text)["got"] is None
