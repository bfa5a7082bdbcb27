"""A proportion of lesions, several of which may belong to one patient."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, stdtrit

from vertherm.core.errors import InputError
from vertherm.review.statistics.inputs import Floats, confidence_level, labels, numbers, same_length
from vertherm.review.statistics.result import NotEstimable, counted

MIN_CLUSTERS = 20
"""Our choice: with fewer clusters the sandwich variance is too small on average (Mancl and DeRouen 2001)."""
MIN_WITH_EACH = 5
"""Our choice: clusters with an event, and clusters with a unit without it; below, the logit scale is not normal."""
RESAMPLES = 4000


@dataclass(frozen=True)
class ClusteredProportion:
    """A proportion whose interval respects the clusters.

    Args:
        events: units with the event.
        n: units.
        clusters: clusters (patients).
        estimate: events / n.
        low: lower cluster-robust limit.
        high: upper cluster-robust limit.
        method: how the limits were made.
        bootstrap_low: lower percentile limit of the patient bootstrap.
        bootstrap_high: upper one.
        level: confidence level.
        design_effect: variance over that of independent units.
    """

    events: int
    n: int
    clusters: int
    estimate: float
    low: float
    high: float
    method: str
    bootstrap_low: float
    bootstrap_high: float
    level: float
    design_effect: float

    @property
    def methods(self) -> tuple[str, ...]:
        """Ids in ``methods``."""
        return ("clustered_proportion", "patient_bootstrap")

    def complement(self) -> ClusteredProportion:
        """The proportion of units without the event; logit limits and percentiles mirror."""
        return replace(
            self,
            events=self.n - self.events,
            estimate=1.0 - self.estimate,
            low=1.0 - self.high,
            high=1.0 - self.low,
            bootstrap_low=1.0 - self.bootstrap_high,
            bootstrap_high=1.0 - self.bootstrap_low,
        )


def clustered_proportion(
    event: ArrayLike, cluster: Any, level: float = 0.95, seed: int = 0
) -> ClusteredProportion | NotEstimable:
    """Proportion of units (lesions) with the event, with limits that let units of one patient be alike.

    The variance is that of a ratio of two sums over patients, linearised, with the factor G/(G - 1); the limits are
    made on the logit scale with Student's t of G - 1 degrees of freedom. It is the GEE estimate with independent
    working correlation. The bootstrap draws whole patients.

    Not estimable (our rule) with fewer than 20 clusters, or fewer than 5 clusters with an event, or fewer than 5 with
    a unit free of it. The exact interval without clusters stays available from ``proportion``.

    Args:
        event: 1 or 0 a unit; NaN: unknown, left out.
        cluster: the patient of each unit.
        level: confidence level.
        seed: of the bootstrap; the same seed gives the same limits, whatever the order of the rows.

    Raises:
        InputError: columns of different length, a missing cluster, an event other than 0, 1, NaN.

    Source: Cochran, Sampling Techniques, 3rd ed. 1977, section 9 (clusters of unequal size); Liang and Zeger,
    Biometrika 1986;73:13-22; Mancl and DeRouen, Biometrics 2001;57:126-134 (few clusters); Davison and Hinkley,
    Bootstrap Methods 1997.
    """
    level = confidence_level(level)
    column = numbers(event, "event")
    _, place = labels(cluster, "cluster")
    same_length(event=column, cluster=place)
    known = ~np.isnan(column)
    if not np.isin(column[known], (0.0, 1.0)).all():
        raise InputError(
            "An event is neither 0 nor 1.", where="event", got=np.unique(column[known])[:5], expected="0, 1"
        )
    units = np.bincount(place[known]).astype(np.float64)
    with_event = np.bincount(place[known], weights=column[known])[units > 0].astype(np.float64)
    units = units[units > 0]
    reason = _too_few(units, with_event)
    if reason:
        return NotEstimable(reason)
    return _estimate(units, with_event, level, seed)


def _too_few(units: Floats, with_event: Floats) -> str:
    if units.size < MIN_CLUSTERS:
        return f"{counted(units.size, 'patient')}; a cluster-robust interval needs {MIN_CLUSTERS} (our rule)"
    events, free = int((with_event > 0).sum()), int((units > with_event).sum())
    if min(events, free) < MIN_WITH_EACH:
        return (
            f"{events} patients with an event and {free} with a unit free of it; a cluster-robust interval needs "
            f"{MIN_WITH_EACH} of each (our rule)"
        )
    return ""


def _estimate(units: Floats, with_event: Floats, level: float, seed: int) -> ClusteredProportion:
    groups, n, events = units.size, units.sum(), with_event.sum()
    share = events / n
    variance = groups / (groups - 1) * float(((with_event - share * units) ** 2).sum()) / n**2
    binomial = share * (1 - share) / n
    half = float(stdtrit(groups - 1, 0.5 + level / 2)) * math.sqrt(variance) / (share * (1 - share))
    low, high = (float(expit(logit(share) + side * half)) for side in (-1, 1))
    boot_low, boot_high = _bootstrap(units, with_event, level, seed)
    return ClusteredProportion(
        int(events), int(n), int(groups), float(share), low, high,
        "linearised ratio estimator over patients, logit scale, t with clusters - 1 degrees of freedom",
        boot_low, boot_high, level, float(variance / binomial),
    )  # fmt: skip


def _bootstrap(units: Floats, with_event: Floats, level: float, seed: int) -> tuple[float, float]:
    """Percentile limits. Patients with the same counts are exchangeable, so a resample is one multinomial draw."""
    kinds, count = np.unique(np.column_stack((units, with_event)), axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(units.size, count / units.size, size=RESAMPLES)
    shares = (draws @ kinds[:, 1]) / (draws @ kinds[:, 0])
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
