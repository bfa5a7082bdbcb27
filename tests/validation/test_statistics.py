"""Expected: every row of the statistics passes; a peer that is missing gives one row that says so and does not pass."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from vertherm.validation import statistics
from vertherm.validation.suite import document, run_all

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"


def test_every_row_passes():
    groups = run_all(only=["statistics"])
    rows = groups[0].cases
    failed = [(row.case, row.quantity, row.expected, row.got) for row in rows if not row.passed and not row.known]
    assert not failed
    assert sum(row.passed for row in rows) >= 20
    json.dumps(document(groups), allow_nan=False)
    page = PAGE.read_text("utf-8")
    assert [row.case for row in rows if row.case not in page] == [], "run docs/fill_validation.py"


def test_a_missing_peer_is_said(monkeypatch):
    real = importlib.import_module

    def without(name, *rest):
        if name == "comprisk":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    missing = [row for row in statistics.cases() if row.got is None]
    assert [row.case for row in missing] == ["beside comprisk"]
    assert not missing[0].passed
    assert missing[0].known.startswith("not run: comprisk is not installed")
