"""SINS from imaging, on bodies of known height and place.

- Height: bodies of 27 mm on 1 mm voxels; two faces, each found to within half a voxel, so within 1 mm, and it is the
  worst case here (voxel centres lie on both faces and count); also for
  tilted boxes, whose faces cross the voxels: there the errors of many columns average out.
- Loss = 1 - kept height / neighbours' height, within 1 mm / 27 mm = 0.04.
- Wedge: a plane through the rear top edge that falls to the front. Heights are measured along the bisector of the
  endplates, so the loss at depth s of D is (s / D) * drop / 27 (cos of half the wedge angle is 0.98 or more).
- Slip: bodies on a circle of radius R with tangents along it have none; the chord alone would read the sagitta
  d^2 / (2 R) = 3 mm. The Hermite arc misses a circle of this angle by less than 0.01 mm; the rest are voxels.
- Storage order cannot matter; mirrored anatomy swaps the sides.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shared_data import folder, need
from tests.test_examples import load
from vertherm.clinical import sins as score
from vertherm.clinical.levels import Level, LevelStatement
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import StructureKind
from vertherm.imaging.phantom import in_orientation
from vertherm.planning.objects import Case, Target
from vertherm.planning.phantom import phantom_case
from vertherm.planning.prepare import prepare_case
from vertherm.planning.sins import NAMES, Sins, SinsComponent, collapse_code, sins_of
from vertherm.planning.sins_measures import body_shapes, course, expected_heights, neighbours, slip

HEIGHT_MM = 27.0
WIDE = Grid.isotropic(np.full(3, -150.0), np.full(3, 150.0), 5.0)
CODES = {name: tuple(score.POINTS[f"sins_{name}"]) for name in NAMES}


@cache
def lumbar(spacing_mm: float = 1.0) -> Case:
    return phantom_case("L3", spacing_mm=spacing_mm)


def points(volume: Volume) -> np.ndarray:
    return volume.grid.centres()


def with_body(case: Case, keep: np.ndarray) -> Case:
    """The case with only the voxels ``keep`` of the target's body."""
    bodies = dict(case.anatomy.bodies or {})
    body = bodies[Level.L3]
    bodies[Level.L3] = body.with_data(body.data & keep)
    return replace(case, anatomy=replace(case.anatomy, bodies=bodies))


def body_of(case: Case) -> Volume:
    return (case.anatomy.bodies or {})[Level.L3]


def part(sins: Sins, name: str) -> SinsComponent:
    return next(item for item in sins.components if item.name == name)


def score_of(case: Case, **entered: str) -> Sins:
    return sins_of(case, case.targets[0], entered)


def test_height_of_a_body() -> None:
    anatomy = lumbar().anatomy
    shapes = body_shapes(anatomy.bodies or {}, anatomy.structure("canal").mask, anatomy.ct.grid)
    assert set(shapes) == {Level.L2, Level.L3, Level.L4}
    for shape in shapes.values():
        assert shape.heights_mm == pytest.approx([HEIGHT_MM] * 3, abs=1.05)
        assert shape.superior == pytest.approx([0.0, 0.0, 1.0], abs=0.02)
    assert shapes[Level.L3].centre_mm == pytest.approx(np.zeros(3), abs=0.5)


@pytest.mark.parametrize("tilt_deg", [-25.0, 10.0, 20.0])
def test_height_of_a_tilted_box_between_the_voxels(tilt_deg: float) -> None:
    """40 x 34 x 27 mm, turned about x, on voxels of 1 mm; along RAS z it measures 27 / cos + 34 tan, far more."""
    angle = np.radians(tilt_deg)
    up, front = np.array([0.0, -np.sin(angle), np.cos(angle)]), np.array([0.0, np.cos(angle), np.sin(angle)])
    grid = Grid.isotropic(np.full(3, -30.0), np.full(3, 30.0), 1.0)
    where = grid.centres()
    inside = (np.abs(where[..., 0]) <= 20.0) & (np.abs(where @ front) <= 17.0) & (np.abs(where @ up) <= 13.5)
    shape = body_shapes({Level.L3: Volume(inside, grid)}, None, WIDE)[Level.L3]
    assert shape.heights_mm == pytest.approx([HEIGHT_MM] * 3, abs=0.6)
    assert np.degrees(np.arccos(shape.superior @ up)) < 1.0
    assert shape.centre_mm == pytest.approx(np.zeros(3), abs=0.5)


