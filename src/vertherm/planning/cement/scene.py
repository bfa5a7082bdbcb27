"""From a case to what cement meets: the vertebra on a fine grid, its surroundings, and densities from the CT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.vertebra import VertebraScene
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import TISSUE_OF, Anatomy, StructureKind, extent, on_grid
from vertherm.materials.bone_density import DensityCalibration, given_calibration, internal_calibration
from vertherm.planning.access.scene import own_bone, own_frame
from vertherm.planning.case import DensityEntry
from vertherm.planning.objects import Case, Target

Bool = NDArray[np.bool_]
CANAL = (StructureKind.canal, StructureKind.dural_sac, StructureKind.cord, StructureKind.cauda)
AROUND_ROOT_MM = 1.5
"""A root fills its foramen only in part: cement this near to it is in the foramen."""
MOST_CELLS = 4_000_000
CANAL_SHARE = 0.9
"""Share of the vertebra's height beside which the canal must be known."""
DENSEST_MG_CM3 = 1200.0
"""Denser voxels are metal, contrast medium or artefact, not bone."""
HU_OF = {"air": (-1200.0, -850.0), "fat": (-200.0, -30.0), "muscle": (-20.0, 140.0)}
"""CT numbers a voxel of the material may have: keeps bowel gas mixed with wall, and marbled muscle, out."""


@dataclass(frozen=True, eq=False)
class SceneNotes:
    """A scene, and what a person must read about it.

    Args:
        derived_sites: placed by a rule.
        missing_sites: not known: leakage there is not assessed.
        doubts: why nothing about this vertebra can be cleared; already part of ``notes``.
    """

    scene: VertebraScene
    derived_sites: frozenset[str]
    missing_sites: frozenset[str]
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


def density_calibration(anatomy: Anatomy, entry: DensityEntry | None) -> DensityCalibration:
    """The line from CT number to density: given, or from air, fat and muscle of the scan."""
    if entry is not None:
        return given_calibration(entry.slope, entry.intercept, entry.error_mg_cm3)
    from scipy import ndimage

    hu, tissue = anatomy.ct.data, anatomy.tissue.data
    known = np.ones(tissue.shape, bool) if anatomy.no_data is None else ~on_grid(anatomy.no_data, anatomy.ct.grid)
    samples = {}
    for name, (low, high) in HU_OF.items():
        well_within = ndimage.binary_erosion((tissue == TISSUE_OF[name]) & known)
        samples[name] = hu[well_within & (hu >= low) & (hu <= high)]
    return internal_calibration(samples)


def vertebra_scene(
    case: Case,
    target: Target,
    calibration: DensityCalibration,
    *,
    spacing_mm: float,
    room_mm: float,
    ablated: Volume | None = None,
) -> SceneNotes:
    """One target's vertebra on an isotropic grid.

    Args:
        ablated: bool, what the ablation coagulates; None: nothing.

    Raises:
        InputError: the bone of the level is not labelled, or the lesion lies outside it.
    """
    anatomy, level = case.anatomy, target.level
    bone = own_bone(anatomy, level, f"target {target.name}")
    grid = _grid(bone, target.mask, spacing_mm, room_mm, anatomy.ct.grid.frame)
    own = smooth(bone, grid)
    body = (anatomy.bodies or {}).get(level)
    lesion = smooth(target.mask, grid)
    if not (lesion & own).any():
        raise InputError("The lesion does not touch the bone of its level.", where=f"target {target.name}")
    canal = _union(anatomy, CANAL, grid)
    roots = _union(anatomy, (StructureKind.root,), grid)
    disc = _union(anatomy, (StructureKind.disc,), grid)
    others = np.zeros(grid.shape, bool)
    for other, mask in anatomy.vertebrae.items():
        if other is not level:
            others |= smooth(mask, grid)
    foramen = _grown(roots, AROUND_ROOT_MM, spacing_mm) & ~own & ~canal
    density = calibration.density(anatomy.ct.resampled(grid, order=1, outside=0.0).data)
    scene = VertebraScene(
        grid=grid,
        density_mg_cm3=np.minimum(density, np.float32(DENSEST_MG_CM3)),
        # A tumour that grows out of the bone is part of what is filled, but not where nerves lie.
        bone=own | (lesion & ~canal & ~foramen),
        body=own & smooth(body, grid) if body is not None else own,
        lesion=lesion,
        kind=target.kind,
        ablated=lesion & smooth(ablated, grid) if ablated is not None else np.zeros(grid.shape, bool),
        canal=canal & ~own,
        foramen=foramen,
        disc=disc & ~own,
        other_bone=others & ~own,
        frame=own_frame(anatomy, level),
        ct_spacing_mm=float(anatomy.ct.grid.spacing_mm.max()),
    )
    doubts = tuple(_doubts(anatomy, target, bone, scene))
    return SceneNotes(scene, _derived(anatomy), _missing(scene), doubts, (*doubts, *_notes(scene, body)))


def smooth(mask: Volume, grid: Grid) -> Bool:
    """A bool mask on a finer grid: where its trilinear interpolation exceeds a half, no stairs."""
    window = _near(mask.grid, grid)
    if window is None:
        return np.zeros(grid.shape, bool)
    padded = np.pad(np.asarray(mask.data[window]) > 0, 1).astype(np.float32)
    affine = mask.grid.affine.copy()
    affine[:3, 3] = mask.grid.world([part.start - 1 for part in window])
    shape = (padded.shape[0], padded.shape[1], padded.shape[2])
    image = Volume(padded, Grid(shape, affine, mask.grid.frame))
    return np.asarray(image.resampled(grid, order=1, outside=0.0).data > 0.5)


