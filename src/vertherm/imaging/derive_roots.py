"""Nerve roots derived from bone and canal: no label set holds them. All arrays stored x, y, z (canonical).

Root and pedicle: below C7 the root of a vertebra leaves close under that vertebra's pedicle. So for each side the lower
rim of the pedicle is searched in a window just beside the canal; the root is drawn from the canal's edge medial to the
pedicle, under the rim, through the foramen, and on along the region's usual way. Practice, not measurement: a person
replaces it with own labels where it matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical.levels import Level, Region, neighbour_above, root_below
from vertherm.imaging.anatomy import Side
from vertherm.imaging.tables import rule

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]
SIDES: tuple[tuple[Side, int], ...] = (("left", -1), ("right", +1))


@dataclass(frozen=True, eq=False)
class Root:
    """One derived root: name as "L3", side by x, its line (n, 3) in voxel coordinates, and its mask."""

    name: str
    side: Side
    level: Level
    line: Float
    mask: Bool
    source: str


def derive_roots(
    vertebrae: Mapping[Level, Bool], canal: Bool, obstacles: Bool, spacing_mm: Float
) -> tuple[list[Root], list[str]]:
    """All roots whose foramen lies in the image, and notes on those that could not be derived.

    Args:
        vertebrae: whole vertebrae, each (x, y, z).
        canal: the canal.
        obstacles: all bone; roots are cut where they would run through it.
        spacing_mm: voxel edges.
    """
    roots: list[Root] = []
    notes: list[str] = []
    levels = sorted(level for level in vertebrae if level.region is not Region.sacral or level is Level.S1)
    for upper, lower in _pairs(levels):
        for side, sign in SIDES:
            name = root_below(upper)
            if upper is Level.S1:
                line, why = _sacral_line(vertebrae[upper], canal, sign, spacing_mm)
            else:
                pair = (vertebrae.get(upper), vertebrae.get(lower) if lower else None)
                line, why = _line(*pair, canal, obstacles, sign, spacing_mm, upper)
            if line is None and upper not in vertebrae:
                continue  # it leaves above the image
            if line is None:
                notes.append(f"root {name} {side} could not be derived: {why}")
                continue
            mask = _tube(line, canal.shape, spacing_mm)
            if upper is not Level.S1:  # within the sacrum label maps fill the foramina, so bone cannot cut the way
                mask &= ~obstacles
            if not mask.any():
                notes.append(f"root {name} {side} could not be derived: its way is blocked by bone")
                continue
            roots.append(Root(name, side, upper, line, mask, why))
    return roots, notes


def _pairs(levels: list[Level]) -> list[tuple[Level, Level | None]]:
    """Vertebrae with their lower neighbour; first the one above the topmost, which only its lower neighbour bounds."""
    if not levels:
        return []
    pairs: list[tuple[Level, Level | None]] = []
    if levels[0] is not Level.C1 and levels[0] is not Level.S1:
        pairs.append((neighbour_above(levels[0]), levels[0]))
    for n, level in enumerate(levels):
        below = levels[n + 1] if n + 1 < len(levels) else None
        pairs.append((level, below))
    return pairs


def _window(canal: Bool, k: int, sign: int, spacing_mm: Float) -> tuple[slice, slice] | None:
    """Beside the canal in slice ``k``: from its edge 9 mm outwards; front half of its depth."""
    plane = canal[:, :, k]
    if not plane.any():
        return None
    xs, ys = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    width = max(2, round(9.0 / float(spacing_mm[0])))
    x = _beside(xs, sign, width)
    middle = 0.5 * (ys[0] + ys[-1])
    return x, slice(int(np.floor(middle)), int(ys[-1]) + 1)


def _beside(xs: NDArray[np.intp], sign: int, width: int) -> slice:
    """Columns next to the occupied ones ``xs``, outwards."""
    if sign > 0:
        return slice(int(xs[-1]) + 1, int(xs[-1]) + 1 + width)
    return slice(max(int(xs[0]) - width, 0), int(xs[0]))


def _pedicle(vertebra: Bool, canal: Bool, sign: int, spacing_mm: Float) -> tuple[int, int] | None:
    """Lowest and highest slice in which the vertebra bars the way out beside the canal."""
    filled = np.zeros(vertebra.shape[2])
    for k in np.flatnonzero(vertebra.any(axis=(0, 1))):
        window = _window(canal, int(k), sign, spacing_mm)
        if window is not None:
            part = vertebra[window[0], window[1], k]
            # Every way out at the front half must be barred: a facet bars only the rear, a pedicle all.
            filled[k] = float(part.any(axis=0).mean()) if part.size else 0.0
    solid = filled >= 0.8
    if not solid.any():
        return None
    edges = np.flatnonzero(np.diff(np.concatenate([[0], solid.astype(int), [0]])))
    runs = edges.reshape(-1, 2)
    best = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return int(best[0]), int(best[1]) - 1


def _line(
    upper: Bool | None, lower: Bool | None, canal: Bool, bone: Bool, sign: int, spacing_mm: Float, level: Level
) -> tuple[Float | None, str]:
    """Points of a root below ``level``'s pedicle in voxel coordinates, or the reason why there are none."""
    above = None if upper is None else _pedicle(upper, canal, sign, spacing_mm)
    below = None if lower is None else _pedicle(lower, canal, sign, spacing_mm)
    dz = spacing_mm[2]
    source = "below the pedicle, through the foramen"
    if above is not None:
        rim = above[0] - 0.5
    elif below is not None:
        rim = below[1] + 0.5 + rule("foramen height") / dz
        source = "above the next pedicle, at the usual height of the foramen"
    else:
        return None, "no pedicle beside the canal in the image"
    lowest = rim - 0.6 * rule("foramen height") / dz
    if below is not None and above is not None:
        lowest = 0.5 * (rim + below[1] + 0.5)
    usual = rim - rule("root below pedicle") / dz
    exit_k = _opening(canal, bone, usual, min(lowest, usual), sign, spacing_mm)
    if exit_k is None:
        return None, "its foramen lies outside the image, is closed, or lies beside an unknown canal"
    return _path(canal, *exit_k, rim, sign, spacing_mm, level.region), source


