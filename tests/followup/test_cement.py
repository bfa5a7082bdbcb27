"""Cement found in made-up scans: an ellipsoid of known volume at 1500 to 2500 HU with a scanner's blur and noise."""

from __future__ import annotations

import numpy as np
import pytest

from tests.followup.scenes import block_scene
from vertherm.followup.cement import find_cement, given_cement
from vertherm.geometry.volume import Volume
from vertherm.imaging.synthetic_followup import Ellipsoid, Paint, Scanner, synthetic_followup

SCENE = block_scene()
SCANNER = Scanner(noise_hu=25.0, seed=3)


@pytest.mark.parametrize("hu", [1500.0, 2500.0])
@pytest.mark.parametrize("half_axes", [(5.0, 5.0, 5.0), (8.0, 7.0, 6.0), (11.0, 9.0, 8.0)])
def test_volume_does_not_depend_on_the_density(hu: float, half_axes: tuple[float, float, float]) -> None:
    """Half-way between cement and surroundings the volume is 4/3 pi abc whatever the density: 3 %."""
    cement = Ellipsoid((0.3, 4.4, 0.1), half_axes)
    scan = synthetic_followup(SCENE.planning, SCENE.grid, paints=[Paint(cement, hu, adds=False)], scanner=SCANNER)
    found = find_cement(scan, SCENE)
    assert found.volume_ml == pytest.approx(cement.volume_ml, rel=0.03)
    assert found.by_site_ml["canal"] == found.by_site_ml["elsewhere"] == 0.0


def test_no_cement() -> None:
    found = find_cement(synthetic_followup(SCENE.planning, SCENE.grid, scanner=SCANNER), SCENE)
    assert found.volume_ml == 0.0
    assert not found.mask.data.any()


def test_cement_in_the_canal_is_named() -> None:
    leak = Ellipsoid((0.0, -21.0, 0.0), (4.0, 4.0, 4.0))
    scan = synthetic_followup(SCENE.planning, SCENE.grid, paints=[Paint(leak, 2000.0, adds=False)], scanner=SCANNER)
    assert find_cement(scan, SCENE).by_site_ml["canal"] == pytest.approx(leak.volume_ml, rel=0.25)


def test_dense_bone_of_the_planning_scan_is_no_cement() -> None:
    """A screw-like density that was there before is not counted."""
    solid = Ellipsoid((10.0, 4.0, 0.0), (4.0, 4.0, 4.0)).mask(SCENE.grid).data
    before = SCENE.planning.with_data(np.where(solid, 1800.0, SCENE.planning.data).astype(np.float32))
    scene = type(SCENE)(**{**vars(SCENE), "planning": before})
    assert find_cement(before, scene).volume_ml == 0.0


def test_drawn_cement_may_be_empty() -> None:
    mask = Volume(np.zeros(SCENE.grid.shape, bool), SCENE.grid)
    assert given_cement(mask, SCENE).volume_ml == 0.0
