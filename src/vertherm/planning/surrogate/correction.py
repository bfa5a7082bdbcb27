"""The ratio of the coupled to the linear rise in every watched cell, as a function of power and time.

    R(P, u)       while power is on, u seconds of power after the start
    R(P, u) rho   tau seconds after switch-off, rho(tau, u)

Both are 1 at u = 0 and tau = 0. Drying, boiling, reflection and lost blood flow make R fall from 1 to 0.3 near an
antenna at full power, or rise to 4 beside the shaft: it is kept cell by cell. Rises are regularised by ``SMALL_K``, so
that cells that hardly warm have no wild ratio; the nodes are reproduced exactly all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.planning.surrogate.coupled import TAIL_S

Float = NDArray[np.float32]
Array = NDArray[np.float64]
SMALL_K = 0.05
LARGEST_RATIO = 50.0
SOFTEN_S = 20.0
"""Time enters as log(u + this): between nodes the ratio bends as drying does, and 0 is a node."""


@dataclass(frozen=True, eq=False)
class Correction:
    """R and rho of one kind of member at one place.

    Linear in the logarithm of time, quadratic in that of power. Above the highest power and beyond the longest time
    both are held; below the lowest power they go to 1, the linear answer, in proportion to it.

    Args:
        powers_w: (k,) nodes, growing, in the setup's own power.
        times_s: (nu,) nodes of u, the first is 0.
        heating: (k, nu, cells) R.
        offs_s: (no,) durations of heating for which rho is known, growing.
        tail: (k, no, 1 + tail, cells) rho at 0 and at the instants after switch-off.
    """

    powers_w: Array
    times_s: Array
    heating: Float
    offs_s: Array
    tail: Float

    def weights(self, power_w: Array, on_s: Array) -> Array:
        """What R takes from its nodes after ``on_s`` with ``power_w``, both (instants,): (instants, k * nu)."""
        time = interpolation(np.log(self.times_s + SOFTEN_S), np.log(on_s + SOFTEN_S))
        power = power_weights(self.powers_w, power_w)
        return (power[:, :, None] * time[:, None, :]).reshape(len(on_s), -1)

    def tail_weights(self, power_w: Array, on_s: Array, off_s: Array) -> Array:
        """What rho takes from its nodes ``off_s`` after switch-off: (instants, k * no * (1 + tail))."""
        power = power_weights(self.powers_w, power_w)
        heated = interpolation(np.log(self.offs_s), np.log(np.maximum(on_s, 1e-3)))
        tau = np.concatenate([[0.0], TAIL_S])
        time = interpolation(np.log(tau + SOFTEN_S), np.log(off_s + SOFTEN_S))
        product = power[:, :, None, None] * heated[:, None, :, None] * time[:, None, None, :]
        return product.reshape(len(on_s), -1)

    def linear_share(self, power_w: Array) -> Array:
        """Weight of the linear answer, for which R and rho are 1, below the lowest node: (instants,)."""
        return 1.0 - np.clip(power_w / self.powers_w[0], 0.0, 1.0)


def interpolation(nodes: Array, at: Array) -> Array:
    """Weights of linear interpolation, held beyond the ends: (len(at), len(nodes))."""
    found = np.zeros((len(at), len(nodes)))
    if len(nodes) == 1:
        found[:, 0] = 1.0
        return found
    inside = np.clip(at, nodes[0], nodes[-1])
    low = np.clip(np.searchsorted(nodes, inside, side="right") - 1, 0, len(nodes) - 2)
    share = (inside - nodes[low]) / (nodes[low + 1] - nodes[low])
    rows = np.arange(len(at))
    found[rows, low] = 1.0 - share
    found[rows, low + 1] += share
    return found


def power_weights(nodes_w: Array, power_w: Array) -> Array:
    """Lagrange weights in the logarithm of power, (instants, k); held above the highest node, to 0 below the lowest."""
    x, at = np.log(nodes_w), np.log(np.clip(power_w, nodes_w[0], nodes_w[-1]))
    weights = np.ones((len(at), len(x)))
    for i in range(len(x)):
        others = np.delete(x, i)
        weights[:, i] = np.prod((at[:, None] - others) / (x[i] - others), axis=1)
    return weights * np.clip(power_w / nodes_w[0], 0.0, 1.0)[:, None]


def ratio(rise_k: Float, linear_k: Float) -> Float:
    """Regularised ratio of two rises of the same shape."""
    above = np.maximum(rise_k, 0.0) + SMALL_K
    return np.clip(above / (linear_k + SMALL_K), 1.0 / LARGEST_RATIO, LARGEST_RATIO).astype(np.float32)
