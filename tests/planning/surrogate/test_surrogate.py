"""The fast model against the coupled model of the same grid, and against itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.planning.surrogate.conftest import LONGEST_S, POWER_W, built, setup, surrogate
from vertherm.core.errors import InputError, SolverError
from vertherm.heat.coupling import run_member
from vertherm.heat.member import NOMINAL
from vertherm.heat.schedule import Activation, Schedule
from vertherm.planning.surrogate import build as building
from vertherm.planning.surrogate.dose import Dose, Pulse
from vertherm.planning.surrogate.surrogate import Surrogate
from vertherm.planning.surrogate.tasks import SampleTask, perform

NERVES = ("canal", "dural sac", "cauda equina", "root L3 right", "root L3 left")


def dose(power_w: float = 30.0, on_s: float = 90.0) -> Dose:
    return Dose((Pulse(power_w, on_s),))


def test_nodes_are_reproduced() -> None:
    """Runs that the correction comes from: met exactly at their own instants. A peak after switch-off may lie between
    the instants (ratio linear in log t there), where coolant stops as well: 0.8 K. The zone's edge moves by
    0.8 K / (3 K/mm): less than 0.5 mm with cells of 3 mm.
    """
    found = surrogate().statistics
    assert found["node_peak_error_k"] < 0.8
    assert found["node_coverage_error"] < 0.02
    assert found["node_margin_error_mm"] < 0.5


def test_unseen_dose_is_near_the_coupled_model() -> None:
    """The stated error of a dose between all nodes, and of another one against the model as the assessment runs it.

    15 to 45 W at 3 mm: boiling begins at other instants at other powers: 10 % of the rise (the ratio spans 300 %).
    """
    fast = surrogate()
    assert fast.statistics["check_peak_error_k"] < 1.5
    assert POWER_W[0] < fast.statistics["check_power_w"] < POWER_W[1]
    schedule = Schedule((Activation(power_w=20.0, duration_s=70.0),))
    true = run_member(replace(setup(), schedule=schedule, resolve_every_s=20.0, max_cooldown_s=600.0), NOMINAL)
    rows = fast.readings(dose(20.0, 70.0)).structures
    for name, found in true.structures.items():
        assert float(rows[name].peak_c[0]) - 37.0 == pytest.approx(found.peak_c - 37.0, rel=0.1, abs=0.5), name


def test_distant_structures_peak_after_switch_off() -> None:
    """The far root is hotter minutes later than at switch-off, and hotter than it ever was before."""
    at = np.array([90.0, 500.0])
    far = surrogate().curves(dose(40.0), at)["root L3 left"][0]
    assert far[1] > far[0] + 0.5
    assert float(surrogate().readings(dose(40.0)).structures["root L3 left"].peak_c[0]) >= far[1] - 1e-6


def test_readings_grow_with_power_and_time() -> None:
    rows = [surrogate().readings(dose(*d)) for d in ((15.0, 60.0), (15.0, 120.0), (40.0, 120.0))]
    for name in NERVES:
        peaks = np.array([row.structures[name].peak_c for row in rows])
        doses = np.array([row.structures[name].cem43_min for row in rows])
        assert (np.diff(peaks, axis=0) > -1e-3).all(), name
        assert (np.diff(doses, axis=0) >= 0).all(), name
    shares = np.array([row.targets["target"].coverage for row in rows])
    assert (np.diff(shares, axis=0) >= 0).all()


def test_safety_and_coverage_readings_are_ordered() -> None:
    """Safety (no cooling, net power, local factor) is hotter than nominal in nerves; coverage is less."""
    found = surrogate().readings(dose())
    for name in NERVES:
        peak = found.structures[name].peak_c
        assert peak[1] > peak[0] - 0.05, name
    target = found.targets["target"]
    assert target.coverage[1] <= target.coverage[0] + 1e-9
    assert target.margin_mm[1] <= target.margin_mm[0] + 0.1
    assert surrogate().decide_coverage(target.margin_mm) == target.margin_mm.min()


def test_pulses_without_pause_are_one() -> None:
    """Two pulses of the same power, one right after the other, are the same as one: up to the instants looked at."""
    whole, split = dose(30.0, 80.0), Dose((Pulse(30.0, 30.0), Pulse(30.0, 50.0)))
    at = np.array([20.0, 50.0, 80.0, 150.0, 400.0])
    one, two = surrogate().curves(whole, at), surrogate().curves(split, at)
    for name in (*NERVES, "thermocouple near"):
        np.testing.assert_allclose(one[name], two[name], atol=0.02)


def test_no_power_no_heat() -> None:
    found = surrogate().readings(dose(1e-6, 60.0))
    assert all(float(row.peak_c.max()) < 37.1 for row in found.structures.values())
    assert np.isnan(found.targets["target"].margin_mm).all()


def test_a_place_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="place"):
        surrogate().readings(Dose((Pulse(20.0, 30.0, place=1),)))


def test_unusable_ranges_are_refused() -> None:
    for changes in ({"power_w": (0.0, 30.0)}, {"power_w": (40.0, 30.0)}, {"longest_s": 5.0}, {"margin_mm": -1.0}):
        with pytest.raises(InputError):
            built(**changes)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "fast.npz"
    surrogate().save(path)
    again = Surrogate.load(path)
    same(surrogate(), again)
    assert (again.places, again.statistics) == (surrogate().places, surrogate().statistics)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError):
        Surrogate.load(path)
    with pytest.raises(InputError):
        Surrogate.load(tmp_path / "missing.npz")


def same(a: Surrogate, b: Surrogate) -> None:
    """Equal to the last digit: readings of all variants, and curves of structures and thermocouples."""
    for given in (dose(), Dose((Pulse(20.0, 30.0, 20.0), Pulse(35.0, 60.0)))):
        one, two = a.readings(given), b.readings(given)
        for name in a.structures:
            np.testing.assert_array_equal(one.structures[name].peak_c, two.structures[name].peak_c)
            np.testing.assert_array_equal(one.structures[name].cem43_min, two.structures[name].cem43_min)
        for name in a.targets:
            np.testing.assert_array_equal(one.targets[name].margin_mm, two.targets[name].margin_mm)
        curves = [s.curves(given, [10.0, 200.0]) for s in (a, b)]
        for name, curve in curves[0].items():
            np.testing.assert_array_equal(curve, curves[1][name])


@pytest.mark.slow
def test_workers_do_not_matter() -> None:
    same(surrogate(), built(workers=2))


def fails_once(task, shared):  # type: ignore[no-untyped-def]
    if isinstance(task, SampleTask) and task.number == 2:
        raise SolverError("exploded")
    return perform(task, shared)


@pytest.mark.slow
def test_a_failing_sample_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three samples, the second raises: two variants beside the nominal one, and the loss is said and counted."""
    monkeypatch.setattr(building, "perform", fails_once)
    found = built(samples=3, longest_s=40.0)
    assert [v.label for v in found.variants] == ["nominal", "sample 1", "sample 3"]
    assert (found.samples, found.failed) == (2, 1)
    assert "exploded" in found.notes[0]
    peaks = found.readings(dose(30.0, 30.0)).structures["canal"].peak_c
    assert np.ptp(peaks) > 0.1, "samples differ"
    chance = found.probability(np.array([False, True, False]))
    assert chance is not None
    assert (chance.events, chance.samples, chance.failed) == (1, 2, 1)


def test_anchor_meets_the_finer_run() -> None:
    """A finer field 10 % below the fast one everywhere: the nominal peaks follow; those of the others within 5 %,
    as what the coolant takes away is not scaled.
    """
    from vertherm.geometry.volume import Volume

    fast, given = surrogate(), dose()
    nominal = fast.variants[0]
    flat = np.full(int(np.prod(fast.grid.shape)), 37.0)
    from vertherm.planning.surrogate.response import moments

    for response in (nominal.safety, nominal.coverage):
        peak = response.temperature_c(given, moments(given)).max(axis=0)
        flat[response.sites.cells] = 37.0 + 0.9 * (peak - 37.0)
    scaled = fast.anchored(given, {"peak_c": Volume(flat.reshape(fast.grid.shape), fast.grid)})
    before, after = fast.readings(given), scaled.readings(given)
    for name in NERVES:
        rise, new = before.structures[name].peak_c - 37.0, after.structures[name].peak_c - 37.0
        assert new[0] == pytest.approx(0.9 * rise[0], abs=0.1), name
        np.testing.assert_allclose(new, 0.9 * rise, rtol=0.05, atol=0.1)
    assert scaled.longest_s == LONGEST_S
