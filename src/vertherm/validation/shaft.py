"""Validation rows of the needle's shaft: a fin in tissue of one temperature, a warm cylinder in perfused tissue."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.shaft import RING_OFFSET, ShaftFin
from vertherm.validation.blocks import faces, uniform
from vertherm.validation.case import Case
from vertherm.validation.evidence import Evidence, Figure

Array = NDArray[np.float64]
TISSUE_C, COOLANT_C, FILM_W_MK, AXIAL_W_M_K = 60.0, 20.0, 6.0, 1e-4
"""Tissue and coolant in degC; conductance to the coolant per metre; conductivity times metal cross-section."""
RADIUS_MM, LENGTH_MM, NODE_MM, K = 0.9, 40.0, 0.5, 0.5
END_HEAT_W, WAVE_W_M = 0.5, 40.0

EVIDENCE = Evidence(
    title="Heat: the shaft",
    question="Does the needle's shaft carry heat along itself, into its coolant and out of the tissue as a fin does?",
    context="Cooling and conduction of the shaft decide the length of the zone towards the skin, whether the path "
    "of the needle burns, and how far coolant protects what lies beside it.",
    evidence="A fin in tissue held at one temperature, with coolant, heated at its end and along its length: "
    "closed forms, through the solver's own binding to the grid. The heat that a cooled cylinder draws "
    "from perfused tissue: modified Bessel functions; 5 %, because a 0.9 mm cylinder is thinner than a "
    "cell (the exchange was calibrated on this problem: tests vary radius, cell size and position).",
    unknown="Film coefficients and metal cross-sections of real devices: the catalogue marks them as guesses. "
    "Steady fin: what the metal stores is counted in the cells it displaces.",
)


def _grid(shape: tuple[int, int, int], spacing_mm: float = 1.0) -> Grid:
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * spacing_mm for n in shape]
    return Grid(shape, affine)


def _needle(tip_mm: float) -> Trajectory:
    return Trajectory(np.array([0.0, 0.0, 100.0]), np.array([0.0, 0.0, tip_mm]))


def conductance_w_mk() -> float:
    """Conductance between shaft and cell temperatures per metre: 2 pi k / ln(1 + offset h / R), h 1 mm."""
    return 2 * math.pi * K / math.log1p(RING_OFFSET / RADIUS_MM)


def _mixed_c(g: float) -> float:
    """Temperature the fin takes far from any source: coolant and tissue weighted with their conductances."""
    return (FILM_W_MK * COOLANT_C + g * TISSUE_C) / (FILM_W_MK + g)


def end_heated_c(distance_m: Array | float) -> Array:
    """Heat ``END_HEAT_W`` enters at one insulated end: T_mix + Q cosh(m (L - z)) / (kA m sinh(m L))."""
    g, length = conductance_w_mk(), LENGTH_MM * 1e-3
    m = math.sqrt((FILM_W_MK + g) / AXIAL_W_M_K)
    wave = np.cosh(m * (length - np.asarray(distance_m))) / (AXIAL_W_M_K * m * math.sinh(m * length))
    return np.asarray(_mixed_c(g) + END_HEAT_W * wave)


def wave_heated_c(distance_m: Array | float) -> Array:
    """q cos(pi z / L) per metre: T_mix + q cos(pi z / L) / (kA (pi / L)^2 + film + g)."""
    g, wave = conductance_w_mk(), math.pi / (LENGTH_MM * 1e-3)
    loss = AXIAL_W_M_K * wave**2 + FILM_W_MK + g
    return np.asarray(_mixed_c(g) + WAVE_W_M * np.cos(wave * np.asarray(distance_m)) / loss)


def fin_in_held_tissue() -> tuple[Array, Array, Array, BioheatSolver]:
    """Distances in m, shaft temperature with end heat and with the wave of heat, and the solver."""
    shape = (9, 9, 50)
    held = np.ones(shape, dtype=bool)
    problem = uniform(shape, 1e-3, k=K, c=3.8e6, held=held, held_temperature_c=TISSUE_C)
    fin = ShaftFin(
        _needle(-LENGTH_MM / 2), RADIUS_MM, 0.0, LENGTH_MM, AXIAL_W_M_K,
        film_w_mk=FILM_W_MK, coolant_c=COOLANT_C, node_mm=NODE_MM,
    )  # fmt: skip
    solver = BioheatSolver(problem, shaft=fin.bind(_grid(shape), problem))
    z = fin.nodes_mm * 1e-3
    end = np.zeros(z.size)
    end[0] = END_HEAT_W / (NODE_MM * 1e-3)
    wave = WAVE_W_M * np.cos(np.pi * z / (LENGTH_MM * 1e-3))
    return z, solver.shaft_temperature_c(0, end), solver.shaft_temperature_c(0, wave), solver


def cylinder_heat_w_m(film_w_mk: float = 1e5) -> float:
    """Heat per metre that a shaft held 20 K above perfused tissue gives to it, steady, from the solver's ledger."""
    shape, w = (25, 25, 5), 40000.0
    conductances = faces(shape, K)
    conductances[2][:, :, [0, -1]] = 0.0
    problem = uniform(shape, 1e-3, k=K, c=3.8e6, w=w, conductivity_faces=conductances)
    fin = ShaftFin(_needle(-2.5), RADIUS_MM, 0.0, 5.0, 0.0, film_w_mk=film_w_mk, coolant_c=57.0)
    solver = BioheatSolver(problem, shaft=fin.bind(_grid(shape), problem))
    solver.advance(600.0)
    before = solver.balance().shaft_j
    solver.advance(30.0)
    return (solver.balance().shaft_j - before) / 30.0 / 5e-3


