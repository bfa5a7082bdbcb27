"""Samples, order statistics and sensitivity measures against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.stats import sobol_indices as scipy_indices

from vertherm.core.errors import InputError
from vertherm.ensemble.order_statistics import (
    percentile,
    rank_confidence,
    share_interval,
    smallest_sample,
    tolerance_bound,
)
from vertherm.ensemble.sampling import DESIGNS, Design, unit_points
from vertherm.ensemble.sensitivity import morris_effects, morris_points, sobol_indices, sobol_points


@pytest.mark.parametrize("design", DESIGNS)
def test_same_seed_same_points(design: Design) -> None:
    points = unit_points(32, 5, 7, design)
    assert points.shape == (32, 5)
    np.testing.assert_array_equal(points, unit_points(32, 5, 7, design))
    assert not np.array_equal(points, unit_points(32, 5, 8, design))
    assert points.min() >= 0.0
    assert points.max() <= 1.0


def test_a_larger_random_sample_begins_with_the_smaller_one() -> None:
    """93 members after 59 need 34 new runs, not 93."""
    np.testing.assert_array_equal(unit_points(93, 4, 1)[:59], unit_points(59, 4, 1))


def test_latin_sample_has_one_point_a_stratum() -> None:
    points = unit_points(20, 3, 1, "latin")
    for column in points.T:
        assert sorted(np.floor(column * 20)) == list(range(20))


def test_wilks_numbers() -> None:
    """1 - 0.95^n >= 0.95 first at n = 59; one more value set aside: 93, two: 124 (Wilks 1941; tables everywhere)."""
    assert [smallest_sample(rank=rank) for rank in (1, 2, 3)] == [59, 93, 124]
    assert smallest_sample(0.9) == 29
    assert rank_confidence(59, 1, 0.95) == pytest.approx(1 - 0.95**59, rel=1e-12)


@pytest.mark.parametrize(
    ("n", "rank", "enough"), [(58, 1, False), (59, 1, True), (92, 1, True), (93, 2, True), (124, 3, True)]
)
def test_bound_takes_the_right_value(n: int, rank: int, enough: bool) -> None:
    values = list(range(n))[::-1]
    bound = tolerance_bound(values)
    assert (bound.value, bound.rank, bound.enough) == (n - rank, rank, enough)
    assert tolerance_bound(values, side="lower").value == rank - 1
    assert bound.enough == (bound.confidence >= 0.95)


def test_bound_holds_as_often_as_it_says() -> None:
    """4000 samples of 59 from a normal law: the bound lies above the true P95 in 95.15 %; 3 sigma of that is 1.0 %."""
    rng = np.random.default_rng(3)
    true = stats.norm.ppf(0.95)
    held = np.mean([tolerance_bound(list(rng.normal(size=59))).value >= true for _ in range(4000)])
    assert held == pytest.approx(1 - 0.95**59, abs=0.0103)


def test_percentile_is_median_unbiased() -> None:
    """Of 1..19 the P95 is 19 - small: type 8 places it at (n + 1/3) q + 1/3 = 18.7 in order."""
    assert percentile(list(range(1, 20)), 0.95) == pytest.approx((19 + 1 / 3) * 0.95 + 1 / 3)
    with pytest.raises(InputError):
        percentile([], 0.95)
    with pytest.raises(InputError):
        tolerance_bound([1.0, float("nan")])


@pytest.mark.parametrize(("events", "n"), [(0, 59), (3, 59), (59, 59), (1, 2)])
def test_share_interval_is_scipys_exact_one(events: int, n: int) -> None:
    expected = stats.binomtest(events, n).proportion_ci(method="exact")
    assert share_interval(events, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_morris_of_a_linear_function_is_exact() -> None:
    """f = 3 u1 - 2 u2 + 0 u3: every elementary effect is the coefficient, to rounding; no spread, no interval."""
    points = morris_points(3, 10, 5)
    assert points.shape == (40, 3)
    assert (np.count_nonzero(np.diff(points.reshape(10, 4, 3), axis=1), axis=2) == 1).all()
    effects = morris_effects(points, points @ [3.0, -2.0, 0.0])
    np.testing.assert_allclose(effects.mean, [3.0, -2.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(effects.mean_absolute, [3.0, 2.0, 0.0], atol=1e-12)
    np.testing.assert_allclose([effects.spread, effects.high - effects.low], 0.0, atol=1e-12)


def test_morris_shows_interaction_as_spread() -> None:
    """f = u1 u2: the effect of u1 is u2, which the trajectories vary: spread > 0, mean about 0.5."""
    points = morris_points(2, 200, 5)
    effects = morris_effects(points, points[:, 0] * points[:, 1])
    assert effects.mean == pytest.approx([0.5, 0.5], abs=0.06)
    assert (effects.spread > 0.2).all()


def test_failed_members_are_left_out_and_counted() -> None:
    points = morris_points(3, 10, 5)
    outputs = points @ [3.0, -2.0, 0.0]
    outputs[5] = np.nan  # inside a trajectory: two steps are lost
    effects = morris_effects(points, outputs)
    assert effects.lost == 2
    np.testing.assert_allclose(effects.mean, [3.0, -2.0, 0.0], atol=1e-12)
    with pytest.raises(InputError, match="Too many members failed"):
        morris_effects(points, np.full(40, np.nan))


def ishigami(u: np.ndarray) -> np.ndarray:
    x = np.pi * (2.0 * u - 1.0)
    return np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_sobol_of_ishigami_is_the_closed_form() -> None:
    """Ishigami, a = 7, b = 0.1: V1 = (1 + b pi^4/5)^2/2, V2 = a^2/8, V13 = 8 b^2 pi^8/225 (Sobol and Levitan 1999).

    First 0.3139, 0.4424, 0; total 0.5576, 0.4424, 0.2437; 4096 scrambled base points reach 0.01.
    """
    a, b = 7.0, 0.1
    v1, v2, v13 = 0.5 * (1 + b * np.pi**4 / 5) ** 2, a**2 / 8, 8 * b**2 * np.pi**8 / 225
    total = v1 + v2 + v13
    found = sobol_indices(ishigami(sobol_points(3, 4096, 2)), 3)
    np.testing.assert_allclose(found.first, np.array([v1, v2, 0.0]) / total, atol=0.01)
    np.testing.assert_allclose(found.total, np.array([v1 + v13, v2, v13]) / total, atol=0.01)
    assert found.variance == pytest.approx(total, rel=0.01)
    for value, (low, high) in zip(found.first, found.first_interval, strict=True):
        assert low < value < high
        assert high - low < 0.15


def test_sobol_is_scipys_estimator() -> None:
    """The same outputs through scipy.stats.sobol_indices: equal to rounding."""
    outputs = ishigami(sobol_points(3, 64, 2)).reshape(5, 64)
    expected = scipy_indices(func={"f_A": outputs[:1], "f_B": outputs[1:2], "f_AB": outputs[2:, None]}, n=64)
    found = sobol_indices(outputs.ravel(), 3)
    np.testing.assert_allclose(found.first, expected.first_order, atol=1e-12)
    np.testing.assert_allclose(found.total, expected.total_order, atol=1e-12)


def test_sobol_with_failures_and_without_variance() -> None:
    outputs = ishigami(sobol_points(3, 512, 2)).reshape(5, 512)
    whole = sobol_indices(outputs.ravel(), 3)
    outputs[3, 10] = np.nan
    lacking = sobol_indices(outputs.ravel(), 3)
    assert (lacking.n, lacking.lost) == (511, 1)
    np.testing.assert_allclose(lacking.first, whole.first, atol=0.05)
    assert not sobol_indices(np.full(40, 3.0), 3).total.any()
    with pytest.raises(InputError, match="Too many"):
        sobol_indices(np.full(40, np.nan), 3)


@pytest.mark.parametrize(
    "wrong", [lambda: sobol_points(3, 12, 1), lambda: morris_points(3, 1, 1), lambda: unit_points(0, 3, 1)]
)
def test_impossible_designs_are_refused(wrong: object) -> None:
    with pytest.raises(InputError):
        wrong()  # type: ignore[operator]
