"""Weighted least squares with bounds: Gauss-Newton on a forward model that is costly, so with few runs of it.

    chi2(p) = sum ((measured - predicted(p)) / sd)^2 ,   cov = (J^T W J)^-1 * max(1, chi2 / (n - p))

The scale is the residual variance alone where the errors were assumed, not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.calibration.identifiability import Parameter, check_identifiable
from vertherm.core.errors import SolverError

Array = NDArray[np.float64]
Model = Callable[[Array], Array]
"""(points, parameters) to (points, data): the forward model, called with all points that are needed at once."""
MOST_STEPS = 8
DAMPED = (1.0, 0.5, 0.2, 0.05)
"""Shares of a Gauss-Newton step that are tried in turn until chi2 falls."""
NEAR_SD = 0.2
"""A step shorter than this many standard errors ends the search."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted set of parameters.

    Args:
        parameters: what was fitted, in order.
        values, sd: estimates and standard errors.
        low, high: 95 % intervals (Student's t where the scale was estimated), cut at the bounds.
        correlation: (p, p) of the estimates.
        predicted: (n,) fitted numbers.
        chi2: sum of squared standardised residuals.
        degrees_of_freedom: independent numbers less parameters.
        scale: factor on the covariance.
        steps: Gauss-Newton steps taken.
        at_bound: names of parameters that ended on a bound.
    """

    parameters: tuple[Parameter, ...]
    values: Array
    sd: Array
    low: Array
    high: Array
    correlation: Array
    predicted: Array
    chi2: float
    degrees_of_freedom: float
    scale: float
    steps: int
    at_bound: tuple[str, ...]


def least_squares(
    model: Model,
    parameters: tuple[Parameter, ...],
    measured: Array,
    error: Array,
    *,
    errors_known: bool = True,
    counted: float | None = None,
    context: str = "",
) -> Fit:
    """Fit ``parameters`` to ``measured``.

    Args:
        model: the forward model.
        parameters: start, bounds, step of the finite differences, plausible range.
        measured, error: (n,) numbers and their standard errors.
        errors_known: False where the errors are assumptions: the residuals then set the scale.
        counted: how many independent numbers the n are; None: n.
        context: for messages.

    Raises:
        NotIdentifiable: the measurements cannot tell one or several parameters.
        SolverError: chi2 cannot be lowered from a point that is no minimum.
    """
    x = np.array([p.start for p in parameters])
    predicted, jacobian = _linearised(model, parameters, x)
    check_identifiable(parameters, jacobian / error[:, None], context)
    chi2, steps = _chi2(predicted, measured, error), 0
    while steps < MOST_STEPS:
        step = _step(parameters, x, jacobian / error[:, None], (measured - predicted) / error)
        sd = np.sqrt(np.diag(_inverse(jacobian / error[:, None])))
        if (np.abs(step) < NEAR_SD * sd).all():
            break
        x, found = _descend(model, x, step, chi2, measured, error)
        steps += 1
        if found is None:
            break
        chi2 = _chi2(found, measured, error)
        predicted, jacobian = _linearised(model, parameters, x)
    else:
        at = ", ".join(f"{p.name} {value:.4g}" for p, value in zip(parameters, x, strict=True))
        raise SolverError(
            "The fit of a calibration did not converge.",
            where=context,
            got=f"chi2 {chi2:.4g} after {steps} steps at {at}",
            advice="look for an outlier among the measurements, or hold the drying parameter",
        )
    check_identifiable(parameters, jacobian / error[:, None], context)
    freedom = (measured.size if counted is None else counted) - x.size
    return _fit(parameters, x, predicted, jacobian, measured, error, errors_known, freedom, steps)


def _linearised(model: Model, parameters: tuple[Parameter, ...], x: Array) -> tuple[Array, Array]:
    """Prediction at ``x`` and its Jacobian by one-sided differences that point away from the nearer bound."""
    points, signs = [x], []
    for n, p in enumerate(parameters):
        sign = 1.0 if p.high - x[n] >= x[n] - p.low else -1.0
        moved = x.copy()
        moved[n] += sign * p.step
        points.append(moved)
        signs.append(sign * p.step)
    values = model(np.array(points))
    return values[0], ((values[1:] - values[0]) / np.array(signs)[:, None]).T


def _chi2(predicted: Array, measured: Array, error: Array) -> float:
    return float((((measured - predicted) / error) ** 2).sum())


def _step(parameters: tuple[Parameter, ...], x: Array, weighted: Array, residual: Array) -> Array:
    """The bounded linear least-squares step."""
    from scipy.optimize import lsq_linear

    low = np.array([p.low for p in parameters]) - x
    high = np.array([p.high for p in parameters]) - x
    scale = np.array([p.range for p in parameters])
    found = lsq_linear(weighted * scale, residual, (low / scale - 1e-12, high / scale + 1e-12))
    return np.clip(np.asarray(found.x) * scale, low, high)


def _descend(
    model: Model, x: Array, step: Array, chi2: float, measured: Array, error: Array
) -> tuple[Array, Array | None]:
    """The first damped step that lowers chi2, and the prediction there; (x, None) where none does."""
    for share in DAMPED:
        trial = x + share * step
        values = model(trial[None])[0]
        if _chi2(values, measured, error) < chi2:
            return trial, values
    return x, None


def _inverse(weighted: Array) -> Array:
    return np.asarray(np.linalg.inv(weighted.T @ weighted))


def _fit(
    parameters: tuple[Parameter, ...],
    x: Array,
    predicted: Array,
    jacobian: Array,
    measured: Array,
    error: Array,
    errors_known: bool,
    freedom: float,
    steps: int,
) -> Fit:
    from scipy.stats import norm
    from scipy.stats import t as student

    chi2 = _chi2(predicted, measured, error)
    variance = chi2 / freedom if freedom > 0 else 1.0
    scale = max(1.0, variance) if errors_known else variance
    # With known errors and a model that fits, the normal quantile is right; else the scale itself is uncertain.
    estimated = freedom > 0 and scale != 1.0
    quantile = float(student.ppf(0.975, freedom)) if estimated else float(norm.ppf(0.975))
    covariance = _inverse(jacobian / error[:, None]) * scale
    sd = np.sqrt(np.diag(covariance))
    bounds = np.array([(p.low, p.high) for p in parameters])
    near = 1e-6 * (bounds[:, 1] - bounds[:, 0])
    at = [p.name for p, v, (a, b), e in zip(parameters, x, bounds, near, strict=True) if v - a < e or b - v < e]
    return Fit(
        parameters=parameters,
        values=x,
        sd=sd,
        low=np.maximum(x - quantile * sd, bounds[:, 0]),
        high=np.minimum(x + quantile * sd, bounds[:, 1]),
        correlation=covariance / np.outer(sd, sd),
        predicted=predicted,
        chi2=chi2,
        degrees_of_freedom=freedom,
        scale=scale,
        steps=steps,
        at_bound=tuple(at),
    )
