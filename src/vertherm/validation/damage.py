"""Validation rows of thermal damage: doses at constant and at evenly changing temperature, by the solver's own pass."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from vertherm.heat.bioheat import BioheatSolver
from vertherm.materials.damage import GAS_CONSTANT, ZERO_CELSIUS_K, ArrheniusModel, damage_model
from vertherm.validation.blocks import uniform
from vertherm.validation.case import Case
from vertherm.validation.evidence import Evidence, Figure

CAPACITY, SHAPE, CONSTANT_S = 1e6, (4, 4, 4), 600.0
"""J/m3K; cells that pass no heat to each other; duration at constant temperature in s."""
CONSTANT_C = (38.9, 39.0, 41.0, 43.0, 45.0, 50.0)
RAMPS = ((37.0, 55.0, 0.1), (37.0, 55.0, 1.0), (55.0, 40.0, 0.5))
"""Start and end in degC, speed in K/s without its sign."""
MODELS = ("liver_coagulation", "skin", "nerve_hoogeveen")
SOURCE = "definition, R 0.5 above and 0.25 below 43 degC, nothing below 39"

EVIDENCE = Evidence(
    title="Thermal damage",
    question="Does the program add up dose as its definitions say, also while the temperature changes within a step?",
    context="CEM43 240 min draws the zone; CEM43 2, 5 and 10 min are the limits of cord and roots; the Arrhenius "
    "integral stops perfusion. A dose off by a factor is a wrong verdict.",
    evidence="Constant temperature: the definition itself. A linear rise or fall: closed form (CEM43 by elementary "
    "integrals, Arrhenius by the exponential integral E1), in steps of several kelvin. The solver "
    "integrates tabulated rates exactly for a temperature that runs evenly through a step; what remains "
    "is the table, 1/64 K: 0.1 %.",
    unknown="The damage constants: liver stands in for bone, rat nerve for human roots, each with its range of "
    "validity (Constants). Nothing counts below 39 °C by convention. Whether CEM43 holds for bone and "
    "nerve at all temperatures.",
)


def _solver(start_c: float, model: str) -> BioheatSolver:
    problem = uniform(
        SHAPE, 1e-3, k=0.0, c=CAPACITY, initial_c=start_c, boundary="insulated", damage_models=(damage_model(model),)
    )
    return BioheatSolver(problem)


def held(temperature_c: float, model: str = MODELS[0]) -> tuple[float, float]:
    """CEM43 in min and Arrhenius integral after ``CONSTANT_S`` at one temperature."""
    solver = _solver(temperature_c, model)
    solver.advance(CONSTANT_S)
    return float(solver.cem43_min.max()), float(solver.omega.max())


def ramp(start_c: float, end_c: float, speed_k_s: float, model: str = MODELS[0]) -> tuple[float, float]:
    """CEM43 in min and Arrhenius integral after an even rise or fall of temperature."""
    solver = _solver(start_c, model)
    change = end_c - start_c
    source = np.full(SHAPE, CAPACITY * math.copysign(speed_k_s, change), np.float32)
    solver.advance(abs(change) / speed_k_s, source)
    return float(solver.cem43_min.max()), float(solver.omega.max())


def cem43_of_ramp_min(start_c: float, end_c: float, speed_k_s: float) -> float:
    """int R^(43 - T) dT / (60 speed): (4^(T-43)) / ln 4 between 39 and 43 degC, 2^(T-43) / ln 2 above."""
    low, high = sorted((start_c, end_c))

    def part(base: float, bottom: float, top: float) -> float:
        a, b = min(max(low, bottom), top), min(max(high, bottom), top)
        return (base ** (b - 43.0) - base ** (a - 43.0)) / math.log(base)

    return (part(4.0, 39.0, 43.0) + part(2.0, 43.0, 200.0)) / (60.0 * speed_k_s)


def omega_of_ramp(start_c: float, end_c: float, speed_k_s: float, model: ArrheniusModel) -> float:
    """int A exp(-E / R T) dT / speed = A / speed [T exp(-x) - (E / R) E1(x)], x = E / R T, above the model's range."""
    from scipy.special import exp1

    def primitive(t_c: float) -> float:
        kelvin = t_c + ZERO_CELSIUS_K
        x = model.ea_j_mol / (GAS_CONSTANT * kelvin)
        return math.exp(model.ln_a) * (kelvin * math.exp(-x) - model.ea_j_mol / GAS_CONSTANT * float(exp1(x)))

    low, high = sorted((start_c, end_c))
    low = max(low, model.valid_from_c if model.valid_from_c is not None else high)
    return (primitive(high) - primitive(low)) / speed_k_s if high > low else 0.0


def cem43_of_held_min(temperature_c: float) -> float:
    """The definition, written out."""
    base = 0.5 if temperature_c >= 43.0 else 0.25
    return 0.0 if temperature_c < 39.0 else CONSTANT_S / 60.0 * base ** (43.0 - temperature_c)


def omega_of_held(temperature_c: float, model: ArrheniusModel) -> float:
    """A exp(-E / R T) t, nothing below the model's range."""
    if model.valid_from_c is None or temperature_c < model.valid_from_c:
        return 0.0
    return CONSTANT_S * math.exp(model.ln_a - model.ea_j_mol / (GAS_CONSTANT * (temperature_c + ZERO_CELSIUS_K)))


def _held_cases() -> list[Case]:
    name, rows = "constant temperature, 10 min", []
    for temperature in CONSTANT_C:
        expected = cem43_of_held_min(temperature)
        quantity = f"CEM43 at {temperature} degC"
        rows.append(Case(name, quantity, expected, SOURCE, held(temperature)[0], 1e-4 * expected, "min"))
    for model in MODELS:
        for temperature in (41.5, 47.3):
            expected = omega_of_held(temperature, damage_model(model))
            quantity, got = f"Arrhenius integral, {model}, {temperature} degC", held(temperature, model)[1]
            rows.append(Case(name, quantity, expected, "A exp(-E / RT) t", got, 2e-4 * expected, "1"))
    return rows


def _ramp_cases() -> list[Case]:
    rows = []
    for start, end, speed in RAMPS:
        name = f"{start:g} to {end:g} degC at {speed:g} K/s"
        expected = cem43_of_ramp_min(start, end, speed)
        got, omega = ramp(start, end, speed)
        rows.append(Case(name, "CEM43", expected, "closed form", got, 1e-3 * expected, "min"))
        for model in MODELS:
            exact = omega_of_ramp(start, end, speed, damage_model(model))
            found = omega if model == MODELS[0] else ramp(start, end, speed, model)[1]
            rows.append(Case(name, f"Arrhenius integral, {model}", exact, "closed form, E1", found, 1e-3 * exact, "1"))
    return rows


def cases() -> list[Case]:
    """Doses through the solver."""
    return [*_held_cases(), *_ramp_cases()]


def figures(folder: Path) -> list[Figure]:
    """Doses during a rise."""
    from vertherm.validation import heat_figures

    return [heat_figures.dose_ramps(folder)]
