"""The fit on models whose answer is known in closed form: no heat is computed here."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from vertherm.calibration.fit import least_squares
from vertherm.calibration.identifiability import LEAST_SINGULAR, NotIdentifiable, Parameter, check_identifiable
from vertherm.core.errors import SolverError

EFFICIENCY = Parameter("efficiency", 0.8, 0.1, 1.5, 0.05)
FLOOR = Parameter("floor", 0.08, 0.01, 0.6, 0.04)
X = np.linspace(1.0, 4.0, 12)


def linear(points: np.ndarray) -> np.ndarray:
    """y = 30 efficiency + 40 floor x: both parameters identifiable."""
    return 30.0 * points[:, :1] + 40.0 * points[:, 1:2] * X


def test_linear_model_gives_the_textbook_answer() -> None:
    """Weighted linear least squares: estimate and (J^T W J)^-1 in closed form, to rounding; one step is enough.

    The errors are known and the residuals smaller than they say: the covariance is not scaled, 1.96 sd is the interval.
    """
    error = np.full(12, 2.0)
    noise = 0.3 * np.cos(np.arange(12.0))
    measured = 30.0 * 0.6 + 40.0 * 0.2 * X + noise
    design = np.stack([np.full(12, 30.0), 40.0 * X], axis=1)
    weights = 1.0 / error**2
    expected = np.linalg.solve(design.T @ (weights[:, None] * design), design.T @ (weights * measured))
    covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
    fit = least_squares(linear, (EFFICIENCY, FLOOR), measured, error)
    np.testing.assert_allclose(fit.values, expected, rtol=1e-8)
    np.testing.assert_allclose(fit.sd, np.sqrt(np.diag(covariance)), rtol=1e-8)
    assert fit.correlation[0, 1] == pytest.approx(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))
    assert fit.correlation[0, 1] < -0.8
    np.testing.assert_allclose(fit.high - fit.values, 1.959964 * fit.sd, rtol=1e-6)
    assert fit.degrees_of_freedom == 10
    assert fit.steps == 1


def test_residuals_set_the_scale() -> None:
    """Residuals 3 times the stated errors: chi2 / (n - p) is about 9 and sd grows by its root; assumed errors too."""
    rng = np.random.default_rng(7)
    error = np.full(12, 0.5)
    measured = linear(np.array([[0.7, 0.15]]))[0] + rng.normal(0, 1.5, 12)
    known = least_squares(linear, (EFFICIENCY, FLOOR), measured, error)
    assert known.scale == pytest.approx(known.chi2 / 10)
    assert known.scale > 2.0
    # Errors assumed ten times larger: the same residuals, so the same standard errors.
    assumed = least_squares(linear, (EFFICIENCY, FLOOR), measured, 10 * error, errors_known=False)
    np.testing.assert_allclose(assumed.sd, known.sd, rtol=1e-6)
    stated = least_squares(linear, (EFFICIENCY, FLOOR), measured, 10 * error)
    assert stated.scale == 1.0
    assert stated.sd[0] > 2.0 * known.sd[0]


def test_numbers_that_depend_on_each_other_count_less() -> None:
    """The same residuals, the 12 numbers worth 6: 4 degrees of freedom, so the scale is 10 / 4 times larger."""
    rng = np.random.default_rng(7)
    measured = linear(np.array([[0.7, 0.15]]))[0] + rng.normal(0, 5.0, 12)
    all_count, half = (
        least_squares(linear, (EFFICIENCY, FLOOR), measured, np.full(12, 0.5), counted=n) for n in (None, 6.0)
    )
    assert (all_count.degrees_of_freedom, half.degrees_of_freedom) == (10, 4.0)
    np.testing.assert_allclose(half.sd, all_count.sd * 2.5**0.5, rtol=1e-8)


def test_curved_model_converges_and_covers() -> None:
    """y = 40 efficiency^0.4 x^0.5 - 30 floor / x, like zones. 200 draws of noise: 95 % intervals hold 90-99 % of the
    truth (3.2 sd of a binomial around 95 %), so neither too narrow nor too wide."""

    def model(points: np.ndarray) -> np.ndarray:
        return 40.0 * points[:, :1] ** 0.4 * X**0.5 - 30.0 * points[:, 1:2] / X

    truth = np.array([0.62, 0.21])
    rng = np.random.default_rng(3)
    error, inside = np.full(12, 0.8), np.zeros(2)
    for _ in range(200):
        measured = model(truth[None])[0] + rng.normal(0, 0.8, 12)
        fit = least_squares(model, (EFFICIENCY, FLOOR), measured, error)
        inside += (fit.low <= truth) & (truth <= fit.high)
    assert (inside >= 180).all(), inside
    assert (inside <= 198).all(), inside


def test_bounds_hold_and_are_told() -> None:
    """Data that want an efficiency of 2: the fit stops at 1.5 and says so; the floor is the best one beside 1.5, by
    linear least squares with one column, not what is left of a step that was cut."""
    measured = linear(np.array([[2.0, 0.2]]))[0]
    fit = least_squares(linear, (EFFICIENCY, FLOOR), measured, np.full(12, 1.0))
    assert fit.values[0] == pytest.approx(1.5)
    beside = float((40.0 * X) @ (measured - 45.0) / ((40.0 * X) @ (40.0 * X)))
    assert fit.values[1] == pytest.approx(beside, rel=1e-4)
    assert fit.at_bound == ("efficiency",)
    assert fit.high[0] <= 1.5


def test_a_parameter_without_effect_is_named() -> None:
    """The floor hardly enters: the weak direction is (-0.01, 1), so the floor is named and the efficiency is not."""

    def model(points: np.ndarray) -> np.ndarray:
        return np.repeat(30.0 * points[:, :1] + 0.5 * points[:, 1:2], 12, axis=1)

    with pytest.raises(NotIdentifiable) as caught:
        least_squares(model, (EFFICIENCY, FLOOR), np.full(12, 20.0), np.full(12, 1.0))
    assert caught.value.parameters == ("floor",)
    assert caught.value.exit_code == 2
    assert "boils" in str(caught.value)
    assert "--fit efficiency" in str(caught.value)


def test_two_parameters_that_trade_off_are_both_named() -> None:
    """Columns that are multiples of each other over the ranges: the weak direction is (1, -1) / sqrt 2."""

    def model(points: np.ndarray) -> np.ndarray:
        return np.repeat(points[:, :1] * 100 / EFFICIENCY.range + points[:, 1:2] * 100 / FLOOR.range, 12, axis=1)

    with pytest.raises(NotIdentifiable) as caught:
        least_squares(model, (EFFICIENCY, FLOOR), np.full(12, 60.0), np.full(12, 1.0))
    assert caught.value.parameters == ("efficiency", "floor")


def test_the_threshold_is_an_interval_as_wide_as_the_range() -> None:
    """One datum, one parameter: s = range * sensitivity / error; refused just below 3.92, accepted just above."""
    for factor, good in ((0.99, False), (1.01, True)):
        sensitivity = np.array([[factor * LEAST_SINGULAR / EFFICIENCY.range]])
        if good:
            assert check_identifiable((EFFICIENCY,), sensitivity)[0] == pytest.approx(factor * LEAST_SINGULAR)
        else:
            with pytest.raises(NotIdentifiable):
                check_identifiable((EFFICIENCY,), sensitivity)


def test_fewer_numbers_than_parameters() -> None:
    with pytest.raises(NotIdentifiable, match="1 measured numbers, 2 parameters"):
        check_identifiable((EFFICIENCY, FLOOR), np.ones((1, 2)))


def test_a_model_without_descent_ends_in_an_error_or_stops() -> None:
    """A forward model whose slope lies about the minimum must not run for ever."""
    count = 0

    def model(points: np.ndarray) -> np.ndarray:
        nonlocal count
        count += len(points)
        return 30.0 * points[:, :1] + 40.0 * points[:, 1:2] * X + 3.0 * np.sin(400.0 * points[:, :1])

    with suppress(SolverError):
        least_squares(model, (EFFICIENCY, FLOOR), linear(np.array([[0.6, 0.2]]))[0], np.full(12, 0.5))
    assert count < 100
