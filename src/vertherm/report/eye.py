"""Probe's eye: cross-sections of a needle path with the needle, its placement error and the way to what is nearest."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.access.path import Clearance, NeedlePath
from vertherm.geometry.volume import FloatArray
from vertherm.imaging.anatomy import Structure
from vertherm.report import canvas, style
from vertherm.report.canvas import Picture, halo
from vertherm.report.labels import Room, about, beyond
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
"""Inches a millimetre: larger than in the other pictures."""
_FAR_MM = 12.0
"""How far the way to an unasked-for structure is drawn."""
_ASTRAY_MM = 7.0
"""How far from the middle of what it names a name may stand."""
_TITLE = 40
"""Letters that fit above a section."""
_COLUMNS, _LINE, _GAP, _LETTERS = 3, 0.15, 0.10, 48


@dataclass(frozen=True)
class Nearest:
    """The point of a label nearest to the axis within a section: picture coordinates and distance from the axis."""

    name: str
    u: float
    v: float
    axis_mm: float

    @property
    def towards(self) -> FloatArray:
        """Unit vector from the axis to the point; to the right where the point lies on the axis."""
        return np.array([self.u, self.v]) / self.axis_mm if self.axis_mm > 1e-6 else np.array([1.0, 0.0])


Label = tuple[Structure, NDArray[np.bool_]]


def probes_eye(painter: PathPainter, path: NeedlePath) -> Picture:
    """All cross-sections of a path in one picture."""
    chosen = painter.sections(path)
    figure, title = draw_eye(painter, path, chosen)
    plane = across_plane(path.trajectory, chosen[0].depth_mm, HALF_MM)
    what = "; ".join(_title(section) for section in chosen)
    return canvas.encode(figure, title, painter.alt(title, plane, f"needle in the middle; {what}"))


def draw_eye(painter: PathPainter, path: NeedlePath, chosen: list[Section]) -> tuple[Figure, str]:
    """The figure of :func:`probes_eye`."""
    columns = min(_COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    side = 2 * HALF_MM * _SCALE
    figure = canvas.new_figure(columns * side + (columns - 1) * _GAP, rows * side)
    above = [_caption(section) for section in chosen]
    axes, below = [], []
    for position, section in enumerate(chosen):
        ax = figure.add_axes(_place(figure, side, position % columns * (side + _GAP), position // columns * side))
        below.append(_section(ax, painter, path, section))
        axes.append(ax)
    # What is below a section is known when it is drawn: only now do all find their places, in the same size.
    strip, foot = (0.10 + _LINE * max(len(lines) for lines in texts) for texts in (above, below))
    figure.set_size_inches(figure.get_figwidth(), rows * (side + strip + foot))
    for position, ax in enumerate(axes):
        left, top = position % columns * (side + _GAP), position // columns * (side + strip + foot)
        ax.set_position(_place(figure, side, left, top + strip))
        _write(figure, above[position], left, top + 0.05, bold=True)
        _write(figure, below[position], left, top + strip + side + 0.04, bold=False)
    return figure, f"{path.name}: probe's eye, {len(chosen)} cross-sections of the needle"


def _place(figure: Figure, side: float, left: float, top: float) -> tuple[float, float, float, float]:
    """A square in the shares of a figure; all in inches, from its top left corner."""
    width, height = figure.get_size_inches()
    return left / width, 1 - (top + side) / height, side / width, side / height


def _write(figure: Figure, lines: list[str], left: float, top: float, *, bold: bool) -> None:
    """Lines of text, the first one as a title where ``bold``; inches from the top left corner."""
    width, height = figure.get_size_inches()
    for number, text in enumerate(lines):
        title = bold and not number
        figure.text(
            (left + 0.02) / width, 1 - (top + _LINE * number) / height, text, va="top",
            fontsize=7.5 if title else 6.8, weight="bold" if title else "normal",
        )  # fmt: skip


def _title(section: Section) -> str:
    return f"{section.depth_mm:.0f} mm deep: {section.reasons[0]}"


def _caption(section: Section) -> list[str]:
    """Depth and reason, then the numbers and the other reasons."""
    lines = wrap(_title(section), _TITLE)
    lines += [
        f"{c.distance_mm:.1f} mm; after error {c.after_error_mm:.1f}, at least {c.required_mm:.1f}; "
        f"label ±{c.label_error_mm:.1f}"
        for c in section.clearances[:1]
    ]
    if len(section.reasons) > 1:
        others = (reason.removeprefix("closest to ") for reason in section.reasons[1:])
        lines += wrap(f"also {', '.join(others)}", _LETTERS)
    return lines


def _section(ax: Axes, painter: PathPainter, path: NeedlePath, section: Section) -> list[str]:
    """Draw a section; what must be said below it."""
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
    radius = painter.needle.radius_mm
    _circles(ax, radius, painter.error_mm)
    painter.finish(ax, plane, False, bar_mm=10.0)
    room = Room(ax)
    room.keep_off([np.zeros(2)], radius + (painter.error_mm or 0.0))
    found = _ways(painter, plane, labels, section)
    stated = {c.name: c for c in section.clearances}
    for item in found:
        _way(room, item, radius)
    named = {item.name for item in found}
    unsaid = [item.name for item in found if not _length(room, item, radius, stated.get(item.name))]
    rest = [pair for pair in labels if pair[0].name not in named | painter.crossed]
    unsaid += _names(room, plane, rest)
    notes = [style.DERIVED_MARK] if derived else []
    return notes + (wrap(f"no room for the name of {', '.join(unsaid)}", _LETTERS) if unsaid else [])


def _outlines(ax: Axes, painter: PathPainter, plane: Plane, labels: list[Label]) -> bool:
    """Labels with their voxel edges, as distances are measured to them; True where one is derived."""
    for item, values in labels:
        painter.note_outline(item)
        colour, dash = style.kind_colour(str(item.kind)), "dashed" if item.derived else "solid"
        if not values.all():
            canvas.contour(ax, plane.axes(LABEL_STEP_MM), values, 0.5, colour, 1.1, dash=dash)
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


def _ways(painter: PathPainter, plane: Plane, labels: list[Label], section: Section) -> list[Nearest]:
    """The structures whose closest approach is here, else the nearest label of the section."""
    found = {i.name: nearest(i.name, values, plane) for i, values in labels if i.name not in painter.crossed}
    wanted = [found[clearance.name] for clearance in section.clearances if clearance.name in found]
    if not wanted and found:
        near = min(found.values(), key=lambda item: (item.axis_mm, item.name))
        wanted = [near] if near.axis_mm <= _FAR_MM else []
    return wanted


def nearest(name: str, values: NDArray[np.bool_], plane: Plane) -> Nearest:
    """The sample of a label nearest to the axis."""
    u, v = plane.axes(LABEL_STEP_MM)
    rows, columns = np.nonzero(values)
    distance = np.hypot(u[columns], v[rows])
    best = int(np.argmin(distance))
    return Nearest(name, float(u[columns[best]]), float(v[rows[best]]), float(distance[best]))


def _way(room: Room, item: Nearest, radius_mm: float) -> None:
    """A line from the needle's surface to a structure."""
    start, end = radius_mm * item.towards, np.array([item.u, item.v])
    room.ax.plot(
        [start[0], end[0]], [start[1], end[1]], lw=1.4, gid=f"distance {item.name}", color="white", zorder=16,
        path_effects=halo(2.6),
    )  # fmt: skip
    room.ax.plot(*end, marker="D", ms=3.2, ls="none", mec="black", mew=0.5, color="white", zorder=17)
    room.keep_off(np.linspace(start, end, 12), 0.3)


