"""``vertherm dicom out`` on a real DICOM CT: every object valid, read back as predicted, the same in every run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.servers import orthanc as servers
from tests.servers.dicom_tools import numbers, violations
from tests.shared_data import need
from vertherm.cli.main import run
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.dicom.segmentation import read_segmentation
from vertherm.imaging.nifti import read_nifti
from vertherm.imaging.read import read_ct

pytestmark = [pytest.mark.data, pytest.mark.slow]
archive = servers.orthanc
SCAN = "totalseg_dicom_T11T12"
CASE = """
case = "dicom-T12"
title = "T12, real DICOM CT with a synthetic lytic lesion"
[images]
ct = "{folder}"
[[images.labels]]
path = "{folder}/seg_total117.nii.gz"
vocabulary = "totalsegmentator"
[[targets]]
name = "lesion"
level = "T12"
level_confirmed = true
kind = "lytic"
[targets.synthetic]
radius_mm = 6.0
seed = 3
[[applicators]]
model = "tosoratti_mini_choke"
frame = "RAS"
entry = [55.4, 40.0, -790.4]
tip = [10.4, 121.0, -790.4]
[schedule]
power_kind = "forward"
[[schedule.activations]]
power_w = 15
time_s = 60
[numerics]
spacing_mm = 3.0
[cement]
samples = 10
heat = false
strength = false
[cement.volume_ml]
lesion = 1.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated case with its cement beside it, as a plan leaves them, and its objects."""
    place = tmp_path_factory.mktemp("dicom-out")
    (place / "case.toml").write_text(CASE.format(folder=need(SCAN)), "utf-8")
    assert run(["simulate", str(place / "case.toml"), "-o", str(place / "sim"), "--workers", "1"]) in (0, 3)
    cement = str(place / "sim" / "cement")
    assert run(["cement", str(place / "case.toml"), "-o", cement, "--workers", "1"]) in (0, 3)
    assert out(place, place / "dcm", "--rtstruct", "--labelmap") == 0
    return place


def out(place: Path, target: Path, *more: str) -> int:
    words = [str(place / "sim"), "--case", str(place / "case.toml"), "--ct", str(need(SCAN)), "-o", str(target), *more]
    return run(["dicom", "out", *words])


def test_every_object_is_valid(folder: Path) -> None:
    """The validator of Debian does not know label maps; all others are without errors."""
    rows = json.loads((folder / "dcm" / "dicom.json").read_text("utf-8"))
    assert rows["synthetic"] is True
    names = {row["file"] for row in rows["objects"]}
    assert {"segments.dcm", "labelmap.dcm", "contours.dcm", "measurements.dcm", "peak_temperature_c.dcm"} <= names
    assert {"cem43_min.dcm", "report.dcm", "report_2.dcm", "picture_01.dcm", "lesion_cement_probability.dcm"} <= names
    for name in sorted(names - {"labelmap.dcm"}):
        assert violations(folder / "dcm" / name) == [], name


def test_segments_are_the_masks_of_the_prediction(folder: Path) -> None:
    ct = read_ct(need(SCAN))
    found = {item.label: item.mask for item in read_segmentation(folder / "dcm" / "segments.dcm", ct.grid)}
    assert {"lesion", "vertebra T12", "canal", "isotherm_60"} <= set(found)
    lesion = read_nifti(next((folder / "sim" / "fields").glob("lesion_*.nii.gz")))
    assert found["lesion"].data.sum() * ct.grid.voxel_volume_ml == pytest.approx(
        lesion.data.sum() * lesion.grid.voxel_volume_ml, rel=1e-6
    )
    pairs = ((found["lesion"].grid, found["lesion"].data), (lesion.grid, lesion.data))
    middle = [grid.world(np.argwhere(data).mean(axis=0)) for grid, data in pairs]
    assert np.allclose(middle[0], middle[1], atol=1e-3)


def test_cement_is_that_of_the_prediction(folder: Path, tmp_path: Path) -> None:
    """Beside a plan and from a folder of its own: half of a voxel decides; leak probabilities are in the report."""
    ct = read_ct(need(SCAN))
    alone = ["--case", str(folder / "case.toml"), "--ct", str(need(SCAN)), "-o", str(tmp_path / "alone")]
    assert run(["dicom", "out", str(folder / "sim" / "cement"), *alone]) == 0
    share = read_nifti(folder / "sim" / "cement" / "fields" / "SYNTHETIC_lesion_cement_share.nii.gz")
    solid = Volume(share.data >= 0.5, share.grid)
    assert solid.data.sum() * share.grid.voxel_volume_ml == pytest.approx(1.5, rel=0.15)
    document = json.loads((folder / "sim" / "cement" / "cement.json").read_text("utf-8"))
    canal = next(row for row in document["targets"][0]["sites"] if row["site"] == "canal")
    for made in (folder / "dcm", tmp_path / "alone"):
        found = {item.label: item.mask for item in read_segmentation(made / "segments.dcm", ct.grid)}
        whole = found["cement lesion"].resampled(ct.grid, order=0, outside=0.0).data > 0
        assert np.array_equal(whole, on_grid(solid, ct.grid))
        values = numbers(pydicom.dcmread(made / "measurements.dcm"))
        assert values["cement lesion", "injected volume"] == 1.5
        assert values["cement lesion: canal", "probability of a leak, high"] == pytest.approx(
            100 * canal["probability"]["high"], rel=1e-5
        )
    assert violations(tmp_path / "alone" / "measurements.dcm") == []
    assert violations(tmp_path / "alone" / "lesion_cement_probability.dcm") == []


def test_a_second_run_writes_the_same_objects(folder: Path, tmp_path: Path) -> None:
    """UIDs and bytes, so that an archive stores nothing twice."""
    assert out(folder, tmp_path / "again") == 0
    for path in (tmp_path / "again").glob("*.dcm"):
        assert path.read_bytes() == (folder / "dcm" / path.name).read_bytes(), path.name


def test_another_scan_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = tmp_path / "part"
    part.mkdir()
    for path in sorted(need(SCAN).glob("ct_*.dcm"))[:10]:
        shutil.copyfile(path, part / path.name)
    words = [str(folder / "sim"), "--case", str(folder / "case.toml"), "--ct", str(part), "-o", str(tmp_path / "o")]
    assert run(["dicom", "out", *words]) == 2
    assert "not the CT that the plan was made on" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_results_go_to_the_archive_and_come_back(
    folder: Path, archive: servers.Orthanc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Series and results to a real archive; a second run stores nothing; what comes back is what was predicted."""
    for path in (need(SCAN), folder / "dcm"):
        assert run(["dicom", "send", str(path), "--to", archive.url, "--json"]) == 0
    capsys.readouterr()
    assert run(["dicom", "send", str(folder / "dcm"), "--to", archive.url, "--json"]) == 0
    assert {row["state"] for row in json.loads(capsys.readouterr().out)["instances"]} == {"already there"}
    rows = {row["file"]: row for row in json.loads((folder / "dcm" / "dicom.json").read_text("utf-8"))["objects"]}
    study = str(pydicom.dcmread(folder / "dcm" / "segments.dcm", stop_before_pixels=True).StudyInstanceUID)
    wanted = rows["segments.dcm"]["series_instance_uid"]
    words = ["--from", archive.url, "--study", study, "--series", wanted, "-o", str(tmp_path / "back")]
    assert run(["dicom", "get", *words]) == 0
    (back,) = (tmp_path / "back").rglob("*.dcm")
    ct = read_ct(need(SCAN))
    for ours, theirs in zip(
        read_segmentation(folder / "dcm" / "segments.dcm", ct.grid), read_segmentation(back, ct.grid), strict=True
    ):
        assert ours.label == theirs.label
        assert np.array_equal(ours.mask.data, theirs.mask.data)
        assert np.allclose(ours.mask.grid.affine, theirs.mask.grid.affine)
