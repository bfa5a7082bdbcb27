"""Picture planes through the patient in radiological convention, and the images sampled on them.

A plane is given by world directions, never by array axes, so the storage order of an image cannot swap left and right.
Radiological convention: axial pictures are seen from the feet and coronal ones from the front, so the patient's left
lies on the right of the picture; sagittal pictures are seen from the patient's left, anterior on the left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Grid, Volume

Edge = Literal["left", "right", "top", "bottom"]
_LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))
_OBLIQUE = 0.35
"""A direction names every anatomical axis it follows by more than this share (about 20 degrees off the next one)."""

_VIEWS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "axial": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "sagittal": ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
}
"""RAS directions of picture-right and picture-up in radiological convention."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A rectangular picture plane.

    Args:
        name: "axial", "coronal", "sagittal" or "needle".
        origin_mm: RAS point shown at u = v = 0.
        right: RAS unit vector towards the right of the picture (u).
        up: RAS unit vector towards its top (v).
        u_mm: lower and upper limit of u in mm.
        v_mm: lower and upper limit of v in mm.
    """

    name: str
    origin_mm: FloatArray
    right: FloatArray
    up: FloatArray
    u_mm: tuple[float, float]
    v_mm: tuple[float, float]

    @property
    def normal(self) -> FloatArray:
        """RAS unit vector from the plane towards the viewer."""
        return np.cross(self.right, self.up)

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height in mm."""
        return self.u_mm[1] - self.u_mm[0], self.v_mm[1] - self.v_mm[0]

    def axes(self, step_mm: float) -> tuple[FloatArray, FloatArray]:
        """Sample positions along u and v."""
        return tuple(  # type: ignore[return-value]
            np.linspace(low, high, max(round((high - low) / step_mm) + 1, 2)) for low, high in (self.u_mm, self.v_mm)
        )

    def points(self, step_mm: float) -> FloatArray:
        """RAS sample points of shape (nv, nu, 3); row 0 is the bottom of the picture."""
        u, v = self.axes(step_mm)
        return self.origin_mm + v[:, None, None] * self.up + u[None, :, None] * self.right

    def project(self, points_mm: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Picture coordinates u, v of RAS points and their signed distance from the plane (mm, towards the viewer)."""
        offset = np.asarray(points_mm, float) - self.origin_mm
        return offset @ self.right, offset @ self.up, offset @ self.normal

    def marks(self) -> dict[Edge, str]:
        """What lies beyond each edge of the picture: R, L, A, P, S, I, two or three letters where oblique."""
        return {
            "left": letters(-self.right),
            "right": letters(self.right),
            "top": letters(self.up),
            "bottom": letters(-self.up),
        }


def letters(direction: FloatArray) -> str:
    """Anatomical name of an RAS direction, the strongest component first: (-1, 0, 0) is "L", (0.7, 0.7, 0) is "RA"."""
    order = np.argsort(-np.abs(direction), kind="stable")
    kept = [axis for rank, axis in enumerate(order) if rank == 0 or abs(direction[axis]) > _OBLIQUE]
    return "".join(_LETTERS[axis][0 if direction[axis] > 0 else 1] for axis in kept)


def standard_plane(name: str, centre_mm: FloatArray, image: Grid, half_mm: float = 52.0) -> Plane:
    """Axial, coronal or sagittal plane through a point, cut to what the image covers."""
    right, up = (np.array(vector) for vector in _VIEWS[name])
    return _cut(name, np.asarray(centre_mm, float), right, up, half_mm, image)


def needle_plane(trajectory: Trajectory, towards_mm: FloatArray, image: Grid, half_mm: float = 45.0) -> Plane:
    """The plane that holds the needle's axis and the point ``towards_mm``, turned like the standard view nearest to it.

    It reaches from ``half_mm`` around the antenna to the entry point, as far as the image goes.
    """
    axis = trajectory.axis
    other = _perpendicular(np.asarray(towards_mm, float) - trajectory.tip_mm, axis)
    right, up = _turned(np.cross(axis, other))
    return _cut("needle", trajectory.point_mm(10.0), right, up, half_mm, image, trajectory.entry_mm[None])


def needle_planes(trajectory: Trajectory, image: Grid, half_mm: float = 30.0) -> tuple[Plane, Plane]:
    """The two planes that hold the needle's axis: the one nearest to the axial plane, and the one across it.

    Both reach from ``half_mm`` around the antenna to the entry point.
    """
    level = trajectory.tip_mm + np.cross([0.0, 0.0, 1.0], trajectory.axis)
    first = needle_plane(trajectory, level, image, half_mm)
    second = needle_plane(trajectory, trajectory.tip_mm + first.normal, image, half_mm)
    return replace(first, name="needle, near axial"), replace(second, name="needle, across")


def across_plane(trajectory: Trajectory, depth_mm: float, half_mm: float = 17.0) -> Plane:
    """The square across a needle at a depth from its entry, the needle in its middle, turned like the nearest view."""
    right, up = _turned(trajectory.axis)
    origin = trajectory.point_mm(trajectory.length_mm - depth_mm)
    return Plane("across the needle", origin, right, up, (-half_mm, half_mm), (-half_mm, half_mm))


def plane_with(name: str, centre_mm: FloatArray, points_mm: FloatArray, image: Grid, half_mm: float = 45.0) -> Plane:
    """A standard plane through a point, wide enough to show the projections of ``points_mm``, shape (n, 3)."""
    right, up = (np.array(vector) for vector in _VIEWS[name])
    return _cut(name, np.asarray(centre_mm, float), right, up, half_mm, image, points_mm)


def _turned(normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Picture-right and picture-up of the plane across ``normal``, turned like the standard view nearest to it."""
    nearest = max(_VIEWS.values(), key=lambda view: abs(float(np.cross(*view) @ normal)))
    right, up = (np.array(vector) for vector in nearest)
    normal = normal if np.cross(right, up) @ normal > 0 else -normal
    right = _perpendicular(right, normal)
    return right, np.cross(normal, right)


def _perpendicular(vector: FloatArray, axis: FloatArray) -> FloatArray:
    """Unit vector: the part of ``vector`` across ``axis``, or any direction across it where nothing is left."""
    for candidate in (vector, np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])):
        rest = candidate - (candidate @ axis) * axis
        length = float(np.linalg.norm(rest))
        if length > 1e-3 * max(float(np.linalg.norm(candidate)), 1e-9):
            return rest / length
    raise AssertionError("one of two perpendicular directions always has a part across the axis")


