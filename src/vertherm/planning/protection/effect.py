"""What protection does: the same treatment with and without it, structure by structure, in numbers and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.heat.member import Member, members
from vertherm.heat.protection import NONE, Protection
from vertherm.imaging.anatomy import Structure
from vertherm.planning.assessment import Banded, Status
from vertherm.planning.evaluate import LesionOnGrid
from vertherm.planning.limits import SEVERITY, counted_for, judge, without_factor
from vertherm.planning.objects import Case, Numerics, Treatment
from vertherm.planning.outcome import MemberOutcome, StructureOutcome
from vertherm.planning.protection.words import protection_rows
from vertherm.planning.protocol import Protocol
from vertherm.planning.setup import make_setup
from vertherm.planning.work import Task, Work, run_tasks

SMALL_K = 0.2
"""Changes of the hottest cell below this are within the scheme's own error: said to be none."""
SMALL_SHARE = 0.005
SMALL_MM = 0.2


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StructureEffect(_Row):
    """One structure without and with protection: nominal member, and smallest and largest of those that count."""

    name: str
    kind: str
    without_peak_c: Banded
    with_peak_c: Banded
    without_cem43_min: Banded
    with_cem43_min: Banded
    without_lowest_c: float
    with_lowest_c: float
    without_status: Status
    with_status: Status
    words: str


class TargetEffect(_Row):
    """One lesion without and with protection, by the metric that decides coverage."""

    name: str
    metric: str
    without_coverage: Banded
    with_coverage: Banded
    without_margin_mm: Banded | None
    with_margin_mm: Banded | None
    words: str


class PartEffect(_Row):
    """What one measure does alone."""

    part: str
    structures: list[StructureEffect]
    targets: list[TargetEffect]


class ProtectionEffect(_Row):
    """The comparison: structures that change or are near a limit, most severe first; lesions; each measure alone."""

    measures: list[str]
    members: list[str]
    structures: list[StructureEffect]
    targets: list[TargetEffect]
    parts: list[PartEffect] = Field(default_factory=list)
    words: str
    notes: list[str] = Field(default_factory=list)


def default_members(protocol: Protocol, power_kind: str = "forward") -> tuple[Member, ...]:
    """Nominal; net power with the local factor and no cooling; forward power, sigmoid drying and full cooling.

    The second assumes most heat beside nerves, the third the smallest zone. They are chosen by what they assume, not by
    running all: give the worst members of a whole prediction where there is one.
    """
    standard = members(protocol.local_sar.factor, power_kind)
    hot = [m for m in standard if m.sar_factor == protocol.local_sar.factor and m.cooling == "none"]
    cold = [m for m in standard if m.cooling == "full"]
    worst = next((m for m in hot if m.power == "net" and m.drying == "water"), hot[0])
    least = next((m for m in cold if m.power == "forward" and m.drying == "sigmoid"), cold[0])
    return tuple(dict.fromkeys((standard[0], worst, least)))


def effect_of_protection(
    case: Case,
    treatment: Treatment,
    protocol: Protocol,
    numerics: Numerics | None = None,
    *,
    members: Sequence[Member] = (),
    parts: bool = False,
    workers: int = 1,
    progress: Progress = silent,
) -> ProtectionEffect:
    """Predict a treatment with and without its protection, in a few members.

    The axisymmetric power density is used whatever ``numerics.fidelity`` says, with the local SAR factor.

    Args:
        members: the nominal one first; none: :func:`default_members`.
        parts: each measure alone as well, where there are several.
        workers: processes; 0 takes one a core.

    Raises:
        InputError: the treatment has no protection.
        SolverError: no member has a result.
    """
    if not treatment.protection:
        raise InputError("The treatment has no protection to compare.", where="protection", got="none")
    chosen = tuple(members) or default_members(protocol, treatment.power_kind)
    study = _Study(case, treatment, protocol, numerics or Numerics(), chosen, workers, progress)
    bare = study.outcomes(NONE)
    whole = study.outcomes(treatment.protection)
    structures, targets = study.compared(bare, whole)
    alone = _alone(treatment.protection) if parts else {}
    found = []
    if len(alone) > 1:
        found = [
            PartEffect(part=name, structures=rows, targets=lesions)
            for name, part in alone.items()
            for rows, lesions in [study.compared(bare, study.outcomes(part))]
        ]
    rows = protection_rows(make_setup(case, treatment, protocol, study.numerics))
    return ProtectionEffect(
        measures=[row.words for row in rows],
        members=[member.name for member in chosen],
        structures=structures,
        targets=targets,
        parts=found,
        words=_summary(structures, targets),
        notes=[
            "Nothing is displaced: that a structure is also pushed away comes on top and is not counted.",
            f"Compared in {len(chosen)} members, not in all; the safety table decides by all.",
        ],
    )


