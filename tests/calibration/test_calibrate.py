"""The whole way on coarse benches: truth found again, data that cannot tell are refused, files are complete."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer

from tests.calibration.test_measurements import GOOD, written
from vertherm.applicator.antenna import load_antenna
from vertherm.calibration import calibrate as module
from vertherm.calibration.bench_phantom import BenchPhantom
from vertherm.calibration.calibrate import Choice, calibrate, device, fit_model
from vertherm.calibration.device import load_calibration
from vertherm.calibration.forward import Datum, Forward, Parameters, data_of
from vertherm.calibration.identifiability import NotIdentifiable
from vertherm.calibration.measurements import Boundary, Condition
from vertherm.calibration.measurements_read import load_measurements
from vertherm.cli.calibrate import calibrate as command
from vertherm.core.errors import InputError

EDGE = Boundary.parse("isotherm 54", "test")


def bench() -> BenchPhantom:
    return BenchPhantom(load_antenna("coaxial_slot"), 2.45e9, spacing_mm=4.0, resolve_every_s=60.0, reach_mm=28.0)


def condition(power_w: float) -> Condition:
    return Condition("liver", 20.0, False, power_w, "forward")


def test_the_truth_is_found_again() -> None:
    """Efficiency 0.6 and a sigmoid 8 K lower, zones and a thermocouple, noise of 0.5 mm and 1 K (seeded): both
    estimates within 2 of their own standard errors, and these are small against the ranges (1.4 and 50 K)."""
    data = [
        Datum("z", axis, condition(70.0), t, EDGE, None, None, 0.0, 0.5, "mm")
        for t in (60.0, 240.0)
        for axis in ("short axis", "long axis")
    ]
    data += [
        Datum("t", "temperature", condition(70.0), 240.0, None, (8.0, 6.5), t, 0.0, 1.0, "degC")
        for t in (60.0, 120.0, 240.0)
    ]
    truth = Forward(bench(), tuple(data))([Parameters("sigmoid", 0.6, -8.0)])[0]
    noise = np.random.default_rng(11).normal(0, 1, len(data))
    noisy = tuple(replace(d, measured=float(v + d.error * e)) for d, v, e in zip(data, truth, noise, strict=True))
    forward = Forward(bench(), noisy)
    fit = fit_model(forward, "sigmoid", "efficiency+drying")
    assert (np.abs(fit.values - [0.6, -8.0]) < 2.0 * fit.sd).all(), (fit.values, fit.sd)
    assert fit.sd[0] < 0.05
    assert fit.sd[1] < 5.0
    assert forward.made <= 20, "few forward runs"


def test_tissue_that_never_boils_cannot_tell_the_floor() -> None:
    """10 W for a minute: nothing dries, so no temperature depends on the floor; it is named, the efficiency is not."""
    data = tuple(
        Datum("t", "temperature", condition(10.0), 60.0, None, (6.0, 6.5), t, 25.0 + t / 10, 0.3, "degC")
        for t in (20.0, 40.0, 60.0)
    )
    with pytest.raises(NotIdentifiable) as caught:
        fit_model(Forward(bench(), data), "water", "efficiency+drying")
    assert caught.value.parameters == ("floor",)
    assert "boil" in str(caught.value)
    assert caught.value.exit_code == 2


def test_zones_of_one_condition_cannot_tell_drying(tmp_path: Path) -> None:
    """One power, one time, both axes: refused before any run, both drying parameters named, advice given."""
    text = GOOD[: GOOD.index("[[thermocouples]]")]
    found = load_measurements(written(tmp_path, text))
    with pytest.raises(NotIdentifiable, match="one power and one time") as caught:
        calibrate(*device("coaxial_slot"), found)
    assert caught.value.parameters == ("floor", "shift_k")
    assert "two or more powers or times" in str(caught.value)


def toy(monkeypatch: pytest.MonkeyPatch, floor_matters: bool = True) -> None:
    """Replace heat by a formula: lengths and temperatures that grow with efficiency and time, less with drying."""

    def simulated(task: object) -> np.ndarray:
        run, p = task.run, task.parameters  # type: ignore[attr-defined]
        value = 0.0 if p.value is None else p.value
        dry = (40.0 * value if p.drying == "water" else 0.05 * value) * floor_matters
        return np.array([
            20.0 + p.efficiency * 0.1 * d.condition.power_w * (d.at_s if d.at_s is not None else d.on_s) ** 0.5 / 2
            + dry * (d.on_s / 300.0 if d.at_s is None else d.at_s / 300.0)
            for _, d in run.data
        ])  # fmt: skip

    monkeypatch.setattr("vertherm.calibration.forward.simulate", simulated)


def measured(folder: Path, *, noise_mm: float = 0.0, efficiency: float = 0.7, floor: float = 0.2) -> Path:
    """A CSV of zones that the toy model makes."""
    lines = ["medium,start_c,perfused,power_kind,power_w,time_s,boundary,short_mm,sd_mm"]
    for n, (power, t) in enumerate((p, t) for p in (20.0, 30.0, 40.0) for t in (60.0, 150.0, 300.0)):
        length = 20.0 + efficiency * 0.1 * power * t**0.5 / 2 + 40.0 * floor * t / 300.0 + noise_mm * (-1) ** n
        lines.append(f"liver,20,false,set,{power:g},{t:g},isotherm 54,{length:.4f},1.0")
    path = folder / "zones.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_the_better_drying_model_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy(monkeypatch)
    found = calibrate(*device("coaxial_slot", "cooled"), load_measurements(measured(tmp_path)))
    assert found.drying == "water"
    assert found.efficiency.value == pytest.approx(0.7, abs=1e-3)
    assert found.drying_parameter.value == pytest.approx(0.2, abs=1e-3)
    assert found.origin.models["water"] < found.origin.models["sigmoid"]
    assert found.origin.inputs.keys() == {"zones.csv"}
    assert found.origin.power_w == (20.0, 40.0)
    assert found.origin.time_s == (60.0, 300.0)
    assert (found.origin.n, found.origin.degrees_of_freedom) == (9, 7)
    assert found.correlation is not None
    assert not any("lack of fit" in text for text in found.origin.warnings)
    assert found.cooling == "cooled"


def test_a_model_that_does_not_fit_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Residuals of 4 mm against a stated 1 mm: chi2 near 144 for 7: lack of fit, and wider intervals."""
    toy(monkeypatch)
    good = calibrate(*device("coaxial_slot"), load_measurements(measured(tmp_path)), Choice(drying="water"))
    found = calibrate(
        *device("coaxial_slot"), load_measurements(measured(tmp_path, noise_mm=4.0)), Choice(drying="water")
    )
    assert any("lack of fit" in text for text in found.origin.warnings)
    assert found.origin.chi2 > 100
    assert (found.efficiency.sd or 0) > 3 * (good.efficiency.sd or 1)


