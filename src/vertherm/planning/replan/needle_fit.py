"""The needle of a check scan: a line through the voxels of its label mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.read import check_same_frame, integer_codes

FEWEST_VOXELS = 10
SHORTEST_MM = 20.0
"""A shorter piece does not fix the needle's direction: 1 mm across at 20 mm is 3 degrees."""
WIDEST_MM = 3.0
"""Root mean square distance of the voxels from the line; a shaft of 1-2 mm in voxels of 1-3 mm stays below."""
STRAY_SHARE = 0.1
"""Voxels apart from the largest piece that are forgiven: streaks; more are a second needle or a wrong label."""
FARTHEST_MM = 60.0
"""[guess] a tip farther from the planned one was not meant by this plan, or lies in another frame."""


@dataclass(frozen=True, eq=False)
class NeedleFit:
    """A needle found in a mask.

    Args:
        trajectory: entry (the far end) and tip, RAS mm.
        rms_mm: root mean square distance of the voxels from the line.
        error_mm: how far the tip may be off along the needle by the size of the voxels (half a voxel's extent).
        voxels: number of them.
    """

    trajectory: Trajectory
    rms_mm: float
    error_mm: float
    voxels: int


def needles_from_mask(path: Path, planned: Mapping[str, Trajectory], ct: Grid) -> dict[str, NeedleFit]:
    """The needles of a check scan's label mask, each with the name of the planned one it lies nearest to.

    Args:
        path: NIfTI; one needle: any value above 0; several: one value each.
        planned: needles of the plan by name.
        ct: grid of the planning CT, whose frame the mask must share.

    Raises:
        InputError: unreadable, another frame, no line, or another number of needles than planned.
    """
    from vertherm.imaging.nifti import is_nifti, read_nifti

    path = Path(path)
    if not is_nifti(path):
        raise InputError(
            "A needle mask must be a NIfTI file.", where=str(path), expected=".nii or .nii.gz",
            advice="export the segment of the needle from the viewer as NIfTI",
        )  # fmt: skip
    raw = read_nifti(path)
    labels = Volume(integer_codes(raw), raw.grid, path.name)
    codes = [int(code) for code in np.unique(labels.data) if code > 0]
    check_same_frame(labels.grid, ct, path.name)
    if not codes or len(codes) > len(planned):
        raise InputError(
            "The needle mask does not fit the plan.",
            where=path.name,
            got=f"{len(codes)} label values above 0" if codes else "no voxel above 0",
            expected=f"one value for each of {', '.join(planned)}",
        )
    from scipy.optimize import linear_sum_assignment

    names = list(planned)
    masks = [labels.with_data(labels.data == code, f"{path.name}: value {code}") for code in codes]
    fits = [[fit_needle(mask, planned[name]) for name in names] for mask in masks]
    apart = np.array([[_apart_mm(f.trajectory, planned[n]) for f, n in zip(row, names, strict=True)] for row in fits])
    found: dict[str, NeedleFit] = {}
    for row, column in zip(*linear_sum_assignment(apart), strict=True):
        _check_near(float(apart[row, column]), masks[row].source)
        found[names[column]] = fits[row][column]
    return found


def fit_needle(mask: Volume, planned: Trajectory) -> NeedleFit:
    """Principal axis of the voxels; the tip is the end nearer to the planned tip.

    Args:
        mask: bool, any grid of the frame.
        planned: the needle as planned.

    Raises:
        InputError: too few voxels, too short, too wide, or in several pieces.
    """
    points = mask.grid.world(np.argwhere(_one_piece(mask)))
    where = mask.source
    if len(points) < FEWEST_VOXELS:
        raise _no_line(where, f"{len(points)} voxels", f"at least {FEWEST_VOXELS}")
    centre = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    along = (points - centre) @ axes[0]
    across = points - centre - along[:, None] * axes[0]
    rms = float(np.sqrt((across**2).sum(axis=1).mean()))
    if np.ptp(along) < SHORTEST_MM:
        raise _no_line(where, f"{np.ptp(along):.0f} mm long", f"at least {SHORTEST_MM:g} mm of the shaft with its tip")
    if rms > WIDEST_MM:
        raise _no_line(where, f"{rms:.1f} mm (rms) beside the line", f"at most {WIDEST_MM:g} mm")
    ends = [centre + limit * axes[0] for limit in (along.min(), along.max())]
    tip, entry = sorted(ends, key=lambda end: float(np.linalg.norm(end - planned.tip_mm)))
    return NeedleFit(Trajectory(entry, tip), rms, _half_voxel_mm(mask.grid, axes[0]), len(points))


def _one_piece(mask: Volume) -> NDArray[np.bool_]:
    from scipy.ndimage import label

    # scipy's stubs do not know that the result is a pair here.
    pieces: Any = label(mask.data, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces[0].ravel())[1:]
    if sizes.size == 0:
        raise _no_line(mask.source, "no voxel", f"at least {FEWEST_VOXELS}")
    largest = int(np.argmax(sizes))
    stray = 1.0 - float(sizes[largest]) / float(sizes.sum())
    if stray > STRAY_SHARE:
        raise _no_line(mask.source, f"{sizes.size} pieces, {stray:.0%} of the voxels outside the largest", "one piece")
    return np.asarray(pieces[0] == largest + 1)


def _half_voxel_mm(grid: Grid, axis: FloatArray) -> float:
    """Half the extent of a voxel along ``axis``."""
    return 0.5 * float(np.abs(axis @ grid.affine[:3, :3]).sum())


def _no_line(where: str, got: str, expected: str) -> InputError:
    return InputError(
        "The mask does not show one straight needle.",
        where=where,
        got=got,
        expected=expected,
        advice="label the needle's metal only, several needles with a value each; or give entry and tip as numbers",
    )


def _apart_mm(found: Trajectory, planned: Trajectory) -> float:
    return float(np.linalg.norm(found.tip_mm - planned.tip_mm))


def _check_near(apart_mm: float, where: str) -> None:
    if apart_mm > FARTHEST_MM:
        raise InputError(
            "The needle of the check scan lies far from the planned one.",
            where=where,
            got=f"tips {apart_mm:.0f} mm apart",
            expected=f"within {FARTHEST_MM:g} mm",
            advice="is the check scan in the frame of the planning CT? If not, register it first and resample the mask",
        )
