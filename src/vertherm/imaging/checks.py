"""Checks a CT must pass, and metal in its field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.imaging.anatomy import cropped
from vertherm.imaging.tables import rule


def check_hu(ct: Volume) -> None:
    """Refuse a CT whose voxels are not Hounsfield units.

    Raises:
        InputError: NaN or infinite voxels, a constant image, values scaled to 0..1, or stored values without offset.
    """
    data = ct.data
    where = ct.source
    if not np.issubdtype(data.dtype, np.integer):
        bad = int(np.size(data) - np.count_nonzero(np.isfinite(data)))
        if bad:
            raise InputError(
                "The CT holds voxels that are not numbers.",
                where=where,
                got=f"{bad} NaN or infinite voxels",
                expected="finite Hounsfield units",
                advice="export the CT again without masking",
            )
    lowest = float(data.min())
    # Padding says nothing about the units of the rest.
    low = float(data.min(where=data > rule("hu no data"), initial=np.inf)) if lowest < 0 else lowest
    high = float(data.max())
    low = low if low <= high else lowest
    got = f"{low:g}..{high:g}"
    if low == high:
        raise InputError("The CT is one constant value.", where=where, got=got, expected="Hounsfield units")
    if low >= -1.5 and high <= 1.5:
        raise InputError(
            "The CT looks normalised, not in Hounsfield units.",
            where=where,
            got=got,
            expected="air near -1000 HU, bone above 200 HU",
            advice="give the CT before any normalisation",
        )
    if low > rule("hu offset floor") and high > rule("hu bone"):
        raise InputError(
            "The CT looks like stored values without the rescale offset: it has nothing as dark as fat.",
            where=where,
            got=got,
            expected="fat near -100 HU, air near -1000 HU",
            advice="apply rescale slope and intercept (often -1024) when exporting",
        )
    if lowest < rule("hu plausible low") or high > rule("hu plausible high"):
        raise InputError(
            "The CT holds values no scanner writes in HU.",
            where=where,
            got=f"{lowest:g}..{high:g}",
            expected="about -1024..3071",
        )


@dataclass(frozen=True, eq=False)
class Metal:
    """Metal in the field.

    Args:
        mask: bool, cropped; any grid of the frame.
        centres_mm: (n, 3) RAS centre of each cluster, largest first.
        volumes_ml: volume of each.
        peak_hu: highest HU of each.
    """

    mask: Volume
    centres_mm: FloatArray
    volumes_ml: tuple[float, ...]
    peak_hu: tuple[float, ...]

    def distance_mm(self, point_mm: Any) -> float:
        """Distance from a RAS point to the nearest metal voxel (its centre), mm."""
        points = self.mask.grid.world(np.argwhere(self.mask.data))
        return float(np.linalg.norm(points - np.asarray(point_mm, float), axis=1).min())

    def note(self, point_mm: Any = None) -> str:
        """One sentence for a person, with the distance to a point where one is given."""
        text = (
            f"metal in the field: {len(self.volumes_ml)} cluster(s), up to {max(self.peak_hu):.0f} HU, "
            f"{sum(self.volumes_ml):.1f} ml; field and heating near it are not to be trusted"
        )
        if point_mm is None:
            return text
        return f"{text}; nearest {self.distance_mm(point_mm):.0f} mm from the target"


def detect_metal(ct: Volume) -> Metal | None:
    """Clusters of voxels above the metal threshold with the brighter voxels around them; None where there are none."""
    from scipy import ndimage

    core = np.asarray(ct.data) > rule("metal threshold")
    if not core.any():
        return None
    edge = np.asarray(ct.data) > rule("metal edge")
    labels, _ = ndimage.label(edge, structure=np.ones((3, 3, 3)))
    kept = np.unique(labels[core])
    found: list[tuple[float, FloatArray, float, int]] = []
    windows = ndimage.find_objects(labels)
    for label in kept[kept > 0]:
        window = windows[label - 1]
        inside = labels[window] == label
        volume = float(inside.sum()) * ct.grid.voxel_volume_ml
        if volume * 1000.0 < rule("metal volume"):
            continue
        index = np.argwhere(inside).mean(0) + [s.start for s in window]
        found.append((volume, ct.grid.world(index), float(np.asarray(ct.data)[window][inside].max()), int(label)))
    if not found:
        return None
    found.sort(key=lambda item: (-item[0], *np.round(item[1], 3)))
    mask: NDArray[np.bool_] = np.isin(labels, [item[3] for item in found])
    return Metal(
        cropped(mask, ct.grid, "HU above the metal threshold"),
        np.array([item[1] for item in found]),
        tuple(item[0] for item in found),
        tuple(item[2] for item in found),
    )
