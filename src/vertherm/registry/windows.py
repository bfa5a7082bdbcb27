"""Visit windows: read on dates, never stored on visits.

Day 0 is the patient's first procedure; for a series that counts by lesion it is, for what belongs to one lesion, the
first treatment of that lesion. Pain, function and opioids belong to the patient, so visits always count from the
patient's day 0; :func:`windowed_visits_of_lesions` and :func:`windowed_responses` count from the lesion's where the
series says so. A window includes its first and its last day. Everything is vectorised and linear in the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # pandas loads when the first window is read, not when a window is named.
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """A time point: name, label, and its first and last day after day 0, both included."""

    name: str
    label: str
    first_day: int
    last_day: int


DEFAULT_WINDOWS = (
    Window("before", "before", -90, 0),
    Window("week_2_4", "2-4 weeks", 14, 28),
    Window("week_20_24", "20-24 weeks", 140, 168),
)
"""The study's windows. How long before day 0 a visit still counts as baseline is our choice."""


def day_zero(frames: dict[str, pd.DataFrame]) -> pd.Series[Any]:
    """Date of each patient's first procedure, indexed by ``patient_key``; patients without one are absent."""
    return frames["procedure"].groupby("patient_key", sort=True)["date"].min().rename("day_zero")


def day_zero_of_lesions(frames: dict[str, pd.DataFrame]) -> pd.Series[Any]:
    """Date of the first treatment of each lesion, indexed by ``patient_key`` and ``lesion_no``."""
    dated = frames["treatment"][["patient_key", "procedure_no", "lesion_no"]].merge(
        frames["procedure"][["patient_key", "procedure_no", "date"]], on=["patient_key", "procedure_no"]
    )
    return dated.groupby(["patient_key", "lesion_no"], sort=True)["date"].min().rename("day_zero")


def windowed_visits(frames: dict[str, pd.DataFrame], *, value: str | None = None) -> pd.DataFrame:
    """Every visit with its day and window, counted from the patient's day 0.

    Args:
        frames: tables of one or several series.
        value: a column of the visit, for instance ``vas``; then only visits that have it are chosen. Without it the
            choice is made by date alone.

    Returns:
        patient_key, visit_no, date, day, time_point (NA outside all windows), nearest_time_point, days_outside (days
        to the nearest window, 0 inside), chosen. At most one visit a patient and window is chosen: the one nearest the
        middle of the window, the earlier of two equally near ones; the last one in a window that ends on or before
        day 0. Without a procedure there is no day 0: everything after ``date`` is NA and nothing is chosen.
    """
    visits = frames["visit"]
    table = visits[["patient_key", "visit_no", "date"]].reset_index(drop=True)
    usable = None if value is None else visits[value].notna().to_numpy()
    return _windowed(table, table["patient_key"].map(day_zero(frames)), frames, ["patient_key"], usable)


def windowed_visits_of_lesions(frames: dict[str, pd.DataFrame], *, value: str | None = None) -> pd.DataFrame:
    """Every visit once for every treated lesion of its patient, counted from that lesion's day 0.

    As :func:`windowed_visits`, with ``lesion_no`` after ``patient_key`` and one chosen visit a lesion and window.
    """
    columns = ["patient_key", "visit_no", "date", *([] if value is None else [value])]
    zero = day_zero_of_lesions(frames).reset_index()
    table = frames["visit"][columns].merge(zero, on="patient_key")
    usable = None if value is None else table[value].notna().to_numpy()
    kept = table[["patient_key", "lesion_no", "visit_no", "date"]]
    return _windowed(kept, table["day_zero"], frames, ["patient_key", "lesion_no"], usable)


