"""The device file: written and read back, tied to its device, never silently out of range."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from vertherm.applicator.antenna import load_antenna
from vertherm.calibration.device import DeviceCalibration, Fitted, Origin, Residual, load_calibration
from vertherm.calibration.toml_text import toml_text
from vertherm.core.errors import InputError

SLOT = load_antenna("coaxial_slot", "cooled")


def made() -> DeviceCalibration:
    origin = Origin(
        measurements='bench "7".toml',
        inputs={'bench "7".toml': "ab" * 32},
        synthetic=True,
        media=("liver, start 20 °C, not perfused",),
        boundaries=("isotherm 54",),
        power_kind="set",
        power_reading="forward",
        power_w=(30.0, 60.0),
        time_s=(180.0, 600.0),
        n=8,
        degrees_of_freedom=6,
        chi2=5.25,
        rms_mm=1.5,
        rms_k=None,
        spacing_mm=2.0,
        models={"water": 5.25, "sigmoid": 44.0},
        assumptions=(),
        warnings=("a\nwarning with \\ and \t",),
        created_utc="2026-01-01T00:00:00+00:00",
        versions={"vertherm": "0.1.0", "scikit-fem": "11"},
    )
    return DeviceCalibration(
        "coaxial_slot", SLOT.key, "cooled", 2.45e9, "water",
        Fitted(0.62, "1", 0.03, 0.55, 0.69, "D"), Fitted(0.2, "1", 0.05, 0.08, 0.32, "D"), -0.7, origin,
        (Residual("zone 1", "short axis", 40.0, 300.0, 25.0, 24.0, 2.0, "mm"),),
    )  # fmt: skip


def test_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    made().write(path)
    assert load_calibration(path) == made()
    assert [p.name for p in tmp_path.iterdir()] == ["device.toml"]
    assert made().residuals[0].standardised == 0.5


def test_a_held_parameter_survives(tmp_path: Path) -> None:
    held = replace(made(), drying_parameter=Fitted(0.08, "1", None, None, None, "guess"), correlation=None)
    held.write(tmp_path / "device.toml")
    found = load_calibration(tmp_path / "device.toml")
    assert found == held
    assert not found.drying_parameter.fitted
    assert found.efficiency.fitted


def test_what_an_emitter_takes() -> None:
    kwargs = made().emitter_kwargs()
    assert kwargs["antenna"].name == "coaxial_slot"
    assert kwargs["antenna"].cooled
    assert (kwargs["frequency_hz"], kwargs["efficiency"]) == (2.45e9, 0.62)
    assert made().drying_kwargs() == {"floor": 0.2}
    assert made().outside_range(40.0, 300.0) == ()
    assert len(made().outside_range(80.0, 100.0)) == 2


def test_another_device_is_refused() -> None:
    for antenna, frequency in (
        (load_antenna("longo_choke"), 2.45e9),
        (load_antenna("coaxial_slot", "uncooled"), 2.45e9),
        (SLOT, 915e6),
        (replace(SLOT, shaft_radius_mm=1.0), 2.45e9),
    ):
        with pytest.raises(InputError, match="another device"):
            made().check_antenna(antenna, frequency)
    made().check_antenna(SLOT, 2.45e9)
    with pytest.raises(InputError, match="not in the catalogue"):
        replace(made(), antenna="own").emitter_kwargs()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "vertherm device calibration"', 'kind = "other"', "no device calibration"),
        ("schema_version = 1", "schema_version = 9", "known version"),
        ("value = 0.62", "value = -0.62", "out of range"),
        ("value = 0.62", "value = nan", "out of range"),
        ("value = 0.62\n", "", "lacks a value"),
        ('model = "water"', 'model = "sigmoid"', "lacks a value or has an unusable"),
        ("value = 0.2\n", "value = 1.4\n", "floor"),
        ("n = 8", "m = 8", "lacks a value or has an unusable"),
        ("[device]", "[device", "cannot be read"),
    ],
)
def test_a_spoilt_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = toml_text(made().document())
    assert old in text
    path = tmp_path / "device.toml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(InputError, match=message):
        load_calibration(path)


def test_absent_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_calibration(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load_calibration(tmp_path)


def test_toml_text_is_toml() -> None:
    document = {"a": 1, "b": [1.5, 2.0], "none": None, "deep": {"x y": 'é"\\\n', "rows": [{"k": True}, {"k": False}]}}
    assert tomllib.loads(toml_text(document)) == {k: v for k, v in document.items() if v is not None}
    with pytest.raises(ValueError, match="finite"):
        toml_text({"a": float("nan")})
