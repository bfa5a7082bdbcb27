"""The ablation margin beside a full-volume distance transform, on bodies whose margin is known.

Both get the same lesion mask and the same zone (a smooth field with its level for ours; the voxels above the level for
the distance transform, which knows no surface finer than its voxels, and for our own margin of a follow-up). The
distance transform is taken as a margin tool would: signed distance to the zone on the whole grid, minimum over the
voxels of the lesion's boundary.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.progress import Progress, silent
from vertherm.geometry.margin_map import margin_map
from vertherm.geometry.margins import ablation_margin
from vertherm.geometry.volume import Grid, Volume

Row = dict[str, Any]
HALF_MM = 32.0
FROM_MASKS = "fitted surfaces of two masks"
"""Ours for a follow-up, where the zone is a mask as well."""
SHIFT_MM = (0.31, -0.17, 0.23)
"""No symmetry between bodies and voxels."""


@dataclass(frozen=True)
class Pair:
    """A lesion and a zone, both ellipsoids aligned to the axes; mm.

    Args:
        name: for tables.
        lesion, zone: half axes.
        offset: of the zone's centre from the lesion's.
    """

    name: str
    lesion: tuple[float, float, float]
    zone: tuple[float, float, float]
    offset: tuple[float, float, float]

    def minimum_mm(self) -> float:
        """Smallest signed distance from the lesion's surface to the zone's; spheres: R - r - |offset|.

        Ellipsoids: 40,000 points of the lesion's surface, each with its exact distance (root of a scalar equation);
        the smallest is then polished.
        """
        if len({*self.lesion}) == 1 and len({*self.zone}) == 1:
            return self.zone[0] - self.lesion[0] - float(np.linalg.norm(self.offset))
        return _ellipsoids(self)


PAIRS = (
    Pair("spheres", (9.0, 9.0, 9.0), (17.0, 17.0, 17.0), (2.0, 1.0, 1.5)),
    Pair("ellipsoids", (12.0, 8.0, 9.0), (19.0, 14.0, 16.0), (1.0, 2.0, -1.0)),
)


def rows(quick: bool = False, progress: Progress = silent) -> list[Row]:
    """Benchmark rows: time of the margin and of each peer (``ratio``: peer over ours), and everyone's error in mm.

    Args:
        quick: one coarse grid and one round, for tests.
        progress: receives progress.
    """
    out: list[Row] = []
    spacings = (2.0,) if quick else (1.0, 0.5)
    todo = [(pair, spacing) for pair in PAIRS for spacing in spacings]
    for number, (pair, spacing) in enumerate(todo):
        progress(f"margin {pair.name} {spacing} mm", number / len(todo))
        out += _rows_of(pair, spacing, rounds=1 if quick else 5)
    return out


def bodies(pair: Pair, spacing_mm: float) -> tuple[Volume, Volume]:
    """Lesion mask and zone field (above 0 inside: one minus the ellipsoid's equation) on one grid."""
    half = np.full(3, HALF_MM)
    grid = Grid.isotropic(-half, half, spacing_mm)
    points = grid.centres() - np.array(SHIFT_MM)
    lesion = ((points / pair.lesion) ** 2).sum(axis=-1) < 1
    zone = 1 - np.sqrt((((points - pair.offset) / pair.zone) ** 2).sum(axis=-1))
    return Volume(lesion, grid, "lesion"), Volume(zone.astype(np.float32), grid, "zone")


def by_transform(transform: Callable[[NDArray[np.bool_], float], NDArray[Any]], lesion: Volume, zone: Volume) -> float:
    """Minimal margin in mm from distance transforms of the whole volume."""
    spacing = float(lesion.grid.spacing_mm[0])
    inside = zone.data > 0
    signed = transform(inside, spacing) - transform(~inside, spacing)
    mask = lesion.data.astype(bool)
    shell = mask.copy()
    for axis in range(3):
        for step in (1, -1):
            shell &= np.roll(mask, step, axis)
    boundary = mask & ~shell
    return float(signed[boundary].min())


def _scipy(mask: NDArray[np.bool_], spacing: float) -> NDArray[Any]:
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(mask, sampling=spacing))


