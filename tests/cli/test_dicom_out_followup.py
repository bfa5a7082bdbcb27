"""``vertherm dicom out`` of a follow-up: valid objects beside the examination, which hold what was measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tests.followup.planned_folder import ball, examination, planned_folder, rigid
from tests.imaging.dicom_series import write_frames, write_series
from tests.servers.dicom_tools import numbers, violations
from vertherm.cli.main import run
from vertherm.imaging.dicom.rtstruct import read_rtstruct
from vertherm.imaging.dicom.segmentation import read_segmentation
from vertherm.imaging.nifti import read_nifti, write_nifti
from vertherm.imaging.read import read_ct, read_mr
from vertherm.imaging.synthetic_followup import Ellipsoid, Paint

pytestmark = [pytest.mark.data, pytest.mark.slow]
FOLLOWUP = "\n".join(
    f"""
[[examinations]]
name = "{name}"
date = {date}
image = "{name}/SYNTHETIC_image"
native = "{name}/SYNTHETIC_native"
contrast = true
"""
    for name, date in (("day 1", "2026-01-02"), ("week 20", "2026-05-25"))
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two examinations as DICOM: a zone with cement, then a nodule that grows back in it."""
    place = tmp_path_factory.mktemp("followup-dicom")
    _, case = planned_folder(place / "plan")
    centre = np.add(case.targets[0].centre_mm, (0.5, 0.5, 0.0))
    treated = Paint(ball(centre, 11.0), -15.0, enhances=0.0)
    cement = Paint(Ellipsoid(tuple(centre - [3.0, 0.0, 0.0]), (6.0, 5.5, 5.0)), 1900.0, adds=False)
    motion = rigid(case, (2.0, 0.0, 3.0), (5.0, 0.0, -3.0))
    back = ball(np.add(centre, (8.0, 0.0, 0.0)), 5.0)
    for name, alive in (("day 1", None), ("week 20", back)):
        examination(case, place, name, motion, [treated, cement], alive=alive)
        study = {"StudyInstanceUID": pydicom.uid.generate_uid(), "FrameOfReferenceUID": pydicom.uid.generate_uid()}
        for suffix, kind in (("", "image"), ("_native", "native")):
            image = read_nifti(place / f"SYNTHETIC_{name}{suffix}.nii.gz")
            write_series(image, place / name / f"SYNTHETIC_{kind}", **study)
    (place / "followup.toml").write_text(FOLLOWUP, "utf-8")
    assert run(["verify", str(place / "plan"), str(place / "followup.toml"), "-o", str(place / "verify")]) in (0, 3)
    assert out(place, "week 20", place / "dcm", "--rtstruct", "--labelmap") == 0
    return place


def out(place: Path, name: str, target: Path, *more: str, kind: str = "image") -> int:
    series = place / name / f"SYNTHETIC_{kind}"
    words = [str(place / "verify"), "--images", str(series), "--examination", name, "-o", str(target), *more]
    return run(["dicom", "out", *words])


def row_of(place: Path, name: str) -> dict[str, Any]:
    document = json.loads((place / "verify" / "verify.json").read_text("utf-8"))
    return next(row for row in document["rows"] if row["examination"] == name)


def test_every_object_is_valid_and_refers_to_the_examination(folder: Path) -> None:
    rows = json.loads((folder / "dcm" / "dicom.json").read_text("utf-8"))
    assert rows["synthetic"] is True
    names = {row["file"] for row in rows["objects"]}
    assert {"segments.dcm", "labelmap.dcm", "contours.dcm", "measurements.dcm", "report.dcm"} <= names
    source = pydicom.dcmread(next((folder / "week 20" / "SYNTHETIC_image").iterdir()))
    for name in sorted(names):
        made = pydicom.dcmread(folder / "dcm" / name)
        assert made.StudyInstanceUID == source.StudyInstanceUID
        assert made.SeriesDescription.startswith("SYNTHETIC RESEARCH")
        # The validator does not know label maps.
        assert name == "labelmap.dcm" or violations(folder / "dcm" / name) == [], name
    segments = pydicom.dcmread(folder / "dcm" / "segments.dcm")
    assert segments.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert segments.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID


def test_segments_are_the_masks_of_the_followup(folder: Path) -> None:
    """Voxel by voxel; the classes of the margin fill the lesion's shell; the nodule lies where it was put."""
    ct = read_ct(folder / "week 20" / "SYNTHETIC_image")
    found = {item.label: item.mask for item in read_segmentation(folder / "dcm" / "segments.dcm", ct.grid)}
    files = row_of(folder, "week 20")["files"]

    def whole(mask: Any) -> np.ndarray:
        return mask.resampled(ct.grid, order=0, outside=0.0).data > 0

    for label, kind in (("lesion as planned", "lesion"), ("treated zone", "zone"), ("cement", "cement")):
        ours = read_nifti(folder / "verify" / files[f"{kind}_followup"])
        assert np.array_equal(whole(found[label]), ours.data > 0), label
    shell = read_nifti(folder / "verify" / files["margin_followup"]).data
    margins = [label for label in found if label.startswith("margin")]
    assert set(margins) <= {"margin below 0 mm", "margin 0 to 5 mm", "margin 5 mm or more"}
    assert sum(np.count_nonzero(whole(found[label])) for label in margins) == np.count_nonzero(shell)
    assert not ((shell > 0) & ~whole(found["lesion as planned"])).any()
    assert "1: enhancing nodule inside the treated zone" in found
    contours = {item.label for item in read_rtstruct(folder / "dcm" / "contours.dcm", ct)}
    assert {"lesion as planned", "treated zone", "cement"} <= contours


