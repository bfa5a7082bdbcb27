"""The treatment's benchmark: parts add up, the goal is a ratio, nothing of it stays behind."""

from __future__ import annotations

import json
import os

import pytest

from vertherm.applicator.axisymmetric import AxisymmetricModel
from vertherm.bench.treatment import rows


def test_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Parts and rest add up to the treatment; the methods that were watched are themselves again."""
    monkeypatch.setenv("VERTHERM_CACHE", str(tmp_path))
    before = AxisymmetricModel.solve
    found = rows(quick=True, threads=1)
    json.dumps(found, allow_nan=False)
    assert all({"name", "value", "unit", "ratio", "note"} == set(row) for row in found)
    assert AxisymmetricModel.solve is before
    assert os.environ["VERTHERM_CACHE"] == str(tmp_path)
    for which in ("first", "warm"):
        whole = next(row for row in found if row["name"].startswith("treatment") and row["name"].endswith(which))
        parts = [row["value"] for row in found if row["name"].startswith("  ") and row["name"].endswith(which)]
        assert sum(parts) == pytest.approx(whole["value"], rel=1e-6)
    first = [row["name"] for row in found if row["name"].startswith("  antenna solve")]
    assert first == ["  antenna solve, first", "  antenna solve, warm"]
    assert all(row["value"] > 0 for row in found)
