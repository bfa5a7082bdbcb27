"""A treatment up to now: what was given, what thermocouples read, and what that says about the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vertherm.core.errors import InputError
from vertherm.materials.constants import constants
from vertherm.planning.advice import SensorAdvice
from vertherm.planning.checks import radiating_points
from vertherm.planning.delivered import Heat, Timeline, end_s, planned, recorded, until
from vertherm.planning.monitor_update import Evidence, Fit, fit
from vertherm.planning.plan_scale import PlanScale, plan_scale
from vertherm.planning.protocol import Limit
from vertherm.planning.state import State
from vertherm.planning.thermocouple_log import PowerRecord, ThermocoupleLog

INFORMS_MM = 20.0
"""[guess] a thermocouple farther from a structure says nothing about it; 2 decay lengths of heat in tissue."""
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
        _check_names(state, readings, now_s)
        schedule = planned(state.treatment)
        delivered = until(schedule, now_s) if power is None else recorded(power, now_s, state.treatment)
        heat = Heat.of(state.surrogates, delivered)
        start = {name: _start_c(name, readings) for name in readings.names}
        evidence = tuple(_evidence(state, readings, name, start[name], heat, delivered) for name in readings.names)
        return Watch(
            state, readings, now_s, schedule, delivered, heat, plan_scale(state, heat), start, evidence,
            fit(evidence, heat.variants, readings=2),
        )  # fmt: skip

    @property
    def powered(self) -> bool:
        """True where the log shows power now, after the planned end."""
        last = max(self.delivered, key=lambda segment: segment.end_s, default=None)
        on = last is not None and last.power_w > 0.0 and last.end_s >= self.now_s - 1e-6
        return on and self.now_s > self.end_s + 1e-6

    @property
    def end_s(self) -> float:
        """Planned end of power."""
        return end_s(self.schedule)

    @property
    def base_c(self) -> float:
        """Where structures start: the model's body temperature, or the measured one where that is higher."""
        body = constants("body_temperature").value
        return max([body, *([float(np.median(list(self.start_c.values())))] if self.start_c else [])])

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
        blind = [name for name, by in self.informs().items() if not by and name in self.heat_names()]
        if blind:
            found.append(
                f"No thermocouple informs {', '.join(blind)}: for these the plan's worst variant stands, never less."
            )
        if not self.fit.supported:
            found.append(
                "The readings do not narrow the prediction enough yet: the plan's worst variant decides"
                + (f", times {self.fit.scale:.2f}." if self.fit.scale > 1.0 else ".")
            )
        old = self.now_s - self.readings.last_s
        if old > OLD_S:
            found.append(f"The newest reading is {old:.0f} s old.")
        missing = sorted(set(self.state.treatment.thermocouples) - set(self.readings.names))
        if missing:
            found.append(f"No readings of {', '.join(missing)}.")
        found.append("The prediction is for the needles as planned; where they lie otherwise, re-plan first.")
        return found

    def heat_names(self) -> tuple[str, ...]:
        """Structures that the model follows and the protocol limits."""
        return tuple(n for n in self.heat.surrogates[self.heat.leads].structures if limit_of(self.state, n) is not None)


def limit_of(state: State, name: str) -> Limit | None:
    """The protocol's limit of a structure; None where it has none."""
    found = next((s for s in state.case.anatomy.structures if s.name == name), None)
    return None if found is None else state.protocol.limit_for(found.kind.value)


def _check_names(state: State, readings: ThermocoupleLog, now_s: float) -> None:
    known = state.treatment.thermocouples
    unknown = [name for name in readings.names if name not in known]
    if unknown or not readings.names:
        raise InputError(
            "The readings name a thermocouple that the plan does not have.",
            where=readings.source,
            got=", ".join(unknown) or "no reading",
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


def _start_c(name: str, readings: ThermocoupleLog) -> float:
    """Mean of the readings before the first watt; without any, body temperature."""
    body = constants("body_temperature").value
    times, values = readings.time_s[name], readings.temperature_c[name]
    before = values[times <= 0.0]
    start = float(before.mean()) if before.size else body
    first = float(values[0])
    if abs(start - body) > START_K or (not before.size and times[0] <= 1.0 and abs(first - body) > START_K):
        raise InputError(
            "A thermocouple does not start near body temperature.",
            where=f"{readings.source}: {name}",
            got=f"{first:g} °C",
            expected=f"{body:g} °C within {START_K:g} K",
            advice="temperatures are in °C, times count from the first watt; is the sensor in the patient?",
        )
    return start


def _evidence(
    state: State, readings: ThermocoupleLog, name: str, start_c: float, heat: Heat, delivered: Timeline
) -> Evidence:
    times, values = readings.time_s[name], readings.temperature_c[name]
    later = times > 0.0
    curves = heat.thermocouples(delivered, times[later])
    if name not in curves:
        raise InputError(
            "The plan's model does not follow this thermocouple.",
            where=readings.source,
            got=name,
            expected=", ".join(curves) or "none",
            advice="run `vertherm plan` again with this thermocouple in [protection]",
        )
    point = state.treatment.thermocouples[name]
    needle = radiating_points(state.treatment.trajectories)
    distance = float(np.linalg.norm(needle - point, axis=1).min())
    return Evidence(name, values[later] - start_c, curves[name], distance)
