"""Thermal dose and Arrhenius damage at constant temperature."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vertherm.core.errors import MissingValueError
from vertherm.materials.damage import GAS_CONSTANT, cem43_increment, damage_model, damage_models


def test_cem43_at_constant_temperature():
    """Minutes = t R^(43-T), R 0.5 from 43 degC on, 0.25 below, nothing below 39: exact to rounding."""
    t = np.array([36.9, 38.99, 39.0, 41.0, 42.0, 43.0, 43.5, 44.0, 45.0, 50.0])
    expected = np.array([0, 0, 0.25**4, 0.25**2, 0.25, 1.0, 2.0**0.5, 2.0, 4.0, 128.0]) * 10.0
    np.testing.assert_allclose(cem43_increment(t, 600.0), expected, rtol=1e-14)


def test_rat_nerve_data_are_about_60_equivalent_minutes():
    """Facts section 4: 58, 32 and 12 min at 43, 44, 45 degC are 58, 64, 48 CEM43 minutes (exact arithmetic)."""
    dose = [float(cem43_increment(t, 60 * m)) for t, m in ((43, 58), (44, 32), (45, 12))]
    assert dose == pytest.approx([58, 64, 48], rel=1e-12)


@pytest.mark.parametrize(
    ("model", "t_c", "seconds", "tolerance"),
    [
        ("liver_coagulation", 43, 511, 2e-3),
        ("liver_coagulation", 50, 61, 5e-3),
        ("liver_coagulation", 60, 3.4, 1e-2),
        ("skin", 45, 41000, 2e-3),
        ("nerve_hoogeveen", 46, 5.9 * 60, 2.5e-2),
        ("nerve_hoogeveen", 48, 75, 2.5e-2),
        ("nerve_hoogeveen", 50, 16, 2.5e-2),
    ],
)
def test_time_to_omega_one(model, t_c, seconds, tolerance):
    """exp(Ea/RT)/A against the times of facts section 4: half a unit of their last digit, and for nerve
    2.5 %, because the four digits of Ea alone move the time by 2 %."""
    assert damage_model(model).time_to_omega_1_s(t_c) == pytest.approx(seconds, rel=tolerance)


@pytest.mark.parametrize(("t_c", "minutes"), [(43, 58), (44, 32), (45, 12)])
def test_nerve_model_fits_its_data(t_c, minutes):
    """The two-parameter fit through three points of Hoogeveen 1988 stays within 15 %."""
    assert damage_model("nerve_hoogeveen").time_to_omega_1_s(t_c) / 60 == pytest.approx(minutes, rel=0.15)


def test_skin_unit_rate_temperature():
    """Henriques and Moritz: rate 1/s at Ea/(R ln A) = 59.9 degC; one digit, 0.05 K."""
    m = damage_model("skin")
    assert m.ea_j_mol / (GAS_CONSTANT * m.ln_a) - 273.15 == pytest.approx(59.9, abs=0.05)


def test_skin_constants_are_not_used_for_nerve():
    """Facts 0.5: at 45 degC skin constants need about 57 times longer than measured nerve (12 min)."""
    assert damage_model("skin").time_to_omega_1_s(45) / (12 * 60) == pytest.approx(57, rel=0.01)


def test_no_model_counts_at_body_temperature():
    """Liver constants unguarded reach omega 1 in 58 min at 37 degC (own prototype runs): the guard must zero them."""
    liver = damage_model("liver_coagulation")
    unguarded = math.exp(liver.ln_a - liver.ea_j_mol / (GAS_CONSTANT * 310.15))
    assert 1 / unguarded / 60 == pytest.approx(58, rel=0.03)
    for model in damage_models():
        assert float(model.rate(37.0)) == 0.0
        assert float(model.rate(41.9)) == 0.0


def test_rates_rise_with_temperature_and_stay_finite():
    t = np.linspace(30, 1500, 2000)
    for model in damage_models():
        rate = model.rate(t)
        assert np.isfinite(rate.astype(np.float32)).all()
        assert (np.diff(rate) >= 0).all()
    assert (damage_model("none").rate(t) == 0).all()


def test_extrapolation_is_said():
    nerve = damage_model("nerve_hoogeveen")
    assert nerve.extrapolated([44.0, 45.0, 45.1]).tolist() == [False, False, True]
    assert not damage_model("none").extrapolated(300.0).any()
    assert "extrapolated" in nerve.note


def test_unknown_model():
    with pytest.raises(MissingValueError, match="liver_coagulation"):
        damage_model("brain")
