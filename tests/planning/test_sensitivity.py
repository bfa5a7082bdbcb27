"""The sensitivity study: the ranking of a case whose answer is known, failures, wrong input."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest

from tests.planning.conftest import ENTRY_MM, TIP_MM
from tests.planning.test_uncertainty import COARSE, case
from vertherm.core.errors import InputError
from vertherm.planning import sensitivity as study
from vertherm.planning.phantom import constant_power
from vertherm.planning.protocol import default_protocol
from vertherm.planning.sensitivity import OUTPUTS, Sensitivity, sensitivity
from vertherm.report.sensitivity import render_sensitivity

TREATMENT = constant_power(15.0, 60.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
NAMES = ("power", "derived structure offset x (to the right)")


def run(**changes: Any) -> Sensitivity:
    arguments: dict[str, Any] = {"samples": 2, "seed": 3, "names": NAMES, "workers": 1, **changes}
    return sensitivity(case(), TREATMENT, default_protocol(), COARSE, **arguments)


@cache
def found() -> Sensitivity:
    return run()


def test_power_moves_the_zone_and_a_root_label_does_not() -> None:
    """Two parameters, two trajectories, 7 runs: the zone hangs on power alone, upwards; so does the canal."""
    assert found().runs == 2 * 3 + 1
    assert not found().failed
    outputs = {row.name: row for row in found().outputs}
    assert set(outputs) == set(OUTPUTS)
    for name in ("zone volume", "short axis of the zone", "hottest canal"):
        first, second = outputs[name].effects
        assert first.parameter == "power"
        assert first.direction > 0
        assert second.effect == pytest.approx(0.0, abs=1e-6)
    assert outputs["zone volume"].smallest <= outputs["zone volume"].largest


def test_study_round_trip_and_page() -> None:
    assert Sensitivity.model_validate_json(found().model_dump_json()) == found()
    page = render_sensitivity(found())
    for text in ("RESEARCH ONLY", "SYNTHETIC", "Zone volume", "derived structure offset x", "UNVERIFIED"):
        assert text in page
    assert "<script" not in page
    assert page.count("<img ") == len(found().outputs)


def test_failed_runs_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run 4 fails, the rest answers with made-up numbers: volume = 10 x power factor."""
    calls = []

    def fake(sample: dict[str, float], _: object) -> dict[str, Any]:
        calls.append(sample)
        if len(calls) == 4:
            raise ValueError("broke")
        return {**dict.fromkeys(OUTPUTS, math.nan), "zone volume": 10.0 * sample["power"], "status": ""}

    monkeypatch.setattr(study, "measure", fake)
    result = run(samples=8)
    assert len(result.failed) == 1
    assert result.failed[0].startswith("run 3: ValueError: broke")
    assert [row.name for row in result.outputs] == ["zone volume"]
    assert result.outputs[0].lost in (1, 2)
    assert len(result.skipped) == 4


def test_sobol_of_made_up_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Volume = power alone: its first and total index are 1, within the error of 64 points."""

    def fake(sample: dict[str, float], _: object) -> dict[str, Any]:
        return {**dict.fromkeys(OUTPUTS, 1.0), "zone volume": sample["power"], "status": ""}

    monkeypatch.setattr(study, "measure", fake)
    result = run(method="sobol", samples=64)
    assert result.runs == 64 * 4 + 1
    first, second = result.outputs[0].effects
    assert first.parameter == "power"
    assert (first.effect, first.direction) == pytest.approx((1.0, 1.0), abs=0.1)
    assert second.effect == pytest.approx(0.0, abs=1e-9)


WRONG = [
    ({"method": "guess"}, "Unknown method"),
    ({"names": ("weather",)}, "Unknown parameter"),
    ({"samples": 1}, "cannot start"),
    ({"method": "sobol", "samples": 12}, "power of two"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_wrong_input_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(**changes)
