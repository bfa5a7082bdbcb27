"""A treatment up to now: what was given, what thermocouples read, and what that says about the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.materials.constants import constants
from vertherm.planning.checks import radiating_points
from vertherm.planning.monitor.advice import SensorAdvice
from vertherm.planning.monitor.delivered import Heat, Timeline, after, beyond_range, end_s, planned, recorded, until
from vertherm.planning.monitor.plan_scale import PlanScale, plan_scale
from vertherm.planning.monitor.thermocouple_log import PowerRecord, ThermocoupleLog
from vertherm.planning.monitor.update import SENSOR_K, Evidence, Fit, fit
from vertherm.planning.protocol import Limit
from vertherm.planning.state.parts import REPLANNED
from vertherm.planning.state.state import State

Array = NDArray[np.float64]
INFORMS_MM = 20.0
"""[guess] a thermocouple farther from a structure says nothing about it; 2 decay lengths of heat in tissue."""
COLD_K = 0.1
"""Where no variant predicts more than this yet, a reading still shows the start."""
OLD_S = 30.0
"""Readings older than this are called out."""
START_K = 5.0
"""A start temperature farther from body temperature than this is a wrong unit or a sensor outside the patient."""


@dataclass(frozen=True, eq=False)
class Watch:
    """The treatment up to now, and what the readings say about the model."""

    state: State
    readings: ThermocoupleLog
    now_s: float
    schedule: Timeline
    delivered: Timeline
    heat: Heat
    scale: PlanScale
    start_c: Mapping[str, float]
    evidence: tuple[Evidence, ...]
    fit: Fit

    @staticmethod
    def of(state: State, readings: ThermocoupleLog, now_s: float, power: PowerRecord | None) -> Watch:
        """Everything that does not depend on what is still to come."""
        _check(state, readings, now_s)
        schedule = planned(state.treatment)
        delivered = until(schedule, now_s) if power is None else recorded(power, now_s, state.treatment)
        heat = Heat.of(state.surrogates, delivered)
        curves = {name: heat.thermocouples(delivered, readings.time_s[name])[name] for name in readings.names}
        start = {name: _start_c(name, readings, curves[name]) for name in readings.names}
        evidence = tuple(_evidence(state, readings, name, start[name], curves[name]) for name in readings.names)
        return Watch(
            state, readings, now_s, schedule, delivered, heat, plan_scale(state, heat), start, evidence,
            fit(evidence, heat.variants, readings=2),
        )  # fmt: skip

    @property
    def powered(self) -> bool:
        """True where the log shows power now, after the planned end."""
        last = max(self.delivered, key=lambda segment: segment.end_s)
        return last.end_s >= self.now_s - 1e-6 and self.now_s > self.end_s + 1e-6

    @property
    def end_s(self) -> float:
        """Planned end of power."""
        return end_s(self.schedule)

    @property
    def base_c(self) -> float:
        """Where structures start: the model's body temperature, or the measured one where that is higher."""
        return max(constants("body_temperature").value, float(np.median(list(self.start_c.values()))))

    @cached_property
    def limits(self) -> dict[str, Limit]:
        """Limits of the structures that the model follows."""
        known = self.state.limits()
        return {name: known[name] for name in self.heat.surrogates[self.heat.leads].structures if name in known}

    def informs(self) -> dict[str, list[str]]:
        """By structure, the useful thermocouples within :data:`INFORMS_MM`."""
        useful = {item.name for item in self.evidence if item.useful}
        return {
            structure: [name for name, far in near.items() if far <= INFORMS_MM and name in useful]
            for structure, near in self.distances.items()
        }

    @cached_property
    def distances(self) -> dict[str, dict[str, float]]:
        """By structure and thermocouple, to the nearest voxel, mm."""
        places = {name: self.state.treatment.thermocouples[name] for name in self.readings.names}
        found: dict[str, dict[str, float]] = {}
        for structure in self.state.case.anatomy.structures:
            voxels = structure.mask.grid.world(np.argwhere(structure.mask.data))
            if len(voxels):
                found[structure.name] = {
                    name: float(np.sqrt(((voxels - place) ** 2).sum(axis=1).min())) for name, place in places.items()
                }
        return found

    def sensors(self) -> list[SensorAdvice]:
        """The last reading of every thermocouple beside its prediction."""
        rows = []
        for item in self.evidence:
            last = item.predicted_k[:, -1] + self.start_c[item.name]
            times = self.readings.time_s[item.name]
            rows.append(
                SensorAdvice(
                    name=item.name,
                    readings=int(item.rise_k.size),
                    last_s=float(times[-1]),
                    measured_c=float(self.readings.temperature_c[item.name][-1]),
                    predicted_c=float(last[0]),
                    predicted_low_c=float(last.min()),
                    predicted_high_c=float(last.max()),
                    error_k=item.sd_k,
                    placement_share=item.tau,
                    distance_mm=item.distance_mm,
                    useful=item.useful,
                )
            )
        return rows

    def notes(self) -> list[str]:
        """What a person must read."""
        found = []
        if not self.fit.supported:
            found.append(
                "The readings do not narrow the prediction enough yet: the plan's worst variant decides"
                + (f", times {self.fit.grown:.2f}." if self.fit.grown > 1.0 else ".")
            )
        old = self.now_s - self.readings.last_s
        if old > OLD_S:
            found.append(f"The newest reading is {old:.0f} s old.")
        missing = sorted(set(self.state.treatment.thermocouples) - set(self.readings.names))
        if missing:
            found.append(f"No readings of {', '.join(missing)}.")
        course = (*self.delivered, *after(self.schedule, self.now_s))
        found += [words for words in (beyond_range(course, s) for s in self.heat.surrogates.values()) if words]
        if self.state.plan.status == "no safe plan":
            found.append(f"This is no plan that reaches its goal: {self.state.plan.status_words}")
        laid = "re-planned" if REPLANNED in self.state.plan.models else "planned"
        found.append(f"The prediction is for the needles as {laid}; where they lie otherwise, re-plan first.")
        return found


