"""What two plans are compared by: needles, structures, targets and dose, whichever model they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vertherm.geometry.trajectory import Trajectory
from vertherm.planning.assessment import Status
from vertherm.planning.plan import Plan


@dataclass(frozen=True)
class OutlineStructure:
    """One structure in a plan.

    Args:
        name: as in the anatomy.
        peak_c, dose_min: largest temperature (degC) and CEM43 (min): what decides, so the worst variant or percentile.
        stop_c, stop_dose_min: the limits; None where there is none.
        status: against them.
        distance_mm: to the last 15 mm of the nearest needle; None where not known.
    """

    name: str
    peak_c: float
    dose_min: float
    stop_c: float | None
    stop_dose_min: float | None
    status: Status
    distance_mm: float | None = None


@dataclass(frozen=True)
class OutlineTarget:
    """One lesion in a plan; shares from 0 to 1 of lesion with margin and of the lesion; margin None: no zone."""

    name: str
    coverage: float
    lesion_coverage: float
    margin_mm: float | None
    reached: bool


@dataclass(frozen=True, eq=False)
class Outline:
    """A plan, or a prediction, in what matters.

    Args:
        label: what tables call it.
        needles: by name, RAS mm.
        structures, targets: what it does.
        dose: in words ("45 W forward, 5:00").
        energy_kj: of all activations.
        model: where the numbers come from.
    """

    label: str
    needles: Mapping[str, Trajectory]
    structures: tuple[OutlineStructure, ...]
    targets: tuple[OutlineTarget, ...]
    dose: str
    energy_kj: float
    model: str = ""
    notes: tuple[str, ...] = field(default=())


def clock(time_s: float) -> str:
    """Minutes and seconds, "4:05"."""
    minutes, seconds = divmod(round(time_s), 60)
    return f"{minutes}:{seconds:02d}"


def outline_of_plan(plan: Plan, label: str = "plan") -> Outline:
    """The outline of a plan document; its distances are not known."""
    return Outline(
        label=label,
        needles={
            row.name: Trajectory(np.array(row.entry_ras_mm), np.array(row.tip_ras_mm)) for row in plan.applicators
        },
        structures=tuple(
            OutlineStructure(row.name, row.peak_c, row.cem43_min, row.stop_c, row.stop_cem43_min, row.status)
            for row in plan.limits
        ),
        targets=tuple(
            OutlineTarget(row.target, row.coverage, row.lesion_coverage, row.margin_mm, row.reached)
            for row in plan.coverage
        ),
        dose="; ".join(
            f"{a.antenna}: {a.power_w:.0f} W {plan.power_kind}, {clock(a.time_s)}" for a in plan.activations
        ),
        energy_kj=sum(a.power_w * a.time_s for a in plan.activations) / 1000.0,
        model=plan.status,
    )
