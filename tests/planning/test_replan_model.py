"""The plan's fast model carried to another place.

At the planned place nothing may change: the same linear answer, the same cell of the plan under every new one. Peaks,
doses and margins agree to float32 (0.01 K, 0.01 mm); an anchored surrogate's scale is found again from its stored
linear answer (0.05 K: it was stored once, and read from the same grid).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.planning.planned_phantom import Result, coverage_row, entry, phantom, plan_document, state, treatment
from vertherm.geometry.volume import Volume
from vertherm.planning.case import Numerics
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.protocol import default_protocol
from vertherm.planning.replan.model import moved_model, planned_model
from vertherm.planning.replan.replan import one_dose
from vertherm.planning.state.state import State, load_state, save_state
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


def goal_of(found: State) -> Goal:
    return Goal.of(found.protocol, found.entry.plan)


@pytest.mark.parametrize("anchored", [False, True])
def test_at_the_planned_place_nothing_changes(anchored: bool) -> None:
    case, given, built = planned()
    dose = one_dose(given, built.places)
    if anchored:
        hotter = Volume(np.full(built.grid.shape, 60.0, np.float32), built.grid)
        built = built.anchored(dose, {"peak_c": hotter})
    found = state(case, built, given=given, plan=plan_document(coverage=[coverage_row(1.0)]))
    moved = moved_model(found, given, goal_of(found), threads=1)
    one, other = built.readings(dose), moved.readings(dose)
    for name, reading in one.structures.items():
        tolerance = 0.05 if anchored else 0.01
        assert np.allclose(reading.peak_c, other.structures[name].peak_c, atol=tolerance), name
    for name, target in one.targets.items():
        assert np.allclose(target.coverage, other.targets[name].coverage, atol=1e-3)
        assert np.allclose(target.margin_mm, other.targets[name].margin_mm, atol=0.05, equal_nan=True)
    assert moved.n == built.n
    assert moved.places == built.places


def test_what_a_finer_run_did_survives_the_state_and_a_second_replan(tmp_path: Path) -> None:
    """Kept beside the fast model: the factors are found again to 1 %, and carried twice nothing changes (0.05 K)."""
    case, given, built = planned()
    dose = one_dose(given, built.places)
    hotter = Volume(np.full(built.grid.shape, 60.0, np.float32), built.grid)
    anchored = built.anchored(dose, {"peak_c": hotter})
    sampled = replace(anchored, samples=2, members=anchored.variants[1:])
    save_state(tmp_path / "state", case, default_protocol(), entry(), Result(plan_document(), given, {"arm": sampled}))
    found = load_state(tmp_path)
    assert found.standard("arm").samples == 0
    assert planned_model(found, goal_of(found)) is found.standard("arm")
    first, nominal = built.variants[0].safety, anchored.variants[0].safety
    warm = first.per_w[0, -1] > 0.05
    factor = nominal.per_w[0, -1][warm] / first.per_w[0, -1][warm]
    kept = found.standard("arm").anchor
    assert kept is not None
    assert np.allclose(kept[0][nominal.base[warm]], factor, rtol=1e-4)
    once = moved_model(found, given, goal_of(found), threads=1)
    assert once.anchor is not None
    again = replace(found, surrogates={"re-plan": once}, members={})
    twice = moved_model(again, given, goal_of(found), threads=1)
    one, other = (model.readings(dose).structures for model in (once, twice))
    for name, reading in one.items():
        assert np.allclose(reading.peak_c, other[name].peak_c, atol=0.05), name
        assert np.allclose(reading.peak_c, anchored.readings(dose).structures[name].peak_c, atol=0.05), name
