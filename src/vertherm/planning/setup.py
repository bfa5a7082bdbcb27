"""From anatomy and treatment to what the heat solver sees: crop, tissue map, cells of each structure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.heat.dissection import dissected, filled_cells
from vertherm.heat.protection import Protection
from vertherm.heat.setup import Emitter, Setup
from vertherm.imaging.anatomy import Anatomy, Structure, on_grid
from vertherm.materials.drying import DryingAdjustment
from vertherm.materials.tissue_map import TissueMap
from vertherm.planning.checks import radiating_points
from vertherm.planning.objects import Case, Numerics, PlacedAntenna, Treatment
from vertherm.planning.protocol import Protocol

SENSOR_MARGIN_MM = 5.0
SKIN_MARGIN_MM = 15.0
"""Cells on all sides of the point where the shaft leaves the body."""
NOT_TRACKED = frozenset({"bone", "cortex", "muscle", "disc", "organ"})
"""Kinds that carry no limit and would only cost time to follow."""


def crop_grid(
    anatomy: Anatomy,
    trajectories: Sequence[Trajectory],
    numerics: Numerics,
    sensors: Sequence[FloatArray] = (),
    on_skin: Sequence[FloatArray] = (),
) -> Grid:
    """Isotropic, RAS-aligned grid around all antennas that reaches the skin where each shaft crosses it, and sensors.

    It also reaches the points ``on_skin`` that are cooled.

    Its cell faces fall on multiples of the spacing from the first tip, so that the storage of the CT cannot matter.
    """
    reach, spacing = numerics.reach_mm, numerics.spacing_mm
    points = [(point, SENSOR_MARGIN_MM) for point in sensors] + [(point, SKIN_MARGIN_MM) for point in on_skin]
    for trajectory in trajectories:
        points.append((trajectory.point_mm(0.3 * reach), reach))
        exit_mm = skin_crossing(anatomy, trajectory)
        if exit_mm is not None:
            points.append((exit_mm, SKIN_MARGIN_MM))
    lower = np.min([point - margin for point, margin in points], axis=0)
    upper = np.max([point + margin for point, margin in points], axis=0)
    tip = trajectories[0].tip_mm
    lower = tip + np.floor((lower - tip) / spacing) * spacing
    upper = tip + np.ceil((upper - tip) / spacing) * spacing
    return Grid.isotropic(lower, upper, spacing, anatomy.ct.grid.frame)


def skin_crossing(anatomy: Anatomy, trajectory: Trajectory) -> FloatArray | None:
    """First point outside the body along the shaft, RAS mm; None where the image ends before the body does."""
    air = [code for code, name in anatomy.tissue_names.items() if name == "air"]
    points = trajectory.point_mm(np.arange(0.0, 400.0, 0.5))
    codes = anatomy.tissue.sample(points, order=0, outside=-1.0)
    # Air inside the body (gas) is no exit: the shaft must stay in air or leave the image from there on.
    in_air = np.isin(codes, [*air, -1])
    inside = np.flatnonzero(~in_air)
    if inside.size == 0 or inside[-1] + 1 >= len(points):
        return None
    first = inside[-1] + 1
    return points[first] if codes[first] >= 0 else None


def structure_cells(structure: Structure, grid: Grid, subdivision: int = 2) -> NDArray[np.int64]:
    """Flat indices of heat-grid cells that any part of a structure lies in.

    A cell counts where any of its sub-points has more structure than not (linear interpolation of the mask), so thin
    structures are kept and none shrinks to its core. A structure thinner than that takes the cells of its voxels.
    """
    lower, upper = structure.mask.grid.bounds()
    corner = grid.index(np.stack([lower, upper]))
    first = np.clip(np.floor(corner.min(axis=0)).astype(int), 0, np.array(grid.shape))
    last = np.clip(np.ceil(corner.max(axis=0)).astype(int) + 1, 0, np.array(grid.shape))
    if (last <= first).any() or not structure.mask.data.any():
        return np.empty(0, np.int64)
    index = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(first, last, strict=True)), indexing="ij"), -1)
    code = _nearness(structure.mask, grid).sample(grid.world(index), order=0, outside=0.0)
    hit = code == SURE
    open_cells = np.argwhere(code == NEAR) + first
    found = np.zeros(len(open_cells), bool)
    offsets = (np.arange(subdivision) + 0.5) / subdivision - 0.5
    for offset in itertools.product(offsets, repeat=3):
        found |= structure.mask.sample(grid.world(open_cells + np.array(offset)), order=1, outside=0.0) >= 0.5
    hit[tuple((open_cells - first).T)] = found
    cells = index[hit]
    if cells.size == 0:
        voxels = structure.mask.grid.world(np.argwhere(structure.mask.data))
        cells = np.unique(np.rint(grid.index(voxels[grid.contains(voxels)])).astype(int), axis=0)
        cells = cells[((cells >= 0) & (cells < np.array(grid.shape))).all(axis=1)]
    if cells.size == 0:
        return np.empty(0, np.int64)
    return np.ravel_multi_index(tuple(cells.T), grid.shape).astype(np.int64)


NEAR, SURE = 1, 2


def _nearness(mask: Volume, grid: Grid) -> Volume:
    """By voxel around a mask: SURE where every sub-point of a heat cell centred in it lies in the mask, NEAR where one
    may, 0 elsewhere. Interpolation reads voxels less than one index from a point, which is at most half a cell from its
    cell's centre, which is at most half an index from its voxel's."""
    from scipy.ndimage import maximum_filter, minimum_filter

    reach = int(np.ceil(1.5 + 0.5 * float((grid.spacing_mm.max() / mask.grid.spacing_mm).max())))
    data = np.pad(np.asarray(mask.data) > 0, reach).astype(np.uint8)
    size = 2 * reach + 1
    code = maximum_filter(data, size, mode="constant") + minimum_filter(data, size, mode="constant")
    affine = mask.grid.affine.copy()
    affine[:3, 3] = mask.grid.world(np.full(3, -reach))
    shape = (code.shape[0], code.shape[1], code.shape[2])
    return Volume(code, Grid(shape, affine, mask.grid.frame))


def distances_mm(anatomy: Anatomy, trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Distance from each structure to the last 15 mm of the nearest needle, where catalogued antennas radiate most."""
    from scipy.spatial import cKDTree

    tree = cKDTree(radiating_points(trajectories))
    found = {}
    for structure in anatomy.structures:
        voxels = np.argwhere(structure.mask.data)
        if voxels.size:
            found[structure.name] = float(np.min(tree.query(structure.mask.grid.world(voxels))[0]))
    return found


