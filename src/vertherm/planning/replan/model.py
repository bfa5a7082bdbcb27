"""The fast model at the needles' real place, without a single coupled run.

The linear answer (power density, conduction, perfusion in the tissue around the real needle) is computed anew. What the
coupled model does beyond it (drying, boiling, reflection, lost blood flow: the ratios of the plan's surrogate) is taken
from the cell that lies in the same place as seen from the planned needle. Those ratios belong to the antenna's
surroundings far more than to the patient's, so they move with the needle; a needle that leaves tumour for cortex
changes them all the same, which the farthest cell's distance and the word provisional cannot say in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray
from vertherm.heat.member import Member
from vertherm.heat.setup import Setup
from vertherm.planning.objects import Treatment
from vertherm.planning.optimise.goal import Goal
from vertherm.planning.setup import make_setup
from vertherm.planning.state.parts import ANCHORED, CARRIED
from vertherm.planning.state.state import State
from vertherm.planning.surrogate.build import damage_of, excluded
from vertherm.planning.surrogate.correction import Correction
from vertherm.planning.surrogate.coupled import solve_times
from vertherm.planning.surrogate.families import Key, nominal_family, worst_families
from vertherm.planning.surrogate.linear import alone, node_times, per_watt, without_power
from vertherm.planning.surrogate.ratios import Nominal
from vertherm.planning.surrogate.response import TAIL_END_S, Response
from vertherm.planning.surrogate.sites import BEYOND_MARGIN_MM, Sites, make_sites
from vertherm.planning.surrogate.surrogate import Surrogate
from vertherm.planning.surrogate.tasks import INSTANTS, Shared
from vertherm.planning.surrogate.variants import Variants

Float = NDArray[np.float32]
Index = NDArray[np.int64]
NEIGHBOURS = 4
WELL_MM, NOTHING_MM = 3.0, 12.0
"""A planned cell within the first is the same place; beyond the second it says nothing: cells are 2 mm."""


def planned_model(state: State, goal: Goal, *, threads: int = 2) -> Surrogate:
    """The nominal patient and the standard members at the planned place: as the plan left them, or else made again."""
    if len(state.surrogates) == 1:
        known = state.standard(next(iter(state.surrogates)))
        if not known.samples and set(known.places) == {placed.name for placed in state.treatment.applicators}:
            return known
    return moved_model(state, state.treatment, goal, threads=threads)


def moved_model(state: State, treatment: Treatment, goal: Goal, *, threads: int = 2) -> Surrogate:
    """The plan's surrogate carried to needles that lie elsewhere.

    Args:
        state: the plan with its surrogates.
        treatment: the same places by name, with their real needles.
        goal: of the plan.
        threads: that compute linear answers at the same time; the result does not depend on it.

    Returns:
        A surrogate of the treatment's places: nominal, and the members that can be the worst.

    Raises:
        InputError: a place that no surrogate of the plan knows.
    """
    sources = [_source(state, placed.name) for placed in treatment.applicators]
    setup = _setup(state, treatment, sources)
    longest = max(source.surrogate.longest_s for source in sources)
    nominal, shared = _linear(state, setup, goal, longest, threads)
    points = _points_mm(setup, shared.sites)
    near = _nearest(state, setup, sources, points)
    anchor = _anchor(sources, near)
    variants = Variants(_anchored(nominal, anchor), shared, _known(sources, near))
    first = sources[0].surrogate
    return Surrogate(
        structures=tuple(setup.tracked),
        targets=tuple(nominal.lesions),
        places=tuple(emitter.name for emitter in setup.emitters),
        variants=(variants.nominal_variant(), *variants.of_members()),
        samples=0,
        failed=0,
        quantity=first.quantity,
        level=first.level,
        power_w=first.power_w,
        longest_s=longest,
        grid=setup.tissue.grid,
        statistics={"cells": float(len(points))},
        notes=(CARRIED,) if anchor is None else (CARRIED, ANCHORED),
        anchor=anchor,
    )


# ---- what the plan knows --------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Source:
    """The surrogate that knows a place of the plan, and which of its places that is."""

    name: str
    surrogate: Surrogate
    place: int

    @property
    def responses(self) -> tuple[Response, ...]:
        """Of all variants in both readings."""
        return tuple(r for v in self.surrogate.variants for r in (v.safety, v.coverage))

    @property
    def anchor(self) -> Float:
        """(nominal cells,) what a finer run of the plan has put on the place's linear answers."""
        if self.surrogate.anchor is not None:
            return self.surrogate.anchor[self.place]
        return np.ones(1 + max(int(r.base.max(initial=-1)) for r in self.responses), np.float32)

    def cells_mm(self) -> tuple[Index, FloatArray]:
        """Nominal cells whose ratios are kept, and where they lie, RAS mm."""
        grid = self.surrogate.grid
        nominal = self.surrogate.variants[0]
        base = np.concatenate([nominal.safety.base, nominal.coverage.base])
        cells = np.concatenate([nominal.safety.sites.cells, nominal.coverage.sites.cells])
        kept, first = np.unique(base, return_index=True)
        return kept, grid.world(np.stack(np.unravel_index(cells[first], grid.shape), axis=-1))

    def ratios(self) -> dict[Key, Correction]:
        """By kind of member."""
        found: dict[Key, Correction] = {}
        for response in self.responses:
            cooling, drying, power = response.key.split("|")
            found.setdefault((cooling, drying, power), response.corrections[self.place])
        return found