def _alone(protection: Protection) -> dict[str, Protection]:
    """Each measure by itself."""
    found = {f"dissection {one.name}": Protection(dissections=(one,)) for one in protection.dissections}
    found |= {f"irrigation {one.name}": Protection(irrigations=(one,)) for one in protection.irrigations}
    return found | {f"skin cooling {one.name}": Protection(skin_cooling=(one,)) for one in protection.skin_cooling}


class _Study:
    """One treatment, run with other protections."""

    def __init__(
        self,
        case: Case,
        treatment: Treatment,
        protocol: Protocol,
        numerics: Numerics,
        chosen: Sequence[Member],
        workers: int,
        progress: Progress,
    ) -> None:
        self.case, self.treatment, self.protocol, self.numerics = case, treatment, protocol, numerics
        self.chosen, self.workers, self.progress = chosen, workers, progress

    def outcomes(self, protection: Protection) -> list[MemberOutcome]:
        """All members of the treatment with this protection."""
        treatment = replace(self.treatment, protection=protection)
        setup = make_setup(self.case, treatment, self.protocol, self.numerics)
        lesions = tuple(LesionOnGrid(target.name, target.mask) for target in self.case.targets)
        tasks = [Task(member) for member in self.chosen]
        work = Work(setup, self.protocol, lesions)
        return run_tasks(work, tasks, workers=self.workers, progress=self.progress)[0]

    def compared(
        self, bare: Sequence[MemberOutcome], shielded: Sequence[MemberOutcome]
    ) -> tuple[list[StructureEffect], list[TargetEffect]]:
        """Rows of structures that change or come near a limit, and of all lesions."""
        rows = [
            _structure(structure, bare, shielded, self.protocol)
            for structure in self.case.anatomy.structures
            if structure.name in bare[0].structures and self.protocol.limit_for(structure.kind.value)
        ]
        shown = [row for row in rows if _matters(row)]
        shown.sort(key=lambda row: (-SEVERITY.index(_worse(row)), -max(row.with_peak_c.high, row.without_peak_c.high)))
        return shown, [_target(target.name, bare, shielded, self.protocol) for target in self.case.targets]


def _worse(row: StructureEffect) -> Status:
    return max(row.with_status, row.without_status, key=SEVERITY.index)


def _matters(row: StructureEffect) -> bool:
    moved = max(
        abs(row.with_peak_c.high - row.without_peak_c.high),
        abs(row.with_peak_c.value - row.without_peak_c.value),
        abs(row.with_lowest_c - row.without_lowest_c),
    )
    return moved >= SMALL_K or _worse(row) != "green"


def _structure(
    structure: Structure, bare: Sequence[MemberOutcome], shielded: Sequence[MemberOutcome], protocol: Protocol
) -> StructureEffect:
    limit = protocol.limit_for(structure.kind.value)
    assert limit is not None  # the caller asks only for those
    sides = []
    for outcomes in (bare, shielded):
        found = [o.structures[structure.name] for o in counted_for(structure, outcomes, protocol)]
        peak, dose = _band([v.peak_c for v in found]), _band([v.cem43_min for v in found])
        lowest = min(v.lowest_c for v in found)
        sides.append((found, peak, dose, lowest, judge(peak.high, dose.high, limit, lowest)))
    (before, peak0, dose0, low0, status0), (after, peak1, dose1, low1, status1) = sides
    return StructureEffect(
        name=structure.name,
        kind=structure.kind.value,
        without_peak_c=peak0,
        with_peak_c=peak1,
        without_cem43_min=dose0,
        with_cem43_min=dose1,
        without_lowest_c=low0,
        with_lowest_c=low1,
        without_status=status0,
        with_status=status1,
        words=_structure_words(structure.name, before, after, status0, status1),
    )


def _band(values: Sequence[float]) -> Banded:
    return Banded(value=values[0], low=min(values), high=max(values))


