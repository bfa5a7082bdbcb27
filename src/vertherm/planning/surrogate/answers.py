"""Linear answers of the nominal patient: which are needed, as tasks, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vertherm.core.errors import SolverError
from vertherm.ensemble.runner import Outcome
from vertherm.planning.surrogate.families import Family
from vertherm.planning.surrogate.ratios import Answers, Float
from vertherm.planning.surrogate.tasks import LinearTask, Task

COOLINGS = ("none", "full")


def linear_tasks(families: Sequence[Family], places: int) -> list[LinearTask]:
    """Every answer that the families need, once; without the one of the first family, which is made before."""
    kinds = {answer_key(task): task for task in (LinearTask(family.member, 0) for family in families)}
    narrow = [LinearTask(task.member, 0, narrow=True) for task in kinds.values()]
    cooled = [next(f.member for f in families if f.member.cooling == cooling) for cooling in COOLINGS]
    wanted = [*list(kinds.values())[1:], *narrow, *(LinearTask(member, 0, rises=False) for member in cooled)]
    return [LinearTask(t.member, place, t.rises, t.narrow) for place in range(places) for t in wanted]


def answer_key(task: LinearTask) -> tuple[str, str, float]:
    """What the rise of a watt depends on: cooling, meaning of the power and local factor."""
    return task.member.cooling, task.member.power, task.member.sar_factor


def gathered(
    tasks: Sequence[Task], outcomes: Sequence[Outcome], first: tuple[tuple[str, str, float], Float]
) -> tuple[Answers, Answers, dict[str, Float]]:
    """Rises of the watched cells, those with the narrow domain, and the courses without power; (places, nodes, cells).

    Args:
        first: key and answer of the first family.

    Raises:
        SolverError: one of them failed: without it there is no fast model.
    """
    rows: dict[tuple[bool, bool, tuple[str, str, float]], list[Float]] = {}
    for task, outcome in zip(tasks, outcomes, strict=True):
        if not isinstance(task, LinearTask):
            continue
        if outcome.value is None:
            raise outcome.cause or SolverError("A linear answer of the fast model failed.", got=outcome.error)
        rows.setdefault((task.rises, task.narrow, answer_key(task)), []).append(outcome.value)
    found = {key: np.array(answer) for key, answer in rows.items()}
    wide = {key: answer for (rises, narrow, key), answer in found.items() if rises and not narrow}
    close = {key: answer for (_, narrow, key), answer in found.items() if narrow}
    none = {key[0]: answer for (rises, _, key), answer in found.items() if not rises}
    return {first[0]: first[1], **wide}, close, none
