"""MR series, enhanced multi-frame files, archives as sources, and UIDs that are blank or given twice."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from tests.imaging.dicom_maker import FRAME, enhanced_file, group, phantom_hu, series, slice_file
from tests.shared_data import need
from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.dicom.series import read_dicom_ct
from vertherm.imaging.orient import axis_codes, reoriented
from vertherm.imaging.read import read_ct, read_mr

MR = {"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}


def zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(folder.rglob("*")):
            out.write(file, file.relative_to(folder))
    return archive


def test_an_archive_gives_what_its_folder_gives(tmp_path: Path) -> None:
    series(tmp_path / "ct" / "a", phantom_hu())
    archive = zipped(tmp_path / "ct", tmp_path / "ct.zip")
    folder, packed = read_ct(tmp_path / "ct"), read_ct(archive)
    np.testing.assert_array_equal(packed.data, folder.data)
    np.testing.assert_array_equal(packed.grid.affine, folder.grid.affine)
    assert packed.grid.frame == FRAME
    assert packed.source == str(archive)


def test_an_mr_series_needs_no_rescale_and_no_hounsfield_units(tmp_path: Path) -> None:
    stored = np.random.default_rng(1).integers(0, 4000, (5, 24, 20)).astype(np.uint16)
    absent = {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None}
    uid = generate_uid()
    for k in (3, 0, 4, 1, 2):
        slice_file(tmp_path / f"{k}.dcm", stored[k], (-20, -30, 100 + 4.0 * k), series=uid, **MR, **absent)
    mr = read_mr(tmp_path)
    np.testing.assert_array_equal(mr.data, stored.transpose(2, 1, 0))
    np.testing.assert_allclose(mr.grid.spacing_mm, [2.0, 1.5, 4.0])
    np.testing.assert_allclose(mr.grid.world([0, 0, 0]), [20, 30, 100])
    np.testing.assert_array_equal(read_mr(zipped(tmp_path, tmp_path.parent / "mr.zip")).data, mr.data)
    np.testing.assert_array_equal(read_mr(tmp_path / "2.dcm").data, mr.data)
    with pytest.raises(InputError, match="no CT image here"):
        read_ct(tmp_path)


def test_an_mr_is_scaled_where_it_says_how_and_refused_with_a_gap(tmp_path: Path) -> None:
    uid = generate_uid()
    for k in range(6):
        stored = np.full((8, 8), 10 * k + 5)
        slice_file(
            tmp_path / f"{k}.dcm", stored, (0, 0, 3.0 * k), series=uid, RescaleSlope=0.5, RescaleIntercept=2, **MR
        )
    np.testing.assert_allclose(read_mr(tmp_path).data[0, 0], [4.5, 9.5, 14.5, 19.5, 24.5, 29.5])
    (tmp_path / "1.dcm").unlink()
    with pytest.raises(InputError, match="Slices of the MR series are missing"):
        read_mr(tmp_path)
    series(tmp_path / "ct", phantom_hu())
    with pytest.raises(InputError, match="There is no MR image here"):
        read_mr(tmp_path / "ct")


def test_what_is_no_mr_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no DICOM image here"):
        read_mr(tmp_path)
    (tmp_path / "mr.nrrd").write_text("NRRD0004")
    with pytest.raises(InputError, match="format that is not read"):
        read_mr(tmp_path / "mr.nrrd")
    with pytest.raises(InputError, match="no such image file"):
        read_mr(tmp_path / "absent")


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_frames_of_an_enhanced_file_go_by_the_rules_of_slices(tmp_path: Path, modality: str) -> None:
    """Shuffled frames, rescale shared or by frame: the volume of the single-frame series, voxel by voxel."""
    hu = phantom_hu(7)
    series(tmp_path / "single", hu)
    order = np.random.default_rng(0).permutation(7)
    positions = [(-20, -30, 100 + 2.5 * k) for k in order]
    enhanced_file(tmp_path / "multi.dcm", hu[order] + 1024, positions, modality=modality)
    read = read_ct if modality == "CT" else read_mr
    multi, single = read(tmp_path / "multi.dcm"), read_ct(tmp_path / "single")
    np.testing.assert_array_equal(multi.data, single.data)
    np.testing.assert_allclose(multi.grid.affine, single.grid.affine)
    assert multi.grid.frame == FRAME
    # Rescale by frame: the frame's own group comes before the shared one.
    ds = pydicom.dcmread(tmp_path / "multi.dcm")
    for item in ds.PerFrameFunctionalGroupsSequence:
        own = group(RescaleSlope=2.0, RescaleIntercept=-1024.0, RescaleType="HU")
        item.PixelValueTransformationSequence = pydicom.Sequence([own])
    ds.PixelData = ((hu[order] + 1024) // 2).astype(np.uint16).tobytes()
    ds.save_as(tmp_path / "own.dcm")
    (tmp_path / "multi.dcm").unlink()
    np.testing.assert_array_equal(read(tmp_path / "own.dcm").data, (single.data + 1024) // 2 * 2 - 1024)


def test_an_enhanced_file_with_a_gap_a_double_or_without_rescale_is_refused(tmp_path: Path) -> None:
    hu = phantom_hu(5) + 1024
    cases = {
        "missing": [(0, 0, 2.5 * k) for k in (0, 1, 3, 4, 5)],
        "Two different slices": [(0, 0, 2.5 * k) for k in (0, 1, 1, 2, 3)],
    }
    for number, (message, positions) in enumerate(cases.items()):
        enhanced_file(tmp_path / f"{number}.dcm", hu, positions)
        with pytest.raises(InputError, match=message):
            read_dicom_ct(tmp_path / f"{number}.dcm")
        (tmp_path / f"{number}.dcm").unlink()
    enhanced_file(tmp_path / "n.dcm", hu, [(0, 0, 2.5 * k) for k in range(5)], rescale=None)
    with pytest.raises(InputError, match="no RescaleSlope, RescaleIntercept"):
        read_ct(tmp_path / "n.dcm")


def test_an_enhanced_file_with_a_tilted_gantry_is_straightened(tmp_path: Path) -> None:
    angle = np.radians(15.0)
    orientation = (1, 0, 0, 0, np.cos(angle), np.sin(angle))
    hu = phantom_hu(30, 40, 40) + 1024
    enhanced_file(
        tmp_path / "t.dcm", hu, [(0, 0, 3.0 * k) for k in range(30)], orientation=orientation, spacing=(1.0, 1.0)
    )
    with pytest.warns(ImagingWarning, match=r"gantry tilt of 15\.0 degrees"):
        ct = read_ct(tmp_path / "t.dcm")
    axes = ct.grid.affine[:3, :3] / ct.grid.spacing_mm
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)


def test_slices_stacked_askew_beyond_any_gantry_are_refused(tmp_path: Path) -> None:
    """Positions a million millimetres apart within the plane would ask for a grid of that size."""
    uid = generate_uid()
    for k in range(3):
        slice_file(tmp_path / f"{k}.dcm", phantom_hu()[k] + 1024, (1e6 * k, 0, 2.0 * k), series=uid)
    with pytest.raises(InputError, match="stacked askew"):
        read_ct(tmp_path)


def test_one_uid_for_two_images_is_warned_of(tmp_path: Path) -> None:
    hu = phantom_hu()
    uid = series(tmp_path, hu)
    first = pydicom.dcmread(tmp_path / "im000.dcm").SOPInstanceUID
    slice_file(tmp_path / "im006.dcm", hu[1] + 1024, (-20, -30, 115), series=uid, SOPInstanceUID=first)
    with pytest.warns(ImagingWarning, match=r"1 SOP Instance UID\(s\) are carried by different images"):
        ct = read_ct(tmp_path)
    assert ct.data.shape[2] == 7


def test_blank_uids_are_warned_of_and_never_mix_studies(tmp_path: Path) -> None:
    hu = phantom_hu()
    study = generate_uid()
    for k in range(4):
        slice_file(
            tmp_path / f"{k}.dcm", hu[k] + 1024, (0, 0, 2.0 * k), series="", SOPInstanceUID="", StudyInstanceUID=study
        )
    with pytest.warns(ImagingWarning, match=r"4 file\(s\) without SOP Instance UID"):
        assert read_ct(tmp_path).data.shape[2] == 4
    slice_file(tmp_path / "x.dcm", hu[4] + 1024, (0, 0, 8.0), series="", StudyInstanceUID=generate_uid())
    with pytest.raises(InputError, match="come from several studies"):
        read_ct(tmp_path)


@pytest.mark.parametrize(
    ("element", "value", "message"),
    [
        ("PixelSpacing", [0, 1], "geometry of a slice is impossible"),
        ("PixelSpacing", [1], "PixelSpacing of a DICOM file is unusable"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "geometry of a slice is impossible"),
        ("ImageOrientationPatient", [1, 0, 0, 0, 1], "ImageOrientationPatient of a DICOM file is unusable"),
        ("ImagePositionPatient", ["nan", "0", "0"], "unusable|cannot be read"),
        ("SamplesPerPixel", 3, "colour image"),
        ("Rows", 0, "impossible|lacks what places"),
        ("RescaleSlope", "1e300", "not numbers|constant|HU|Hounsfield|cannot"),
    ],
)
def test_impossible_geometry_is_refused(tmp_path: Path, element: str, value: object, message: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom objects to what it is made to write here
        series(tmp_path, phantom_hu(), **{element: value})
    with pytest.raises(InputError, match=message):
        read_ct(tmp_path)


@pytest.mark.data
def test_a_real_series_from_a_zip_with_compressed_slices(tmp_path: Path) -> None:
    folder = need("totalseg_dicom_T11T12")
    archive = tmp_path / "real.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted(folder.glob("*.dcm")):
            out.write(file, f"study/series/{file.name}")
        out.writestr("study/readme.txt", "x")
    with pytest.warns(ImagingWarning, match=r"1 member\(s\) left out: not DICOM"):
        packed = read_ct(archive)
    np.testing.assert_array_equal(packed.data, read_ct(folder).data)


@pytest.mark.data
@pytest.mark.parametrize("folder", ["totalseg_dicom_T11T12", "dcmqi_ct3slice_seg"])
def test_real_series_equal_a_second_reader(folder: str) -> None:
    """SimpleITK with its own codecs: the same HU at the same places, head first and feet first."""
    import SimpleITK

    place = need(folder)
    ct = read_ct(place)
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(place), ct_uid(place))
    image = SimpleITK.ReadImage(list(names))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    other = Volume(
        SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0), Grid(image.GetSize(), np.diag([-1.0, -1, 1, 1]) @ affine)
    )
    other = reoriented(other, axis_codes(ct.grid))
    np.testing.assert_allclose(other.grid.affine, ct.grid.affine, atol=1e-4)
    inside = (other.data > -1024) & (ct.data > -1024)
    assert inside.mean() > 0.5
    np.testing.assert_array_equal(ct.data[inside], other.data[inside])


def ct_uid(place: Path) -> str:
    files = sorted(place.glob("*.dcm"))
    return str(pydicom.dcmread(files[0], stop_before_pixels=True).SeriesInstanceUID)


def test_an_enhanced_file_equals_a_second_reader(tmp_path: Path) -> None:
    import SimpleITK

    enhanced_file(tmp_path / "e.dcm", phantom_hu(5) + 1024, [(-20, -30, 100 + 2.5 * k) for k in range(5)])
    ct = read_ct(tmp_path / "e.dcm")
    image = SimpleITK.ReadImage(str(tmp_path / "e.dcm"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0), ct.data)
    np.testing.assert_allclose(image.GetSpacing(), ct.grid.spacing_mm)
    np.testing.assert_allclose(np.array(image.GetOrigin()) * [-1, -1, 1], ct.grid.world([0, 0, 0]))
