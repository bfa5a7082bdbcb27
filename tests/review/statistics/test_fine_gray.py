"""Expected: comprisk's coefficients and (without the term for censoring) its robust errors; Cox's model where nothing
competes, and where competing events are kept at risk for ever because nobody is censored; the influence of a subject as
the derivative of the whole score, estimation of censoring included; "not estimable" with a reason otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.duration.hazard_regression import PHReg

from vertherm.core.errors import InputError
from vertherm.review.statistics.fine_gray import fine_gray
from vertherm.review.statistics.result import ModelFit, NotEstimable
from vertherm.review.statistics.subdistribution import Subdistribution

NAMES = ("group", "score")


def simulated(n, seed, ties=False, censored=True):
    rng = np.random.default_rng(seed)
    X = np.column_stack((rng.integers(0, 2, n), rng.normal(size=n)))
    # Subdistribution with hazard ratio exp(0.7 group + 0.3 score): Fine and Gray's own way of simulating.
    eta = X @ [0.7, 0.3]
    ever = 1 - 0.4 ** np.exp(eta)
    first = rng.random(n) < ever
    u = rng.random(n)
    time = np.where(first, -np.log(1 - (1 - (1 - u * ever) ** np.exp(-eta)) / 0.6), rng.exponential(1.2, n)) * 10
    event = np.where(first, 1, 2)
    if censored:
        limit = rng.uniform(2, 40, n)
        event, time = np.where(limit < time, 0, event), np.minimum(limit, time)
    return (np.ceil(time) if ties else time), event, X


def coefficients(fit):
    return np.array([row.estimate for row in fit.rows]), np.array([row.se for row in fit.rows])


@pytest.mark.parametrize("ties", [False, True])
def test_equals_comprisk(ties):
    import comprisk

    time, event, X = simulated(300, 1, ties)
    other = comprisk.FineGrayRegression(robust_se=True, gtol=1e-13, max_iter=50).fit(X, time=time, event=event)
    beta, se = coefficients(fine_gray(time, event, X, NAMES))
    assert beta == pytest.approx(other.coef_, abs=1e-7)
    assert se == pytest.approx(other.se_, rel=0.02)
    model = Subdistribution(time, event, X)
    influence = model.influence(beta, censoring=False)
    bread = np.linalg.inv(model.likelihood(beta)[2])
    assert np.sqrt(np.diag(bread @ (influence.T @ influence) @ bread)) == pytest.approx(other.se_, rel=1e-6)


def score_of(weights, time, event, X, beta):
    """The score with case weights, censoring distribution and all, from its definition (one time after another)."""
    G, g = np.ones(time.size), 1.0
    for t in np.unique(time):
        G[time == t] = g  # just before t
        lost = weights[(time == t) & (event == 0)].sum()
        g *= 1 - lost / weights[time >= t].sum()
    before = dict(zip(time, G, strict=True))
    total = np.zeros(X.shape[1])
    for t in np.unique(time[event == 1]):
        stay = (time < t) & (event == 2)
        w = weights * np.where(time >= t, 1.0, np.where(stay, before[t] / G, 0.0)) * np.exp(X @ beta)
        own = weights * ((time == t) & (event == 1))
        total += own @ X - own.sum() * (w @ X) / w.sum()
    return total


@pytest.mark.parametrize("ties", [False, True])
def test_influence_is_the_derivative_of_the_score(ties):
    time, event, X = simulated(60, 2, ties)
    beta = np.array([0.4, 0.2])
    model = Subdistribution(time, event, X)
    assert model.likelihood(beta)[1] == pytest.approx(score_of(np.ones(60), time, event, X, beta), abs=1e-10)
    influence = model.influence(beta)
    for i in range(0, 60, 3):
        step = np.zeros(60)
        step[i] = 1e-5
        numeric = (score_of(1 + step, time, event, X, beta) - score_of(1 - step, time, event, X, beta)) / 2e-5
        assert influence[i] == pytest.approx(numeric, abs=1e-7)


def test_nothing_competes_is_cox():
    time, event, X = simulated(250, 3, ties=True)
    event = np.where(event == 2, 0, event)
    other = PHReg(time, X, status=event, ties="breslow").fit(disp=0)
    beta, _ = coefficients(fine_gray(time, event, X, NAMES))
    assert beta == pytest.approx(other.params, abs=1e-6)
    model = Subdistribution(time, event, X)
    assert np.sqrt(np.diag(np.linalg.inv(model.likelihood(beta)[2]))) == pytest.approx(other.bse, rel=1e-6)


def test_nobody_censored_is_cox_with_competing_events_at_risk_for_ever():
    import lifelines
    import pandas as pd

    time, event, X = simulated(250, 4, censored=False)
    frame = pd.DataFrame(X, columns=list(NAMES)).assign(t=np.where(event == 2, 1e6, time), e=event == 1)
    other = lifelines.CoxPHFitter().fit(frame, "t", "e", robust=True, fit_options={"precision": 1e-12})
    beta, se = coefficients(fine_gray(time, event, X, NAMES))
    assert beta == pytest.approx(other.params_.to_numpy(), abs=1e-7)
    assert se == pytest.approx(other.standard_errors_.to_numpy(), rel=1e-6)


def test_truth_lies_in_the_intervals_as_often_as_it_should():
    hits = 0
    for seed in range(200):
        time, event, X = simulated(200, 500 + seed)
        row = fine_gray(time, event, X, NAMES).row("group")
        hits += row.low <= 0.7 <= row.high
    assert 0.90 <= hits / 200 <= 0.99


def test_scale_and_order_do_not_matter():
    time, event, X = simulated(200, 5, ties=True)
    one = fine_gray(time, event, X, NAMES)
    order = np.random.default_rng(0).permutation(200)
    two = fine_gray(time[order] * 30, event[order], X[order] * [1, 1000] + [0, 5e4], NAMES)
    assert two.row("group").estimate == pytest.approx(one.row("group").estimate, rel=1e-8)
    assert two.row("score").estimate == pytest.approx(one.row("score").estimate / 1000, rel=1e-7)
    assert two.row("score").p == pytest.approx(one.row("score").p, rel=1e-5)


def test_copies_of_a_subject_in_one_cluster_count_once():
    time, event, X = simulated(150, 6)
    once = fine_gray(time, event, X, NAMES, cluster=np.arange(150))
    twice = fine_gray(
        np.tile(time, 2), np.tile(event, 2), np.tile(X, (2, 1)), NAMES, cluster=np.tile(np.arange(150), 2)
    )
    assert twice.patients == 150
    assert twice.observations == 300
    assert coefficients(twice)[0] == pytest.approx(coefficients(once)[0], abs=1e-9)
    assert coefficients(twice)[1] == pytest.approx(coefficients(once)[1], rel=1e-2)
    plain = fine_gray(time, event, X, NAMES)
    assert coefficients(once)[1] == pytest.approx(coefficients(plain)[1] * np.sqrt(150 / 149), rel=1e-9)


def test_what_the_data_do_not_carry():
    time, event, X = simulated(200, 7)
    two = np.where(np.arange(200) < 2, 1, np.where(event == 1, 0, event))
    assert "2 events for 2 covariates" in fine_gray(time, two, X, NAMES).reason
    assert "same in everybody" in fine_gray(time, event, X * [0, 1], NAMES).reason
    assert "repeat each other" in fine_gray(time, event, X[:, [1, 1]] * [1, 2], NAMES).reason
    assert "20" in fine_gray(time, event, X, NAMES, cluster=np.arange(200) % 19).reason
    assert "no covariate" in fine_gray(time, event, np.zeros((200, 0)), ()).reason


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_a_covariate_that_separates_the_events(scale):
    time, event, _ = simulated(200, 8)
    found = fine_gray(time, event, (event == 1) * scale, ["separates"])
    assert isinstance(found, NotEstimable)
    none = np.where((event == 1) | (np.arange(200) % 10 > 0), 0.0, scale)
    assert isinstance(fine_gray(time, event, none, ["never"]), NotEstimable)


def test_bad_input_is_refused():
    time, event, X = simulated(50, 9)
    with pytest.raises(InputError, match="do not fit"):
        fine_gray(time, event, X[:-1], NAMES)
    with pytest.raises(InputError, match="do not fit"):
        fine_gray(time, event, np.where(X > 2, np.nan, X) * np.nan, NAMES)


def test_a_hundred_thousand_subjects():
    found = fine_gray(*simulated(100_000, 10), NAMES)
    assert isinstance(found, ModelFit)
    assert coefficients(found)[0] == pytest.approx([0.7, 0.3], abs=0.03)
