"""Drying, perfusion and conductivity as functions of temperature and water."""

from __future__ import annotations

import numpy as np
import pytest

from vertherm.core.errors import InputError
from vertherm.materials.drying import DRYING_IDS, DryingAdjustment, SigmoidDrying, dried, drying
from vertherm.materials.perfusion import conductivity_factor, perfusion_model


def test_sigmoid_gives_the_published_liver_curve():
    """Ji and Brace 2011 as tabulated at 37, 60, 80, 100, 110 degC; tolerance half the last digit."""
    model = drying("sigmoid")
    assert isinstance(model, SigmoidDrying)
    eps, sigma = model.liver([37, 60, 80, 100, 110])
    np.testing.assert_allclose(eps, [47.9, 41.9, 27.3, 10.9, 6.2], atol=0.051)
    np.testing.assert_allclose(sigma, [2.10, 1.86, 1.29, 0.58, 0.33], atol=0.0051)


def test_sigmoid_is_one_at_body_temperature_falls_and_has_no_memory():
    t = np.linspace(15, 400, 100)
    eps, sigma = drying("sigmoid").factors(t, np.ones_like(t))
    assert (np.diff(eps) <= 0).all()
    assert (np.diff(sigma) <= 0).all()
    assert (eps > 0).all()
    one = drying("sigmoid").factors(37.0, 1.0)
    assert (float(one[0]), float(one[1])) == pytest.approx((1.0, 1.0), rel=1e-12)


def test_water_model_falls_linearly_to_its_floor_and_ignores_temperature():
    """1 - (1 - 0.08) f: 1 when wet, 0.54 half way, 0.08 when dry; beyond 0..1 held."""
    dry = np.array([-0.1, 0.0, 0.5, 1.0, 1.2])
    eps, sigma = drying("water").factors(np.full(5, 20.0), dry)
    np.testing.assert_allclose(eps, [1.0, 1.0, 0.54, 0.08, 0.08], rtol=1e-12)
    np.testing.assert_allclose(sigma, eps)
    hot, _ = drying("water").factors(np.full(5, 300.0), dry)
    np.testing.assert_array_equal(hot, eps)


def test_factors_broadcast():
    for model in (*DRYING_IDS, "none"):
        eps, sigma = drying(model).factors(np.full((3, 1), 50.0), np.zeros((1, 4)))
        assert eps.shape == sigma.shape == (3, 4)


def test_permittivity_never_falls_below_vacuum():
    """Yellow marrow 5.3 x the liver's factor at 200 degC would be below 1."""
    factors = drying("sigmoid").factors(np.array([37.0, 200.0]), np.zeros(2))
    eps, sigma = dried(5.3, 0.095, factors)
    assert eps[0] == pytest.approx(5.3)
    assert eps[1] == 1.0
    assert 0 < sigma[1] < 0.001


def test_unknown_drying():
    with pytest.raises(InputError, match="sigmoid"):
        drying("magic")


def test_perfusion_rises_then_stops():
    """Straight from 1 at 37 to 2 at 43 degC, zero from omega 1 on."""
    model = perfusion_model()
    np.testing.assert_allclose(model.rise([20, 37, 40, 43, 90]), [1, 1, 1.5, 2, 2])
    np.testing.assert_array_equal(model.survival([0, 0.999, 1.0, 50]), [1, 1, 0, 0])
    np.testing.assert_allclose(model([40, 40], [0.0, 1.0]), [1.5, 0.0])
    np.testing.assert_allclose(perfusion_model(1.0).rise([37, 60]), 1.0)


def test_conductivity_factor():
    """k = 0.5 + 0.0033 dT W/mK, as a factor; held below 37 and above 100 degC."""
    np.testing.assert_allclose(0.5 * conductivity_factor([20, 37, 57, 100, 200]), [0.5, 0.5, 0.566, 0.7079, 0.7079])


@pytest.mark.parametrize("shift_k", [-5.0, 8.0])
def test_shifted_sigmoid_is_the_published_curve_moved(shift_k: float) -> None:
    """f(T) = liver(T - shift) / liver(37 - shift): 1 at 37 degC whatever the shift; a positive shift dries later."""
    t = np.array([37.0, 60.0, 80.0, 100.0])
    plain, moved = drying("sigmoid"), drying("sigmoid", DryingAdjustment(shift_k=shift_k))
    assert isinstance(plain, SigmoidDrying)
    for part, got in enumerate(moved.factors(t, np.zeros(4))):
        np.testing.assert_allclose(got, plain.liver(t - shift_k)[part] / plain.liver(37.0 - shift_k)[part], rtol=1e-12)
        assert got[0] == pytest.approx(1.0)
        assert ((got - plain.factors(t, np.zeros(4))[part])[1:] * shift_k > 0).all()


def test_adjusted_floor_is_what_dry_tissue_keeps() -> None:
    """Water model with floor 0.3: 1 wet, 0.65 half way, 0.3 dry; each adjustment leaves the other model alone."""
    eps, _ = drying("water", DryingAdjustment(floor=0.3)).factors(37.0, np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(eps, [1.0, 0.65, 0.3])
    assert drying("water", DryingAdjustment(shift_k=9.0)) == drying("water")
    assert drying("sigmoid", DryingAdjustment(floor=0.3)) == drying("sigmoid")


@pytest.mark.parametrize("values", [{"shift_k": 61.0}, {"shift_k": float("nan")}, {"floor": -0.1}, {"floor": 1.2}])
def test_unusable_adjustments_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="out of range"):
        DryingAdjustment(**values)
