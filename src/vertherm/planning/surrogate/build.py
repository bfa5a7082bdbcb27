"""Builds a surrogate: nominal linear answers, watched cells, coupled runs, ratios, variants, and a check of it all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError, SolverError
from vertherm.core.progress import Progress
from vertherm.ensemble.runner import Outcome, run
from vertherm.ensemble.sampling import unit_points
from vertherm.heat.assembly import bioheat_problem
from vertherm.heat.setup import Setup
from vertherm.planning.calibrated import calibrated_space
from vertherm.planning.objects import Case, Numerics, Treatment
from vertherm.planning.protocol import CANAL_KINDS, Protocol
from vertherm.planning.setup import make_setup, structure_cells
from vertherm.planning.surrogate.answers import answer_key, gathered, linear_tasks
from vertherm.planning.surrogate.check import errors
from vertherm.planning.surrogate.coupled import FIELD_REACH_MM, CoupledRun, solve_times
from vertherm.planning.surrogate.families import Family, nominal_family, worst_families
from vertherm.planning.surrogate.linear import alone, node_times, per_watt
from vertherm.planning.surrogate.ratios import Nominal, corrections
from vertherm.planning.surrogate.response import TAIL_END_S
from vertherm.planning.surrogate.sites import BEYOND_MARGIN_MM, LABEL_ROOM_MM, Sites, make_sites
from vertherm.planning.surrogate.surrogate import Surrogate
from vertherm.planning.surrogate.tasks import INSTANTS, CoupledTask, LinearTask, SampleTask, Shared, Task, perform
from vertherm.planning.surrogate.variants import Variants
from vertherm.planning.uncertainty import Uncertainty, space_for

Float = NDArray[np.float32]
NEURAL_KINDS = frozenset({*CANAL_KINDS, "root", "plexus"})
"""Where these lie beside a lesion, there is nothing to ablate."""
SHORTER = (0.4,)
"""Shares of the longest time at which the decay after switch-off is looked at too."""
FINE_MM = 1.25
"""Cells larger than this are coarse: on the phantom 2 mm give 7 to 30 % more rise than 1 mm."""
CHECKED = 0.8
"""Share of the solves after which the checking run is switched off."""
SAME_POWER = 1.05
"""A range of power narrower than this has one node."""


@dataclass(frozen=True)
class Wishes:
    """What a surrogate is asked for; see :meth:`vertherm.planning.surrogate.surrogate.Surrogate.build`."""

    spacing_mm: float
    margin_mm: float
    samples: int
    seed: int
    longest_s: float
    power_w: tuple[float, float]
    workers: int

    def __post_init__(self) -> None:
        low, high = self.power_w
        good = 0 < low <= high and np.isfinite(high) and np.isfinite(self.longest_s) and self.longest_s >= 20.0
        if not good or self.margin_mm < 0 or self.samples < 0 or self.workers < 0:
            got = f"{low:g} to {high:g} W, {self.longest_s:g} s, margin {self.margin_mm:g} mm, {self.samples} samples"
            raise InputError(
                "A fast model cannot span this range.",
                got=got,
                expected="0 < power, at least 20 s, margin and samples not negative",
            )

    @property
    def nodes_w(self) -> NDArray[np.float64]:
        """Powers of the nominal member's coupled runs."""
        low, high = self.power_w
        return np.array([low]) if high < SAME_POWER * low else np.geomspace(low, high, 3)


