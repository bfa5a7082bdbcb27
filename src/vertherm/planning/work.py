"""The runs of a prediction as tasks: the standard members, or samples of what is uncertain in two readings each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import SolverError
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.distributions import Sample
from vertherm.ensemble.runner import ADDRESS_VARIABLE, Outcome, run
from vertherm.geometry.volume import Grid
from vertherm.heat.member import NOMINAL, Member
from vertherm.heat.result import FAILED
from vertherm.heat.setup import Setup
from vertherm.planning.envelope import Envelope
from vertherm.planning.evaluate import LesionOnGrid, evaluate, failed_outcome
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.protocol import Protocol
from vertherm.planning.uncertainty import READINGS, Uncertainty, in_reading

FEW = 4
"""Tasks a worker up to which an idle one at the end counts."""


@dataclass(frozen=True, eq=False)
class Work:
    """What all tasks share; sent once to each worker.

    Args:
        uncertainty: needed where tasks are samples.
        threads: of each run of a member; results do not depend on it.
    """

    setup: Setup
    protocol: Protocol
    lesions: tuple[LesionOnGrid, ...]
    uncertainty: Uncertainty | None = None
    threads: int = 1

    @property
    def local_factor(self) -> float:
        """Factor on the local SAR in safety readings: the protocol's, until a full-wave check has run."""
        return 1.0 if self.setup.full_wave else self.protocol.local_sar.factor


@dataclass(frozen=True)
class Task:
    """One or two runs: a member of the nominal setup, or a sample (``number`` from 1) in both readings."""

    member: Member = NOMINAL
    number: int = 0
    sample: Sample | None = None


def perform(task: Task, work: Work) -> list[MemberOutcome]:
    """What a worker does; both readings of a sample share its antenna's mesh and weights."""
    if task.sample is None:
        return [evaluate(work.setup, task.member, work.protocol, work.lesions, threads=work.threads)]
    if work.uncertainty is None:
        raise ValueError("a sample without the parameters that it samples")
    drawn = work.uncertainty.draw(work.setup, task.sample)
    lesions = tuple(moved(lesion, drawn.label_offset_mm) for lesion in work.lesions)
    found = []
    for reading in READINGS:
        outcome = evaluate(drawn.setup, in_reading(drawn.member, reading, work.local_factor), work.protocol, lesions)
        # Only the coverage reading's fields are counted: the others need not travel.
        fields = outcome.fields if reading == "coverage" else {}
        found.append(replace(outcome, sample=task.number, reading=reading, fields=fields))
    return found


def moved(lesion: LesionOnGrid, offset_mm: NDArray[np.float64]) -> LesionOnGrid:
    """The lesion with its outline moved by ``offset_mm`` (RAS)."""
    if not offset_mm.any():
        return lesion
    grid = lesion.mask.grid
    affine = grid.affine.copy()
    affine[:3, 3] += offset_mm
    return replace(lesion, mask=replace(lesion.mask, grid=Grid(grid.shape, affine, grid.frame)))


@dataclass(eq=False)
class Fold:
    """Takes each member's fields into the envelope and lets them go; keeps those of the first (nominal) one."""

    work: Work
    tasks: Sequence[Task]
    envelope: Envelope

    def __call__(self, outcome: Outcome) -> list[MemberOutcome]:
        """Outcomes of one task without their fields."""
        task = self.tasks[outcome.index]
        found = outcome.value if outcome.value is not None else self._failed(task, outcome)
        return [self._kept(member, nominal=outcome.index == 0) for member in found]

    def _kept(self, member: MemberOutcome, nominal: bool) -> MemberOutcome:
        if self._counts(member, nominal) and member.fields:
            # A sampled zone is counted in samples only; the nominal one belongs to the envelope all the same.
            self.envelope.add(member.fields, count=member.sample > 0 or not self._sampled)
        self.envelope.add_beyond(member.beyond)
        return member if nominal else replace(member, fields={}, beyond=np.zeros(0, bool))

    @property
    def _sampled(self) -> bool:
        return any(task.sample is not None for task in self.tasks)

    def _counts(self, member: MemberOutcome, nominal: bool) -> bool:
        """Members that a zone's band consists of: see :func:`vertherm.planning.limits.without_factor`."""
        if self._sampled:
            return nominal or (member.reading == "coverage" and not member.failed)
        without = [task for task in self.tasks if task.member.sar_factor == 1.0]
        return member.member.sar_factor == 1.0 or not without

    def _failed(self, task: Task, outcome: Outcome) -> list[MemberOutcome]:
        if outcome.cause is not None and task.sample is None:
            raise outcome.cause
        status = f"{FAILED}: {outcome.error}"
        work = self.work
        members = (
            [task.member]
            if task.sample is None
            else [in_reading(task.member, r, self.work.local_factor) for r in READINGS]
        )
        readings = [""] if task.sample is None else list(READINGS)
        return [
            replace(failed_outcome(work.setup, m, work.protocol, work.lesions, status), sample=task.number, reading=r)
            for m, r in zip(members, readings, strict=True)
        ]


def run_tasks(
    work: Work,
    tasks: Sequence[Task],
    *,
    workers: int = 0,
    address: str | None = None,
    progress: Progress = silent,
    function: Callable[[Task, Work], list[MemberOutcome]] = perform,
) -> tuple[list[MemberOutcome], Envelope]:
    """Run every task; one that fails says so in its outcomes and stops nothing.

    Args:
        work: what all share.
        tasks: the first is the nominal member.
        workers, address: see :func:`vertherm.ensemble.runner.run`.
        progress: told the share done.
        function: what a worker does (tests).

    Returns:
        Outcomes in the order of the tasks, and the envelope of their fields.

    Raises:
        InputError: a standard member cannot run on this input, or no workers.
        SolverError: the nominal member has no result: nothing can be drawn or judged.
    """
    envelope = Envelope(work.protocol.metrics)
    samples = sum(task.sample is not None for task in tasks)
    label = f"{samples} samples, {2 * samples + len(tasks) - samples} runs" if samples else f"{len(tasks)} members"
    fold = Fold(work, tasks, envelope)
    first = _alone(tasks, workers, address)
    found = run(function, tasks[:first], shared=replace(work, threads=_cores(workers)), workers=1, consume=fold)
    found += run(
        function,
        tasks[first:],
        shared=work,
        workers=workers,
        address=address,
        progress=progress,
        label=label,
        consume=lambda outcome: fold(replace(outcome, index=outcome.index + first)),
    )
    outcomes = [member for outcome in found for member in outcome.value]
    if all(member.failed for member in outcomes):
        lost = any(outcome.lost_worker for outcome in found)
        advice = "run with --workers 1, or with a larger [numerics] spacing_mm" if lost else ""
        raise SolverError("Every member failed.", where="members", got=outcomes[0].status, advice=advice)
    return outcomes, envelope


def _alone(tasks: Sequence[Task], workers: int, address: str | None) -> int:
    """1 where the nominal member runs in this process with every core, because workers would stand idle at the end.

    Of many tasks one more makes little difference.
    """
    count = _cores(workers)
    odd = len(tasks) == 1 or (len(tasks) % count == 1 and len(tasks) <= FEW * count)
    return int(odd and address is None and not os.environ.get(ADDRESS_VARIABLE))


def _cores(workers: int) -> int:
    return workers or os.cpu_count() or 1
