"""RTSTRUCT: areas against closed forms, holes, keyholes, contours between slices, frames, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from tests.imaging.dicom_maker import FRAME, phantom_hu, rtstruct_file, series, slice_file
from vertherm.core.errors import InputError
from vertherm.geometry.volume import LPS_RAS, Grid, Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.dicom.polygon import area, filled
from vertherm.imaging.dicom.rtstruct import read_rtstruct
from vertherm.imaging.read import read_ct


def ct_of(spacing: float = 1.0, step: float = 2.0, shape: tuple[int, int, int] = (80, 70, 9)) -> Volume:
    """A CT whose array runs along LPS x, y and z, its first voxel at (-20, -30, 100) mm LPS."""
    affine = np.eye(4)
    affine[:3, :3] = LPS_RAS @ np.diag([spacing, spacing, step])
    affine[:3, 3] = LPS_RAS @ [-20, -30, 100]
    return Volume(np.zeros(shape, np.float32), Grid(shape, affine, FRAME))


def circle(x: float, y: float, z: float, radius: float, count: int = 360) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(count, z)], -1)


@pytest.mark.parametrize(("radius", "spacing", "allowed"), [(15.0, 1.0, 0.01), (15.0, 0.25, 0.002), (4.0, 0.5, 0.02)])
def test_the_area_of_a_circle(tmp_path: Path, radius: float, spacing: float, allowed: float) -> None:
    """Voxel centres within a circle: area within the bound that its perimeter allows, centre within 0.1 voxel."""
    n = int(60 / spacing)
    ct = ct_of(spacing, 2.0, (n, n, 3))
    contours = [circle(5.3, -4.2, 100 + 2.0 * k, radius, 2000) for k in range(3)]
    rtstruct_file(tmp_path / "rt.dcm", {"disc": contours})
    (segment,) = read_rtstruct(tmp_path / "rt.dcm", ct)
    wanted = np.pi * radius**2
    got = segment.mask.data.sum(axis=(0, 1)) * spacing**2
    assert np.abs(got - wanted).max() / wanted < allowed
    centre = segment.mask.grid.world(np.argwhere(segment.mask.data)).mean(0)
    np.testing.assert_allclose(centre, [-5.3, 4.2, 102.0], atol=0.1 * spacing)
    assert segment.notes == ()
    assert (segment.kind, segment.label, segment.number, segment.algorithm) == ("contours", "disc", 1, "MANUAL")


@given(
    points=st.lists(st.tuples(st.floats(-3, 14), st.floats(-3, 12)), min_size=3, max_size=9),
    second=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=3, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_filling_agrees_with_a_point_by_point_even_odd_rule(
    points: list[tuple[float, float]], second: list[tuple[float, float]]
) -> None:
    """Against the crossing number of each pixel centre, written as in the textbook."""
    polygons = [np.array(points), np.array(second)]
    found = filled(polygons, (11, 10))
    for i in range(11):
        for j in range(10):
            crossings = 0
            for polygon in polygons:
                for (r0, c0), (r1, c1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
                    low, high = ((r0, c0), (r1, c1)) if r0 <= r1 else ((r1, c1), (r0, c0))
                    if low[0] <= i < high[0]:
                        crossings += low[1] + (i - low[0]) * (high[1] - low[1]) / (high[0] - low[0]) <= j
            assert found[i, j] == (crossings % 2 == 1)


def test_pixel_centres_on_an_edge_belong_to_one_of_two_neighbours() -> None:
    """Two squares that share an edge through pixel centres: every centre in exactly one of them."""
    left = np.array([[0, 0], [0, 4], [6, 4], [6, 0]], float)
    right = left + np.array([0, 4])
    both = filled([left], (8, 10)).astype(int) + filled([right], (8, 10))
    assert both.max() == 1
    assert both.sum() == 48
    assert area(left) == 24


def test_a_hole_and_a_keyhole_give_the_same_ring(tmp_path: Path) -> None:
    ct = ct_of()
    outer, inner = circle(5, 0, 104, 15), circle(5, 0, 104, 7)
    keyhole = np.concatenate([outer, outer[:1], inner[::-1], inner[-1:]])
    rtstruct_file(tmp_path / "rt.dcm", {"hole": [outer, inner], "keyhole": [keyhole], "twice": [outer, outer, inner]})
    hole, key, twice = read_rtstruct(tmp_path / "rt.dcm", ct)
    np.testing.assert_array_equal(on_grid(hole.mask, ct.grid), on_grid(key.mask, ct.grid))
    np.testing.assert_array_equal(on_grid(hole.mask, ct.grid), on_grid(twice.mask, ct.grid))
    assert hole.mask.data.sum() == pytest.approx(np.pi * (15**2 - 7**2), rel=0.02)
    assert twice.notes == ("'twice': 1 contour(s) given twice, used once",)
    index = np.rint(ct.grid.index([-5, 0, 104])).astype(int)
    assert not on_grid(hole.mask, ct.grid)[tuple(index)]


def test_two_islands_on_one_slice_are_both_there(tmp_path: Path) -> None:
    ct = ct_of()
    rtstruct_file(tmp_path / "rt.dcm", {"kidneys": [circle(-8, 0, 104, 6), circle(25, 0, 104, 6)]})
    (segment,) = read_rtstruct(tmp_path / "rt.dcm", ct)
    assert segment.mask.data.sum() == pytest.approx(2 * np.pi * 36, rel=0.03)


@pytest.mark.parametrize(
    ("heights", "slices"),
    [
        ([100, 102, 104], [0, 1, 2]),
        ([100, 104, 108], [0, 1, 2, 3, 4]),  # every second slice: the ones between belong to a neighbour
        ([101, 103, 105], [0, 1, 2]),  # half-way between slices: half-open, so three planes are three slices
        ([102, 104, 112, 114], [1, 2, 6, 7]),  # two pieces: the gap stays empty
        ([104.6], [2]),
        ([100, 101, 102, 103, 104], [0, 1, 2]),  # finer than the CT
    ],
)
def test_contours_between_and_beside_slices(tmp_path: Path, heights: list[float], slices: list[int]) -> None:
    ct = ct_of()
    rtstruct_file(tmp_path / "rt.dcm", {"a": [circle(5, 0, z, 10) for z in heights]})
    (segment,) = read_rtstruct(tmp_path / "rt.dcm", ct)
    found = np.flatnonzero(on_grid(segment.mask, ct.grid).any(axis=(0, 1)))
    assert found.tolist() == slices
    off = any(z % 2 for z in heights)
    assert any("lie between the CT's slices" in note for note in segment.notes) == off


def test_sagittal_contours_land_at_their_places(tmp_path: Path) -> None:
    """Contours in sagittal planes of an axial CT, and the canonical storage of that CT."""
    ct = ct_of(1.0, 1.0, (40, 60, 60))
    contours = [np.roll(circle(0.3, 125.2, float(x), 12), 1, axis=1) for x in range(10)]
    rtstruct_file(tmp_path / "rt.dcm", {"a": contours})
    for volume in (ct, ct.canonical()):
        (segment,) = read_rtstruct(tmp_path / "rt.dcm", volume)
        world = segment.mask.grid.world(np.argwhere(segment.mask.data))
        np.testing.assert_allclose(world.mean(0), [-4.5, -0.3, 125.2], atol=0.1)
        assert segment.volume_ml == pytest.approx(np.pi * 144 * 10 / 1000, rel=0.01)


def test_contours_of_another_or_no_frame(tmp_path: Path) -> None:
    ct = ct_of()
    rtstruct_file(tmp_path / "other.dcm", {"a": [circle(5, 0, 104, 10)]}, frame=generate_uid())
    with pytest.raises(InputError, match="different frames of reference"):
        read_rtstruct(tmp_path / "other.dcm", ct)
    rtstruct_file(tmp_path / "none.dcm", {"a": [circle(5, 0, 104, 10)]}, frame="")
    (segment,) = read_rtstruct(tmp_path / "none.dcm", ct)
    assert "no frame of reference stated" in segment.notes[0]
    rtstruct_file(tmp_path / "off.dcm", {"a": [circle(5, 0, 104.7, 10)]}, frame="")
    with pytest.raises(InputError, match="does not say in which frame of reference"):
        read_rtstruct(tmp_path / "off.dcm", ct)


def test_oblique_contours_and_contours_elsewhere_are_refused(tmp_path: Path) -> None:
    ct = ct_of()
    tilted = circle(5, 0, 108, 10)
    tilted[:, 2] += 0.2 * tilted[:, 1]
    tilted[:, 1] += 0.1 * tilted[:, 0]
    tilted[:, 0] += 0.1 * tilted[:, 2]
    rtstruct_file(tmp_path / "tilted.dcm", {"a": [tilted]})
    with pytest.raises(InputError, match="oblique"):
        read_rtstruct(tmp_path / "tilted.dcm", ct)
    rtstruct_file(tmp_path / "some.dcm", {"a": [tilted], "b": [circle(5, 0, 104, 10)]})
    first, second = read_rtstruct(tmp_path / "some.dcm", ct)
    assert first.notes == ("'a': its contours are oblique to the planes of the CT: left out",)
    assert not first.mask.data.any()
    assert second.mask.data.any()
    rtstruct_file(tmp_path / "away.dcm", {"a": [circle(500, 0, 104, 10)], "b": [circle(5, 0, 900, 10)]})
    with pytest.raises(InputError, match="No contour encloses a voxel"):
        read_rtstruct(tmp_path / "away.dcm", ct)
    series(tmp_path / "ct", phantom_hu(2))
    with pytest.raises(InputError, match="no structure set"):
        read_rtstruct(tmp_path / "ct" / "im000.dcm", ct)


def test_points_and_open_contours_are_noted(tmp_path: Path) -> None:
    ct = ct_of()
    rtstruct_file(tmp_path / "rt.dcm", {"marker": [np.array([[1.0, 2, 104]])]}, kind="POINT")
    (segment,) = read_rtstruct(tmp_path / "rt.dcm", ct)
    assert segment.notes == ("'marker': 1 x POINT left out", "'marker': no closed contours")
    assert not segment.mask.data.any()


def test_a_structure_set_over_a_dicom_series(tmp_path: Path) -> None:
    """Contours written in the series' own coordinates fall on the pixels they were drawn around."""
    hu = np.full((5, 40, 50), -100)
    hu[2, 10:20, 15:35] = 300
    uid = generate_uid()
    for k, image in enumerate(hu):
        slice_file(tmp_path / f"{k}.dcm", image + 1024, (-20, -30, 3.0 * k), series=uid, spacing=(1.5, 2.0))
    ct = read_ct(tmp_path)
    # pixel edges of columns 15..34 and rows 10..19
    x, y = (-20 + 2.0 * (15 - 0.5), -20 + 2.0 * 34.5), (-30 + 1.5 * 9.5, -30 + 1.5 * 19.5)
    box = np.array([[x[0], y[0], 6.0], [x[1], y[0], 6.0], [x[1], y[1], 6.0], [x[0], y[1], 6.0]])
    rtstruct_file(tmp_path / "rt.dcm", {"bone": [box]})
    (segment,) = read_rtstruct(tmp_path / "rt.dcm", ct)
    np.testing.assert_array_equal(on_grid(segment.mask, ct.grid), ct.data == 300)


def test_contours_of_no_region_are_refused(tmp_path: Path) -> None:
    """They would vanish without a word."""
    rtstruct_file(tmp_path / "rt.dcm", {"disc": [circle(5.3, -4.2, 100, 9.0)]})
    ds = pydicom.dcmread(tmp_path / "rt.dcm")
    ds.ROIContourSequence[0].ReferencedROINumber = 99
    ds.save_as(tmp_path / "rt.dcm")
    with pytest.raises(InputError, match="belong to no region"):
        read_rtstruct(tmp_path / "rt.dcm", ct_of())
