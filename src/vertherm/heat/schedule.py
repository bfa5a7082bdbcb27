"""When and how strongly the antenna is powered: activations, pauses, and holding a set temperature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from vertherm.core.errors import InputError


@dataclass(frozen=True)
class Activation:
    """One period with power on, and the pause that follows it.

    Either ``power_w`` (held) or ``set_temperature_c`` (held by feedback, with at most ``max_power_w``) is given.
    Whether watts are set, forward or net is said by the treatment, not here.

    Args:
        duration_s: time with power on (or under control).
        power_w: constant power of every antenna that fires, or one power each, in the order of ``emitters``.
        set_temperature_c: temperature to hold at the sensor.
        max_power_w: upper limit of the controlled power of every antenna; the control scales all of them alike.
        sensor_mm: RAS mm of the controlling sensor.
        pause_s: time without power afterwards.
        emitters: names of the antennas that fire; empty: all.
    """

    duration_s: float
    power_w: float | tuple[float, ...] | None = None
    set_temperature_c: float | None = None
    max_power_w: float | None = None
    sensor_mm: tuple[float, float, float] | None = None
    pause_s: float = 0.0
    emitters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _number("duration_s", self.duration_s, "> 0 s", self.duration_s > 0)
        _number("pause_s", self.pause_s, ">= 0 s", self.pause_s >= 0)
        if (self.power_w is None) == (self.set_temperature_c is None):
            raise InputError(
                "An activation needs a power or a set temperature, and not both.",
                where="schedule",
                got=f"power_w={self.power_w}, set_temperature_c={self.set_temperature_c}",
            )
        for power in self._given:
            _number("power_w", power, ">= 0 W", power >= 0)
        if self.power_w is None:
            self._check_control()
        if len(set(self.emitters)) < len(self.emitters):
            raise InputError("An activation names an antenna twice.", where="schedule", got=", ".join(self.emitters))
        if self.emitters:
            self.powers_w(len(self.emitters))

    def _check_control(self) -> None:
        if self.max_power_w is None or self.sensor_mm is None:
            missing = "max_power_w" if self.max_power_w is None else "sensor_mm"
            raise InputError(
                "Temperature control lacks a value.", where=missing, expected="a power limit and a sensor position"
            )
        _number("max_power_w", self.max_power_w, "> 0 W", self.max_power_w > 0)
        assert self.set_temperature_c is not None
        _number("set_temperature_c", self.set_temperature_c, "> 37 °C, <= 150 °C", 37 < self.set_temperature_c <= 150)
        if len(self.sensor_mm) != 3 or not all(map(math.isfinite, self.sensor_mm)):
            raise InputError("A sensor position is unusable.", where="sensor_mm", got=self.sensor_mm)

    @property
    def _given(self) -> tuple[float, ...]:
        if isinstance(self.power_w, tuple):
            return self.power_w
        return () if self.power_w is None else (self.power_w,)

    @property
    def limit_w(self) -> float:
        """The constant power of one antenna (the largest, where they differ), or the limit of the controlled one."""
        return float(max(self._given) if self._given else self.max_power_w or 0.0)

    def powers_w(self, count: int, where: str = "schedule") -> tuple[float, ...]:
        """Constant power, or limit of the controlled one, of each of the ``count`` antennas that fire.

        Raises:
            InputError: powers were given one each, but for another number of antennas.
        """
        if not isinstance(self.power_w, tuple):
            return (self.limit_w,) * count
        if len(self.power_w) != count:
            raise InputError(
                "The powers of an activation do not fit its antennas.",
                where=f"{where}.power_w",
                got=f"{len(self.power_w)} powers, {count} antennas",
                expected="one power for all, or one each in the order of the antennas",
            )
        return tuple(float(power) for power in self.power_w)


def _number(name: str, value: float, expected: str, good: bool) -> None:
    if not (math.isfinite(value) and good):
        raise InputError("A number of the schedule is unusable.", where=name, got=value, expected=expected)


@dataclass(frozen=True)
class Schedule:
    """Activations in order."""

    activations: tuple[Activation, ...]

    def __post_init__(self) -> None:
        if not self.activations:
            raise InputError("A schedule needs at least one activation.", where="schedule")

    @property
    def duration_s(self) -> float:
        """Time from the first watt to the end of the last activation or its pause."""
        return sum(a.duration_s + a.pause_s for a in self.activations)

    @property
    def power_on_s(self) -> float:
        """Time with power on or under control."""
        return sum(a.duration_s for a in self.activations)

    @property
    def switch_off_s(self) -> float:
        """End of the last activation: what comes later is cool-down."""
        return self.intervals_s[-1][1]

    @property
    def intervals_s(self) -> tuple[tuple[float, float], ...]:
        """Start and end of every activation."""
        found, now = [], 0.0
        for activation in self.activations:
            found.append((now, now + activation.duration_s))
            now += activation.duration_s + activation.pause_s
        return tuple(found)

    @property
    def energy_j(self) -> float | None:
        """Energy of constant-power schedules of one antenna; None for others."""
        if any(a.power_w is None or isinstance(a.power_w, tuple) or len(a.emitters) > 1 for a in self.activations):
            return None
        return sum(a.limit_w * a.duration_s for a in self.activations)


@dataclass(eq=False)
class TemperatureControl:
    """Holds a sensor at a set temperature by scaling the power between 0 and 1 of its limit.

    The wanted course is an exponential approach, dT/dt = (set - T) / ``approach_s``; the scale moves in proportion to
    how far the measured slope is from it. This is a proportional-integral controller in velocity form: it cannot wind
    up at a limit and needs no model of the tissue. Tuning, not physics: the defaults hold a sensor 5-8 mm from the
    antenna within 1 K (tests/heat/test_treatment.py). Where heat reaches the sensor by conduction alone, 10 mm from a
    compact source, it arrives a minute late, and a controller that sees only the sensor overshoots by some kelvin.

    Args:
        sensor: name of the solver's sensor.
        set_c: temperature to hold.
        gain_per_k: change of the scale per kelvin.
        approach_s: time constant of the approach.
        interval_s: time between decisions.
    """

    sensor: str
    set_c: float
    gain_per_k: float = 0.1
    approach_s: float = 40.0
    interval_s: float = 1.0
    _scale: float = field(default=1.0, init=False)
    _before: tuple[float, float] | None = field(default=None, init=False)

    @staticmethod
    def of(activation: Activation, sensor: str) -> TemperatureControl:
        """The controller an activation asks for, reading the solver's sensor of that name."""
        if activation.set_temperature_c is None:
            raise InputError("This activation holds a power, not a temperature.", where="set_temperature_c")
        return TemperatureControl(sensor, activation.set_temperature_c)

    def __call__(self, time_s: float, _dt_s: float, readings_c: Mapping[str, float], /) -> float:
        """Scale of the power for the next step.

        Raises:
            InputError: the solver has no sensor of that name.
        """
        if self.sensor not in readings_c:
            raise InputError(
                "The controlling sensor does not exist.",
                where=self.sensor,
                expected=", ".join(readings_c) or "a sensor",
            )
        now = readings_c[self.sensor]
        if self._before is not None and time_s > self._before[0]:
            elapsed = time_s - self._before[0]
            slope = (now - self._before[1]) / elapsed
            wanted = (self.set_c - now) / self.approach_s
            self._scale = min(max(self._scale + self.gain_per_k * (wanted - slope) * elapsed, 0.0), 1.0)
        self._before = (time_s, now)
        return self._scale
