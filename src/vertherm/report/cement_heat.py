"""Diagrams of curing heat: over time at each structure, with and without the ablation's heat, and against the delay."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vertherm.planning.cement.document import CuringRow, CuringStructureRow, TargetCement
from vertherm.report import canvas
from vertherm.report.canvas import Picture
from vertherm.report.cement_curves import (
    BLUE,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    STATUS_COLOURS,
    STATUS_SIGNS,
    key,
    placed,
    published_bars,
    with_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COURSES = 6
_VARIANTS = ((BLUE, "-"), ("#e69f00", "--"), (PURPLE, "-."), ("#2b9f78", ":"), ("#555555", (0, (5, 1, 1, 1, 1, 1))))
_SEVERITY = ("green", "warn", "not assessed", "stop")


def limit_c(words: str) -> float | None:
    """The temperature in the words of a limit ("43 °C or CEM43 10 min"); None where it has none, or one of cooling."""
    for part in words.split(" or "):
        found = re.fullmatch(r"(-?\d+(?:\.\d+)?) °C", part.strip())
        if found:
            return float(found.group(1))
    return None


def shown(row: CuringRow) -> list[CuringStructureRow]:
    """Structures that have a course, the most severe and hottest first, at most :data:`MOST_COURSES`."""
    known = {name for course in row.courses for name in course.temperature_c}
    rows = [item for item in row.structures if item.name in known]
    return sorted(rows, key=lambda s: (-_SEVERITY.index(s.status), -s.combined_peak_c.high))[:MOST_COURSES]


def courses(target: TargetCement, row: CuringRow, *, synthetic: bool) -> Picture:
    """Encoded :func:`draw_courses`."""
    hottest = [f"{item.name} up to {item.combined_peak_c.high:.1f} °C" for item in shown(row)]
    variants = ", ".join(course.variant for course in row.courses)
    alt = (
        f"Temperature over time after injection at {target.level}, one line a variant ({variants}): "
        f"{', '.join(hottest)}. The same peaks stand in the table of curing heat."
    )
    return canvas.encode(draw_courses(row, synthetic=synthetic), "Temperature while the cement cures", alt, vector=True)


def draw_courses(row: CuringRow, *, synthetic: bool) -> Figure:
    """One small diagram a structure: every variant over time with the structure's limits."""
    items = shown(row)
    columns = min(3, max(len(items), 1))
    rows = -(-max(len(items), 1) // columns)
    figure = canvas.new_figure(3.75 * columns, 2.35 * rows + 0.30)
    for position, item in enumerate(items):
        down, across = divmod(position, columns)
        ax = placed(figure, (0.5 + 3.75 * across, 0.80 + 2.35 * (rows - 1 - down), 3.1, 1.55))
        _course(ax, item, row)
        canvas.stamp_diagram(ax, synthetic=synthetic)
    key(figure, columns=3 if columns < 3 else 5)
    return figure


def _course(ax: Axes, item: CuringStructureRow, row: CuringRow) -> None:
    for rank, course in enumerate(row.courses):
        values = course.temperature_c.get(item.name)
        if values is not None:
            colour, dash = _VARIANTS[rank % len(_VARIANTS)]
            minutes = np.array(course.since_injection_s) / 60.0
            ax.plot(minutes, values, color=colour, ls=dash, lw=1.9 if rank == 0 else 1.3, label=course.variant)
    low, high = ax.get_ylim()
    for limit, colour, dash, name in (
        (limit_c(item.warn_words), ORANGE, "--", "warn"),
        (limit_c(item.stop_words), RED, "-", "stop"),
    ):
        if limit is not None:
            ax.axhline(limit, color=colour, ls=dash, lw=1.1, label=f"{name} limit")
            high = max(high, limit + 0.6)
    ax.set(ylim=(min(low, 36.5), high), xlim=(0, None))
    ax.set_title(f"{STATUS_SIGNS[item.status]} {item.name}", fontsize=8.5, weight="bold", loc="left")
    ax.set_xlabel("time since injection (min)", fontsize=7)
    ax.set_ylabel("°C", fontsize=7)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.25, lw=0.5)


def peaks(target: TargetCement, row: CuringRow, *, synthetic: bool) -> Picture:
    """Encoded :func:`draw_peaks`."""
    parts = [
        f"{item.name} {item.curing_peak_c.value:.1f} °C by cement, {item.combined_peak_c.value:.1f} °C with ablation"
        for item in row.structures
    ]
    alt = (
        f"Peak temperature at {target.level} by the ablation, by the cement and by both, with limits: "
        f"{'; '.join(parts)}. Published temperatures of the canal stand below."
    )
    return canvas.encode(draw_peaks(row, synthetic=synthetic), "Peaks with and without ablation", alt, vector=True)