def cylinder_closed_form_w_m() -> float:
    """2 pi k m R K1(mR) / K0(mR) 20 K, and pi R^2 W 20 K for the tissue that stands for the shaft's own volume."""
    from scipy.special import k0, k1

    w, r = 40000.0, RADIUS_MM * 1e-3
    m = math.sqrt(w / K)
    return float(2 * math.pi * K * m * r * k1(m * r) / k0(m * r) + math.pi * r**2 * w) * 20.0


def cases() -> list[Case]:
    """Fin temperatures at its ends and middle, and the exchange of a cylinder with perfused tissue."""
    z, ended, waved, solver = fin_in_held_tissue()
    bound = solver.shafts[0]
    name, source = "fin in tissue of 60 degC, coolant of 20 degC", "closed form"
    rows = []
    for place, node in (("heated end", 0), ("5 mm on", 10), ("far end", -1)):
        # Second order in m dz = 0.23: (m dz)^2 / 24 of the rise above T_mix, 20 K at the heated end.
        expected = float(end_heated_c(z[node]))
        rows.append(Case(name, f"0.5 W at one end: {place}", expected, source, float(ended[node]), 0.05, "degC"))
    for place, node in (("first node", 0), ("quarter", 20)):
        expected = float(wave_heated_c(z[node]))
        rows.append(Case(name, f"40 W/m cosine: {place}", expected, source, float(waved[node]), 0.02, "degC"))
    tissue = np.full(z.size, TISSUE_C)
    out = float(bound.removed_w_per_m(tissue).sum() * bound.step_m)
    g = conductance_w_mk()
    expected = LENGTH_MM * 1e-3 * (TISSUE_C - COOLANT_C) / (1 / FILM_W_MK + 1 / g)
    rows.append(Case(name, "no source: heat into the coolant", expected, source, out, 1e-3 * expected, "W"))
    got, expected = cylinder_heat_w_m(), cylinder_closed_form_w_m()
    name = "shaft 20 K above perfused tissue, 1 mm cells"
    rows.append(Case(name, "heat per metre", expected, "Bessel functions K0, K1", got, 0.05 * expected, "W/m"))
    return rows


def figures(folder: Path) -> list[Figure]:
    """The fin."""
    from vertherm.validation import heat_figures

    return [heat_figures.fin_profiles(folder)]
