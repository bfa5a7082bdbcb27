"""The series under review: its rows alone, day 0, deaths, follow-up, visits in their windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vertherm.core.errors import InputError
from vertherm.registry.frames import all_typed
from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.registry.windows import (
    Window,
    day_zero,
    day_zero_of_lesions,
    windowed_imaging,
    windowed_responses,
    windowed_visits,
    windows_of,
)

Frames = Mapping[str, pd.DataFrame]
SEVERAL = "several"
"""Region of a patient whose treated lesions lie in more than one."""


@dataclass(frozen=True)
class Cohort:
    """One series, ready for computing.

    Args:
        series: its key.
        row: its row in the table of series.
        frames: all tables, rows of this series only.
        windows: its time points.
        patients: one row a patient, indexed by ``patient_key``: the patient's fields, day_zero, treated, death_day,
            last_day (last day known alive, or day of death), lesions, treated_lesions, procedures, region. Days count
            from the patient's day 0, NaN where there is none.
        lesions: one row a lesion: its fields, primary_tumour, treated, and day_zero as the series counts it.
        visits: every visit with its window (``registry.windows.windowed_visits``), chosen by date alone.
    """

    series: str
    row: Mapping[str, Any]
    frames: dict[str, pd.DataFrame]
    windows: tuple[Window, ...]
    patients: pd.DataFrame
    lesions: pd.DataFrame
    visits: pd.DataFrame
    _made: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)

    @property
    def title(self) -> str:
        """Title of the series."""
        return str(self.row["title"])

    @property
    def synthetic(self) -> bool:
        """True where the series, or a single patient of it, was made by a program."""
        return self.row["synthetic"] == "yes" or bool((self.patients["synthetic"] == "yes").any())

    @property
    def by_lesion(self) -> bool:
        """True where day 0 of what belongs to a lesion is that lesion's first treatment."""
        return self.row["day_zero"] == "lesion"

    @property
    def treated(self) -> pd.DataFrame:
        """Patients with at least one procedure."""
        return self.patients[self.patients["treated"]]

    @property
    def treated_lesions(self) -> pd.DataFrame:
        """Lesions with at least one treatment."""
        return self.lesions[self.lesions["treated"]]

    @property
    def baseline(self) -> Window | None:
        """The last window that ends on or before day 0."""
        before = [window for window in self.windows if window.last_day <= 0]
        return before[-1] if before else None

    @property
    def later(self) -> tuple[Window, ...]:
        """Windows that end after day 0."""
        return tuple(window for window in self.windows if window.last_day > 0)

    def label(self, entity: str, column: str, code: Any) -> str:
        """What a person reads for a code; the code itself where the vocabulary does not know it."""
        vocabulary = BY_NAME[entity].by_name[column].vocabulary
        return "" if code is None else vocabulary.labels.get(code, str(code)) if vocabulary else str(code)

    def once(self, name: str, make: Callable[[Cohort], pd.DataFrame]) -> pd.DataFrame:
        """A table that several sections need, made on first use; nobody may change it."""
        if name not in self._made:
            self._made[name] = make(self)
        return self._made[name]

    def measure(self, name: str) -> pd.DataFrame:
        """Values of a number of the visits (vas, odi, omeq_mg_day): treated patients by windows, NaN where missing."""
        return self.once(name, lambda series: _measure(series, name))

    def chosen(self, name: str) -> pd.DataFrame:
        """Visits with their windows; chosen are those that give ``name`` its value at a time point."""
        return self.once(f"{name}: visits", lambda series: windowed_visits(series.frames, value=name))


def _measure(cohort: Cohort, name: str) -> pd.DataFrame:
    chosen = cohort.chosen(name)
    values = chosen[chosen["chosen"]].merge(
        cohort.frames["visit"][["patient_key", "visit_no", name]], on=["patient_key", "visit_no"]
    )
    wide = values.pivot(index="patient_key", columns="time_point", values=name)
    names = [window.name for window in cohort.windows]
    return wide.reindex(index=cohort.treated.index, columns=names).astype(float)


def cohort(frames: Frames, series: str) -> Cohort:
    """The series ``series`` out of ``frames``.

    Raises:
        InputError: there is no such series, or it has no patients.
    """
    every = all_typed(frames)
    known = every["series"]
    found = known[known["series"] == series]
    if found.empty:
        raise InputError(
            "There is no series of this name.", got=repr(series), expected=", ".join(known["series"]) or "a series",
            advice="name one with --series, or import one first",
        )  # fmt: skip
    own = _only(every, series)
    if own["patient"].empty:
        raise InputError("The series has no patients.", where=series, advice="import its patients first")
    return Cohort(
        series=series,
        row={str(name): value for name, value in found.iloc[0].items()},
        frames=own,
        windows=windows_of(own, series),
        patients=_patients(own),
        lesions=_lesions(own, by_lesion=found.iloc[0]["day_zero"] == "lesion"),
        visits=windowed_visits(own),
    )


