"""A calibrated device: the file that ``vertherm calibrate`` writes and a case reads (key ``calibration``)."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vertherm.applicator.antenna import Antenna, antenna_names, load_antenna
from vertherm.calibration.toml_text import toml_text
from vertherm.core.errors import InputError
from vertherm.core.files import atomic_path
from vertherm.materials.quantity import Certainty, certainty_of

SCHEMA_VERSION = 1
KIND = "vertherm device calibration"
DryingId = Literal["sigmoid", "water"]
DRYING_PARAMETER = {"sigmoid": "shift_k", "water": "floor"}
"""The one parameter of each drying model that a calibration may move."""


@dataclass(frozen=True)
class Fitted:
    """One parameter with its uncertainty.

    Args:
        value: the estimate, or the model's own value where it was held.
        unit: "1" or "K".
        sd: standard error; None where the parameter was held.
        low, high: 95 % interval; None where the parameter was held.
        certainty: "D" where fitted (derived from measurements), else that of the value that was held.
    """

    value: float
    unit: str
    sd: float | None
    low: float | None
    high: float | None
    certainty: Certainty

    @property
    def fitted(self) -> bool:
        """True where measurements decided the value."""
        return self.sd is not None


@dataclass(frozen=True)
class Residual:
    """One measured number beside the fitted one.

    Args:
        row: where it stands in the measurements.
        quantity: "short axis", "long axis" or "temperature".
        power_w, time_s: condition.
        measured, fitted, sd: in ``unit``; ``sd`` is the one the fit used.
        unit: "mm" or "degC".
    """

    row: str
    quantity: str
    power_w: float
    time_s: float
    measured: float
    fitted: float
    sd: float
    unit: str

    @property
    def standardised(self) -> float:
        """(measured - fitted) / sd."""
        return (self.measured - self.fitted) / self.sd


@dataclass(frozen=True)
class Origin:
    """How a calibration was obtained.

    Args:
        measurements: name of the measurements file (without its folder).
        inputs: SHA-256 by file name.
        synthetic: the measurements are made up.
        media: "liver at 20 degC, not perfused" and the like.
        boundaries: definitions of the zone's boundary that occur.
        power_kind: what the watts of the measurements mean; the efficiency holds for this meaning.
        power_reading: how the model reads them ("forward" or "net", see ``heat.member``).
        power_w, time_s: range of conditions measured: outside them the calibration is an extrapolation.
        n: numbers compared.
        degrees_of_freedom: independent numbers (a curve counts as at most four) less the parameters fitted.
        chi2: sum of squared standardised residuals.
        rms_mm, rms_k: root mean square residual of lengths and of temperatures; None where there are none.
        spacing_mm: cells of the bench phantom.
        models: chi2 of each drying model tried, by id.
        assumptions: what the file did not say and was assumed.
        warnings: what a user must know before using the numbers.
        created_utc, versions: when, and with what.
    """

    measurements: str
    inputs: Mapping[str, str]
    synthetic: bool
    media: tuple[str, ...]
    boundaries: tuple[str, ...]
    power_kind: str
    power_reading: str
    power_w: tuple[float, float]
    time_s: tuple[float, float]
    n: int
    degrees_of_freedom: float
    chi2: float
    rms_mm: float | None
    rms_k: float | None
    spacing_mm: float
    models: Mapping[str, float]
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    created_utc: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class DeviceCalibration:
    """Efficiency and drying of one antenna, with one cooling variant, at one frequency.

    Args:
        antenna: catalogue name, or the name inside the antenna's own file.
        antenna_key: hash of the antenna's geometry and materials (``Antenna.key``).
        cooling: cooling variant.
        frequency_hz: frequency.
        drying: drying model the numbers belong to.
        efficiency: factor on the modelled absorbed power.
        drying_parameter: ``shift_k`` of "sigmoid" (K) or ``floor`` of "water" (1).
        correlation: between the two estimates; None where one of them was held.
        origin: how it was obtained.
        residuals: every measured number beside the fitted one.
    """

    antenna: str
    antenna_key: str
    cooling: str
    frequency_hz: float
    drying: DryingId
    efficiency: Fitted
    drying_parameter: Fitted
    correlation: float | None
    origin: Origin
    residuals: tuple[Residual, ...] = field(default=(), repr=False)

    @property
    def drying_parameter_name(self) -> str:
        """ "shift_k" or "floor"."""
        return DRYING_PARAMETER[self.drying]

    def emitter_kwargs(self) -> dict[str, Any]:
        """What an emitter of this device takes from its calibration: antenna, frequency_hz, efficiency.

        Raises:
            InputError: the antenna is not in the catalogue, or has changed there since the calibration.
        """
        if self.antenna not in antenna_names():
            raise InputError(
                "The calibrated antenna is not in the catalogue.",
                where="calibration",
                got=self.antenna,
                expected=", ".join(antenna_names()),
                advice="give the antenna yourself and call check_antenna on it",
            )
        antenna = load_antenna(self.antenna, self.cooling)
        self.check_antenna(antenna, self.frequency_hz)
        return {"antenna": antenna, "frequency_hz": self.frequency_hz, "efficiency": self.efficiency.value}

    def drying_kwargs(self) -> dict[str, float]:
        """The drying adjustment: {"shift_k": ...} or {"floor": ...}."""
        return {self.drying_parameter_name: self.drying_parameter.value}

    def check_antenna(self, antenna: Antenna, frequency_hz: float) -> None:
        """Refuse another antenna, cooling variant or frequency than the calibrated ones.

        Raises:
            InputError: they differ.
        """
        pairs = (
            ("antenna", antenna.name, self.antenna),
            ("cooling variant", antenna.cooling.name, self.cooling),
            ("geometry or materials (hash)", antenna.key[:12], self.antenna_key[:12]),
            ("frequency in MHz", f"{frequency_hz / 1e6:.6g}", f"{self.frequency_hz / 1e6:.6g}"),
        )
        for what, got, expected in pairs:
            if got != expected:
                raise InputError(
                    "The calibration belongs to another device.",
                    where=what,
                    got=got,
                    expected=expected,
                    advice="use the file of this device, or leave the calibration out",
                )

    def outside_range(self, power_w: float, time_s: float) -> tuple[str, ...]:
        """In words, what of a treatment lies outside the measured conditions; empty where nothing does."""
        found = []
        for name, value, (low, high), unit in (
            ("power", power_w, self.origin.power_w, "W"),
            ("time with power on", time_s, self.origin.time_s, "s"),
        ):
            if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
                found.append(f"{name} {value:g} {unit} is outside the calibrated {low:g}-{high:g} {unit}")
        return tuple(found)

    def document(self) -> dict[str, Any]:
        """The calibration as plain tables."""
        head = {"kind": KIND, "schema_version": SCHEMA_VERSION}
        device = {name: getattr(self, name) for name in ("antenna", "antenna_key", "cooling", "frequency_hz")}
        drying = {"model": self.drying, "parameter": self.drying_parameter_name, **asdict(self.drying_parameter)}
        fit = {"efficiency": asdict(self.efficiency), "drying": drying, "correlation": self.correlation}
        origin = asdict(self.origin)
        return {**head, "device": device, **fit, "origin": origin, "residuals": [asdict(r) for r in self.residuals]}

    def write(self, path: Path) -> None:
        """Write the TOML file in one go.

        Raises:
            InputError: the operating system refused, or the path is a database.
        """
        with atomic_path(path) as temporary:
            temporary.write_text(toml_text(self.document()), "utf-8")


def load_calibration(path: Path) -> DeviceCalibration:
    """Read a device file.

    Raises:
        InputError: there is no such file, it is no device file, or a value is missing or unusable.
    """
    try:
        data = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            "The calibration cannot be read.",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            expected="a TOML file written by 'vertherm calibrate'",
        ) from error
    if data.get("kind") != KIND or data.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            "This is no device calibration of a known version.",
            where=str(path),
            got=f"kind {data.get('kind')!r}, schema_version {data.get('schema_version')!r}",
            expected=f"kind {KIND!r}, schema_version {SCHEMA_VERSION}",
            advice="make it with 'vertherm calibrate DEVICE MEASUREMENTS -o FILE'",
        )
    try:
        found = _calibration(data, str(path))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "A calibration lacks a value or has an unusable one.",
            where=str(path),
            got=repr(error),
            advice="make it anew with 'vertherm calibrate'",
        ) from error
    _check(found, str(path))
    return found


def _calibration(data: Mapping[str, Any], where: str) -> DeviceCalibration:
    device, origin, drying = data["device"], dict(data["origin"]), data["drying"]
    if DRYING_PARAMETER.get(drying["model"]) != drying["parameter"]:
        raise ValueError(f"drying model {drying['model']!r} with parameter {drying['parameter']!r}")
    for name in ("media", "boundaries", "assumptions", "warnings"):
        origin[name] = tuple(str(text) for text in origin[name])
    for name in ("power_w", "time_s"):
        low, high = origin[name]
        origin[name] = (float(low), float(high))
    for name in ("rms_mm", "rms_k"):
        origin.setdefault(name, None)
    return DeviceCalibration(
        antenna=str(device["antenna"]),
        antenna_key=str(device["antenna_key"]),
        cooling=str(device["cooling"]),
        frequency_hz=float(device["frequency_hz"]),
        drying=drying["model"],
        efficiency=_fitted(data["efficiency"], f"{where}: efficiency"),
        drying_parameter=_fitted(drying, f"{where}: drying"),
        correlation=None if "correlation" not in data else float(data["correlation"]),
        origin=Origin(**origin),
        residuals=tuple(Residual(**row) for row in data.get("residuals", [])),
    )


def _fitted(table: Mapping[str, Any], where: str) -> Fitted:
    def optional(name: str) -> float | None:
        return None if table.get(name) is None else float(table[name])

    mark = certainty_of(str(table["certainty"]), where)
    return Fitted(float(table["value"]), str(table["unit"]), optional("sd"), optional("low"), optional("high"), mark)


def _check(found: DeviceCalibration, where: str) -> None:
    """Ranges of what a user may have edited."""
    floor = found.drying_parameter.value
    rows = (
        ("efficiency", found.efficiency.value, "> 0, <= 2", 0 < found.efficiency.value <= 2),
        ("frequency_hz", found.frequency_hz, "> 0", found.frequency_hz > 0),
        ("shift_k", floor, "-60 to 60 K", found.drying != "sigmoid" or abs(floor) <= 60),
        ("floor", floor, "0 to 1", found.drying != "water" or 0 <= floor <= 1),
    )
    for name, value, expected, good in rows:
        if not (math.isfinite(value) and good):
            raise InputError(
                "A calibration's value is out of range.", where=f"{where}: {name}", got=value, expected=expected
            )
