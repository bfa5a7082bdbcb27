"""Real series through a real archive and back, over both protocols."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from tests import shared_data
from tests.imaging.pacs.archives import KINDS, Series, archive, stored_count
from tests.servers.orthanc import Orthanc
from vertherm.core.errors import InputError
from vertherm.imaging.pacs.archive import StudyQuery, limits_of, retrieve_series
from vertherm.imaging.pacs.errors import ArchiveError
from vertherm.imaging.pacs.fetch import fetch
from vertherm.imaging.pacs.transfer import send
from vertherm.imaging.read import read_ct

Make = Callable[..., Series]


def all_in(folder: Path) -> dict[str, bytes]:
    return {str(pydicom.dcmread(file).SOPInstanceUID): file.read_bytes() for file in folder.iterdir()}


def same_volume(first: Path, second: Path) -> None:
    before, after = read_ct(first), read_ct(second)
    assert np.array_equal(before.data, after.data)
    assert np.array_equal(before.grid.affine, after.grid.affine)
    assert before.grid.frame == after.grid.frame


@pytest.mark.data
@pytest.mark.parametrize("kind", KINDS)
def test_compressed_scan_comes_back_voxel_identical_and_still_compressed(
    kind: str, orthanc: Orthanc, tmp_path: Path
) -> None:
    scan = shared_data.need("totalseg_dicom_T11T12")
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in sorted(scan.glob("*.dcm"))]
    # Each protocol must itself store it: an own study for each, the pixels untouched.
    own = tmp_path / "own"
    own.mkdir()
    study, series = generate_uid(), generate_uid()
    for file in sorted(scan.glob("*.dcm")):
        data = pydicom.dcmread(file)
        data.StudyInstanceUID, data.SeriesInstanceUID = study, series
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.save_as(own / file.name)
    with archive(orthanc, kind) as there:
        assert send(there, [own]).counts["stored"] == 20
        fetched = fetch(there, study, series, tmp_path / "back")
        assert send(there, [own]).counts["already there"] == 20
    assert len(fetched.files) == 20
    same_volume(scan, tmp_path / "back")
    syntaxes = {pydicom.dcmread(file).file_meta.TransferSyntaxUID for file in fetched.files}
    assert syntaxes == {headers[0].file_meta.TransferSyntaxUID}
    assert next(iter(syntaxes)).is_compressed


@pytest.mark.parametrize("syntax", ["plain", "rle", "jpeg-ls", "jpeg-lossless"])
@pytest.mark.parametrize("kind", KINDS)
def test_made_series_comes_back_voxel_identical(
    kind: str, syntax: str, orthanc: Orthanc, made: Make, tmp_path: Path
) -> None:
    series = made(4, syntax=syntax, orientation=(0.8, 0.6, 0, -0.6, 0.8, 0))
    with archive(orthanc, kind) as there:
        outcome = send(there, [series.folder])
        assert outcome.complete
        fetch(there, series.study, series.uid, tmp_path / "back")
    same_volume(series.folder, tmp_path / "back")
    if kind == "dicomweb":
        assert all_in(series.folder) == all_in(tmp_path / "back")


@pytest.mark.parametrize("kind", KINDS)
def test_second_send_stores_nothing(kind: str, orthanc: Orthanc, made: Make) -> None:
    series = made(5)
    with archive(orthanc, kind) as there:
        assert send(there, [series.folder]).counts["stored"] == 5
        before = stored_count(orthanc)
        # One of few is asked for by name, most of the series at once.
        for paths in ([series.folder], series.files[:1], series.files[:4]):
            again = send(there, paths)
            assert again.counts["already there"] == len(again.rows)
    assert stored_count(orthanc) == before


def test_the_other_protocol_finds_the_same_content(orthanc: Orthanc, made: Make) -> None:
    series = made(3)
    with archive(orthanc, "dicomweb") as web, archive(orthanc, "dimse") as dimse:
        assert send(dimse, [series.folder]).counts["stored"] == 3
        assert send(web, [series.folder]).counts["already there"] == 3
        assert web.find_instances(series.study, series.uid)
        assert set(web.find_instances(series.study, series.uid)) == set(dimse.find_instances(series.study, series.uid))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("what", "named"), [("pixel", "PixelData"), ("name", "PatientName")])
def test_other_content_under_a_held_uid_is_refused_and_nothing_replaced(
    what: str, named: str, kind: str, orthanc: Orthanc, made: Make, tmp_path: Path
) -> None:
    series = made(3)
    with archive(orthanc, kind) as there:
        send(there, [series.folder])
        data = pydicom.dcmread(series.files[0])
        if what == "pixel":
            data.PixelData = bytes([data.PixelData[0] ^ 1]) + data.PixelData[1:]
        else:
            data.PatientName = "SECRET^NAME"
        data.save_as(series.files[0])
        outcome = send(there, [series.folder])
        assert outcome.counts["refused"] == 1
        assert outcome.counts["already there"] == 2
        refused = next(row for row in outcome.rows if row.state == "refused")
        assert named in refused.reason
        assert "SECRET" not in refused.reason
        fetch(there, series.study, series.uid, tmp_path / "back")
        kept = pydicom.dcmread(tmp_path / "back" / f"{refused.sop_uid}.dcm")
        assert kept.PatientName == "TEST"


def test_a_uid_that_lies_in_another_study_is_refused(orthanc: Orthanc, made: Make) -> None:
    series = made(2)
    with archive(orthanc, "dicomweb") as there:
        send(there, [series.folder])
        data = pydicom.dcmread(series.files[0])
        data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
        data.save_as(series.files[0])
        outcome = send(there, series.files[:1])
    assert outcome.counts["refused"] == 1
    assert "another study" in next(row.reason for row in outcome.rows if row.state == "refused")


def test_dry_run_stores_nothing(orthanc: Orthanc, made: Make) -> None:
    series, before = made(2), stored_count(orthanc)
    with archive(orthanc, "dicomweb") as there:
        outcome = send(there, [series.folder], dry_run=True)
    assert outcome.counts["would be stored"] == 2
    assert outcome.complete
    assert stored_count(orthanc) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["Ærøskøbing^Åse", "Yamada^Tarou=山田^太郎=やまだ^たろう", "Müller^Jörg"])
def test_names_beyond_ascii_are_found_and_survive(
    name: str, kind: str, orthanc: Orthanc, made: Make, tmp_path: Path
) -> None:
    number = generate_uid()[-16:]
    series = made(2, SpecificCharacterSet="ISO_IR 192", PatientName=name, PatientID=number)
    with archive(orthanc, kind) as there:
        assert send(there, [series.folder]).counts["stored"] == 2
        assert [row.patient_name for row in there.find_studies(StudyQuery(patient_id=number))] == [name]
        found = there.find_studies(StudyQuery(patient_name=name.split("^")[0] + "*", patient_id=number))
        assert [row.study_uid for row in found] == [series.study]
        fetched = fetch(there, series.study, series.uid, tmp_path / "back")
    assert {str(pydicom.dcmread(file).PatientName) for file in fetched.files} == {name}


@pytest.mark.parametrize("kind", KINDS)
def test_search_by_each_key(kind: str, orthanc: Orthanc, made: Make) -> None:
    number = generate_uid()[-16:]
    series = made(2, PatientID=number, StudyDate="20180314", AccessionNumber=number, StudyDescription="spine")
    with archive(orthanc, kind) as there:
        send(there, [series.folder])
        for query in (
            StudyQuery(patient_id=number),
            StudyQuery(study_uid=series.study),
            StudyQuery(accession=number),
            StudyQuery(accession=number, date="20180301-20180331", modality="CT"),
        ):
            (row,) = there.find_studies(query)
            assert (row.study_uid, row.date, row.description) == (series.study, "20180314", "spine")
            assert row.modalities == ("CT",)
        assert not there.find_studies(StudyQuery(accession=number, date="20190101-"))
        assert not there.find_studies(StudyQuery(accession=number, modality="MR"))
        (row,) = there.find_series(series.study)
        assert (row.series_uid, row.modality, row.instances) == (series.uid, "CT", 2)
        assert not there.find_series(generate_uid())


@pytest.mark.parametrize("kind", KINDS)
def test_retrieval_refuses_what_is_missing_or_too_much(kind: str, orthanc: Orthanc, made: Make, tmp_path: Path) -> None:
    series = made(3, Rows=24)
    out = tmp_path / "out"
    with archive(orthanc, kind, max_instances=3) as there:
        send(there, [series.folder])
    with archive(orthanc, kind, max_instances=2) as there, pytest.raises(ArchiveError, match="more rows than allowed"):
        there.find_instances(series.study, series.uid)
    with archive(orthanc, kind, max_instances=3) as there:
        with pytest.raises(ArchiveError, match="does not hold"):
            fetch(there, series.study, generate_uid(), out)
        with pytest.raises(InputError, match="no SeriesInstanceUID"):
            fetch(there, series.study, "../../etc", out)
        out.mkdir()
        (out / "other").touch()
        with pytest.raises(InputError, match="not empty"):
            fetch(there, series.study, series.uid, out)
        (out / "other").unlink()
        assert len(retrieve_series(there, series.study, series.uid, out)) == 3
        limits = limits_of(there.settings)
        for field, most in (("instance_bytes", 500), ("series_bytes", 2000), ("instances", 2), ("total_s", 0.0)):
            folder = tmp_path / field
            folder.mkdir()
            with pytest.raises(ArchiveError, match="than allowed"):
                there.retrieve(series.study, series.uid, folder, type(limits)(**{**vars(limits), field: most}))


def test_one_file_twice_is_one_instance_and_two_contents_are_none(orthanc: Orthanc, made: Make, tmp_path: Path) -> None:
    series = made(2)
    first, second = series.files
    (series.folder / "zcopy.dcm").write_bytes(first.read_bytes())
    data = pydicom.dcmread(second)
    data.StudyDescription = "altered"
    data.save_as(series.folder / "zother.dcm")
    with archive(orthanc, "dicomweb") as there:
        outcome = send(there, [series.folder])
    assert [row.state for row in outcome.rows] == ["stored", "refused", "already there", "refused"]
    assert [row.path for row in outcome.rows] == series.files


def test_what_cannot_be_sent_fails_alone(orthanc: Orthanc, made: Make) -> None:
    series = made(3)
    good, bare, broken = series.files
    bare.write_bytes(bare.read_bytes()[132:])
    broken.write_bytes(broken.read_bytes()[:200])
    with archive(orthanc, "dicomweb") as there:
        outcome = send(there, series.files)
    assert [row.state for row in outcome.rows] == ["stored", "failed", "failed"]
    assert "no DICOM header" in outcome.rows[1].reason
    with archive(orthanc, "dicomweb") as there, pytest.raises(InputError, match="nothing here"):
        send(there, [good.with_name("absent.dcm")])
