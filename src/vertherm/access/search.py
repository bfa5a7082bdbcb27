"""The search: every candidate path judged by every rule, the admissible ones scored, the best of them told.

1. Candidates: places of the zone's middle times directions (:mod:`vertherm.access.candidates`).
2. Entries: last exit from the body by voxel traversal (:mod:`vertherm.access.skin`).
3. Obstacles: cells that surely or possibly break a rule decide most needles in one walk, exact distances between the
   needle's axis and the voxels' boxes the rest (:mod:`vertherm.access.fields`): every decision is the exact one.
4. Bone: approach, incidence and pedicle, of those that broke at most one rule.
5. Risk, coverage and zone needed of the admissible ones, their front over risk, zone and length, and sets of several
   needles.

The work is proportional to the number of candidates.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from vertherm.access.candidates import Candidates, candidates
from vertherm.access.fields import cell_bits
from vertherm.access.pareto import front, thinned
from vertherm.access.path import AccessResult, NeedlePath, NeedleSet, NeedleSpec, Refusal
from vertherm.access.rules import AccessRules, Approach, Position
from vertherm.access.scene import AccessScene
from vertherm.access.search_paths import paths_of
from vertherm.access.search_question import Question, ThroughBone, question
from vertherm.access.search_scores import RANK_POINTS, Ways, covered, goal_points, risks, ways_through
from vertherm.access.search_verdicts import DETAILED, Pool, Verdict, pool_of, settle, shape_verdicts
from vertherm.access.search_work import shared_out, thread_count
from vertherm.access.sets import Combination, combinations, pool
from vertherm.access.skin import Exits, exits
from vertherm.access.solids import sheared
from vertherm.access.solids_obstacles import Obstacles, broken_groups, obstacles_of
from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.geometry.volume import FloatArray


@dataclass
class _Clock:
    """Seconds by step."""

    progress: Progress
    steps: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, step: str, done: float) -> None:
        now = time.perf_counter()
        self.steps[step] = self.steps.get(step, 0.0) + now - self.last
        self.last = now
        self.progress("needle paths", done)


@dataclass(frozen=True, eq=False)
class _Survivors:
    """Admissible paths with their scores, (n,)."""

    ways: Ways
    risk: FloatArray
    coverage: FloatArray
    zone_factor: FloatArray

    @property
    def costs(self) -> FloatArray:
        # A length that the field of view cut off is none to compare by.
        length = np.where(self.ways.at_edge, 0.0, self.ways.length_mm)
        return np.stack([self.risk, self.zone_factor, np.round(length, 6)], axis=1)


def find_paths(
    scene: AccessScene,
    rules: AccessRules,
    needle: NeedleSpec,
    *,
    position: Position | None = None,
    approaches: Sequence[Approach] = (),
    side: Literal["left", "right"] | None = None,
    candidates: int = 2_000_000,
    keep: int = 12,
    needles: int = 2,
    threads: int = 0,
    progress: Progress = silent,
    through: ThroughBone | None = None,
) -> AccessResult:
    """Every admissible straight path from the skin to the lesion, the best of them, and why the others are refused.

    A needle is a capsule: a radius around the axis from entry to tip. It is admissible where the exact distance from
    its surface to every forbidden structure, less the placement error, is at least what the structure's rule asks for
    (short by no more than 1e-6 mm), and where it keeps the rules of length, tip, approach, incidence and pedicle.

    Args:
        scene: lesion and surroundings, RAS mm.
        rules: hard rules and weights of the soft scores.
        needle: the instrument.
        position: of the patient; None: prone or supine as the approaches are done, the result says which.
        approaches: only these; empty: all of the region.
        side: only paths from this side of the patient.
        candidates: about how many are looked at.
        keep: most paths of the front that are handed on; needles of the sets that are none of them come on top.
        needles: largest number of needles that are combined.
        threads: 0 takes one a core; the result does not depend on it.
        progress: receives progress.
        through: tells how needles go through bone; left out: :func:`vertherm.access.approach.through_bone`.

    Returns:
        The result; where nothing is admissible its ``paths`` are empty and its refusals say why.

    Raises:
        InputError: the question contradicts itself (see :func:`vertherm.access.search_question.question`), or the
            lesion lies outside the body or the image.
    """
    asked = question(scene, rules, needle, position, approaches, side, through)
    threads, clock = thread_count(threads), _Clock(progress)
    pairs = _candidates(asked, candidates)
    left = exits(scene.body, pairs, threads)
    _check_inside(asked, left)
    clock.lap("skin", 0.15)
    verdicts, obstacles = _judged(asked, pairs, left, threads, clock)
    looked, ways, refusals = _through_the_bone(asked, pairs, left, verdicts, threads)
    clock.lap("bone", 0.8)
    goal = goal_points(scene.goal, RANK_POINTS)
    good = _Survivors(ways, risks(asked, obstacles, ways, threads), *covered(asked, goal, ways, threads))
    clock.lap("scores", 0.9)
    paths, sets = _chosen(asked, obstacles, good, keep, needles)
    clock.lap("front", 1.0)
    taken, notes = _position(asked, good, paths)
    return AccessResult(
        target=scene.target,
        level=scene.level.value,
        position=taken,
        needle=needle,
        paths=paths,
        sets=sets,
        candidates=pairs.count,
        admissible=len(ways),
        refusals=refusals,
        not_labelled=scene.not_labelled,
        notes=(*scene.notes, *notes, *_notes(asked, looked)),
        timings_s={step: round(seconds, 4) for step, seconds in clock.steps.items()},
        placement_error_mm=rules.placement_error_mm,
    )


def _candidates(asked: Question, wanted: int) -> Candidates:
    return candidates(asked.scene.lesion, asked.rules, asked.facings, asked.position, wanted)


def _check_inside(asked: Question, left: Exits) -> None:
    if np.isnan(left.distance_mm).all():
        raise InputError(
            "The lesion lies outside the body or outside the image.",
            where=f"access to {asked.scene.target}",
            advice="check that the lesion's mask belongs to this image",
        )


def _judged(
    asked: Question, pairs: Candidates, left: Exits, threads: int, clock: _Clock
) -> tuple[list[Verdict], Obstacles]:
    """Verdicts on the shape of all candidates, and the obstacles near any of them."""
    from vertherm.access.search_kernels import classify

    ahead = np.nan_to_num(left.distance_mm)
    lower, upper = _box(asked, pairs, ahead)
    obstacles = obstacles_of(asked.scene, asked.rules, asked.needle, (lower, upper))
    cells = cell_bits(obstacles, lower, upper, threads)
    clock.lap("fields", 0.3)
    broken = np.zeros((pairs.count, len(cells.bits)), np.uint64)
    far_tip = np.zeros(pairs.count, bool)

    def work(part: slice) -> None:
        classify(
            part.start, pairs.foci, pairs.directions, asked.needle.focus_mm, left.distance_mm[part], obstacles.forest,
            obstacles.limit_mm, obstacles.forbidden, obstacles.lesion, cells.lower_mm, cells.cell_mm, cells.bits,
            cells.shape, broken[part], far_tip[part],
        )  # fmt: skip

    shared_out(work, pairs.count, threads)
    clock.lap("clearances", 0.6)
    length = left.distance_mm + asked.needle.focus_mm
    near = broken_groups(obstacles, broken)
    return shape_verdicts(asked, obstacles, length, left.at_edge, far_tip, near), obstacles


def _box(asked: Question, pairs: Candidates, ahead: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Corners of the box that holds all needles."""
    farthest = ahead.reshape(len(pairs.foci), -1)
    tips = pairs.directions * asked.needle.focus_mm
    lower, upper = pairs.foci.min(axis=0) - tips.max(axis=0), pairs.foci.max(axis=0) - tips.min(axis=0)
    for axis in range(3):
        ends = pairs.foci[:, axis, None] + farthest * pairs.directions[:, axis]
        lower[axis], upper[axis] = min(lower[axis], ends.min()), max(upper[axis], ends.max())
    return lower, upper


