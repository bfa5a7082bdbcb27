"""Rows of the assessment that only a sampled ensemble has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from vertherm.ensemble.distributions import Sample, Space
from vertherm.heat.result import SETTLED
from vertherm.planning.assessment import EnsembleRow, FailedRow, ParameterRow, Percentile, Probability
from vertherm.planning.outcome import CoverageOutcome, MemberOutcome
from vertherm.planning.percentiles import NEEDED, bounded, probability
from vertherm.planning.uncertainty import in_words

NO_ZONE_MM = -1e3
"""Stands for the margin of a sample without a zone, so that it is the worst one; never shown."""


@dataclass(frozen=True, eq=False)
class Sampling:
    """What was sampled: parameters, the value of each in every sample by its number, and the seed."""

    space: Space
    samples: Mapping[int, Sample]
    seed: int


class TargetPercentiles(TypedDict):
    """Fields of a target's row by one metric."""

    p5_coverage: Percentile | None
    p5_margin_mm: Percentile | None
    probability_covered: Probability | None
    probability_margin: Probability | None


def target_percentiles(metric: str, target: str, runs: Sequence[MemberOutcome], goal_mm: float) -> TargetPercentiles:
    """Coverage and margin of one metric's zone over the samples in their coverage reading."""
    whole = [o.coverage[target][metric] for o in runs if not o.failed]
    failed = len(runs) - len(whole)
    margin = bounded([NO_ZONE_MM if v.margin_mm is None else v.margin_mm for v in whole], failed, "lower")
    # A bound or estimate among the samples without a zone is no margin.
    if margin is not None and min(margin.bound, margin.estimate) < 0.5 * NO_ZONE_MM:
        margin = None
    return {
        "p5_coverage": bounded([v.coverage for v in whole], failed, "lower"),
        "p5_margin_mm": margin,
        "probability_covered": probability([covered(v) for v in whole], failed),
        "probability_margin": probability([covered(v) and (v.margin_mm or 0.0) >= goal_mm for v in whole], failed),
    }


def covered(value: CoverageOutcome) -> bool:
    """True where the zone holds the whole lesion."""
    return value.margin_mm is not None and value.margin_mm >= 0 and value.coverage >= 1.0 - 1e-3


def ensemble_row(outcomes: Sequence[MemberOutcome], sampling: Sampling) -> EnsembleRow:
    """What was varied, how often, and what failed."""
    n = len(sampling.samples)
    enough = n >= NEEDED
    safety = (
        "95 % confidence bound of the 95th percentile (Wilks)"
        if enough
        else f"the worst sample ({n} are fewer than the {NEEDED} that a confidence bound needs)"
    )
    return EnsembleRow(
        samples=n,
        runs=len(outcomes),
        seed=sampling.seed,
        readings="every sample twice: no cooling by vessels and CSF for safety, full cooling for coverage",
        safety_rule=safety,
        coverage_rule=safety.replace("95th", "5th"),
        parameters=parameter_rows(sampling.space),
        failed=[_failed(o, sampling) for o in outcomes if o.status != SETTLED],
        values=[in_words(sample) for sample in sampling.samples.values()],
    )


def parameter_rows(space: Space) -> list[ParameterRow]:
    """The parameters of a space as rows."""
    return [
        ParameterRow(
            name=p.name,
            distribution=p.distribution.words,
            unit=p.unit,
            nominal=p.nominal,
            source=p.source,
            certainty=p.certainty,
        )
        for p in space.parameters
    ]


def _failed(outcome: MemberOutcome, sampling: Sampling) -> FailedRow:
    values = in_words(sampling.samples[outcome.sample]) if outcome.sample else {}
    return FailedRow(member=outcome.name, status=outcome.status, sample=values)


def unfinished_notes(outcomes: Sequence[MemberOutcome]) -> Iterable[str]:
    """A line for each member without a complete result; one line for all of them where samples were run."""
    unfinished = [o for o in outcomes if o.status != SETTLED]
    if not any(o.sample for o in outcomes):
        for o in unfinished:
            yield f"Member «{o.name}» is incomplete: {o.status}."
    elif unfinished:
        first = unfinished[0]
        yield (
            f"{len(unfinished)} of {len(outcomes)} runs are incomplete (first: {first.name}: {first.status}); "
            "no structure that they count for can be green."
        )
