"""A first look with rises scaled: what another model says beyond it enters before doses are counted.

A cell rises by s(t) P; scaled by 4 it must read as the same model with four times the answer: peak and dose equal. The
plain model stays below the cut-off of CEM43 and has no dose at all, so that no ratio could give one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vertherm.planning.optimise.linear import LinearModel
from vertherm.planning.surrogate.dose import Dose, Pulse
from vertherm.planning.surrogate.linear import node_times
from vertherm.planning.surrogate.sites import Sites, TargetSites

TIMES = node_times(600.0, 900.0)


def model() -> LinearModel:
    rise = (0.01 * np.log1p(TIMES / 10.0))[None, :, None].astype(np.float32)
    sites = Sites(np.array([7]), {"root": np.array([0])}, {}, {})
    return LinearModel(("P1",), sites, TIMES, rise, rise, 37.0, "peak_c", 60.0)


def test_scaled_before_doses_are_counted() -> None:
    dose = Dose((Pulse(60.0, 120.0),))
    plain, scaled = model(), model().scaled({"root": 4.0})
    stronger = replace(plain, safety=4.0 * plain.safety)
    expected, found = (m.readings(dose).structures["root"] for m in (stronger, scaled))
    assert plain.readings(dose).structures["root"].cem43_min[0] == 0.0
    assert expected.cem43_min[0] > 0.01
    assert found.peak_c == pytest.approx(expected.peak_c, rel=1e-6)
    assert found.cem43_min == pytest.approx(expected.cem43_min, rel=1e-4)


def test_the_lesion_is_read_with_half_of_the_rise() -> None:
    # A cell that ends at 2 K per W: at 20 W the level of 60 degC (23 K) is passed by 40 K, not by half of 40 K.
    rise = (2.0 * (1.0 - np.exp(-TIMES / 30.0)))[None, :, None].astype(np.float32)
    target = TargetSites(np.array([0]), np.array([0.0]), np.zeros((0, 2), int), 0.0, 1.0)
    sites = Sites(np.array([7]), {}, {"lesion": target}, {})
    model = LinearModel(("P1",), sites, TIMES, rise, rise, 37.0, "peak_c", 60.0)
    covered = [model.readings(Dose((Pulse(watts, 600.0),))).targets["lesion"].coverage[0] for watts in (20.0, 24.0)]
    assert covered == [0.0, 1.0]


def test_other_structures_stay() -> None:
    dose = Dose((Pulse(60.0, 120.0),))
    one, other = model().readings(dose), model().scaled({"canal": 4.0}).readings(dose)
    assert one.structures["root"].peak_c == other.structures["root"].peak_c
