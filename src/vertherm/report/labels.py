"""Words on a picture: how large they are, and the first place where they cover nothing that is written already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vertherm.geometry.volume import FloatArray
from vertherm.report.canvas import SCALE_BAR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

HALO_PT = 1.3
"""How far the halo of letters reaches beyond them."""


@dataclass(frozen=True)
class Box:
    """An upright rectangle of a picture, in its millimetres."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: Box) -> bool:
        """True where the two share more than a border."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )  # fmt: skip

    def within(self, other: Box) -> bool:
        """True where no part lies outside the other."""
        inside = other.left <= self.left and self.right <= other.right
        return inside and other.bottom <= self.bottom and self.top <= other.top

    def moved_to(self, x: float, y: float) -> Box:
        """A box of this size around another middle."""
        half_w, half_h = 0.5 * (self.right - self.left), 0.5 * (self.top - self.bottom)
        return Box(x - half_w, y - half_h, x + half_w, y + half_h)

    @staticmethod
    def around(x: float, y: float, half_mm: float) -> Box:
        """A square."""
        return Box(x - half_mm, y - half_mm, x + half_mm, y + half_mm)


class Room:
    """Where words may still stand on axes in millimetres; all texts and scale bars there now are taken.

    Args:
        ax: axes whose limits are set.
    """

    def __init__(self, ax: Axes) -> None:
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        self.ax, self.whole = ax, Box(left, bottom, right, top)
        self.taken = [self.box(text) for text in ax.texts]
        self.taken += [self._of(line.get_window_extent()) for line in ax.lines if line.get_gid() == SCALE_BAR]

    def box(self, text: Text) -> Box:
        """What a text covers, with its halo and the patch behind it."""
        canvas: Any = text.figure.canvas if text.figure is not None else None
        extent = text.get_window_extent(canvas.get_renderer())
        patch = text.get_bbox_patch()
        pad = HALO_PT if patch is None else 3.0
        return self._of(extent.padded(pad * canvas.figure.dpi / 72.0))

    def _of(self, extent: Any) -> Box:
        low, high = self.ax.transData.inverted().transform(extent.get_points())
        return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    def keep_off(self, points: Iterable[FloatArray], half_mm: float) -> None:
        """Let nothing be written within ``half_mm`` of points (u, v)."""
        self.taken += [Box.around(float(u), float(v), half_mm) for u, v in points]

    def free(self, box: Box) -> bool:
        """True where nothing has been written and the picture does not end."""
        return box.within(self.whole) and not any(box.meets(other) for other in self.taken)

    def settle(self, text: Text, middles: Iterable[tuple[float, float]]) -> bool:
        """Move a text to the first of these middles where there is room; False: there is none, and it is taken away."""
        text.set(ha="center", va="center")
        size = self.box(text)
        place = next((at for at in middles if self.free(size.moved_to(*at))), None)
        if place is None:
            text.remove()
            return False
        text.set_position(place)
        self.taken.append(size.moved_to(*place))
        return True


def beyond(point: FloatArray, towards: FloatArray, size_mm: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Middles for a box of this size just beyond a point, seen in a direction; then turned, then farther away."""
    turns = np.radians([0, 25, -25, 50, -50, 75, -75, 105, -105, 140, -140, 180])
    for gap in (1.0, 2.5, 4.5, 7.0):
        for turn in turns:
            x = towards[0] * np.cos(turn) - towards[1] * np.sin(turn)
            y = towards[0] * np.sin(turn) + towards[1] * np.cos(turn)
            # So far that the box, widened by the gap, just touches the point.
            reach = min((0.5 * size_mm[0] + gap) / max(abs(x), 1e-6), (0.5 * size_mm[1] + gap) / max(abs(y), 1e-6))
            yield float(point[0] + reach * x), float(point[1] + reach * y)


def about(x: float, y: float, reach_mm: float, step_mm: float = 1.0) -> list[tuple[float, float]]:
    """Places around one, the nearest first; up and down before aside, as words are wide."""
    steps = np.arange(-reach_mm, reach_mm + 0.5 * step_mm, step_mm)
    offsets = sorted(((float(du), float(dv)) for du in steps for dv in steps), key=lambda d: np.hypot(1.3 * d[0], d[1]))
    return [(x + du, y + dv) for du, dv in offsets]
