"""Folders, archives and files of unknown origin: what is listed, what is left out, what never leaves its folder."""

from __future__ import annotations

import os
import stat
import struct
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.imaging.dicom_maker import FRAME, enhanced_file, phantom_hu, rtstruct_file, series
from tests.shared_data import need
from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.imaging.dicom.safe import Limits
from vertherm.imaging.dicom.source import open_source
from vertherm.imaging.read import read_ct


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of temporary folders, so that a test can look at what was left there."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_a_folder_lists_its_series_without_names_of_patients(tmp_path: Path) -> None:
    first = series(tmp_path / "a", phantom_hu(), SeriesDescription="axial", PatientName="Müller^Jörg")
    second = series(tmp_path / "b", phantom_hu(3), Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    enhanced_file(tmp_path / "multi.dcm", phantom_hu(4) + 1024, [(0, 0, k) for k in range(4)])
    rtstruct_file(tmp_path / "rt.dcm", {"cord": [np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0]])]})
    (tmp_path / "notes.txt").write_text("x")
    with open_source(tmp_path) as source:
        rows = {info.series_uid: info for info in source.series}
        assert [info.modality for info in source.series] == ["CT", "CT", "MR", "RTSTRUCT"]
        assert (rows[first].instances, rows[first].frames, rows[first].description) == (6, 6, "axial")
        assert rows[first].transfer_syntaxes == ("1.2.840.10008.1.2.1",)
        assert rows[second].instances == 3
        multi = next(info for info in source.series if info.frames == 4)
        assert (multi.instances, multi.sop_class_name) == (1, "Enhanced CT Image Storage")
        assert {info.frame for info in source.series} == {FRAME}
        assert len(source.structure_sets) == 1
        assert source.others == 1
        assert "ller" not in repr(source.series)


def test_an_archive_within_a_folder_is_not_opened(tmp_path: Path) -> None:
    series(tmp_path, phantom_hu())
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as out:
        out.writestr("a.dcm", "x")
    with open_source(tmp_path) as source:
        assert len(source.headers) == 6
        assert source.notes == ("1 ZIP archive(s) within the folder: not opened",)


def test_one_file_is_only_itself_unless_it_stands_for_its_series(tmp_path: Path) -> None:
    series(tmp_path, phantom_hu())
    with open_source(tmp_path / "im001.dcm") as source:
        assert len(source.headers) == 1
    with open_source(tmp_path / "im001.dcm", siblings=True) as source:
        assert len(source.headers) == 6


def test_names_beyond_ascii_are_read_and_shown(tmp_path: Path) -> None:
    folder = tmp_path / "Größe Ω 脊椎"
    series(folder, phantom_hu(), PatientName="山田^太郎", SpecificCharacterSet="ISO_IR 192")
    assert read_ct(folder).data.shape[2] == 6
    archive = tmp_path / "脊椎.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in folder.iterdir():
            out.write(file, f"Größe/{file.name}")
    assert read_ct(archive).data.shape[2] == 6


def test_an_unknown_character_set_costs_no_image(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        series(tmp_path, phantom_hu(), SpecificCharacterSet="ISO_IR 999", PatientName="Ä^B")
    assert read_ct(tmp_path).data.shape[2] == 6


def test_links_and_pipes_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    series(tmp_path / "in", phantom_hu())
    series(tmp_path / "out", phantom_hu(seed=9))
    (tmp_path / "in" / "away.dcm").symlink_to(tmp_path / "out" / "im000.dcm")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "nowhere.dcm").symlink_to(tmp_path / "absent")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe.dcm")
    with open_source(tmp_path / "in") as source:
        assert len(source.headers) == 6
        assert source.notes == (
            "2 link(s) that lead out of the folder or nowhere: not followed",
            "1 pipe(s), socket(s) or device(s): not opened",
        )
    (tmp_path / "in" / "within.dcm").symlink_to("im001.dcm")
    with open_source(tmp_path / "in") as source:
        assert len(source.headers) == 7
    with pytest.raises(InputError, match="cannot be read"), open_source(tmp_path / "in" / "pipe.dcm") as source:
        source.believed()


def test_members_never_leave_the_private_folder_and_it_goes(tmp_path: Path, private: Path) -> None:
    series(tmp_path / "ct", phantom_hu())
    names = ["../../up.dcm", "/etc/absolute.dcm", "C:\\windows.dcm", "..\\back.dcm", "a/./b.dcm", "con.dcm\0x"]
    archive = tmp_path / "hostile.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for name, file in zip(names, sorted((tmp_path / "ct").iterdir()), strict=True):
            out.writestr(name, file.read_bytes())
    before = {path for path in tmp_path.rglob("*") if private not in path.parents}
    with warnings.catch_warnings(record=True, action="always") as caught, open_source(archive) as source:
        inside = [path for path in private.rglob("*") if path.is_file()]
        assert stat.S_IMODE(inside[0].parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in inside) == [f"{n:06d}.dcm" for n in range(1, 7)]
    assert len(source.headers) == 6
    assert any("up.dcm" in header.where for header in source.headers)
    assert issubclass(caught[0].category, ImagingWarning)
    assert "4 member(s) have names that lead out of the archive" in str(caught[0].message)
    assert list(private.iterdir()) == []
    assert {path for path in tmp_path.rglob("*") if private not in path.parents} == before


