"""Several antennas: together, in phase, one after the other. Block of unperfused muscle, cells of 2.5 mm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.heat.several import BLOCK, GRID, emitter, setup
from vertherm.core.errors import InputError
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.coupling import models_used, run_member
from vertherm.heat.emission import Emission, field_reach_mm, forward_w, interference_w_m3
from vertherm.heat.member import NOMINAL, Member
from vertherm.heat.schedule import Activation
from vertherm.heat.setup import Setup
from vertherm.materials.drying import DryingAdjustment

LEFT, RIGHT = emitter("left", -20.0), emitter("right", 20.0)
TWO_W = (Activation(20.0, power_w=2.0),)
WEAK = (Activation(20.0, power_w=0.4),)


def _resting(given: Setup) -> Any:
    """A solver at the start, for a solve of the antennas alone."""
    from vertherm.heat.assembly import bioheat_problem

    return BioheatSolver(bioheat_problem(given, "none"))


def _heating(given: Setup, powers: tuple[float, ...] = (1.0, 1.0), member: Member = NOMINAL) -> Any:
    emission = Emission(given, member)
    return emission.heating(emission.solve(_resting(given), range(len(given.emitters))), powers)


def _last(given: Setup) -> np.ndarray:
    """Temperature at the end of the last interval with power on."""
    seen: list[np.ndarray] = []
    run_member(given, NOMINAL, lambda solver: seen.append(solver.temperature_c))
    return seen[-2]


# ---- together, powers add -------------------------------------------------------------------------------------------
def test_powers_add_and_so_do_the_rises() -> None:
    """Linear regime (0.4 W, 20 s, at most 5 K): the rise of two antennas is the sum of the rises of each alone.

    Layout: two uncooled antennas 40 mm apart. Tolerance 2 % of the largest rise: tissue conducts 0.66 % better per
    kelvin, and each needle's metal spreads a little of what the other gave.
    """
    rise = {name: _last(setup(*e, activations=WEAK)) - 37.0 for name, e in _pairs().items()}
    largest = float(rise["both"].max())
    assert 1.0 < largest < 8.0
    np.testing.assert_allclose(rise["both"], rise["left"] + rise["right"], atol=0.02 * largest)


def _pairs() -> dict[str, tuple[Any, ...]]:
    return {"left": (LEFT,), "right": (RIGHT,), "both": (LEFT, RIGHT)}


def test_power_rows_are_sums_over_the_antennas() -> None:
    """Two antennas in mirrored places: forward 1 + 3 W, and net and absorbed as of one antenna at 4 W (to 1e-5)."""
    both = run_member(setup(LEFT, RIGHT, activations=(Activation(5.0, power_w=(1.0, 3.0)),)), NOMINAL).power
    one = run_member(setup(LEFT, activations=(Activation(5.0, power_w=4.0),)), NOMINAL).power
    assert both["forward_w"][0] == pytest.approx(4.0)
    for name in ("net_w", "absorbed_w", "reflection_db"):
        assert both[name][0] == pytest.approx(one[name][0], rel=1e-4), name
    assert both["absorbed_w"][0] < both["net_w"][0] < both["forward_w"][0]


def test_order_and_names_change_nothing() -> None:
    """Swapping the antennas (and their powers) swaps the order of sums only: 1e-4 K."""
    one = _last(setup(LEFT, RIGHT, activations=(Activation(20.0, power_w=(2.0, 5.0)),)))
    half = GRID.shape[0] // 2
    assert float(one[half + 1 :].max()) > float(one[:half].max()) + 1.0, "the right one got the 5 W"
    renamed = setup(
        replace(RIGHT, name="b"),
        replace(LEFT, name="a"),
        activations=(Activation(20.0, power_w=(2.0, 5.0), emitters=("a", "b")),),
    )
    np.testing.assert_allclose(_last(renamed), one, atol=1e-4)


# ---- together, in phase ---------------------------------------------------------------------------------------------
def _in_phase(phase_deg: float, powers: tuple[float, float] = (1.0, 1.0)) -> Any:
    pair = (LEFT, replace(RIGHT, phase_deg=phase_deg))
    return _heating(setup(*pair, activations=TWO_W, coherent=True), powers)


def _unscaled(heating: Any) -> np.ndarray:
    """0.5 sigma |sum of fields|^2 before it is brought to the power the antennas give."""
    return np.asarray(heating.q / heating.coupling)


def test_fields_in_phase_double_on_the_mid_plane() -> None:
    """Mirrored antennas, |E1| = |E2| on the plane x = 0: E1 = (Ex, 0, Ez), E2 = (-Ex, 0, Ez) where also y = 0.

    In phase: sum = (0, 0, 2 Ez), q = 0.5 sigma 4 |Ez|^2; antiphase: (2 Ex, 0, 0), q = 0.5 sigma 4 |Ex|^2; a quarter
    wave apart: the cross term has no real part and powers add. Expected from the single antenna's vector field (its own
    test is in tests/applicator). Tolerance 1 %: the two antennas' grids of sub-cells.
    """
    alone = Emission(setup(LEFT, activations=TWO_W), NOMINAL)
    single = alone.solve(_resting(alone.setup), (0,))[0]
    middle, row = GRID.shape[0] // 2, GRID.shape[1] // 2
    assert np.allclose(GRID.world(np.array([middle, row, 0]))[:2], 0.0)
    field = single.deposition.vector_field(single.solution).reshape(*GRID.shape, 3)[middle, row]
    expected = 0.5 * single.sigma[middle, row, :, None] * single.correction * 4.0 * np.abs(field) ** 2
    in_phase, against, quarter = (_unscaled(_in_phase(phase))[middle, row] for phase in (0.0, 180.0, 90.0))
    scale = float(expected.max())
    np.testing.assert_allclose(in_phase, expected[:, 2], atol=0.01 * scale)
    np.testing.assert_allclose(against, expected[:, 0], atol=0.01 * scale)
    np.testing.assert_allclose(quarter, 0.5 * expected.sum(axis=1), atol=0.01 * scale)
    assert in_phase.max() > 3.0 * against.max()


def test_in_phase_and_antiphase_average_to_the_sum_of_powers() -> None:
    """|E1 + E2|^2 + |E1 - E2|^2 = 2 |E1|^2 + 2 |E2|^2 in every cell, also beside the shafts; q never negative."""
    alone = _heating(setup(LEFT, RIGHT, activations=TWO_W)).q
    one, other = (_unscaled(_in_phase(phase)) for phase in (0.0, 180.0))
    np.testing.assert_allclose(0.5 * (one + other), alone, rtol=1e-4, atol=1e-5 * float(alone.max()))
    assert min(one.min(), other.min()) >= -1e-5 * alone.max()


def test_phase_moves_power_and_makes_none() -> None:
    """Antennas 10 mm apart: whatever the phase, the cells absorb what two antennas absorb, and the rows say the same.

    Before the scaling the sum of fields gives more or less (given currents, not given forward waves); to 1e-5.
    """
    totals, rows, couplings = [], [], []
    for phase, coherent in ((0.0, False), (0.0, True), (180.0, True)):
        close = (emitter("a", -5.0), emitter("b", 5.0, phase_deg=phase))
        given = setup(*close, activations=(Activation(1.0, power_w=1.0),), coherent=coherent)
        done = _heating(given)
        totals.append(float(done.q.sum(dtype=float)))
        couplings.append(done.coupling)
        rows.append(run_member(given, NOMINAL).power["absorbed_w"][0])
    assert totals[1:] == pytest.approx([totals[0]] * 2, rel=1e-5)
    assert rows[1:] == pytest.approx([rows[0]] * 2, rel=1e-5)
    assert couplings[0] == 1.0
    assert (couplings[1] - 1.0) * (couplings[2] - 1.0) < -1e-4


def test_interference_grows_with_the_root_of_both_powers() -> None:
    """sqrt(P1 P2): at 9 and 4 W six times that at 1 and 1 W; efficiency 0.25 on one side halves it."""
    pairs = [(LEFT, RIGHT), (LEFT, replace(RIGHT, efficiency=0.25))]
    solved = []
    for pair in pairs:
        given = setup(*pair, activations=TWO_W, coherent=True)
        solved.append(Emission(given, NOMINAL).solve(_resting(given), (0, 1)))
    one = interference_w_m3(solved[0], (1.0, 1.0))
    near = 1e-4 * float(np.abs(one).max())
    np.testing.assert_allclose(interference_w_m3(solved[0], (9.0, 4.0)), 6.0 * one, rtol=1e-2, atol=6.0 * near)
    np.testing.assert_allclose(interference_w_m3(solved[1], (1.0, 1.0)), 0.5 * one, rtol=1e-2, atol=near)


def test_local_sar_factor_acts_on_the_whole_group() -> None:
    """A factor of 3 in one cell of two antennas' field, in phase or not: that cell three times, others as before."""
    cell = np.array([int(np.ravel_multi_index((GRID.shape[0] // 2, 10, 12), GRID.shape))])
    for coherent in (False, True):
        given = setup(LEFT, RIGHT, activations=TWO_W, coherent=coherent, neural_cells=cell)
        ratio = _heating(given, member=Member(sar_factor=3.0)).q / _heating(given).q
        assert ratio.reshape(-1)[cell[0]] == pytest.approx(3.0)
        assert np.count_nonzero(np.abs(ratio - 1.0) > 1e-5) == 1


# ---- one after the other --------------------------------------------------------------------------------------------
def test_one_antenna_in_two_entries_is_one_antenna() -> None:
    """The same place twice, fired one after the other, is one antenna that fires twice: to rounding (1e-4 K)."""
    twice = (Activation(15.0, power_w=8.0, emitters=("a",)), Activation(15.0, power_w=8.0, emitters=("b",)))
    again = (Activation(15.0, power_w=8.0), Activation(15.0, power_w=8.0))
    moved = _last(setup(replace(LEFT, name="a"), replace(LEFT, name="b"), activations=twice))
    np.testing.assert_allclose(moved, _last(setup(LEFT, activations=again)), atol=1e-4)


def test_heat_is_carried_over() -> None:
    """Left, then right: after the first activation as left alone (bit by bit), afterwards both places are warm."""
    steps = (Activation(15.0, power_w=10.0, emitters=("left",)), Activation(15.0, power_w=10.0, emitters=("right",)))
    once = {"first_solve_s": 15.0}  # one look an activation
    seen: list[np.ndarray] = []
    run_member(setup(LEFT, RIGHT, activations=steps, **once), NOMINAL, lambda s: seen.append(s.temperature_c))
    alone: list[np.ndarray] = []
    left = setup(LEFT, activations=(Activation(15.0, power_w=10.0),), **once)
    run_member(left, NOMINAL, lambda s: alone.append(s.temperature_c))
    np.testing.assert_array_equal(seen[0], alone[0])
    half = GRID.shape[0] // 2
    assert float(seen[1][:half].max()) > 39.0
    assert float(seen[1][half:].max()) > float(seen[1][:half].max())


def test_a_needle_that_is_elsewhere_chills_nothing() -> None:
    """A cooled antenna that is listed but not fired in this activation chills nothing; fired without power it does."""
    cooled = emitter("cooled", 20.0, "tosoratti_mini_choke")
    assert cooled.antenna.cooled
    only = (Activation(30.0, power_w=0.0, emitters=("left",)),)
    idle = run_member(setup(LEFT, cooled, activations=only), NOMINAL)
    assert float(np.abs(idle.temperature_c - 37.0).max()) < 0.05
    chilled: list[np.ndarray] = []
    fired = (Activation(30.0, power_w=0.0, emitters=("cooled",)),)
    run_member(setup(LEFT, cooled, activations=fired), NOMINAL, lambda s: chilled.append(s.temperature_c))
    assert float(chilled[0].min()) < 36.0


# ---- what calibration and ensembles change --------------------------------------------------------------------------
def test_efficiency_scales_what_is_absorbed_and_nothing_else() -> None:
    """Efficiency 0.5: half the heat and half the absorbed power, net and forward as before; the rest is lost."""
    full, half = (run_member(setup(e, activations=TWO_W), NOMINAL) for e in (LEFT, replace(LEFT, efficiency=0.5)))
    assert half.power["absorbed_w"][0] == pytest.approx(0.5 * full.power["absorbed_w"][0], rel=1e-6)
    assert half.power["net_w"][0] == full.power["net_w"][0]
    assert half.power["forward_w"][0] == full.power["forward_w"][0]
    in_tissue = [r.energy["source_j"] for r in (full, half)]
    assert in_tissue[1] == pytest.approx(0.5 * in_tissue[0], rel=0.02)


def test_efficiency_above_what_the_model_can_give_raises_all_three() -> None:
    """Twice the modelled absorbed power needs more net power than given: the rows say so and keep their order."""
    row = run_member(setup(replace(LEFT, efficiency=2.0), activations=TWO_W), NOMINAL).power
    assert row["forward_w"][0] > 2.0
    assert row["absorbed_w"][0] <= row["net_w"][0] * (1 + 1e-9) <= row["forward_w"][0]


def test_power_factor_is_a_factor_on_the_given_power() -> None:
    one, other = (setup(LEFT, activations=TWO_W, power_factor=f) for f in (1.0, 1.2))
    emitted = Emission(one, NOMINAL).solve(_resting(one), (0,))[0]
    for member in (NOMINAL, Member(power="net")):
        assert forward_w(2.0, member, other, emitted) == pytest.approx(1.2 * forward_w(2.0, member, one, emitted))


def test_start_temperature_holds_tissue_blood_and_edge() -> None:
    """A bench phantom at 20 degC without power stays at 20 degC everywhere (uncooled needle; room at 22 degC)."""
    still = run_member(setup(LEFT, activations=(Activation(30.0, power_w=0.0),), start_c=20.0), NOMINAL)
    np.testing.assert_allclose(still.temperature_c, 20.0, atol=0.02)
    warm = run_member(setup(LEFT, activations=WEAK, start_c=20.0), NOMINAL)
    assert 20.5 < float(warm.peak_c.max()) < 30.0
    assert "starts at 20 °C" in models_used(setup(LEFT, activations=TWO_W, start_c=20.0))["heat"]


def test_damage_shift_lowers_the_arrhenius_integral_only() -> None:
    """Rates read the temperature less 2 K: A exp(-Ea / R (T - 2)), omega falls by the factor of the rates at the peak
    (within 15 %: the course of temperature is not all peak); CEM43 and temperature stay."""
    strong = (Activation(30.0, power_w=12.0),)
    plain, shifted = (run_member(setup(LEFT, activations=strong, damage_shift_k=k), NOMINAL) for k in (0.0, 2.0))
    np.testing.assert_allclose(shifted.peak_c, plain.peak_c, atol=0.02)
    np.testing.assert_allclose(shifted.cem43_min, plain.cem43_min, rtol=1e-3, atol=1e-4)
    _, models = BLOCK.damage_index()
    pick = (plain.omega > 1e-4) & (plain.peak_c > 52.0) & (plain.peak_c < 70.0)
    assert pick.any()
    used = next(m for m in models if m.valid_from_c is not None)
    peak = plain.peak_c[pick]
    np.testing.assert_allclose(
        shifted.omega[pick] / plain.omega[pick], used.rate(peak - 2.0) / used.rate(peak), rtol=0.15
    )


def test_drying_adjustment_reaches_the_antenna() -> None:
    """Second solve of a strong run (40 W, boiling): a sigmoid moved by 20 K, or a floor of 0.9, leaves tissue wetter,
    so that other power is absorbed; each adjustment acts on its own model only."""
    strong = (Activation(20.0, power_w=40.0),)

    def absorbed(member: Member, **adjustment: float) -> float:
        given = setup(LEFT, activations=strong, resolve_every_s=10.0, drying=DryingAdjustment(**adjustment))
        return float(run_member(given, member).power["absorbed_w"][1])

    water, sigmoid = Member("water"), Member("sigmoid")
    assert abs(absorbed(sigmoid, shift_k=20.0) / absorbed(sigmoid) - 1.0) > 0.005
    assert abs(absorbed(water, floor=0.9) / absorbed(water) - 1.0) > 0.005
    assert absorbed(water, shift_k=20.0) == absorbed(water)
    assert absorbed(sigmoid, floor=0.9) == absorbed(sigmoid)


def test_redistribution_multiplies_the_power_density() -> None:
    """A factor of 3 behind the plane x = 10 mm: q there three times, elsewhere as before; the rows follow the sum."""
    factor = np.ones(GRID.shape, np.float32)
    factor[GRID.centres()[..., 0] > 10.0] = 3.0
    plain, moved = (_heating(setup(e, activations=TWO_W), (1.0,)) for e in (LEFT, replace(LEFT, redistribution=factor)))
    np.testing.assert_allclose(moved.q, plain.q * factor, rtol=1e-5)
    ratio = float(moved.q.sum(dtype=float) / plain.q.sum(dtype=float))
    assert moved.emitted[0].absorbed_w == pytest.approx(plain.emitted[0].absorbed_w * ratio, rel=1e-5)
    assert ratio > 1.0


def test_redistribution_of_fields_in_phase() -> None:
    """The factor acts on power, its root on the field: a uniform 4 on both antennas gives four times everything."""
    four = np.full(GRID.shape, 4.0, np.float32)
    pairs = [(LEFT, RIGHT), tuple(replace(e, redistribution=four) for e in (LEFT, RIGHT))]
    plain, moved = (_heating(setup(*pair, activations=TWO_W, coherent=True)).q for pair in pairs)
    np.testing.assert_allclose(moved, 4.0 * plain, rtol=1e-4, atol=1e-5 * float(moved.max()))


# ---- 915 MHz --------------------------------------------------------------------------------------------------------
def test_915_mhz_reaches_farther() -> None:
    """Same tissue, tuned antennas: between 15 and 25 mm from the needle 915 MHz puts a larger share of its power.

    Penetration depths of a plane wave in muscle: 42 mm at 915 MHz, 22 mm at 2.45 GHz. The rows keep their order, and
    the field's domain grows with the wavelength (1.6 of them in muscle, 70.7 mm).
    """
    low = emitter("low", 0.0, "monopole_915", frequency_hz=915e6)
    high = emitter("high", 0.0)
    shares = {}
    r, _ = low.trajectory.cylindrical_mm(GRID.centres())
    for one in (low, high):
        done = _heating(setup(one, activations=TWO_W), (1.0,))
        assert 0.3 < done.emitted[0].absorbed_w < done.emitted[0].solution.net_w < 1.0
        shares[one.name] = float(done.q[(r > 15) & (r < 25)].sum() / done.q[r < 25].sum())
    assert shares["low"] > 1.3 * shares["high"], shares
    given = setup(low, activations=TWO_W)
    assert field_reach_mm(given, 915e6) == pytest.approx(70.7, abs=0.1)
    assert field_reach_mm(given, 2.45e9) == given.reach_mm


# ---- refused --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"emitters": (LEFT, LEFT)}, "same name"),
        ({"activations": (Activation(1.0, power_w=1.0, emitters=("nobody",)),)}, "does not exist"),
        ({"activations": (Activation(1.0, power_w=(1.0, 2.0, 3.0)),)}, "do not fit"),
        ({"coherent": True, "emitters": (LEFT, replace(RIGHT, frequency_hz=915e6))}, "two frequencies"),
        ({"power_factor": 0.0}, "out of range"),
        ({"power_factor": float("nan")}, "out of range"),
        ({"damage_shift_k": 40.0}, "out of range"),
        ({"start_c": 60.0}, "out of range"),
        ({"emitters": (replace(LEFT, redistribution=np.ones((2, 2, 2), np.float32)),)}, "does not fit"),
        ({"emitters": (replace(LEFT, redistribution=np.full(GRID.shape, -1.0, np.float32)),)}, "not negative"),
        ({"emitters": ()}, "needs an antenna"),
    ],
)
def test_unusable_setups_are_refused(change: dict[str, Any], words: str) -> None:
    emitters = change.pop("emitters", (LEFT, RIGHT))
    with pytest.raises(InputError, match=words):
        setup(*emitters, **{"activations": TWO_W, **change})


@pytest.mark.parametrize("efficiency", [0.0, -1.0, 3.0, float("inf")])
def test_unusable_efficiencies_are_refused(efficiency: float) -> None:
    with pytest.raises(InputError, match="out of range"):
        emitter("x", 0.0, efficiency=efficiency)


def test_names_twice_and_wrong_powers_are_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        Activation(1.0, power_w=1.0, emitters=("a", "a"))
    with pytest.raises(InputError, match="do not fit"):
        Activation(1.0, power_w=(1.0, 2.0), emitters=("a",))
    with pytest.raises(InputError, match="unusable"):
        Activation(1.0, power_w=(1.0, -2.0), emitters=("a", "b"))
