"""Cases on the torso phantom: the project's public reference, for examples, studies and tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from vertherm.applicator.antenna import load_antenna
from vertherm.clinical.levels import CountingRule, LevelStatement, parse_level
from vertherm.geometry.trajectory import Trajectory
from vertherm.heat.schedule import Activation, Schedule
from vertherm.imaging.phantom import torso_phantom
from vertherm.planning.objects import Case, PlacedAntenna, Target, Treatment


def phantom_case(level: str = "L3", *, kind: str = "lytic", name: str = "phantom", **arguments: Any) -> Case:
    """A case on :func:`vertherm.imaging.phantom.torso_phantom`; ``arguments`` go to it."""
    anatomy = torso_phantom(level, kind=kind, **arguments)
    statement = LevelStatement(parse_level(level), confirmed=True, counting_rule=CountingRule.other)
    target = Target("target", statement, "not applicable", kind, anatomy.lesions["target"], synthetic=True)
    return Case(name, f"Torso phantom, {level}, {kind} lesion", anatomy, (target,))


def constant_power(
    power_w: float,
    time_s: float,
    *,
    tip_mm: tuple[float, float, float],
    entry_mm: tuple[float, float, float],
    antenna: str = "tosoratti_mini_choke",
    frequency_mhz: float = 2450.0,
    power_kind: str = "forward",
    reconstruction: bool = False,
) -> Treatment:
    """One activation at constant power; RAS mm."""
    placed = PlacedAntenna(
        name="antenna 1",
        antenna=load_antenna(antenna),
        frequency_hz=frequency_mhz * 1e6,
        trajectory=Trajectory(np.array(entry_mm), np.array(tip_mm)),
    )
    return Treatment(
        applicators=(placed,),
        schedule=Schedule((Activation(power_w=power_w, duration_s=time_s),)),
        power_kind=power_kind,
        reconstruction=reconstruction,
    )
