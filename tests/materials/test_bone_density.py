"""CT number to density: the line through air, fat and muscle, and what happens without one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertherm.core.errors import InputError
from vertherm.materials.bone_density import (
    apparent_density,
    flow_constant,
    given_calibration,
    internal_calibration,
    porosity,
    uncalibrated,
)


def scan(slope: float, intercept: float, noise: float, seed: int) -> dict[str, np.ndarray]:
    """CT numbers of a scanner with a known line: HU = (equivalent - intercept) / slope, and a tail of other tissue."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in ("air", "fat", "muscle"):
        hu = (flow_constant(f"calibration_{name}").value - intercept) / slope
        found[name] = np.concatenate([rng.normal(hu, noise, 5000), rng.uniform(hu, hu + 300.0, 400)])
    return found


@given(slope=st.floats(0.7, 1.0), intercept=st.floats(-20.0, 20.0), seed=st.integers(0, 50))
def test_a_known_line_is_found(slope: float, intercept: float, seed: int) -> None:
    """The scan obeys density = intercept + slope HU; noise of 15 HU over 5000 voxels leaves 0.2 HU, and the tail of
    foreign tissue (8 %) moves a mode by a few HU at most: density at 180 HU to 5 mg/cm3."""
    found = internal_calibration(scan(slope, intercept, 15.0, seed))
    assert found.method == "internal"
    assert float(found.density(180.0)) == pytest.approx(intercept + slope * 180.0, abs=5.0)
    assert found.error_mg_cm3 < 40.0


def test_too_few_voxels_are_no_calibration() -> None:
    samples = scan(0.8, 0.0, 10.0, 1)
    samples["fat"] = samples["fat"][:50]
    found = internal_calibration(samples)
    assert found.method == "not calibrated"
    assert "too little fat" in found.words


def test_materials_off_a_line_are_no_calibration() -> None:
    samples = scan(0.8, 0.0, 10.0, 1)
    samples["fat"] = samples["fat"] + 150.0
    found = internal_calibration(samples)
    assert found.method == "not calibrated"
    assert "NOT CALIBRATED" in found.words


def test_a_phantom_line_is_checked() -> None:
    assert given_calibration(0.8, -3.0).density(100.0) == pytest.approx(77.0)
    with pytest.raises(InputError, match="not plausible"):
        given_calibration(8.0, 0.0)


def test_porosity_and_apparent_density_are_two_sides_of_one_share() -> None:
    """Share of bone = density / matrix mineral density, exact."""
    full = flow_constant("matrix_mineral_density").value
    assert float(porosity(0.12 * full)) == pytest.approx(0.88)
    assert float(apparent_density(0.12 * full)) == pytest.approx(0.12 * flow_constant("matrix_density").value)
    assert float(porosity(-80.0)) == 1.0
    assert float(apparent_density(-80.0)) == 0.0
    assert uncalibrated("a reason").method == "not calibrated"
