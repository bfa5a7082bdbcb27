"""Solids given by formula: distance to their surface at any point, a box around them, and a closed description.

Distances are millimetres, negative inside. Capsules are exact; ellipses and ellipsoids use f/|grad f|, exact on the
surface and to first order near it, which is what thin shells need.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Point = tuple[float, float, float]


class Shape(Protocol):
    """A solid: signed distance in mm (negative inside) and a box that holds it."""

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance of points given by coordinate arrays that broadcast together (an open grid stays cheap)."""

    def box(self) -> tuple[Array, Array]:
        """Lower and upper corner of a box around the solid."""

    def describe(self) -> dict[str, Any]:
        """Type and numbers, enough to rebuild the solid elsewhere."""


@dataclass(frozen=True)
class _Described:
    def describe(self) -> dict[str, Any]:
        """Type and numbers."""
        return {"type": type(self).__name__, **asdict(self)}


def _ellipse_distance(u: Array, v: Array, a: float, b: float) -> Array:
    """First-order distance to the ellipse (u/a)^2 + (v/b)^2 = 1."""
    radius = np.sqrt((u / a) ** 2 + (v / b) ** 2)
    gradient = np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2)
    return np.where(gradient > 1e-12, (radius - 1) * radius / np.maximum(gradient, 1e-12), -min(a, b))


@dataclass(frozen=True)
class Column(_Described):
    """Elliptic cylinder along z with optional waist: half axes shrink by ``waist`` at mid-height."""

    centre: Point
    half_x: float
    half_y: float
    half_z: float
    waist: float = 0.0

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance."""
        u, v, w = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        along = np.abs(w) - self.half_z
        if self.waist == 0.0:
            return np.maximum(_ellipse_distance(u, v, self.half_x, self.half_y), along)
        shrink = 1 - self.waist * (1 - np.clip(w / self.half_z, -1, 1) ** 2)
        across = _ellipse_distance(u / shrink, v / shrink, self.half_x, self.half_y) * shrink
        return np.maximum(across, along)

    def box(self) -> tuple[Array, Array]:
        """Box."""
        half = np.array([self.half_x, self.half_y, self.half_z])
        return np.asarray(self.centre) - half, np.asarray(self.centre) + half


@dataclass(frozen=True)
class Ellipsoid(_Described):
    """Ellipsoid with axes along x, y, z."""

    centre: Point
    half: Point

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance, first order."""
        squares = [((c - m) / h) ** 2 for c, m, h in zip((x, y, z), self.centre, self.half, strict=True)]
        radius = np.sqrt(squares[0] + squares[1] + squares[2])
        gradient = np.sqrt(sum(q / h**2 for q, h in zip(squares, self.half, strict=True)))
        return np.where(gradient > 1e-12, (radius - 1) * radius / np.maximum(gradient, 1e-12), -min(self.half))

    def box(self) -> tuple[Array, Array]:
        """Box."""
        return np.asarray(self.centre) - self.half, np.asarray(self.centre) + self.half


@dataclass(frozen=True)
class Tube(_Described):
    """Round tube along a polyline; ``radii`` at its points, linear in between (one point pair gives a capsule)."""

    points: tuple[Point, ...]
    radii: tuple[float, ...]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance."""
        best: Array | None = None
        for a, b, ra, rb in zip(self.points, self.points[1:], self.radii, self.radii[1:], strict=False):
            dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
            u, v, w = x - a[0], y - a[1], z - a[2]
            t = np.clip((u * dx + v * dy + w * dz) / (dx * dx + dy * dy + dz * dz), 0, 1)
            d = np.sqrt((u - t * dx) ** 2 + (v - t * dy) ** 2 + (w - t * dz) ** 2) - (ra + (rb - ra) * t)
            best = d if best is None else np.minimum(best, d)
        assert best is not None
        return best

    def box(self) -> tuple[Array, Array]:
        """Box."""
        points, radius = np.asarray(self.points), max(self.radii)
        return points.min(0) - radius, points.max(0) + radius


@dataclass(frozen=True)
class Slab(_Described):
    """Box with axes along x, y, z."""

    centre: Point
    half: Point

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance (largest of the three; exact beside faces, a lower bound at corners)."""
        u, v, w = (np.abs(c - m) - h for c, m, h in zip((x, y, z), self.centre, self.half, strict=True))
        return np.maximum(np.maximum(u, v), w)

    def box(self) -> tuple[Array, Array]:
        """Box."""
        return np.asarray(self.centre) - self.half, np.asarray(self.centre) + self.half


@dataclass(frozen=True)
class Union:
    """Everything in any of the parts."""

    parts: tuple[Shape, ...]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Smallest distance of the parts."""
        best = self.parts[0].distance(x, y, z)
        for part in self.parts[1:]:
            best = np.minimum(best, part.distance(x, y, z))
        return best

    def box(self) -> tuple[Array, Array]:
        """Box around all parts."""
        boxes = [part.box() for part in self.parts]
        return np.min([b[0] for b in boxes], 0), np.max([b[1] for b in boxes], 0)

    def describe(self) -> dict[str, Any]:
        """Type and parts."""
        return {"type": "Union", "parts": [part.describe() for part in self.parts]}


@dataclass(frozen=True)
class Difference:
    """``base`` without ``hole``."""

    base: Shape
    hole: Shape

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Larger of base and inverted hole."""
        return np.maximum(self.base.distance(x, y, z), -self.hole.distance(x, y, z))

    def box(self) -> tuple[Array, Array]:
        """Box of the base."""
        return self.base.box()

    def describe(self) -> dict[str, Any]:
        """Type and both solids."""
        return {"type": "Difference", "base": self.base.describe(), "hole": self.hole.describe()}


@dataclass(frozen=True)
class Common:
    """Everything in all of the parts."""

    parts: tuple[Shape, ...]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Largest distance of the parts."""
        largest = self.parts[0].distance(x, y, z)
        for part in self.parts[1:]:
            largest = np.maximum(largest, part.distance(x, y, z))
        return largest

    def box(self) -> tuple[Array, Array]:
        """Intersection of the boxes."""
        boxes = [part.box() for part in self.parts]
        return np.max([b[0] for b in boxes], 0), np.min([b[1] for b in boxes], 0)

    def describe(self) -> dict[str, Any]:
        """Type and parts."""
        return {"type": "Common", "parts": [part.describe() for part in self.parts]}


@dataclass(frozen=True)
class Grown:
    """A solid grown (or shrunk, negative) by ``by_mm``."""

    base: Shape
    by_mm: float

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Distance less the growth."""
        return self.base.distance(x, y, z) - self.by_mm

    def box(self) -> tuple[Array, Array]:
        """Box grown likewise."""
        lower, upper = self.base.box()
        return lower - self.by_mm, upper + self.by_mm

    def describe(self) -> dict[str, Any]:
        """Type, solid and growth."""
        return {"type": "Grown", "base": self.base.describe(), "by_mm": self.by_mm}
