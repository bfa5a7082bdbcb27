"""How far the optimiser stays behind a dense sweep of the same problem: for small problems only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vertherm.planning.optimise.dose import Evaluate, Found, Lattice, Pattern
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.plan import Gap

SWEEP = 15
"""Powers and times of the sweep, each."""


def gap(evaluate: Evaluate, choices: Sequence[Pattern], lattice: Lattice, goal: Goal, found: Found) -> Gap:
    """Every pattern over a fine lattice of powers and times with the same model, and the best of them.

    The score is 0 where a limit breaks, up to 1 for coverage, and up to 2 for what is left to the limits once the goal
    is reached.
    """
    powers, times = _thinned(lattice.powers_w), _thinned(lattice.times_s)
    scores = [evaluate(choice.dose(p, t)).score(goal) for choice in choices for p in powers for t in times]
    best, score = max(scores), found.judgement.score(goal)
    return Gap(
        sweep_points=len(scores),
        sweep_best=best,
        found=score,
        gap=max(0.0, (best - score) / best) if best > 0 else 0.0,
        what="score of the linear answer: coverage up to 1, then what is left to the limits up to 2; the sweep "
        "gives every activation of a treatment the same power and time",
    )


def _thinned(values: tuple[float, ...]) -> list[float]:
    index = np.unique(np.round(np.linspace(0, len(values) - 1, SWEEP)).astype(int))
    return [values[n] for n in index]
