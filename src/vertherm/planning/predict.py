"""Run every member of a case, in parallel processes, and gather assessment and scene."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from vertherm.core.errors import SolverError
from vertherm.core.progress import Progress, silent
from vertherm.heat.coupling import Setup
from vertherm.heat.member import Member, members
from vertherm.planning.assess import assess, make_scene
from vertherm.planning.assessment import Assessment
from vertherm.planning.checks import check_case
from vertherm.planning.evaluate import LesionOnGrid, evaluate
from vertherm.planning.objects import Case, Numerics, Treatment
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.protocol import Protocol
from vertherm.planning.scene import Scene
from vertherm.planning.setup import distances_mm, make_setup

_THREADS = ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What a prediction leaves: the document and what its pictures need."""

    assessment: Assessment
    scene: Scene
    outcomes: tuple[MemberOutcome, ...]


def predict(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    numerics: Numerics | None = None,
    *,
    workers: int = 0,
    run_members: Sequence[Member] | None = None,
    progress: Progress = silent,
) -> CaseResult:
    """Predict one treatment of one case with every member and judge it by the worst.

    Args:
        workers: processes; 0 takes one a core, 1 runs in this process.
        run_members: other members than the standard ones (tests, studies); the first is the nominal one.

    Raises:
        InputError: the treatment does not fit the anatomy.
    """
    numerics = numerics or Numerics()
    timings: dict[str, float] = {}
    start = time.perf_counter()
    notes, pierced = check_case(case, treatment)
    progress("tissue map", 0.0)
    setup = make_setup(case, treatment, protocol, numerics)
    lesions = tuple(LesionOnGrid(target.name, target.mask) for target in case.targets)
    distances = distances_mm(case.anatomy, treatment.trajectory)
    timings["tissue_map"] = time.perf_counter() - start
    progress("tissue map", 1.0)
    start = time.perf_counter()
    chosen = tuple(run_members or members(protocol.local_sar.factor, treatment.power_kind))
    outcomes = _run_all(setup, chosen, protocol, lesions, workers, progress)
    timings["members"] = time.perf_counter() - start
    assessment = assess(case, treatment, protocol, numerics, setup, outcomes, notes, pierced, distances, timings)
    return CaseResult(assessment, make_scene(case, treatment, protocol, setup, outcomes, assessment), tuple(outcomes))


def _run_all(
    setup: Setup,
    chosen: Sequence[Member],
    protocol: Protocol,
    lesions: tuple[LesionOnGrid, ...],
    workers: int,
    progress: Progress,
) -> list[MemberOutcome]:
    workers = min(workers or (os.cpu_count() or 1), len(chosen))
    label = f"{len(chosen)} members"
    progress(label, 0.0)
    if workers == 1:
        outcomes = []
        for number, member in enumerate(chosen, 1):
            outcomes.append(evaluate(setup, member, protocol, lesions))
            progress(label, number / len(chosen))
        return outcomes
    # spawn: a forked child would inherit Numba's and BLAS's threads; one thread a process, the members fill the cores.
    context = get_context("spawn")
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        with ProcessPoolExecutor(
            workers, mp_context=context, initializer=_prime, initargs=(setup, protocol, lesions)
        ) as pool:
            jobs: dict[Any, int] = {pool.submit(_run_primed, member): i for i, member in enumerate(chosen)}
            results: dict[int, MemberOutcome] = {}
            for job in as_completed(jobs):
                results[jobs[job]] = job.result()
                progress(label, len(results) / len(chosen))
    except BrokenProcessPool as error:
        raise SolverError(
            "A worker process died, most likely for want of memory.",
            where="members",
            got=f"{workers} workers, heat grid of {setup.tissue.grid.shape}",
            advice="run again with --workers 1, or with a larger [numerics] spacing_mm",
        ) from error
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return [results[i] for i in range(len(chosen))]


_primed: tuple[Setup, Protocol, tuple[LesionOnGrid, ...]] | None = None


def _prime(setup: Setup, protocol: Protocol, lesions: tuple[LesionOnGrid, ...]) -> None:
    """Send the large arrays once a process instead of once a member."""
    global _primed
    _primed = (setup, protocol, lesions)


def _run_primed(member: Member) -> MemberOutcome:
    if _primed is None:
        raise RuntimeError("a worker was not primed")
    setup, protocol, lesions = _primed
    return evaluate(setup, member, protocol, lesions)
