"""Validation rows of thermoprotection: a gas layer, an irrigated slab, cooled skin, each against its closed form."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import load_antenna
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.assembly import bioheat_problem
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.dissection import dissected
from vertherm.heat.irrigation import heat_flow_w_k
from vertherm.heat.problem import BioheatProblem
from vertherm.heat.protection import Dissection, Irrigation, Medium, Protection, SkinCooling
from vertherm.heat.schedule import Activation, Schedule
from vertherm.heat.setup import Emitter, Setup
from vertherm.materials.tissue import TissueProperties, tissue
from vertherm.materials.tissue_map import TissueMap
from vertherm.validation.case import Case
from vertherm.validation.evidence import Evidence

Array = NDArray[np.float64]
BODY_C, HOT_C = 37.0, 57.0
FLOW_W_M3K = 2e4
"""Perfusion of the slabs, eight times that of muscle, so that it shapes the profiles."""
LENGTH_MM, LAYER_FROM_MM = 30.0, 10.0
"""A slab of muscle, and where the layer in it begins."""
IRRIGATION_C = 20.0
COOLANT_C, FILM_W_M2K, SKIN_MM = 10.0, 300.0, 2.0
SETTLED_S = 12000.0

EVIDENCE = Evidence(
    title="Heat: thermoprotection",
    question="Do a layer of gas or fluid, an irrigation and a coolant on the skin change the temperature as heat "
    "conduction prescribes?",
    context="Whether a dissection keeps a nerve root below its limit is read from this solver, through layers a few "
    "cells thick whose faces lie anywhere between the cells.",
    evidence="Steady conduction through perfused tissue, a layer of gas or saline and perfused tissue again: closed "
    "forms, with the far face of the layer in the middle of a cell, at 1 mm and at 0.5 mm; the error must fall "
    "with the square of the cell. A perfused slab that is irrigated throughout: hyperbolic cosine, and the heat "
    "that the flow carries. Skin under a film of coolant: resistances in series. All go through the same painting on "
    "sub-cells and the same assembly as a patient. Tolerances: 0.06 K of 20 K at 1 mm and a "
    "quarter of it at 0.5 mm, what second order leaves; 0.5 % of the heat for the balances.",
    unknown="Where gas and fluid go in a patient, how far they push a nerve away, how fast they are resorbed; heat "
    "that radiation and evaporation carry through a layer of gas between wet walls; how well a flow mixes.",
)


def _setup(tissues: TissueMap, protection: Protection) -> Setup:
    """A setup around ``tissues``; its antenna is never solved."""
    needle = Trajectory(np.array([0.0, 0.0, 150.0]), np.array([0.0, 0.0, 100.0]))
    emitter = Emitter("antenna", load_antenna("ji_brace_monopole"), needle, 2.45e9)
    return Setup(
        tissue=tissues,
        emitters=(emitter,),
        schedule=Schedule((Activation(power_w=1.0, duration_s=1.0),)),
        power_kind="forward",
        probes={},
        tracked=(),
        thermocouples={},
        neural_cells=np.zeros(0, np.int64),
        protection=protection,
    )


def column(length_mm: float, spacing_mm: float) -> Grid:
    """Cells in a row along x, the first from x = 0 on."""
    upper = np.array([length_mm, spacing_mm, spacing_mm])
    return Grid.isotropic(np.zeros(3), upper, spacing_mm)


def _uniform(grid: Grid, entry: TissueProperties) -> TissueMap:
    fine = (2 * grid.shape[0], 2 * grid.shape[1], 2 * grid.shape[2])
    return TissueMap(grid, 2, np.zeros(fine, np.uint8), (entry,), np.zeros(grid.shape, bool))


def layer(from_mm: float, to_mm: float, step_mm: float = 0.25) -> Volume:
    """A slab from x = ``from_mm`` to ``to_mm`` as a mask of its own."""
    grid = Grid.isotropic(np.array([0.0, -4.0, -4.0]), np.array([40.0, 4.0, 4.0]), step_mm)
    x = grid.centres()[..., 0]
    return Volume((x > from_mm) & (x < to_mm), grid)


def perfused() -> TissueProperties:
    """Muscle with :data:`FLOW_W_M3K`."""
    return replace(tissue("muscle"), perfusion=FLOW_W_M3K)


def problem_of(tissues: TissueMap, protection: Protection, hot_cells: Any, hot_c: float = HOT_C) -> BioheatProblem:
    """What a patient's assembly makes of it, insulated all around, with ``hot_cells`` held and flow that stays."""
    problem = bioheat_problem(_setup(tissues, protection), "none")
    assert problem.held is not None
    held, fixed = problem.held.copy(), np.array(np.broadcast_to(problem.held_temperature_c, problem.shape))
    held[hot_cells], fixed[hot_cells] = True, hot_c
    return replace(problem, held=held, held_temperature_c=fixed, boundary="insulated", perfusion_response=None)


