"""The treated zone in a scan with contrast medium: what takes none up any more, grown from where it must be.

Coagulated tissue has no perfusion. On a scan with contrast medium, from which the same scan without it (or the
registered planning scan) is subtracted, it stays dark while its surroundings brighten. The edge lies half way between
the two. Where tissue takes up little by nature (disc, fat, fluid) nothing can be told, and under cement neither: the
first is left out and said, the second takes the side of its nearest visible neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Volume

Bool = NDArray[np.bool_]
SMOOTHING_MM = (1.0, 1.5, 2.0, 2.5, 3.0)
"""Tried in turn: the noisier the scan, the more is smoothed."""
SCANNER_MM = 0.8
"""Blur of the scan itself, for the correction of curved edges."""
OPENING_MM = 1.5
GOOD_CNR = 5.0
LEAST_CNR = 4.0
"""Contrast over noise after smoothing: the first is sought; below the second no edge is placed. At 4 a voxel lies on
the wrong side of the half-way level in 2 % of cases."""
THRESHOLD_SD = 0.1
"""Doubt of the half-way level, as a share of the contrast: core and surroundings are not one value each."""
ROUNDS = 3
SHELL_MM = (3.0, 10.0)
FIRST_SHELL_MM = (15.0, 30.0)
"""Surroundings: this far beyond the zone's edge; at first, when only the seeds are known, farther out."""


@dataclass(frozen=True, eq=False)
class Tissue:
    """What each voxel of the local grid is, for the segmentation; all bool arrays of one shape.

    Args:
        bone: bone that takes up contrast medium.
        soft: soft tissue that does.
        cement: cement or metal, which hides what lies there; its glare included.
    """

    bone: Bool
    soft: Bool
    cement: Bool

    @property
    def visible(self) -> Bool:
        """Where the zone can be told from its surroundings."""
        return np.asarray((self.bone | self.soft) & ~self.cement)


@dataclass(frozen=True, eq=False)
class ObservedZone:
    """The treated zone of one examination, in the planning frame.

    Args:
        mask: bool.
        given: True where a person drew or edited it.
        cnr: contrast to noise; None where given.
        edge_sd_mm: standard deviation of the edge's place.
        hidden: share of the zone under cement.
        notes: what a reader must know.
    """

    mask: Volume
    given: bool
    cnr: float | None
    edge_sd_mm: float
    hidden: float
    notes: tuple[str, ...] = ()

    @property
    def volume_ml(self) -> float:
        """By voxels."""
        return float(np.count_nonzero(self.mask.data)) * self.mask.grid.voxel_volume_ml


@dataclass(frozen=True)
class NotVisible:
    """Why no zone was found."""

    reason: str


def segment_zone(signal: Volume, seeds: Bool, tissue: Tissue) -> ObservedZone | NotVisible:
    """Grow the zone from its seeds.

    Args:
        signal: what contrast medium added (or an image in which the zone is dark), on an isotropic grid.
        seeds: where the zone surely is: the middle of the predicted zone, or a point a person named.
        tissue: what each voxel is.

    Returns:
        The zone, or the reason why it is not visible: nothing is guessed.

    Raises:
        InputError: no seed lies in visible tissue.
    """
    start = seeds & tissue.visible
    if not start.any():
        raise InputError(
            "There is no seed for the treated zone.",
            where=signal.source,
            got="no voxel of bone or soft tissue, free of cement, among the seeds",
            advice="name a seed inside the zone, or give the zone as a mask",
        )
    image = _readable(signal, start, tissue)
    if isinstance(image, NotVisible):
        return image
    zone = start
    for turn in range(ROUNDS):
        image = image if turn == 0 else _compared(image.smooth, image.sigma_mm, zone, tissue, image.spacing, SHELL_MM)
        if isinstance(image, NotVisible):
            return image
        zone = _grown(image.smooth < _level(image, zone, tissue), start, tissue, image.spacing)
    if _touches_border(zone):
        return NotVisible("what looks like the zone runs out of the region around the vertebra")
    sd = _edge_sd(image, zone, tissue.visible)
    whole = _under_cement(zone, tissue.visible, tissue.cement)
    hidden = float(np.count_nonzero(whole & ~zone)) / float(np.count_nonzero(whole))
    notes = ["not followed into disc, fat, fluid or canal, which take up no contrast medium"]
    if hidden > 0.05:
        notes.append(f"{100 * hidden:.0f} % of it lies under cement and takes the side of its surroundings")
    mask = Volume(whole, signal.grid, f"treated zone in {signal.source}")
    return ObservedZone(mask, False, image.cnr, sd, hidden, tuple(notes))


