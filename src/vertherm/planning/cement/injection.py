"""How cement goes in: volume to look at, needles in turn, viscosity while it flows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vertherm.cement.leakage import InjectionPlan, Needle, capacity_ml
from vertherm.cement.spread import nominal_sample
from vertherm.cement.vertebra import VertebraScene
from vertherm.core.errors import InputError
from vertherm.ensemble.distributions import Space
from vertherm.materials.bone_cement import BoneCement
from vertherm.planning.cement.assemble import Work
from vertherm.planning.cement.needles import Cannula
from vertherm.planning.objects import Target

SMALLEST_LOOKED_AT = 1.3
"""Curves go this far beyond the volume that was asked for."""
MOST_OF_ROOM = 0.5
"""Curves of a small vertebra end at this share of its pores: nobody fills more, and leaks take long to compute."""


@dataclass(frozen=True)
class Viscosity:
    """Viscosity of a cement since mixing in a room; a class, so that workers can be sent it."""

    cement: BoneCement
    room_c: float

    def __call__(self, since_mixing_s: float) -> float:
        """Pa s."""
        return float(self.cement.viscosity_pa_s(since_mixing_s, self.room_c))


def injection_plan(
    work: Work, target: Target, cannulas: list[Cannula], scene: VertebraScene, space: Space
) -> InjectionPlan:
    """The injection up to the largest volume looked at.

    Raises:
        InputError: more is asked for than bone and lesion can take, the cement is set by then, or several needles share
            no stated volume.
    """
    asked, room = work.own.volume_ml.get(target.name, 0.0), capacity_ml(scene, nominal_sample(space))
    if asked > room:
        raise InputError(
            "More cement is asked for than bone and lesion can take.",
            where="[cement] volume_ml",
            got=f"{asked:g} ml for {target.name}",
            expected=f"at most {room:.1f} ml",
            advice="ask for less, or leave the volume out: the largest safe one is then proposed",
        )
    if work.start_s >= work.working_s[1]:
        raise InputError(
            "The injection starts when the cement can no longer be worked.",
            where="[cement] start_after_mixing_s",
            got=f"{work.start_s:g} s",
            expected=f"before {work.working_s[1]:.0f} s at {work.rules.room_c:g} °C",
        )
    beyond_asked = SMALLEST_LOOKED_AT * asked
    volume = min(max(work.rules.volume_looked_at_ml, beyond_asked), max(MOST_OF_ROOM * room, beyond_asked), room)
    return InjectionPlan(
        needles=tuple(_in_turn([one.needle(work.rules) for one in cannulas], asked, volume, target.name)),
        volume_ml=volume,
        rate_ml_s=work.rules.rate_ml_min / 60.0,
        start_s=work.start_s,
        viscosity_pa_s=Viscosity(work.cement, work.rules.room_c),
    )


def _in_turn(needles: list[Needle], asked_ml: float, volume_ml: float, target: str) -> list[Needle]:
    """Shares of the volume looked at, so that each needle has given its own when the volume asked for is in.

    The last one goes on beyond it.
    """
    if len(needles) == 1:
        return needles
    if not asked_ml:
        raise InputError(
            "Several needles need a volume to share.",
            where="[cement] volume_ml",
            got=f"{len(needles)} needles for {target}, no volume",
            advice=f"give volume_ml = {{ {target} = ... }}: the needles take it one after the other, each its share",
        )
    first = [replace(one, share=one.share * asked_ml / volume_ml) for one in needles[:-1]]
    return [*first, replace(needles[-1], share=1.0 - sum(one.share for one in first))]
