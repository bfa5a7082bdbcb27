"""A planned needle on a picture plane that holds its axis: true width, placement error, depth ticks, reference zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vertherm.access.path import NeedlePath, NeedleSpec
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray
from vertherm.report.canvas import halo
from vertherm.report.planes import Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICK_MM, LABEL_EVERY_MM = 10, 20
_ERROR_DASH = (0, (1.2, 1.6))


@dataclass(frozen=True)
class InPicture:
    """A needle in picture coordinates: entry, unit vector from entry to tip, unit vector across it, length."""

    entry: FloatArray
    along: FloatArray
    across: FloatArray
    length_mm: float

    def at(self, depth_mm: float, side_mm: float = 0.0) -> FloatArray:
        """(u, v) of a point at a depth, ``side_mm`` off the axis."""
        return self.entry + depth_mm * self.along + side_mm * self.across


def in_picture(trajectory: Trajectory, plane: Plane) -> InPicture:
    """A needle whose axis lies in the plane."""
    u, v, _ = plane.project(np.stack([trajectory.entry_mm, trajectory.tip_mm]))
    entry, tip = np.array([u[0], v[0]]), np.array([u[1], v[1]])
    length = float(np.linalg.norm(tip - entry))
    along = (tip - entry) / length
    return InPicture(entry, along, np.array([-along[1], along[0]]), length)


def band(ax: Axes, needle: InPicture, radius_mm: float) -> None:
    """The shaft in its true width."""
    from matplotlib.patches import Polygon

    corners = [needle.at(d, s * radius_mm) for d, s in ((0, 1), (needle.length_mm, 1), (needle.length_mm, -1), (0, -1))]
    shaft = Polygon(corners, closed=True, facecolor="white", edgecolor="black", lw=0.7, zorder=13, gid="shaft")
    ax.add_patch(shaft)


def error_tube(ax: Axes, needle: InPicture, radius_mm: float) -> None:
    """Outline of where the needle's surface may end up: all within ``radius_mm`` of the planned axis."""
    turn = np.linspace(np.pi / 2, -np.pi / 2, 25)
    cap = [needle.at(needle.length_mm + radius_mm * np.cos(t), radius_mm * np.sin(t)) for t in turn]
    u, v = np.array([needle.at(0, radius_mm), *cap, needle.at(0, -radius_mm)]).T
    ax.plot(
        u, v, color="white", lw=1.0, ls=_ERROR_DASH, path_effects=halo(2.2), zorder=12, gid="placement error"
    )  # fmt: skip


def occupied(needle: InPicture) -> FloatArray:
    """Points (n, 2) of the needle with its ticks and words: no name belongs there."""
    along = np.arange(-2.0, needle.length_mm + 7.0, 1.0)
    return np.array([needle.at(depth, side) for depth in along for side in (-2.0, 0.0, 2.0)])


def ticks(ax: Axes, needle: InPicture, radius_mm: float, entry_words: str) -> None:
    """A tick every 10 mm of depth, a number every 20 mm, the entry and the tip in words; on the emptier side."""
    side = 1.0 if needle.across[1] > 0 else -1.0
    low, high = radius_mm + 0.5, radius_mm + 2.7
    for depth in range(0, int(needle.length_mm) + 1, TICK_MM):
        ends = np.array([needle.at(depth, side * low), needle.at(depth, side * high)]).T
        ax.plot(*ends, color="white", lw=1.2, path_effects=halo(2.4), zorder=14, gid="depth tick")
        if depth % LABEL_EVERY_MM == 0 and needle.length_mm - depth > 4:
            _text(ax, needle.at(depth, side * (high + 2.4)), f"{depth}" if depth else entry_words)
    _text(ax, needle.at(needle.length_mm + 4.0, side * 3.0), f"tip\n{needle.length_mm:.0f} mm")


def _text(ax: Axes, place: FloatArray, words: str) -> None:
    ax.text(
        float(place[0]), float(place[1]), words, color="white", fontsize=6.5, ha="center", va="center", zorder=20,
        path_effects=halo(2), clip_on=True, linespacing=1.05,
    )  # fmt: skip


def reference_zone(ax: Axes, needle: InPicture, path: NeedlePath, spec: NeedleSpec, plane: Plane) -> None:
    """Outline of the spheroid that the coverage of a path is counted with; no heat model."""
    from matplotlib.patches import Ellipse

    u, v, _ = plane.project(np.asarray(path.focus_ras_mm, float))
    angle = float(np.degrees(np.arctan2(needle.along[1], needle.along[0])))
    outline = Ellipse(
        (float(u), float(v)), spec.zone_long_mm, spec.zone_short_mm, angle=angle, fill=False, edgecolor="#9fd3ff",
        lw=1.0, ls=(0, (6, 2, 1, 2)), zorder=11, gid="reference zone", path_effects=halo(2.0),
    )  # fmt: skip
    ax.add_patch(outline)