def _through_the_bone(
    asked: Question, pairs: Candidates, left: Exits, verdicts: list[Verdict], threads: int
) -> tuple[Pool, Ways, tuple[Refusal, ...]]:
    """The pool, its admissible ways, and the refusals of all candidates."""
    looked = pool_of(verdicts, Approach.transiliac in asked.approaches)
    focus, direction = np.divmod(looked.which, len(pairs.directions))
    axes = pairs.directions[direction]
    ways = ways_through(
        asked,
        pairs.foci[focus] + np.nan_to_num(left.distance_mm[looked.which])[:, None] * axes,
        pairs.foci[focus] - asked.needle.focus_mm * axes,
        pairs.from_behind[direction],
        left.at_edge[looked.which],
        threads,
    )
    good, refusals = settle(asked, verdicts, looked, ways)
    return looked, ways.take(good), refusals


def _chosen(
    asked: Question, obstacles: Obstacles, good: _Survivors, keep: int, needles: int
) -> tuple[tuple[NeedlePath, ...], tuple[NeedleSet, ...]]:
    """The front, best risk first, then what only sets of several needles need; and the sets by the paths' names."""
    if len(good.ways) == 0:
        return (), ()
    best = front(good.costs)
    members = best[thinned(good.ways.take(best), good.costs[best], keep)]
    grouped: list[Combination] = []
    if needles > 1 and len(good.ways) > 1:
        some = pool(good.ways, good.risk, good.coverage)
        goal = goal_points(asked.scene.goal, RANK_POINTS)
        found = combinations(asked, good.ways.take(some), good.risk[some], goal, needles)
        grouped = [replace(item, members=tuple(int(some[n]) for n in item.members)) for item in found]
    every = np.unique(np.array([*members, *(n for item in grouped for n in item.members)], np.int64))
    extra = ~np.isin(every, members)
    order = np.lexsort((every, *good.costs[every].T[::-1], extra))
    every, extra = every[order], extra[order]
    names = [f"P{n}" for n in range(1, len(every) + 1)]
    paths = paths_of(asked, obstacles, good.ways.take(every), names)
    paths = tuple(replace(p, only_in_set=bool(only)) for p, only in zip(paths, extra, strict=True))
    name_of = dict(zip(every.tolist(), names, strict=True))
    return paths, tuple(_named(item, name_of) for item in grouped)


