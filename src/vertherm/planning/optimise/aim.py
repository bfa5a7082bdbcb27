"""A dose somewhat beyond the goal, where the limits leave room for it.

The search takes the least harmful dose that reaches the goal: it stands at the goal's edge, and the full model, which
differs by some tenths of a millimetre, may find it short. Where a dose with a little to spare keeps well away from the
limits, that one is taken; otherwise the one at the edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vertherm.planning.optimise.dose import Doses, Found, Lattice, Pattern
from vertherm.planning.optimise.few import search
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.judge import Correction
from vertherm.planning.optimise.models import Models

SPARE_MM = 0.4
"""Margin to spare: so much more than the full model the fast one read at a small lesion; [guess]."""
SPARE_SHARE = 0.02
"""Share to spare where not all of the lesion need be ablated; at most half of what may be left out; [guess]."""
LEAST_RESERVE = 0.1
"""Share that must be left to every limit for it."""


def aimed(models: Models, choices: Sequence[Pattern], lattice: Lattice, target: str) -> Doses:
    """The doses of an arm as :func:`.few.search` finds them, the best one beyond the goal if that harms little.

    Args:
        models: what judges a dose; the judgements are theirs.
        choices: patterns to look at.
        lattice: powers and times to choose from.
        target: what must be ablated.
    """
    found = search(models.beyond(_spare(models.goal, target)), choices, lattice, target)
    best = found.best.judgement
    if not (best.safe and best.reached and best.reserve >= LEAST_RESERVE):
        return search(models, choices, lattice, target)

    def judged(end: Found) -> Found:
        return replace(end, judgement=models(end.dose))

    return Doses(judged(found.best), judged(found.reaching), None if found.widest is None else judged(found.widest))


def _spare(goal: Goal, target: str) -> Correction:
    if goal.whole:
        return Correction(margin_mm={target: -SPARE_MM})
    return Correction(coverage={target: -min(SPARE_SHARE, 0.5 * (1.0 - goal.coverage))})
