"""Thermoprotection in the heat solver: gas and fluid on sub-cells, irrigation, cooled skin.

The closed forms, layouts and tolerances stand in ``vertherm.validation.protection``, beside the numbers.
"""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.heat.blocks import block, gaussian
from tests.heat.several import BLOCK, emitter, setup
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.assembly import bioheat_problem
from vertherm.heat.bioheat import BioheatSolver, StepLimits
from vertherm.heat.coupling import models_used, run_member
from vertherm.heat.dissection import GAS_CAPACITY_J_M3K, REPLACED, dissected, filled_cells, medium_ml, start_c, stored
from vertherm.heat.irrigation import fluid_exchange, heat_flow_w_k, irrigated_ml
from vertherm.heat.member import NOMINAL
from vertherm.heat.problem import FluidExchange
from vertherm.heat.protection import NONE, Dissection, Irrigation, Protection, SkinCooling
from vertherm.heat.schedule import Activation
from vertherm.heat.shaft import ShaftFin
from vertherm.materials.constants import constants
from vertherm.materials.perfusion import perfusion_model
from vertherm.materials.tissue import tissue, tissue_names
from vertherm.materials.tissue_map import TissueMap
from vertherm.validation import protection as forms

CUBE = Grid.isotropic(np.zeros(3), np.full(3, 8.0), 1.0)
EVERYWHERE = Volume(np.ones((12, 12, 12), bool), Grid.isotropic(np.full(3, -2.0), np.full(3, 10.0), 1.0))


