"""The search against brute force, and what it must not depend on: storage, mirror, threads.

Brute force: every candidate of a small scene is judged again from the voxels alone: golden section on each voxel's box
(1e-6 mm), entry by sampling the body along the line. A decision may only differ where the figure lies within 1e-5 mm of
its limit; the scenes are random, so that none does (asserted).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.access.search_scenes import (
    NEEDLE,
    brute_distance,
    changed,
    grid,
    mirrored,
    obstacle,
    open_bone,
    rules,
    scene,
    stored,
)
from vertherm.access.candidates import Candidates, candidates
from vertherm.access.pareto import front
from vertherm.access.path import AccessResult
from vertherm.access.rules import AccessRules, Approach, ApproachRule
from vertherm.access.scene import AccessScene, Solid
from vertherm.access.search import find_paths
from vertherm.access.skin import exits
from vertherm.clinical.levels import Level, Region
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume


def find(asked: AccessScene, own: AccessRules | None = None, **more: Any) -> AccessResult:
    settings = {"candidates": 3000, "needles": 1, "threads": 1, "through": open_bone, "needle": NEEDLE, **more}
    return find_paths(asked, own or rules(), settings.pop("needle"), **settings)


def blobs(on: Grid, seed: int, count: int) -> Volume:
    """Random balls behind the lesion, as voxels of any grid."""
    rng = np.random.default_rng(seed)
    centres, data = on.centres(), np.zeros(on.shape, bool)
    for _ in range(count):
        middle = rng.uniform((-25, -45, -25), (25, -12, 25))
        data |= np.linalg.norm(centres - middle, axis=-1) < rng.uniform(3.0, 7.0)
    return Volume(data, on)


def oblique(spacing: tuple[float, float, float], seed: int) -> Grid:
    """A turned grid around the whole scene, one axis mirrored."""
    turn = Rotation.from_rotvec(0.5 * np.random.default_rng(seed).normal(size=3)).as_matrix()
    turn[:, 1] *= -1.0
    shape = tuple(int(np.ceil(170.0 / s)) for s in spacing)
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid((shape[0], shape[1], shape[2]), affine)


def random_scene(seed: int, turned: bool) -> AccessScene:
    """Two rules, three solids each on a grid of its own; the second rule asks for 1.5 mm."""
    spacing = (3.0, 2.0, 2.5)
    grids = [oblique(spacing, seed + n) if turned else grid(2.5) for n in range(3)]
    strict = replace_kind(obstacle(clearance=1.5), "root")
    soft = obstacle(clearance=0.0)
    solids = [Solid(f"organ {n}", "organ", blobs(grids[n], seed + n, 3), soft) for n in range(2)]
    solids.append(Solid("root", "root", blobs(grids[2], seed + 7, 2), strict))
    body = grid(2.0)
    asked = scene(on=body, lesion=((-4, -4, -4), (6, 6, 6)))
    if turned:
        asked = replace(asked, body=Volume(inside_body(oblique((2.0, 1.5, 2.5), seed)), oblique((2.0, 1.5, 2.5), seed)))
    return replace(asked, solids=tuple(solids))


def replace_kind(rule: Any, kind: str) -> Any:
    return rule.model_copy(update={"kinds": (kind,)})


def inside_body(on: Grid) -> Any:
    return (np.abs(on.centres() - (0, -5, 0)) < (40, 45, 40)).all(axis=-1)


def brute_exit(body: Volume, focus: Any, direction: Any) -> float:
    """Last body sample along the line, every 0.01 mm."""
    t = np.arange(0.0, 130.0, 0.01)
    index = np.floor(body.grid.index(focus + t[:, None] * direction) + 0.5).astype(int)
    fits = ((index >= 0) & (index < body.grid.shape)).all(axis=1)
    hit = np.zeros(len(t), bool)
    hit[fits] = body.data[tuple(index[fits].T)]
    return float(t[np.flatnonzero(hit)[-1]])


def pairs_of(asked: AccessScene, own: AccessRules, wanted: int) -> Candidates:
    return candidates(asked.lesion, own, (True,), None, wanted)


def brute(asked: AccessScene, own: AccessRules, wanted: int, some: Any = None) -> tuple[dict[str, Any], Any]:
    """By rule, the excess of every (or some) candidate over its limit (above 0: broken), and the entries."""
    pairs = pairs_of(asked, own, wanted)
    ahead = exits(asked.body, pairs).distance_mm
    excess: dict[str, list[float]] = {"organ": [], "root": [], "length": [], "tip": []}
    entries = []
    for n in range(pairs.count) if some is None else some:
        focus, way = pairs.foci[n // len(pairs.directions)], pairs.directions[n % len(pairs.directions)]
        entry, tip = focus + ahead[n] * way, focus - NEEDLE.focus_mm * way
        entries.append(entry)
        for kind in ("organ", "root"):
            own_mm = NEEDLE.radius_mm + own.placement_error_mm
            group = [solid for solid in asked.solids if solid.kind == kind]
            gap = min(brute_distance(solid.mask, entry, tip) for solid in group)
            excess[kind].append(own_mm + group[0].rule.clearance_mm - gap)
        excess["length"].append(float(np.linalg.norm(entry - tip)) + own.outside_mm - NEEDLE.length_mm)
        excess["tip"].append(brute_distance(asked.lesion, tip, tip) - own.tip_beyond_lesion_mm)
    return {rule: np.array(values) for rule, values in excess.items()}, np.array(entries)


SHORT = {"placement_error_mm": 1.0, "tip_beyond_lesion_mm": 2.7, "outside_mm": 137.0}


@pytest.mark.parametrize(("seed", "turned"), [(1, False), (2, True)])
def test_every_decision_is_the_exact_one(seed: int, turned: bool) -> None:
    """Count, count of those that break only this rule, and smallest excess of every rule; and who is admissible.

    The side asked for is judged, like everything about the bone, only where at most one rule of shape is broken.
    """
    asked, own = random_scene(seed, turned), rules(**SHORT)
    excess, entries = brute(asked, own, 400)
    assert all(np.abs(values).min() > 1e-5 for values in excess.values())
    broken = {rule: values > 0 for rule, values in excess.items()}
    shape = np.sum(list(broken.values()), axis=0)
    broken["side"] = (np.round(entries[:, 0], 6) >= 0.0) & (shape <= 1)
    total = shape + broken["side"]
    result = find(asked, own, candidates=400, keep=10_000, side="left")
    assert result.candidates == len(total)
    assert result.admissible == int((total == 0).sum())
    assert 0 < result.admissible < result.candidates
    names = {"organ": "obstacle: organ", "root": "obstacle: root", "length": "length", "tip": "tip", "side": "side"}
    told = {refusal.rule: refusal for refusal in result.refusals}
    for rule, name in names.items():
        only = broken[rule] & (total == 1)
        assert told[name].count == int(broken[rule].sum()), rule
        assert told[name].alone == int(only.sum()), rule
        if only.any() and rule != "side":
            assert told[name].best_miss == pytest.approx(float(excess[rule][only].min()), abs=2e-6)
    admissible = entries[total == 0]
    for path in result.paths:
        assert np.linalg.norm(admissible - path.trajectory.entry_mm, axis=1).min() < 1e-6
        for clearance in path.clearances:
            solid = next(s for s in asked.solids if s.name == clearance.name)
            gap = brute_distance(solid.mask, path.trajectory.entry_mm, path.trajectory.tip_mm) - NEEDLE.radius_mm
            assert clearance.distance_mm == pytest.approx(gap, abs=2e-6)
            assert clearance.kept


def test_admissible_candidates_one_by_one() -> None:
    """The verdict of every seventh candidate by itself: who is admissible, not only how many."""
    asked, own = random_scene(3, True), rules(**{**SHORT, "outside_mm": 20.0, "tip_beyond_lesion_mm": 30.0})
    pairs = pairs_of(asked, own, 400)
    some = np.arange(0, pairs.count, 7)
    excess, _ = brute(asked, own, 400, some)
    free = np.max(list(excess.values()), axis=0) <= 0
    assert 0 < free.sum() < len(some)
    for n, kept in zip(some, free, strict=True):
        focus, way = divmod(int(n), len(pairs.directions))
        alone = Candidates(pairs.foci[[focus]], pairs.directions[[way]], np.ones(1, bool), 1.0, 1.0, pairs.centroid)
        assert judged(asked, own, alone) == kept


def judged(asked: AccessScene, own: AccessRules, alone: Candidates) -> bool:
    from vertherm.access import search

    question = search.question(asked, own, NEEDLE, through=open_bone)
    left = search.exits(asked.body, alone)
    verdicts, _ = search._judged(question, alone, left, 1, search._Clock(lambda step, done: None))
    return not any(verdict.broken[0] for verdict in verdicts)


@pytest.mark.parametrize("turned", [False, True])
def test_entries_are_the_last_faces_of_the_body(turned: bool) -> None:
    """Sampled every 0.01 mm: the last sample in the body lies at most 0.01 mm before the exit."""
    asked = random_scene(4, turned)
    asked = replace(asked, body=asked.body.with_data(asked.body.data & ~blobs(asked.body.grid, 9, 4).data))
    pairs = pairs_of(asked, rules(), 200)
    left = exits(asked.body, pairs)
    assert not left.at_edge.any()
    for n in range(0, pairs.count, 3):
        found = brute_exit(
            asked.body, pairs.foci[n // len(pairs.directions)], pairs.directions[n % len(pairs.directions)]
        )
        assert -1e-6 <= left.distance_mm[n] - found <= 0.01 + 1e-6


def same(one: AccessResult, other: AccessResult, sign: float = 1.0) -> None:
    assert (one.candidates, one.admissible) == (other.candidates, other.admissible)
    assert one.admissible > 0
    for first, second in zip(one.refusals, other.refusals, strict=True):
        assert (first.rule, first.count, first.alone) == (second.rule, second.count, second.alone)
        assert first.best_miss == pytest.approx(second.best_miss, abs=1e-5)
    assert len(one.paths) == len(other.paths)
    swap = {"left": "right", "right": "left"} if sign < 0 else {}
    for first, second in zip(one.paths, other.paths, strict=True):
        for point in ("entry_mm", "tip_mm"):
            expected = getattr(first.trajectory, point) * (sign, 1, 1)
            np.testing.assert_allclose(getattr(second.trajectory, point), expected, atol=1e-5)
        assert second.risk == pytest.approx(first.risk, abs=1e-5)
        assert second.side == swap.get(first.side, first.side)
        assert second.axial_deg == pytest.approx(sign * first.axial_deg, abs=1e-5)
        assert [c.name for c in first.clearances] == [c.name for c in second.clearances]


WEIGHTS = {"depth_weight": 0.5, "angle_weight": 0.5, "placement_error_mm": 0.5}


def test_a_mirrored_patient_has_the_mirrored_paths() -> None:
    asked = random_scene(5, False)
    assert any(s.mask.data.any() for s in asked.solids)
    same(find(asked, rules(**WEIGHTS), needles=2), find(changed(asked, mirrored), rules(**WEIGHTS), needles=2), -1.0)


@pytest.mark.parametrize(("order", "flips"), [((1, 2, 0), ()), ((0, 1, 2), (0, 2)), ((2, 1, 0), (1,))])
def test_storage_order_does_not_matter(order: tuple[int, int, int], flips: tuple[int, ...]) -> None:
    asked = random_scene(6, True)
    other = changed(asked, lambda volume: stored(volume, order, flips))
    same(find(asked, rules(**WEIGHTS), needles=2), find(other, rules(**WEIGHTS), needles=2))


def test_threads_do_not_matter() -> None:
    asked = random_scene(5, False)
    one, two = (find(asked, rules(**WEIGHTS), candidates=80_000, threads=n) for n in (1, 2))
    same(one, two)
    assert [p.risk for p in one.paths] == [p.risk for p in two.paths]


def test_no_path_of_the_result_beats_another() -> None:
    result = find(random_scene(5, False), rules(**WEIGHTS), keep=30)
    assert 2 <= len(result.paths) <= 30
    assert [path.name for path in result.paths] == [f"P{n + 1}" for n in range(len(result.paths))]
    assert sorted(path.risk for path in result.paths) == [path.risk for path in result.paths]
    cost = np.array([[p.risk, p.zone_factor, p.length_mm] for p in result.paths])
    assert len(front(np.round(cost, 6))) == len(cost)


def test_front_against_all_pairs() -> None:
    """Brute force on random costs with ties: beaten where another is nowhere worse and somewhere better."""
    rng = np.random.default_rng(0)
    costs = np.round(rng.random((400, 3)), 1)
    nowhere_worse = (costs[:, None] <= costs).all(axis=2)
    beaten = (nowhere_worse & (costs[:, None] < costs).any(axis=2)).any(axis=0)
    expected = {tuple(row) for row in costs[~beaten]}
    found = front(costs)
    assert {tuple(row) for row in costs[found]} == expected
    assert len(found) == len(expected)


def test_a_needle_too_short_for_every_way_says_how_much_is_missing() -> None:
    """From y = -50 to at least focus -6 and tip 2: 52 mm; 60 mm less 20 outside leaves 40, so about 12 mm lack."""
    asked, short = scene(), replace(NEEDLE, length_mm=60.0)
    result = find(asked, needle=short)
    shallowest = pairs_of(asked, rules(), 3000).foci[:, 1].min()
    assert result.paths == ()
    assert result.sets == ()
    refusal = next(r for r in result.refusals if r.rule == "length")
    assert refusal.count == refusal.alone == result.candidates
    assert refusal.best_miss == pytest.approx(shallowest + 50.0 + NEEDLE.focus_mm - 40.0, abs=1e-5)
    assert refusal.unit == "mm"
    assert "40 mm" in refusal.reason


def test_without_skin_paths_end_at_the_image_and_say_so() -> None:
    """The image ends at y = -54: straight from y = 0 that is 54 mm, and the tip 8 mm beyond."""
    result = find(scene(skin=False))
    assert result.admissible == result.candidates
    assert {path.entry_kind for path in result.paths} == {"image edge"}
    assert all("image ends before the skin" in path.notes[0] for path in result.paths)
    assert any("no skin" in note for note in result.notes)
    assert min(path.trajectory.entry_mm[1] for path in result.paths) == pytest.approx(-54.0)


def test_a_line_that_leaves_the_image_before_the_skin_is_refused() -> None:
    """The body reaches the image's lower face (z = -44) only: ways that come from below end there."""
    asked = scene()
    data = asked.body.data.copy()
    data[:, :, :5] |= data[:, :, 5:6]
    steep = rules(max_cranio_caudal_deg=70.0)
    result = find(replace(asked, body=asked.body.with_data(data)), steep)
    refusal = next(r for r in result.refusals if r.rule == "leaves the image before the skin")
    assert 0 < refusal.count < result.candidates
    assert all(path.entry_kind == "skin" and path.trajectory.entry_mm[2] > -44 for path in result.paths)


