"""Refinement of a rigid motion: weighted least squares of intensities at scattered points (Gauss-Newton)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vertherm.followup.registration_images import Bool, Image
from vertherm.followup.registration_rigid import Rigid
from vertherm.geometry.volume import FloatArray, Volume

TUNING = 3.0
"""Residuals beyond it times their robust deviation lose their weight (Geman and McClure)."""
MAX_STEP_MM = 4.0
LEAST_POINTS = 200
ENOUGH_MM = 0.01
REACH_MM = 25.0
"""A turn is worth this many mm a radian where steps are limited and judged."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Where the refinement came to rest.

    Args:
        points: (n, 3) RAS mm of the planning frame.
        motion: planning to follow-up.
        gain: follow-up contrast over planning contrast; NaN where the two are bound by a polygon.
        iterations: done.
        converged: the last step was below a hundredth of a millimetre.
        used: (n,) points compared at the end.
        expected: (n,) follow-up intensity that the planning intensity foretells.
        residual: (n,) follow-up less expected; 0 where not used.
        weight: (n,) of each residual; 0 where not used.
        rows: (n, 6 + factors) derivative of the model: 3 shifts (per mm), 3 turns (per radian), then the factors of
            the intensities (CT: gain, offset).
        apart: (n, 6) half of what the gradients of both images differ by, as in the first six columns of ``rows``.
        scale: robust standard deviation of the residual.
        covered: share of the points that the follow-up covers.
        similarity: correlation of the two images over the used points (polygon: with what it expects).
    """

    points: FloatArray
    motion: Rigid
    gain: float
    iterations: int
    converged: bool
    used: Bool
    expected: FloatArray
    residual: FloatArray
    weight: FloatArray
    rows: FloatArray
    apart: FloatArray
    scale: float
    covered: float
    similarity: float


def scattered(distance: Volume, reach_mm: float, step_mm: float, rng: np.random.Generator) -> FloatArray:
    """(n, 3) RAS points, one at random in each cube of ``step_mm``, within ``reach_mm`` of the vertebra.

    Random places: on a regular lattice that beats with the voxels, interpolation makes false optima at whole voxels.

    Args:
        distance: mm to the vertebra, 0 inside.
    """
    lower, upper = distance.grid.bounds()
    counts = np.maximum(np.ceil((upper - lower) / step_mm).astype(int), 1)
    corner = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, 3)
    points = lower + (corner + rng.random(corner.shape)) * step_mm
    return np.asarray(points[distance.sample(points, outside=np.inf) <= reach_mm])


def refine(
    points: FloatArray,
    fixed: Image,
    moving: Image,
    start: Rigid,
    *,
    knots: FloatArray | None = None,
    max_iterations: int = 30,
) -> Fit | None:
    """Move ``start`` until the intensities of both images agree best at the points.

    Args:
        points: (n, 3) RAS mm of the planning frame.
        fixed, moving: planning and follow-up.
        start: planning to follow-up.
        knots: None: follow-up intensity is a straight line of planning intensity (CT to CT); else a polygon with
            these knots in HU, on a field that varies linearly in space (MR).
        max_iterations: of Gauss and Newton.

    Returns:
        The fit; None where too little of the follow-up lies under the points.
    """
    points = points[fixed.inside(points)[1]]
    model, slope = fixed.read(points), fixed.gradient(points)
    motion, converged, done = start, False, 0
    while not converged and done < max_iterations:
        done += 1
        fit = compare(points, model, slope, moving, motion, knots)
        if fit is None:
            return None
        step = _step(fit)
        motion = motion.moved(step)
        converged = size_mm(step) < ENOUGH_MM
    last = compare(points, model, slope, moving, motion, knots)
    return None if last is None else replace(last, iterations=done, converged=converged)


def size_mm(step: FloatArray) -> float:
    """How far a small motion moves points at the reach."""
    return float(np.linalg.norm(step[:3]) + REACH_MM * np.linalg.norm(step[3:6]))


def _step(fit: Fit) -> FloatArray:
    weighted = fit.rows * fit.weight[:, None]
    normal = weighted.T @ fit.rows
    damping = np.diag(np.diag(normal) * 1e-4 + 1e-12)
    step = np.asarray(np.linalg.solve(normal + damping, weighted.T @ fit.residual)[:6], np.float64)
    size = size_mm(step)
    return step * min(1.0, MAX_STEP_MM / size) if size > 0 else step


def compare(
    points: FloatArray,
    model: FloatArray,
    slope: FloatArray,
    moving: Image,
    motion: Rigid,
    knots: FloatArray | None = None,
) -> Fit | None:
    """Residuals, weights and derivatives at one motion, intensities fitted; None where too little is covered."""
    there = motion(points)
    covered, used = moving.inside(there)
    if used.sum() < LEAST_POINTS:
        return None
    seen = moving.read(there)
    arm = points - motion.centre_mm
    columns, slopes = _line(model) if knots is None else _polygon(model, arm, knots)
    factors, residual, weight, scale = _intensities(columns, seen, used)
    # Mean of both gradients: the step is right to second order (efficient second-order minimisation).
    expected, observed = (slopes @ factors)[:, None] * slope, moving.gradient(there) @ motion.turn
    both, apart = 0.5 * (expected + observed), 0.5 * (expected - observed)
    return Fit(
        points=points,
        motion=motion,
        gain=float(factors[0]) if knots is None else float("nan"),
        iterations=0,
        converged=False,
        used=used,
        expected=columns @ factors,
        residual=residual,
        weight=weight,
        rows=np.column_stack([_by_motion(both, arm), columns]),
        apart=_by_motion(apart, arm),
        scale=scale,
        covered=float(covered.mean()),
        similarity=correlation((model if knots is None else columns @ factors)[used], seen[used]),
    )


def _by_motion(gradient: FloatArray, arm: FloatArray) -> FloatArray:
    """Derivative of a residual by three shifts and three turns."""
    return np.column_stack([-gradient, -np.cross(arm, gradient)])


def correlation(a: FloatArray, b: FloatArray) -> float:
    """0 where one of them is constant."""
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 1e-6 else 0.0


def _line(model: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gain and offset, and the derivative of each column by the planning intensity."""
    one = np.ones_like(model)
    return np.column_stack([model, one]), np.column_stack([one, 0 * one])


