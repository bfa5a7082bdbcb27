"""Measurement files: what is read is what was written, and every fault is named with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vertherm.calibration.measurements import Boundary
from vertherm.calibration.measurements_read import load_measurements
from vertherm.core.errors import InputError

GOOD = """
title = "bench"
source = "test"
synthetic = true

[bench]
medium = "liver"
start_c = 20.0
perfused = false
power_kind = "set"
boundary = "isotherm 54"

[[zones]]
power_w = 40.0
time_s = 300
short_mm = 25.0
long_mm = 35.0
sd_mm = 2.0
n = 4

[[thermocouples]]
power_w = 40.0
time_s = 120
r_mm = 8.0
z_mm = 6.5
csv = "tc.csv"
sd_k = 1.0
"""
CURVE = "time_s,temperature_c\n0,20\n30,31\n60,44\n120,60\n180,55\n"


def written(folder: Path, text: str = GOOD, curve: str = CURVE) -> Path:
    (folder / "tc.csv").write_text(curve, "utf-8")
    (folder / "bench.toml").write_text(text, "utf-8")
    return folder / "bench.toml"


def test_a_file_is_read_as_written(tmp_path: Path) -> None:
    """Defaults of [bench] fill the rows; the error of a mean of n = 4 is sd / 2."""
    found = load_measurements(written(tmp_path))
    assert found.synthetic
    assert found.size == 2 + 5
    assert found.assumptions == ()
    (zone,), (curve,) = found.zones, found.curves
    assert zone.condition == curve.condition
    assert (zone.condition.medium, zone.condition.power_w, zone.condition.power_kind) == ("liver", 40.0, "set")
    assert zone.boundary == Boundary("isotherm 54", "peak_c", 54.0)
    assert zone.error_mm == 1.0
    np.testing.assert_allclose(curve.time_s, [0, 30, 60, 120, 180])
    assert curve.error_k == 1.0
    assert [role for role, _ in found.files] == ["measurements", "thermocouple 1"]


def test_one_csv_of_zones_is_enough(tmp_path: Path) -> None:
    """Minutes are turned into seconds; a row without a scatter gets the assumed one, and the result says so."""
    path = tmp_path / "zones.csv"
    path.write_text(
        "medium,start_c,perfused,power_kind,power_w,time_min,boundary,short_mm,long_mm,sd_mm\n"
        "liver,20,false,forward,40,5,isotherm 60,24,33,\n"
        "muscle,37,true,forward,60,10,cem43 240,30,,1.5\n",
        "utf-8",
    )
    found = load_measurements(path)
    assert [zone.time_s for zone in found.zones] == [300.0, 600.0]
    assert [zone.assumed for zone in found.zones] == [True, False]
    assert found.zones[1].long_mm is None
    assert found.zones[1].condition.perfused
    assert "[guess]" in found.assumptions[0]


FAULTS = [
    ("power_w = 40.0\ntime_s = 300", "power_w = -40.0\ntime_s = 300", "zone 1: power_w"),
    ("time_s = 300", "time_s = 0.3", "seconds"),
    ("short_mm = 25.0", "short_mm = 0.25", "mm, not cm"),
    ("short_mm = 25.0", "short_mm = nan", "unusable"),
    ("short_mm = 25.0\nlong_mm = 35.0", "short_mm = 60.0\nlong_mm = 35.0", "swapped"),
    ("short_mm = 25.0\nlong_mm = 35.0\n", "", "neither axis"),
    ('medium = "liver"', 'medium = "cheese"', "medium is unknown"),
    ('medium = "liver"\n', "", "zone 1: medium"),
    ("perfused = false\n", "", "perfused"),
    ("perfused = false", "perfused = 'maybe'", "true or false"),
    (
        'medium = "liver"\nstart_c = 20.0\nperfused = false',
        'medium = "water"\nstart_c = 20.0\nperfused = true',
        "perfused",
    ),
    ("start_c = 20.0", "start_c = 293.0", "not kelvin"),
    ('power_kind = "set"', 'power_kind = "watts"', "set, forward, net"),
    ('boundary = "isotherm 54"', 'boundary = "white"', "boundary"),
    ('boundary = "isotherm 54"\n', "", "what edge was measured"),
    ('boundary = "isotherm 54"', 'boundary = "isotherm 540"', "40-100"),
    ("sd_mm = 2.0", "sd_mm = 0.0", "sd_mm"),
    ("sd_mm = 2.0", "sd_cm = 2.0", "unknown key"),
    ("n = 4", "n = 0", "zone 1: n"),
    ("r_mm = 8.0", "r_mm = 0.0", "r_mm"),
    ('csv = "tc.csv"', 'csv = "none.csv"', "cannot be read"),
    ("[bench]", "[bench", "no TOML"),
    ("[[zones]]", "[zones]", "no list of tables"),
]


@pytest.mark.parametrize(("old", "new", "message"), FAULTS)
def test_a_faulty_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as caught:
        load_measurements(written(tmp_path, GOOD.replace(old, new, 1)))
    assert message in str(caught.value)


CURVES = [
    ("30,31", "130,31", "do not increase"),
    ("30,31", "30,", "unusable"),
    ("30,31", "-30,31", "time is unusable"),
    ("60,44", "60,344", "not kelvin"),
    ("0,20", "0,37", "start temperature"),
    ("60,44\n", "60,44,1\n", "number of cells"),
    ("30,31\n60,44\n120,60\n180,55\n", "", "too short"),
    (CURVE, "", "empty"),
    ("temperature_c", "temperature_k", "unknown key"),
]


@pytest.mark.parametrize(("old", "new", "message"), CURVES)
def test_a_faulty_curve_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CURVE
    with pytest.raises(InputError) as caught:
        load_measurements(written(tmp_path, curve=CURVE.replace(old, new, 1)))
    assert message in str(caught.value)


def test_empty_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "none.toml").write_text("title = 'nothing'\n", "utf-8")
    with pytest.raises(InputError, match="empty"):
        load_measurements(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load_measurements(tmp_path / "absent.csv")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        load_measurements(tmp_path / "bytes.toml")


def test_mixed_kinds_of_power_are_refused(tmp_path: Path) -> None:
    """One efficiency belongs to one meaning of the watts."""
    text = GOOD.replace("r_mm = 8.0", 'power_kind = "net"\nr_mm = 8.0')
    with pytest.raises(InputError, match="mix several meanings"):
        load_measurements(written(tmp_path, text))
