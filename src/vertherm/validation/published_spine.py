"""Published work in the spine, as far as the facts in our hands go: sheep, porcine vertebra, cement."""

from __future__ import annotations

from functools import lru_cache

from vertherm.validation.case import Case
from vertherm.validation.cement_curing import BATH_CASE, bath_cases

NIJLAND = "Nijland 2024 (10.1080/02656736.2024.2434607), abstract"
SHEEP_SPACING_MM = 2.0
WALL_Y_MM, DEPTH_MM = -14.0, 5.0
"""Posterior wall of the phantom's thoracic body, and how far in front of it the antenna lies: our choice; the paper's
distances were not read."""
SHEEP_TIME_S = 240.0


@lru_cache(maxsize=4)
def sheep(power_w: float) -> tuple[str, float, float]:
    """Verdict, peak temperature of the canal in degC, and when it passed 60 degC in s (NaN: never); nominal member."""
    import numpy as np

    from vertherm.heat.member import NOMINAL
    from vertherm.planning.case import Numerics
    from vertherm.planning.phantom import constant_power, phantom_case
    from vertherm.planning.predict import predict
    from vertherm.planning.protocol import default_protocol

    y = WALL_Y_MM + DEPTH_MM
    case = phantom_case(
        "T8", lesion_radius_mm=5.0, lesion_offset_mm=(0.0, 0.0, 0.0), posterior_wall="intact", name=f"{power_w:g} W"
    )
    treatment = constant_power(power_w, SHEEP_TIME_S, tip_mm=(-6.0, y, 0.0), entry_mm=(40.0, y, 0.0))
    numerics = Numerics(spacing_mm=SHEEP_SPACING_MM)
    result = predict(case, treatment, default_protocol(), numerics, workers=1, run_members=(NOMINAL,))
    outcome = result.outcomes[0]
    curve = outcome.curves["canal"]
    hot = np.flatnonzero(curve >= 60.0)
    when = float(outcome.time_s[hot[0]]) if hot.size else float("nan")
    return result.assessment.verdict, float(curve.max()), when


def sheep_cases() -> list[Case]:
    """An intact posterior wall protects nobody: the verdict, and the order of the temperatures."""
    title = f"sheep vertebra, antenna {DEPTH_MM:g} mm before an intact posterior wall, 4 min (torso phantom, T8)"
    found = []
    peaks = []
    for power in (20.0, 30.0, 40.0):
        verdict, peak, when = sheep(power)
        peaks.append(peak)
        if power <= 30.0:
            words = f"verdict at {power:g} W is stop (1)"
            source = f"{NIJLAND}: 10 of 12 paralysed at 20-30 W"
            found.append(Case(title, words, 1.0, source, float(verdict == "stop"), 0.0, "1"))
    source = f"{NIJLAND}: above 60 °C at the posterior wall almost at once at 40-50 W; 'at once' read as a minute"
    found.append(
        Case(title, "canal passes 60 °C at 40 W", 30.0, source, when, 30.0, "s", "" if when <= 60 else KNOWN_SHEEP)
    )
    rises = float(peaks[0] < peaks[1] < peaks[2])
    found.append(Case(title, "canal is warmer with each step of power (1)", 1.0, NIJLAND, rises, 0.0, "1"))
    return found


KNOWN_SHEEP = (
    "distance of the antenna from the wall, its geometry and the frequency are not known to us; the hottest cell of "
    "the canal stands for the wall"
)


def missing_cases() -> list[Case]:
    """What the facts do not allow to compare."""
    bone = "data missing: geometry of the directional antenna, power and tissue properties (full text not in our hands)"
    porcine = "porcine vertebra, directional antenna"
    rows: tuple[tuple[str, str, float | None, str, str, str], ...] = (
        (
            "sheep vertebra, ex vivo",
            "posterior wall at 20-30 W, 4 min (stays below)",
            60.0,
            NIJLAND,
            "degC",
            "data missing: distance of antenna and sensor, start temperature",
        ),
        (porcine, "temperature 10.1 mm ahead", None, "PMC11357707", "degC", bone),
        (porcine, "temperature 2.4 mm behind", None, "PMC11357707", "degC", bone),
        (
            BATH_CASE,
            "canal, largest of 25 vertebrae",
            43.16,
            "Int Orthop 2012;36:1025",
            "degC",
            "data missing: volume of cement, its distance from the canal, start temperature",
        ),
    )
    return [Case.not_run(*row) for row in rows]


def cases() -> list[Case]:
    """Rows for ``vertherm validate``."""
    return [*sheep_cases(), *bath_cases(), *missing_cases()]
