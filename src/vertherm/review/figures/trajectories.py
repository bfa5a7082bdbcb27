"""Pain over time: every patient's line, and the median at each time point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vertherm.registry.windows import Window
from vertherm.review.analyst import Analyst
from vertherm.review.cohort import Cohort
from vertherm.review.figures import canvas
from vertherm.review.model import Figure
from vertherm.review.statistics.summary import Summary, summarise
from vertherm.review.words import fixed, span, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(cohort: Cohort, run: Analyst) -> Figure:
    """VAS by day; lines are patients (a stated sample where there are many), points the medians with quartiles."""
    visits = cohort.visits[["patient_key", "visit_no", "day"]].merge(
        cohort.frames["visit"][["patient_key", "visit_no", "vas"]], on=["patient_key", "visit_no"]
    )
    visits = visits[visits["vas"].notna() & visits["day"].notna()].astype({"day": float})
    shown, said = sample(visits["patient_key"].unique(), run.options.trajectories, run.options.seed)
    drawing = canvas.new(7.6, 4.3)
    ax = drawing.add_axes((0.08, 0.13, 0.9, 0.77))
    canvas.plain(ax)
    _lines(ax, visits[visits["patient_key"].isin(shown)], run.options.seed)
    found = _medians(cohort)
    for window in cohort.windows:
        ax.axvspan(window.first_day - 0.5, window.last_day + 0.5, color=canvas.PALE, alpha=0.45, lw=0, zorder=0)
    middles = _middles(cohort, visits)
    x = [middles[window.name] for window, _ in found]
    y = [item.median for _, item in found]
    lower = [item.median - item.q1 for _, item in found]
    upper = [item.q3 - item.median for _, item in found]
    ax.errorbar(x, y, yerr=[lower, upper], color=canvas.BLACK, lw=2.2, marker="o", ms=6, capsize=5, zorder=5,
                label="median and quartiles of all patients with a value")  # fmt: skip
    for place, item, top in zip(x, (item for _, item in found), y, strict=True):
        ax.annotate(f"n = {whole(item.n)}", (place, top), xytext=(7, 7), textcoords="offset points", fontsize=8,
                    weight="bold", zorder=6)  # fmt: skip
    ax.plot([], [], color=canvas.SKY, lw=1, marker=".", label="one patient")
    ax.set(ylim=(-0.5, 10.5), xlabel="days after day 0 (grey: windows)", ylabel="VAS (0-10)")
    ax.set_xlim(*_limits(visits, cohort))
    ax.legend(fontsize=8, loc="upper right", framealpha=0.95)
    alt = "Pain by day. " + "; ".join(
        f"{window.label}: median {fixed(item.median)}, quartiles {span(item.q1, item.q3)}, n = {item.n}"
        for window, item in found
    )
    notes = (
        "Unit: patient.",
        said,
        "Visits outside the windows are drawn too. Lines are shifted by up to 0.16 points.",
    )
    return canvas.finish(drawing, "trajectories", "Pain over time.", f"{alt}.", synthetic=cohort.synthetic, notes=notes)


def _lines(ax: Axes, visits: pd.DataFrame, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _, one in visits.sort_values("day").groupby("patient_key", sort=True):
        # Whole points lie on each other: a small shift, the same for a patient's whole line, keeps them apart.
        shift = rng.uniform(-0.16, 0.16)
        ax.plot(one["day"], one["vas"] + shift, color=canvas.SKY, lw=0.7, alpha=0.45, marker=".", ms=2.5, zorder=2)


def sample(keys: np.ndarray, most: int, seed: int, who: str = "patients with a value") -> tuple[set[str], str]:
    """The patients to draw one by one, and the sentence that says whether they are all."""
    if len(keys) <= most:
        return set(keys), f"All {whole(len(keys))} {who} are drawn."
    chosen = np.random.default_rng(seed).choice(np.sort(keys.astype(str)), most, replace=False)
    return set(chosen), f"A random sample of {whole(most)} of {whole(len(keys))} {who} is drawn (seed {seed})."


def _medians(cohort: Cohort) -> list[tuple[Window, Summary]]:
    values = cohort.measure("vas")
    found = [(window, summarise(values[window.name].to_numpy())) for window in cohort.windows]
    return [(window, item) for window, item in found if item.n]


def _middles(cohort: Cohort, visits: pd.DataFrame) -> dict[str, float]:
    """Where to draw each median: the median day of the visits in the window."""
    middles = {}
    for window in cohort.windows:
        inside = visits["day"].between(window.first_day, window.last_day)
        middle = (window.first_day + window.last_day) / 2
        middles[window.name] = float(visits.loc[inside, "day"].median()) if inside.any() else middle
    return middles


def _limits(visits: pd.DataFrame, cohort: Cohort) -> tuple[float, float]:
    last = max(window.last_day for window in cohort.windows)
    low = max(float(visits["day"].min()), -95.0) - 4
    return low, max(last, min(float(visits["day"].max()), 2.0 * max(last, 1))) + 6
