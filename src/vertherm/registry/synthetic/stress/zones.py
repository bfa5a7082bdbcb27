"""Treated zones of follow-up imaging and what had been predicted of them, with a true ratio that can be found."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vertherm.registry.records import Records, Row
from vertherm.registry.synthetic.columns import draw, rows, where

VOLUME_RATIO = {"made-up antenna A": 0.85, "made-up antenna B": 1.1}
"""Treated over predicted volume, geometric mean, by device."""
METRICS = {"isotherm_60": 1.0, "cem43_240": 1.6}
"""Predicted volume of each metric, as a multiple of the first one's."""
GOAL_MM = 5.0
_SPREAD = 0.25
"""Standard deviation of the logarithm of the volume ratio."""
_READERS = ("made-up reader 1", "made-up reader 2")


def add_zones(records: Records, rng: np.random.Generator) -> None:
    """Add the zone of two lesions in three at their first CT or MR."""
    keys = _first_examinations(records)
    keys = [key for key, seen in zip(keys, (rng.random(len(keys)) < 0.67).tolist(), strict=True) if seen]
    n = len(keys)
    patient, imaging, lesion = (list(column) for column in zip(*keys, strict=True)) if n else ([], [], [])
    device = draw(rng, tuple(VOLUME_RATIO), (2, 1), n)
    predicted = np.round(rng.gamma(9.0, 2.0, n) + 1.0, 3)
    true = np.array([VOLUME_RATIO[name] for name in device.tolist()])
    volume = np.round(predicted * true * np.exp(rng.normal(0.0, _SPREAD, n)), 3)
    margin, half = np.round(rng.normal(3.0, 3.0, n), 3), np.round(rng.uniform(0.5, 2.0, n), 3)
    low = np.round(margin - half, 3)
    cement = rng.random(n) < 0.7
    where_at = {"patient_key": patient, "imaging_no": imaging, "lesion_no": lesion}
    records.tables["treated_zone"] = rows(
        "treated_zone",
        n,
        **where_at,
        zone_source=draw(rng, ("segmented", "edited", "drawn"), (6, 3, 1), n),
        volume_ml=volume,
        long_mm=_extent(volume, 1.2),
        short_mm=_extent(volume, 0.9),
        edge_sd_mm=np.round(rng.uniform(0.3, 1.2, n), 3),
        registration_error_mm=np.round(rng.gamma(4.0, 0.1, n), 3),
        goal_mm=GOAL_MM,
        margin_mm=margin,
        margin_low_mm=low,
        margin_high_mm=np.round(margin + half, 3),
        coverage_share=np.where(margin >= 0, 1.0, np.round(rng.uniform(0.6, 0.999, n), 3)),
        coverage=np.where(low >= GOAL_MM, "covered_with_margin", np.where(low >= 0, "covered", "not_covered")),
        cement_ml=where(cement, np.round(rng.gamma(6.0, 0.6, n), 2)),
        confirmed_by=draw(rng, _READERS, (1, 1), n),
    )
    records.tables["zone_prediction"] = _by_key(
        line
        for metric, multiple in METRICS.items()
        for line in rows(
            "zone_prediction",
            n,
            **where_at,
            metric=metric,
            device=device,
            predicted_ml=np.round(predicted * multiple, 3),
            predicted_long_mm=_extent(predicted * multiple, 1.2),
            predicted_short_mm=_extent(predicted * multiple, 0.9),
            dice=np.round(rng.uniform(0.5, 0.95, n), 3),
        )
    )


def _extent(volume_ml: np.ndarray, factor: float) -> np.ndarray:
    """Diameter of the sphere of that volume, times a factor, in mm."""
    return np.round(factor * np.cbrt(6000.0 * volume_ml / np.pi), 2)


def _by_key(lines: Iterable[Row]) -> list[Row]:
    return sorted(lines, key=lambda row: row[:4])


def _first_examinations(records: Records) -> list[Row]:
    """Patient, examination and lesion: every lesion at the first CT or MR that shows it."""
    shown = {
        (row["patient_key"], row["imaging_no"]) for row in records.dicts("imaging") if row["modality"] in ("ct", "mr")
    }
    first: dict[Row, Row] = {}
    for row in records.rows("response"):
        if row[:2] in shown:
            first.setdefault((row[0], row[2]), row[:3])
    return list(first.values())
