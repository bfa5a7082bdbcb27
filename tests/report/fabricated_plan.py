"""Made-up access results and plans for the report's tests, on the torso of :mod:`tests.report.fabricated`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.report import fabricated
from vertherm.access.path import AccessResult, Clearance, NeedlePath, NeedleSet, NeedleSpec, Refusal
from vertherm.access.rules import Approach
from vertherm.clinical.levels import CountingRule, LevelStatement, parse_level
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import TISSUE_CODES, Anatomy
from vertherm.planning.assessment import Percentile, Probability
from vertherm.planning.objects import Case, Target
from vertherm.planning.plan import (
    AccessRow,
    ActivationRow,
    CandidateRow,
    Chart,
    ClearanceRow,
    CoverageRow,
    Gap,
    GoalRow,
    LimitRow,
    NeedleSetRow,
    PathRow,
    PlacedRow,
    Plan,
    RefusalRow,
    Relaxation,
    SharedRow,
)

ERROR_MM = 2.0
SPEC = NeedleSpec(radius_mm=0.9, length_mm=150.0, focus_mm=10.0, zone_long_mm=32.0, zone_short_mm=26.0)


def case(grid: Grid | None = None, *, synthetic: bool = True) -> Case:
    """The torso as a case; the vertebra is its bright bone."""
    scene = fabricated.scene(grid)
    bone = Volume(scene.ct.data > 200.0, scene.ct.grid)
    tissue = Volume(np.zeros(scene.ct.data.shape, np.uint8), scene.ct.grid)
    level = parse_level("L3")
    anatomy = Anatomy(
        ct=scene.ct,
        tissue=tissue,
        tissue_names=TISSUE_CODES,
        vertebrae={level: bone},
        structures=scene.structures,
        lesions=scene.lesions,
        notes=(),
        synthetic=synthetic,
    )
    statement = LevelStatement(level, confirmed=True, counting_rule=CountingRule.other)
    target = Target("lesion", statement, "breast", "lytic", scene.lesions["lesion"], synthetic=synthetic)
    return Case("fabricated", "Fabricated L3 lesion", anatomy, (target,))


def clearance(case: Case, name: str, trajectory: Trajectory, radius_mm: float) -> Clearance:
    """How near a needle comes to a structure of the case, to voxel centres (good enough for pictures)."""
    structure = case.anatomy.structure(name)
    points = structure.mask.grid.world(np.argwhere(structure.mask.data))
    r, z = trajectory.cylindrical_mm(points)
    within = np.clip(z, 0.0, trajectory.length_mm)
    r = np.hypot(r, z - within)
    nearest = int(np.argmin(r))
    distance = float(r[nearest]) - radius_mm
    voxel = 0.5 * float(np.linalg.norm(structure.mask.grid.spacing_mm))
    kind = str(structure.kind)
    depth = trajectory.length_mm - float(within[nearest])
    return Clearance(name, kind, distance, distance - ERROR_MM, 1.0, voxel, depth, structure.derived)


def needle_path(
    case: Case, name: str, entry: Any, tip: Any, *, near: tuple[str, ...], spec: NeedleSpec = SPEC, **changes: Any
) -> NeedlePath:
    """A path with angles and clearances of its own geometry; the scores are made up."""
    trajectory = Trajectory(np.array(entry, float), np.array(tip, float))
    axis = trajectory.axis
    values: dict[str, Any] = {
        "name": name,
        "trajectory": trajectory,
        "focus_ras_mm": tuple(float(x) for x in trajectory.point_mm(spec.focus_mm)),
        "approach": Approach.transpedicular,
        "side": "right" if entry[0] > 0 else "left",
        "entry_kind": "skin",
        "length_mm": trajectory.length_mm,
        "bone_mm": 41.5,
        "axial_deg": float(np.degrees(np.arctan2(-axis[0], -axis[1]))),
        "cranio_caudal_deg": float(np.degrees(np.arcsin(axis[2]))),
        "gantry_deg": float(np.degrees(np.arcsin(axis[2]))),
        "incidence_deg": 23.0,
        "clearances": tuple(clearance(case, item, trajectory, spec.radius_mm) for item in near),
        "pedicle_wall_mm": 1.3,
        "breach_mm": 0.0,
        "breach_grade": "A",
        "tip_to_target_mm": 6.4,
        "tip_outside_mm": 0.0,
        "coverage": 0.964,
        "risk": 1.27,
    }
    return NeedlePath(**(values | changes))


@cache
def result(paths: int = 3) -> AccessResult:
    """A search with up to three paths."""
    patient = case()
    found = [
        needle_path(patient, "P1", fabricated.ENTRY, fabricated.TIP, near=("dural sac", "root L3 right")),
        needle_path(
            patient,
            "P2",
            (-38.0, -62.0, 6.0),
            (3.0, 12.0, 0.0),
            near=("dural sac", "root L3 left"),
            risk=2.41,
            notes=("crosses the facet joint",),
        ),
        needle_path(
            patient,
            "P3",
            (58.0, -30.0, 20.0),
            (2.0, 8.0, 1.0),
            near=("root L3 right", "aorta"),
            risk=3.75,
            approach=Approach.posterolateral,
            pedicle_wall_mm=None,
            breach_grade="",
            coverage=0.871,
            entry_kind="image edge",
        ),
    ]
    return AccessResult(
        target="lesion",
        level="L3",
        position="prone",
        needle=SPEC,
        paths=tuple(found[:paths]),
        sets=(NeedleSet(("P1", "P2"), 7.3, 0.999, 3.68),) if paths > 1 else (),
        candidates=2_000_000,
        admissible=1234 if paths else 0,
        refusals=(
            Refusal("nearer than 1 mm to root L3 right after the error", "obstacle: root", 911_007, 5150, 0.3, "mm"),
            Refusal("longer than the instrument", "length", 40_404, 0, 12.0, "mm"),
            Refusal("steeper than 35 degrees", "cranio-caudal angle", 77_001, 12, 4.2, "degrees"),
        ),
        not_labelled=("ureter left",),
        notes=("The scan is supine; paths are sought for a prone patient.",),
        timings_s={"candidates": 1.5, "score": 3.25},
        placement_error_mm=ERROR_MM,
    )


def access_row(found: AccessResult) -> AccessRow:
    """The document of a result."""
    return AccessRow(
        target=found.target,
        level=found.level,
        position=found.position,
        needle={"radius_mm": found.needle.radius_mm, "length_mm": found.needle.length_mm},
        paths=[_path_row(item) for item in found.paths],
        sets=[NeedleSetRow(paths=list(s.paths), gap_mm=s.gap_mm, coverage=s.coverage, risk=s.risk) for s in found.sets],
        candidates=found.candidates,
        admissible=found.admissible,
        refusals=[RefusalRow(**vars(item)) for item in found.refusals],
        not_labelled=list(found.not_labelled),
        notes=list(found.notes),
        timings_s=found.timings_s,
    )


def _path_row(path: NeedlePath) -> PathRow:
    values = {name: getattr(path, name) for name in PathRow.model_fields if hasattr(path, name)}
    values["approach"] = path.approach.value
    values["clearances"] = [ClearanceRow(**vars(item)) for item in path.clearances]
    values["crosses"], values["notes"] = list(path.crosses), list(path.notes)
    values["entry_ras_mm"] = tuple(float(x) for x in path.trajectory.entry_mm)
    values["tip_ras_mm"] = tuple(float(x) for x in path.trajectory.tip_mm)
    return PathRow(**values)


def chart(**changes: Any) -> Chart:
    """Coverage rises and limits break with power and time; the root binds at low, the skin at high power."""
    power, time = np.linspace(10, 60, 11), np.linspace(60, 600, 10)
    energy = power[:, None] * time[None, :] / 1000.0
    covered, broken = 1 / (1 + np.exp(-(energy - 7) / 0.5)), 1 / (1 + np.exp(-(energy - 15) / 1.4))
    binding = np.where(power[:, None] > 42, "skin", "root L3 right") + np.zeros(energy.shape, "U1").astype("U1")
    values: dict[str, Any] = {
        "target": "lesion",
        "path": "P1",
        "antenna": "tosoratti_mini_choke",
        "power_kind": "forward",
        "power_w": power.tolist(),
        "time_s": time.tolist(),
        "p_covered": np.round(covered, 3).tolist(),
        "p_limit": np.round(broken, 3).tolist(),
        "p_warn": np.round(np.minimum(1, broken * 1.3), 3).tolist(),
        "coverage": np.round(covered, 3).tolist(),
        "binding": binding.tolist(),
        "allowed": (broken < 0.05).tolist(),
        "samples": 59,
        "rule": "95th percentile of 59 samples",
        "chosen": (30.0, 300.0),
    }
    return Chart(**(values | changes))


def _percentile(value: float) -> Percentile:
    return Percentile(estimate=value - 0.7, bound=value, confidence=0.95, samples=59, failed=0, rule="worst of 59")


def _chance(events: int) -> Probability:
    return Probability(events=events, samples=59, failed=0, estimate=events / 59, low=0.0, high=0.0606)


def plan(status: str = "provisional", **changes: Any) -> Plan:
    """A plan of a status; keyword arguments replace its fields."""
    found = status != "no safe plan"
    values: dict[str, Any] = {
        "case": "fabricated",
        "title": "Fabricated L3 lesion",
        "notice": "Not a medical device. Do not base any decision about a patient on it.",
        "synthetic": True,
        "status": status,
        "status_words": {
            "provisional": "every limit is kept by 24 coarse samples; the full model ran for three variants",
            "verified": "every limit is kept by 59 full samples and the full-wave check",
            "no safe plan": "nothing that covers the lesion keeps every limit",
        }[status],
        "goal": GoalRow(
            metric="isotherm_54",
            metric_label="54 °C isotherm",
            margin_mm=5.0,
            coverage=1.0,
            coverage_rule="5th percentile",
            safety_rule="95th percentile",
        ),
        "access": [access_row(result())],
        "applicators": [_placed()] if found else [],
        "activations": [
            ActivationRow(antenna="antenna 1", power_w=31.5, time_s=305.0, pause_s=45.0),
            ActivationRow(antenna="antenna 1", power_w=27.0, time_s=121.0, pull_back_mm=9.0),
        ]
        if found
        else [],
        "protection": ["CO2 dissection between zone and root L3 right, 6 mm"] if found else [],
        "limits": _limits(),
        "coverage": [
            CoverageRow(
                target="lesion",
                coverage=0.987,
                lesion_coverage=1.0,
                margin_mm=4.7,
                reached=found,
                probability_full=_chance(57),
            )
        ],
        "candidates": _candidates(),
        "charts": [chart(chosen=(30.0, 300.0) if found else None)],
        "shared": [
            SharedRow(
                structure="root L3 right",
                doses_min={"lesion": 3.1, "second": 2.2},
                total_min=5.3,
                peak_c=43.6,
                status="warn",
            )
        ],
        "binding": "root L3 right reaches its stop limit of 45 °C first",
        "relaxations": [
            Relaxation(
                what="CO2 between zone and root L3 right",
                kind="dissection",
                effect="cools the root by 2.1 K",
                coverage=0.991,
                worst_structure="skin",
                worst_peak_c=43.9,
                safe=True,
                reached=True,
            ),
            Relaxation(what="a margin of 3 mm", kind="margin", effect="the goal is reached", coverage=1.0, safe=False),
        ],
        "gap": Gap(sweep_points=1210, sweep_best=0.990, found=0.987, gap=0.003, what="coverage"),
        "cement_ml": {"lesion": 2.5, "total": 2.5},
        "models": {"surrogate": "linear response on 2 mm cells; error against the full model up to 0.8 K"},
        "notes": ["Surrogate error at root L3 right: 0.8 K."],
        "timings_s": {"access": 4.4, "surrogate": 21.7},
        "provenance": {"version": "0.1.0", "seed": 0},
    }
    return Plan(**(values | changes))


def _placed() -> PlacedRow:
    return PlacedRow(
        name="antenna 1",
        target="lesion",
        path="P1",
        antenna="tosoratti_mini_choke",
        frequency_mhz=2450.0,
        entry_ras_mm=tuple(float(x) for x in fabricated.ENTRY),
        tip_ras_mm=tuple(float(x) for x in fabricated.TIP),
    )


def _limits() -> list[LimitRow]:
    values = {"stop_c": 45.0, "stop_cem43_min": 10.0, "warn_c": 43.0, "warn_cem43_min": 5.0}
    return [
        LimitRow(
            name="root L3 right",
            status="warn",
            peak_c=44.2,
            cem43_min=6.25,
            binding=True,
            percentile=_percentile(44.2),
            probability_stop=_chance(1),
            **values,
        ),
        LimitRow(name="dural sac", status="green", peak_c=41.3, cem43_min=0.42, **values),
        LimitRow(name="skin", status="green", peak_c=38.6, cem43_min=0.03, **values),
    ]


def _candidates() -> list[CandidateRow]:
    shared = {"target": "lesion", "antenna": "tosoratti_mini_choke", "worst_structure": "root L3 right"}
    return [
        CandidateRow(
            name="A1",
            paths=["P1"],
            power_w=31.5,
            time_s=305.0,
            activations=2,
            coverage=0.987,
            margin_mm=4.7,
            worst_peak_c=44.2,
            worst_dose_min=6.2,
            safe=True,
            reached=True,
            score=0.93,
            **shared,
        ),
        CandidateRow(
            name="A2",
            paths=["P2"],
            power_w=22.0,
            time_s=480.0,
            activations=1,
            coverage=0.911,
            margin_mm=None,
            worst_peak_c=46.8,
            worst_dose_min=33.0,
            safe=False,
            reached=False,
            score=0.41,
            why="root too near",
            **shared,
        ),
    ]
