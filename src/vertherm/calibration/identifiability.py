"""Can these measurements tell these parameters? Decided from the sensitivities before any number is believed.

Columns of J are divided by the data's errors and multiplied by each parameter's plausible range. A singular value s
then says: moving through the whole plausible range along its direction changes the data by s standard errors. The
95 % interval along it is 2 * 1.96 / s of that range; wider than the range itself, the data say nothing that was not
known before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError

Array = NDArray[np.float64]
LEAST_SINGULAR = 2 * 1.96
"""Below this the 95 % interval is wider than the plausible range."""
SHARE = 0.5
"""A parameter takes part in a direction where its component exceeds this."""
REMEDY = {
    "efficiency": "any zone or thermocouple that the antenna clearly heats, with a smaller error, identifies it",
    "shift_k": "zones at two or more powers or times, some of them long and hot, or a thermocouple 5-10 mm from the "
    "antenna followed past 60 °C, identify it",
    "floor": "zones at two or more powers or times, some of them at a power that boils the tissue for minutes, or a "
    "thermocouple 5-10 mm from the antenna followed past 100 °C, identify it",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a fit.

    Args:
        name: "efficiency", "shift_k" or "floor".
        start: first guess.
        low, high: bounds; their distance is the plausible range.
        step: of the finite differences.
    """

    name: str
    start: float
    low: float
    high: float
    step: float

    @property
    def range(self) -> float:
        """Width of the plausible range."""
        return self.high - self.low


class NotIdentifiable(InputError):  # noqa: N818 (a statement about data, read as such)
    """The measurements cannot tell some parameters; ``parameters`` names them."""

    parameters: tuple[str, ...] = ()

    @staticmethod
    def of(names: tuple[str, ...], got: str, context: str) -> NotIdentifiable:
        """The error for ``names``, with what would identify them."""
        error = NotIdentifiable(
            f"The measurements cannot identify {' and '.join(names)}.",
            where=context,
            got=got,
            expected="measurements that change by several standard errors when the parameter moves through its range",
            advice="; ".join(REMEDY[name] for name in names) + ". Or hold the drying: --fit efficiency",
        )
        error.parameters = names
        return error


def check_identifiable(parameters: tuple[Parameter, ...], weighted: Array, context: str = "") -> Array:
    """Singular values of the scaled sensitivities, largest first.

    Args:
        parameters: p of them.
        weighted: (n, p) sensitivities divided by the errors.
        context: for the message.

    Raises:
        NotIdentifiable: fewer numbers than parameters, or a direction that the data cannot tell.
    """
    n, p = weighted.shape
    if n < p:
        raise NotIdentifiable.of(tuple(q.name for q in parameters), f"{n} measured numbers, {p} parameters", context)
    scaled = weighted * np.array([q.range for q in parameters])
    _, singular, directions = np.linalg.svd(scaled, full_matrices=False)
    weak: list[str] = []
    for value, direction in zip(singular, directions, strict=True):
        if value < LEAST_SINGULAR:
            weak += [q.name for q, part in zip(parameters, direction, strict=True) if abs(part) > SHARE]
    if weak:
        names = tuple(q.name for q in parameters if q.name in weak)
        listed = ", ".join(f"{value:.2g}" for value in singular)
        raise NotIdentifiable.of(names, f"singular values {listed}, need {LEAST_SINGULAR:.3g}", context)
    return np.asarray(singular)
