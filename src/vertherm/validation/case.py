"""One row of the validation table: what was expected, from where, what came out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One compared number of ``vertherm validate``.

    Args:
        case: name of the case, e.g. ``"coaxial slot (case A)"``.
        quantity: what is compared, e.g. ``"S11"``.
        expected: the reference value; ``None`` where it is not in our hands (such a row cannot pass).
        source: where the reference comes from (formula, publication, other code).
        got: what this program computed; ``None`` where the case did not run.
        tolerance: largest accepted ``|got - expected|``, in ``unit``.
        unit: unit of expected, got and tolerance ("1" for ratios).
        known: a text where a failure is understood or the data are missing; "" otherwise.
        passed: set from the numbers; a case that did not run never passes.
    """

    case: str
    quantity: str
    expected: float | None
    source: str
    got: float | None
    tolerance: float
    unit: str
    known: str = ""
    passed: bool = field(init=False)

    def __post_init__(self) -> None:
        inside = False
        if self.got is not None and self.expected is not None and math.isfinite(self.got):
            inside = abs(self.got - self.expected) <= self.tolerance
        object.__setattr__(self, "passed", bool(inside))

    @staticmethod
    def not_run(case: str, quantity: str, expected: float | None, source: str, unit: str, why: str) -> Case:
        """A row for a case that could not run: never counted as passed, and ``why`` says so."""
        return Case(case, quantity, expected, source, None, 0.0, unit, known=f"not run: {why}")

    @property
    def explained(self) -> bool:
        """True where the row passed or its failure is understood."""
        return self.passed or bool(self.known)

    @property
    def status(self) -> str:
        """``pass``, ``fail``, ``known`` (fails, and why is said) or ``not run``."""
        if self.passed:
            return "pass"
        if not self.known:
            return "fail"
        return "not run" if self.got is None else "known"

    def row(self) -> dict[str, Any]:
        """The row as in the command-line contract (JSON keys; a non-finite result becomes null)."""
        got = float(self.got) if self.got is not None and math.isfinite(self.got) else None
        return {
            "case": self.case,
            "quantity": self.quantity,
            "expected": None if self.expected is None else float(self.expected),
            "source": self.source,
            "got": got,
            "tolerance": float(self.tolerance),
            "unit": self.unit,
            "pass": self.passed,
            "known": self.known,
            "status": self.status,
        }
