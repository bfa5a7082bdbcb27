"""Validation rows of the review's statistics: definitions, closed forms, second libraries where installed."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from vertherm.review.statistics.clustered import ClusteredProportion, clustered_proportion
from vertherm.review.statistics.competing import aalen_johansen
from vertherm.review.statistics.fine_gray import fine_gray
from vertherm.review.statistics.gray import gray_test
from vertherm.review.statistics.longitudinal import gee, mixed_model
from vertherm.review.statistics.multiplicity import holm
from vertherm.review.statistics.paired import hodges_lehmann, paired_change
from vertherm.review.statistics.proportion import proportion
from vertherm.review.statistics.result import ModelFit, NotEstimable
from vertherm.validation.case import Case
from vertherm.validation.evidence import Evidence

EVIDENCE = Evidence(
    title="Statistics of the review",
    question="Do the review's intervals, tests and models compute what their names say?",
    context="The review of a series reads its conclusions from these numbers. They rest on no physics, and no "
    "physics rests on them.",
    evidence="Exact intervals against printed values, estimators against closed forms and brute force, cumulative "
    "incidence, Gray's test, Fine-Gray, mixed model and estimating equations against other libraries "
    "where those are installed. Tolerances are rounding.",
    unknown="Whether a method fits a given series: its assumptions are listed with each result.",
)
LIMITS = {(59, 61): (88.65, 99.60), (2, 102): (0.24, 6.90), (2, 69): (0.35, 10.08), (8, 69): (5.14, 21.57)}
"""Exact 95 % limits of the series' proportions in percent, from the binomial tails by bisection, to 0.01."""
TEN = (-4.0, -1.1, 0.3, 0.9, 1.7, 2.2, 3.1, 4.6, 5.8, 7.3)
"""Ten differences: the tabled critical value of the signed-rank sum is 8, so the limits are the 9th averages."""
VISITS = ("before", "later", "last")


def cases() -> list[Case]:
    """Rows of the review's statistics."""
    rows = _proportions() + _paired() + _incidence() + _repeated() + _clusters()
    for name, compare in (("statsmodels", _statsmodels), ("lifelines", _lifelines), ("comprisk", _comprisk)):
        rows += _beside(name, compare)
    return rows


def _proportions() -> list[Case]:
    rows = []
    for (events, n), limits in LIMITS.items():
        found = proportion(events, n)
        for side, got, expected in zip(("lower", "upper"), (found.low, found.high), limits, strict=True):
            case = f"proportion {events} of {n}"
            rows.append(
                Case(case, f"{side} exact limit", expected, "Clopper-Pearson by bisection", 100 * got, 0.005, "%")
            )
    high = proportion(0, 30).high
    rows.append(Case("proportion 0 of 30", "upper exact limit", 1 - 0.025 ** (1 / 30), "closed form", high, 1e-12, "1"))
    return rows


def _paired() -> list[Case]:
    interval = hodges_lehmann(TEN)
    averages = sorted((a + b) / 2 for i, a in enumerate(TEN) for b in TEN[i:])
    listed = "all 55 averages sorted"
    change = paired_change([3, 7, 9, 67, 1, 11], [1, 5, 7, 65, 3, 11])
    return [
        Case("Hodges-Lehmann, 10 differences", "estimate", averages[27], listed, interval.estimate, 1e-12, "1"),
        Case("Hodges-Lehmann, 10 differences", "lower limit", averages[8], listed, interval.low, 1e-12, "1"),
        Case("Hodges-Lehmann, 10 differences", "upper limit", averages[-9], listed, interval.high, 1e-12, "1"),
        Case("signed-rank, ties and a zero", "p", 12 / 32, "32 sign patterns listed", change.p, 1e-12, "1"),
        Case(
            "signed-rank, ties and a zero", "smaller rank sum", 4.0, "Pratt's ranks by hand", change.statistic, 0.0, "1"
        ),
        Case("Holm, three tests", "second p", 0.06, "by hand", float(holm([0.04, 0.01, 0.03])[2]), 1e-12, "1"),
    ]


def _incidence() -> list[Case]:
    curve = aalen_johansen([1, 2, 2, 3, 4, 5], [1, 2, 1, 0, 1, 0])
    complete = aalen_johansen(np.arange(50), np.where(np.arange(50) % 3 == 0, 1, 2))
    share = 9 / 50  # events at 0, 3, ..., 24
    case, error = "cumulative incidence", math.sqrt(share * (1 - share) / 50)
    one_day = aalen_johansen([1, 1, 2], [0, 1, 1]).at(1)[0]
    return [
        Case(case, "6 subjects at 4", 7 / 12, "by hand", curve.at(4)[0], 1e-12, "1"),
        Case(case, "censored and event on one day", 1 / 3, "by hand", one_day, 1e-12, "1"),
        Case(case, "nobody censored, at 24", share, "observed share", complete.at(24)[0], 1e-12, "1"),
        Case(case, "its standard error", error, "binomial", float(complete.se[24]), 1e-12, "1"),
    ]


