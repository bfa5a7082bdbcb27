"""The whole follow-up on a real vertebra with synthetic examinations of known zone, cement, motion and recurrence.

Layout: a planned ball of 12 mm; on day 1 a treated ball of 11 mm, the vertebra turned by 5 degrees and shifted by 8 mm;
in week 3 the same with 1.8 ml of cement; in week 20 tissue has come back beside the cement. Expected: motion found to
0.5 mm (voxels of 1.5 mm), zone to 8 % of its volume (15 % where cement hides a part of its edge), cement to 5 %, the
recurrence named at its place, week 3 without a finding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.followup.planned_folder import ball, examination, planned_folder, rigid
from tests.shared_data import need
from vertherm.core.errors import InputError
from vertherm.followup.document import Verification
from vertherm.followup.entry import load_followup, single
from vertherm.followup.outputs import write_followup
from vertherm.followup.planned import load_planned
from vertherm.followup.rows import verification
from vertherm.followup.verify import Followup, verify
from vertherm.imaging.nifti import read_nifti
from vertherm.imaging.synthetic_followup import Ellipsoid, Paint

pytestmark = [pytest.mark.data, pytest.mark.slow]
MOTIONS = {
    "day1": ((3.0, -4.0, 2.0), (4.0, -6.0, 3.0)),
    "week3": ((-2.0, 5.0, 1.0), (-6.0, 3.0, 8.0)),
    "week20": ((1.0, 2.0, -6.0), (2.0, 9.0, -4.0)),
}
TOML = "\n".join(
    f"""[[examinations]]
