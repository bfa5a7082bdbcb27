"""Forest plot: change of the VAS by subgroup."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vertherm.review.cohort import Cohort
from vertherm.review.figures import canvas
from vertherm.review.model import Figure
from vertherm.review.words import fixed, span, whole


@dataclass(frozen=True)
class Line:
    """One line: heading of its group, label, pairs, estimate with limits (NaN where there are none), small or not."""

    group: str
    label: str
    n: int
    estimate: float
    low: float
    high: float
    small: bool


def draw(cohort: Cohort, lines: list[Line], when: str, percent: str) -> Figure:
    """Hodges-Lehmann estimates with intervals; small subgroups hollow."""
    places, heads, y = [], [], 0.0
    last = None
    for line in lines:
        if line.group != last:
            y += 0.5 if last is not None else 0.0
            heads.append((y, line.group))
            y += 1.0
            last = line.group
        places.append(y)
        y += 1.0
    drawing = canvas.new(8.4, 0.24 * y + 1.15)
    ax = drawing.add_axes((0.33, 0.62 / (0.24 * y + 1.15), 0.38, 1 - 1.05 / (0.24 * y + 1.15)))
    canvas.plain(ax)
    for place, line in zip(places, lines, strict=True):
        _line(ax, place, line)
    for place, head in heads:
        ax.annotate(head, (0, place), xycoords=("axes fraction", "data"), xytext=(-195, 0), textcoords="offset points",
                    fontsize=8.5, weight="bold", va="center", annotation_clip=False)  # fmt: skip
    ax.axvline(0, color=canvas.BLACK, lw=1)
    ax.set(ylim=(y - 0.3, -0.8), yticks=[])
    ax.spines["left"].set_visible(False)
    _limits(ax, lines)
    ax.set_xlabel(f"change of the VAS at {when}, points (left: less pain)", fontsize=8.5)
    alt = "; ".join(
        f"{line.group}, {line.label}: {fixed(line.estimate)} ({span(line.low, line.high)}), n = {line.n}"
        for line in lines
    )
    notes = (
        f"Unit: patient. Hodges-Lehmann estimate with {percent} CI. Hollow: small subgroup. No test of interaction "
        "was run: overlapping or distinct intervals prove nothing about differences between subgroups.",
    )
    return canvas.finish(
        drawing, "forest", f"Change of the VAS from before treatment to {when}, by subgroup.", f"{alt}.",
        synthetic=cohort.synthetic, notes=notes,
    )  # fmt: skip


def _line(ax: object, place: float, line: Line) -> None:
    from matplotlib.axes import Axes

    assert isinstance(ax, Axes)
    known = not math.isnan(line.low)
    if known:
        ax.plot([line.low, line.high], [place, place], color=canvas.BLUE, lw=1.6, zorder=3)
    if not math.isnan(line.estimate):
        ax.plot(
            line.estimate, place, "s", ms=6, color=canvas.BLUE, mfc="white" if line.small else canvas.BLUE, zorder=4
        )
    said = f"{fixed(line.estimate)} ({span(line.low, line.high) if known else 'no interval'})" if line.n else "no pairs"
    for x, offset, text in ((0.0, -185, line.label), (1.0, 10, f"{whole(line.n):>5}"), (1.0, 52, said)):
        ax.annotate(
            text, (x, place), xycoords=("axes fraction", "data"), xytext=(offset, 0), textcoords="offset points",
            fontsize=8, va="center", annotation_clip=False, parse_math=False,
        )  # fmt: skip


def _limits(ax: object, lines: list[Line]) -> None:
    from matplotlib.axes import Axes

    assert isinstance(ax, Axes)
    ends = [value for line in lines for value in (line.low, line.high, line.estimate) if not math.isnan(value)]
    low, high = min([*ends, -1.0]), max([*ends, 1.0])
    ax.set_xlim(low - 0.4, high + 0.4)
    for x, offset, text in ((1.0, 10, "pairs, n"), (1.0, 52, "estimate (CI)")):
        ax.annotate(text, (x, -0.1), xycoords=("axes fraction", "data"), xytext=(offset, 0), textcoords="offset points",
                    fontsize=8, weight="bold", va="center", annotation_clip=False)  # fmt: skip
