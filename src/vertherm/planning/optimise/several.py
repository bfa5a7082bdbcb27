"""The chosen arm of every lesion, and several lesions in one procedure: doses at shared structures add up.

The lesions are treated one after the other. At a structure that several of them heat, the doses (CEM43) of all add,
and of the peaks the highest counts. Where a sum breaks a limit that every lesion alone keeps, one lesion after another
gives way: each in turn is planned anew on top of what the others do, and the one that loses the least coverage is
changed. That is greedy: it finds a way if an obvious one exists, not the best of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vertherm.geometry.volume import FloatArray
from vertherm.planning.limits import judge as status_of
from vertherm.planning.optimise.aim import aimed
from vertherm.planning.optimise.arms import Arm
from vertherm.planning.optimise.dose import Doses, Found, Lattice, patterns
from vertherm.planning.optimise.judge import NO_BACKGROUND, Background, Correction, Judgement, worse
from vertherm.planning.optimise.models import Model, Models
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.plan import SharedRow

SHARED_FROM_MIN = 0.01
"""Doses below this are none."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The arm of one target with all its models and its dose.

    Args:
        doses: the best dose within the limits, and what it is compared with.
    """

    arm: Arm
    models: Models
    doses: Doses

    @property
    def found(self) -> Found:
        """The dose that counts."""
        return self.doses.best

    @property
    def first(self) -> Model:
        """The model that the full model's answer is held against."""
        return self.models.parts[0]

    @property
    def sampled(self) -> Model:
        """The model whose variants are samples, or the only one there is."""
        return next((part for part in self.models.parts if part.judge.sampled), self.models.parts[-1])

    def again(self, models: Models, lattice: Lattice, most: int) -> Choice:
        """The same arm with its best dose by other models."""
        return Choice(
            self.arm, models, aimed(models, patterns(self.arm.needle_of, most), lattice, self.arm.target.name)
        )


def choose(problem: Problem, arm: Arm, parts: Sequence[Model]) -> Choice:
    """The best dose of an arm by the worst of several models."""
    models = Models(tuple(parts), problem.goal)
    choices = patterns(arm.needle_of, problem.entry.plan.max_activations)
    return Choice(arm, models, aimed(models, choices, problem.lattice, arm.target.name))


def corrected(problem: Problem, choices: Sequence[Choice], correction: Correction) -> list[Choice]:
    """Every dose sought again with corrected readings, each lesion by itself and then together."""
    most = problem.entry.plan.max_activations
    again = [c.again(c.models.corrected(correction), problem.lattice, most) for c in choices]
    return together(problem, again)


def together(problem: Problem, choices: Sequence[Choice]) -> list[Choice]:
    """The choices with doses that keep the limits together, if giving way one after the other finds such."""
    now = [_alone(choice) for choice in choices]
    if len(now) == 1:
        return now
    for _ in range(2 * len(now)):
        if joint(now).safe or not all(choice.found.judgement.safe for choice in now):
            break
        options = [_giving_way(problem, now, n) for n in range(len(now))]
        lost = [_lost(now[n], option) for n, option in enumerate(options)]
        whole = [joint([*now[:n], option, *now[n + 1 :]]).safe for n, option in enumerate(options)]
        n = min(range(len(now)), key=lambda k: (not whole[k], lost[k], k))
        if lost[n] <= 0.0 and not whole[n] and options[n].found.dose == now[n].found.dose:
            break
        now[n] = _alone(options[n])
    return now


def _lost(before: Choice, after: Choice) -> float:
    return before.found.judgement.coverage - after.found.judgement.coverage


def _giving_way(problem: Problem, choices: Sequence[Choice], n: int) -> Choice:
    """One lesion planned anew on top of what the others do."""
    others = [choice for k, choice in enumerate(choices) if k != n]
    behind = _behind(choices[n].models, others)
    return choices[n].again(behind, problem.lattice, problem.entry.plan.max_activations)


def _alone(choice: Choice) -> Choice:
    """The choice without background, and the judgement of its dose without it."""
    parts = tuple(replace(part, judge=replace(part.judge, background=NO_BACKGROUND)) for part in choice.models.parts)
    models = Models(parts, choice.models.goal)
    best = replace(choice.doses.best, judgement=models(choice.found.dose))
    return replace(choice, models=models, doses=replace(choice.doses, best=best))


def _behind(models: Models, others: Sequence[Choice]) -> Models:
    """The models of one lesion with what the others do at every structure."""
    parts = tuple(
        replace(part, judge=replace(part.judge, background=background(kind, part.surrogate.n, others)))
        for kind, part in enumerate(models.parts)
    )
    return Models(parts, models.goal)


def background(kind: int, n: int, others: Sequence[Choice]) -> Background:
    """Peaks and doses of other lesions' treatments, variant by variant where they have the same variants.

    Args:
        kind: which of the models (the same for every lesion).
        n: variants of the model that it is for.
    """
    peaks: dict[str, FloatArray | float] = {}
    doses: dict[str, FloatArray | float] = {}
    for choice in others:
        model = choice.models.parts[kind]
        readings = model.surrogate.readings(choice.found.dose)
        for name in readings.structures:
            peak, dose = model.judge.structure_values(name, readings)
            if model.surrogate.n != n:
                peak, dose = np.full(n, peak.max()), np.full(n, dose.max())
            peaks[name] = np.maximum(peak, peaks.get(name, 0.0))
            doses[name] = dose + doses.get(name, 0.0)
    return Background(peaks, doses)


def joint(choices: Sequence[Choice]) -> Judgement:
    """All lesions together: structures with the doses of all, every target by its own arm."""
    if len(choices) == 1:
        return choices[0].models(choices[0].found.dose)
    found = []
    for n, choice in enumerate(choices):
        others = [other for k, other in enumerate(choices) if k != n]
        found.append(_behind(choice.models, others)(choice.found.dose))
    return worse(found, choices[0].models.goal)


def joint_first(choices: Sequence[Choice]) -> Judgement:
    """As :func:`joint`, by the first model of each lesion alone."""
    return joint([replace(c, models=Models(c.models.parts[:1], c.models.goal)) for c in choices])


def shared_rows(problem: Problem, choices: Sequence[Choice]) -> list[SharedRow]:
    """Structures that several lesions' treatments heat, with the dose of each and their sum."""
    if len(choices) < 2:
        return []
    rows = []
    total = {item.name: item for item in joint(choices).structures}
    alone = {c.arm.target.name: {s.name: s for s in c.found.judgement.structures} for c in choices}
    for name, item in total.items():
        doses = {target: found[name].cem43_min for target, found in alone.items() if name in found}
        if sum(dose > SHARED_FROM_MIN for dose in doses.values()) < 2:
            continue
        status = status_of(item.peak_c, item.cem43_min, problem.limits[name])
        rows.append(
            SharedRow(structure=name, doses_min=doses, total_min=item.cem43_min, peak_c=item.peak_c, status=status)
        )
    return rows
