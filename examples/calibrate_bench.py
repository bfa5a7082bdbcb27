"""Calibrate a device from bench measurements: what comes out, and with what uncertainty.

The measurements are SYNTHETIC: the program's own model with the truth below plus noise. A calibration that works finds
the truth within its interval.
"""

from __future__ import annotations

from pathlib import Path

from vertherm.calibration.calibrate import Choice, calibrate, device
from vertherm.calibration.device import DeviceCalibration
from vertherm.calibration.measurements_read import load_measurements

TRUTH = {"efficiency": 0.72, "shift_k": -6.0}
MEASUREMENTS = Path(__file__).parent / "bench" / "measurements.toml"


def run(spacing_mm: float = 2.0, drying: str = "auto", workers: int = 1) -> DeviceCalibration:
    """Calibrate the example's antenna; about a minute of one core a drying model."""
    antenna, frequency_hz = device("coaxial_slot", "cooled")
    choice = Choice("efficiency+drying", drying, spacing_mm, workers)
    return calibrate(antenna, frequency_hz, load_measurements(MEASUREMENTS), choice)


if __name__ == "__main__":
    found = run()
    for name, fitted in (("efficiency", found.efficiency), (found.drying_parameter_name, found.drying_parameter)):
        print(f"{name}: {fitted.value:.3f} (95 % {fitted.low:.3f} to {fitted.high:.3f}), truth {TRUTH.get(name)}")
    for text in found.origin.warnings:
        print("warning:", text)
    found.write(Path("device.toml"))
