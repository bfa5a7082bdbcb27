"""Every group of validation cases, run in one go, and the document that ``vertherm validate --json`` prints."""

from __future__ import annotations

import importlib
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.validation.case import Case
from vertherm.validation.evidence import Evidence, Figure

MODULES = (
    "electromagnetics",
    "full_wave",
    "bioheat",
    "phase_change",
    "shaft",
    "protection",
    "damage",
    "cement",
    "margin",
    "registration",
    "cross_code",
    "published",
    "statistics",
)
"""Modules of this folder in the order of the table; each has ``EVIDENCE``, ``cases()``, perhaps ``figures(folder)``.
A module's name is its group's."""
STATES = ("pass", "fail", "known", "not run")


@dataclass(frozen=True)
class Group:
    """One group as it ran.

    Args:
        name: of its module.
        evidence: what it is worth.
        cases: its rows.
        wall_s, cpu_s: time of its cases without figures: on the clock, and of the processor (free of other load).
        figures: those written.
    """

    name: str
    evidence: Evidence
    cases: tuple[Case, ...]
    wall_s: float
    cpu_s: float
    figures: tuple[Figure, ...] = ()

    def row(self) -> dict[str, Any]:
        """The group without its cases, as in the document."""
        return {
            "name": self.name,
            **self.evidence.row(),
            "wall_s": round(self.wall_s, 2),
            "cpu_s": round(self.cpu_s, 2),
            "counts": counts(self.cases),
            "figures": [figure.row() for figure in self.figures],
        }


def run_all(progress: Progress = silent, *, only: Iterable[str] = (), figures: Path | None = None) -> tuple[Group, ...]:
    """Run the groups in a fixed order.

    Args:
        progress: told about each group.
        only: names of groups; none: all.
        figures: folder for the groups' figures, made if need be; None: no figures.

    Raises:
        InputError: an unknown group.
    """
    wanted = set(only) or set(MODULES)
    if unknown := wanted - set(MODULES):
        raise InputError(
            "There is no such group of validation cases.", got=", ".join(sorted(unknown)), expected=", ".join(MODULES)
        )
    found = []
    for name in MODULES:
        if name in wanted:
            progress(name, 0.0)
            found.append(_run(name, figures))
            progress(name, 1.0)
    return tuple(found)


def _run(name: str, figures: Path | None) -> Group:
    module = importlib.import_module(f"vertherm.validation.{name}")
    started, cpu = time.perf_counter(), _processor_s()
    try:
        cases = tuple(module.cases())
    except Exception as error:
        cases = (Case(name, "runs to its end", None, f"{type(error).__name__}: {error}", None, 0.0, "1"),)
    wall_s, cpu_s = time.perf_counter() - started, _processor_s() - cpu
    drawn: tuple[Figure, ...] = ()
    if figures is not None and hasattr(module, "figures"):
        figures.mkdir(parents=True, exist_ok=True)
        drawn = tuple(module.figures(figures))
    return Group(name, module.EVIDENCE, cases, wall_s, cpu_s, drawn)


def _processor_s() -> float:
    """Processor time of this process and of the workers it has ended."""
    return sum(os.times()[:4])


def all_cases(groups: Iterable[Group]) -> list[Case]:
    """The rows of all groups, in order."""
    return [case for group in groups for case in group.cases]


def unexplained(cases: Sequence[Case]) -> list[Case]:
    """Failures that nobody has explained."""
    return [case for case in cases if not case.passed and not case.known]


def counts(cases: Sequence[Case]) -> dict[str, int]:
    """Number of rows by state, every state listed."""
    found = Counter(case.status for case in cases)
    return {state: found[state] for state in STATES}


def document(groups: Sequence[Group]) -> dict[str, Any]:
    """The JSON document of the command-line contract; ``groups`` and ``counts`` are more than it asks for."""
    return {
        "schema_version": 1,
        "cases": [{**case.row(), "group": group.name} for group in groups for case in group.cases],
        "groups": [group.row() for group in groups],
        "counts": counts(all_cases(groups)),
    }
