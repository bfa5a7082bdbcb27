"""What makes the solver fast must not change what it computes: threads, stages in one pass, rows left asleep."""

from __future__ import annotations

import numpy as np
import pytest

from tests.heat.blocks import block, gaussian, layered
from tests.heat.test_shaft import NEEDLE, centred
from vertherm.core.errors import SolverError
from vertherm.heat import cpu
from vertherm.heat.activity import Activity, reach, spans_of
from vertherm.heat.bioheat import BioheatSolver, StepLimits
from vertherm.heat.fields import build_fields, reconduct
from vertherm.heat.rkl2 import Plan, coefficients
from vertherm.heat.shaft import ShaftFin
from vertherm.heat.team import Team
from vertherm.materials.perfusion import perfusion_model

SWEEP_ALL = StepLimits(rest_k=0.0)


def _patient(threads: int, limits: StepLimits | None = None) -> BioheatSolver:
    """Layers, a vessel held at blood temperature, air at room temperature, a cooled shaft, boiling, perfusion."""
    shape = (34, 40, 30)
    rng = np.random.default_rng(3)
    k, c, w = rng.uniform(0.2, 0.6, shape), rng.uniform(2e6, 4e6, shape), rng.uniform(0, 6e3, shape)
    held, temperature = np.zeros(shape, bool), np.full(shape, 37.0, np.float32)
    held[20:23, 6:9, :] = True
    held[:, 34:, :] = True
    temperature[:, 34:, :] = 22.0
    problem = layered(
        k, c, w, held=held, held_temperature_c=temperature, latent_j_m3=np.full(shape, 9e8, np.float32),
        perfusion_response=perfusion_model(2.0),
    )  # fmt: skip
    shaft = ShaftFin(NEEDLE, 0.9, 2.0, 13.0, 5e-5, film_w_mk=2.0, coolant_c=20.0).bind(centred(shape), problem)
    solver = BioheatSolver(problem, shaft=shaft, threads=threads, limits=limits or StepLimits(),
                           structures={"shell": np.arange(4000, 4040)})  # fmt: skip
    solver.advance(40.0, gaussian(shape, 25.0, 2e-3), np.full(shaft.g.size, 20.0))
    solver.stop_coolant()
    solver.advance(40.0)
    return solver


