"""Probe's eye: cross-sections of a needle path with the needle, its placement error and the way to what is nearest."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten, wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertherm.access.path import Clearance, NeedlePath
from vertherm.geometry.volume import FloatArray
from vertherm.imaging.anatomy import Structure
from vertherm.report import canvas, style
from vertherm.report.canvas import Picture, halo
from vertherm.report.paths import PathPainter
from vertherm.report.patient import NOT_OUTLINED
from vertherm.report.planes import Plane, across_plane
from vertherm.report.sections import Section
from vertherm.report.slices import label_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HALF_MM = 17.0
LABEL_STEP_MM = 0.34
_SCALE = 0.074
_FAR_MM, _INSIDE_MM, _LETTER_MM = 12.0, 13.0, 0.9
"""How far the way to an unasked-for structure is drawn; where text may stand; width of one of its letters."""
_TITLE = 40
"""Letters that fit above a section."""
"""Inches a millimetre: larger than in the other pictures."""
_COLUMNS, _LINE, _GAP, _LETTERS = 3, 0.15, 0.10, 48


@dataclass(frozen=True)
class Nearest:
    """The point of a label nearest to the axis within a section: picture coordinates and distance from the axis."""

    name: str
    u: float
    v: float
    axis_mm: float


def probes_eye(painter: PathPainter, path: NeedlePath) -> Picture:
    """All cross-sections of a path in one picture."""
    chosen = painter.sections(path)
    figure, title = draw_eye(painter, path, chosen)
    plane = across_plane(path.trajectory, chosen[0].depth_mm, HALF_MM)
    what = "; ".join(_caption(section)[0] for section in chosen)
    return canvas.encode(figure, title, painter.alt(title, plane, f"needle in the middle; {what}"))


def draw_eye(painter: PathPainter, path: NeedlePath, chosen: list[Section]) -> tuple[Figure, str]:
    """The figure of :func:`probes_eye`."""
    captions = [_caption(section) for section in chosen]
    strip = 0.10 + _LINE * max(len(lines) for lines in captions)
    columns = min(_COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    side = 2 * HALF_MM * _SCALE
    total_w, total_h = columns * side + (columns - 1) * _GAP, rows * (side + strip)
    figure = canvas.new_figure(total_w, total_h)
    for position, (section, lines) in enumerate(zip(chosen, captions, strict=True)):
        left = (position % columns) * (side + _GAP)
        top = total_h - (position // columns) * (side + strip)
        ax = figure.add_axes((left / total_w, (top - strip - side) / total_h, side / total_w, side / total_h))
        _section(ax, painter, path, section)
        for line, text in enumerate(lines):
            figure.text(
                (left + 0.02) / total_w, (top - 0.05 - _LINE * line) / total_h, text, va="top",
                fontsize=6.8 if line else 7.5, weight="normal" if line else "bold",
            )  # fmt: skip
    return figure, f"{path.name}: probe's eye, {len(chosen)} cross-sections of the needle"


def _caption(section: Section) -> list[str]:
    """Depth and reason, then the numbers and the other reasons."""
    lines = [f"{section.depth_mm:.0f} mm deep: {section.reasons[0]}"]
    if len(lines[0]) > _TITLE:
        lines[0] = shorten(lines[0], _TITLE, placeholder=" ...")
    lines += [
        f"{c.distance_mm:.1f} mm; after error {c.after_error_mm:.1f}, at least {c.required_mm:.1f}; "
        f"label ±{c.label_error_mm:.1f}"
        for c in section.clearances[:1]
    ]
    if len(section.reasons) > 1:
        others = (reason.removeprefix("closest to ") for reason in section.reasons[1:])
        lines += wrap(f"also {', '.join(others)}", _LETTERS)
    return lines


def _section(ax: Axes, painter: PathPainter, path: NeedlePath, section: Section) -> None:
    plane = across_plane(path.trajectory, section.depth_mm, HALF_MM)
    canvas.dress(ax, plane)
    painter.background(ax, plane)
    shown = painter.shown(path)
    labels = [
        (item, values)
        for item in painter.structures
        if (str(item.kind) not in NOT_OUTLINED or item.name in shown)
        and (values := label_values(item.mask, plane, LABEL_STEP_MM)).any()
    ]
    derived = _outlines(ax, painter, plane, labels)
    painter.outline_lesions(ax, plane)
    _circles(ax, painter.needle.radius_mm, painter.error_mm)
    named = _lines(ax, painter, plane, labels, section)
    rest = [pair for pair in labels if pair[0].name not in named.keys() | painter.crossed]
    _names(ax, plane, rest, list(named.values()))
    painter.finish(ax, plane, derived, bar_mm=10.0)


def _outlines(ax: Axes, painter: PathPainter, plane: Plane, labels: list[tuple[Structure, NDArray[np.bool_]]]) -> bool:
    """Labels with their voxel edges, as distances are measured to them; True where one is derived."""
    u, v = plane.axes(LABEL_STEP_MM)
    for item, values in labels:
        painter.note_outline(item)
        if values.all():
            continue
        lines = ax.contour(
            u, v, values.astype(float), levels=[0.5], colors=[style.kind_colour(str(item.kind))], linewidths=1.1,
            linestyles="dashed" if item.derived else "solid", zorder=10,
        )  # fmt: skip
        lines.set_path_effects(halo(2.1))
    return any(item.derived for item, _ in labels)


def _circles(ax: Axes, radius_mm: float, error_mm: float | None) -> None:
    from matplotlib.patches import Circle

    ax.add_patch(Circle((0, 0), radius_mm, fc="white", ec="black", lw=0.8, zorder=15, gid="needle"))
    if error_mm:
        ax.add_patch(
            Circle(
                (0, 0),
                radius_mm + error_mm,
                fill=False,
                ec="white",
                lw=1.2,
                ls=(0, (1.2, 1.6)),
                zorder=14,
                gid="placement error",
                path_effects=halo(2.4),
            )
        )


def _lines(
    ax: Axes,
    painter: PathPainter,
    plane: Plane,
    labels: list[tuple[Structure, NDArray[np.bool_]]],
    section: Section,
) -> dict[str, FloatArray]:
    """A line to each structure whose closest approach is here, else to the nearest label of the section.

    Returns:
        Where each name was written.
    """
    radius = painter.needle.radius_mm
    found = {i.name: nearest(i.name, values, plane) for i, values in labels if i.name not in painter.crossed}
    stated = {c.name: c for c in section.clearances}
    wanted = [found[name] for name in stated if name in found]
    if not wanted and found:
        near = min(found.values(), key=lambda item: (item.axis_mm, item.name))
        wanted = [near] if near.axis_mm <= _FAR_MM else []
    taken: list[FloatArray] = []
    for item in wanted:
        _distance(ax, item, radius, stated.get(item.name), taken)
    return {item.name: place for item, place in zip(wanted, taken, strict=True)}


def nearest(name: str, values: NDArray[np.bool_], plane: Plane) -> Nearest:
    """The sample of a label nearest to the axis."""
    u, v = plane.axes(LABEL_STEP_MM)
    rows, columns = np.nonzero(values)
    distance = np.hypot(u[columns], v[rows])
    best = int(np.argmin(distance))
    return Nearest(name, float(u[columns[best]]), float(v[rows[best]]), float(distance[best]))


def _distance(ax: Axes, item: Nearest, radius_mm: float, stated: Clearance | None, taken: list[FloatArray]) -> None:
    """The way from the needle's surface to a structure, with its length and name."""
    gap = max(item.axis_mm - radius_mm, 0.0)
    length = f"{stated.distance_mm:.1f} mm" if stated is not None else f"{gap:.1f} mm here"
    towards = np.array([item.u, item.v]) / item.axis_mm if item.axis_mm > 1e-6 else np.array([1.0, 0.0])
    start = radius_mm * towards
    ax.plot(
        [start[0], item.u], [start[1], item.v], lw=1.4, gid=f"distance {item.name}", color="white", zorder=16,
        path_effects=halo(2.6),
    )  # fmt: skip
    ax.plot([item.u], [item.v], marker="D", ms=3.2, ls="none", mec="black", mew=0.5, color="white", zorder=17)
    align = "left" if towards[0] >= 0 else "right"
    place = _beside(max(item.axis_mm + 1.5, 5.5) * towards, align, _LETTER_MM * max(len(item.name), len(length)))
    while any(abs(place[0] - t[0]) < 12 and abs(place[1] - t[1]) < 3.4 for t in taken):
        place = place - [0.0, 1.2]
    taken.append(place)
    ax.text(
        float(place[0]), float(place[1]), f"{item.name}\n{length}", color="white", fontsize=6.8, weight="bold",
        va="center", ha=align, linespacing=1.1, path_effects=halo(2.2), zorder=22, clip_on=True,
    )  # fmt: skip