def test_held_drying_is_a_marked_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy(monkeypatch)
    choice = Choice("efficiency", "water")
    found = calibrate(*device("coaxial_slot"), load_measurements(measured(tmp_path)), choice)
    assert not found.drying_parameter.fitted
    assert found.drying_parameter.certainty == "guess"
    assert found.correlation is None
    assert any("held" in text for text in found.origin.warnings)


def test_a_curve_counts_less_than_its_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two axes and a curve of five points: 7 numbers compared, worth 2 + 4, one parameter: 5 degrees of freedom."""
    toy(monkeypatch)
    found = calibrate(*device("coaxial_slot"), load_measurements(written(tmp_path)), Choice("efficiency", "water"))
    assert found.origin.n == 7
    assert found.origin.degrees_of_freedom == pytest.approx(5.0)
    assert found.origin.rms_k is not None


def test_data_blind_to_drying_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy(monkeypatch, floor_matters=False)
    with pytest.raises(NotIdentifiable) as caught:
        calibrate(*device("coaxial_slot"), load_measurements(measured(tmp_path)))
    assert caught.value.parameters == ("floor", "shift_k")


@pytest.mark.parametrize(("r_mm", "z_mm"), [(0.5, 6.5), (8.0, 58.0)])
def test_a_thermocouple_in_the_antenna_or_outside_the_block_is_refused(
    tmp_path: Path, r_mm: float, z_mm: float
) -> None:
    """The slot antenna's radius is 0.895 mm, the block ends 49 mm above its tip."""
    text = GOOD.replace("r_mm = 8.0", f"r_mm = {r_mm}").replace("z_mm = 6.5", f"z_mm = {z_mm}")
    with pytest.raises(InputError, match="does not lie in the tissue") as caught:
        calibrate(*device("coaxial_slot"), load_measurements(written(tmp_path, text)))
    assert "thermocouple 1" in str(caught.value)


