"""The torso phantom as an :class:`Anatomy`: analytic labels put on a grid. The project's public reference case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical.levels import Level, Region, parse_level
from vertherm.clinical.pathology import LesionKind
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import TISSUE_CODES, TISSUE_OF, Anatomy, Structure, StructureKind, cropped, subgrid
from vertherm.imaging.orient import reoriented
from vertherm.imaging.shapes import Array, Common, Difference, Ellipsoid, Grown, Shape, Tube, Union
from vertherm.imaging.tables import rule
from vertherm.imaging.torso import Part, PhantomParameters, Torso, paint, spine
from vertherm.imaging.torso_trunk import skin_layer, trunk, vessels

SOURCE = "torso phantom formula"
Wall = Literal["intact", "breached"]
Window = tuple[slice, slice, slice]


def torso_model(
    level: str = "L3",
    *,
    kind: str | None = "lytic",
    lesion_radius_mm: float = 8.5,
    lesion_offset_mm: tuple[float, float, float] = (5.0, 2.0, 0.0),
    posterior_wall: Wall = "intact",
    mirrored: bool = False,
    parameters: PhantomParameters | None = None,
) -> Torso:
    """The phantom as formulas: ask :meth:`Torso.tissue_at` at any point, or :meth:`Torso.describe` it.

    Args:
        level: target vertebra, L1..L5 or T2..T11; it sits at the origin with one neighbour above and below.
        kind: "lytic", "blastic", "mixed", or None for no lesion.
        lesion_radius_mm: radius of the spherical lesion (cut at the inner face of the cortex).
        lesion_offset_mm: its centre from the centre of the vertebral body, RAS mm (before mirroring).
        posterior_wall: "breached": the lesion also takes the posterior wall and 2 mm of epidural fat.
        mirrored: the patient seen in a mirror (x negated); names keep to the patient's sides.
        parameters: dimensions; left out: those of the level's region.

    Raises:
        InputError: no phantom for this level, or a lesion that lies outside the vertebral body.
    """
    target = parse_level(level)
    if target in (Level.T1, Level.T12, Level.T13, Level.L6):
        raise InputError("There is no phantom for this level.", got=level, expected="L1..L5 or T2..T11")
    p = parameters or PhantomParameters.for_region(target.region)
    spinal, whole, bodies, shells = spine(p, target)
    spinal_base = [part for part in spinal if part.kind is not StructureKind.root]
    roots = [part for part in spinal if part.kind is StructureKind.root]
    parts = [*trunk(p, target.region), *spinal_base, *vessels(p, target.region), *roots]
    lesion = None
    if kind is not None:
        lesion = _lesion(p, bodies[target], lesion_offset_mm, lesion_radius_mm, posterior_wall)
        allowed = ("cancellous_bone", "cortical_bone", "fat", "muscle")
        parts.append(Part("target", LesionKind(kind).tissue, lesion, only_in=allowed))
    return Torso(p, target, tuple(parts), whole, bodies, shells, lesion, kind or "", mirrored)


def _lesion(
    p: PhantomParameters, body: Shape, offset: tuple[float, float, float], radius: float, posterior_wall: Wall
) -> Shape:
    if float(body.distance(*(np.asarray(c, float) for c in offset))) > -p.cortex:
        raise InputError(
            "The lesion's centre lies outside the vertebral body.", got=offset, expected="an offset inside the body, mm"
        )
    ball = Common((Ellipsoid(offset, (radius, radius, radius)), Grown(body, -p.cortex)))
    if posterior_wall == "intact":
        return ball
    end = (0.4 * offset[0], -p.body_half[1] - 1.0, offset[2])
    way = min(radius - 1.0, 5.0)
    tunnel = Common((Tube((offset, end), (way, way)), Grown(body, 3.0)))
    sac = Grown(Ellipsoid((0.0, p.canal_y + 0.5, 0.0), (*p.sac_half, 1e4)), 0.2)
    return Difference(Union((ball, tunnel)), sac)


def torso_phantom(
    level: str = "L3",
    spacing_mm: float = 1.0,
    *,
    kind: str | None = "lytic",
    lesion_radius_mm: float = 8.5,
    lesion_offset_mm: tuple[float, float, float] = (5.0, 2.0, 0.0),
    posterior_wall: Wall = "intact",
    region: str | None = None,
    mirrored: bool = False,
    orientation: str = "RAS",
    oblique_deg: float = 0.0,
    grid: Grid | None = None,
    noise_hu: float = 0.0,
    seed: int = 0,
    parameters: PhantomParameters | None = None,
) -> Anatomy:
    """The torso phantom on a grid (see :func:`torso_model` for the anatomy and the first arguments).

    Args:
        level: target vertebra.
        spacing_mm: cubic voxels of this size; ignored where ``grid`` is given.
        kind: kind of lesion, None for none.
        lesion_radius_mm: radius of the lesion.
        lesion_offset_mm: its centre, from the centre of the body.
        posterior_wall: "intact" or "breached".
        region: stated for a check only; must be the level's region.
        mirrored: the patient in a mirror.
        orientation: storage order and direction of the axes, such as "RAS", "PIR", "LPS"; the anatomy stays put.
        oblique_deg: grid turned by this angle about the direction (1, 1, 1) through the target.
        grid: any other grid of the phantom's world.
        noise_hu: standard deviation of noise on the CT, generated in RAS storage so that ``orientation`` cannot matter.
        seed: of the noise.
        parameters: other dimensions.

    Returns:
        An :class:`Anatomy` with ``synthetic`` True; every voxel's label by formula at its centre.
    """
    model = torso_model(
        level,
        kind=kind,
        lesion_radius_mm=lesion_radius_mm,
        lesion_offset_mm=lesion_offset_mm,
        posterior_wall=posterior_wall,
        mirrored=mirrored,
        parameters=parameters,
    )
    if region is not None and Region(region) is not model.level.region:
        raise InputError("Region and level of the phantom disagree.", got=f"{region}, {level}")
    where = grid or _grid(model, spacing_mm, oblique_deg)
    anatomy = rasterised(model, where, noise_hu=noise_hu, seed=seed)
    return anatomy if orientation.upper() == "RAS" else in_orientation(anatomy, orientation)


def _grid(model: Torso, spacing_mm: float, oblique_deg: float) -> Grid:
    lower, upper = np.array(model.parameters.lower), np.array(model.parameters.upper)
    if model.mirrored:
        lower[0], upper[0] = -upper[0], -lower[0]
    if oblique_deg == 0.0:
        return Grid.isotropic(lower, upper, spacing_mm)
    angle, axis = np.radians(oblique_deg), np.ones(3) / np.sqrt(3.0)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    corners = np.stack(np.meshgrid(*zip(lower, upper, strict=True), indexing="ij"), -1).reshape(-1, 3) @ turn
    plain = Grid.isotropic(corners.min(0), corners.max(0), spacing_mm)
    affine = np.eye(4)
    affine[:3, :3] = turn
    return Grid(plain.shape, affine @ plain.affine)


def rasterised(model: Torso, grid: Grid, *, noise_hu: float = 0.0, seed: int = 0) -> Anatomy:
    """The formulas at the voxel centres of ``grid``."""
    codes = np.zeros(grid.shape, np.uint8)
    masks: dict[str, Volume] = {}
    for part in model.parts:
        inside, window = _inside(model, grid, part.shape)
        paint(codes[window], part, inside)
        if part.kind is not None:
            masks[part.name] = cropped(inside, subgrid(grid, window), SOURCE)
    lesions = {} if model.lesion is None else {"target": _lesion_mask(model, codes, grid)}
    ct = Volume(_hu(codes, noise_hu, seed), grid, SOURCE)
    notes = ["torso phantom: made by formula, not a patient"]
    if lesions:
        notes.append(f"SYNTHETIC lesion ({model.lesion_kind}) in {model.level}")
    return Anatomy(
        ct=ct,
        tissue=Volume(codes, grid, SOURCE),
        tissue_names=dict(TISSUE_CODES),
        vertebrae={level: _mask(model, grid, shape) for level, shape in model.vertebrae.items()},
        structures=tuple(_structures(model, grid, masks)),
        lesions=lesions,
        notes=tuple(notes),
        synthetic=True,
        bodies={level: _mask(model, grid, shape) for level, shape in model.bodies.items()},
    )


def _structures(model: Torso, grid: Grid, masks: dict[str, Volume]) -> Iterator[Structure]:
    yield Structure("skin", StructureKind.skin, _mask(model, grid, skin_layer(model.parameters)), False, SOURCE)
    for part in model.parts:
        if part.kind is None:
            continue
        name, side = part.name, part.side
        if model.mirrored and side:
            side = "left" if side == "right" else "right"
            name = name.replace(part.side, side)
        mask = masks[part.name]
        if mask.data.any():
            yield Structure(name, part.kind, mask, False, SOURCE, part.level, side)
    for level, shape in model.cortex.items():
        yield Structure(f"cortex {level}", StructureKind.cortex, _mask(model, grid, shape), False, SOURCE, level)


def _mask(model: Torso, grid: Grid, shape: Shape) -> Volume:
    inside, window = _inside(model, grid, shape)
    return cropped(inside, subgrid(grid, window), SOURCE)


def _lesion_mask(model: Torso, codes: NDArray[np.uint8], grid: Grid) -> Volume:
    return cropped(codes == TISSUE_OF[LesionKind(model.lesion_kind).tissue], grid, SOURCE)


def _inside(model: Torso, grid: Grid, shape: Shape) -> tuple[NDArray[np.bool_], Window]:
    """Where a solid is, within the window of the grid that can hold it."""
    window = _window(model, grid, shape)
    out = np.zeros([s.stop - s.start for s in window], bool)
    axes = [np.arange(s.start, s.stop, dtype=float) for s in window]
    aligned = np.count_nonzero(np.abs(grid.affine[:3, :3]) > 1e-9) == 3 and np.all(np.diag(grid.affine)[:3] != 0)
    slab = max(1, int(1_000_000 // max(1, out.shape[1] * out.shape[2])))
    for start in range(0, out.shape[0] if out.size else 0, slab):
        i, j, k = np.ix_(axes[0][start : start + slab], axes[1], axes[2])
        if not aligned:
            i, j, k = np.broadcast_arrays(i, j, k)
        x, y, z = (_coordinate(grid, row, i, j, k) for row in range(3))
        out[start : start + slab] = shape.distance(*model.local(x, y, z)) <= 0
    return out, window


def _coordinate(grid: Grid, row: int, i: Array, j: Array, k: Array) -> Array:
    total = np.asarray(grid.affine[row, 3])
    for factor, index in zip(grid.affine[row, :3], (i, j, k), strict=True):
        if factor != 0:
            total = total + factor * index
    return total


def _window(model: Torso, grid: Grid, shape: Shape) -> Window:
    lower, upper = (np.array(corner, float) for corner in shape.box())
    if model.mirrored:
        lower[0], upper[0] = -upper[0], -lower[0]
    low, high = grid.bounds()
    lower, upper = np.maximum(lower, low), np.minimum(upper, high)
    if (lower > upper).any():
        return slice(0, 0), slice(0, 0), slice(0, 0)
    corners = np.stack(np.meshgrid(*zip(lower, upper, strict=True), indexing="ij"), -1).reshape(-1, 3)
    index = grid.index(corners)
    first = np.clip(np.floor(index.min(0)).astype(int), 0, grid.shape)
    last = np.clip(np.ceil(index.max(0)).astype(int) + 1, 0, grid.shape)
    return slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1])), slice(int(first[2]), int(last[2]))


def _hu(codes: NDArray[np.uint8], noise_hu: float, seed: int) -> NDArray[np.float32]:
    table = np.array([rule(f"hu {TISSUE_CODES[code]}") for code in range(len(TISSUE_CODES))], np.float32)
    hu = table[codes]
    mixed = codes == TISSUE_OF["mixed_tumour"]
    if mixed.any():
        # Alternating lytic and blastic grains of about 4 mm stand for a mixed lesion.
        where = np.argwhere(mixed)
        grain = (where // 4).sum(1) % 2 == 0
        hu[mixed] = np.where(grain, rule("hu lytic_tumour"), rule("hu blastic_tumour")).astype(np.float32)
    if noise_hu > 0:
        hu += np.random.default_rng(seed).normal(0.0, noise_hu, hu.shape).astype(np.float32)
    return hu


def in_orientation(anatomy: Anatomy, codes: str) -> Anatomy:
    """The same anatomy with every volume stored along other axes (see :func:`reoriented`)."""

    def turned(volume: Volume) -> Volume:
        return reoriented(volume, codes)

    return replace(
        anatomy,
        ct=turned(anatomy.ct),
        tissue=turned(anatomy.tissue),
        vertebrae={level: turned(v) for level, v in anatomy.vertebrae.items()},
        structures=tuple(replace(s, mask=turned(s.mask)) for s in anatomy.structures),
        lesions={name: turned(v) for name, v in anatomy.lesions.items()},
        metal=None if anatomy.metal is None else turned(anatomy.metal),
        no_data=None if anatomy.no_data is None else turned(anatomy.no_data),
        bodies=None if anatomy.bodies is None else {level: turned(v) for level, v in anatomy.bodies.items()},
    )
