"""From a case to scene, search and document, on the torso phantom.

- Goal: ball of radius R with margin m is within half a voxel's diagonal of the ball R + m; exact against a brute force.
- The canal and nerves are never in the goal; the margin stays out of vessels.
- Contradictions raise InputError and say which entry is wrong.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.planning.access_results import path, result
from vertherm.access.rules import Approach
from vertherm.access.scene import AccessScene
from vertherm.applicator.antenna import antenna_names, load_antenna
from vertherm.clinical.levels import Level, LevelStatement, Region
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import Structure, StructureKind
from vertherm.imaging.phantom import in_orientation
from vertherm.planning.access.access import (
    _approaches,
    access_document,
    access_row,
    case_access,
    entry_rules,
    feed_mm,
    needle_spec,
)
from vertherm.planning.access.scene import access_scene, own_bone
from vertherm.planning.case import AccessEntry
from vertherm.planning.objects import Case, Target
from vertherm.planning.phantom import phantom_case
from vertherm.planning.plan import AccessRow
from vertherm.planning.protocol import default_protocol

PROTOCOL = default_protocol()


@cache
def lumbar() -> Case:
    return phantom_case("L3", spacing_mm=1.5)


@cache
def scene() -> AccessScene:
    case = lumbar()
    return access_scene(case, case.targets[0], PROTOCOL, margin_mm=5.0)


def target_of(mask: Volume, level: str = "L3") -> Target:
    return Target("lesion", LevelStatement(Level(level), True), "unknown", "lytic", mask, True)


def ball(case: Case, centre: tuple[float, float, float], radius: float) -> Volume:
    grid = case.anatomy.ct.grid
    return Volume(np.linalg.norm(grid.centres() - np.array(centre), axis=-1) <= radius, grid)


def test_solids_have_rules_and_the_own_vertebra_is_none_of_them() -> None:
    found = {solid.name: solid for solid in scene().solids}
    assert {"vertebra L2", "vertebra L4", "canal", "dural sac", "aorta", "kidney left", "colon"} <= set(found)
    assert "vertebra L3" not in found
    assert not {"skin", "cortex L3", "psoas left"} & set(found)
    for solid in found.values():
        assert solid.rule is not None
        assert solid.rule == PROTOCOL.access.rule_for(solid.kind, solid.name)
    assert found["vertebra L2"].kind == "bone"


def test_frame_and_parts() -> None:
    found = scene()
    assert found.frame is not None
    assert found.frame.anterior @ [0, 1, 0] > 0.999
    assert found.skin_in_image
    assert found.ilium is None
    assert found.vertebral_body is not None
    assert found.bone.sample(np.array([[0.0, 0.0, 0.0], [0.0, -60.0, 0.0]]), order=0).tolist() == [
        1.0,
        1.0 * _spinous(),
    ]
    assert any("posture of the scan" in note for note in found.notes)


def _spinous() -> float:
    return float(lumbar().anatomy.vertebrae[Level.L3].sample(np.array([0.0, -60.0, 0.0]), order=0))


def test_body_is_all_but_the_air_against_the_skin() -> None:
    """Back of the phantom: ellipse of half axes 175 x 125 mm with its rear at y = -97 mm; gas inside stays."""
    case = lumbar()
    body = scene().body
    assert body.grid.same_as(case.anatomy.ct.grid)
    centres = body.grid.centres()
    inside = (centres[..., 0] / 175) ** 2 + ((centres[..., 1] - 28) / 125) ** 2 <= 1
    np.testing.assert_array_equal(body.data, inside)
    gas = case.anatomy.tissue.data.copy()
    gas[np.linalg.norm(centres - [0.0, 60.0, 0.0], axis=-1) < 8] = 0
    holed = replace(case, anatomy=replace(case.anatomy, tissue=case.anatomy.tissue.with_data(gas)))
    again = access_scene(holed, case.targets[0], PROTOCOL, margin_mm=0.0)
    np.testing.assert_array_equal(again.body.data, inside)


def test_no_skin_in_the_image() -> None:
    case = lumbar()
    bare = tuple(s for s in case.anatomy.structures if s.kind is not StructureKind.skin)
    found = access_scene(
        replace(case, anatomy=replace(case.anatomy, structures=bare)), case.targets[0], PROTOCOL, margin_mm=5.0
    )
    assert not found.skin_in_image
    assert found.body.data.all()
    assert "skin" in found.not_labelled


def test_goal_is_the_lesion_and_its_margin() -> None:
    """Ball of 7 mm, margin 4 mm: voxels whose centre is within 4 mm of the lesion's boxes, by brute force."""
    case = lumbar()
    mask = ball(case, (0.4, 3.2, 0.7), 7.0)
    found = access_scene(case, target_of(mask), PROTOCOL, margin_mm=4.0)
    boxes = mask.grid.world(np.argwhere(mask.data))
    centres = found.goal.grid.centres().reshape(-1, 3)
    gaps = np.empty(len(centres))
    for start in range(0, len(centres), 2000):
        part = np.maximum(np.abs(centres[start : start + 2000, None] - boxes[None]) - 0.75, 0.0)
        gaps[start : start + 2000] = np.sqrt((part**2).sum(axis=-1)).min(axis=1)
    np.testing.assert_array_equal(found.goal.data.ravel(), gaps <= 4.0 + 1e-6)
    assert found.goal.grid.spacing_mm.max() <= 1.0
    volume = found.goal.data.sum() * found.goal.grid.voxel_volume_ml
    assert 4 / 3 * np.pi * 1.1**3 < volume < 4 / 3 * np.pi * 1.23**3, "boxes reach half a diagonal, 1.3 mm, farther"


