"""What pictures need beside the numbers: images, fields and curves, all in one frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import Structure


@dataclass(frozen=True, eq=False)
class ZoneField:
    """A scalar field on the heat grid and the level whose surface is the zone of a metric.

    ``nominal`` is the nominal member; ``smallest`` and ``largest`` are the cell-wise envelopes over all members;
    ``quantity`` says what the field is ("peak_c", "cem43_min", "omega").
    """

    metric: str
    label: str
    level: float
    nominal: Volume
    smallest: Volume
    largest: Volume
    quantity: str = "peak_c"


@dataclass(frozen=True, eq=False)
class ProbabilityField:
    """In how many of the samples each cell lies in the zone of a metric.

    Args:
        share: 0 to 1, float32 on the heat grid.
        samples: how many samples were counted (in their coverage reading).
    """

    metric: str
    label: str
    share: Volume
    samples: int


@dataclass(frozen=True, eq=False)
class Curve:
    """Largest temperature in one structure over time: the nominal member and the band over all members that count."""

    name: str
    kind: str
    time_s: NDArray[np.float64]
    nominal_c: NDArray[np.float64]
    low_c: NDArray[np.float64]
    high_c: NDArray[np.float64]
    warn_c: float | None
    stop_c: float | None


@dataclass(frozen=True, eq=False)
class Needle:
    """A needle to draw."""

    name: str
    trajectory: Trajectory
    shaft_radius_mm: float


@dataclass(frozen=True, eq=False)
class MediumRegion:
    """Where gas or fluid of a dissection or irrigation lies: name, medium, bool mask of any grid of the frame."""

    name: str
    medium: str
    region: Volume


@dataclass(frozen=True, eq=False)
class Scene:
    """Images, fields and curves of one simulated case."""

    ct: Volume
    lesions: dict[str, Volume]
    structures: tuple[Structure, ...]
    needles: tuple[Needle, ...]
    peak_c: Volume
    zones: tuple[ZoneField, ...]
    curves: tuple[Curve, ...]
    power_time_s: NDArray[np.float64]
    power_w: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    activations_s: tuple[tuple[float, float], ...] = ()
    focus_mm: NDArray[np.float64] | None = None
    mr: Volume | None = None
    probabilities: tuple[ProbabilityField, ...] = ()
    protection: tuple[MediumRegion, ...] = ()
