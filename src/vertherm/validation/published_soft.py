"""Published bench work in soft tissue beside He 2010: margin temperatures, aspect ratios, dielectric curves.

Antennas and start temperatures of these papers are not in our hands: catalogue antennas stand in, and what is compared
is the trend, with bands stated before the first run. Values that we do not hold are rows that did not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import load_antenna
from vertherm.calibration.bench_phantom import BenchPhantom
from vertherm.calibration.forward import Datum, Forward, Parameters
from vertherm.calibration.measurements import Boundary, Condition
from vertherm.materials.damage import damage_model
from vertherm.materials.drying import SigmoidDrying, drying
from vertherm.validation.case import Case

Array = NDArray[np.float64]
EX_VIVO_START_C = 20.0
"""[guess] not in the parts of the papers that were read."""
FREQUENCY_HZ = 2.45e9

_TOO_LONG = (
    "the stand-in's zone is too long for its width; part of the gap is the shaft, whose conductance is a guess (with "
    "20 W/mK instead of 190: 0.48 and 0.50 instead of 0.38 and 0.43); start temperature and edge are assumptions too"
)
KNOWN = {
    "mertyna slope": "ours is read when the damage integral reaches 1 at the margin, theirs at the end of heating, "
    "whose duration we do not know: heating that goes on after the margin has passed makes it hotter, and the more so "
    "the higher the power",
    "mertyna level": "the liver's Arrhenius constants coagulate at 50-55 °C within minutes; the paper found 42-95 °C "
    "at visible margins, at the end of heating and not when the margin passed; what of the two differs is not known",
    "aspect 50 W, 2 min, ex vivo": _TOO_LONG,
    "aspect 50 W, 5 min, ex vivo": _TOO_LONG,
    "aspect from 50 to 100 W at 2 min: falls": "with the paper's watts taken at the antenna neither drying model shows "
    "it (water 0.38 to 0.39, sigmoid 0.35 to 0.37); with 60 % of them it falls (0.43 to 0.35): the power at the "
    "antenna is not known to us",
}
"""Explanations of rows that failed when they were first run, by row."""


# ---- Mertyna 2009: how warm the margin is when the zone has reached it -----------------------------------------------
MERTYNA = "Mertyna 2009, Acad Radiol 16(12), Table 2 (3 cm antenna, 10-50 W, ex vivo bovine liver)"
MERTYNA_SLOPE_K_W = {20.0: 0.917, 30.0: 0.343}
MERTYNA_OFFSET_C = {20.0: 55.1, 30.0: 56.2, 40.0: 42.4}
"""Linear fits of the margin's end temperature against power, by diameter in mm."""
MERTYNA_POWERS_W, MERTYNA_TIME_S = (20.0, 30.0, 40.0, 50.0), 600.0
MARGIN_HEIGHTS_MM = tuple(float(z) for z in range(-2, 22, 3))


@lru_cache(maxsize=1)
def margin_curves() -> dict[tuple[float, float], tuple[Array, Array]]:
    """Times and temperatures of the hottest height at each margin's radius, by (power, diameter)."""
    phantom = BenchPhantom(load_antenna("ji_brace_monopole"), FREQUENCY_HZ)
    times = np.arange(10.0, MERTYNA_TIME_S + 1, 10.0)
    found = {}
    for power in MERTYNA_POWERS_W:
        condition = Condition("liver", EX_VIVO_START_C, False, power, "forward")
        keys = [(d, z, float(t)) for d in MERTYNA_SLOPE_K_W for z in MARGIN_HEIGHTS_MM for t in times]
        data = tuple(
            Datum("margin", "temperature", condition, MERTYNA_TIME_S, None, (d / 2, z), t, 0.0, 1.0, "degC")
            for d, z, t in keys
        )
        values = Forward(phantom, data)([Parameters("water", 1.0)])[0]
        shape = (len(MERTYNA_SLOPE_K_W), len(MARGIN_HEIGHTS_MM), times.size)
        for diameter, curves in zip(MERTYNA_SLOPE_K_W, values.reshape(shape), strict=True):
            hottest = curves[int(np.argmax(curves[:, -1]))]
            found[(power, diameter)] = (times, hottest)
    return found


