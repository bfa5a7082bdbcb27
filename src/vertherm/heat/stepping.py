"""How a solver steps: limits, control hook, what a run cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Control(Protocol):
    """Scales the source, e.g. to hold a temperature (``schedule.TemperatureControl``)."""

    @property
    def interval_s(self) -> float:
        """Longest time between two decisions."""

    def __call__(self, time_s: float, dt_s: float, readings_c: Mapping[str, float], /) -> float:
        """Factor on the source for the step that begins at ``time_s`` and lasts at most ``dt_s``."""


@dataclass(frozen=True)
class StepLimits:
    """How long a step may be; stability is always kept on top of it.

    The defaults cost less than 0.08 K in the peak temperature of wet tissue and 3 % of CEM43 against steps ten times
    shorter (12-15 W, boiling tissue, perfusion shut-down, cool-down; tests/heat/test_treatment.py).

    Args:
        heating_s: longest step while a source is on.
        cooling_s: longest step without one.
        change_k: largest temperature change of a cell in a step, as far as ``shortest_s`` allows.
        shortest_s: accuracy never asks for less than this.
        stages: most stages in a step.
        rest_k: rows that would change by less in total are not swept (``activity.Activity``); 0: all rows are.
    """

    heating_s: float = 5.0
    cooling_s: float = 15.0
    change_k: float = 10.0
    shortest_s: float = 0.25
    stages: int = 99
    rest_k: float = 1e-6


@dataclass
class Statistics:
    """What a run cost.

    Args:
        steps, stages: how many; one stage is one sweep over the grid.
        wall_s: time spent in ``advance``.
        shortest_step_s, longest_step_s: range of the steps.
        limited_cells: cells slowed down (``fields.FASTEST_CELL_PER_S``).
        rows_swept: mean share of the rows that the stages swept.
    """

    steps: int = 0
    stages: int = 0
    wall_s: float = 0.0
    shortest_step_s: float = float("inf")
    longest_step_s: float = 0.0
    limited_cells: int = 0
    rows_swept: float = 1.0

    def add(self, dt_s: float, stages: int, share: float = 1.0) -> None:
        """Count one step that swept ``share`` of the rows."""
        self.rows_swept = (self.rows_swept * self.stages + share * stages) / (self.stages + stages)
        self.steps += 1
        self.stages += stages
        self.shortest_step_s = min(self.shortest_step_s, dt_s)
        self.longest_step_s = max(self.longest_step_s, dt_s)

    def as_dict(self) -> dict[str, float]:
        """All columns."""
        return dict(vars(self))