def test_tip_outside_the_lesion() -> None:
    """Focus at the lesion's rear, tip 8 mm deeper: inside a lesion of 12 mm; a lesion of 4 mm leaves at least 6."""
    small = find(scene(lesion=((-2, -2, -2), (2, 2, 2))), rules(tip_beyond_lesion_mm=3.0))
    assert small.paths == ()
    refusal = next(r for r in small.refusals if r.rule == "tip")
    assert refusal.count == small.candidates
    assert 0.0 < refusal.best_miss <= 8.0 - 3.0


def refused(text: str, asked: AccessScene, own: AccessRules | None = None, **more: Any) -> InputError:
    with pytest.raises(InputError, match=text) as caught:
        find(asked, own, **more)
    assert caught.value.where
    assert caught.value.advice
    return caught.value


def test_questions_that_contradict_themselves() -> None:
    error = refused("C1", scene(level=Level.C1))
    assert error.expected == "C2 to S5"
    refused("stay outside", scene(), needle=replace(NEEDLE, length_mm=20.0))
    refused("measures of the instrument", scene(), needle=replace(NEEDLE, focus_mm=250.0))
    refused("No approach", scene(level=Level.S1))
    refused("No approach", scene(), position="supine")
    refused("No approach", scene(), approaches=(Approach.transiliac,))
    refused("on the table", scene(), position="left lateral", side="left")
    empty = scene()
    refused("lesion is empty", replace(empty, lesion=empty.lesion.with_data(empty.lesion.data & False)))
    outside = scene(lesion=((-42, 40.5, -42), (-41, 42, -41)))
    refused("outside the body", outside)


