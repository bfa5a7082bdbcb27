"""From courses to advice: go on, lower the power, end early, or end now; and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from vertherm.planning.monitor.advice import Action
from vertherm.planning.monitor.courses import Course, Courses
from vertherm.planning.monitor.delivered import after
from vertherm.planning.monitor.plan_scale import cem43_min
from vertherm.planning.monitor.watch import Watch
from vertherm.planning.outline import clock

REACTION_S = 10.0
"""[guess] from the advice to the end of power; less time left than this is none."""
LEAST_POWER = 0.4
"""[guess] a lower power than this share of the plan ablates nothing more: better end it."""
AT_STRUCTURE_MM = 3.0
"""A thermocouple this near measures the structure itself."""
HALVINGS = 7
"""Of the remaining time, and of the power: to less than one per cent."""


@dataclass(frozen=True)
class Decision:
    """What to do.

    Args:
        action: in a word.
        words: one or two sentences.
        reason: what decides.
        switch_off_s: latest time to end power; None: as planned.
        lower_to: share of the planned power that keeps every limit until the planned end.
        binding: the structure that decides.
    """

    action: Action
    words: str
    reason: str
    switch_off_s: float | None = None
    lower_to: float | None = None
    binding: str = ""


def decide(watch: Watch, courses: Courses) -> Decision:
    """The advice; the first of these that holds, most urgent first."""
    now, end = watch.now_s, watch.end_s
    measured = _measured(watch)
    if measured is not None:
        return measured
    if not watch.fit.explained:
        return Decision(
            "stop now",
            "Readings do not fit the prediction: stop and check the sensor and the needle.",
            f"no variant and no plausible factor explains them (chi square {watch.fit.chi2:.0f} of "
            f"{watch.fit.counts:.0f} independent readings, p = {watch.fit.p:.1g})",
            switch_off_s=now,
        )
    stopped, going = courses.course(now), courses.course(max(end, now))
    if now >= end - 1e-6:
        if watch.powered:
            return Decision(
                "stop now",
                "Stop now: power is still on after the planned end.",
                f"the power log shows power at {clock(now)}, the plan ended at {clock(end)}",
                switch_off_s=now,
            )
        return _over(watch, stopped)
    if stopped.broken:
        names = ", ".join(stopped.broken)
        return Decision(
            "stop now",
            f"Stop now: the heat already given may take {names} to the stop limit.",
            _reason(watch, stopped, stopped.broken[0]),
            switch_off_s=now,
            binding=stopped.broken[0],
        )
    if not going.broken:
        name = _nearest(watch, going)
        words = f"Continue: as planned until {clock(end)} every stop limit is kept."
        return Decision("continue", words, _reason(watch, going, name), binding=name)
    return _shorter(watch, courses, going)


def _measured(watch: Watch) -> Decision | None:
    """Stop where a thermocouple that lies at a structure reads its stop limit, whatever the model says."""
    limits = watch.state.limits()
    for structure, near in watch.distances.items():
        limit = limits.get(structure)
        if limit is None or limit.stop_c is None:
            continue
        for name, far in near.items():
            values, times = watch.readings.temperature_c[name], watch.readings.time_s[name]
            value, minutes = float(values.max()), cem43_min(times, values)
            dosed = limit.stop_cem43_min is not None and minutes >= limit.stop_cem43_min
            if far <= AT_STRUCTURE_MM and (value >= limit.stop_c or dosed):
                return Decision(
                    "stop now",
                    f"Stop now: {name}, {far:.0f} mm from {structure}, has read {value:.1f} °C and gathered "
                    f"{minutes:.1f} min of CEM43.",
                    f"measured at the stop limit of {structure} ({limit.words('stop')})",
                    switch_off_s=watch.now_s,
                    binding=structure,
                )
    return None


def _over(watch: Watch, stopped: Course) -> Decision:
    if stopped.broken:
        names = ", ".join(stopped.broken)
        return Decision(
            "finished",
            f"All power has been given; the heat still to come may take {names} to the stop limit: cool and watch.",
            _reason(watch, stopped, stopped.broken[0]),
            binding=stopped.broken[0],
        )
    return Decision("finished", "All power has been given; every stop limit is kept.", "planned end reached")


def _shorter(watch: Watch, courses: Courses, going: Course) -> Decision:
    """The plan would break a limit: how long it may go on, and whether less power keeps all of them."""
    now, end = watch.now_s, watch.end_s
    latest = _last(lambda t: not courses.course(t).broken, now, end)
    breaks = courses.course(min(latest + (end - now) / 2**HALVINGS, end)).broken or going.broken
    name = breaks[0]
    left = latest - now
    reason = _reason(watch, going, name)
    if left <= REACTION_S:
        words = f"Stop now: {name} would reach its stop limit within {max(left, 0.0):.0f} s, after-heat counted."
        return Decision("stop now", words, reason, switch_off_s=now, binding=name)
    share = _last(lambda s: not courses.course(end, s).broken, 0.0, 1.0)
    if share >= LEAST_POWER:
        words = (
            f"Lower the power to {_watts(watch, share)}: otherwise {name} reaches its stop limit if power does not end "
            f"by {clock(latest)} ({left:.0f} s from now), after-heat counted."
        )
        return Decision("lower power", words, reason, switch_off_s=latest, lower_to=share, binding=name)
    words = (
        f"End power by {clock(latest)} ({left:.0f} s from now) in place of {clock(end)}: otherwise {name} reaches its "
        "stop limit, after-heat counted."
    )
    return Decision("stop early", words, reason, switch_off_s=latest, binding=name)


def _watts(watch: Watch, share: float) -> str:
    """What is left of the plan at a share of its power; in whole watts, where they are the same until the end."""
    planned = {segment.power_w for segment in after(watch.schedule, watch.now_s)}
    words = f"{100 * share:.0f} % of the plan"
    return f"{math.floor(share * planned.pop())} W ({words})" if len(planned) == 1 else words


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest value found for which something holds that holds at ``low``."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _nearest(watch: Watch, course: Course) -> str:
    def left(name: str) -> float:
        stop_c = watch.limits[name].stop_c
        return 1e3 if stop_c is None else stop_c - course.peak_c[name]

    return min(course.peak_c, key=left, default="")


def _reason(watch: Watch, course: Course, name: str) -> str:
    if not name:
        return ""
    found = watch.fit
    learned = f"temperature rises {found.scale:.2f} times the prediction ({found.low:.2f}-{found.high:.2f})"
    return (
        f"{name} up to {course.peak_c[name]:.1f} °C and CEM43 {min(course.dose_min[name], 1e4):.1f} min "
        f"(stop at {watch.limits[name].words('stop')}); {learned}"
    )
