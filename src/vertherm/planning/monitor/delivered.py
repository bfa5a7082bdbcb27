"""What is given when: the plan's schedule or the generator's log as segments, and the temperatures they cause.

A surrogate reads doses of pulses one after the other at its own places. Segments that overlap, or that lie at the
places of several surrogates, are read apart and their temperature rises added (exact where heat flow is linear).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.planning.monitor.thermocouple_log import PowerRecord
from vertherm.planning.objects import Treatment
from vertherm.planning.surrogate.dose import Dose, Pulse

if TYPE_CHECKING:
    from vertherm.planning.surrogate.surrogate import Surrogate

Array = NDArray[np.float64]
SENSOR = "thermocouple "
"""How a surrogate's curves begin the names of thermocouples."""
SHORTEST_S = 5.0
"""Steps of a power log shorter than this are averaged: no tissue follows faster."""
SAME_POWER = 0.02
"""Powers of a log that differ by less are one."""


@dataclass(frozen=True)
class Segment:
    """Constant power at one place; seconds since the first watt."""

    start_s: float
    end_s: float
    power_w: float
    place: str

    @property
    def energy_j(self) -> float:
        """Power times time."""
        return self.power_w * (self.end_s - self.start_s)


Timeline = tuple[Segment, ...]


def planned(treatment: Treatment) -> Timeline:
    """The segments of a treatment's schedule.

    Raises:
        InputError: an activation holds a temperature: its power is not known beforehand.
    """
    found = []
    names = tuple(placed.name for placed in treatment.applicators)
    for (start, end), activation in zip(treatment.schedule.intervals_s, treatment.schedule.activations, strict=True):
        if activation.power_w is None:
            raise InputError(
                "A treatment that holds a temperature cannot be followed by its plan.",
                where="schedule",
                advice="give what the generator gave with a power log",
            )
        firing = activation.emitters or names
        for name, power in zip(firing, activation.powers_w(len(firing)), strict=True):
            found.append(Segment(start, end, power, name))
    return tuple(found)


def recorded(log: PowerRecord, now_s: float, treatment: Treatment) -> Timeline:
    """What the generator gave up to ``now_s``; the last row holds until then.

    Raises:
        InputError: the log names an antenna that the plan does not have, or none where the plan has several places.
    """
    places = tuple(placed.name for placed in treatment.applicators)
    schedule = planned(treatment)
    found: list[Segment] = []
    ends = np.append(log.time_s[1:], np.inf)
    for start, end, power, name in zip(log.time_s, ends, log.power_w, log.antenna, strict=True):
        start, end = max(float(start), 0.0), min(float(end), now_s)
        if end <= start or power <= 0.0:
            continue
        for first, last, place in _places(start, end, name, places, schedule, log.source):
            _append(found, Segment(first, last, float(power), place))
    return tuple(found)


def _places(
    start: float, end: float, name: str, places: Sequence[str], schedule: Timeline, source: str
) -> list[tuple[float, float, str]]:
    """Which place a stretch of the log belongs to: as named, the only one, or as the plan has it at that time."""
    if name:
        if name not in places:
            raise InputError(
                "The power log names an antenna that the plan does not have.",
                where=source,
                got=name,
                expected=", ".join(places),
            )
        return [(start, end, name)]
    if len(places) == 1:
        return [(start, end, places[0])]
    raise InputError(
        "The power log does not say which antenna fires.",
        where=source,
        got=f"a plan with {len(places)} places; the plan has " + ", ".join(dict.fromkeys(s.place for s in schedule)),
        expected="a column antenna",
    )


def _append(found: list[Segment], new: Segment) -> None:
    """Add a segment; one that goes on at the same power, or is too short to be felt alone, lengthens the last."""
    last = found[-1] if found else None
    if last is not None and last.place == new.place and abs(last.end_s - new.start_s) < 1e-6:
        alike = abs(last.power_w - new.power_w) <= SAME_POWER * last.power_w
        short = min(last.end_s - last.start_s, new.end_s - new.start_s) < SHORTEST_S
        if alike or short:
            power = (last.energy_j + new.energy_j) / (new.end_s - last.start_s)
            found[-1] = Segment(last.start_s, new.end_s, power, last.place)
            return
    found.append(new)


def until(timeline: Timeline, time_s: float) -> Timeline:
    """The part before ``time_s``."""
    return tuple(replace(s, end_s=min(s.end_s, time_s)) for s in timeline if s.start_s < time_s)


def after(timeline: Timeline, time_s: float, share: float = 1.0) -> Timeline:
    """The part after ``time_s``, with that share of its power."""
    return tuple(
        replace(s, start_s=max(s.start_s, time_s), power_w=share * s.power_w)
        for s in timeline
        if s.end_s > time_s + 1e-9
    )


def end_s(timeline: Timeline) -> float:
    """When the last segment ends; 0 for none."""
    return max((s.end_s for s in timeline), default=0.0)


