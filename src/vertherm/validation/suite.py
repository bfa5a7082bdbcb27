"""Every validation case, run in one go, and the document that ``vertherm validate --json`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vertherm.core.progress import Progress, silent
from vertherm.validation.case import Case


def run_all(progress: Progress = silent) -> list[Case]:
    """Rows of all cases, in a fixed order."""
    from vertherm.validation import bioheat, electromagnetics, statistics

    found: list[Case] = []
    modules = (("electromagnetics", electromagnetics), ("bioheat", bioheat), ("statistics", statistics))
    for name, module in modules:
        progress(name, 0.0)
        found.extend(module.cases())
        progress(name, 1.0)
    return found


def unexplained(cases: Sequence[Case]) -> list[Case]:
    """Failures that nobody has explained."""
    return [case for case in cases if not case.passed and not case.known]


def document(cases: Sequence[Case]) -> dict[str, Any]:
    """The JSON document of the command-line contract."""
    return {"schema_version": 1, "cases": [case.row() for case in cases]}
