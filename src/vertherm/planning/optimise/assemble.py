"""The plan document from what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vertherm import RESEARCH_NOTICE
from vertherm.access.path import AccessResult
from vertherm.core.provenance import provenance
from vertherm.planning.access.access import access_row
from vertherm.planning.case import Numerics
from vertherm.planning.limits import missing_row, requirements
from vertherm.planning.optimise.check import Checked
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.optimise.rows import plan_coverage, plan_limits
from vertherm.planning.optimise.screen import Tried, candidate_row
from vertherm.planning.optimise.several import joint, shared_rows
from vertherm.planning.optimise.status import status_words
from vertherm.planning.optimise.verify import Outcome, full_numerics
from vertherm.planning.optimise.words import binding_words
from vertherm.planning.plan import (
    ActivationRow,
    CandidateRow,
    Chart,
    Gap,
    PlacedRow,
    Plan,
    Relaxation,
)


@dataclass(eq=False)
class Findings:
    """What the steps of a plan left, filled as they run.

    Args:
        access: paths, one result a target.
        trials: by target, every arm with its best dose, best first; empty where no path is admissible.
        outcome: what became of the chosen arms; None: not every target has one.
        no_plan_for: names of the arms that were modelled and have no plan.
    """

    access: tuple[AccessResult, ...]
    trials: dict[str, list[Tried]] = field(default_factory=dict)
    outcome: Outcome | None = None
    charts: list[Chart] = field(default_factory=list)
    relaxations: list[Relaxation] = field(default_factory=list)
    gap: Gap | None = None
    notes: list[str] = field(default_factory=list)
    no_plan_for: set[str] = field(default_factory=set)


def plan_document(problem: Problem, found: Findings) -> Plan:
    """The plan as it is written: the treatment only where it is a plan."""
    outcome = found.outcome
    is_plan = outcome is not None and outcome.status != "no safe plan"
    checked = outcome.checked if outcome is not None else None
    unknown = _not_assessed(problem, checked)
    case, entry = problem.case, problem.entry
    samples = _samples(outcome)
    return Plan(
        case=case.name,
        title=case.title,
        notice=RESEARCH_NOTICE,
        synthetic=case.anatomy.synthetic or any(target.synthetic for target in case.targets),
        status=_status(outcome, unknown),
        status_words=status_words(problem, outcome, unknown, samples),
        goal=problem.goal.row(samples),
        access=[access_row(result) for result in found.access],
        applicators=_placed(problem, outcome) if is_plan and outcome is not None else [],
        activations=_activations(outcome) if is_plan and outcome is not None else [],
        power_kind=entry.plan.power_kind,
        protection=_protection(problem),
        limits=plan_limits(problem, outcome),
        coverage=plan_coverage(outcome),
        candidates=_candidates(problem, found),
        charts=found.charts,
        shared=shared_rows(problem, outcome.choices) if outcome is not None else [],
        binding=_binding(problem, found),
        relaxations=found.relaxations,
        gap=found.gap,
        not_assessed=unknown,
        cement_ml=_cement(problem),
        models=_models(problem, outcome, samples),
        notes=_notes(problem, found, unknown, is_plan=is_plan),
        timings_s=problem.clock.rounded(),
        provenance=_provenance(problem, outcome),
    )


def _status(outcome: Outcome | None, unknown: Sequence[str]) -> Any:
    if outcome is None:
        return "no safe plan"
    # What is not assessed cannot have been verified.
    return "provisional" if outcome.status == "verified" and unknown else outcome.status


def _samples(outcome: Outcome | None) -> int:
    """Samples behind the percentiles that decide."""
    if outcome is None:
        return 0
    ensemble = outcome.checked.result.assessment.ensemble if outcome.checked is not None else None
    sampled = [part.surrogate.n - 1 for c in outcome.choices for part in c.models.parts if part.judge.sampled]
    return ensemble.samples if ensemble is not None else min(sampled, default=0)


def _not_assessed(problem: Problem, checked: Checked | None) -> list[str]:
    """What is required and not known, in words: from the full model, or from the labels alone where it did not run."""
    if checked is not None:
        return list(checked.not_assessed.values())
    anatomy, protocol = problem.case.anatomy, problem.protocol
    wanted = [
        requirement
        for target in problem.case.targets
        for requirement in requirements(protocol, target.level, anatomy, target.centre_mm)
    ]
    return list(dict.fromkeys(missing_row(r).words for r in wanted if not r.answered_by))


def _placed(problem: Problem, outcome: Outcome) -> list[PlacedRow]:
    rows = []
    for choice in outcome.choices:
        for place in sorted({pulse.place for pulse in choice.found.dose.pulses}):
            needle = choice.arm.places[place]
            rows.append(
                PlacedRow(
                    name=needle.name,
                    target=choice.arm.target.name,
                    path=choice.arm.paths[choice.arm.needle_of[place]].name,
                    antenna=needle.antenna.name,
                    frequency_mhz=problem.entry.plan.frequency_mhz,
                    entry_ras_mm=tuple(float(v) for v in needle.trajectory.entry_mm),  # type: ignore[arg-type]
                    tip_ras_mm=tuple(float(v) for v in needle.trajectory.tip_mm),  # type: ignore[arg-type]
                )
            )
    return rows


def _activations(outcome: Outcome) -> list[ActivationRow]:
    """As the checked treatment fires them: its pauses between lesions belong to it."""
    assert outcome.checked is not None
    back = {
        place.name: choice.arm.back_mm[n] for choice in outcome.choices for n, place in enumerate(choice.arm.places)
    }
    return [
        ActivationRow(
            antenna=activation.emitters[0],
            power_w=activation.limit_w,
            time_s=activation.duration_s,
            pause_s=activation.pause_s,
            pull_back_mm=back[activation.emitters[0]],
        )
        for activation in outcome.checked.treatment.schedule.activations
    ]


def _protection(problem: Problem) -> list[str]:
    entry = problem.entry.protection
    words = [f"{item.name}: {item.medium}" for item in entry.dissections]
    words += [f"{item.name}: {item.flow_ml_min:g} mL/min at {item.temperature_c:g} °C" for item in entry.irrigations]
    return [*words, *(f"{item.name}: {item.temperature_c:g} °C" for item in entry.skin_cooling)]


def _candidates(problem: Problem, found: Findings) -> list[CandidateRow]:
    is_plan = found.outcome is not None and found.outcome.status != "no safe plan"
    chosen = {choice.arm.name for choice in found.outcome.choices} if found.outcome is not None and is_plan else set()

    def verdict(item: Tried) -> bool | None:
        return None if item.arm.name in found.no_plan_for else item.arm.name in chosen

    return [candidate_row(item, problem.goal, verdict(item)) for items in found.trials.values() for item in items]


def _binding(problem: Problem, found: Findings) -> str:
    if found.outcome is None:
        empty = [result for result in found.access if not found.trials.get(result.target)]
        return " ".join(_no_path_words(result) for result in empty)
    if found.outcome.status != "no safe plan":
        return ""
    failing = [
        c for c in found.outcome.choices if not (c.found.judgement.safe and c.found.judgement.reached)
    ] or found.outcome.choices
    words = [binding_words(choice, problem.limits) for choice in failing]
    both = joint(found.outcome.choices)
    if not both.safe and all(c.found.judgement.safe for c in found.outcome.choices) and both.binding is not None:
        words.append(f"The lesions together break the limit at {both.binding.name}.")
    return " ".join([*words, *found.outcome.notes[-1:]])


def _no_path_words(result: AccessResult) -> str:
    if result.paths:
        return f"{result.target}: no antenna fits on any of its {len(result.paths)} paths."
    first = result.refusals[0].reason if result.refusals else "nothing was looked at"
    return f"{result.target}: none of {result.candidates} candidate paths is admissible (most often: {first})."


def _cement(problem: Problem) -> dict[str, float]:
    planned = dict(problem.entry.plan.cement_ml)
    return {**planned, "total": sum(planned.values())} if planned else {}


def _models(problem: Problem, outcome: Outcome | None, samples: int) -> dict[str, str]:
    if outcome is None:
        return {"paths": "exact clearances to label voxels; nothing was heated"}
    first = outcome.choices[0].models.parts
    words = {
        "arms": "linear answer of the patient: it ranks the arms and gives no dose",
        "dose": "step-response surrogate of the best arm: "
        + " and ".join(f"{p.samples} samples" if p.judge.sampled else f"{p.surrogate.n} members" for p in first),
    }
    if outcome.checked is not None:
        assessment = outcome.checked.result.assessment
        runs = (
            f"{samples} samples, each in two readings" if assessment.ensemble else f"{len(assessment.members)} members"
        )
        words["limits and goal"] = f"full coupled model at {problem.entry.numerics.spacing_mm:g} mm, {runs}"
        words.update(assessment.models)
    return words


def _notes(problem: Problem, found: Findings, unknown: Sequence[str], *, is_plan: bool) -> list[str]:
    notes = list(found.notes)
    notes += [f"Not assessed: {words}" for words in unknown]
    notes += [note for result in found.access for note in result.notes]
    for result in found.access:
        if result.not_labelled:
            notes.append(
                f"{result.target}: paths could not avoid what is not labelled: {', '.join(result.not_labelled)}."
            )
    if found.outcome is not None:
        notes += found.outcome.notes
        for choice in found.outcome.choices:
            notes += [f"Fast model: {note}" for note in choice.sampled.surrogate.notes]
            notes += _error_note(choice.sampled.surrogate.statistics)
        if found.outcome.checked is not None:
            notes += found.outcome.checked.result.assessment.notes
            if not is_plan:
                notes.append(
                    "The predicted fields are those of the largest treatment found within the limits. It is no plan: "
                    "it does not reach the goal."
                )
        if len(found.outcome.choices) > 1:
            notes.append(
                "Lesions are treated one after the other; at shared structures doses add, peaks take the worst."
            )
    if problem.entry.plan.max_needles > 1:
        notes.append("Several needles fire one after the other.")
    return list(dict.fromkeys(notes))


def _error_note(statistics: Mapping[str, float]) -> list[str]:
    """What the fast model errs by against the coupled one of the same grid, at a dose that no correction has seen."""
    if "check_peak_error_k" not in statistics:
        return []
    peak, factor = statistics["check_peak_error_k"], statistics.get("check_dose_error_factor", 1.0)
    return [
        f"The fast model errs by up to {peak:.1f} K and a factor of {factor:.1f} in CEM43 at structures, at a dose "
        "that it was not made from; the full model decides."
    ]


def _provenance(problem: Problem, outcome: Outcome | None) -> dict[str, Any]:
    verified = outcome is not None and outcome.checked is not None and outcome.checked.result.assessment.ensemble
    numerics: Numerics = full_numerics(problem) if verified else problem.numerics
    parameters = {
        "plan": problem.entry.plan.model_dump(mode="json", exclude={"calibration"}),
        "access": problem.entry.access.model_dump(mode="json"),
        "numerics": numerics.model_dump(),
        "protocol": {"name": problem.protocol.name, "version": problem.protocol.version},
    }
    case = problem.case
    if outcome is not None and outcome.checked is not None:
        known = outcome.checked.result.assessment.provenance
        # The prediction has hashed the inputs already.
        return {**known, "parameters": {**known["parameters"], **parameters}}
    return provenance(case.inputs, parameters, case.seeds)
