"""Cumulative incidence of progression with its band, death competing, and the numbers at risk below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.control_data import DEATH, PROGRESSION, Times
from vertherm.review.figures import canvas
from vertherm.review.model import Figure
from vertherm.review.statistics.competing import CumulativeIncidence
from vertherm.review.words import fixed, plural, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(cohort: Cohort, patients: Times, lesions: Times, run: Analyst) -> Figure:
    """Patients on the left, lesions on the right."""
    drawing = canvas.new(9.0, 4.3)
    said = []
    for place, (name, times) in enumerate((("patients", patients), ("lesions", lesions))):
        ax = drawing.add_axes((0.075 + 0.49 * place, 0.3, 0.42, 0.58))
        progressed, died = _curves(times, run)
        _panel(ax, progressed, died, f"{plural(progressed.n, name[:-1])}")
        _at_risk(ax, progressed)
        last = float(progressed.time[-1])
        said.append(
            f"{plural(progressed.n, name[:-1])}, {progressed.events} progressed, {died.events} died without "
            f"progression, incidence of progression {fixed(100 * progressed.estimate[-1])} % and of death "
            f"{fixed(100 * died.estimate[-1])} % by day {last:.0f}"
        )
    # One scale for both panels: they are read against each other.
    top = max(ax.get_ylim()[1] for ax in drawing.axes)
    for ax in drawing.axes:
        ax.set_ylim(0, top)
    drawing.axes[0].set_ylabel("cumulative incidence (%)", fontsize=9)
    handles, labels = drawing.axes[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="lower center", ncols=3, fontsize=8, frameon=False)
    notes = (
        f"Aalen-Johansen estimate, band: {run.options.percent} limits. Steps lie at the scans that showed progression; "
        "it happened before them. Limits for lesions take lesions of a patient as independent.",
    )
    return canvas.finish(
        drawing, "incidence-figure", "Cumulative incidence of progression and of death without it.",
        "; ".join(said) + ".", synthetic=cohort.synthetic, notes=notes,
    )  # fmt: skip


def _curves(times: Times, run: Analyst) -> tuple[CumulativeIncidence, CumulativeIncidence]:
    event = times.event
    swapped = np.select([event == PROGRESSION, event == DEATH], [DEATH, PROGRESSION], 0)
    return run.incidence(times.time, event), run.incidence(times.time, swapped)


def _panel(ax: Axes, progressed: CumulativeIncidence, died: CumulativeIncidence, title: str) -> None:
    canvas.plain(ax)
    low, high = (np.nan_to_num(100 * limit, nan=0.0) for limit in (progressed.low, progressed.high))
    ax.fill_between(progressed.time, low, high, step="post", color=canvas.RED, alpha=0.22, lw=0, label="limits")
    ax.step(progressed.time, 100 * progressed.estimate, where="post", color=canvas.RED, lw=2, label="progression")
    ax.step(died.time, 100 * died.estimate, where="post", color=canvas.BLUE, lw=1.6, ls="--",
            label="death without progression")  # fmt: skip
    last = max(float(progressed.time[-1]), 1.0)
    if progressed.events and not np.isnan(progressed.low[-1]):
        # A step at the very last day has no width: the whisker shows its limits.
        ends = [100 * progressed.low[-1], 100 * progressed.high[-1]]
        ax.plot([last, last], ends, color=canvas.RED, lw=1.6, marker="_", ms=7, zorder=4)
        ax.plot(last, 100 * progressed.estimate[-1], "o", color=canvas.RED, ms=5, zorder=5)
    top = max(float(high.max(initial=0.0)), 100 * float(died.estimate.max(initial=0.0)), 5.0)
    ax.set(ylim=(0, min(1.12 * top, 102.0)), xlim=(0, 1.04 * last))
    ax.set_xlabel("days after day 0", fontsize=9)
    ax.set_title(title, fontsize=9.5, weight="bold", loc="left")


def _at_risk(ax: Axes, curve: CumulativeIncidence) -> None:
    left, right = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if left <= tick <= right]
    for tick, n in zip(ticks, curve.number_at_risk(ticks), strict=True):
        ax.annotate(whole(int(n)), (tick, 0), xycoords=("data", "axes fraction"), xytext=(0, -44),
                    textcoords="offset points", ha="center", fontsize=7.5, color=canvas.BLACK)  # fmt: skip
    ax.annotate("under observation:", (0, 0), xycoords="axes fraction", xytext=(0, -34), textcoords="offset points",
                fontsize=7, color=canvas.GREY, ha="left")  # fmt: skip
