"""Temperature of one variant's cells under any dose: superposed step responses, corrected cell by cell."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertherm.planning.surrogate.correction import SMALL_K, Correction, interpolation
from vertherm.planning.surrogate.dose import Dose
from vertherm.planning.surrogate.kernels import add_rise, blend
from vertherm.planning.surrogate.sites import Index, Sites
from vertherm.planning.surrogate.timeline import step_nodes, timeline

Float = NDArray[np.float32]
Array = NDArray[np.float64]
TAIL_END_S = 900.0
"""Doses and peaks are followed this long after the last switch-off."""


@dataclass(frozen=True, eq=False)
class Response:
    """One variant in one reading.

    Args:
        sites: its watched cells.
        times_s: (nodes,) of the step responses, from 0.
        per_w, without: (places, nodes, cells), see :class:`vertherm.planning.surrogate.linear.StepResponse`.
        body_c: temperature of blood and tissue at the start.
        drive: factor on the given power where the ratio is looked up (a sample's generator error).
        key: name of the correction in the surrogate.
        base: (cells,) cell of the nominal sites whose ratio each cell takes.
        damage: (models, 4) ln A, E_a in J/mol, first degree and shift of each Arrhenius model.
        model: (cells,) which of them.
        corrections: one a place, for the nominal sites' cells.
    """

    sites: Sites
    times_s: Array
    per_w: Float
    without: Float
    body_c: float
    drive: float
    key: str
    base: Index
    damage: Array
    model: NDArray[np.uint8]
    corrections: tuple[Correction, ...]
    _heating: list[Float] = field(init=False, default_factory=list)
    _tail: list[Float] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        n = self.base.size
        for found in self.corrections:
            self._heating.append(np.ascontiguousarray(found.heating[:, :, self.base]).reshape(-1, n))
            self._tail.append(np.ascontiguousarray(found.tail[..., self.base]).reshape(-1, n))

    def temperature_c(self, dose: Dose, at_s: Array) -> Float:
        """Temperature of every cell at the instants ``at_s``, (instants, cells)."""
        first = dose.pulses[0].place
        course: Float = np.empty((len(at_s), self.base.size), np.float32)
        low, weights = step_nodes(self.times_s, at_s)
        blend(course, self.without[first], low, np.array(weights, np.float32), np.float32(self.body_c))
        for place in sorted({pulse.place for pulse in dose.pulses}):
            known = self.corrections[place]
            asked = timeline(dose, place, at_s, self.times_s, known)
            tables = self.per_w[place], self._heating[place], self._tail[place]
            counts = known.heating.shape[1], *known.tail.shape[1:3]
            add_rise(
                course, *tables, known.powers_w, self.drive * asked.mean_w, asked.line, counts, np.float32(SMALL_K)
            )
        return course


def step_weights(nodes_s: Array, at_s: Array) -> Float:
    """What the value at ``at_s`` takes from the nodes (the first is 0 s): (instants, nodes), float32.

    Between nodes linear in the logarithm of time, up to the second node linear in time.
    """
    found = np.zeros((len(at_s), len(nodes_s)))
    started = at_s > 0
    early = started & (at_s < nodes_s[1])
    late = at_s >= nodes_s[1]
    found[~started, 0] = 1.0
    found[early, 0], found[early, 1] = 1.0 - at_s[early] / nodes_s[1], at_s[early] / nodes_s[1]
    found[late, 1:] = interpolation(np.log(nodes_s[1:]), np.log(at_s[late]))
    return found.astype(np.float32)


def moments(dose: Dose) -> Array:
    """Instants at which a dose is looked at: dense after every change of power, until all has peaked."""
    found = [np.zeros(1)]
    intervals = dose.intervals_s
    for number, (pulse, (on, off)) in enumerate(zip(dose.pulses, intervals, strict=True)):
        found.append(on + np.geomspace(min(3.0, 0.25 * pulse.on_s), pulse.on_s, 14))
        last = number == len(dose.pulses) - 1
        rest = TAIL_END_S if last else pulse.pause_s
        if rest > 0:
            found.append(off + np.geomspace(min(4.0, 0.25 * rest), rest, 18 if last else 8))
    return np.unique(np.concatenate(found))
