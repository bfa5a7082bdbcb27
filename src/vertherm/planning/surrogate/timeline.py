"""What a dose asks of the step responses and ratios of one place at chosen instants; the same for all variants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vertherm.planning.surrogate.correction import SOFTEN_S, Correction
from vertherm.planning.surrogate.coupled import TAIL_S
from vertherm.planning.surrogate.dose import Dose, Pulse

Float = NDArray[np.float32]
Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Timeline:
    """Nodes are given by the lower one and the share of the next.

    Args:
        mean_w: (instants,) mean power so far of the pulses of this place.
        steps, watts: (pulses, instants, 4) nodes of the step response, and power times weight.
        time, time_share: (instants,) nodes of R.
        heated, heated_share: (instants,) durations of heating of rho.
        rest, rest_share: (pulses, instants) instants of rho; the lower node is -1 where power is on.
    """

    mean_w: Array
    steps: Index
    watts: Float
    time: Index
    time_share: Float
    heated: Index
    heated_share: Float
    rest: Index
    rest_share: Float

    @property
    def line(self) -> tuple[Index | Float, ...]:
        """What :func:`.kernels.add_rise` takes as it is."""
        first = self.steps, self.watts, self.time, self.time_share
        return *first, self.heated, self.heated_share, self.rest, self.rest_share


def timeline(dose: Dose, place: int, at_s: Array, times_s: Array, correction: Correction) -> Timeline:
    """What ``dose`` asks at ``at_s``; remembered, as all variants of a surrogate ask the same."""
    arrays = (at_s, times_s, correction.times_s, correction.offs_s)
    return _timeline(dose, place, *(np.ascontiguousarray(a, dtype=np.float64).tobytes() for a in arrays))


@lru_cache(maxsize=16)
def _timeline(dose: Dose, place: int, at: bytes, times: bytes, ratio_times: bytes, offs: bytes) -> Timeline:
    at_s, times_s, ratio_s, offs_s = (np.frombuffer(a) for a in (at, times, ratio_times, offs))
    fired = [(p, *when) for p, when in zip(dose.pulses, dose.intervals_s, strict=True) if p.place == place]
    on_s = powered_s(fired, at_s)
    energy = sum(p.power_w * np.clip(at_s - on, 0.0, off - on) for p, on, off in fired)
    mean_w = np.where(on_s > 0, energy / np.maximum(on_s, 1e-9), fired[0][0].power_w)
    steps, watts, rest, rest_share = [], [], [], []
    for pulse, on, off in fired:
        (low, a), (late, b) = step_nodes(times_s, at_s - on), step_nodes(times_s, at_s - off)
        steps.append(np.stack([low, low + 1, late, late + 1], axis=-1))
        watts.append(pulse.power_w * np.stack([a[0], a[1], -b[0], -b[1]], axis=-1))
        rested = np.maximum(at_s - off, 0.0) - np.maximum(on_s - powered_s(fired, np.array([off]))[0], 0.0)
        tau = np.concatenate([[0.0], TAIL_S])
        node, share = lower_node(np.log(tau + SOFTEN_S), np.log(np.maximum(rested, 0.0) + SOFTEN_S))
        rest.append(np.where(rested > 0, node, -1))
        rest_share.append(share)
    time, time_share = lower_node(np.log(ratio_s + SOFTEN_S), np.log(on_s + SOFTEN_S))
    heated, heated_share = lower_node(np.log(offs_s), np.log(np.maximum(on_s, 1e-3)))
    single = np.float32
    return Timeline(
        mean_w, np.array(steps), np.array(watts, single), time, time_share.astype(single), heated,
        heated_share.astype(single), np.array(rest), np.array(rest_share, single),
    )  # fmt: skip


def lower_node(nodes: Array, at: Array) -> tuple[Index, Array]:
    """Lower node and share of the next one, held beyond the ends; of a single node the share is 0."""
    if len(nodes) == 1:
        return np.zeros(len(at), np.int64), np.zeros(len(at))
    inside = np.clip(at, nodes[0], nodes[-1])
    low = np.clip(np.searchsorted(nodes, inside, side="right") - 1, 0, len(nodes) - 2)
    return low, (inside - nodes[low]) / (nodes[low + 1] - nodes[low])


def powered_s(fired: list[tuple[Pulse, float, float]], at_s: Array) -> Array:
    """Time with power on so far, of the pulses of one place."""
    return np.asarray(sum(np.clip(at_s - on, 0.0, off - on) for _, on, off in fired), dtype=np.float64)


def step_nodes(nodes_s: Array, at_s: Array) -> tuple[Index, tuple[Array, Array]]:
    """Lower node and both weights of a step response (node 0 is 0 s); no weight before its start."""
    late = at_s >= nodes_s[1]
    low, share = lower_node(np.log(nodes_s[1:]), np.log(np.maximum(at_s, nodes_s[1])))
    low, share = np.where(late, low + 1, 0), np.where(late, share, at_s / nodes_s[1])
    started = at_s > 0
    return low, (np.where(started, 1.0 - share, 0.0), np.where(started, share, 0.0))
