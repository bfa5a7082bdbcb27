"""Temperature of one variant's cells under any dose: superposed step responses, corrected cell by cell."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertherm.planning.surrogate.correction import SMALL_K, Correction, interpolation
from vertherm.planning.surrogate.dose import Dose, Pulse
from vertherm.planning.surrogate.sites import Index, Sites

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
        course = self._at(at_s) @ self.without[first] + np.float32(self.body_c)
        for place in sorted({pulse.place for pulse in dose.pulses}):
            course += self._rise(dose, place, at_s)
        return course

    def _rise(self, dose: Dose, place: int, at_s: Array) -> Float:
        """Rise in K that one place adds."""
        fired = [(p, *when) for p, when in zip(dose.pulses, dose.intervals_s, strict=True) if p.place == place]
        on_s = _powered_s(fired, at_s)
        energy = sum(p.power_w * np.clip(at_s - on, 0.0, off - on) for p, on, off in fired)
        mean_w = self.drive * np.where(on_s > 0, energy / np.maximum(on_s, 1e-9), fired[0][0].power_w)
        total: Float = np.zeros((len(at_s), self.base.size), np.float32)
        for pulse, on, off in fired:
            linear = (pulse.power_w * (self._at(at_s - on) - self._at(at_s - off))) @ self.per_w[place]
            rested = np.maximum(at_s - off, 0.0) - np.maximum(on_s - _powered_s(fired, np.array([off]))[0], 0.0)
            tail = self._tail_ratio(place, mean_w, on_s, np.maximum(rested, 0.0))
            total += linear.astype(np.float32) * tail
        found = self.corrections[place]
        ratio = found.weights(mean_w, on_s).astype(np.float32) @ self._heating[place]
        ratio += found.linear_share(mean_w).astype(np.float32)[:, None]
        # The regularisation cools with the latest pulse: then a node is met exactly.
        return (total + np.float32(SMALL_K) * tail) * ratio - np.float32(SMALL_K)

    def _tail_ratio(self, place: int, power_w: Array, on_s: Array, rested_s: Array) -> Float:
        """How much slower than linear what is left of a pulse decays, after ``rested_s`` without power."""
        cooling = rested_s > 0
        found: Float = np.ones((len(on_s), self.base.size), np.float32)
        if cooling.any():
            correction = self.corrections[place]
            weights = correction.tail_weights(power_w[cooling], on_s[cooling], rested_s[cooling])
            found[cooling] = weights.astype(np.float32) @ self._tail[place]
            found[cooling] += correction.linear_share(power_w[cooling]).astype(np.float32)[:, None]
        return found

    def _at(self, at_s: Array) -> Float:
        """Weights of the step response's nodes, zero before its start; linear in the logarithm of time."""
        return step_weights(self.times_s, at_s)


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


def _powered_s(fired: list[tuple[Pulse, float, float]], at_s: Array) -> Array:
    """Time with power on so far, of the pulses of one place."""
    return np.asarray(sum(np.clip(at_s - on, 0.0, off - on) for _, on, off in fired), dtype=np.float64)


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
