"""Rates tabulated together with their integral, so that a mean over a step is exact.

Damage and perfusion need the mean of a steep function (a factor 2 a degree) of temperature over a step in which the
temperature moves by several degrees. With the table of the function r and of its integral G, the mean for a
temperature that runs evenly from T0 to T1 is (G(T1) - G(T0)) / (T1 - T0): exact, one table read per end, and the same
code for every model. Between nodes r is linear and G its exact integral; beyond the ends the last interval is extended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TEMPERATURE_LOW_C, TEMPERATURE_HIGH_C, NODES_PER_K = 30.0, 110.0, 64
"""Rates are constant outside this range: nothing counts below it, and any tissue above it is dead within one step.
1/64 K between nodes keeps the linear interpolation of a rate that doubles every 0.9 K within 2e-5 of its value, and
whole degrees, where thresholds lie, are nodes."""


@dataclass(frozen=True, eq=False)
class RateTable:
    """Tabulated functions of one variable.

    Args:
        low: first node.
        per_unit: nodes per unit of the variable.
        values: (m, n, 2): for each function its integral from the first node, in units of the node spacing, and its
            value at the nodes; side by side because they are read together.
    """

    low: float
    per_unit: float
    values: Array

    @property
    def rate(self) -> Array:
        """(m, n) values of the functions at the nodes."""
        return self.values[:, :, 1]

    @staticmethod
    def of(functions: Sequence[Callable[[Array], Array]], low: float, high: float, per_unit: float) -> RateTable:
        """Tabulate ``functions`` of an array between ``low`` and ``high``."""
        nodes = low + np.arange(round((high - low) * per_unit) + 1) / per_unit
        rate = np.stack([np.broadcast_to(np.asarray(f(nodes), dtype=np.float64), nodes.shape) for f in functions])
        integral = np.zeros_like(rate)
        integral[:, 1:] = np.cumsum(0.5 * (rate[:, 1:] + rate[:, :-1]), axis=1)
        return RateTable(low, per_unit, np.stack([integral, rate], axis=-1))

    @staticmethod
    def of_temperature(functions: Sequence[Callable[[Array], Array]]) -> RateTable:
        """Tabulate functions of the temperature in degC."""
        return RateTable.of(functions, TEMPERATURE_LOW_C, TEMPERATURE_HIGH_C, NODES_PER_K)

    def first_nonzero(self, rows: slice) -> float:
        """Smallest node at which any of ``rows`` is not zero; the end of the table where none is."""
        active = np.flatnonzero((self.rate[rows] != 0.0).any(axis=0))
        last = self.rate.shape[1] - 1
        return self.low + (int(active[0]) if active.size else last) / self.per_unit
