"""Diagrams of the injection: leakage over volume, pressure and viscosity over time, strength."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill as wrapped
from typing import TYPE_CHECKING

import numpy as np

from vertherm.planning.cement.document import (
    CementRow,
    LeakageCurve,
    PublishedRow,
    StrengthRow,
    TargetCement,
)
from vertherm.report import canvas, style
from vertherm.report.canvas import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, RED, GREEN, GREY = "#0072b2", "#b07800", "#b2182b", "#007a5e", "#555555"
PURPLE = "#9b4f96"
SITE_WORDS = {
    "any": "anywhere",
    "neural": "canal or foramen",
    "canal": "canal",
    "foramen": "foramen",
    "vein": "vein",
    "disc": "disc",
    "paravertebral": "paravertebral",
}
_COLUMNS, _ROW_IN = 3, 2.05
_SITE_LINES = (
    ("#b2182b", "-"),
    ("#0072b2", "--"),
    ("#9b4f96", "-."),
    ("#007a5e", ":"),
    ("#b07800", (0, (5, 1, 1, 1, 1, 1))),
)
"""Colour and dash of each site, so that lines are told apart without colour too."""
_STATE_COLOURS = {"stiffness": "#0072b2", "failure load": "#e69f00"}


def leakage(target: TargetCement, curve: LeakageCurve, *, synthetic: bool) -> Picture:
    """Encoded :func:`draw_leakage`."""
    at_end = [f"{SITE_WORDS.get(name, name)} {100 * line[-1]:.0f} %" for name, line in curve.probability.items()]
    safe = ""
    if target.safe is not None and target.safe.enough:
        safe = f"; largest volume within the limits {target.safe.volume_ml:.1f} ml"
    last = curve.volume_ml[-1] if curve.volume_ml else 0.0
    alt = (
        f"Probability of leakage by site over injected volume, with 95 % intervals, {target.level}: at {last:.1f} ml "
        f"{', '.join(at_end)}{safe}. Published rates stand below. The numbers stand in the table of sites."
    )
    return canvas.encode(draw_leakage(target, curve, synthetic=synthetic), "Leakage over volume", alt, vector=True)


def draw_leakage(target: TargetCement, curve: LeakageCurve, *, synthetic: bool) -> Figure:
    """One small diagram a site with its interval, limit and safe volume; below them published rates."""
    names = [name for name in SITE_WORDS if name in curve.probability]
    published = with_numbers(curve.published)
    # Published rates take the two last places of the last row, or a row of their own.
    rows = -(-(len(names) + (2 if published else 0)) // _COLUMNS)
    figure = canvas.new_figure(11.2, _ROW_IN * rows + 0.42)
    top = max((max(curve.high[name], default=0.0) for name in names), default=1.0)
    for position, name in enumerate(names):
        row, column = divmod(position, _COLUMNS)
        ax = placed(figure, (0.55 + 3.62 * column, 0.82 + _ROW_IN * (rows - 1 - row), 3.1, 1.42))
        _site(ax, name, target, curve, min(max(1.12 * top, 0.1), 1.05))
        canvas.stamp_diagram(ax, synthetic=synthetic)
        ax.set_ylabel("probability (%)" if column == 0 else "", fontsize=7)
    key(figure, columns=5)
    if published:
        ax = placed(figure, (6.75, 0.82, 4.15, 1.42))
        published_bars(ax, published, "published rate of leakage (%), shown beside, never fitted to", 100.0)
    return figure


def distance(target: TargetCement, curve: LeakageCurve, *, synthetic: bool) -> Picture:
    """Encoded :func:`draw_distance`."""
    ends = [
        f"{SITE_WORDS.get(site, site)} {line[-1]:.1f} mm"
        for site, line in curve.distance_mm.items()
        if line and line[-1] is not None
    ]
    alt = (
        f"Smallest distance from the nominal cement to each leakage site over injected volume, {target.level}: at "
        f"{curve.volume_ml[-1]:.1f} ml {', '.join(ends)}. Those at the injected volume stand in the table of sites."
    )
    return canvas.encode(draw_distance(target, curve, synthetic=synthetic), "Distance to the sites", alt, vector=True)


def draw_distance(target: TargetCement, curve: LeakageCurve, *, synthetic: bool) -> Figure:
    """One line a site; where there is no cement yet there is no line."""
    figure = canvas.new_figure(9.6, 2.75)
    ax = placed(figure, (0.7, 0.82, 8.6, 1.65))
    for (site, line), (colour, dash) in zip(curve.distance_mm.items(), _SITE_LINES, strict=False):
        values = np.array([np.nan if value is None else value for value in line])
        if np.isfinite(values).any():
            name = SITE_WORDS.get(site, site)
            ax.plot(curve.volume_ml, values, color=colour, ls=dash, lw=1.6, label=name)
    ax.axvline(target.fill.injected_ml, color="black", lw=1.1, ls=":", label="injected")
    ax.set(xlim=(0, curve.volume_ml[-1]))
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("injected (ml)", fontsize=8)
    ax.set_ylabel("nominal cement to site (mm)", fontsize=8)
    ax.tick_params(labelsize=7.5)
    ax.grid(alpha=0.25, lw=0.5)
    canvas.stamp_diagram(ax, synthetic=synthetic)
    key(figure, columns=6)
    return figure


def key(figure: Figure, columns: int) -> None:
    """One legend for all axes at the bottom left."""
    entries = {
        label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    if entries:
        figure.legend(
            entries.values(), entries.keys(), loc="lower left", bbox_to_anchor=(0.03, 0), ncols=columns, fontsize=7.5,
            frameon=False,
        )  # fmt: skip


def _site(ax: Axes, name: str, target: TargetCement, curve: LeakageCurve, top: float) -> None:
    volume = np.array(curve.volume_ml)
    low, high = (100 * np.array(line[name]) for line in (curve.low, curve.high))
    ax.fill_between(volume, low, high, color=BLUE, alpha=0.22, lw=0, label="95 % interval")
    ax.plot(volume, 100 * np.array(curve.probability[name]), color=BLUE, lw=1.7, label="share of samples")
    limit = target.safe.limits.get(name) if target.safe is not None else None
    if limit is not None and limit < top:
        ax.axhline(100 * limit, color=RED, lw=1.1, ls="--", label="limit")
    elif limit is not None:
        note = f"limit {100 * limit:.0f} %"
        ax.annotate(note, (0.02, 0.96), xycoords="axes fraction", fontsize=6.5, color=RED, va="top")
    ax.axvline(target.fill.injected_ml, color="black", lw=1.1, ls=":", label="injected")
    if target.safe is not None and target.safe.enough:
        binding = target.safe.binds == name
        ax.axvline(target.safe.volume_ml, color=GREEN, lw=2.0 if binding else 1.3, label="largest within the limits")
    ax.set(xlim=(0, float(volume[-1]) if len(volume) else 1.0), ylim=(0, 100 * top))
    binds = " (binds)" if target.safe is not None and target.safe.enough and target.safe.binds == name else ""
    ax.set_title(SITE_WORDS[name] + binds, fontsize=8.5, weight="bold", loc="left")
    ax.set_xlabel("injected (ml)", fontsize=7)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.25, lw=0.5)


def with_numbers(rows: Sequence[PublishedRow]) -> list[PublishedRow]:
    """Those that can be drawn."""
    return [row for row in rows if row.value is not None or (row.low is not None and row.high is not None)]


def published_bars(ax: Axes, rows: Sequence[PublishedRow], words: str, factor: float = 1.0) -> None:
    """Published values as marks and ranges, each with what was measured; recalled ones are grey and say so."""
    for y, row in enumerate(rows[::-1]):
        colour = PURPLE if row.certainty in ("S", "D") else GREY
        if row.low is not None and row.high is not None:
            ax.plot(
                [factor * row.low, factor * row.high], [y, y], color=colour, lw=6, alpha=0.55, solid_capstyle="butt"
            )
        if row.value is not None:
            ax.plot(factor * row.value, y, "D", color=colour, ms=6, mec="black", mew=0.5)
    labels = [wrapped(row.words + ("" if row.certainty in ("S", "D") else " (recalled)"), 44) for row in rows[::-1]]
    ax.set_yticks(range(len(rows)), labels, fontsize=6.8)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlabel(words, fontsize=7)
    ax.tick_params(axis="x", labelsize=7)
    ax.grid(axis="x", alpha=0.25, lw=0.5)
    ax.margins(x=0.08)


def placed(figure: Figure, box_in: tuple[float, float, float, float]) -> Axes:
    """Axes at a place in inches: left, bottom, width, height."""
    width, height = figure.get_size_inches()
    left, bottom, wide, tall = box_in
    return figure.add_axes((left / width, bottom / height, wide / width, tall / height))


def course(target: TargetCement, cement: CementRow, *, synthetic: bool) -> Picture:
    """Encoded :func:`draw_course`."""
    row = target.course
    assert row is not None
    ends = "; ".join(stop.words for stop in target.stops)
    alt = (
        f"Pressure and viscosity over time since mixing, {cement.label}, working from {cement.working_from_s / 60:.1f} "
        f"to {cement.working_to_s / 60:.1f} min; largest nominal pressure {max(row.pressure_mpa, default=0.0):.2f} "
        f"MPa. Stop rules: {ends or 'none'}."
    )
    figure = draw_course(target, cement, synthetic=synthetic)
    return canvas.encode(figure, "Pressure and viscosity over time", alt, vector=True)


def draw_course(target: TargetCement, cement: CementRow, *, synthetic: bool) -> Figure:
    """Pressure above viscosity, with the working window and where stop rules end the injection."""
    row = target.course
    assert row is not None
    figure = canvas.new_figure(9.6, 5.0)
    minutes = np.array(row.since_mixing_s) / 60.0
    upper, lower = placed(figure, (0.75, 2.75, 8.6, 1.7)), placed(figure, (0.75, 0.72, 8.6, 1.7))
    upper.fill_between(minutes, row.pressure_low_mpa, row.pressure_high_mpa, color=BLUE, alpha=0.22, lw=0, label="band")
    upper.plot(minutes, row.pressure_mpa, color=BLUE, lw=1.7, label="pressure, nominal")
    upper.set_ylabel("pressure (MPa)", fontsize=8)
    lower.plot(minutes, row.viscosity_pa_s, color=ORANGE, lw=1.7, label="viscosity")
    lower.set_ylabel("viscosity (Pa s)", fontsize=8)
    if min(row.viscosity_pa_s, default=0.0) > 0 and max(row.viscosity_pa_s) > 8 * min(row.viscosity_pa_s):
        lower.set_yscale("log")
    lower.set_xlabel("time since mixing (min)", fontsize=8)
    start, end = cement.working_from_s / 60, cement.working_to_s / 60
    low = min([start, *minutes]) - 0.4
    high = max([end, *minutes]) + 0.4
    for ax in (upper, lower):
        ax.axvspan(start, end, color=GREEN, alpha=0.10, lw=0, label="working window")
        ax.set_xlim(max(low, 0.0), high)
        ax.tick_params(labelsize=7.5)
        ax.grid(alpha=0.25, lw=0.5)
    upper.set_ylim(bottom=0.0)
    _stops(upper, lower, target)
    _volumes(upper, minutes, row.volume_ml)
    canvas.stamp_diagram(lower, synthetic=synthetic)
    key(figure, columns=5)
    return figure


def _stops(upper: Axes, lower: Axes, target: TargetCement) -> None:
    """Upright lines where a rule ends the injection; their names staggered, so that near ones stay apart."""
    timed = [stop for stop in target.stops if stop.since_mixing_s is not None]
    left, right = upper.get_xlim()
    for rank, stop in enumerate(sorted(timed, key=lambda item: item.since_mixing_s or 0.0)):
        at = (stop.since_mixing_s or 0.0) / 60.0
        for ax in (upper, lower):
            ax.axvline(at, color=RED, lw=1.2, ls="--", label="a stop rule")
        volume = "" if stop.volume_ml is None else f", {stop.volume_ml:.1f} ml"
        before = at > left + 0.8 * (right - left)
        upper.annotate(
            f"{stop.rule}{volume}", (at, 0.96 - 0.13 * (rank % 5)), xycoords=("data", "axes fraction"), fontsize=6.8,
            color=RED, va="top", ha="right" if before else "left", xytext=(-3 if before else 3, 0),
            textcoords="offset points", bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip


def _volumes(ax: Axes, minutes: np.ndarray, volume_ml: Sequence[float]) -> None:
    """A second scale on top: the injected volume at whole millilitres."""
    if len(minutes) < 2 or volume_ml[-1] <= volume_ml[0]:
        return
    whole = np.arange(np.ceil(volume_ml[0]), np.floor(volume_ml[-1]) + 0.5)
    scale = ax.secondary_xaxis("top")
    scale.set_xticks(np.interp(whole, volume_ml, minutes), [f"{value:g}" for value in whole], fontsize=7)
    scale.set_xlabel("injected (ml)", fontsize=7)


def strength(target: TargetCement, row: StrengthRow, *, synthetic: bool) -> Picture:
    """Encoded :func:`draw_strength`."""
    parts = [
        f"{s.state}: stiffness {s.stiffness_ratio.value:.2f}, failure load {s.failure_ratio.value:.2f}"
        for s in row.states
    ]
    alt = (
        f"Stiffness and failure load of the vertebral body of {target.level} as ratio to the state without lesion: "
        f"{'; '.join(parts)}. The numbers stand in the table of strength."
    )
    return canvas.encode(draw_strength(target, row, synthetic=synthetic), "Strength by state", alt, vector=True)


def draw_strength(target: TargetCement, row: StrengthRow, *, synthetic: bool) -> Figure:
    """Bars of the ratios with their band, and the ratio over cement volume beside them."""
    figure = canvas.new_figure(9.6, 3.0)
    wide = 5.6 if row.volumes else 8.6
    ax = placed(figure, (0.7, 0.72, wide, 2.0))
    for offset, (name, colour) in zip((-0.19, 0.19), _STATE_COLOURS.items(), strict=True):
        ratios = [s.stiffness_ratio if name == "stiffness" else s.failure_ratio for s in row.states]
        x = np.arange(len(ratios)) + offset
        ax.bar(x, [r.value for r in ratios], 0.36, color=colour, edgecolor="black", lw=0.5, label=name)
        band = [[max(r.value - r.low, 0.0) for r in ratios], [max(r.high - r.value, 0.0) for r in ratios]]
        ax.errorbar(x, [r.value for r in ratios], band, fmt="none", ecolor="black", lw=1.1, capsize=3)
        for at, ratio in zip(x, ratios, strict=True):
            ax.annotate(
                f"{ratio.value:.2f}", (at, max(ratio.high, ratio.value)), xytext=(0, 2), ha="center", fontsize=7,
                textcoords="offset points",
            )  # fmt: skip
    ax.axhline(1.0, color=GREY, lw=0.9, ls="--")
    ax.set_xticks(range(len(row.states)), [s.state for s in row.states], fontsize=8)
    top = max((max(s.stiffness_ratio.high, s.failure_ratio.high) for s in row.states), default=1.0)
    ax.set(ylim=(0, 1.15 * max(top, 1.0)))
    ax.set_ylabel("ratio to without lesion", fontsize=8)
    ax.tick_params(axis="y", labelsize=7.5)
    ax.grid(axis="y", alpha=0.25, lw=0.5)
    canvas.stamp_diagram(ax, synthetic=synthetic)
    if row.volumes:
        _over_volume(placed(figure, (7.0, 0.72, 2.4, 2.0)), row, target, synthetic)
    key(figure, columns=3)
    return figure


def _over_volume(ax: Axes, row: StrengthRow, target: TargetCement, synthetic: bool) -> None:
    volume = [v.volume_ml for v in row.volumes]
    both = (
        ("stiffness", [v.stiffness_ratio for v in row.volumes], "o-"),
        (
            "failure load",
            [v.failure_ratio for v in row.volumes],
            "s--",
        ),
    )
    for name, values, mark in both:
        ax.plot(volume, values, mark, color=_STATE_COLOURS[name], mec="black", mew=0.5, ms=4.5, lw=1.4)
    ax.axhline(1.0, color=GREY, lw=0.9, ls="--")
    ax.set_ylim(bottom=0.0)
    if target.safe is not None and target.safe.enough and target.safe.binds and target.safe.volume_ml < volume[-1]:
        ax.axvspan(target.safe.volume_ml, volume[-1], color=RED, alpha=0.08, lw=0, label="beyond the safe volume")
    ax.axvline(target.fill.injected_ml, color=GREY, lw=0.9, ls=":", label="injected")
    ax.set_xlabel("cement (ml)", fontsize=8)
    ax.set_ylabel("ratio, nominal", fontsize=8)
    ax.tick_params(labelsize=7.5)
    ax.grid(alpha=0.25, lw=0.5)
    canvas.stamp_diagram(ax, synthetic=synthetic)


STATUS_COLOURS = {"green": GREEN, "warn": ORANGE, "stop": RED, "not assessed": GREY}
STATUS_SIGNS = style.STATUS_SIGNS
