"""One coarse surrogate of the torso phantom that many tests share.

Layout: needle through the right pedicle of L3, 3 mm cells within 30 mm of the antenna, at most 120 s at 15 to 45 W.
Coarse, because every test compares it with a run of the same grid, or with itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.planning.conftest import ENTRY_MM, TIP_MM
from vertherm.heat.setup import Setup
from vertherm.planning.case import Numerics
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.protocol import default_protocol
from vertherm.planning.setup import make_setup
from vertherm.planning.surrogate.surrogate import Surrogate

NUMERICS = Numerics(spacing_mm=3.0, reach_mm=30.0)
LONGEST_S, POWER_W, MARGIN_MM = 120.0, (15.0, 45.0), 3.0


@cache
def case() -> Case:
    return phantom_case(spacing_mm=1.5)


def treatment() -> Treatment:
    given = constant_power(15.0, 60.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    given.thermocouples["near"] = np.array([5.0, -8.0, 0.0])
    return given


@cache
def setup() -> Setup:
    return make_setup(case(), treatment(), default_protocol(), NUMERICS)


def built(**changes: Any) -> Surrogate:
    wishes: dict[str, Any] = {"spacing_mm": 3.0, "margin_mm": MARGIN_MM, "longest_s": LONGEST_S, "power_w": POWER_W}
    return Surrogate.build(case(), treatment(), default_protocol(), NUMERICS, **{**wishes, **changes})


@cache
def surrogate() -> Surrogate:
    """Nominal, two members that can be the worst: no samples."""
    return built()
