"""No data is no air: circular field of view, padding, the wedge of a straightened gantry tilt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import generate_uid
from scipy import ndimage

from tests.imaging.dicom_maker import slice_file
from tests.imaging.test_build import points, truth, vertebra_labels
from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import TISSUE_OF, Anatomy, on_grid
from vertherm.imaging.build import build_anatomy
from vertherm.imaging.checks import check_hu
from vertherm.imaging.no_data import NO_DATA_HU, find_no_data
from vertherm.imaging.phantom import in_orientation
from vertherm.imaging.read import read_ct, read_mr


def padded(radius_mm: float, value: float, centre_y: float = 0.0) -> Anatomy:
    """The phantom with everything beyond a circle in its axial slices set to one value."""
    ct = truth().ct
    x, y, _ = np.moveaxis(ct.grid.centres(), -1, 0)
    beyond = np.hypot(x, y - centre_y) > radius_mm
    data = np.where(beyond, value, ct.data).astype(np.float32)
    return build_anatomy(ct.with_data(data), [(vertebra_labels(truth()), "vertherm")])


def has_note(anatomy: Anatomy, text: str) -> bool:
    return any(text in note for note in anatomy.notes)


@pytest.mark.parametrize("value", [-1024.0, -2000.0, NO_DATA_HU])
def test_a_field_of_view_within_the_body_has_no_skin(value: float) -> None:
    """Within 60 mm of the target the phantom is body only."""
    anatomy = padded(60.0, value)
    assert not anatomy.has("skin")
    assert has_note(anatomy, "skin outside the image")
    assert has_note(anatomy, "% of the image holds no data (field of view or gantry tilt): nothing there is assessed")
    grid = anatomy.ct.grid
    x, y, _ = np.moveaxis(grid.centres(), -1, 0)
    assert anatomy.no_data is not None
    np.testing.assert_array_equal(on_grid(anatomy.no_data, grid), np.hypot(x, y) > 60.0)
    assert (anatomy.tissue.data[np.hypot(x, y) > 60.0] == TISSUE_OF["soft_tissue"]).all()
    assert TISSUE_OF["air"] not in anatomy.tissue.data


@pytest.mark.parametrize("value", [-1024.0, NO_DATA_HU])
def test_true_skin_within_the_field_of_view_stays_and_its_rim_has_none(value: float) -> None:
    """A circle of 70 mm about 60 mm behind the target holds the back's skin and cuts through flesh elsewhere."""
    whole = build_anatomy(truth().ct, [(vertebra_labels(truth()), "vertherm")]).structure("skin")
    anatomy = padded(70.0, value, centre_y=-60.0)
    skin = anatomy.structure("skin")
    grid = anatomy.ct.grid
    true, found = whole.on(grid), skin.on(grid)
    assert not (found & ~true).any()
    x, y, _ = np.moveaxis(grid.centres(), -1, 0)
    within = true & (np.hypot(x, y + 60.0) < 60.0)
    assert within.any()
    assert found[within].mean() > 0.99
    assert points(skin.mask)[:, 1].max() < -50


def test_an_unpadded_phantom_has_no_region_without_data() -> None:
    anatomy = build_anatomy(truth().ct, [(vertebra_labels(truth()), "vertherm")])
    assert anatomy.no_data is None
    assert anatomy.has("skin")
    assert not has_note(anatomy, "no data")


def test_what_is_padding_and_what_is_not() -> None:
    """Constant -1000 and noisy air, lone dark voxels and dark regions inside the body are data; padding is not."""
    hu = np.full((60, 50, 3), -1000.0, np.float32)
    assert not find_no_data(hu).any()
    noisy = np.maximum(np.random.default_rng(4).normal(-1000, 15, hu.shape), -1024).astype(np.float32)
    assert not find_no_data(noisy).any()
    noisy[::7, ::5] = -1300
    noisy[20:30, 20:30] = -1300
    assert not find_no_data(noisy).any()
    noisy[:, :4] = -1024
    noisy[55:, 40:] = -2000
    noisy[20:30, :1] = -3024  # hangs on the strip of -1024 beside it
    expected = np.zeros(hu.shape, bool)
    expected[:, :4] = expected[55:, 40:] = True
    found = find_no_data(noisy)
    # Noise clipped to the padding's number (5 % of this air) may join where it lies within two pixels, not beyond.
    near = ndimage.binary_dilation(expected, np.ones((3, 3, 1)), iterations=2) & ~expected
    assert not (found & ~expected & ~near).any()
    assert found[near].mean() < 0.1
    assert found[expected].mean() > 0.99


