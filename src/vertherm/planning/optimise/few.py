"""A search over doses that reads few variants: those that decide. All of them are read where it ends.

Of the samples the worst decides, and at nearby doses it is one of the same few. The search reads those; at the doses it
ends on all variants are read, and where one that was left out decides there, the search goes on with that one too. What
it returns is what a search over all variants would accept: a variant left out can only make other doses worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vertherm.planning.optimise.dose import Doses, Found, Lattice, Pattern, search_doses
from vertherm.planning.optimise.judge import Judge, Judgement, worse
from vertherm.planning.optimise.models import Model, Models
from vertherm.planning.percentiles import worst_decides
from vertherm.planning.surrogate.dose import Dose
from vertherm.planning.surrogate.readings import Readings, joined

ROUNDS = 8
"""Searches before all variants are read throughout."""
WORTHWHILE = 8
"""Variants below which all are read."""
NEAR = 0.3
"""Structures with this much more left than the one that binds do not choose variants."""
SAME = 1e-9


def search(models: Models, choices: Sequence[Pattern], lattice: Lattice, target: str) -> Doses:
    """The doses of an arm, as :func:`.dose.search_doses` finds them with all variants.

    Args:
        models: what judges a dose.
        choices: patterns to look at.
        lattice: powers and times to choose from.
        target: whose margin is meant.
    """
    most = max(part.surrogate.n for part in models.parts)
    if most < WORTHWHILE or not all(_worst_decides(part) for part in models.parts):
        return search_doses(models, choices, lattice, models.goal, target)
    few = _Few(models, [_first(part, choices[0], lattice) for part in models.parts])
    for _ in range(ROUNDS):
        found = search_doses(few, choices, lattice, models.goal, target)
        ends = [end for end in (found.best, found.reaching, found.widest) if end is not None]
        # Every end is looked at, also where the first already asks for more variants: they are then all known.
        if not sum(few.grown(end) for end in ends):
            best, reaching = few.whole(found.best), few.whole(found.reaching)
            return Doses(best, reaching, None if found.widest is None else few.whole(found.widest))
    return search_doses(models, choices, lattice, models.goal, target)


def _worst_decides(part: Model) -> bool:
    """True where the worst variant decides: members, or so few samples that their bound is the largest."""
    judge, n = part.judge, part.surrogate.n - 1
    if judge.background.peak_c or judge.background.cem43_min:
        return False
    return not judge.sampled or worst_decides(n)


def _first(part: Model, pattern: Pattern, lattice: Lattice) -> set[int]:
    """Variants that decide at a dose in the middle of the lattice."""
    powers, times = lattice.powers_w, lattice.times_s
    dose = pattern.dose(powers[len(powers) // 3], times[len(times) // 6])
    readings = part.surrogate.readings(dose)
    return deciding(part.judge, readings, part.judge(readings))


def deciding(judge: Judge, readings: Readings, judgement: Judgement) -> set[int]:
    """Numbers of the variants that decide about structures near their limits and about targets; always the nominal."""
    found = {0}
    for item in judgement.structures:
        if item.reserve <= judgement.reserve + NEAR:
            peaks, doses = judge.structure_values(item.name, readings)
            found |= {int(np.argmax(peaks)), int(np.argmax(doses))}
    for name in judge.targets:
        coverages, margins = judge.target_values(name, readings)
        found |= {int(np.argmin(coverages)), int(np.argmin(np.nan_to_num(margins, nan=-np.inf)))}
    return found


@dataclass(eq=False)
class _Few:
    """Judges doses by the variants kept so far; what was read stays read.

    Args:
        models: with all variants.
        kept: numbers of the variants by part of the models.
    """

    models: Models
    kept: list[set[int]]
    _read: dict[tuple[int, Dose], tuple[list[int], Readings]] = field(default_factory=dict)
    _all: dict[Dose, list[Readings]] = field(default_factory=dict)

    def __call__(self, dose: Dose) -> Judgement:
        """The judgement of one dose by the variants kept."""
        found = [part.judge(self._readings(n, part, dose)) for n, part in enumerate(self.models.parts)]
        return worse(found, self.models.goal)

    def grown(self, end: Found) -> bool:
        """Read all variants at a dose; True where one that was left out decides, which is then kept."""
        grown = False
        for n, readings in enumerate(self._whole(end.dose)):
            judge = self.models.parts[n].judge
            whole = judge(readings)
            more = deciding(judge, readings, whole) - self.kept[n]
            if more and not _same(whole, judge(self._readings(n, self.models.parts[n], end.dose))):
                self.kept[n] |= more
                grown = True
        return grown

    def whole(self, end: Found) -> Found:
        """The dose with the judgement of all variants."""
        parts = zip(self.models.parts, self._whole(end.dose), strict=True)
        return replace(end, judgement=worse([part.judge(readings) for part, readings in parts], self.models.goal))

    def _whole(self, dose: Dose) -> list[Readings]:
        if dose not in self._all:
            self._all[dose] = [part.surrogate.readings(dose) for part in self.models.parts]
        return self._all[dose]

    def _readings(self, n: int, part: Model, dose: Dose) -> Readings:
        numbers, known = self._read.get((n, dose), ([], None))
        more = sorted(self.kept[n] - set(numbers))
        if more or known is None:
            read = part.surrogate.readings(dose, more)
            known = read if known is None else joined(known, read)
            self._read[n, dose] = ([*numbers, *more], known)
        return known


def _same(one: Judgement, other: Judgement) -> bool:
    """True where two judgements agree in all that the search looks at."""
    margins = zip(one.targets, other.targets, strict=True)
    return (
        abs(one.reserve - other.reserve) < SAME
        and abs(one.coverage - other.coverage) < SAME
        and all(a.margin_mm == b.margin_mm or _near(a.margin_mm, b.margin_mm) for a, b in margins)
    )


def _near(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) < SAME
