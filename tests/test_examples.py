"""The examples run and say what they promise; heat cells of 2 mm keep them short."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.servers.fixtures import own_key  # noqa: F401
from vertherm.heat.member import NOMINAL

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_negative_control_is_green() -> None:
    """10 W, 60 s, the antenna at least 25 mm from canal and roots, everything labelled: every row green."""
    assessment = load("negative_control").run(spacing_mm=2.0, workers=1).assessment
    assert assessment.verdict == "green", assessment.verdict_words
    for row in assessment.structures:
        if row.kind in ("canal", "dural sac", "cord", "cauda", "root"):
            assert row.distance_to_antenna_mm is not None
            assert row.distance_to_antenna_mm >= 25.0, row.name


@pytest.mark.parametrize("power_w", [20.0, 30.0])
def test_sheep_posterior_wall_is_not_green(power_w: float) -> None:
    """5 mm from an intact posterior wall, 4 min: not green, in the nominal member already (no factor, no variant)."""
    result = load("sheep_posterior_wall").run(power_w, spacing_mm=2.0, workers=1, run_members=(NOMINAL,))
    assert result.assessment.verdict == "stop"
    row = next(row for row in result.assessment.structures if row.name == "canal")
    assert row.peak_temperature_c is not None
    assert row.peak_temperature_c.value > 45.0


def test_sheep_verdict_is_physics_not_a_rule_on_watts() -> None:
    """The same 30 W for one second at the same place heats nothing that matters: green."""
    module = load("sheep_posterior_wall")
    assessment = module.run(30.0, spacing_mm=2.0, workers=1, time_s=1.0, run_members=(NOMINAL,)).assessment
    assert {row.status for row in assessment.structures if row.kind != "skin"} == {"green"}


def test_cool_down_green_at_switch_off_then_stop() -> None:
    """Heat arrives after switch-off: green when the power goes off, stop minutes later, by the same limits."""
    found = load("cool_down").run(spacing_mm=2.0, workers=1)
    assert found.at_switch_off == "green"
    assert found.final == "stop"
    assert found.peak_after_s > 10.0


def test_review_of_a_series(own_key: Path, tmp_path: Path) -> None:  # noqa: F811
    """Median VAS 7, 2, 2 and 59 of 61 without progression (exact 88.65-99.60 %), as in the abstract; check is clean."""
    outcome = load("review_of_a_series").run(tmp_path)
    assert outcome.findings == 0
    medians = [row.cells[4].values["median"] for row in outcome.review.table("pain").rows[:3]]
    assert medians == [7.0, 2.0, 2.0]
    control = [cell.text for row in outcome.review.table("abstract").rows for cell in row.cells]
    assert "59/61 = 96.7 % (exact 95 % CI 88.65 to 99.60)" in control


def test_two_antennas_widen_the_zone_and_phase_moves_the_heat() -> None:
    """Same 20 W for 90 s, cells of 3 mm: two antennas 16 mm apart reach at least 7 mm farther across than one (found
    9 mm); half way between them fields in phase are hottest, against each other coldest (found 78, 68 and 64 degC),
    while the volume changes by less than 10 %: phase moves power and makes none."""
    found = load("two_antennas").run(spacing_mm=3.0)
    assert found["two"].width_mm > found["one"].width_mm + 7.0
    assert found["in phase"].middle_c > found["two"].middle_c + 5.0
    assert found["against"].middle_c < found["two"].middle_c - 2.5
    for name in ("in phase", "against"):
        assert found[name].volume_ml == pytest.approx(found["two"].volume_ml, rel=0.1)
