"""Several antennas in one treatment: what the case file says, and the checks before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vertherm.applicator.antenna import load_antenna
from vertherm.calibration.device import DeviceCalibration, Fitted, Origin
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.heat.schedule import Activation, Schedule
from vertherm.materials.drying import DryingAdjustment
from vertherm.planning.case import Numerics, load_case
from vertherm.planning.checks import check_case, check_needles, clearance_mm, proximity_notes
from vertherm.planning.objects import Case, PlacedAntenna, Treatment
from vertherm.planning.phantom import phantom_case
from vertherm.planning.prepare import treatment_of
from vertherm.planning.protocol import default_protocol
from vertherm.planning.setup import crop_grid, distances_mm, drying_adjustment, make_setup, skin_crossing

Point = tuple[float, float, float]
CASE = """
[images]
ct = "ct.nii.gz"
[[targets]]
level = "L3"
level_confirmed = true
kind = "lytic"
mask = "lesion.nii.gz"
[[applicators]]
name = "left"
model = "monopole_915"
entry = [-30, -80, 0]
tip = [-8, 9, 0]
frame = "RAS"
frequency_mhz = 915
[[applicators]]
model = "monopole_915"
entry = [-30, 80, 0]
tip = [-8, -9, 0]
frame = "LPS"
frequency_mhz = 915
phase_deg = 90
[schedule]
power_kind = "forward"
coherent = true
[[schedule.activations]]
power_w = [10.0, 12]
time_s = 60
[[schedule.activations]]
applicators = ["antenna 2"]
set_temperature_c = 80
sensor = [-10, -9, 0]
max_power_w = 30
time_s = 30
"""


def _case(tmp_path: Path, old: str = "", new: str = "") -> Treatment:
    assert old in CASE
    path = tmp_path / "case.toml"
    path.write_text(CASE.replace(old, new, 1) if old else CASE)
    return treatment_of(load_case(path))


def placed(name: str, tip: Point, entry: Point, model: str = "tosoratti_mini_choke") -> PlacedAntenna:
    return PlacedAntenna(name, load_antenna(model), 2.45e9, Trajectory(np.array(entry), np.array(tip)))


def treatment(
    *antennas: PlacedAntenna, activations: tuple[Activation, ...] = (Activation(1.0, power_w=1.0),)
) -> Treatment:
    return Treatment(antennas, Schedule(activations), "forward")


# ---- the case file --------------------------------------------------------------------------------------------------
def test_case_file_with_two_antennas(tmp_path: Path) -> None:
    """Names are given or made; each entry has its own frame; powers one each; the sensor is in its antenna's frame."""
    found = _case(tmp_path)
    assert [p.name for p in found.applicators] == ["left", "antenna 2"]
    assert [p.phase_deg for p in found.applicators] == [0.0, 90.0]
    np.testing.assert_allclose(found.applicators[1].trajectory.tip_mm, [8.0, 9.0, 0.0])
    assert found.coherent
    both, last = found.schedule.activations
    assert both.powers_w(2) == (10.0, 12.0)
    assert last.emitters == ("antenna 2",)
    assert last.sensor_mm == (10.0, 9.0, 0.0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('applicators = ["antenna 2"]', 'applicators = ["middle"]', "does not exist"),
        ("power_w = [10.0, 12]", "power_w = [10.0, 12, 14]", "do not fit"),
        ("power_w = [10.0, 12]", "power_w = [10.0, -12]", "power_w"),
        ('name = "left"', 'name = "antenna 2"', "same name"),
        ('model = "monopole_915"', 'model = "ji_brace_monopole"\nphase_deg = 400', "phase_deg"),
        ('name = "left"', 'name = "left"\ncalibration = "none.toml"', "calibration"),
        ('applicators = ["antenna 2"]', 'applicators = ["antenna 2", "antenna 2"]', "twice"),
    ],
)
def test_wrong_entries_are_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        _case(tmp_path, old, new)


def test_two_frequencies_cannot_be_in_phase(tmp_path: Path) -> None:
    mixed = CASE.replace('model = "monopole_915"', 'model = "ji_brace_monopole"').replace("= 915", "= 2450", 1)
    path = tmp_path / "case.toml"
    path.write_text(mixed)
    with pytest.raises(InputError, match="two frequencies"):
        treatment_of(load_case(path))
    path.write_text(mixed.replace("coherent = true", ""))
    assert not treatment_of(load_case(path)).coherent


