"""Run every member of a case, or samples of what is uncertain, and gather assessment and scene."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vertherm.core.errors import InputError, SolverError
from vertherm.core.progress import Progress, silent
from vertherm.ensemble.distributions import Space
from vertherm.ensemble.sampling import unit_points
from vertherm.heat.member import Member, members
from vertherm.heat.setup import Setup
from vertherm.planning.assess import assess
from vertherm.planning.assessment import Assessment
from vertherm.planning.calibrated import calibrated_space
from vertherm.planning.checks import check_case
from vertherm.planning.draw_scene import make_scene
from vertherm.planning.ensemble_rows import Sampling
from vertherm.planning.evaluate import LesionOnGrid
from vertherm.planning.objects import Case, Numerics, Treatment
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.protocol import Protocol
from vertherm.planning.scene import Scene
from vertherm.planning.setup import distances_mm, make_setup
from vertherm.planning.uncertainty import Uncertainty, space_for
from vertherm.planning.work import Task, Work, run_tasks

if TYPE_CHECKING:
    from vertherm.planning.protection.effect import ProtectionEffect

FINE_WAVE_MM, FINE_HEAT_MM = 0.5, 1.0
"""The full wave's accuracy is shown for such cells only; coarser ones do not take the local SAR factor off."""


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What a prediction leaves: the document and what its pictures need.

    Only the nominal outcome (the first) keeps its fields; those of the others are in the scene's envelopes.
    ``effect``: what its protection changes; None where the treatment has none, or nobody asked.
    """

    assessment: Assessment
    scene: Scene
    outcomes: tuple[MemberOutcome, ...]
    effect: ProtectionEffect | None = None


def predict(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    numerics: Numerics | None = None,
    *,
    workers: int = 0,
    address: str | None = None,
    run_members: Sequence[Member] | None = None,
    space: Space | None = None,
    also: Sequence[LesionOnGrid] = (),
    setup: Setup | None = None,
    only: Collection[int] = (),
    progress: Progress = silent,
) -> CaseResult:
    """Predict one treatment of one case with every member and judge it by the worst, or by percentiles of samples.

    Args:
        workers: processes; 0 takes one a core, 1 runs in this process.
        address: of a Dask scheduler that runs the members instead.
        run_members: other members than the standard ones (tests, studies); the first is the nominal one.
        space: uncertain parameters; None: the default ones, with what the protocol changes and what the calibrations
            of the devices state. Used where ``numerics.ensemble`` asks for samples.
        also: further volumes whose coverage the outcomes shall hold (a lesion with its margin); no row names them.
        setup: one made before for the same needles, already checked by the full wave where that was asked for; its
            schedule gives way to that of ``treatment``.
        only: numbers of the samples that are run, from 1; empty: all. A few of them bound nothing: the worst decides.

    Raises:
        InputError: the treatment does not fit the anatomy, or no workers at ``address``.
        SolverError: no member has a result.
    """
    numerics = numerics or Numerics()
    timings: dict[str, float] = {}
    start = time.perf_counter()
    if numerics.ensemble and run_members:
        raise InputError("Chosen members and samples exclude each other.", where="[numerics] ensemble")
    notes, pierced = check_case(case, treatment)
    progress("tissue map", 0.0)
    given = setup is not None
    setup = make_setup(case, treatment, protocol, numerics) if setup is None else scheduled(setup, treatment)
    lesions = (*(LesionOnGrid(target.name, target.mask) for target in case.targets), *also)
    distances = distances_mm(case.anatomy, treatment.trajectories)
    timings["tissue_map"] = time.perf_counter() - start
    progress("tissue map", 1.0)
    if numerics.fidelity == "full-wave" and not given:
        start = time.perf_counter()
        setup, said = full_wave_setup(setup, protocol, numerics, workers, progress)
        notes = [*notes, *said]
        timings["full_wave"] = time.perf_counter() - start
    start = time.perf_counter()
    work, tasks = plan_runs(case, treatment, protocol, numerics, setup, lesions, run_members, space, only)
    outcomes, envelope = run_tasks(work, tasks, workers=workers, address=address, progress=progress)
    timings["members"] = time.perf_counter() - start
    sampling = _sampling(work, tasks, numerics)
    assessment = assess(
        case, treatment, protocol, numerics, setup, outcomes, notes, pierced, distances, timings, envelope, sampling
    )
    scene = make_scene(case, treatment, protocol, setup, outcomes, assessment, envelope)
    return CaseResult(assessment, scene, tuple(outcomes))


def plan_runs(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    numerics: Numerics,
    setup: Setup,
    lesions: tuple[LesionOnGrid, ...],
    run_members: Sequence[Member] | None = None,
    space: Space | None = None,
    only: Collection[int] = (),
) -> tuple[Work, list[Task]]:
    """What a prediction runs: the standard members, or the nominal one and then every sample (or ``only`` some)."""
    factor = 1.0 if setup.full_wave else protocol.local_sar.factor
    standard = tuple(run_members or members(factor, treatment.power_kind))
    if not numerics.ensemble:
        return Work(setup, protocol, lesions), [Task(member) for member in standard]
    uncertainty = Uncertainty.of(setup, case.anatomy, space or calibrated_space(space_for(protocol), treatment))
    points = unit_points(numerics.ensemble, len(uncertainty.space.parameters), numerics.ensemble_seed)
    numbered = [(n, u) for n, u in enumerate(points, 1) if not only or n in only]
    samples = [Task(number=n, sample=uncertainty.space.sample(u)) for n, u in numbered]
    return Work(setup, protocol, lesions, uncertainty), [Task(standard[0]), *samples]


def _sampling(work: Work, tasks: Sequence[Task], numerics: Numerics) -> Sampling | None:
    if work.uncertainty is None:
        return None
    samples = {task.number: task.sample for task in tasks if task.sample is not None}
    return Sampling(work.uncertainty.space, samples, numerics.ensemble_seed)


def scheduled(setup: Setup, treatment: Treatment) -> Setup:
    """The setup with another schedule and those antennas alone that the treatment names."""
    emitters = {emitter.name: emitter for emitter in setup.emitters}
    missing = [placed.name for placed in treatment.applicators if placed.name not in emitters]
    if missing:
        raise InputError("The given setup lacks an antenna.", got=", ".join(missing), expected=", ".join(emitters))
    chosen = tuple(emitters[placed.name] for placed in treatment.applicators)
    return replace(setup, emitters=chosen, schedule=treatment.schedule)


def full_wave_setup(
    setup: Setup, protocol: Protocol, numerics: Numerics, workers: int, progress: Progress
) -> tuple[Setup, list[str]]:
    """The setup after the full-wave check; where it fails or is too coarse, that is said and the local factor stays."""
    from vertherm.planning.full_wave import with_full_wave

    try:
        solved = with_full_wave(
            setup,
            factor_beyond=protocol.local_sar.factor,
            spacing_mm=numerics.full_wave_spacing_mm,
            threads=workers or os.cpu_count() or 1,
            progress=progress,
        )
    except SolverError as error:
        return setup, [f"The full-wave check has no result ({error.what}): neural rows keep the local SAR factor."]
    if numerics.full_wave_spacing_mm > FINE_WAVE_MM or numerics.spacing_mm > FINE_HEAT_MM:
        words = f"cells of {numerics.full_wave_spacing_mm:g} and {numerics.spacing_mm:g} mm"
        notes = [f"The full wave is too coarse ({words}) to take the local SAR factor off neural rows: it stays."]
        return replace(solved, full_wave=""), notes
    if numerics.ensemble:
        return solved, ["The full wave was solved for the nominal needle, labels and tissue; the samples reuse it."]
    return solved, ["The power density is that of a full-wave solve; neural rows carry no local SAR factor."]
