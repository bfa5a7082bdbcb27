"""Random damage and hostile archives: a result or an InputError, nothing written elsewhere, memory bounded."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.imaging.dicom.test_rtstruct import circle, ct_of
from tests.imaging.dicom.test_safe import nested
from tests.imaging.dicom_maker import enhanced_file, phantom_hu, rtstruct_file, seg_file, series, slice_file
from tests.shared_data import need
from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.imaging.dicom.pixels import Decoder
from vertherm.imaging.dicom.rtstruct import read_rtstruct
from vertherm.imaging.dicom.safe import Limits
from vertherm.imaging.dicom.segmentation import read_segmentation
from vertherm.imaging.dicom.series import read_dicom_ct
from vertherm.imaging.dicom.source import open_source

MIB = 2**20
LIMITS = Limits(pixel_bytes=64 * MIB, inflated_bytes=16 * MIB, total_bytes=64 * MIB, codec_s=20)
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
KINDS = ("ct", "enhanced", "seg", "rtstruct", "deflated", "rle")


@cache
def originals() -> dict[str, bytes]:
    """One small honest file of each kind."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        slice_file(place / "ct.dcm", phantom_hu()[0] + 1024, (0, 0, 0), series="1.2.3")
        slice_file(place / "rle.dcm", phantom_hu()[0] + 1024, (0, 0, 0), series="1.2.3", syntax="rle")
        enhanced_file(place / "enhanced.dcm", phantom_hu(4) + 1024, [(0, 0, 2.0 * k) for k in range(4)])
        rtstruct_file(place / "rtstruct.dcm", {"a": [circle(5, 0, 104, 10, 12)], "b": [circle(5, 0, 106, 10, 9)]})
        series(place / "s", phantom_hu(3, 8, 8))
        seg_file(place / "seg.dcm", sorted((place / "s").iterdir()), np.ones((3, 8, 8, 2), np.uint8), ["a", "b"])
        ds = pydicom.dcmread(place / "ct.dcm")
        ds.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
        ds.save_as(place / "deflated.dcm")
        return {kind: (place / f"{kind}.dcm").read_bytes() for kind in KINDS}


def readers(kind: str) -> list[Callable[[Path], Any]]:
    if kind == "seg":
        return [lambda p: read_segmentation(p, limits=LIMITS)]
    if kind == "rtstruct":
        return [lambda p: read_rtstruct(p, ct_of(), limits=LIMITS)]
    return [lambda p: read_dicom_ct(p, limits=LIMITS), decoded]


def decoded(path: Path) -> Any:
    with Decoder(LIMITS) as decoder:
        return decoder.file(path)


def listed(path: Path) -> Any:
    with open_source(path, limits=LIMITS) as source:
        return source.series


def survives(path: Path, *run: Callable[[Path], Any]) -> float:
    """Peak memory in MiB over all readers; each may only return or raise an InputError."""
    tracemalloc.start()
    try:
        for one in (listed, *run):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ImagingWarning)
                with suppress(InputError):
                    one(path)
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@EXAMPLES
def test_flipped_bytes_and_cut_files(kind: str, data: st.DataObject) -> None:
    content = bytearray(originals()[kind])
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "a.dcm")
        path.write_bytes(content)
        assert survives(path, *readers(kind)) < 200
        assert [p.name for p in Path(place).iterdir()] == ["a.dcm"]


@given(depth=st.integers(0, 400), defined=st.booleans(), at=st.integers(0, 10**6), kind=st.sampled_from(KINDS[:4]))
@EXAMPLES
def test_random_nesting(depth: int, defined: bool, at: int, kind: str) -> None:
    content = originals()[kind]
    at = 132 + at % (len(content) - 132)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "a.dcm")
        path.write_bytes(content[:at] + nested(min(depth, 150 if defined else 400), defined) + content[at:])
        assert survives(path, *readers(kind)) < 200


NAMES = st.one_of(
    st.sampled_from(
        ["../up.dcm", "ABSOLUTE/x.dcm", "C:\\a.dcm", "..\\..\\b.dcm", "a/../../c.dcm", "con", ".hidden.dcm", "/"]
    ),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60),
)


@given(
    members=st.lists(st.tuples(NAMES, st.sampled_from((*KINDS, "text", "zip", "empty"))), max_size=8),
    damage=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3),
)
@EXAMPLES
def test_hostile_archives(members: list[tuple[str, str]], damage: list[tuple[float, int]]) -> None:
    contents = {**originals(), "text": b"x" * 300, "zip": b"PK\x03\x04" + bytes(60), "empty": b""}
    with tempfile.TemporaryDirectory() as place:
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # names given twice
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
                for name, kind in members:
                    # A full path into the folder that is looked at afterwards.
                    out.writestr(name.replace("ABSOLUTE", place), contents[kind])
        packed = bytearray(buffer.getvalue())
        for where, value in damage:
            packed[int(where * (len(packed) - 1))] = value
        archive = Path(place, "a.zip")
        archive.write_bytes(packed)
        before, old = tempfile.tempdir, Path(place, "temporary")
        old.mkdir()
        tempfile.tempdir = str(old)
        try:
            assert survives(archive, *readers("ct")) < 200
        finally:
            tempfile.tempdir = before
        assert sorted(p.name for p in Path(place).rglob("*")) == ["a.zip", "temporary"]


def test_a_bomb_of_an_archive_costs_what_the_limits_say(tmp_path: Path) -> None:
    """2 GiB of zeros behind a DICOM preamble in 2 MiB: stopped at the ratio, with one chunk in memory."""
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out, out.open("a.dcm", "w", force_zip64=True) as member:
        member.write(bytes(128) + b"DICM")
        for _ in range(128):
            member.write(bytes(16 * MIB))
    assert archive.stat().st_size < 3 * MIB

    def run(path: Path) -> None:
        with open_source(path, limits=Limits(ratio_free_bytes=64 * MIB, ratio=20)):
            pytest.fail("it was unpacked")

    tracemalloc.start()
    with pytest.raises(InputError, match="times its packed size"):
        run(archive)
    peak = tracemalloc.get_traced_memory()[1] / MIB
    tracemalloc.stop()
    assert peak < 20


@pytest.mark.data
@given(data=st.data())
@settings(EXAMPLES, max_examples=25)
def test_damage_to_a_real_compressed_slice(data: st.DataObject) -> None:
    """JPEG 2000 by a C++ codec that may crash: only its own process, and only this file is refused."""
    folder = need("totalseg_dicom_T11T12")
    content = bytearray((folder / "ct_00.dcm").read_bytes())
    for _ in range(data.draw(st.integers(1, 10))):
        content[data.draw(st.integers(2000, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as place:
        Path(place, "a.dcm").write_bytes(content)
        Path(place, "b.dcm").write_bytes((folder / "ct_01.dcm").read_bytes())
        assert survives(Path(place), *readers("ct")) < 300