def test_goal_stays_out_of_canal_nerves_and_vessels() -> None:
    """A lesion at the posterior wall with 10 mm around it would fill the canal; one at the front reaches the aorta."""
    case = lumbar()
    rear, front = ball(case, (4.0, -12.0, 2.0), 6.0), ball(case, (-8.0, 10.0, 0.0), 6.0)
    for mask, names in ((rear, ("canal", "dural sac", "root L3 right")), (front, ("aorta",))):
        found = access_scene(case, target_of(mask), PROTOCOL, margin_mm=10.0)
        for name in names:
            structure = case.anatomy.structure(name)
            assert not (structure.on(found.goal.grid) & found.goal.data).any(), name
        assert any("stops at structures" in note for note in found.notes)
    # What of the lesion itself lies in the canal is no goal either, and that is said.
    grown = ball(case, (3.0, -15.0, 0.0), 7.0)
    found = access_scene(case, target_of(grown), PROTOCOL, margin_mm=0.0)
    assert not (case.anatomy.structure("canal").on(found.goal.grid) & found.goal.data).any()
    assert any("of the lesion lie in canal or nerves" in note for note in found.notes)


@pytest.mark.parametrize("codes", ["LPS", "PIR"])
def test_storage_order_does_not_matter(codes: str) -> None:
    case = lumbar()
    turned = replace(case, anatomy=in_orientation(case.anatomy, codes))
    turned = replace(turned, targets=(target_of(turned.anatomy.lesions["target"]),))
    other = access_scene(turned, turned.targets[0], PROTOCOL, margin_mm=5.0)
    plain = scene()
    np.testing.assert_array_equal(other.goal.data, plain.goal.data)
    np.testing.assert_allclose(other.goal.grid.affine, plain.goal.grid.affine, atol=1e-6)
    assert [s.name for s in other.solids] == [s.name for s in plain.solids]
    np.testing.assert_array_equal(other.body.canonical().data, plain.body.canonical().data)
    assert other.not_labelled == plain.not_labelled


def test_what_is_not_labelled_is_said() -> None:
    case = lumbar()
    assert scene().not_labelled == ()
    fewer = tuple(
        s for s in case.anatomy.structures if s.kind.value not in ("vessel", "ureter") and s.name != "root L3 left"
    )
    found = access_scene(
        replace(case, anatomy=replace(case.anatomy, structures=fewer)), case.targets[0], PROTOCOL, margin_mm=5.0
    )
    assert set(found.not_labelled) == {"vessel", "ureter", "root L3 left"}