def build(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    numerics: Numerics,
    wishes: Wishes,
    setup: Setup | None,
    progress: Progress,
) -> Surrogate:
    """The fast model of a treatment's places; its schedule is ignored.

    Raises:
        InputError: an unusable range, or a treatment that does not fit.
        SolverError: a coupled run of the nominal patient failed.
    """
    clock = _Clock()
    progress("fast model: linear answer", 0.0)
    if setup is None:
        coarse = numerics.model_copy(update={"spacing_mm": wishes.spacing_mm})
        setup = make_setup(case, treatment, protocol, coarse)
    families = _families(protocol, setup, wishes)
    shared, first = _shared(case, treatment, protocol, setup, wishes, families)
    clock.lap("linear_s")
    progress("fast model: linear answer", 1.0)
    tasks: list[Task] = [
        *_coupled_tasks(families, wishes, shared),
        *linear_tasks(families, len(shared.coarse)),
        *_sample_tasks(shared, wishes),
    ]
    outcomes = run(perform, tasks, shared=shared, workers=wishes.workers, progress=progress, label="fast model")
    key = answer_key(LinearTask(families[0].member, 0))
    answers = gathered(tasks, outcomes, (key, first))
    damage = damage_of(alone(setup, 0), families[0], shared.sites)
    nominal = Nominal(families, *answers, shared.lesions, *damage)
    runs = _finished(tasks, outcomes)
    clock.lap("runs_s")
    known = corrections(nominal, shared, wishes.nodes_w, runs, _shorts(shared))
    variants = Variants(nominal, shared, known)
    samples = [(t.number, o.value) for t, o in zip(tasks, outcomes, strict=True) if isinstance(t, SampleTask)]
    whole = [(number, value) for number, value in samples if value is not None]
    members = variants.of_members()
    made = variants.of_samples(whole) if wishes.samples else members
    metric = protocol.metric(protocol.coverage_metric)
    found = Surrogate(
        structures=tuple(setup.tracked),
        targets=tuple(nominal.lesions),
        places=tuple(emitter.name for emitter in setup.emitters),
        variants=(variants.nominal_variant(), *made),
        samples=len(whole),
        failed=len(samples) - len(whole),
        quantity=metric.field,
        level=metric.level,
        power_w=wishes.power_w,
        longest_s=wishes.longest_s,
        grid=setup.tissue.grid,
        statistics={},
        notes=_notes(len(samples), [o for o in outcomes if o.failed], setup),
        members=tuple(members),
    )
    clock.lap("assembly_s")
    # Held against the runs with their own, smaller field domain: what is checked is superposition and interpolation.
    narrow = Variants(replace(nominal, answers=nominal.narrow), shared, known).nominal_variant()
    checked = errors(replace(found, variants=(narrow,)), runs, shared)
    clock.lap("check_s")
    sizes = {"cells": float(shared.sites.cells.size), "coupled_runs": float(len(runs)), "variants": float(found.n)}
    return replace(found, statistics={**checked, **clock.laps, **sizes})


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now


def _families(protocol: Protocol, setup: Setup, wishes: Wishes) -> list[Family]:
    """The nominal member, those that can be the worst, and what samples need besides."""
    factor = 1.0 if setup.full_wave else protocol.local_sar.factor
    found = [nominal_family(setup.power_kind), *(f for _, a, b in worst_families(factor) for f in (a, b))]
    if wishes.samples and setup.power_kind == "net":
        found.append(Family("water drying, net power, full cooling", replace(found[2].member, power="net")))
    return found


def _shared(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    setup: Setup,
    wishes: Wishes,
    families: Sequence[Family],
) -> tuple[Shared, Float]:
    """What all tasks share, and the rise of a watt by the first family, (places, nodes, cells): it names the cells."""
    times = node_times(wishes.longest_s, TAIL_END_S)
    lone = tuple(alone(setup, place) for place in range(len(setup.emitters)))
    whole = [per_watt(one, families[0].member, times) for one in lone]
    lesions = {target.name: target.mask for target in case.targets}
    reach = wishes.margin_mm + BEYOND_MARGIN_MM + (LABEL_ROOM_MM if wishes.samples else 0.0)
    at = np.searchsorted(times, np.array(INSTANTS) * wishes.longest_s)
    sites = make_sites(
        setup, np.max([w[at] for w in whole], axis=0), lesions, excluded(case, setup), wishes.margin_mm, reach
    )
    uncertainty = None
    if wishes.samples:
        space = calibrated_space(space_for(protocol), treatment)
        uncertainty = Uncertainty.of(setup, case.anatomy, space)
    coarse = tuple(replace(one, reach_mm=min(one.reach_mm, FIELD_REACH_MM)) for one in lone)
    factor = 1.0 if setup.full_wave else protocol.local_sar.factor
    shared = Shared(
        setup, coarse, sites, lesions, uncertainty, factor, times, solve_times(wishes.longest_s), wishes.longest_s
    )
    return shared, np.array([one[:, sites.cells] for one in whole])


