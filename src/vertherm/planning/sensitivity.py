"""Which uncertain parameters a prediction hangs on: Morris' elementary effects or Sobol's indices of a few outputs."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vertherm import RESEARCH_NOTICE
from vertherm.core.errors import InputError, SolverError
from vertherm.core.progress import Progress, silent
from vertherm.core.provenance import provenance
from vertherm.ensemble.distributions import Sample, Space
from vertherm.ensemble.runner import run
from vertherm.ensemble.sampling import Points
from vertherm.ensemble.sensitivity import morris_effects, morris_points, sobol_indices, sobol_points
from vertherm.planning.assessment import ParameterRow
from vertherm.planning.calibrated import calibrated_space
from vertherm.planning.checks import check_case
from vertherm.planning.ensemble_rows import parameter_rows
from vertherm.planning.evaluate import LesionOnGrid, evaluate
from vertherm.planning.objects import Case, Numerics, Treatment
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.protocol import CANAL_KINDS, Protocol
from vertherm.planning.setup import make_setup
from vertherm.planning.uncertainty import Uncertainty, space_for
from vertherm.planning.work import Work, moved

Method = Literal["morris", "sobol"]
METHODS: tuple[Method, ...] = ("morris", "sobol")
DEFAULT_SAMPLES = {"morris": 10, "sobol": 64}
"""Trajectories of Morris, base points of Sobol."""
ROOT_KINDS = ("root", "plexus")


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EffectRow(_Row):
    """What one parameter does to one output.

    Morris: ``effect`` is the mean absolute change of the output over the parameter's whole range (mu*), ``direction``
    the mean signed one, ``spread`` its standard deviation (interaction, curvature). Sobol: ``effect`` is the total
    index, ``direction`` the first-order index, ``spread`` their difference (interaction). ``low`` and ``high`` are a
    bootstrap 95 % interval of ``effect``.
    """

    parameter: str
    effect: float
    low: float
    high: float
    direction: float
    spread: float


class OutputRow(_Row):
    """One output: its value where nothing is uncertain, its range over all runs, and the effects, largest first."""

    name: str
    unit: str
    nominal: float | None
    smallest: float
    largest: float
    lost: int
    effects: list[EffectRow]


class Sensitivity(_Row):
    """Everything that ``sensitivity.json`` holds."""

    schema_version: Literal[1] = 1
    case: str
    title: str
    level: str
    notice: str
    synthetic: bool
    method: Method
    samples: int
    runs: int
    failed: list[str]
    seed: int
    outputs: list[OutputRow]
    skipped: list[str]
    parameters: list[ParameterRow]
    timings_s: dict[str, float]
    provenance: dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Question:
    """What all runs share: the work, and which structures the hottest canal and root are among."""

    work: Work
    metric: str
    canal: tuple[str, ...]
    roots: tuple[str, ...]


def sensitivity(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    numerics: Numerics | None = None,
    *,
    method: Method = "morris",
    samples: int = 0,
    seed: int = 0,
    names: Sequence[str] = (),
    space: Space | None = None,
    workers: int = 0,
    address: str | None = None,
    progress: Progress = silent,
) -> Sensitivity:
    """Zone volume and short axis, minimal margin, hottest canal and root: what moves them, and how much.

    Cooling by vessels and CSF is one of the parameters here: each point is one run.

    Args:
        method: "morris", samples * (parameters + 1) runs, or "sobol", samples * (parameters + 2) runs.
        samples: trajectories (Morris, default 10) or base points (Sobol, a power of two, default 64); 0: the default.
        seed: the same seed gives the same points.
        names: only these parameters; none: all that matter in this case.
        space: uncertain parameters; None: the default ones with what the protocol changes.
        workers, address: see :func:`vertherm.ensemble.runner.run`.
        progress: told the share of runs done.

    Raises:
        InputError: an unknown method or parameter, an impossible number of samples, or an unusable treatment.
        SolverError: so many runs failed that nothing can be said.
    """
    if method not in METHODS:
        raise InputError("Unknown method.", where="method", got=method, expected=", ".join(METHODS))
    start = time.perf_counter()
    count = samples or DEFAULT_SAMPLES[method]
    question, chosen = _question(case, treatment, protocol, numerics or Numerics(), names, space)
    dimensions = len(chosen.parameters)
    points = (morris_points if method == "morris" else sobol_points)(dimensions, count, seed)
    drawn: list[Sample] = [chosen.nominal, *(chosen.sample(u) for u in points)]
    found = run(
        measure, drawn, shared=question, workers=workers, address=address, progress=progress, label=f"{len(drawn)} runs"
    )
    table = [dict.fromkeys(OUTPUTS, math.nan) if o.value is None else o.value for o in found]
    failed = [f"run {o.index}: {o.error or o.value['status']}" for o in found if o.error or o.value["status"]]
    outputs, skipped = _outputs(table, method, points, chosen.names, seed)
    if not outputs:
        raise SolverError("Too many runs failed for any sensitivity.", where=method, got=(failed or skipped or [""])[0])
    return Sensitivity(
        case=case.name,
        title=case.title,
        level=case.targets[0].level.value,
        notice=RESEARCH_NOTICE,
        synthetic=case.anatomy.synthetic,
        method=method,
        samples=count,
        runs=len(drawn),
        failed=failed,
        seed=seed,
        outputs=outputs,
        skipped=skipped,
        parameters=parameter_rows(chosen),
        timings_s={"total": round(time.perf_counter() - start, 3)},
        provenance=provenance(
            case.inputs, {"numerics": (numerics or Numerics()).model_dump(), "protocol": protocol.name}, case.seeds
        ),
    )


def _question(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    numerics: Numerics,
    names: Sequence[str],
    space: Space | None,
) -> tuple[_Question, Space]:
    if numerics.fidelity == "full-wave":
        raise InputError(
            "A sensitivity study does not run the full wave.",
            where="[numerics] fidelity",
            got=numerics.fidelity,
            expected="axisymmetric",
            advice="study the case with the axisymmetric power density; the full wave belongs to the prediction",
        )
    check_case(case, treatment)
    setup = make_setup(case, treatment, protocol, numerics)
    uncertainty = Uncertainty.of(setup, case.anatomy, space or calibrated_space(space_for(protocol), treatment))
    chosen = uncertainty.space.chosen(names) if names else uncertainty.space
    lesions = tuple(LesionOnGrid(target.name, target.mask) for target in case.targets)
    kinds = {s.name: s.kind.value for s in case.anatomy.structures}
    canal = tuple(name for name in setup.tracked if kinds.get(name) in CANAL_KINDS)
    roots = tuple(name for name in setup.tracked if kinds.get(name) in ROOT_KINDS)
    work = Work(setup, protocol, lesions, uncertainty)
    return _Question(work, protocol.coverage_metric, canal, roots), chosen


OUTPUTS = {
    "zone volume": "mL",
    "short axis of the zone": "mm",
    "minimal margin": "mm",
    "hottest canal": "°C",
    "hottest root": "°C",
}
"""Outputs and their units; the zone is that of the metric that decides coverage."""


def measure(sample: Sample, question: _Question) -> dict[str, Any]:
    """The outputs of one run, NaN where there is none, and ``status``: "" or why it is incomplete."""
    work = question.work
    assert work.uncertainty is not None
    drawn = work.uncertainty.draw(work.setup, sample)
    lesions = tuple(moved(lesion, drawn.label_offset_mm) for lesion in work.lesions)
    outcome = evaluate(drawn.setup, drawn.member, work.protocol, lesions)
    if outcome.failed:
        return {**dict.fromkeys(OUTPUTS, math.nan), "status": outcome.status}
    return {**_measured(outcome, question), "status": "" if outcome.status == "settled" else outcome.status}


def _measured(outcome: MemberOutcome, question: _Question) -> dict[str, float]:
    zone = outcome.zones[question.metric]
    margins = [lesion[question.metric].margin_mm for lesion in outcome.coverage.values()]
    known = [margin for margin in margins if margin is not None]

    def hottest(names: tuple[str, ...]) -> float:
        return max((outcome.structures[name].peak_c for name in names), default=math.nan)

    values = (
        zone.volume_ml,
        zone.short_axis_mm,
        min(known) if len(known) == len(margins) else math.nan,
        hottest(question.canal),
        hottest(question.roots),
    )
    return dict(zip(OUTPUTS, values, strict=True))


def _outputs(
    table: Sequence[dict[str, Any]], method: Method, points: Points, names: Sequence[str], seed: int
) -> tuple[list[OutputRow], list[str]]:
    rows, skipped = [], []
    for name, unit in OUTPUTS.items():
        nominal, *rest = (float(row[name]) for row in table)
        values = np.array(rest)
        if np.isnan(values).all():
            skipped.append(f"{name}: no run has one")
            continue
        try:
            effects, lost = _effects(method, points, values, names, seed)
        except InputError as error:
            skipped.append(f"{name}: {error.what}")
            continue
        rows.append(
            OutputRow(
                name=name,
                unit=unit,
                nominal=None if math.isnan(nominal) else nominal,
                smallest=float(np.nanmin(values)),
                largest=float(np.nanmax(values)),
                lost=lost,
                effects=sorted(effects, key=lambda row: -row.effect),
            )
        )
    return rows, skipped


def _effects(
    method: Method, points: Points, values: NDArray[np.float64], names: Sequence[str], seed: int
) -> tuple[list[EffectRow], int]:
    if method == "morris":
        m = morris_effects(points, values, seed)
        columns, lost = (m.mean_absolute, m.low, m.high, m.mean, m.spread), m.lost
    else:
        s = sobol_indices(values, len(names), seed)
        low, high = s.total_interval.T
        columns, lost = (s.total, low, high, s.first, s.total - s.first), s.lost
    rows = [
        EffectRow(parameter=name, effect=e, low=low, high=high, direction=d, spread=s)
        for name, e, low, high, d, s in zip(names, *(c.tolist() for c in columns), strict=True)
    ]
    return rows, lost
