"""What planning knows of a patient: the CT, a tissue for every voxel, vertebrae, structures, lesions, notes.

All volumes share one world (RAS mm) and one frame, not one grid: masks are stored cropped to their own extent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume

Side = Literal["left", "right", ""]


class StructureKind(StrEnum):
    """What a structure is; limits are attached to kinds."""

    cord = "cord"
    cauda = "cauda"
    dural_sac = "dural sac"
    canal = "canal"
    root = "root"
    plexus = "plexus"
    skin = "skin"
    pleura = "pleura"
    bowel = "bowel"
    vessel = "vessel"
    kidney = "kidney"
    ureter = "ureter"
    oesophagus = "oesophagus"
    trachea = "trachea"
    rectum = "rectum"
    liver = "liver"
    organ = "organ"
    disc = "disc"
    cortex = "cortex"
    bone = "bone"
    muscle = "muscle"
    lung = "lung"

    @property
    def critical(self) -> bool:
        """True where the safety table of the design sets a limit for this kind."""
        return self in _CRITICAL


_CRITICAL = frozenset(
    kind for kind in StructureKind if kind.value not in ("organ", "disc", "cortex", "bone", "muscle", "lung")
)

TISSUE_CODES: dict[int, str] = dict(
    enumerate(
        (
            "air",
            "fat",
            "muscle",
            "skin",
            "vertebra",
            "cancellous_bone",
            "cortical_bone",
            "disc",
            "csf",
            "spinal_cord",
            "nerve",
            "dura",
            "blood",
            "kidney",
            "liver",
            "lung",
            "bowel",
            "water",
            "lytic_tumour",
            "blastic_tumour",
            "mixed_tumour",
            "metal",
            "pmma",
            "soft_tissue",
        )
    )
)
"""Codes of :attr:`Anatomy.tissue`; the names are those of the materials table, "vertebra" meaning bone by its HU."""
TISSUE_OF: dict[str, int] = {name: code for code, name in TISSUE_CODES.items()}


@dataclass(frozen=True, eq=False)
class Structure:
    """A named part of the body that a plan must know.

    Args:
        name: as a person reads it ("root L3 left", "skin", "dural sac", "aorta").
        kind: what it is.
        mask: bool, cropped to the structure's extent; any grid of the CT's frame.
        derived: True where a rule made it, not a label.
        source: the label map or the rule it came from.
        level: vertebra it belongs to, where it belongs to one.
        side: "left", "right" or "" (patient's side, by RAS x).
    """

    name: str
    kind: StructureKind
    mask: Volume
    derived: bool
    source: str
    level: Level | None = None
    side: Side = ""

    def on(self, grid: Grid) -> NDArray[np.bool_]:
        """The mask on another grid of the frame (nearest neighbour), bool of ``grid.shape``."""
        return on_grid(self.mask, grid)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A patient (or phantom) ready for planning.

    Args:
        ct: float32 HU.
        tissue: uint8 codes on the CT grid, every voxel has one.
        tissue_names: code to name in the materials table ("vertebra" means bone by HU).
        vertebrae: whole vertebrae (body and arch), bool.
        structures: named structures.
        lesions: name to bool mask.
        notes: what a person must read ("canal derived ...", "metal in the field ...", "skin outside the image ...").
        synthetic: True where a lesion or the whole patient was made by code.
        metal: bool mask of metal, None where there is none.
        bodies: vertebral bodies without the arch, bool; a level may be missing.
        mr: an MR registered to the CT frame or on its own frame, shown only.
        no_data: bool mask of voxels that hold no data (beyond the field of view, padding, wedge of a straightened
            gantry tilt), None where every voxel holds data; their tissue is assumed.
    """

    ct: Volume
    tissue: Volume
    tissue_names: dict[int, str]
    vertebrae: dict[Level, Volume]
    structures: tuple[Structure, ...]
    lesions: dict[str, Volume]
    notes: tuple[str, ...]
    synthetic: bool
    metal: Volume | None = None
    bodies: dict[Level, Volume] | None = None
    mr: Volume | None = None
    no_data: Volume | None = None

    def structure(self, name: str) -> Structure:
        """The structure of that name.

        Raises:
            InputError: there is none; the message lists the names.
        """
        for item in self.structures:
            if item.name == name:
                return item
        names = ", ".join(item.name for item in self.structures)
        raise InputError("There is no structure of this name.", got=name, expected=f"one of: {names}")

    def has(self, name: str) -> bool:
        """True where a structure of that name exists."""
        return any(item.name == name for item in self.structures)

    def of_kind(self, *kinds: StructureKind) -> tuple[Structure, ...]:
        """All structures of these kinds, in their stored order."""
        return tuple(item for item in self.structures if item.kind in kinds)

    def tissue_at(self, point_mm: NDArray[np.float64]) -> str:
        """Name of the tissue at one RAS point, "" outside the image."""
        value = float(self.tissue.sample(np.asarray(point_mm, float), order=0, outside=-1.0))
        return self.tissue_names[int(value)] if value >= 0 else ""


def on_grid(mask: Volume, grid: Grid) -> NDArray[np.bool_]:
    """A bool mask on another grid of its frame, bool of ``grid.shape``; False outside the mask's own grid.

    A mask that was cropped out of ``grid`` is pasted back exactly; any other is sampled at the nearest voxel.
    """
    out = np.zeros(grid.shape, bool)
    offset = np.rint(grid.index(mask.grid.affine[:3, 3])).astype(int)
    same_axes = np.allclose(mask.grid.affine[:3, :3], grid.affine[:3, :3], atol=1e-6)
    if same_axes and np.allclose(grid.world(offset), mask.grid.affine[:3, 3], atol=1e-3):
        lower = np.maximum(offset, 0)
        upper = np.minimum(offset + mask.grid.shape, grid.shape)
        if (upper > lower).all():
            target = tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))
            origin = tuple(slice(a - o, b - o) for a, b, o in zip(lower, upper, offset, strict=True))
            out[target] = mask.data[origin]
        return out
    return np.asarray(mask.resampled(grid, order=0, outside=0.0).data) > 0


def cropped(data: NDArray[np.bool_], grid: Grid, source: str = "", margin: int = 1) -> Volume:
    """A bool mask cut to its own extent plus ``margin`` voxels; an empty mask becomes one False voxel."""
    window = extent(data, margin)
    if window is None:
        return Volume(np.zeros((1, 1, 1), bool), Grid((1, 1, 1), grid.affine, grid.frame), source)
    return Volume(np.ascontiguousarray(data[window]), subgrid(grid, window), source)


def extent(data: NDArray[np.bool_], margin: int = 0) -> tuple[slice, slice, slice] | None:
    """Slices of the box around the True voxels, widened by ``margin`` within the array; None where all are False."""
    slices = []
    for axis in range(3):
        hit = np.flatnonzero(data.any(axis=tuple(a for a in range(3) if a != axis)))
        if hit.size == 0:
            return None
        slices.append(slice(max(int(hit[0]) - margin, 0), min(int(hit[-1]) + 1 + margin, data.shape[axis])))
    return slices[0], slices[1], slices[2]


def subgrid(grid: Grid, window: tuple[slice, slice, slice]) -> Grid:
    """The grid of ``array[window]``."""
    affine = grid.affine.copy()
    affine[:3, 3] = grid.world([s.start for s in window])
    shape = (window[0].stop - window[0].start, window[1].stop - window[1].start, window[2].stop - window[2].start)
    return Grid(shape, affine, grid.frame)
