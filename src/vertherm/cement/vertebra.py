"""A vertebra as cement meets it: pores, lesion, shell with its defects, veins, and what lies outside.

Everything on one isotropic grid aligned to RAS. What is bone comes from labels; shell, veins and their course are
derived by rule and marked so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vertherm.access.scene import VertebraFrame
from vertherm.cement.spread import FlowSample
from vertherm.geometry.volume import FloatArray, Grid
from vertherm.materials.bone_density import flow_constant, porosity
from vertherm.materials.bone_flow import through_shell, trabecular_permeability, vein_permeability

Bool = NDArray[np.bool_]
Field = NDArray[np.float32]
SITES = ("canal", "foramen", "vein", "disc", "paravertebral")
INSIDE = 0
CANAL, FORAMEN, VEIN, DISC, PARAVERTEBRAL = (n + 1 for n in range(len(SITES)))
VEIN_OUTSIDE_MM, PLEXUS_MM = 5.0, 2.0
"""Length and radius of the plexus that a vein opens into beyond the wall; farther on cement is where that leads."""
STEP_MM = 0.25


@dataclass(frozen=True, eq=False)
class VertebraScene:
    """Geometry and density of one vertebra and its surroundings; arrays of ``grid.shape``.

    Args:
        grid: isotropic, RAS-aligned.
        density_mg_cm3: bone mineral density, negative for fat and air.
        bone: the whole vertebra.
        body: the vertebral body without the arch.
        lesion: may reach beyond the bone.
        kind: "lytic", "blastic" or "mixed".
        ablated: cells that the ablation coagulates.
        canal, foramen, disc: outside the bone.
        other_bone: neighbours; closed to cement.
        frame: directions of the vertebra; None: no veins can be modelled.
        ct_spacing_mm: largest voxel edge of the image that the density was read from.
    """

    grid: Grid
    density_mg_cm3: Field
    bone: Bool
    body: Bool
    lesion: Bool
    kind: str
    ablated: Bool
    canal: Bool
    foramen: Bool
    disc: Bool
    other_bone: Bool
    frame: VertebraFrame | None
    ct_spacing_mm: float

    @property
    def spacing_mm(self) -> float:
        """Edge length of a cell."""
        return float(self.grid.spacing_mm[0])

    @cached_property
    def sites(self) -> NDArray[np.uint8]:
        """What a cell counts as where cement gets there: 0 inside the bone, else 1 + its place in SITES.

        Cement beside nerves counts as such whichever way it came: through the basivertebral vein it is in the canal.
        """
        out = np.full(self.grid.shape, PARAVERTEBRAL, np.uint8)
        out[self.disc] = DISC
        out[self._plexus()] = VEIN
        out[self.foramen] = FORAMEN
        out[self.canal] = CANAL
        out[self.bone] = INSIDE
        return out

    def _plexus(self) -> Bool:
        """Cells around the courses of the veins beyond the wall."""
        from scipy import ndimage

        courses = np.zeros(self.grid.shape, bool)
        for cells in self.veins:
            courses.reshape(-1)[cells[~self.bone.reshape(-1)[cells]]] = True
        if not courses.any():
            return courses
        return np.asarray(ndimage.distance_transform_edt(~courses, sampling=self.spacing_mm) <= PLEXUS_MM)

    @cached_property
    def surface(self) -> Bool:
        """Outermost cells of the bone."""
        from scipy import ndimage

        return np.asarray(self.bone & ~ndimage.binary_erosion(self.bone, border_value=1))

    @cached_property
    def density_nearby(self) -> Field:
        """Largest density around each cell: the scanner blurs a thin shell over a voxel and more."""
        from scipy import ndimage

        reach = int(np.ceil(max(1.5, 0.75 * self.ct_spacing_mm) / self.spacing_mm))
        return np.asarray(ndimage.maximum_filter(self.density_mg_cm3, 2 * reach + 1))

    @cached_property
    def veins(self) -> tuple[NDArray[np.int64], ...]:
        """Flat cells of the modelled veins: the basivertebral one, then one through the right and the left wall.

        Courses are a rule: at mid-height, from VEIN_OUTSIDE_MM beyond the wall towards the middle of the body.
        """
        frame = self.frame
        if frame is None or not self.body.any():
            return ()
        share = flow_constant("vein_depth").value
        found = []
        for direction in (-frame.anterior, frame.right, -frame.right):
            wall = _wall_mm(self, frame.centre_mm, direction)
            along = np.arange((1.0 - share) * wall, wall + VEIN_OUTSIDE_MM + 1e-6, STEP_MM)
            found.append(_cells(self.grid, frame.centre_mm + along[:, None] * direction))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class PorousMedium:
    """What cement flows through: shares of the cells' volume that it can take, and permeabilities; see FlowSample."""

    porosity: Field
    permeability_m2: Field


