"""The best dose of one arm: over power and time of every activation, for each order of places that it may fire from.

Power and time lie on the lattice that a generator is set by (1 W, 5 s). Along the time at one power everything that
heats grows, so the longest time within the limits and the shortest that reaches the goal are found by halving; over
power and over the patterns the search looks everywhere coarsely and then beside the best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.judge import Judgement, Order, order, order_without_limits
from vertherm.planning.surrogate.dose import Dose, Pulse

POWER_STEP_W = 1.0
TIME_STEP_S = 5.0
COARSE_POWERS = 6
MOVE_S = 20.0
"""Pause while a needle is drawn back or the generator is turned to another one; [guess]."""
REST_S = 60.0
"""Pause between two activations of the same place: what lies farther off cools; [guess]."""
REFINEMENTS = 80
"""Most trials of single pulses moved by themselves."""

Evaluate = Callable[[Dose], Judgement]


@dataclass(frozen=True)
class Lattice:
    """Powers and times that may be chosen, in rising order."""

    powers_w: tuple[float, ...]
    times_s: tuple[float, ...]

    @staticmethod
    def of(power_w: tuple[float, float], time_s: tuple[float, float]) -> Lattice:
        """Whole watts and multiples of 5 s within the ranges; their ends, where no such value lies within."""
        return Lattice(_steps(power_w, POWER_STEP_W), _steps(time_s, TIME_STEP_S))


def _steps(ends: tuple[float, float], step: float) -> tuple[float, ...]:
    first, last = math.ceil(ends[0] / step - 1e-9), math.floor(ends[1] / step + 1e-9)
    return tuple(step * n for n in range(first, last + 1)) or tuple(dict.fromkeys(ends))


@dataclass(frozen=True)
class Pattern:
    """Places in the order they fire, each with the same power and time, and the pause between two of them."""

    places: tuple[int, ...]
    pause_s: float = 0.0

    def dose(self, power_w: float, time_s: float) -> Dose:
        """The dose with this power and time in every activation."""
        last = len(self.places) - 1
        return Dose(
            tuple(
                Pulse(power_w, time_s, self.pause_s if n < last else 0.0, place) for n, place in enumerate(self.places)
            )
        )


def patterns(needle_of: Sequence[int], most: int) -> tuple[Pattern, ...]:
    """What an arm may do in ``most`` activations: one place, one place again, draws back, one needle after the other.

    Args:
        needle_of: by place, which needle it belongs to; places of one needle in the order they are drawn back.
        most: largest number of activations; every needle of the arm fires at least once.
    """
    needles = sorted(set(needle_of))
    if len(needles) > 1:
        first = tuple(needle_of.index(needle) for needle in needles)
        return (Pattern(first, MOVE_S),)
    places = range(len(needle_of))
    found = [Pattern((place,)) for place in places]
    for count in range(2, most + 1):
        found += [Pattern((place,) * count, REST_S) for place in places]
        found += [Pattern(chosen, MOVE_S) for chosen in combinations(places, count)]
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Found:
    """A dose with its judgement, and how many doses were read to find it."""

    dose: Dose
    judgement: Judgement
    evaluations: int


@dataclass(eq=False)
class Search:
    """Every dose that was read, each once."""

    evaluate: Evaluate
    goal: Goal
    lattice: Lattice
    seen: dict[Dose, Judgement]

    def read(self, dose: Dose) -> Judgement:
        """The judgement of a dose."""
        if dose not in self.seen:
            self.seen[dose] = self.evaluate(dose)
        return self.seen[dose]

    def best(self, without_limits: bool = False) -> Found:
        """The best of all that were read; of equals the one with less energy, time and fewer activations."""
        rank = order_without_limits if without_limits else order

        def key(dose: Dose) -> Order:
            return (*rank(self.seen[dose], self.goal), *thrift(dose))

        dose = max(self.seen, key=key)
        return Found(dose, self.seen[dose], len(self.seen))

    def widest(self, target: str) -> Found | None:
        """Of the doses within the limits the one with the largest margin around a target; None where none has any."""

        def margin(dose: Dose) -> float:
            judgement = self.seen[dose]
            item = next(t for t in judgement.targets if t.name == target)
            return item.margin_mm if judgement.safe and item.margin_mm is not None else -math.inf

        dose = max(
            self.seen, key=lambda d: (round(margin(d), 1), *thrift(d)) if margin(d) > -math.inf else (-math.inf,)
        )
        return Found(dose, self.seen[dose], len(self.seen)) if margin(dose) > -math.inf else None

    def within_limits(self, pattern: Pattern, power_w: float) -> Order:
        """At one power the longest time within the limits, or the shortest that reaches the goal; order of the best."""
        doses = [pattern.dose(power_w, time_s) for time_s in self.lattice.times_s]
        safe = max(_last(lambda j: self.read(doses[j]).safe, len(doses)), 0)
        looked = [safe]
        if self.read(doses[safe]).reached:
            looked.append(1 + _last(lambda j: not self.read(doses[j]).reached, safe))
        return max(order(self.read(doses[j]), self.goal) for j in looked)

    def to_the_goal(self, pattern: Pattern, power_w: float) -> None:
        """At one power read the shortest time that reaches the goal, limits or not; the longest of all if none does."""
        doses = [pattern.dose(power_w, time_s) for time_s in self.lattice.times_s]
        enough = 1 + _last(lambda j: not self.read(doses[j]).reached, len(doses))
        self.read(doses[min(enough, len(doses) - 1)])

    def coarse(self, pattern: Pattern) -> dict[int, Order]:
        """The best order at some powers, by their place in the lattice."""
        return {i: self.within_limits(pattern, self.lattice.powers_w[i]) for i in self._some()}

    def fine(self, pattern: Pattern, scores: dict[int, Order]) -> None:
        """Beside the best power, in steps that halve, and at last every power near it."""
        powers = self.lattice.powers_w
        step = max(1, math.ceil((len(powers) - 1) / (COARSE_POWERS - 1)))
        while True:
            step = max(1, step // 2)
            best = max(scores, key=lambda i: (scores[i], -i))
            # The lattice makes neighbours rise and fall by a little: at the end several of them are looked at.
            for i in range(best - 3, best + 4) if step == 1 else (best - step, best + step):
                if 0 <= i < len(powers) and i not in scores:
                    scores[i] = self.within_limits(pattern, powers[i])
            if step == 1:
                return

    def _some(self) -> list[int]:
        count = len(self.lattice.powers_w)
        step = max(1, math.ceil((count - 1) / (COARSE_POWERS - 1)))
        return sorted({*range(0, count, step), count - 1})

    def refine(self) -> None:
        """Move power and time of single activations of the best dose, for doses of several."""
        found = self.best()
        if len(found.dose.pulses) < 2:
            return
        left = REFINEMENTS
        for watts, seconds in ((4.0, 30.0), (2.0, 15.0), (1.0, 5.0)):
            better = True
            while better and left > 0:
                before = self.best().dose
                for dose in self._neighbours(before, watts, seconds):
                    if left > 0:
                        left -= dose not in self.seen
                        self.read(dose)
                better = self.best().dose != before

    def _neighbours(self, dose: Dose, watts: float, seconds: float) -> list[Dose]:
        """One activation more or less, and one more for another one less: at a limit only an exchange helps."""
        count = len(dose.pulses)
        moves = [{n: sign} for n in range(count) for sign in (1, -1)]
        moves += [{n: 1, k: -1} for n in range(count) for k in range(count) if n != k]
        found = [self._moved(dose, move, step) for step in ((watts, 0.0), (0.0, seconds)) for move in moves]
        return [item for item in found if item is not None]

    def _moved(self, dose: Dose, move: dict[int, int], step: tuple[float, float]) -> Dose | None:
        """Activations moved by so many steps of power or time; None where one leaves the lattice."""
        powers, times = _ends(self.lattice.powers_w), _ends(self.lattice.times_s)
        pulses = list(dose.pulses)
        for n, sign in move.items():
            power, time = pulses[n].power_w + sign * step[0], pulses[n].on_s + sign * step[1]
            if not (powers[0] <= power <= powers[1] and times[0] <= time <= times[1]):
                return None
            pulses[n] = replace(pulses[n], power_w=power, on_s=time)
        return Dose(tuple(pulses))


@dataclass(frozen=True, eq=False)
class Doses:
    """What a search finds.

    Args:
        best: the best dose within the limits, or the least harmful one where none is.
        reaching: the dose that reaches the goal with the least harm (or comes nearest), limits or not.
        widest: within the limits, the one with the largest margin around the target; None: no zone anywhere.
    """

    best: Found
    reaching: Found
    widest: Found | None


def search_doses(evaluate: Evaluate, choices: Sequence[Pattern], lattice: Lattice, goal: Goal, target: str) -> Doses:
    """Search the doses of an arm.

    Args:
        evaluate: judgement of a dose.
        choices: patterns to look at.
        lattice: powers and times to choose from.
        goal: what orders the judgements.
        target: whose margin is meant.
    """
    search = Search(evaluate, goal, lattice, {})
    scores = [search.coarse(pattern) for pattern in choices]
    first = max(range(len(choices)), key=lambda n: (max(scores[n].values()), -n))
    search.fine(choices[first], scores[first])
    search.refine()
    for i in scores[first]:
        search.to_the_goal(choices[first], lattice.powers_w[i])
    return Doses(search.best(), search.best(without_limits=True), search.widest(target))


def thrift(dose: Dose) -> Order:
    """Less energy (kJ), then less time, then fewer activations; larger is better."""
    energy = sum(pulse.power_w * pulse.on_s for pulse in dose.pulses) / 1000.0
    time = sum(pulse.on_s + pulse.pause_s for pulse in dose.pulses)
    return (-round(energy, 3), -time, -float(len(dose.pulses)))


def _last(holds: Callable[[int], bool], count: int) -> int:
    """The last of 0..count-1 for which something holds that stops holding somewhere; -1: none."""
    low, high = -1, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _ends(values: tuple[float, ...]) -> tuple[float, float]:
    return values[0], values[-1]