def imaging(cohort: Cohort) -> pd.DataFrame:
    """Every examination with its window and its fields."""
    placed = windowed_imaging(cohort.frames)
    more = cohort.frames["imaging"][["patient_key", "imaging_no", "modality", "evaluable"]]
    return placed.merge(more, on=["patient_key", "imaging_no"])


def responses(cohort: Cohort) -> pd.DataFrame:
    """Every response of a treated lesion with day and window as the series counts them, and progression."""
    placed = windowed_responses(cohort.frames)
    fields = ["patient_key", "lesion_no", "imaging_no"]
    more = cohort.frames["response"][[*fields, "criterion", "response", "progression"]]
    scans = cohort.frames["imaging"][["patient_key", "imaging_no", "evaluable"]]
    table = placed.merge(more, on=fields).merge(scans, on=["patient_key", "imaging_no"])
    # An examination that was not evaluable says nothing, whatever was entered for its lesions.
    table.loc[table["evaluable"] != "yes", "progression"] = "ne"
    treated = cohort.treated_lesions[["patient_key", "lesion_no"]]
    return table.merge(treated, on=["patient_key", "lesion_no"])


def _only(frames: dict[str, pd.DataFrame], series: str) -> dict[str, pd.DataFrame]:
    keys = set(frames["patient"].loc[frames["patient"]["series"] == series, "patient_key"])
    own = {}
    for name, frame in frames.items():
        column, wanted = ("patient_key", keys) if "patient_key" in frame else ("series", {series})
        part = frame[frame[column].isin(wanted)]
        own[name] = part.sort_values(list(BY_NAME[name].key)).reset_index(drop=True)
    return own


def _patients(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    table = frames["patient"].set_index("patient_key")
    zero = day_zero(frames).reindex(table.index)
    table["day_zero"] = pd.to_datetime(zero)
    table["treated"] = table["day_zero"].notna()
    died = frames["death"].set_index("patient_key")["date"].reindex(table.index)
    table["death_day"] = (died - table["day_zero"]).dt.days.astype(float)
    table["dead"] = died.notna()
    table["last_day"] = ((died.fillna(_last_seen(frames, table))) - table["day_zero"]).dt.days.astype(float)
    for name, entity in (("lesions", "lesion"), ("procedures", "procedure")):
        table[name] = frames[entity].groupby("patient_key").size().reindex(table.index, fill_value=0)
    touched = frames["treatment"][["patient_key", "lesion_no"]].drop_duplicates()
    table["treated_lesions"] = touched.groupby("patient_key").size().reindex(table.index, fill_value=0)
    regions = touched.merge(frames["lesion"], on=["patient_key", "lesion_no"]).groupby("patient_key")["region"]
    one = regions.first().where(regions.nunique() == 1, SEVERAL)
    table["region"] = one.reindex(table.index).astype(object)
    return table


def _last_seen(frames: dict[str, pd.DataFrame], table: pd.DataFrame) -> pd.Series[Any]:
    """The last date on which a patient is known to have been alive."""
    dated = [frames[name][["patient_key", "date"]] for name in ("visit", "imaging", "procedure", "event")]
    dated.append(frames["complication"][["patient_key", "onset"]].rename(columns={"onset": "date"}))
    dated.append(table["last_contact"].rename("date").reset_index())
    filled = [part for part in dated if part["date"].notna().any()]
    if not filled:
        return pd.Series(pd.NaT, index=table.index, dtype="datetime64[ns]")
    return pd.concat(filled).groupby("patient_key")["date"].max().reindex(table.index)


def _lesions(frames: dict[str, pd.DataFrame], *, by_lesion: bool) -> pd.DataFrame:
    table = frames["lesion"].copy()
    own = day_zero_of_lesions(frames).reset_index().rename(columns={"day_zero": "first_treated"})
    own["lesion_no"] = own["lesion_no"].astype(np.int64)
    table = table.merge(own, on=["patient_key", "lesion_no"], how="left")
    table["first_treated"] = pd.to_datetime(table["first_treated"])
    table["treated"] = table["first_treated"].notna()
    zero = pd.to_datetime(table["patient_key"].map(day_zero(frames)))
    table["day_zero"] = table["first_treated"] if by_lesion else zero
    patient = frames["patient"].set_index("patient_key")
    table["primary_tumour"] = table["patient_key"].map(patient["primary_tumour"])
    return table
