"""Several needles for one lesion: combinations that keep their distance and cover the goal together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.access.search_question import Question
from vertherm.access.search_scores import GoalPoints, Ways
from vertherm.geometry.volume import FloatArray

POOL = 240
"""Paths that are combined with each other."""
BEAM = 60
"""Best sets of n needles to which another needle is added."""
OFFERED = 3
"""Sets of each size that are handed on."""
GAIN = 0.005
"""A set that covers no more than this beyond another is judged by its risk."""


@dataclass(frozen=True, eq=False)
class Combination:
    """Indices of the paths, their smallest mutual gap between surfaces (mm), joint coverage and summed risk."""

    members: tuple[int, ...]
    gap_mm: float
    coverage: float
    risk: float


def pool(ways: Ways, risk: FloatArray, coverage: FloatArray) -> NDArray[np.int64]:
    """Paths worth combining: in every 4 mm cell of tips and 20 degree cell of directions the one of least risk.

    Which paths complete each other is not known beforehand: of more than POOL such cells, POOL are taken evenly over
    the order of risk.
    """
    tips = np.round(np.round((ways.tips - ways.tips.mean(axis=0)) / 4.0, 6)).astype(np.int64)
    turns = np.round(np.round(ways.axes / np.radians(20.0), 6)).astype(np.int64)
    order = np.lexsort((np.arange(len(risk)), -coverage, risk))
    _, first = np.unique(np.concatenate([tips, turns], axis=1)[order], axis=0, return_index=True)
    best = order[np.sort(first)]
    if len(best) <= POOL:
        return best
    return best[np.unique(np.round(np.linspace(0, len(best) - 1, POOL)).astype(int))]


def combinations(
    asked: Question, ways: Ways, risk: FloatArray, goal: GoalPoints, largest: int
) -> tuple[Combination, ...]:
    """Sets of 2 to ``largest`` needles, a few of each size; most coverage first, then least risk.

    Args:
        asked: needle and rules (the gap between two needles).
        ways: the paths that may be combined.
        risk: (n,) theirs.
        goal: what shall be covered.
        largest: number of needles.
    """
    inside = _inside(asked, goal, ways)
    gaps = _gaps(ways) - 2.0 * asked.needle.radius_mm
    # Between the surfaces as planned: the rule of the gap knows no placement error.
    fits = gaps >= asked.rules.needle_gap_mm - 1e-6
    beam = [Combination((n,), np.inf, float(inside[n] @ goal.weights), float(risk[n])) for n in range(len(ways))]
    found: list[Combination] = []
    for _ in range(2, largest + 1):
        grown = _grown(beam, inside, goal.weights, gaps, fits, risk)
        beam = grown[:BEAM]
        found += _different(grown)
    return tuple(sorted(found, key=_order))


def _order(item: Combination) -> tuple[float, float, tuple[int, ...]]:
    return -round(item.coverage / GAIN), item.risk, item.members


def _grown(
    beam: list[Combination],
    inside: NDArray[np.bool_],
    weights: FloatArray,
    gaps: FloatArray,
    fits: NDArray[np.bool_],
    risk: FloatArray,
) -> list[Combination]:
    """Every set of the beam with one more needle, each set once, best first."""
    found: dict[tuple[int, ...], Combination] = {}
    for item in beam:
        members = list(item.members)
        allowed = np.array(fits[members].all(axis=0))
        allowed[members] = False
        others = np.flatnonzero(allowed)
        if len(others) == 0:
            continue
        together = inside[members].any(axis=0)
        share = (together | inside[others]) @ weights
        gap = np.minimum(gaps[members][:, others].min(axis=0), item.gap_mm)
        for k in np.lexsort((risk[others], -np.round(share / GAIN)))[:BEAM]:
            n = int(others[k])
            grown = tuple(sorted((*members, n)))
            total = round(item.risk + float(risk[n]), 6)
            found.setdefault(grown, Combination(grown, float(gap[k]), float(share[k]), total))
    return sorted(found.values(), key=_order)


def _different(found: list[Combination]) -> list[Combination]:
    """The best few sets that do not share all needles but one."""
    chosen: list[Combination] = []
    for item in found:
        if all(len(set(item.members) & set(other.members)) <= max(len(item.members) - 2, 0) for other in chosen):
            chosen.append(item)
        if len(chosen) == OFFERED:
            break
    return chosen


def _inside(asked: Question, goal: GoalPoints, ways: Ways) -> NDArray[np.bool_]:
    from vertherm.access.search_kernels import zone_cover

    inside, axes = np.empty((len(ways), len(goal.points)), bool), ways.axes
    foci = ways.tips + asked.needle.focus_mm * axes
    for n in range(len(ways)):
        long_half, short_half = 0.5 * asked.needle.zone_long_mm, 0.5 * asked.needle.zone_short_mm
        zone_cover(goal.points, foci[n], axes[n], long_half, short_half, inside[n])
    return inside


def _gaps(ways: Ways) -> FloatArray:
    """Exact distances between all axes, (n, n)."""
    from vertherm.access.sets_kernels import segment_gaps

    gaps = np.zeros((len(ways), len(ways)))
    segment_gaps(ways.entries, ways.tips, gaps)
    return gaps