def end_temperature_c(times_s: Array, temperature_c: Array) -> float | None:
    """Temperature at the moment the liver's Arrhenius integral reaches 1 there; None where it never does."""
    rate = damage_model("liver_coagulation").rate(temperature_c)
    omega = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(times_s))])
    if omega[-1] < 1.0:
        return None
    return float(np.interp(1.0, omega, temperature_c))


def mertyna_cases() -> list[Case]:
    """Slope of the margin's end temperature against power, and its mean level."""
    found = []
    curves = margin_curves()
    for diameter, slope in MERTYNA_SLOPE_K_W.items():
        ends = [(p, end_temperature_c(*curves[(p, diameter)])) for p in MERTYNA_POWERS_W]
        reached = [(p, end) for p, end in ends if end is not None]
        title = f"Mertyna 2009, margin of {diameter:g} mm (monopole stands in, liver Arrhenius as the margin)"
        if len(reached) < 3:
            found.append(Case.not_run(title, "slope", slope, MERTYNA, "K/W", "too few powers reach this diameter"))
            continue
        powers, values = np.array(reached).T
        got = float(np.polyfit(powers, values, 1)[0])
        middle = slope * float(powers.mean()) + MERTYNA_OFFSET_C[diameter]
        rises, slope_words = float(got > 0), "slope of the end temperature"
        level = float(values.mean())
        found += [
            Case(title, "end temperature rises with power (1)", 1.0, MERTYNA, rises, 0.0, "1"),
            Case(title, slope_words, slope, MERTYNA, got, 0.5 * slope, "K/W", KNOWN["mertyna slope"]),
            Case(title, "mean end temperature", middle, MERTYNA, level, 10.0, "degC", KNOWN["mertyna level"]),
        ]
    missing = "data missing: 40 mm are not reached within the time simulated, and the paper's antenna is unknown"
    title = "Mertyna 2009, margin of 40 mm"
    return [*found, Case.not_run(title, "slope", 1.157, MERTYNA, "K/W", missing)]


# ---- aspect ratios (PMC3721053) -------------------------------------------------------------------------------------
ASPECT = "PMC3721053: monopole, liver; 50 and 100 W"
ASPECT_ROWS = (
    (50.0, 120.0, False, 0.53),
    (50.0, 300.0, False, 0.63),
    (100.0, 120.0, False, 0.42),
    (100.0, 300.0, True, 0.53),
)
"""Power in W, time in s, in vivo, short over long axis."""
ASPECT_BAND = 0.10


@lru_cache(maxsize=1)
def monopole_aspects() -> tuple[float, ...]:
    """Short over long axis (60 degC isotherm) of the Ji-Brace monopole in the paper's four conditions."""
    phantom = BenchPhantom(load_antenna("ji_brace_monopole"), FREQUENCY_HZ)
    boundary = Boundary.parse("isotherm 60", "aspect")
    data = []
    for power, time_s, in_vivo, _ in ASPECT_ROWS:
        condition = Condition("liver", 37.0 if in_vivo else EX_VIVO_START_C, in_vivo, power, "forward")
        data += [
            Datum("aspect", axis, condition, time_s, boundary, None, None, 0.0, 1.0, "mm")
            for axis in ("short axis", "long axis")
        ]
    axes = Forward(phantom, tuple(data))([Parameters("water", 1.0)])[0].reshape(-1, 2)
    return tuple(float(short / long) if long > 0 else float("nan") for short, long in axes)


