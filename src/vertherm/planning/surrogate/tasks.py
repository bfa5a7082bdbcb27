"""What worker processes do for a surrogate: coupled runs of the nominal patient, linear answers of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.ensemble.distributions import Sample
from vertherm.geometry.volume import Volume
from vertherm.heat.member import Member
from vertherm.heat.setup import Setup
from vertherm.planning.surrogate.coupled import CoupledRun, coupled_run
from vertherm.planning.surrogate.families import Key
from vertherm.planning.surrogate.linear import alone, per_watt, without_power
from vertherm.planning.surrogate.sites import Sites, hottest_cells, lesion_distance_mm
from vertherm.planning.uncertainty import Drawn, Reading, Uncertainty, in_reading

Float = NDArray[np.float32]
Array = NDArray[np.float64]
INSTANTS = (0.25, 1.0)
"""Shares of the longest time at which the hottest cells of a structure are looked for."""


@dataclass(frozen=True, eq=False)
class Shared:
    """What all tasks need.

    Args:
        setup: nominal, with the antennas at all places.
        coarse: one setup a place, with the smaller field domain of the coupled runs.
        sites: nominal.
        lesions: masks by target.
        uncertainty: None without samples.
        local_factor: on the local SAR in safety readings.
        times_s: nodes of the step responses.
        solves_s: instants of the coupled runs' solves.
        longest_s: longest time of a pulse.
    """

    setup: Setup
    coarse: tuple[Setup, ...]
    sites: Sites
    lesions: dict[str, Volume]
    uncertainty: Uncertainty | None
    local_factor: float
    times_s: Array
    solves_s: Array
    longest_s: float


@dataclass(frozen=True)
class CoupledTask:
    """One coupled run: a member at one place with one power, for the first ``solves`` intervals."""

    key: Key
    member: Member
    place: int
    power_w: float
    solves: int


@dataclass(frozen=True)
class LinearTask:
    """One linear answer of the watched cells: a member at one place, with power or (``rises`` False) without.

    Args:
        narrow: with the field's domain of the coupled runs.
    """

    member: Member
    place: int
    rises: bool = True
    narrow: bool = False


@dataclass(frozen=True)
class SampleTask:
    """The linear answers of one sample at all places, in both readings."""

    number: int
    sample: Sample


Task = CoupledTask | LinearTask | SampleTask


@dataclass(frozen=True, eq=False)
class SampleReading:
    """One sample in one reading.

    Args:
        sites: its cells.
        per_w: (places, nodes, cells).
        member: model choices.
        shift_mm: how far its needles lie from the nominal ones, RAS.
        body_c: temperature of blood and tissue.
        drive: factor on the power, relative to the nominal patient.
        damage_shift_k: shift of the Arrhenius models.
    """

    sites: Sites
    per_w: Float
    member: Member
    shift_mm: Array
    body_c: float
    drive: float
    damage_shift_k: float


def perform(task: Task, shared: Shared) -> CoupledRun | Float | dict[Reading, SampleReading]:
    """What a worker does."""
    if isinstance(task, CoupledTask):
        setup = shared.coarse[task.place]
        return coupled_run(setup, task.member, task.power_w, shared.solves_s[: task.solves], shared.sites.cells)
    if isinstance(task, LinearTask):
        setup = shared.coarse[task.place] if task.narrow else alone(shared.setup, task.place)
        answer = per_watt if task.rises else without_power
        return answer(setup, task.member, shared.times_s, shared.sites.cells)
    return _sample(task, shared)


def _sample(task: SampleTask, shared: Shared) -> dict[Reading, SampleReading]:
    if shared.uncertainty is None:
        raise ValueError("a sample without the parameters that it samples")
    drawn = shared.uncertainty.draw(shared.setup, task.sample)
    lone = [alone(drawn.setup, place) for place in range(len(drawn.setup.emitters))]
    safety = in_reading(drawn.member, "safety", shared.local_factor)
    cells = np.unique(np.concatenate([*drawn.setup.probes.values(), *_sensor_cells(shared.sites)]))
    answers = [per_watt(one, safety, shared.times_s, cells) for one in lone]
    at = np.searchsorted(shared.times_s, np.array(INSTANTS) * shared.longest_s)
    rise = np.max([answer[at] for answer in answers], axis=0)
    hot, kept = _hot_sites(cells, rise, drawn.setup.probes, shared.sites)
    cover = in_reading(drawn.member, "coverage")
    around = _target_sites(drawn.label_offset_mm, shared)
    return {
        "safety": _reading(drawn, shared, hot, [answer[:, kept] for answer in answers], safety),
        "coverage": _reading(
            drawn, shared, around, [per_watt(one, cover, shared.times_s, around.cells) for one in lone], cover
        ),
    }


def _reading(drawn: Drawn, shared: Shared, sites: Sites, per_w: Sequence[Float], member: Member) -> SampleReading:
    return SampleReading(
        sites=sites,
        per_w=np.array(per_w),
        member=member,
        shift_mm=drawn.setup.emitters[0].trajectory.tip_mm - shared.setup.emitters[0].trajectory.tip_mm,
        body_c=drawn.setup.body_c,
        drive=drawn.setup.power_factor / shared.setup.power_factor,
        damage_shift_k=drawn.setup.damage_shift_k,
    )


def _sensor_cells(sites: Sites) -> list[NDArray[np.int64]]:
    """Flat cells of the thermocouples, which stay where they are."""
    return [sites.cells[where] for where, _ in sites.sensors.values()]


def _hot_sites(
    cells: NDArray[np.int64], rise: Float, probes: Mapping[str, NDArray[np.int64]], nominal: Sites
) -> tuple[Sites, NDArray[np.int64]]:
    """The hot cells of every structure where the sample has it, and their places in ``cells``."""
    chosen = {name: cells[hottest_cells(np.searchsorted(cells, np.sort(flat)), rise)] for name, flat in probes.items()}
    kept = np.unique(np.concatenate([*chosen.values(), *_sensor_cells(nominal)]))
    none = np.zeros(0, np.int64)
    structures = {name: np.searchsorted(kept, chosen.get(name, none)) for name in nominal.structures}
    sensors = {
        name: (np.searchsorted(kept, nominal.cells[where]), weights)
        for name, (where, weights) in nominal.sensors.items()
    }
    return Sites(kept, structures, {}, sensors), np.searchsorted(cells, kept)


def _target_sites(offset_mm: Array, shared: Shared) -> Sites:
    """The watched cells around the lesions, with the distances to the moved outlines."""
    nominal, _ = shared.sites.only(keep_structures=False, keep_targets=True)
    if not offset_mm.any():
        return nominal
    grid = shared.setup.tissue.grid
    targets = {}
    for name, target in nominal.targets.items():
        index = np.stack(np.unravel_index(nominal.cells[target.where], grid.shape), axis=-1)
        distance = lesion_distance_mm(shared.lesions[name], grid.world(index) - offset_mm)
        if not (distance <= 0).any():
            distance[int(np.argmin(distance))] = -1e-3
        targets[name] = replace(target, distance_mm=distance)
    return Sites(nominal.cells, {}, targets, nominal.sensors)