def sacral(names: tuple[str, ...] = ("sacrum",)) -> Case:
    """The phantom's L3 called S1, L4 and a box at its place as sacrum, an ilium beside it."""
    case = lumbar()
    anatomy = case.anatomy
    grid = anatomy.ct.grid
    centres = grid.centres()
    boxes = {
        "sacrum": (np.abs(centres - [0.0, -10.0, -40.0]) <= [25.0, 20.0, 20.0]).all(axis=-1),
        "hip bone left": (np.abs(centres - [-55.0, -30.0, 0.0]) <= [8.0, 20.0, 30.0]).all(axis=-1),
    }
    extra = tuple(
        Structure(name, StructureKind.bone, Volume(mask, grid), False, "made", side="left" if "left" in name else "")
        for name, mask in boxes.items()
        if name in (*names, "hip bone left")
    )
    vertebrae = {Level.L5: anatomy.vertebrae[Level.L2], Level.S1: anatomy.vertebrae[Level.L3]}
    bodies = {Level.S1: (anatomy.bodies or {})[Level.L3]}
    changed = replace(anatomy, vertebrae=vertebrae, bodies=bodies, structures=(*anatomy.structures, *extra))
    return replace(case, anatomy=changed, targets=(target_of(anatomy.lesions["target"], "S1"),))


def test_sacrum_is_the_bone_of_sacral_targets_and_an_obstacle_to_others() -> None:
    case = sacral()
    found = access_scene(case, case.targets[0], PROTOCOL, margin_mm=5.0)
    names = [solid.name for solid in found.solids]
    assert "sacrum" not in names
    assert "vertebra S1" not in names
    assert "vertebra L5" in names
    assert found.ilium is not None
    points = np.array([[0.0, 0.0, 0.0], [0.0, -10.0, -50.0]])
    assert found.bone.sample(points, order=0, outside=0.0).tolist() == [1.0, 1.0]
    low = target_of(ball(case, (10.0, -10.0, -45.0), 6.0), "S3")
    third = access_scene(case, low, PROTOCOL, margin_mm=5.0)
    assert third.frame is None
    assert any("patient's" in note for note in third.notes)
    above = target_of(ball(case, (5.0, 2.0, 37.0), 6.0), "L5")
    lumbar_names = {solid.name: solid for solid in access_scene(case, above, PROTOCOL, margin_mm=5.0).solids}
    assert {"sacrum", "vertebra S1", "hip bone left"} <= set(lumbar_names)
    assert lumbar_names["sacrum"].rule == PROTOCOL.access.rule_for("bone", "vertebra S1")


def test_bad_targets_are_refused() -> None:
    case = lumbar()
    empty = target_of(Volume(np.zeros((2, 2, 2), bool), Grid((2, 2, 2), np.eye(4))))
    with pytest.raises(InputError, match="empty"):
        access_scene(case, empty, PROTOCOL, margin_mm=5.0)
    with pytest.raises(InputError, match="outside the bone"):
        access_scene(case, target_of(ball(case, (50.0, -40.0, 0.0), 6.0)), PROTOCOL, margin_mm=5.0)
    with pytest.raises(InputError, match="it lies in vertebra L4"):
        access_scene(case, target_of(ball(case, (0.0, 0.0, -37.0), 6.0)), PROTOCOL, margin_mm=5.0)
    with pytest.raises(InputError, match="C1"):
        access_scene(case, target_of(case.targets[0].mask, "C1"), PROTOCOL, margin_mm=5.0)
    with pytest.raises(InputError, match="not labelled"):
        own_bone(case.anatomy, Level.T5)