def damage_of(setup: Setup, family: Family, sites: Sites) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Numbers of the Arrhenius models, and the model of each watched cell; see :class:`.response.Response`."""
    problem = bioheat_problem(setup, family.member.cooling)
    rows = [
        (m.ln_a, m.ea_j_mol, np.inf if m.valid_from_c is None else m.valid_from_c, m.shift_k) for m in problem.models
    ]
    index = problem.damage_index
    model = np.zeros(sites.cells.size, np.uint8) if index is None else index.reshape(-1)[sites.cells]
    return np.array(rows, dtype=np.float64), model


def excluded(case: Case, setup: Setup) -> NDArray[np.bool_]:
    """Cells beside a lesion that are no part of the goal: canal, nerves, air."""
    grid = setup.tissue.grid
    found = setup.tissue.air_cells().reshape(-1).copy()
    for structure in case.anatomy.structures:
        if structure.kind.value in NEURAL_KINDS and structure.mask.data.any():
            found[setup.probes.get(structure.name, structure_cells(structure, grid))] = True
    return found


def _shorts(shared: Shared) -> list[int]:
    """Solves of the short runs that show how the decay depends on the time of heating."""
    wanted = [int(np.argmin(np.abs(shared.solves_s - share * shared.longest_s))) + 1 for share in SHORTER]
    return sorted({n for n in wanted if n < len(shared.solves_s)})


def _coupled_tasks(families: Sequence[Family], wishes: Wishes, shared: Shared) -> list[CoupledTask]:
    """Per place: the nominal member and other drying at every power, other cooling at the highest, a short run; once a
    check."""
    nodes, solves = wishes.nodes_w, len(shared.solves_s)
    middle = float(nodes[len(nodes) // 2])
    first = families[0]
    tasks = []
    for place in range(len(shared.coarse)):
        for family in families:
            # What cooling or the meaning of the power changes is read at the highest power, where it matters most; how
            # the sigmoid law dries changes with the power altogether.
            own = nodes if family is first or family.member.drying != first.member.drying else nodes[-1:]
            tasks += [CoupledTask(family.key, family.member, place, float(p), solves) for p in own]
        tasks += [CoupledTask(first.key, first.member, place, middle, short) for short in _shorts(shared)]
    between = float(nodes[0] ** 0.25 * nodes[-1] ** 0.75)
    if len(nodes) > 1:
        tasks.append(CoupledTask(first.key, first.member, 0, between, max(1, round(CHECKED * solves))))
    # Long runs first: the last ones to finish are then short.
    return sorted(tasks, key=lambda task: -task.solves)


def _sample_tasks(shared: Shared, wishes: Wishes) -> list[SampleTask]:
    if shared.uncertainty is None:
        return []
    space = shared.uncertainty.space
    points = unit_points(wishes.samples, len(space.parameters), wishes.seed)
    return [SampleTask(number, space.sample(point)) for number, point in enumerate(points, 1)]


def _finished(tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> list[tuple[CoupledTask, CoupledRun]]:
    """The coupled runs; without one of them there is no fast model."""
    found = []
    for task, outcome in zip(tasks, outcomes, strict=True):
        if not isinstance(task, CoupledTask):
            continue
        if outcome.value is None:
            raise outcome.cause or SolverError("A coupled run of the fast model failed.", got=outcome.error)
        found.append((task, outcome.value))
    return found


def _notes(samples: int, failed: Sequence[Outcome], setup: Setup) -> tuple[str, ...]:
    found = []
    if failed:
        found.append(f"{len(failed)} of {samples} samples of the fast model have no result ({failed[0].error}).")
    spacing = setup.tissue.spacing_m * 1e3
    if spacing > FINE_MM:
        found.append(
            f"The fast model rests on cells of {spacing:g} mm, which dry later than those of 1 mm: its temperatures, "
            "coverage and margins are too high until it is scaled to a finer run."
        )
    return tuple(found)
