"""Storage order: the same voxels written along other axes. Nothing may depend on it; tests ask for it."""

from __future__ import annotations

import numpy as np

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume

_AXES = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


def reoriented(volume: Volume, codes: str) -> Volume:
    """The volume stored so that its axes run along ``codes`` ("RAS", "PIR", "LPS", ...), world positions unchanged.

    Oblique volumes are brought as close as a permutation and flips can.

    Raises:
        InputError: ``codes`` does not name three different axes.
    """
    wanted = [_AXES.get(letter) for letter in codes.upper()]
    if len(wanted) != 3 or None in wanted or len({w[0] for w in wanted if w}) != 3:
        raise InputError("This is no orientation.", got=codes, expected="three letters such as RAS, LPS or PIR")
    canonical = volume.canonical()
    order = [w[0] for w in wanted if w]
    data = np.transpose(canonical.data, order)
    affine = canonical.grid.affine.copy()
    affine[:, :3] = affine[:, order]
    for axis, entry in enumerate(wanted):
        if entry and entry[1] < 0:
            data = np.flip(data, axis)
            affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
            affine[:3, axis] *= -1
    shape = (data.shape[0], data.shape[1], data.shape[2])
    return Volume(np.ascontiguousarray(data), Grid(shape, affine, volume.grid.frame), volume.source)


def axis_codes(grid: Grid) -> str:
    """Direction of the array axes as three letters ("RAS", "PIR", ...), the nearest ones for an oblique grid."""
    from scipy.optimize import linear_sum_assignment

    columns = grid.affine[:3, :3] / grid.spacing_mm
    world, array = linear_sum_assignment(-np.abs(columns))
    letters = {entry: letter for letter, entry in _AXES.items()}
    named = {int(a): letters[(int(w), 1 if columns[w, a] > 0 else -1)] for w, a in zip(world, array, strict=True)}
    return "".join(named[axis] for axis in range(3))