def _check(state: State, readings: ThermocoupleLog, now_s: float) -> None:
    known = state.treatment.thermocouples
    unknown = [name for name in readings.names if name not in known]
    if unknown:
        raise InputError(
            "The readings name a thermocouple that the plan does not have.",
            where=readings.source,
            got=", ".join(unknown),
            expected=", ".join(known) or "none: the plan has no thermocouple ([[protection.thermocouples]])",
            advice="use the names of the case file; a sensor that the plan does not know has no predicted curve",
        )
    if now_s <= 0.0:
        raise InputError("The treatment has not begun.", where="--now", got=f"{now_s:g} s", expected="above 0 s")
    short = [name for name in readings.names if not (readings.time_s[name] > 0.0).any()]
    if short:
        raise InputError(
            "A thermocouple has no reading from the first watt to now.", where=readings.source, got=", ".join(short)
        )


def _start_c(name: str, readings: ThermocoupleLog, curves: Array) -> float:
    """Mean of the readings before the first watt (without any, body temperature), and of those that no heat reached."""
    body = constants("body_temperature").value
    times, values = readings.time_s[name], readings.temperature_c[name]
    before = times <= 0.0
    start = float(values[before].mean()) if before.any() else body
    first = float(values[0])
    if abs(start - body) > START_K or (not before.any() and times[0] <= 1.0 and abs(first - body) > START_K):
        raise InputError(
            "A thermocouple does not start near body temperature.",
            where=f"{readings.source}: {name}",
            got=f"{first:g} °C",
            expected=f"{body:g} °C within {START_K:g} K",
            advice="temperatures are in °C, times count from the first watt; is the sensor in the patient?",
        )
    # One reading alone is off by as much as a distant thermocouple warms; one that jumps is no start.
    cold = before | ((curves.max(axis=0) <= COLD_K) & (np.abs(values - start) <= 3.0 * SENSOR_K))
    return float(values[cold].mean()) if cold.any() else start


def _evidence(state: State, readings: ThermocoupleLog, name: str, start_c: float, curves: Array) -> Evidence:
    later = readings.time_s[name] > 0.0
    needle = radiating_points(state.treatment.trajectories)
    distance = float(np.linalg.norm(needle - state.treatment.thermocouples[name], axis=1).min())
    return Evidence(name, readings.temperature_c[name][later] - start_c, curves[:, later], distance)