def _edt() -> Callable[[NDArray[np.bool_], float], NDArray[Any]] | None:
    try:
        module = importlib.import_module("edt")
    except ImportError:
        return None
    return lambda mask, spacing: np.asarray(module.edt(mask, anisotropy=(spacing,) * 3, parallel=1))


def _rows_of(pair: Pair, spacing: float, rounds: int) -> list[Row]:
    lesion, zone = bodies(pair, spacing)
    truth = pair.minimum_mm()
    treated = zone.with_data(zone.data > 0)
    work: dict[str, Callable[[], float]] = {
        "vertherm": lambda: ablation_margin(lesion, zone, 0.0).minimum_mm,
        FROM_MASKS: lambda: margin_map(lesion, treated).minimum_mm,
        "scipy distance transform": lambda: by_transform(_scipy, lesion, zone),
    }
    fast = _edt()
    if fast is not None:
        work["edt distance transform"] = lambda: by_transform(fast, lesion, zone)
    errors = {name: one() - truth for name, one in work.items()}  # also compiles
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, one in work.items():
            start = time.perf_counter()
            one()
            times[name].append(time.perf_counter() - start)
    best = {name: min(taken) for name, taken in times.items()}
    title = f"margin, {pair.name}, {lesion.grid.shape[0]}^3 at {spacing} mm"
    stated = ablation_margin(lesion, zone, 0.0).error_mm
    out: list[Row] = []
    for name in work:
        note = f"minimum {truth:.3f} mm; off by {errors[name]:+.3f} mm"
        if name == FROM_MASKS:
            band = margin_map(lesion, treated)
            note += f", band {band.low_mm:.2f} to {band.high_mm:.2f} mm; knows the zone as voxels only"
        if name == "vertherm":
            note += f", states +-{stated:.2f} mm; also percentiles, coverage and the worst point"
        ratio = best[name] / best["vertherm"] if name != "vertherm" else 1.0
        out.append({"name": f"{name} {title}", "value": best[name], "unit": "s", "ratio": ratio, "note": note})
        out.append(
            {"name": f"{name} error of {title}", "value": abs(errors[name]), "unit": "mm", "ratio": None, "note": note}
        )
    if fast is None:
        why = "not run: edt is not installed"
        out.append({"name": f"edt distance transform {title}", "value": None, "unit": "s", "ratio": None, "note": why})
    return out


def _ellipsoids(pair: Pair) -> float:
    """Minimal signed distance of two ellipsoids by dense sampling and polishing."""
    from scipy.optimize import minimize

    lesion, zone, offset = (np.array(v) for v in (pair.lesion, pair.zone, pair.offset))

    def margin(angles: NDArray[np.float64]) -> NDArray[np.float64]:
        polar, azimuth = angles[..., 0], angles[..., 1]
        unit = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)
        return _signed_to_ellipsoid(lesion * unit - offset, zone)

    polar, azimuth = np.meshgrid(np.linspace(0, np.pi, 101), np.linspace(0, 2 * np.pi, 201), indexing="ij")
    angles = np.stack([polar, azimuth], axis=-1).reshape(-1, 2)
    start = angles[int(np.argmin(margin(angles)))]
    # scipy's stubs do not know the method by a lambda.
    found = minimize(lambda a: float(margin(a[None])[0]), start, method="Nelder-Mead", tol=1e-9)  # type: ignore[call-overload]
    return float(found.fun)


def _signed_to_ellipsoid(points: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed distance (positive inside) of points, (n, 3), none at the centre, to an ellipsoid; bisection.

    The foot x of p solves x_i = a_i^2 p_i / (t + a_i^2) on the ellipsoid; sum (a_i p_i / (t + a_i^2))^2 = 1 has one
    root t > -min a_i^2.
    """
    square = axes**2
    low = np.full(len(points), -float(square.min()))
    high = np.linalg.norm(points * axes, axis=1) + 1e-9
    for _ in range(80):
        middle = 0.5 * (low + high)
        value = ((axes * points / (middle[:, None] + square)) ** 2).sum(axis=1)
        low, high = np.where(value > 1, middle, low), np.where(value > 1, high, middle)
    foot = square * points / (high[:, None] + square)
    inside = ((points / axes) ** 2).sum(axis=1) < 1
    return np.where(inside, 1.0, -1.0) * np.linalg.norm(points - foot, axis=1)
