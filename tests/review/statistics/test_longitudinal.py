"""Expected: the analysis of variance when nobody misses a visit (exactly); a restricted likelihood written out with
full matrices, statsmodels' MixedLM and GEE otherwise; a reason instead of an exception where the data do not carry a
model."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize_scalar
from scipy.stats import t

from vertherm.core.errors import InputError
from vertherm.review.statistics.longitudinal import gee, mixed_model
from vertherm.review.statistics.result import ModelFit, NotEstimable

VISITS = np.array(["before", "week_2_4", "week_20_24"])
TRUTH = np.array([7.0, 2.0, 2.3])


def series(patients, seed, missing=0.3, between=2.0, within=1.5):
    """Rows of patients with visits missing after the first one."""
    rng = np.random.default_rng(seed)
    patient, visit = np.repeat(np.arange(patients), 3), np.tile(VISITS, patients)
    value = np.tile(TRUTH, patients) + np.repeat(rng.normal(0, between, patients), 3)
    value = value + rng.normal(0, within, value.size)
    keep = (visit == "before") | (rng.random(value.size) >= missing)
    return patient[keep], visit[keep], value[keep]


def design(visit):
    return np.column_stack([np.ones(visit.size), *(visit == name for name in VISITS[1:])]).astype(float)


def estimates(fit):
    return np.array([row.estimate for row in fit.rows])


def errors(fit):
    return np.array([row.se for row in fit.rows])


def full_matrices(patient, visit, value):
    """REML with the covariance of all rows written out."""
    X, same = design(visit), (patient[:, None] == patient[None, :]).astype(float)

    def fit(ratio):
        V = np.eye(value.size) + ratio * same
        inverse = np.linalg.inv(V)
        information = X.T @ inverse @ X
        beta = np.linalg.solve(information, X.T @ inverse @ value)
        rest = value - X @ beta
        residual = rest @ inverse @ rest / (value.size - X.shape[1])
        minus = (
            (value.size - X.shape[1]) * math.log(residual) + np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1]
        )
        return minus, beta, np.sqrt(np.diag(residual * np.linalg.inv(information))), residual

    best = minimize_scalar(
        lambda log: fit(math.exp(log))[0], bounds=(-6, 5), method="bounded", options={"xatol": 1e-11}
    )
    return (math.exp(best.x), *fit(math.exp(best.x))[1:])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mixed_model_equals_full_matrices(seed):
    rows = series(40, seed)
    ratio, beta, se, residual = full_matrices(*rows)
    found = mixed_model(*rows, "before")
    assert estimates(found) == pytest.approx(beta, rel=1e-7)
    assert errors(found) == pytest.approx(se, rel=1e-6)
    assert found.detail("residual_sd") == pytest.approx(math.sqrt(residual), rel=1e-6)
    assert found.detail("patient_sd") == pytest.approx(math.sqrt(ratio * residual), rel=1e-5)


def test_mixed_model_equals_statsmodels():
    patient, visit, value = series(69, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = sm.MixedLM(value, design(visit), groups=patient).fit(reml=True, method="bfgs", gtol=1e-10)
    found = mixed_model(patient, visit, value, "before")
    assert estimates(found) == pytest.approx(other.fe_params, abs=1e-7)
    assert found.detail("residual_sd") ** 2 == pytest.approx(other.scale, rel=1e-5)
    assert found.detail("patient_sd") ** 2 == pytest.approx(float(other.cov_re[0, 0]), rel=1e-4)
    # statsmodels inverts the observed information of all parameters; ours, like lme4's, is that of the means.
    assert errors(found) == pytest.approx(other.bse_fe, rel=0.01)


@pytest.mark.parametrize("seed", [5, 6])
def test_balanced_data_give_the_analysis_of_variance(seed):
    patient, visit, value = series(12, seed, missing=0.0)
    y = value.reshape(12, 3)
    rest = y - y.mean(axis=0) - y.mean(axis=1, keepdims=True) + y.mean()
    error, people = (rest**2).sum() / 22, 3 * ((y.mean(axis=1) - y.mean()) ** 2).sum() / 11
    found = mixed_model(patient, visit, value, "before")
    assert found.detail("df") == 22
    assert found.detail("residual_sd") ** 2 == pytest.approx(error, rel=1e-9)
    assert found.detail("patient_sd") ** 2 == pytest.approx((people - error) / 3, rel=1e-9)
    row, change = found.row("week_2_4"), y[:, 1].mean() - y[:, 0].mean()
    se = math.sqrt(2 * error / 12)
    assert (row.estimate, row.se) == pytest.approx((change, se), rel=1e-9)
    assert (row.low, row.high) == pytest.approx((change - t.ppf(0.975, 22) * se, change + t.ppf(0.975, 22) * se))
    assert row.p == pytest.approx(2 * t.sf(abs(change / se), 22), rel=1e-8)
    assert found.rows[0].estimate == pytest.approx(y[:, 0].mean())


def test_no_variance_between_patients_is_said():
    """Patients more alike than chance: the estimate sits on the boundary and the model is least squares."""
    patient, visit, value = series(30, 7, between=0.0)
    value = value - 0.9 * np.array([value[patient == one].mean() - 3.5 for one in patient])
    found = mixed_model(patient, visit, value, "before")
    assert found.detail("patient_sd") == 0.0
    assert "estimated as zero" in found.note
    assert estimates(found) == pytest.approx(np.linalg.lstsq(design(visit), value, rcond=None)[0])


@pytest.mark.parametrize(("patients", "seed"), [(15, 8), (69, 9)])
def test_gee_equals_statsmodels(patients, seed):
    patient, visit, value = series(patients, seed)
    other = sm.GEE(value, design(visit), groups=patient, cov_struct=sm.cov_struct.Exchangeable())
    other = other.fit(cov_type="bias_reduced", ctol=1e-12, maxiter=300)
    found = gee(patient, visit, value, "before")
    assert estimates(found) == pytest.approx(other.params, abs=1e-9)
    assert errors(found) == pytest.approx(other.bse, abs=1e-9)
    assert found.detail("correlation") == pytest.approx(other.cov_struct.dep_params, abs=1e-9)


def test_negative_correlation_is_allowed_in_gee():
    patient, visit, value = series(30, 7, between=0.0)
    value = value - 0.9 * np.array([value[patient == one].mean() - 3.5 for one in patient])
    assert gee(patient, visit, value, "before").detail("correlation") < 0


@pytest.mark.parametrize("method", [mixed_model, gee])
def test_truth_lies_in_the_intervals_as_often_as_it_should(method):
    hits = 0
    for seed in range(200):
        row = method(*series(40, 1000 + seed), "before").row("week_20_24")
        hits += row.low <= TRUTH[2] - TRUTH[0] <= row.high
    assert 0.91 <= hits / 200 <= 0.99


def test_reference_and_order_of_visits():
    rows = series(40, 10)
    found = mixed_model(*rows, "week_2_4", visits=["before", "week_2_4", "week_20_24"])
    assert [row.term for row in found.rows] == ["mean at week_2_4", "before", "week_20_24"]
    back = mixed_model(*rows, "before")
    assert found.row("before").estimate == pytest.approx(-back.row("week_2_4").estimate)
    assert found.row("before").se == pytest.approx(back.row("week_2_4").se)


@pytest.mark.parametrize("method", [mixed_model, gee])
def test_order_of_rows_and_missing_values_do_not_matter(method):
    patient, visit, value = series(40, 11)
    order = np.random.default_rng(0).permutation(value.size)
    one = method(patient, visit, value, "before")
    two = method(
        [*patient[order], 0, 77], [*visit[order], "before", "week_2_4"], [*value[order], np.nan, np.nan], "before"
    )
    assert estimates(two) == pytest.approx(estimates(one), rel=1e-12)
    assert two.patients == one.patients


@pytest.mark.parametrize("method", [mixed_model, gee])
def test_what_the_data_do_not_carry(method):
    patient, visit, value = series(40, 12)
    few = patient < 9
    cases = {
        "patients": (patient[few], visit[few], value[few]),
        "visit": (patient[visit == "before"], visit[visit == "before"], value[visit == "before"]),
        "values at": (np.arange(13), np.array(["before"] * 11 + ["week_2_4"] * 2), np.arange(13.0)),
        "two visits": (np.arange(40), np.repeat(["before", "week_2_4"], 20), np.arange(40.0)),
        "vary": (patient, visit, np.full(value.size, 4.0)),
    }
    for word, rows in cases.items():
        found = method(*rows, "before")
        assert isinstance(found, NotEstimable), word
        assert word in found.reason


@pytest.mark.parametrize("method", [mixed_model, gee])
def test_nobody_and_a_visit_without_values(method):
    twelve = np.tile(np.arange(12), 2)
    visit, value = np.repeat(["before", "week_2_4"], 12), np.repeat([3.0, np.nan], 12)
    assert method([], [], [], "before").reason.startswith("0 patients")
    assert method(twelve, visit, value, "before").reason.startswith("0 values at week_2_4")


def test_no_variation_within_patients():
    patient = np.repeat(np.arange(20), 2)
    value = np.repeat(np.arange(20.0), 2) + np.tile([0.0, -3.0], 20)
    found = mixed_model(patient, np.tile(["before", "week_2_4"], 20), value, "before")
    assert isinstance(found, NotEstimable)
    assert "within patients" in found.reason


def test_two_values_at_one_visit_and_unknown_reference_are_refused():
    with pytest.raises(InputError, match="two values at one visit"):
        mixed_model([1, 1], ["before", "before"], [3.0, 4.0], "before")
    with pytest.raises(InputError, match="visit is unknown"):
        gee(*series(20, 13), "week_9")


@pytest.mark.parametrize("method", [mixed_model, gee])
def test_thirty_thousand_patients(method):
    found = method(*series(30_000, 14), "before")
    assert isinstance(found, ModelFit)
    assert estimates(found)[1:] == pytest.approx(TRUTH[1:] - TRUTH[0], abs=0.08)
