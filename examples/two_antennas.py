"""Two antennas at once: a wider zone than one antenna with the same watts, and what phase does between them.

A large lesion in a lumbar body. One antenna in its middle with all the power; two antennas 16 mm apart that share it,
their powers adding; the same two driven in phase and against each other. Two antennas stretch the zone across the
needles; in phase the fields meet between them, against each other they cancel there. Heat cells and nominal member as
in the other examples; scattering of one antenna's field by the other's needle is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vertherm.applicator.antenna import load_antenna
from vertherm.geometry.trajectory import Trajectory
from vertherm.heat.member import NOMINAL
from vertherm.heat.schedule import Activation, Schedule
from vertherm.planning.case import Numerics
from vertherm.planning.objects import PlacedAntenna, Treatment
from vertherm.planning.phantom import phantom_case
from vertherm.planning.predict import predict
from vertherm.planning.protocol import default_protocol

APART_MM = 16.0
MIDDLE_TIP_MM, MIDDLE_ENTRY_MM = np.array([5.0, 8.0, 0.0]), np.array([25.0, -60.0, 0.0])


@dataclass(frozen=True)
class Zone:
    """Nominal 54 degC zone: volume, and its width across the needles; temperature half way between the tips."""

    volume_ml: float
    width_mm: float
    middle_c: float


def antenna(name: str, offset_mm: float, phase_deg: float = 0.0) -> PlacedAntenna:
    """A choked antenna, moved up or down by ``offset_mm``."""
    up = np.array([0.0, 0.0, offset_mm])
    needle = Trajectory(MIDDLE_ENTRY_MM + up, MIDDLE_TIP_MM + up)
    return PlacedAntenna(name, load_antenna("tosoratti_mini_choke"), 2.45e9, needle, phase_deg)


def treatments(power_w: float, time_s: float) -> dict[str, Treatment]:
    """The same forward watts in all, given four ways."""
    half = Schedule((Activation(power_w=0.5 * power_w, duration_s=time_s),))
    pair = (antenna("lower", -0.5 * APART_MM), antenna("upper", 0.5 * APART_MM))
    against = (pair[0], antenna("upper", 0.5 * APART_MM, 180.0))
    return {
        "one": Treatment((antenna("middle", 0.0),), Schedule((Activation(time_s, power_w),)), "forward"),
        "two": Treatment(pair, half, "forward"),
        "in phase": Treatment(pair, half, "forward", coherent=True),
        "against": Treatment(against, half, "forward", coherent=True),
    }


def run(power_w: float = 20.0, time_s: float = 90.0, spacing_mm: float = 1.0) -> dict[str, Zone]:
    """Predict all four with the nominal member."""
    case = phantom_case(lesion_radius_mm=11.0, lesion_offset_mm=(2.0, 3.0, 0.0), name="two antennas")
    numerics = Numerics(spacing_mm=spacing_mm)
    found = {}
    for name, treatment in treatments(power_w, time_s).items():
        result = predict(case, treatment, default_protocol(), numerics, workers=1, run_members=(NOMINAL,))
        peak = result.scene.peak_c
        middle = antenna("middle", 0.0).trajectory.point_mm(7.0)
        line = middle + np.arange(-40.0, 40.0, 0.25)[:, None] * np.array([0.0, 0.0, 1.0])
        found[name] = Zone(
            volume_ml=result.outcomes[0].zones["isotherm_54"].volume_ml,
            width_mm=0.25 * float(np.count_nonzero(np.asarray(peak.sample(line)) >= 54.0)),
            middle_c=float(peak.sample(middle)),
        )
    return found


if __name__ == "__main__":
    for name, zone in run().items():
        print(f"{name}: {zone.volume_ml:.1f} mL, {zone.width_mm:.1f} mm across, {zone.middle_c:.0f} °C in the middle")
