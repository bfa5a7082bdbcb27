"""NIfTI in and out, labels onto the CT's grid, HU checks, metal, vocabularies."""

from __future__ import annotations

import errno
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shared_data import need
from vertherm.core.errors import InputError, MissingValueError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import TISSUE_OF, cropped, extent, on_grid
from vertherm.imaging.checks import check_hu, detect_metal
from vertherm.imaging.nifti import read_nifti, write_nifti
from vertherm.imaging.orient import axis_codes, reoriented
from vertherm.imaging.read import integer_codes, on_ct_grid, read_ct, read_labels, read_mr
from vertherm.imaging.tables import rule, rules
from vertherm.imaging.vocabulary import vocabulary, vocabulary_names

CODES = ["RAS", "LPS", "PIR", "ASL", "IRP", "SAL"]


def ct_volume(shape: tuple[int, int, int] = (8, 7, 6), affine: np.ndarray | None = None, seed: int = 0) -> Volume:
    data = np.random.default_rng(seed).integers(-900, 900, shape).astype(np.float32)
    data.flat[0] = -1000
    grid = Grid(shape, np.diag([2.0, 3.0, 4.0, 1.0]) if affine is None else affine)
    return Volume(data, grid, "test")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int16, bool])
def test_what_is_written_is_read_back(tmp_path: Path, name: str, dtype: type) -> None:
    affine = np.array([[0, 0, 1.5, -78], [-1.5, 0, 0, -135], [0, -1.5, 0, -34.2], [0, 0, 0, 1.0]])
    volume = Volume((np.arange(60).reshape(3, 4, 5) % 2).astype(dtype), Grid((3, 4, 5), affine))
    write_nifti(volume, tmp_path / name)
    back = read_nifti(tmp_path / name)
    np.testing.assert_array_equal(back.data, volume.data)
    np.testing.assert_allclose(back.grid.affine, affine, atol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(image: object, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nibabel, "save", full)
    with pytest.raises(InputError, match="Cannot write"):
        write_nifti(ct_volume(), tmp_path / "a.nii.gz")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="no name for a NIfTI"):
        write_nifti(ct_volume(), tmp_path / "a.npy")


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such image file"):
        read_nifti(tmp_path / "absent.nii.gz")
    write_nifti(ct_volume((30, 30, 30)), tmp_path / "a.nii.gz")
    data = (tmp_path / "a.nii.gz").read_bytes()
    for keep in (0, 100, len(data) // 2):
        (tmp_path / "a.nii.gz").write_bytes(data[:keep])
        with pytest.raises(InputError, match="cannot be read"):
            read_nifti(tmp_path / "a.nii.gz")


def test_no_orientation_and_four_dimensions_are_refused(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((3, 3, 3), np.float32), None)
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(InputError, match="does not say how it is oriented"):
        read_nifti(tmp_path / "a.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3, 3, 2), np.float32), np.eye(4)), tmp_path / "b.nii")
    with pytest.raises(InputError, match="not one three-dimensional volume"):
        read_nifti(tmp_path / "b.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3, 3, 1), np.float32), np.eye(4)), tmp_path / "c.nii")
    assert read_nifti(tmp_path / "c.nii").data.shape == (3, 3, 3)


def test_metres_become_millimetres(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((3, 3, 3), np.float32), np.diag([0.002, 0.002, 0.003, 1]))
    image.header.set_xyzt_units("meter")
    nibabel.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(read_nifti(tmp_path / "a.nii").grid.spacing_mm, [2, 2, 3], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: np.where(np.arange(d.size).reshape(d.shape) == 5, np.nan, d), "not numbers"),
        (lambda d: np.where(np.arange(d.size).reshape(d.shape) == 5, np.inf, d), "not numbers"),
        (lambda d: d + 1024, "without the rescale offset"),
        (lambda d: np.clip((d + 1000) / 2000, 0, 1), "normalised"),
        (lambda d: np.clip(d / 1000, -1, 1), "normalised"),
        (lambda d: d * 0 + 40, "constant"),
        (lambda d: d * 100, "no scanner writes"),
    ],
)
def test_what_is_not_hu_is_refused(tmp_path: Path, change: object, message: str) -> None:
    ct = ct_volume()
    check_hu(ct)
    wrong = ct.with_data(change(ct.data).astype(np.float32))  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        check_hu(wrong)
    write_nifti(wrong, tmp_path / "ct.nii.gz")
    with pytest.raises(InputError, match=message):
        read_ct(tmp_path / "ct.nii.gz")


def test_metal_is_found_measured_and_located() -> None:
    """A 3 x 3 x 3 cube of 3000 HU (voxels 2 x 3 x 4 mm = 24 mm3): 0.648 ml; one bright voxel of 1 mm3 is noise."""
    ct = ct_volume((20, 20, 20))
    data = ct.data.copy()
    data[5:8, 10:13, 3:6] = 3000
    metal = detect_metal(ct.with_data(data))
    assert metal is not None
    assert metal.volumes_ml == pytest.approx((0.648,))
    np.testing.assert_allclose(metal.centres_mm, [[12.0, 33.0, 16.0]])
    assert metal.distance_mm([12.0, 33.0, 16.0 + 4.0 + 10.0]) == pytest.approx(10.0)
    assert "nearest 10 mm" in metal.note([12.0, 33.0, 30.0])
    assert detect_metal(ct) is None
    small = Volume(ct.data.copy(), Grid((20, 20, 20), np.eye(4)))
    small.data[4, 4, 4] = 3000
    assert detect_metal(small) is None


@pytest.mark.data
def test_the_screw_of_a_real_scan_is_found() -> None:
    ct = read_ct(need("totalseg_lumbar/ct.nii.gz"))
    metal = detect_metal(ct)
    assert metal is not None
    assert max(metal.peak_hu) == 3382
    labels = read_labels(need("totalseg_lumbar/seg_total117_fast.nii.gz"), ct)
    femur = on_grid(metal.mask, ct.grid) & (labels.data == 75)
    assert femur.sum() > 0.8 * metal.mask.data.sum()
    # The nail reaches up to 187 mm from the middle of L3: far, and said with the distance.
    target = ct.grid.world(np.argwhere(labels.data == 29).mean(0))
    assert metal.distance_mm(target) == pytest.approx(187, abs=3)
    assert detect_metal(read_ct(need("tptbox_vertebra/sub-ct_label-22_ct.nii.gz"))) is None


def test_labels_on_another_grid_of_the_frame_are_resampled(tmp_path: Path) -> None:
    ct = ct_volume((20, 20, 20), np.diag([2.0, 2.0, 2.0, 1.0]))
    fine = Grid((40, 40, 40), np.diag([1.0, 1.0, 1.0, 1.0]))
    ball = np.linalg.norm(fine.centres() - 19.0, axis=-1) <= 9.0
    write_nifti(Volume((ball * 7).astype(np.uint8), fine), tmp_path / "seg.nii.gz")
    labels = read_labels(tmp_path / "seg.nii.gz", ct)
    assert labels.data.shape == ct.data.shape
    assert set(np.unique(labels.data)) == {0, 7}
    wanted = np.linalg.norm(ct.grid.centres() - 19.0, axis=-1) <= 9.0
    assert np.mean((labels.data > 0) == wanted) > 0.999


@given(
    codes=st.sampled_from(CODES),
    shape=st.tuples(*[st.integers(2, 6)] * 3),
    angle=st.floats(-0.5, 0.5),
    seed=st.integers(0, 5),
)
@settings(max_examples=40, deadline=None)
def test_storage_order_of_labels_cannot_matter(
    codes: str, shape: tuple[int, int, int], angle: float, seed: int
) -> None:
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    ct = ct_volume(shape, turn @ np.diag([2.0, 3.0, 4.0, 1.0]), seed)
    labels = ct.with_data(np.random.default_rng(seed).integers(0, 5, shape).astype(np.uint8))
    turned = reoriented(labels, codes)
    assert axis_codes(turned.grid) == codes
    np.testing.assert_array_equal(on_ct_grid(turned, ct).data, labels.data)
    np.testing.assert_array_equal(reoriented(turned, axis_codes(ct.grid)).data, labels.data)


def test_a_wrong_orientation_is_refused() -> None:
    for codes in ("RAX", "RR", "RLS", ""):
        with pytest.raises(InputError, match="no orientation"):
            reoriented(ct_volume(), codes)


def test_labels_of_another_frame_are_refused(tmp_path: Path) -> None:
    ct = ct_volume()
    labels = Volume(np.ones((8, 7, 6), np.uint8), Grid((8, 7, 6), ct.grid.affine, "1.2.3"))
    framed = Volume(ct.data, Grid((8, 7, 6), ct.grid.affine, "1.2.4"))
    with pytest.raises(InputError, match="different frames of reference"):
        on_ct_grid(labels, framed)
    on_ct_grid(labels, ct)  # the CT states no frame: only places can be compared
    away = ct.grid.affine.copy()
    away[:3, 3] += 500
    write_nifti(Volume(np.ones((8, 7, 6), np.uint8), Grid((8, 7, 6), away)), tmp_path / "seg.nii.gz")
    with pytest.raises(InputError, match="do not overlap"):
        read_labels(tmp_path / "seg.nii.gz", ct)
    # Grids overlap, but everything labelled lies beside the CT.
    wide = Volume(np.zeros((60, 7, 6), np.uint8), Grid((60, 7, 6), ct.grid.affine))
    wide.data[40:] = 1
    with pytest.raises(InputError, match="No labelled voxel lies inside the CT"):
        on_ct_grid(wide, ct)


def test_fractional_negative_and_foreign_labels_are_refused(tmp_path: Path) -> None:
    ct = ct_volume()
    for data, message in (
        (np.full((8, 7, 6), 0.5, np.float32), "whole numbers"),
        (np.full((8, 7, 6), np.nan, np.float32), "whole numbers"),
        (np.full((8, 7, 6), -1, np.int16), "out of range"),
    ):
        with pytest.raises(InputError, match=message):
            integer_codes(ct.with_data(data))
    assert integer_codes(ct.with_data(np.full((8, 7, 6), 3.0))).dtype == np.uint16
    with pytest.raises(InputError, match="format that is not read yet"):
        read_labels(tmp_path / "seg.nrrd", ct)


def test_an_mr_keeps_its_own_frame(tmp_path: Path) -> None:
    mr = ct_volume((5, 5, 5))
    write_nifti(mr, tmp_path / "mr.nii.gz")
    np.testing.assert_array_equal(read_mr(tmp_path / "mr.nii.gz").data, mr.data)
    write_nifti(mr.with_data(np.full((5, 5, 5), np.nan, np.float32)), tmp_path / "nan.nii.gz")
    with pytest.raises(InputError, match="not numbers"):
        read_mr(tmp_path / "nan.nii.gz")


def test_masks_are_cropped_and_pasted_back_exactly() -> None:
    grid = Grid((9, 8, 7), np.array([[0, 0, 2, 5], [-1, 0, 0, 3], [0, 3, 0, -2], [0, 0, 0, 1.0]]))
    mask = np.zeros((9, 8, 7), bool)
    mask[3:5, 6:8, 2] = True
    small = cropped(mask, grid)
    assert small.data.shape == (4, 3, 3)
    np.testing.assert_array_equal(on_grid(small, grid), mask)
    np.testing.assert_array_equal(on_grid(reoriented(small, "LPS"), grid), mask)
    assert not on_grid(cropped(np.zeros_like(mask), grid), grid).any()
    assert extent(np.zeros_like(mask)) is None


def test_an_unknown_vocabulary_lists_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        vocabulary("totalseg")
    for name in ("totalsegmentator", "verse", "tptbox-subregion", "vertherm"):
        assert name in vocabulary_names()
        assert name in str(caught.value)


@pytest.mark.parametrize("name", vocabulary_names())
def test_every_entry_names_a_known_tissue_and_a_unique_meaning(name: str) -> None:
    entries = vocabulary(name).entries
    assert len(entries) >= 2
    assert all(entry.tissue in TISSUE_OF for entry in entries.values())
    assert len({entry.name for entry in entries.values()}) == len(entries)
    for entry in entries.values():
        assert not entry.side or entry.side in entry.name


def test_vocabularies_hold_the_published_numbers() -> None:
    """Spot checks against the class maps: TotalSegmentator v2 (117), v1 (104), VerSe, TPTBox."""
    total = vocabulary("totalsegmentator").entries
    assert len(total) == 117
    assert {total[c].level.value: c for c in range(26, 51) if total[c].level} == {  # type: ignore[union-attr]
        "S1": 26,
        **{f"L{n}": 32 - n for n in range(1, 6)},
        **{f"T{n}": 44 - n for n in range(1, 13)},
        **{f"C{n}": 51 - n for n in range(1, 8)},
    }
    assert (total[2].name, total[3].name, total[52].name) == ("kidney right", "kidney left", "aorta")
    assert (total[79].role, total[63].name) == ("sac", "inferior vena cava")
    assert len(vocabulary("totalsegmentator-v1").entries) == 104
    verse = vocabulary("verse").entries
    assert [verse[c].level.value for c in (1, 8, 19, 20, 22, 25, 26, 28)] == [  # type: ignore[union-attr]
        "C1", "T1", "T12", "L1", "L3", "L6", "S1", "T13",
    ]  # fmt: skip
    assert {c: e.role for c, e in vocabulary("tptbox-subregion").entries.items() if 41 <= c <= 50} == {
        **dict.fromkeys(range(41, 49), "arch"),
        49: "body",
        50: "body",
    }
    own = vocabulary("vertherm").entries
    assert {e.name for e in own.values()} >= {"root C8 left", "root S1 right", "body T13", "skin", "vertebra L6"}


def test_every_rule_has_unit_range_source_and_certainty() -> None:
    for name, row in rules().items():
        assert row.unit, name
        assert row.source, name
        assert row.certainty in ("S", "D", "R", "guess"), name
        assert row.low <= row.value <= row.high, name
    with pytest.raises(MissingValueError):
        rule("no such rule")
