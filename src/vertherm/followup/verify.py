"""The follow-up of a plan: every lesion at every examination, and what changed between them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.followup.changes import Finding, compare
from vertherm.followup.compare import Agreement, agreement
from vertherm.followup.criteria import Measure, Suggestion, mda, recist
from vertherm.followup.diameters import diameters
from vertherm.followup.entry import FollowupFile, check_targets
from vertherm.followup.examine import Examined, examine
from vertherm.followup.images import Scan, on_cubes, read_scan
from vertherm.followup.planned import Planned, PredictedZone
from vertherm.followup.scene import LocalScene, local_scene
from vertherm.geometry.zone_compare import ZoneSize, zone_size
from vertherm.planning.objects import Target


@dataclass(frozen=True, eq=False)
class Visit:
    """One lesion at one examination with what follows from it.

    Args:
        target: the lesion.
        examined: what the images show.
        agreement: predicted zones against the observed one, by metric.
        findings: what is new, each with the name of the earlier examination.
        gaps: why no finding does not mean that nothing is new.
        hidden: share of zone and surroundings under cement, glare or metal.
        suggestions: what the criteria say.
        predicted: zones of this lesion.
        compared_with: the earlier examination that findings are against; "" where there is none.
        size: of the observed zone along and across the needle.
    """

    target: Target
    examined: Examined
    agreement: tuple[Agreement, ...] = ()
    findings: tuple[tuple[Finding, str], ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    predicted: tuple[PredictedZone, ...] = ()
    gaps: tuple[str, ...] = ()
    hidden: float = 0.0
    compared_with: str = ""
    size: ZoneSize | None = None

    @property
    def is_base(self) -> bool:
        """True where later examinations may be compared with this one: a zone, registered without doubt."""
        return self.examined.look is not None and self.examined.registration.status == "ok"


@dataclass(frozen=True, eq=False)
class Followup:
    """The whole follow-up.

    Args:
        planned: what it was planned as.
        entry: the follow-up file.
        scans: as read, by name of examination.
        visits: by lesion, then by date.
        timings_s: wall time by step.
    """

    planned: Planned
    entry: FollowupFile
    scans: Mapping[str, Scan]
    visits: tuple[Visit, ...]
    timings_s: dict[str, float] = field(default_factory=dict)


def verify(planned: Planned, entry: FollowupFile, progress: Progress = silent) -> Followup:
    """Follow every lesion of a plan over its examinations.

    Raises:
        InputError: an examination or a drawn mask cannot be read, or names a lesion that is not there.
    """
    case = planned.case
    if not case.targets:
        raise InputError("The plan has no lesion to follow.", where=case.name)
    check_targets(entry, tuple(target.name for target in case.targets))
    timings: dict[str, float] = {}
    progress("examinations", 0.0)
    began = time.perf_counter()
    scans = {item.name: read_scan(item) for item in entry.examinations}
    timings["reading"] = time.perf_counter() - began
    progress("examinations", 1.0)
    visits: list[Visit] = []
    steps = len(case.targets) * len(scans)
    began = time.perf_counter()
    for target in case.targets:
        zones = planned.zones_of(target)
        reach = tuple(zone.mask for zone in zones)
        scene = local_scene(case.anatomy, target.name, target.level, target.mask, reach, entry.spacing_mm)
        own: list[Visit] = []
        for item in entry.examinations:
            progress("follow-up", (len(visits) + len(own)) / steps)
            reading = item.reading(target.name, only=len(case.targets) == 1)
            examined = examine(scans[item.name], scene, case.anatomy, zones, reading, entry)
            own.append(_visit(target, examined, own, planned, zones, scene, entry))
        visits += own
    timings["registration, zones, margins"] = time.perf_counter() - began
    progress("follow-up", 1.0)
    return Followup(planned, entry, scans, tuple(visits), timings)


def _visit(
    target: Target,
    examined: Examined,
    earlier: list[Visit],
    planned: Planned,
    zones: tuple[PredictedZone, ...],
    scene: LocalScene,
    entry: FollowupFile,
) -> Visit:
    seen = examined.seen_zone
    rows = () if seen is None else tuple(agreement(zone, seen, planned.axis(target)) for zone in zones)
    base = next((visit for visit in earlier if visit.is_base), None)
    visit = Visit(target, examined, rows, predicted=zones)
    if base is not None and examined.look is not None and base.examined.look is not None:
        name = base.examined.scan.entry.name
        found = compare(base.examined.look, examined.look, scene)
        findings = tuple((finding, name) for finding in found.findings)
        visit = replace(visit, findings=findings, gaps=found.gaps, hidden=found.hidden, compared_with=name)
    measures = _measures(target, [*(visit.examined for visit in earlier), examined], entry)
    suggestions = (recist(measures), mda(measures)) if examined.tumour is not None else ()
    size = None if seen is None else zone_size(seen.mask, planned.axis(target))
    return replace(visit, suggestions=suggestions, size=size)


def _measures(target: Target, examined: list[Examined], entry: FollowupFile) -> list[Measure]:
    """Sizes over time: the lesion before treatment, then what readers drew."""
    before = entry.soft_tissue.get(target.name, entry.soft_tissue.get("", None))
    spacing = float(target.mask.grid.spacing_mm.max())
    size = diameters(on_cubes(target.mask, np.eye(4), entry.spacing_mm))
    found = [Measure("before treatment", size, before, 0.5 * spacing)]
    for item in examined:
        if item.tumour is not None:
            reading = item.scan.entry.reading(target.name, only=True)
            found.append(Measure(item.scan.entry.name, item.tumour, reading.soft_tissue, reading.edge_sd_mm))
    return found
