"""The optimiser against closed forms.

One structure (rise a P (1 - exp(-t/tau_s)), limit 45 °C, so 8 K) and one zone (radius b sqrt(P (1 - exp(-t/tau_z)))).

- tau_s = tau_z: coverage and heat depend on the same x. Limit x < 8 / a, goal x >= ((R + m) / b)**2. Between them the
  optimiser must take the smallest x that the lattice (1 W, 5 s) offers beyond the goal: most is then left to the limit.
- tau_s > tau_z: short and strong heats the structure least: the shortest time, and the largest power below the limit.
- tau_s < tau_z: long and weak is best: the longest time.
Every answer is compared with all lattice points (exact), so no tolerance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.optimise.closed_form import ClosedForm
from vertherm.planning.optimise.dose import Doses, Lattice, Pattern, patterns, search_doses, thrift
from vertherm.planning.optimise.gap import gap
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.judge import Judge, order
from vertherm.planning.protocol import Limit
from vertherm.planning.surrogate.dose import Dose, Pulse

GOAL = Goal("cem43_240", "CEM43", 2.0, 1.0, False)
LIMITS = {"root": Limit(kinds=("root",), stop_c=45.0, warn_c=43.0, source="test")}
LATTICE = Lattice.of((10.0, 60.0), (60.0, 600.0))
ONE = (Pattern((0,)),)


def search(
    model: ClosedForm, goal: Goal = GOAL, choices: tuple[Pattern, ...] = ONE, lattice: Lattice = LATTICE
) -> Doses:
    judge = Judge(goal, LIMITS, ("target",), sampled=False)
    return search_doses(lambda dose: judge(model.readings(dose)), choices, lattice, goal, "target")


def brute(model: ClosedForm, goal: Goal = GOAL, lattice: Lattice = LATTICE) -> Dose:
    judge = Judge(goal, LIMITS, ("target",), sampled=False)
    doses = [Dose((Pulse(p, t),)) for p in lattice.powers_w for t in lattice.times_s]
    return max(doses, key=lambda d: (*order(judge(model.readings(d)), goal), *thrift(d)))


def test_takes_the_least_heat_that_reaches_the_goal() -> None:
    # Goal: x >= (10 / 2)**2 = 25 W; limit: x < 8 / 0.2 = 40 W.
    model = ClosedForm({"root": (0.2, 120.0)}, (2.0, 120.0))
    found = search(model).best
    assert found.judgement.safe
    assert found.judgement.reached
    x = model.amount(found.dose, 120.0, 0)
    # 0.1 mm of margin is granted: (9.9 / 2)**2 = 24.50; but coverage to 0.1 % asks for 25 (1 - 0.001 * 2 / 3) = 24.98.
    assert 24.98 <= x < 25.2
    # A reserve of (8 - 0.2 x) / 8 = 0.37 counts to 1 %.
    assert found.judgement.reserve == pytest.approx(1 - 0.2 * x / 8, abs=1e-9)
    assert found.evaluations < 300


def test_short_and_strong_where_the_structure_is_slow() -> None:
    model = ClosedForm({"root": (0.5, 400.0)}, (2.0, 30.0))
    found = search(model).best
    assert found.dose.pulses[0].on_s == 60.0
    # 8 K at 60 s: P = 8 / (0.5 (1 - exp(-60/400))) = 114.9 W, more than may be chosen; the goal needs 25 W of x.
    assert found.judgement.reached
    assert found.dose == brute(model)


def test_long_and_weak_where_the_structure_is_fast() -> None:
    model = ClosedForm({"root": (0.55, 20.0)}, (2.4, 300.0))
    found = search(model).best
    # At 600 s: limit P < 8 / 0.55 = 14.5 W; coverage of 14 W is ((2.4 / 10)**2 * 14 * (1 - exp(-2)))**1.5.
    assert found.dose == Dose((Pulse(14.0, 600.0),))
    assert not found.judgement.reached
    assert found.judgement.coverage == pytest.approx((0.0576 * 14 * (1 - np.exp(-2))) ** 1.5, rel=1e-9)
    assert found.dose == brute(model)


def test_nothing_is_safe() -> None:
    # The smallest dose, 10 W for 60 s, heats by 2 * 10 * (1 - exp(-60/120)) = 7.87 K; with a = 2.2 by 8.66 K.
    found = search(ClosedForm({"root": (2.2, 120.0)}, (2.0, 120.0)))
    assert not found.best.judgement.safe
    assert found.best.dose == Dose((Pulse(10.0, 60.0),)), "the least harmful dose"
    assert found.widest is None
    assert found.reaching.judgement.reached
    assert found.reaching.judgement.reserve < found.best.judgement.reserve
    assert found.best.judgement.score(GOAL) == 0.0


def test_worst_variant_decides() -> None:
    # Heat of the worst variant 1.5 times, reach of another 0.9: goal x >= 25 / 0.81 = 30.9, limit x < 8 / 0.15 / 1.5.
    model = ClosedForm({"root": (0.15, 120.0)}, (2.0, 120.0), heat=(1, 1.5, 1), reach=(1, 1, 0.9))
    found = search(model).best
    x = model.amount(found.dose, 120.0, 0)
    assert 30.8 < x < 31.2
    assert found.judgement.structures[0].peak_c == pytest.approx(37 + 0.15 * 1.5 * x)
    assert found.judgement.coverage == pytest.approx(min(1, (0.9 * 2 * np.sqrt(x) / 10) ** 3))


@settings(max_examples=25, deadline=None)
@given(
    a=st.floats(0.05, 1.0),
    tau_s=st.floats(15, 500),
    tau_z=st.floats(15, 500),
    b=st.floats(1.0, 3.0),
    warn=st.booleans(),
)
def test_never_worse_than_every_point_of_the_lattice(
    a: float, tau_s: float, tau_z: float, b: float, warn: bool
) -> None:
    goal = replace(GOAL, warn_is_limit=warn)
    model = ClosedForm({"root": (a, tau_s)}, (b, tau_z))
    judge = Judge(goal, LIMITS, ("target",), sampled=False)
    small = Lattice.of((10.0, 40.0), (60.0, 240.0))
    found = search(model, goal, lattice=small).best.judgement
    best = judge(model.readings(brute(model, goal, small)))
    assert found.safe == best.safe
    assert found.reached == best.reached
    # Unimodal over power in these forms up to the lattice: 5 s and 1 W move coverage and reserve by some per cent.
    assert found.score(goal) >= best.score(goal) - 0.02


def test_several_activations() -> None:
    assert patterns((0,), 1) == (Pattern((0,)),)
    assert [p.places for p in patterns((0, 0), 2)] == [(0,), (1,), (0, 0), (1, 1), (0, 1)]
    assert [p.places for p in patterns((0, 0, 1), 2)] == [(0, 2)], "one after the other, each from its deepest place"
    dose = Pattern((0, 1), 20.0).dose(30.0, 60.0)
    assert dose.pulses == (Pulse(30.0, 60.0, 20.0, 0), Pulse(30.0, 60.0, 0.0, 1)), "no pause after the last"


def test_two_places_are_better_where_one_heats_the_structure() -> None:
    # The second place heats the structure a quarter as much and the zone as much: it must be taken alone.
    model = ClosedForm({"root": (0.5, 120.0)}, (2.0, 120.0), gain=((1.0, 1.0), (0.25, 1.0)))
    found = search(model, choices=patterns((0, 0), 2)).best
    assert {pulse.place for pulse in found.dose.pulses} == {1}
    assert found.judgement.reached


def test_single_activations_are_refined() -> None:
    # Two needles must both fire; the first heats the structure 3 times as much: it must give less than the second.
    # Goal x1 + x2 >= 39.1; limit 3 x1 + x2 < 66.7: alike they end at 33.3 together, apart they reach the goal.
    model = ClosedForm({"root": (0.12, 60.0)}, (1.6, 60.0), gain=((3.0, 1.0), (1.0, 1.0)))
    found = search(model, choices=patterns((0, 1), 2)).best
    first, second = found.dose.pulses
    assert first.power_w * first.on_s < second.power_w * second.on_s
    even = Pattern((0, 1), 20.0)
    judge = Judge(GOAL, LIMITS, ("target",), sampled=False)
    alike = [even.dose(p, t) for p in LATTICE.powers_w for t in LATTICE.times_s]
    best = max(order(judge(model.readings(d)), GOAL) for d in alike)
    assert order(found.judgement, GOAL) > best


def test_gap_to_a_dense_sweep() -> None:
    model = ClosedForm({"root": (0.3, 90.0)}, (1.7, 200.0))
    judge = Judge(GOAL, LIMITS, ("target",), sampled=False)
    found = search(model).best
    row = gap(lambda dose: judge(model.readings(dose)), ONE, LATTICE, GOAL, found)
    assert row.sweep_points == 225
    assert row.gap <= 0.01
    worse = search(model, lattice=Lattice.of((10, 11), (60, 70))).best
    assert gap(lambda dose: judge(model.readings(dose)), ONE, LATTICE, GOAL, worse).gap > 0.3


def test_lattice_keeps_within_its_ends() -> None:
    assert Lattice.of((10.2, 12.9), (61.0, 70.0)) == Lattice((11.0, 12.0), (65.0, 70.0))
    assert Lattice.of((10.2, 10.8), (62.0, 64.0)) == Lattice((10.2, 10.8), (62.0, 64.0))
    assert Lattice.of((30.0, 30.0), (60.0, 60.0)) == Lattice((30.0,), (60.0,))
