"""The body's outline and the skin from HU. All arrays stored x, y, z (canonical), so slices along z are axial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.imaging.tables import rule

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Body:
    """Body, and the air around it.

    Args:
        mask: the body with everything inside it (gas too); all True where no outside air is in the image.
        outside: air around the body (with table, mattress, clothes); empty where none is in the image.
        no_data: voxels that hold no data, neither air nor the body's edge; they count as inside ``mask``.
    """

    mask: Bool
    outside: Bool
    no_data: Bool | None = None

    @property
    def skin_in_image(self) -> bool:
        """True where some of the body's surface lies in the image."""
        return bool(self.outside.any())


def derive_body(hu: NDArray[np.float32], spacing_mm: Float, no_data: Bool | None = None) -> Body:
    """Body by threshold, opening (parts the table), largest components, holes filled slice by slice.

    What is left counts as outside only where it reaches along an upright edge of the image through most slices: gas in
    bowel or lung that the image border cuts does not. Where the field of view ends before the image does (``no_data``),
    air that reaches along its rim counts too.
    """
    from scipy import ndimage

    tissue = hu > rule("hu body")
    opened = _opened(tissue, spacing_mm, rule("body opening"))
    labels, count = ndimage.label(opened)
    if count == 0:
        outside = np.ones_like(tissue) if no_data is None else ~no_data
        return Body(~outside, outside, no_data)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large = np.flatnonzero(sizes >= rule("body part share") * sizes.max())
    trunk = labels == sizes.argmax()
    for label in large:
        if label != sizes.argmax() and _flesh(hu, labels == label):
            trunk |= labels == label
    # What the opening took from the surface comes back, but not the table it had cut off.
    trunk = _dilated(trunk, spacing_mm, rule("body opening")) & tissue
    filled = np.stack([ndimage.binary_fill_holes(trunk[:, :, k]) for k in range(trunk.shape[2])], axis=-1)
    if no_data is None or not no_data.any():
        outside = _reaching_edges(~filled)
    else:
        rest = ~filled & ~no_data
        outside = _reaching_edges(rest) | _reaching_rim(rest, hu, no_data)
    return Body(~outside, outside, no_data)


def derive_skin(body: Body, spacing_mm: Float) -> Bool:
    """The outermost layer of the body: skin thickness, at least one voxel; none along the image border or no data."""
    if not body.skin_in_image:
        return np.zeros_like(body.mask)
    depth = max(rule("skin thickness") + 0.5 * float(spacing_mm.min()), 1.01 * float(spacing_mm.max()))
    if body.no_data is None or not body.no_data.any():
        return _dilated(body.outside, spacing_mm, depth) & body.mask
    # Voxels at the rim are mixtures of data and padding: what looks like air there makes no skin.
    rim = _dilated(body.no_data, spacing_mm, 2.01 * float(spacing_mm.max()))
    near = _dilated(body.no_data, spacing_mm, depth)
    return _dilated(body.outside & ~rim, spacing_mm, depth) & body.mask & ~near


def _flesh(hu: NDArray[np.float32], part: Bool) -> bool:
    """Arms are flesh through and through; a table is foam within a shell."""
    from scipy import ndimage

    core = ndimage.binary_erosion(part, iterations=2)
    return (
        bool(core.any()) and float(np.mean(hu[core] > rule("hu body"))) > 0.95 and float(np.median(hu[core])) > -150.0
    )


def _reaching_edges(rest: Bool) -> Bool:
    """Components of ``rest`` that lie on an upright edge of the image in at least half of the slices."""
    from scipy import ndimage

    labels, count = ndimage.label(rest)
    if count == 0:
        return np.zeros_like(rest)
    kept: set[int] = set()
    for x in (0, -1):
        for y in (0, -1):
            ids, counts = np.unique(labels[x, y, :], return_counts=True)
            kept.update(int(i) for i, n in zip(ids, counts, strict=True) if i > 0 and n >= 0.5 * rest.shape[2])
    return np.isin(labels, sorted(kept)) if kept else np.zeros_like(rest)


def _reaching_rim(rest: Bool, hu: NDArray[np.float32], no_data: Bool) -> Bool:
    """Components of ``rest`` that are air and lie on a good part of the rim of no data, in at least half its slices."""
    from scipy import ndimage

    labels, count = ndimage.label(rest)
    square = np.ones((3, 3, 1), bool)
    rim = ndimage.binary_dilation(no_data, square) & ~no_data
    slices = int(rim.any(axis=(0, 1)).sum())
    if count == 0 or slices == 0:
        return np.zeros_like(rest)
    kept = []
    ids, touching = np.unique(labels[rim], return_counts=True)
    for label, touch in zip(ids, touching, strict=True):
        if label == 0 or touch < rule("no data rim") * np.count_nonzero(rim):
            continue
        part = labels == label
        along = int((part & rim).any(axis=(0, 1)).sum())
        if along >= 0.5 * slices and float(np.median(hu[part])) < rule("no data air"):
            kept.append(int(label))
    return np.isin(labels, kept) if kept else np.zeros_like(rest)


def _opened(mask: Bool, spacing_mm: Float, radius_mm: float) -> Bool:
    from scipy import ndimage

    ball = _ball(radius_mm, spacing_mm)
    # Padding with the edge's own values: the image border must not erode the body.
    pad = [(n // 2, n // 2) for n in ball.shape]
    padded = np.pad(mask, pad, mode="edge")
    opened = ndimage.binary_dilation(_eroded(padded, ball), ball)
    return np.asarray(opened[tuple(slice(p[0], n - p[1]) for p, n in zip(pad, padded.shape, strict=True))])


def _eroded(mask: Bool, ball: Bool) -> Bool:
    from scipy import ndimage

    return np.asarray(ndimage.binary_erosion(mask, ball, border_value=1))


def _dilated(mask: Bool, spacing_mm: Float, radius_mm: float) -> Bool:
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(mask, _ball(radius_mm, spacing_mm)))


def _ball(radius_mm: float, spacing_mm: Float) -> Bool:
    half = np.maximum(np.floor(radius_mm / spacing_mm + 1e-9), 1).astype(int)
    axes = np.meshgrid(*(np.arange(-n, n + 1) for n in half), indexing="ij")
    distance = np.sqrt(sum((a * s) ** 2 for a, s in zip(axes, spacing_mm, strict=True)))
    return np.asarray(distance <= max(radius_mm, float(np.min(spacing_mm))) + 1e-9)