@pytest.fixture(scope="module")
def alone() -> BioheatSolver:
    """The patient on one thread, every row swept."""
    return _patient(1, SWEEP_ALL)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing_in_a_patient(threads: int, alone: BioheatSolver) -> None:
    """Shaft, boiling, sinks, perfusion that stops: fields, curves and ledger bit for bit."""
    shared = _patient(threads, SWEEP_ALL)
    assert alone.latent_fraction_max.max() > 0.1
    assert alone.perfusion_w_m3k[10, 10, 10] > 0
    for name in ("temperature_c", "peak_c", "cem43_min", "omega", "latent_fraction_max", "perfusion_w_m3k"):
        assert np.array_equal(getattr(alone, name), getattr(shared, name)), name
    assert alone.balance() == shared.balance()
    assert np.array_equal(alone.tracker.rows, shared.tracker.rows)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_two_stages_in_a_pass_change_nothing(
    threads: int, alone: BioheatSolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on grids beyond the cache, with all that acts beside the sweep: bit for bit."""
    monkeypatch.setattr(cpu, "PAIR_BYTES", 0)
    paired = _patient(threads, SWEEP_ALL)
    for name in ("temperature_c", "peak_c", "cem43_min", "omega", "latent_fraction_max", "perfusion_w_m3k"):
        assert np.array_equal(getattr(alone, name), getattr(paired, name)), name
    assert alone.balance() == paired.balance()


def test_sleeping_rows_cost_no_accuracy_in_a_patient() -> None:
    """Every row swept or not, at the same steps: 1e-4 K in tissue that never boiled, 1e-4 of CEM43, ledger to 1e-5.

    Cells that boiled: 1e-2 K, as in test_robust.py (a source changed by 2e-7 of itself moves them by 1.2e-3 K).
    ``change_k`` is lifted: where tissue boils a difference of one bit can change the choice of a step, and two choices
    differ by the error of a step (0.1 K beside a boiling cell), which is not what is asked here.
    """
    steps = {"heating_s": 2.0, "cooling_s": 4.0, "change_k": 1e9}
    swept, asleep = _patient(1, StepLimits(**steps, rest_k=0.0)), _patient(1, StepLimits(**steps, rest_k=1e-5))
    assert asleep.statistics.rows_swept < swept.statistics.rows_swept == 1.0
    assert np.array_equal(swept.tracker.times, asleep.tracker.times)
    difference = np.abs(swept.temperature_c - asleep.temperature_c)
    wet = swept.peak_c < 97.0
    assert difference[wet].max() < 1e-4
    assert difference.max() < 1e-2
    assert np.abs(swept.peak_c - asleep.peak_c)[wet].max() < 1e-4
    assert asleep.cem43_min.max() == pytest.approx(swept.cem43_min.max(), rel=1e-4)
    assert abs(asleep.balance().missing_j - swept.balance().missing_j) < 1e-5 * swept.balance().turnover_j


def test_sleeping_rows_far_from_a_source() -> None:
    """A small source in a long block, heating and cooling: 1e-4 K at most, while less than half of the sweeps are done.

    A row may owe 1e-5 K of what it would have changed itself; what its neighbours owe comes on top. A row wakes as the
    heat arrives: 30 mm away after some minutes it has.
    """
    shape = (24, 160, 24)
    source = np.zeros(shape, np.float32)
    source[:, :24, :] = gaussian((24, 24, 24), 8.0, 2e-3)
    fields, shares = [], []
    for limits in (SWEEP_ALL, StepLimits()):
        solver = BioheatSolver(
            block(shape, boundary="insulated", perfusion_response=perfusion_model(2.0)), limits=limits
        )
        for _ in range(3):
            solver.advance(40.0, source)
            solver.advance(60.0)
        fields.append(solver.temperature_c)
        shares.append(solver.statistics.rows_swept)
        assert solver.balance().error < 1e-3
    assert shares[0] == 1.0
    assert shares[1] < 0.55
    assert 0.0 < np.abs(fields[0] - fields[1]).max() < 1e-4
    assert fields[1][12, 45, 12] > 37.001


def test_source_that_moves_wakes_other_rows() -> None:
    """Power at one end, then at the other: what slept first is swept later, 1e-4 K against every row swept."""
    shape = (20, 90, 12)
    first = np.zeros(shape, np.float32)
    first[8:12, 8:12, 4:8] = 2e7
    second = first[:, ::-1].copy()
    fields = []
    for limits in (SWEEP_ALL, StepLimits()):
        solver = BioheatSolver(block(shape), limits=limits)
        solver.advance(20.0, first)
        solver.advance(20.0, second)
        fields.append(solver.temperature_c)
    assert fields[1][10, 80, 6] > 40.0
    assert np.abs(fields[0] - fields[1]).max() < 1e-4


def test_warm_rows_at_rest_still_gather_doses() -> None:
    """45 degC throughout for 10 min: nothing moves, CEM43 is 40 min in every cell."""
    solver = BioheatSolver(block((6, 7, 8), w=0.0, boundary="insulated", initial_c=45.0))
    solver.advance(600.0)
    assert solver.cem43_min == pytest.approx(np.full((6, 7, 8), 40.0), rel=1e-4)


def test_tissue_at_rest_away_from_blood_keeps_its_ledger() -> None:
    """Tissue at 38 degC, blood at 37, kept there by a source: sleeping rows' heat to the blood is still booked."""
    shape, w = (6, 40, 6), 2000.0
    source = np.full(shape, w * 1.0, np.float32)
    source[3, 3, 3] += 1e6
    solver = BioheatSolver(block(shape, w=w, boundary="insulated", initial_c=38.0))
    solver.advance(60.0, source)
    energy = solver.balance()
    assert solver.statistics.rows_swept < 1.0
    assert energy.perfusion_j == pytest.approx(60.0 * w * 1440e-9, rel=0.05)
    assert energy.error < 1e-4


def test_reach_of_rows() -> None:
    """One awake row, reach 2: a diamond of rows, two planes and two rows to each side."""
    rows = np.zeros((9, 9), bool)
    rows[4, 4] = True
    wide = reach(spans_of(rows), 2)
    assert wide[2:7].tolist() == [[4, 4], [3, 5], [2, 6], [3, 5], [4, 4]]
    assert (wide[[0, 1, 7, 8], 0] > wide[[0, 1, 7, 8], 1]).all()


def test_what_a_sleeping_row_may_owe() -> None:
    """0.4e-5 K a step with 1e-5 K allowed: asleep for two steps, awake in the third; dead rows never."""
    free = np.zeros((5, 6, 6), bool)
    free[1:-1, 1:-1, 1:-1] = True
    free[2, 3] = False
    activity = Activity(free, np.zeros((5, 6), bool), 1e-5, 2.0)
    rate = np.zeros((5, 6), np.float32)
    rate[2, 2] = 4e-6
    cold = np.zeros((5, 6), np.float32)
    seen = []
    for _ in range(3):
        activity.prepare(1.0, 1, rate, cold)
        seen.append(activity.share)
    assert seen[:2] == [0.0, 0.0]
    assert 0.0 < seen[2] < 1.0
    assert activity.spans[2].tolist() == [1, 3]


def test_stages_in_one_pass_equal_stages_one_by_one() -> None:
    """Groups of every size and with 1-4 threads give the increment of a plain float64 recursion, to rounding (2e-6).

    D_j = mu D_(j-1) + nu D_(j-2) + mu~ dt A D_(j-1) + gamma~ dt L(Y0) on a random heterogeneous block.
    """
    shape, stages, dt = (23, 9, 11), 9, 6.0
    rng = np.random.default_rng(8)
    problem = layered(rng.uniform(0.2, 0.6, shape), rng.uniform(2e6, 4e6, shape), rng.uniform(0, 6e3, shape),
                      initial_c=rng.uniform(37, 38, shape).astype(np.float32))  # fmt: skip
    solver = BioheatSolver(problem, limits=SWEEP_ALL)
    before = solver.temperature_c.astype(np.float64) - 37.0
    expected = before + _recursion(build_fields(problem), before, stages, dt)
    for threads in (1, 2, 3, 4):
        solver = BioheatSolver(problem, limits=SWEEP_ALL, threads=threads)
        solver._engine.rates(1.0, np.zeros(0))
        solver._engine.step(dt, Plan.of(stages, dt))
        assert np.abs(solver.temperature_c - 37.0 - expected).max() < 1e-5


def _recursion(f, y: np.ndarray, stages: int, dt: float) -> np.ndarray:
    def operator(x: np.ndarray) -> np.ndarray:
        g = np.pad(x, 1)
        flux = np.zeros_like(g)
        for axis, k in enumerate((f.kx, f.ky, f.kz)):
            step = k * (np.roll(g, 1, axis) - g)
            flux += step - np.roll(step, -1, axis)
        return (f.w * flux - f.p0 * g)[1:-1, 1:-1, 1:-1]

    first, rows = coefficients(stages)
    rate = operator(y)
    before, now = np.zeros_like(y), first * dt * rate
    for row in rows:
        after = row.mu * now + row.nu * before + row.operator * dt * operator(now) + row.rate * dt * rate
        before, now = now, after
    return now


def test_stage_by_stage_books_the_same_heat_as_one_pass() -> None:
    """A shaft that touches nothing (1e-12 W/mK) forces stages one by one: same field and ledger as without it, 1e-6."""
    shape = (24, 20, 22)
    held = np.zeros(shape, bool)
    held[4:8, 3:6, :] = True
    problem = block(shape, held=held)
    shaft = ShaftFin(NEEDLE, 0.9, 2.0, 9.0, 5e-5, contact_w_mk=1e-12).bind(centred(shape), problem)
    runs = []
    for tied in ((), shaft):
        solver = BioheatSolver(problem, shaft=tied, limits=StepLimits(rest_k=0.0, change_k=1e9))
        solver.advance(30.0, gaussian(shape, 8.0, 4e-3))
        runs.append(solver)
    free, tied_ = runs
    assert np.abs(free.temperature_c - tied_.temperature_c).max() < 1e-5
    assert free.balance().held_j > 0.1
    assert tied_.balance().held_j == pytest.approx(free.balance().held_j, rel=1e-6)
    assert tied_.balance().boundary_j == pytest.approx(free.balance().boundary_j, rel=1e-6)


def test_coolant_that_stops_takes_no_more_heat() -> None:
    """After ``stop_coolant`` an insulated fin without room takes nothing: its ledger stands still to 1e-3 of before."""
    shape = (20, 20, 22)
    problem = block(shape)
    shaft = ShaftFin(NEEDLE, 0.9, 2.0, 9.0, 5e-5, film_w_mk=2.0, coolant_c=20.0).bind(centred(shape), problem)
    solver = BioheatSolver(problem, shaft=shaft)
    solver.advance(30.0, gaussian(shape, 5.0, 4e-3))
    cooled = solver.balance().coolant_j
    assert cooled > 1.0
    solver.stop_coolant()
    solver.advance(30.0)
    assert abs(solver.balance().coolant_j - cooled) < 1e-3 * cooled


def test_heat_weights_follow_the_recursion() -> None:
    """A constant heat flow over a step of any number of stages carries flow times step: the weights sum to dt."""
    for stages in (3, 4, 9, 40):
        first, rows = coefficients(stages)
        plan = Plan.of(stages, 2.5)
        assert plan.heat[0] > 0
        before, now = 0.0, first * 2.5
        for row in rows:
            before, now = now, row.mu * now + row.nu * before + row.rate * 2.5
        assert plan.heat[0] == pytest.approx(now, rel=1e-12)
        assert plan.heat[0] == pytest.approx(2.5, rel=1e-9)


def test_other_conductivities_equal_a_fresh_build() -> None:
    """``reconduct`` against ``build_fields`` of the same tissue: every array and fixed face, exactly."""
    shape = (7, 8, 9)
    rng = np.random.default_rng(4)
    held = rng.random(shape) < 0.2
    problem = layered(rng.uniform(0.2, 0.6, shape), rng.uniform(2e6, 4e6, shape), np.zeros(shape), held=held)
    other = layered(rng.uniform(0.2, 0.6, shape), problem.capacity, np.zeros(shape), held=held)
    fresh, renewed = build_fields(other), reconduct(build_fields(problem), other)
    for name in ("kx", "ky", "kz", "stiffness", "w", "start"):
        assert np.array_equal(getattr(fresh, name), getattr(renewed, name)), name
    for name in ("sinks", "outer"):
        a, b = getattr(fresh, name), getattr(renewed, name)
        assert np.array_equal(a.cells, b.cells)
        assert np.array_equal(a.weights, b.weights)
        assert a.constant == b.constant


def test_exploding_step_is_refused() -> None:
    """A spectral radius claimed a hundred times too small: an unstable step stops with time, step and cell.

    (With the limit on the change of a step, the step control alone keeps even this within bounds.)
    """
    rng = np.random.default_rng(6)
    shape = (12, 12, 12)
    start = rng.uniform(37, 60, shape).astype(np.float32)
    solver = BioheatSolver(block(shape, initial_c=start), limits=StepLimits(change_k=1e9))
    solver._radius *= 1e-2
    with pytest.raises(SolverError) as caught:
        solver.advance(3600.0)
    assert "exploded" in caught.value.what or "finite" in caught.value.what
    for word in ("bioheat", " s, step ", "cell (", "shorter steps"):
        assert word in caught.value.text()


def test_field_that_is_not_finite_is_refused() -> None:
    """NaN in one cell: named with its place and the number of the step."""
    solver = BioheatSolver(block((6, 6, 6)))
    solver.advance(10.0, gaussian((6, 6, 6), 1.0, 2e-3))
    solver._Y[3, 4, 5] = np.nan
    with pytest.raises(SolverError, match="stopped being finite") as caught:
        solver.advance(10.0)
    assert f"step {solver.statistics.steps + 1}" in caught.value.where
    assert solver.statistics.steps >= 2


def test_team_meets() -> None:
    """Three threads, 200 meetings: nobody runs ahead (each writes its number only after all have written the last)."""
    turns = np.zeros((3, 200), dtype=np.int64)
    with Team(3) as team:
        team.run(_take_turns, turns)
    assert (turns == np.arange(200)).all()


def _take_turns(turns: np.ndarray, barrier: np.ndarray, thread: int, threads: int) -> None:
    from vertherm.heat.team import meet

    for n in range(turns.shape[1]):
        # Everybody has finished turn n - 1 before anybody begins turn n.
        assert n == 0 or (turns[:, n - 1] == n - 1).all()
        turns[thread, n] = n
        meet(barrier, threads)
