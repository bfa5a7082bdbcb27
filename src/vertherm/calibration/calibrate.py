"""From measurements to a calibrated device: fit each drying model, keep the better one, say what is uncertain."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import Antenna, antenna_names, load_antenna, parse_antenna
from vertherm.calibration.bench_phantom import BenchPhantom
from vertherm.calibration.device import DRYING_PARAMETER, DeviceCalibration, DryingId, Fitted, Origin, Residual
from vertherm.calibration.fit import Fit, least_squares
from vertherm.calibration.forward import Datum, Forward, Parameters, data_of
from vertherm.calibration.identifiability import REMEDY, NotIdentifiable, Parameter
from vertherm.calibration.measurements import Measurements
from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.core.provenance import file_hash, versions
from vertherm.materials.constants import constants

Array = NDArray[np.float64]
What = Literal["efficiency+drying", "efficiency"]
FITS: tuple[What, ...] = ("efficiency+drying", "efficiency")
DRYINGS = ("auto", "water", "sigmoid")
EFFICIENCY = Parameter("efficiency", 0.8, 0.1, 1.5, 0.06)
"""Bounds [guess]: cables and connectors lose up to 90 %; above 1 the catalogue's own losses are too large."""
DRYING = {
    "shift_k": Parameter("shift_k", 0.0, -25.0, 25.0, 3.0),
    "floor": Parameter("floor", 0.08, 0.01, 0.6, 0.04),
}
"""Bounds [guess]: the sigmoid's middle lies near 82 degC, so 25 K spans 57 to 107 degC; a floor of 0.6 hardly dries."""
TOO_FAR_MM = 5.0
"""A fit whose lengths are off by more than this (root mean square) is no better than no calibration."""


@dataclass(frozen=True)
class Choice:
    """What to fit.

    Args:
        fit: "efficiency+drying" or "efficiency" (drying held at the model's own value).
        drying: "water", "sigmoid", or "auto": both, the better one kept.
        spacing_mm: cells of the bench phantom.
        workers: processes; 0: one a core.
    """

    fit: What = "efficiency+drying"
    drying: str = "auto"
    spacing_mm: float = 2.0
    workers: int = 1

    def __post_init__(self) -> None:
        for name, value, expected in (("fit", self.fit, FITS), ("drying", self.drying, DRYINGS)):
            if value not in expected:
                raise InputError("A choice is unknown.", where=name, got=value, expected=", ".join(expected))
        if not 0.5 <= self.spacing_mm <= 4.0:
            raise InputError("The cells are unusable.", where="spacing_mm", got=self.spacing_mm, expected="0.5 to 4 mm")

    @property
    def models(self) -> tuple[DryingId, ...]:
        """Drying models to try."""
        if self.drying == "auto":
            return ("water", "sigmoid")
        return ("water",) if self.drying == "water" else ("sigmoid",)


def device(name: str, cooling: str | None = None, frequency_hz: float | None = None) -> tuple[Antenna, float]:
    """Antenna and frequency named on the command line: a catalogue name, or an antenna's own TOML file.

    Raises:
        InputError: unknown device, variant or frequency.
        MissingValueError: the file lacks a value.
    """
    if name in antenna_names():
        antenna = load_antenna(name, cooling)
    elif name.endswith(".toml") and Path(name).is_file():
        try:
            antenna = parse_antenna(tomllib.loads(Path(name).read_text("utf-8")), where=name)
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError("An antenna's file is no TOML.", where=name, got=str(error)) from error
        antenna = antenna if cooling is None else antenna.with_cooling(cooling)
    else:
        raise InputError(
            "Unknown device.",
            where="DEVICE",
            got=name,
            expected=f"one of {', '.join(antenna_names())}, or the TOML file of an antenna",
        )
    chosen = antenna.frequencies_hz[0] if frequency_hz is None else frequency_hz
    antenna.check_frequency(chosen)
    return antenna, chosen


def calibrate(
    antenna: Antenna,
    frequency_hz: float,
    measurements: Measurements,
    choice: Choice | None = None,
    progress: Progress = silent,
) -> DeviceCalibration:
    """Fit efficiency and drying to bench measurements.

    Raises:
        NotIdentifiable: no drying model can be told from these measurements.
        SolverError: a forward run failed or the fit did not converge.
    """
    choice = choice or Choice()
    forward = Forward(BenchPhantom(antenna, frequency_hz, choice.spacing_mm), data_of(measurements), choice.workers)
    _check_places(forward)
    _check_conditions(forward.data, choice)
    fits, refused = _fit_all(forward, choice, not measurements.assumptions, progress)
    # Akaike's rule: a parameter more must lower chi2 by 2 at least.
    best = min(fits, key=lambda model: fits[model].chi2 + 2 * len(fits[model].values))
    origin = _origin(forward, measurements, fits, best, refused)
    return _calibration(antenna, frequency_hz, forward.data, fits[best], best, origin)


