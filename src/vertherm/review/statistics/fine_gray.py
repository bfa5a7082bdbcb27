"""Fine-Gray regression of the subdistribution hazard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from vertherm.core.errors import InputError
from vertherm.review.statistics.events import INTEREST, event_columns
from vertherm.review.statistics.inputs import Floats, Integers, confidence_level, labels, same_length
from vertherm.review.statistics.result import ModelFit, ModelRow, NotEstimable, counted
from vertherm.review.statistics.subdistribution import Subdistribution

EVENTS_PER_PARAMETER = 10
"""Peduzzi and others, J Clin Epidemiol 1995;48:1503-1510."""
MIN_CLUSTERS = 20
"""Our choice, as for proportions."""
STEPS, HALVINGS, TOLERANCE = 50, 30, 1e-10
DIVERGED = 20.0
"""A covariate whose extremes would differ by a hazard ratio of e^20 separates the events."""


def fine_gray(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    names: Sequence[str],
    cluster: Any = None,
    level: float = 0.95,
) -> ModelFit | NotEstimable:
    """Proportional subdistribution hazards of the event of interest.

    Weighted partial likelihood (Breslow's ties) in which subjects with a competing event stay at risk with weight
    G(t-)/G(T-), G the Kaplan-Meier estimate of not being censored; Newton's method; robust variance that also counts
    the estimation of G. With clusters (lesions of a patient) contributions are added up by cluster and the variance
    takes the factor G/(G - 1), G here the number of clusters. Time grows as n log n.

    Not estimable with fewer than 10 events of interest per covariate, fewer than 20 clusters where clusters are given,
    covariates that repeat each other, a coefficient that grows without bound, or no convergence.

    Args:
        time: time to the first event or to censoring, any unit, 0 or later.
        event: 0 censored, 1 of interest, 2 competing.
        covariates: numbers [subjects, covariates], complete.
        names: of the covariates.
        cluster: label of the cluster of each subject, or None.
        level: confidence level.

    Returns:
        Coefficients as logarithms of subdistribution hazard ratios.

    Raises:
        InputError: columns of different length, missing values, unknown event codes.

    Source: Fine and Gray, J Am Stat Assoc 1999;94:496-509; clusters: Zhou and others, Biostatistics 2012;13:371-383.
    """
    level = confidence_level(level)
    times, kinds = event_columns(time, event)
    X = _design(covariates, names, times.size)
    members = None if cluster is None else labels(cluster, "cluster")[1]
    if members is not None:
        same_length(time=times, cluster=members)
    clusters = times.size if members is None else int(members.max(initial=-1)) + 1
    reason = _too_few(kinds, X, names, clusters if members is not None else None)
    if reason:
        return NotEstimable(reason)
    centre, spread = X.mean(axis=0), X.std(axis=0)
    model = Subdistribution(times, kinds, (X - centre) / spread)
    beta = _newton(model)
    if isinstance(beta, NotEstimable):
        return beta
    variance = _sandwich(model, beta, members, clusters)
    if not np.isfinite(variance).all() or np.any(np.diag(variance) <= 0):
        return NotEstimable("the robust variance of the coefficients does not exist")
    return _fit(beta / spread, np.sqrt(np.diag(variance)) / spread, names, kinds, clusters, members is not None, level)


def _design(covariates: ArrayLike, names: Sequence[str], n: int) -> Floats:
    X = np.asarray(covariates, dtype=np.float64)
    X = X[:, None] if X.ndim == 1 else X
    if X.shape != (n, len(names)) or not np.isfinite(X).all():
        raise InputError("These covariates do not fit.", where="covariates", got=f"shape {X.shape}",
                         expected=f"({n}, {len(names)}), complete and finite")  # fmt: skip
    return X


def _too_few(kinds: Integers, X: Floats, names: Sequence[str], clusters: int | None) -> str:
    events, p = int((kinds == INTEREST).sum()), X.shape[1]
    if p == 0:
        return "no covariate"
    if events < EVENTS_PER_PARAMETER * p:
        said = f"{counted(events, 'event')} for {counted(p, 'covariate')}"
        return f"{said}; the model needs {EVENTS_PER_PARAMETER} events per covariate"
    if clusters is not None and clusters < MIN_CLUSTERS:
        return f"{counted(clusters, 'cluster')}; a cluster-robust variance needs {MIN_CLUSTERS} (our rule)"
    constant = [name for name, column in zip(names, X.T, strict=True) if np.ptp(column) == 0]
    if constant:
        return f"{', '.join(constant)} is the same in everybody"
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    if np.linalg.cond(scaled.T @ scaled) > 1e12:
        return "the covariates repeat each other"
    return ""


def _newton(model: Subdistribution) -> Floats | NotEstimable:
    beta = np.zeros(model.X.shape[1])
    span = np.ptp(model.X, axis=0)
    value, score, information = model.likelihood(beta)
    for _ in range(STEPS):
        try:
            step = np.linalg.solve(information, score)
        except np.linalg.LinAlgError:
            return NotEstimable("the likelihood is flat: the covariates cannot be told apart by the events")
        if np.max(np.abs(step)) < TOLERANCE:
            return np.asarray(beta + step)
        for _ in range(HALVINGS):
            tried = model.likelihood(beta + step)
            if tried[0] >= value - 1e-12 * abs(value):
                break
            step = step / 2
        beta = beta + step
        value, score, information = tried
        if np.max(np.abs(beta) * span) > DIVERGED:
            return NotEstimable("a coefficient grows without bound: a covariate separates the events")
    return NotEstimable(f"Newton's method did not converge in {STEPS} steps")


def _sandwich(model: Subdistribution, beta: Floats, members: Integers | None, clusters: int) -> Floats:
    influence = model.influence(beta)
    factor = 1.0
    if members is not None:
        influence = np.column_stack([np.bincount(members, weights=one, minlength=clusters) for one in influence.T])
        factor = clusters / (clusters - 1)
    bread = np.linalg.inv(model.likelihood(beta)[2])
    return np.asarray(factor * bread @ (influence.T @ influence) @ bread)


def _fit(
    beta: Floats, se: Floats, names: Sequence[str], kinds: Integers, clusters: int, clustered: bool, level: float
) -> ModelFit:
    z = float(ndtri(0.5 + level / 2))
    rows = tuple(
        ModelRow(name, float(b), float(s), float(b - z * s), float(b + z * s), float(2 * ndtr(-abs(b / s))))
        for name, b, s in zip(names, beta, se, strict=True)
    )
    note = "Logarithms of subdistribution hazard ratios; robust variance" + (
        ", contributions added up by cluster." if clustered else "."
    )
    counts = [float((kinds == kind).sum()) for kind in (0, 1, 2)]
    details = tuple(zip(("censored", "events", "competing"), counts, strict=True))
    return ModelFit("Fine-Gray", rows, clusters, kinds.size, note, level, "log ratio", details, ("fine_gray",))