def test_encrypted_members_links_and_archives_within_are_left_out(tmp_path: Path) -> None:
    series(tmp_path / "ct", phantom_hu())
    archive = tmp_path / "mixed.zip"
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted((tmp_path / "ct").iterdir()):
            out.write(file, file.name)
        out.writestr(link, "/etc/passwd")
        out.writestr("secret.dcm", b"x" * 50)
        out.writestr("inner.zip", b"PK\x03\x04" + b"\0" * 40)
        out.writestr("lzma.dcm", b"x" * 50, compress_type=zipfile.ZIP_LZMA)
        out.writestr("DICOMDIR", b"x")
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(b"secret.dcm") if signature == b"PK\x03\x04" else data.rfind(b"secret.dcm")
        start = data.rfind(signature, 0, at)
        data[start + offset] |= 1
    archive.write_bytes(data)
    with pytest.warns(ImagingWarning) as caught, open_source(archive) as source:
        assert len(source.headers) == 6
    text = str(caught[0].message)
    for reason in ("archives within", "encrypted", "links or devices", "packed by another", "not DICOM"):
        assert f"1 member(s) left out: {reason}" in text


def test_a_damaged_archive_is_refused_and_leaves_nothing(tmp_path: Path, private: Path) -> None:
    series(tmp_path / "ct", phantom_hu())
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in (tmp_path / "ct").iterdir():
            out.write(file, file.name)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="archive cannot be unpacked"):
        read_ct(archive)
    broken = bytearray(whole)
    broken[200:260] = bytes(60)
    archive.write_bytes(broken)
    with pytest.raises(InputError, match="archive cannot be unpacked"):
        read_ct(archive)
    assert list(private.iterdir()) == []


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(members=5), "number of members"),
        (Limits(member_bytes=1000), "A member"),
        (Limits(total_bytes=5000), "unpacked archive"),
        (Limits(ratio=1.1, ratio_free_bytes=5000), "times its packed size"),
        (Limits(members=0), "list of members"),
    ],
)
def test_an_archive_beyond_a_limit_is_refused(tmp_path: Path, limits: Limits, message: str) -> None:
    series(tmp_path / "ct", np.full((6, 24, 20), -1000))
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in (tmp_path / "ct").iterdir():
            out.write(file, file.name)
    with pytest.raises(InputError, match=message), open_source(archive, limits=limits):
        pass


def test_a_list_of_members_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a", "b")
    data = bytearray(archive.read_bytes())
    struct.pack_into("<I", data, data.rfind(b"PK\x05\x06") + 12, 0x7FFFFFFF)
    archive.write_bytes(data + b"\0" * 10)
    with pytest.raises(InputError), open_source(archive):
        pass


def test_a_list_of_members_that_hides_behind_two_sizes_is_refused(tmp_path: Path) -> None:
    """zipfile believes the 64-bit record wherever its locator stands, whatever the plain record says."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for number in range(200):
            out.writestr(f"{number:03d}" + "n" * 200, "b")
    data = archive.read_bytes()
    end = data.rfind(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", data, end + 12)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 200, 200, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    plain = bytearray(data[end:])
    struct.pack_into("<I", plain, 12, 47)
    archive.write_bytes(data[:end] + record + locator + bytes(plain))
    assert len(zipfile.ZipFile(archive).infolist()) == 200
    with pytest.raises(InputError, match="list of members"), open_source(archive, limits=Limits(members=10)):
        pass


def test_large_elements_are_not_kept_with_the_headers(tmp_path: Path) -> None:
    """A folder of small files that unpack to large private elements must not fill the memory."""
    series(tmp_path, phantom_hu())
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        ds.private_block(0x29, "BLOBS", create=True).add_new(0x10, "OB", bytes(3 * 2**20))
        ds.save_as(path)
    with open_source(tmp_path) as source:
        for header in source.headers:
            assert header.text("SeriesDescription") == "made by code"
            assert header.data.get((0x0029, 0x1010)) is None
    assert read_ct(tmp_path).data.shape[2] == 6


def test_a_broken_file_is_listed_but_never_passed_over_by_a_reader(tmp_path: Path) -> None:
    series(tmp_path, phantom_hu())
    (tmp_path / "zero.dcm").write_bytes(b"")
    with open_source(tmp_path) as source:
        assert len(source.headers) == 6
        assert [error.where for error in source.broken] == [str(tmp_path / "zero.dcm")]
    with pytest.raises(InputError, match=r"zero\.dcm"):
        read_ct(tmp_path)
    with pytest.raises(InputError, match="nothing here"), open_source(tmp_path / "absent"):
        pass


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    series(tmp_path, phantom_hu())
    with pytest.raises(InputError, match="number of files"), open_source(tmp_path, limits=Limits(files=5)):
        pass


@pytest.mark.data
def test_a_real_folder_with_ct_and_segmentation_is_listed() -> None:
    with open_source(need("dcmqi_ct3slice_seg")) as source:
        assert [(s.modality, s.instances, s.frames) for s in source.series] == [("CT", 3, 3), ("SEG", 1, 3)]
        assert source.series[0].frame == source.series[1].frame != ""
        assert source.others == 1