def layer_to_mm(spacing_mm: float) -> float:
    """Far face of the layer: in the middle of a cell, between two sub-cells."""
    return 15.0 + 0.5 * spacing_mm


def layered_c(x_m: Array, spacing_m: float, medium: Medium) -> Array:
    """Perfused tissue, a layer of ``medium`` without flow, perfused tissue with an insulated end; x from 0.

    T - Tb = theta: theta'' = m^2 theta, m = sqrt(W/k), in the tissue; linear in the layer; through which the heat is
    Y theta(a), 1/Y = d/k_layer + 1/(k m tanh(m (L - b))). The first cell's centre is held.
    """
    k, layer_k = tissue("muscle").conductivity, tissue(medium).conductivity
    start, a, b, end = 0.5 * spacing_m, LAYER_FROM_MM * 1e-3, layer_to_mm(spacing_m * 1e3) * 1e-3, LENGTH_MM * 1e-3
    m = math.sqrt(FLOW_W_M3K / k)
    far = k * m * math.tanh(m * (end - b))
    passed = 1.0 / ((b - a) / layer_k + 1.0 / far)

    def near(x: Array | float) -> Array:
        return np.asarray(np.cosh(m * (a - np.asarray(x))) + passed / (k * m) * np.sinh(m * (a - np.asarray(x))))

    scale = (HOT_C - BODY_C) / near(start)
    at_a = float(scale * near(a))
    at_b = at_a * passed / far
    within = at_a + (at_b - at_a) * (x_m - a) / (b - a)
    beyond = at_b * np.cosh(m * (end - x_m)) / math.cosh(m * (end - b))
    theta = np.where(x_m <= a, scale * near(np.minimum(x_m, a)), np.where(x_m < b, within, beyond))
    return np.asarray(BODY_C + theta)


@cache
def layered_run(spacing_mm: float, medium: Medium) -> tuple[Array, Array, float]:
    """Cell centres in m, temperature in degC, and the ledger's relative error of the same in the solver."""
    dissection = Dissection("layer", medium, layer(LAYER_FROM_MM, layer_to_mm(spacing_mm), spacing_mm / 4))
    tissues = dissected(_uniform(column(LENGTH_MM, spacing_mm), perfused()), (dissection,))
    solver = BioheatSolver(problem_of(tissues, Protection((dissection,)), np.s_[0]))
    solver.advance(SETTLED_S)
    return _centres_m(tissues.grid), solver.temperature_c[:, 0, 0].astype(np.float64), solver.balance().error


def _centres_m(grid: Grid) -> Array:
    return np.asarray(grid.centres()[:, 0, 0, 0] * 1e-3, dtype=np.float64)


def _layer_cases(medium: Medium) -> list[Case]:
    name = f"tissue, a layer of {medium}, tissue; {HOT_C:g} degC at one end"
    rows = []
    for spacing_mm in (1.0, 0.5):
        x, got, error = layered_run(spacing_mm, medium)
        exact = layered_c(x, spacing_mm * 1e-3, medium)
        thick = f"{layer_to_mm(spacing_mm) - LAYER_FROM_MM:g} mm, cells of {spacing_mm:g} mm"
        # The temperature drop from the second cell before the layer to the second behind it.
        ends = [int(LAYER_FROM_MM / spacing_mm) - 2, int(layer_to_mm(spacing_mm) / spacing_mm) + 2]
        drop, expected = float(-np.diff(got[ends])[0]), float(-np.diff(exact[ends])[0])
        tolerance = 0.06 * spacing_mm**2
        rows.append(Case(name, f"drop over the layer, {thick}", expected, "closed form", drop, tolerance, "K"))
        worst = float(np.abs(got - exact).max())
        rows.append(Case(name, f"largest error, {thick}", 0.0, "closed form", worst, tolerance, "K"))
        rows.append(Case(name, f"energy balance error, {thick}", 0.0, "conservation", error, 0.005, "1"))
    return rows


def irrigated_c(x_m: Array, spacing_m: float, volume_m3: float, irrigation: Irrigation) -> Array:
    """k T'' = W (T - Tb) + H (T - Tin): T = T* + (T0 - T*) cosh(m (L - x)) / cosh(m L), m^2 = (W + H) / k."""
    k, end = tissue("muscle").conductivity, LENGTH_MM * 1e-3
    flow = heat_flow_w_k(irrigation) / volume_m3
    m = math.sqrt((FLOW_W_M3K + flow) / k)
    mixed = (FLOW_W_M3K * BODY_C + flow * irrigation.temperature_c) / (FLOW_W_M3K + flow)
    profile = np.cosh(m * (end - x_m)) / math.cosh(m * (end - 0.5 * spacing_m))
    return np.asarray(mixed + (HOT_C - mixed) * profile)


def irrigation_of(grid: Grid) -> Irrigation:
    """Twice as much flow as takes as much heat from the column, per kelvin, as its blood."""
    volume_ml = float(np.prod(grid.shape)) * grid.voxel_volume_ml
    flow = 2.0 * FLOW_W_M3K * volume_ml * 1e-6 / tissue("saline").volumetric_heat_capacity * 60e6
    return Irrigation("flow", Volume(np.ones(grid.shape, bool), grid), flow, IRRIGATION_C)


