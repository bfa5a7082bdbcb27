"""What is given: pulses in order, each at one place of an antenna."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vertherm.core.errors import InputError
from vertherm.heat.schedule import Activation, Schedule


@dataclass(frozen=True)
class Pulse:
    """One activation.

    Args:
        power_w: in the meaning of the treatment's ``power_kind``.
        on_s: time with power on.
        pause_s: time without power afterwards.
        place: number of the applicator of the treatment that fires (pull-back: each place is an applicator).
    """

    power_w: float
    on_s: float
    pause_s: float = 0.0
    place: int = 0

    def __post_init__(self) -> None:
        good = math.isfinite(self.power_w) and self.power_w >= 0 and math.isfinite(self.on_s) and self.on_s > 0
        if not (good and math.isfinite(self.pause_s) and self.pause_s >= 0 and self.place >= 0):
            got = f"{self.power_w} W, {self.on_s} s, pause {self.pause_s} s, place {self.place}"
            raise InputError("A pulse is unusable.", got=got, expected="power >= 0, time > 0, pause >= 0, place >= 0")


@dataclass(frozen=True)
class Dose:
    """Pulses one after the other; the first begins at 0 s."""

    pulses: tuple[Pulse, ...]

    def __post_init__(self) -> None:
        if not self.pulses:
            raise InputError("A dose needs at least one pulse.", where="Dose")

    @property
    def intervals_s(self) -> tuple[tuple[float, float], ...]:
        """When each pulse begins and ends."""
        found, now = [], 0.0
        for pulse in self.pulses:
            found.append((now, now + pulse.on_s))
            now += pulse.on_s + pulse.pause_s
        return tuple(found)

    @property
    def switch_off_s(self) -> float:
        """End of the last pulse."""
        return self.intervals_s[-1][1]

    @property
    def energy_j(self) -> float:
        """Given energy of all pulses."""
        return sum(pulse.power_w * pulse.on_s for pulse in self.pulses)

    def schedule(self, names: Sequence[str]) -> Schedule:
        """The same for the full model; ``names`` of the applicators by place."""
        return Schedule(
            tuple(
                Activation(power_w=p.power_w, duration_s=p.on_s, pause_s=p.pause_s, emitters=(names[p.place],))
                for p in self.pulses
            )
        )
