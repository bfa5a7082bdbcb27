"""Rows of the plan document on limits and coverage: what the full model and the samples say, the worse of both."""

from __future__ import annotations

from collections.abc import Sequence

from vertherm.planning.assessment import Probability
from vertherm.planning.limits import judge as status_of
from vertherm.planning.limits import worst
from vertherm.planning.optimise.check import nearest_first
from vertherm.planning.optimise.judge import Judgement, StructureJudgement, TargetJudgement, reaches, worse
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.optimise.several import Choice, joint
from vertherm.planning.optimise.verify import Outcome
from vertherm.planning.percentiles import probability
from vertherm.planning.plan import CoverageRow, LimitRow


def plan_limits(problem: Problem, outcome: Outcome | None) -> list[LimitRow]:
    """Of a plan: what the full model and the surrogate say, the worse of both. Of none: at the dose that would do."""
    if outcome is None:
        return []
    if outcome.status == "no safe plan" or outcome.checked is None:
        return limit_rows(problem, _reaching(outcome.choices))
    read = {item.name: item for item in joint(outcome.choices).structures}
    sampled = outcome.checked.result.assessment.ensemble is not None
    if sampled:
        return list(outcome.checked.limits)
    chances = _probable(problem, outcome.choices)
    rows = nearest_first(problem, [_worse_of(row, read.get(row.name)) for row in outcome.checked.limits])
    return [row.model_copy(update={"probability_stop": chances.get(row.name)}) for row in rows]


def _probable(problem: Problem, choices: Sequence[Choice]) -> dict[str, Probability | None]:
    """Probability that each structure reaches its stop limit, by the samples of the fast model; of one lesion alone."""
    if len(choices) != 1 or not choices[0].sampled.judge.sampled:
        return {}
    model = choices[0].sampled
    readings = model.surrogate.readings(choices[0].found.dose)
    found = {}
    for name in readings.structures:
        if name in problem.limits:
            values = zip(*model.judge.structure_values(name, readings), strict=True)
            stopped = [status_of(float(p), float(d), problem.limits[name]) == "stop" for p, d in values]
            found[name] = probability(stopped[1:])
    return found


def _worse_of(row: LimitRow, read: StructureJudgement | None) -> LimitRow:
    if read is None:
        return row
    update = {
        "peak_c": max(row.peak_c, read.peak_c),
        "cem43_min": max(row.cem43_min, read.cem43_min),
        "status": worst((row.status, read.status)),
    }
    return row.model_copy(update=update)


def _reaching(choices: Sequence[Choice]) -> Judgement:
    """Structures at the doses that would reach the goal, those of the worst lesion for each."""
    return worse([choice.doses.reaching.judgement for choice in choices], choices[0].models.goal)


def limit_rows(problem: Problem, judgement: Judgement) -> list[LimitRow]:
    """Structures as the surrogate reads them, the nearest to its limit first."""
    rows = []
    for item in sorted(judgement.structures, key=lambda s: (s.reserve, s.name)):
        limit = problem.limits[item.name]
        rows.append(
            LimitRow(
                name=item.name,
                status=item.status,
                peak_c=item.peak_c,
                cem43_min=item.cem43_min,
                stop_c=limit.stop_c,
                stop_cem43_min=limit.stop_cem43_min,
                warn_c=limit.warn_c,
                warn_cem43_min=limit.warn_cem43_min,
                binding=item is judgement.binding,
            )
        )
    return rows


def plan_coverage(outcome: Outcome | None) -> list[CoverageRow]:
    """A row for every target: of the samples of the full model, else the worse of its members and the fast samples."""
    if outcome is None:
        return []
    read = {target.name: target for target in joint(outcome.choices).targets}
    full = {row.target: row for row in outcome.checked.coverage} if outcome.checked is not None else {}
    if outcome.checked is not None and outcome.checked.result.assessment.ensemble is not None:
        return [full[name] for name in read]
    rows = []
    for name, target in read.items():
        row = full.get(name)
        least = CoverageRow(
            target=name,
            coverage=target.coverage,
            lesion_coverage=target.lesion_coverage,
            margin_mm=target.margin_mm,
            reached=False,
        )
        chance = _chance(outcome.choices, name)
        rows.append((least if row is None else _least(row, target)).model_copy(update={"probability_full": chance}))
    return rows


def _chance(choices: Sequence[Choice], target: str) -> Probability | None:
    """Probability that a target is ablated as wanted, by the samples of the fast model; None without samples."""
    for choice in choices:
        model = choice.sampled
        if choice.arm.target.name == target and model.judge.sampled:
            values = model.judge.target_values(target, model.surrogate.readings(choice.found.dose))
            goal = choice.models.goal
            reached = [reaches(goal, float(c), float(m)) for c, m in zip(*values, strict=True)]
            return probability(reached[1:])
    return None


def _least(row: CoverageRow, read: TargetJudgement) -> CoverageRow:
    """The full model's row, or less where a sample of the fast model covers less and no samples of the full one ran."""
    margins = [m for m in (row.margin_mm, read.margin_mm) if m is not None]
    return row.model_copy(
        update={
            "coverage": min(row.coverage, read.coverage),
            "lesion_coverage": min(row.lesion_coverage, read.lesion_coverage),
            "margin_mm": min(margins) if len(margins) == 2 else None,
            "reached": row.reached and read.reached,
        }
    )