def porous_medium(scene: VertebraScene, sample: FlowSample) -> PorousMedium:
    """The medium of one sample."""
    density = scene.density_mg_cm3 + np.float32(sample.density_error_mg_cm3)
    pores = porosity(density)
    conductance = trabecular_permeability(pores) * np.float32(sample.permeability_factor)
    conductance *= heterogeneity(scene.grid.shape, scene.spacing_mm, sample)
    _put_lesion(scene, sample, pores, conductance)
    wall = shell(scene, sample.density_error_mg_cm3, sample.shell_density_mg_cm3)
    thickness = flow_constant("shell_thickness").value
    conductance[wall] = through_shell(conductance[wall], sample.shell_permeability_m2, thickness, scene.spacing_mm)
    _put_outside(scene, sample, pores, conductance)
    radii = (sample.basivertebral_radius_mm, sample.segmental_radius_mm, sample.segmental_radius_mm)
    for radius, cells in zip(radii, scene.veins, strict=False):  # without a frame there are none
        # A vein of a tenth of a millimetre carries nothing; the law of Poiseuille says so by itself.
        conductance.reshape(-1)[cells] += np.float32(vein_permeability(radius, scene.spacing_mm))
    closed = scene.other_bone & ~scene.bone
    pores[closed], conductance[closed] = 0.0, 0.0
    return PorousMedium(pores, conductance)


def shell(scene: VertebraScene, density_error_mg_cm3: float, destroyed_below: float) -> Bool:
    """Cells of intact cortex or endplate: at the surface of the bone, not lesion, and dense somewhere near."""
    return scene.surface & ~scene.lesion & (scene.density_nearby + density_error_mg_cm3 >= destroyed_below)


def heterogeneity(shape: tuple[int, int, int], spacing_mm: float, sample: FlowSample) -> Field:
    """Factor on the permeability from place to place: exp of a normal field of mean 0, correlated over some mm."""
    from scipy import ndimage

    step = flow_constant("heterogeneity_length").value / spacing_mm
    coarse = tuple(int(np.ceil(n / step)) + 3 for n in shape)
    noise = np.random.Generator(np.random.PCG64(sample.seed)).standard_normal(coarse)
    index = np.meshgrid(*(np.arange(n) / step + 1.0 for n in shape), indexing="ij", sparse=True)
    dense = np.broadcast_arrays(*index)
    field = ndimage.map_coordinates(noise, dense, order=1, mode="nearest")
    # Linear interpolation between independent values shrinks their spread: to its size again.
    field *= sample.heterogeneity_sd / max(float(field.std()), 1e-9)
    return np.exp(field).astype(np.float32)


def opening_cells(scene: VertebraScene, tip_mm: FloatArray, radius_mm: float) -> NDArray[np.int64]:
    """Flat cells that a needle's opening touches: within ``radius_mm`` of the tip, at least the one that holds it."""
    tip = np.asarray(tip_mm, float)
    step = scene.spacing_mm
    side = np.arange(-int(np.ceil(radius_mm / step)) - 1, int(np.ceil(radius_mm / step)) + 2)
    around = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)
    points = scene.grid.world(np.rint(scene.grid.index(tip)) + around)
    near = points[np.linalg.norm(points - tip, axis=-1) <= radius_mm]
    return _cells(scene.grid, np.concatenate([tip[None, :], near]))


def _put_lesion(scene: VertebraScene, sample: FlowSample, pores: Field, conductance: Field) -> None:
    where = scene.lesion
    if not where.any():
        return
    lytic = sample.lesion_permeability_m2
    blastic = flow_constant("blastic_permeability").value * sample.permeability_factor
    value = {"lytic": lytic, "blastic": blastic}.get(scene.kind, float(np.sqrt(lytic * blastic)))
    conductance[where] = np.where(scene.ablated, value * sample.ablated_factor, value)[where]
    if scene.kind == "lytic":
        pores[where] = sample.lesion_porosity
    elif scene.kind == "mixed":
        pores[where] = 0.5 * (pores[where] + sample.lesion_porosity)


def _put_outside(scene: VertebraScene, sample: FlowSample, pores: Field, conductance: Field) -> None:
    outside = ~scene.bone & ~(scene.lesion & scene.canal)
    pores[outside] = flow_constant("outside_porosity").value
    conductance[outside] = flow_constant("outside_permeability").value
    conductance[scene.disc & ~scene.bone] = flow_constant("disc_permeability").value
    del sample  # what lies outside is no bottleneck: its numbers are not varied


def _wall_mm(scene: VertebraScene, centre_mm: FloatArray, direction: FloatArray) -> float:
    """Distance from the centre to the body's surface along ``direction``."""
    steps = np.arange(0.0, 60.0, STEP_MM)
    index = np.rint(scene.grid.index(centre_mm + steps[:, None] * direction)).astype(int)
    inside = ((index >= 0) & (index < np.array(scene.grid.shape))).all(axis=1)
    held = np.zeros(steps.size, bool)
    held[inside] = scene.body[tuple(index[inside].T)]
    last = np.flatnonzero(held)
    return float(steps[last[-1]]) if last.size else 0.0


def _cells(grid: Grid, points_mm: FloatArray) -> NDArray[np.int64]:
    index = np.rint(grid.index(points_mm)).astype(int)
    inside = ((index >= 0) & (index < np.array(grid.shape))).all(axis=1)
    return np.unique(np.ravel_multi_index(tuple(index[inside].T), grid.shape)).astype(np.int64)
