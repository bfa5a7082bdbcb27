"""The numbers of a follow-up as groups of measurements for a structured report."""

from __future__ import annotations

from collections.abc import Mapping

from vertherm.followup.document import TargetExamination
from vertherm.imaging.dicom_objects.report_sr import Group, Number


def groups(row: TargetExamination, segments: Mapping[str, int], several: bool) -> list[Group]:
    """One lesion at one examination: verdict, zone, margin, cement, agreement, findings, criteria.

    Args:
        row: of ``verify.json``.
        segments: number of each segment by its name.
        several: the examination shows several lesions; names then hold the lesion's.
    """

    def named(what: str) -> str:
        return f"{what}, {row.target}" if several else what

    found = [_result(row, segments.get(named("lesion as planned")))]
    if row.zone is not None:
        found.append(_zone(row, named("treated zone"), segments.get(named("treated zone"))))
    if row.cement is not None:
        parts = [Number(f"cement, {site}", value, "ml") for site, value in row.cement.by_site_ml.items()]
        numbers = (Number("cement volume", row.cement.volume_ml, "ml"), *parts)
        found.append(Group(named("cement"), numbers, _drawn(row.cement.given), segments.get(named("cement"))))
    found += _agreements(row)
    for number, item in enumerate(row.findings, start=1):
        what = named(f"{number}: {item.kind} {item.place}")
        numbers = (
            Number("volume", item.volume_ml, "ml"),
            Number("longest diameter", item.longest_mm, "mm"),
        )
        words = (("finding", item.kind), ("place", item.place), ("new since", item.against))
        found.append(Group(what, numbers, words, segments.get(what)))
    for rule in row.suggestions:
        said = (("response suggested", rule.response), ("of", "this lesion, not the patient"))
        found.append(Group(named(rule.criterion), (), said))
    return found


def _result(row: TargetExamination, segment: int | None) -> Group:
    numbers = []
    if row.registration.error_mm is not None:
        numbers.append(Number("registration error, 95 % radius", row.registration.error_mm, "mm"))
    margin = row.margin
    if margin is not None:
        for name, value in (
            ("minimal margin", margin.minimum_mm),
            ("minimal margin, low", margin.low_mm),
            ("minimal margin, high", margin.high_mm),
            ("minimal margin within bone", margin.within_bone_mm),
            ("minimal margin within bone, low", margin.within_bone_low_mm),
            ("minimal margin within bone, high", margin.within_bone_high_mm),
            ("margin aimed at", margin.goal_mm),
        ):
            if value is not None:
                numbers.append(Number(name, value, "mm"))
        for name, share in (
            ("lesion volume inside the zone", margin.coverage),
            ("surface with margin below 0 mm", margin.below_0),
            ("surface with margin 0 mm to goal", margin.from_0_to_goal),
            ("surface with margin of goal or more", margin.goal_or_more),
        ):
            numbers.append(Number(name, 100.0 * share, "%"))
    if row.tumour is not None:
        numbers.append(Number("tumour longest diameter", row.tumour.longest_mm, "mm"))
        numbers.append(Number("tumour perpendicular diameter", row.tumour.perpendicular_mm, "mm"))
        numbers.append(Number("tumour volume", row.tumour.volume_ml, "ml"))
    words = (
        ("state", "suggestion, not confirmed by a reader"),
        ("examination", row.examination),
        ("vertebral level", row.level),
        ("coverage", row.coverage),
        ("registration", row.registration.status),
        ("no treated zone because", row.no_zone),
        ("local progression", row.progression),
    )
    return Group(row.target, tuple(numbers), words, segment)


def _drawn(given: bool) -> tuple[tuple[str, str], ...]:
    return (("outline", "drawn or edited by a reader" if given else "found by a program"),)


def _zone(row: TargetExamination, name: str, segment: int | None) -> Group:
    zone = row.zone
    assert zone is not None
    numbers = [
        Number("zone volume", zone.volume_ml, "ml"),
        Number("long axis", zone.long_mm, "mm"),
        Number("short axis", zone.short_mm, "mm"),
        Number("edge error, one standard deviation", zone.edge_sd_mm, "mm"),
        Number("share hidden by cement or metal", 100.0 * zone.hidden, "%"),
    ]
    if zone.cnr is not None:
        numbers.append(Number("contrast to noise", zone.cnr, "1"))
    return Group(name, tuple(numbers), _drawn(zone.given), segment)


def _agreements(row: TargetExamination) -> list[Group]:
    found = []
    for item in row.agreement:
        numbers = (
            Number("predicted zone volume", item.predicted_ml, "ml"),
            Number("observed zone volume", item.observed_ml, "ml"),
            Number("Dice coefficient", item.dice, "1"),
            Number("mean surface distance", item.mean_distance_mm, "mm"),
            Number("Hausdorff distance, 95 %", item.hausdorff95_mm, "mm"),
            Number("observed beyond predicted, mean", item.signed_mm, "mm"),
        )
        name = f"predicted against seen: {item.label}"
        found.append(Group(name, numbers, (("lesion", row.target), ("metric", item.metric))))
    return found
