"""The numbers of an assessment as groups of measurements for a structured report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vertherm.imaging.anatomy import Side
from vertherm.imaging.dicom_objects.report_sr import Group, Number


def groups(assessment: Mapping[str, Any], segments: Mapping[str, int]) -> list[Group]:
    """Verdict, treatment, targets, zones and structures.

    Args:
        assessment: as in assessment.json.
        segments: number of each segment by its name.
    """
    found = [_verdict(assessment), _treatment(assessment["treatment"])]
    found += [_target(row, segments) for row in assessment["targets"]]
    found += [_zone(row, segments) for row in assessment["zones"]]
    found += [_structure(row, segments) for row in assessment["structures"]]
    return found


def _verdict(assessment: Mapping[str, Any]) -> Group:
    words = (
        ("safety verdict", str(assessment["verdict"])),
        ("coverage verdict", str(assessment["coverage_verdict"])),
        ("vertebral level", str(assessment["level"])),
    )
    return Group("verdict", (), words)


def _treatment(row: Mapping[str, Any]) -> Group:
    nominal = next((item for item in row["power"] if item["member"] == "nominal"), None)
    numbers = [Number("treatment time", row["treatment_time_s"], "s"), Number("frequency", row["frequency_mhz"], "MHz")]
    if nominal is not None:
        for kind in ("forward", "net", "absorbed"):
            numbers.append(Number(f"{kind} power", nominal[f"{kind}_w"], "W"))
            numbers.append(Number(f"{kind} energy", nominal[f"{kind}_kj"], "kJ"))
    words = (("antenna", str(row["antenna"])), ("given power is", str(row["power_kind"])))
    return Group("treatment", tuple(numbers), words)


def banded(name: str, row: Mapping[str, float] | None, unit: str) -> list[Number]:
    """A value with the ends of its band."""
    if row is None:
        return []
    ends = (("", "value"), (", low", "low"), (", high", "high"))
    return [Number(f"{name}{words}", float(row[key]), unit) for words, key in ends if row.get(key) is not None]


def _target(row: Mapping[str, Any], segments: Mapping[str, int]) -> Group:
    numbers = [Number("lesion volume", row["volume_ml"], "ml")]
    for metric in row["metrics"]:
        share = {key: 100.0 * value for key, value in metric["coverage"].items()}
        numbers += banded(f"coverage {metric['metric']}", share, "%")
        numbers += banded(f"minimal margin {metric['metric']}", metric["minimal_margin_mm"], "mm")
        if metric["margin_error_mm"] is not None:
            numbers.append(Number(f"margin error {metric['metric']}", metric["margin_error_mm"], "mm"))
    words = (("coverage", str(row["status"])), ("deciding metric", str(row["deciding_metric"])))
    return Group(str(row["name"]), tuple(numbers), words, segments.get(row["name"]))


def _zone(row: Mapping[str, Any], segments: Mapping[str, int]) -> Group:
    numbers = banded("zone volume", row["volume_ml"], "ml")
    numbers += banded("long axis", row["long_axis_mm"], "mm") + banded("short axis", row["short_axis_mm"], "mm")
    return Group(str(row["label"]), tuple(numbers), (), segments.get(row["metric"]))


def _structure(row: Mapping[str, Any], segments: Mapping[str, int]) -> Group:
    numbers = banded("peak temperature", row["peak_temperature_c"], "°C")
    numbers += banded("CEM43", row["cem43_min"], "min")
    words = [("status", str(row["status"])), ("warn limit", str(row["warn"])), ("stop limit", str(row["stop"]))]
    if row["derived"]:
        words.append(("outline", "derived by a rule, not labelled"))
    name = str(row["name"])
    side: Side = "left" if name.endswith(" left") else "right" if name.endswith(" right") else ""
    return Group(name, tuple(numbers), tuple(words), segments.get(name), side)