def _setup(state: State, treatment: Treatment, sources: Sequence[_Source]) -> Setup:
    """The setup on cells of the plan's size."""
    spacing = float(sources[0].surrogate.grid.spacing_mm.max())
    changes = {"ensemble": 0, "fidelity": "axisymmetric", "spacing_mm": spacing}
    return make_setup(state.case, treatment, state.protocol, state.entry.numerics.model_copy(update=changes))


def _source(state: State, name: str) -> _Source:
    known = {key: state.standard(key) for key in state.surrogates}
    for key, surrogate in known.items():
        if name in surrogate.places:
            return _Source(key, surrogate, surrogate.places.index(name))
    raise InputError(
        "No fast model of the plan knows this place.",
        where="state",
        got=name,
        expected=", ".join(place for s in known.values() for place in s.places) or "a surrogate",
        advice="run `vertherm plan` again",
    )


@dataclass(frozen=True, eq=False)
class _Nearest:
    """Planned cells around where each new cell lies as seen from the needle: (n, NEIGHBOURS) cells and weights.

    ``trust`` (n,): 1 near planned cells, 0 far from all of them; there little is heated, and the linear answer holds.
    """

    cells: Index
    weights: FloatArray
    trust: FloatArray

    def __call__(self, values: Float) -> Float:
        """Ratios (..., planned cells) at the new cells: their weighted logarithm, towards 1 where nothing is near."""
        log = np.log(values)
        mean = sum(log[..., self.cells[:, n]] * self.weights[:, n] for n in range(self.cells.shape[1]))
        return np.ascontiguousarray(np.exp(mean * self.trust), dtype=np.float32)


def _nearest(state: State, setup: Setup, sources: Sequence[_Source], points_mm: FloatArray) -> list[_Nearest]:
    """By place."""
    from scipy.spatial import cKDTree

    planned = {placed.name: placed.trajectory for placed in state.treatment.applicators}
    found = []
    for emitter, source in zip(setup.emitters, sources, strict=True):
        kept, where = source.cells_mm()
        seen = as_planned(points_mm, emitter.trajectory, planned[emitter.name])
        far, at = cKDTree(where).query(seen, k=NEIGHBOURS)
        distance = np.asarray(far, dtype=np.float64)
        # A cell that meets a planned one takes its ratio alone.
        weights = 1.0 / (distance**2 + 1e-8)
        trust = np.clip((NOTHING_MM - distance[:, 0]) / (NOTHING_MM - WELL_MM), 0.0, 1.0)
        found.append(_Nearest(kept[at], weights / weights.sum(axis=1, keepdims=True), trust))
    return found


def _known(sources: Sequence[_Source], near: Sequence[_Nearest]) -> dict[Key, tuple[Correction, ...]]:
    """Ratios for the new cells, of every kind of member that all sources know."""
    rows = [
        {key: replace(f, heating=at(f.heating), tail=at(f.tail)) for key, f in source.ratios().items()}
        for source, at in zip(sources, near, strict=True)
    ]
    return {key: tuple(row[key] for row in rows) for key in rows[0] if all(key in row for row in rows)}


