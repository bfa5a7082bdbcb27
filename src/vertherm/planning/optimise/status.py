"""What a plan is called, in words: never safer than what was computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vertherm.planning.optimise.problem import Problem

if TYPE_CHECKING:
    from vertherm.planning.optimise.verify import Outcome


def status_words(problem: Problem, outcome: Outcome | None, unknown: Sequence[str], samples: int) -> str:
    """One or two sentences that stand first: what the status is and what it rests on.

    A plan beside something that is required and not known is never called safe, whatever the numbers elsewhere say.
    """
    goal = problem.goal.words()
    if outcome is None:
        return "NO SAFE PLAN: there is no admissible needle path to every target."
    if outcome.status == "no safe plan":
        looked = "none of the treatments that were looked at"
        return f"NO SAFE PLAN: {looked} ablates {goal} with every limit kept. No treatment is proposed."
    if unknown:
        return (
            f"{_name(outcome)} and NOT ASSESSED: {len(unknown)} required item(s) are not known ({_short(unknown)}). "
            "The limits of everything that is labelled are kept, but this is not a safe plan until they are."
        )
    if outcome.status == "verified":
        return (
            f"VERIFIED: the full model with the full-wave check and {samples} samples ablates {goal} and keeps every "
            "limit by the 95 % bounds of the 5th and 95th percentiles."
        )
    checked = outcome.checked
    if checked is not None and checked.result.assessment.ensemble is not None:
        return (
            f"PROVISIONAL: {samples} samples of the full model keep every limit and reach the goal, but the full-wave "
            "check has no result: the field beside the canal is not checked."
        )
    runs = len(checked.result.assessment.members) if checked is not None else 0
    return (
        f"PROVISIONAL: the fast model ({samples} samples) and {runs} runs of the full model "
        f"(the nominal and the worst variants) ablate {goal} and keep every limit. It is not verified."
    )


def _name(outcome: Outcome) -> str:
    return "PROVISIONAL" if outcome.status == "provisional" else "NOT VERIFIED"


def _short(unknown: Sequence[str]) -> str:
    return "; ".join(words.split(":")[0].rstrip(".") for words in unknown)