# ---- temperatures ---------------------------------------------------------------------------------------------------
def doses(timeline: Timeline, places: Sequence[str]) -> list[tuple[float, Dose]]:
    """Start times and doses of the segments at ``places``; overlapping ones are put in doses of their own."""
    lanes: list[list[Segment]] = []
    for segment in sorted((s for s in timeline if s.place in places), key=lambda s: (s.start_s, s.place)):
        if segment.end_s - segment.start_s < 1e-9 or segment.power_w <= 0.0:
            continue
        for lane in lanes:
            if lane[-1].end_s <= segment.start_s + 1e-9:
                lane.append(segment)
                break
        else:
            lanes.append([segment])
    return [(lane[0].start_s, _dose(lane, places)) for lane in lanes]


def _dose(lane: Sequence[Segment], places: Sequence[str]) -> Dose:
    gaps = [max(0.0, b.start_s - a.end_s) for a, b in pairwise(lane)]
    return Dose(
        tuple(
            Pulse(s.power_w, s.end_s - s.start_s, gap, tuple(places).index(s.place))
            for s, gap in zip(lane, [*gaps, 0.0], strict=True)
        )
    )


def beyond_range(timeline: Timeline, surrogate: Surrogate) -> str:
    """What to say where power or time at one place go beyond what a surrogate was made for; "" where they do not."""
    given = [segment for segment in timeline if segment.place in surrogate.places]
    strongest = max((segment.power_w for segment in given), default=0.0)
    longest = max(sum(s.end_s - s.start_s for s in given if s.place == place) for place in surrogate.places)
    if strongest <= surrogate.power_w[1] + 1e-6 and longest <= surrogate.longest_s + 1e-6:
        return ""
    return (
        f"A dose lies beyond what the fast model was made for ({surrogate.power_w[1]:g} W, {surrogate.longest_s:g} s "
        "at one place): its ratios are held there, which is no prediction."
    )


def scaled(dose: Dose, factor: float) -> Dose:
    """The dose with every power times ``factor``."""
    return Dose(tuple(replace(pulse, power_w=factor * pulse.power_w) for pulse in dose.pulses))


@dataclass(frozen=True, eq=False)
class Heat:
    """The surrogates of a treatment read together.

    The one that ``leads`` keeps its variants apart (readings tell them apart); the others, of other lesions, count with
    their worst variant.
    """

    surrogates: Mapping[str, Surrogate]
    leads: str

    @staticmethod
    def of(surrogates: Mapping[str, Surrogate], delivered: Timeline) -> Heat:
        """The surrogate where power was given last leads.

        Raises:
            InputError: no power was given at the places of any surrogate.
        """
        last = {
            name: max((g.end_s for g in delivered if g.place in s.places and g.power_w > 0.0), default=-1.0)
            for name, s in surrogates.items()
        }
        if max(last.values(), default=-1.0) < 0.0:
            raise InputError(
                "No power was given at the places of the plan.",
                where="delivered power",
                got=", ".join(dict.fromkeys(g.place for g in delivered)) or "nothing",
                expected=", ".join(place for s in surrogates.values() for place in s.places),
            )
        return Heat(surrogates, max(last, key=lambda name: last[name]))

    @property
    def variants(self) -> int:
        """Of the surrogate that leads."""
        return self.surrogates[self.leads].n

    def structures(self, timeline: Timeline, time_s: Array) -> dict[str, Array]:
        """Temperature rise of every structure, by name: (n, nt) over variants and times, K; cautious reading."""
        return self._together(timeline, time_s, "safety", thermocouples=False)

    def thermocouples(self, timeline: Timeline, time_s: Array) -> dict[str, Array]:
        """Rise at every thermocouple, by name: (2 n, nt), every variant without and then with cooling by vessels, K."""
        both = [self._together(timeline, time_s, reading, thermocouples=True) for reading in ("safety", "coverage")]
        return {name: np.concatenate([both[0][name], both[1][name]]) for name in both[0]}

    def _together(self, timeline: Timeline, time_s: Array, reading: str, *, thermocouples: bool) -> dict[str, Array]:
        total: dict[str, Array] = {}
        for name in (self.leads, *(other for other in self.surrogates if other != self.leads)):
            found = rises(self.surrogates[name], timeline, time_s, reading)
            for key, rise in found.items():
                item = key.removeprefix(SENSOR)
                if key.startswith(SENSOR) != thermocouples:
                    continue
                if name == self.leads:
                    total[item] = rise
                elif item in total:
                    total[item] = total[item] + rise.max(axis=0)
        return total


def rises(surrogate: Surrogate, timeline: Timeline, time_s: Array, reading: str = "safety") -> dict[str, Array]:
    """Rises by one surrogate: (n, nt) over variants and times, K; {} where it has nothing to do with ``timeline``."""
    found: dict[str, Array] = {}
    for start, dose in doses(timeline, surrogate.places):
        since = time_s - start
        # The start is asked for too: a variant with a warmer or colder patient begins elsewhere.
        asked = np.concatenate([[0.0], since[since > 0.0]])
        for name, curve in surrogate.curves(dose, asked, reading=reading).items():
            rise = found.setdefault(name, np.zeros((curve.shape[0], time_s.size)))
            rise[:, since > 0.0] += curve[:, 1:] - curve[:, :1]
    return found