def as_planned(points_mm: FloatArray, real: Trajectory, planned: Trajectory) -> FloatArray:
    """Where points (n, 3) around the real needle would lie around the planned one: the smallest turn, then the tip.

    Rodrigues' rotation that takes the real axis to the planned one, about the tips.
    """
    axis = np.cross(real.axis, planned.axis)
    sine, cosine = float(np.linalg.norm(axis)), float(real.axis @ planned.axis)
    offset = points_mm - real.tip_mm
    if sine > 1e-9:
        axis = axis / sine
        along = (offset @ axis)[:, None] * axis
        offset = offset * cosine + np.cross(axis, offset) * sine + along * (1.0 - cosine)
    return planned.tip_mm + offset


def _anchored(nominal: Nominal, anchor: Float | None) -> Nominal:
    """The linear answers times what a finer run of the plan has put on them."""
    if anchor is None:
        return nominal
    scaled = anchor[:, None, :]
    return replace(nominal, answers={key: found * scaled for key, found in nominal.answers.items()})


def _anchor(sources: Sequence[_Source], near: Sequence[_Nearest]) -> Float | None:
    """What a finer run of the plan has put on the linear answers, cell by cell as the ratios; None where none has."""
    if all(source.surrogate.anchor is None for source in sources):
        return None
    return np.array([at(source.anchor) for source, at in zip(sources, near, strict=True)], dtype=np.float32)


# ---- linear answers -------------------------------------------------------------------------------------------------
def _linear(state: State, setup: Setup, goal: Goal, longest_s: float, threads: int) -> tuple[Nominal, Shared]:
    """Linear answers at the real place, for the members that decide."""
    factor = state.protocol.local_sar.factor
    families = [nominal_family(setup.power_kind), *(f for _, a, b in worst_families(factor) for f in (a, b))]
    times = node_times(longest_s, TAIL_END_S)
    lone = tuple(alone(setup, place) for place in range(len(setup.emitters)))
    members: dict[tuple[str, str, float], Member] = {
        (f.member.cooling, f.member.power, f.member.sar_factor): f.member for f in reversed(families)
    }
    cold: dict[str, Member] = {f.member.cooling: f.member for f in reversed(families)}
    jobs: dict[tuple[str, object, int], Callable[[], Float]] = {}
    for place, one in enumerate(lone):
        for key, member in members.items():
            jobs["heated", key, place] = lambda one=one, member=member: per_watt(one, member, times)  # type: ignore[misc]
        for cooling, member in cold.items():
            jobs["without", cooling, place] = lambda one=one, member=member: without_power(one, member, times)  # type: ignore[misc]
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        done = dict(zip(jobs, pool.map(lambda job: job(), jobs.values()), strict=True))
    first = families[0].member
    nominal = [done["heated", (first.cooling, first.power, first.sar_factor), n] for n in range(len(lone))]
    at = np.searchsorted(times, np.array(INSTANTS) * longest_s)
    lesions = {target.name: target.mask for target in state.case.targets}
    sites = make_sites(
        setup, np.max([w[at] for w in nominal], axis=0), lesions, excluded(state.case, setup), goal.margin_mm,
        goal.margin_mm + BEYOND_MARGIN_MM,
    )  # fmt: skip

    def watched(kind: str, key: object) -> Float:
        return np.array([done[kind, key, n][:, sites.cells] for n in range(len(lone))])

    answers = {key: watched("heated", key) for key in members}
    none = {cooling: watched("without", cooling) for cooling in cold}
    damage, model = damage_of(lone[0], families[0], sites)
    shared = Shared(setup, lone, sites, lesions, None, factor, times, solve_times(longest_s), longest_s)
    return Nominal(families, answers, {}, none, lesions, damage, model), shared


def _points_mm(setup: Setup, sites: Sites) -> FloatArray:
    grid = setup.tissue.grid
    return grid.world(np.stack(np.unravel_index(sites.cells, grid.shape), axis=-1))
