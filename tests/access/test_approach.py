"""How needles enter the torso phantom's vertebrae: hand-placed paths whose class and wall are known in closed form.

Layout (RAS mm, origin in the body's middle): lumbar pedicle bars at x = +-17, z = 3 to 7 round with radius 5, so their
lateral face is the plane |x| = 22 (a face of the 1 mm voxels); canal middle y = -26.5, posterior wall y = -16 (waist).
Within the pedicle's depth, y from -26.5 to -16, the wall of a needle of radius r in the plane z = 5 that leans
laterally is the distance of its axis to x = 22 at y = -26.5, less r. Thoracic: bars at +-11, radius 3, face 14, depth
from y = -22 to -13. Tolerance 1e-6: voxel faces are the planes of the formula, distances to boxes are exact.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.access.bone_scenes import ball, phantom_scene, scene_of
from vertherm.access.approach import BoneScores, through_bone
from vertherm.access.rules import Approach
from vertherm.access.scene import AccessScene
from vertherm.clinical.levels import Level
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.phantom import torso_phantom

RADIUS = 0.8
Point = tuple[float, float, float]
NAMES = tuple(Approach)


def score(scene: AccessScene, *paths: tuple[Point, Point], radius: float = RADIUS) -> BoneScores:
    return through_bone(scene, np.array([p[0] for p in paths], float), np.array([p[1] for p in paths], float), radius)


def classes(found: BoneScores) -> list[Approach | None]:
    return [NAMES[code] if code >= 0 else None for code in found.approach]


LUMBAR: tuple[tuple[Point, Point, Approach | None, int], ...] = (
    ((17.0, -97.0, 5.0), (17.0, 0.0, 5.0), Approach.transpedicular, 1),
    ((-17.0, -97.0, 5.0), (-17.0, 0.0, 5.0), Approach.transpedicular, -1),
    ((40.0, -97.0, 5.0), (5.0, 0.0, 5.0), Approach.transpedicular, 1),
    ((17.0, -97.0, 5.0), (17.0, -20.0, 5.0), Approach.transpedicular, 1),  # tip within the pedicle
    ((60.0, -97.0, -8.0), (10.0, 0.0, -8.0), Approach.posterolateral, 1),  # below the pedicle
    ((130.0, -30.0, 5.0), (10.0, 4.0, 5.0), Approach.posterolateral, 1),  # the front half of the flank
    ((90.0, -60.0, 5.0), (10.0, 0.0, 5.0), Approach.parapedicular, 1),
    ((-90.0, -60.0, 5.0), (-10.0, 0.0, 5.0), Approach.parapedicular, -1),
    ((0.0, -97.0, 0.0), (0.0, 0.0, 0.0), None, 0),  # through the canal
    ((0.0, 97.0, 0.0), (0.0, 0.0, 0.0), None, 0),  # through the belly
    ((80.0, -97.0, 0.0), (80.0, 0.0, 0.0), None, 1),  # beside the bone
)


def test_classes_and_sides_of_the_lumbar_phantom() -> None:
    found = score(phantom_scene("L3"), *((entry, tip) for entry, tip, _, _ in LUMBAR))
    assert classes(found) == [expected for _, _, expected, _ in LUMBAR]
    assert found.side.tolist() == [side for _, _, _, side in LUMBAR]


THORACIC: tuple[tuple[Point, Point, Approach | None, int], ...] = (
    ((11.0, -85.0, 4.0), (11.0, 0.0, 4.0), Approach.transpedicular, 1),
    ((-16.0, -85.0, 4.0), (-9.0, 0.0, 4.0), Approach.transpedicular, -1),
    # Beside the pedicle (axis at x = 18.6 where y = -22): not through its bar, but through the transverse process.
    ((50.0, -85.0, 4.0), (6.0, 4.0, 4.0), Approach.parapedicular, 1),
    # Flatter: crosses nothing of the arch, enters the body behind its middle.
    ((75.0, -20.0, 2.0), (4.0, 2.0, 2.0), Approach.costovertebral, 1),
    ((60.0, -80.0, -6.0), (6.0, 0.0, -6.0), Approach.posterolateral, 1),  # below the pedicle
)


def test_classes_and_sides_of_the_thoracic_phantom() -> None:
    found = score(phantom_scene("T7"), *((entry, tip) for entry, tip, _, _ in THORACIC))
    assert classes(found) == [expected for _, _, expected, _ in THORACIC]
    assert found.side.tolist() == [side for _, _, _, side in THORACIC]


@pytest.mark.parametrize(
    ("level", "face", "rear", "paths"),
    [
        ("L3", 22.0, -26.5, ((17.0, 17.0), (18.5, 18.5), (28.0, 15.0), (20.5, 20.0))),
        ("T7", 14.0, -22.0, ((11.0, 11.0), (12.0, 12.0), (15.0, 11.0), (13.0, 12.6))),
    ],
)
def test_wall_of_the_pedicle(level: str, face: float, rear: float, paths: tuple[tuple[float, float], ...]) -> None:
    """x at y = -80 and at y = 0; in the plane of the bar's middle the lateral face is nearest."""
    z = 5.0 if level == "L3" else 4.0
    found = score(phantom_scene(level), *(((a, -80.0, z), (b, 0.0, z)) for a, b in paths))
    assert classes(found) == [Approach.transpedicular] * len(paths)
    for n, (a, b) in enumerate(paths):
        outermost = b + (a - b) * rear / -80.0
        gap = face - outermost - RADIUS
        assert found.pedicle_wall_mm[n] == pytest.approx(max(gap, 0.0), abs=1e-6)
        assert found.breach_mm[n] == pytest.approx(max(-gap, 0.0), abs=1e-6)