@cache
def irrigated_run(spacing_mm: float) -> tuple[Array, Array, float, float, float]:
    """Centres in m, temperature, watts that the flow took, watts by its mean temperature, the ledger's error."""
    grid = column(LENGTH_MM, spacing_mm)
    flow = irrigation_of(grid)
    solver = BioheatSolver(problem_of(_uniform(grid, perfused()), Protection(irrigations=(flow,)), np.s_[0]))
    solver.advance(SETTLED_S)
    before = solver.balance().irrigation_j
    solver.advance(60.0)
    taken_w = (solver.balance().irrigation_j - before) / 60.0
    temperature = solver.temperature_c[:, 0, 0].astype(np.float64)
    # The held cell at the end is irrigated in the patient's map, but its temperature is given: it counts nowhere.
    mean = (temperature[1:] - flow.temperature_c).sum() / temperature.size
    expected_w = heat_flow_w_k(flow) * float(mean)
    return _centres_m(grid), temperature, taken_w, expected_w, solver.balance().error


def _irrigation_cases() -> list[Case]:
    name, rows = f"perfused slab, irrigated at {IRRIGATION_C:g} degC throughout", []
    for spacing_mm in (1.0, 0.5):
        x, got, taken_w, expected_w, error = irrigated_run(spacing_mm)
        grid = column(LENGTH_MM, spacing_mm)
        volume = float(np.prod(grid.shape)) * grid.voxel_volume_ml * 1e-6
        worst = float(np.abs(got - irrigated_c(x, spacing_mm * 1e-3, volume, irrigation_of(grid))).max())
        label = f"cells of {spacing_mm:g} mm"
        # (m h)^2 / 24 m x exp(-m x) of the rise, m x = 1 at the worst: m = 348 per m, 0.2 % of 31 K.
        rows.append(Case(name, f"largest error, {label}", 0.0, "hyperbolic cosine", worst, 0.08 * spacing_mm**2, "K"))
        rows.append(Case(name, f"heat taken by the flow, {label}", expected_w, "rho c F (mean T - T_in)", taken_w,
                         0.005 * expected_w, "W"))  # fmt: skip
        rows.append(Case(name, f"energy balance error, {label}", 0.0, "conservation", error, 0.005, "1"))
    return rows


def cooled_skin_map(spacing_mm: float) -> TissueMap:
    """Muscle, 2 mm of skin and air along x, 20 mm of tissue in all; no blood flow."""
    grid = column(24.0, spacing_mm)
    x = (np.arange(2 * grid.shape[0]) + 0.5) * spacing_mm / 2
    entry = np.where(x < 20.0 - SKIN_MM, 0, np.where(x < 20.0, 1, 2)).astype(np.uint8)
    index = np.ascontiguousarray(np.broadcast_to(entry[:, None, None], (x.size, 2, 2)))
    palette = (replace(tissue("muscle"), perfusion=0.0), replace(tissue("skin"), perfusion=0.0), tissue("air"))
    return TissueMap(grid, 2, index, palette, np.zeros(grid.shape, bool))


def skin_surface_c(spacing_mm: float, cooled: bool) -> tuple[float, float]:
    """Outermost skin cell after it has settled, and what resistances in series say, degC."""
    from vertherm.materials.constants import constants

    patch = SkinCooling("pack", np.array([20.0, 0.5, 0.5]), 10.0, COOLANT_C, FILM_W_M2K)
    protection = Protection(skin_cooling=(patch,)) if cooled else Protection()
    solver = BioheatSolver(problem_of(cooled_skin_map(spacing_mm), protection, np.s_[0]))
    solver.advance(SETTLED_S)
    last = round(20.0 / spacing_mm) - 1
    outside = COOLANT_C if cooled else constants("room_temperature").value
    film = FILM_W_M2K if cooled else constants("skin_convection").value
    half = 0.5e-3 * spacing_mm
    inner = ((20.0 - SKIN_MM) * 1e-3 - half) / tissue("muscle").conductivity
    outer = half / tissue("skin").conductivity + 1.0 / film
    total = inner + SKIN_MM * 1e-3 / tissue("skin").conductivity + 1.0 / film
    return float(solver.temperature_c[last, 0, 0]), outside + (HOT_C - outside) * outer / total


def _skin_cases() -> list[Case]:
    rows = []
    for cooled, name in ((True, f"skin under coolant of {COOLANT_C:g} degC"), (False, "skin in the air of the room")):
        got, expected = skin_surface_c(1.0, cooled)
        rows.append(Case(name, "outermost cell, cells of 1 mm", expected, "resistances in series", got, 0.02, "degC"))
    return rows


def cases() -> list[Case]:
    """Rows for ``vertherm validate``."""
    return [*_layer_cases("co2"), *_layer_cases("saline"), *_irrigation_cases(), *_skin_cases()]
