"""Concentric spheres with jumps of conductivity and perfusion, through the tissue map's own cells and faces.

A heated core (k 0.5 W/mK) lies in a shell of fat-like conductivity (0.1) inside perfused tissue (0.8, W 80000 W/m3K).
Steady state, P watts set free inside the core, m^2 = W / k_out:

    outside   T - Ta = B exp(-m (r - b)) b / r ,                     B = P / (4 pi k_out b (1 + m b))
    shell     T - Ta = B + P / (4 pi k_shell) (1 / r - 1 / b)
    core      T - Ta = T(a) + q (a^2 - r^2) / (6 k_core) ,           q = P / (4/3 pi a^3)
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from vertherm.geometry.volume import Grid
from vertherm.heat.bioheat import BioheatProblem, BioheatSolver, StepLimits
from vertherm.materials.tissue import tissue
from vertherm.materials.tissue_map import TissueMap
from vertherm.validation.blocks import uniform
from vertherm.validation.case import Case

K_CORE, K_SHELL, K_OUT, W_OUT = 0.5, 0.1, 0.8, 80000.0
"""W/mK and W/m3K."""
CORE_M, SHELL_M, POWER_W, TA = 6e-3, 9e-3, 1.0, 37.0
SENSORS_MM = (0.0, 4.0, 8.0, 11.0)
EDGE_MM = 40.0


def rise_k(radius_m: float) -> float:
    """The closed form."""
    m = math.sqrt(W_OUT / K_OUT)
    wall = POWER_W / (4 * math.pi * K_OUT * SHELL_M * (1 + m * SHELL_M))
    if radius_m >= SHELL_M:
        return wall * math.exp(-m * (radius_m - SHELL_M)) * SHELL_M / radius_m
    shell = wall + POWER_W / (4 * math.pi * K_SHELL) * (1 / max(radius_m, CORE_M) - 1 / SHELL_M)
    density = POWER_W / (4 / 3 * math.pi * CORE_M**3)
    return shell + density * (CORE_M**2 - min(radius_m, CORE_M) ** 2) / (6 * K_CORE)


def tissue_map(spacing_mm: float, subdivision: int) -> TissueMap:
    """Core, shell and surroundings as a map whose sub-cells know the spheres; muscle's other properties."""
    count = 2 * round(EDGE_MM / spacing_mm / 2) + 1  # odd: a cell in the middle
    half = count * spacing_mm / 2
    grid = Grid.isotropic(np.full(3, -half), np.full(3, half), spacing_mm)
    axis = (np.arange(count * subdivision) + 0.5) * spacing_mm / subdivision - half
    r = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    index = (r > CORE_M * 1e3).astype(np.uint8) + (r > SHELL_M * 1e3).astype(np.uint8)
    muscle = tissue("muscle")
    palette = tuple(
        replace(muscle, variant=name, conductivity=k, perfusion=w)
        for name, k, w in (("core", K_CORE, 0.0), ("shell", K_SHELL, 0.0), ("outside", K_OUT, W_OUT))
    )
    return TissueMap(grid, subdivision, index, palette, np.zeros(grid.shape, bool))


def steady_rise_k(spacing_mm: float = 1.0, subdivision: int = 4) -> dict[float, float]:
    """Rise at ``SENSORS_MM`` along x after ten time constants of the core (capacities do not matter then)."""
    tissues = tissue_map(spacing_mm, subdivision)
    problem = BioheatProblem(
        spacing_m=spacing_mm * 1e-3,
        capacity=np.full(tissues.grid.shape, 1e6, np.float32),
        conductivity_faces=tissues.face_conductivities(0.0),
        perfusion=tissues.cell_mean([entry.perfusion for entry in tissues.palette]),
        arterial_c=TA,
    )
    source = tissues.cell_mean([1.0, 0.0, 0.0]).astype(np.float64)
    source *= POWER_W / (source.sum() * problem.spacing_m**3)
    sensors = {f"{r}": tissues.grid.index(np.array([r, 0.0, 0.0])) for r in SENSORS_MM}
    solver = BioheatSolver(problem, sensors=sensors, limits=StepLimits(heating_s=20.0, change_k=20.0))
    solver.advance(1000.0, source.astype(np.float32))
    return {r: solver.readings()[f"{r}"] - TA for r in SENSORS_MM}


def slab_drop_k() -> tuple[float, float]:
    """Temperature drop across a flat jump of conductivity inside a cell: computed, and from the resistances in series.

    Layers across x, 0.2 W/mK up to 7.25 mm and 0.8 beyond; 1000 W/m2 flows from the first two cells to the wall.
    """
    count, flux, near, far = 20, 1000.0, 0.2, 0.8
    grid = Grid((count, 1, 1), np.diag([1.0, 1.0, 1.0, 1.0]))
    index = np.zeros((4 * count, 4, 4), np.uint8)
    index[29:] = 1
    palette = tuple(replace(tissue("muscle"), variant=f"{k}", conductivity=k) for k in (near, far))
    faces = TissueMap(grid, 4, index, palette, np.zeros(grid.shape, bool)).face_conductivities(0.0)
    for side in (faces[0][:1], faces[1], faces[2]):
        side[...] = 0.0  # heat leaves through the far end alone
    problem = uniform(grid.shape, 1e-3, k=far, c=1e5, conductivity_faces=faces)
    source = np.zeros(grid.shape, np.float32)
    source[:2] = flux / 2e-3
    solver = BioheatSolver(problem, limits=StepLimits(heating_s=20.0, change_k=20.0))
    solver.advance(600.0, source)
    temperature = solver.temperature_c[:, 0, 0].astype(float)
    expected = flux * ((7.25e-3 - 4.5e-3) / near + (15.5e-3 - 7.25e-3) / far)
    return float(temperature[4] - temperature[15]), expected


def cases() -> list[Case]:
    """Rise in the core, in the insulating shell and outside at 1 mm, its convergence, and a flat jump inside a cell."""
    name = "core, fat-like shell, perfused tissue: k 0.5, 0.1, 0.8; 1 mm cells"
    fine, coarse = steady_rise_k(), steady_rise_k(2.0)
    rows = []
    for radius, got in fine.items():
        expected = rise_k(radius * 1e-3)
        # First order: at a curved 5- to 8-fold jump the sub-cell conductances lose 3-5 % of the rise at 1 mm.
        rows.append(Case(name, f"rise at {radius:g} mm", expected, "closed form, steady", got, 0.06 * expected, "K"))
    ratio = (fine[0.0] - rise_k(0.0)) / (coarse[0.0] - rise_k(0.0))
    source = "first order at curved jumps"
    rows.append(Case(name, "error at 1 mm over error at 2 mm, centre", 0.5, source, ratio, 0.15, "1"))
    got, expected = slab_drop_k()
    name = "flat jump of conductivity inside a cell, 1 mm cells"
    rows.append(Case(name, "drop over 11 mm", expected, "resistances in series", got, 1e-3 * expected, "K"))
    return rows