def test_breach_grows_as_the_needle_moves_out() -> None:
    """Axis at x, radius r: sticks out of the face x = 22 by x + r - 22, also where the axis itself is outside."""
    scene = phantom_scene("L3")
    inside = [21.0, 21.4, 21.9]
    found = score(scene, *(((x, -80.0, 5.0), (x, 0.0, 5.0)) for x in inside))
    np.testing.assert_allclose(found.breach_mm, [max(x + RADIUS - 22.0, 0.0) for x in inside], atol=1e-6)
    np.testing.assert_allclose(found.pedicle_wall_mm, [max(22.0 - x - RADIUS, 0.0) for x in inside], atol=1e-6)
    wider = score(scene, ((17.0, -80.0, 5.0), (17.0, 0.0, 5.0)), radius=RADIUS + 2.0)
    thin = score(scene, ((17.0, -80.0, 5.0), (17.0, 0.0, 5.0)))
    assert thin.pedicle_wall_mm[0] - wider.pedicle_wall_mm[0] == pytest.approx(2.0, abs=1e-9)


def test_axis_that_leaves_the_pedicle() -> None:
    """From x = 23.5 at the canal's middle straight to x = 17 at the wall: it is out by 1.5 mm at first, then in."""
    slope = (17.0 - 23.5) / 10.5
    entry, tip = (23.5 - 53.5 * slope, -80.0, 5.0), (23.5 + 26.5 * slope, 0.0, 5.0)
    found = score(phantom_scene("L3"), (entry, tip))
    assert classes(found) == [Approach.transpedicular]
    assert found.pedicle_wall_mm[0] == 0.0
    assert found.breach_mm[0] == pytest.approx(1.5 + RADIUS, abs=0.3), "bone behind, the articular pillar, is nearer"


def test_mirror_swaps_the_sides() -> None:
    plain, mirrored = phantom_scene("L3"), phantom_scene("L3", mirrored=True)
    rng = np.random.default_rng(0)
    entries = np.stack([rng.uniform(-80, 80, 400), np.full(400, -95.0), rng.uniform(-15, 20, 400)], axis=1)
    tips = rng.normal(0, 5, (400, 3))
    one = through_bone(plain, entries, tips, RADIUS)
    other = through_bone(mirrored, entries * [-1, 1, 1], tips * [-1, 1, 1], RADIUS)
    np.testing.assert_array_equal(one.approach, other.approach)
    np.testing.assert_array_equal(one.side, -other.side)
    for name in ("incidence_deg", "bone_mm", "pedicle_wall_mm", "breach_mm", "first_bone_mm"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-5)
    assert len(np.unique(one.approach)) >= 4, "the paths are of several kinds"


def test_storage_order_does_not_matter() -> None:
    plain, turned = phantom_scene("T7"), phantom_scene("T7", orientation="SPL")
    rng = np.random.default_rng(0)
    entries = np.stack([rng.uniform(-60, 60, 300), np.full(300, -84.0), rng.uniform(-15, 20, 300)], axis=1)
    tips = rng.normal(0, 4, (300, 3))
    one, other = through_bone(plain, entries, tips, RADIUS), through_bone(turned, entries, tips, RADIUS)
    np.testing.assert_array_equal(one.approach, other.approach)
    for name in ("incidence_deg", "bone_mm", "pedicle_wall_mm", "breach_mm"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)