def draw_peaks(row: CuringRow, *, synthetic: bool) -> Figure:
    """Each structure's peak by ablation, by cement and by both; published temperatures on the same scale below."""
    items = sorted(row.structures, key=lambda item: item.combined_peak_c.high)
    published = with_numbers(row.published)
    below = 0.60 + 0.30 * len(published) if published else 0.0
    tall = 0.5 * max(len(items), 1) + 0.1
    figure = canvas.new_figure(9.6, tall + below + 1.02)
    ax = placed(figure, (2.9, below + 0.72, 6.4, tall))
    highest = 45.0
    for y, item in enumerate(items):
        _peak(ax, y, item)
        limits = [limit_c(item.warn_words) or 0.0, limit_c(item.stop_words) or 0.0]
        highest = max(highest, item.combined_peak_c.high, item.ablation_peak_c or 0.0, *limits)
    ax.set_yticks(range(len(items)), [f"{STATUS_SIGNS[item.status]} {item.name}" for item in items], fontsize=8)
    highest = max(highest, *(row.high or row.value or 0.0 for row in published)) if published else highest
    ax.set(xlim=(36.0, highest + 1.5), ylim=(-0.6, max(len(items), 1) - 0.4))
    ax.set_xlabel(
        "peak temperature (°C); bar: over kinetics and cooling; upright lines: warn and stop limit", fontsize=7.5
    )
    ax.tick_params(axis="x", labelsize=7.5)
    ax.grid(axis="x", alpha=0.25, lw=0.5)
    canvas.stamp_diagram(ax, synthetic=synthetic)
    entries = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    ax.legend(entries.values(), entries.keys(), loc="lower right", fontsize=7, framealpha=0.9)
    if published:
        lower = placed(figure, (2.9, 0.42, 6.4, below - 0.58))
        published_bars(lower, published, "published temperature of the canal (°C), shown beside and never fitted to")
        lower.set_xlim(36.0, highest + 1.5)
    return figure


def _peak(ax: Axes, y: int, item: CuringStructureRow) -> None:
    for row, shift, colour, mark, name in (
        (item.curing_peak_c, -0.16, BLUE, "o", "while the cement cures"),
        (item.combined_peak_c, 0.06, RED, "s", "ablation and cement"),
    ):
        ax.plot([row.low, row.high], [y + shift] * 2, color=colour, lw=4.5, alpha=0.45, solid_capstyle="butt")
        ax.plot(row.value, y + shift, mark, color=colour, ms=5, mec="black", mew=0.5, ls="none", label=name)
    if item.ablation_peak_c is not None:
        ax.plot(item.ablation_peak_c, y + 0.26, "^", color="#e69f00", ms=5.5, mec="black", mew=0.5, ls="none",
                label="ablation alone")  # fmt: skip
    for words, colour in ((item.warn_words, ORANGE), (item.stop_words, RED)):
        limit = limit_c(words)
        if limit is not None:
            ax.plot([limit, limit], [y - 0.38, y + 0.42], color=colour, lw=1.6)


def delays(target: TargetCement, row: CuringRow, *, synthetic: bool) -> Picture:
    """Encoded :func:`draw_delays`."""
    parts = [f"{item.delay_s / 60:.0f} min: {item.combined_peak_c:.1f} °C at {item.structure}" for item in row.delays]
    alt = (
        f"Peak of ablation and cement together against the delay, {target.level}: {'; '.join(parts)}. {row.delay_words}"
    )
    return canvas.encode(draw_delays(row, synthetic=synthetic), "Peak against delay", alt, vector=True)


def draw_delays(row: CuringRow, *, synthetic: bool) -> Figure:
    """Combined peak at the deciding structure for each delay after switch-off, its status as sign and colour."""
    figure = canvas.new_figure(7.2, 2.9)
    ax = placed(figure, (0.65, 0.52, 6.4, 2.1))
    items = sorted(row.delays, key=lambda item: item.delay_s)
    minutes = [item.delay_s / 60.0 for item in items]
    ax.plot(minutes, [item.combined_peak_c for item in items], color=GREY, lw=1.2, zorder=2)
    for minute, item in zip(minutes, items, strict=True):
        colour = STATUS_COLOURS[item.status]
        ax.plot(minute, item.combined_peak_c, "o", color=colour, ms=7, mec="black", mew=0.6, zorder=3)
        ax.annotate(
            f"{STATUS_SIGNS[item.status]} {item.structure}", (minute, item.combined_peak_c), xytext=(0, 8),
            textcoords="offset points", fontsize=7, ha="center", color=colour,
        )  # fmt: skip
    if row.delay_needed_s is not None:
        ax.axvline(row.delay_needed_s / 60.0, color=STATUS_COLOURS["green"], lw=1.4, ls="--")
        ax.annotate(
            "shortest that keeps every limit", (row.delay_needed_s / 60.0, 0.03), xycoords=("data", "axes fraction"),
            xytext=(-4, 0), textcoords="offset points", fontsize=7, ha="right", color=STATUS_COLOURS["green"],
        )  # fmt: skip
    _limits(ax, row.structures, {item.structure for item in items})
    ax.margins(x=0.10, y=0.22)
    ax.set_xlabel("delay after the last switch-off (min)", fontsize=8)
    ax.set_ylabel("peak of both (°C)", fontsize=8)
    ax.tick_params(labelsize=7.5)
    ax.grid(alpha=0.25, lw=0.5)
    canvas.stamp_diagram(ax, synthetic=synthetic)
    return figure


def _limits(ax: Axes, structures: Sequence[CuringStructureRow], names: set[str]) -> None:
    """Temperature limits of the structures that decide, once each."""
    # The lower limit's name hangs below its line, the upper one's stands above: they stay apart on any scale.
    for colour, dash, which, side in ((ORANGE, "--", "warn", "top"), (RED, "-", "stop", "bottom")):
        words = {getattr(item, f"{which}_words") for item in structures if item.name in names}
        for limit in sorted({value for text in words if (value := limit_c(text)) is not None}):
            ax.axhline(limit, color=colour, ls=dash, lw=1.0, zorder=1)
            ax.annotate(
                f"{which} {limit:g} °C", (0.0, limit), xycoords=("axes fraction", "data"), fontsize=7, color=colour,
                ha="left", va=side, xytext=(3, 1 if side == "bottom" else -1), textcoords="offset points",
            )  # fmt: skip
