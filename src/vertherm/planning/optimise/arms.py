"""Arms: one way to treat one lesion, an antenna on a path (or one on each of several) with the places it may fire from.

A place is a needle with its tip at the end of the path, or drawn back along it: a needle that is drawn back stays in
tissue that it has already passed, so every clearance of the path holds for it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vertherm.access.path import AccessResult, NeedlePath
from vertherm.applicator.antenna import Antenna
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray
from vertherm.heat.schedule import Activation, Schedule
from vertherm.planning.checks import check_needles, check_path, check_tips
from vertherm.planning.objects import Case, PlacedAntenna, Target, Treatment
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.prepare import in_ras
from vertherm.planning.protection.protection import with_protection

if TYPE_CHECKING:
    from vertherm.calibration.device import DeviceCalibration
    from vertherm.planning.surrogate.dose import Dose

DRAW_BACK_MM = 5.0
"""Distance between two places of a needle in a lesion that one zone can hold; [guess]."""
MOST_PLACES = 3
SPREAD_MM, SPREAD_DEG = 10.0, 20.0
"""Paths whose tips or directions differ by this much count as one step apart; [guess]."""
SETS = 2
"""Sets of several needles that are tried, best first."""
BETWEEN_LESIONS_S = 300.0
"""Time to place the needle in the next lesion, during which the last one cools; [guess]."""


@dataclass(frozen=True, eq=False)
class Arm:
    """One antenna and its places for one target.

    Args:
        name: unique in the plan.
        target: of the case.
        paths: one a needle.
        antenna: with its chosen cooling.
        places: unique names; those of one needle from the deepest outwards.
        needle_of: by place, index into ``paths``.
        back_mm: by place, how far it is drawn back from the deepest.
        risk: of the paths, summed.
    """

    name: str
    target: Target
    paths: tuple[NeedlePath, ...]
    antenna: Antenna
    places: tuple[PlacedAntenna, ...]
    needle_of: tuple[int, ...]
    back_mm: tuple[float, ...]

    @property
    def risk(self) -> float:
        """Access risk of all its paths."""
        return sum(path.risk for path in self.paths)

    def only(self, used: Sequence[int]) -> Arm:
        """The arm with these places alone, in their order."""
        return replace(
            self,
            places=tuple(self.places[n] for n in used),
            needle_of=tuple(self.needle_of[n] for n in used),
            back_mm=tuple(self.back_mm[n] for n in used),
        )


def arms(problem: Problem, target: Target, access: AccessResult, *, sets: bool | None = None) -> list[Arm]:
    """The arms of a target: diverse paths × antennas, and sets of needles where the case allows several.

    Args:
        sets: sets of several needles alone (True) or none of them (False); None: as the case says.
    """
    plan = problem.entry.plan
    several = plan.max_needles > 1 if sets is None else sets
    groups: list[tuple[NeedlePath, ...]] = []
    if sets is not True:
        alone = [path for path in access.paths if not path.only_in_set]
        groups += [(path,) for path in diverse(alone, plan.paths)]
    if several:
        most = max(plan.max_needles, 2)
        groups += [tuple(access.path(name) for name in s.paths) for s in access.sets if len(s.paths) <= most][:SETS]
    calibration = _calibration(problem)
    found = []
    for antenna in problem.antennas():
        for group in groups:
            arm = _arm(problem, target, access, group, antenna, calibration)
            if _possible(problem.case, arm):
                found.append(arm)
    return found


def _calibration(problem: Problem) -> DeviceCalibration | None:
    if problem.entry.plan.calibration is None:
        return None
    from vertherm.calibration.device import load_calibration

    return load_calibration(problem.entry.plan.calibration)


def diverse(paths: Sequence[NeedlePath], count: int) -> list[NeedlePath]:
    """The path of least risk, the one that the smallest zone is enough for, the best compromise of both, and then those
    that differ most from what is taken."""
    if not paths:
        return []
    central = min(paths, key=lambda path: (path.zone_factor, -path.coverage, path.risk))
    taken = list(dict.fromkeys([paths[0], central, _compromise(paths)]))[:count]
    left = [path for path in paths if path not in taken]
    while left and len(taken) < count:
        chosen = max(left, key=lambda path: (min(difference(path, other) for other in taken), -path.risk))
        taken.append(chosen)
        left.remove(chosen)
    return taken


def _compromise(paths: Sequence[NeedlePath]) -> NeedlePath:
    """The path with the least sum of risk and zone, each as a share of its range."""
    scores = np.array([(path.risk, path.zone_factor) for path in paths])
    scaled = (scores - scores.min(axis=0)) / np.maximum(np.ptp(scores, axis=0), 1e-9)
    return paths[int(np.argmin(scaled.sum(axis=1)))]


def difference(one: NeedlePath, other: NeedlePath) -> float:
    """How much two paths differ: tips, directions, approach and side."""
    tips = float(np.linalg.norm(one.trajectory.tip_mm - other.trajectory.tip_mm))
    cosine = float(np.clip(one.trajectory.axis @ other.trajectory.axis, -1.0, 1.0))
    turned = float(np.degrees(np.arccos(cosine)))
    another = float(one.approach is not other.approach) + float(one.side != other.side)
    return tips / SPREAD_MM + turned / SPREAD_DEG + another


def _arm(
    problem: Problem,
    target: Target,
    access: AccessResult,
    group: tuple[NeedlePath, ...],
    antenna: Antenna,
    calibration: DeviceCalibration | None,
) -> Arm:
    many = len(problem.case.targets) > 1
    prefix = f"{target.name}, " if many else ""
    places, needle_of, back = [], [], []
    for needle, path in enumerate(group):
        for offset in _offsets(problem, target, access, path, alone=len(group) == 1):
            drawn = f", drawn back {offset:.0f} mm" if offset else ""
            trajectory = Trajectory(path.trajectory.entry_mm, path.trajectory.point_mm(offset))
            name = f"{prefix}{antenna.name} on {path.name}{drawn}"
            frequency = problem.entry.plan.frequency_mhz * 1e6
            places.append(PlacedAntenna(name, antenna, frequency, trajectory, 0.0, calibration))
            needle_of.append(needle)
            back.append(offset)
    if calibration is not None:
        calibration.check_antenna(antenna, problem.entry.plan.frequency_mhz * 1e6)
    name = f"{prefix}{' and '.join(path.name for path in group)}, {antenna.name}"
    return Arm(name, target, group, antenna, tuple(places), tuple(needle_of), tuple(back))


def _offsets(problem: Problem, target: Target, access: AccessResult, path: NeedlePath, *, alone: bool) -> list[float]:
    """How far a needle may be drawn back, mm: more places for a lesion longer than one zone."""
    if not alone:
        return [0.0]
    low, high = extent_mm(target, path, problem.goal.margin_mm)
    focus, long = access.needle.focus_mm, access.needle.zone_long_mm
    step = DRAW_BACK_MM if high - low <= long else 0.5 * long
    most = MOST_PLACES if problem.entry.plan.max_activations > 1 else 2
    # A focus drawn back beyond the middle of what is left of lesion and margin heats nothing that needs it.
    furthest = max(0.0, high - focus - min(0.25 * (high - low), DRAW_BACK_MM))
    return [n * step for n in range(most) if n * step <= furthest]


def extent_mm(target: Target, path: NeedlePath, margin_mm: float) -> tuple[float, float]:
    """Where lesion and margin begin and end along the needle, mm from the tip of the path towards the entry."""
    points: FloatArray = target.mask.grid.world(np.argwhere(target.mask.data))
    _, along = path.trajectory.cylindrical_mm(points)
    return float(along.min()) - margin_mm, float(along.max()) + margin_mm


def _possible(case: Case, arm: Arm) -> bool:
    """False where the checks before every prediction refuse the needles, or they cross each other."""
    schedule = Schedule((Activation(power_w=1.0, duration_s=1.0),))
    deepest = tuple(arm.places[arm.needle_of.index(n)] for n in range(len(arm.paths)))
    treatment = Treatment(deepest, schedule, "forward")
    try:
        check_needles(treatment)
        check_tips(treatment, case.anatomy)
        check_path(treatment, case.anatomy)
    except InputError:
        return False
    return True


def treatment(problem: Problem, chosen: Sequence[tuple[Arm, Dose]]) -> Treatment:
    """The treatment of some arms with their doses, one lesion after the other, with the protection of the case."""
    placed: dict[str, PlacedAntenna] = {}
    activations: list[Activation] = []
    for number, (arm, dose) in enumerate(chosen):
        for place in sorted({pulse.place for pulse in dose.pulses}):
            placed[arm.places[place].name] = arm.places[place]
        last = len(dose.pulses) - 1
        for n, pulse in enumerate(dose.pulses):
            rest = BETWEEN_LESIONS_S if n == last and number < len(chosen) - 1 else pulse.pause_s
            activations.append(
                Activation(
                    power_w=pulse.power_w,
                    duration_s=pulse.on_s,
                    pause_s=rest,
                    emitters=(arm.places[pulse.place].name,),
                )
            )
    return protected(problem, tuple(placed.values()), Schedule(tuple(activations)))


def places_of(problem: Problem, arm: Arm) -> Treatment:
    """All places of an arm as a treatment whose schedule means nothing: what a surrogate is made of."""
    low, longest = problem.entry.plan.power_w[0], problem.entry.plan.time_s[1]
    activations = tuple(Activation(power_w=low, duration_s=longest, emitters=(place.name,)) for place in arm.places)
    return protected(problem, arm.places, Schedule(activations))


def protected(problem: Problem, placed: tuple[PlacedAntenna, ...], schedule: Schedule) -> Treatment:
    """A treatment with the case's power kind, thermocouples and protection."""
    entry = problem.entry
    bare = Treatment(
        applicators=placed,
        schedule=schedule,
        power_kind=entry.plan.power_kind,
        thermocouples={t.name: in_ras(t.position, t.frame) for t in entry.protection.thermocouples},
    )
    return with_protection(bare, entry.protection, problem.case)