def aspect_cases() -> list[Case]:
    """Aspect ratios of a monopole, and how they move with time and power."""
    got = monopole_aspects()
    title = "aspect ratio of a monopole's zone (Ji-Brace geometry, 60 °C isotherm)"
    found = []
    for (power, time_s, in_vivo, expected), value in zip(ASPECT_ROWS, got, strict=True):
        words = f"{power:g} W, {time_s / 60:g} min, {'in vivo' if in_vivo else 'ex vivo'}"
        known = KNOWN.get(f"aspect {words}", "")
        found.append(Case(title, words, expected, ASPECT, value, ASPECT_BAND, "1", known))
    pairs = (("from 2 to 5 min at 50 W: rises", 0, 1), ("from 50 to 100 W at 2 min: falls", 0, 2))
    for words, first, second in pairs:
        change = ASPECT_ROWS[second][3] - ASPECT_ROWS[first][3]
        known = KNOWN.get(f"aspect {words}", "")
        found.append(Case(title, words, change, ASPECT, got[second] - got[first], abs(change), "1", known))
    missing = "data missing: the geometry of the dual-slot antenna"
    rows = (("50 W, 2 min", 0.75), ("50 W, 5 min", 0.82), ("100 W, 2 min", 0.52), ("in vivo, 100 W, 5 min", 0.63))
    return found + [
        Case.not_run("aspect ratio of a dual-slot antenna's zone", words, value, "PMC3721053", "1", missing)
        for words, value in rows
    ]


# ---- Ji and Brace 2011 ----------------------------------------------------------------------------------------------
JI_BRACE = "Ji and Brace 2011, Phys Med Biol 56:5249; values from the published constants"
JI_BRACE_ROWS = ((37, 47.9, 2.10), (60, 41.9, 1.86), (80, 27.3, 1.29), (100, 10.9, 0.58), (110, 6.2, 0.33))
"""degC, permittivity, S/m: rounded values derived from the constants, independently of this program."""


def ji_brace_cases() -> list[Case]:
    """The drying curve itself; what was measured over time is not in our hands."""
    model = drying("sigmoid")
    assert isinstance(model, SigmoidDrying)
    title = "Ji and Brace 2011: liver at 2.45 GHz while it heats"
    found = []
    for temperature, eps, sigma in JI_BRACE_ROWS:
        got_eps, got_sigma = (float(v) for v in model.liver(float(temperature)))
        found.append(Case(title, f"permittivity at {temperature} °C", eps, JI_BRACE, got_eps, 0.06, "1"))
        found.append(Case(title, f"conductivity at {temperature} °C", sigma, JI_BRACE, got_sigma, 0.006, "S/m"))
    curves = "data missing: the temperature and reflection curves are in the paper's figures, which we do not hold"
    errors = (("sigmoid", 4.2), ("time-temperature integral", 10.1), ("linear", 27.0), ("static", 32.8))
    title = "Ji and Brace 2011: error of a model against experiment, 50 W"
    return found + [
        Case.not_run(title, f"mean error with {name} properties", value, "abstract", "%", curves)
        for name, value in errors
    ]


# ---- what cannot be compared ----------------------------------------------------------------------------------------
def missing_cases() -> list[Case]:
    """Published work of which we do not hold enough."""
    rows: Sequence[tuple[str, str, float | None, str, str, str]] = (
        (
            "Cavagnaro: 60 W, 10 min, thin bovine liver",
            "lengthening, thin one way",
            7.5,
            "Int J Hyperthermia 31:48",
            "%",
            "data missing: the antenna and the samples' thickness",
        ),
        (
            "Cavagnaro: 60 W, 10 min, thin bovine liver",
            "lengthening, thin both ways",
            23.4,
            "Int J Hyperthermia 31:48",
            "%",
            "data missing: the antenna and the samples' thickness",
        ),
        (
            "shrinkage of 152 ablations (50-60 W, 1-10 min, 3 devices)",
            "shrinkage",
            None,
            "Farina, Amabile (abstract only)",
            "%",
            "data missing: numbers; and the program does not model shrinkage",
        ),
    )
    return [Case.not_run(*row) for row in rows]


def cases() -> list[Case]:
    """Rows for ``vertherm validate``."""
    return [*mertyna_cases(), *aspect_cases(), *ji_brace_cases(), *missing_cases()]
