"""Watching a treatment.

Model: T_j(t) = 37 + s (1 + e_j) dT_vj(t) + noise; the closed-form surrogate of ``fake_surrogate`` makes the readings.

- readings of variant v times a true factor 1.3: the estimate's 95 % interval holds 1.3, the median lies within 15 %
  (one thermocouple 8-12 mm from the antenna does not know better: its place alone is worth 20 %);
- whatever the true factor, following the advice keeps the true peak (after-heat included) under the stop limit;
- before the readings support it nothing is more optimistic than the worst variant.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.planning.fake_surrogate import FakeSurrogate, Point
from tests.planning.planned_phantom import (
    CANAL,
    POWER_W,
    ROOT,
    SENSOR,
    TIME_S,
    limit_row,
    phantom,
    plan_document,
    state,
    surrogate,
    treatment,
)  # fmt: skip
from vertherm.core.errors import InputError
from vertherm.planning.monitor.advice import Advice
from vertherm.planning.monitor.delivered import planned, rises, until
from vertherm.planning.monitor.monitor import monitor
from vertherm.planning.monitor.plan_scale import cem43_min
from vertherm.planning.monitor.thermocouple_log import PowerRecord, ThermocoupleLog
from vertherm.planning.monitor.update import Evidence, fit
from vertherm.planning.state.state import State

_phantom = cache(phantom)


def watched(model: FakeSurrogate | None = None, **changes: Any) -> State:
    return state(_phantom(), model or surrogate(), **changes)


def readings(
    found: State, now_s: float, *, scale: float = 1.0, variant: int = 0, noise_k: float = 0.2, seed: int = 1
) -> ThermocoupleLog:
    """One reading every 5 s of the true patient: a variant's curve times ``scale``."""
    times = np.arange(0.0, now_s + 1e-9, 5.0)
    model = found.surrogates["target"]
    rise = rises(model, until(planned(found.treatment), now_s), times)[f"thermocouple {SENSOR}"][variant]
    noise = np.random.default_rng(seed).normal(0.0, noise_k, times.size)
    return ThermocoupleLog({SENSOR: times}, {SENSOR: 37.0 + scale * rise + noise}, "readings.csv")


def row(advice: Advice, name: str) -> Any:
    return next(item for item in advice.structures if item.name == name)


def true_peak(found: State, off_s: float, name: str, scale: float, variant: int = 0) -> float:
    times = np.arange(0.0, off_s + 1200.0, 2.0)
    timeline = until(planned(found.treatment), off_s)
    return 37.0 + scale * float(rises(found.surrogates["target"], timeline, times)[name][variant].max())


def true_dose(found: State, off_s: float, name: str, scale: float, variant: int = 0) -> float:
    """CEM43 in min of the true patient until all has cooled."""
    times = np.arange(0.0, off_s + 1200.0, 2.0)
    timeline = until(planned(found.treatment), off_s)
    return cem43_min(times, 37.0 + scale * rises(found.surrogates["target"], timeline, times)[name][variant])


def test_readings_as_predicted_go_on() -> None:
    found = watched()
    advice = monitor(found, readings(found, 120.0))
    assert advice.action == "continue"
    assert advice.scale.low < 1.0 < advice.scale.high
    assert advice.time_left_s is None


