"""The example at the S1 foramen of the real lumbar scan: what gas and fluid do to the root, and by which way."""

from __future__ import annotations

import pytest

from tests.shared_data import folder, need
from tests.test_examples import load
from vertherm.heat.member import NOMINAL


@pytest.mark.data
def test_s1_foramen(monkeypatch: pytest.MonkeyPatch) -> None:
    """15.185 W for 270 s, cells of 2 mm, nominal member, layers of 6 mm (found: root 58.9 degC without, +0.7 K with
    CO2, +2.0 K with saline, -0.6 K with dextrose; canal +4.6, +0.5, -2.8 K).

    The root lies in a tunnel of bone and absorbs little itself (1.9 of its 22 K): what reaches it is conducted, and not
    through the layer. Gas on the needle's side does not save it, and keeps heat in the bone before it. The field hardly
    notices (root within 0.5 K); it is the insulation. Saline absorbs what dextrose does not: hotter by more than 1 K.
    No layer changes whether the lesion is covered, and none brings the root below its limit."""
    need("totalseg_lumbar/ct.nii.gz")
    monkeypatch.setenv("VERTHERM_DATA", str(folder()))
    (rows,) = load("s1_foramen").run(spacing_mm=2.0, thicknesses_mm=(6.0,), run_members=(NOMINAL,)).values()
    bare = rows["no protection"]
    assert 55.0 < bare.root_c < 63.0
    change = {name: (row.root_c - bare.root_c, row.canal_c - bare.canal_c) for name, row in rows.items()}
    assert -0.5 < change["co2, 6 mm"][0] < 3.0
    assert change["co2, 6 mm"][1] > 2.0
    assert change["co2 for heat only"][1] > 2.0
    assert max(map(abs, change["co2 for the field only"])) < 1.0
    assert change["saline, 6 mm"][0] > change["dextrose, 6 mm"][0] + 1.0
    assert change["co2, 6 mm, moist"][1] < change["co2, 6 mm"][1]
    for row in rows.values():
        assert row.root_c > 50.0
        assert row.coverage == pytest.approx(1.0, abs=0.01)
    assert rows["co2, 6 mm"].medium_ml == pytest.approx(1.6, abs=0.3)
    assert any("root +" in line or "root -" in line for line in load("s1_foramen").words(rows))
