"""The review's statistics beside other programs, on the same arrays, in one run.

Contestants take turns and the best round of each counts. A peer that is not installed, or that the size forbids, has a
row that says so.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.progress import Progress, silent
from vertherm.review.statistics.competing import aalen_johansen
from vertherm.review.statistics.fine_gray import fine_gray
from vertherm.review.statistics.gray import gray_test
from vertherm.review.statistics.longitudinal import gee, mixed_model
from vertherm.review.statistics.paired import hodges_lehmann

Row = dict[str, Any]
Floats = NDArray[np.float64]
Work = Callable[[], object]


def rows(quick: bool = False, *, progress: Progress = silent) -> list[Row]:
    """Benchmark rows: ``name``, ``value``, ``unit``, ``ratio`` (time of the peer over ours), ``note``.

    A ratio above 1: ours is faster.

    Args:
        quick: small samples and one round, for tests.
    """
    small, large, rounds = (300, 2_000, 1) if quick else (5_000, 100_000, 3)
    middle = 500 if quick else 2_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers warn of ties, of convergence, of their own dependencies
        found: list[Row] = []
        parts: tuple[Callable[[], list[Row]], ...] = (
            lambda: _hodges_lehmann(small, large, rounds),
            lambda: _incidence(small, large, rounds),
            lambda: _regression(small, large, rounds),
            lambda: _repeated(middle, large, rounds),
        )
        for number, part in enumerate(parts, 1):
            found += part()
            progress("statistics", number / len(parts))
        return found


def _hodges_lehmann(small: int, large: int, rounds: int) -> list[Row]:
    rng = np.random.default_rng(1)
    few, many = rng.normal(size=small), rng.normal(size=large)
    scores = rng.integers(-80, 41, large) / 10
    out = _pair(
        "Hodges-Lehmann", small, lambda: hodges_lehmann(few), {"naive Walsh averages": lambda: naive(few)}, rounds
    )
    gap = abs(hodges_lehmann(few).estimate - naive(few))
    out.append(_row(f"difference of the two, n = {small}", gap, "1", None, "estimate"))
    out += _pair("Hodges-Lehmann", large, lambda: hodges_lehmann(many), {}, rounds, "continuous")
    out += _pair("Hodges-Lehmann", large, lambda: hodges_lehmann(scores), {}, rounds, "scores in tenths")
    needed = large * (large + 1) / 2 * 8e-9
    why = f"not run: {large * (large + 1) // 2} averages need {needed:.3g} GB"
    return [
        *out,
        {"name": f"naive Walsh averages, n = {large}", "value": None, "unit": "ms", "ratio": None, "note": why},
    ]


def naive(differences: Floats) -> float:
    """Hodges-Lehmann estimate by writing down every Walsh average."""
    row, column = np.triu_indices(differences.size)
    return float(np.median((differences[row] + differences[column]) / 2))


def _clocks(n: int) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(2)
    group = rng.integers(0, 3, n)
    clocks = np.column_stack((rng.exponential(15, n), rng.exponential(10 / (1 + 0.1 * group)), rng.exponential(12, n)))
    return clocks.min(axis=1), clocks.argmin(axis=1), group


def _incidence(small: int, large: int, rounds: int) -> list[Row]:
    t, e, _ = _clocks(small)
    peers: dict[str, Work | str] = {}
    lifelines, survival = _peer("lifelines"), _peer("statsmodels.duration.survfunc")
    peers["lifelines"] = (
        lifelines if isinstance(lifelines, str) else lambda: lifelines.AalenJohansenFitter().fit(t, e, 1)
    )
    peers["statsmodels"] = survival if isinstance(survival, str) else lambda: survival.CumIncidenceRight(t, e)
    big = _clocks(large)
    return [
        *_pair("cumulative incidence", small, lambda: aalen_johansen(t, e), peers, rounds),
        *_pair("cumulative incidence", large, lambda: aalen_johansen(big[0], big[1]), {}, rounds),
    ]


def _regression(small: int, large: int, rounds: int) -> list[Row]:
    t, e, g = _clocks(small)
    X, big = g[:, None].astype(np.float64), _clocks(large)
    other = _peer("comprisk")
    gray: Work | str = other if isinstance(other, str) else lambda: other.gray_test(t, e, g)
    fine: Work | str = (
        other if isinstance(other, str) else lambda: other.FineGrayRegression(robust_se=True).fit(X, time=t, event=e)
    )
    return [
        *_pair("Gray's test", small, lambda: gray_test(t, e, g), {"comprisk": gray}, rounds),
        *_pair("Gray's test", large, lambda: gray_test(*big), {}, rounds),
        *_pair("Fine-Gray", small, lambda: fine_gray(t, e, X, ["group"]), {"comprisk": fine}, rounds),
        *_pair("Fine-Gray", large, lambda: fine_gray(*big, ["group"]), {}, rounds),
    ]


def _visits(patients: int) -> tuple[Any, Any, Floats]:
    rng = np.random.default_rng(3)
    patient, visit = np.repeat(np.arange(patients), 3), np.tile(np.arange(3), patients)
    value = np.tile([7.0, 2.0, 2.3], patients) + np.repeat(rng.normal(0, 2, patients), 3)
    value = value + rng.normal(0, 1.5, 3 * patients)
    keep = (visit == 0) | (rng.random(3 * patients) > 0.3)
    return patient[keep], visit[keep], value[keep]


def _repeated(small: int, large: int, rounds: int) -> list[Row]:
    few, many = _visits(small), _visits(large)
    X = np.column_stack((np.ones(few[2].size), few[1] == 1, few[1] == 2)).astype(np.float64)
    sm = _peer("statsmodels.api")
    mixed: Work | str = sm if isinstance(sm, str) else lambda: sm.MixedLM(few[2], X, groups=few[0]).fit(reml=True)
    equations: Work | str = sm if isinstance(sm, str) else lambda: _statsmodels_gee(sm, few, X)
    return [
        *_pair(
            "mixed model", small, lambda: mixed_model(*few, 0), {"statsmodels": mixed}, rounds, "patients, 3 visits"
        ),
        *_pair("mixed model", large, lambda: mixed_model(*many, 0), {}, rounds, "patients, 3 visits"),
        *_pair("GEE", small, lambda: gee(*few, 0), {"statsmodels": equations}, rounds, "patients, 3 visits"),
        *_pair("GEE", large, lambda: gee(*many, 0), {}, rounds, "patients, 3 visits"),
    ]


def _statsmodels_gee(sm: Any, data: tuple[Any, Any, Floats], X: Floats) -> object:
    model = sm.GEE(data[2], X, groups=data[0], cov_struct=sm.cov_struct.Exchangeable())
    return model.fit(cov_type="bias_reduced")


def _peer(name: str) -> Any:
    """The module, or the reason why it cannot take part."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return f"not run: {name.split('.')[0]} is not installed"


def _pair(what: str, n: int, ours: Work, peers: dict[str, Work | str], rounds: int, note: str = "") -> list[Row]:
    """Ours and the peers that can run, in turns; the ratio of a row of ours is against the fastest peer."""
    working = {name: one for name, one in peers.items() if not isinstance(one, str)}
    times: dict[str, list[float]] = {"": [], **{name: [] for name in working}}
    for _ in range(rounds):
        for name, work in {"": ours, **working}.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    best = {name: min(taken) for name, taken in times.items()}
    fastest = min((best[name] for name in working), default=None)
    ratio = fastest / best[""] if fastest is not None else None
    out = [_row(f"vertherm {what}, n = {n}", 1e3 * best[""], "ms", ratio, note)]
    for name, one in peers.items():
        label = f"{name} {what}, n = {n}" if name != "naive Walsh averages" else f"{name}, n = {n}"
        if isinstance(one, str):
            out.append({"name": label, "value": None, "unit": "ms", "ratio": None, "note": one})
        else:
            out.append(_row(label, 1e3 * best[name], "ms", 1.0, note))
    return out


def _row(name: str, value: float, unit: str, ratio: float | None, note: str) -> Row:
    return {"name": name, "value": float(value), "unit": unit, "ratio": ratio, "note": note}