def _series(missing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patient, visit and value of 40 simulated patients."""
    rng = np.random.default_rng(7)
    patient, visit = np.repeat(np.arange(40), 3), np.tile(VISITS, 40)
    value = np.tile([7.0, 2.0, 2.3], 40) + np.repeat(rng.normal(0, 2, 40), 3) + rng.normal(0, 1.5, 120)
    keep = (visit == "before") | (rng.random(120) >= missing)
    return patient[keep], visit[keep], value[keep]


def _repeated() -> list[Case]:
    rows = _series(0.0)
    y = rows[2].reshape(40, 3)
    rest = y - y.mean(axis=0) - y.mean(axis=1, keepdims=True) + y.mean()
    se = math.sqrt(2 * float((rest**2).sum()) / 78 / 40)
    row = _model(mixed_model(*rows, "before")).row("later")
    change = float(y[:, 1].mean() - y[:, 0].mean())
    source = "two-way analysis of variance, complete visits"
    return [
        Case("mixed model", "change", change, source, row.estimate, 1e-9, "1"),
        Case("mixed model", "standard error", se, source, row.se, 1e-8, "1"),
    ]


def _clusters() -> list[Case]:
    event = np.tile(np.arange(60) < 18, 3)
    found = clustered_proportion(event, np.tile(np.arange(60), 3))
    effect = found.design_effect if isinstance(found, ClusteredProportion) else None
    source = "each lesion three times in its patient: 3 x 60/59"
    return [Case("lesions in patients", "design effect", 180 / 59, source, effect, 1e-10, "1")]


def _beside(name: str, compare: Callable[[Any], list[Case]]) -> list[Case]:
    """Rows against another library; one row that says so where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compare(importlib.import_module(name))
    except ImportError:
        return [Case.not_run(f"beside {name}", "all", 0.0, name, "1", f"{name} is not installed (development only)")]


def simulated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time, event and group of subjects with three exponential clocks; the group changes the clock of interest."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    clocks = np.column_stack((rng.exponential(15, n), rng.exponential(10 / (1 + 0.3 * group)), rng.exponential(12, n)))
    return clocks.min(axis=1), clocks.argmin(axis=1), group


def _statsmodels(_: Any) -> list[Case]:
    import statsmodels.api as sm
    from statsmodels.duration.survfunc import CumIncidenceRight

    patient, visit, value = _series(0.3)
    design = np.column_stack([np.ones(value.size), *(visit == name for name in sorted(VISITS[1:]))]).astype(float)
    other = sm.GEE(value, design, groups=patient, cov_struct=sm.cov_struct.Exchangeable())
    fit = other.fit(cov_type="bias_reduced", ctol=1e-12, maxiter=200)
    row = _model(gee(patient, visit, value, "before")).row("later")
    time, event, _group = simulated(300, 1)
    curve, peer = aalen_johansen(np.ceil(time), event), CumIncidenceRight(np.ceil(time), event)
    gap = float(np.abs(curve.se[1:-1] - peer.cinc_se[0][:-1]).max())
    place = sorted(VISITS[1:]).index("later") + 1
    return [
        Case("GEE", "change", float(fit.params[place]), "statsmodels GEE", row.estimate, 1e-8, "1"),
        Case("GEE", "standard error", float(fit.bse[place]), "statsmodels GEE, bias-reduced", row.se, 1e-8, "1"),
        Case("cumulative incidence", "largest gap of errors", 0.0, "statsmodels CumIncidenceRight", gap, 1e-12, "1"),
    ]


def _lifelines(lifelines: Any) -> list[Case]:
    time, event, _ = simulated(300, 1)
    curve = aalen_johansen(time, event)
    other = lifelines.AalenJohansenFitter().fit(time, event, event_of_interest=1)
    gap = float(np.abs(curve.estimate - other.cumulative_density_.to_numpy().ravel()).max())
    limits = np.sort(other.confidence_interval_.to_numpy())
    apart = float(np.nanmax(np.abs(limits - np.column_stack((curve.low, curve.high)))))
    source = "lifelines AalenJohansenFitter"
    return [
        Case("cumulative incidence", "largest gap of estimates", 0.0, source, gap, 1e-12, "1"),
        Case("cumulative incidence", "largest gap of limits", 0.0, source, apart, 1e-10, "1"),
    ]


def _comprisk(comprisk: Any) -> list[Case]:
    time, event, group = simulated(300, 1)
    time = np.ceil(time)
    found, other = gray_test(time, event, group), comprisk.gray_test(time, event, group)
    statistic = None if isinstance(found, NotEstimable) else found.statistic
    fit = comprisk.FineGrayRegression(gtol=1e-12, max_iter=50).fit(group[:, None].astype(float), time=time, event=event)
    row = _model(fine_gray(time, event, group, ["group"])).row("group")
    return [
        Case("Gray's test, 3 groups, ties", "statistic", float(other.stat), "comprisk", statistic, 1e-9, "1"),
        Case("Fine-Gray, ties", "log hazard ratio", float(fit.coef_[0]), "comprisk", row.estimate, 1e-6, "1"),
    ]


def _model(found: ModelFit | NotEstimable) -> ModelFit:
    if isinstance(found, NotEstimable):
        raise AssertionError(f"a validation case is not estimable: {found.reason}")
    return found
