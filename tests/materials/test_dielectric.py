"""Cole-Cole model against the published table."""

from __future__ import annotations

import itertools
import math

import pytest

from vertherm.core.errors import InputError, MissingValueError
from vertherm.materials.dielectric import VACUUM_PERMITTIVITY, ColeCole4, Mixture, cole_cole

# Relative permittivity and conductivity at 915 MHz and 2.45 GHz, as tabulated beside the Gabriel 1996 parameters.
TABLE = {
    "Blood": (61.314, 1.5446, 58.264, 2.545),
    "Bone Cancellous": (20.756, 0.3435, 18.549, 0.8051),
    "Bone Cortical": (12.44, 0.1451, 11.381, 0.3943),
    "Bone Marrow (Infiltrated / red proxy)": (11.262, 0.2298, 10.308, 0.4588),
    "Bone Marrow (Not Infiltrated / yellow)": (5.501, 0.0406, 5.297, 0.095),
    "Cartilage (disc proxy)": (42.601, 0.7891, 38.771, 1.7557),
    "CSF": (68.607, 2.4187, 66.243, 3.4578),
    "Dura": (44.391, 0.9659, 42.035, 1.6687),
    "Fat (avg infiltrated)": (11.328, 0.1102, 10.82, 0.268),
    "Fat (not infiltrated)": (5.46, 0.0514, 5.28, 0.1045),
    "Liver": (46.764, 0.8612, 43.034, 1.6864),
    "Muscle": (54.997, 0.9481, 52.729, 1.7388),
    "Nerve / spinal cord": (32.485, 0.5775, 30.145, 1.0885),
    "Skin (dry)": (41.329, 0.8717, 38.007, 1.4641),
    "Skin (wet)": (46.021, 0.8502, 42.853, 1.5919),
}


@pytest.mark.parametrize("key", TABLE)
def test_values_at_the_two_ablation_frequencies(key):
    """eps*(w) = eps_inf + sum d/(1+(jwt)^(1-a)) + sigma_i/(jw eps0); table values carry 4-5 digits, so 5e-4 relative
    (1e-3 where only three digits are given)."""
    eps_915, sigma_915, eps_2450, sigma_2450 = TABLE[key]
    row = cole_cole(key)
    assert row.at(915e6) == pytest.approx((eps_915, sigma_915), rel=1e-3)
    assert row.at(2.45e9) == pytest.approx((eps_2450, sigma_2450), rel=1e-3)


def test_one_debye_term_has_its_closed_form():
    """Debye: eps' = eps_inf + d/(1+x^2), sigma = sigma_i + w eps0 d x/(1+x^2) with x = w tau. Exact to rounding."""
    model = ColeCole4(4.0, ((60.0, 8e-12, 0.0),), 0.5, "closed form", "D")
    w = 2 * math.pi * 2.45e9
    x = w * 8e-12
    eps = 4.0 + 60.0 / (1 + x * x)
    sigma = 0.5 + w * VACUUM_PERMITTIVITY * 60.0 * x / (1 + x * x)
    assert model.at(2.45e9) == pytest.approx((eps, sigma), rel=1e-12)


def test_conductivity_rises_and_permittivity_falls_with_frequency():
    """Kramers-Kronig relaxation: monotonic for every tissue between 100 MHz and 10 GHz."""
    for key in TABLE:
        values = [cole_cole(key).at(f) for f in (1e8, 4e8, 9.15e8, 2.45e9, 1e10)]
        assert all(a[0] > b[0] and a[1] < b[1] for a, b in itertools.pairwise(values)), key


def test_mixture_is_linear_and_refuses_wrong_weights():
    a, b = cole_cole("Muscle"), cole_cole("Fat (avg infiltrated)")
    mixed = Mixture(((a, 0.25), (b, 0.75))).at(2.45e9)
    assert mixed[0] == pytest.approx(0.25 * 52.729 + 0.75 * 10.82, rel=1e-3)
    assert mixed[1] == pytest.approx(0.25 * 1.7388 + 0.75 * 0.268, rel=1e-3)
    with pytest.raises(InputError):
        Mixture(((a, 0.5), (b, 0.6)))
    with pytest.raises(InputError):
        Mixture(((a, -0.5), (b, 1.5)))


def test_bad_frequency_and_unknown_row():
    for frequency in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="frequency"):
            cole_cole("Muscle").at(frequency)
    with pytest.raises(MissingValueError):
        cole_cole("Unobtainium")