def _opening(
    canal: Bool, bone: Bool, usual: float, lowest: float, sign: int, spacing_mm: Float
) -> tuple[int, float] | None:
    """Slice and depth (y) at which the way out beside the canal is free of bone, nearest to the usual height."""
    best: tuple[float, int, float] | None = None
    for k in range(int(np.floor(lowest)), int(np.ceil(usual)) + 1):
        if not 0 <= k < canal.shape[2] or not canal[:, :, k].any():
            continue
        xs, ys = np.flatnonzero(canal[:, :, k].any(axis=1)), np.flatnonzero(canal[:, :, k].any(axis=0))
        width = max(2, round(9.0 / float(spacing_mm[0])))
        x = _beside(xs, sign, width)
        y = slice(int(np.floor(0.5 * (ys[0] + ys[-1]))), int(ys[-1]) + 1 + round(3.0 / float(spacing_mm[1])))
        free = (~bone[x, y, k]).mean(axis=0) if x.stop > x.start else np.zeros(1)
        if free.size == 0 or free.max() < 0.65:
            continue
        widest = np.flatnonzero(free >= free.max() - 1e-9)
        depth = float(widest[np.argmin(np.abs(widest - widest.mean()))])
        cost = abs(k - usual) * spacing_mm[2] + 12.0 * (1.0 - float(free.max()))
        if best is None or cost < best[0]:
            best = (cost, k, y.start + depth)
    return None if best is None else (best[1], best[2])


def _edge(canal: Bool, k: int, sign: int) -> Float:
    """Lateral edge of the canal in slice ``k`` (x) and a depth (y) between its middle and its edge, voxels."""
    plane = canal[:, :, k]
    xs, ys = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    edge = xs[-1] + 0.5 if sign > 0 else xs[0] - 0.5
    at_edge = np.flatnonzero(plane[xs[-1] if sign > 0 else xs[0]])
    depth = 0.5 * (0.5 * (ys[0] + ys[-1]) + float(at_edge.mean()))
    return np.array([edge, depth])


