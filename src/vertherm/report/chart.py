"""The power by time chart: how likely the goal is reached and a limit broken, what is allowed, and what was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import FloatArray
from vertherm.planning.plan import Chart
from vertherm.report import canvas, words
from vertherm.report.canvas import Picture, halo
from vertherm.report.labels import Room

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COVERED_LEVELS = (0.5, 0.95)
LIMIT_LEVELS = (0.05, 0.5)
_COLOURS = "cividis"
"""Ordered in lightness: readable without colour vision and in black and white."""
_LEVEL = "level"
"""Group of the percentages on lines."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A chart as arrays [power][time] with the edges of its cells."""

    chart: Chart

    @cached_property
    def power_w(self) -> FloatArray:
        """Of the rows."""
        return np.asarray(self.chart.power_w, float)

    @cached_property
    def time_s(self) -> FloatArray:
        """Of the columns."""
        return np.asarray(self.chart.time_s, float)

    @cached_property
    def covered(self) -> FloatArray:
        """Probability that the goal is reached."""
        return np.asarray(self.chart.p_covered, float)

    @cached_property
    def broken(self) -> FloatArray:
        """Probability that a stop limit is broken."""
        return np.asarray(self.chart.p_limit, float)

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Every limit kept by the deciding rule."""
        return np.asarray(self.chart.allowed, bool)

    @cached_property
    def binding(self) -> NDArray[np.str_]:
        """The structure that breaks first."""
        return np.asarray(self.chart.binding, dtype=np.str_)

    @property
    def smooth(self) -> bool:
        """True where there are cells enough for lines of equal probability."""
        return min(self.covered.shape) >= 2

    def best_allowed(self) -> tuple[int, int] | None:
        """Row and column of the allowed dose that most likely reaches the goal, the smaller energy first."""
        if not self.allowed.any():
            return None
        energy = self.power_w[:, None] * self.time_s[None, :]
        order = np.lexsort((energy.ravel(), -self.covered.ravel(), ~self.allowed.ravel()))
        row, column = np.unravel_index(order[0], self.covered.shape)
        return int(row), int(column)


def edges(values: FloatArray) -> FloatArray:
    """Edges of the cells around sample values: midpoints, and as far beyond at both ends."""
    if len(values) == 1:
        return np.array([values[0] * 0.9, values[0] * 1.1])
    middle = 0.5 * (values[1:] + values[:-1])
    return np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])


def power_time(chart: Chart, *, synthetic: bool, marked: str = "chosen") -> Picture:
    """The chart as a picture; ``marked`` says what the marked dose is."""
    figure, title = draw_power_time(chart, synthetic=synthetic, marked=marked)
    return canvas.encode(figure, title, f"{title}. {' '.join(chart_words(chart, marked))}", vector=True)


def draw_power_time(chart: Chart, *, synthetic: bool, marked: str = "chosen") -> tuple[Figure, str]:
    """The figure of :func:`power_time`."""
    grid = Grid(chart)
    figure = canvas.new_figure(8.6, 5.0)
    ax = figure.add_axes((0.075, 0.205, 0.775, 0.725))
    _cells(figure, ax, grid)
    _limits(ax, grid)
    _outline(ax, grid)
    _binding(ax, grid)
    _mark(ax, grid, marked)
    _axes(ax, grid)
    _key(figure, grid)
    canvas.stamp_diagram(ax, synthetic=synthetic)
    _thin_out(ax)
    return figure, f"{chart.target}, path {chart.path}, {chart.antenna}: power and time"


def _cells(figure: Figure, ax: Axes, grid: Grid) -> None:
    """Probability that the goal is reached, as cells with lines at 50 and 95 %."""
    image = ax.pcolormesh(
        edges(grid.time_s), edges(grid.power_w), grid.covered, cmap=_COLOURS, vmin=0, vmax=1, zorder=1, linewidth=0,
        rasterized=True,
    )  # fmt: skip
    bar = figure.colorbar(image, cax=figure.add_axes((0.868, 0.205, 0.022, 0.725)))
    ticks = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
    bar.set_ticks(list(ticks), labels=[f"{100 * t:.0f} %" for t in ticks])
    bar.ax.tick_params(labelsize=7)
    bar.set_label("probability that the goal is reached", fontsize=8)
    bar.solids.set_rasterized(True)  # type: ignore[union-attr]
    _lines(ax, grid, grid.covered, COVERED_LEVELS, "black", "solid", "white")


def _lines(
    ax: Axes, grid: Grid, values: FloatArray, levels: tuple[float, ...], colour: str, dash: str, around: str
) -> None:
    """Labelled lines of equal probability, where the values reach across a level."""
    kept = [level for level in levels if values.min() < level < values.max()]
    if not kept or not grid.smooth:
        return
    lines = ax.contour(
        grid.time_s, grid.power_w, values, levels=kept, colors=colour, linewidths=1.5, linestyles=dash, zorder=4
    )  # fmt: skip
    lines.set_path_effects(halo(3.0, around))
    for text in ax.clabel(lines, fmt=lambda level: f"{100 * level:.0f} %", fontsize=7.5):
        text.set(color=colour, weight="bold", path_effects=halo(2.6, around), zorder=6, gid=_LEVEL)


def _thin_out(ax: Axes) -> None:
    """Take away the percentages of lines that cover another word."""
    room = Room(ax)
    room.taken = [room.box(text) for text in ax.texts if text.get_gid() != _LEVEL]
    for text in [text for text in ax.texts if text.get_gid() == _LEVEL]:
        box = room.box(text)
        if any(box.meets(other) for other in room.taken):
            text.remove()
        else:
            room.taken.append(box)


def _limits(ax: Axes, grid: Grid) -> None:
    """Hatching where a stop limit is broken with 5 and 50 %, and the lines between."""
    t, p = edges(grid.time_s), edges(grid.power_w)
    for low, high, hatch in ((LIMIT_LEVELS[0], LIMIT_LEVELS[1], "//"), (LIMIT_LEVELS[1], 2.0, "xxx")):
        inside = (grid.broken >= low) & (grid.broken < high)
        for row, column in np.argwhere(inside):
            colour = "#3a3a3a" if grid.covered[row, column] > 0.45 else "#d9d9d9"
            _hatched(ax, t[column : column + 2], p[row : row + 2], hatch, colour)
    _lines(ax, grid, grid.broken, LIMIT_LEVELS, "white", "dashed", "black")


def _hatched(ax: Axes, time: FloatArray, power: FloatArray, hatch: str, colour: str) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(
        Rectangle(
            (float(time[0]), float(power[0])), float(np.ptp(time)), float(np.ptp(power)), fill=False, hatch=hatch,
            edgecolor=colour, lw=0, zorder=2,
        )
    )  # fmt: skip


def _outline(ax: Axes, grid: Grid) -> None:
    """The border of the allowed doses, along the edges of their cells."""
    t, p = edges(grid.time_s), edges(grid.power_w)
    padded = np.pad(grid.allowed, 1)
    across = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    upright = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    segments = [[(t[c], p[r]), (t[c + 1], p[r])] for r, c in across]
    segments += [[(t[c], p[r]), (t[c], p[r + 1])] for r, c in upright]
    if segments:
        from matplotlib.collections import LineCollection

        for colour, width in (("black", 5.0), ("#ff4fd8", 3.0)):
            gid = "allowed" if colour != "black" else "allowed, ground"
            ax.add_collection(
                LineCollection(segments, colors=colour, linewidths=width, zorder=5, capstyle="projecting", gid=gid)
            )
    else:
        ax.text(
            0.5, 0.95, "NO POWER AND TIME ON THIS CHART KEEPS EVERY LIMIT", transform=ax.transAxes, ha="center",
            va="top", fontsize=10, weight="bold", zorder=9, bbox={"facecolor": "white", "edgecolor": "black", "pad": 3},
        )  # fmt: skip


def _binding(ax: Axes, grid: Grid) -> None:
    """The name of what breaks first, in the largest connected region of each name outside the allowed doses."""
    from scipy.ndimage import label

    for name in np.unique(grid.binding):
        region, parts = label((grid.binding == name) & ~grid.allowed)
        if not name or not parts:
            continue
        largest = 1 + int(np.argmax([(region == part).sum() for part in range(1, parts + 1)]))
        cells = np.argwhere(region == largest)
        row, column = cells[np.argmin(((cells - np.median(cells, axis=0)) ** 2).sum(axis=1))]
        ax.text(
            grid.time_s[column], grid.power_w[row], f"first: {name}", fontsize=8, weight="bold", ha="center",
            va="center", zorder=8, bbox={"facecolor": "white", "edgecolor": "#444444", "pad": 2, "alpha": 0.92},
        )  # fmt: skip


def _mark(ax: Axes, grid: Grid, marked: str) -> None:
    chosen = grid.chart.chosen
    if chosen is None:
        return
    power, time = chosen
    ax.plot(
        time, power, marker="*", ms=17, mfc="white", mec="black", mew=1.4, ls="none", zorder=10, gid="chosen",
        clip_on=False,
    )  # fmt: skip
    ax.annotate(
        f"{marked}: {power:.0f} W, {words.clock(time)}", (time, power), xytext=(11, 9), textcoords="offset points",
        fontsize=8, weight="bold", zorder=10, bbox={"facecolor": "white", "edgecolor": "black", "pad": 1.8},
    )  # fmt: skip


def _axes(ax: Axes, grid: Grid) -> None:
    t, p = edges(grid.time_s), edges(grid.power_w)
    ax.set(xlim=(t[0], t[-1]), ylim=(p[0], p[-1]))
    ax.set_xticks(grid.time_s, [words.clock(value) for value in grid.time_s], fontsize=7.5)
    ax.set_yticks(grid.power_w, [words.number(value, 0) for value in grid.power_w], fontsize=7.5)
    for axis in (ax.xaxis, ax.yaxis):
        crowded = -(-len(axis.get_ticklabels()) // 14)
        for position, text in enumerate(axis.get_ticklabels()):
            text.set_visible(position % crowded == 0)
    ax.set_xlabel("time of an activation (min:s)", fontsize=8.5)
    ax.set_ylabel(f"{grid.chart.power_kind} power (W)", fontsize=8.5)


def _key(figure: Figure, grid: Grid) -> None:
    """What lines and hatches mean, below the chart."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color="#ff4fd8", lw=3, path_effects=halo(5.0), label="border of the allowed doses"),
        Line2D([], [], color="black", lw=1.5, label="goal reached: 50, 95 %"),
        Line2D([], [], color="white", lw=1.5, ls="--", path_effects=halo(3.0), label="stop limit broken: 5, 50 %"),
        Patch(fc="#cfcfcf", ec="#3a3a3a", hatch="//", lw=0, label="stop limit broken in 5 to 50 %"),
        Patch(fc="#cfcfcf", ec="#3a3a3a", hatch="xxx", lw=0, label="in 50 % or more"),
    ]
    figure.legend(handles=handles, loc="lower left", ncols=3, fontsize=7.5, frameon=False, bbox_to_anchor=(0.06, 0.0))
    figure.text(0.985, 0.02, f"n = {grid.chart.samples}", fontsize=8, ha="right", va="bottom", weight="bold")