@pytest.mark.parametrize("scale", [0.75, 1.0, 1.3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_known_scale_is_found(scale: float, seed: int) -> None:
    found = watched(surrogate(factors=(1.0,)))
    advice = monitor(found, readings(found, 150.0, scale=scale, seed=seed))
    assert advice.scale.low <= scale <= advice.scale.high
    assert advice.scale.value == pytest.approx(scale, rel=0.15)
    assert advice.scale.explained


def test_the_variant_that_made_the_readings_weighs_most() -> None:
    """Two shapes: the same curve but another time constant; amplitude cannot tell them apart, the shape does."""
    times = np.linspace(5.0, 200.0, 40)
    slow, fast = 20.0 * (1.0 - np.exp(-times / 150.0)), 20.0 * (1.0 - np.exp(-times / 20.0))
    evidence = Evidence("a", fast * 1.1, np.stack([slow, fast]), 10.0)
    assert fit([evidence], 2).weights[1] > 0.9


def test_one_thermocouple_knows_no_better_than_its_place() -> None:
    """Closed form for small deviations, all Gaussian: amplitude 1.2 at r = 10 mm.

    tau = 1 mm (1 / 10 + 1 / 10) = 0.2; delta: error of the fitted amplitude; prior 0.3.
    log s = log 1.2 * 0.09 / (0.09 + tau^2 + delta^2), variance 1 / (1 / 0.09 + 1 / (tau^2 + delta^2)); 15 %, because
    the factor acts on s and not on its logarithm.
    """
    times = np.linspace(5.0, 200.0, 40)
    rise = 20.0 * (1.0 - np.exp(-times / 60.0))
    item = Evidence("a", 1.2 * rise, rise[None], 10.0)
    found = fit([item], 1)
    delta2 = (item.sd_k**2 * times.size / 4.0) / (rise @ rise)
    of_place = 0.2**2 + delta2
    assert np.log(found.scale) == pytest.approx(np.log(1.2) * 0.09 / (0.09 + of_place), rel=0.15)
    sd = np.log(found.high / found.low) / (2 * 1.96)
    assert sd == pytest.approx((1 / 0.09 + 1 / of_place) ** -0.5, rel=0.15)


@pytest.mark.parametrize("scale", [1.5, 1.8, 2.2])
@pytest.mark.parametrize("variant", [0, 2])
def test_advice_followed_keeps_the_true_peak_under_stop(scale: float, variant: int) -> None:
    """Monitor every 10 s from 20 s on; end power when told, lower it never. True peak <= 45 degC and dose < 10 min."""
    found = watched(surrogate(root_k_per_w=0.22))
    assert true_peak(found, TIME_S, ROOT, scale, variant) > 45.0, "the plan itself would break the limit"
    off = TIME_S
    for now in np.arange(20.0, TIME_S, 10.0):
        advice = monitor(found, readings(found, float(now), scale=scale, variant=variant))
        if advice.action == "stop now" or (advice.switch_off_s is not None and advice.switch_off_s < now + 10.0):
            off = float(now) if advice.switch_off_s is None else max(float(now), advice.switch_off_s)
            break
    assert off < TIME_S
    assert true_peak(found, off, ROOT, scale, variant) < 45.0
    assert true_dose(found, off, ROOT, scale, variant) < 10.0
    assert off > 45.0, "stopping at once would be safe and useless"


def test_time_left_counts_the_heat_that_still_arrives() -> None:
    """At the stated switch-off the peak lies under the limit, yet it still rises by more than 0.3 K."""
    late = {ROOT: Point(0.6, 150.0, 110.0), SENSOR: Point(0.5, 120.0, 20.0)}
    found = watched(FakeSurrogate(late, (1.0,), thermocouples=(SENSOR,)))
    advice = monitor(found, readings(found, 60.0))
    assert advice.action in ("lower power", "stop early")
    assert row(advice, ROOT).if_stopped_c > row(advice, ROOT).now_c + 0.3
    assert advice.switch_off_s is not None
    at_end = true_peak(found, advice.switch_off_s, ROOT, 1.0)
    times = np.array([0.0, advice.switch_off_s])
    then = 37.0 + float(rises(found.surrogates["target"], planned(found.treatment), times)[ROOT][0, -1])
    assert then + 0.3 < at_end < 45.0
    assert true_dose(found, advice.switch_off_s, ROOT, 1.0) < 10.0


def test_nothing_is_more_optimistic_than_the_worst_variant_until_supported() -> None:
    """Ten seconds of cold readings say nothing: the decided peak is the plan's worst variant (factor 1.2), not less."""
    found = watched()
    advice = monitor(found, readings(found, 15.0, scale=0.5))
    assert not advice.scale.supported
    worst = true_peak(found, TIME_S, ROOT, 1.0, 2)
    assert row(advice, ROOT).if_continued_c >= worst - 1e-6


def test_supported_readings_bring_the_structure_down() -> None:
    """Readings 0.7 times the prediction for 3 min, 8 mm from the root: its deciding peak falls below the worst."""
    found = watched()
    advice = monitor(found, readings(found, 180.0, scale=0.7))
    assert advice.scale.supported
    assert row(advice, ROOT).informed_by == [SENSOR]
    assert row(advice, ROOT).if_continued_c < true_peak(found, TIME_S, ROOT, 1.0, 2) - 0.3
    assert row(advice, ROOT).if_continued_c >= true_peak(found, TIME_S, ROOT, 0.7) - 0.05


def test_a_structure_without_a_thermocouple_keeps_its_worst_variant() -> None:
    """The sensor 60 mm away informs nothing: cold readings lower no structure, and the advice says so."""
    case = _phantom()
    found = watched(given=treatment(case, sensor_mm=(70.0, 10.0, 0.0)))
    advice = monitor(found, readings(found, 180.0, scale=0.6, noise_k=0.0))
    assert row(advice, CANAL).informed_by == []
    assert row(advice, CANAL).if_continued_c == pytest.approx(true_peak(found, TIME_S, CANAL, 1.0, 2), abs=0.1)
    assert any("No thermocouple informs" in note and CANAL in note for note in advice.notes)


def test_readings_that_fit_nothing_are_called_out() -> None:
    """A sensor that falls while all predictions rise."""
    found = watched()
    times = np.arange(0.0, 121.0, 5.0)
    log = ThermocoupleLog({SENSOR: times}, {SENSOR: 37.0 + 12.0 * np.exp(-times / 40.0) * (times > 0)}, "r.csv")
    advice = monitor(found, log)
    assert advice.action == "stop now"
    assert "do not fit the prediction" in advice.words
    assert not advice.scale.explained


def test_a_thermocouple_at_the_structure_over_its_limit_stops() -> None:
    case = _phantom()
    root = case.anatomy.structure(ROOT).mask
    points = root.grid.world(np.argwhere(root.data))
    place = points[np.argmax(points[:, 0])]
    found = watched(given=treatment(case, sensor_mm=tuple(place)))
    advice = monitor(found, readings(found, 250.0, scale=1.0))
    assert advice.action == "stop now"
    assert SENSOR in advice.words
    assert ROOT in advice.words


def test_plan_of_the_full_model_scales_the_surrogate() -> None:
    """The plan's full model has 41.0 degC where the worst variant reads more: without readings' support it is 41.0."""
    plan = plan_document(limits=[limit_row(ROOT, 41.0)])
    found = watched(plan=plan)
    advice = monitor(found, readings(found, 15.0, noise_k=0.0))
    assert row(advice, ROOT).if_continued_c == pytest.approx(37.0 + 4.0 * max(advice.scale.value, 1.0), abs=0.1)


def test_a_log_of_half_the_power_halves_the_prediction() -> None:
    """Rises are linear in power: predicted curve at the thermocouple half as high, factor still 1."""
    found = watched()
    full = monitor(found, readings(found, 120.0))
    half = readings(found, 120.0, scale=0.5)
    power = PowerRecord(np.array([0.0]), np.array([0.5 * POWER_W]), ("",), "power.csv")
    advice = monitor(found, half, power=power)
    rise = full.sensors[0].predicted_c - 37.0
    assert advice.sensors[0].predicted_c - 37.0 == pytest.approx(0.5 * rise, abs=0.1)
    assert advice.scale.value == pytest.approx(1.0, rel=0.15)
    assert advice.delivered_kj == pytest.approx(0.5 * POWER_W * 120.0 / 1000.0)


def test_a_dose_beyond_the_fast_model_is_said() -> None:
    """Made for up to 200 s at one place; 300 s are planned."""
    found = watched(surrogate(longest_s=200.0))
    assert any("200 s at one place" in note for note in monitor(found, readings(found, 60.0)).notes)
    inside = watched()
    assert not any("at one place" in note for note in monitor(inside, readings(inside, 60.0)).notes)


def test_after_the_end_it_only_watches() -> None:
    found = watched()
    advice = monitor(found, readings(found, TIME_S + 30.0))
    assert advice.action == "finished"


def test_wrong_input() -> None:
    found = watched()
    log = readings(found, 60.0)
    with pytest.raises(InputError, match="does not have"):
        monitor(found, ThermocoupleLog({"tc9": log.time_s[SENSOR]}, {"tc9": log.temperature_c[SENSOR]}))
    with pytest.raises(InputError, match="not begun"):
        monitor(found, log, -5.0)
    warm = {SENSOR: log.temperature_c[SENSOR] * 1.8 + 32.0}
    with pytest.raises(InputError, match="near body temperature"):
        monitor(found, ThermocoupleLog(log.time_s, warm))
