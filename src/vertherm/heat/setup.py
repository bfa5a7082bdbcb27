"""What a prediction starts from: the antennas in this patient, the tissue around them, and what they shall give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import Antenna
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray
from vertherm.heat.protection import NONE, Protection
from vertherm.heat.schedule import Activation, Schedule
from vertherm.materials.constants import constants
from vertherm.materials.drying import AS_PUBLISHED, DryingAdjustment
from vertherm.materials.tissue_map import TissueMap

LARGEST_FACTOR = 2.0
"""Efficiencies and power factors beyond this are a mistake in units, not a device."""
LARGEST_DAMAGE_SHIFT_K = 15.0
START_C = (0.0, 42.0)
FIRST_SOLVE_S = 5.0
"""After this time of power the antenna is solved again: the tissue beside it dries within seconds."""


@dataclass(frozen=True, eq=False)
class Emitter:
    """One antenna in this patient.

    The same physical antenna that is moved between activations is one emitter for each of its places.

    Args:
        name: unique in the setup.
        antenna: the catalogue entry with its chosen cooling.
        trajectory: where it lies.
        frequency_hz: what it is driven with.
        efficiency: factor on the modelled absorbed power (device calibration); 1: as modelled. What a factor below 1
            takes away is lost in the device and heats no tissue.
        phase_deg: phase of its forward wave at the feed port; counts only where fields add.
        redistribution: heat-grid shape, factor on this antenna's power density (full wave over axisymmetric).
    """

    name: str
    antenna: Antenna
    trajectory: Trajectory
    frequency_hz: float
    efficiency: float = 1.0
    phase_deg: float = 0.0
    redistribution: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        _within(f"{self.name}: efficiency", self.efficiency, 0.0, LARGEST_FACTOR, above=True)
        if not np.isfinite(self.phase_deg):
            raise InputError("A phase is not finite.", where=f"{self.name}: phase_deg", got=self.phase_deg)


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything a member needs; picklable.

    Args:
        tissue: tissues on the heat grid, with the media of dissections in place (``dissection.dissected``).
        emitters: the antennas; the first stands for the case where one direction is asked for (axes of a zone).
        schedule: which of them fire, when, and how strongly.
        power_kind: "set", "forward" or "net": what the schedule's power means.
        probes: flat heat-grid cells of every structure to follow, by name.
        tracked: names of all structures with a row, also those wholly outside the heat grid.
        thermocouples: RAS mm by name.
        neural_cells: flat cells where the local SAR factor applies.
        resolve_every_s: longest time between two solves of the antennas.
        first_solve_s: the first such time of every activation; they grow from there.
        reach_mm: radius of the electromagnetic domain around each needle.
        max_cooldown_s: longest wait for every structure to peak and cool.
        coherent: antennas that fire together: True, their fields add with their phases; False, their powers add.
        drying: how this device's tissue dries otherwise than the models say.
        damage_shift_k: Arrhenius rates read the temperature minus this (positive: tissue that stands more heat).
        power_factor: factor on every given power (error of the generator's reading).
        start_c: temperature of tissue, blood and edge at the start; None: body temperature.
        full_wave: words on the full-wave check behind the redistributions; "": not run.
        protection: dissections (for their temperature at the start), irrigation, cooling of the skin.

    Raises:
        InputError: names that repeat or do not exist, powers that do not fit the antennas, one phase for two
            frequencies, or a number out of its range.
    """

    tissue: TissueMap
    emitters: tuple[Emitter, ...]
    schedule: Schedule
    power_kind: str
    probes: dict[str, NDArray[np.int64]]
    tracked: tuple[str, ...]
    thermocouples: dict[str, FloatArray]
    neural_cells: NDArray[np.int64]
    resolve_every_s: float = 25.0
    first_solve_s: float = FIRST_SOLVE_S
    reach_mm: float = 50.0
    max_cooldown_s: float = 3600.0
    coherent: bool = False
    drying: DryingAdjustment = AS_PUBLISHED
    damage_shift_k: float = 0.0
    power_factor: float = 1.0
    start_c: float | None = None
    full_wave: str = ""
    protection: Protection = NONE

    def __post_init__(self) -> None:
        check_firing(self.schedule, {e.name: e.frequency_hz for e in self.emitters}, len(self.emitters), self.coherent)
        _within("power_factor", self.power_factor, 0.0, LARGEST_FACTOR, above=True)
        _within("damage_shift_k", self.damage_shift_k, -LARGEST_DAMAGE_SHIFT_K, LARGEST_DAMAGE_SHIFT_K)
        if self.start_c is not None:
            _within("start_c", self.start_c, *START_C)
        for emitter in self.emitters:
            factor = emitter.redistribution
            if factor is None:
                continue
            if factor.shape != self.tissue.grid.shape:
                raise InputError(
                    "A redistribution does not fit the heat grid.",
                    where=emitter.name,
                    got=factor.shape,
                    expected=self.tissue.grid.shape,
                )
            if not (np.isfinite(factor).all() and (factor >= 0).all()):
                raise InputError("A redistribution must be finite and not negative.", where=emitter.name)

    @property
    def first(self) -> Emitter:
        """The emitter that stands for the case where one is asked for."""
        return self.emitters[0]

    @property
    def body_c(self) -> float:
        """Temperature of tissue, arterial blood and edge at the start, degC."""
        return constants("body_temperature").value if self.start_c is None else self.start_c

    def firing(self, activation: Activation) -> tuple[int, ...]:
        """Places in :attr:`emitters` of those that fire in ``activation``, in the order of its powers."""
        place = {emitter.name: n for n, emitter in enumerate(self.emitters)}
        return tuple(place[name] for name in activation.emitters or place)


def check_firing(schedule: Schedule, frequencies_hz: dict[str, float], count: int, coherent: bool) -> None:
    """Check that a schedule fits the antennas it drives.

    Args:
        schedule: the activations.
        frequencies_hz: frequency of each antenna by name.
        count: number of antennas; more than there are names where two share one.
        coherent: True where fields of antennas that fire together add.

    Raises:
        InputError: see :class:`Setup`.
    """
    if count == 0:
        raise InputError("A treatment needs an antenna.", where="applicators")
    if len(frequencies_hz) < count:
        raise InputError(
            "Two antennas have the same name.", where="applicators", expected="each its own name", got=count
        )
    for number, activation in enumerate(schedule.activations, 1):
        where = f"schedule.activations[{number}]"
        names = activation.emitters or tuple(frequencies_hz)
        unknown = [name for name in names if name not in frequencies_hz]
        if unknown:
            raise InputError(
                "An activation names an antenna that does not exist.",
                where=f"{where}.applicators",
                got=", ".join(unknown),
                expected=", ".join(frequencies_hz),
            )
        activation.powers_w(len(names), where)
        together = {frequencies_hz[name] for name in names}
        if coherent and len(together) > 1:
            raise InputError(
                "Fields of two frequencies cannot add in phase.",
                where=where,
                got=", ".join(f"{f / 1e6:g} MHz" for f in sorted(together)),
                expected="one common frequency of all antennas that fire together",
                advice="set [schedule] coherent = false: then powers add",
            )


def _within(name: str, value: float, low: float, high: float, *, above: bool = False) -> None:
    if not (np.isfinite(value) and (low < value if above else low <= value) and value <= high):
        edge = "above" if above else "from"
        raise InputError(
            "A number of the setup is out of range.", where=name, got=value, expected=f"{edge} {low:g} to {high:g}"
        )
