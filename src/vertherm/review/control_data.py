"""Local control from the scans: state of every lesion and patient at a time point, and time to progression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vertherm.registry.windows import Window
from vertherm.review.cohort import Cohort, imaging, responses

CENSORED, PROGRESSION, DEATH = 0, 1, 2
LESION = ["patient_key", "lesion_no"]


@dataclass(frozen=True)
class Times:
    """Time to the first of progression and death, one row a lesion or patient.

    Args:
        table: patient_key (and lesion_no), time in days from day 0, event (0 censored, 1 progression, 2 death), and
            the days between which progression happened (``clear``: last scan without it, or the lesion's first
            treatment; ``seen``: the scan that showed it), ``offset`` (its day 0 in the days of the patient), and
            ``judged``: at least one evaluable scan after treatment.
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
        """Days between the last clear scan (or the first treatment) and the scan that showed progression."""
        shown = self.table[self.table["event"] == PROGRESSION]
        return (shown["seen"] - shown["clear"]).to_numpy(float)


def after_treatment(cohort: Cohort) -> pd.DataFrame:
    """Responses after the day of the first treatment of their lesion, with day and time point.

    A scan on the day of treatment is no follow-up: what it shows was there before.
    """
    return cohort.once("after_treatment", _after_treatment)


def _after_treatment(cohort: Cohort) -> pd.DataFrame:
    table = responses(cohort)
    first = cohort.lesions[[*LESION, "first_treated"]]
    table = table.merge(first, on=LESION)
    table = table[table["date"] > table["first_treated"]]
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
        until_scan: survivors without progression leave at their last clear scan (the lesion's first treatment where
            there is none) instead of the last day on which they are known to be alive.
    """
    table = cohort.treated_lesions[[*LESION, "day_zero", "first_treated", "region"]].set_index(LESION)
    seen = found[found["progression"] == "yes"].groupby(LESION)["day"].min().reindex(table.index)
    free = found[found["progression"] == "no"].merge(seen.rename("seen").reset_index(), on=LESION, how="left")
    clear = free[~(free["day"] >= free["seen"])].groupby(LESION)["day"].max().reindex(table.index)
    start = (table["first_treated"] - table["day_zero"]).dt.days.astype(float)
    table = table.assign(seen=seen, clear=clear.fillna(start), judged=seen.notna() | clear.notna()).reset_index()
    table["offset"] = -_days(cohort, table, 0.0)
    table["death"] = _days(cohort, table, "death_day")
    table["last"] = table["clear"] if until_scan else _days(cohort, table, "last_day")
    return Times(_first_event(table))


def _days(cohort: Cohort, table: pd.DataFrame, day: str | float) -> pd.Series[float]:
    """A day of the patient (a column, or a number), counted from the lesion's day 0."""
    days = cohort.patients[day] if isinstance(day, str) else day
    date = cohort.patients["day_zero"] + pd.to_timedelta(days, unit="D")
    return (table["patient_key"].map(date) - table["day_zero"]).dt.days.astype(float)


def patient_times(cohort: Cohort, lesions: Times) -> Times:
    """Time to the first progression of any treated lesion of a patient, death competing.

    Days count from the patient's day 0, whatever the series counts its lesions from. Survivors without progression
    leave with the first of their lesions: until then all of them are under observation.
    """
    own = ["seen", "clear", "death", "last"]
    shifted = lesions.table.assign(**lesions.table[own].add(lesions.table["offset"], axis=0))
    by = shifted.groupby("patient_key")
    table = by.agg(seen=("seen", "min"), clear=("clear", "min"), death=("death", "max"), last=("last", "min"),
                   judged=("judged", "any"))  # fmt: skip
    worst = shifted.dropna(subset=["seen"]).sort_values("seen").drop_duplicates("patient_key")
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
        treated: all that were treated by the end of the window.
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
    """One row a treated lesion at a time point: alive, imaged, progressed (1, 0, NaN where not evaluable).

    All days, that of death too, count from the lesion's day 0. ``begun`` is False for a lesion whose first treatment
    came after the window: at that time point there was nothing to control. ``again``: treated twice by its end.
    """
    table = cohort.treated_lesions[[*LESION, "region", "primary_tumour", "day_zero", "first_treated"]].set_index(LESION)
    inside = found[found["time_point"] == window.name]
    yes = found[(found["progression"] == "yes") & (found["day"] <= window.last_day)]
    no = inside[inside["progression"] == "no"]
    index = table.index
    progressed = index.isin(pd.MultiIndex.from_frame(yes[LESION]))
    clear = index.isin(pd.MultiIndex.from_frame(no[LESION]))
    table["imaged"] = index.isin(pd.MultiIndex.from_frame(inside[LESION]))
    table["progressed"] = np.where(progressed, 1.0, np.where(clear, 0.0, np.nan))
    table["again"] = (_second_treatment(cohort).reindex(index) - table["day_zero"]).dt.days <= window.last_day
    table["begun"] = (table["first_treated"] - table["day_zero"]).dt.days <= window.last_day
    table = table.reset_index()
    table["alive"] = ~(_days(cohort, table, "death_day") < window.first_day)
    return table


def _second_treatment(cohort: Cohort) -> pd.Series[pd.Timestamp]:
    """Date of the second treatment of every lesion that had one."""
    dated = cohort.frames["treatment"].merge(
        cohort.frames["procedure"][["patient_key", "procedure_no", "date"]], on=["patient_key", "procedure_no"]
    )
    ordered = dated.sort_values("date", kind="stable")
    return ordered[ordered.groupby(LESION).cumcount() == 1].set_index(LESION)["date"]


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """The evaluable rows of a lesion or patient table."""
    return table[table["begun"] & table["alive"] & table["progressed"].notna()]


def patient_table(cohort: Cohort, lesions: pd.DataFrame, window: Window) -> pd.DataFrame:
    """One row a treated patient at a time point, from its lesions: progressed if any lesion is, free if all are.

    Lesions that were first treated later do not count yet. Alive: when the window of the first lesion opened.
    """
    lesions = lesions[lesions["begun"]]
    by = lesions.groupby("patient_key")
    table = pd.DataFrame({"alive": by["alive"].any(), "worst": by["progressed"].max(), "begun": True})
    unknown = lesions["progressed"].isna().groupby(lesions["patient_key"]).any()
    table["progressed"] = table["worst"].where((table["worst"] == 1.0) | ~unknown)
    scans = imaging(cohort)
    inside = scans[scans["time_point"] == window.name]["patient_key"]
    table["imaged"] = table.index.isin(inside) | by["imaged"].any()
    return table.reset_index()


def state(table: pd.DataFrame) -> State:
    """Counts of a lesion or patient table."""
    alive = table[table["begun"] & table["alive"]]
    known = judged(table)
    return State(
        treated=int(table["begun"].sum()),
        alive=len(alive),
        imaged=int(alive["imaged"].sum()),
        evaluable=len(known),
        earlier=int((~known["imaged"]).sum()),
        free=int((known["progressed"] == 0.0).sum()),
        event=known["progressed"].to_numpy(float),
        cluster=known["patient_key"].to_numpy(object),
    )
