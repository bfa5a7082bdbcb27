"""What is written is what was computed: read back by highdicom, our reader and a plain reader of bits; and valid."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from tests.imaging.dicom_objects.conftest import Maker
from tests.servers.dicom_tools import program, violations
from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.geometry.volume import LPS_RAS, Grid, Volume
from vertherm.imaging.dicom.rtstruct import read_rtstruct
from vertherm.imaging.dicom.segmentation import read_segmentation
from vertherm.imaging.dicom_objects import codes
from vertherm.imaging.dicom_objects.documents import write_pdf, write_picture
from vertherm.imaging.dicom_objects.marks import Marks
from vertherm.imaging.dicom_objects.parametric_map import TEMPERATURE, write_parametric_map
from vertherm.imaging.dicom_objects.report_sr import Group, Number, write_report
from vertherm.imaging.dicom_objects.rtstruct import write_rtstruct
from vertherm.imaging.dicom_objects.segmentation import WrittenSegment, write_segmentation
from vertherm.imaging.dicom_objects.source import SourceSeries, source_series
from vertherm.imaging.synthetic_followup import Ellipsoid

NAMES = ("Müller^Jürgen", "Yamada^Tarou=山田^太郎=やまだ^たろう", "A" * 60 + "^B")


def saved(dataset: Any, folder: Path, name: str) -> Path:
    path = folder / f"{name}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def segments(source: SourceSeries) -> list[WrittenSegment]:
    """Overlapping: the lesion lies inside the zone."""
    middle = source.grid.world((np.array(source.grid.shape) - 1) / 2)
    at = (float(middle[0]), float(middle[1]), float(middle[2]))
    lesion, zone = (Ellipsoid(at, half).mask(source.grid) for half in ((10.0, 8.0, 7.0), (20.0, 15.0, 11.0)))
    return [
        WrittenSegment("lesion", codes.LESION, lesion, by_program=False),
        WrittenSegment("isotherm_60", codes.ZONE, zone),
        WrittenSegment("root T12 left", codes.STRUCTURE, lesion, "left"),
        WrittenSegment("vertebra T12", codes.VERTEBRA, zone, by_program=False),
    ]


def plain_bits(path: Path, number: int) -> tuple[NDArray[np.bool_], list[NDArray[np.float64]]]:
    """Frames of a segment and their positions (LPS), by pydicom and numpy alone."""
    ds = pydicom.dcmread(path)
    size = ds.Rows * ds.Columns
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")[: size * int(ds.NumberOfFrames)]
    frames = bits.reshape(-1, ds.Rows, ds.Columns).astype(bool)
    chosen, places = [], []
    for frame, groups in zip(frames, ds.PerFrameFunctionalGroupsSequence, strict=True):
        if groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            chosen.append(frame)
            places.append(np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float))
    return np.array(chosen), places


@pytest.mark.parametrize(("degrees", "frames"), [(0.0, ""), (23.0, ""), (180.0, ""), (23.0, "CT"), (180.0, "MR")])
def test_segments_come_back_voxel_by_voxel(
    series: Maker, marks: Marks, tmp_path: Path, degrees: float, frames: str
) -> None:
    source = series(degrees, frames=frames)
    written = segments(source)
    path = saved(write_segmentation(source, written, marks), tmp_path, "seg")
    assert violations(path) == []
    ours = {item.label: item for item in read_segmentation(path, source.grid)}
    for number, item in enumerate(written, start=1):
        back = np.zeros(source.grid.shape, bool)
        found = ours[item.name].mask
        corner = np.rint(source.grid.index(found.grid.affine[:3, 3])).astype(int)
        window = tuple(slice(c, c + n) for c, n in zip(corner, found.data.shape, strict=True))
        back[window] = found.data
        assert np.array_equal(back, item.mask.data)
        frames, places = plain_bits(path, number)
        for frame, place in zip(frames, places, strict=True):
            index = source.grid.index(LPS_RAS @ place)
            assert np.allclose(index[:2], 0.0, atol=1e-3)
            assert np.array_equal(frame.T, item.mask.data[:, :, round(float(index[2]))])
        assert frames.sum() == item.mask.data.sum()
    volume = hd.seg.segread(path).get_volume(segment_numbers=[1], allow_missing_positions=True)
    assert int(volume.array.sum()) == int(written[0].mask.data.sum())
    assert ours["root T12 left"].side == "left"


def test_segments_say_what_they_are(series: Maker, marks: Marks) -> None:
    source = series()
    ds = write_segmentation(source, segments(source), marks)
    assert ds.SeriesDescription.startswith("SYNTHETIC RESEARCH")
    assert ds.ContentLabel == "RESEARCH"
    assert ds.ReferencedSeriesSequence[0].SeriesInstanceUID == source.first.SeriesInstanceUID
    assert len(ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == source.grid.shape[2]
    assert ds.FrameOfReferenceUID == source.first.FrameOfReferenceUID
    kinds = [item.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator for item in ds.SegmentSequence]
    assert kinds == ["SCT", "99VERTHERM", "99VERTHERM", "SCT"]
    assert [item.SegmentAlgorithmType for item in ds.SegmentSequence] == ["MANUAL", "AUTOMATIC", "AUTOMATIC", "MANUAL"]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_any_alphabet_survive(series: Maker, marks: Marks, tmp_path: Path, name: str) -> None:
    source = series(PatientName=name, SpecificCharacterSet="ISO_IR 192")
    written = segments(source)[:1]
    objects = {
        "seg": write_segmentation(source, written, marks),
        "rt": write_rtstruct(source, written, marks),
        "sr": write_report(source, [Group("lesion", (Number("volume", 1.0, "ml"),))], marks),
    }
    for kind, dataset in objects.items():
        path = saved(dataset, tmp_path, kind)
        assert str(pydicom.dcmread(path).PatientName) == name
        assert [text for text in violations(path) if "PatientName" not in text] == []


def test_the_same_results_are_the_same_objects(series: Maker, marks: Marks, tmp_path: Path) -> None:
    """So that a second run stores no second copy; other results are other objects."""
    source = series()
    first, again = (
        saved(write_segmentation(source, segments(source), marks), tmp_path, name) for name in ("first", "again")
    )
    assert first.read_bytes() == again.read_bytes()
    other = Marks(marks.title, marks.created, marks.synthetic, "other results")
    assert write_segmentation(source, segments(source), other).SOPInstanceUID != pydicom.dcmread(first).SOPInstanceUID
    smaller = segments(source)[:1]
    assert write_segmentation(source, smaller, marks).SOPInstanceUID != pydicom.dcmread(first).SOPInstanceUID


def test_label_map(series: Maker, marks: Marks, tmp_path: Path) -> None:
    source = series()
    lesion = segments(source)[0]
    path = saved(write_segmentation(source, [lesion], marks, labelmap=True), tmp_path, "map")
    found = read_segmentation(path, source.grid)
    assert [int(item.mask.data.sum()) for item in found if item.number == 1] == [int(lesion.mask.data.sum())]
    with pytest.raises(InputError, match="Overlapping"):
        write_segmentation(source, segments(source), marks, labelmap=True)


@pytest.mark.parametrize("frames", ["", "CT", "MR"])
def test_field_on_its_own_grid_comes_back_exactly(series: Maker, marks: Marks, tmp_path: Path, frames: str) -> None:
    source = series(23.0, frames=frames)
    grid = Grid.isotropic(np.array([-10.0, -20.0, 5.0]), np.array([14.0, 0.0, 16.0]), 1.25, source.grid.frame)
    field = Volume(np.random.default_rng(2).uniform(36.9, 104.0, grid.shape).astype(np.float32), grid)
    path = saved(write_parametric_map(source, field, TEMPERATURE, marks, what="peak"), tmp_path, "pm")
    assert violations(path) == []
    ds = pydicom.dcmread(path)
    pixels = np.frombuffer(ds.FloatPixelData, np.float32).reshape(grid.shape[2], grid.shape[1], grid.shape[0])
    layers = []
    for groups in ds.PerFrameFunctionalGroupsSequence:
        index = grid.index(LPS_RAS @ np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float))
        assert np.allclose(index[:2], 0.0, atol=1e-4)
        layers.append(round(float(index[2])))
    assert sorted(layers) == list(range(grid.shape[2]))
    assert np.array_equal(pixels[np.argsort(layers)].transpose(2, 1, 0), field.data)
    mapping = ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "Cel"
    assert ds.ContentQualification == "RESEARCH"


def test_field_with_holes_is_refused(series: Maker, marks: Marks) -> None:
    source = series()
    field = Volume(np.full(source.grid.shape, np.nan, np.float32), source.grid)
    with pytest.raises(InputError, match="not finite"):
        write_parametric_map(source, field, TEMPERATURE, marks, what="peak")


@pytest.mark.parametrize(("degrees", "frames"), [(0.0, ""), (23.0, ""), (23.0, "CT"), (180.0, "MR")])
def test_contours_come_back_as_the_mask(
    series: Maker, marks: Marks, tmp_path: Path, degrees: float, frames: str
) -> None:
    """A ring: the hole is a contour of its own."""
    source = series(degrees, frames=frames)
    lesion, zone = (item.mask for item in segments(source)[:2])
    ring = zone.with_data(zone.data & ~lesion.data)
    path = saved(write_rtstruct(source, [WrittenSegment("ring", codes.ZONE, ring)], marks), tmp_path, "rt")
    assert violations(path) == []
    ds = pydicom.dcmread(path)
    texts = [str(x) for row in ds.ROIContourSequence[0].ContourSequence for x in row.ContourData]
    assert max(len(text) for text in texts) <= 16
    (back,) = read_rtstruct(path, source.image)
    found = np.zeros(source.grid.shape, bool)
    corner = np.rint(source.grid.index(back.mask.grid.affine[:3, 3])).astype(int)
    found[tuple(slice(c, c + n) for c, n in zip(corner, back.mask.data.shape, strict=True))] = back.mask.data
    assert np.array_equal(found, ring.data)


@pytest.mark.parametrize("frames", ["", "CT", "MR"])
def test_report_says_the_marks_first_and_refers_to_segments(
    series: Maker, marks: Marks, tmp_path: Path, frames: str
) -> None:
    source = series(frames=frames)
    segmentation = write_segmentation(source, segments(source), marks)
    numbers = (Number("minimal margin", -0.4, "mm"), Number("gone", float("nan"), "mm"))
    warm = (Number("peak temperature", 44.51, "°C"),)
    groups = [
        Group("lesion", numbers, (("status", "not covered"),), 1),
        Group("root T12 left", warm, (("status", "warn"), ("limit", "")), 3, "left"),
    ]
    path = saved(write_report(source, groups, marks, segmentation=segmentation), tmp_path, "sr")
    assert violations(path) == []
    done = subprocess.run([program("dsrdump"), str(path)], capture_output=True, text=True, check=True)
    text = done.stdout
    assert text.index("read this first") < text.index("minimal margin")
    for words in ("SYNTHETIC", "perfusion of bone", '"-0.4" (mm,UCUM', '"44.51" (Cel,UCUM', '"not covered"', '"Left"'):
        assert words in text
    assert "gone" not in text
    assert text.count("Referenced Segment") == 2


def test_values_that_differ_have_codes_that_differ() -> None:
    """Signs and other alphabets leave nothing of a value in a code; an empty code is invalid."""
    values = ["-5 mm", "5 mm", "≥ 5 mm", "< 5 mm", "治療後", "24 h", "24 H.", "a" * 30, "a" * 31]
    found = [codes.own(value, value).value for value in values]
    assert len(set(found)) == len(found)
    assert all(0 < len(code) <= 16 for code in found)


def test_long_words_are_not_cut(series: Maker, marks: Marks, tmp_path: Path) -> None:
    reason = "contrast to noise 2.1 between the middle of the zone and its surroundings at best, 4 needed, and more"
    dataset = write_report(series(), [Group("治療後", (), (("no treated zone because", reason),))], marks)
    path = saved(dataset, tmp_path, "long")
    assert violations(path) == []
    said = [
        item.ConceptCodeSequence[0].CodeMeaning
        for item in pydicom.dcmread(path).ContentSequence[-1].ContentSequence[-1].ContentSequence
        if item.ValueType == "CODE"
    ]
    assert " ".join(said) == reason


@pytest.mark.parametrize("frames", ["", "MR"])
def test_picture_and_report_page(series: Maker, marks: Marks, tmp_path: Path, frames: str) -> None:
    source = series(frames=frames)
    pixels = np.random.default_rng(0).integers(0, 255, (31, 41, 3), dtype=np.uint8)
    path = saved(write_picture(source, pixels, "axial", marks, what="key pictures"), tmp_path, "sc")
    assert violations(path) == []
    back = pydicom.dcmread(path)
    assert np.array_equal(back.pixel_array, pixels)
    assert back.BurnedInAnnotation == "NO"
    page = saved(write_pdf(source, b"%PDF-1.7 made up", "report", marks), tmp_path, "pdf")
    assert violations(page) == []
    assert pydicom.dcmread(page).EncapsulatedDocument.startswith(b"%PDF-1.7")
    with pytest.raises(InputError, match="no PDF"):
        write_pdf(source, b"<html>", "report", marks)


@pytest.mark.parametrize("frames", ["CT", "MR"])
def test_frames_of_a_file_are_referred_to_by_their_numbers(series: Maker, marks: Marks, frames: str) -> None:
    """Shuffled frames: each segment's frame and each contour names the source's frame at its place."""
    source = series(23.0, frames=frames)
    stored = [
        np.array(item.PlanePositionSequence[0].ImagePositionPatient, float)
        for item in source.first.PerFrameFunctionalGroupsSequence
    ]
    dataset = write_segmentation(source, segments(source), marks)
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        (reference,) = groups.DerivationImageSequence[0].SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == source.first.SOPInstanceUID
        place = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        assert np.allclose(stored[int(reference.ReferencedFrameNumber) - 1], place, atol=1e-4)
    contours = write_rtstruct(source, segments(source)[:1], marks)
    for contour in contours.ROIContourSequence[0].ContourSequence:
        (reference,) = contour.ContourImageSequence
        first = np.array(contour.ContourData[:3], float)
        normal = np.cross(*np.array(source.planes[0].orientation).reshape(2, 3))
        assert (first - stored[reference.ReferencedFrameNumber - 1]) @ normal == pytest.approx(0.0, abs=1e-3)
    assert len(contours.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
               .RTReferencedSeriesSequence[0].ContourImageSequence) == 1  # fmt: skip


def test_several_multi_frame_files_are_refused(series: Maker, tmp_path: Path) -> None:
    uid = "1.2.826.0.1.3680043.8.498.7"
    for number in (1, 2):
        series(name=f"part{number}", frames="CT", SeriesInstanceUID=uid, StudyInstanceUID="1.2.3.4")
    folder = tmp_path / "both"
    folder.mkdir()
    for number in (1, 2):
        ds = pydicom.dcmread(tmp_path / f"part{number}" / "all.dcm")
        for k, groups in enumerate(ds.PerFrameFunctionalGroupsSequence):
            groups.PlanePositionSequence[0].ImagePositionPatient = [0.0, 0.0, 2.5 * (k + 14 * number)]
        ds.save_as(folder / f"{number}.dcm")
    with pytest.raises(InputError, match="one multi-frame file"):
        source_series(folder)


def test_series_that_cannot_be_referred_to(series: Maker, marks: Marks) -> None:
    with pytest.warns(ImagingWarning, match="different images"), pytest.raises(InputError, match="UID"):
        series(name="twins", SOPInstanceUID="1.2.3")
    source = series()
    empty = Volume(np.zeros(source.grid.shape, bool), source.grid)
    with pytest.raises(InputError, match="holds no voxel"):
        write_segmentation(source, [WrittenSegment("lesion", codes.LESION, empty)], marks)
