"""What the fast model says about a dose, and which variant decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.ensemble.order_statistics import tolerance_bound
from vertherm.planning.ensemble_rows import NO_ZONE_MM
from vertherm.planning.percentiles import CONFIDENCE, SHARE

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StructureReading:
    """Hottest and most dosed watched cell of one structure, heat after switch-off included.

    Args:
        peak_c, cem43_min: (n,) over the variants, the nominal one first; the others in their safety reading.
    """

    peak_c: Array
    cem43_min: Array


@dataclass(frozen=True, eq=False)
class TargetReading:
    """How the zone of the protocol's coverage metric covers one lesion.

    Args:
        coverage: (n,) share of the lesion with its margin; canal, roots and plexus beside it are no part of the goal.
        lesion_coverage: (n,) share of the lesion.
        margin_mm: (n,) smallest distance from the lesion's surface of any point that is not ablated: negative, the
            depth of the deepest such point in the lesion; nan where nothing is ablated. No larger than ``reach_mm``.
        reach_mm: how far from the lesion points are watched: a margin of this size means "at least".
    """

    coverage: Array
    lesion_coverage: Array
    margin_mm: Array
    reach_mm: float


@dataclass(frozen=True, eq=False)
class Readings:
    """One dose.

    Args:
        structures, targets: by name.
        hottest_c: hottest watched point in the nominal variant (not the antenna's surface, unless it is watched).
    """

    structures: dict[str, StructureReading]
    targets: dict[str, TargetReading]
    hottest_c: float


def joined(one: Readings, other: Readings) -> Readings:
    """The variants of both, in this order; the hottest point is that of the first."""
    structures = {
        name: StructureReading(
            np.concatenate([a.peak_c, other.structures[name].peak_c]),
            np.concatenate([a.cem43_min, other.structures[name].cem43_min]),
        )
        for name, a in one.structures.items()
    }
    targets = {}
    for name, b in one.targets.items():
        more = other.targets[name]
        targets[name] = TargetReading(
            np.concatenate([b.coverage, more.coverage]),
            np.concatenate([b.lesion_coverage, more.lesion_coverage]),
            np.concatenate([b.margin_mm, more.margin_mm]),
            b.reach_mm,
        )
    return Readings(structures, targets, one.hottest_c)


def decide_safety(values: Array, samples: int) -> float:
    """What is held against a limit: the worst variant; with samples their Wilks bound, or the nominal where worse.

    Args:
        values: (n,) of a structure, the nominal variant first.
        samples: how many of the others are samples; 0: standard members.
    """
    if samples == 0:
        return float(np.max(values))
    return max(float(values[0]), tolerance_bound([*map(float, values[1:])], SHARE, CONFIDENCE, "upper").value)


def decide_coverage(values: Array, samples: int) -> float:
    """Coverage or margin that decides: the worst variant; with samples their lower Wilks bound, or the nominal.

    A variant without a zone (nan) is the worst one; nan where it decides.
    """
    filled = np.where(np.isnan(values), NO_ZONE_MM, values)
    if samples == 0:
        worst = float(np.min(filled))
    else:
        bound = tolerance_bound([*map(float, filled[1:])], SHARE, CONFIDENCE, "lower").value
        worst = min(float(filled[0]), bound)
    return float("nan") if worst <= 0.5 * NO_ZONE_MM else worst