# ---- needles that meet ----------------------------------------------------------------------------------------------
def needle(tip: Point, towards: Point) -> Trajectory:
    return Trajectory(np.array(tip) + 100.0 * np.array(towards) / np.linalg.norm(towards), np.array(tip))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (needle((0, 0, 0), (0, 0, 1)), needle((7, 0, 0), (0, 0, 1)), 7.0),
        (needle((0, 0, 0), (0, 0, 1)), needle((0, 0, 0), (0, 0, 1)), 0.0),
        (needle((0, 0, 0), (0, 0, 1)), needle((-50, 3, 20), (1, 0, 0)), 3.0),
        (needle((0, 0, 0), (0, 0, 1)), needle((0, 0, -8), (0, 0, -1)), 8.0),
        (needle((0, 0, 0), (0, 0, 1)), needle((3, 4, -12), (1, 0, 0)), 13.0),
        (needle((0, 0, 0), (0, 0, 1)), needle((6, 0, 0), (-1, 0, 1)), 0.0),
        (needle((0, 0, 0), (0, 0, 1)), needle((40, 0, 0), (-40, 0, 200)), 40.0 - 150.0 * 40.0 / np.hypot(40.0, 200.0)),
    ],
)
def test_clearance_of_axes(one: Trajectory, other: Trajectory, expected: float) -> None:
    """Closed forms: parallel, the same, skew at right angles, tips facing, tip to tip, crossing, and
    needles that would cross 200 mm up, beyond their 150 mm (1e-9 mm)."""
    assert clearance_mm(one, other) == pytest.approx(expected, abs=1e-9)
    assert clearance_mm(other, one) == pytest.approx(expected, abs=1e-9)


def test_clearance_is_the_smallest_distance_of_points() -> None:
    """Against points every 1 mm of 300 random pairs: never more than theirs, less by at most their raster."""
    rng = np.random.default_rng(3)
    along = np.arange(0.0, 151.0, 1.0)
    for _ in range(300):
        one, other = (needle(tuple(rng.uniform(-60, 60, 3)), tuple(rng.normal(size=3))) for _ in range(2))
        points = np.linalg.norm(one.point_mm(along)[:, None] - other.point_mm(along), axis=2).min()
        assert points - 1.0 < clearance_mm(one, other) <= points + 1e-9


def test_needles_that_touch_are_refused_only_where_both_are_in_place() -> None:
    one = placed("a", (0, 9, 0), (70, 9, 0))
    same, crossing = placed("b", (0, 9, 0), (70, 9, 0)), placed("b", (20, 9, -20), (20, 9, 80))
    for other in (same, crossing):
        with pytest.raises(InputError, match="touch or cross"):
            check_needles(treatment(one, other))
        turns = tuple(Activation(1.0, power_w=1.0, emitters=(name,)) for name in ("a", "b"))
        check_needles(treatment(one, other, activations=turns))
    clear = one.antenna.shaft_radius_mm * 2
    check_needles(treatment(one, placed("b", (0, 9, clear + 0.1), (70, 9, clear + 0.1))))
    with pytest.raises(InputError, match="touch or cross"):
        check_needles(treatment(one, placed("b", (0, 9, clear - 0.1), (70, 9, clear - 0.1))))


# ---- every antenna counts -------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def case() -> Case:
    return phantom_case(spacing_mm=2.0)


FAR = placed("far", (-4.0, 9.0, 0.0), (70.0, 9.0, 0.0))
NEAR = placed("near", (-6.0, -12.0, 12.0), (60.0, -12.0, 12.0))


