"""Doses from a temperature course, and how a zone covers a lesion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vertherm.materials.constants import constants
from vertherm.materials.damage import GAS_CONSTANT, LARGEST_LN_RATE, ZERO_CELSIUS_K
from vertherm.planning.evaluate import zone_field
from vertherm.planning.surrogate.kernels import peak_and_dose
from vertherm.planning.surrogate.sites import TargetSites

Float = NDArray[np.float32]
Array = NDArray[np.float64]
HOTTEST_COUNTED_C = 150.0
"""Rates stop growing here: any tissue is long dead, and float32 must hold them."""
NO_RATE = np.float32(-1e3)


def cem43_min(course_c: Float, at_s: Array) -> Float:
    """Cumulative equivalent minutes at 43 degC of (instants, cells); nothing counts below the convention's cut-off.

    Between instants the logarithm of the rate is taken as linear: exact where temperature is.
    """
    return peak_and_cem43(course_c, at_s)[1]


def peak_and_cem43(course_c: Float, at_s: Array) -> tuple[Float, Float]:
    """Highest temperature and :func:`cem43_min` of (instants, cells): two of (cells,)."""
    above, below = constants("cem43_base_above").value, constants("cem43_base_below").value
    slopes = (np.float32(-np.log2(above)), np.float32(-np.log2(below)))
    peak: Float = np.empty(course_c.shape[1], np.float32)
    seconds = np.empty_like(peak)
    cutoff = np.float32(constants("cem43_cutoff").value)
    peak_and_dose(course_c, at_s, slopes, cutoff, np.float32(HOTTEST_COUNTED_C), peak, seconds)
    return peak, seconds / np.float32(60.0)


def omega(course_c: Float, at_s: Array, damage: Array, model: NDArray[np.uint8]) -> Float:
    """Arrhenius integral of each cell's model.

    Args:
        course_c: (instants, cells).
        at_s: (instants,).
        damage: (models, 4) ln A, E_a, first degree, shift.
        model: (cells,).
    """
    ln_a, ea, first, shift = (damage[model, n].astype(np.float32) for n in range(4))
    read = np.minimum(course_c, np.float32(HOTTEST_COUNTED_C)) - shift
    kelvin = np.maximum(read + np.float32(ZERO_CELSIUS_K), np.float32(1.0))
    log_rate = np.minimum(ln_a - ea / (np.float32(GAS_CONSTANT) * kelvin), np.float32(LARGEST_LN_RATE))
    return gathered(np.where(read < first, NO_RATE, log_rate), at_s)


def gathered(log_rate: Float, at_s: Array) -> Float:
    """Integral of exp(log_rate) over the instants, log-linear between them; (instants, cells) to (cells,)."""
    counted = np.flatnonzero((log_rate > NO_RATE).any(axis=0))
    found: Float = np.zeros(log_rate.shape[1], np.float32)
    if not counted.size:
        return found
    part = log_rate[:, counted]
    rate = np.exp(part)
    step = np.diff(at_s).astype(np.float32)[:, None]
    change = np.diff(part, axis=0)
    plain = (np.abs(change) < 1e-3) | (part[1:] <= NO_RATE) | (part[:-1] <= NO_RATE)
    mean = np.where(plain, 0.5 * (rate[1:] + rate[:-1]), np.diff(rate, axis=0) / np.where(plain, 1.0, change))
    found[counted] = (mean * step).sum(axis=0)
    return found


def coverage(
    target: TargetSites, fields: Mapping[str, Float], quantity: str, level: float
) -> tuple[float, float, float]:
    """Share of the goal and of the lesion that is ablated, and the margin in mm (nan: nothing is ablated).

    The zone's surface lies where the field, on a scale that is nearly linear in space, reaches the level between two
    neighbouring cells; the margin is its smallest signed distance from the lesion, or that of a cell left out.

    Args:
        target: cells in and around the lesion.
        fields: by quantity, of all the cells that ``target.where`` counts in.
        quantity, level: of the metric.
    """
    field, edge = zone_field(fields[quantity][target.where], quantity, level)
    above = field.astype(np.float64) - edge
    ablated, distance = above >= 0, target.distance_mm
    goal, lesion = distance <= target.margin_mm, distance <= 0
    shares = float(ablated[goal].mean()), float(ablated[lesion].mean())
    if not ablated.any():
        return 0.0, 0.0, float("nan")
    if ablated.all():
        return *shares, target.reach_mm
    a, b = above[target.edges[:, 0]], above[target.edges[:, 1]]
    cut = (a >= 0) != (b >= 0)
    part = a[cut] / (a[cut] - b[cut])
    ends = distance[target.edges[cut]]
    crossing = ends[:, 0] + part * (ends[:, 1] - ends[:, 0])
    return *shares, float(min(crossing.min(initial=np.inf), distance[~ablated].min()))
