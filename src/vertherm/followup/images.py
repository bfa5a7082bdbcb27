"""Examinations read and laid on the planning frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.followup.entry import Drawn, Examination
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.read import read_ct, read_mask, read_mr

SUB = 3
"""Points along each edge of a voxel where a drawn mask is read in its turned frame."""


@dataclass(frozen=True, eq=False)
class Scan:
    """One examination as read, in its own frame.

    Args:
        entry: what the follow-up file says of it.
        image: HU, or grey values of an MR.
        native: the same without contrast medium; None where there is none.
    """

    entry: Examination
    image: Volume
    native: Volume | None


def read_scan(entry: Examination) -> Scan:
    """Read an examination.

    Raises:
        InputError: unreadable, or the native scan lies in another frame than the first.
    """
    image = _read(entry.image, entry.series_uid, entry.modality)
    native = None if entry.native is None else _read(entry.native, entry.native_series_uid, entry.modality)
    if native is not None and native.grid.frame and image.grid.frame and native.grid.frame != image.grid.frame:
        raise InputError(
            "The scan without contrast medium lies in another frame of reference.",
            where=f"examination {entry.name}",
            got=native.grid.frame,
            expected=image.grid.frame,
            advice="give a native scan of the same examination, or leave it out",
        )
    return Scan(entry, image, native)


def _read(path: Path, series_uid: str | None, modality: str) -> Volume:
    return (read_ct if modality == "CT" else read_mr)(path, series_uid=series_uid)


def laid(image: Volume, to_followup: FloatArray, grid: Grid, *, order: int = 1, outside: float = np.nan) -> Volume:
    """An image of the follow-up on a grid of the planning frame.

    Args:
        image: in its own frame.
        to_followup: (4, 4), planning RAS mm to follow-up RAS mm.
        grid: of the planning frame.
        order: of the interpolation.
        outside: value beyond the image.
    """
    moved = Grid(grid.shape, to_followup @ grid.affine, image.grid.frame)
    return Volume(image.resampled(moved, order=order, outside=outside).data, grid, image.source)


def read_drawn(drawn: Drawn, scan: Scan, planning: Volume, to_followup: FloatArray) -> tuple[Volume, FloatArray]:
    """A mask that a person drew, on its own grid, and the transform from the planning frame to it.

    Raises:
        InputError: unreadable, of another frame, or without the label.
    """
    followed = drawn.frame == "follow-up"
    mask = read_mask(drawn.path, scan.image if followed else planning, drawn.label)
    return mask, to_followup if followed else np.eye(4)


def drawn_mask(drawn: Drawn, scan: Scan, planning: Volume, to_followup: FloatArray, grid: Grid) -> Volume:
    """A mask that a person drew, on a grid of the planning frame: a voxel belongs to it where more than half does.

    Raises:
        InputError: unreadable, of another frame, or without the label.
    """
    mask, matrix = read_drawn(drawn, scan, planning, to_followup)
    moved = Grid(grid.shape, matrix @ grid.affine, mask.grid.frame)
    share = _share(mask.with_data(mask.data.astype(np.float32)), moved)
    return Volume(share > 0.5, grid, drawn.path.name)


def on_cubes(mask: Volume, from_planning: FloatArray, spacing_mm: float) -> Volume:
    """A whole mask on cubic voxels of the planning frame, wherever it lies: sizes are compared on equal grids only.

    Args:
        mask: in any frame.
        from_planning: (4, 4), planning RAS mm to the mask's.
        spacing_mm: of the result.
    """
    points = mask.grid.world(np.argwhere(mask.data))
    if not len(points):
        return mask
    back = np.linalg.inv(from_planning)
    own = points @ back[:3, :3].T + back[:3, 3]
    pad = float(mask.grid.spacing_mm.max()) + spacing_mm
    grid = Grid.isotropic(own.min(axis=0) - pad, own.max(axis=0) + pad, spacing_mm)
    moved = Grid(grid.shape, from_planning @ grid.affine, mask.grid.frame)
    return Volume(_share(mask.with_data(mask.data.astype(np.float32)), moved) > 0.5, grid, mask.source)


def carried(mask: Volume, to_followup: FloatArray, followup: Volume) -> Volume:
    """A mask of the planning frame on the follow-up's own grid, to be edited there."""
    back = np.linalg.inv(to_followup)
    grid = followup.grid
    moved = Grid(grid.shape, back @ grid.affine, mask.grid.frame)
    # The middles of its outermost voxels lie half of them within its border.
    pad = 2 + np.ceil(mask.grid.spacing_mm.max() / grid.spacing_mm).astype(int)
    near = _near(mask, moved, pad)
    out = np.zeros(grid.shape, np.uint8)
    if near is not None:
        corner = moved.affine.copy()
        corner[:3, 3] = moved.world([span.start for span in near])
        shape = (near[0].stop - near[0].start, near[1].stop - near[1].start, near[2].stop - near[2].start)
        out[near] = _share(mask.with_data(mask.data.astype(np.float32)), Grid(shape, corner, mask.grid.frame)) > 0.5
    return Volume(out, replace(grid), mask.source)


def _near(mask: Volume, grid: Grid, pad: NDArray[np.int_]) -> tuple[slice, slice, slice] | None:
    """Window of a grid that holds a mask: the follow-up may be a whole trunk."""
    points = mask.grid.world(np.argwhere(mask.data))
    if not len(points):
        return None
    index = grid.index(points)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - pad, 0, grid.shape)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + pad + 1, 0, grid.shape)
    if (high <= low).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))


def _share(mask: Volume, grid: Grid) -> NDArray[np.float32]:
    """Share of each voxel of a turned grid that a mask fills, by points within the voxel."""
    steps = (np.arange(SUB) + 0.5) / SUB - 0.5
    total = np.zeros(grid.shape, np.float32)
    for shift in np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3):
        affine = grid.affine.copy()
        affine[:3, 3] = grid.world(shift)
        total += mask.resampled(Grid(grid.shape, affine, grid.frame), order=0, outside=0.0).data
    return np.asarray(total / SUB**3, np.float32)
