"""Expected: rows in the form of the kernel's, ours and the naive method agreeing; a missing peer says so."""

from __future__ import annotations

import importlib
import json

from vertherm.bench.statistics import rows


def test_rows_have_their_columns_and_agree():
    found = rows(quick=True)
    json.dumps(found, allow_nan=False)
    assert all({"name", "value", "unit", "ratio", "note"} == set(row) for row in found)
    gap = next(row for row in found if row["name"].startswith("difference"))
    assert gap["value"] < 1e-12
    naive = [row for row in found if row["name"].startswith("naive")]
    assert naive[0]["value"] > 0
    assert naive[1]["note"].startswith("not run: 2001000 averages")


def test_a_missing_peer_is_said(monkeypatch):
    real = importlib.import_module

    def without(name, *rest):
        if name in ("lifelines", "comprisk"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    silent = {row["name"]: row["note"] for row in rows(quick=True) if row["value"] is None}
    assert silent["lifelines cumulative incidence, n = 300"] == "not run: lifelines is not installed"
    assert silent["comprisk Fine-Gray, n = 300"] == "not run: comprisk is not installed"
