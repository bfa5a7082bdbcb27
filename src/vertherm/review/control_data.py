"""Local control from the scans: state of every lesion and patient at a time point, and time to progression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vertherm.registry.windows import Window
from vertherm.review.cohort import Cohort, imaging, responses

CENSORED, PROGRESSION, DEATH = 0, 1, 2


@dataclass(frozen=True)
class Times:
    """Time to the first of progression and death, one row a lesion or patient.

    Args:
        table: patient_key (and lesion_no), time in days from day 0, event (0 censored, 1 progression, 2 death), and
            the days between which progression happened (``clear``: last scan without it or 0; ``seen``: the scan that
            showed it), and ``judged``: at least one evaluable scan after treatment.
    """

    table: pd.DataFrame

    @property
    def time(self) -> NDArray[np.float64]:
        """Days."""
        return self.table["time"].to_numpy(float)

    @property
    def event(self) -> NDArray[np.int64]:
        """Codes 0, 1, 2."""
        return self.table["event"].to_numpy(np.int64)

    @property
    def complete(self) -> bool:
        """True where nobody is left after the last event, so that the curve is known for ever."""
        return bool(self.time.size) and not bool((self.event[self.time == self.time.max()] == CENSORED).any())

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Days between the last clear scan (or day 0) and the scan that showed progression."""
        shown = self.table[self.table["event"] == PROGRESSION]
        return (shown["seen"] - shown["clear"]).to_numpy(float)


def after_treatment(cohort: Cohort) -> pd.DataFrame:
    """Responses on or after the first treatment of their lesion, with day and time point."""
    return cohort.once("after_treatment", _after_treatment)


def _after_treatment(cohort: Cohort) -> pd.DataFrame:
    table = responses(cohort)
    first = cohort.lesions[["patient_key", "lesion_no", "first_treated"]]
    table = table.merge(first, on=["patient_key", "lesion_no"])
    table = table[table["date"] >= table["first_treated"]]
    return table.assign(day=table["day"].astype(float))


def on_grid(cohort: Cohort, found: pd.DataFrame) -> pd.DataFrame:
    """The same responses, those inside a window dated to its last day."""
    last = found["time_point"].map({window.name: float(window.last_day) for window in cohort.windows}).astype(float)
    return found.assign(day=last.where(found["time_point"].notna(), found["day"]))


def lesion_times(cohort: Cohort, found: pd.DataFrame, *, until_scan: bool = False) -> Times:
    """Time to progression of every treated lesion, death competing.

    Args:
        cohort: the series.
        found: responses after treatment.
        until_scan: survivors without progression leave at their last clear scan (day 0 where there is none) instead of
            the last day on which they are known to be alive.
    """
    keys = ["patient_key", "lesion_no"]
    table = cohort.treated_lesions[[*keys, "day_zero", "region"]].set_index(keys)
    seen = found[found["progression"] == "yes"].groupby(keys)["day"].min().reindex(table.index)
    free = found[found["progression"] == "no"].merge(seen.rename("seen").reset_index(), on=keys, how="left")
    clear = free[~(free["day"] >= free["seen"])].groupby(keys)["day"].max().reindex(table.index)
    judged = seen.notna() | clear.notna()
    table = table.assign(seen=seen, clear=clear.fillna(0.0).clip(lower=0.0), judged=judged).reset_index()
    table["death"] = _days(cohort, table, "death_day")
    table["last"] = table["clear"] if until_scan else _days(cohort, table, "last_day")
    return Times(_first_event(table))


def _days(cohort: Cohort, table: pd.DataFrame, column: str) -> pd.Series[float]:
    """A day of the patient, counted from the lesion's day 0."""
    date = cohort.patients["day_zero"] + pd.to_timedelta(cohort.patients[column], unit="D")
    return (table["patient_key"].map(date) - table["day_zero"]).dt.days.astype(float)


