"""Absorbing layers: convolutional perfectly matched layers with polynomial grading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import EPS_0
from vertherm.applicator.tm import ETA_0

Field = NDArray[np.float32]
ORDER = 3
STRENGTH = 0.8
"""Conductivity at the outer edge in units of (m + 1) / (eta spacing), the usual optimum of a graded layer."""
SHIFT_S_M = 0.01
"""Shift of the pole at the inner edge (helps with fields that are evanescent towards the layer)."""


@dataclass(frozen=True, eq=False)
class Absorber:
    """Recursion factors along one axis: memory <- keep memory + add difference.

    Attributes:
        electric, magnetic: (keep, add), each (nodes,), for the update of E (at nodes) and H (half a cell further).
    """

    electric: tuple[Field, Field]
    magnetic: tuple[Field, Field]

    @staticmethod
    def along(nodes: int, layers: int, spacing_m: float, dt_s: float, eps_r: float) -> Absorber:
        """Layers at both ends of an axis of ``nodes`` nodes, matched to a medium of about ``eps_r``."""
        strongest = STRENGTH * (ORDER + 1) * np.sqrt(1.0 / eps_r) / (ETA_0 * spacing_m)
        cells = nodes - 1
        found = []
        for shift in (0.0, 0.5):
            at = np.arange(nodes) + shift
            depth = np.clip(np.maximum(layers - at, at - (cells - layers)) / layers, 0.0, 1.0)
            sigma = strongest * depth**ORDER
            alpha = np.where(depth > 0, SHIFT_S_M * (1.0 - depth), 0.0)
            keep = np.exp(-(sigma + alpha) * dt_s / EPS_0)
            add = np.where(depth > 0, sigma / np.maximum(sigma + alpha, 1e-30) * (keep - 1.0), 0.0)
            found.append((keep.astype(np.float32), add.astype(np.float32)))
        return Absorber(found[0], found[1])