CERVICAL = (
    ApproachRule(approach=Approach.anterolateral, regions=(Region.cervical,), position="supine", source="test"),
    ApproachRule(
        approach=Approach.transpedicular, regions=(Region.cervical,), position="prone", preference=1.0, source="test"
    ),
)


def test_position_comes_from_the_better_side() -> None:
    """Cervical, both ways open, the one from behind costs 1 more: supine is taken, prone is named."""
    asked = scene(level=Level.C5)
    result = find(asked, rules(approaches=CERVICAL))
    assert result.position == "supine"
    assert result.paths[0].approach is Approach.anterolateral
    assert any("prone" in note for note in result.notes)
    prone = find(asked, rules(approaches=CERVICAL), position="prone")
    assert prone.position == "prone"
    assert {path.approach for path in prone.paths} == {Approach.transpedicular}
    assert all(path.trajectory.axis[1] < 0 for path in prone.paths)


def test_a_patient_on_the_left_side_is_reached_from_the_right() -> None:
    result = find(scene(), position="left lateral")
    assert all(path.trajectory.axis[0] >= 0.0 for path in result.paths)
    assert result.position == "left lateral"


def test_only_the_side_asked_for() -> None:
    result = find(scene(), side="left")
    assert {path.side for path in result.paths} == {"left"}
    refusal = next(r for r in result.refusals if r.rule == "side")
    assert refusal.count == refusal.alone == result.candidates - result.admissible


