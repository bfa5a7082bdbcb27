"""Predicted against observed: how alike two zones are, in numbers that a device's record can hold."""

from __future__ import annotations

from dataclasses import dataclass

from vertherm.followup.planned import PredictedZone
from vertherm.followup.zone import ObservedZone
from vertherm.geometry.volume import FloatArray
from vertherm.geometry.zone_compare import dice, surface_distances, zone_size


@dataclass(frozen=True)
class Agreement:
    """One metric's predicted zone against the observed one. Lengths in mm along and across the needle."""

    metric: str
    label: str
    predicted_ml: float
    observed_ml: float
    predicted_long_mm: float
    predicted_short_mm: float
    observed_long_mm: float
    observed_short_mm: float
    dice: float
    mean_distance_mm: float
    hausdorff95_mm: float
    signed_mm: float


def agreement(predicted: PredictedZone, observed: ObservedZone, axis: FloatArray | None) -> Agreement:
    """Compare two zones of the planning frame.

    Args:
        predicted: of one metric.
        observed: treated zone.
        axis: direction of the needle; None: the zone's own longest axis.
    """
    own, other = zone_size(predicted.mask, axis), zone_size(observed.mask, axis)
    apart = surface_distances(observed.mask, predicted.mask)
    return Agreement(
        metric=predicted.metric,
        label=predicted.label,
        predicted_ml=own.volume_ml,
        observed_ml=other.volume_ml,
        predicted_long_mm=own.long_mm,
        predicted_short_mm=own.short_mm,
        observed_long_mm=other.long_mm,
        observed_short_mm=other.short_mm,
        dice=dice(observed.mask, predicted.mask),
        mean_distance_mm=apart.mean_mm,
        hausdorff95_mm=apart.hausdorff95_mm,
        signed_mm=apart.signed_mm,
    )
