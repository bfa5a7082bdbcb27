"""``vertherm dicom in``: the list, the files written, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import typer
from typer.testing import CliRunner

from tests.imaging.dicom.test_rtstruct import circle
from tests.imaging.dicom_maker import phantom_hu, rtstruct_file, seg_file, series
from vertherm.cli.dicom_in import app
from vertherm.core.errors import InputError
from vertherm.imaging.read import read_ct


@pytest.fixture
def group() -> typer.Typer:
    """The group alone: with one more command beside it, so that typer keeps the name "in"."""
    holder = typer.Typer()
    holder.add_typer(app, name="dicom")

    @holder.command("other")
    def other() -> None: ...

    return holder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A CT with a SEG and an RTSTRUCT."""
    place = tmp_path / "study"
    series(place / "ct", phantom_hu(12, 40, 40), spacing=(2.0, 2.0), step=(0, 0, 3.0), PatientName="Geheim^Anna")
    files = sorted((place / "ct").iterdir(), key=lambda f: pydicom.dcmread(f).InstanceNumber)
    masks = np.zeros((12, 40, 40, 3), np.uint8)
    masks[2:5, 5:30, 10:30, 0] = 1
    masks[3:4, 8:12, 12:20, 1] = 1
    seg_file(place / "seg.dcm", files, masks, ["L1 vertebra", "../Läsion/1", "nothing"])
    rtstruct_file(place / "rt.dcm", {"SpinalCord": [circle(20, 0, 106, 8)]})
    return place


def run(group: typer.Typer, *arguments: object) -> str:
    done = CliRunner().invoke(group, ["dicom", "in", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_list_names_series_and_no_patient(group: typer.Typer, study: Path) -> None:
    text = run(group, study)
    assert "CT  12 file(s)" in text
    assert "SEG  1 file(s)" in text
    assert "RTSTRUCT  1 file(s)" in text
    assert "Anna" not in text
    document = json.loads(run(group, study, "--json"))
    assert document["schema_version"] == 1
    assert [item["modality"] for item in document["series"]] == ["CT", "RTSTRUCT", "SEG"]
    assert "Anna" not in json.dumps(document)
    assert "written" not in document


def test_image_and_segments_are_written_with_an_index(group: typer.Typer, study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = run(group, study, "-o", out)
    index = json.loads((out / "index.json").read_text("utf-8"))
    ct = read_ct(study / "ct")
    image = nibabel.load(out / "ct.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), ct.data)
    np.testing.assert_allclose(image.affine, ct.grid.affine)
    rows = {item["label"]: item for item in index["segments"]}
    assert rows["L1 vertebra"]["structure"] == "vertebra L1"
    assert rows["SpinalCord"]["structure"] == "spinal cord"
    assert rows["../Läsion/1"]["structure"] is None
    assert rows["../Läsion/1"]["reason"]
    assert rows["nothing"]["file"] == ""
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()) == [
        "ct.nii.gz",
        "index.json",
        "segments/001_L1-vertebra.nii.gz",
        "segments/002_Lasion-1.nii.gz",
        "segments/004_SpinalCord.nii.gz",
    ]
    mask = nibabel.load(out / rows["L1 vertebra"]["file"])
    assert np.asarray(mask.dataobj).sum() == 3 * 25 * 20
    assert rows["L1 vertebra"]["volume_ml"] == pytest.approx(3 * 25 * 20 * 12 / 1000)
    np.testing.assert_allclose(mask.affine, ct.grid.affine)
    assert index["frame"] == ct.grid.frame
    assert "L1 vertebra: 18.00 ml, vertebra L1" in text
    assert {p.name for p in tmp_path.iterdir()} == {"study", "out"}


def test_an_archive_and_one_chosen_series(group: typer.Typer, study: Path, tmp_path: Path) -> None:
    second = series(study / "second", phantom_hu(5))
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted(study.rglob("*.dcm")):
            out.write(file, file.relative_to(study))
        out.writestr("../readme.txt", "x")
    with pytest.raises(InputError, match="several CT series"):
        run(group, archive, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    document = json.loads(run(group, archive, "-o", tmp_path / "out", "--series", second, "--json"))
    assert document["written"]["shape"] == [20, 24, 5]
    assert any("lead out of the archive" in note for note in document["notes"])
    assert sum(info["modality"] == "CT" for info in document["series"]) == 2


def test_a_mr_is_written_as_one(group: typer.Typer, tmp_path: Path) -> None:
    series(tmp_path / "mr", phantom_hu() + 200, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    run(group, tmp_path / "mr", "-o", tmp_path / "out")
    assert (tmp_path / "out" / "mr.nii.gz").exists()


def test_a_segmentation_of_another_frame_is_left_out_and_said(group: typer.Typer, study: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(study / "seg.dcm")
    ds.FrameOfReferenceUID = "1.2.3"
    ds.save_as(study / "seg.dcm")
    text = run(group, study, "-o", tmp_path / "out")
    assert "different frames of reference" in text
    assert [p.name for p in (tmp_path / "out" / "segments").iterdir()] == ["001_SpinalCord.nii.gz"]


def test_nothing_is_written_where_a_slice_is_broken(group: typer.Typer, study: Path, tmp_path: Path) -> None:
    file = next((study / "ct").iterdir())
    file.write_bytes(file.read_bytes()[:-200])
    assert "CT  12 file(s)" in run(group, study)
    with pytest.raises(InputError, match="cannot be read"):
        run(group, study, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    file.write_bytes(b"")
    assert f"Unreadable: {file}" in run(group, study)
    assert "No DICOM here" in run(group, _empty(tmp_path))


def _empty(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"
