"""SEG: binary, fractional, label map; overlap, frames, other lattices, a real file and its second reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from tests.imaging.dicom_maker import FRAME, phantom_hu, seg_file, series
from tests.shared_data import need
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.dicom.segment import onto
from vertherm.imaging.dicom.segmentation import read_segmentation
from vertherm.imaging.orient import reoriented
from vertherm.imaging.read import read_ct

ORIENTATIONS = {
    "axial": ((1, 0, 0, 0, 1, 0), (0, 0, 2.5)),
    "feet first": ((1, 0, 0, 0, 1, 0), (0, 0, -2.5)),
    "sagittal": ((0, 1, 0, 0, 0, -1), (2.5, 0, 0)),
    "oblique": ((0.8, 0.6, 0, 0, 0, -1), (-1.5, 2.0, 0)),
}


def made(folder: Path, orientation: str = "axial") -> tuple[Volume, list[Path], np.ndarray]:
    """A CT, its files in slice order, and two overlapping random masks (slice, row, column, segment)."""
    cosines, step = ORIENTATIONS[orientation]
    series(folder / "ct", phantom_hu(), orientation=cosines, step=step)
    files = sorted((folder / "ct").iterdir(), key=lambda f: pydicom.dcmread(f).InstanceNumber)
    masks = np.random.default_rng(2).random((6, 24, 20, 2)) < 0.3
    return read_ct(folder / "ct"), files, masks.astype(np.uint8)


def as_ct(mask: np.ndarray, ct: Volume, files: list[Path]) -> np.ndarray:
    """A mask (slice, row, column) by the files' own positions on the CT's voxels: independent of any SEG reader."""
    out = np.zeros(ct.grid.shape, bool)
    rows, columns = np.meshgrid(np.arange(24), np.arange(20), indexing="ij")
    for image, file in zip(mask, files, strict=True):
        ds = pydicom.dcmread(file)
        cosines = np.array(ds.ImageOrientationPatient, float)
        between_rows, between_columns = map(float, ds.PixelSpacing)
        lps = np.array(ds.ImagePositionPatient, float) + columns[..., None] * between_columns * cosines[:3]
        lps = lps + rows[..., None] * between_rows * cosines[3:]
        index = np.rint(ct.grid.index(lps * [-1, -1, 1])).astype(int)
        out[index[..., 0], index[..., 1], index[..., 2]] = image > 0
    return out


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_every_voxel_of_overlapping_segments_comes_out(tmp_path: Path, kind: str, orientation: str) -> None:
    ct, files, masks = made(tmp_path, orientation)
    values = masks.astype(float) * 0.8 if kind == "FRACTIONAL" else masks
    seg_file(tmp_path / "seg.dcm", files, values, ["L1 vertebra", "lesion"], kind=kind)
    for grid in (ct.grid, ct.canonical().grid, None):
        segments = read_segmentation(tmp_path / "seg.dcm", grid)
        assert [(s.number, s.label, s.kind) for s in segments] == [
            (1, "L1 vertebra", kind.lower()),
            (2, "lesion", kind.lower()),
        ]
        for n, segment in enumerate(segments):
            found = on_grid(onto(segment.mask, ct.grid), ct.grid)
            np.testing.assert_array_equal(found, as_ct(masks[..., n], ct, files))
            assert segment.volume_ml == pytest.approx(masks[..., n].sum() * 2.0 * 1.5 * 2.5 / 1000)
            assert segment.mask.grid.frame == FRAME
    assert (masks[..., 0] & masks[..., 1]).any()


def test_a_fractional_segment_keeps_its_field_and_says_its_threshold(tmp_path: Path) -> None:
    ct, files, masks = made(tmp_path)
    field = np.random.default_rng(3).random(masks.shape)
    seg_file(tmp_path / "seg.dcm", files, field, ["zone", "other"], kind="FRACTIONAL")
    segment = read_segmentation(tmp_path / "seg.dcm", ct.grid)[0]
    assert segment.fraction is not None
    assert segment.fraction.data.dtype == np.float32
    stored = np.round(field[..., 0] * 255) / 255
    wanted = stored.transpose(2, 1, 0)
    assert segment.fraction.grid.same_as(segment.mask.grid)
    # The CT's array runs (column, row, slice) along the files' own axes here.
    full = np.zeros(ct.grid.shape, np.float32)
    shift = np.rint(ct.grid.index(segment.fraction.grid.world([0, 0, 0]))).astype(int)
    window = tuple(slice(s, s + n) for s, n in zip(shift, segment.fraction.grid.shape, strict=True))
    full[window] = segment.fraction.data
    np.testing.assert_allclose(full[window], wanted[window], atol=1 / 255)
    np.testing.assert_array_equal(on_grid(segment.mask, ct.grid)[window], (wanted >= 0.5)[window])
    assert "at least 0.5" in " ".join(segment.notes)


def test_a_label_map_gives_its_segments(tmp_path: Path) -> None:
    ct, files, masks = made(tmp_path)
    numbers = (masks[..., 0] + 2 * (masks[..., 1] & ~masks[..., 0] & 1)).astype(np.uint8)
    seg_file(tmp_path / "seg.dcm", files, numbers, ["vertebrae_L1", "vertebrae_L2"], kind="LABELMAP")
    segments = read_segmentation(tmp_path / "seg.dcm", ct.grid)
    assert [(s.number, s.kind) for s in segments] == [(1, "labelmap"), (2, "labelmap")]
    for segment in segments:
        wanted = as_ct(numbers == segment.number, ct, files)
        np.testing.assert_array_equal(on_grid(segment.mask, ct.grid), wanted)


@pytest.mark.parametrize("keep", [[0], [2], [1, 4], [0, 5]])
def test_slices_that_hold_nothing_may_be_left_out(tmp_path: Path, keep: list[int]) -> None:
    ct, files, masks = made(tmp_path)
    masks[[k for k in range(6) if k not in keep]] = 0
    seg_file(tmp_path / "seg.dcm", files, masks, ["a", "b"])
    for n, segment in enumerate(read_segmentation(tmp_path / "seg.dcm", ct.grid)):
        np.testing.assert_array_equal(on_grid(segment.mask, ct.grid), as_ct(masks[..., n], ct, files))


def test_an_empty_segment_is_said(tmp_path: Path) -> None:
    ct, files, masks = made(tmp_path)
    masks[..., 1] = 0
    seg_file(tmp_path / "seg.dcm", files, masks, ["a", "nothing"])
    segments = read_segmentation(tmp_path / "seg.dcm", ct.grid)
    assert segments[1].notes == ("'nothing': an empty segment",)
    assert not segments[1].mask.data.any()


def test_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    ct, files, masks = made(tmp_path)
    other = generate_uid()
    seg_file(tmp_path / "seg.dcm", files, masks, ["a", "b"], FrameOfReferenceUID=other)
    with pytest.raises(InputError, match="different frames of reference") as caught:
        read_segmentation(tmp_path / "seg.dcm", ct.grid)
    assert other in str(caught.value)
    assert FRAME in str(caught.value)


def test_a_missing_frame_of_reference_is_accepted_only_where_the_voxels_agree(tmp_path: Path) -> None:
    ct, files, masks = made(tmp_path)
    seg_file(tmp_path / "seg.dcm", files, masks, ["a", "b"], FrameOfReferenceUID=None)
    segments = read_segmentation(tmp_path / "seg.dcm", ct.grid)
    assert "no frame of reference stated" in segments[0].notes[-1]
    np.testing.assert_array_equal(on_grid(segments[0].mask, ct.grid), as_ct(masks[..., 0], ct, files))
    affine = ct.grid.affine.copy()
    affine[:3, 3] += [0.7, 0, 0]
    with pytest.raises(InputError, match="does not say in which frame of reference"):
        read_segmentation(tmp_path / "seg.dcm", Grid(ct.grid.shape, affine, FRAME))


def test_a_segmentation_beside_the_ct_is_refused_and_one_that_reaches_out_is_said(tmp_path: Path) -> None:
    ct, files, masks = made(tmp_path)
    seg_file(tmp_path / "seg.dcm", files, masks, ["a", "b"])
    affine = ct.grid.affine.copy()
    affine[:3, 3] += [500, 0, 0]
    with pytest.raises(InputError, match="do not overlap"):
        read_segmentation(tmp_path / "seg.dcm", Grid(ct.grid.shape, affine, FRAME))
    half = Grid((10, 24, 6), ct.grid.affine, FRAME)
    segments = read_segmentation(tmp_path / "seg.dcm", half)
    wanted = as_ct(masks[..., 0], ct, files)
    np.testing.assert_array_equal(on_grid(segments[0].mask, half), wanted[:10])
    assert f"{100 * (1 - wanted[:10].sum() / wanted.sum()):.0f} % of it lies outside the CT" in segments[0].notes[0]


def test_a_finer_lattice_is_sampled_at_the_nearest_voxel(tmp_path: Path) -> None:
    ct, files, masks = made(tmp_path)
    seg_file(tmp_path / "seg.dcm", files, masks, ["a", "b"])
    fine = Grid.isotropic(*ct.grid.bounds(), 0.93, FRAME)  # no voxel half-way between two
    found = on_grid(read_segmentation(tmp_path / "seg.dcm", fine)[0].mask, fine)
    index = np.rint(np.round(ct.grid.index(fine.centres()), 6)).astype(int)
    inside = ((index >= 0) & (index < ct.grid.shape)).all(-1)
    index = np.clip(index, 0, np.array(ct.grid.shape) - 1)
    wanted = as_ct(masks[..., 0], ct, files)[index[..., 0], index[..., 1], index[..., 2]] & inside
    np.testing.assert_array_equal(found, wanted)


def test_masks_move_between_lattices_as_the_slow_way_does() -> None:
    random = np.random.default_rng(4)
    grid = Grid((9, 8, 7), np.array([[0, 0, 2, 5], [-1, 0, 0, 3], [0, 3, 0, -2], [0, 0, 0, 1.0]]))
    mask = Volume(random.random((9, 8, 7)) < 0.4, grid)
    for codes in ("RAS", "LPS", "PIR"):
        np.testing.assert_array_equal(on_grid(onto(reoriented(mask, codes), grid), grid), mask.data)
    other = Grid((6, 6, 6), np.array([[1.7, 0.2, 0, 6], [-0.2, 1.6, 0, -4], [0, 0, 2.2, 0], [0, 0, 0, 1.0]]))
    np.testing.assert_array_equal(on_grid(onto(mask, other), other), on_grid(mask, other))


def test_what_is_no_segmentation_or_no_stack_is_refused(tmp_path: Path) -> None:
    _, files, masks = made(tmp_path)
    with pytest.raises(InputError, match="no DICOM segmentation"):
        read_segmentation(files[0])
    seg_file(tmp_path / "seg.dcm", files, masks, ["a", "b"])
    ds = pydicom.dcmread(tmp_path / "seg.dcm")
    ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = [3, 3, -1e7]
    ds.save_as(tmp_path / "far.dcm")
    with pytest.raises(InputError, match=r"no regular stack|larger than is believed"):
        read_segmentation(tmp_path / "far.dcm")
    ds.PixelData = ds.PixelData[:20]
    ds.save_as(tmp_path / "short.dcm")
    with pytest.raises(InputError, match="cannot be read"):
        read_segmentation(tmp_path / "short.dcm")


@pytest.mark.data
def test_the_real_segmentation_equals_its_second_reader() -> None:
    """dcmqi's SEG by highdicom against its NRRD by SimpleITK: liver = 1, every voxel at its world position."""
    import SimpleITK

    folder = need("dcmqi_ct3slice_seg")
    ct = read_ct(folder)
    (liver,) = read_segmentation(folder / "dcmqi_liver.dcm", ct.grid)
    image = SimpleITK.ReadImage(str(folder / "dcmqi_liver_spine_seg.nrrd"))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    data = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0)
    nrrd = Volume(data == 1, Grid(data.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine))
    np.testing.assert_array_equal(on_grid(liver.mask, ct.grid), on_grid(onto(nrrd, ct.grid), ct.grid))
    assert liver.mask.data.sum() == (data == 1).sum() > 100_000
    assert liver.type is not None
    assert (liver.type.value, liver.type.scheme, liver.label) == ("T-62000", "SRT", "Liver")
    assert liver.algorithm == "SEMIAUTOMATIC SlicerEditor"
    assert 20 < float(np.median(ct.data[on_grid(liver.mask, ct.grid)])) < 80  # unenhanced, noisy
