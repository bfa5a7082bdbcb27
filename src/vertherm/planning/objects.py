"""The nouns of a prediction: Case (whom), Treatment (what), Numerics (how fine)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vertherm.applicator.antenna import Antenna
from vertherm.clinical.levels import Level, LevelStatement
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.heat.schedule import Schedule
from vertherm.imaging.anatomy import Anatomy
from vertherm.planning.case import Numerics


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
class Treatment:
    """One antenna, where it lies, and what it gives.

    Args:
        power_kind: what the given power means: "set" (generator), "forward" or "net" (both at the antenna).
        thermocouples: name to RAS mm.
        reconstruction: True accepts a needle through the canal; its status stays stop.
    """

    antenna: Antenna
    frequency_hz: float
    trajectory: Trajectory
    schedule: Schedule
    power_kind: str
    power_note: str = ""
    thermocouples: dict[str, FloatArray] = field(default_factory=dict)
    reconstruction: bool = False


__all__ = ["Case", "Numerics", "Target", "Treatment"]
