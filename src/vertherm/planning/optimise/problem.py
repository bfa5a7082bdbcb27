"""What the optimiser is asked: the case, what it may choose from, and how long each step took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vertherm.applicator.antenna import Antenna, load_antenna
from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.distributions import Space
from vertherm.planning.case import CaseFile, Numerics
from vertherm.planning.objects import Case
from vertherm.planning.optimise.dose import Lattice
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.protocol import Limit, Protocol


@dataclass(eq=False)
class Clock:
    """Seconds by step; a step that comes again adds up."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def rounded(self) -> dict[str, float]:
        """Seconds by step and their total, to a hundredth."""
        return {name: round(value, 2) for name, value in {**self.seconds, "total": sum(self.seconds.values())}.items()}


@dataclass(frozen=True, eq=False)
class Problem:
    """One question to the optimiser.

    Args:
        case, protocol, entry: whom, by which rules, and what may be chosen ([plan], [protection], [numerics]).
        goal: what must be reached.
        workers, address: of the runs of the full model; see :func:`vertherm.planning.predict.predict`.
        space: uncertain parameters; None: the default ones.
        progress: told what is done.
        clock: takes the time of every step.
    """

    case: Case
    protocol: Protocol
    entry: CaseFile
    goal: Goal
    workers: int = 0
    address: str | None = None
    space: Space | None = None
    progress: Progress = silent
    clock: Clock = field(default_factory=Clock)

    @property
    def lattice(self) -> Lattice:
        """Powers and times that may be chosen."""
        return Lattice.of(self.entry.plan.power_w, self.entry.plan.time_s)

    @property
    def limits(self) -> dict[str, Limit]:
        """Limits by name of structure."""
        found = {s.name: self.protocol.limit_for(s.kind.value) for s in self.case.anatomy.structures}
        return {name: limit for name, limit in found.items() if limit is not None}

    @property
    def numerics(self) -> Numerics:
        """The case's numerics for a few members: no samples, axisymmetric field."""
        return self.entry.numerics.model_copy(update={"ensemble": 0, "fidelity": "axisymmetric"})

    def antennas(self) -> tuple[Antenna, ...]:
        """The antennas that may be chosen, with the wanted cooling.

        Raises:
            InputError: unknown antenna, a frequency it is not made for, or no such cooling.
        """
        plan = self.entry.plan
        found = []
        for name in dict.fromkeys(plan.antennas):
            antenna = _cooled(load_antenna(name), plan.cooled)
            antenna.check_frequency(plan.frequency_mhz * 1e6)
            found.append(antenna)
        return tuple(found)


def _cooled(antenna: Antenna, cooled: bool | None) -> Antenna:
    if cooled is None or antenna.cooled == cooled:
        return antenna
    for name, cooling in antenna.coolings.items():
        if cooling.cooled == cooled:
            return antenna.with_cooling(name)
    raise InputError(
        "The antenna has no such cooling variant.",
        where=f"[plan] cooled, {antenna.name}",
        got=cooled,
        expected=", ".join(f"{name}: cooled = {str(c.cooled).lower()}" for name, c in antenna.coolings.items()),
    )
