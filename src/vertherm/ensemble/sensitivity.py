"""Which parameters matter: Morris' elementary effects, and Sobol's first and total indices.

Both take outputs by point, NaN where a member failed: what a failure touches is left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.ensemble.sampling import Points

Array = NDArray[np.float64]
LEVELS = 4
"""Levels of a Morris grid, at the centres of four equal parts: the extreme ends of a range are never combined."""
JUMP = LEVELS // 2 / LEVELS
BOOTSTRAPS = 1000


@dataclass(frozen=True, eq=False)
class Effects:
    """Elementary effects in output units per whole range of a parameter (u from 0 to 1); one value a parameter.

    Args:
        mean: mean effect with its sign.
        mean_absolute: mu*, by which parameters are ranked (Campolongo 2007).
        spread: standard deviation: interactions and curvature.
        low, high: bootstrap interval of ``mean_absolute``.
        lost: trajectory steps that a failed member took away.
    """

    mean: Array
    mean_absolute: Array
    spread: Array
    low: Array
    high: Array
    lost: int


@dataclass(frozen=True, eq=False)
class Indices:
    """Sobol indices; one value a parameter.

    Args:
        first: share of the variance that the parameter explains alone.
        total: share in which it has any part.
        first_interval, total_interval: (low, high) each, shape (parameters, 2), bootstrap.
        variance: of the output.
        n: base points that count; ``lost`` were taken away by failed members.
    """

    first: Array
    total: Array
    first_interval: Array
    total_interval: Array
    variance: float
    n: int
    lost: int


def morris_points(dimensions: int, trajectories: int, seed: int) -> Points:
    """Trajectories through the cube, each changing one parameter at a time; shape (trajectories * (d + 1), d).

    Source: Morris, Technometrics 1991;33:161-174.

    Raises:
        InputError: no parameters, or fewer than two trajectories.
    """
    if dimensions < 1 or trajectories < 2 or seed < 0:
        got = f"{dimensions} parameters, {trajectories} trajectories, seed {seed}"
        raise InputError("Morris' method cannot start.", got=got, expected=">= 1 parameter, >= 2 trajectories")
    rng = np.random.Generator(np.random.PCG64(seed))
    points = np.empty((trajectories, dimensions + 1, dimensions))
    for path in points:
        level = (rng.integers(0, LEVELS, dimensions) + 0.5) / LEVELS
        path[0] = level
        for step, axis in enumerate(rng.permutation(dimensions), 1):
            path[step] = path[step - 1]
            path[step, axis] += JUMP if level[axis] < 0.5 else -JUMP
    return points.reshape(-1, dimensions)


def morris_effects(points: Points, outputs: Sequence[float] | Array, seed: int = 0) -> Effects:
    """Elementary effects of one output along the trajectories of :func:`morris_points`.

    Raises:
        InputError: outputs and points do not fit, or a parameter has lost all of its steps.
    """
    dimensions = points.shape[1]
    values = np.asarray(outputs, dtype=np.float64)
    if values.shape != (len(points),) or len(points) % (dimensions + 1):
        raise InputError("Outputs and points do not fit.", got=values.shape, expected=f"({len(points)},)")
    paths = points.reshape(-1, dimensions + 1, dimensions)
    values = values.reshape(-1, dimensions + 1)
    moved = np.diff(paths, axis=1)
    axis = np.argmax(np.abs(moved), axis=2)
    effect = np.diff(values, axis=1) / np.take_along_axis(moved, axis[..., None], axis=2)[..., 0]
    table = np.full((len(paths), dimensions), np.nan)
    np.put_along_axis(table, axis, effect, axis=1)
    if np.isnan(table).all(axis=0).any():
        raise InputError("Too many members failed: a parameter has no effect left to judge.", where="sensitivity")
    low, high = _bootstrap_mean(np.abs(table), seed)
    return Effects(
        mean=np.nanmean(table, axis=0),
        mean_absolute=np.nanmean(np.abs(table), axis=0),
        spread=np.array([np.std(c[~np.isnan(c)], ddof=1) if (~np.isnan(c)).sum() > 1 else 0.0 for c in table.T]),
        low=low,
        high=high,
        lost=int(np.isnan(table).sum()),
    )


def _bootstrap_mean(table: Array, seed: int) -> tuple[Array, Array]:
    """95 % percentile interval of the mean of each column, NaN left out."""
    rng = np.random.Generator(np.random.PCG64(seed))
    low, high = [], []
    for column in table.T:
        kept = column[~np.isnan(column)]
        means = kept[rng.integers(0, kept.size, (BOOTSTRAPS, kept.size))].mean(axis=1)
        low.append(np.quantile(means, 0.025))
        high.append(np.quantile(means, 0.975))
    return np.array(low), np.array(high)


def sobol_points(dimensions: int, base: int, seed: int) -> Points:
    """Points of Saltelli's design, shape (base * (d + 2), d): A, B, then A with each column taken from B.

    Args:
        dimensions: number of parameters.
        base: base points, a power of two (the sequence is balanced only then).
        seed: of the scrambling.

    Raises:
        InputError: no parameters, or a base that is no power of two.
    """
    if dimensions < 1 or base < 2 or base & (base - 1):
        got = f"{dimensions} parameters, {base} base points"
        raise InputError("Sobol indices need a power of two of base points.", got=got, expected="2, 4, 8, 16, ...")
    from scipy.stats import qmc

    rng = np.random.Generator(np.random.PCG64(seed))
    both = qmc.Sobol(2 * dimensions, scramble=True, bits=64, rng=rng).random_base2(base.bit_length() - 1)
    a, b = both[:, :dimensions], both[:, dimensions:]
    mixed = [np.where(np.arange(dimensions) == axis, b, a) for axis in range(dimensions)]
    return np.concatenate([a, b, *mixed])


def sobol_indices(outputs: Sequence[float] | Array, dimensions: int, seed: int = 0) -> Indices:
    """First and total indices of one output at the points of :func:`sobol_points`.

    Estimators of Saltelli and others 2010 (Comput Phys Commun 181:259) and Jansen, those of scipy.stats.sobol_indices,
    here with failed members left out: a base point counts where A, B and all mixed points have an output.

    Raises:
        InputError: outputs do not fit, or fewer than two base points are left.
    """
    values = np.asarray(outputs, dtype=np.float64)
    if values.ndim != 1 or values.size % (dimensions + 2):
        raise InputError("Outputs and points do not fit.", got=values.shape, expected=f"n * {dimensions + 2} values")
    rows = values.reshape(dimensions + 2, -1)
    kept = rows[:, ~np.isnan(rows).any(axis=0)]
    if kept.shape[1] < 2:
        raise InputError("Too many members failed: no base point is complete.", where="sensitivity")
    first, total, variance = _estimate(kept)
    rng = np.random.Generator(np.random.PCG64(seed))
    n = kept.shape[1]
    drawn = [_estimate(kept[:, rng.integers(0, n, n)])[:2] for _ in range(BOOTSTRAPS)]
    intervals = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)  # (2, first or total, parameters)
    return Indices(first, total, intervals[:, 0].T, intervals[:, 1].T, variance, n, rows.shape[1] - n)


def _estimate(rows: Array) -> tuple[Array, Array, float]:
    centred = rows - rows[:2].mean()
    a, b, mixed = centred[0], centred[1], centred[2:]
    variance = float(np.var(centred[:2]))
    if variance <= 1e-24 * float(rows[:2].mean()) ** 2:
        # An output that does not vary owes nothing to any parameter.
        return np.zeros(len(mixed)), np.zeros(len(mixed)), 0.0
    first = np.mean(b * (mixed - a), axis=1) / variance
    total = 0.5 * np.mean((a - mixed) ** 2, axis=1) / variance
    return first, total, variance
