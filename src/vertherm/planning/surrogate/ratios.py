"""From coupled runs to corrections: the true rise over the linear one at every node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Volume
from vertherm.planning.surrogate.correction import LARGEST_RATIO, Correction, ratio
from vertherm.planning.surrogate.coupled import TAIL_S, CoupledRun
from vertherm.planning.surrogate.families import Family, Key
from vertherm.planning.surrogate.response import step_weights
from vertherm.planning.surrogate.tasks import CoupledTask, Shared

Float = NDArray[np.float32]
Array = NDArray[np.float64]
Answers = dict[tuple[str, str, float], Float]


@dataclass(frozen=True, eq=False)
class Nominal:
    """Linear answers of the nominal patient.

    Args:
        families: the nominal member first.
        answers: (places, nodes, cells) K per watt, by cooling, meaning of the power and local factor.
        narrow: the same with the field's domain of the coupled runs.
        without: (places, nodes, cells) course without power, by cooling.
        lesions: masks by target.
        damage, model: see :class:`vertherm.planning.surrogate.response.Response`.
    """

    families: list[Family]
    answers: Answers
    narrow: Answers
    without: dict[str, Float]
    lesions: dict[str, Volume]
    damage: Array
    model: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Ratios:
    """Of one run: R at its solves, from u = 0, and rho after it."""

    heating: Float
    tail: Float


def corrections(
    nominal: Nominal,
    shared: Shared,
    nodes_w: Array,
    runs: Sequence[tuple[CoupledTask, CoupledRun]],
    shorts: Sequence[int],
) -> dict[Key, tuple[Correction, ...]]:
    """Corrections of every family that was run, one a place.

    Args:
        nominal: linear answers.
        shared: setup, sites and instants.
        nodes_w: powers of the nominal runs.
        runs: all that were made.
        shorts: solves of the short nominal runs, growing; all fewer than those of the long ones.
    """
    members = {family.key: family for family in nominal.families}
    found = {
        (task.key, task.place, round(task.power_w, 6), task.solves): _ratios(
            nominal, shared, members[task.key], task, run
        )
        for task, run in runs
    }
    solves = len(shared.solves_s)
    first = nominal.families[0].key
    out: dict[Key, list[Correction]] = {key: [] for key in members}
    for place in range(len(shared.coarse)):
        nodes = [found[first, place, round(float(p), 6), solves] for p in nodes_w]
        heating, longest = np.array([n.heating for n in nodes]), np.array([n.tail for n in nodes])
        middle = len(nodes_w) // 2
        # How the decay changes with the time of heating is taken from the middle power of the nominal member.
        power = round(float(nodes_w[middle]), 6)
        changes = [found[first, place, power, short].tail / longest[middle] for short in shorts]
        for key in members:
            runs_of = [found.get((key, place, round(float(p), 6), solves)) for p in nodes_w]
            r, rho = _own(heating, longest, runs_of)
            out[key].append(_correction(shared, nodes_w, r, rho, changes, shorts))
    return {key: tuple(rows) for key, rows in out.items()}


def _own(heating: Float, longest: Float, runs: Sequence[_Ratios | None]) -> tuple[Float, ...]:
    """R and rho of one kind of member at all powers.

    Args:
        heating, longest: of the nominal member.
        runs: what was run of the kind, by power; at least at the highest.
    """
    known = [run for run in runs if run is not None]
    if len(known) == len(runs):
        return np.array([run.heating for run in known]), np.array([run.tail for run in known])
    # At other powers as far from the nominal member as at the highest one: right for what cooling changes.
    return tuple(
        np.clip(nominal * (own / nominal[-1]), 1.0 / LARGEST_RATIO, LARGEST_RATIO).astype(np.float32)
        for nominal, own in ((heating, known[-1].heating), (longest, known[-1].tail))
    )


def _correction(
    shared: Shared, nodes_w: Array, heating: Float, longest: Float, changes: Sequence[Float], shorts: Sequence[int]
) -> Correction:
    times = np.concatenate([[0.0], shared.solves_s])
    tail = np.stack([*(longest * change for change in changes), longest], axis=1).astype(np.float32)
    return Correction(nodes_w, times, heating, shared.solves_s[[*(n - 1 for n in shorts), -1]], tail)


def _ratios(nominal: Nominal, shared: Shared, family: Family, task: CoupledTask, run: CoupledRun) -> _Ratios:
    member = family.member
    per_w = nominal.narrow[member.cooling, member.power, member.sar_factor][task.place]
    on = shared.solves_s[: task.solves]
    end = float(on[-1])
    at = np.concatenate([on, end + TAIL_S])
    weights = step_weights(shared.times_s, at)
    linear = task.power_w * ((weights - step_weights(shared.times_s, at - end)) @ per_w)
    without = weights @ nominal.without[member.cooling][task.place]
    rise = np.concatenate([run.heating_c, run.tail_c]) - np.float32(shared.setup.body_c) - without
    found = ratio(rise, np.maximum(linear, 0.0))
    one = np.ones((1, found.shape[1]), np.float32)
    heating, after = found[: len(on)], found[len(on) :]
    return _Ratios(np.concatenate([one, heating]), np.concatenate([one, after / heating[-1]]))
