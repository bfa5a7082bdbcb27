"""Expected: every row of every group passes or says why it does not, and the page shows every case by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vertherm.validation import (
    bioheat,
    cement,
    cross_code,
    damage,
    electromagnetics,
    margin,
    phase_change,
    protection,
    registration,
    shaft,
)
from vertherm.validation.case import Case

PAGE = (Path(__file__).parents[2] / "docs" / "validation.md").read_text("utf-8")
RUNS: dict[str, Callable[[], list[Case]]] = {
    "electromagnetics": electromagnetics.cases,
    "bioheat": bioheat.cases,
    "phase_change": phase_change.cases,
    "shaft": shaft.cases,
    "protection": protection.cases,
    "damage": damage.cases,
    "cement": cement.cases,
    "margin": margin.cases,
    "registration": registration.cases,
}
"""The groups that take seconds; the others have tests of their own."""


@pytest.mark.parametrize("name", RUNS)
def test_rows_pass_and_are_on_the_page(name):
    """Formulas, layouts, tolerances and their reasons stand in the modules, beside the numbers."""
    rows = RUNS[name]()
    assert rows
    assert [(r.case, r.quantity, r.expected, r.got, r.tolerance) for r in rows if not r.passed and not r.known] == []
    assert {r.case for r in rows if shown(r.case) not in PAGE} == set(), "run docs/fill_validation.py"


def test_second_code():
    """Case A and the heterogeneous bioheat case beside NGSolve (development only)."""
    if not cross_code.installed():
        if os.environ.get("CI"):
            pytest.fail("NGSolve is missing where it must be installed")
        pytest.skip("NGSolve is not installed")
    rows = cross_code.cases()
    assert [(r.case, r.quantity, r.expected, r.got, r.tolerance) for r in rows if not r.passed] == []
    assert {r.case for r in rows if shown(r.case) not in PAGE} == set(), "run docs/fill_validation.py"


def shown(name: str) -> str:
    """A name as the page writes it."""
    return name.replace("|", "\\|").replace("<", "&lt;")
