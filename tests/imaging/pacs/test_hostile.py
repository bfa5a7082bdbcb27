"""Answers of archives that lie, break off or want too much."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from tests.imaging.pacs.archives import Series
from tests.imaging.pacs.gateway import gateway
from vertherm.core.errors import InputError
from vertherm.imaging.pacs.archive import StudyQuery, limits_of
from vertherm.imaging.pacs.content import differences
from vertherm.imaging.pacs.dicomweb import DicomwebArchive
from vertherm.imaging.pacs.errors import ArchiveError
from vertherm.imaging.pacs.instance import files_of, read_instance
from vertherm.imaging.pacs.multipart import Message, boundary_of, parts
from vertherm.imaging.pacs.name_match import matches, widened
from vertherm.imaging.pacs.settings import Dicomweb

Make = Callable[..., Series]
BOUNDARY = b"line"


def multipart(*bodies: bytes) -> tuple[str, bytes]:
    head = b"--line\r\nContent-Type: application/dicom\r\n\r\n"
    return "multipart/related; boundary=line", b"".join(head + body + b"\r\n" for body in bodies) + b"--line--\r\n"


def split(data: bytes, most: int = 1 << 20, step: int = 7) -> list[bytes]:
    chunks = (data[at : at + step] for at in range(0, len(data), step))
    found = []
    for stream in parts(chunks, BOUNDARY, io.BytesIO, most):
        assert isinstance(stream, io.BytesIO)
        found.append(stream.getvalue())
    return found


@given(st.lists(st.binary(max_size=60).filter(lambda body: b"--line" not in body), max_size=4), st.integers(1, 50))
@settings(deadline=None)
def test_parts_come_back_whatever_the_chunks(bodies: list[bytes], step: int) -> None:
    if bodies:
        assert split(multipart(*bodies)[1], step=step) == bodies


@given(st.binary(max_size=200), st.integers(1, 40))
@settings(deadline=None)
def test_any_other_bytes_are_refused_or_split(data: bytes, step: int) -> None:
    with suppress(ArchiveError):
        split(data, step=step)


def test_truncated_and_oversized_parts_are_refused() -> None:
    data = multipart(b"x" * 100)[1]
    for length in range(len(data) - 4):
        with pytest.raises(ArchiveError):
            split(data[:length])
    with pytest.raises(ArchiveError, match="larger than allowed"):
        split(data, most=99)
    with pytest.raises(ArchiveError, match="larger than allowed"):
        split(b"--line\r\nX: " + b"y" * 100_000 + data)


def test_a_message_has_the_length_it_states(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    message = Message([tmp_path / "a", tmp_path / "a"])
    data = b"".join(message)
    assert len(data) == len(message)
    chunks = parts([data], boundary_of(message.content_type), io.BytesIO, 99)
    assert [stream.getvalue() for stream in chunks] == [b"abc", b"abc"]  # type: ignore[attr-defined]
    for wrong in ("application/json", "multipart/related", ""):
        with pytest.raises(ArchiveError):
            boundary_of(wrong)


def retrieved(body: tuple[str, bytes], series: Series, folder: Path, **changes: Any) -> list[str]:
    with gateway("http://127.0.0.1:9/x", body=body) as front:
        given = Dicomweb(name="hostile", url=front.url, **changes)
        with DicomwebArchive(given) as there:
            files = there.retrieve(series.study, series.uid, folder, limits_of(given))
    return [file.name for file in files]


@pytest.mark.parametrize(
    "change",
    [
        {"SOPInstanceUID": "../../../evil"},
        {"SOPInstanceUID": "ABSOLUTE/evil"},
        {"SOPInstanceUID": "1." * 40 + "1"},
        {"SOPInstanceUID": ""},
        {"SeriesInstanceUID": "1.2.3"},
        {"StudyInstanceUID": "1.2.3"},
    ],
)
def test_hostile_uids_never_become_file_names(change: dict[str, str], made: Make, tmp_path: Path) -> None:
    series, out = made(1), tmp_path / "out"
    out.mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pydicom.config.disable_value_validation():
        data = pydicom.dcmread(series.files[0])
        for keyword, value in change.items():
            setattr(data, keyword, value.replace("ABSOLUTE", str(tmp_path)))
        buffer = io.BytesIO()
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        pydicom.dcmwrite(buffer, data)
    with pytest.raises(ArchiveError):
        retrieved(multipart(buffer.getvalue()), series, out)
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != "incoming.part"] == before


def test_twice_the_same_instance_or_none_readable_is_refused(made: Make, tmp_path: Path) -> None:
    series = made(1)
    body = series.files[0].read_bytes()
    for number, bodies in enumerate([(body, body), (body[132:],), (b"",), (body[:300],)]):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(ArchiveError):
            retrieved(multipart(*bodies), series, tmp_path / str(number))
    (tmp_path / "good").mkdir()
    assert len(retrieved(multipart(body), series, tmp_path / "good")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>log on</html>",
        b"[1, 2]",
        b'{"0020000D": 5}',
        b'[{"0020000D": {"vr": "UI", "Value": ["../x"]}}]',
        b'[{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "HIDDEN^NAME"}]}}]',
        b'[{"0020000D": {"vr": "SQ", "Value": ["1.2"]}}]',
    ],
)
def test_senseless_answers_to_a_search_are_errors(answer: bytes) -> None:
    with (
        gateway("http://127.0.0.1:9/x", body=("application/dicom+json", answer)) as front,
        DicomwebArchive(Dicomweb(name="hostile", url=front.url)) as there,
        pytest.raises(ArchiveError) as caught,
    ):
        there.find_studies(StudyQuery(patient_id="1"))
    assert "HIDDEN" not in str(caught.value)


def test_an_archive_that_ignores_the_offset_is_asked_twice_and_no_more() -> None:
    row = json.dumps([{"0020000D": {"vr": "UI", "Value": [generate_uid()]}}]).encode()
    with gateway("http://127.0.0.1:9/x", body=("application/dicom+json", row)) as front:
        with DicomwebArchive(Dicomweb(name="x", url=front.url)) as there:
            assert len(there.find_studies(StudyQuery(patient_id="1"))) == 1
        assert len(front.seen) == 2


def test_a_file_without_a_sound_header_is_not_sent(made: Make, tmp_path: Path) -> None:
    series = made(1)
    data = pydicom.dcmread(series.files[0])
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    buffer = io.BytesIO()
    data.save_as(buffer)
    (tmp_path / "two.dcm").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="different instances"):
        read_instance(tmp_path / "two.dcm")


def test_links_are_not_followed(made: Make, tmp_path: Path) -> None:
    series = made(1)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link.dcm").symlink_to(series.files[0])
    with pytest.raises(InputError, match="no DICOM file"):
        files_of([inner])


def test_content_is_compared_by_value_and_pixels_by_voxel(made: Make, tmp_path: Path) -> None:
    series = made(1)
    plain = series.files[0]
    data = pydicom.dcmread(plain)
    data.RetrieveAETitle = "ARCHIVE"
    data.save_as(tmp_path / "noted.dcm")
    assert differences(plain, tmp_path / "noted.dcm") == ()
    data = pydicom.dcmread(plain)
    data.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    data.save_as(tmp_path / "rle.dcm")
    assert differences(plain, tmp_path / "rle.dcm") == ()
    data = pydicom.dcmread(plain)
    data.PixelData = data.PixelData[:-2] + bytes([data.PixelData[-2] ^ 1]) + data.PixelData[-1:]
    data.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    data.save_as(tmp_path / "rle.dcm")
    assert differences(plain, tmp_path / "rle.dcm") == ("PixelData",)
    data = pydicom.dcmread(plain)
    item = pydicom.Dataset()
    item.ReferencedSOPInstanceUID = "1.2"
    data.ReferencedImageSequence = [item]
    del data.Modality
    data.save_as(tmp_path / "more.dcm")
    assert set(differences(plain, tmp_path / "more.dcm")) == {"Modality", "ReferencedImageSequence"}


@given(st.text(alphabet="AÄ山^=*?[]a b", max_size=12))
@settings(deadline=None)
def test_a_widened_name_is_plain_and_no_pattern_breaks_the_comparison(pattern: str) -> None:
    assert widened(pattern).isascii()
    if "*" not in pattern and "?" not in pattern:
        assert matches(pattern, pattern)