def test_the_nearest_antenna_decides(case: Case) -> None:
    assert proximity_notes(treatment(FAR), case.anatomy) == []
    assert any("not protection" in note for note in proximity_notes(treatment(FAR, NEAR), case.anatomy))
    far, near, both = (
        distances_mm(case.anatomy, [p.trajectory for p in antennas]) for antennas in ((FAR,), (NEAR,), (FAR, NEAR))
    )
    assert both == {name: min(far[name], near[name]) for name in far}
    assert near["canal"] < far["canal"]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (placed("b", (-4.0, 300.0, 20.0), (70.0, 9.0, 20.0)), r"tip lies outside the image"),
        (placed("b", (0.0, 0.0, 0.0), (0.0, -80.0, 0.0)), r"spinal canal"),
    ],
)
def test_a_bad_second_antenna_is_named(case: Case, second: PlacedAntenna, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        check_case(case, treatment(FAR, second))
    assert "applicators[2]" in str(caught.value)


def test_reconstruction_lists_what_every_needle_pierces(case: Case) -> None:
    through = placed("b", (0.0, 0.0, 0.0), (0.0, -80.0, 0.0))
    _, pierced = check_case(case, replace(treatment(FAR, through), reconstruction=True))
    assert "canal" in pierced
    assert len(set(pierced)) == len(pierced)


def test_grid_holds_every_antenna_and_its_way_out(case: Case) -> None:
    """All tips with the reach around the radiating part, and every point where a shaft leaves the skin."""
    numerics = Numerics(spacing_mm=2.0, reach_mm=30.0)
    high, low = (placed(f"at {z}", (5.0, 8.0, z), (25.0, -60.0, z)) for z in (0.0, -25.0))
    needles = [high.trajectory, low.trajectory]
    grid = crop_grid(case.anatomy, needles, numerics)
    for one in needles:
        assert grid.contains(one.point_mm(9.0) + 29.0 * np.vstack([np.eye(3), -np.eye(3)])).all()
        crossing = skin_crossing(case.anatomy, one)
        assert crossing is not None
        assert grid.contains(crossing)


# ---- calibrated devices ---------------------------------------------------------------------------------------------
def calibration(model: str, *, efficiency: float = 0.8, floor: float = 0.3, kind: str = "forward") -> DeviceCalibration:
    """A made-up calibration of the water model, 20-40 W for 60-600 s."""
    antenna = load_antenna(model)
    origin = Origin(
        measurements="bench.csv",
        inputs={},
        synthetic=True,
        media=("liver",),
        boundaries=("visible",),
        power_kind=kind,
        power_reading="forward",
        power_w=(20.0, 40.0),
        time_s=(60.0, 600.0),
        n=12,
        degrees_of_freedom=10,
        chi2=9.0,
        rms_mm=0.5,
        rms_k=None,
        spacing_mm=2.0,
        models={"water": 9.0},
        assumptions=(),
        warnings=(),
        created_utc="",
        versions={},
    )
    fitted = Fitted(efficiency, "1", 0.05, efficiency - 0.1, efficiency + 0.1, "D")
    dry = Fitted(floor, "1", 0.02, floor - 0.04, floor + 0.04, "D")
    return DeviceCalibration(antenna.name, antenna.key, antenna.cooling.name, 2.45e9, "water", fitted, dry, 0.1, origin)


def test_calibration_reaches_the_emitter_the_tissue_and_the_reader(case: Case) -> None:
    """Efficiency goes to its own antenna, the drying floor to the tissue, range and origin to the notes."""
    given = calibration("tosoratti_mini_choke", kind="set")
    antennas = (replace(FAR, calibration=given), placed("plain", (-4.0, 9.0, 20.0), (70.0, 9.0, 20.0)))
    planned = treatment(*antennas, activations=(Activation(30.0, power_w=(50.0, 5.0)),))
    setup = make_setup(case, planned, default_protocol(), Numerics(spacing_mm=3.0))
    assert [e.efficiency for e in setup.emitters] == [0.8, 1.0]
    assert setup.drying == DryingAdjustment(floor=0.3)
    notes, _ = check_case(case, planned)
    told = "\n".join(note for note in notes if note.startswith("far"))
    for words in ("made-up measurements", "calibrated with set power", "power 50 W is outside", "30 s is outside"):
        assert words in told
    assert antennas[0].calibration_words == (
        "efficiency 0.8 ± 0.05; water drying, floor 0.3; 12 numbers of bench.csv; made-up measurements"
    )
    assert antennas[1].calibration_words == ""


def test_calibrations_that_contradict_each_other_are_refused() -> None:
    one = replace(FAR, calibration=calibration("tosoratti_mini_choke"))
    other = replace(NEAR, calibration=calibration("tosoratti_mini_choke", floor=0.5))
    with pytest.raises(InputError, match="disagree about how tissue dries"):
        drying_adjustment(treatment(one, other))
    same = replace(NEAR, calibration=calibration("tosoratti_mini_choke", efficiency=0.9))
    assert drying_adjustment(treatment(one, same)).floor == 0.3


def test_calibration_of_another_device_is_refused(tmp_path: Path) -> None:
    calibration("tosoratti_mini_choke").write(tmp_path / "device.toml")
    with pytest.raises(InputError, match="another device"):
        _case(tmp_path, 'name = "left"', 'name = "left"\ncalibration = "device.toml"')
