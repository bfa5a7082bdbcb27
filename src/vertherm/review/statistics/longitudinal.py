"""Values at several visits, every patient with what it has: a mixed model and estimating equations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from vertherm.review.statistics.inputs import Floats, confidence_level
from vertherm.review.statistics.panel import EqualCorrelation, Panel, contrasts
from vertherm.review.statistics.result import ModelFit, ModelRow, NotEstimable, counted

MIN_PATIENTS = 10
MIN_AT_VISIT = 3
"""Our choice, both: below, t intervals and robust variances mean little."""
RATIOS = np.concatenate(([0.0], np.logspace(-6, 8, 57)))
ROUNDS = 200


def mixed_model(
    patient: Any,
    visit: Any,
    value: ArrayLike,
    reference: Any,
    *,
    visits: Sequence[Any] | None = None,
    level: float = 0.95,
) -> ModelFit | NotEstimable:
    """Linear mixed model: visit as a factor, a random intercept for each patient, REML.

    Uses every value of every patient, so it is right under missingness that depends on observed values only. The
    ratio of the variances is found on the profile of the restricted likelihood, whose sums by pattern of visits make
    its cost independent of the number of patients. Student's t with observations - patients - (visits - 1) degrees of
    freedom: exact for differences when every patient has every visit.

    Not estimable (our rule) with fewer than 10 patients, 3 values at a visit, 2 visits, 1 degree of freedom, or no
    variation within patients.

    Args:
        patient: label of the patient of each row.
        visit: label of the visit of each row.
        value: number, NaN for missing.
        reference: the visit to compare with.
        visits: order of the visits; None: sorted.
        level: confidence level.

    Returns:
        The mean at the reference, then the difference of each other visit from it. Details: patient_sd, residual_sd
        (in units of the value), df.

    Raises:
        InputError: columns of different length, two values of one patient at one visit, unknown visits.

    Source: Laird and Ware, Biometrics 1982;38:963-974; Patterson and Thompson, Biometrika 1971;58:545-554; degrees of
    freedom as in Pinheiro and Bates, Mixed-Effects Models in S and S-PLUS 2000, section 2.4.
    """
    level = confidence_level(level)
    panel = Panel.of(patient, visit, value, reference, visits)
    df = panel.observations - panel.patients - (len(panel.visits) - 1)
    reason = _too_few(panel) or (f"{df} degrees of freedom within patients" if df < 1 else "")
    if reason:
        return NotEstimable(reason)
    model = EqualCorrelation(panel)
    if model.residual_square(np.zeros(len(panel.visits))) <= 1e-20 * max(1.0, float(np.square(model.centre).max())):
        return NotEstimable("the values do not vary")
    ratio = _reml_ratio(model)
    if ratio is None:
        return NotEstimable("no variation within patients: the restricted likelihood has no maximum")
    means = model.means(ratio)
    free = panel.observations - len(panel.visits)
    residual = _quadratic(model, ratio, means) / free
    covariance = np.asarray(residual * np.linalg.inv(model.information(ratio)), dtype=np.float64)
    note = f"Random intercept, REML; t with {df} degrees of freedom."
    if ratio == 0.0:
        note += " The variance between patients is estimated as zero."
    details = (("patient_sd", math.sqrt(ratio * residual)), ("residual_sd", math.sqrt(residual)), ("df", float(df)))
    return _fit("Linear mixed model", panel, model.centre + means, covariance, df, level, note, details, "mixed_model")


def gee(
    patient: Any,
    visit: Any,
    value: ArrayLike,
    reference: Any,
    *,
    visits: Sequence[Any] | None = None,
    level: float = 0.95,
) -> ModelFit | NotEstimable:
    """Generalised estimating equations: identity link, exchangeable working correlation, robust variance.

    The variance is bias-reduced (residuals divided by one minus their leverage within the patient), which matters for
    few patients. Student's t with patients - visits degrees of freedom. Right where values are missing completely at
    random; the working correlation by moments.

    Not estimable (our rule) with fewer than 10 patients, 3 values at a visit, 2 visits, or a working correlation that
    is none.

    Args:
        patient: as ``mixed_model``.
        visit: as ``mixed_model``.
        value: as ``mixed_model``.
        reference: as ``mixed_model``.
        visits: as ``mixed_model``.
        level: confidence level.

    Returns:
        As ``mixed_model``. Details: correlation, df.

    Raises:
        InputError: as ``mixed_model``.

    Source: Liang and Zeger, Biometrika 1986;73:13-22; Mancl and DeRouen, Biometrics 2001;57:126-134.
    """
    level = confidence_level(level)
    panel = Panel.of(patient, visit, value, reference, visits)
    reason = _too_few(panel)
    if reason:
        return NotEstimable(reason)
    model = EqualCorrelation(panel)
    correlation = _working_correlation(model)
    if isinstance(correlation, NotEstimable):
        return correlation
    ratio = correlation / (1 - correlation)
    covariance = _robust(model, ratio)
    if not np.isfinite(covariance).all() or np.any(np.diag(covariance) <= 0):
        return NotEstimable("the robust variance does not exist: a visit hangs on a single patient")
    df = panel.patients - len(panel.visits)
    note = f"Exchangeable working correlation, bias-reduced robust variance; t with {df} degrees of freedom."
    means = model.centre + model.means(ratio)
    details = (("correlation", correlation), ("df", float(df)))
    return _fit("GEE", panel, means, covariance, df, level, note, details, "gee")


def _too_few(panel: Panel) -> str:
    if panel.patients < MIN_PATIENTS:
        return f"{counted(panel.patients, 'patient')}; the model needs {MIN_PATIENTS} (our rule)"
    if len(panel.visits) < 2:
        return f"{len(panel.visits)} visit; the model compares at least 2"
    least = int(np.argmin(panel.by_visit()))
    if panel.by_visit()[least] < MIN_AT_VISIT:
        return f"{panel.by_visit()[least]} values at {panel.visits[least]}; the model needs {MIN_AT_VISIT} (our rule)"
    if not (panel.patterns.sum(axis=1) > 1).any():
        return "no patient has values at two visits"
    return ""


def _quadratic(model: EqualCorrelation, ratio: float, means: Floats) -> float:
    weight = ratio / (1 + model.size * ratio)
    return model.residual_square(means) - float(weight @ model.residual_sums(means))


def _reml(model: EqualCorrelation, ratio: float) -> tuple[float, float]:
    """-2 restricted log-likelihood (without constants) and its derivative in the ratio, the error variance profiled."""
    means, information = model.means(ratio), model.information(ratio)
    free = model.panel.observations - len(model.panel.visits)
    quadratic = max(_quadratic(model, ratio, means), np.finfo(float).tiny)
    spread = 1 + model.size * ratio
    value = (
        free * math.log(quadratic) + float(model.members @ np.log(spread)) + float(np.linalg.slogdet(information)[1])
    )
    m = model.panel.patterns
    lost = (m * (model.members / spread**2)[:, None]).T @ m
    slope = float(model.members @ (model.size / spread)) - float(np.trace(np.linalg.solve(information, lost)))
    slope -= free / quadratic * float((model.residual_sums(means) / spread**2).sum())
    return value, slope


def _reml_ratio(model: EqualCorrelation) -> float | None:
    """Variance between over within patients that maximises the restricted likelihood; None: it has no bound."""
    values = [_reml(model, ratio)[0] for ratio in RATIOS]
    best = int(np.argmin(values))
    if best == RATIOS.size - 1:
        return None
    low, high = RATIOS[max(best - 1, 0)], RATIOS[best + 1]
    if _reml(model, low)[1] >= 0:
        return float(low)
    return float(brentq(lambda ratio: _reml(model, ratio)[1], low, high, xtol=1e-14, rtol=1e-13))


def _working_correlation(model: EqualCorrelation) -> float | NotEstimable:
    panel, visits = model.panel, len(model.panel.visits)
    pairs = float((model.members * model.size * (model.size - 1) / 2).sum())
    if pairs <= visits:
        return NotEstimable(f"{pairs:.0f} pairs of values within patients; the working correlation needs more")
    largest, correlation = float(model.size.max()), 0.0
    for _ in range(ROUNDS):
        means = model.means(correlation / (1 - correlation))
        squares = model.residual_square(means)
        if squares <= 1e-20 * max(1.0, float(np.square(model.centre).max())):
            return NotEstimable("the values do not vary")
        products = (float(model.residual_sums(means).sum()) - squares) / 2
        new = products / (pairs - visits) / (squares / (panel.observations - visits))
        if not -1 / (largest - 1) < new < 1:
            return NotEstimable(f"the working correlation came out as {new:.3g}")
        if abs(new - correlation) < 1e-13:
            return float(new)
        correlation = new
    return NotEstimable(f"the working correlation did not settle in {ROUNDS} rounds")


def _robust(model: EqualCorrelation, ratio: float) -> Floats:
    bread = np.linalg.inv(model.information(ratio))
    residuals = model.y - model.means(ratio)
    meat = np.zeros_like(bread)
    for place, row in enumerate(model.panel.patterns > 0):
        k = int(row.sum())
        inverse = np.eye(k) - ratio / (1 + k * ratio)
        leverage = bread[np.ix_(row, row)] @ inverse
        free = np.eye(k) - leverage
        if np.linalg.cond(free) > 1e12:
            return np.full_like(bread, np.nan)
        own = residuals[model.panel.pattern == place][:, row] @ np.linalg.solve(free, np.eye(k)).T @ inverse
        meat[np.ix_(row, row)] += own.T @ own
    return np.asarray(bread @ meat @ bread)


def _fit(
    name: str, panel: Panel, means: Floats, covariance: Floats, df: int, level: float, note: str,
    details: tuple[tuple[str, float], ...], method: str,
) -> ModelFit:  # fmt: skip
    turn = contrasts(len(panel.visits))
    estimates, se = turn @ means, np.sqrt(np.diag(turn @ covariance @ turn.T))
    t = float(stdtrit(df, 0.5 + level / 2))
    terms = [f"mean at {panel.visits[0]}", *map(str, panel.visits[1:])]
    rows = tuple(
        ModelRow(term, float(b), float(s), float(b - t * s), float(b + t * s), float(2 * stdtr(df, -abs(b / s))))
        for term, b, s in zip(terms, estimates, se, strict=True)
    )
    return ModelFit(name, rows, panel.patients, panel.observations, note, level, "difference", details, (method,))
