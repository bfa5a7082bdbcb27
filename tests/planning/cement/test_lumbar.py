"""The cement of real vertebrae with synthetic lytic lesions: what a breach opens, what cement carries, what is marked.

Lumbar scan of the shared data, 3 mm voxels. Nothing here is a measured fill: the scan holds neither lesion nor cement.
Compared are cases of the same scan, which differ in one thing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.shared_data import folder, need
from tests.test_examples import load
from vertherm.access.vertebra import coordinates
from vertherm.clinical.levels import Level, LevelStatement
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Volume
from vertherm.imaging.build import add_lesion
from vertherm.imaging.lesion import synthetic_lesion
from vertherm.planning.access.scene import own_frame
from vertherm.planning.case import CaseFile, CementEntry
from vertherm.planning.cement.document import SITES, TargetCement
from vertherm.planning.cement.needles import Cannula, given_cannulas, to_the_middle
from vertherm.planning.cement.result import CementResult
from vertherm.planning.cement.run import cement_case
from vertherm.planning.cement.scene import density_calibration, vertebra_scene
from vertherm.planning.objects import Case, Target
from vertherm.planning.prepare import in_ras, prepare_case
from vertherm.planning.protocol import Protocol

pytestmark = [pytest.mark.data]
SAMPLES = 40
"""No leak in 36 samples is the least that shows less than the 10 % asked for at canal and foramen."""


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    need("totalseg_lumbar/ct.nii.gz")
    monkeypatch.setenv("VERTHERM_DATA", str(folder()))


@cache
def scan() -> tuple[CaseFile, Case, Protocol]:
    entry = load("lumbar_scan").case_file()
    return (entry, *prepare_case(entry))


@cache
def lesion_case(level: str, breach: bool = False, behind_mm: float = 7.0) -> Case:
    """A lytic ball of 9 mm, its centre ``behind_mm`` behind the middle of the body; with or without a broken wall."""
    _, case, _ = scan()
    key, anatomy = Level(level), case.anatomy
    bodies = anatomy.bodies or {}
    frame = own_frame(anatomy, key)
    assert frame is not None
    image, mask = synthetic_lesion(
        anatomy.ct,
        bodies[key],
        "lytic",
        centre_mm=frame.centre_mm - behind_mm * frame.anterior,
        radius_mm=9.0,
        seed=1,
        posterior_wall_breach=breach,
        canal=anatomy.structure("canal").mask,
    )
    changed = add_lesion(anatomy, "lesion", mask, "lytic", ct=image, synthetic=True)
    target = Target("lesion", LevelStatement(key, confirmed=True), "unknown", "lytic", mask, synthetic=True)
    return replace(case, anatomy=changed, targets=(target,))


def cannula(case: Case) -> dict[str, list[Cannula]]:
    """Straight through the left pedicle's direction to the lesion's middle."""
    target = case.targets[0]
    frame = own_frame(case.anatomy, target.level)
    assert frame is not None
    behind = target.centre_mm - 60.0 * frame.anterior - 25.0 * frame.right
    return {"lesion": [Cannula("needle", "", Trajectory(behind, target.centre_mm), 1.0)]}


def entry_with(**cement: object) -> CaseFile:
    entry, _, _ = scan()
    given = {"samples": SAMPLES, "heat": False, "strength": False, **cement}
    return entry.model_copy(update={"cement": CementEntry.model_validate(given)})


@cache
def predicted(level: str, breach: bool) -> CementResult:
    case = lesion_case(level, breach)
    return cement_case(case, scan()[2], entry_with(volume_ml={"lesion": 4.0}), cannula(case), workers=1)


@cache
def in_the_middle() -> CementResult:
    """L3, lesion in the middle, 4 ml, with strength."""
    case = lesion_case("L3", behind_mm=0.0)
    entry = entry_with(volume_ml={"lesion": 4.0}, strength=True, samples=10)
    return cement_case(case, scan()[2], entry, cannula(case), workers=1)


def row(result: CementResult) -> TargetCement:
    return result.document.targets[0]


def canal_at(found: TargetCement, volume_ml: float) -> float:
    assert found.curve is not None
    return float(np.interp(volume_ml, found.curve.volume_ml, found.curve.probability["canal"]))


def test_a_breach_of_the_posterior_wall_leaks_into_the_canal_and_lowers_the_safe_volume() -> None:
    """Same lesion, same needle, same draws; with the wall broken cement reaches the canal in more samples."""
    whole, broken = row(predicted("L3", False)), row(predicted("L3", True))
    assert canal_at(broken, 8.0) > canal_at(whole, 8.0) + 0.1
    assert broken.safe is not None
    assert whole.safe is not None
    assert broken.safe.volume_ml < whole.safe.volume_ml
    assert broken.safe.binds == "canal"


def test_needles_take_the_volume_in_turn() -> None:
    """Two needles of 1 : 3 and 4 ml: around the first one cement has arrived by 1 ml, around the second only after."""
    case = lesion_case("L3", behind_mm=0.0)
    frame = own_frame(case.anatomy, case.targets[0].level)
    assert frame is not None
    tips = [case.targets[0].centre_mm + side * 6.0 * frame.right for side in (-1.0, 1.0)]
    both = [
        Cannula(name, "", Trajectory(tip - 60.0 * frame.anterior, tip), share)
        for name, tip, share in zip(("left", "right"), tips, (0.25, 0.75), strict=True)
    ]
    entry = entry_with(samples=10, volume_ml={"lesion": 4.0})
    result = cement_case(case, scan()[2], entry, {"lesion": both}, workers=1)
    assert [needle.volume_ml for needle in row(result).needles] == [1.0, 3.0]
    arrival = result.fields[0].arrival_ml
    assert arrival is not None
    left, right = arrival.sample(np.array(tips), order=0)
    assert left <= 1.0
    assert 1.0 <= right < 1.5
    # 1 of 4 ml, and what the second needle sends over the middle.
    assert 0.15 < row(result).fill.left_share.value < 0.6
    with pytest.raises(InputError, match="Several needles need a volume"):
        cement_case(case, scan()[2], entry_with(samples=10), {"lesion": both}, workers=1)


def test_few_samples_say_that_they_show_nothing() -> None:
    case = lesion_case("L3")
    found = row(cement_case(case, scan()[2], entry_with(samples=10), cannula(case), workers=1))
    assert found.safe is not None
    assert not found.safe.enough
    assert found.safe.volume_ml == 0.0
    assert "run more samples" in found.safe.words
    # Not shown is neither safe nor broken: the volume follows the other rules, and the verdict stays open.
    assert found.fill.injected_ml > 1.0
    assert all(stop.volume_ml is None for stop in found.stops if stop.rule == "leakage")
    quiet = [s for s in found.sites if s.probability.estimate == 0.0]
    assert found.status == ("not assessed" if len(quiet) == len(found.sites) else "stop")


def test_more_than_the_bone_can_take_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any sample is run; the capacity itself is checked in tests/cement/test_leakage.py."""
    monkeypatch.setattr("vertherm.planning.cement.injection.capacity_ml", lambda *_: 12.34)
    case = lesion_case("L3")
    with pytest.raises(InputError, match="More cement is asked for") as caught:
        cement_case(case, scan()[2], entry_with(volume_ml={"lesion": 15.0}), cannula(case), workers=1)
    assert "at most 12.3 ml" in str(caught.value)