def _structure_words(
    name: str,
    before: Sequence[StructureOutcome],
    after: Sequence[StructureOutcome],
    status0: Status,
    status1: Status,
) -> str:
    hot0, hot1 = max(v.peak_c for v in before), max(v.peak_c for v in after)
    changes = [b.peak_c - a.peak_c for a, b in zip(before, after, strict=True)]
    low, high = min(changes), max(changes)
    if max(abs(low), abs(high)) < SMALL_K:
        what = f"as hot as without (at most {hot1:.1f} °C)"
    elif low * high < 0 and min(abs(low), abs(high)) >= SMALL_K:
        what = f"cooler by up to {-low:.1f} K in some members, hotter by up to {high:.1f} K in others"
    else:
        most = low if abs(low) > abs(high) else high
        least = high if most == low else low
        span = f"{abs(least):.1f} to {abs(most):.1f} K" if abs(most - least) >= 0.1 else f"{abs(most):.1f} K"
        what = f"{'cooler' if most < 0 else 'HOTTER'} by {span} (at most {hot1:.1f} instead of {hot0:.1f} °C)"
    dose0, dose1 = max(v.cem43_min for v in before), max(v.cem43_min for v in after)
    dose = f"CEM43 {_minutes(dose1)} instead of {_minutes(dose0)} min"
    cold0, cold1 = min(v.lowest_c for v in before), min(v.lowest_c for v in after)
    chilled = f"; chilled to {cold1:.1f} °C" if cold1 < cold0 - SMALL_K else ""
    status = f"{status1}, as without" if status0 == status1 else f"{status1} instead of {status0}"
    return f"{name}: {what}; {dose}{chilled}; {status}."


def _minutes(dose_min: float) -> str:
    return "over 10 000" if dose_min > 10_000 else f"{dose_min:.1f}"


def _target(
    name: str, bare: Sequence[MemberOutcome], shielded: Sequence[MemberOutcome], protocol: Protocol
) -> TargetEffect:
    metric = protocol.coverage_metric
    both = [[o.coverage[name][metric] for o in without_factor(outcomes)] for outcomes in (bare, shielded)]
    share0, share1 = (_band([v.coverage for v in values]) for values in both)
    margin0, margin1 = (_margins([v.margin_mm for v in values]) for values in both)
    change = share1.low - share0.low
    if abs(change) < SMALL_SHARE:
        what = f"covered as without ({100 * share1.low:.0f} % in the worst member)"
    else:
        direction = "more" if change > 0 else "LESS"
        what = f"{direction} covered: {100 * share1.low:.0f} instead of {100 * share0.low:.0f} % in the worst member"
    if margin0 is not None and margin1 is not None and abs(margin1.low - margin0.low) >= SMALL_MM:
        what += f"; smallest margin {margin1.low:.1f} instead of {margin0.low:.1f} mm"
    return TargetEffect(
        name=name,
        metric=metric,
        without_coverage=share0,
        with_coverage=share1,
        without_margin_mm=margin0,
        with_margin_mm=margin1,
        words=f"{name}: {what}.",
    )


def _margins(values: Sequence[float | None]) -> Banded | None:
    known = [value for value in values if value is not None]
    return _band(known) if known and len(known) == len(values) else None


def _summary(structures: Sequence[StructureEffect], targets: Sequence[TargetEffect]) -> str:
    """What changes, the good and the bad, in two or three sentences."""

    def change(row: StructureEffect) -> float:
        return row.with_peak_c.high - row.without_peak_c.high

    cooler = [f"{row.name} ({change(row):+.1f} K)" for row in structures if change(row) <= -SMALL_K]
    hotter = [f"{row.name} ({change(row):+.1f} K)" for row in structures if change(row) >= SMALL_K]
    parts = [
        f"Cooler with protection: {', '.join(cooler)}." if cooler else "No structure becomes cooler.",
        f"HOTTER with protection: {', '.join(hotter)}." if hotter else "No structure becomes hotter.",
    ]
    better = [row.name for row in structures if SEVERITY.index(row.with_status) < SEVERITY.index(row.without_status)]
    worse = [row.name for row in structures if SEVERITY.index(row.with_status) > SEVERITY.index(row.without_status)]
    if better:
        parts.append(f"A better status for {', '.join(better)}.")
    if worse:
        parts.append(f"A WORSE status for {', '.join(worse)}.")
    if not better and not worse:
        parts.append("No status changes.")
    less = [row.name for row in targets if row.with_coverage.low < row.without_coverage.low - SMALL_SHARE]
    if less:
        parts.append(f"Less of the lesion is covered: {', '.join(less)}.")
    return " ".join(parts)