def _fit_all(
    forward: Forward, choice: Choice, known: bool, progress: Progress
) -> tuple[dict[DryingId, Fit], list[NotIdentifiable]]:
    """Fit of every drying model; one whose parameter the data cannot tell is held, if another one's can be told."""
    fits: dict[DryingId, Fit] = {}
    refused: dict[DryingId, NotIdentifiable] = {}
    for model in choice.models:
        progress(f"{model} drying", 0.0)
        try:
            fits[model] = fit_model(forward, model, choice.fit, known=known, progress=progress)
        except NotIdentifiable as error:
            refused[model] = error
        progress(f"{model} drying", 1.0)
    if not fits:
        names = tuple(dict.fromkeys(name for error in refused.values() for name in error.parameters))
        raise NotIdentifiable.of(names, "; ".join(f"{e.where}: {e.got}" for e in refused.values()), "all drying models")
    for model in refused:
        fits[model] = fit_model(forward, model, "efficiency", known=known, progress=progress)
    return fits, list(refused.values())


def _check_places(forward: Forward) -> None:
    """Thermocouples lie in the simulated tissue."""
    phantom = forward.phantom
    for datum in forward.data:
        if datum.place_mm is None:
            continue
        r, z = datum.place_mm
        inside = bool(phantom.grid.contains([r, 0.0, z]))
        outline = float(phantom.antenna.outer_radius_mm([z])[0])
        if not inside or r < outline:
            raise InputError(
                "A thermocouple does not lie in the tissue around the antenna.",
                where=datum.row,
                got=f"r {r:g} mm, z {z:g} mm",
                expected=f"r from {outline:g} to {phantom.reach_mm:g} mm, z from {-phantom.reach_mm:g} to "
                f"{phantom.grid.bounds()[1][2]:g} mm",
                advice="r counts from the antenna's axis, z from its tip towards the hub",
            )


def _check_conditions(data: Sequence[Datum], choice: Choice) -> None:
    """Zones of one power and one time trade efficiency against drying, however precise they are."""
    if choice.fit == "efficiency":
        return
    if any(datum.place_mm is not None for datum in data):
        return
    conditions = {(datum.condition, datum.on_s) for datum in data}
    if len(conditions) < 2:
        names = tuple(DRYING_PARAMETER[model] for model in choice.models)
        raise NotIdentifiable.of(names, "zones of one power and one time only", "zones")


def fit_model(
    forward: Forward, drying: DryingId, what: What, *, known: bool = True, progress: Progress = silent
) -> Fit:
    """Fit one drying model.

    Args:
        forward: the forward model over the data.
        drying: which model.
        what: which parameters.
        known: False where errors were assumed.
        progress: told how many forward runs of an expected number were made.

    Raises:
        NotIdentifiable, SolverError: see :func:`vertherm.calibration.fit.least_squares`.
    """
    held = what == "efficiency"
    own = DRYING[DRYING_PARAMETER[drying]]
    parameters = (EFFICIENCY,) if held else (EFFICIENCY, own)
    expected = (1 + len(parameters)) * 4 * len(forward.runs)
    before = forward.made

    def model(points: Array) -> Array:
        values = [Parameters(drying, float(p[0]), None if held else float(p[1])) for p in points]
        found = forward(values)
        progress(f"{drying} drying", min(0.95, (forward.made - before) / expected))
        return found

    measured, error = (np.array([getattr(d, name) for d in forward.data]) for name in ("measured", "error"))
    counted = float(sum(d.counts for d in forward.data))
    return least_squares(
        model, parameters, measured, error, errors_known=known, counted=counted, context=f"{drying} drying"
    )


# ---- the result -----------------------------------------------------------------------------------------------------
def _calibration(
    antenna: Antenna, frequency_hz: float, data: Sequence[Datum], fit: Fit, drying: DryingId, origin: Origin
) -> DeviceCalibration:
    name = DRYING_PARAMETER[drying]
    unit = "K" if name == "shift_k" else "1"
    if len(fit.values) == 2:
        value, correlation = _fitted(fit, 1, unit), float(fit.correlation[0, 1])
    else:
        held = constants("drying_floor").value if name == "floor" else 0.0
        value, correlation = Fitted(held, unit, None, None, None, "guess"), None
    residuals = tuple(
        Residual(d.row, d.quantity, d.condition.power_w, d.on_s if d.at_s is None else d.at_s, d.measured,
                 float(p), d.error, d.unit)
        for d, p in zip(data, fit.predicted, strict=True)
    )  # fmt: skip
    return DeviceCalibration(
        antenna=antenna.name,
        antenna_key=antenna.key,
        cooling=antenna.cooling.name,
        frequency_hz=frequency_hz,
        drying=drying,
        efficiency=_fitted(fit, 0, "1"),
        drying_parameter=value,
        correlation=correlation,
        origin=origin,
        residuals=residuals,
    )