def _named(item: Combination, name_of: dict[int, str]) -> NeedleSet:
    names = tuple(sorted((name_of[n] for n in item.members), key=lambda name: int(name[1:])))
    return NeedleSet(names, round(item.gap_mm, 6), round(item.coverage, 6), item.risk)


def _position(asked: Question, good: _Survivors, paths: tuple[NeedlePath, ...]) -> tuple[Position, list[str]]:
    """The position of the best path, and a note where another position has paths as well."""
    if asked.position is not None:
        return asked.position, []
    if not paths:
        return ("prone" if asked.from_behind else "supine"), []
    best = int(np.lexsort((np.arange(len(good.risk)), good.risk))[0])
    behind = bool(good.ways.from_behind[best])
    taken: Position = "prone" if behind else "supine"
    other = "supine" if behind else "prone"
    count = int((good.ways.from_behind != behind).sum())
    if not count:
        return taken, []
    mixed = [path.name for path in paths if (path.trajectory.axis[1] < 0) != behind]
    which = f": {', '.join(mixed)} of this list" if mixed else ""
    return taken, [f"The best path is for a patient lying {taken}. {count} admissible paths are for {other}{which}."]


def _notes(asked: Question, looked: Pool) -> list[str]:
    scene, notes = asked.scene, []
    if asked.position is None:
        notes.append("Position taken from the approach; the scan may have been made in another, with organs elsewhere.")
    if not scene.skin_in_image:
        notes.append(
            "The image holds no skin: paths begin at the image's edge and are marked; their length is not known."
        )
    crooked = [s.name for s in scene.solids if s.rule is not None and sheared(s.mask.grid)]
    crooked += ["body"] if sheared(scene.body.grid) else []
    if crooked:
        notes.append(f"On a sheared grid, put on an orthogonal one of half the voxel first: {', '.join(crooked)}.")
    notes.append(
        "Approach, side, incidence and pedicle were judged where at most one other rule is broken: their counts are of "
        "those candidates."
    )
    if looked.sampled:
        notes.append(
            f"How many candidates break only one rule is estimated from about {DETAILED} candidates a rule; what is "
            "admissible is exact."
        )
    return notes
