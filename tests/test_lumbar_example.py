"""The example on the real lumbar scan: the shaft crosses the skin, and every structure has its row."""

from __future__ import annotations

import pytest

from tests.shared_data import folder, need
from tests.test_examples import load
from vertherm.heat.member import NOMINAL


@pytest.mark.data
def test_lumbar_scan_with_skin(monkeypatch: pytest.MonkeyPatch) -> None:
    need("totalseg_lumbar/ct.nii.gz")
    monkeypatch.setenv("VERTHERM_DATA", str(folder()))
    result = load("lumbar_scan").run(spacing_mm=2.0, workers=1, run_members=(NOMINAL,))
    rows = {row.name: row for row in result.assessment.structures}
    assert all(row.status != "not assessed" for row in rows.values())
    for name in ("skin", "dural sac", "root L3 left", "root L3 right", "root L2 left", "aorta", "inferior vena cava"):
        assert name in rows
    left, right = rows["root L3 left"].peak_temperature_c, rows["root L3 right"].peak_temperature_c
    assert left is not None
    assert right is not None
    assert left.value > right.value + 0.5, "the needle is on the patient's left"
    # The heat grid reaches the skin where the shaft crosses it, and the cooled shaft chills it.
    lowest = rows["skin"].lowest_temperature_c
    assert lowest is not None
    assert 15.0 < lowest < 36.0
    assert any("Metal lies" in note for note in result.assessment.notes)
    assert result.assessment.energy_balance[0].error < 0.005
