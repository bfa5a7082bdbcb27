"""The weighted partial likelihood of Fine and Gray, by running sums over sorted times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.review.statistics.events import CENSORED, COMPETING, INTEREST
from vertherm.review.statistics.inputs import Floats, Integers

Terms = tuple[float, Floats, Floats]


def cumulated(values: Floats) -> Floats:
    """Running sums along the first axis, with a leading zero."""
    return np.concatenate((np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)))


def remaining(values: Floats) -> Floats:
    """Sums of the values from each position to the end, with a trailing zero."""
    return np.concatenate((np.cumsum(values[::-1], axis=0)[::-1], np.zeros((1, *values.shape[1:]))))


@dataclass(eq=False)
class Subdistribution:
    """Likelihood, score, information and the influence of each subject.

    A subject is at risk of the event of interest until its time; after a competing event at T it stays at risk at t
    with weight G(t-)/G(T-). No matrix of subjects by subjects is made: what those still observed add is a sum from the
    end, what those with a competing event add is a running sum, over times sorted once.

    Args:
        time: times of the subjects.
        kind: 0 censored, 1 of interest, 2 competing.
        X: covariates [subjects, covariates].

    Source: Fine and Gray, J Am Stat Assoc 1999;94:496-509, sections 3 and 4.
    """

    time: Floats
    kind: Integers
    X: Floats

    def __post_init__(self) -> None:
        # Sorted once, times ascending; influence() puts the rows back.
        self.order = np.argsort(self.time, kind="stable")
        self.t, self.k, self.Z = self.time[self.order], self.kind[self.order], self.X[self.order]
        self.event_times, self.d = np.unique(self.t[self.k == INTEREST], return_counts=True)
        self.distinct, first = np.unique(self.t, return_index=True)
        self.observed = self.t.size - first
        lost = np.bincount(np.searchsorted(self.distinct, self.t[self.k == CENSORED]), minlength=self.distinct.size)
        self.lost = lost
        self.kept = np.append(1.0, np.cumprod(1.0 - lost / self.observed))
        self.G_event, self.G_own = self._uncensored(self.event_times), self._uncensored(self.t)
        self.compete = np.flatnonzero(self.k == COMPETING)
        self.happened = np.flatnonzero(self.k == INTEREST)
        self.place = np.searchsorted(self.event_times, self.t[self.happened])
        self.start = np.searchsorted(self.t, self.event_times, side="left")
        # Competing events strictly before each event time; event times up to and including each subject's time.
        self.earlier = np.searchsorted(self.t[self.compete], self.event_times, side="left")
        self.reached = np.searchsorted(self.event_times, self.t, side="right")

    def _uncensored(self, at: Floats) -> Floats:
        """G(t-): probability of not being censored before t."""
        return np.asarray(self.kept[np.searchsorted(self.distinct, at, side="left")])

    def _sums(self, beta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Relative hazards, weights after a competing event, and the weighted sums S0, S1 at the event times."""
        eta = self.Z @ beta
        self.shift = float(eta.max())
        r = np.exp(eta - self.shift)
        stay = r[self.compete] / self.G_own[self.compete]
        S0 = remaining(r)[self.start] + self.G_event * cumulated(stay)[self.earlier]
        S1 = remaining(r[:, None] * self.Z)[self.start]
        S1 = S1 + self.G_event[:, None] * cumulated(stay[:, None] * self.Z[self.compete])[self.earlier]
        return r, stay, S0, S1

    def likelihood(self, beta: Floats) -> Terms:
        """Logarithm of the partial likelihood, its gradient, and minus its second derivative."""
        r, stay, S0, S1 = self._sums(beta)
        mean = S1 / S0[:, None]
        events = self.Z[self.happened]
        value = float((events @ beta).sum() - (self.d * (np.log(S0) + self.shift)).sum())
        score = events.sum(axis=0) - self.d @ mean
        hazard = self.d / S0
        weight = r * cumulated(hazard)[self.reached]
        weight[self.compete] += stay * remaining(self.G_event * hazard)[self.reached[self.compete]]
        information = (self.Z * weight[:, None]).T @ self.Z - (mean * self.d[:, None]).T @ mean
        return value, score, information

    def influence(self, beta: Floats, *, censoring: bool = True) -> Floats:
        """What each subject adds to the score, rows in the order given.

        Args:
            beta: coefficients.
            censoring: count also what it adds through the estimate of G (Fine and Gray's psi).
        """
        r, stay, S0, S1 = self._sums(beta)
        mean, hazard = S1 / S0[:, None], self.d / S0
        out = -r[:, None] * (
            self.Z * cumulated(hazard)[self.reached, None] - cumulated(hazard[:, None] * mean)[self.reached]
        )
        out[self.happened] += self.Z[self.happened] - mean[self.place]
        after, after_mean = remaining(self.G_event * hazard), remaining((self.G_event * hazard)[:, None] * mean)
        at = self.reached[self.compete]
        out[self.compete] -= stay[:, None] * (self.Z[self.compete] * after[at, None] - after_mean[at])
        if censoring:
            out += self._through_censoring(stay, after, after_mean)
        unsorted = np.empty_like(out)
        unsorted[self.order] = out
        return unsorted

    def _through_censoring(self, stay: Floats, after: Floats, after_mean: Floats) -> Floats:
        """Influence through G: each weight G(s-)/G(T-) holds the censoring at T <= u < s."""
        upto = np.searchsorted(self.t[self.compete], self.distinct, side="right")
        beyond = np.searchsorted(self.event_times, self.distinct, side="right")
        weight, moment = cumulated(stay)[upto], cumulated(stay[:, None] * self.Z[self.compete])[upto]
        q = moment * after[beyond, None] - weight[:, None] * after_mean[beyond]
        own: NDArray[np.int64] = np.searchsorted(self.distinct, self.t)
        # Derivative of log G in the weight of a subject. Where all that are left are censored, q is zero.
        share = q / np.maximum(self.observed - self.lost, 1)[:, None]
        out = -np.cumsum(share * (self.lost / self.observed)[:, None], axis=0)[own]
        lost = self.k == CENSORED
        out[lost] += share[own[lost]]
        return out