def _length(room: Room, item: Nearest, radius_mm: float, stated: Clearance | None) -> bool:
    """Name and length of a way beside its end; False: there is no room."""
    gap = max(item.axis_mm - radius_mm, 0.0)
    length = f"{stated.distance_mm:.1f} mm" if stated is not None else f"{gap:.1f} mm here"
    text = room.ax.text(
        0.0, 0.0, f"{item.name}\n{length}", color="white", fontsize=6.8, weight="bold", linespacing=1.1,
        path_effects=halo(2.2), zorder=22, clip_on=True,
    )  # fmt: skip
    size = room.box(text)
    places = beyond(np.array([item.u, item.v]), item.towards, (size.right - size.left, size.top - size.bottom))
    return room.settle(text, places)


def _names(room: Room, plane: Plane, labels: list[Label]) -> list[str]:
    """Write the names of the other structures near the middle of what shows of them.

    Returns:
        The names without room; small specks go without one.
    """
    u, v = plane.axes(LABEL_STEP_MM)
    left_out = []
    for item, values in labels:
        rows, columns = np.nonzero(values)
        if len(rows) * LABEL_STEP_MM**2 < 4.0:
            continue
        text = room.ax.text(
            0.0, 0.0, item.name, color=style.kind_colour(str(item.kind)), fontsize=6.5, weight="bold",
            path_effects=halo(1.8), zorder=21, clip_on=True,
        )  # fmt: skip
        half = 0.5 * (room.box(text).right - room.box(text).left)
        x = float(np.clip(u[columns].mean(), half - HALF_MM, HALF_MM - half))
        if not room.settle(text, about(x, float(v[rows].mean()), _ASTRAY_MM)):
            left_out.append(item.name)
    return left_out
