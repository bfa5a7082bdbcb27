"""The spinal canal from bone and, where there is one, the dural sac. All arrays stored x, y, z (canonical)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.imaging.tables import rule

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Canal:
    """The canal, how it was found, and which axial slices had a closed ring of bone."""

    mask: Bool
    source: str
    closed: Bool


def derive_canal(bone: Bool, spacing_mm: Float, sac: Bool | None = None) -> Canal | None:
    """The canal as the hole in the ring of each vertebra, carried on between the rings; None where no ring is closed.

    Between two closed rings the cross-section is interpolated by signed distance along the line of their centres;
    beyond the last ring it is carried a little further along that line. A labelled sac fills the gaps instead.

    Args:
        bone: all vertebrae and the sacrum, (x, y, z).
        spacing_mm: voxel edges along x, y, z.
        sac: dural sac or cord where labelled.
    """
    holes = _rings(bone, spacing_mm, sac)
    if sac is not None and sac.any():
        around = _grown_in_plane(sac, spacing_mm, rule("canal around sac"))
        mask = (around | holes) & ~bone
        mask = _with_neighbour(mask, around)
        return Canal(mask, "dural sac widened, and holes of the vertebral rings", np.any(holes, axis=(0, 1)))
    closed = np.asarray(np.any(holes, axis=(0, 1)))
    if not closed.any():
        return None
    mask = _carried(holes, np.flatnonzero(closed), spacing_mm, bone) & ~bone
    return Canal(mask, "holes of the vertebral rings, interpolated along the canal where a ring is open", closed)


def _rings(bone: Bool, spacing_mm: Float, sac: Bool | None) -> Bool:
    """The canal's hole in each axial slice where bone closes around it."""
    from scipy import ndimage

    found = np.zeros_like(bone)
    area = float(spacing_mm[0] * spacing_mm[1])
    low, high = rule("canal area low"), rule("canal area high")
    balls = [_disc(max(radius, 1.01 * float(max(spacing_mm[:2]))), spacing_mm) for radius in (2.0, 4.0)]
    for k in np.flatnonzero(bone.any(axis=(0, 1))):
        plane = bone[:, :, k]
        hole = _best_hole(plane, area, low, high, None if sac is None else sac[:, :, k])
        for ball in balls if hole is None else ():
            # A gap of a few millimetres in the ring (thin lamina, upper rim of a foramen) is bridged.
            shut = ndimage.binary_closing(np.pad(plane, 8), ball)[8:-8, 8:-8] | plane
            hole = _best_hole(shut, area, low, high, None if sac is None else sac[:, :, k])
            if hole is not None:
                break
        if hole is not None:
            found[:, :, k] = hole
    return _consistent(found, spacing_mm)


def _best_hole(plane: Bool, area: float, low: float, high: float, sac: Bool | None) -> Bool | None:
    from scipy import ndimage

    holes = ndimage.binary_fill_holes(plane) & ~plane
    labels, count = ndimage.label(holes)
    best, best_size = None, 0.0
    for label in range(1, count + 1):
        hole = labels == label
        size = float(hole.sum()) * area
        if not low <= size <= high or (sac is not None and sac.any() and not (hole & sac).any()):
            continue
        if size > best_size:
            best, best_size = hole, size
    return best


def _consistent(holes: Bool, spacing_mm: Float) -> Bool:
    """Drop rings whose centre jumps away from the others (foramina and joint gaps can look like rings)."""
    slices = np.flatnonzero(np.any(holes, axis=(0, 1)))
    if slices.size < 3:
        return holes
    centres = np.array([np.argwhere(holes[:, :, k]).mean(0) * spacing_mm[:2] for k in slices])
    steps = slices * spacing_mm[2]
    kept = holes.copy()
    for i, k in enumerate(slices):
        near = np.abs(steps - steps[i]) < 25.0
        if np.linalg.norm(centres[i] - np.median(centres[near], axis=0)) > 10.0:
            kept[:, :, k] = False
    return kept


