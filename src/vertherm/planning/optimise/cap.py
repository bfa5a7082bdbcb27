"""What a zone that falls short by a distance leaves of a ball, and the distance for what it leaves.

A ball of radius R that is missed on one side loses a cap of height h: V_cap = pi h^2 (3 R - h) / 3. Where a zone falls
short all around, more is lost by the same distance, and less distance is missing for the same share.
"""

from __future__ import annotations

import numpy as np

STEPS = 2001


def lacking_mm(coverage: float, volume_ml: float) -> float:
    """How far a zone must grow to cover the rest of a ball of this volume; exact where one side is missed."""
    heights, shares = _caps(volume_ml)
    return float(np.interp(1.0 - coverage, shares, heights))


def share_left(short_mm: np.ndarray | float, volume_ml: float) -> np.ndarray:
    """Share of a ball that is covered where a zone falls short by so much on one side; 1 where it does not.

    Args:
        short_mm: one value or many; below 0 counts as 0.
        volume_ml: of the ball.
    """
    heights, shares = _caps(volume_ml)
    return np.asarray(1.0 - np.interp(short_mm, heights, shares))


def _caps(volume_ml: float) -> tuple[np.ndarray, np.ndarray]:
    """Heights of caps (mm) and their share of the ball."""
    volume = 1000.0 * volume_ml
    radius = (3.0 * volume / (4.0 * np.pi)) ** (1.0 / 3.0)
    heights = np.linspace(0.0, 2.0 * radius, STEPS)
    return heights, np.pi * heights**2 * (3.0 * radius - heights) / 3.0 / volume