def test_numbers_are_those_of_the_document(folder: Path) -> None:
    for name, target in (("week 20", folder / "dcm"), ("day 1", folder / "first")):
        assert target.exists() or out(folder, name, target) == 0
        row = row_of(folder, name)
        found = numbers(pydicom.dcmread(target / "measurements.dcm"))
        margin, zone = row["margin"], row["zone"]
        assert found["lesion", "minimal margin"] == pytest.approx(margin["minimum_mm"])
        assert found["lesion", "minimal margin, low"] == pytest.approx(margin["low_mm"])
        assert found["lesion", "lesion volume inside the zone"] == pytest.approx(100 * margin["coverage"])
        assert found["lesion", "registration error, 95 % radius"] == pytest.approx(row["registration"]["error_mm"])
        assert found["treated zone", "zone volume"] == pytest.approx(zone["volume_ml"])
        assert found["cement", "cement volume"] == pytest.approx(row["cement"]["volume_ml"])
        (agreement,) = row["agreement"]
        assert found[f"predicted against seen: {agreement['label']}", "Dice coefficient"] == agreement["dice"]
        nodules = [key for key in found if key[1] == "longest diameter"]
        assert len(nodules) == len(row["findings"]) == (1 if name == "week 20" else 0)


def test_pictures_are_those_of_the_examination(folder: Path) -> None:
    rows = json.loads((folder / "dcm" / "dicom.json").read_text("utf-8"))["objects"]
    titles = [row["what"] for row in rows if row["file"].startswith("picture")]
    assert len([title for title in titles if "week 20" in title]) >= 4
    assert not [title for title in titles if title.startswith("Planned and day 1")]


def test_a_second_run_writes_the_same_objects(folder: Path, tmp_path: Path) -> None:
    assert out(folder, "week 20", tmp_path / "again") == 0
    for path in (tmp_path / "again").glob("*.dcm"):
        assert path.read_bytes() == (folder / "dcm" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("name", "series", "message"),
    [
        ("week 20", "week 20/SYNTHETIC_native", "not the series that the follow-up was read from"),
        ("week 20", "day 1/SYNTHETIC_image", "not the series that the follow-up was read from"),
        ("week 2", "week 20/SYNTHETIC_image", "no such examination"),
        (None, "week 20/SYNTHETIC_image", "Which examination?"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    folder: Path, tmp_path: Path, name: str | None, series: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [] if name is None else ["--examination", name]
    words = [str(folder / "verify"), "--images", str(folder / series), "-o", str(tmp_path / "o"), *more]
    assert run(["dicom", "out", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_damaged_followups_are_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "verify"
    shutil.copytree(folder / "verify", copy)
    series = str(folder / "week 20" / "SYNTHETIC_image")
    words = [str(copy), "--images", series, "--examination", "week 20", "-o", str(tmp_path / "o")]
    (copy / row_of(folder, "week 20")["files"]["zone_followup"]).unlink()
    assert run(["dicom", "out", *words]) == 2
    assert "A file of the follow-up is gone" in capsys.readouterr().err
    (copy / "verify.json").write_text("{}", "utf-8")
    assert run(["dicom", "out", *words]) == 2
    assert "The follow-up's document cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("frames", [False, True])
def test_an_mr_examination(folder: Path, tmp_path: Path, frames: bool) -> None:
    """A drawn zone on an MR: results refer to the MR (slices, or frames of one file), and say that a reader drew it."""
    native = read_nifti(folder / "SYNTHETIC_day 1_native.nii.gz")
    hu = native.data.astype(float)
    bright = np.where(
        hu < -300, 0.0, 120 + 300 * np.exp(-(((hu - 200) / 180) ** 2)) - 80 * np.exp(-(((hu + 100) / 60) ** 2))
    )
    write = write_frames if frames else write_series
    series = write(native.with_data(bright.astype(np.float32)), tmp_path / "SYNTHETIC_mr", modality="MR")
    zone = read_nifti(folder / "verify" / row_of(folder, "day 1")["files"]["zone_followup"])
    write_nifti(zone, tmp_path / "zone.nii.gz")
    text = f"""
[[examinations]]
name = "MR"
image = "{series}"
modality = "MR"
contrast = false
shift_mm = [5.0, 0.0, -3.0]
[[examinations.targets]]
zone = {{ path = "{tmp_path / "zone.nii.gz"}" }}
"""
    (tmp_path / "followup.toml").write_text(text, "utf-8")
    plan, done = folder / "plan", tmp_path / "verify"
    assert run(["verify", str(plan), str(tmp_path / "followup.toml"), "-o", str(done)]) in (0, 3)
    assert run(["dicom", "out", str(done), "--images", str(series), "-o", str(tmp_path / "dcm")]) == 0
    for path in (tmp_path / "dcm").glob("*.dcm"):
        assert violations(path) == [], path.name
    segments = pydicom.dcmread(tmp_path / "dcm" / "segments.dcm")
    assert segments.FrameOfReferenceUID == read_mr(series).grid.frame
    kinds = {item.SegmentLabel: item.SegmentAlgorithmType for item in segments.SegmentSequence}
    assert kinds["treated zone"] == "MANUAL"
    assert "cement" not in kinds