def _carried(holes: Bool, closed: NDArray[np.intp], spacing_mm: Float, bone: Bool) -> Bool:
    """Cross-sections between closed slices by signed distance, and a little beyond the first and last."""
    from scipy import ndimage

    out = holes.copy()
    centres = {int(k): np.argwhere(holes[:, :, k]).mean(0) for k in closed}
    fields = {int(k): _signed(holes[:, :, k], spacing_mm) for k in closed}

    def section(a: int, b: int, share: float) -> Bool:
        centre = (1 - share) * centres[a] + share * centres[b]
        fa = ndimage.shift(fields[a], centre - centres[a], order=1, mode="nearest")
        fb = ndimage.shift(fields[b], centre - centres[b], order=1, mode="nearest")
        return np.asarray((1 - share) * fa + share * fb < 0)

    for a, b in itertools.pairwise(closed):
        for k in range(int(a) + 1, int(b)):
            out[:, :, k] = section(int(a), int(b), (k - a) / (b - a))
    reach = round(rule("canal reach") / float(spacing_mm[2]))
    slope = _Slope(centres)
    for end, way in ((int(closed[0]), -1), (int(closed[-1]), +1)):
        moved, step = np.zeros(2), slope(end) * way
        for k in range(end + way, end + way * (reach + 1), way):
            if not 0 <= k < holes.shape[2]:
                break
            moved = _least_bone(fields[end], moved + step, bone[:, :, k])
            out[:, :, k] = ndimage.shift(fields[end], moved, order=1, mode="nearest") < 0
    return out


def _least_bone(field: Float, moved: Float, plane: Bool) -> Float:
    """The shift near ``moved`` (within a voxel) whose section overlaps bone least; small shifts win ties."""
    from scipy import ndimage

    best, best_cost = moved, np.inf
    for dx in (0.0, -1.0, 1.0):
        for dy in (0.0, -1.0, 1.0):
            trial = moved + np.array([dx, dy])
            section = ndimage.shift(field, trial, order=1, mode="nearest") < 0
            cost = float((section & plane).sum()) + 2.0 * (abs(dx) + abs(dy))
            if cost < best_cost:
                best, best_cost = trial, cost
    return best


class _Slope:
    """Shift of the canal's centre per slice near a slice (voxels), fitted over the closed slices around it."""

    def __init__(self, centres: dict[int, Float]) -> None:
        self.k = np.array(sorted(centres), float)
        self.c = np.array([centres[int(k)] for k in self.k])

    def __call__(self, k: int) -> Float:
        near = np.argsort(np.abs(self.k - k), kind="stable")[:15]
        if near.size < 3:
            return np.zeros(2)
        return np.asarray(np.polyfit(self.k[near], self.c[near], 1)[0])


def _signed(plane: Bool, spacing_mm: Float) -> Float:
    from scipy import ndimage

    outside = ndimage.distance_transform_edt(~plane, sampling=spacing_mm[:2])
    inside = ndimage.distance_transform_edt(plane, sampling=spacing_mm[:2])
    return np.asarray(outside - inside)


def _disc(radius_mm: float, spacing_mm: Float) -> Bool:
    half = np.ceil(radius_mm / spacing_mm[:2]).astype(int)
    x, y = np.meshgrid(*(np.arange(-n, n + 1) for n in half), indexing="ij")
    return np.asarray((x * spacing_mm[0]) ** 2 + (y * spacing_mm[1]) ** 2 <= radius_mm**2 + 1e-9)


def _grown_in_plane(mask: Bool, spacing_mm: Float, by_mm: float) -> Bool:
    """Grown by ``by_mm``, at least one voxel, within each axial slice."""
    from scipy import ndimage

    disc = _disc(max(by_mm, float(max(spacing_mm[:2]))), spacing_mm)
    return np.asarray(ndimage.binary_dilation(mask, disc[:, :, None]))


def _with_neighbour(mask: Bool, seed: Bool) -> Bool:
    """The connected part of ``mask`` that touches ``seed``."""
    from scipy import ndimage

    labels, _ = ndimage.label(mask)
    kept = np.unique(labels[seed & mask])
    return np.isin(labels, kept[kept > 0])
