"""Runs the statistics with the review's level and seed, and remembers which methods really ran and which could not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.review.options import ReviewOptions
from vertherm.review.statistics.clustered import ClusteredProportion, clustered_proportion
from vertherm.review.statistics.competing import CumulativeIncidence, aalen_johansen
from vertherm.review.statistics.fine_gray import fine_gray
from vertherm.review.statistics.gray import GrayTest, gray_test
from vertherm.review.statistics.longitudinal import gee, mixed_model
from vertherm.review.statistics.multiplicity import holm
from vertherm.review.statistics.paired import (
    HodgesLehmann,
    PairedChange,
    differences,
    hodges_lehmann,
    paired_change,
)
from vertherm.review.statistics.proportion import Proportion, proportion
from vertherm.review.statistics.result import ModelFit, NotEstimable
from vertherm.review.statistics.worst_rank import (
    ResponderSensitivity,
    WorstRank,
    responder_sensitivity,
    worst_rank,
)

Result = TypeVar("Result")


class Analyst:
    """The statistics of one review.

    Args:
        options: level and seed of everything that is run.

    ``ran`` holds the ids of the methods that gave a result (``review.statistics.methods``), ``refused`` the names of
    methods that the data did not carry, with the reasons.
    """

    def __init__(self, options: ReviewOptions) -> None:
        self.options = options
        self.ran: set[str] = {"summary"}
        self.refused: dict[str, list[str]] = {}

    def _keep(self, name: str, result: Result, n: int = 1) -> Result:
        if isinstance(result, NotEstimable):
            reasons = self.refused.setdefault(name, [])
            if result.reason not in reasons:
                reasons.append(result.reason)
        elif n:
            self.ran |= set(getattr(result, "methods", ()))
        return result

    def proportion(self, events: int, n: int) -> Proportion:
        """Exact and Wilson's interval of independent units."""
        result = proportion(events, n, self.options.level)
        return self._keep("proportion", result, n)

    def clustered(self, event: Any, cluster: Any) -> ClusteredProportion | NotEstimable:
        """Proportion of units that belong to patients."""
        values, patients = np.asarray(event, dtype=float), np.asarray(cluster, dtype=object)
        result = clustered_proportion(values, patients, self.options.level, self.options.seed)
        return self._keep("cluster-robust interval", result)

    def change(self, before: ArrayLike, after: ArrayLike) -> PairedChange:
        """Change within patients."""
        result = paired_change(before, after, self.options.level)
        return self._keep("change", result, result.n)

    def size_of_change(self, before: ArrayLike, after: ArrayLike) -> tuple[int, HodgesLehmann]:
        """Complete pairs, and the estimate of the change without any test."""
        change = differences(before, after)
        return int(change.size), self._keep("change", hodges_lehmann(change, self.options.level), change.size)

    def holm(self, p_values: ArrayLike) -> NDArray[np.float64]:
        """P-values adjusted for their number."""
        result = holm(p_values)
        if np.isfinite(result).any():
            self.ran.add("holm")
        return result

    def mixed(self, patient: Any, visit: Any, value: ArrayLike, visits: Sequence[str]) -> ModelFit | NotEstimable:
        """Linear mixed model; the first of ``visits`` is the reference."""
        result = mixed_model(patient, visit, value, visits[0], visits=visits, level=self.options.level)
        return self._keep("linear mixed model", result)

    def gee(self, patient: Any, visit: Any, value: ArrayLike, visits: Sequence[str]) -> ModelFit | NotEstimable:
        """Generalised estimating equations; the first of ``visits`` is the reference."""
        result = gee(patient, visit, value, visits[0], visits=visits, level=self.options.level)
        return self._keep("generalised estimating equations", result)

    def incidence(self, time: ArrayLike, event: ArrayLike) -> CumulativeIncidence:
        """Cumulative incidence, 2 competing with 1."""
        return self._keep("cumulative incidence", aalen_johansen(time, event, self.options.level))

    def gray(self, time: ArrayLike, event: ArrayLike, group: Any) -> GrayTest | NotEstimable:
        """Comparison of cumulative incidences."""
        return self._keep("Gray's test", gray_test(time, event, group))

    def fine_gray(
        self, time: ArrayLike, event: ArrayLike, covariates: ArrayLike, names: Sequence[str], cluster: Any
    ) -> ModelFit | NotEstimable:
        """Regression of the subdistribution hazard."""
        result = fine_gray(time, event, covariates, names, cluster, self.options.level)
        return self._keep("Fine-Gray regression", result)

    def worst_rank(self, before: ArrayLike, after: ArrayLike, died: ArrayLike) -> WorstRank:
        """Change with death as the worst outcome."""
        result = worst_rank(before, after, died)
        return self._keep("worst-rank analysis", result, result.n)

    def responders(self, responder: ArrayLike, died: ArrayLike) -> ResponderSensitivity:
        """Responders among the living, and with the dead as non-responders."""
        result = responder_sensitivity(responder, died, self.options.level)
        return self._keep("responders", result, result.observed.n)