def _path(canal: Bool, k: int, depth: float, rim: float, sign: int, spacing_mm: Float, region: Region) -> Float:
    """Canal edge beside the pedicle, under the rim, ganglion, and the region's way onwards."""
    ways = {Region.cervical: "cervical", Region.thoracic: "thoracic"}
    word = ways.get(region, "lumbar")
    out, drop, forward = (rule(f"root {name} {word}") for name in ("lateral", "drop", "forward"))
    edge = np.array([_edge(canal, k, sign)[0], depth])
    start_k = int(np.clip(round(rim + 4.0 / spacing_mm[2]), 0, canal.shape[2] - 1))
    while start_k > k and not canal[:, :, start_k].any():
        start_k -= 1
    start = _edge(canal, start_k, sign)

    def point(base: Float, z: float, lateral: float, ahead: float, down: float) -> Float:
        return np.array(
            [base[0] + sign * lateral / spacing_mm[0], base[1] + ahead / spacing_mm[1], z - down / spacing_mm[2]]
        )

    points = [
        point(start, start_k, -2.0, 0.0, 0.0),
        point(edge, k, 0.0, 0.0, -1.0),
        point(edge, k, 0.3 * out, 0.12 * forward, 0.08 * drop),
        point(edge, k, 0.65 * out, 0.5 * forward, 0.4 * drop),
        point(edge, k, out, forward, drop),
    ]
    return np.array(points)


def _sacral_line(sacrum: Bool, canal: Bool, sign: int, spacing_mm: Float) -> tuple[Float | None, str]:
    """The S1 root: from the canal's edge along the rear wall of the S1 body, diverging to its foramen."""
    with_canal = np.flatnonzero(canal.any(axis=(0, 1)))
    if with_canal.size == 0:
        return None, "no canal beside S1"
    walls: dict[int, tuple[float, float]] = {}
    for k in np.flatnonzero(sacrum.any(axis=(0, 1))):
        nearest = int(with_canal[np.argmin(np.abs(with_canal - k))])
        middle = np.argwhere(canal[:, :, nearest]).mean(0)
        half = max(1, round(6.0 / float(spacing_mm[0])))
        band = sacrum[max(int(middle[0]) - half, 0) : int(middle[0]) + half + 1, :, k].mean(axis=0) >= 0.5
        band[: int(np.ceil(middle[1]))] = False
        if band.any():
            walls[int(k)] = (float(middle[0]), float(np.flatnonzero(band)[0]))
    inside = [k for k in walls if canal[:, :, k].any()]
    if len(walls) < 3 or not inside:
        return None, "no canal beside the body of S1"
    top, bottom = max(inside), min(walls)
    lateral = (_half_width(canal, top, spacing_mm) - 1.0, 11.0, 13.0, 17.0)
    points = []
    for share, out in zip((0.0, 0.4, 0.7, 1.0), lateral, strict=True):
        heights = np.array(sorted(walls))
        nearest = int(heights[np.argmin(np.abs(heights - (top + share * (bottom - top))))])
        x, wall = walls[nearest]
        points.append([x + sign * out / spacing_mm[0], wall - 2.0 / spacing_mm[1], float(nearest)])
    return np.array(points), "along the rear wall of the S1 body towards the first sacral foramen"


def _half_width(canal: Bool, k: int, spacing_mm: Float) -> float:
    return 0.5 * float(np.count_nonzero(canal[:, :, k].any(axis=1))) * float(spacing_mm[0])


def _tube(line: Float, shape: tuple[int, ...], spacing_mm: Float) -> Bool:
    """Voxels within the root's radius of its line (ganglion radius at the third point), at least 0.6 voxel."""
    least = 0.6 * float(max(spacing_mm))
    radii = np.full(len(line), max(rule("root radius"), least))
    if len(line) > 4:
        radii[2] = max(rule("ganglion radius"), least)
    out = np.zeros(shape, bool)
    reach = np.ceil(radii.max() / spacing_mm).astype(int) + 1
    low = np.clip(np.floor(line.min(0)).astype(int) - reach, 0, shape)
    high = np.clip(np.ceil(line.max(0)).astype(int) + reach + 1, 0, shape)
    if (high <= low).any():
        return out
    axes = np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij")
    points = np.stack(axes, -1) * spacing_mm
    near = np.zeros(points.shape[:-1], bool)
    for a, b, ra, rb in zip(line * spacing_mm, line[1:] * spacing_mm, radii, radii[1:], strict=False):
        way = b - a
        t = np.clip((points - a) @ way / float(way @ way), 0, 1)
        near |= np.linalg.norm(points - a - t[..., None] * way, axis=-1) <= ra + (rb - ra) * t
    out[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = near
    return out
