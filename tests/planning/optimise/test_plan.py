"""The whole way from a case to its plan document, with one given path, a closed-form surrogate and the real full model.

The full model runs on cells of 3 mm: it decides, so the numbers do not matter, but the rules do. A plan never has a
prediction with the status stop; without a plan there is nothing to apply, a limit is named, and something would help;
what is required and not labelled keeps a plan from being called safe.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.planning.optimise.closed_form import ClosedForm
from tests.planning.optimise.problems import case_on_phantom, entry_for
from vertherm.access.path import AccessResult, NeedlePath, NeedleSpec, Refusal
from vertherm.access.rules import Approach
from vertherm.geometry.trajectory import Trajectory
from vertherm.planning.case import Numerics
from vertherm.planning.objects import Case
from vertherm.planning.optimise import relax, run, screen, verify
from vertherm.planning.optimise.judge import Judge
from vertherm.planning.optimise.models import FirstLook, Model
from vertherm.planning.optimise.run import PlanResult, make_plan
from vertherm.planning.plan import Plan
from vertherm.planning.protocol import Limit, Metric, Protocol, default_protocol

COARSE = Numerics(spacing_mm=3.0, resolve_every_s=60.0, max_cooldown_s=3600.0)
TIP, ENTRY = (5.0, 8.0, 0.0), (25.0, -60.0, 0.0)


def path(name: str = "P1") -> NeedlePath:
    return NeedlePath(
        name=name,
        trajectory=Trajectory(np.array(ENTRY), np.array(TIP)),
        focus_ras_mm=(6.0, 4.0, 0.0),
        approach=Approach.transpedicular,
        side="right",
        entry_kind="skin",
        length_mm=70.0,
        bone_mm=40.0,
        axial_deg=-16.0,
        cranio_caudal_deg=0.0,
        gantry_deg=0.0,
        incidence_deg=20.0,
        clearances=(),
        pedicle_wall_mm=2.0,
        breach_mm=0.0,
        breach_grade="A",
        tip_to_target_mm=6.0,
        tip_outside_mm=0.0,
        coverage=1.0,
        risk=0.4,
    )


def access(paths: tuple[NeedlePath, ...]) -> AccessResult:
    needle = NeedleSpec(1.0, 170.0, 5.0, 32.0, 26.0)
    refusals = (
        Refusal("nearer than 1 mm to root L3 left", "obstacle: root", 700, 30, 0.4, "mm"),
        Refusal("longer than the instrument", "length", 200, 0, 12.0, "mm"),
    )
    return AccessResult("target", "L3", "prone", needle, paths, (), 1000, len(paths), refusals)


def warm_protocol(stop_c: float = 90.0) -> Protocol:
    """Zones from 39 °C on and limits far up: even cells of 3 mm give a plan."""
    base = default_protocol()
    limits = tuple(Limit(kinds=limit.kinds, warn_c=stop_c - 1.0, stop_c=stop_c, source="test") for limit in base.limits)
    metric = Metric(id="warm", label="39 °C", field="peak_c", level=39.0, source="test")
    return base.model_copy(update={"metrics": (metric,), "coverage_metric": "warm", "limits": limits})


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Any:
    def plan(
        model: ClosedForm,
        protocol: Protocol,
        case: Case | None = None,
        paths: tuple[NeedlePath, ...] = (path(),),
        **entry: Any,
    ) -> PlanResult:
        def judge(problem: Any, arm: Any, sampled: bool) -> Judge:
            return Judge(problem.goal, problem.limits, (arm.target.name,), sampled)

        def build(problem: Any, arm: Any, **_: Any) -> Model:
            return Model(model, judge(problem, arm, False))  # type: ignore[arg-type]

        def look(problem: Any, arm: Any, treatment: Any = None) -> FirstLook:
            return FirstLook(model, judge(problem, arm, False))  # type: ignore[arg-type]

        monkeypatch.setattr(run, "case_access", lambda *_, **__: (access(paths),))
        monkeypatch.setattr(run, "build", build)
        monkeypatch.setattr(verify, "build", build)
        monkeypatch.setattr(screen, "first_look", look)
        monkeypatch.setattr(relax, "first_look", look)
        wanted = entry_for(numerics=COARSE, **{"max_activations": 1, "margin_mm": 0.0, "time_s": (60, 120), **entry})
        return make_plan(case or case_on_phantom(), protocol, wanted, workers=1)

    return plan


def test_a_plan_from_end_to_end(planned: Any) -> None:
    result = planned(ClosedForm({"root L3 left": (0.2, 120.0)}, (2.0, 60.0)), warm_protocol())
    plan = result.plan
    assert plan.status == "provisional", (plan.status_words, plan.notes)
    assert plan.status_words.startswith("PROVISIONAL")
    assert result.prediction.assessment.verdict != "stop"
    assert result.treatment is not None
    assert [row.name for row in plan.applicators] == [p.name for p in result.treatment.applicators]
    assert np.allclose(plan.applicators[0].tip_ras_mm, TIP)
    assert plan.activations[0].power_w == result.treatment.schedule.activations[0].power_w
    assert all(row.status in ("green", "warn") for row in plan.limits)
    assert plan.coverage[0].reached
    assert plan.coverage[0].coverage >= 0.999
    assert plan.gap is not None
    assert plan.gap.gap <= 0.02
    assert plan.charts[0].power_w[0] == 10.0
    assert len(plan.charts[0].allowed) == len(plan.charts[0].power_w)
    assert plan.candidates[0].safe
    assert plan.candidates[0].why == "chosen"
    assert {"paths", "arms", "samples", "full model", "total"} <= set(plan.timings_s)
    assert plan.synthetic
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_nothing_safe_gives_nothing_to_apply(planned: Any) -> None:
    # Even 10 W for 60 s heat the root by 3 * 10 * 0.39 = 11.8 K.
    result = planned(ClosedForm({"root L3 left": (3.0, 120.0)}, (2.0, 60.0)), default_protocol())
    plan = result.plan
    assert plan.status == "no safe plan"
    assert plan.applicators == []
    assert plan.activations == []
    assert result.treatment is None
    assert result.prediction is None, "nothing keeps the limits: nothing is predicted"
    assert "root L3 left" in plan.binding
    assert "no dose keeps every limit" in plan.binding
    assert {row.kind for row in plan.relaxations} >= {"dissection"}
    assert not any(row.reached for row in plan.relaxations)
    assert plan.limits[0].status == "stop"


def test_partial_ablation_is_offered_only_where_the_full_model_keeps_the_limits(planned: Any) -> None:
    # The root allows x < 8 W; the goal (8 mm) needs 16: 0.35 of the lesion within the limits.
    result = planned(ClosedForm({"root L3 left": (1.0, 120.0)}, (2.0, 120.0)), warm_protocol(45.0))
    plan = result.plan
    assert plan.status == "no safe plan"
    assert result.treatment is None
    rows = {row.kind: row for row in plan.relaxations}
    if result.prediction is None:
        # The real full model broke a limit at the closed form's doses: then no part of them may be offered as safe.
        assert any("breaks a limit" in note for note in plan.notes)
        assert "partial ablation" not in rows
        assert "margin" not in rows
        return
    assert rows["partial ablation"].safe
    assert not rows["partial ablation"].reached
    assert result.prediction.assessment.verdict != "stop"
    assert result.prediction.assessment.notes[0].startswith("NOT A PLAN")


def test_no_admissible_path(planned: Any) -> None:
    result = planned(ClosedForm({}, (2.0, 60.0)), default_protocol(), paths=())
    plan = result.plan
    assert plan.status == "no safe plan"
    assert "no admissible needle path" in plan.status_words
    assert "none of 1000 candidate paths" in plan.binding
    assert [row.kind for row in plan.relaxations] == ["rule"]
    assert "30 of 1000" in plan.relaxations[0].effect


def test_what_is_not_labelled_is_not_safe(planned: Any) -> None:
    whole = case_on_phantom()
    kept = tuple(s for s in whole.anatomy.structures if s.name != "root L3 left")
    case = replace(whole, anatomy=replace(whole.anatomy, structures=kept))
    result = planned(ClosedForm({"root L3 right": (0.2, 120.0)}, (2.0, 60.0)), warm_protocol(), case=case)
    plan = result.plan
    assert plan.status == "provisional"
    assert "NOT ASSESSED" in plan.status_words
    assert "root L3 left" in plan.status_words
    assert "not a safe plan" in plan.status_words
    assert any("root L3 left" in words for words in plan.not_assessed)
    assert result.prediction.assessment.verdict == "not assessed"