def given_zone(mask: Volume, edge_sd_mm: float) -> ObservedZone:
    """A zone that a person drew or edited.

    Raises:
        InputError: the mask is empty.
    """
    if not mask.data.any():
        raise InputError("The mask of the treated zone is empty.", where=mask.source, advice="check file and label")
    return ObservedZone(mask.with_data(mask.data.astype(bool)), True, None, edge_sd_mm, 0.0)


def known_mean(values: NDArray[np.float64], known: Bool, sigma: float) -> NDArray[np.float64]:
    """Gaussian mean over the known voxels only; ``sigma`` in voxels."""
    from scipy.ndimage import gaussian_filter

    weight = gaussian_filter(known.astype(float), sigma, mode="nearest")
    total = gaussian_filter(np.where(known, values, 0.0), sigma, mode="nearest")
    return np.asarray(total / np.maximum(weight, 1e-3))


@dataclass(frozen=True, eq=False)
class _Compared:
    """A smoothed image, its core and surroundings; ``usual`` is the tissue that the zone mostly lies in."""

    smooth: NDArray[np.float64]
    sigma_mm: float
    spacing: float
    core: float
    around: dict[str, float]
    noise: float
    usual: str

    @property
    def contrast(self) -> float:
        return self.around[self.usual] - self.core

    @property
    def cnr(self) -> float:
        return self.contrast / self.noise


def _readable(signal: Volume, start: Bool, tissue: Tissue) -> _Compared | NotVisible:
    """The least smoothed image in which the zone stands out well enough."""
    spacing = float(signal.grid.spacing_mm.max())
    values = signal.data.astype(float)
    best: _Compared | None = None
    for sigma_mm in SMOOTHING_MM:
        image = _compared(
            known_mean(values, tissue.visible, sigma_mm / spacing), sigma_mm, start, tissue, spacing, FIRST_SHELL_MM
        )
        if isinstance(image, NotVisible):
            return image
        best = image if best is None or image.cnr > best.cnr else best
        if image.cnr >= GOOD_CNR:
            return image
    assert best is not None
    if best.cnr >= LEAST_CNR:
        return best
    return NotVisible(
        f"contrast to noise {max(best.cnr, 0.0):.1f} between the middle of the zone and its surroundings at best, "
        f"{LEAST_CNR:.0f} needed"
    )


def _compared(
    smooth: NDArray[np.float64],
    sigma_mm: float,
    zone: Bool,
    tissue: Tissue,
    spacing: float,
    shell_mm: tuple[float, float],
) -> _Compared | NotVisible:
    """Values of core and surroundings; bone and soft tissue have surroundings of their own."""
    from scipy.ndimage import distance_transform_edt

    visible = tissue.visible
    outside = np.asarray(distance_transform_edt(~zone)) * spacing
    inside = np.asarray(distance_transform_edt(zone)) * spacing
    reach = float(inside.max())
    low, high = shell_mm
    shell = (outside > low) & (outside <= high) & visible
    deep = zone & visible & (inside > min(sigma_mm + SCANNER_MM, 0.5 * reach))
    kinds = {"bone": shell & tissue.bone, "soft": shell & tissue.soft}
    kinds = {name: part for name, part in kinds.items() if part.sum() * spacing**3 > 200.0}
    if not kinds:
        return NotVisible("no tissue around the zone to compare it with")
    around = {name: float(np.median(smooth[part])) for name, part in kinds.items()}
    core = float(np.mean(smooth[deep if deep.any() else zone & visible]))
    in_bone = np.count_nonzero(zone & tissue.bone) >= np.count_nonzero(zone & tissue.soft)
    usual = next(name for name in (("bone", "soft") if in_bone else ("soft", "bone")) if name in around)
    noise = max(robust_sd(smooth[kinds[usual]]), 1e-6)
    return _Compared(smooth, sigma_mm, spacing, core, around, noise, usual)


