"""The power-by-time chart: by power and time of an activation, how surely the goal is reached and the limits kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vertherm.planning.limits import judge as status_of
from vertherm.planning.optimise.arms import Arm
from vertherm.planning.optimise.judge import Judge, reaches, worse
from vertherm.planning.optimise.models import Model, Models
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.plan import Chart

if TYPE_CHECKING:
    from vertherm.planning.surrogate.dose import Dose
    from vertherm.planning.surrogate.readings import Readings

POINTS = 9
"""Powers and times of the chart."""


def chart(problem: Problem, arm: Arm, models: Models, sampled: Model, dose: Dose) -> Chart:
    """The chart of one arm around a dose.

    Args:
        models: what decides whether a dose is allowed.
        sampled: the model whose samples are the probabilities.
        dose: the chosen one; of several activations the chart varies power and time of all in the same proportion.
    """
    lattice = problem.lattice
    powers = _spread(lattice.powers_w[0], lattice.powers_w[-1])
    times = _spread(lattice.times_s[0], lattice.times_s[-1])
    strongest = max(pulse.power_w for pulse in dose.pulses)
    longest = max(pulse.on_s for pulse in dose.pulses)
    cells = [[_cell(scaled(dose, p / strongest, t / longest), models, sampled) for t in times] for p in powers]
    several = "; power and time of the strongest and longest activation, the others in proportion"
    return Chart(
        target=arm.target.name,
        path=" and ".join(path.name for path in arm.paths),
        antenna=arm.antenna.name,
        power_kind=problem.entry.plan.power_kind,
        power_w=powers,
        time_s=times,
        p_covered=[[cell[0] for cell in row] for row in cells],
        p_limit=[[cell[1] for cell in row] for row in cells],
        p_warn=[[cell[2] for cell in row] for row in cells],
        coverage=[[cell[3] for cell in row] for row in cells],
        binding=[[cell[4] for cell in row] for row in cells],
        allowed=[[cell[5] for cell in row] for row in cells],
        samples=sampled.surrogate.n - 1,
        rule=f"share of {sampled.surrogate.n - 1} samples of the surrogate"
        + (several if len(dose.pulses) > 1 else "")
        + ("; heat of the other lesions is not counted" if len(problem.case.targets) > 1 else ""),
        chosen=(strongest, longest),
    )


def _spread(low: float, high: float) -> list[float]:
    return [float(value) for value in np.round(np.linspace(low, high, POINTS if high > low else 1), 1)]


def scaled(dose: Dose, power: float, time: float) -> Dose:
    """The dose with the power and the time of every activation multiplied; pauses stay."""
    pulses = (replace(pulse, power_w=pulse.power_w * power, on_s=pulse.on_s * time) for pulse in dose.pulses)
    return replace(dose, pulses=tuple(pulses))


def _cell(dose: Dose, models: Models, sampled: Model) -> tuple[float, float, float, float, str, bool]:
    """Probabilities covered, limit, warn; deciding coverage, first structure to break, and whether it is allowed."""
    readings = sampled.surrogate.readings(dose)
    others = [part(dose) for part in models.parts if part is not sampled]
    judgement = worse([sampled.judge(readings), *others], models.goal)
    binding = judgement.binding
    return (
        _share(covered(sampled.judge, readings)),
        _share(broken(sampled.judge, readings, ("stop",))),
        _share(broken(sampled.judge, readings, ("warn", "stop"))),
        judgement.coverage,
        binding.name if binding is not None else "",
        judgement.safe,
    )


def _share(happened: np.ndarray) -> float:
    """Share of the samples, that is of all variants but the nominal one; of that one where there are no samples."""
    return float(np.mean(happened[1:] if len(happened) > 1 else happened))


def covered(judge: Judge, readings: Readings) -> np.ndarray:
    """By variant, whether every target is ablated as wanted; shape (n,)."""
    found = []
    for name in judge.targets:
        coverages, margins = judge.target_values(name, readings)
        pairs = zip(coverages, margins, strict=True)
        found.append([reaches(judge.goal, float(c), None if np.isnan(m) else float(m)) for c, m in pairs])
    return np.all(found, axis=0)


def broken(judge: Judge, readings: Readings, statuses: tuple[str, ...]) -> np.ndarray:
    """By variant, whether any structure reaches one of these statuses; shape (n,)."""
    found = []
    for name, limit in judge.limits.items():
        if name in readings.structures:
            values = zip(*judge.structure_values(name, readings), strict=True)
            found.append([status_of(float(peak), float(dose), limit) in statuses for peak, dose in values])
    return np.any(found, axis=0) if found else np.zeros(len(next(iter(readings.targets.values())).coverage), bool)
