"""Limits and verdict: the worst member or the percentile decides, and what is not labelled is not safe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vertherm.clinical.levels import Level, root_names
from vertherm.geometry.volume import FloatArray
from vertherm.heat.member import Member
from vertherm.imaging.anatomy import Anatomy, Structure
from vertherm.planning.assessment import Banded, CoverageStatus, Percentile, Probability, Status, StructureRow
from vertherm.planning.outcome import MemberOutcome
from vertherm.planning.percentiles import NEEDED, bounded, probability
from vertherm.planning.protocol import CANAL_KINDS, Limit, Protocol, required_for

SEVERITY: tuple[Status, ...] = ("green", "warn", "not assessed", "stop")
"""From best to worst: a broken limit is worse than an unknown, an unknown is worse than a warning."""


@dataclass(frozen=True)
class Requirement:
    """A structure that the protocol wants labelled, and the structures that answer it (none: not assessed)."""

    name: str
    answered_by: tuple[str, ...]


NEURAL_REACH_MM = 20.0
"""A canal label answers only where it runs on through this distance above and below the target, without a gap."""
GAP_MM = 6.0


def requirements(protocol: Protocol, level: Level, anatomy: Anatomy, centre_mm: FloatArray) -> list[Requirement]:
    """What must be assessed around a target at ``centre_mm`` (RAS) in ``level``, and which structures do it."""
    wanted: list[Requirement] = []
    for word in required_for(protocol, level.region.value):
        if word == "canal":
            wanted.append(_canal(anatomy, float(centre_mm[2])))
        elif word.startswith("name:"):
            start = word.removeprefix("name:")
            found = tuple(s.name for s in anatomy.structures if s.name.startswith(start) and s.mask.data.any())
            wanted.append(Requirement(start, found))
        elif word == "roots":
            wanted.extend(_roots(level, anatomy))
        else:
            kinds = tuple(word.split("|"))
            wanted.append(_answer(" or ".join(kinds), anatomy, kinds))
    return wanted


def _answer(name: str, anatomy: Anatomy, kinds: Iterable[str]) -> Requirement:
    return Requirement(name, tuple(s.name for s in anatomy.structures if s.kind.value in kinds and s.mask.data.any()))


def _canal(anatomy: Anatomy, z_mm: float) -> Requirement:
    """Cord, cauda, dural sac or canal, if together they run past the target without a gap."""
    parts = [s for s in anatomy.structures if s.kind.value in CANAL_KINDS and s.mask.data.any()]
    heights = np.concatenate(
        [[z_mm - NEURAL_REACH_MM, z_mm + NEURAL_REACH_MM]]
        + [s.mask.grid.world(np.argwhere(s.mask.data))[:, 2] for s in parts]
    )
    near = np.sort(heights[np.abs(heights - z_mm) <= NEURAL_REACH_MM + 1e-6])
    whole = bool(parts) and float(np.diff(near).max()) <= GAP_MM
    found = tuple(s.name for s in parts) if whole else ()
    return Requirement("cord, cauda, dural sac or canal beside the target", found)


def _roots(level: Level, anatomy: Anatomy) -> list[Requirement]:
    # An unlabelled neighbour must not hand its root to the next one; only a supernumerary vertebra changes the count.
    upper = [other for other in anatomy.vertebrae if other < level]
    nearest = max(upper) if upper else None
    names = root_names(level, nearest if nearest is not None and nearest.supernumerary else None)
    return [
        Requirement(
            f"root {root} {side}",
            tuple(
                s.name
                for s in anatomy.structures
                if s.kind.value == "root" and s.name == f"root {root} {side}" and s.mask.data.any()
            ),
        )
        for root in names
        for side in ("left", "right")
    ]


def judge(peak_c: float, cem43_min: float, limit: Limit, lowest_c: float = 37.0) -> Status:
    """Status of the warmest and coldest temperature and the dose against a limit; equal to the limit has reached it."""
    levels: tuple[tuple[Status, float | None, float | None, float | None], ...] = (
        ("stop", limit.stop_c, limit.stop_cem43_min, limit.stop_below_c),
        ("warn", limit.warn_c, limit.warn_cem43_min, limit.warn_below_c),
    )
    for status, warm, dose, cold in levels:
        if _reached(peak_c, warm) or _reached(cem43_min, dose) or (cold is not None and lowest_c <= cold):
            return status
    return "green"


def _reached(value: float, limit: float | None) -> bool:
    return limit is not None and value >= limit


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of some statuses; "green" for none."""
    return max(statuses, key=SEVERITY.index, default="green")


