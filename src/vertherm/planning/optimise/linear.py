"""A first look at an arm: the linear answer of the patient, without drying, boiling or perfusion that changes.

Two marches an arm, seconds, where the surrogate needs a dozen coupled runs. It ranks arms and compares an arm with and
without a protection; near the antenna it is too hot, so no dose is taken from it: the best arm gets its surrogate.
Structures are read as the member that heats them most (net power, no cooling, local SAR factor), coverage as the one
that covers least (forward power, full cooling), with half of its rise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import FloatArray
from vertherm.heat.member import Member
from vertherm.planning.objects import Treatment
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.setup import make_setup
from vertherm.planning.surrogate.build import excluded
from vertherm.planning.surrogate.linear import alone, node_times, per_watt
from vertherm.planning.surrogate.readings import Readings, StructureReading, TargetReading
from vertherm.planning.surrogate.response import TAIL_END_S, moments, step_weights
from vertherm.planning.surrogate.sites import Sites, TargetSites, make_sites
from vertherm.planning.surrogate.zone import cem43_min, coverage

if TYPE_CHECKING:
    from vertherm.planning.surrogate.dose import Dose

SPACING_MM = 2.5
BEYOND_MM = 4.0
"""Cells beyond the margin that are watched, so that margins above the goal are told apart."""
INSTANTS_S = (60.0, 300.0)
"""At which the hottest cells of a structure are looked for."""
COVER_SHARE = np.float32(0.5)
"""Of the linear rise that is counted in the lesion: about what boiling, drying and the worst sample leave of it.

With all of it every arm reaches a small goal at the least dose, and none is told from another; [guess].
"""
EQUIVALENT = {"peak_c": "peak_c", "cem43_min": "cem43_min", "omega": "peak_c"}
OMEGA_AS_C = 60.0
"""The linear answer reads an Arrhenius zone as this isotherm: instant death (see the protocol's metric)."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Reads doses like the surrogate, with one variant.

    Args:
        places: names.
        sites: watched cells.
        times_s: nodes of the step responses.
        safety, cover: (places, nodes, cells) K per watt.
        body_c: at the start.
        quantity, level: of the zone.
        rise_factor: by structure, factor on its rise (what another model says beyond this one).
    """

    places: tuple[str, ...]
    sites: Sites
    times_s: FloatArray
    safety: NDArray[np.float32]
    cover: NDArray[np.float32]
    body_c: float
    quantity: str
    level: float
    rise_factor: Mapping[str, float] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of variants."""
        return 1

    def scaled(self, rise_factor: Mapping[str, float]) -> LinearModel:
        """The same model with the rises of some structures multiplied, before doses are counted."""
        return replace(self, rise_factor=rise_factor)

    def readings(self, dose: Dose) -> Readings:
        """Temperatures, doses and coverage by superposed step responses."""
        at = moments(dose)
        course = self._course(self.safety, dose, at)
        peak, minutes = course.max(axis=0), cem43_min(course, at)
        structures = {
            name: StructureReading(np.array([_top(peak, where, self.body_c)]), np.array([_top(minutes, where, 0.0)]))
            for name, where in self.sites.structures.items()
        }
        for name, factor in self.rise_factor.items():
            where = self.sites.structures.get(name)
            if where is not None and where.size:
                scaled = self.body_c + factor * (course[:, where] - self.body_c)
                structures[name] = StructureReading(
                    np.array([float(scaled.max())]), np.array([float(cem43_min(scaled, at).max())])
                )
        course = self.body_c + COVER_SHARE * (self._course(self.cover, dose, at) - self.body_c)
        fields = {"peak_c": course.max(axis=0), "cem43_min": cem43_min(course, at)}
        targets = {name: self._target(site, fields) for name, site in self.sites.targets.items()}
        return Readings(structures, targets, float(peak.max(initial=self.body_c)))

    def _course(self, per_w: NDArray[np.float32], dose: Dose, at_s: FloatArray) -> NDArray[np.float32]:
        total = np.full((len(at_s), per_w.shape[2]), self.body_c, np.float32)
        for pulse, (on, off) in zip(dose.pulses, dose.intervals_s, strict=True):
            weights = step_weights(self.times_s, at_s - on) - step_weights(self.times_s, at_s - off)
            total += np.float32(pulse.power_w) * (weights @ per_w[pulse.place])
        return total

    def _target(self, site: TargetSites, fields: dict[str, NDArray[np.float32]]) -> TargetReading:
        share, lesion, margin = coverage(site, fields, self.quantity, self.level)
        return TargetReading(np.array([share]), np.array([lesion]), np.array([margin]), site.reach_mm)


def _top(values: NDArray[np.float32], where: NDArray[np.int64], none: float) -> float:
    return float(values[where].max()) if where.size else none


def linear_model(problem: Problem, treatment: Treatment) -> LinearModel:
    """The linear answer of a treatment's places; its schedule is ignored."""
    plan, protocol = problem.entry.plan, problem.protocol
    numerics = problem.numerics.model_copy(update={"spacing_mm": max(SPACING_MM, problem.numerics.spacing_mm)})
    setup = make_setup(problem.case, treatment, protocol, numerics)
    times = node_times(plan.time_s[1], TAIL_END_S)
    hottest = Member("water", "net", "none", protocol.local_sar.factor)
    lone = [alone(setup, place) for place in range(len(setup.emitters))]
    whole = [per_watt(one, hottest, times) for one in lone]
    at = np.searchsorted(times, INSTANTS_S)
    lesions = {target.name: target.mask for target in problem.case.targets}
    margin = problem.goal.margin_mm
    rise = np.max([answer[at] for answer in whole], axis=0)
    sites = make_sites(setup, rise, lesions, excluded(problem.case, setup), margin, margin + BEYOND_MM)
    cover = [per_watt(one, Member("water", "forward", "full"), times, sites.cells) for one in lone]
    metric = protocol.metric(protocol.coverage_metric)
    quantity = EQUIVALENT[metric.field]
    level = OMEGA_AS_C if metric.field == "omega" else metric.level
    return LinearModel(
        places=tuple(placed.name for placed in treatment.applicators),
        sites=sites,
        times_s=times,
        safety=np.array([answer[:, sites.cells] for answer in whole]),
        cover=np.array(cover),
        body_c=setup.body_c,
        quantity=quantity,
        level=level,
    )