def windowed_imaging(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Every examination with its day and window, counted from the patient's day 0; as :func:`windowed_visits`.

    Only examinations that were evaluable are chosen.
    """
    imaging = frames["imaging"]
    table = imaging[["patient_key", "imaging_no", "date"]].reset_index(drop=True)
    usable = (imaging["evaluable"] == "yes").to_numpy()
    return _windowed(table, table["patient_key"].map(day_zero(frames)), frames, ["patient_key"], usable)


def windowed_responses(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Every response of a lesion with its day and window, from the lesion's or the patient's day 0 as its series says.

    Returns:
        patient_key, lesion_no, imaging_no, date, day, time_point, nearest_time_point, days_outside, chosen (one a
        lesion and window, among responses that were evaluable).
    """
    responses = frames["response"][["patient_key", "lesion_no", "imaging_no", "progression"]]
    table = responses.merge(frames["imaging"][["patient_key", "imaging_no", "date"]], on=["patient_key", "imaging_no"])
    of_lesion = table.merge(day_zero_of_lesions(frames).reset_index(), on=["patient_key", "lesion_no"], how="left")
    of_patient = table["patient_key"].map(day_zero(frames))
    by_lesion = table["patient_key"].map(_series_value(frames, "day_zero")) == "lesion"
    zero = of_patient.where(~by_lesion, of_lesion["day_zero"])
    usable = (table["progression"] != "ne").to_numpy()
    kept = table[["patient_key", "lesion_no", "imaging_no", "date"]]
    return _windowed(kept, zero, frames, ["patient_key", "lesion_no"], usable)


def windows_of(frames: dict[str, pd.DataFrame], series: str) -> tuple[Window, ...]:
    """Windows of a series in order of their first day; :data:`DEFAULT_WINDOWS` where it has none of its own."""
    own = frames["visit_window"]
    own = own[own["series"] == series].sort_values(["first_day", "time_point"])
    found = tuple(
        Window(str(name), str(label), int(first), int(last))
        for name, label, first, last in zip(
            own["time_point"], own["label"], own["first_day"], own["last_day"], strict=True
        )
    )
    return found or DEFAULT_WINDOWS


def _series_value(frames: dict[str, pd.DataFrame], column: str) -> pd.Series[Any]:
    """A column of the series, indexed by patient."""
    series = frames["patient"].set_index("patient_key")["series"]
    return series.map(frames["series"].set_index("series")[column])


def _windowed(
    table: pd.DataFrame,
    zero: pd.Series[Any],
    frames: dict[str, pd.DataFrame],
    unit: list[str],
    usable: NDArray[np.bool_] | None,
) -> pd.DataFrame:
    import pandas as pd

    out = table.reset_index(drop=True)
    elapsed = (pd.to_datetime(out["date"]) - pd.to_datetime(zero.reset_index(drop=True))).dt.days
    known = elapsed.notna().to_numpy()
    days: NDArray[np.int64] = elapsed.fillna(0).to_numpy().astype(np.int64)
    inside, nearest, outside, rank = _placed(out, days, frames)
    out["day"] = pd.array(days, dtype="Int64")
    out["time_point"] = pd.array(inside, dtype="string")
    out["nearest_time_point"] = pd.array(nearest, dtype="string")
    out["days_outside"] = pd.array(outside, dtype="Int64")
    out.loc[~known, ["day", "time_point", "nearest_time_point", "days_outside"]] = pd.NA
    eligible = known & (outside == 0)
    if usable is not None:
        eligible &= usable
    out["chosen"] = _chosen(out, eligible, rank, unit)
    return out


def _placed(
    table: pd.DataFrame, days: NDArray[np.int64], frames: dict[str, pd.DataFrame]
) -> tuple[NDArray, NDArray, NDArray[np.int64], NDArray[np.float64]]:
    """Window, nearest window, days outside it, and the rank within it (low is better) of every row."""
    inside = np.full(len(table), None, dtype=object)
    nearest = np.full(len(table), None, dtype=object)
    outside = np.zeros(len(table), dtype=np.int64)
    rank = np.zeros(len(table))
    series = table["patient_key"].map(frames["patient"].set_index("patient_key")["series"])
    for name, rows in series.groupby(series, sort=False).indices.items():
        windows = windows_of(frames, str(name))
        first = np.array([item.first_day for item in windows])
        last = np.array([item.last_day for item in windows])
        day = days[rows][:, None]
        gap = np.maximum(np.maximum(first - day, day - last), 0)
        # Of several windows that hold a day (or are equally far), the one whose middle is nearest.
        middle = np.abs(day - (first + last) / 2.0)
        best = np.lexsort((middle, gap), axis=1)[:, 0]
        each = np.arange(len(rows))
        names = np.array([item.name for item in windows], dtype=object)[best]
        nearest[rows] = names
        outside[rows] = gap[each, best]
        within = outside[rows] == 0
        inside[rows[within]] = names[within]
        rank[rows] = np.where(last[best] <= 0, -day[:, 0], middle[each, best])
    return inside, nearest, outside, rank


def _chosen(
    table: pd.DataFrame, eligible: NDArray[np.bool_], rank: NDArray[np.float64], unit: list[str]
) -> NDArray[np.bool_]:
    candidates = table.loc[eligible, [*unit, "time_point", "day"]].assign(rank=rank[eligible])
    best = candidates.sort_values(["rank", "day"], kind="stable").drop_duplicates([*unit, "time_point"])
    chosen = np.zeros(len(table), dtype=bool)
    chosen[best.index.to_numpy()] = True
    return chosen
