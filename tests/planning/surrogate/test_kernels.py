"""The kernels against the dense matrices that they stand for, and the subset of variants.

Linear interpolation is the same sum in another order: float32 rounding of rises up to some 100 K, 1e-3 K.
"""

from __future__ import annotations

import numpy as np

from tests.planning.surrogate.conftest import surrogate
from vertherm.planning.surrogate.correction import SMALL_K
from vertherm.planning.surrogate.dose import Dose, Pulse
from vertherm.planning.surrogate.kernels import two_to
from vertherm.planning.surrogate.response import moments, step_weights


def test_one_pulse_is_the_product_of_dense_matrices() -> None:
    dose = Dose((Pulse(27.0, 77.0),))
    response, at = surrogate().variants[1].safety, moments(dose)
    known, on = response.corrections[0], np.minimum(at, 77.0)
    power = np.full(len(at), 27.0 * response.drive)
    linear = 27.0 * (step_weights(response.times_s, at) - step_weights(response.times_s, at - 77.0)) @ response.per_w[0]
    n = response.base.size
    fading = np.ones((len(at), n))
    off = at > 77.0
    table = known.tail[..., response.base].reshape(-1, n)
    fading[off] = known.tail_weights(power[off], on[off], at[off] - 77.0) @ table
    fading[off] += known.linear_share(power[off])[:, None]
    ratio = known.weights(power, on) @ known.heating[:, :, response.base].reshape(-1, n)
    ratio += known.linear_share(power)[:, None]
    true = response.body_c + step_weights(response.times_s, at) @ response.without[0]
    true = true + (linear + SMALL_K) * fading * ratio - SMALL_K
    assert true.max() > 45.0
    np.testing.assert_allclose(response.temperature_c(dose, at), true, atol=1e-3)


def test_powers_of_two() -> None:
    exponent = np.linspace(-119.0, 119.0, 20_001).astype(np.float32)
    found = np.empty_like(exponent)
    two_to(exponent, found.view(np.int32), found)
    np.testing.assert_allclose(found, np.exp2(exponent.astype(np.float64)), rtol=1e-6)


def test_some_variants_are_those_of_all() -> None:
    dose = Dose((Pulse(30.0, 90.0),))
    whole, some = surrogate().readings(dose), surrogate().readings(dose, [2, 0])
    for name, row in some.structures.items():
        np.testing.assert_array_equal(row.peak_c, whole.structures[name].peak_c[[2, 0]])
    for name, target in some.targets.items():
        np.testing.assert_array_equal(target.margin_mm, whole.targets[name].margin_mm[[2, 0]])
