"""Where a vertebra may lie in another scan: correlation over every shift and a set of turns, several places kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.followup.registration_images import BONE_WINDOW_HU, no_data
from vertherm.followup.registration_rigid import Rigid, rotation
from vertherm.geometry.volume import FloatArray, Grid, Volume

STEP_MM = 6.0
TURNS_DEG = (-11.0, 0.0, 11.0)
"""About each axis, all combinations: no turn up to 15 degrees is farther than about 9 from one of them."""
APART_MM = 12.0
"""Two places nearer than this are one; vertebral levels lie 20 to 45 mm apart."""
LEAST_OVERLAP = 0.3

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Place:
    """A rough motion, and the correlation it was chosen by."""

    motion: Rigid
    correlation: float


@dataclass(frozen=True, eq=False)
class _Spectra:
    """Transforms of the follow-up for masked correlation."""

    shape: tuple[int, int, int]
    mask: NDArray[Any]
    first: NDArray[Any]
    second: NDArray[Any]


def coarse(volume: Volume) -> tuple[Volume, Volume]:
    """A CT on a straight grid of 6 mm, and the share of data of each voxel.

    Block means first: reading a fine scan at coarse places would pick up its noise.
    """
    covered = ~no_data(volume)
    data = np.clip(np.nan_to_num(volume.data.astype(np.float32), nan=0.0), *BONE_WINDOW_HU) * covered
    blocks = np.maximum((0.8 * STEP_MM / volume.grid.spacing_mm).astype(int), 1)
    sums, share = _blocks(data, blocks), _blocks(covered.astype(np.float32), blocks)
    affine = np.array(volume.grid.affine)
    affine[:3, 3] = volume.grid.world((blocks - 1) / 2)
    affine[:3, :3] = affine[:3, :3] * blocks
    rough = Grid((sums.shape[0], sums.shape[1], sums.shape[2]), affine, volume.grid.frame)
    grid = Grid.isotropic(*rough.bounds(), STEP_MM, volume.grid.frame)
    at = grid.centres()
    weight = Volume(share, rough).sample(at, outside=0.0)
    mean = Volume(sums, rough).sample(at, outside=0.0) / np.maximum(weight, 0.05)
    return Volume(mean.astype(np.float32), grid), Volume(weight.astype(np.float32), grid)


def _blocks(data: Array, blocks: NDArray[np.int_]) -> Array:
    """Means over blocks of voxels; what is left over at the far ends counts as empty."""
    blocks = np.minimum(blocks, data.shape)
    short = [int(-n % b) for n, b in zip(data.shape, blocks, strict=True)]
    padded = np.pad(data, [(0, s) for s in short])
    i, j, k = (n // b for n, b in zip(padded.shape, blocks, strict=True))
    return np.asarray(padded.reshape(i, blocks[0], j, blocks[1], k, blocks[2]).mean(axis=(1, 3, 5)), np.float32)


def places(
    planning: Volume, weight: Volume, followup: tuple[Volume, Volume], centre_mm: FloatArray, many: int = 6
) -> list[Place]:
    """Rough motions in falling order of correlation, at places apart from each other.

    Args:
        planning: HU.
        weight: how much each place around the vertebra counts, 0 to 1, on a straight grid of 6 mm.
        followup: :func:`coarse`.
        centre_mm: what it turns about.
        many: places kept.
    """
    seen, share = followup
    spectra = _spectra(seen, share, weight.grid.shape)
    best = np.full(spectra.shape, -1.0, np.float32)
    turns = [rotation(np.radians(v)) for v in itertools.product(TURNS_DEG, repeat=3)]
    which = np.zeros(spectra.shape, np.int16)
    around = weight.grid.centres() - centre_mm
    for number, turn in enumerate(turns):
        # The template is turned: where it reads the planning scan turns back.
        at = around @ turn + centre_mm
        w = np.asarray(weight.sample(at, outside=0.0), np.float32)
        hu = np.clip(np.nan_to_num(planning.sample(at, outside=BONE_WINDOW_HU[0])), *BONE_WINDOW_HU)
        found = _correlation(spectra, hu.astype(np.float32), w)
        better = found > best
        best[better], which[better] = found[better], number
    return _peaks(best, which, turns, weight.grid, seen.grid, centre_mm, many)


def _spectra(seen: Volume, share: Volume, template: tuple[int, int, int]) -> _Spectra:
    from scipy.fft import next_fast_len, rfftn

    a, b, c = (next_fast_len(n + m - 1, real=True) for n, m in zip(seen.grid.shape, template, strict=True))
    shape = (a, b, c)
    mask = (share.data > 0.5).astype(np.float32)
    # About their mean, in hundreds: single precision then suffices.
    data = (seen.data - seen.data[mask > 0].mean()) / 100.0 * mask if mask.any() else seen.data * mask
    return _Spectra(shape, rfftn(mask, shape), rfftn(data, shape), rfftn(data**2, shape))


def _correlation(spectra: _Spectra, hu: Array, weight: Array) -> Array:
    """Weighted correlation of template and follow-up where both have data, at every shift."""
    from scipy.fft import irfftn, rfftn

    total = float(weight.sum())
    hu = (hu - float((hu * weight).sum()) / max(total, 1e-6)) / 100.0
    w, wt, wtt = (np.conj(rfftn(part, spectra.shape)) for part in (weight, weight * hu, weight * hu**2))

    def over(a: NDArray[Any], b: NDArray[Any]) -> Array:
        return np.asarray(irfftn(a * b, spectra.shape), np.float32)

    n = np.maximum(over(spectra.mask, w), 1e-3)
    t, f = over(spectra.mask, wt) / n, over(spectra.first, w) / n
    both = over(spectra.first, wt) / n - t * f
    tt, ff = over(spectra.mask, wtt) / n - t**2, over(spectra.second, w) / n - f**2
    found = both / np.sqrt(np.maximum(tt, 1e-2) * np.maximum(ff, 1e-2))
    # Chance agreement of a small overlap must not win.
    share = n / max(total, 1e-6)
    return np.where(share > LEAST_OVERLAP, found * np.minimum(1.0, 0.6 + share), -1.0).astype(np.float32)


def _peaks(
    best: Array,
    which: NDArray[np.int16],
    turns: list[FloatArray],
    template: Grid,
    seen: Grid,
    centre_mm: FloatArray,
    many: int,
) -> list[Place]:
    """The highest places, none within 12 mm of a higher one."""
    reach = int(APART_MM // STEP_MM)
    left = best.copy()
    out = []
    shape = np.array(best.shape)
    for _ in range(many):
        at = np.array(np.unravel_index(int(left.argmax()), left.shape))
        value = float(left[tuple(at)])
        if value <= 0.0:
            break
        offset = np.where(at >= np.array(seen.shape), at - shape, at)
        shift = seen.world(offset) - template.world((0, 0, 0))
        motion = Rigid(turns[int(which[tuple(at)])], shift, np.asarray(centre_mm))
        out.append(Place(motion, value))
        around = np.ix_(*((np.arange(a - reach, a + reach + 1)) % n for a, n in zip(at, shape, strict=True)))
        left[around] = -1.0
    return out


def neighbours(place: Rigid, axis: FloatArray, shifts_mm: Iterable[float]) -> list[Rigid]:
    """The same turn, shifted along the spine: where the neighbouring levels would be taken for this one."""
    return [Rigid(place.turn, place.shift_mm + place.turn @ axis * s, place.centre_mm) for s in shifts_mm]


def around(distance: Volume, context_mm: float = 55.0) -> Volume:
    """Weight of each place near a vertebra on a straight 6 mm grid: 1 at the bone, a fifth in the wide surroundings.

    Args:
        distance: mm to the vertebra, 0 inside.
    """
    inside = np.argwhere(distance.data <= 0.0)
    middle = distance.grid.world(inside).mean(axis=0)
    grid = Grid.isotropic(middle - context_mm, middle + context_mm, STEP_MM, distance.grid.frame)
    away = distance.sample(grid.centres(), outside=1e3)
    radius = np.linalg.norm(grid.centres() - middle, axis=-1)
    weight = np.where(away < 8.0, 1.0, 0.2) * np.clip((context_mm - radius) / 15.0, 0.0, 1.0)
    return Volume(weight.astype(np.float32), grid)


def reduced(volume: Volume, step_mm: float) -> Volume:
    """Block means with voxels up to about ``step_mm``: quicker where the image is smoothed that much anyway."""
    blocks = np.maximum((0.8 * step_mm / volume.grid.spacing_mm + 1e-6).astype(int), 1)
    if (blocks == 1).all():
        return volume
    i, j, k = (slice(0, n - n % b) for n, b in zip(volume.grid.shape, blocks, strict=True))
    affine = np.array(volume.grid.affine)
    affine[:3, 3] = volume.grid.world((blocks - 1) / 2)
    affine[:3, :3] = affine[:3, :3] * blocks
    data = _blocks(np.asarray(volume.data[i, j, k], np.float32), blocks)
    grid = Grid((data.shape[0], data.shape[1], data.shape[2]), affine, volume.grid.frame)
    return Volume(data, grid, volume.source)