def of_entries(entries: list[str], grid: Grid = CUBE) -> TissueMap:
    """Tissues side by side along x, each the same number of sub-cells wide."""
    nx, ny, nz = (2 * n for n in grid.shape)
    entry = (np.arange(nx) * len(entries) // nx).astype(np.uint8)
    index = np.ascontiguousarray(np.broadcast_to(entry[:, None, None], (nx, ny, nz)))
    return TissueMap(grid, 2, index, tuple(tissue(name) for name in entries), np.zeros(grid.shape, bool))


def slab(low_mm: float, high_mm: float, axis: int = 0, step_mm: float = 0.25) -> Volume:
    """The part of a block around the cube with low < coordinate < high."""
    grid = Grid.isotropic(np.full(3, -2.0), np.full(3, 10.0), step_mm)
    x = grid.centres()[..., axis]
    return Volume((x > low_mm) & (x < high_mm), grid)


# closed forms


@pytest.mark.parametrize("row", forms.cases(), ids=lambda row: f"{row.case[:30]}, {row.quantity}")
def test_every_row_of_the_validation_passes(row) -> None:
    assert row.passed, f"{row.got} against {row.expected}, tolerance {row.tolerance} {row.unit}"


@pytest.mark.parametrize("medium", ["co2", "saline"])
def test_layers_converge_with_the_square_of_the_cell(medium) -> None:
    """Far face in the middle of a cell at 1 mm and at 0.5 mm: the largest error falls by 4; 3.3 leaves room for the
    layer, which differs by a quarter of a millimetre between the two."""
    errors = []
    for spacing in (1.0, 0.5):
        x, got, _ = forms.layered_run(spacing, medium)
        errors.append(np.abs(got - forms.layered_c(x, spacing * 1e-3, medium)).max())
    assert errors[0] / errors[1] > 3.3
    assert errors[1] < 0.015


def test_gas_holds_heat_back_as_its_resistance_says() -> None:
    """Behind 5.5 mm of CO2 the rise is 0.087 of that behind as much saline, everywhere, by the closed forms; before it
    the tissue is warmer. 2 %: what the cells leave of a rise of 0.1 K."""
    x, gas, _ = forms.layered_run(1.0, "co2")
    _, fluid, _ = forms.layered_run(1.0, "saline")
    behind = x > 16e-3
    expected = (forms.layered_c(x, 1e-3, "co2") - 37.0) / (forms.layered_c(x, 1e-3, "saline") - 37.0)
    assert expected[20] == pytest.approx(0.087, abs=0.001)
    np.testing.assert_allclose((gas[behind] - 37.0) / (fluid[behind] - 37.0), expected[behind], rtol=0.02)
    assert (gas[x < 9e-3][1:] > fluid[x < 9e-3][1:]).all()


# painting


def test_only_soft_tissue_is_replaced() -> None:
    """A region that covers everything turns fat, muscle and assumed soft tissue into gas, and nothing else."""
    names = ["fat", "skin", "cancellous_bone", "nerve", "csf", "blood", "muscle", "lytic_tumour"]
    before = of_entries(names)
    after = dissected(before, (Dissection("d", "co2", EVERYWHERE),))
    held = [after.palette[i].name for i in after.index[:, 0, 0]]
    kept = [before.palette[i].name for i in before.index[:, 0, 0]]
    assert [("co2" if name in REPLACED else name) for name in kept] == held
    assert after.fraction(["co2"]).mean() == pytest.approx(2 / 8)
    assert before.fraction(["co2"]).max() == 0.0, "the map given is not changed"


def test_every_other_tissue_stays() -> None:
    """All of the vocabulary: bone, nerve, organ walls, vessels, tumour, metal and air are never painted."""
    for name in tissue_names():
        painted = dissected(of_entries([name]), (Dissection("d", "saline", EVERYWHERE),))
        assert painted.holds(("saline",)).any() == (name in (*REPLACED, "saline")), name


@settings(max_examples=20, deadline=None)
@given(low=st.integers(0, 15), width=st.integers(1, 16), axis=st.integers(0, 2))
def test_volume_is_that_of_the_sub_cells(low, width, axis) -> None:
    """A slab between sub-cell faces holds width / 2 mm x 8 mm x 8 mm within the cube of 8 mm."""
    one = Dissection("d", "co2", slab(low / 2, (low + width) / 2, axis))
    painted = dissected(of_entries(["muscle"]), (one,))
    inside = min(low + width, 16) - low
    assert medium_ml(one, painted) == pytest.approx(inside * 0.5 * 64.0 / 1000.0)


def test_where_two_overlap_the_first_stays() -> None:
    first, second = Dissection("a", "co2", slab(2.0, 5.0)), Dissection("b", "saline", slab(3.0, 7.0))
    painted = dissected(of_entries(["muscle"]), (first, second))
    assert medium_ml(first, painted) == pytest.approx(3 * 0.064)
    assert medium_ml(second, painted) == pytest.approx(2 * 0.064)


def test_gas_is_not_the_rooms_air() -> None:
    """Air cells are held at a temperature and exchange by convection; CO2 conducts, stores and has no blood flow."""
    painted = dissected(of_entries(["muscle"]), (Dissection("d", "co2", slab(2.0, 6.0)),))
    assert not painted.air_cells().any()
    problem = bioheat_problem(
        setup(emitter("a", 0.0), activations=(Activation(10.0, power_w=1.0),), tissue=painted), "full"
    )
    assert not problem.held.any()
    assert problem.conductivity_faces[0][4, 2, 2] == pytest.approx(tissue("co2").conductivity, rel=1e-5)
    assert problem.perfusion[3, 2, 2] == 0.0
    assert problem.perfusion[0, 2, 2] > 0.0
    assert problem.capacity[3, 2, 2] == pytest.approx(GAS_CAPACITY_J_M3K)
    assert filled_cells(painted)[2:6].all()
    assert not filled_cells(painted)[:2].any()


def test_capacity_of_maps_without_gas_is_untouched() -> None:
    plain = of_entries(["muscle", "fat", "air"])
    np.testing.assert_array_equal(stored(plain), plain.capacity())


def test_start_is_the_mean_by_heat_content() -> None:
    """A cell half saline of 10 degC (4.128 MJ/m3K), half muscle of 37: (C_s 10 + C_m 37) / (C_s + C_m)."""
    one = Dissection("d", "saline", slab(2.5, 5.0), temperature_c=10.0)
    painted = dissected(of_entries(["muscle"]), (one,))
    start = start_c(painted, (one,), 37.0)
    c_s, c_m = tissue("saline").volumetric_heat_capacity, tissue("muscle").volumetric_heat_capacity
    assert start[2, 3, 3] == pytest.approx((c_s * 10.0 + c_m * 37.0) / (c_s + c_m), abs=1e-3)
    assert start[3, 3, 3] == pytest.approx(10.0, abs=1e-3)
    assert start[0, 3, 3] == 37.0
    assert start_c(painted, (replace(one, temperature_c=37.0),), 37.0) == 37.0


# irrigation


def irrigated(shape=(12, 10, 11), share=0.3, seed=3) -> FluidExchange:
    rng = np.random.default_rng(seed)
    cells = np.flatnonzero(rng.random(shape) < share)
    return FluidExchange(cells, rng.uniform(1e5, 1e6, cells.size), rng.uniform(5.0, 30.0, cells.size))


def test_coefficient_carries_what_the_flow_can() -> None:
    """sum H h^3 = rho c F, whatever the region's shape: 20 mL/min of saline take 1.376 W/K."""
    inside = Volume(np.ones((18, 32, 32), bool), Grid.isotropic(np.array([2.5, 0, 0]), np.array([7.0, 8, 8]), 0.25))
    one = Irrigation("i", inside, 20.0, 20.0)
    tissues = of_entries(["muscle", "nerve"])
    fluid = fluid_exchange(tissues, (one,))
    assert fluid is not None
    assert fluid.coefficient.sum() * 1e-9 == pytest.approx(heat_flow_w_k(one), rel=1e-6)
    assert heat_flow_w_k(one) == pytest.approx(999.6 * 4130 * 20e-6 / 60)
    assert irrigated_ml(one, tissues) == pytest.approx(1.5 * 0.064)  # from 2.5 to 4 mm: the rest is nerve
    assert np.unravel_index(fluid.cells, CUBE.shape)[0].max() < 4, "a nerve is never irrigated"


def test_what_flows_beyond_the_grid_does_not_cool_here() -> None:
    """Half of the region lies outside the heat grid: half of rho c F acts inside."""
    grid = Grid.isotropic(np.array([-8.0, 0.0, 0.0]), np.full(3, 8.0), 1.0)
    one = Irrigation("i", Volume(np.ones(grid.shape, bool), grid), 20.0, 20.0)
    fluid = fluid_exchange(of_entries(["muscle"]), (one,))
    assert fluid is not None
    assert fluid.coefficient.sum() * 1e-9 == pytest.approx(0.5 * heat_flow_w_k(one), rel=1e-6)


def test_fluids_that_meet_mix_by_their_coefficients() -> None:
    a = FluidExchange(np.array([1, 2]), np.array([1.0, 2.0]), np.array([10.0, 10.0]))
    b = FluidExchange(np.array([2, 5]), np.array([6.0, 0.0]), np.array([30.0, 30.0]))
    both = FluidExchange.together((a, b))
    assert both is not None
    assert both.cells.tolist() == [1, 2]
    assert both.coefficient.tolist() == [1.0, 8.0]
    assert both.temperature_c.tolist() == [10.0, 25.0]
    assert FluidExchange.together(()) is None


def test_one_cell_relaxes_to_the_fluid_and_stays_so_when_blood_has_stopped() -> None:
    """C dT/dt = q - H (T - T_in), no blood: T = T_in + q/H + (37 - T_in - q/H) exp(-H t / C). q = 3.6e7, H = 6e5:
    80 degC in the end; with 4000 W/m3K of blood that rises threefold and stops at omega 1 the end is the same, because
    the tissue is dead by then. 0.05 K: the step's own error."""
    q, h, t_in, c = 3.6e7, 6e5, 20.0, 3.8e6
    fluid = FluidExchange(np.arange(27), np.full(27, h), np.full(27, t_in))
    source = np.full((3, 3, 3), q, np.float32)
    for flow in (0.0, 4000.0):
        problem = block((3, 3, 3), k=0.0, c=c, w=flow, boundary="insulated", fluid=fluid,
                        perfusion_response=perfusion_model(3.0))  # fmt: skip
        solver = BioheatSolver(problem, limits=StepLimits(heating_s=1.0))
        solver.advance(4.0, source)
        if not flow:
            expected = t_in + q / h + (37.0 - t_in - q / h) * np.exp(-h * 4.0 / c)
            assert solver.temperature_c[1, 1, 1] == pytest.approx(expected, abs=0.05)
        solver.advance(200.0, source)
        assert solver.temperature_c[1, 1, 1] == pytest.approx(t_in + q / h, abs=0.02)
        assert solver.balance().error < 1e-5


def _march(threads: int = 1, rest_k: float | None = None, fluid: FluidExchange | None = None) -> BioheatSolver:
    shape = (12, 10, 11)
    affine = np.eye(4)
    affine[:3, 3] = [-(n - 1) / 2 for n in shape]
    held = np.zeros(shape, bool)
    held[0, :, :2] = True
    problem = block(shape, held=held, latent_j_m3=np.full(shape, 4e8, np.float32), w=3000.0,
                    perfusion_response=perfusion_model(2.0), fluid=fluid)  # fmt: skip
    needle = Trajectory(np.array([0.0, 0.0, 30.0]), np.array([0.0, 0.0, 0.0]))
    shaft = ShaftFin(needle, 0.4, 0.5, 4.0, 5e-5, film_w_mk=1.0, coolant_c=20.0).bind(Grid(shape, affine), problem)
    limits = StepLimits() if rest_k is None else StepLimits(rest_k=rest_k)
    solver = BioheatSolver(problem, shaft=shaft, threads=threads, limits=limits)
    solver.advance(20.0, gaussian(shape, 25.0, 1.5e-3), np.full(shaft.g.size, 30.0))
    solver.advance(30.0)
    return solver


def test_irrigation_beside_boiling_a_shaft_and_sinks_balances_whatever_the_threads() -> None:
    """30 % of the cells irrigated, 25 W, some boil: the ledger closes to 0.1 % and no thread changes a bit."""
    one = _march(1, fluid=irrigated())
    assert one.latent_fraction_max.max() > 0.2, "nothing boils"
    assert one.balance().irrigation_j > 50.0
    assert one.balance().error < 1e-3
    for threads in (2, 3):
        other = _march(threads, fluid=irrigated())
        assert np.array_equal(other.temperature_c, one.temperature_c)
        assert other.balance().irrigation_j == one.balance().irrigation_j


def test_taking_more_than_once_a_step_is_not_lost_in_sleeping_rows() -> None:
    """Rows that rest must not miss the fluid: the same to 1e-3 K as with every row swept."""
    fluid = FluidExchange(np.array([5]), np.array([2e5]), np.array([20.0]))
    shape = (40, 40, 8)
    runs = []
    for rest_k in (0.0, 1e-6):
        solver = BioheatSolver(block(shape, fluid=fluid), limits=StepLimits(rest_k=rest_k))
        solver.advance(120.0)
        runs.append(solver)
    assert runs[1].statistics.rows_swept < 0.9, "every row was swept"
    assert np.abs(runs[0].temperature_c - runs[1].temperature_c).max() < 1e-3
    assert runs[0].temperature_c.min() < 36.2


def test_control_scales_the_source_and_not_the_fluid() -> None:
    class Off:
        interval_s = 5.0

        def __call__(self, time_s, dt_s, readings_c, /) -> float:
            return 0.0

    shape = (5, 5, 5)
    fluid = FluidExchange(np.arange(125), np.full(125, 5e5), np.full(125, 15.0))
    heated, idle = (BioheatSolver(block(shape, w=0.0, boundary="insulated", fluid=fluid)) for _ in range(2))
    heated.advance(30.0, gaussian(shape, 5.0, 1e-3), control=Off())
    idle.advance(30.0, np.zeros(shape, np.float32), control=Off())
    np.testing.assert_allclose(heated.temperature_c, idle.temperature_c, atol=1e-4)
    assert heated.temperature_c.max() < 17.0


def test_a_flow_through_next_to_nothing_is_slowed_not_unstable() -> None:
    """1e12 W/m3K would need steps of microseconds: it is cut to 1000/s, and the cell takes the fluid's temperature."""
    fluid = FluidExchange(np.array([62]), np.array([1e12]), np.array([10.0]))
    solver = BioheatSolver(block((5, 5, 5), fluid=fluid))
    solver.advance(20.0)
    assert solver.temperature_c.reshape(-1)[62] == pytest.approx(10.0, abs=0.05)
    assert solver.balance().error < 5e-3


def test_a_graphics_card_refuses_irrigation() -> None:
    with pytest.raises(InputError, match="Irrigation is not computed"):
        BioheatSolver(block((3, 3, 3), fluid=irrigated((3, 3, 3))), device="cuda")


def test_fluid_outside_the_grid_is_refused() -> None:
    with pytest.raises(InputError, match="outside the heat grid"):
        block((3, 3, 3), fluid=FluidExchange(np.array([27]), np.ones(1), np.ones(1)))


# skin


def test_only_the_patch_is_cooled() -> None:
    """Film and outside temperature of the patch under it, those of the room beside it."""
    grid = Grid.isotropic(np.zeros(3), np.array([30.0, 20.0, 10.0]), 1.0)
    tissues = of_entries(["muscle", "muscle", "muscle", "skin", "air", "air"], grid)
    patch = SkinCooling("p", np.array([20.0, 5.0, 5.0]), 4.0, 12.0, 500.0)
    run = setup(emitter("a", 0.0), activations=(Activation(10.0, power_w=1.0),), tissue=tissues,
                protection=Protection(skin_cooling=(patch,)))  # fmt: skip
    problem = bioheat_problem(run, "none")
    room = constants("room_temperature").value
    assert problem.held_temperature_c[20, 5, 5] == 12.0
    assert problem.held_temperature_c[20, 15, 5] == room
    k, half = tissue("skin").conductivity, 0.5e-3
    for j, film in ((5, 500.0), (15, constants("skin_convection").value)):
        assert problem.conductivity_faces[0][20, j, 5] == pytest.approx(1e-3 / (half / k + 1 / film), rel=1e-3)


# the whole run


def _treated(protection: Protection = NONE, probes: dict | None = None):
    tissues = dissected(BLOCK, protection.dissections)
    return setup(emitter("a", 0.0), activations=(Activation(60.0, power_w=12.0),), tissue=tissues,
                 protection=protection, probes=probes or {})  # fmt: skip


def _beside(low_mm: float, high_mm: float) -> Volume:
    grid = Grid.isotropic(np.array([low_mm, -15.0, -10.0]), np.array([high_mm, 15.0, 20.0]), 0.5)
    return Volume(np.ones(grid.shape, bool), grid)


def _cell(x_mm: float) -> np.ndarray:
    index = np.rint(BLOCK.grid.index(np.array([x_mm, 0.0, 5.0]))).astype(int)
    return np.array([np.ravel_multi_index(tuple(index), BLOCK.grid.shape)])


def test_a_treatment_with_gas_fluid_and_flow_balances_and_travels() -> None:
    """12 W for 60 s in muscle, gas on one side, cold flow on the other: pickled, run, ledger within 0.5 %; the cell
    behind the flow stays colder than its mirror image behind nothing, and its lowest temperature is seen."""
    protection = Protection(
        (Dissection("gas", "co2", _beside(-14.0, -9.0)),), (Irrigation("flow", _beside(9.0, 14.0), 20.0, 15.0),)
    )
    probes = {"behind gas": _cell(-17.0), "behind flow": _cell(17.0), "in the flow": _cell(11.0)}
    bare = run_member(_treated(probes=probes), NOMINAL)
    run = pickle.loads(pickle.dumps(_treated(protection, probes)))
    shielded = run_member(run, NOMINAL)
    assert shielded.energy["error"] < 0.005
    assert shielded.energy["irrigation_j"] > 10.0
    assert bare.energy["irrigation_j"] == 0.0
    assert bare.structures["behind gas"].peak_c == pytest.approx(bare.structures["behind flow"].peak_c, abs=0.01)
    assert shielded.structures["behind flow"].peak_c < bare.structures["behind flow"].peak_c - 0.3
    assert shielded.lowest_c["in the flow"] < 30.0
    assert "gas and fluid replace soft tissue" in models_used(run)["protection"]
    assert "protection" not in models_used(_treated())


def test_cold_fluid_is_seen_at_the_start() -> None:
    """Saline of 8 degC warms from the first second on: its coldest moment is the start."""
    cold = Protection((Dissection("cold", "saline", _beside(9.0, 14.0), temperature_c=8.0),))
    result = run_member(_treated(cold, {"in it": _cell(11.0)}), NOMINAL)
    assert result.lowest_c["in it"] == pytest.approx(8.0, abs=0.01)


def test_pull_back_is_one_antenna_at_two_places() -> None:
    """Deep for 60 s, then drawn back 15 mm along the same line for 60 s. Each place's needle touches tissue only while
    it is there (the first one's shaft is absent while the second fires), and the second place heats what the first
    alone does not; heat balances."""
    from vertherm.heat.setup import Emitter

    deep = emitter("deep", 0.0)
    back = Emitter("back", deep.antenna, Trajectory(np.array([0.0, 0.0, 120.0]), np.array([0.0, 0.0, 15.0])), 2.45e9)
    first, second = (
        Activation(60.0, power_w=12.0, emitters=("deep",)),
        Activation(60.0, power_w=12.0, emitters=("back",)),
    )
    touching = []

    def watch(solver: BioheatSolver) -> None:
        touching.append(tuple(bool(shaft.g.any()) for shaft in solver.shafts))

    both = run_member(setup(deep, back, activations=(first, second)), NOMINAL, watch)
    alone = run_member(setup(deep, activations=(replace(first, emitters=()),)), NOMINAL)
    assert (True, False) in touching
    assert (False, True) in touching
    assert (True, True) not in touching
    assert both.energy["error"] < 0.005
    up = np.rint(BLOCK.grid.index(np.array([0.0, 5.0, 25.0]))).astype(int)
    assert both.peak_c[tuple(up)] > alone.peak_c[tuple(up)] + 5.0
