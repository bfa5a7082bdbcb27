"""What would make a plan possible where there is none: each tried with a fast model, none applied by itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from vertherm.access.path import AccessResult
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.heat.protection import Protection
from vertherm.imaging.anatomy import StructureKind
from vertherm.planning.case import PlanEntry
from vertherm.planning.checks import tip_outside_mm
from vertherm.planning.objects import Treatment
from vertherm.planning.optimise.arms import arms, extent_mm, places_of
from vertherm.planning.optimise.check import Checked
from vertherm.planning.optimise.goal import share_words
from vertherm.planning.optimise.judge import Correction, difference
from vertherm.planning.optimise.models import FirstLook, first_look
from vertherm.planning.optimise.problem import Problem
from vertherm.planning.optimise.screen import Tried, tried
from vertherm.planning.optimise.several import Choice
from vertherm.planning.optimise.verify import Outcome
from vertherm.planning.optimise.words import dose_words
from vertherm.planning.plan import Relaxation, RelaxationKind

DEEPER_MM = 1.0
"""A tip that would go less deeper changes nothing worth a line."""
RULES_SHOWN = 3
"""Rules whose relaxation would open paths, most paths first."""


def no_path(access: AccessResult) -> list[Relaxation]:
    """Rules that alone keep candidates from being admissible: what relaxing each would open."""
    useful = [refusal for refusal in access.refusals if refusal.alone]
    useful.sort(key=lambda refusal: (-refusal.alone, refusal.rule))
    return [
        Relaxation(
            what=f"{access.target}: relax the rule «{refusal.rule}»",
            kind="rule",
            effect=f"{refusal.alone} of {access.candidates} candidate paths break only this rule ({refusal.reason}), "
            f"the nearest by {refusal.miss_words}; nothing was computed for them",
        )
        for refusal in useful[:RULES_SHOWN]
    ]


def relaxations(problem: Problem, choice: Choice, access: AccessResult, outcome: Outcome) -> list[Relaxation]:
    """What would help one target, each with its numbers; none of them a dose that the full model has refuted."""
    found = [] if outcome.refuted else [*_partial(choice, outcome.checked), *_margin(problem, choice)]
    found += _deeper(problem, choice, access)
    worst = choice.doses.reaching.judgement.binding
    if worst is not None and not choice.doses.reaching.judgement.safe:
        found += _protections(problem, choice, worst.name)
    if problem.entry.plan.max_needles == 1:
        found += _second_needle(problem, choice, access)
    return found


def _partial(choice: Choice, checked: Checked | None) -> Iterator[Relaxation]:
    """The largest coverage within the limits."""
    found = choice.found
    if not found.judgement.safe or found.judgement.coverage <= 0.0:
        return
    coverage, worst = found.judgement.coverage, found.judgement.binding
    basis = "by the surrogate"
    if checked is not None:
        rows = {row.target: row for row in checked.coverage}
        coverage = min(coverage, rows[choice.arm.target.name].coverage)
        basis = "by the surrogate and by the full model for a few members"
    yield Relaxation(
        what=f"{choice.arm.target.name}: treat a part of the lesion ([plan] coverage = {_floor(coverage)})",
        kind="partial ablation",
        effect=f"{dose_words(found.dose, choice.arm)} covers {share_words(coverage)} of lesion and margin within every "
        f"limit, {basis}",
        coverage=coverage,
        worst_structure=worst.name if worst else "",
        worst_peak_c=worst.peak_c if worst else None,
        safe=True,
        reached=False,
    )


def _floor(share: float) -> float:
    return max(0.01, int(100 * share - 1e-9) / 100)


def _margin(problem: Problem, choice: Choice) -> Iterator[Relaxation]:
    """The largest margin around the whole lesion within the limits."""
    widest = choice.doses.widest
    if widest is None or problem.goal.margin_mm <= 0.0:
        return
    target, worst = widest.judgement.targets[0], widest.judgement.binding
    if target.margin_mm is None or target.margin_mm < 0.0:
        return
    yield Relaxation(
        what=f"{choice.arm.target.name}: a margin of {int(10 * target.margin_mm) / 10:g} mm in place of "
        f"{problem.goal.margin_mm:g} mm ([plan] margin_mm)",
        kind="margin",
        effect=f"{dose_words(widest.dose, choice.arm)} ablates the whole lesion with that margin within every limit, "
        "by the surrogate",
        coverage=target.lesion_coverage,
        worst_structure=worst.name if worst else "",
        worst_peak_c=worst.peak_c if worst else None,
        safe=True,
        reached=False,
    )


def _protections(problem: Problem, choice: Choice, structure: str) -> Iterator[Relaxation]:
    """Each protection that may be tried, beside the structure that binds, with the best dose it then allows."""
    kinds = {s.name: s.kind for s in problem.case.anatomy.structures}
    skin = kinds.get(structure) is StructureKind.skin
    for kind in problem.entry.plan.try_protection:
        if (kind == "skin cooling") == skin:
            yield _protected(problem, choice, kind, structure)
    if skin and "skin cooling" not in problem.entry.plan.try_protection:
        yield _protected(problem, choice, "skin cooling", structure)


def _protected(problem: Problem, choice: Choice, kind: str, structure: str) -> Relaxation:
    """The surrogate, changed by what the protection changes in the linear answer, asked for its best dose again."""
    from vertherm.planning.protection.protection import suggested

    arm = choice.arm
    bare = places_of(problem, arm)
    category = CATEGORY.get(kind, "dissection")
    what = f"{arm.target.name}: {KIND_WORDS.get(kind, kind)} at {structure}"
    try:
        more = suggested(kind, problem.case.anatomy, structure, bare.trajectories)
    except InputError as error:
        return Relaxation(what=what, kind=category, effect=f"not possible here: {error.what}")
    again, change = _changed(problem, choice, replace(bare, protection=_both(bare.protection, more)))
    return _row(what, category, again, choice, f"{_moves(change, structure)}; by the surrogate with that change")


def _changed(problem: Problem, choice: Choice, treatment: Treatment) -> tuple[Choice, Correction]:
    """The best dose by the surrogate with what another treatment of the same places changes in the linear answer."""
    dose = choice.doses.reaching.dose
    change = difference(first_look(problem, choice.arm, treatment)(dose), first_look(problem, choice.arm)(dose))
    models = choice.models.corrected(choice.first.judge.correction.then(change))
    return choice.again(models, problem.lattice, problem.entry.plan.max_activations), change


def _deeper(problem: Problem, choice: Choice, access: AccessResult) -> Iterator[Relaxation]:
    """The tip so far beyond the lesion that the middle of the zone lies in the middle of the lesion.

    In a small lesion the rule on the tip holds the zone back; what else the deeper needle breaks is named.
    """
    arm = choice.arm
    if len(arm.places) != 1:
        return
    place, path = arm.places[0], arm.paths[0]
    near, far = extent_mm(arm.target, path, 0.0)
    more = math.ceil(2.0 * (access.needle.focus_mm - 0.5 * (near + far))) / 2.0
    if more < DEEPER_MM:
        return
    trajectory = Trajectory(path.trajectory.entry_mm, path.trajectory.point_mm(-more))
    beyond, broken = _at_the_tip(problem, choice, trajectory)
    what = f"{arm.target.name}: the tip {more:g} mm deeper ([access] tip_beyond_lesion_mm = {math.ceil(beyond):g})"
    if broken:
        yield Relaxation(what=what, kind="deeper tip", effect=f"not possible here: it breaks {', '.join(broken)}")
        return
    bare = places_of(problem, arm)
    again, _ = _changed(problem, choice, replace(bare, applicators=(replace(place, trajectory=trajectory),)))
    basis = "every other rule of access is kept; by the surrogate with the change of the linear answer"
    yield _row(what, "deeper tip", again, choice, basis)


def _at_the_tip(problem: Problem, choice: Choice, trajectory: Trajectory) -> tuple[float, list[str]]:
    """How far beyond the lesion a tip lies, mm, and which other rules of access its needle breaks."""
    from vertherm.access.explain import explain
    from vertherm.planning.access.access import entry_rules, needle_spec
    from vertherm.planning.access.scene import access_scene

    entry, protocol = problem.entry.access, problem.protocol
    scene = access_scene(problem.case, choice.arm.target, protocol, margin_mm=problem.goal.margin_mm)
    rules = entry_rules(protocol.access, entry)
    needle = needle_spec(choice.arm.antenna, rules, entry)
    checks = explain(scene, rules, needle, trajectory, position=entry.position)
    beyond = tip_outside_mm(choice.arm.target, trajectory)
    return beyond, [check.rule for check in checks if not check.kept and check.rule != "tip"]


def _moves(change: Correction, structure: str) -> str:
    """What a protection does to the structure that binds, in words."""
    percent = 100.0 * (change.rise_factor.get(structure, 1.0) - 1.0)
    if abs(percent) < 1.0:
        return f"hardly changes the rise of {structure}"
    return f"{'raises' if percent > 0 else 'lowers'} the rise of {structure} by {abs(percent):.0f} %"


CATEGORY: dict[str, RelaxationKind] = {"irrigation": "irrigation", "skin cooling": "skin cooling"}
KIND_WORDS = {
    "co2": "dissection with CO2",
    "saline": "dissection with saline",
    "dextrose": "dissection with 5 % dextrose",
    "irrigation": "irrigation with cool saline",
    "skin cooling": "cooling of the skin",
}


def _both(one: Protection, other: Protection) -> Protection:
    return Protection(
        (*one.dissections, *other.dissections),
        (*one.irrigations, *other.irrigations),
        (*one.skin_cooling, *other.skin_cooling),
    )


def _second_needle(problem: Problem, choice: Choice, access: AccessResult) -> Iterator[Relaxation]:
    """The best set of two needles, one fired after the other: its linear answer, corrected by what the surrogate of the
    one needle says beyond its own linear answer."""
    two = replace(problem, entry=problem.entry.model_copy(update={"plan": _needles(problem.entry.plan)}))
    for arm in arms(two, choice.arm.target, access, sets=True)[:1]:
        dose = choice.doses.reaching.dose
        one, both = first_look(problem, choice.arm), first_look(two, arm)
        beyond = difference(choice.models(dose), one(dose))
        # Rises are scaled before doses are counted: a dose that the linear answer leaves at nothing has no ratio.
        held = FirstLook(both.linear.scaled(beyond.rise_factor), both.judge.corrected(replace(beyond, rise_factor={})))
        names = " and ".join(path.name for path in arm.paths)
        what = f"{arm.target.name}: a second needle ({names}, [plan] max_needles = 2)"
        basis = "a first look: linear answer, corrected by what one needle's surrogate says beyond it"
        yield _row(what, "second needle", tried(two, arm, held), choice, basis)


def _needles(plan: PlanEntry) -> PlanEntry:
    return plan.model_copy(update={"max_needles": 2, "max_activations": max(plan.max_activations, 2)})


def _row(what: str, kind: RelaxationKind, item: Tried | Choice, without: Choice, basis: str) -> Relaxation:
    judgement, dose = item.doses.best.judgement, item.doses.best.dose
    worst = judgement.binding
    reached = judgement.safe and judgement.reached
    if reached:
        effect = f"the goal is reached within every limit with {dose_words(dose, item.arm)}"
    elif judgement.safe:
        share = share_words(judgement.coverage)
        effect = f"{share} of lesion and margin within every limit with {dose_words(dose, item.arm)}"
    else:
        effect = "even the least harmful dose breaks a limit"
    near = f"; {worst.name} then reaches {worst.peak_c:.1f} °C, CEM43 {worst.cem43_min:.1f} min" if worst else ""
    before = without.found.judgement
    was = f"; without it {share_words(before.coverage)}" if before.safe else "; without it no dose keeps the limits"
    return Relaxation(
        what=what,
        kind=kind,
        effect=f"{effect}{near}{was} ({basis})",
        coverage=judgement.coverage if judgement.safe else None,
        worst_structure=worst.name if worst else "",
        worst_peak_c=worst.peak_c if worst else None,
        safe=judgement.safe,
        reached=reached,
    )
