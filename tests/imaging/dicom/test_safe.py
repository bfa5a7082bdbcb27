"""Files that lie: depth, sizes, transfer syntaxes, bombs. Each must end in one clear error and little memory."""

from __future__ import annotations

import contextlib
import io
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from tests.imaging.dicom_maker import phantom_hu, series, slice_file
from vertherm.core.errors import InputError
from vertherm.imaging.dicom.codestream import stated
from vertherm.imaging.dicom.pixels import Decoder
from vertherm.imaging.dicom.safe import Limits, is_dicom, read_dataset, read_header
from vertherm.imaging.read import read_ct

MIB = 2**20


def peak_mib(run: object) -> float:
    """Largest memory that Python held during ``run``, in MiB."""
    tracemalloc.start()
    try:
        run()  # type: ignore[operator]
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def one(path: Path, **more: object) -> Path:
    slice_file(path, phantom_hu()[0] + 1024, (0, 0, 0), series="1.2.3", **more)  # type: ignore[arg-type]
    return path


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element in explicit VR little endian with a long length."""
    return struct.pack("<HH2sHI", group, number, vr, 0, len(value) if length is None else length) + value


def nested(depth: int, defined: bool) -> bytes:
    """A sequence in a sequence in a sequence."""
    value = b""
    for _ in range(depth):
        if defined:
            item = struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
            value = element(0x0040, 0xA730, b"SQ", item)
        else:
            item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + value + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
            value = element(0x0040, 0xA730, b"SQ", item + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF)
    return value


@pytest.mark.parametrize("defined", [True, False])
@pytest.mark.parametrize("depth", [40, 5000])
def test_deep_nesting_is_refused_without_a_crash(tmp_path: Path, depth: int, defined: bool) -> None:
    if defined and depth == 5000:
        depth = 1000  # lengths grow with the depth
    path = one(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[:-972] + nested(depth, defined))
    with pytest.raises(InputError, match=r"nested too deep|RecursionError"):
        read_dataset(path)


@pytest.mark.parametrize("defined", [True, False])
def test_nesting_of_honest_depth_is_read(tmp_path: Path, defined: bool) -> None:
    path = one(tmp_path / "a.dcm")
    ds = pydicom.dcmread(path)
    del ds.PixelData
    ds.save_as(path)
    path.write_bytes(path.read_bytes() + nested(12, defined))
    assert len(read_dataset(path)[0x0040A730].value) == 1


def test_elements_longer_than_the_file_are_refused_in_little_memory(tmp_path: Path) -> None:
    path = one(tmp_path / "a.dcm")
    data = path.read_bytes()
    path.write_bytes(data + element(0x7FE1, 0x1010, b"OB", b"x", 0xFFFFFFF0))

    def run() -> None:
        with pytest.raises(InputError, match="states 4294967280 bytes"):
            read_dataset(path)

    assert peak_mib(run) < 20


def deflated(path: Path, body: bytes) -> None:
    """A file of the deflated transfer syntax with this data set."""
    ds = pydicom.dcmread(one(path))
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    buffer = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(buffer, ds.file_meta)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(b"\0" * 128 + b"DICM" + buffer.getvalue() + packer.compress(body) + packer.flush())


def test_a_deflated_series_is_read_as_any_other(tmp_path: Path) -> None:
    series(tmp_path / "plain", phantom_hu())
    series(tmp_path / "packed", phantom_hu())
    for file in (tmp_path / "packed").iterdir():
        ds = pydicom.dcmread(file)
        ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        ds.save_as(file)
    assert read_header(next((tmp_path / "packed").iterdir())).Rows == 24
    np.testing.assert_array_equal(read_ct(tmp_path / "packed").data, read_ct(tmp_path / "plain").data)


def test_a_deflated_bomb_is_stopped(tmp_path: Path) -> None:
    """1 GiB of zeros in 1 MiB: the reader holds no more than its limit."""
    path = tmp_path / "bomb.dcm"
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated(path, b"")
    head = path.read_bytes()[:-2]
    body = b"".join(packer.compress(bytes(16 * MIB)) for _ in range(64)) + packer.flush()
    path.write_bytes(head + body)
    assert path.stat().st_size < 2 * MIB

    def run() -> None:
        with pytest.raises(InputError, match="deflated DICOM file is larger"):
            read_header(path, Limits(inflated_bytes=32 * MIB))

    assert peak_mib(run) < 20


def test_zeros_without_end_are_given_up(tmp_path: Path) -> None:
    """Zeros are one empty element every eight bytes: without a bound they cost minutes, not memory."""
    path = tmp_path / "a.dcm"
    deflated(path, bytes(8 * MIB))
    for limits in (Limits(reads=10_000), Limits(reads=10_000, inflated_bytes=16 * MIB)):
        with pytest.raises(InputError, match="more elements than are believed"):
            read_dataset(path, limits)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, MIB) + bytes(MIB)
    plain = one(tmp_path / "b.dcm")
    plain.write_bytes(plain.read_bytes() + element(0x7FE1, 0x0010, b"SQ", item))
    with pytest.raises(InputError, match="sequences is larger"):
        read_dataset(plain, Limits(sequence_bytes=MIB))


def test_a_deflated_file_that_ends_early_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    deflated(path, element(0x0040, 0xA730, b"OB", bytes(range(256)) * 8))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        read_dataset(path)


def test_a_file_without_preamble_and_meta_information_is_read(tmp_path: Path) -> None:
    series(tmp_path / "plain", phantom_hu())
    for number, (syntax, implicit) in enumerate((("1.2.840.10008.1.2", True), ("1.2.840.10008.1.2.1", False))):
        folder = tmp_path / str(number)
        folder.mkdir()
        for file in (tmp_path / "plain").iterdir():
            ds = pydicom.dcmread(file)
            bare = pydicom.Dataset({element.tag: element for element in ds})
            pydicom.dcmwrite(folder / file.name, bare, implicit_vr=implicit, little_endian=True)
            assert (folder / file.name).read_bytes()[128:132] != b"DICM"
            assert is_dicom(folder / file.name), syntax
        np.testing.assert_array_equal(read_ct(folder).data, read_ct(tmp_path / "plain").data)


def test_text_is_never_taken_for_dicom(tmp_path: Path) -> None:
    for number, text in enumerate(
        (b"", b"\x08\x00", b"hello world, hello world", b"PK\x03\x04" * 20, bytes(400), b"\x08" + bytes(300))
    ):
        (tmp_path / str(number)).write_bytes(text)
        assert not is_dicom(tmp_path / str(number))
    assert not is_dicom(tmp_path)


@pytest.mark.parametrize(
    ("written", "claimed", "message"),
    [
        ("plain", "1.2.840.10008.1.2.4.90", "does not fit its pixels"),
        ("plain", "1.2.840.10008.1.2.5", "does not fit its pixels"),
        ("rle", "1.2.840.10008.1.2.1", "does not fit its pixels"),
        ("jpeg-ls", "1.2.840.10008.1.2.4.90", "does not fit its pixels"),
        ("jpeg2000", "1.2.840.10008.1.2.4.80", "does not fit its pixels"),
        ("jpeg2000", "1.2.840.10008.1.2.4.70", "does not fit its pixels"),
        ("rle", "1.2.840.10008.1.2.4.70", "does not begin as one|cannot be"),
        ("jpeg2000", "1.2.840.10008.1.2.4.100", "not supported"),
        ("jpeg2000", "1.2.3.4", "not supported"),
    ],
)
def test_a_wrong_transfer_syntax_is_refused(tmp_path: Path, written: str, claimed: str, message: str) -> None:
    path = one(tmp_path / "a.dcm", syntax=written)
    ds = pydicom.dcmread(path)
    old = ds.file_meta.TransferSyntaxUID
    data = path.read_bytes()
    new = claimed.encode() + b"\0" * (len(claimed) % 2)
    at = data.find(old.encode())
    length = len(old) + len(old) % 2
    data = data[: at - 2] + struct.pack("<H", len(new)) + new + data[at + length :]
    path.write_bytes(data)
    with pytest.raises(InputError, match=message), Decoder() as decoder:
        decoder.file(path)


def patched(path: Path, syntax: str, change: object) -> Path:
    """A compressed file whose one frame went through ``change``."""
    one(path, syntax=syntax)
    ds = pydicom.dcmread(path)
    frame = next(generate_frames(ds.PixelData, number_of_frames=1))
    ds.PixelData = encapsulate([change(frame)])  # type: ignore[operator]
    ds.save_as(path)
    return path


def _jpeg2000_bomb(frame: bytes) -> bytes:
    data = bytearray(frame)
    struct.pack_into(">2I", data, 8, 60000, 60000)  # Xsiz, Ysiz
    struct.pack_into(">2I", data, 24, 60000, 60000)  # XTsiz, YTsiz
    return bytes(data)


def _jpeg_bomb(frame: bytes) -> bytes:
    at = next(i for i in range(len(frame)) if frame[i] == 0xFF and frame[i + 1] in (0xC3, 0xF7))
    return frame[: at + 5] + struct.pack(">HH", 60000, 60000) + frame[at + 9 :]


@pytest.mark.parametrize(
    ("syntax", "change"), [("jpeg2000", _jpeg2000_bomb), ("jpeg-lossless", _jpeg_bomb), ("jpeg-ls", _jpeg_bomb)]
)
def test_a_codestream_that_states_gigabytes_never_reaches_the_codec(
    tmp_path: Path, syntax: str, change: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = patched(tmp_path / "a.dcm", syntax, change)
    monkeypatch.setattr(Decoder, "_asked", lambda *_: pytest.fail("the codec was asked"))

    def run() -> None:
        with pytest.raises(InputError, match="states another size") as caught, Decoder() as decoder:
            decoder.file(path)
        assert "60000 x 60000" in str(caught.value)

    assert peak_mib(run) < 20


def test_a_jpeg2000_frame_of_a_million_tiles_is_refused(tmp_path: Path) -> None:
    path = patched(tmp_path / "a.dcm", "jpeg2000", lambda f: f[:24] + struct.pack(">2I", 1, 1) + f[32:])
    data = pydicom.dcmread(path)
    frame = next(generate_frames(data.PixelData, number_of_frames=1))
    assert stated(frame, "x").columns == 20  # 480 tiles are fine
    huge = frame[:8] + struct.pack(">2I", 2000, 2000) + frame[16:]
    with pytest.raises(InputError, match="more tiles"):
        stated(huge, "x")


@given(
    start=st.sampled_from([b"", b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n"]),
    rest=st.binary(max_size=200),
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_state_a_size_or_are_refused(start: bytes, rest: bytes) -> None:
    with contextlib.suppress(InputError):
        found = stated(start + rest, "x")
        assert found.rows >= 0
        assert found.columns >= 0


def test_sizes_that_no_image_has_are_refused_before_decoding(tmp_path: Path) -> None:
    for number, size in enumerate(({"Rows": 65535, "Columns": 2}, {"NumberOfFrames": 2**30})):
        path = one(tmp_path / f"{number}.dcm", **size)

        def run(path: Path = path) -> None:
            with pytest.raises(InputError, match="larger than is believed"), Decoder() as decoder:
                decoder.file(path)

        assert peak_mib(run) < 20


@pytest.mark.parametrize("syntax", ["rle", "jpeg2000"])
def test_many_frames_out_of_few_bytes_are_refused(tmp_path: Path, syntax: str) -> None:
    """Header and codestreams agree, and yet one kilobyte of frames would become a gigabyte of pixels."""
    path = one(tmp_path / "a.dcm", syntax=syntax)
    ds = pydicom.dcmread(path)
    ds.NumberOfFrames, ds.Rows, ds.Columns = 20, 8000, 8000
    ds.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(60)] * 20)
    ds.save_as(path)

    def run() -> None:
        with pytest.raises(InputError, match="1000 times its encoded size"), Decoder() as decoder:
            decoder.file(path)

    assert peak_mib(run) < 20


@pytest.mark.parametrize("syntax", ["plain", "rle", "jpeg2000", "jpeg-ls", "jpeg-lossless"])
def test_truncated_pixels_are_refused(tmp_path: Path, syntax: str) -> None:
    path = one(tmp_path / "a.dcm", syntax=syntax)
    ds = pydicom.dcmread(path)
    if syntax == "plain":
        ds.PixelData = ds.PixelData[:-10]
    else:
        frame = next(generate_frames(ds.PixelData, number_of_frames=1))
        ds.PixelData = encapsulate([frame[:40]])
    ds.save_as(path)
    with pytest.raises(InputError, match=r"cannot be read|does not begin|another size"), Decoder() as decoder:
        decoder.file(path)


def test_a_codec_that_crashes_takes_only_its_own_process_with_it(tmp_path: Path) -> None:
    """Random bytes in a JPEG 2000 codestream end some builds of the codec: the next file must still be decoded."""
    good = one(tmp_path / "good.dcm", syntax="jpeg2000")
    random = np.random.default_rng(5)
    outcomes = []
    with Decoder(Limits(codec_s=10)) as decoder:
        for number in range(30):

            def change(frame: bytes) -> bytes:
                data = bytearray(frame)
                for at in random.integers(50, len(data), 8):
                    data[at] = random.integers(256)
                return bytes(data)

            path = patched(tmp_path / f"{number}.dcm", "jpeg2000", change)
            try:
                outcomes.append(str(decoder.file(path).shape))
            except InputError as error:
                outcomes.append(str(error))
        np.testing.assert_array_equal(decoder.file(good)[0], phantom_hu()[0] + 1024)
    assert all("cannot be" in text or text == "(1, 24, 20)" or "states another" in text for text in outcomes)


def test_a_worker_that_dies_or_hangs_is_said_and_replaced(tmp_path: Path) -> None:
    path = one(tmp_path / "a.dcm", syntax="jpeg-ls")
    with Decoder() as decoder:
        decoder.file(path)
        worker = decoder._worker
        assert worker is not None
        worker.kill()
        worker.wait()
        with pytest.raises(InputError, match="the codec crashed on it"):
            decoder.file(path)
        assert decoder.file(path).shape == (1, 24, 20)
    begin = time.monotonic()
    with pytest.raises(InputError, match=r"no result after 0\.001 s"), Decoder(Limits(codec_s=0.001)) as decoder:
        decoder.file(path)
    assert time.monotonic() - begin < 10


def test_headers_are_read_in_every_storage_of_a_value(tmp_path: Path) -> None:
    path = one(tmp_path / "a.dcm", StudyInstanceUID=generate_uid(), PatientName="Ünïcode^Ñame")
    assert read_header(path).Rows == 24
    with pytest.raises(InputError, match="larger than is believed"):
        read_header(path, Limits(file_bytes=100))
    with pytest.raises(InputError, match="no regular file"):
        read_header(tmp_path)
