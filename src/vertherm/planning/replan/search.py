"""The best dose where the needles really lie: the plan's own search, over its order of places and with its pauses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vertherm.planning.optimise.dose import TIME_STEP_S, Evaluate, Found, Lattice, Pattern, Search
from vertherm.planning.optimise.goal import Goal

if TYPE_CHECKING:
    from vertherm.planning.surrogate.dose import Dose


@dataclass(frozen=True)
class AsPlanned(Pattern):
    """The planned activations with their pauses; powers and times keep their ratios, what is chosen is the largest.

    Args:
        planned: whose ratios and pauses are meant.
        lattice: powers and times stay within its ends.
    """

    planned: Dose = field(kw_only=True)
    lattice: Lattice = field(kw_only=True)

    @staticmethod
    def of(planned: Dose, lattice: Lattice) -> AsPlanned:
        """The pattern of a dose."""
        pauses = max(pulse.pause_s for pulse in planned.pulses)
        return AsPlanned(tuple(p.place for p in planned.pulses), pauses, planned=planned, lattice=lattice)

    def dose(self, power_w: float, time_s: float) -> Dose:
        """The dose whose largest power and longest time are these."""
        pulses = self.planned.pulses
        power = power_w / max(pulse.power_w for pulse in pulses)
        time = time_s / max(pulse.on_s for pulse in pulses) / TIME_STEP_S
        powers, times = self.lattice.powers_w, self.lattice.times_s
        moved = (
            replace(
                pulse,
                power_w=min(max(float(round(power * pulse.power_w)), powers[0]), powers[-1]),
                on_s=min(max(TIME_STEP_S * round(time * pulse.on_s), times[0]), times[-1]),
            )
            for pulse in pulses
        )
        return replace(self.planned, pulses=tuple(moved))


def best_dose(evaluate: Evaluate, goal: Goal, lattice: Lattice, planned: Dose) -> Found:
    """The best dose within the limits; never worse than the planned one.

    Args:
        evaluate: judgement of a dose at the real place.
        goal: what orders the judgements.
        lattice: powers and times that may be chosen.
        planned: its places, in its order, with its pauses.
    """
    search = Search(evaluate, goal, lattice, {})
    search.read(planned)
    first = planned.pulses[0]
    alike = replace(planned, pulses=tuple(replace(p, power_w=first.power_w, on_s=first.on_s) for p in planned.pulses))
    for shape in dict.fromkeys((planned, alike)):
        pattern = AsPlanned.of(shape, lattice)
        search.fine(pattern, search.coarse(pattern))
    search.refine()
    return search.best()