def _fitted(fit: Fit, n: int, unit: str) -> Fitted:
    return Fitted(float(fit.values[n]), unit, float(fit.sd[n]), float(fit.low[n]), float(fit.high[n]), "D")


def _origin(
    forward: Forward,
    measurements: Measurements,
    fits: dict[DryingId, Fit],
    best: DryingId,
    refused: Sequence[NotIdentifiable],
) -> Origin:
    fit, conditions = fits[best], measurements.conditions
    powers, times = [c.power_w for c in conditions], measurements.times_s
    deviation = np.array([d.measured for d in forward.data]) - fit.predicted
    rms_mm, rms_k = (_rms(deviation, [d.unit == unit for d in forward.data]) for unit in ("mm", "degC"))
    return Origin(
        measurements=measurements.path.name,
        inputs={path.name: file_hash(path) for _, path in measurements.files},
        synthetic=measurements.synthetic,
        media=tuple(dict.fromkeys(c.medium_words for c in conditions)),
        boundaries=tuple(dict.fromkeys(z.boundary.text for z in measurements.zones)),
        power_kind=measurements.power_kind,
        power_reading="net" if measurements.power_kind == "net" else "forward",
        power_w=(min(powers), max(powers)),
        time_s=(min(times), max(times)),
        n=len(forward.data),
        degrees_of_freedom=fit.degrees_of_freedom,
        chi2=fit.chi2,
        rms_mm=rms_mm,
        rms_k=rms_k,
        spacing_mm=forward.phantom.spacing_mm,
        models={model: found.chi2 for model, found in fits.items()},
        assumptions=measurements.assumptions,
        warnings=warnings_of(fits, best, refused, known=not measurements.assumptions, rms_mm=rms_mm),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
    )


def _rms(deviation: Array, chosen: Sequence[bool]) -> float | None:
    values = deviation[np.array(chosen, dtype=bool)]
    return float(np.sqrt(np.mean(values**2))) if values.size else None


def warnings_of(
    fits: dict[DryingId, Fit],
    best: DryingId,
    refused: Sequence[NotIdentifiable],
    *,
    known: bool,
    rms_mm: float | None,
) -> tuple[str, ...]:
    """What a user must know: lack of fit, models that cannot be told apart, parameters on a bound."""
    from scipy.stats import chi2 as chi_square

    fit = fits[best]
    probability = float(chi_square.sf(fit.chi2, max(fit.degrees_of_freedom, 1.0)))
    texts = [_lack_of_fit(fit, probability, known), _alike(fits, best)]
    if rms_mm is not None and rms_mm > TOO_FAR_MM:
        texts.append(f"lengths are off by {rms_mm:.1f} mm (root mean square): no better than an uncalibrated model")
    if fit.at_bound:
        texts.append(f"on the bound of its range: {', '.join(fit.at_bound)}")
    found = [text for text in texts if text]
    for error in refused:
        names = " and ".join(error.parameters)
        found.append(f"{error.where}: the measurements cannot identify {names}, which was held ({error.got})")
    if len(fit.values) == 1:
        held = DRYING_PARAMETER[best]
        found.append(f"{held} was held at the model's own value, a guess; {REMEDY[held]}")
    return tuple(found)


def _lack_of_fit(fit: Fit, probability: float, known: bool) -> str:
    if fit.degrees_of_freedom <= 0:
        return "as many numbers as parameters: whether the model fits cannot be checked"
    if known and probability < 0.01:
        return (
            f"lack of fit: chi2 {fit.chi2:.1f}, {fit.degrees_of_freedom:g} degrees of freedom (p {probability:.1g}); "
            "the model does not describe these measurements within their errors, the intervals were widened"
        )
    return ""


def _alike(fits: dict[DryingId, Fit], best: DryingId) -> str:
    others = [model for model in fits if model != best]
    near = [m for m in others if fits[m].chi2 - fits[best].chi2 < 3.84 * max(1.0, fits[best].scale)]
    if not near:
        return ""
    return f"the measurements do not tell {best} drying from {near[0]} drying: keep both in an ensemble"
