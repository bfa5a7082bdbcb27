"""A planned case on the torso phantom with closed-form heat, for the tests of state, re-plan and monitor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.planning.fake_surrogate import FakeSurrogate, Point
from vertherm.planning.case import CaseFile
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.plan import ActivationRow, CoverageRow, GoalRow, LimitRow, PlacedRow, Plan
from vertherm.planning.protocol import default_protocol
from vertherm.planning.state.state import State

TIP_MM, ENTRY_MM = (5.0, 8.0, 0.0), (25.0, -60.0, 0.0)
ROOT, CANAL = "root L3 right", "dural sac"
SENSOR = "at the root"
POWER_W, TIME_S = 30.0, 300.0


@dataclass(frozen=True, eq=False)
class Result:
    """What ``make_plan`` returns, as far as the state needs it."""

    plan: Plan
    treatment: Treatment | None
    surrogates: dict[str, Any]


def entry() -> CaseFile:
    return CaseFile.model_validate(
        {
            "case": "phantom",
            "title": "phantom",
            "images": {"ct": "/home/somebody/ct.nii.gz", "labels": [{"path": "/x/l.nii.gz", "vocabulary": "vertherm"}]},
            "targets": [
                {"name": "target", "level": "L3", "level_confirmed": True, "kind": "lytic", "mask": "/x/lesion.nii.gz"}
            ],
        }
    )


def plan_document(**changes: Any) -> Plan:
    antenna = {"antenna": "tosoratti_mini_choke"}
    return Plan(
        case="phantom",
        title="phantom",
        notice="not for clinical use",
        synthetic=True,
        status="provisional",
        status_words="",
        goal=GoalRow(
            metric="cem43_240", metric_label="CEM43 240 min", margin_mm=5.0, coverage=1.0, coverage_rule="",
            safety_rule="",
        ),
        access=[],
        applicators=[
            PlacedRow(
                name="antenna 1", target="target", path="P1", frequency_mhz=2450.0, entry_ras_mm=ENTRY_MM,
                tip_ras_mm=TIP_MM, **antenna,
            )
        ],
        activations=[ActivationRow(power_w=POWER_W, time_s=TIME_S, **antenna)],
        **changes,
    )  # fmt: skip


def surrogate(root_k_per_w: float = 0.16, **changes: Any) -> FakeSurrogate:
    """Closed-form heat: at 30 W for 300 s the root of the worst variant (x 1.2) peaks near 42 degC."""
    points = {ROOT: Point(root_k_per_w), CANAL: Point(0.08, 200.0, 40.0), SENSOR: Point(0.5, 120.0, 20.0)}
    return FakeSurrogate(points, **{"thermocouples": (SENSOR,), **changes})


def phantom() -> Case:
    return phantom_case(spacing_mm=2.0, noise_hu=10.0)


def treatment(case: Case, sensor_mm: tuple[float, float, float] | None = None) -> Treatment:
    """30 W for 5 min with one thermocouple, by default 6 mm from the right root L3."""
    root = case.anatomy.structure(ROOT).mask
    near = root.grid.world(np.argwhere(root.data)).mean(axis=0) + np.array([0.0, 8.0, 0.0])
    given = constant_power(POWER_W, TIME_S, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    return replace(given, thermocouples={SENSOR: near if sensor_mm is None else np.array(sensor_mm)})


def state(case: Case, model: Any, *, plan: Plan | None = None, given: Treatment | None = None) -> State:
    """A state that was never on disk."""
    return State(
        Path("state"), replace(case, inputs=()), default_protocol(), entry(), plan or plan_document(),
        given or treatment(case), {"target": model},
    )  # fmt: skip


def limit_row(name: str, peak_c: float, cem43_min: float = 0.0) -> LimitRow:
    return LimitRow(
        name=name, status="green", peak_c=peak_c, cem43_min=cem43_min, stop_c=45.0, stop_cem43_min=None, warn_c=None,
        warn_cem43_min=None,
    )  # fmt: skip


def coverage_row(coverage: float) -> CoverageRow:
    return CoverageRow(target="target", coverage=coverage, lesion_coverage=1.0, margin_mm=5.0, reached=True)
