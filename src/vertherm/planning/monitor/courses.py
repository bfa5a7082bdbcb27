"""Ways to go on with a treatment, and what each would do to every structure until its heat has peaked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vertherm.planning.assessment import Status
from vertherm.planning.limits import judge
from vertherm.planning.monitor.advice import StructureAdvice, TargetAdvice
from vertherm.planning.monitor.delivered import Timeline, after, doses, end_s, scaled, until
from vertherm.planning.monitor.plan_scale import cem43_min
from vertherm.planning.monitor.update import Fit, deciding, expected
from vertherm.planning.monitor.watch import Watch
from vertherm.planning.protocol import Limit

if TYPE_CHECKING:
    from vertherm.planning.surrogate.surrogate import Surrogate

COOLING_S = 900.0
"""Followed after the last watt: structures 20 mm away peak some minutes later."""
STEP_S = 5.0
LITTLE_K = 1.0
"""Structures that warm less than this in the worst variant are not named one by one."""


@dataclass(frozen=True, eq=False)
class Course:
    """One way to go on: by structure the highest temperature yet, the dose and the status; what decides."""

    peak_c: dict[str, float]
    dose_min: dict[str, float]
    status: dict[str, Status]
    now_c: dict[str, float]
    expected_c: dict[str, float]

    @property
    def broken(self) -> list[str]:
        """Structures at their stop limit."""
        return [name for name, status in self.status.items() if status == "stop"]


class Courses:
    """Courses of the treatment from now on, each read once."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._seen: dict[tuple[float, float], Course] = {}
        informs = watch.informs()
        self.informs = {name: informs.get(name, []) for name in watch.limits}

    def course(self, switch_off_s: float, share: float = 1.0) -> Course:
        """Power as planned times ``share`` until ``switch_off_s`` (not before now), then none."""
        key = (round(switch_off_s, 3), round(share, 4))
        if key not in self._seen:
            self._seen[key] = self._read(self.timeline(switch_off_s, share))
        return self._seen[key]

    def timeline(self, switch_off_s: float, share: float = 1.0) -> Timeline:
        """What was given, and what then would be."""
        watch = self.watch
        return (*watch.delivered, *until(after(watch.schedule, watch.now_s, share), switch_off_s))

    def _read(self, timeline: Timeline) -> Course:
        watch = self.watch
        last = max(end_s(timeline), watch.now_s) + COOLING_S
        times = np.unique(np.concatenate([np.arange(0.0, last, STEP_S), [watch.now_s, end_s(timeline), last]]))
        curves = watch.heat.structures(timeline, times)
        # The plan's rows come from extreme variants: what holds the deciding curves to them is no best estimate.
        read = {name: watch.fit.supported and bool(by) for name, by in self.informs.items()}
        kept = {name: self._held(watch.scale.rise(name), read[name]) * curves[name] for name in watch.limits}
        decides = deciding(watch.fit, kept, read)
        leads = watch.heat.surrogates[watch.heat.leads]
        mean = expected(watch.fit, {name: curves[name] for name in watch.limits}, leads.samples > 0)
        now = int(np.searchsorted(times, watch.now_s))
        peak, dose, status, at_now, likely = {}, {}, {}, {}, {}
        for name, rise in decides.items():
            course = watch.base_c + rise
            peak[name], at_now[name] = float(course.max()), float(course[now])
            dose[name] = self._held(watch.scale.dose(name), read[name]) * cem43_min(times, course)
            status[name] = judge(peak[name], dose[name], watch.limits[name])
            likely[name] = float(watch.base_c + mean[name].max())
        return Course(peak, dose, status, at_now, likely)

    @staticmethod
    def _held(factor: float, read: bool) -> float:
        """A factor of the plan; where readings decide in place of the plan's number, never one that makes it safer."""
        return max(factor, 1.0) if read else factor

    def rows(self) -> list[StructureAdvice]:
        """Every structure with a limit, the one nearest to its limit first."""
        watch = self.watch
        stopped, going = self.course(watch.now_s), self.course(max(watch.end_s, watch.now_s))
        rows = []
        for name in going.peak_c:
            limit = watch.limits[name]
            rows.append(
                StructureAdvice(
                    name=name,
                    now_c=going.now_c[name],
                    if_stopped_c=stopped.peak_c[name],
                    if_stopped_cem43_min=stopped.dose_min[name],
                    if_continued_c=going.peak_c[name],
                    if_continued_cem43_min=going.dose_min[name],
                    expected_if_continued_c=going.expected_c[name],
                    stop_c=limit.stop_c,
                    stop_cem43_min=limit.stop_cem43_min,
                    status_if_stopped=stopped.status[name],
                    status_if_continued=going.status[name],
                    informed_by=self.informs[name],
                    words=self._words(name, stopped, going, limit),
                )
            )
        rows.sort(key=lambda row: (row.stop_c or 1e3) - row.if_continued_c)
        return rows

    def _words(self, name: str, stopped: Course, going: Course, limit: Limit) -> str:
        by = f"informed by {', '.join(self.informs[name])}" if self.informs[name] else "no thermocouple informs it"
        return (
            f"{name}: {going.now_c[name]:.1f} °C now, up to {stopped.peak_c[name]:.1f} °C if power ends now, up to "
            f"{going.peak_c[name]:.1f} °C as planned (stop at {limit.words('stop')}); {by}."
        )

    def notes(self) -> list[str]:
        """Structures that warm and that no thermocouple informs."""
        going = self.course(max(self.watch.end_s, self.watch.now_s))
        blind = [name for name, by in self.informs.items() if not by]
        warm = [name for name in blind if going.peak_c[name] >= self.watch.base_c + LITTLE_K]
        if not blind:
            return []
        rest = len(blind) - len(warm)
        others = f"{rest} structures that hardly warm" if not warm else f"{', '.join(warm)} and {rest} that hardly warm"
        named = ", ".join(warm) if not rest else others
        return [f"No thermocouple informs {named}: for these the plan's worst variant stands, never less."]

    def targets(self) -> list[TargetAdvice]:
        """Coverage of every target that the leading surrogate knows, if power ends now and as planned."""
        watch = self.watch
        surrogate = watch.heat.surrogates[watch.heat.leads]
        found = [
            coverage(surrogate, self.timeline(end), watch.fit) for end in (watch.now_s, max(watch.end_s, watch.now_s))
        ]
        return [
            TargetAdvice(name=name, coverage_if_stopped=found[0][name], coverage_if_continued=found[1][name])
            for name in surrogate.targets
        ]


def coverage(surrogate: Surrogate, timeline: Timeline, found: Fit) -> dict[str, float]:
    """By target, the best estimate of the share of lesion with margin that is ablated; the factor acts on the power.

    Doses that the surrogate cannot read as one (antennas that fire together) are left out.
    """
    read = doses(timeline, surrogate.places)
    if len(read) != 1:
        return {}
    readings = surrogate.readings(scaled(read[0][1], found.scale))
    weights = found.weights if surrogate.samples else np.eye(surrogate.n)[0]
    return {name: float(weights @ np.asarray(target.coverage)) for name, target in readings.targets.items()}
