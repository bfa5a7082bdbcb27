"""Curing kinetics and the table of cements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from vertherm.cement.kinetics import KINETICS, advance, kinetics, premixed, rate, setting_time_s
from vertherm.core.errors import InputError
from vertherm.materials.bone_cement import CEMENTS, bone_cement, bone_cements


@pytest.mark.parametrize("name", KINETICS)
@pytest.mark.parametrize("warm_c", [23.0, 37.0, 60.0])
def test_isothermal_logistic(name: str, warm_c: float) -> None:
    """alpha(t) = s (e - 1) / (1 + s e), e = exp(k (1 + s) t), in 1, 7 and 40 steps over 1.3 setting times.

    Within 1e-12 whatever the number of steps: the step itself is exact. The rate is checked apart, integrated by
    a high-order method (1e-7: the tolerance of that).
    """
    law = kinetics(name)
    span = 1.3 * setting_time_s(law, warm_c)
    k, s = float(law.constant_per_s(warm_c)), law.seed
    e = np.exp(k * (1 + s) * span)
    exact = s * (e - 1) / (1 + s * e)
    for steps in (1, 7, 40):
        alpha = np.zeros(3)
        for _ in range(steps):
            alpha = advance(law, alpha, warm_c, span / steps)
        assert alpha == pytest.approx(exact, abs=1e-12)
    found = solve_ivp(lambda _, y: rate(law, y, warm_c), (0, span), [0.0], rtol=1e-9, atol=1e-12)
    assert found.y[0, -1] == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize("name", KINETICS)
def test_setting_time(name: str) -> None:
    """Half conversion at the setting time: 0.5 within 1e-9; at 23 degC it is the table's; Arrhenius in between."""
    law = kinetics(name)
    for warm_c in (18.0, 23.0, 37.0):
        assert float(advance(law, 0.0, warm_c, setting_time_s(law, warm_c))) == pytest.approx(0.5, abs=1e-9)
    assert setting_time_s(law, 23.0) == pytest.approx(law.setting.value, rel=1e-12)
    ratio = np.exp(law.temperature_k * (1 / 296.15 - 1 / 310.15))
    assert setting_time_s(law, 23.0) / setting_time_s(law, 37.0) == pytest.approx(ratio, rel=1e-12)
    assert law.frequency_per_s * np.exp(-law.temperature_k / 310.15) == pytest.approx(float(law.constant_per_s(37.0)))


def test_mixing_uses_up_time() -> None:
    """Time before and after injection add at equal temperature: 300 s + rest = setting time, to 1e-6."""
    law = kinetics("medium")
    assert 300.0 + setting_time_s(law, 23.0, premixed(law, 0.0, 300.0, 23.0)) == pytest.approx(law.setting.value)
    assert premixed(law, 0.0, 300.0, 27.0) > premixed(law, 0.0, 300.0, 19.0)
    assert setting_time_s(law, 37.0, 0.7) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1), st.floats(-50, 400), st.floats(0, 1e6), st.sampled_from(KINETICS))
def test_conversion_stays_in_bounds(alpha: float, warm_c: float, dt_s: float, name: str) -> None:
    """0 <= alpha <= alpha(t + dt) <= 1 whatever the temperature and the step."""
    after = float(advance(kinetics(name), alpha, warm_c, dt_s))
    assert alpha <= after <= 1.0


def test_cements() -> None:
    """Viscosity rises e-fold in its growth time, faster in a warm room; classes are ordered; what is unsure is said."""
    for cement in bone_cements():
        start, end = cement.working_s
        assert 0 < start < end < setting_time_s(cement.kinetics, 23.0) * 1.3
        assert cement.viscosity_pa_s(cement.viscosity_growth.value) == pytest.approx(
            np.e * cement.viscosity_start.value
        )
        assert cement.viscosity_pa_s(300.0, 26.0) > cement.viscosity_pa_s(300.0, 20.0)
        assert cement.working_at_s(26.0) < cement.working_s
        assert "setting time" in " ".join(cement.unverified())
        assert len(cement.unverified()) == 12
        for quantity in cement.quantities().values():
            low, high = quantity.low, quantity.high
            assert low is None or high is None or low <= quantity.value <= high
    thin = [float(c.viscosity_pa_s(240.0)) for c in bone_cements()]
    assert thin == sorted(thin)
    assert bone_cement("low_viscosity").volumetric_heat_capacity == pytest.approx(1180 * 1450)
    assert tuple(c.name for c in bone_cements()) == CEMENTS


def test_refusals() -> None:
    """One clear error each."""
    law = kinetics("fast")
    with pytest.raises(InputError):
        kinetics("instant")
    with pytest.raises(InputError):
        bone_cement("glue")
    with pytest.raises(InputError):
        advance(law, 1.2, 37.0, 1.0)
    with pytest.raises(InputError):
        advance(law, 0.5, np.nan, 1.0)
    with pytest.raises(InputError):
        advance(law, 0.5, 37.0, -1.0)
