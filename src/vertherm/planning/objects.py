"""The nouns of a prediction: Case (whom), Treatment (what), Numerics (how fine)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vertherm.applicator.antenna import Antenna
from vertherm.clinical.levels import Level, LevelStatement
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.heat.protection import NONE, Protection
from vertherm.heat.schedule import Schedule
from vertherm.imaging.anatomy import Anatomy
from vertherm.planning.case import Numerics

if TYPE_CHECKING:
    from vertherm.calibration.device import DeviceCalibration


@dataclass(frozen=True, eq=False)
class Target:
    """A lesion to treat.

    Args:
        name: as in the case file.
        statement: the vertebral level and how it was counted and confirmed.
        pathology: what it is a metastasis of, or the primary bone tumour.
        kind: "lytic", "blastic" or "mixed".
        mask: bool, any grid of the CT's frame.
        synthetic: True where a program made it.
    """

    name: str
    statement: LevelStatement
    pathology: str
    kind: str
    mask: Volume
    synthetic: bool

    @property
    def centre_mm(self) -> FloatArray:
        """Centre of mass, RAS mm."""
        return self.mask.grid.world(np.argwhere(self.mask.data)).mean(axis=0)

    @property
    def level(self) -> Level:
        """The vertebra it lies in."""
        return self.statement.level


@dataclass(frozen=True, eq=False)
class Case:
    """A patient (or phantom) with the lesions to treat.

    Args:
        inputs: (role, path) of every file read, for provenance.
        seeds: random seeds by name.
    """

    name: str
    title: str
    anatomy: Anatomy
    targets: tuple[Target, ...]
    inputs: tuple[tuple[str, Path], ...] = ()
    seeds: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PlacedAntenna:
    """An antenna and where it lies.

    Args:
        name: as in the case file; activations name it.
        antenna: the catalogue entry with its chosen cooling.
        frequency_hz: what it is driven with.
        trajectory: the needle.
        phase_deg: phase of its drive; counts only in a coherent schedule.
        calibration: what was measured on this device; None: as modelled.
    """

    name: str
    antenna: Antenna
    frequency_hz: float
    trajectory: Trajectory
    phase_deg: float = 0.0
    calibration: DeviceCalibration | None = None

    @property
    def calibration_words(self) -> str:
        """What its calibration says, for a table; "" without one."""
        found = self.calibration
        if found is None:
            return ""
        sd = "" if found.efficiency.sd is None else f" ± {found.efficiency.sd:.2g}"
        drying = f"{found.drying} drying, {found.drying_parameter_name} {found.drying_parameter.value:.3g}"
        made_up = "; made-up measurements" if found.origin.synthetic else ""
        return (
            f"efficiency {found.efficiency.value:.3g}{sd}; {drying}; {found.origin.n} numbers of "
            f"{found.origin.measurements}{made_up}"
        )


@dataclass(frozen=True, eq=False)
class Treatment:
    """Antennas, where they lie, and what they give.

    Args:
        applicators: one or more; the first stands for the treatment where one direction or place is asked for.
        power_kind: what the given power means: "set" (generator), "forward" or "net" (both at the antenna).
        thermocouples: name to RAS mm.
        reconstruction: True accepts a needle through the canal; its status stays stop.
        coherent: fields of antennas that fire together add with their phases; False: their powers add.
        protection: dissection, irrigation, cooling of the skin.
    """

    applicators: tuple[PlacedAntenna, ...]
    schedule: Schedule
    power_kind: str
    power_note: str = ""
    thermocouples: dict[str, FloatArray] = field(default_factory=dict)
    reconstruction: bool = False
    coherent: bool = False
    protection: Protection = NONE

    @property
    def first(self) -> PlacedAntenna:
        """The antenna that stands for the treatment where one is asked for."""
        return self.applicators[0]

    @property
    def antenna(self) -> Antenna:
        """Of the first applicator."""
        return self.first.antenna

    @property
    def trajectory(self) -> Trajectory:
        """Of the first applicator."""
        return self.first.trajectory

    @property
    def frequency_hz(self) -> float:
        """Of the first applicator."""
        return self.first.frequency_hz

    @property
    def trajectories(self) -> tuple[Trajectory, ...]:
        """All needles."""
        return tuple(placed.trajectory for placed in self.applicators)


__all__ = ["Case", "Numerics", "PlacedAntenna", "Target", "Treatment"]
