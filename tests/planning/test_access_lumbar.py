"""Paths on the real lumbar scan, each verified by brute force against the labels.

Lesions of every kind in the body and in a pedicle of L1 to S1 (synthetic; the scan holds none). The check shares no
code with the search: it walks the axis in steps of 0.2 mm and measures every point against the voxels of every label
as boxes. A sampled distance is never too small, and too large by less than 0.05 mm (half a step along the needle seen
from 0.1 mm away or more), so clearances agree within 0.06 mm. The labels' voxels are 3 mm: half their diagonal,
2.6 mm, is the error that every clearance states.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from tests.shared_data import folder, need
from tests.test_examples import load
from vertherm.access.path import AccessResult, NeedlePath
from vertherm.access.rules import Approach
from vertherm.access.vertebra import coordinates, pedicle_regions, vertebra_frame
from vertherm.applicator.antenna import load_antenna
from vertherm.clinical.levels import Level, LevelStatement
from vertherm.clinical.pathology import LesionKind
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import StructureKind
from vertherm.imaging.build import add_lesion
from vertherm.imaging.lesion import synthetic_lesion
from vertherm.planning.access.access import case_access
from vertherm.planning.access.scene import access_scene, own_bone
from vertherm.planning.case import AccessEntry
from vertherm.planning.objects import Case, Target
from vertherm.planning.prepare import prepare_case
from vertherm.planning.protocol import Protocol, default_protocol

pytestmark = [pytest.mark.data]
STEP_MM = 0.2
SAMPLED_MM = 0.06
ENTRY = AccessEntry(candidates=200_000, paths=4, needles=1)
RULES = default_protocol().access
KINDS = tuple(LesionKind)
PLACES = [(level, place) for level in ("L1", "L2", "L3", "L4", "L5", "S1") for place in ("body", "left pedicle")]
Array = np.ndarray


@dataclass(frozen=True)
class Prepared:
    case: Case
    protocol: Protocol


@cache
def prepared() -> Prepared:
    """The scan without any lesion; its labels are read and its canal and roots derived once."""
    case, protocol = prepare_case(load("lumbar_scan").case_file())
    return Prepared(case, protocol)


@cache
def lesion_case(level: str, place: str) -> Case:
    """The scan with one synthetic lesion; a pedicle's takes the whole vertebra for the body it must stay in."""
    case, key = prepared().case, Level(level)
    anatomy = case.anatomy
    kind = KINDS[PLACES.index((level, place)) % len(KINDS)]
    bone = own_bone(anatomy, key)
    bodies = anatomy.bodies or {}
    if place == "body":
        image, mask = synthetic_lesion(anatomy.ct, bodies[key], kind, radius_mm=8.5, seed=3)
    else:
        canal = anatomy.structure("canal").mask
        frame = vertebra_frame(bodies[key], canal, [body for other, body in bodies.items() if other is not key])
        assert frame is not None
        left, _ = pedicle_regions(bone, frame)
        image, mask = synthetic_lesion(anatomy.ct, bone, kind, centre_mm=_middle(left, bone), radius_mm=7.0, seed=4)
    changed = add_lesion(anatomy, "lesion", mask, kind, ct=image, synthetic=True)
    target = Target("lesion", LevelStatement(key, confirmed=True), "unknown", kind.value, mask, synthetic=True)
    return replace(case, anatomy=changed, targets=(target,))


