"""A calibrated device brings its own spread into the ensemble."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.planning.conftest import ENTRY_MM, TIP_MM
from vertherm.calibration.device import Fitted
from vertherm.planning.calibrated import calibrated_space
from vertherm.planning.objects import Treatment
from vertherm.planning.phantom import constant_power
from vertherm.planning.uncertainty import default_space


def fitted(value: float, sd: float | None) -> Fitted:
    return Fitted(value, "1", sd, None, None, "D")


def treatment(efficiency: Fitted, drying: str, parameter: Fitted) -> Treatment:
    """One needle whose calibration has just what the ensemble reads."""
    plain = constant_power(15.0, 60.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    device: Any = SimpleNamespace(efficiency=efficiency, drying_parameter_name=drying, drying_parameter=parameter)
    return replace(plain, applicators=(replace(plain.first, calibration=device),))


def parameters(given: Treatment) -> dict[str, Any]:
    return {p.name: p for p in calibrated_space(default_space(), given).parameters}


def test_standard_errors_replace_the_guesses() -> None:
    """Efficiency 0.8 +- 0.096 is 12 %, with 5 % of the reading 13 %. Shift -3 +- 2 K: SD 2 K about what was fitted."""
    found = parameters(treatment(fitted(0.8, 0.096), "shift_k", fitted(-3.0, 2.0)))
    power, shift = found["power"].distribution, found["drying shift"].distribution
    assert power.spread == pytest.approx(0.13)
    assert (power.low, power.high) == pytest.approx((0.61, 1.39))
    assert (shift.middle, shift.spread) == (0.0, 2.0)
    assert found["power"].certainty == "D"
    assert found["floor of drying"].distribution == default_space().parameters[
        default_space().names.index("floor of drying")].distribution  # fmt: skip


def test_floor_is_relative_and_what_was_held_stays() -> None:
    """Floor 0.1 +- 0.02: a factor of SD 0.2. An efficiency that was held (no standard error) changes nothing."""
    found = parameters(treatment(fitted(1.0, None), "floor", fitted(0.1, 0.02)))
    assert found["floor of drying"].distribution.spread == pytest.approx(0.2)
    assert found["power"].distribution.spread == 0.05
    assert found["drying shift"].distribution.spread == 4.0


def test_without_calibration_nothing_changes() -> None:
    plain = constant_power(15.0, 60.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    assert calibrated_space(default_space(), plain) == default_space()
