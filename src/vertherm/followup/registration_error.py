"""How far a registration may be off, from what it left unexplained: the covariance of its six parameters.

Residuals of neighbouring points belong together (smoothed noise, a facet that moved, a rim of changed bone). So the
scores are summed over blocks of space first, and their spread from block to block is taken: a sandwich estimate with
clusters, which needs no model of the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.followup.registration_refine import TUNING, Fit
from vertherm.geometry.volume import FloatArray

BLOCK_MM = 12.0
"""Longer than residuals stay alike, short enough for dozens of blocks in a vertebra."""
FLOOR_SHARE = {"CT": 0.005, "MR": 0.05}
"""Standard deviation an axis, in voxel edges of the coarser scan, that no residual shows: interpolation, kernels, and
in an MR edges that signal and HU put at different places."""


@dataclass(frozen=True, eq=False)
class MotionError:
    """Covariance of a small motion about a centre.

    Args:
        covariance: (6, 6) of shift (mm) and rotation vector (radians), in planning axes.
        centre_mm: (3,) of the rotation.
        floor_mm: standard deviation along each axis that is added everywhere.
        freedom: blocks of space that the spread was taken over, less fitted parameters.
    """

    covariance: FloatArray
    centre_mm: FloatArray
    floor_mm: float
    freedom: int

    def at(self, points_mm: FloatArray) -> FloatArray:
        """Covariance in mm2 of where (..., 3) planning points lie: (..., 3, 3), along planning axes."""
        points = np.asarray(points_mm, float)
        arm = points - self.centre_mm
        rows = np.zeros((*points.shape[:-1], 3, 6))
        rows[..., range(3), range(3)] = 1.0
        # omega x arm as a matrix on omega.
        rows[..., 0, 4], rows[..., 0, 5] = arm[..., 2], -arm[..., 1]
        rows[..., 1, 3], rows[..., 1, 5] = -arm[..., 2], arm[..., 0]
        rows[..., 2, 3], rows[..., 2, 4] = arm[..., 1], -arm[..., 0]
        spread = rows @ self.covariance @ np.swapaxes(rows, -1, -2)
        return np.asarray(spread + self.floor_mm**2 * np.eye(3))

    def radius_mm(self, points_mm: FloatArray, share: float = 0.95) -> NDArray[np.float64]:
        """Distance that a point's error stays below with probability ``share``: (...,).

        The squared length of a normal error is taken for gamma-distributed with its true mean and variance
        (Satterthwaite); the few blocks widen it like Student's t.
        """
        from scipy.stats import gamma, t

        spread = self.at(points_mm)
        mean = np.trace(spread, axis1=-2, axis2=-1)
        variance = 2.0 * (spread**2).sum(axis=(-2, -1))
        radius = np.sqrt(gamma.ppf(share, mean**2 / variance, scale=variance / mean))
        normal = gamma.ppf(share, 0.5, scale=2.0) ** 0.5
        return np.asarray(radius * t.ppf(0.5 + share / 2.0, max(self.freedom, 1)) / normal)


def stiffness(fit: Fit) -> FloatArray:
    """How the scores answer to a change of each parameter: (parameters, parameters).

    Noise steepens gradients and would make a fit look stiffer than it is. Each scan has its own noise, so products of
    one scan's gradient with the other's are free of it: (a + b)(a + b)/4 - (a - b)(a - b)/4 = (ab + ba)/2.
    """
    scaled = (fit.residual / (TUNING * fit.scale)) ** 2
    slope = np.where(fit.used, (1.0 - 3.0 * scaled) / (1.0 + scaled) ** 3, 0.0)
    out = (fit.rows * slope[:, None]).T @ fit.rows
    out[:6, :6] -= (fit.apart * slope[:, None]).T @ fit.apart
    return np.asarray(out)


def motion_error(fit: Fit, voxel_mm: float, modality: str, rng: np.random.Generator) -> MotionError | None:
    """The error of a fit, from the spread of its scores over blocks of space.

    Args:
        fit: converged.
        voxel_mm: longest voxel edge of both scans.
        modality: of the follow-up.
        rng: where the blocks begin.

    Returns:
        None where there are too few blocks, or the points do not fix all six parameters.
    """
    normal = stiffness(fit)
    scores = fit.rows * (fit.weight * fit.residual)[:, None]
    _, block = np.unique(np.floor(fit.points / BLOCK_MM + rng.random(3)).astype(int), axis=0, return_inverse=True)
    sums = np.stack([np.bincount(block.ravel(), column) for column in scores.T], axis=1)
    held = np.bincount(block.ravel(), fit.used)
    # As many blocks as hold their share of points: slivers at the rim are no independent witnesses.
    count = int(held.sum() ** 2 / max((held**2).sum(), 1.0))
    # Scaled to one another before it is judged: gain, millimetres and radians have no common size.
    size = np.sqrt(np.maximum(np.diag(normal), 1e-12))
    alike = normal / np.outer(size, size)
    factors = fit.rows.shape[1]
    if count < factors + 3 or float(np.linalg.eigvalsh(alike)[0]) < 1e-4:
        return None
    inverse = np.linalg.inv(alike) / np.outer(size, size)
    spread = (sums.T @ sums) * count / (count - factors)
    covariance = (inverse @ spread @ inverse)[:6, :6]
    return MotionError(covariance, fit.motion.centre_mm, FLOOR_SHARE[modality] * voxel_mm, count - factors)