def counted_for(structure: Structure, outcomes: Sequence[MemberOutcome], protocol: Protocol) -> list[MemberOutcome]:
    """The members whose spread is a structure's safety band: no cooling; neural ones also with the local SAR factor.

    Where no member is of that kind (a study that runs a few members only), all of them count. Of a sampled ensemble:
    the nominal member first, then the samples in their safety reading, each with its own local factor.
    """
    if sampled(outcomes):
        return [o for o in outcomes if not o.sample or o.reading == "safety"]
    neural = structure.kind.value in protocol.local_sar.kinds
    plain = {o.member for o in outcomes if o.member.sar_factor == 1.0}

    def counts(member: Member) -> bool:
        # The factor heats neural cells alone, and what lies around them a little: without its plain twin a member with
        # the factor stands for it, never cooler.
        return neural or member.sar_factor == 1.0 or replace(member, sar_factor=1.0) not in plain

    found = [o for o in outcomes if o.member.cooling == "none" and counts(o.member)]
    return found or list(outcomes)


def without_factor(outcomes: Sequence[MemberOutcome]) -> list[MemberOutcome]:
    """The members whose spread is the band of zones and coverage: those without the local SAR factor, or all.

    Of a sampled ensemble: the nominal member first, then the samples in their coverage reading.
    """
    if sampled(outcomes):
        return [o for o in outcomes if not o.sample or o.reading == "coverage"]
    return [o for o in outcomes if o.member.sar_factor == 1.0] or list(outcomes)


def sampled(outcomes: Sequence[MemberOutcome]) -> list[MemberOutcome]:
    """The outcomes of samples, in both readings; none where the standard members were run."""
    return [o for o in outcomes if o.sample]


@dataclass(frozen=True)
class Circumstances:
    """What a row must know beside the numbers."""

    switch_off_s: float
    distances_mm: dict[str, float]
    pierced: frozenset[str] = frozenset()
    unseen: dict[str, str] = field(default_factory=dict)
    """Structures that the prediction does not reach where it matters, and why."""


def structure_row(
    structure: Structure,
    outcomes: Sequence[MemberOutcome],
    protocol: Protocol,
    required: bool,
    around: Circumstances,
) -> StructureRow:
    """One row of the safety table, decided by the worst member that counts, or by the percentile of the samples."""
    limit = protocol.limit_for(structure.kind.value)
    counted = counted_for(structure, outcomes, protocol)
    values = [(o, o.structures[structure.name]) for o in counted]
    nominal = values[0][1]
    hottest, peak = max(values, key=lambda item: (item[1].peak_c, item[1].cem43_min))
    deciding = _deciding(structure.name, counted)
    # A structure that matters but has no limit cannot be judged.
    without_limit: Status = "not assessed" if required else "green"
    status: Status = judge(deciding.peak_c, deciding.dose_min, limit, deciding.lowest_c) if limit else without_limit
    if limit:  # the nominal run counts too, whatever share of the samples is hotter
        status = worst((status, judge(nominal.peak_c, nominal.cem43_min, limit, nominal.lowest_c)))
    unfinished = [o for o in counted if o.status != "settled"]
    pierced = structure.name in around.pierced
    unseen = around.unseen.get(structure.name, "")
    if (unfinished or unseen) and status != "stop":
        status = "not assessed"
    if pierced:
        status = "stop"
    cooled = [o.structures[structure.name].peak_c for o in outcomes if o.member.cooling == "full" and not o.failed]
    warned, stopped = _probabilities(structure.name, sampled(counted), limit)
    return StructureRow(
        name=structure.name,
        kind=structure.kind.value,
        required=required,
        derived=structure.derived,
        peak_temperature_c=_band(nominal.peak_c, [v.peak_c for _, v in values]),
        cem43_min=_band(nominal.cem43_min, [v.cem43_min for _, v in values]),
        peak_time_s=peak.peak_time_s,
        after_switch_off=peak.peak_time_s > around.switch_off_s + 0.5,
        distance_to_antenna_mm=around.distances_mm.get(structure.name),
        warn=limit.words("warn") if limit else "no limit",
        stop=limit.words("stop") if limit else "no limit",
        worst_member=hottest.name,
        sar_factor=max(o.member.sar_factor for o in counted),
        status=status,
        words=_words(structure, status, deciding, limit, pierced, unfinished, unseen),
        lowest_temperature_c=min(value.lowest_c for _, value in values),
        with_cooling_c=max(cooled) if cooled else None,
        p95_temperature_c=deciding.peak,
        p95_cem43_min=deciding.dose,
        p5_lowest_c=deciding.lowest,
        probability_warn=warned,
        probability_stop=stopped,
    )


@dataclass(frozen=True)
class _Deciding:
    """The numbers that are held against the limits, and the percentiles they are, where samples were run."""

    peak_c: float
    dose_min: float
    lowest_c: float
    peak: Percentile | None = None
    dose: Percentile | None = None
    lowest: Percentile | None = None