@pytest.mark.parametrize(("asked_ml", "last_ml"), [(None, 4.0), (5.0, 6.5), (7.0, 8.0)])
def test_curves_of_a_small_vertebra_end_early(
    asked_ml: float | None, last_ml: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room of 8 ml: half of it, or 1.3 times what was asked for, and never more than all."""
    monkeypatch.setattr("vertherm.planning.cement.injection.capacity_ml", lambda *_: 8.0)
    case = lesion_case("L3", behind_mm=0.0)
    volume = {} if asked_ml is None else {"lesion": asked_ml}
    found = row(cement_case(case, scan()[2], entry_with(samples=10, volume_ml=volume), cannula(case), workers=1))
    assert found.curve is not None
    assert found.curve.volume_ml[-1] == pytest.approx(last_ml)


def test_volumes_and_shares_fit_each_other() -> None:
    found = row(predicted("L3", False))
    fill = found.fill
    assert fill.injected_ml == 4.0
    held = fill.in_bone_ml.value + fill.leaked_ml.value
    assert held == pytest.approx(4.0, rel=0.05)  # the front's own half-full cells are counted as whole or not at all
    assert 0.5 < fill.lesion_share.value <= 1.0
    assert fill.capacity_ml > 20.0
    assert [site.site for site in found.sites] == list(SITES)
    assert found.curve is not None
    for name in found.curve.probability:
        low, mid, high = (np.array(v[name]) for v in (found.curve.low, found.curve.probability, found.curve.high))
        assert (low <= mid + 1e-12).all()
        assert (mid <= high + 1e-12).all()
        assert (np.diff(mid) >= 0).all()


def test_fields_say_the_same_as_the_rows() -> None:
    result = predicted("L3", False)
    fields, found = result.fields[0], row(result)
    volume = float(fields.fill.data.sum()) * fields.fill.grid.voxel_volume_ml
    assert volume == pytest.approx(found.fill.injected_ml, rel=0.05)
    assert fields.probability is not None
    assert 0.0 <= float(fields.probability.data.min()) <= float(fields.probability.data.max()) <= 1.0
    # The needle comes from the patient's left, the lesion is in the middle: cement on both sides.
    assert 0.2 < found.fill.left_share.value < 0.9


def test_internal_calibration_reads_the_scan() -> None:
    """Air, fat and muscle of the scan lie on a line; trabecular bone of an adult has some 100 mg/cm3."""
    calibration = density_calibration(scan()[1].anatomy, None)
    assert calibration.method == "internal"
    assert 0.75 < calibration.slope < 0.95
    case = lesion_case("L3")
    scene = vertebra_scene(case, case.targets[0], calibration, spacing_mm=1.0, room_mm=8.0).scene
    inner = scene.body & ~scene.lesion & ~scene.surface
    assert 60.0 < float(np.median(scene.density_mg_cm3[inner])) < 200.0


def test_storage_order_of_the_scan_does_not_matter() -> None:
    """Flipped and permuted CT and labels with a matching affine: the scene is the same to a few cells of rounding."""
    case = lesion_case("L3")
    calibration = density_calibration(case.anatomy, None)
    here = vertebra_scene(case, case.targets[0], calibration, spacing_mm=1.0, room_mm=8.0).scene
    anatomy = case.anatomy
    flipped = replace(
        anatomy,
        ct=turned(anatomy.ct),
        tissue=turned(anatomy.tissue),
        vertebrae={level: turned(mask) for level, mask in anatomy.vertebrae.items()},
        bodies={level: turned(mask) for level, mask in (anatomy.bodies or {}).items()},
        structures=tuple(replace(s, mask=turned(s.mask)) for s in anatomy.structures),
    )
    other = replace(case, anatomy=flipped, targets=(replace(case.targets[0], mask=turned(case.targets[0].mask)),))
    there = vertebra_scene(other, other.targets[0], calibration, spacing_mm=1.0, room_mm=8.0).scene
    assert here.grid.same_as(there.grid, 1e-6)
    assert float((here.sites != there.sites).mean()) < 1e-3
    assert float(np.abs(here.density_mg_cm3 - there.density_mg_cm3).max()) < 0.1


def turned(volume: Volume) -> Volume:
    """The same voxels with the second axis reversed and the axes in another order."""
    grid = volume.grid
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, 1] * (grid.shape[1] - 1)
    affine[:3, 1] *= -1
    data = np.ascontiguousarray(volume.data[:, ::-1].transpose(2, 0, 1))
    columns = affine[:, [2, 0, 1, 3]]
    shape = (data.shape[0], data.shape[1], data.shape[2])
    return replace(volume, data=data, grid=replace(grid, shape=shape, affine=columns))


def test_more_cement_makes_the_body_stiffer_with_diminishing_return() -> None:
    """L3, lesion in the middle, up to 10 ml: softer with the lesion, stiffer with every millilitre, most where the
    cement still replaces lesion; the last millilitres, in sound bone, add at most three quarters of that each.

    Measured when written: 0.84 with the lesion, 1.19 with 4 ml; 10 % a millilitre from 2 to 4 ml, 6.4 % from 8 to 10.
    """
    found = row(in_the_middle())
    strong = found.strength
    assert strong is not None
    states = {state.state: state for state in strong.states}
    assert states["with lesion"].stiffness_ratio.value < 0.9
    cemented = states["with cement"].stiffness_ratio
    assert cemented.value > states["with lesion"].stiffness_ratio.value + 0.2
    assert cemented.low < cemented.value < cemented.high
    at, ratio = np.array([(v.volume_ml, v.stiffness_ratio) for v in strong.volumes]).T
    assert at == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0, 10.0])
    gain = np.diff(ratio) / np.diff(at)
    assert (gain > 0).all()
    assert gain[-1] < 0.75 * gain.max()
    assert f"from {at[gain.argmax()]:.1f} to" in strong.volume_words


def test_the_same_volume_in_another_place_moves_the_line_of_load() -> None:
    """The fill with more cement on the left draws the load to the left of the other's; 4 ml both."""
    found = row(in_the_middle())
    assert found.strength is not None
    predicted, left, right = found.strength.distribution
    assert left.left_share >= predicted.left_share - 0.2
    assert left.left_share > right.left_share
    assert left.load_right_mm < right.load_right_mm
    assert predicted.stiffness_ratio == pytest.approx(found.strength.volumes[2].stiffness_ratio)


def test_results_say_where_they_lie_against_published_ones() -> None:
    """Leakage of the samples below 7 % is called below; the words name both numbers and do not hide the distance."""
    found = row(in_the_middle())
    leak, stiffness = found.beside_published  # heat was off
    assert found.curve is not None
    share = float(np.interp(4.0, found.curve.volume_ml, found.curve.probability["any"]))
    assert f"{share:.0%} of the samples" in leak
    assert ("below the 7% to 40%" in leak) == (share < 0.07)
    assert "above intact" in stiffness


def test_cement_seen_later_takes_the_place_of_the_prediction(tmp_path: object) -> None:
    """A ball of 8 mm of cement put into the scan: its volume by the mask's own voxels, and no samples."""
    from pathlib import Path

    from vertherm.imaging.nifti import write_nifti

    case = lesion_case("L3")
    ct = case.anatomy.ct
    points = ct.grid.centres()
    ball = np.linalg.norm(points - case.targets[0].centre_mm, axis=-1) <= 8.0
    path = Path(str(tmp_path)) / "cement.nii.gz"
    write_nifti(Volume(ball.astype(np.uint8), ct.grid), path)
    entry = entry_with(measured=[{"mask": path}])
    found = row(cement_case(case, scan()[2], entry, {}, workers=1))
    assert found.source == "measured"
    assert found.curve is None
    assert 0.7 * 2.1 < found.fill.injected_ml < 1.2 * 2.1
    assert found.fill.leaked_ml.value == pytest.approx(0.0, abs=0.02)
    assert found.status == "green"


def test_bad_wishes_are_refused() -> None:
    case = lesion_case("L3")
    protocol = scan()[2]
    with pytest.raises(InputError, match="bone cement is unknown"):
        cement_case(case, protocol, entry_with(type="epoxy"), cannula(case), workers=1)
    with pytest.raises(InputError, match="no target of this name"):
        cement_case(case, protocol, entry_with(volume_ml={"other": 2.0}), cannula(case), workers=1)
    with pytest.raises(InputError, match="No target has a cannula"):
        cement_case(case, protocol, entry_with(), {}, workers=1)
    away = case.targets[0].centre_mm + np.array([0.0, 0.0, 45.0])
    astray = {"lesion": [Cannula("needle", "", Trajectory(away - np.array([0.0, 60.0, 0.0]), away), 1.0)]}
    with pytest.raises(InputError, match="outside the bone"):
        cement_case(case, protocol, entry_with(), astray, workers=1)


def test_a_cannula_ends_at_the_lesions_middle() -> None:
    """An antenna that goes 10 mm beyond the middle: the cannula stops at the nearest point of its line."""
    target = lesion_case("L3").targets[0]
    direction = np.array([0.1, 1.0, 0.05]) / np.linalg.norm([0.1, 1.0, 0.05])
    deep = Trajectory(target.centre_mm - 80.0 * direction, target.centre_mm + 10.0 * direction)
    assert to_the_middle(deep, target).tip_mm == pytest.approx(target.centre_mm, abs=1e-6)


def test_without_wishes_the_cement_follows_the_antenna() -> None:
    """A case that says nothing about cement: one cannula along its antenna, up to the lesion's middle."""
    entry, case, _ = scan()
    assert entry.cement is None
    placed = entry.applicators[0]
    found = given_cannulas(entry, case)[case.targets[0].name]
    assert len(found) == 1
    assert found[0].share == 1.0
    way = Trajectory(in_ras(placed.entry, placed.frame), in_ras(placed.tip, placed.frame))
    assert way.cylindrical_mm(found[0].trajectory.tip_mm)[0] == pytest.approx(0.0, abs=1e-6)


def test_the_canal_lies_behind_the_body() -> None:
    """Sites of the real scan: canal cells lie behind the body's posterior wall, discs above and below."""
    case = lesion_case("L3")
    calibration = density_calibration(case.anatomy, None)
    scene = vertebra_scene(case, case.targets[0], calibration, spacing_mm=1.0, room_mm=8.0).scene
    assert scene.frame is not None
    places = {
        site: coordinates(scene.frame, scene.grid.world(np.argwhere(scene.sites == n)))
        for n, site in enumerate(SITES, 1)
    }
    assert np.median(places["canal"][:, 1]) < scene.frame.posterior_wall_mm
    assert np.median(np.abs(places["disc"][:, 2])) > 10.0
    assert (places["foramen"][:, 0] < 0).any()
    assert (places["foramen"][:, 0] > 0).any()
