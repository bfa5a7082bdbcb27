"""The treated zone grown in made-up scans of known zones.

Formula: coagulated tissue takes up no contrast medium, so the subtraction is 0 inside an ellipsoid and 40 HU (bone) or
25 HU (muscle) outside, blurred by the scanner and with noise. Expected: the ellipsoid. Tolerance: the edge's own stated
error, which must neither promise too much nor be useless.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from tests.followup.scenes import block_scene, enhancement
from vertherm.core.errors import InputError
from vertherm.followup.scene import LocalScene
from vertherm.followup.zone import NotVisible, ObservedZone, given_zone, segment_zone
from vertherm.geometry.volume import Volume
from vertherm.imaging.synthetic_followup import Ellipsoid, Paint, Scanner, synthetic_followup

SCENE = block_scene()
SEEDS = Ellipsoid((0.0, 4.0, 0.0), (3.0, 3.0, 3.0)).mask(SCENE.grid).data
NOTHING = np.zeros(SCENE.grid.shape, bool)


def subtraction(zone: Ellipsoid | None, noise_hu: float, seed: int = 0, scene: LocalScene = SCENE) -> Volume:
    paints = [] if zone is None else [Paint(zone, -15.0, enhances=0.0)]
    with_medium, without = (
        synthetic_followup(
            scene.planning,
            scene.grid,
            paints=paints,
            enhancement=medium,
            scanner=Scanner(noise_hu=noise_hu, seed=2 * seed + k),
        )
        for k, medium in enumerate((enhancement(scene), None))
    )
    return Volume(with_medium.data - without.data, scene.grid, "subtraction")


@pytest.mark.parametrize("noise_hu", [10.0, 20.0, 40.0])
@pytest.mark.parametrize("half_axes", [(8.0, 8.0, 8.0), (12.0, 10.0, 9.0), (14.0, 11.0, 8.0)])
def test_zone_is_found_within_its_stated_error(noise_hu: float, half_axes: tuple[float, float, float]) -> None:
    zone = Ellipsoid((0.4, 4.3, -0.2), half_axes)
    found = segment_zone(subtraction(zone, noise_hu), SEEDS, SCENE.seen(NOTHING))
    assert isinstance(found, ObservedZone)
    edge = found.mask.data & ~binary_erosion(found.mask.data)
    # A voxel of the edge lies inside by half a voxel at most, a quarter on average.
    off = zone.distance_mm(SCENE.grid.centres())[edge] + 0.25
    assert np.sqrt(np.mean(off**2)) < 1.15 * found.edge_sd_mm
    assert found.edge_sd_mm < 0.6 + 0.025 * noise_hu
    radius = np.cbrt(3 * zone.volume_ml * 1000 / (4 * np.pi))
    assert abs(radius * np.cbrt(found.volume_ml / zone.volume_ml) - radius) < 0.5 * found.edge_sd_mm


def test_no_zone_is_not_found() -> None:
    """Where nothing was treated, chance must not make a zone: twenty noises."""
    for seed in range(20):
        found = segment_zone(subtraction(None, 30.0, seed), SEEDS, SCENE.seen(NOTHING))
        assert isinstance(found, NotVisible), f"seed {seed}"


def test_too_much_noise_is_said() -> None:
    zone = Ellipsoid((0.0, 4.0, 0.0), (8.0, 8.0, 8.0))
    found = segment_zone(subtraction(zone, 150.0), SEEDS, SCENE.seen(NOTHING))
    assert isinstance(found, NotVisible)
    assert "contrast to noise" in found.reason


def test_zone_under_cement_takes_the_side_of_its_surroundings() -> None:
    zone = Ellipsoid((0.0, 4.0, 0.0), (11.0, 11.0, 11.0))
    cement = Ellipsoid((0.0, 4.0, 2.0), (5.0, 5.0, 5.0)).mask(SCENE.grid).data
    signal = subtraction(zone, 15.0)
    signal = signal.with_data(np.where(cement, 900.0, signal.data).astype(np.float32))
    seeds = Ellipsoid((0.0, 4.0, 0.0), (8.0, 8.0, 8.0)).mask(SCENE.grid).data
    found = segment_zone(signal, seeds, SCENE.seen(cement))
    assert isinstance(found, ObservedZone)
    assert found.mask.data[cement].all()
    assert found.hidden > 0.05
    assert any("under cement" in note for note in found.notes)
    assert found.volume_ml == pytest.approx(zone.volume_ml, rel=0.08)


def test_zone_is_not_followed_into_the_canal() -> None:
    """A zone that reaches the canal: fluid takes up nothing anyway, so nothing is claimed there."""
    zone = Ellipsoid((0.0, -6.0, 0.0), (9.0, 10.0, 9.0))
    seeds = Ellipsoid((0.0, -6.0, 0.0), (3.0, 3.0, 3.0)).mask(SCENE.grid).data
    found = segment_zone(subtraction(zone, 10.0), seeds, SCENE.seen(NOTHING))
    assert isinstance(found, ObservedZone)
    assert SCENE.canal is not None
    assert not (found.mask.data & SCENE.canal.data).any()


def test_seed_outside_tissue_is_an_error() -> None:
    seeds = np.zeros(SCENE.grid.shape, bool)
    with pytest.raises(InputError, match="no seed"):
        segment_zone(subtraction(None, 10.0), seeds, SCENE.seen(NOTHING))


def test_an_empty_drawing_is_an_error() -> None:
    with pytest.raises(InputError, match="empty"):
        given_zone(Volume(NOTHING, SCENE.grid, "drawn"), 1.0)
