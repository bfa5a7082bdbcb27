"""Doses that the solver gathers: exact at constant and at evenly changing temperature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from tests.heat.blocks import block
from vertherm.core.errors import InputError
from vertherm.heat.bioheat import BioheatSolver, StepLimits
from vertherm.materials.damage import damage_model, damage_models

SHAPE = (3, 3, 3)
STILL = {"w": 0.0, "boundary": "insulated"}


@pytest.mark.parametrize(
    ("temperature", "minutes"),
    [(38.9, 0.0), (39.0, 10 * 0.25**4), (41.0, 0.625), (43.0, 10.0), (45.0, 40.0), (50.0, 1280.0)],
)
def test_cem43_at_constant_temperature(temperature: float, minutes: float) -> None:
    """CEM43 = t R^(43 - T), R 0.25 below and 0.5 above 43 degC, nothing below 39: 10 min at T, written out. 1e-4."""
    solver = BioheatSolver(block(SHAPE, initial_c=temperature, **STILL))
    solver.advance(600.0)
    assert solver.cem43_min == pytest.approx(np.full(SHAPE, minutes), rel=1e-4)


@pytest.mark.parametrize("name", ["liver_coagulation", "skin", "nerve_hoogeveen"])
@pytest.mark.parametrize("temperature", [41.5, 44.0, 47.3])
def test_omega_at_constant_temperature(name: str, temperature: float) -> None:
    """omega = A exp(-Ea / R T) t for 5 min, zero below the model's range. 1e-4."""
    model = damage_model(name)
    solver = BioheatSolver(block(SHAPE, initial_c=temperature, damage_models=(model,), **STILL))
    solver.advance(300.0)
    kelvin = temperature + 273.15
    rate = np.exp(model.ln_a - model.ea_j_mol / (8.314462618 * kelvin))
    expected = 0.0 if temperature < (model.valid_from_c or 0) else rate * 300.0
    assert solver.omega == pytest.approx(np.full(SHAPE, expected), rel=2e-4)


def test_doses_while_the_temperature_rises() -> None:
    """Even heating from 37 to 55 degC in 60 s, one step of 15 s or four of them: against adaptive quadrature, 1e-3."""
    model = damage_model("liver_coagulation")
    speed = 18.0 / 60.0
    limits = StepLimits(heating_s=15.0, change_k=1e9)
    solver = BioheatSolver(block(SHAPE, c=1e6, damage_models=(model,), **STILL), limits=limits)
    solver.advance(60.0, np.full(SHAPE, 1e6 * speed, np.float32))
    assert solver.statistics.steps <= 6

    def cem(t: float) -> float:
        temperature = 37 + speed * t
        return 0.0 if temperature < 39 else (0.5 if temperature > 43 else 0.25) ** (43 - temperature) / 60

    def rate(t: float) -> float:
        temperature = 37 + speed * t
        return (
            0.0
            if temperature < 43
            else float(np.exp(model.ln_a - model.ea_j_mol / 8.314462618 / (temperature + 273.15)))
        )

    kinks = (2 / speed, 6 / speed)
    assert solver.cem43_min.max() == pytest.approx(quad(cem, 0, 60, points=kinks)[0], rel=1e-3)
    assert solver.omega.max() == pytest.approx(quad(rate, 0, 60, points=kinks)[0], rel=2e-3)


def test_each_cell_follows_its_own_model() -> None:
    """Half skin, half nerve at 46 degC: omega differs by the ratio of the two rates."""
    models = damage_models()
    ids = [m.id for m in models]
    index = np.full(SHAPE, ids.index("skin"), np.uint8)
    index[0] = ids.index("nerve_hoogeveen")
    solver = BioheatSolver(block(SHAPE, initial_c=46.0, damage_index=index, damage_models=models, **STILL))
    solver.advance(60.0)
    expected = [60 * float(damage_model(name).rate(46.0)) for name in ("nerve_hoogeveen", "skin")]
    assert solver.omega[0, 0, 0] == pytest.approx(expected[0], rel=2e-4)
    assert solver.omega[2, 2, 2] == pytest.approx(expected[1], rel=2e-4)


def test_body_temperature_does_no_harm() -> None:
    """A day at 37 degC: no dose by any model (liver constants without their range would kill within an hour)."""
    models = damage_models()
    index = (np.arange(27).reshape(SHAPE) % len(models)).astype(np.uint8)
    solver = BioheatSolver(block(SHAPE, damage_index=index, damage_models=models))
    solver.advance(86400.0)
    assert solver.omega.max() == 0.0
    assert solver.cem43_min.max() == 0.0


def test_doses_stay_finite_where_tissue_chars() -> None:
    """400 degC for a minute: both doses stop at 1e9 instead of overflowing."""
    solver = BioheatSolver(block(SHAPE, initial_c=400.0, **STILL))
    solver.advance(60.0)
    assert solver.cem43_min.max() == pytest.approx(1e9)
    assert np.isfinite(solver.omega).all()


def test_unknown_model_index_is_refused() -> None:
    """A cell that names a model that is not there."""
    with pytest.raises(InputError, match="damage model"):
        block(SHAPE, damage_index=np.full(SHAPE, 3, np.uint8))
