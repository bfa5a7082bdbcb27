"""The example's synthetic bench on 4 mm cells: the truth lies in the 95 % intervals, and the file says SYNTHETIC."""

from __future__ import annotations

from pathlib import Path

from tests.test_examples import load
from vertherm.calibration.device import load_calibration
from vertherm.calibration.measurements_read import load_measurements
from vertherm.calibration.picture import title, write_picture


def test_example_finds_its_truth(tmp_path: Path) -> None:
    """Made on 2 mm cells with efficiency 0.72 and the sigmoid 6 K lower; 4 mm cells cost about 1 mm of a zone."""
    example = load("calibrate_bench")
    assert load_measurements(example.MEASUREMENTS).synthetic
    found = example.run(spacing_mm=4.0, drying="sigmoid")
    for fitted, truth in ((found.efficiency, 0.72), (found.drying_parameter, -6.0)):
        assert fitted.low < truth < fitted.high, fitted
    assert found.efficiency.sd < 0.05
    assert found.origin.synthetic
    assert set(found.origin.inputs) == {"measurements.toml", "zones.csv", "thermocouple.csv"}
    found.write(tmp_path / "device.toml")
    assert load_calibration(tmp_path / "device.toml") == found
    assert title(found).startswith("SYNTHETIC DATA")
    write_picture(found, tmp_path / "device.png")
    assert (tmp_path / "device.png").stat().st_size > 5000
