"""Swimmer plot: follow-up of every patient with its procedures, scans, progression, complications and death."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.figures import canvas
from vertherm.review.figures.trajectories import sample
from vertherm.review.model import Figure
from vertherm.review.words import plural, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = (
    ("procedure", "|", canvas.BLACK, 8, "procedure"),
    ("visit", ".", canvas.GREY, 3, "visit"),
    ("imaging", "o", canvas.GREEN, 4, "imaging"),
    ("progression", "^", canvas.RED, 7, "progression first seen"),
    ("complication", "D", canvas.ORANGE, 5, "complication"),
    ("death", "X", canvas.BLACK, 7, "death"),
)


def draw(cohort: Cohort, run: Analyst, progressed: pd.DataFrame) -> Figure:
    """One bar a patient from day 0 to death or last known alive.

    Args:
        cohort: the series.
        run: how many patients to draw, and the seed of the sample.
        progressed: patient_key and day of the first progression seen.
    """
    treated = cohort.treated
    shown, said = sample(treated.index.to_numpy(), run.options.swimmers, run.options.seed, "treated patients")
    order = treated.loc[treated.index.isin(shown), "last_day"].fillna(0.0).sort_values(ascending=False, kind="stable")
    height = min(0.105 * len(order), 8.2) + 1.3
    drawing = canvas.new(7.6, height)
    ax = drawing.add_axes((0.05, 0.85 / height, 0.93, 1 - 1.2 / height))
    canvas.plain(ax)
    place = pd.Series(np.arange(len(order)), index=order.index)
    ax.barh(place, order.to_numpy(), height=0.62, color=canvas.SKY, alpha=0.5, lw=0, zorder=1)
    for (name, marker, colour, size, label), table in zip(_MARKS, _points(cohort, progressed), strict=True):
        _mark(ax, table, place, marker, colour, size, label if name != "procedure" else "procedure (day 0 and later)")
    ax.set(ylim=(len(order) - 0.3, -0.9), yticks=[], xlabel="days after day 0")
    ax.set_xlim(
        min(-8.0, -0.03 * float(order.max() if len(order) else 1)),
        max(float(order.max() if len(order) else 1), 1.0) * 1.03,
    )
    ax.set_ylabel("one bar a patient", fontsize=8.5)
    drawing.legend(*ax.get_legend_handles_labels(), loc="lower center", ncols=6, fontsize=7.5, frameon=False,
                   handletextpad=0.2, columnspacing=1.1)  # fmt: skip
    dead = int(cohort.treated["dead"].sum())
    alt = (
        f"Follow-up of {plural(len(order), 'patient')} as bars, longest first. Of all {whole(len(treated))} treated "
        f"patients {whole(dead)} died and {whole(len(progressed))} progressed."
    )
    notes = ("Unit: patient. The bar ends at death or at the last day known alive.", said,
             "Visits before day 0 are not drawn.")  # fmt: skip
    return canvas.finish(drawing, "swimmer", "Follow-up of the patients (swimmer plot).", alt,
                         synthetic=cohort.synthetic, notes=notes)  # fmt: skip


def _points(cohort: Cohort, progressed: pd.DataFrame) -> list[pd.DataFrame]:
    zero = cohort.treated["day_zero"]

    def dated(name: str, column: str = "date") -> pd.DataFrame:
        table = cohort.frames[name]
        day = (table[column] - table["patient_key"].map(zero)).dt.days
        return pd.DataFrame({"patient_key": table["patient_key"], "day": day})

    return [
        dated("procedure"),
        dated("visit"),
        dated("imaging"),
        progressed,
        dated("complication", "onset"),
        dated("death"),
    ]


def _mark(
    ax: Axes, table: pd.DataFrame, place: pd.Series[Any], marker: str, colour: str, size: float, label: str
) -> None:
    here = table[table["patient_key"].isin(place.index) & (table["day"].astype(float) >= 0)]
    face: str = "white" if marker == "o" else colour
    ax.plot(here["day"].astype(float), here["patient_key"].map(place), ls="", marker=marker, color=colour, mfc=face,
            ms=size, mew=1.0, label=label, zorder=3)  # fmt: skip