def test_needle_of_the_catalogue() -> None:
    """Feed (mm from the tip) as the data files draw it: where the outer conductor ends or its slot opens."""
    expected = {
        "coaxial_slot": 7.0,
        "ji_brace_monopole": 13.0,
        "longo_choke": 16.0,
        "monopole_915": 20.0,
        "tosoratti_mini_choke": 11.0,
    }
    assert {name: feed_mm(load_antenna(name)) for name in antenna_names()} == pytest.approx(expected, abs=0.06)
    antenna = load_antenna("tosoratti_mini_choke")
    rules = PROTOCOL.access
    spec = needle_spec(antenna, rules, AccessEntry())
    assert (spec.radius_mm, spec.length_mm) == (antenna.shaft_radius_mm, rules.instrument_length_mm)
    spec = needle_spec(antenna, rules, AccessEntry(needle_radius_mm=1.5, instrument_length_mm=140.0))
    assert (spec.radius_mm, spec.length_mm) == (1.5, 140.0)
    assert (spec.zone_long_mm, spec.zone_short_mm) == (rules.zone_long_mm, rules.zone_short_mm)


def test_entry_wins_over_the_rules() -> None:
    changed = entry_rules(PROTOCOL.access, AccessEntry(placement_error_mm=0.0, instrument_length_mm=120.0))
    assert (changed.placement_error_mm, changed.instrument_length_mm) == (0.0, 120.0)
    assert entry_rules(PROTOCOL.access, AccessEntry()) == PROTOCOL.access


def test_contradictions_are_refused() -> None:
    antenna, rules = load_antenna("tosoratti_mini_choke"), PROTOCOL.access
    long = rules.model_copy(update={"outside_mm": 60.0})
    with pytest.raises(InputError, match="too short"):
        entry_rules(long, AccessEntry(instrument_length_mm=50.0))
    with pytest.raises(InputError, match="thinner"):
        needle_spec(antenna, rules, AccessEntry(needle_radius_mm=0.3))
    with pytest.raises(InputError, match="Unknown approach"):
        _approaches(AccessEntry(approaches=("through the roof",)), rules, Region.lumbar, "x")
    with pytest.raises(InputError, match="lumbar level"):
        _approaches(AccessEntry(approaches=("anterolateral cervical",)), rules, Region.lumbar, "x")
    with pytest.raises(InputError, match="contradict"):
        _approaches(AccessEntry(approaches=("transpedicular",), position="supine"), rules, Region.lumbar, "x")
    both = AccessEntry(approaches=("anterolateral cervical", "transpedicular"))
    assert _approaches(both, rules, Region.lumbar, "x") == (Approach.transpedicular,)
    assert _approaches(AccessEntry(), rules, Region.lumbar, "x") == ()


def test_case_access_hands_on_what_the_case_states(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def search(scene: AccessScene, rules: Any, needle: Any, **given: Any) -> Any:
        seen.update(given, scene=scene, rules=rules, needle=needle)
        return result(scene.target, path("P1", (-40.0, -60.0, 10.0), (-5.0, 5.0, 0.0)))

    monkeypatch.setattr("vertherm.access.search.find_paths", search)
    case = lumbar()
    entry = AccessEntry(side="left", candidates=5000, paths=3, needles=1, placement_error_mm=1.0, position="prone")
    found = case_access(case, PROTOCOL, entry, load_antenna("tosoratti_mini_choke"), margin_mm=5.0, threads=1)
    assert [item.target for item in found] == [target.name for target in case.targets]
    assert (seen["side"], seen["candidates"], seen["keep"], seen["needles"], seen["position"]) == (
        "left",
        5000,
        3,
        1,
        "prone",
    )
    assert seen["rules"].placement_error_mm == 1.0
    assert seen["scene"].level is Level.L3


def test_document_is_plain_json() -> None:
    one = path("P1", (-40.0, -60.0, 10.0), (-5.0, 5.0, 0.0))
    other = path("P2", (35.0, -66.0, -4.0), (4.0, 2.0, 1.0), pedicle_wall_mm=float("nan"))
    found = result("target", one, other)
    row = access_row(found)
    assert AccessRow.model_validate(row.model_dump()) == row
    assert row.paths[0].entry_ras_mm == (-40.0, -60.0, 10.0)
    assert row.paths[1].pedicle_wall_mm is None
    document = access_document(lumbar(), PROTOCOL, (found,))
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert document["schema_version"] == 1
    assert document["synthetic"] is True
    assert document["targets"][0]["paths"][0]["approach"] == "transpedicular"
    assert document["provenance"]["parameters"]["placement_error_mm"] == {"target": 2.0}
