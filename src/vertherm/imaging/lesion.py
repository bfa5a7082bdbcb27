"""A synthetic metastasis put into a real CT: deterministic by seed, and always marked SYNTHETIC.

The rule (project data notes): a noisy ball inside the vertebral body and outside the canal, filled with lesion HU and
correlated noise, blended with a mask blurred by the scanner's point spread. All noise lives on a lattice of its own in
world space, so the storage order of the CT cannot change the lesion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical.pathology import LesionKind
from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.anatomy import cropped, extent, on_grid, subgrid
from vertherm.imaging.tables import rule

Bool = NDArray[np.bool_]


def synthetic_lesion(
    ct: Volume,
    body: Volume,
    kind: LesionKind | str = LesionKind.lytic,
    *,
    centre_mm: Any = None,
    offset_mm: Any = (0.0, 0.0, 0.0),
    radius_mm: float = 8.5,
    seed: int = 0,
    posterior_wall_breach: bool = False,
    canal: Volume | None = None,
) -> tuple[Volume, Volume]:
    """Put a lesion into a vertebral body.

    Args:
        ct: HU.
        body: vertebral body without the arch, bool, any grid of the frame.
        kind: lytic, blastic or mixed.
        centre_mm: RAS centre; left out: the body's centre of mass.
        offset_mm: added to the centre, RAS.
        radius_mm: mean radius of the ball before the body cuts it.
        seed: of shape and texture.
        posterior_wall_breach: also destroy the posterior wall towards the canal and reach 2 mm into the epidural space.
        canal: bool mask; needed for a breach.

    Returns:
        The changed CT (same grid) and the lesion mask (bool, cropped out of the CT's grid).

    Raises:
        InputError: the centre is not in the body, nothing of the ball is, or a breach without a canal.
    """
    kind = LesionKind(kind)
    inside_body = on_grid(body, ct.grid)
    if not inside_body.any():
        raise InputError(
            "The vertebral body lies outside the CT.", where="synthetic lesion", advice="choose another level"
        )
    centre = _centre(ct, inside_body, centre_mm, offset_mm)
    window = _window(ct.grid, centre, radius_mm + 22.0)
    grid = subgrid(ct.grid, window)
    points = grid.centres()
    noise = _Noise(centre, radius_mm + 24.0, seed)
    allowed = _without_shell(inside_body, ct.grid)[window]
    distance = np.linalg.norm(points - centre, axis=-1)
    edge = radius_mm * (1.0 + rule("lesion shape noise") * noise(points, rule("lesion shape length"), 0))
    mask = allowed & (distance <= edge)
    if posterior_wall_breach:
        if canal is None:
            raise InputError(
                "A posterior wall breach needs the canal.", where="synthetic lesion", advice="label or derive it"
            )
        mask |= _breach(grid, points, centre, inside_body[window], on_grid(canal, ct.grid)[window], radius_mm)
    if not mask.any():
        raise InputError(
            "Nothing of the lesion lies inside the vertebral body.",
            where="synthetic lesion",
            got=f"radius {radius_mm} mm, voxels {np.round(ct.grid.spacing_mm, 2).tolist()} mm",
            advice="use a larger radius or another centre",
        )
    changed = ct.data.astype(np.float32, copy=True)
    changed[window] = _blended(changed[window], mask, _texture(kind, points, noise))
    full = np.zeros(ct.grid.shape, bool)
    full[window] = mask
    text = f"SYNTHETIC {kind.value} lesion, radius {radius_mm} mm, seed {seed}"
    return Volume(changed, ct.grid, f"{ct.source} with {text}"), cropped(full, ct.grid, text)


def _centre(ct: Volume, body: Bool, centre_mm: Any, offset_mm: Any) -> FloatArray:
    base = ct.grid.world(np.argwhere(body).mean(0)) if centre_mm is None else np.asarray(centre_mm, float)
    centre = base + np.asarray(offset_mm, float)
    index = np.rint(np.round(ct.grid.index(centre), 6)).astype(int)
    if not ct.grid.contains(centre) or not body[tuple(np.clip(index, 0, np.array(body.shape) - 1))]:
        raise InputError(
            "The centre of the synthetic lesion is not in the vertebral body.",
            where="synthetic lesion",
            got=f"{np.round(centre, 1).tolist()} mm RAS",
            expected=f"inside the body around {np.round(ct.grid.world(np.argwhere(body).mean(0)), 1).tolist()} mm RAS",
            advice="leave centre_mm out, or use a smaller offset"
            if centre_mm is not None or np.any(np.asarray(offset_mm, float))
            else "the body's own middle lies outside it (is it whole in the image?): give centre_mm",
        )
    return np.round(centre, 6)


def _window(grid: Grid, centre: FloatArray, reach_mm: float) -> tuple[slice, slice, slice]:
    corners = np.stack(np.meshgrid(*((c - reach_mm, c + reach_mm) for c in centre), indexing="ij"), -1).reshape(-1, 3)
    index = grid.index(corners)
    low = np.clip(np.floor(index.min(0)).astype(int), 0, grid.shape)
    high = np.clip(np.ceil(index.max(0)).astype(int) + 1, 0, grid.shape)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))


def _without_shell(body: Bool, grid: Grid) -> Bool:
    """The body without its cortex: at least one voxel and the cortex thickness in from the outside."""
    from scipy import ndimage

    window = extent(body, 1)
    out = np.zeros_like(body)
    if window is not None:
        depth = ndimage.distance_transform_edt(np.pad(body[window], 1), sampling=grid.spacing_mm)[1:-1, 1:-1, 1:-1]
        least = max(rule("cortex thickness"), 1.01 * float(grid.spacing_mm.min()))
        out[window] = depth > least
    return out


def _breach(grid: Grid, points: FloatArray, centre: FloatArray, body: Bool, canal: Bool, radius_mm: float) -> Bool:
    """A tunnel from the lesion to the nearest part of the canal: bone of the body on the way, and epidural space."""
    from scipy import ndimage

    if not canal.any():
        raise InputError("The canal is too far from the lesion for a breach.", where="synthetic lesion")
    at_canal = grid.world(np.argwhere(canal))
    # Aim at the canal in the lesion's own height, so that the wall is crossed and not the disc.
    cost = np.linalg.norm((at_canal - centre) * (1.0, 1.0, 3.0), axis=1)
    goal = at_canal[int(np.argmin(np.round(cost, 6)))]
    way = goal - centre
    share = np.clip((points - centre) @ way / float(way @ way), 0, 1.3)
    near = np.linalg.norm(points - centre - share[..., None] * way, axis=-1) <= min(radius_mm - 1.0, 5.0)
    to_body = ndimage.distance_transform_edt(~body, sampling=grid.spacing_mm)
    reach = max(rule("lesion epidural"), 1.01 * float(grid.spacing_mm.min()))
    return np.asarray(
        near & (body | (canal & (to_body <= reach)) | (~body & ~canal & (to_body <= reach) & (share > 0.5)))
    )


class _Noise:
    """Smooth unit-variance noise in world space: white noise on a 1 mm lattice around the lesion, blurred."""

    def __init__(self, centre: FloatArray, reach_mm: float, seed: int) -> None:
        half = int(np.ceil(reach_mm))
        self.shape = (2 * half + 1,) * 3
        self.origin = centre - half
        self.seed = seed

    def __call__(self, points: FloatArray, length_mm: float, stream: int) -> FloatArray:
        """Values at RAS points, correlation length ``length_mm``; each stream is independent."""
        from scipy import ndimage

        white = np.random.default_rng([self.seed, stream]).standard_normal(self.shape)
        smooth = ndimage.gaussian_filter(white, length_mm / 2.0, mode="wrap")
        smooth /= smooth.std()
        index = np.moveaxis(points - self.origin, -1, 0)
        return np.asarray(ndimage.map_coordinates(smooth, index, order=1, mode="nearest"))


def _texture(kind: LesionKind, points: FloatArray, noise: _Noise) -> FloatArray:
    """HU of the lesion at each point."""
    fine = noise(points, rule("lesion texture length"), 1)
    soft = rule("lesion inside hu") + rule("lesion texture sd") * fine
    dense = rule("hu blastic_tumour") + rule("lesion blastic sd") * fine
    if kind is LesionKind.lytic:
        return soft
    if kind is LesionKind.blastic:
        return dense
    return np.where(noise(points, rule("lesion grain"), 2) > 0, dense, soft)


def _blended(hu: NDArray[np.float32], mask: Bool, texture: FloatArray) -> NDArray[np.float32]:
    from scipy import ndimage

    weight = ndimage.gaussian_filter(mask.astype(np.float64), rule("lesion blur"), mode="nearest")
    weight[weight < 1e-4] = 0.0
    return np.asarray(hu * (1.0 - weight) + texture * weight, np.float32)