def _sensors(treatment: Treatment, anatomy: Anatomy) -> list[FloatArray]:
    """Thermocouples and control sensors, RAS mm; refuses one outside the image."""
    named = {f"thermocouple {name}": point for name, point in treatment.thermocouples.items()}
    for number, activation in enumerate(treatment.schedule.activations, 1):
        if activation.sensor_mm is not None:
            named[f"sensor of activation {number}"] = np.array(activation.sensor_mm)
    lower, upper = anatomy.ct.grid.bounds()
    for name, point in named.items():
        if not anatomy.ct.grid.contains(point):
            raise InputError(
                "A temperature sensor lies outside the image.",
                where=name,
                got=f"RAS {np.round(point, 1).tolist()} mm",
                expected=f"within {np.round(lower, 1).tolist()} to {np.round(upper, 1).tolist()} mm",
                advice="check the coordinates and their frame (RAS or LPS)",
            )
    return list(named.values())


def make_setup(case: Case, treatment: Treatment, protocol: Protocol, numerics: Numerics) -> Setup:
    """Everything one member needs, picklable."""
    anatomy = case.anatomy
    protection = treatment.protection
    cooled = [one.centre_mm for one in protection.skin_cooling]
    grid = crop_grid(anatomy, treatment.trajectories, numerics, _sensors(treatment, anatomy), cooled)
    tissue = TissueMap.from_volumes(grid, anatomy.tissue, anatomy.tissue_names, hu=anatomy.ct)
    tissue = dissected(tissue, protection.dissections)
    if anatomy.no_data is not None:
        tissue = replace(tissue, outside_image=tissue.outside_image | on_grid(anatomy.no_data, grid))
    filled = _without_tissue(tissue, protection)
    probes: dict[str, NDArray[np.int64]] = {}
    neural: list[NDArray[np.int64]] = []
    tracked: list[str] = []
    for structure in anatomy.structures:
        if structure.kind.value in NOT_TRACKED or not structure.mask.data.any():
            continue
        tracked.append(structure.name)
        cells = np.setdiff1d(structure_cells(structure, grid), filled)
        if structure.kind.value in protocol.local_sar.kinds:
            neural.append(cells)
        if cells.size:
            probes[structure.name] = cells
    return Setup(
        tissue=tissue,
        emitters=tuple(emitter_of(placed) for placed in treatment.applicators),
        schedule=treatment.schedule,
        power_kind=treatment.power_kind,
        probes=probes,
        tracked=tuple(tracked),
        thermocouples=dict(treatment.thermocouples),
        neural_cells=np.unique(np.concatenate(neural)) if neural else np.empty(0, np.int64),
        resolve_every_s=numerics.resolve_every_s,
        reach_mm=numerics.reach_mm + 5.0,
        max_cooldown_s=numerics.max_cooldown_s,
        coherent=treatment.coherent,
        drying=drying_adjustment(treatment),
        protection=protection,
    )


def _without_tissue(tissue: TissueMap, protection: Protection) -> NDArray[np.int64]:
    """Flat cells whose temperature injures nothing, that of their neighbours may: gas, fluid, coolant on the skin."""
    found = np.zeros(tissue.grid.shape, bool)
    if protection.dissections:
        found |= filled_cells(tissue)
    if protection.skin_cooling:
        found |= tissue.air_cells()
    return np.flatnonzero(found)


def emitter_of(placed: PlacedAntenna) -> Emitter:
    """The applicator as the heat solver knows it, with what its calibration says."""
    return Emitter(
        name=placed.name,
        antenna=placed.antenna,
        trajectory=placed.trajectory,
        frequency_hz=placed.frequency_hz,
        efficiency=1.0 if placed.calibration is None else placed.calibration.efficiency.value,
        phase_deg=placed.phase_deg,
    )


def drying_adjustment(treatment: Treatment) -> DryingAdjustment:
    """What the calibrations say about drying: a property of the tissue as the model sees it, so one for all antennas.

    Raises:
        InputError: two calibrations give different values for the same drying model.
    """
    found: dict[str, float] = {}
    for placed in treatment.applicators:
        if placed.calibration is None:
            continue
        name, value = placed.calibration.drying_parameter_name, placed.calibration.drying_parameter.value
        if found.setdefault(name, value) != value:
            raise InputError(
                "Two calibrations disagree about how tissue dries.",
                where=f"{placed.name}: calibration",
                got=f"{name} {found[name]:g} and {value:g}",
                expected="one value: all antennas dry the same tissue",
                advice="calibrate the devices together, or leave the calibration of one out",
            )
    return DryingAdjustment(**found)
