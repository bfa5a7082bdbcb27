"""What a plan must reach: which share of the lesion with its margin, by which metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vertherm.planning.case import PlanEntry
from vertherm.planning.percentiles import NEEDED
from vertherm.planning.plan import GoalRow
from vertherm.planning.protocol import Protocol

TOLERANCE = 1e-3
"""Share of a volume that counts for nothing: the same as in the assessment's coverage."""
SAME_MM = 0.1
"""A margin counts to a tenth of a millimetre: finer than any of its errors."""


@dataclass(frozen=True)
class Goal:
    """What must be ablated, and what may not be reached.

    Args:
        metric, metric_label: the zone metric that decides.
        margin_mm: grown around the lesion.
        coverage: share of lesion and margin inside the zone, 0 to 1.
        warn_is_limit: warn limits bind too.
    """

    metric: str
    metric_label: str
    margin_mm: float
    coverage: float
    warn_is_limit: bool

    @staticmethod
    def of(protocol: Protocol, entry: PlanEntry) -> Goal:
        """The goal of a case file; the protocol's margin where it names none."""
        margin = protocol.margin_goal_mm if entry.margin_mm is None else entry.margin_mm
        label = protocol.metric(protocol.coverage_metric).label
        return Goal(protocol.coverage_metric, label, margin, entry.coverage, entry.warn_is_limit)

    @property
    def whole(self) -> bool:
        """True where all of lesion and margin must be ablated: then the minimal margin decides too."""
        return self.coverage >= 1.0 - TOLERANCE

    def reached(self, coverage: float) -> bool:
        """True where this share is enough."""
        return coverage >= self.coverage - TOLERANCE

    def words(self) -> str:
        """The goal in a few words, for tables and messages."""
        margin = f" with {self.margin_mm:g} mm margin" if self.margin_mm else ""
        share = "all" if self.whole else f"{100 * self.coverage:g} %"
        return f"{share} of the lesion{margin}"

    def row(self, samples: int) -> GoalRow:
        """The goal as a row of the plan; ``samples`` of the model that decides (0: standard members)."""
        return GoalRow(
            metric=self.metric,
            metric_label=self.metric_label,
            margin_mm=self.margin_mm,
            coverage=self.coverage,
            coverage_rule=_rule(samples, "5th"),
            safety_rule=_rule(samples, "95th") + ("; warn limits bind too" if self.warn_is_limit else ""),
        )


def share_words(share: float) -> str:
    """A share in whole percent, in tenths from 99 % on; never rounded up, so that what lacks a little is seen."""
    tenths = math.floor(1000.0 * share + 1e-6)
    return f"{tenths / 10:.1f} %" if 990 <= tenths < 1000 else f"{tenths // 10} %"


def _rule(samples: int, percentile: str) -> str:
    if samples >= NEEDED:
        return f"95 % confidence bound of the {percentile} percentile of {samples} samples"
    parts = "the worst standard member" + (f" and the worst of {samples} samples of the fast model" if samples else "")
    return f"{parts} ({NEEDED} samples are needed for a bound of the {percentile} percentile)"