def _deciding(name: str, counted: Sequence[MemberOutcome]) -> _Deciding:
    """The worst of the members, or, where samples were run, the bounds of their 95th (5th) percentiles."""
    runs = sampled(counted)
    whole = [o.structures[name] for o in runs if not o.failed]
    failed = len(runs) - len(whole)
    peak = bounded([v.peak_c for v in whole], failed)
    dose = bounded([v.cem43_min for v in whole], failed)
    lowest = bounded([v.lowest_c for v in whole], failed, "lower")
    if peak is not None and dose is not None and lowest is not None:
        return _Deciding(peak.bound, dose.bound, lowest.bound, peak, dose, lowest)
    values = [o.structures[name] for o in counted]
    return _Deciding(max(v.peak_c for v in values), max(v.cem43_min for v in values), min(v.lowest_c for v in values))


def _probabilities(
    name: str, runs: Sequence[MemberOutcome], limit: Limit | None
) -> tuple[Probability | None, Probability | None]:
    """Probability that the warn limit, and that the stop limit, is reached."""
    whole = [o.structures[name] for o in runs if not o.failed]
    if limit is None:
        return None, None
    statuses = [judge(v.peak_c, v.cem43_min, limit, v.lowest_c) for v in whole]
    failed = len(runs) - len(whole)
    return probability([s != "green" for s in statuses], failed), probability([s == "stop" for s in statuses], failed)


def missing_row(requirement: Requirement, words: str = "") -> StructureRow:
    """The row of a required structure that nothing labels: not assessed, whatever the numbers elsewhere say."""
    return StructureRow(
        name=requirement.name,
        kind="required",
        required=True,
        derived=False,
        peak_temperature_c=None,
        cem43_min=None,
        peak_time_s=None,
        after_switch_off=None,
        distance_to_antenna_mm=None,
        warn="",
        stop="",
        worst_member="",
        sar_factor=1.0,
        status="not assessed",
        words=words or f"{requirement.name}: not labelled or outside the image. Not labelled is not safe: add a label.",
    )


def _band(value: float, all_values: Sequence[float]) -> Banded:
    return Banded(value=value, low=min(all_values), high=max(all_values))


def _words(
    structure: Structure,
    status: Status,
    deciding: _Deciding,
    limit: Limit | None,
    pierced: bool,
    unfinished: Sequence[MemberOutcome],
    unseen: str,
) -> str:
    if pierced:
        return f"The needle passes through {structure.name}: stop, whatever the temperature."
    if status == "not assessed":
        if unseen:
            return f"Not assessed: {unseen}."
        if unfinished:
            several = f"{len(unfinished)} runs are" if len(unfinished) > 1 else "The prediction is"
            return f"{several} incomplete ({unfinished[0].status}): not assessed."
        return "Required, but the protocol sets no limit for it: not assessed."
    if limit is None:
        return "The protocol sets no limit for this structure."
    dose = f"{deciding.dose_min:.1f}" if deciding.dose_min <= 10_000 else "over 10 000"
    reached = f"{_who(deciding)} up to {deciding.peak_c:.1f} °C and CEM43 {dose} min"
    if limit.warn_below_c is not None and deciding.lowest_c <= limit.warn_below_c:
        reached += f", down to {deciding.lowest_c:.1f} °C by cooling"
    if status == "stop":
        return f"{reached}: reaches the stop limit ({limit.words('stop')})."
    if status == "warn":
        return f"{reached}: reaches the warn limit ({limit.words('warn')}), stays under stop."
    return f"{reached}: under the warn limit ({limit.words('warn')})."


def _who(deciding: _Deciding) -> str:
    if deciding.peak is None:
        return "In the worst member"
    if deciding.peak.samples < NEEDED:
        return f"In the worst of {deciding.peak.samples} samples"
    return f"At the 95th percentile (95 % bound from {deciding.peak.samples} samples)"


def verdict_words(rows: Sequence[StructureRow]) -> str:
    """The safety verdict in one or two sentences that name what binds."""
    names: dict[Status, list[str]] = {status: [row.name for row in rows if row.status == status] for status in SEVERITY}
    parts = []
    if names["stop"]:
        parts.append(f"Stop: a limit is reached at {_list(names['stop'])}.")
    if names["not assessed"]:
        parts.append(f"Not assessed: {_list(names['not assessed'])}.")
    if names["warn"]:
        parts.append(f"Warning at {_list(names['warn'])}.")
    runs = next((row.p95_temperature_c for row in rows if row.p95_temperature_c is not None), None)
    where = "in the worst member" if runs is None else f"by the rule for {runs.samples} samples"
    return " ".join(parts) or f"Every required structure is labelled and stays under its warn limit {where}."


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def coverage_status(coverage: float, margin_mm: float | None, goal_mm: float) -> CoverageStatus:
    """Coverage in words, from the worst member: ``coverage`` is a share, ``margin_mm`` the signed minimal margin."""
    if margin_mm is None:
        return "no zone"
    if margin_mm < 0 or coverage < 1.0 - 1e-3:
        return "not covered"
    return "covered with margin" if margin_mm >= goal_mm else "covered"
