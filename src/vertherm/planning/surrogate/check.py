"""How far the fast model is from the coupled runs: at its nodes, and at a dose that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vertherm.planning.surrogate.coupled import CoupledRun
from vertherm.planning.surrogate.dose import Dose, Pulse
from vertherm.planning.surrogate.surrogate import Surrogate
from vertherm.planning.surrogate.tasks import CoupledTask, Shared
from vertherm.planning.surrogate.zone import coverage

JUDGED_C = (39.0, 60.0)
"""Structures whose true peak lies here count: colder ones are safe, hotter ones lost, whatever the error."""
JUDGED_MIN = (0.1, 1000.0)


def errors(surrogate: Surrogate, runs: Sequence[tuple[CoupledTask, CoupledRun]], shared: Shared) -> dict[str, float]:
    """Largest differences of the nominal variant from the coupled runs that were made for it at the first place.

    Returns:
        For ``node`` (runs that the correction comes from) and ``check`` (the one that it has not seen): peak_error_k
        (largest magnitude over the structures), dose_error_factor (largest factor, at least 1), coverage_error (share
        of lesion with margin) and margin_error_mm.
    """
    first = surrogate.variants[0].safety.key
    nodes = {round(float(p), 6) for p in surrogate.variants[0].safety.corrections[0].powers_w}
    found: dict[str, float] = {}
    for task, run in runs:
        if "|".join(task.key) != first or task.place != 0:
            continue
        kind = "node" if round(task.power_w, 6) in nodes else "check"
        for name, value in _one(surrogate, task, run, shared).items():
            found[f"{kind}_{name}"] = max(value, found.get(f"{kind}_{name}", 0.0))
        if kind == "check":
            found["check_power_w"], found["check_time_s"] = task.power_w, float(shared.solves_s[task.solves - 1])
    return found


def _one(surrogate: Surrogate, task: CoupledTask, run: CoupledRun, shared: Shared) -> dict[str, float]:
    dose = Dose((Pulse(task.power_w, float(shared.solves_s[task.solves - 1]), place=0),))
    fast = surrogate.readings(dose)
    peak, factor = [0.0], [1.0]
    for name, true in run.peak_c.items():
        row = fast.structures[name]
        if JUDGED_C[0] <= true <= JUDGED_C[1]:
            peak.append(abs(float(row.peak_c[0]) - true))
        dose_min = run.cem43_min[name]
        if JUDGED_MIN[0] <= dose_min <= JUDGED_MIN[1]:
            factor.append(float(np.exp(abs(np.log(max(float(row.cem43_min[0]), 1e-3) / dose_min)))))
    share, margin = [0.0], [0.0]
    for name, target in shared.sites.targets.items():
        goal, _, reach = coverage(target, run.fields, surrogate.quantity, surrogate.level)
        mine = fast.targets[name]
        share.append(abs(float(mine.coverage[0]) - goal))
        if np.isfinite(reach) and np.isfinite(mine.margin_mm[0]):
            margin.append(abs(float(mine.margin_mm[0]) - reach))
    return {
        "peak_error_k": max(peak),
        "dose_error_factor": max(factor),
        "coverage_error": max(share),
        "margin_error_mm": max(margin),
    }
