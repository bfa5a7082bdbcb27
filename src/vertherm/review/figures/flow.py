"""The flow diagram."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from vertherm.review.cohort import Cohort
from vertherm.review.figures import canvas
from vertherm.review.model import Figure
from vertherm.review.words import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vertherm.review.flow import Stage

_LINE, _PAD, _GAP = 0.175, 0.16, 0.32
"""Heights in inches: a line of text, the padding of a box, the gap between boxes."""
_LEFT, _RIGHT, _WIDTH_LEFT, _WIDTH_RIGHT = 1.85, 5.35, 3.1, 3.3
_MOST_REASONS = 5


def draw(cohort: Cohort, found: list[Stage]) -> Figure:
    """Enrolled, treated, and at every time point seen on the left, not seen on the right."""
    total, treated = len(cohort.patients), len(cohort.treated)
    rows: list[tuple[list[str], list[str]]] = [([f"Enrolled: {whole(total)} patients"], [])]
    rows.append(
        ([f"Treated: {whole(treated)} patients", f"{whole(len(cohort.treated_lesions))} lesions"],
         [f"Not treated: {whole(total - treated)}"])
    )  # fmt: skip
    rows += [(_seen(stage), _not_seen(stage)) for stage in found]
    heights = [_LINE * max(len(left), len(right)) + _PAD for left, right in rows]
    height = sum(heights) + _GAP * (len(rows) - 1) + 0.55
    drawing = canvas.new(7.2, height)
    ax = drawing.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 7.2), ylim=(0, height))
    ax.axis("off")
    top = height - 0.4
    middle_before = None
    for (left, right), size in zip(rows, heights, strict=True):
        bottom = top - size
        _box(ax, _LEFT, top, size, _WIDTH_LEFT, left, bold=True)
        if middle_before is not None:
            _arrow(ax, (_LEFT, middle_before), (_LEFT, top))
        if right:
            _box(ax, _RIGHT, top, size, _WIDTH_RIGHT, right, bold=False)
            _arrow(ax, (_LEFT + _WIDTH_LEFT / 2, top - size / 2), (_RIGHT - _WIDTH_RIGHT / 2, top - size / 2))
        middle_before, top = bottom, bottom - _GAP
    return canvas.finish(
        drawing, "flow-figure", "Participant flow.", _alt(rows), synthetic=cohort.synthetic,
        notes=("Unit: patient. Every time point starts again from all treated patients.",),
    )  # fmt: skip


def _seen(stage: Stage) -> list[str]:
    return [stage.window.label, f"seen: {whole(stage.seen)}", f"with a VAS: {whole(stage.with_vas)}"]


def _not_seen(stage: Stage) -> list[str]:
    lines = []
    if stage.window.last_day > 0:
        lines.append(f"dead before the window: {whole(stage.dead_before)}")
    if stage.dead_within:
        lines.append(f"died within it, unseen: {whole(stage.dead_within)}")
    if stage.not_due:
        lines.append(f"not yet due: {whole(stage.not_due)}")
    lines.append(f"alive, missing: {whole(stage.missing_alive)}")
    reasons = list(stage.missing.items())
    lines += [f"   {textwrap.shorten(reason, 38)}: {whole(n)}" for reason, n in reasons[:_MOST_REASONS]]
    rest = sum(n for _, n in reasons[_MOST_REASONS:])
    return lines + ([f"   other reasons: {whole(rest)}"] if rest else [])


def _box(ax: Axes, x: float, top: float, height: float, width: float, lines: list[str], *, bold: bool) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(
        Rectangle((x - width / 2, top - height), width, height, fill=True, fc="white" if bold else "#f4f4f4",
                  ec=canvas.BLACK, lw=1.0)
    )  # fmt: skip
    for place, line in enumerate(lines):
        ax.text(
            x - width / 2 + 0.1, top - _PAD / 2 - _LINE * (place + 0.5), line, va="center", ha="left", fontsize=8.5,
            weight="bold" if bold and place == 0 else "normal", color=canvas.BLACK, parse_math=False,
        )  # fmt: skip


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": canvas.BLACK, "lw": 1.0,
                                                      "shrinkA": 0, "shrinkB": 0})  # fmt: skip


def _alt(rows: list[tuple[list[str], list[str]]]) -> str:
    parts = ["; ".join(line.strip() for line in (*left, *right)) for left, right in rows]
    return f"Flow diagram. {'. '.join(parts)}. The same numbers stand in the table of the flow."
