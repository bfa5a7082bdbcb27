"""Which rules each candidate breaks, and what a person is told about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.access.path import Refusal
from vertherm.access.rules import Approach
from vertherm.access.search_question import APPROACHES, Question
from vertherm.access.search_scores import Ways
from vertherm.access.solids_obstacles import Group, Obstacles, nearest_mm
from vertherm.geometry.volume import FloatArray

Bool = NDArray[np.bool_]
Excess = Callable[[Ways], FloatArray]
"""By how much paths break a rule, (n,), in the rule's unit."""
DETAILED = 20_000
"""Candidates a rule for which it is found out whether they break nothing else; of more, every k-th is looked at."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """One rule, and which candidates break it.

    Args:
        rule, reason, unit: as in :class:`Refusal`.
        broken: bool (n,).
        excess: by how much.
        hip: the rule of the hip bones, which the transiliac approach may break.
    """

    rule: str
    reason: str
    unit: str
    broken: Bool
    excess: Excess
    hip: bool = False


def _nothing(ways: Ways) -> FloatArray:
    return np.zeros(len(ways))


def shape_verdicts(
    asked: Question, obstacles: Obstacles, length: FloatArray, at_edge: Bool, far_tip: Bool, near: list[Bool]
) -> list[Verdict]:
    """Verdicts that need no bone.

    Args:
        asked: the search.
        obstacles: its obstacles.
        length: (n,) entry to tip, mm; nan where the focus lies outside the body.
        at_edge: (n,) the line leaves the image before the body.
        far_tip: (n,) the tip lies too far outside the lesion.
        near: for each group of obstacles, (n,) too near to it.
    """
    rules, needle = asked.rules, asked.needle
    longest = needle.length_mm - rules.outside_mm
    beyond = rules.tip_beyond_lesion_mm
    found = [
        Verdict("body", "the zone's middle lies outside the body or the image", "", np.isnan(length), _nothing),
        Verdict(
            "length",
            f"longer than the {longest:g} mm that the instrument can go in ({needle.length_mm:g} mm, of which "
            f"{rules.outside_mm:g} mm stay outside)",
            "mm",
            np.nan_to_num(length) > longest + 1e-6,
            lambda ways: ways.length_mm - longest,
        ),
        Verdict(
            "tip",
            f"tip more than {beyond:g} mm outside the lesion",
            "mm",
            far_tip,
            lambda ways: nearest_mm(obstacles, obstacles.lesion, ways.tips, ways.tips)[0] - beyond,
        ),
    ]
    if asked.scene.skin_in_image:
        reason = "the line leaves the image before it reaches the skin: its length and what lies beyond are not known"
        found.append(Verdict("leaves the image before the skin", reason, "", at_edge, _nothing))
    for group, hit in zip(obstacles.groups, near, strict=True):
        found.append(_obstacle(asked, obstacles, group, hit))
    return found


def _obstacle(asked: Question, obstacles: Obstacles, group: Group, hit: Bool) -> Verdict:
    limit = asked.own_mm + group.rule.clearance_mm

    def excess(ways: Ways) -> FloatArray:
        gaps = [nearest_mm(obstacles, n, ways.entries, ways.tips, limit)[0] for n in group.members]
        return limit - np.min(gaps, axis=0)

    return Verdict(f"obstacle: {group.label}", _obstacle_words(asked, obstacles, group), "mm", hit, excess, group.hip)


def _obstacle_words(asked: Question, obstacles: Obstacles, group: Group) -> str:
    names = [obstacles.solids[n].name for n in group.members]
    what = names[0] if len(names) == 1 else f"{group.label} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"
    error = asked.rules.placement_error_mm
    after = f" after a placement error of {error:g} mm" if error > 0 else ""
    if group.rule.clearance_mm > 0:
        return f"nearer than {group.rule.clearance_mm:g} mm to {what}{after}"
    return f"touches {what}{after}"


def bone_verdicts(asked: Question, ways: Ways) -> list[Verdict]:
    """Verdicts on how paths go through the bone; ``broken`` is over ``ways``."""
    rules = asked.rules
    none = ways.approach < 0
    allowed = np.zeros(len(ways), bool)
    for facing, known in ((True, asked.from_behind), (False, asked.from_front)):
        codes = [APPROACHES.index(approach) for approach in known]
        allowed |= (ways.from_behind == facing) & np.isin(ways.approach, codes)
    region = asked.scene.level.region.value
    names = ", ".join(approach.value for approach in asked.approaches)
    inside = ways.approach == APPROACHES.index(Approach.transpedicular)
    found = [
        Verdict("approach", f"no approach of the {region} spine goes this way", "", none, _nothing),
        Verdict("approach not allowed", f"by another approach than {names}", "", ~none & ~allowed, _nothing),
        Verdict(
            "incidence",
            f"meets the bone at more than {rules.max_incidence_deg:g} degrees from its normal",
            "degrees",
            np.nan_to_num(ways.incidence_deg) > rules.max_incidence_deg + 1e-6,
            lambda some: some.incidence_deg - rules.max_incidence_deg,
        ),
        Verdict(
            "pedicle breach",
            f"leaves the pedicle by more than {rules.max_breach_mm:g} mm",
            "mm",
            inside & (ways.breach_mm > rules.max_breach_mm + 1e-6),
            lambda some: some.breach_mm - rules.max_breach_mm,
        ),
    ]
    if asked.side is not None:
        wrong = ways.side != (-1 if asked.side == "left" else 1)
        found.append(Verdict("side", f"not from the {asked.side} side", "", wrong, _nothing))
    return found


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates that break at most one rule of shape: those whose way through the bone is looked at.

    Args:
        which: (m,) candidates.
        weight: (m,) how many candidates each of them stands for (above 1 where only every k-th was looked at).
    """

    which: NDArray[np.int64]
    weight: FloatArray

    @property
    def sampled(self) -> bool:
        """True where counts are estimated."""
        return bool((self.weight > 1.0).any())