def _beside(wanted: FloatArray, align: str, width_mm: float) -> FloatArray:
    """A place for two lines of text: inside the letters at the edges, and off the needle where it had to move."""
    room = max(_INSIDE_MM - width_mm, 0.0)
    along = float(
        np.clip(wanted[0], -_INSIDE_MM if align == "left" else -room, room if align == "left" else _INSIDE_MM)
    )
    up = float(wanted[1])
    if abs(along - wanted[0]) > 0.5 and abs(up) < 5.0:
        up = 5.0 if up >= 0 else -5.0
    return np.array([along, float(np.clip(up, -7.0, 11.0))])


def _names(ax: Axes, plane: Plane, labels: list[tuple[Structure, Any]], written: list[FloatArray]) -> None:
    """Names of the other structures, in the middle of what shows of them, clear of what is written already."""
    u, v = plane.axes(LABEL_STEP_MM)
    # Two lines stand at each written place.
    taken = [(float(place[0]), float(place[1]) + line) for place in written for line in (-1.0, 1.0)]
    for item, values in labels:
        rows, columns = np.nonzero(values)
        if len(rows) * LABEL_STEP_MM**2 < 4.0:
            continue
        x = float(np.clip(u[columns].mean(), -HALF_MM + 7, HALF_MM - 7))
        y = float(np.clip(v[rows].mean(), -7.0, HALF_MM - 5))
        y = 4.0 if abs(x) < 6 and abs(y) < 3.5 else y
        steps = (y + move for move in (0.0, -2.0, 2.0, -4.0, 4.0, -6.0, 6.0, 8.0) if -7.5 <= y + move <= 12.0)
        y = next((at for at in steps if not any(abs(x - a) < 12 and abs(at - b) < 1.9 for a, b in taken)), y)
        taken.append((x, y))
        ax.text(
            x, y, item.name, color=style.kind_colour(str(item.kind)), fontsize=6.5, weight="bold", ha="center",
            va="center", path_effects=halo(1.8), zorder=21, clip_on=True,
        )  # fmt: skip