@pytest.mark.parametrize(
    ("kept", "code", "low", "high"),
    [
        (1.00, "none", 0, 0),
        (0.93, "none", 0, 0),  # the loss is smaller than its error of about 11 %
        (0.70, "under_50", 2, 2),
        (0.52, "under_50", 2, 3),  # the error reaches across 50 %
        (0.33, "over_50", 3, 3),
    ],
)
def test_loss_of_height(kept: float, code: str, low: int, high: int) -> None:
    case = lumbar()
    top = -0.5 * HEIGHT_MM + kept * HEIGHT_MM
    squashed = with_body(case, points(body_of(case))[..., 2] <= top)
    found = part(score_of(squashed), "collapse")
    assert (found.code, found.points_low, found.points_high) == (code, low, high)
    assert found.how == "computed"
    assert "from L2 and L4" in found.words
    canal = case.anatomy.structure("canal").mask
    shapes = body_shapes(squashed.anatomy.bodies or {}, canal, case.anatomy.ct.grid)
    expected, _ = expected_heights(shapes[Level.L3], shapes[Level.L2], shapes[Level.L4])
    loss = 1.0 - shapes[Level.L3].heights_mm / expected
    assert loss == pytest.approx([1.0 - kept] * 3, abs=0.04)


def test_wedge_is_judged_by_its_lowest_third() -> None:
    """Drop of 12 mm at the front: anterior third 10 of 27 mm lost at its middle depth of 0.8, posterior about 0.2."""
    case, drop = lumbar(), 12.0
    where = points(body_of(case))
    depth = (where[..., 1] + 18.0) / 36.0
    wedge = with_body(case, where[..., 2] <= 0.5 * HEIGHT_MM - drop * depth)
    found = part(score_of(wedge), "collapse")
    assert found.code == "under_50"
    assert found.words.startswith("anterior height")
    canal = case.anatomy.structure("canal").mask
    shapes = body_shapes(wedge.anatomy.bodies or {}, canal, case.anatomy.ct.grid)
    loss = 1.0 - shapes[Level.L3].heights_mm / HEIGHT_MM
    assert loss == pytest.approx(drop / HEIGHT_MM * np.array([0.2, 0.5, 0.8]), abs=0.05)
    tilt = np.degrees(np.arcsin(shapes[Level.L3].superior[1]))
    assert tilt == pytest.approx(0.5 * np.degrees(np.arctan(drop / 36.0)), abs=1.5)


def test_share_of_the_body_decides_without_collapse() -> None:
    case = lumbar()
    body = body_of(case)
    mask = body.with_data(body.data & (points(body)[..., 0] > -5.0))
    large = replace(case, targets=(replace(case.targets[0], mask=mask),))
    assert part(score_of(large), "collapse").code == "involved"
    assert collapse_code(0.2, 0.1, 0.9) == "under_50"
    assert collapse_code(0.05, 0.1, 0.5) == "none"


def boxes(radius_mm: float, pitch_mm: float, shift_mm: tuple[float, float] = (0.0, 0.0)) -> dict[Level, Volume]:
    """Three boxes of 40 x 34 x 27 mm, turned along a circle in the sagittal plane, on voxels of their own.

    ``shift_mm`` moves the middle one to the right and to the front.
    """
    found = {}
    for level, step in ((Level.L4, -1), (Level.L3, 0), (Level.L2, 1)):
        angle = step * pitch_mm / radius_mm
        up = np.array([0.0, -np.sin(angle), np.cos(angle)])
        front = np.array([0.0, np.cos(angle), np.sin(angle)])
        centre = np.array([0.0, radius_mm * (np.cos(angle) - 1.0), radius_mm * np.sin(angle)])
        if step == 0:
            centre = centre + np.array([*shift_mm, 0.0])
        affine = np.eye(4)
        affine[:3, :3] = np.stack([np.array([1.0, 0.0, 0.0]), front, up], axis=1)
        affine[:3, 3] = centre - affine[:3, :3] @ np.array([19.5, 16.5, 13.0])
        found[level] = Volume(np.ones((40, 34, 27), bool), Grid((40, 34, 27), affine))
    return found


def test_lordosis_is_no_slip() -> None:
    shapes = body_shapes(boxes(200.0, 35.0), None, WIDE)
    upper, lower = neighbours(shapes, Level.L3, set())
    assert upper is not None
    assert lower is not None
    found = slip(shapes[Level.L3], upper, lower)
    chord = 0.5 * (upper.centre_mm + lower.centre_mm)
    assert shapes[Level.L3].centre_mm[1] - chord[1] == pytest.approx(35.0**2 / 400.0, abs=0.3)
    assert found.total_mm < 0.3
    assert found.sagittal_deg == pytest.approx(0.0, abs=0.5)
    point, direction = course(shapes[Level.L3], upper, lower)
    assert point == pytest.approx(np.zeros(3), abs=0.3)
    assert direction == pytest.approx([0.0, 0.0, 1.0], abs=0.01)