def chart_words(chart: Chart, marked: str = "chosen") -> list[str]:
    """What the chart shows, in sentences."""
    grid = Grid(chart)
    total, kept = grid.allowed.size, int(grid.allowed.sum())
    best = grid.best_allowed()
    if best is None:
        said = [f"None of the {total} doses keeps every limit."]
    else:
        row, column = best
        likely = f"{words.clock(grid.time_s[column])} most likely reaches the goal: {words.percent(grid.covered[best])}"
        said = [
            f"{kept} of {total} doses {'keeps' if kept == 1 else 'keep'} every limit; of these, "
            f"{grid.power_w[row]:.0f} W for {likely}."
        ]
    if kept < total:
        names, counts = np.unique(grid.binding[~grid.allowed], return_counts=True)
        order = sorted(zip(names, counts, strict=True), key=lambda pair: (-pair[1], pair[0]))
        first = ", ".join(f"{name} ({100 * n / counts.sum():.0f} % of the refused doses)" for name, n in order if name)
        said += [f"What breaks first: {first}."] if first else []
    if chart.chosen is not None:
        said.append(f"{words.sentence(marked)}: {chart.chosen[0]:.1f} W for {words.clock(chart.chosen[1])}.")
    said.append(f"Probabilities: {chart.rule}.")
    return said
