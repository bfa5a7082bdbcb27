"""Needle paths of a case: rules and instrument put together, every target searched, results as a document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from vertherm.access.path import AccessResult, NeedlePath, NeedleSpec
from vertherm.access.rules import AccessRules, Approach
from vertherm.applicator.antenna import Antenna
from vertherm.clinical.levels import Region
from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.core.provenance import provenance
from vertherm.planning.access.scene import access_scene
from vertherm.planning.case import AccessEntry
from vertherm.planning.objects import Case
from vertherm.planning.plan import AccessRow, ClearanceRow, NeedleSetRow, PathRow, RefusalRow
from vertherm.planning.protocol import Protocol

SCHEMA_VERSION = 1
NOTICE = (
    "Research software, not a medical device. Paths are geometry on labels: structures that nobody labelled are not "
    "avoided, and a physician checks every path on the images."
)
FEED_STEP_MM = 0.05
FEED_ABOVE_MM = 60.0
"""From here down the shaft is followed to where its outer conductor first opens; no catalogued feed lies higher."""


def case_access(
    case: Case,
    protocol: Protocol,
    entry: AccessEntry,
    antenna: Antenna,
    *,
    margin_mm: float,
    threads: int = 0,
    progress: Progress = silent,
) -> tuple[AccessResult, ...]:
    """Search the paths to every target of a case, in the case's order.

    Args:
        entry: the case's [access]; what it states wins over the protocol's rules.
        antenna: the instrument.
        margin_mm: how far beyond the lesion shall be ablated.
        threads: of the search; 0 takes one a core.

    Raises:
        InputError: entry and rules contradict each other, or a target cannot be planned (see :func:`access_scene`).
    """
    from vertherm.access.search import find_paths  # compiled kernels: only where paths are sought

    rules = entry_rules(protocol.access, entry)
    needle = needle_spec(antenna, rules, entry)
    results = []
    for number, target in enumerate(case.targets):
        progress("paths", number / len(case.targets))
        approaches = _approaches(entry, rules, target.level.region, f"target {target.name}")
        scene = access_scene(case, target, protocol, margin_mm=margin_mm)
        results.append(
            find_paths(
                scene,
                rules,
                needle,
                position=entry.position,
                approaches=approaches,
                side=entry.side,
                candidates=entry.candidates,
                keep=entry.paths,
                needles=entry.needles,
                threads=threads,
                progress=progress,
            )
        )
    progress("paths", 1.0)
    return tuple(results)


SHORTEST_MM = 20.0
"""Less than this from the skin reaches no vertebra."""


def entry_rules(rules: AccessRules, entry: AccessEntry) -> AccessRules:
    """The protocol's rules with what the case states in their place.

    Raises:
        InputError: next to nothing of the instrument is left to insert.
    """
    stated = {
        name: value
        for name in ("placement_error_mm", "instrument_length_mm", "tip_beyond_lesion_mm")
        if (value := getattr(entry, name)) is not None
    }
    changed = rules.model_copy(update=stated)
    if changed.instrument_length_mm - changed.outside_mm < SHORTEST_MM:
        raise InputError(
            "The instrument is too short to be inserted at all.",
            where="[access] instrument_length_mm",
            got=f"{changed.instrument_length_mm:g} mm",
            expected=f"at least {changed.outside_mm + SHORTEST_MM:g} mm: {changed.outside_mm:g} mm stay outside",
            advice="give the usable length from hub to tip, or change outside_mm in the protocol's [access]",
        )
    return changed


def needle_spec(antenna: Antenna, rules: AccessRules, entry: AccessEntry) -> NeedleSpec:
    """The instrument as a path sees it; lengths from ``rules`` unless the case states its own.

    The middle of the reference zone is put at the feed, where the wave leaves the coax: [guess], the heat model knows
    better. It only orders paths.

    Raises:
        InputError: the stated radius is smaller than the antenna's shaft.
    """
    radius = antenna.shaft_radius_mm if entry.needle_radius_mm is None else entry.needle_radius_mm
    if radius < antenna.shaft_radius_mm - 1e-6:
        raise InputError(
            "The needle is thinner than the antenna.",
            where="[access] needle_radius_mm",
            got=f"{radius:g} mm",
            expected=f"at least the shaft of {antenna.name}, {antenna.shaft_radius_mm:g} mm",
            advice="leave it out to use the antenna's shaft, or give the outer radius of the introducer",
        )
    return NeedleSpec(
        radius_mm=float(radius),
        length_mm=float(entry_rules(rules, entry).instrument_length_mm),
        focus_mm=feed_mm(antenna),
        zone_long_mm=float(rules.zone_long_mm),
        zone_short_mm=float(rules.zone_short_mm),
    )


def feed_mm(antenna: Antenna) -> float:
    """Distance from the tip to where the outer conductor of the coax first opens, coming from the hub, in mm."""
    z = np.arange(FEED_ABOVE_MM, 0.0, -FEED_STEP_MM)
    just_outside = antenna.port.outer_radius_mm + 0.02
    found = antenna.part_at(np.full(z.shape, just_outside), z, 1e4)
    metal = np.array([part.material for part in antenna.parts] + [""])[found]
    is_metal = np.array([name in antenna.materials and antenna.materials[name].metal for name in metal])
    opened = np.flatnonzero(~is_metal)
    return float(z[opened[0]]) if opened.size else 0.0


def _approaches(entry: AccessEntry, rules: AccessRules, region: Region, where: str) -> tuple[Approach, ...]:
    """The approaches the case names, checked against names, region and position; () for all of the region."""
    known = [approach.value for approach in Approach]
    unknown = [name for name in entry.approaches if name not in known]
    if unknown:
        raise InputError(
            "Unknown approach.",
            where="[access] approaches",
            got=", ".join(unknown),
            expected=", ".join(known),
        )
    here = {rule.approach.value: rule for rule in rules.approaches if region in rule.regions}
    foreign = [name for name in entry.approaches if name not in here]
    if len(foreign) == len(entry.approaches) > 0:
        raise InputError(
            f"None of the approaches asked for is used at a {region.value} level.",
            where=where,
            got=", ".join(foreign),
            expected=f"one of: {', '.join(here)}",
            advice="leave approaches out to look at all, or add a rule under [[access.approaches]] of the protocol",
        )
    chosen = tuple(Approach(name) for name in entry.approaches if name in here)
    _check_position(entry, [here[approach.value].position for approach in chosen], where)
    return chosen


def _check_position(entry: AccessEntry, positions: Sequence[str], where: str) -> None:
    if entry.position in ("prone", "supine") and positions and entry.position not in positions:
        raise InputError(
            "Position and approaches contradict each other.",
            where=where,
            got=f"{entry.position} with {', '.join(entry.approaches)}",
            expected=f"position = {positions[0]!r}",
            advice="leave position out: the approach's usual one is taken",
        )


def access_row(result: AccessResult) -> AccessRow:
    """The result of one target as plain numbers and words, ready for JSON."""
    return AccessRow(
        target=result.target,
        level=str(result.level),
        position=result.position,
        needle={name: float(value) for name, value in asdict(result.needle).items()},
        paths=[path_row(path) for path in result.paths],
        sets=[
            NeedleSetRow(paths=list(s.paths), gap_mm=float(s.gap_mm), coverage=float(s.coverage), risk=float(s.risk))
            for s in result.sets
        ],
        candidates=int(result.candidates),
        admissible=int(result.admissible),
        refusals=[
            RefusalRow(
                reason=r.reason,
                rule=r.rule,
                count=int(r.count),
                alone=int(r.alone),
                best_miss=_finite(r.best_miss),
                unit=r.unit,
            )
            for r in result.refusals
        ],
        not_labelled=list(result.not_labelled),
        notes=list(result.notes),
        timings_s={name: round(float(value), 4) for name, value in result.timings_s.items()},
    )


def path_row(path: NeedlePath) -> PathRow:
    """One path as plain numbers and words."""
    plain = {item.name: getattr(path, item.name) for item in fields(path)}
    needle = plain.pop("trajectory")
    for name, value in plain.items():
        if isinstance(value, (float, np.floating)):
            plain[name] = _finite(value)
    wall = path.pedicle_wall_mm
    plain.update(
        approach=path.approach.value,
        entry_ras_mm=_point(needle.entry_mm),
        tip_ras_mm=_point(needle.tip_mm),
        focus_ras_mm=_point(path.focus_ras_mm),
        zone_factor=path.zone_factor if math.isfinite(path.zone_factor) else None,
        pedicle_wall_mm=None if wall is None or not math.isfinite(wall) else float(wall),
        clearances=[
            ClearanceRow.model_validate(
                {k: _finite(v) if isinstance(v, (float, np.floating)) else v for k, v in asdict(c).items()}
            )
            for c in path.clearances
        ],
        crosses=list(path.crosses),
        notes=list(path.notes),
    )
    return PathRow.model_validate(plain)


def access_document(case: Case, protocol: Protocol, results: Sequence[AccessResult]) -> dict[str, Any]:
    """Everything that ``access.json`` holds."""
    parameters = {
        "protocol": f"{protocol.name} {protocol.version}",
        "access": protocol.access.model_dump(mode="json"),
        "placement_error_mm": {result.target: result.placement_error_mm for result in results},
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "case": case.name,
        "title": case.title,
        "notice": NOTICE,
        "synthetic": bool(case.anatomy.synthetic),
        "targets": [access_row(result).model_dump(mode="json") for result in results],
        "provenance": provenance(case.inputs, parameters, case.seeds),
    }


def _point(point: Any) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 4) for value in point)
    return x, y, z


def _finite(value: float | np.floating[Any]) -> float:
    """JSON knows no infinity: what is beyond every bound becomes a number that stands out."""
    return float(value) if math.isfinite(value) else 0.0 if math.isnan(value) else math.copysign(1e6, value)
