"""Where the slices of a series lie: order, duplicates, gaps, gantry tilt. Millimetres, LPS as DICOM gives them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.geometry.volume import FloatArray

SAME_PLACE_MM = 0.01
GAP_SHARE = 0.05
TILT_SHIFT_PIXELS = 0.5
LARGEST_TILT_DEG = 45.0
STRAIGHTENED_GROWTH = 8.0


@dataclass(frozen=True, eq=False)
class Slices:
    """Positions (n, 3) of the first pixels, unit vectors along rows and columns, pixel spacing, slice order."""

    positions: FloatArray
    row: FloatArray
    column: FloatArray
    spacing: tuple[float, float]
    order: tuple[int, ...]

    @property
    def normal(self) -> FloatArray:
        """Unit normal of the slices."""
        return np.cross(self.row, self.column)

    @property
    def step(self) -> FloatArray:
        """Mean vector from one slice to the next."""
        return (self.positions[self.order[-1]] - self.positions[self.order[0]]) / (len(self.order) - 1)

    @property
    def tilt_deg(self) -> float:
        """Angle between stacking direction and normal; 0 where the whole stack shifts by less than half a pixel."""
        along = float(self.step @ self.normal)
        across = float(np.linalg.norm(self.step - along * self.normal))
        if across * (len(self.order) - 1) < TILT_SHIFT_PIXELS * min(self.spacing):
            return 0.0
        return float(np.degrees(np.arctan2(across, along)))


def ordered(slices: Slices, pixels: Callable[[int], NDArray[np.float32]], where: str, modality: str = "CT") -> Slices:
    """Sort along the normal, drop identical duplicates, refuse gaps.

    Args:
        slices: as found, in any order.
        pixels: gives the HU of one slice; asked only to compare duplicates.
        where: for messages.
        modality: CT or MR, for messages.

    Raises:
        InputError: fewer than two slices, duplicates that differ, missing or irregular slices.
    """
    along = slices.positions @ slices.normal
    order: list[int] = []
    doubles = 0
    for i in np.argsort(along, kind="stable"):
        if order and along[i] - along[order[-1]] < SAME_PLACE_MM:
            shift = np.linalg.norm(slices.positions[i] - slices.positions[order[-1]])
            if shift > SAME_PLACE_MM or not np.array_equal(pixels(int(i)), pixels(order[-1])):
                raise InputError(
                    "Two different slices lie at the same place.",
                    where=where,
                    got=f"two slices at {along[i]:.2f} mm along the stack",
                    expected="one slice at each place",
                    advice="separate the reconstructions or phases that were exported as one series",
                )
            doubles += 1
            continue
        order.append(int(i))
    if doubles:
        warnings.warn(
            f"{doubles} duplicate slice(s) with identical pixels left out: {where}", ImagingWarning, stacklevel=3
        )
    if len(order) < 2:
        raise InputError(f"A {modality} series needs at least two slices.", where=where, got=f"{len(order)} slice(s)")
    _no_gap(along[order], where, modality)
    return replace(slices, order=tuple(order))


def _no_gap(along: FloatArray, where: str, modality: str) -> None:
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    odd = np.flatnonzero(np.abs(gaps - usual) > GAP_SHARE * usual)
    if odd.size == 0:
        return
    i = int(odd[0])
    missing = round(float(gaps[i]) / usual) - 1
    what = (
        f"Slices of the {modality} series are missing."
        if missing >= 1
        else f"The slices of the {modality} series are unevenly spaced."
    )
    raise InputError(
        what,
        where=where,
        got=f"{gaps[i]:.2f} mm between the slices at {along[i]:.2f} and {along[i + 1]:.2f} mm along the stack"
        + (f" ({missing} missing)" if missing >= 1 else "")
        + (f", and {odd.size - 1} more such place(s)" if odd.size > 1 else ""),
        expected=f"{usual:.2f} mm everywhere",
        advice="export the whole series again; missing slices are never made up",
    )


def straightened(
    stack: NDArray[np.float32], slices: Slices, outside_hu: float
) -> tuple[NDArray[np.float32], FloatArray, float]:
    """Shift each slice of a tilted stack within its plane so that the stack stands on its normal.

    The slice planes stay, so only in-plane linear interpolation is needed; the grid grows to hold all slices.

    Args:
        stack: HU, (slice, row, column) in slice order.
        slices: ordered geometry with a tilt.
        outside_hu: value where no slice has data; in ``stack`` too.

    Returns:
        The new stack, its origin (LPS mm), and the share of its voxels without data.

    Raises:
        InputError: more than a gantry can tilt.
    """
    positions = slices.positions[list(slices.order)]
    offset = positions - positions[0]
    across = offset - np.outer(offset @ slices.normal, slices.normal)
    shift_column = across @ slices.row / slices.spacing[0]
    shift_row = across @ slices.column / slices.spacing[1]
    first_row, first_column = np.floor(shift_row.min()), np.floor(shift_column.min())
    rows = stack.shape[1] + int(np.ceil(shift_row.max()) - first_row)
    columns = stack.shape[2] + int(np.ceil(shift_column.max()) - first_column)
    _not_askew(slices, rows * columns / stack[0].size)
    out = np.full((stack.shape[0], rows, columns), outside_hu, np.float32)
    empty = 0
    for k, image in enumerate(stack):
        at_row = np.arange(rows) + first_row - shift_row[k]
        at_column = np.arange(columns) + first_column - shift_column[k]
        r, c = _weights(at_row, stack.shape[1]), _weights(at_column, stack.shape[2])
        value = _linear(image, r, c)
        inside = np.outer(r[2], c[2])
        missing = image == np.float32(outside_hu)
        if missing.any():  # never a mixture of data and no data
            inside &= _linear(missing.astype(np.float32), r, c) == 0
        out[k][inside] = value[inside]
        empty += int(inside.size - np.count_nonzero(inside))
    origin = (
        positions[0] + first_column * slices.spacing[0] * slices.row + first_row * slices.spacing[1] * slices.column
    )
    return out, origin, empty / out.size


def _not_askew(slices: Slices, growth: float) -> None:
    # Gantries tilt by up to 30 degrees; positions far beyond that would also ask for a grid without bounds.
    if slices.tilt_deg > LARGEST_TILT_DEG or growth > STRAIGHTENED_GROWTH:
        raise InputError(
            "The slices of this series are stacked askew.",
            got=f"{slices.tilt_deg:.0f} degrees off their normal",
            expected=f"a gantry tilt of at most {LARGEST_TILT_DEG:.0f} degrees",
            advice="export the axial series again",
        )


_Weights = tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.bool_]]


def _weights(at: FloatArray, count: int) -> _Weights:
    inside = (at >= -0.5) & (at <= count - 0.5)
    clipped = np.clip(at, 0, count - 1)
    low = np.minimum(np.floor(clipped).astype(np.intp), max(count - 2, 0))
    return low, (clipped - low).astype(np.float32), inside


def _linear(image: NDArray[np.float32], r: _Weights, c: _Weights) -> NDArray[np.float32]:
    upper = np.minimum(r[0] + 1, image.shape[0] - 1)
    right = np.minimum(c[0] + 1, image.shape[1] - 1)
    rows = image[r[0]] * (1 - r[1])[:, None] + image[upper] * r[1][:, None]
    return np.asarray(rows[:, c[0]] * (1 - c[1]) + rows[:, right] * c[1], np.float32)
