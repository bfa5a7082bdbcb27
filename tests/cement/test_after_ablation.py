"""The fields an ablation leaves at the moment of injection."""

from __future__ import annotations

import numpy as np
import pytest

from tests.heat.several import emitter, setup
from vertherm.cement.after_ablation import ablation_state
from vertherm.core.errors import InputError
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.coupling import run_member
from vertherm.heat.member import NOMINAL
from vertherm.heat.schedule import Activation


def test_fields_at_the_delays() -> None:
    """An uncooled antenna, 2 W twice for 10 s: a delay of 20 s is the same as a pause of 20 s after the last watt.

    To 0.01 K: nothing differs but the steps chosen. Delay 0 is the state at switch-off itself, bit by bit. Doses and
    peaks only grow with the delay.
    """
    one = emitter("one", 0.0)
    first = Activation(10.0, power_w=2.0, pause_s=5.0)
    given = setup(one, activations=(first, Activation(10.0, power_w=2.0, pause_s=20.0)))
    seen: list[np.ndarray] = []

    def watch(solver: BioheatSolver) -> None:
        seen.append(solver.temperature_c)

    run_member(given, NOMINAL, watch)
    states = ablation_state(given, NOMINAL, [20.0, 0.0])
    assert list(states) == [0.0, 20.0]
    np.testing.assert_array_equal(states[0.0].temperature_c, seen[-3])
    np.testing.assert_allclose(states[20.0].temperature_c, seen[-2], atol=0.01)
    assert states[20.0].temperature_c.max() < states[0.0].temperature_c.max() - 0.1
    assert (states[20.0].peak_c >= states[0.0].peak_c).all()
    assert (states[20.0].cem43_min >= states[0.0].cem43_min).all()
    assert (states[20.0].omega >= states[0.0].omega).all()


@pytest.mark.parametrize("delays", [[], [-1.0], [float("nan")]])
def test_refuses_unusable_delays(delays: list[float]) -> None:
    given = setup(emitter("one", 0.0), activations=(Activation(10.0, power_w=2.0),))
    with pytest.raises(InputError):
        ablation_state(given, NOMINAL, delays)