def test_no_data_turns_with_the_anatomy() -> None:
    anatomy = padded(60.0, NO_DATA_HU)
    turned = in_orientation(anatomy, "SPL")
    assert turned.no_data is not None
    assert anatomy.no_data is not None
    assert turned.no_data.data.sum() == anatomy.no_data.data.sum()
    inside = on_grid(turned.no_data, turned.ct.grid)
    assert (turned.ct.data[inside] == NO_DATA_HU).all()


def test_units_are_judged_on_what_is_not_padding() -> None:
    data = np.random.default_rng(2).integers(-900, 900, (9, 9, 9)).astype(np.float32)
    data[0] = NO_DATA_HU
    check_hu(Volume(data, Grid(data.shape, np.eye(4))))
    stored = np.where(data == NO_DATA_HU, NO_DATA_HU, data + 1024)
    with pytest.raises(InputError, match="without the rescale offset"):
        check_hu(Volume(stored, Grid(data.shape, np.eye(4))))


def test_a_straightened_tilt_has_a_wedge_without_data_and_no_skin_there(tmp_path: Path) -> None:
    """Flesh that fills every slice of a series tilted by 20 degrees: its only edges are those of the image."""
    angle, count, rows, columns = np.radians(20.0), 24, 60, 50
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(angle), np.sin(angle)])
    uid = generate_uid()
    noise = np.random.default_rng(6)
    for k in range(count):
        hu = np.rint(noise.normal(40, 10, (rows, columns)))
        slice_file(
            tmp_path / f"{k}.dcm",
            hu + 1024,
            (-25.0, -30.0, 2.0 * k),
            series=uid,
            orientation=(*row, *column),
            spacing=(1, 1),
        )
    with pytest.warns(ImagingWarning, match="has no data"):
        ct = read_ct(tmp_path)
    anatomy = build_anatomy(ct, [])
    assert anatomy.no_data is not None
    np.testing.assert_array_equal(on_grid(anatomy.no_data, ct.grid), ct.data == NO_DATA_HU)
    assert (ct.data == NO_DATA_HU).any()
    assert ct.data[ct.data != NO_DATA_HU].min() > -100
    assert not anatomy.has("skin")
    assert TISSUE_OF["air"] not in anatomy.tissue.data
    assert has_note(anatomy, "holds no data")


def test_the_circle_of_a_dicom_series_is_kept_and_noise_of_its_number_is_air(tmp_path: Path) -> None:
    """Padding value 0 (-1024 HU) as circle and, singly, in noise; -2000 without any padding value as another."""
    r, c = np.meshgrid(np.arange(40), np.arange(40), indexing="ij")
    beyond = np.hypot(r - 19.5, c - 19.5) > 19
    lone = (r == 20) & (c == 17)
    body = np.random.default_rng(3).integers(-60, 80, (4, 40, 40))
    uid = generate_uid()
    for k, image in enumerate(body):
        stored = np.where(beyond | lone, 0, image + 1024)
        slice_file(tmp_path / f"{k}.dcm", stored, (0, 0, 2.0 * k), series=uid, PixelPaddingValue=0)
    ct = read_ct(tmp_path)
    assert (ct.data[lone.T] == -1024).all()
    inner = ndimage.binary_erosion(beyond, np.ones((3, 3)), border_value=1)
    assert (ct.data[inner.T] == NO_DATA_HU).all()
    assert (ct.data[~(beyond | lone).T] > -100).all()


def test_an_empty_folder_is_no_mr(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no DICOM image here"):
        read_mr(tmp_path)
