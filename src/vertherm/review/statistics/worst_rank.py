"""Sensitivity analyses in which the dead count: the worst rank, and as non-responders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vertherm.core.errors import InputError
from vertherm.review.statistics.inputs import Floats, numbers, same_length
from vertherm.review.statistics.paired import differences
from vertherm.review.statistics.proportion import Proportion, proportion
from vertherm.review.statistics.signed_rank import signed_rank_test
from vertherm.review.statistics.walsh import WalshAverages


@dataclass(frozen=True)
class WorstRank:
    """Change with death as the worst outcome.

    Args:
        n: patients in the analysis, the dead included.
        deaths: patients ranked as worst.
        missing: alive without a complete pair; left out.
        median: median change; infinite where half or more died.
        hl: Hodges-Lehmann pseudo-median; infinite where it is an average with a death.
        statistic: smaller signed rank sum.
        p: two-sided p-value of the signed-rank test.
        method: how p was made.
    """

    n: int
    deaths: int
    missing: int
    median: float
    hl: float
    statistic: float
    p: float
    method: str

    @property
    def methods(self) -> tuple[str, ...]:
        """Ids in ``methods``."""
        return ("worst_rank",)


def worst_rank(before: ArrayLike, after: ArrayLike, died: ArrayLike) -> WorstRank:
    """Paired analysis in which whoever died before the window has changed for the worse by more than anybody else.

    Higher values are worse (pain, disability). The dead share one rank above every change in either direction; a dead
    patient's value after is not used, and no value before is needed. Patients alive without a pair are left out and
    counted.

    Args:
        before: value before, NaN for missing.
        after: value in the window, NaN for missing.
        died: True for death before the window.

    Raises:
        InputError: columns of different length, no numbers.

    Source: Lachin, Control Clin Trials 1999;20:408-422.
    """
    first, second, dead = _columns(before, after, died)
    change = differences(first[~dead], second[~dead])
    deaths = int(dead.sum())
    worst = 4.0 * float(np.abs(change).max(initial=0.0)) + 1.0
    everybody = np.concatenate((change, np.full(deaths, worst)))
    test = signed_rank_test(everybody)
    missing = int((~dead).sum()) - int(change.size)
    nan = float("nan")
    if everybody.size == 0:
        return WorstRank(0, 0, missing, nan, nan, test.statistic, nan, test.method)
    walsh = WalshAverages(everybody)
    ranks = {walsh.total // 2 + 1, (walsh.total + 1) // 2}
    hl = [walsh.at(rank) for rank in sorted(ranks)]
    middle = float(np.median(np.where(everybody == worst, np.inf, everybody)))
    # An average with a death is at least (4 m + 1 - m)/2 > m, above every average of the living.
    limit = float(np.abs(change).max(initial=0.0))
    pseudo = float("inf") if hl[-1] > limit else sum(hl) / len(hl)
    return WorstRank(everybody.size, deaths, missing, middle, pseudo, test.statistic, test.p, test.method)


@dataclass(frozen=True)
class ResponderSensitivity:
    """Responders among those who could be asked, and with the dead as non-responders.

    Args:
        observed: responders of the patients alive with a known response.
        with_deaths: the same responders of these patients and the dead.
        deaths: dead patients added.
        missing: alive with an unknown response; in neither proportion.
    """

    observed: Proportion
    with_deaths: Proportion
    deaths: int
    missing: int

    @property
    def methods(self) -> tuple[str, ...]:
        """Ids in ``methods``."""
        return ("responders_with_deaths", *self.observed.methods)


def responder_sensitivity(responder: ArrayLike, died: ArrayLike, level: float = 0.95) -> ResponderSensitivity:
    """Proportion of responders while alive, and with patients who died before the window as non-responders.

    Args:
        responder: 1 or 0, NaN for unknown; ignored for the dead.
        died: True for death before the window.
        level: confidence level.

    Raises:
        InputError: columns of different length, a response other than 0, 1, NaN.
    """
    answer, _, dead = _columns(responder, responder, died)
    alive = answer[~dead]
    known = alive[~np.isnan(alive)]
    if not np.isin(known, (0.0, 1.0)).all():
        raise InputError("A response is neither 0 nor 1.", where="responder", got=known.max(), expected="0, 1 or NaN")
    deaths, yes = int(dead.sum()), int(known.sum())
    return ResponderSensitivity(
        proportion(yes, known.size, level), proportion(yes, known.size + deaths, level), deaths, alive.size - known.size
    )


def _columns(before: ArrayLike, after: ArrayLike, died: Any) -> tuple[Floats, Floats, Any]:
    first, second, dead = numbers(before, "before"), numbers(after, "after"), numbers(died, "died")
    same_length(before=first, after=second, died=dead)
    if not np.isin(dead, (0.0, 1.0)).all():
        raise InputError(
            "Death is neither yes nor no.", where="died", got=np.unique(dead)[:5], expected="True or False"
        )
    return first, second, dead.astype(bool)