def _level(image: _Compared, zone: Bool, tissue: Tissue) -> NDArray[np.float64]:
    """Value of the edge at every voxel: half-way for a plane, a little higher for a ball.

    Blurred by s, the half-way surface of a ball of radius R lies s^2/R within it.
    """
    blur = float(np.hypot(image.sigma_mm, SCANNER_MM))
    radius = max((3.0 * np.count_nonzero(zone) * image.spacing**3 / (4.0 * np.pi)) ** (1.0 / 3.0), 3.0 * blur)
    share = 0.5 + blur / (radius * np.sqrt(2.0 * np.pi))
    usual = image.around[image.usual]
    level = np.full(image.smooth.shape, -np.inf)
    for name, part in (("bone", tissue.bone), ("soft", tissue.soft)):
        level[part] = image.core + share * (image.around.get(name, usual) - image.core)
    return level


def robust_sd(values: NDArray[Any]) -> float:
    """Standard deviation by the median absolute deviation: outliers do not count."""
    if values.size < 2:
        return 0.0
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _grown(below: Bool, start: Bool, tissue: Tissue, spacing: float) -> Bool:
    """Connected dark tissue that holds seeds, without what hangs on by thin bridges; cement parts nothing."""
    from scipy import ndimage

    dark = below & tissue.visible
    opened = ndimage.binary_opening(dark | tissue.cement, ball_element(OPENING_MM / spacing)) | (start & dark)
    labels, _ = ndimage.label(opened)
    kept = np.unique(labels[start & opened])
    zone = np.isin(labels, kept[kept > 0]) & dark
    return (
        np.asarray(ndimage.binary_fill_holes(zone | tissue.cement) & tissue.visible & (zone | ~dark))
        if zone.any()
        else start
    )


def ball_element(radius: float) -> Bool:
    """Structuring element: a ball of a radius in voxels."""
    reach = int(np.ceil(radius))
    axes = np.meshgrid(*3 * [np.arange(-reach, reach + 1)], indexing="ij")
    return np.asarray(sum(a.astype(float) ** 2 for a in axes) <= max(radius, 1.0) ** 2)


def _touches_border(zone: Bool) -> bool:
    return any(np.take(zone, [0, -1], axis=axis).any() for axis in range(3))


def _edge_sd(image: _Compared, zone: Bool, visible: Bool) -> float:
    """Noise and doubt of the level over the slope of the image at the edge, and the voxel itself."""
    from scipy.ndimage import binary_dilation, binary_erosion

    slope = np.linalg.norm(np.gradient(image.smooth, image.spacing), axis=0)
    edge = binary_dilation(zone) & ~binary_erosion(zone) & visible
    steep = max(float(np.median(slope[edge])), 1e-6)
    level = image.noise**2 + (THRESHOLD_SD * image.contrast) ** 2
    return float(np.sqrt(level / steep**2 + image.spacing**2 / 12.0))


def _under_cement(zone: Bool, visible: Bool, cement: Bool) -> Bool:
    """The zone with the hidden voxels whose nearest visible neighbour belongs to it."""
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~visible, return_distances=False, return_indices=True)
    return np.asarray(zone | (cement & zone[tuple(nearest)]))
