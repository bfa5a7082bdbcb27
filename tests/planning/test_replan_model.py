"""The plan's fast model carried to another place.

At the planned place nothing may change: the same linear answer, the same cell of the plan under every new one. Peaks,
doses and margins agree to float32 (0.01 K, 0.01 mm); an anchored surrogate's scale is found again from its stored
linear answer (0.05 K: it was stored once, and read from the same grid).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.planning.planned_phantom import coverage_row, phantom, plan_document, state, treatment
from vertherm.geometry.volume import Volume
from vertherm.planning.case import Numerics
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.protocol import default_protocol
from vertherm.planning.replan import one_dose
from vertherm.planning.replan_model import moved_model
from vertherm.planning.surrogate.surrogate import Surrogate

MARGIN_MM, POWER_W, LONGEST_S = 5.0, 30.0, 40.0


@cache
def planned() -> tuple[Any, Any, Surrogate]:
    case = phantom()
    given = treatment(case)
    built = Surrogate.build(
        case, given, default_protocol(), Numerics(), spacing_mm=3.0, margin_mm=MARGIN_MM, longest_s=LONGEST_S,
        power_w=(POWER_W, POWER_W), workers=1,
    )  # fmt: skip
    return case, given, built


@pytest.mark.parametrize("anchored", [False, True])
def test_at_the_planned_place_nothing_changes(anchored: bool) -> None:
    case, given, built = planned()
    dose = one_dose(given, built.places)
    if anchored:
        hotter = Volume(np.full(built.grid.shape, 60.0, np.float32), built.grid)
        built = built.anchored(dose, {"peak_c": hotter})
    found = state(case, built, given=given, plan=plan_document(coverage=[coverage_row(1.0)]))
    moved = moved_model(found, given, Goal.of(found.protocol, found.entry.plan), threads=1)
    one, other = built.readings(dose), moved.readings(dose)
    for name, reading in one.structures.items():
        tolerance = 0.05 if anchored else 0.01
        assert np.allclose(reading.peak_c, other.structures[name].peak_c, atol=tolerance), name
    for name, target in one.targets.items():
        assert np.allclose(target.coverage, other.targets[name].coverage, atol=1e-3)
        assert np.allclose(target.margin_mm, other.targets[name].margin_mm, atol=0.05, equal_nan=True)
    assert moved.n == built.n
    assert moved.places == built.places