@pytest.mark.parametrize(("right", "front"), [(0.0, 5.0), (-4.0, 0.0), (2.0, -3.0)])
def test_slip_is_found_with_its_direction(right: float, front: float) -> None:
    shapes = body_shapes(boxes(200.0, 35.0, (right, front)), None, WIDE)
    found = slip(shapes[Level.L3], shapes[Level.L2], shapes[Level.L4])
    assert (found.right_mm, found.anterior_mm) == pytest.approx((right, front), abs=0.3)


@pytest.mark.parametrize(
    ("front", "code", "low", "high"), [(0, "normal", 0, 2), (3, "normal", 0, 4), (9, "subluxation", 4, 4)]
)
def test_alignment_is_only_suggested(front: int, code: str, low: int, high: int) -> None:
    case = lumbar()
    bodies = dict(case.anatomy.bodies or {})
    body = bodies[Level.L3]
    affine = body.grid.affine.copy()
    affine[1, 3] += front
    bodies[Level.L3] = Volume(body.data, Grid(body.grid.shape, affine, body.grid.frame))
    moved = replace(case, anatomy=replace(case.anatomy, bodies=bodies))
    found = part(score_of(moved), "alignment")
    assert (found.code, found.points_low, found.points_high) == (code, low, high)
    assert "to be confirmed" in found.words


def in_pedicle(case: Case, *sides: float) -> Case:
    """The lesion moved into pedicles: balls of 5 mm at x = +-17 mm (patient's right and left), y = -24, z = 5."""
    grid = case.anatomy.ct.grid
    where = grid.centres()
    data = np.zeros(grid.shape, bool)
    for side in sides:
        data |= np.linalg.norm(where - np.array([side * 17.0, -24.0, 5.0]), axis=-1) <= 5.0
    return replace(case, targets=(replace(case.targets[0], mask=Volume(data, grid)),))


@pytest.mark.parametrize(
    ("sides", "code", "words"),
    [
        ((), "none", "right 0.00 ml, left 0.00 ml"),
        ((1.0,), "unilateral", "left 0.00 ml"),
        ((-1.0,), "unilateral", "right 0.00 ml"),
        ((1.0, -1.0), "bilateral", "right 0."),
    ],
)
def test_posterolateral_side(sides: tuple[float, ...], code: str, words: str) -> None:
    case = lumbar(2.0)
    found = part(score_of(in_pedicle(case, *sides) if sides else case), "posterolateral")
    assert found.code == code
    assert words in found.words


def test_without_an_arch_label_the_rear_is_used() -> None:
    case = in_pedicle(lumbar(2.0), 1.0)
    bare = replace(case, anatomy=replace(case.anatomy, vertebrae={}))
    found = part(score_of(bare), "posterolateral")
    assert found.code == "unilateral"
    assert "no arch label" in found.error_words


def test_storage_order_and_mirror() -> None:
    case = in_pedicle(lumbar(2.0), 1.0)
    grid = case.targets[0].mask.grid
    plain = score_of(case)
    for axes in ("PIR", "LPS"):
        turned = replace(case, anatomy=in_orientation(case.anatomy, axes))
        assert [(c.code, c.words) for c in score_of(turned).components] == [
            (c.code, c.words) for c in plain.components
        ], axes
    mirror = phantom_case("L3", spacing_mm=2.0, mirrored=True)
    swapped = replace(mirror, targets=(replace(mirror.targets[0], mask=Volume(case.targets[0].mask.data[::-1], grid)),))
    found = part(score_of(swapped), "posterolateral")
    assert "right 0.00 ml" in found.words
    assert part(score_of(swapped), "collapse").words == part(plain, "collapse").words


def test_other_targets_and_cut_bodies_are_no_neighbours() -> None:
    case = lumbar(2.0)
    other = replace(case.targets[0], name="second", statement=LevelStatement(Level.L2, True))
    two = replace(case, targets=(case.targets[0], other))
    assert "from L4:" in part(score_of(two), "collapse").words
    assert part(score_of(two), "alignment").code is None
    body = body_of(case)
    index = np.argwhere(body.data)
    low, high = body.grid.world(index.min(axis=0)), body.grid.world(index.max(axis=0))
    image = Grid.isotropic(low + np.array([-20.0, -20.0, 5.0]), high + 20.0, 2.0)
    assert body_shapes({Level.L3: body}, None, image) == {}


