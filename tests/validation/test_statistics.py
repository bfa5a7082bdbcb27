"""Expected: every row of the statistics passes; a peer that is missing gives one row that says so and does not pass."""

from __future__ import annotations

import importlib
import json

from vertherm.validation import statistics
from vertherm.validation.suite import document


def test_every_row_passes():
    rows = statistics.cases()
    failed = [(row.case, row.quantity, row.expected, row.got) for row in rows if not row.passed and not row.known]
    assert not failed
    assert sum(row.passed for row in rows) >= 20
    json.dumps(document(rows), allow_nan=False)


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
