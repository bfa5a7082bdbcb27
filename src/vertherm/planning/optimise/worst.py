"""Which runs of the full model decide: of members the nominal one and those that can be the worst, and of samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from vertherm.heat.member import Member, members
from vertherm.planning.optimise.check import Checked
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.optimise.judge import NO_CORRECTION, Correction, Judgement, reserve
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.optimise.several import Choice, joint
from vertherm.planning.percentiles import worst_decides
from vertherm.planning.surrogate.families import Family, worst_families

CLOSE = 0.1
"""Where less of the way to a limit is left, the members that the fast model calls the less harmful are run too."""
CLOSE_MM = 0.2
"""The same for the margin."""
FOR_LIMITS, FOR_COVERAGE = 2, 4
"""Samples that a dose of a verified plan is tried on first."""


def nominal_member(problem: Problem) -> Member:
    """The first of every prediction."""
    return members(problem.protocol.local_sar.factor, problem.entry.plan.power_kind)[0]


def all_worst(problem: Problem) -> tuple[Member, ...]:
    """The nominal member, and with both drying models those that can be the worst.

    Net power heats at least as much as the same forward power, no cooling more than full cooling, and the local factor
    never less: these members hold the other standard ones between them.
    """
    chosen = [family.member for _, safety, cover in _families(problem) for family in (safety, cover)]
    return tuple(dict.fromkeys([nominal_member(problem), *chosen]))


def worst_members(problem: Problem, choices: Sequence[Choice]) -> tuple[Member, ...]:
    """The nominal member, and those that the fast model says are the worst for structures and for coverage.

    Which drying model that is depends on dose and place; both are read by the same fast model on the same cells, so
    that their difference is known better than either. Where it says already that a dose that passes comes
    near to a limit or only just reaches the goal, all that can be the worst are run at once.
    """
    families = _families(problem)
    if not has_members(choices):
        return all_worst(problem)
    told = by_members(choices)
    if told.safe and told.reached and near(problem.goal, told):
        return all_worst(problem)
    read = [joint([_of_members(choice, [n], NO_CORRECTION) for choice in choices]) for n in range(len(families))]
    safety = min(range(len(read)), key=lambda n: read[n].reserve)
    cover = min(range(len(read)), key=lambda n: _covered(read[n]))
    chosen = nominal_member(problem), families[safety][1].member, families[cover][2].member
    return tuple(dict.fromkeys(chosen))


def worst_samples(choices: Sequence[Choice], samples: int) -> tuple[int, ...]:
    """Numbers of the samples that the fast model calls the worst, some for limits and some for coverage.

    Empty where the worst sample does not decide: with so many that the bound lies within them.

    Args:
        choices: arms and doses.
        samples: of the full model; those of the fast model, of the same seed, are the first of them.
    """
    found: set[int] = set()
    for choice in choices:
        part = choice.sampled
        if not part.judge.sampled or not worst_decides(samples):
            return ()
        readings = part.surrogate.readings(choice.found.dose)
        binding, chosen = part.judge(readings).binding, set[int]()
        if binding is not None:
            peaks, doses = part.judge.structure_values(binding.name, readings)
            chosen |= {int(n) for n in (*np.argsort(-peaks[1:])[:FOR_LIMITS], np.argmax(doses[1:]))}
        for name in part.judge.targets:
            margins = np.nan_to_num(part.judge.target_values(name, readings)[1][1:], nan=-np.inf)
            chosen |= {int(n) for n in np.argsort(margins)[:FOR_COVERAGE]}
        numbers = part.surrogate.sample_numbers
        found |= {numbers[n] for n in chosen}
    return tuple(sorted(found))


def has_members(choices: Sequence[Choice]) -> bool:
    """True where every choice's fast model holds the standard members beside its samples."""
    return all(choice.sampled.surrogate.members for choice in choices)


def by_members(choices: Sequence[Choice]) -> Judgement:
    """What the fast model says of the standard members at the chosen doses, the nominal one among them."""
    return joint([_of_members(c, range(len(c.sampled.surrogate.members)), c.sampled.judge.correction) for c in choices])


def _of_members(choice: Choice, numbers: Iterable[int], correction: Correction) -> Choice:
    part = choice.sampled
    surrogate = part.surrogate
    variants = (surrogate.variants[0], *(surrogate.members[n] for n in numbers))
    judge = replace(part.judge, sampled=False, correction=correction)
    only = replace(part, surrogate=replace(surrogate, variants=variants, samples=0), judge=judge)
    return replace(choice, models=replace(choice.models, parts=(only,)))


def close(problem: Problem, found: Checked) -> bool:
    """True where a member that was not run might still change the verdict on a treatment that passes."""
    goal = problem.goal
    rows = [(row, problem.limits[row.name]) for row in found.limits]
    left = (reserve(r.peak_c, r.cem43_min, limit, goal.warn_is_limit) for r, limit in rows)
    return _close(goal, left, (row.margin_mm for row in found.coverage))


def near(goal: Goal, read: Judgement) -> bool:
    """The same by the fast model's judgement."""
    return _close(goal, (item.reserve for item in read.structures), (target.margin_mm for target in read.targets))


def _close(goal: Goal, left: Iterable[float], margins: Iterable[float | None]) -> bool:
    return any(share < CLOSE for share in left) or any(m is None or m < goal.margin_mm + CLOSE_MM for m in margins)


def _families(problem: Problem) -> list[tuple[str, Family, Family]]:
    return worst_families(problem.protocol.local_sar.factor)


def _covered(judgement: Judgement) -> tuple[float, float]:
    margins = [target.margin_mm for target in judgement.targets]
    return judgement.coverage, min((-1e9 if m is None else m for m in margins), default=0.0)