def test_unknown_devices_and_choices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Unknown device"):
        device("wonder")
    with pytest.raises(InputError, match="Unknown cooling"):
        device("coaxial_slot", "iced")
    with pytest.raises(InputError, match="not catalogued"):
        device("tosoratti_mini_choke", None, 915e6)
    (tmp_path / "own.toml").write_text("[broken", "utf-8")
    with pytest.raises(InputError, match="no TOML"):
        device(str(tmp_path / "own.toml"))
    for bad in ({"fit": "all"}, {"drying": "none"}, {"spacing_mm": 9.0}):
        with pytest.raises(InputError):
            Choice(**bad)


def test_an_antennas_own_file_is_a_device(tmp_path: Path) -> None:
    text = (Path(module.__file__).parents[1] / "applicator" / "data" / "coaxial_slot.toml").read_text("utf-8")
    (tmp_path / "own.toml").write_text(text.replace('name = "coaxial_slot"', 'name = "own"', 1), "utf-8")
    antenna, frequency = device(str(tmp_path / "own.toml"), "cooled", 915e6)
    assert (antenna.name, antenna.cooled, frequency) == ("own", True, 915e6)


def test_curve_points_are_thinned_and_share_their_weight(tmp_path: Path) -> None:
    """100 points: 12 compared, together worth 4, so each error is sd * sqrt(12 / 4). A zone's error: 1 mm of the mean
    of 4 and 0.5 mm of the simulated bench, in quadrature."""
    curve = "time_s,temperature_c\n" + "\n".join(f"{t},{20 + t / 10}" for t in range(100)) + "\n"
    found = data_of(load_measurements(written(tmp_path, curve=curve)))
    points = [d for d in found if d.quantity == "temperature"]
    assert len(points) == 12
    assert points[0].at_s == 0.0
    assert points[-1].at_s == 99.0
    assert points[0].error == pytest.approx(3.0**0.5)
    assert sum(d.counts for d in points) == pytest.approx(4.0)
    zone = next(d for d in found if d.quantity == "short axis")
    assert (zone.counts, zone.error) == (1.0, pytest.approx((1.0 + 0.5**2) ** 0.5))


# ---- the command ----------------------------------------------------------------------------------------------------
def run_command(*arguments: object) -> int:
    app = typer.Typer()
    app.command()(command)
    return app([str(a) for a in arguments], standalone_mode=False)


def test_command_writes_device_and_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy(monkeypatch)
    out = tmp_path / "out" / "device.toml"
    assert run_command("coaxial_slot", measured(tmp_path), "-o", out, "--json", "--workers", 1) == 0
    document = json.loads(capsys.readouterr().out)
    found = load_calibration(out)
    assert document["efficiency"]["value"] == found.efficiency.value
    assert sorted(p.name for p in out.parent.iterdir()) == ["device.png", "device.toml"]
    assert run_command("coaxial_slot", measured(tmp_path), "-o", out, "--workers", 1) == 0
    text = capsys.readouterr().out
    for words in ("Efficiency (of set power): 0.7", "Correlation", "20-40 W", "short axis; 20; 60"):
        assert words in text


def test_a_refused_command_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy(monkeypatch, floor_matters=False)
    out = tmp_path / "out" / "device.toml"
    with pytest.raises(NotIdentifiable):
        run_command("coaxial_slot", measured(tmp_path), "-o", out, "--workers", 1)
    with pytest.raises(InputError, match="TOML"):
        run_command("coaxial_slot", measured(tmp_path), "-o", tmp_path / "device.png", "--workers", 1)
    assert not out.parent.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["zones.csv"]
