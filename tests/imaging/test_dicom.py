"""DICOM CT series: order, codecs, rescale, gantry tilt, and everything that must be refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from tests.imaging.dicom_maker import FRAME, phantom_hu, series, slice_file
from tests.shared_data import need
from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.imaging.read import read_ct, read_labels


def test_voxels_positions_and_frame_come_out_right(tmp_path: Path) -> None:
    """Every voxel: its HU and its RAS place by hand from the DICOM definition (PS3.3 C.7.6.2.1.1)."""
    hu = phantom_hu()
    series(tmp_path / "ct", hu)
    ct = read_ct(tmp_path / "ct")
    assert ct.grid.frame == FRAME
    assert ct.data.dtype == np.float32
    assert ct.data.shape == (20, 24, 6)
    np.testing.assert_array_equal(ct.data, hu.transpose(2, 1, 0))
    column, row, k = 7, 11, 4
    lps = np.array([-20 + column * 2.0, -30 + row * 1.5, 100 + k * 2.5])
    np.testing.assert_allclose(ct.grid.world([column, row, k]), lps * [-1, -1, 1], atol=1e-6)


def test_one_file_of_the_series_stands_for_all_of_it(tmp_path: Path) -> None:
    series(tmp_path, phantom_hu())
    series(tmp_path, phantom_hu(seed=9)[:, :, ::-1], uid=generate_uid(), first=(0, 0, 0))
    # The second series overwrote the first one's files, so write the first again beside it.
    for file in list(tmp_path.glob("*.dcm")):
        file.rename(file.with_suffix(".second"))
    series(tmp_path, phantom_hu())
    assert read_ct(tmp_path / "im002.dcm").data.shape[2] == 6


def test_feet_first_and_sagittal_stacks_land_at_the_same_places(tmp_path: Path) -> None:
    """The same patient stored with slices along LPS x: values at RAS points must agree with the axial storage."""
    hu = phantom_hu(6, 8, 7)
    series(tmp_path / "a", hu, spacing=(2.0, 2.0), step=(0, 0, 2.0), first=(0, 0, 0))
    # sagittal: rows run down (-z), columns to the back (+y), slices along +x
    turned = hu.transpose(2, 0, 1)[:, ::-1, :]
    orientation = (0, 1, 0, 0, 0, -1)
    series(tmp_path / "b", turned, spacing=(2.0, 2.0), step=(2.0, 0, 0), first=(0, 0, 10.0), orientation=orientation)
    axial, sagittal = read_ct(tmp_path / "a"), read_ct(tmp_path / "b")
    points = axial.grid.centres()
    np.testing.assert_allclose(sagittal.sample(points, order=0), axial.data)


@pytest.mark.parametrize("syntax", ["rle", "jpeg-ls", "jpeg2000", "jpeg-lossless"])
def test_compressed_series_are_identical_to_plain_ones(tmp_path: Path, syntax: str) -> None:
    hu = phantom_hu(4)
    series(tmp_path / "plain", hu)
    series(tmp_path / "packed", hu, syntax=syntax)
    np.testing.assert_array_equal(read_ct(tmp_path / "packed").data, read_ct(tmp_path / "plain").data)


def test_rescale_and_padding(tmp_path: Path) -> None:
    """HU = slope * stored + intercept; padding that is no HU of air holds no data."""
    hu = phantom_hu()
    hu[:, -1, -1] = 0
    padded = np.where(np.arange(24)[:, None] + np.arange(20) == 42, 5000, hu)
    uid = generate_uid()
    for k, image in enumerate(padded):
        stored = np.where(image == 5000, 60000, (image + 1024) * 2)
        slice_file(
            tmp_path / f"{k}.dcm", stored, (0, 0, 3.0 * k), series=uid, RescaleSlope=0.5, PixelPaddingValue=60000
        )
    ct = read_ct(tmp_path)
    np.testing.assert_allclose(ct.data[:-1], hu.transpose(2, 1, 0)[:-1])
    assert (ct.data[-1, -1] == -3024).all()


def test_gantry_tilt_a_slanted_cylinder_comes_out_straight(tmp_path: Path) -> None:
    """A cylinder of radius 9 mm along z through slices tilted by 20 degrees about x.

    In the stack the cylinder wanders by tan(20) of the table travel (29 mm over 80 mm). Resampled, its centre of mass
    in every RAS x-y section must stay at (4, -6) mm within 0.3 mm (pixel 1 mm), and the grid must be orthogonal.
    """
    angle, count, size = np.radians(20.0), 41, 90
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(angle), np.sin(angle)])
    uid = generate_uid()
    for k in range(count):
        corner = np.array([-45.0, -45.0 * np.cos(angle), -45.0 * np.sin(angle) + 2.0 * k])
        r, c = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
        lps = corner + r[..., None] * column + c[..., None] * row
        # soft edge of 1 mm, so that linear interpolation can be exact to a fraction of a pixel
        depth = 9.0 - np.hypot(lps[..., 0] + 4.0, lps[..., 1] - 6.0)
        hu = np.clip(depth + 0.5, 0, 1) * 500 - 100
        slice_file(
            tmp_path / f"{k}.dcm", np.rint(hu) + 1024, corner, series=uid, orientation=(*row, *column), spacing=(1, 1)
        )
    with pytest.warns(ImagingWarning, match=r"gantry tilt of 20\.0 degrees"):
        ct = read_ct(tmp_path)
    axes = ct.grid.affine[:3, :3] / ct.grid.spacing_mm
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    x, y = np.meshgrid(np.arange(-20, 30, 0.5), np.arange(-30, 20, 0.5), indexing="ij")
    for z in (15.0, 40.0, 65.0):
        weight = np.clip(ct.sample(np.stack([x, y, np.full(x.shape, z)], -1), outside=-100.0) + 100, 0, None)
        centre = [(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()]
        np.testing.assert_allclose(centre, [4.0, -6.0], atol=0.3)
        area = weight.sum() / 500 * 0.25
        assert area == pytest.approx(np.pi * 81, rel=0.03)


def test_without_tilt_nothing_is_resampled_and_nothing_warned(tmp_path: Path) -> None:
    series(tmp_path, phantom_hu())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_ct(tmp_path)


def test_a_missing_slice_is_refused_and_said_where(tmp_path: Path) -> None:
    hu = phantom_hu(8)
    uid = generate_uid()
    for k in (0, 1, 2, 4, 5, 6, 7):
        slice_file(tmp_path / f"{k}.dcm", hu[k] + 1024, (0, 0, 2.5 * k), series=uid)
    with pytest.raises(InputError, match=r"missing") as caught:
        read_ct(tmp_path)
    assert "5.00 mm between the slices at 5.00 and 10.00 mm" in str(caught.value)
    assert "1 missing" in str(caught.value)


def test_uneven_spacing_is_refused(tmp_path: Path) -> None:
    uid = generate_uid()
    for k, z in enumerate([0, 2.5, 5.0, 7.9, 10.4]):
        slice_file(tmp_path / f"{k}.dcm", phantom_hu()[k] + 1024, (0, 0, z), series=uid)
    with pytest.raises(InputError, match="unevenly spaced"):
        read_ct(tmp_path)


def test_an_identical_duplicate_is_left_out_with_a_warning(tmp_path: Path) -> None:
    hu = phantom_hu()
    uid = series(tmp_path, hu)
    slice_file(tmp_path / "again.dcm", hu[2] + 1024, (-20, -30, 105.0), series=uid)
    with pytest.warns(ImagingWarning, match="1 duplicate slice"):
        ct = read_ct(tmp_path)
    np.testing.assert_array_equal(ct.data, hu.transpose(2, 1, 0))


def test_a_conflicting_duplicate_is_refused(tmp_path: Path) -> None:
    hu = phantom_hu()
    uid = series(tmp_path, hu)
    slice_file(tmp_path / "other.dcm", hu[3] + 1024, (-20, -30, 105.0), series=uid)
    with pytest.raises(InputError, match="Two different slices lie at the same place"):
        read_ct(tmp_path)


def test_several_series_are_listed_and_one_can_be_chosen(tmp_path: Path) -> None:
    first = series(tmp_path / "a", phantom_hu())
    second = series(tmp_path / "b", phantom_hu(5, seed=8), SeriesDescription="bone kernel")
    with pytest.raises(InputError, match="several CT series") as caught:
        read_ct(tmp_path)
    text = str(caught.value)
    assert first in text
    assert second in text
    assert "5 slices, 'bone kernel'" in text
    assert read_ct(tmp_path, series_uid=second).data.shape[2] == 5
    with pytest.raises(InputError, match="no CT series of this UID"):
        read_ct(tmp_path, series_uid="1.2.3")


def test_what_is_not_ct_is_refused(tmp_path: Path) -> None:
    series(tmp_path / "mr", phantom_hu(), Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    with pytest.raises(InputError, match="no CT image here") as caught:
        read_ct(tmp_path / "mr")
    assert "MR (MR Image Storage)" in str(caught.value)
    series(tmp_path / "sc", phantom_hu(), SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    with pytest.raises(InputError, match="no CT image here"):
        read_ct(tmp_path / "sc")
    series(tmp_path / "scout", phantom_hu(), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(InputError, match="no CT image here"):
        read_ct(tmp_path / "scout")


def test_a_scout_beside_the_series_does_not_disturb(tmp_path: Path) -> None:
    uid = series(tmp_path, phantom_hu())
    slice_file(
        tmp_path / "scout.dcm",
        phantom_hu()[0] + 1024,
        (0, 0, 0),
        series=uid,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )
    assert read_ct(tmp_path).data.shape[2] == 6


def test_empty_folders_and_folders_of_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no DICOM image here") as caught:
        read_ct(tmp_path)
    assert "an empty folder" in str(caught.value)
    (tmp_path / "readme.txt").write_text("nothing here")
    with pytest.raises(InputError, match="no DICOM image here"):
        read_ct(tmp_path)
    with pytest.raises(InputError, match="There is no CT here"):
        read_ct(tmp_path / "absent")
    with pytest.raises(InputError, match="cannot be read"):
        read_ct(tmp_path / "readme.txt")


@pytest.mark.parametrize(
    ("syntax", "keep"), [("plain", 0.7), ("jpeg-ls", 0.6), ("rle", 0.6), ("plain", 0.4), ("plain", 0.1), ("plain", 0.0)]
)
def test_a_truncated_slice_is_refused_by_name(tmp_path: Path, syntax: str, keep: float) -> None:
    series(tmp_path, phantom_hu(), syntax=syntax)
    for name in ("im003.dcm", "im000.dcm"):
        broken = tmp_path / name
        data = broken.read_bytes()
        broken.write_bytes(data[: int(len(data) * keep)])
        with pytest.raises(InputError, match=r"cannot be read|lacks what places") as caught:
            read_ct(tmp_path)
        assert name in str(caught.value)
        broken.write_bytes(data)


def test_slices_that_lack_scale_or_place_are_refused(tmp_path: Path) -> None:
    series(tmp_path / "a", phantom_hu(), RescaleIntercept=None)
    with pytest.raises(InputError, match="lacks what places or scales it"):
        read_ct(tmp_path / "a")
    series(tmp_path / "b", phantom_hu(), RescaleType="OD")
    with pytest.raises(InputError, match="not in Hounsfield units"):
        read_ct(tmp_path / "b")


def test_mixed_geometry_frames_and_single_slices_are_refused(tmp_path: Path) -> None:
    hu = phantom_hu()
    uid = series(tmp_path / "a", hu)
    slice_file(tmp_path / "a" / "x.dcm", hu[0] + 1024, (0, 0, 300), series=uid, orientation=(0, 1, 0, 0, 0, -1))
    with pytest.raises(InputError, match="do not fit each other"):
        read_ct(tmp_path / "a")
    uid = series(tmp_path / "b", hu)
    slice_file(tmp_path / "b" / "x.dcm", hu[0] + 1024, (-20, -30, 115), series=uid, FrameOfReferenceUID=generate_uid())
    with pytest.raises(InputError, match="several frames of reference"):
        read_ct(tmp_path / "b")
    series(tmp_path / "c", hu[:1])
    with pytest.raises(InputError, match="at least two slices"):
        read_ct(tmp_path / "c")


def test_stored_values_without_offset_are_refused(tmp_path: Path) -> None:
    series(tmp_path, phantom_hu(), RescaleIntercept=0)
    with pytest.raises(InputError, match="without the rescale offset"):
        read_ct(tmp_path)


def test_an_enhanced_ct_that_places_no_frame_is_refused(tmp_path: Path) -> None:
    series(tmp_path, phantom_hu(), SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1")
    with pytest.raises(InputError, match="does not place all its frames"):
        read_ct(tmp_path)


@pytest.mark.data
def test_a_real_jpeg2000_series_agrees_with_its_own_labels() -> None:
    """Siemens, 20 slices: labels of the same scan (NIfTI, other storage order) must fall on the right tissue."""
    folder = need("totalseg_dicom_T11T12")
    assert pydicom.dcmread(folder / "ct_00.dcm", stop_before_pixels=True).file_meta.TransferSyntaxUID.is_compressed
    ct = read_ct(folder)
    labels = read_labels(folder / "seg_total117.nii.gz", ct)
    assert ct.data.shape == (512, 512, 20)
    np.testing.assert_allclose(ct.grid.spacing_mm, [0.9765625, 0.9765625, 2.0])
    liver, vertebra, aorta = (float(ct.data[labels.data == code].mean()) for code in (5, 32, 52))
    assert 60 < liver < 130  # contrast was given
    assert vertebra > 180
    assert 100 < aorta < 200
    centre = {code: ct.grid.world(np.argwhere(labels.data == code).mean(0)) for code in (5, 1)}
    assert centre[5][0] > 0 > centre[1][0]  # liver on the right, spleen on the left


@pytest.mark.data
def test_a_folder_with_ct_and_segmentation_gives_the_ct() -> None:
    ct = read_ct(need("dcmqi_ct3slice_seg"))
    assert ct.data.shape[2] == 3
    with pytest.raises(InputError, match="no CT image here"):
        read_ct(need("dcmqi_ct3slice_seg/dcmqi_liver.dcm"))