def _cut(
    name: str,
    centre: FloatArray,
    right: FloatArray,
    up: FloatArray,
    half_mm: float,
    image: Grid,
    include_mm: FloatArray | None = None,
) -> Plane:
    corners = image.world(
        np.stack(np.meshgrid(*((-0.5, n - 0.5) for n in image.shape), indexing="ij"), -1).reshape(-1, 3)
    )
    limits = []
    for direction in (right, up):
        extent = (corners - centre) @ direction
        reach = np.zeros(1) if include_mm is None else (include_mm - centre) @ direction
        low = max(min(-half_mm, float(reach.min()) - 8.0), float(extent.min()))
        high = min(max(half_mm, float(reach.max()) + 8.0), float(extent.max()))
        # A target at the very edge of the image still gets a picture of 20 mm around it.
        limits.append((min(low, -20.0), max(high, 20.0)))
    return Plane(name, centre, right, up, limits[0], limits[1])


def sampled(volume: Volume, plane: Plane, step_mm: float, *, order: int = 1, outside: float = np.nan) -> NDArray[Any]:
    """A volume on a plane, shape (nv, nu), as :meth:`Volume.sample` gives it; nearest (0) or linear (1) only.

    A plane is regular, so its voxel indices are sums of a row and a column: no list of points is ever made.
    """
    from scipy.ndimage import map_coordinates

    index = _index(volume.grid, plane, step_mm)
    inside = np.ones(index.shape[1:], bool)
    for along, n in zip(index, volume.grid.shape, strict=True):
        inside &= (along >= -0.5) & (along <= n - 0.5)
        np.clip(along, 0, n - 1, out=along)
    if order == 0:
        values = volume.data[tuple(np.rint(index).astype(np.intp))].astype(np.float32)
    else:
        values = np.empty(inside.shape, np.float32)
        map_coordinates(volume.data, index, values, 1, "nearest", prefilter=False)
    values[~inside] = outside
    return values


def near(volume: Volume, plane: Plane) -> Volume:
    """The part of a volume that a linear interpolation on the plane reads."""
    index = _index(volume.grid, plane, max(plane.size_mm)).reshape(3, -1)
    low = np.clip(np.floor(index.min(axis=1)).astype(int) - 1, 0, np.array(volume.grid.shape) - 1)
    high = np.clip(np.ceil(index.max(axis=1)).astype(int) + 2, low + 1, volume.grid.shape)
    affine = volume.grid.affine.copy()
    affine[:3, 3] = volume.grid.world(low)
    data = volume.data[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
    return Volume(data, Grid((data.shape[0], data.shape[1], data.shape[2]), affine, volume.grid.frame), volume.source)


def _index(grid: Grid, plane: Plane, step_mm: float) -> FloatArray:
    """Voxel indices of the sample points, shape (3, nv, nu)."""
    u, v = plane.axes(step_mm)
    turn = np.linalg.inv(grid.affine)[:3, :3]
    rows = grid.index(plane.origin_mm)[:, None] + np.outer(turn @ plane.up, v)
    return np.asarray(rows[:, :, None] + np.outer(turn @ plane.right, u)[:, None, :])