def test_lesion_in_the_arch() -> None:
    """A lesion in the spinous process: ways that never enter the body are classed; those of a body lesion are not."""
    anatomy = torso_phantom("L3", kind=None)
    path = ((20.0, -97.0, -6.0), (0.0, -55.0, -6.0))
    arch = scene_of(anatomy, Level.L3, ball(anatomy, (0.0, -55.0, -6.0), 4.0))
    body = scene_of(anatomy, Level.L3, ball(anatomy, (0.0, 0.0, 0.0), 6.0))
    assert classes(score(arch, path)) == [Approach.arch]
    assert classes(score(body, path)) == [None]


def test_cervical_and_sacral_ways() -> None:
    """The same bone named C5: from the front into its front half. Named S1 or S2: from behind, or through an ilium."""
    scene = phantom_scene("L3")
    front, late, behind = ((40.0, 90.0, 0.0), (2.0, 0.0, 0.0)), ((90.0, -4.0, 0.0), (2.0, -5.0, 0.0)), LUMBAR[0][:2]
    neck = replace_level(scene, Level.C5)
    assert classes(score(neck, front, late, behind)) == [Approach.anterolateral, None, Approach.transpedicular]
    grid = Grid.isotropic(np.array([30.0, -60.0, -20.0]), np.array([36.0, 20.0, 20.0]), 1.0)
    ilium = Volume(np.ones(grid.shape, bool), grid)
    through = ((70.0, -60.0, 0.0), (5.0, 0.0, 0.0))
    for level in (Level.S1, Level.S2):
        sacrum = replace_level(scene, level, ilium=ilium, frame=scene.frame if level is Level.S1 else None)
        found = score(sacrum, behind, through, front)
        assert classes(found) == [Approach.sacral_posterior, Approach.transiliac, None]
        assert found.crosses_ilium.tolist() == [False, True, False]
        assert np.isnan(found.pedicle_wall_mm).all()
        # The ilium is met first, at x = 36: its face stands upright, the needle comes at atan(60 / 65) to its normal.
        assert found.first_bone_mm[1] == pytest.approx(34.0 * np.hypot(65.0, 60.0) / 65.0, abs=1e-6)
        assert found.incidence_deg[1] == pytest.approx(np.degrees(np.arctan2(60.0, 65.0)), abs=1.0)


def test_a_way_through_the_pelvis_is_no_way_into_the_sacrum() -> None:
    """Two plates, 20 or 5 mm apart along the needle: out of bone for 20 mm fits nothing, for 5 mm it does."""
    grid = Grid.isotropic(np.array([-20.0, -40.0, -60.0]), np.array([20.0, 40.0, 20.0]), 1.0)
    _, y, z = np.moveaxis(grid.centres(), -1, 0)
    scene = replace_level(phantom_scene("L3"), Level.S3, frame=None, vertebral_body=None)
    path = ((0.0, -39.5, -29.5), (0.0, 30.0, -29.5))
    for gap, expected in ((20.0, None), (5.0, Approach.sacral_posterior)):
        bone = (y <= -10.0) | (y >= -10.0 + gap)
        bent = replace_level(scene, Level.S3, bone=Volume(bone & (np.abs(z + 30) < 25), grid))
        assert classes(score(bent, path)) == [expected]
    # A plate that slants: its lower face looks forwards and down; steeply from below and behind the needle meets that.
    slanted = Volume(np.abs(0.6 * y - 0.8 * z - 24.0) < 8.0, grid)
    from_below = ((0.0, -15.0, -60.0), (0.0, 0.0, -30.0))
    from_above = ((0.0, -39.0, -40.0), (0.0, -5.0, -33.0))
    found = score(replace_level(scene, Level.S3, bone=slanted), from_below, from_above)
    assert classes(found) == [None, Approach.sacral_posterior]


def test_without_a_frame_nothing_above_the_sacrum_is_a_way_in() -> None:
    bare = replace_level(phantom_scene("L3"), Level.L3, frame=None)
    assert classes(score(bare, *(path[:2] for path in LUMBAR))) == [None] * len(LUMBAR)


def replace_level(scene: AccessScene, level: Level, **changed: object) -> AccessScene:
    from dataclasses import replace

    return replace(scene, level=level, **changed)  # type: ignore[arg-type]