def test_missing_parts_leave_a_range() -> None:
    """No bodies: pain 0-3, alignment 0-4, collapse 0-3, posterolateral 0-3 on top of mobile 2 and lytic 2."""
    case = lumbar(2.0)
    found = score_of(replace(case, anatomy=replace(case.anatomy, bodies=None)))
    assert (found.low, found.high, found.total, found.stability) == (4, 17, None, None)
    assert found.surgical_opinion == "possible"
    assert "pain, alignment, collapse, posterolateral" in found.range_words
    assert "Enter: pain" in found.advice


def test_entered_values_win_and_disagreement_is_noted() -> None:
    found = score_of(lumbar(2.0), pain="mechanical", collapse="over_50", alignment="normal")
    assert part(found, "collapse").how == "entered"
    assert part(found, "collapse").computed == "none"
    assert "imaging: " in part(found, "collapse").words
    assert (found.total, found.stability) == (2 + 3 + 2 + 0 + 3 + 0, "potentially unstable")
    assert any("collapse: entered" in note and "disagree" in note for note in found.notes)
    assert not any("alignment" in note for note in found.notes)
    assert found.surgical_opinion == "yes"
    assert any("never decides" in note for note in found.notes)


@pytest.mark.parametrize(
    ("entered", "expected"), [({"pain": "a lot"}, "mechanical, occasional, none"), ({"ache": "none"}, "location, pain")]
)
def test_bad_codes_name_the_allowed_ones(entered: dict[str, str], expected: str) -> None:
    case = lumbar(2.0)
    with pytest.raises(InputError) as error:
        sins_of(case, case.targets[0], entered)
    assert expected in error.value.expected


@pytest.mark.parametrize(("level", "points"), [("T6", 1), ("L5", 3), ("S3", 0)])
def test_location_follows_from_the_level(level: str, points: int) -> None:
    case = lumbar(2.0)
    moved: Target = replace(case.targets[0], statement=LevelStatement(Level(level), False))
    found = sins_of(case, moved, {})
    assert part(found, "location").points == points
    assert any("not confirmed" in note for note in found.notes)


@cache
def bare() -> Case:
    """No bodies: only what is entered, location and bone count."""
    case = lumbar(2.0)
    kept = tuple(s for s in case.anatomy.structures if s.kind is StructureKind.skin)
    return replace(case, anatomy=replace(case.anatomy, bodies=None, structures=kept))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    codes=st.fixed_dictionaries({name: st.sampled_from(CODES[name]) for name in NAMES}),
    lacking=st.sets(st.sampled_from(NAMES)),
)
def test_range_holds_every_total(codes: dict[str, str], lacking: set[str]) -> None:
    case = bare()
    full = sins_of(case, case.targets[0], codes)
    points = sum(score.POINTS[f"sins_{name}"][code] for name, code in codes.items())
    assert full.low == full.total == full.high == points
    assert full.stability == score.stability(points)
    assert full.surgical_opinion == ("yes" if points >= 7 else "no")
    known = {name: code for name, code in codes.items() if name not in lacking or name in ("location", "bone")}
    fewer = sins_of(case, case.targets[0], known)
    assert fewer.low <= points <= fewer.high
    assert (fewer.total is None) == (len(known) < len(NAMES))
    assert (fewer.surgical_opinion == "no") == (fewer.high < 7)
    assert (fewer.surgical_opinion == "yes") == (fewer.low >= 7)


@pytest.mark.data
def test_healthy_lumbar_scan_shows_no_collapse(monkeypatch: pytest.MonkeyPatch) -> None:
    """3 mm voxels, labels by a model: L1 to L5 have kept their height (T12 is cut off by the image, S1 is no body
    to compare with), and nothing has slipped; the arch holds no lesion.
    """
    need("totalseg_lumbar/ct.nii.gz")
    monkeypatch.setenv("VERTHERM_DATA", str(folder()))
    case, _ = prepare_case(load("lumbar_scan").case_file())
    grid = case.anatomy.ct.grid
    empty = Volume(np.zeros(grid.shape, bool), grid)
    for name in ("L1", "L2", "L3", "L4", "L5"):
        target = replace(case.targets[0], mask=empty, statement=LevelStatement(Level(name), True))
        found = sins_of(replace(case, targets=(target,)), target, {"pain": "none"})
        assert part(found, "collapse").code == "none", part(found, "collapse").words
        assert part(found, "posterolateral").code == "none"
        assert part(found, "alignment").code == ("normal" if name in ("L2", "L3", "L4") else None)