def patient_times(cohort: Cohort, lesions: Times) -> Times:
    """Time to the first progression of any treated lesion of a patient, death competing.

    Survivors without progression leave with the first of their lesions: until then all of them are under observation.
    """
    by = lesions.table.groupby("patient_key")
    table = by.agg(seen=("seen", "min"), clear=("clear", "min"), death=("death", "max"), last=("last", "min"),
                   judged=("judged", "any"))  # fmt: skip
    worst = lesions.table.dropna(subset=["seen"]).sort_values("seen").drop_duplicates("patient_key")
    # The interval is that of the lesion that progressed first.
    table["clear"] = worst.set_index("patient_key")["clear"].reindex(table.index).fillna(table["clear"])
    table["region"] = cohort.patients["region"].reindex(table.index)
    return Times(_first_event(table).reset_index())


def _first_event(table: pd.DataFrame) -> pd.DataFrame:
    shown, dead = table["seen"].notna(), table["death"].notna()
    table["event"] = np.where(shown, PROGRESSION, np.where(dead, DEATH, CENSORED))
    # On the grid a scan may be dated after a death that followed it.
    seen = np.fmin(table["seen"], table["death"])
    table["time"] = np.where(shown, seen, np.where(dead, table["death"], table["last"].fillna(0.0))).clip(min=0.0)
    return table


@dataclass(frozen=True)
class State:
    """Counts at one time point, lesions or patients.

    Args:
        treated: all.
        alive: of patients not known to have died before the window opened.
        imaged: alive, with an examination in the window.
        evaluable: alive, and judged: progressed by the end of the window, or every lesion seen free of it within.
        earlier: of the evaluable, progressed before and not examined again in the window.
        free: evaluable and free of progression.
        event: 1 progressed, 0 free, of every evaluable one.
        cluster: the patients these belong to.
    """

    treated: int
    alive: int
    imaged: int
    evaluable: int
    earlier: int
    free: int
    event: NDArray[np.float64]
    cluster: NDArray[np.object_]


def lesion_table(cohort: Cohort, found: pd.DataFrame, window: Window) -> pd.DataFrame:
    """One row a treated lesion at a time point: alive, imaged, progressed (1, 0, NaN where not evaluable)."""
    keys = ["patient_key", "lesion_no"]
    table = cohort.treated_lesions[[*keys, "region", "primary_tumour"]].set_index(keys)
    inside = found[found["time_point"] == window.name]
    yes = found[(found["progression"] == "yes") & (found["day"] <= window.last_day)]
    no = inside[inside["progression"] == "no"]
    index = table.index
    progressed = index.isin(pd.MultiIndex.from_frame(yes[keys]))
    clear = index.isin(pd.MultiIndex.from_frame(no[keys]))
    table["imaged"] = index.isin(pd.MultiIndex.from_frame(inside[keys]))
    table["progressed"] = np.where(progressed, 1.0, np.where(clear, 0.0, np.nan))
    death = cohort.patients["death_day"]
    table = table.reset_index()
    table["alive"] = ~(table["patient_key"].map(death).astype(float) < window.first_day)
    return table


def patient_table(cohort: Cohort, lesions: pd.DataFrame, window: Window) -> pd.DataFrame:
    """One row a treated patient at a time point, from its lesions: progressed if any lesion is, free if all are."""
    by = lesions.groupby("patient_key")
    table = pd.DataFrame({"alive": by["alive"].first(), "worst": by["progressed"].max()})
    unknown = lesions["progressed"].isna().groupby(lesions["patient_key"]).any()
    table["progressed"] = table["worst"].where((table["worst"] == 1.0) | ~unknown)
    scans = imaging(cohort)
    inside = scans[scans["time_point"] == window.name]["patient_key"]
    table["imaged"] = table.index.isin(inside) | by["imaged"].any()
    return table.reset_index()


def state(table: pd.DataFrame) -> State:
    """Counts of a lesion or patient table."""
    alive = table[table["alive"]]
    judged = alive[alive["progressed"].notna()]
    return State(
        treated=len(table),
        alive=len(alive),
        imaged=int(alive["imaged"].sum()),
        evaluable=len(judged),
        earlier=int((~judged["imaged"]).sum()),
        free=int((judged["progressed"] == 0.0).sum()),
        event=judged["progressed"].to_numpy(float),
        cluster=judged["patient_key"].to_numpy(object),
    )