def _near(grid: Grid, other: Grid) -> tuple[slice, slice, slice] | None:
    """The part of ``grid`` that ``other`` covers, one voxel more on every side."""
    corners = np.stack(np.meshgrid(*((-0.5, n - 0.5) for n in other.shape), indexing="ij"), -1).reshape(-1, 3)
    index = grid.index(other.world(corners))
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - 1, 0, grid.shape)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 2, 0, grid.shape)
    if (high <= low).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))


def _grid(bone: Volume, lesion: Volume, spacing_mm: float, room_mm: float, frame: str) -> Grid:
    lower, upper = np.full(3, np.inf), np.full(3, -np.inf)
    for mask in (bone, lesion):
        points = mask.grid.world(np.argwhere(mask.data))
        half = 0.5 * float(mask.grid.spacing_mm.max())
        lower, upper = np.minimum(lower, points.min(axis=0) - half), np.maximum(upper, points.max(axis=0) + half)
    grid = Grid.isotropic(lower - room_mm, upper + room_mm, spacing_mm, frame)
    cells = int(np.prod(grid.shape))
    if cells > MOST_CELLS:
        raise InputError(
            "The vertebra is too large for cells this fine.",
            got=f"{cells} cells of {spacing_mm:g} mm",
            expected=f"at most {MOST_CELLS}",
            advice="use larger cells: [cement] spacing_mm in the protocol",
        )
    return grid


def _union(anatomy: Anatomy, kinds: tuple[StructureKind, ...], grid: Grid) -> Bool:
    found = np.zeros(grid.shape, bool)
    for structure in anatomy.of_kind(*kinds):
        if structure.mask.data.any():
            found |= smooth(structure.mask, grid)
    return found


def _grown(mask: Bool, radius_mm: float, spacing_mm: float) -> Bool:
    from scipy import ndimage

    if not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= radius_mm)


def _derived(anatomy: Anatomy) -> frozenset[str]:
    """Sites that a rule placed. Veins always are."""
    found = {"vein"}
    for site, kinds in (("canal", CANAL), ("foramen", (StructureKind.root,)), ("disc", (StructureKind.disc,))):
        parts = anatomy.of_kind(*kinds)
        if parts and all(part.derived for part in parts):
            found.add(site)
    return frozenset(found)


def _missing(scene: VertebraScene) -> frozenset[str]:
    found = {name for name in ("canal", "foramen", "disc") if not getattr(scene, name).any()}
    return frozenset(found | (set() if scene.frame is not None else {"vein"}))


def _doubts(anatomy: Anatomy, target: Target, bone: Volume, scene: VertebraScene) -> list[str]:
    found = []
    if _cut(bone, anatomy.ct.grid):
        found.append(
            f"{target.level} is cut by the edge of the image: capacity, leakage beyond the edge and strength are not "
            "those of the whole vertebra."
        )
    if anatomy.metal is not None and on_grid(anatomy.metal, scene.grid).any():
        found.append("Metal lies in or beside the vertebra: densities near it, and all that rests on them, are wrong.")
    covered = _canal_covers(scene)
    if covered < CANAL_SHARE:
        found.append(
            f"The canal is known beside {covered:.0%} of the height of {target.level} only: beside the rest a leak "
            "would not be seen as one."
        )
    if not scene.foramen.any():
        found.append("No nerve root is known beside the vertebra: cement in a foramen would not be seen as a leak.")
    return found


def _canal_covers(scene: VertebraScene) -> float:
    """Share of the vertebra's height beside which there is canal; a body is itself derived from where the canal is."""
    bone = scene.bone.any(axis=(0, 1))
    return float((scene.canal.any(axis=(0, 1)) & bone).sum()) / max(int(bone.sum()), 1)


def _notes(scene: VertebraScene, body: Volume | None) -> list[str]:
    found = []
    if body is None:
        found.append("The vertebral body is not labelled apart from its arch: shares are those of the whole bone.")
    for site in sorted(_missing(scene)):
        why = "the vertebra's directions are not known" if site == "vein" else "not labelled"
        found.append(f"Leakage to the {site} is not assessed: {why}.")
    if scene.frame is not None:
        found.append("Basivertebral and segmental veins are a rule's: straight, at mid-height, of uncertain width.")
    voxel = scene.ct_spacing_mm
    if voxel > 1.5:
        found.append(
            f"The image has voxels of {voxel:.1f} mm: cortex and small defects cannot be seen in it, and leakage "
            "through them is guessed from densities nearby."
        )
    return found


def _cut(bone: Volume, image: Grid) -> bool:
    """True where the bone reaches the outermost voxels of the image."""
    window = extent(np.asarray(bone.data) > 0)
    if window is None:
        return False
    corners = np.stack(np.meshgrid(*((part.start, part.stop - 1) for part in window), indexing="ij"), -1).reshape(-1, 3)
    index = image.index(bone.grid.world(corners))
    return bool((index.min(axis=0) < 0.5).any() or (index.max(axis=0) > np.array(image.shape) - 1.5).any())
