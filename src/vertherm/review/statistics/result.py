"""What a statistical method hands back: a fitted model, or the reason why the data do not carry it."""

from __future__ import annotations

from dataclasses import dataclass


def counted(number: int, noun: str) -> str:
    """A count with its noun, as reasons name it: 1 event, 2 events."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True)
class NotEstimable:
    """Returned, never raised, where the data do not carry a method.

    Args:
        reason: one sentence with the numbers found and the numbers needed.
    """

    reason: str


@dataclass(frozen=True)
class ModelRow:
    """One coefficient of a model.

    Args:
        term: name of the coefficient.
        estimate: its value, on the model's scale.
        se: standard error.
        low: lower confidence limit.
        high: upper confidence limit.
        p: two-sided p-value of "the coefficient is zero".
    """

    term: str
    estimate: float
    se: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class ModelFit:
    """A fitted model.

    Args:
        name: name of the method.
        rows: coefficients, in a fixed order.
        patients: patients (clusters where clusters were given) that took part.
        observations: rows of data that took part.
        note: how the standard errors and p-values were made, and what a reader must know.
        level: confidence level of the intervals.
        scale: "difference" or "log ratio" (exponentiate for a hazard ratio).
        details: further numbers by name (variance components, degrees of freedom, events).
        methods: ids in ``vertherm.review.statistics.methods``.
    """

    name: str
    rows: tuple[ModelRow, ...]
    patients: int
    observations: int
    note: str
    level: float = 0.95
    scale: str = "difference"
    details: tuple[tuple[str, float], ...] = ()
    methods: tuple[str, ...] = ()

    def row(self, term: str) -> ModelRow:
        """The coefficient called ``term``.

        Raises:
            KeyError: the model has no such coefficient.
        """
        for row in self.rows:
            if row.term == term:
                return row
        raise KeyError(term)

    def detail(self, name: str) -> float:
        """The further number called ``name``.

        Raises:
            KeyError: the model has no such number.
        """
        return dict(self.details)[name]
