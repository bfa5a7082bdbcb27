"""A vertebra's own directions against the torso phantom's formulas.

Layout: the phantom's target body is an elliptic column at the origin (half axes 25 x 18 mm lumbar, waist 10 %), its
canal an ellipse of half width 11 mm at y = -26.5 mm; everything stands along x, y, z. So right, anterior, superior are
the world's axes, the canal's middle is (0, -26.5) and the posterior wall lies between -18 mm (endplates) and -16.2 mm
(waist). Tolerances: one voxel for places, 1 degree for directions, rounding for symmetry.
"""

from __future__ import annotations

import numpy as np
import pytest

from vertherm.access.scene import VertebraFrame
from vertherm.access.vertebra import canal_middle, coordinates, pedicle_regions, vertebra_frame
from vertherm.clinical.levels import Level
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import Anatomy
from vertherm.imaging.phantom import torso_phantom


def frame_of(anatomy: Anatomy, level: Level, others: bool = True) -> VertebraFrame:
    bodies = anatomy.bodies or {}
    rest = [body for known, body in bodies.items() if known is not level] if others else []
    found = vertebra_frame(bodies[level], anatomy.structure("canal").mask, rest)
    assert found is not None
    return found


def degrees(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(one @ other, -1, 1))))


@pytest.mark.parametrize(
    ("level", "canal_y", "half_width", "walls"),
    [("L3", -26.5, 11.0, (-18.0, -15.5)), ("T7", -22.0, 8.5, (-14.0, -12.0))],
)
@pytest.mark.parametrize("others", [True, False])
def test_frame_of_the_formula(
    level: str, canal_y: float, half_width: float, walls: tuple[float, float], others: bool
) -> None:
    found = frame_of(torso_phantom(level), Level(level), others)
    for axis, vector in zip(np.eye(3), (found.right, found.anterior, found.superior), strict=True):
        assert degrees(axis, vector) < 1.0
    assert np.linalg.norm(found.centre_mm) < 0.5
    assert canal_middle(found) == pytest.approx((0.0, canal_y), abs=0.5)
    assert found.canal_half_width_mm == pytest.approx(half_width, abs=0.6)
    assert walls[0] <= found.posterior_wall_mm <= walls[1]


@pytest.mark.parametrize("codes", ["LPS", "PIR", "SAL"])
def test_storage_order_does_not_matter(codes: str) -> None:
    plain, turned = frame_of(torso_phantom("L3"), Level.L3), frame_of(torso_phantom("L3", orientation=codes), Level.L3)
    for name in ("centre_mm", "right", "anterior", "superior", "canal_mm"):
        np.testing.assert_allclose(getattr(turned, name), getattr(plain, name), atol=1e-9)
    assert turned.posterior_wall_mm == pytest.approx(plain.posterior_wall_mm, abs=1e-9)
    assert turned.canal_half_width_mm == pytest.approx(plain.canal_half_width_mm, abs=1e-9)


def test_the_frame_turns_with_the_anatomy() -> None:
    """Body and canal moved by a rotation R and a shift t: axes become R axes, places R p + t, depths stay."""
    anatomy = torso_phantom("L3")
    angle = np.radians(25.0)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    side = np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]])
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = side @ turn, (7.0, -40.0, 12.0)

    def moved(volume: Volume) -> Volume:
        return Volume(volume.data, Grid(volume.grid.shape, move @ volume.grid.affine), "")

    bodies = anatomy.bodies or {}
    plain = frame_of(anatomy, Level.L3)
    found = vertebra_frame(
        moved(bodies[Level.L3]),
        moved(anatomy.structure("canal").mask),
        [moved(body) for level, body in bodies.items() if level is not Level.L3],
    )
    assert found is not None
    for name in ("right", "anterior", "superior"):
        assert degrees(getattr(found, name), move[:3, :3] @ getattr(plain, name)) < 0.01
    np.testing.assert_allclose(found.centre_mm, move[:3, :3] @ plain.centre_mm + move[:3, 3], atol=1e-9)
    assert found.posterior_wall_mm == pytest.approx(plain.posterior_wall_mm, abs=1.0)


def test_mirrored_anatomy_gives_the_mirrored_frame() -> None:
    """Lopsided: canal 3 mm to the right, turned 6 degrees. Mirror M = diag(-1, 1, 1); right is M right negated."""
    mirror = np.diag([-1.0, 1.0, 1.0])

    def made(sign: float) -> VertebraFrame:
        grid = Grid.isotropic(np.array([-40.0, -60.0, -30.0]), np.array([40.0, 40.0, 30.0]), 1.0)
        x, y, z = np.moveaxis(grid.centres(), -1, 0)
        x = sign * x
        body = ((x - 0.05 * z) / 24) ** 2 + (y / 17) ** 2 <= 1
        canal = ((x - 3 - 0.1 * z) / 10) ** 2 + ((y + 26) / 8) ** 2 <= 1
        found = vertebra_frame(Volume(body & (np.abs(z) <= 13), grid), Volume(canal, grid))
        assert found is not None
        return found

    plain, mirrored = made(1.0), made(-1.0)
    for name in ("anterior", "superior", "canal_mm", "centre_mm"):
        np.testing.assert_allclose(getattr(mirrored, name), mirror @ getattr(plain, name), atol=1e-9)
    np.testing.assert_allclose(mirrored.right, -mirror @ plain.right, atol=1e-9)
    assert mirrored.posterior_wall_mm == pytest.approx(plain.posterior_wall_mm, abs=1e-9)
    assert plain.right[0] > 0.9
    # Without neighbours the canal's course counts: 0.1 mm sideways a mm upwards.
    assert plain.superior[0] / plain.superior[2] == pytest.approx(0.1, abs=0.01)


def test_pedicles_lie_beside_the_canal_behind_the_wall() -> None:
    """L3 of the phantom: pedicle bars at x = +-17, half 5 x 7 mm around z = 5; depth from -26.5 mm to the wall."""
    anatomy = torso_phantom("L3")
    found = frame_of(anatomy, Level.L3)
    left, right = pedicle_regions(anatomy.vertebrae[Level.L3], found)
    assert int(left.data.sum()) == int(right.data.sum()) > 500, "the phantom is symmetrical"
    for region, sign in ((left, -1.0), (right, 1.0)):
        place = coordinates(found, region.grid.world(np.argwhere(region.data)))
        assert (place[:, 1] <= found.posterior_wall_mm).all()
        assert (place[:, 1] >= -26.5).all()
        assert (sign * place[:, 0] >= 0.8 * 11.0).all()
        centre = np.median(place, axis=0)
        assert sign * centre[0] == pytest.approx(16.0, abs=2.0)
        assert centre[2] == pytest.approx(5.0, abs=2.0)


def test_without_canal_or_body_there_is_no_frame() -> None:
    anatomy = torso_phantom("L3")
    body, canal = (anatomy.bodies or {})[Level.L3], anatomy.structure("canal").mask
    nothing = canal.with_data(np.zeros(canal.grid.shape, bool))
    assert vertebra_frame(body, nothing) is None
    assert vertebra_frame(nothing, canal) is None
    far = Volume(canal.data, Grid(canal.grid.shape, canal.grid.affine + _shift(300.0)), "")
    assert vertebra_frame(body, far) is None, "a canal 300 mm above the body says nothing of it"


def _shift(z_mm: float) -> np.ndarray:
    out = np.zeros((4, 4))
    out[2, 3] = z_mm
    return out
