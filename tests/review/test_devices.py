"""The record of a device: ratios of treated to predicted zones, recomputed by hand."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tests.review.made import ZERO, Series
from vertherm.registry.frames import frames_of
from vertherm.registry.records import Records
from vertherm.review.devices import LEAST, DeviceRow, device_csv, device_json, device_lines, device_record, ratio_of

T_975 = {1: 12.706204736, 3: 3.182446305, 4: 2.776445105}
"""Student's t, 97.5 %, by degrees of freedom, as tabulated."""


def zone(records: Records, key: str, lesion: int = 1, scan: int = 1, *, seen: float, metric: str = "isotherm_60",
         predicted: float = 10.0, **more: Any) -> None:  # fmt: skip
    """One treated zone and one prediction; extents are those of spheres."""
    own: dict[str, Any] = {"patient_key": key, "imaging_no": scan, "lesion_no": lesion}
    if not any((row["patient_key"], row["imaging_no"], row["lesion_no"]) == tuple(own.values())
               for row in records.dicts("treated_zone")):  # fmt: skip
        records.add("treated_zone", **own, zone_source="segmented", coverage="covered", confirmed_by="A. Reader",
                    volume_ml=seen, long_mm=more.get("long_mm"))  # fmt: skip
    records.add("zone_prediction", **own, metric=metric, predicted_ml=predicted, device=more.get("device", "Antenna"),
                predicted_long_mm=more.get("predicted_long_mm"))  # fmt: skip


def series(patients: dict[str, int]) -> Records:
    """Patients with so many lesions and two examinations."""
    made = Series(synthetic="yes")
    for key, lesions in patients.items():
        levels = tuple(f"L{n}" for n in range(1, lesions + 1))
        made.patient(key, levels=levels, scans=[(1, ("no",) * lesions), (90, ("no",) * lesions)], synthetic="yes")
    return made.records


def volume(records: Records, metric: str = "isotherm_60") -> DeviceRow:
    rows = device_record(frames_of(records))
    return next(row for row in rows if (row.metric, row.quantity) == (metric, "volume"))


def test_one_lesion_a_patient_is_the_usual_t_interval() -> None:
    """Five patients, treated volumes by hand; mean, interval and limits computed with the textbook formulas."""
    seen = {"a": 8.0, "b": 12.0, "c": 9.0, "d": 15.0, "e": 10.0}
    records = series(dict.fromkeys(seen, 1))
    for key, value in seen.items():
        zone(records, key, seen=value)
    found = volume(records).ratio
    logs = [math.log(value / 10.0) for value in seen.values()]
    mean = sum(logs) / 5
    sd = math.sqrt(sum((x - mean) ** 2 for x in logs) / 4)
    assert (found.n, found.patients, found.calibrated) == (5, 5, True)
    assert found.mean == pytest.approx((8 * 12 * 9 * 15 * 10) ** 0.2 / 10)
    half = T_975[4] * sd / math.sqrt(5)
    assert (found.low, found.high) == pytest.approx((math.exp(mean - half), math.exp(mean + half)))
    limits = math.exp(mean - 1.96 * sd), math.exp(mean + 1.96 * sd)
    assert (found.agreement_low, found.agreement_high) == pytest.approx(limits)


def test_lesions_of_one_patient_are_no_independent_ones() -> None:
    """Two patients with two like lesions each: the interval is that of two patients, wider than that of four."""
    records = series({"a": 2, "b": 2})
    for key, lesion, value in (("a", 1, 8.0), ("a", 2, 8.0), ("b", 1, 12.5), ("b", 2, 12.5)):
        zone(records, key, lesion, seen=value)
    found = volume(records).ratio
    assert (found.n, found.patients, found.calibrated) == (4, 2, False)
    # Means of the patients are -x and +x: their standard error is x, with one degree of freedom.
    half = T_975[1] * math.log(1.25)
    assert found.mean == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((math.exp(-half), math.exp(half)))


def test_the_interval_covers_the_truth_with_clusters() -> None:
    """400 series of 20 patients with 1 to 3 lesions, true ratio 0.8: the 95 % interval holds it in 92 to 98 %."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        lesions = rng.integers(1, 4, 20)
        patients = np.repeat(np.arange(20), lesions)
        logs = math.log(0.8) + np.repeat(rng.normal(0, 0.2, 20), lesions) + rng.normal(0, 0.1, len(patients))
        found = ratio_of(logs, patients)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.8 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_fewer_than_five_patients_are_shown_but_not_called_calibrated() -> None:
    """Four patients with two lesions each are eight zones, and still four patients."""
    records = series(dict.fromkeys("abcd", 2))
    for key in "abcd":
        for lesion in (1, 2):
            zone(records, key, lesion, seen=9.0 + lesion)
    row = volume(records)
    assert (row.ratio.n, row.ratio.patients, row.ratio.calibrated) == (8, LEAST - 1, False)
    assert "8 lesions of 4 patients, NOT calibrated: fewer than 5 patients" in "\n".join(device_lines([row]))


def test_one_lesion_has_a_ratio_and_no_limits() -> None:
    records = series({"a": 1})
    zone(records, "a", seen=5.0)
    found = volume(records).ratio
    assert found.mean == pytest.approx(0.5)
    assert (found.low, found.high, found.agreement_low, found.agreement_high) == (None, None, None, None)


def test_a_lesion_counts_once_at_its_first_examination() -> None:
    """The zone has shrunk at the second examination, which was entered under the lower number."""
    records = series({"a": 1})
    number, modality = 5, "ct"
    records.add("imaging", patient_key="a", imaging_no=number, date=ZERO + timedelta(0), modality=modality,
                evaluable="yes")  # fmt: skip
    zone(records, "a", scan=1, seen=4.0)
    zone(records, "a", scan=number, seen=12.0)
    found = volume(records).ratio
    assert (found.n, found.mean) == (1, pytest.approx(1.2))


def test_devices_metrics_and_quantities_stay_apart() -> None:
    records = series({"a": 1, "b": 1})
    zone(records, "a", seen=5.0, long_mm=30.0, predicted_long_mm=40.0)
    zone(records, "a", seen=5.0, metric="cem43_240", predicted=20.0)
    zone(records, "b", seen=8.0, device=None)
    rows = device_record(frames_of(records))
    told = {(row.device, row.metric, row.quantity): row.ratio.mean for row in rows}
    assert told == pytest.approx({
        ("Antenna", "isotherm_60", "volume"): 0.5,
        ("Antenna", "isotherm_60", "extent along the antenna"): 0.75,
        ("Antenna", "cem43_240", "volume"): 0.25,
        ("not stated", "isotherm_60", "volume"): 0.8,
    })  # fmt: skip
    assert {(row.series, row.synthetic) for row in rows} == {("s", True)}
    assert "s (SYNTHETIC): Antenna" in device_lines(rows)


def test_csv_and_json_say_the_same() -> None:
    records = series({"a": 1, "b": 1})
    zone(records, "a", seen=5.0)
    zone(records, "b", seen=20.0)
    rows = device_record(frames_of(records))
    table = list(csv.DictReader(io.StringIO(device_csv(rows))))
    document = json.loads(device_json(rows))
    assert [(line["synthetic"], line["calibrated"], line["n"]) for line in table] == [("yes", "no", "2")]
    assert float(table[0]["mean"]) == document["rows"][0]["mean"] == pytest.approx(1.0)
    assert document["rows"][0]["calibrated"] is False


def test_a_series_without_zones() -> None:
    assert device_record(frames_of(series({"a": 1}))) == []
    assert device_lines([]) == ["No predicted zone is recorded."]
