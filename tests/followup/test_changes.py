"""Recurrence of known place and size in pairs of made-up examinations.

Layout: a treated ball of radius 11 mm, seen at both examinations; at the second, living tissue has come back in a ball
inside it, or beside it, or the zone has shrunk all around. Expected: the first two are found at their place and size,
the last is named a rim, and nothing is found where nothing is new, over many noises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tests.followup.scenes import block_scene, enhancement
from vertherm.followup.changes import Look, new_findings
from vertherm.followup.zone import ObservedZone, segment_zone
from vertherm.geometry.volume import Volume
from vertherm.imaging.synthetic_followup import Ellipsoid, Paint, Scanner, synthetic_followup

SCENE = block_scene()
NOTHING = np.zeros(SCENE.grid.shape, bool)
TREATED = Ellipsoid((0.0, 4.0, 0.0), (11.0, 11.0, 11.0))
SEEDS = Ellipsoid((0.0, 4.0, 0.0), (3.0, 3.0, 3.0)).mask(SCENE.grid).data


@dataclass
class Made:
    zone: Ellipsoid = TREATED
    back: Ellipsoid | None = None
    brighter_hu: float = 60.0
    lysis: Ellipsoid | None = None
    noise_hu: float = 12.0


def look(made: Made, seed: int) -> Look:
    paints = [Paint(made.zone, -15.0, enhances=0.0)]
    medium = enhancement(SCENE)
    if made.back is not None:
        inside = made.back.mask(SCENE.grid).data
        medium = medium.with_data(np.where(inside, made.brighter_hu, medium.data).astype(np.float32))
        # The zone no longer covers what has come back.
        paints = []
        kept = made.zone.mask(SCENE.grid).data & ~inside
        medium = medium.with_data(np.where(kept, 0.0, medium.data).astype(np.float32))
    if made.lysis is not None:
        paints.append(Paint(made.lysis, 45.0, adds=False))
    scans = [
        synthetic_followup(
            SCENE.planning,
            SCENE.grid,
            paints=paints,
            enhancement=added,
            scanner=Scanner(noise_hu=made.noise_hu, seed=10 * seed + k),
        )
        for k, added in enumerate((medium, None))
    ]
    signal = Volume(scans[0].data - scans[1].data, SCENE.grid, "subtraction")
    tissue = SCENE.seen(NOTHING)
    zone = segment_zone(signal, SEEDS, tissue)
    assert isinstance(zone, ObservedZone)
    return Look(signal, scans[1], zone, tissue, 0.15)


BASE = look(Made(), 1)


def test_nothing_new_is_never_a_finding() -> None:
    for seed in range(2, 12):
        assert new_findings(BASE, look(Made(), seed), SCENE) == (), f"seed {seed}"


def test_nodule_inside_the_zone() -> None:
    nodule = Ellipsoid((7.0, 4.0, 0.0), (4.5, 4.5, 4.5))
    found = new_findings(BASE, look(Made(back=nodule), 3), SCENE)
    assert [(f.kind, f.place) for f in found] == [("enhancing nodule", "inside the treated zone")]
    assert np.linalg.norm(np.subtract(found[0].centre_mm, nodule.centre_mm)) < 3.0
    inside = nodule.mask(SCENE.grid).data & TREATED.mask(SCENE.grid).data
    assert found[0].volume_ml == pytest.approx(inside.sum() / 1000, rel=0.35)


def test_brighter_tissue_beside_the_zone() -> None:
    beside = Ellipsoid((-17.0, 4.0, 0.0), (4.0, 5.0, 5.0))
    found = new_findings(BASE, look(Made(back=beside, brighter_hu=110.0), 4), SCENE)
    assert ("enhancing nodule", "at its margin") in [(f.kind, f.place) for f in found]


def test_loss_of_bone_beside_the_zone() -> None:
    hole = Ellipsoid((17.0, 6.0, 0.0), (5.0, 6.0, 6.0))
    found = new_findings(BASE, look(Made(lysis=hole), 5), SCENE)
    assert [f.kind for f in found if f.kind == "loss of bone"] == ["loss of bone"]


def test_a_zone_that_shrinks_all_around_is_a_rim() -> None:
    smaller = Ellipsoid(TREATED.centre_mm, (5.0, 5.0, 5.0))
    found = new_findings(BASE, look(Made(zone=smaller), 6), SCENE)
    assert {f.kind for f in found} == {"enhancing rim"}


@pytest.mark.parametrize("shift_mm", [0.5, 1.0])
def test_a_registration_that_is_off_gives_no_finding(shift_mm: float) -> None:
    """The stated error of 0.5 mm covers shifts of up to 1 mm."""
    moved = Ellipsoid((shift_mm, 4.0, 0.0), TREATED.half_axes_mm)
    later = look(Made(zone=moved), 7)
    later = Look(later.signal, later.hu, later.zone, later.tissue, 0.5)
    assert new_findings(BASE, later, SCENE) == ()
