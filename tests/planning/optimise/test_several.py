"""Several lesions: doses at a shared structure add, peaks take the worst, and the cheaper lesion gives way.

Closed forms of two arms that heat the same root. Each alone keeps CEM43 under 10 min; the sum of both must too.
Expected sums are those of the closed form itself (exact to rounding: 1e-9).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.planning.optimise.closed_form import ClosedForm
from tests.planning.optimise.problems import problem_for
from vertherm.planning.optimise.judge import Background, Judge
from vertherm.planning.optimise.models import Model
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.optimise.several import Choice, choose, joint, shared_rows, together

ROOT = "root L3 left"


def choice(problem: Problem, name: str, model: ClosedForm) -> Choice:
    model.target = name
    judge = Judge(problem.goal, problem.limits, (name,), sampled=False)
    arm: Any = SimpleNamespace(
        name=name,
        target=SimpleNamespace(name=name),
        needle_of=(0,),
        back_mm=(0.0,),
        paths=(SimpleNamespace(name="P1"),),
    )
    return choose(problem, arm, [Model(model, judge)])  # type: ignore[arg-type]


def form(heat: float, reach: float = 2.0, variants: tuple[float, ...] = (1.0,)) -> ClosedForm:
    return ClosedForm({ROOT: (heat, 120.0)}, (reach, 600.0), heat=variants, reach=(1.0,) * len(variants))


def test_doses_add_and_peaks_take_the_worst() -> None:
    problem = problem_for(margin_mm=2.0)
    one, two = choice(problem, "upper", form(0.20)), choice(problem, "lower", form(0.15))
    whole = joint([one, two])
    readings = [c.first.surrogate.readings(c.found.dose).structures[ROOT] for c in (one, two)]
    item = next(s for s in whole.structures if s.name == ROOT)
    assert item.cem43_min == pytest.approx(sum(float(r.cem43_min[0]) for r in readings), rel=1e-9)
    assert item.peak_c == pytest.approx(max(float(r.peak_c[0]) for r in readings), rel=1e-9)
    assert {t.name for t in whole.targets} == {"upper", "lower"}


def test_sums_are_taken_variant_by_variant() -> None:
    # The hot variant of one is the cold one of the other: the worst sum is smaller than the sum of the worst.
    problem = problem_for(margin_mm=2.0)
    one = choice(problem, "upper", form(0.2, variants=(1.0, 1.2, 0.8)))
    two = choice(problem, "lower", form(0.2, variants=(1.0, 0.8, 1.2)))
    doses = [c.first.surrogate.readings(c.found.dose).structures[ROOT].cem43_min for c in (one, two)]
    item = next(s for s in joint([one, two]).structures if s.name == ROOT)
    assert item.cem43_min == pytest.approx(float(np.max(doses[0] + doses[1])), rel=1e-9)
    assert item.cem43_min < float(doses[0].max() + doses[1].max())


def test_background_breaks_a_limit_that_is_kept_alone() -> None:
    problem = problem_for(margin_mm=2.0)
    one = choice(problem, "upper", form(0.1))
    judge = one.first.judge
    alone = judge(one.first.surrogate.readings(one.found.dose))
    assert alone.safe
    behind = Judge(judge.goal, judge.limits, judge.targets, False, background=Background({}, {ROOT: 9.9999}))
    assert not behind(one.first.surrogate.readings(one.found.dose)).safe or alone.structures[0].cem43_min < 1e-4


def test_the_lesion_that_loses_least_gives_way() -> None:
    # Both heat the root to just below its limits (CEM43 under 10 min each); the sum breaks it. The goals cannot be
    # reached within the limits, so each dose stands at the limit, and coverage is what giving way costs.
    problem = problem_for(margin_mm=2.0)
    one, two = choice(problem, "upper", form(0.5)), choice(problem, "lower", form(0.45, reach=1.0))
    assert one.found.judgement.safe
    assert two.found.judgement.safe
    assert not joint([one, two]).safe
    found = together(problem, [one, two])
    assert joint(found).safe
    lost = [
        before.found.judgement.coverage - after.found.judgement.coverage
        for before, after in zip((one, two), found, strict=True)
    ]
    assert lost[1] > 0, "the lesion with the smaller zone loses less of its coverage"
    assert lost[0] == 0
    rows = shared_rows(problem, found)
    assert [row.structure for row in rows] == [ROOT]
    assert rows[0].total_min == pytest.approx(sum(rows[0].doses_min.values()), rel=1e-6)
    assert rows[0].status != "stop"


def test_one_lesion_shares_nothing() -> None:
    problem = problem_for(margin_mm=2.0)
    one = choice(problem, "only", form(0.2))
    assert together(problem, [one])[0].found.dose == one.found.dose
    assert shared_rows(problem, [one]) == []
