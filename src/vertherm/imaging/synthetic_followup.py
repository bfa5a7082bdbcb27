"""A made-up scan after the procedure: treated zone, cement, contrast medium and recurrence of known shape in a real CT.

No paired scans before and after an ablation of the spine can be had openly, so the follow-up is tested on these. They
are marked SYNTHETIC wherever they go. Shapes are ellipsoids with exact volumes; their edges are blurred like a
scanner's, never stepped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.no_data import NO_DATA_HU

_NO_TURN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Ellipsoid:
    """A solid of known size.

    Args:
        centre_mm: RAS point of the planning frame.
        half_axes_mm: along its own axes.
        axes: its own axes as rows, RAS unit vectors.
    """

    centre_mm: tuple[float, float, float]
    half_axes_mm: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], ...] = _NO_TURN

    @property
    def volume_ml(self) -> float:
        """4/3 pi a b c."""
        return float(4.0 / 3.0 * np.pi * np.prod(self.half_axes_mm)) / 1000.0

    def distance_mm(self, points_mm: FloatArray) -> FloatArray:
        """Signed distance to first order in the distance (exact for balls), negative inside; (..., 3) to (...)."""
        own = (np.asarray(points_mm, float) - self.centre_mm) @ np.asarray(self.axes, float).T
        scaled = own / self.half_axes_mm
        length = np.linalg.norm(scaled, axis=-1)
        slope = np.linalg.norm(scaled / self.half_axes_mm, axis=-1)
        near = np.maximum(slope, 1e-9)
        return np.where(slope < 1e-9, -min(self.half_axes_mm), length * (length - 1.0) / near)

    def mask(self, grid: Grid) -> Volume:
        """Voxels of a grid whose centre lies inside."""
        return Volume(self.distance_mm(grid.centres()) < 0.0, grid, "ellipsoid")


@dataclass(frozen=True)
class Paint:
    """What a solid shows in the image.

    Args:
        solid: where.
        hu: value inside, or what is added to the image where ``adds``.
        adds: True adds ``hu`` to what is there; False replaces it.
        enhances: share of the contrast medium's effect that stays inside (0: none, as in coagulated tissue).
    """

    solid: Ellipsoid
    hu: float
    adds: bool = True
    enhances: float = 1.0


@dataclass(frozen=True)
class Scanner:
    """How the made-up scan is taken.

    Args:
        blur_mm: standard deviation of its point spread, added to the planning scan's own.
        noise_hu: standard deviation of the noise at that blur.
        noise_length_mm: correlation length of the noise (kernel); 0: white.
        seed: of the noise.
    """

    blur_mm: float = 0.6
    noise_hu: float = 15.0
    noise_length_mm: float = 0.6
    seed: int = 0


def synthetic_followup(
    planning: Volume,
    grid: Grid,
    *,
    to_followup: FloatArray | None = None,
    paints: Sequence[Paint] = (),
    enhancement: Volume | None = None,
    scanner: Scanner = Scanner(),
) -> Volume:
    """A scan of the planning scan's body on another grid, with what the procedure left in it.

    Args:
        planning: HU of the planning scan.
        grid: of the new scan, in its own world.
        to_followup: (4, 4), planning RAS mm to new RAS mm; left out: identity.
        paints: in order; later ones lie on top.
        enhancement: HU that contrast medium adds, on any grid of the planning frame; left out: a native scan.
        scanner: blur and noise.

    Returns:
        float32 HU on ``grid``; its source says SYNTHETIC. Beyond the planning scan: air.

    Raises:
        InputError: the transform is not rigid.
    """
    back = np.linalg.inv(_rigid(to_followup))
    points = grid.centres() @ back[:3, :3].T + back[:3, 3]
    # A cubic spline keeps the edges that registration needs; the planning scan's own blur is in it already.
    hu = np.nan_to_num(planning.sample(points, order=3, outside=NO_DATA_HU), nan=NO_DATA_HU)
    outside = hu <= NO_DATA_HU + 1.0
    added = np.zeros(grid.shape) if enhancement is None else enhancement.sample(points, outside=0.0)
    for paint in paints:
        weight = _weight(paint.solid, points, scanner.blur_mm)
        added = added * (1.0 - weight * (1.0 - paint.enhances))
        hu = hu + weight * paint.hu if paint.adds else hu * (1.0 - weight) + paint.hu * weight
        if not paint.adds:
            added = added * (1.0 - weight)
    image = np.where(outside, -1000.0, hu + added)
    return Volume((image + _noise(grid, scanner)).astype(np.float32), grid, f"SYNTHETIC follow-up of {planning.source}")


def _rigid(transform: FloatArray | None) -> FloatArray:
    matrix = np.eye(4) if transform is None else np.asarray(transform, float)
    turn = matrix[:3, :3]
    if matrix.shape != (4, 4) or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-6) or np.linalg.det(turn) < 0:
        raise InputError("A transform between two scans must be rigid.", got=matrix.tolist(), expected="turn and shift")
    return matrix


def _weight(solid: Ellipsoid, points: FloatArray, blur_mm: float) -> FloatArray:
    """Share of the solid at each point, its edge blurred by the scanner."""
    from scipy.special import erfc

    return np.asarray(0.5 * erfc(solid.distance_mm(points) / (np.sqrt(2.0) * max(blur_mm, 1e-3))))


def _noise(grid: Grid, scanner: Scanner) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    if scanner.noise_hu <= 0:
        return np.zeros(grid.shape)
    white = np.random.default_rng(scanner.seed).standard_normal(grid.shape)
    smooth = gaussian_filter(white, scanner.noise_length_mm / grid.spacing_mm, mode="wrap")
    return np.asarray(scanner.noise_hu * smooth / smooth.std())
