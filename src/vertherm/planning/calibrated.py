"""What a device's calibration knows about its own spread takes the place of the default guesses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from vertherm.calibration.device import DeviceCalibration, Fitted
from vertherm.ensemble.distributions import Distribution, Parameter, Space
from vertherm.planning.objects import Treatment

SPREADS = 3.0
"""Standard errors at which the distributions are cut."""


def calibrated_space(space: Space, treatment: Treatment) -> Space:
    """``space`` with the spread that the calibrations of the treatment's antennas state.

    Efficiency adds to the error of the power (root of the sum of squares: both are factors on it); the fitted drying
    parameter replaces the guessed spread of its model. Several calibrations: the widest counts. Correlation between
    the two is not taken over.
    """
    found = [placed.calibration for placed in treatment.applicators if placed.calibration is not None]
    others = [_power(p, found) if p.effect.get("change") == "power factor" else _drying(p, found)
              for p in space.parameters]  # fmt: skip
    return replace(space, parameters=tuple(others))


def _power(parameter: Parameter, found: Sequence[DeviceCalibration]) -> Parameter:
    relative = [_relative(c.efficiency) for c in found if c.efficiency.fitted]
    if not relative or parameter.distribution.kind != "normal":
        return parameter
    sd = math.hypot(parameter.distribution.spread, max(relative))
    return _normal(parameter, 1.0, sd, "efficiency of the calibration and error of the reading")


def _drying(parameter: Parameter, found: Sequence[DeviceCalibration]) -> Parameter:
    name = {"drying shift": "shift_k", "drying floor": "floor"}.get(str(parameter.effect.get("change")))
    fitted = [c.drying_parameter for c in found if c.drying_parameter_name == name and c.drying_parameter.fitted]
    if not fitted:
        return parameter
    if name == "shift_k":
        return _normal(parameter, 0.0, max(f.sd or 0.0 for f in fitted), "standard error of the calibration")
    return _normal(parameter, 1.0, max(map(_relative, fitted)), "standard error of the calibration")


def _relative(fitted: Fitted) -> float:
    return (fitted.sd or 0.0) / fitted.value


def _normal(parameter: Parameter, mean: float, sd: float, source: str) -> Parameter:
    low, high = max(mean - SPREADS * sd, parameter.minimum), min(mean + SPREADS * sd, parameter.maximum)
    if not low < mean < high:
        return parameter
    shape = Distribution("normal", low=low, high=high, middle=mean, spread=sd)
    return replace(parameter, distribution=shape, source=source, certainty="D")
