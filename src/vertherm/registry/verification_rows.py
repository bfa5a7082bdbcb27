"""One lesion at one examination of a verification, as values of the registry's fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vertherm.core.errors import InputError
from vertherm.registry.records import Value

_KEY_TEXT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""What every exchange format takes as a part of a key."""
COVERAGE = {"covered with margin": "covered_with_margin", "covered": "covered", "not covered": "not_covered"}


def zone_values(row: Mapping[str, Any]) -> dict[str, Value]:
    """Fields of ``treated_zone`` without its key and the reader.

    Raises:
        InputError: a part of the row is not what a verification holds.
    """
    try:
        zone, margin, cement = row["zone"], row.get("margin") or {}, row.get("cement")
        sites = {} if cement is None else cement["by_site_ml"]
        return {
            "zone_source": "drawn_or_edited" if zone["given"] else "segmented",
            "volume_ml": _number(zone["volume_ml"]),
            "long_mm": _number(zone["long_mm"]),
            "short_mm": _number(zone["short_mm"]),
            "edge_sd_mm": _number(zone["edge_sd_mm"]),
            "registration_error_mm": _number(row["registration"]["error_mm"]),
            "goal_mm": _number(margin.get("goal_mm")),
            "margin_mm": _number(margin.get("minimum_mm")),
            "margin_low_mm": _number(margin.get("low_mm")),
            "margin_high_mm": _number(margin.get("high_mm")),
            "bone_margin_mm": _number(margin.get("within_bone_mm")),
            "bone_margin_low_mm": _number(margin.get("within_bone_low_mm")),
            "bone_margin_high_mm": _number(margin.get("within_bone_high_mm")),
            "coverage_share": _number(margin.get("coverage")),
            "coverage": COVERAGE[row["coverage"]],
            "cement_ml": None if cement is None else _number(cement["volume_ml"]),
            "cement_canal_ml": _number(sites.get("canal")),
            "cement_disc_ml": _number(sites.get("disc")),
            "cement_elsewhere_ml": _number(sites.get("elsewhere")),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _broken(row, error) from error


def prediction_values(line: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Value]:
    """Fields of ``zone_prediction`` without the zone's key.

    Args:
        line: agreement of one metric.
        more: the line of the device's record that belongs to it; empty where there is none.

    Raises:
        InputError: a part of the line is not what a verification holds.
    """
    try:
        device, metric = str(more.get("device") or ""), str(line["metric"])
        if not _KEY_TEXT.fullmatch(metric):
            raise ValueError(f"{metric!r} is no name of a metric")
        return {
            "metric": metric,
            "device": device if device and device != "unknown" else None,
            "predicted_ml": _number(line["predicted_ml"]),
            "predicted_long_mm": _number(line["predicted_long_mm"]),
            "predicted_short_mm": _number(line["predicted_short_mm"]),
            "dice": _number(line["dice"]),
            "mean_distance_mm": _number(line["mean_distance_mm"]),
            "hausdorff95_mm": _number(line["hausdorff95_mm"]),
            "signed_mm": _number(line["signed_mm"]),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _broken(line, error) from error


def _number(value: Any) -> float | None:
    if isinstance(value, (bool, str)):
        raise ValueError(f"{value!r} is no number")
    # The registry gives back 0.0 for -0.0; the same document must stay the same.
    return None if value is None else float(value) + 0.0


def _broken(row: Mapping[str, Any], error: Exception) -> InputError:
    where = row.get("metric") or f"{row.get('target')} at {row.get('examination')}"
    return InputError(
        "This is no verification.",
        where=str(where),
        got=f"{type(error).__name__}: {error}",
        expected="verify.json as `vertherm verify` writes it",
    )
