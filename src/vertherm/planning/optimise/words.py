"""Doses, limits and outcomes in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vertherm.planning.optimise.goal import share_words
from vertherm.planning.optimise.judge import StructureJudgement
from vertherm.planning.protocol import Limit

if TYPE_CHECKING:
    from vertherm.planning.optimise.arms import Arm
    from vertherm.planning.optimise.several import Choice
    from vertherm.planning.surrogate.dose import Dose

MOST_MINUTES = 10_000.0


def dose_words(dose: Dose, arm: Arm) -> str:
    """A dose in words: "30 W for 3:20 on P1, then 20 W for 1:00 drawn back 5 mm"."""
    parts = []
    for pulse in dose.pulses:
        minutes, seconds = divmod(round(pulse.on_s), 60)
        back = f" drawn back {arm.back_mm[pulse.place]:.0f} mm" if arm.back_mm[pulse.place] else ""
        path = arm.paths[arm.needle_of[pulse.place]].name
        parts.append(f"{pulse.power_w:.0f} W for {minutes}:{seconds:02d} on {path}{back}")
    return ", then ".join(parts)


def heat_words(item: StructureJudgement, limit: Limit) -> str:
    """How warm a structure gets beside its stop limit."""
    minutes = f"{item.cem43_min:.1f}" if item.cem43_min <= MOST_MINUTES else "over 10 000"
    return f"{item.peak_c:.1f} °C and CEM43 {minutes} min (stop: {limit.words('stop')})"


def binding_words(choice: Choice, limits: dict[str, Limit]) -> str:
    """Which limit keeps one target from a plan, and by how much at the dose that reaches the goal."""
    target = choice.arm.target.name
    reaching, best = choice.doses.reaching, choice.found
    goal = choice.models.goal
    worst = reaching.judgement.binding
    within = (
        f"within the limits at most {share_words(best.judgement.coverage)} of lesion and margin is covered"
        if best.judgement.safe
        else "no dose keeps every limit"
    )
    dose = dose_words(reaching.dose, choice.arm)
    if not reaching.judgement.reached:
        most = f"no dose that may be chosen reaches {goal.words()}: {dose} covers "
        return f"{target}: {most}{share_words(reaching.judgement.coverage)}; {within}."
    if worst is None or reaching.judgement.safe:
        return f"{target}: {within}."
    return (
        f"{target}: {worst.name}. The least harmful dose that reaches the goal ({dose}) takes it to "
        f"{heat_words(worst, limits[worst.name])}; {within}."
    )
