"""CT number to bone mineral density: calibrated by air, fat and muscle of the same scan where there is no phantom.

density = intercept + slope HU          mg/cm3 of calcium hydroxyapatite
bone volume share = density / matrix mineral density,   porosity = 1 - share
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.materials.quantity import Quantity, read_quantities

Method = Literal["internal", "given", "not calibrated"]
TABLE = "bone_flow"
FEWEST_VOXELS = 200
"""Fewer voxels of a material say nothing about its CT number."""
PLAUSIBLE_SLOPE = (0.5, 1.2)
LARGEST_MISFIT = 40.0
"""mg/cm3: beyond, the three materials do not lie on a line, and something is labelled wrongly."""


@cache
def _table() -> dict[str, Quantity]:
    return read_quantities(TABLE)


def flow_constant(name: str) -> Quantity:
    """A constant of ``materials/data/bone_flow.csv``."""
    return _table()[name]


@dataclass(frozen=True)
class Material:
    """A material of the internal calibration.

    Args:
        name: "air", "fat" or "muscle".
        hu, sd_hu: what the scan shows.
        voxels: in how many voxels.
        equivalent_mg_cm3: what it should be.
    """

    name: str
    hu: float
    sd_hu: float
    voxels: int
    equivalent_mg_cm3: float


@dataclass(frozen=True)
class DensityCalibration:
    """How CT numbers of one scan become densities.

    Args:
        method: "internal" (air, fat, muscle), "given" (a phantom's line in the case file) or "not calibrated".
        slope: mg/cm3 a HU.
        intercept: mg/cm3 at 0 HU.
        error_mg_cm3: standard error of a trabecular density of about 150 mg/cm3.
        materials: what it was made from.
        words: what a person must know.
    """

    method: Method
    slope: float
    intercept: float
    error_mg_cm3: float
    materials: tuple[Material, ...] = ()
    words: str = ""

    def density(self, hu: Any) -> NDArray[np.float32]:
        """Density in mg/cm3 of calcium hydroxyapatite; negative for fat and air."""
        return np.asarray(self.intercept + self.slope * np.asarray(hu, np.float32), np.float32)


def porosity(density_mg_cm3: Any) -> NDArray[np.float32]:
    """Share of the volume that is no bone, 0.05 to 1."""
    share = np.asarray(density_mg_cm3, np.float32) / np.float32(flow_constant("matrix_mineral_density").value)
    return np.clip(1.0 - share, 0.05, 1.0).astype(np.float32)


def apparent_density(density_mg_cm3: Any) -> NDArray[np.float32]:
    """Wet apparent density of the bone in g/cm3, at least 0: bone volume share times the density of its matrix."""
    share = np.clip(np.asarray(density_mg_cm3, np.float32) / flow_constant("matrix_mineral_density").value, 0.0, 1.0)
    return np.asarray(share * flow_constant("matrix_density").value, np.float32)


def internal_calibration(samples: Mapping[str, NDArray[Any]]) -> DensityCalibration:
    """The line through air, fat and muscle, each by the most frequent CT number of its voxels.

    Args:
        samples: CT numbers of voxels well within "air", "fat" and "muscle".
    """
    found = [material for name in ("air", "fat", "muscle") if (material := _material(name, samples.get(name)))]
    missing = {"air", "fat", "muscle"} - {material.name for material in found}
    if missing:
        return uncalibrated(f"the image shows too little {' and '.join(sorted(missing))}")
    hu = np.array([m.hu for m in found])
    wanted = np.array([m.equivalent_mg_cm3 for m in found])
    slope, intercept = np.polyfit(hu, wanted, 1)
    misfit = float(np.abs(intercept + slope * hu - wanted).max())
    if not PLAUSIBLE_SLOPE[0] <= slope <= PLAUSIBLE_SLOPE[1] or misfit > LARGEST_MISFIT:
        values = ", ".join(f"{m.name} {m.hu:.0f} HU" for m in found)
        return uncalibrated(f"{values} do not lie on a line (misfit {misfit:.0f} mg/cm3, slope {slope:.2f})")
    return DensityCalibration(
        "internal",
        float(slope),
        float(intercept),
        _error(found, misfit),
        tuple(found),
        "Calibrated by air, fat and muscle of the same scan; contrast medium, fat in muscle and the scanner's beam "
        "hardening are not corrected.",
    )


def given_calibration(slope: float, intercept: float, error_mg_cm3: float = 10.0) -> DensityCalibration:
    """A line that a phantom gave.

    Raises:
        InputError: no plausible line.
    """
    low, high = PLAUSIBLE_SLOPE
    if not low <= slope <= high or abs(intercept) > 200.0:
        raise InputError(
            "The density calibration is not plausible.",
            where="[cement.calibration]",
            got=f"slope {slope:g} mg/cm3/HU, intercept {intercept:g} mg/cm3",
            expected=f"slope {low:g} to {high:g}, intercept within 200",
        )
    return DensityCalibration("given", slope, intercept, error_mg_cm3, (), "Given in the case file (phantom).")


def uncalibrated(reason: str) -> DensityCalibration:
    """A usual scanner's line, marked."""
    slope, intercept = flow_constant("uncalibrated_slope"), flow_constant("uncalibrated_intercept")
    return DensityCalibration(
        "not calibrated",
        slope.value,
        intercept.value,
        40.0,
        (),
        f"NOT CALIBRATED: {reason}. A usual scanner is assumed; densities may be 20 % off, and everything that rests "
        "on them is uncertain by more than its band.",
    )


def _material(name: str, hu: NDArray[Any] | None) -> Material | None:
    """Its most frequent CT number (the tails hold other tissue), None where there are too few voxels."""
    if hu is None or np.size(hu) < FEWEST_VOXELS:
        return None
    values = np.asarray(hu, np.float64).reshape(-1)
    middle = float(np.median(values))
    for _ in range(5):
        near = values[np.abs(values - middle) <= 40.0]
        if near.size < 0.1 * values.size:
            break
        middle = float(near.mean())
    near = values[np.abs(values - middle) <= 40.0]
    spread = float(near.std()) if near.size else float(values.std())
    return Material(name, middle, spread, int(values.size), flow_constant(f"calibration_{name}").value)


def _error(found: list[Material], misfit: float) -> float:
    """The misfit, and what the ranges of the equivalents allow at a trabecular density (beyond muscle)."""
    ranges = [flow_constant(f"calibration_{m.name}") for m in found]
    half = [0.5 * ((q.high or q.value) - (q.low or q.value)) for q in ranges]
    return float(np.hypot(misfit, max(half)))
