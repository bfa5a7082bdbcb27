"""Recurrence of known place and size in pairs of made-up examinations.

Layout: a treated ball of radius 11 mm, seen at both examinations; at the second, living tissue has come back in a ball
inside it, or beside it, or the zone has shrunk all around. Expected: the first two are found at their place and size,
the last is named a rim, and nothing is found where nothing is new, over many noises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.followup.scenes import block_scene, enhancement
from vertherm.followup.changes import Comparison, Finding, Look, compare
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
    return Look("CT", signal, scans[1], zone, tissue, 0.15)


BASE = look(Made(), 1)


def new_findings(earlier: Look, later: Look) -> tuple[Finding, ...]:
    return compare(earlier, later, SCENE).findings


def test_nothing_new_is_never_a_finding() -> None:
    for seed in range(2, 12):
        found = compare(BASE, look(Made(), seed), SCENE)
        assert (found.findings, found.gaps) == ((), ()), f"seed {seed}"


def test_nodule_inside_the_zone() -> None:
    nodule = Ellipsoid((7.0, 4.0, 0.0), (4.5, 4.5, 4.5))
    found = new_findings(BASE, look(Made(back=nodule), 3))
    assert [(f.kind, f.place) for f in found] == [("enhancing nodule", "inside the treated zone")]
    assert np.linalg.norm(np.subtract(found[0].centre_mm, nodule.centre_mm)) < 3.0
    inside = nodule.mask(SCENE.grid).data & TREATED.mask(SCENE.grid).data
    assert found[0].volume_ml == pytest.approx(inside.sum() / 1000, rel=0.35)


def test_brighter_tissue_beside_the_zone() -> None:
    beside = Ellipsoid((-17.0, 4.0, 0.0), (4.0, 5.0, 5.0))
    found = new_findings(BASE, look(Made(back=beside, brighter_hu=110.0), 4))
    assert ("enhancing nodule", "at its margin") in [(f.kind, f.place) for f in found]


def test_loss_of_bone_beside_the_zone() -> None:
    hole = Ellipsoid((17.0, 6.0, 0.0), (5.0, 6.0, 6.0))
    found = new_findings(BASE, look(Made(lysis=hole), 5))
    assert [f.kind for f in found if f.kind == "loss of bone"] == ["loss of bone"]


def test_a_zone_that_shrinks_all_around_is_a_rim() -> None:
    smaller = Ellipsoid(TREATED.centre_mm, (5.0, 5.0, 5.0))
    found = new_findings(BASE, look(Made(zone=smaller), 6))
    assert {f.kind for f in found} == {"enhancing rim"}


@pytest.mark.parametrize("shift_mm", [0.5, 1.0])
def test_a_registration_that_is_off_gives_no_finding(shift_mm: float) -> None:
    """The stated error of 0.5 mm covers shifts of up to 1 mm."""
    moved = Ellipsoid((shift_mm, 4.0, 0.0), TREATED.half_axes_mm)
    later = look(Made(zone=moved), 7)
    assert new_findings(BASE, replace(later, place_error_mm=0.5)) == ()


def drawn(made: Made, seed: int) -> Look:
    """As :func:`look`, with the zone as a reader would draw it: what is new lies outside of it."""
    plain = look(Made(noise_hu=made.noise_hu), seed)
    assert plain.signal is not None
    assert made.back is not None
    zone = TREATED.mask(SCENE.grid)
    risen = made.back.mask(SCENE.grid).data & ~zone.data
    signal = plain.signal.with_data((plain.signal.data + made.brighter_hu * risen).astype(np.float32))
    return replace(plain, signal=signal, zone=ObservedZone(zone, True, None, 0.7, 0.0))


@pytest.mark.parametrize("radius_mm", [16.0, 18.0, 20.0])
def test_a_recurrence_all_around_is_found(radius_mm: float) -> None:
    """It fills most of the surroundings: level and noise must not come from there."""
    around = Ellipsoid(TREATED.centre_mm, (radius_mm,) * 3)
    later = drawn(Made(back=around, brighter_hu=40.0), 8)
    found = new_findings(replace(BASE, zone=later.zone), later)
    nodules = [f for f in found if (f.kind, f.place) == ("enhancing nodule", "at its margin")]
    lit = around.mask(SCENE.grid).data & ~TREATED.mask(SCENE.grid).data & SCENE.followable
    assert sum(f.volume_ml for f in nodules) > 0.4 * lit.sum() / 1000


def gaps(found: Comparison, words: str) -> bool:
    return any(words in gap for gap in found.gaps)


def test_what_was_not_compared_is_said() -> None:
    """No list of findings is worth anything where nothing, or only a part, was looked at."""
    later = look(Made(), 9)
    assert gaps(compare(BASE, replace(later, signal=None), SCENE), "without contrast medium")
    assert gaps(compare(BASE, replace(later, modality="MR"), SCENE), "not comparable")
    half = SCENE.grid.centres()[..., 0] > 2.0
    cut = replace(later.tissue, bone=later.tissue.bone & half, soft=later.tissue.soft & half)
    assert gaps(compare(BASE, replace(later, tissue=cut), SCENE), "outside one of the images")
    hidden = replace(later.tissue, cement=Ellipsoid(TREATED.centre_mm, (19.0,) * 3).mask(SCENE.grid).data)
    found = compare(BASE, replace(later, tissue=hidden), SCENE)
    assert gaps(found, "under cement")
    assert found.hidden > 0.5


def test_a_dark_zone_that_grows_needs_a_reader() -> None:
    found = compare(BASE, look(Made(zone=Ellipsoid(TREATED.centre_mm, (15.0, 15.0, 15.0))), 10), SCENE)
    assert gaps(found, "has grown by")


def test_a_rim_that_leaves_hardly_any_zone_needs_a_reader() -> None:
    found = compare(BASE, look(Made(zone=Ellipsoid(TREATED.centre_mm, (5.0, 5.0, 5.0))), 6), SCENE)
    assert {f.kind for f in found.findings} == {"enhancing rim"}
    assert gaps(found, "takes up contrast medium again")
    slight = compare(BASE, look(Made(zone=Ellipsoid(TREATED.centre_mm, (9.3, 9.3, 9.3))), 6), SCENE)
    assert slight.gaps == ()


def test_all_bone_at_another_tube_voltage_is_no_loss_of_bone() -> None:
    """Density at 0.7 of what it was, everywhere, a dense island included: a factor of the scan, not of the bone."""
    island = 400.0 * Ellipsoid((-17.0, 6.0, 0.0), (5.0, 6.0, 6.0)).mask(SCENE.grid).data
    assert BASE.hu is not None
    earlier = replace(BASE, hu=BASE.hu.with_data((BASE.hu.data + island).astype(np.float32)))
    for lysis, kinds in ((None, []), (Ellipsoid((17.0, 6.0, 0.0), (5.0, 6.0, 6.0)), ["loss of bone"])):
        later = look(Made(lysis=lysis), 5)
        assert later.hu is not None
        dense = later.hu.data + island
        weaker = later.hu.with_data(np.where(dense > 0, 0.7 * dense, dense).astype(np.float32))
        assert [f.kind for f in new_findings(earlier, replace(later, hu=weaker))] == kinds


def test_two_mr_are_scaled_to_each_other() -> None:
    """Grey values at 3 times the gain; a part that always took up more is nothing new, a nodule is found."""
    always = Ellipsoid((-17.0, 4.0, 0.0), (4.0, 5.0, 5.0))
    for before, back in ((always, always), (None, always)):
        earlier = look(Made(back=before, brighter_hu=140.0), 1)
        later = look(Made(back=back, brighter_hu=140.0), 12)
        assert later.signal is not None
        louder = later.signal.with_data(3.0 * later.signal.data)
        first = replace(earlier, modality="MR", hu=None)
        found = compare(first, replace(later, modality="MR", hu=None, signal=louder), SCENE)
        assert found.gaps == ()
        assert [f.kind for f in found.findings] == ([] if before is not None else ["enhancing nodule"])