def pool_of(verdicts: list[Verdict], hip_allowed: bool) -> Pool:
    """Every candidate that may be admissible, and for each rule those that break only it (at most DETAILED each)."""
    hard = [verdict for verdict in verdicts if not (verdict.hip and hip_allowed)]
    total = np.zeros(len(verdicts[0].broken), np.uint8)
    for verdict in hard:
        total += verdict.broken
    which, weight = [np.flatnonzero(total == 0)], [np.ones(int((total == 0).sum()))]
    for verdict in hard:
        if verdict.rule == "body":
            continue
        only = np.flatnonzero(verdict.broken & (total == 1))
        every = max(1, -(-len(only) // DETAILED))
        some = only[::every]
        which.append(some)
        weight.append(np.full(len(some), len(only) / max(len(some), 1)))
    return Pool(np.concatenate(which), np.concatenate(weight))


def settle(asked: Question, verdicts: list[Verdict], pool: Pool, ways: Ways) -> tuple[Bool, tuple[Refusal, ...]]:
    """Which of the pool keep every rule, and the refusals of all candidates, most frequent first.

    Args:
        asked: the search.
        verdicts: of shape, over all candidates.
        pool: the candidates looked at closely.
        ways: theirs.
    """
    bone = bone_verdicts(asked, ways)
    broken = [verdict.broken[pool.which] & ~(ways.transiliac & verdict.hip) for verdict in verdicts]
    broken += [verdict.broken for verdict in bone]
    total = np.sum(broken, axis=0)
    refusals = []
    for number, verdict in enumerate([*verdicts, *bone]):
        hit = broken[number]
        if number < len(verdicts):
            waived = verdict.broken[pool.which] & ~hit
            count = int(verdict.broken.sum()) - int(waived.sum())
        else:
            count = round(float(pool.weight[hit].sum()))
        if count == 0:
            continue
        only = hit & (total == 1)
        miss = verdict.excess(ways.take(only)) if only.any() else np.zeros(1)
        alone = round(float(pool.weight[only].sum()))
        best = round(max(float(miss.min()), 0.0), 6)
        refusals.append(Refusal(verdict.reason, verdict.rule, count, alone, best, verdict.unit))
    return total == 0, tuple(sorted(refusals, key=lambda r: (-r.count, r.rule)))
