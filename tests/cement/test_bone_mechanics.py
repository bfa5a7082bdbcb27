"""Moduli of bone and cement: the laws, their limits, mixtures, and the marks of the table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertherm.core.errors import InputError
from vertherm.materials.bone_mechanics import (
    TABLE,
    ablated_mpa,
    cemented_mpa,
    laws,
    lytic_mpa,
    mechanics_constant,
    modulus_mpa,
)
from vertherm.materials.quantity import read_quantities


def test_morgan() -> None:
    """4730 * 0.2^1.56 = 384.1 MPa; the number was worked out by logarithms: exp(8.46168 - 1.56 * 1.60944) = 384.1."""
    assert modulus_mpa(0.2) == pytest.approx(384.1, abs=0.2)


def test_laws_are_ordered_and_bounded() -> None:
    """Every law rises with density, from the floor to the cap of the table; bad laws and densities are refused."""
    density = np.linspace(0.0, 3.0, 301)
    for law in laws():
        modulus = modulus_mpa(density, law)
        assert np.all(np.diff(modulus) >= 0.0)
        assert modulus[0] == mechanics_constant("smallest_modulus").value
        assert modulus.max() <= mechanics_constant("largest_modulus").value
    with pytest.raises(InputError, match="no such law"):
        modulus_mpa(0.2, "other")
    with pytest.raises(InputError, match="not a number"):
        modulus_mpa(np.nan)


def test_exponents_meet_at_the_pivot() -> None:
    """Shallow and steep cross Morgan's law at the middle of vertebral densities, and are on opposite sides beyond."""
    pivot = mechanics_constant("pivot_density").value
    assert modulus_mpa(pivot, "shallow") == pytest.approx(modulus_mpa(pivot), rel=1e-12)
    assert modulus_mpa(pivot, "steep") == pytest.approx(modulus_mpa(pivot), rel=1e-12)
    assert modulus_mpa(0.1, "steep") < modulus_mpa(0.1) < modulus_mpa(0.1, "shallow")
    assert modulus_mpa(0.5, "shallow") < modulus_mpa(0.5) < modulus_mpa(0.5, "steep")


@given(st.floats(5.0, 10_000.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_cement_only_stiffens(bone_mpa: float, less: float, more: float) -> None:
    """Bone at 0, cement at 1 where it is stiffer, rising between; never above Voigt's bound."""
    cement = mechanics_constant("cement_modulus").value
    low, high = sorted((less, more))
    assert cemented_mpa(bone_mpa, 0.0) == bone_mpa
    assert cemented_mpa(bone_mpa, 1.0) == pytest.approx(max(cement, bone_mpa))
    assert bone_mpa <= cemented_mpa(bone_mpa, low) <= cemented_mpa(bone_mpa, high)
    voigt = bone_mpa + max(cement - bone_mpa, 0.0) * high
    assert cemented_mpa(bone_mpa, high) <= voigt * (1.0 + 1e-12)


def test_other_tissue() -> None:
    """Low-modulus cement is softer; ablation weakens; lytic tissue is softer than any bone of a vertebra."""
    assert cemented_mpa(100.0, 0.8, "low_modulus_cement") < cemented_mpa(100.0, 0.8)
    assert ablated_mpa(200.0) < 200.0
    assert lytic_mpa() < modulus_mpa(0.09)
    with pytest.raises(InputError, match="0 to 1"):
        cemented_mpa(100.0, 1.2)


def test_table() -> None:
    """Every number lies in its range, has a source, and what was recalled or guessed says so."""
    for name, quantity in read_quantities(TABLE).items():
        assert quantity.low is not None
        assert quantity.high is not None
        assert quantity.low <= quantity.value <= quantity.high, name
        assert quantity.source
        if quantity.certainty == "R":
            assert "recalled" in quantity.source, name
    assert mechanics_constant("cement_modulus").verified
    assert not mechanics_constant("critical_strain").verified