def test_hip_bones_bar_every_approach_but_the_transiliac() -> None:
    """A wall of hip bone across the back: barred where bone says transpedicular, open where it says transiliac."""

    def through_ilium(*arguments: Any) -> Any:
        bone = open_bone(*arguments)
        code = list(Approach).index(Approach.transiliac)
        return replace(bone, approach=np.full(len(bone.side), code), crosses_ilium=np.ones(len(bone.side), bool))

    names = (Approach.transpedicular, Approach.transiliac)
    ways = tuple(
        ApproachRule(approach=name, regions=(Region.lumbar,), position="prone", source="test") for name in names
    )
    asked = scene({"hip bone left": ((-40, -30, -40), (40, -26, 40))})
    assert find(asked, rules(approaches=ways)).admissible == 0
    open_way = find(asked, rules(approaches=ways), through=through_ilium)
    assert open_way.admissible == open_way.candidates
    assert open_way.paths[0].crosses == ("vertebra L3", "ilium")
    assert open_way.paths[0].clearances == ()
    assert open_way.paths[0].risk == 0.0


def test_more_than_64_obstacles() -> None:
    """69 solids out of reach come first by name: the one that bars has its bit in the second word."""
    bar = ((-40, -40, -10), (10, -38, 40))
    far = {f"far {n:02d}": ((-40, 34, 34), (-34, 40, 40)) for n in range(69)}
    alone, many = (
        find(scene(solids, on=grid(2.0)), candidates=1000) for solids in ({"post": bar}, {**far, "post": bar})
    )
    assert 0 < many.admissible < many.candidates
    assert many.admissible == alone.admissible