def _polygon(model: FloatArray, arm: FloatArray, knots: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Hat functions over the knots and three slopes in space, and their derivatives by the planning intensity."""
    held = np.clip(model, knots[0], knots[-1] - 1e-6)
    piece = np.searchsorted(knots, held, side="right") - 1
    width = np.diff(knots)[piece]
    share = (held - knots[piece]) / width
    row = np.arange(len(model))
    columns, slopes = np.zeros((2, len(model), len(knots) + 3))
    columns[row, piece], columns[row, piece + 1] = 1.0 - share, share
    within = ((model > knots[0]) & (model < knots[-1])) / width
    slopes[row, piece], slopes[row, piece + 1] = -within, within
    columns[:, len(knots) :] = arm / REACH_MM
    return columns, slopes


def _intensities(columns: FloatArray, seen: FloatArray, used: Bool) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Factors of the columns, residual, weight, robust scale: outliers lose their weight."""
    weight, scale = used.astype(float), 1.0
    factors, residual = np.zeros(columns.shape[1]), np.zeros_like(seen)
    for _ in range(4):
        weighted = columns * weight[:, None]
        normal = weighted.T @ columns
        normal += np.diag(np.diag(normal) * 1e-6 + 1e-9)
        factors = np.linalg.solve(normal, weighted.T @ seen)
        residual = np.where(used, seen - columns @ factors, 0.0)
        scale = max(1.4826 * float(np.median(np.abs(residual[used]))), 1e-6)
        weight = np.where(used, 1.0 / (1.0 + (residual / (TUNING * scale)) ** 2) ** 2, 0.0)
    return factors, residual, weight, scale