def _middle(region: Volume, bone: Volume) -> tuple[float, float, float]:
    """The voxel of the pedicle that lies deepest in bone."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(bone.data, 1), sampling=bone.grid.spacing_mm)[1:-1, 1:-1, 1:-1]
    best = np.unravel_index(int(np.argmax(np.where(region.data, depth, 0.0))), region.data.shape)
    x, y, z = region.grid.world(best)
    return float(x), float(y), float(z)


@cache
def found(level: str, place: str) -> AccessResult:
    need("totalseg_lumbar/ct.nii.gz")
    case = lesion_case(level, place)
    antenna = load_antenna("tosoratti_mini_choke")
    (result,) = case_access(case, prepared().protocol, ENTRY, antenna, margin_mm=5.0, threads=1)
    return result


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    need("totalseg_lumbar/ct.nii.gz")
    monkeypatch.setenv("VERTHERM_DATA", str(folder()))


def axis_points(path: NeedlePath) -> Array:
    return path.trajectory.point_mm(np.append(np.arange(0.0, path.length_mm, STEP_MM), path.length_mm))


def to_boxes(points: Array, mask: Volume, within_mm: float) -> float:
    """Least distance from points to the voxels of a mask as boxes (axes along x, y, z); inf beyond ``within_mm``."""
    boxes = mask.grid.world(np.argwhere(mask.data))
    half = 0.5 * mask.grid.spacing_mm
    way = points[-1] - points[0]
    share = np.clip((boxes - points[0]) @ way / max(way @ way, 1e-9), 0.0, 1.0)
    away = np.linalg.norm(boxes - points[0] - share[:, None] * way, axis=1)
    boxes = boxes[away < within_mm + np.linalg.norm(half)]
    least = np.inf
    for start in range(0, len(boxes), 400):
        gaps = np.maximum(np.abs(points[:, None] - boxes[None, start : start + 400]) - half, 0.0)
        least = min(least, float(np.sqrt((gaps**2).sum(axis=-1)).min()))
    return least


def obstacles(case: Case) -> dict[str, tuple[str, Volume]]:
    """Name to (kind, mask) of everything a rule forbids, straight from the labels."""
    anatomy, level = case.anatomy, case.targets[0].level
    sacral = level.value.startswith("S")
    named = {
        f"vertebra {other}": ("bone", mask)
        for other, mask in anatomy.vertebrae.items()
        if other is not level and not (sacral and other.value.startswith("S"))
    }
    for structure in anatomy.structures:
        if structure.kind is not StructureKind.skin and not (sacral and structure.name == "sacrum"):
            named[structure.name] = (structure.kind.value, structure.mask)
    return named


def rule_of(kind: str, name: str) -> tuple[float, bool] | None:
    """Clearance and whether it is forbidden; the sacrum counts as a vertebra."""
    known = "vertebra S1" if name == "sacrum" else name
    rule = RULES.rule_for(kind, known)
    return None if rule is None else (rule.clearance_mm, rule.forbidden)


@pytest.mark.parametrize(("level", "place"), PLACES)
def test_paths_keep_every_rule_by_brute_force(level: str, place: str) -> None:
    case, result = lesion_case(level, place), found(level, place)
    assert result.paths, [refusal.reason for refusal in result.refusals[:5]]
    for path in result.paths:
        points = axis_points(path)
        said = {item.name: item for item in path.clearances}
        for name, (kind, mask) in obstacles(case).items():
            rule = rule_of(kind, name)
            if rule is None or not mask.data.any():
                continue
            clearance, forbidden = rule
            crossed = path.approach is Approach.transiliac and name.startswith("hip bone")
            surface = to_boxes(points, mask, 15.0) - result.needle.radius_mm
            if forbidden and not crossed:
                needed = clearance + RULES.placement_error_mm
                assert surface >= needed - 1e-6, f"{path.name}: {surface:.2f} mm to {name}, needs {needed}"
            if name in said:
                assert said[name].distance_mm == pytest.approx(surface, abs=SAMPLED_MM), name
                assert said[name].after_error_mm == pytest.approx(surface - RULES.placement_error_mm, abs=SAMPLED_MM)
                assert said[name].label_error_mm == pytest.approx(0.5 * np.sqrt(27.0), abs=1e-3)
            elif forbidden and not crossed:
                assert surface > clearance + RULES.placement_error_mm, f"{name} is near and not reported"


@pytest.mark.parametrize(("level", "place"), PLACES)
def test_ends_angles_and_coverage(level: str, place: str) -> None:
    case, result = lesion_case(level, place), found(level, place)
    anatomy, target = case.anatomy, case.targets[0]
    goal = access_scene(case, target, prepared().protocol, margin_mm=5.0).goal
    inside = goal.grid.world(np.argwhere(goal.data))
    for path in result.paths:
        entry, tip = path.trajectory.entry_mm, path.trajectory.tip_mm
        assert path.length_mm == pytest.approx(float(np.linalg.norm(entry - tip)), abs=1e-6)
        assert path.length_mm <= RULES.instrument_length_mm - RULES.outside_mm + 1e-6
        out = path.trajectory.axis
        if path.entry_kind == "skin":
            assert anatomy.tissue_at(entry + 0.1 * out) == "air"
            assert anatomy.tissue_at(entry - 0.1 * out) != "air"
            beyond = entry + np.arange(0.5, 40.0, 0.5)[:, None] * out
            kept = beyond[anatomy.ct.grid.contains(beyond)]
            assert {anatomy.tissue_at(point) for point in kept} <= {"air"}
        assert to_boxes(tip[None], target.mask, 40.0) <= RULES.tip_beyond_lesion_mm + 1e-6
        assert to_boxes(tip[None], target.mask, 40.0) == pytest.approx(path.tip_outside_mm, abs=1e-3)
        lean = np.degrees(np.arcsin(np.clip(out[2], -1, 1)))
        assert path.cranio_caudal_deg == pytest.approx(lean, abs=0.1)
        assert abs(lean) <= RULES.max_cranio_caudal_deg + 1e-6
        assert path.incidence_deg <= RULES.max_incidence_deg + 1e-6
        offset = inside - np.array(path.focus_ras_mm)
        along = offset @ out
        across = np.sqrt(np.maximum((offset**2).sum(axis=1) - along**2, 0.0))
        needle = result.needle
        covered = (along / (needle.zone_long_mm / 2)) ** 2 + (across / (needle.zone_short_mm / 2)) ** 2 <= 1.0
        assert path.coverage == pytest.approx(float(covered.mean()), abs=0.02)


@pytest.mark.parametrize(("level", "place"), PLACES)
def test_pedicles_hold_the_needle(level: str, place: str) -> None:
    """Transpedicular: the tube of needle and wall within the pedicle's depth lies in the vertebra's label."""
    case, result = lesion_case(level, place), found(level, place)
    frame = access_scene(case, case.targets[0], prepared().protocol, margin_mm=5.0).frame
    assert frame is not None
    bone = own_bone(case.anatomy, Level(level))
    canal_y = float(coordinates(frame, frame.canal_mm)[1])
    for path in result.paths:
        if path.approach is not Approach.transpedicular or path.pedicle_wall_mm is None or path.breach_mm > 0:
            continue
        points = axis_points(path)
        depth = coordinates(frame, points)[:, 1]
        within = points[(depth >= canal_y) & (depth <= frame.posterior_wall_mm)]
        out = path.trajectory.axis
        first = np.cross(out, [0.0, 0.0, 1.0])
        first /= np.linalg.norm(first)
        second = np.cross(out, first)
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ring = np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second
        reach = result.needle.radius_mm + path.pedicle_wall_mm - 0.02
        tube = (within[:, None] + reach * ring[None]).reshape(-1, 3)
        assert (bone.sample(tube, order=0, outside=0.0) > 0).all(), path.name
        side = coordinates(frame, within[-1])[0]
        assert path.side == ("right" if side > 0 else "left")


def test_anatomical_sense() -> None:
    """Body lesions of L2 to L5 are reached through a pedicle; each way leans medially, the best by 5 to 45 degrees.

    At L1 the canal's label (3 mm voxels) leaves the narrow pedicle so little room that the few kept go beside it.

    Pedicles stand 5 to 30 degrees to the sagittal plane from L1 to L5 ([R], widest at L5).
    """
    assert found("L1", "body").paths
    for level in ("L2", "L3", "L4", "L5"):
        ways = [p for p in found(level, "body").paths if p.approach is Approach.transpedicular]
        assert ways, level
        for path in ways:
            entry, tip = path.trajectory.entry_mm, path.trajectory.tip_mm
            medial = (entry[0] - tip[0]) * (1.0 if path.side == "right" else -1.0)
            assert medial >= -2.0, f"{level} {path.name} leans outwards"
            assert 60.0 < path.length_mm <= 150.0
        assert 5.0 <= abs(ways[0].axial_deg) <= 45.0


def test_s1_is_reached_from_behind_or_through_the_ilium() -> None:
    for place in ("body", "left pedicle"):
        approaches = {path.approach for path in found("S1", place).paths}
        assert approaches <= {Approach.sacral_posterior, Approach.transiliac}
        assert approaches


def test_what_no_label_holds_is_said() -> None:
    """This scan labels no ureters."""
    assert "ureter" in found("L3", "body").not_labelled
    assert any("posture" in note for note in found("L3", "body").notes)


def test_nothing_runs_through_the_sacral_canal() -> None:
    """The dural sac's label ends within S1; below it the CT shows the canal at these points (read off the image, mm).

    Paths to S1 keep their clearance from the solid placed by rule, which holds every one of them.
    """
    seen = np.array([[0.0, 70.0, 214.0], [0.0, 59.0, 202.0], [6.0, 62.0, 202.0], [0.0, 54.0, 190.0]])
    case = lesion_case("S1", "body")
    scene = access_scene(case, case.targets[0], prepared().protocol, margin_mm=5.0)
    (below,) = (solid for solid in scene.solids if solid.name == "sacral canal")
    assert below.derived
    assert (below.mask.sample(seen, order=0, outside=0.0) > 0).all()
    for place in ("body", "left pedicle"):
        for path in found("S1", place).paths:
            surface = to_boxes(axis_points(path), below.mask, 15.0) - found("S1", place).needle.radius_mm
            assert surface >= RULES.placement_error_mm + 1.0 - 1e-6