name = "{name}"
date = {date}
image = "SYNTHETIC_{name}.nii.gz"
native = "SYNTHETIC_{name}_native.nii.gz"
contrast = true
"""
    for name, date in (("week20", "2026-05-25"), ("day1", "2026-01-02"), ("week3", "2026-01-22"))
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    need("tptbox_vertebra")
    folder = tmp_path_factory.mktemp("followup")
    plan, case = planned_folder(folder / "plan")
    centre = np.add(case.targets[0].centre_mm, (0.5, 0.5, 0.0))
    zone, cement = ball(centre, 11.0), Ellipsoid(tuple(centre - [3.0, 0.0, 0.0]), (8.0, 7.5, 7.0))
    back = ball(np.add(centre, (9.0, 0.0, 0.0)), 5.0)
    treated, filled = Paint(zone, -15.0, enhances=0.0), Paint(cement, 1900.0, adds=False)
    motions = {name: rigid(case, *motion) for name, motion in MOTIONS.items()}
    examination(case, folder, "day1", motions["day1"], [treated])
    examination(case, folder, "week3", motions["week3"], [treated, filled])
    examination(case, folder, "week20", motions["week20"], [treated, filled], alive=back)
    (folder / "followup.toml").write_text(TOML, "utf-8")
    result = verify(load_planned(plan), load_followup(folder / "followup.toml"))
    return {
        "folder": folder,
        "case": case,
        "motions": motions,
        "zone": zone,
        "cement": cement,
        "back": back,
        "result": result,
        "document": verification(result),
    }


def test_motion_of_the_vertebra_is_found(made: dict[str, Any]) -> None:
    result: Followup = made["result"]
    lesion = made["case"].targets[0].mask
    points = lesion.grid.world(np.argwhere(lesion.data))
    for visit in result.visits:
        seen = visit.examined
        truth = made["motions"][seen.scan.entry.name]
        apart = points @ (seen.registration.transform - truth)[:3, :3].T + (seen.registration.transform - truth)[:3, 3]
        assert seen.registration.status == "ok"
        assert np.linalg.norm(apart, axis=1).max() < 0.5


def test_zone_and_cement_are_measured(made: dict[str, Any]) -> None:
    document: Verification = made["document"]
    first, second, _ = document.rows
    assert [row.examination for row in document.rows] == ["day1", "week3", "week20"]
    assert first.zone is not None
    assert second.zone is not None
    assert first.zone.volume_ml == pytest.approx(made["zone"].volume_ml, rel=0.08)
    assert second.zone.volume_ml == pytest.approx(made["zone"].volume_ml, rel=0.15)
    assert first.cement is not None
    assert second.cement is not None
    assert first.cement.volume_ml == 0.0
    assert second.cement.volume_ml == pytest.approx(made["cement"].volume_ml, rel=0.05)


def test_margin_is_that_of_the_known_zone(made: dict[str, Any]) -> None:
    """Against the ball itself: from the points of the lesion's fitted surface to the ball's edge."""
    visit = made["result"].visits[0]
    margin = visit.examined.margin
    truth = float((-made["zone"].distance_mm(margin.vertices_mm)).min())
    row = made["document"].rows[0]
    assert row.margin.low_mm <= truth <= row.margin.high_mm
    assert row.margin.minimum_mm == pytest.approx(truth, abs=1.0)
    assert row.coverage == ("not covered" if row.margin.within_bone_low_mm < 0 else "covered")


def test_recurrence_is_found_and_nothing_else(made: dict[str, Any]) -> None:
    _, second, third = made["document"].rows
    assert second.findings == []
    assert second.progression == "not seen"
    assert third.progression == "suggested"
    nodule = third.findings[0]
    assert (nodule.kind, nodule.against) == ("enhancing nodule", "day1")
    assert np.linalg.norm(np.subtract(nodule.centre_ras_mm, made["back"].centre_mm)) < 5.0


def test_prediction_against_what_is_seen(made: dict[str, Any]) -> None:
    """Balls of 12 and 11 mm, half a millimetre apart: the surfaces are 1 mm apart on average."""
    row = made["document"].rows[0].agreement[0]
    assert row.label == "60 °C isotherm"
    assert row.predicted_ml == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.02)
    assert row.signed_mm == pytest.approx(-1.0, abs=0.35)
    assert row.mean_distance_mm == pytest.approx(1.0, abs=0.35)
    assert row.dice > 0.82
    line = made["document"].calibration[0]
    assert (line["device"], line["net_kj"]) == ("made_up at 2450 MHz", 3.5)
    assert line["volume_ratio"] == pytest.approx((11 / 12) ** 3, rel=0.1)


def test_everything_says_synthetic_and_nothing_is_confirmed(made: dict[str, Any]) -> None:
    document: Verification = made["document"]
    assert document.synthetic
    assert document.confirmed is False


def test_masks_come_back_as_given(made: dict[str, Any], tmp_path: Path) -> None:
    """The written mask of the follow-up frame, named in the follow-up file, gives the same zone again."""
    (tmp_path / "out").mkdir()
    write_followup(made["result"], made["document"], tmp_path / "out")
    mask = tmp_path / "out" / "masks" / "SYNTHETIC_lesion_day1_zone_followup.nii.gz"
    scan = made["folder"] / "SYNTHETIC_day1.nii.gz"
    assert read_nifti(mask).grid.shape == read_nifti(scan).grid.shape
    entry = single(scan, date=None, contrast=False, modality="CT", native=None, zone=mask)
    again = verification(verify(load_planned(made["folder"] / "plan"), entry)).rows[0]
    assert again.zone is not None
    assert again.zone.given
    assert again.zone.volume_ml == pytest.approx(made["document"].rows[0].zone.volume_ml, rel=0.03)


def test_without_contrast_medium_nothing_is_claimed(made: dict[str, Any]) -> None:
    scan = made["folder"] / "SYNTHETIC_day1_native.nii.gz"
    entry = single(scan, date=None, contrast=False, modality="CT", native=None, zone=None)
    row = verification(verify(load_planned(made["folder"] / "plan"), entry)).rows[0]
    assert row.coverage == "not assessed"
    assert row.zone is None
    assert "contrast medium" in row.no_zone


def test_another_ct_than_the_planned_one_is_refused(made: dict[str, Any], tmp_path: Path) -> None:
    plan, _ = planned_folder(tmp_path / "plan")
    text = (plan / "assessment.json").read_text("utf-8")
    ours = text.split('"sha256": "')[1][:64]
    (plan / "assessment.json").write_text(text.replace(ours, 64 * "0"), "utf-8")
    with pytest.raises(InputError, match="another CT"):
        load_planned(plan)
