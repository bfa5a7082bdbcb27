"""The record that calibrates a device: treated zones of a series against what had been predicted of them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from vertherm.review.statistics.inputs import Floats, complete, confidence_level, labels, same_length

if TYPE_CHECKING:
    import pandas as pd

LEAST = 5
"""Our choice: with fewer patients a ratio is shown, but not called calibrated."""
QUANTITIES = {
    "volume": ("volume_ml", "predicted_ml"),
    "extent along the antenna": ("long_mm", "predicted_long_mm"),
    "extent across the antenna": ("short_mm", "predicted_short_mm"),
}
"""Treated and predicted field by quantity."""


def note(level: float = 0.95) -> str:
    """What the ratios are, in words; ``level`` is that of the interval of the mean."""
    return (
        "Ratio: treated over predicted, each lesion once, at its first examination with a confirmed zone. Geometric "
        f"mean with {100 * level:g} % interval (logarithms; standard error robust to several lesions of one patient, "
        "Student's t); limits of agreement: mean ± 1.96 standard deviations of the logarithms. Fewer than "
        f"{LEAST} patients: shown, not called calibrated."
    )


NOTE = note()


@dataclass(frozen=True)
class Ratio:
    """Treated over predicted of one device, metric and quantity.

    Args:
        n: lesions.
        patients: patients with them.
        mean: geometric mean of the ratios.
        low, high: its interval, 95 % unless told otherwise; None with one patient.
        agreement_low, agreement_high: limits of agreement; None with one lesion.
        calibrated: five patients or more.
    """

    n: int
    patients: int
    mean: float
    low: float | None
    high: float | None
    agreement_low: float | None
    agreement_high: float | None
    calibrated: bool


@dataclass(frozen=True)
class DeviceRow:
    """One line of the record."""

    series: str
    synthetic: bool
    device: str
    metric: str
    quantity: str
    ratio: Ratio


def device_record(frames: Mapping[str, pd.DataFrame], level: float = 0.95) -> list[DeviceRow]:
    """Ratios by series, device, metric and quantity; series are never pooled.

    Args:
        frames: tables of the registry as `Registry.frames` gives them.
        level: of the interval of the mean.

    Returns:
        Rows sorted by series, device and metric; zones without volume or extent are left out of that quantity.
    """
    table = _pairs(frames)
    rows = []
    for group, part in table.groupby(["series", "synthetic", "device", "metric"], sort=True):
        series, synthetic, device, metric = map(str, group)
        for quantity, (seen, predicted) in QUANTITIES.items():
            known = part[(part[seen] > 0) & (part[predicted] > 0)]
            if len(known):
                logs = np.log(known[seen].to_numpy(float) / known[predicted].to_numpy(float))
                ratio = ratio_of(logs, known["patient_key"].to_numpy(object), level)
                rows.append(DeviceRow(series, synthetic == "yes", device, metric, quantity, ratio))
    return rows


def _pairs(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Treated and predicted side by side, each lesion once a device and metric."""
    key = ["patient_key", "imaging_no", "lesion_no"]
    table = frames["zone_prediction"].merge(frames["treated_zone"][[*key, "volume_ml", "long_mm", "short_mm"]], on=key)
    table = table.merge(frames["imaging"][["patient_key", "imaging_no", "date"]], on=key[:2])
    table = table.merge(frames["patient"][["patient_key", "series"]], on="patient_key")
    table = table.merge(frames["series"][["series", "synthetic"]], on="series")
    table["device"] = table["device"].fillna("not stated")
    # Treated zones shrink: a later examination says less of what was treated.
    table = table.sort_values(["patient_key", "lesion_no", "date", "imaging_no"])
    return table.drop_duplicates(["patient_key", "lesion_no", "device", "metric"])


def ratio_of(logs: Any, patients: Any, level: float = 0.95) -> Ratio:
    """Geometric mean and limits of ratios given as logarithms.

    The variance of the mean is that of a ratio of two sums over patients, linearised, with the factor G/(G - 1) and
    Student's t of G - 1 degrees of freedom; with one lesion a patient it is the usual t interval. The standard
    deviation for the limits of agreement takes lesions as they are (divisor n - 1).

    Args:
        logs: (n,) natural logarithms of treated over predicted.
        patients: (n,) the patient of each.
        level: of the interval of the mean.

    Raises:
        InputError: columns of different length, or a value that is missing.

    Source: Cochran, Sampling Techniques, 3rd ed. 1977, section 9; Bland and Altman, Lancet 1986;1:307-310.
    """
    from scipy.special import stdtrit

    level = confidence_level(level)
    column = complete(logs, "logs")
    distinct, place = labels(patients, "patients")
    n, groups = same_length(logs=column, patients=place), len(distinct)
    mean = float(column.mean())
    interval: tuple[float | None, float | None] = (None, None)
    if groups > 1:
        sums = np.bincount(place, weights=column - mean, minlength=groups)
        error = math.sqrt(groups / (groups - 1) * float((sums**2).sum())) / n
        interval = _around(mean, float(stdtrit(groups - 1, 0.5 + level / 2)) * error)
    return Ratio(n, groups, math.exp(mean), *interval, *_agreement(column, mean), calibrated=groups >= LEAST)


def _agreement(column: Floats, mean: float) -> tuple[float | None, float | None]:
    return _around(mean, 1.96 * float(column.std(ddof=1))) if len(column) > 1 else (None, None)


def _around(mean: float, half: float) -> tuple[float, float]:
    return math.exp(mean - half), math.exp(mean + half)


def _flat(row: DeviceRow) -> dict[str, Any]:
    values = asdict(row)
    return {**{name: value for name, value in values.items() if name != "ratio"}, **values["ratio"]}


def device_csv(rows: list[DeviceRow]) -> str:
    """The record as CSV, heading first; empty where a limit does not exist."""
    names = [item.name for item in fields(DeviceRow) if item.name != "ratio"] + [item.name for item in fields(Ratio)]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        flat = _flat(row)
        writer.writerow({name: ("yes" if v else "no") if isinstance(v, bool) else v for name, v in flat.items()})
    return stream.getvalue()


def device_json(rows: list[DeviceRow]) -> str:
    """The record as one JSON document."""
    document = {"schema_version": 1, "least_patients": LEAST, "note": NOTE, "rows": [_flat(row) for row in rows]}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def device_lines(rows: list[DeviceRow]) -> list[str]:
    """The record as lines for a person."""
    lines: list[str] = []
    before = ("", "")
    for row in rows:
        if (row.series, row.device) != before:
            before = (row.series, row.device)
            lines.append(f"{row.series}{' (SYNTHETIC)' if row.synthetic else ''}: {row.device}")
        lines.append(f"  {row.metric}, {row.quantity}: {_said(row.ratio)}")
    return [*lines, NOTE] if lines else ["No predicted zone is recorded."]


def _said(ratio: Ratio) -> str:
    words = f"{ratio.mean:.2f}"
    if ratio.low is not None:
        words += f" ({ratio.low:.2f} to {ratio.high:.2f})"
    if ratio.agreement_low is not None:
        words += f", limits of agreement {ratio.agreement_low:.2f} to {ratio.agreement_high:.2f}"
    lesions = f"{ratio.n} lesion{'s' * (ratio.n != 1)} of {ratio.patients} patient{'s' * (ratio.patients != 1)}"
    return f"{words}, {lesions}" + ("" if ratio.calibrated else f", NOT calibrated: fewer than {LEAST} patients")
