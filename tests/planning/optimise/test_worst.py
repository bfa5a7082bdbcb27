"""Which members a provisional plan runs: by the fast model the worst for structures, and the worst for coverage.

Expected: both read from the fast model by hand; the sampled judge's own correction plays no part in the choice, but is
kept where members are held against the full model's members.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.planning.optimise.problems import problem_for
from tests.planning.surrogate.conftest import case, surrogate
from vertherm.planning.optimise.dose import Found
from vertherm.planning.optimise.judge import Correction, Judge, Judgement
from vertherm.planning.optimise.models import Model, Models
from vertherm.planning.optimise.several import Choice
from vertherm.planning.optimise.worst import all_worst, by_members, close, worst_members, worst_samples
from vertherm.planning.surrogate.dose import Dose, Pulse
from vertherm.planning.surrogate.readings import Readings, StructureReading, TargetReading

DOSE = Dose((Pulse(25.0, 80.0),))


def problem() -> Any:
    return problem_for(case=case(), margin_mm=0.0)


def choice(fix: Correction | None = None, **changes: Any) -> Choice:
    asked = problem()
    judge = Judge(asked.goal, asked.limits, (asked.case.targets[0].name,), sampled=True)
    part = Model(replace(surrogate(), **changes), judge if fix is None else judge.corrected(fix))
    models = Models((part,), asked.goal)
    arm: Any = SimpleNamespace(name="P1", target=asked.case.targets[0])
    doses: Any = SimpleNamespace(best=Found(DOSE, models(DOSE), 1))
    return Choice(arm, models, doses)


def alone(number: int) -> Judgement:
    part = choice().sampled
    readings = part.surrogate.readings(DOSE, [number])
    return replace(part.judge, sampled=False)(readings)


def test_the_worst_members_are_run() -> None:
    water, sigmoid = alone(1), alone(2)
    found = worst_members(problem(), [choice()])
    assert 2 <= len(found) <= 3
    safety = [member for member in found if member.cooling == "none" and member.power == "net"]
    assert [member.drying for member in safety] == ["water" if water.reserve <= sigmoid.reserve else "sigmoid"]
    assert set(found) <= set(all_worst(problem()))
    assert found[0] == all_worst(problem())[0]


def test_the_other_drying_is_run_where_it_is_the_worse() -> None:
    """The members' order in the fast model exchanged: the choice follows what they read, not their place."""
    first, second = surrogate().members
    usual = worst_members(problem(), [choice()])
    other = worst_members(problem(), [choice(members=(second, first))])
    assert {m.drying for m in usual if m.power == "net"} != {m.drying for m in other if m.power == "net"}


def test_all_are_run_where_the_fast_model_passes_narrowly() -> None:
    read = by_members([choice()])
    target, cool = read.targets[0], {item.name: 0.2 for item in read.structures}
    assert target.margin_mm is not None
    # The margin that the fast model's worst member reads, brought to 0.1 mm beyond the goal, and to 1 mm.
    for spare_mm, expected in ((0.1, len(all_worst(problem()))), (1.0, 3)):
        lift = Correction(cool, {}, {target.name: spare_mm - target.margin_mm}, {target.name: 1.0})
        told = by_members([choice(lift)])
        assert told.reached
        assert told.safe
        assert len(worst_members(problem(), [choice(lift)])) == expected


def test_without_members_all_that_can_be_the_worst_are_run() -> None:
    assert worst_members(problem(), [choice(members=())]) == all_worst(problem())


def test_members_are_read_with_the_correction_so_far() -> None:
    names = [item.name for item in by_members([choice()]).structures]
    fix = Correction(dict.fromkeys(names, 1.5), {}, {}, {})
    plain, raised = by_members([choice()]).binding, by_members([choice(fix)]).binding
    assert plain is not None
    assert raised is not None
    assert raised.peak_c - 37.0 == pytest.approx(1.5 * (plain.peak_c - 37.0), rel=1e-6)


def sampled_choice(n: int, numbers: tuple[int, ...]) -> Choice:
    """Samples whose peaks rise and whose margins fall with their place among the variants."""
    asked = problem()
    place = np.arange(n + 1.0)
    readings = Readings(
        {"canal": StructureReading(38.0 + 0.01 * place, 0.001 * place)},
        {"target": TargetReading(np.ones(n + 1), np.ones(n + 1), np.abs(place - 20.0), 1e3)},
        37.0,
    )
    reader: Any = SimpleNamespace(n=n + 1, sample_numbers=numbers, readings=lambda _: readings, members=())
    judge = Judge(asked.goal, asked.limits, ("target",), sampled=True)
    models = Models((Model(reader, judge),), asked.goal)
    arm: Any = SimpleNamespace(name="P1")
    doses: Any = SimpleNamespace(best=SimpleNamespace(dose=DOSE))
    return Choice(arm, models, doses)


def test_the_worst_samples_by_their_numbers() -> None:
    # Sample 3 has no result: the variants after it carry the next numbers. Hottest: the last two variants (59 and 58 of
    # them, numbers 60 and 59); least margin: variants 20, 19, 21 and 18, numbers 21, 20, 22 and 19.
    numbers = tuple(n for n in range(1, 61) if n != 3)
    chosen = worst_samples([sampled_choice(59, numbers)], 60)
    assert {20, 21, 22, 59, 60} <= set(chosen)
    assert len(chosen) == 6


def test_no_sample_decides_alone_among_very_many() -> None:
    assert worst_samples([sampled_choice(100, tuple(range(1, 101)))], 100) == ()
    assert worst_samples([sampled_choice(59, tuple(range(1, 60)))], 93) == ()


@pytest.mark.parametrize(("left_k", "margin_mm", "asked"), [(3.0, 1.0, False), (0.3, 1.0, True), (3.0, 0.1, True)])
def test_a_narrow_pass_asks_for_the_others(left_k: float, margin_mm: float, asked: bool) -> None:
    whole = problem()
    name, limit = next((n, limit) for n, limit in whole.limits.items() if limit.stop_c is not None)
    assert limit.stop_c is not None
    row = SimpleNamespace(name=name, peak_c=limit.stop_c - left_k, cem43_min=0.0)
    found: Any = SimpleNamespace(limits=(row,), coverage=(SimpleNamespace(margin_mm=margin_mm),))
    assert close(whole, found) is asked
    assert np.isfinite(row.peak_c)
