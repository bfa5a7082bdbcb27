"""The torso phantom as a list of solids: geometry only, by formula, no voxels.

Origin: centre of the target's vertebral body; x right, y anterior, z superior, millimetres. Dimensions are our choice,
near adult morphometry (vertebral bodies at the large end, so that a control ablation fits 25 mm before the canal).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical.levels import Level, Region, neighbour_above, neighbour_below, root_below
from vertherm.core.errors import InputError
from vertherm.imaging.anatomy import TISSUE_OF, Side, StructureKind
from vertherm.imaging.shapes import Array, Column, Common, Difference, Ellipsoid, Grown, Point, Shape, Slab, Tube, Union

LONG = 1000.0


@dataclass(frozen=True)
class PhantomParameters:
    """Dimensions in mm of the torso; build with :meth:`for_region`."""

    body_half: Point = (25.0, 18.0, 13.5)
    body_waist: float = 0.10
    disc_height: float = 10.0
    cortex: float = 1.2
    canal_half: tuple[float, float] = (11.0, 8.5)
    sac_half: tuple[float, float] = (8.5, 6.5)
    dura: float = 0.35
    cord_half: tuple[float, float] = (4.5, 3.5)
    cauda_half: tuple[float, float] = (6.0, 3.0)
    conus_z: float | None = 30.0
    pedicle_half: tuple[float, float] = (5.0, 7.0)
    pedicle_x: float = 17.0
    lamina: float = 6.0
    spinous_length: float = 34.0
    transverse_tip: Point = (42.0, -36.0, 4.0)
    root_path: tuple[Point, ...] = (
        (6.0, -25.5, 6.0),
        (8.3, -25.2, -2.0),
        (11.0, -25.0, -6.0),
        (19.0, -23.0, -10.0),
        (30.0, -17.0, -17.0),
    )
    root_end: Point = (38.0, -13.0, -34.0)
    root_radius: float = 2.0
    ganglion_radius: float = 3.0
    torso_half: tuple[float, float] = (175.0, 125.0)
    back_y: float = -97.0
    skin: float = 2.0
    back_fat: float = 12.0
    lower: Point = (-80.0, -107.0, -60.0)
    upper: Point = (80.0, 78.0, 60.0)

    @staticmethod
    def for_region(region: Region) -> PhantomParameters:
        """Dimensions for a region.

        Raises:
            InputError: no phantom for this region.
        """
        if region is Region.lumbar:
            return PhantomParameters()
        if region is not Region.thoracic:
            raise InputError(
                "There is no phantom for this region.",
                got=region.value,
                expected="lumbar (L1..L5) or thoracic (T2..T11)",
            )
        return PhantomParameters(
            body_half=(16.0, 14.0, 10.0),
            disc_height=5.0,
            canal_half=(8.5, 8.0),
            sac_half=(6.8, 6.3),
            cord_half=(4.5, 3.5),
            conus_z=None,
            pedicle_half=(3.0, 5.0),
            pedicle_x=11.0,
            lamina=5.0,
            spinous_length=28.0,
            transverse_tip=(30.0, -38.0, 5.0),
            root_path=(
                (4.5, -21.5, 4.0),
                (6.3, -21.5, -1.5),
                (8.5, -21.5, -5.0),
                (13.5, -21.0, -8.0),
                (22.0, -21.0, -9.0),
            ),
            root_end=(40.0, -34.0, -12.0),
            root_radius=1.5,
            ganglion_radius=2.2,
            back_y=-85.0,
            lower=(-80.0, -95.0, -50.0),
            upper=(80.0, 70.0, 50.0),
        )

    @property
    def pitch(self) -> float:
        """Distance between vertebral centres."""
        return 2 * self.body_half[2] + self.disc_height

    @property
    def canal_y(self) -> float:
        """Centre of the canal behind the body's posterior wall."""
        return -self.body_half[1] - self.canal_half[1]


@dataclass(frozen=True)
class Part:
    """A solid with its tissue; painted in order, later over earlier. ``kind`` set: it is a structure of its own."""

    name: str
    tissue: str
    shape: Shape
    kind: StructureKind | None = None
    level: Level | None = None
    side: Side = ""
    only_in: tuple[str, ...] = ()
    """Tissues it may replace; empty: any."""


@dataclass(frozen=True)
class Torso:
    """The phantom as data: parts in painting order, vertebrae and bodies by level, lesion."""

    parameters: PhantomParameters
    level: Level
    parts: tuple[Part, ...]
    vertebrae: dict[Level, Shape]
    bodies: dict[Level, Shape]
    cortex: dict[Level, Shape]
    lesion: Shape | None
    lesion_kind: str
    mirrored: bool = False

    def local(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Coordinates as the formulas want them: mirrored back, rounded so that storage order cannot decide a tie."""
        x, y, z = np.round(x, 6), np.round(y, 6), np.round(z, 6)
        return (-x if self.mirrored else x), y, z

    def tissue_at(self, points_mm: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Tissue codes (:data:`TISSUE_CODES`) at RAS points, shape (..., 3) to (...), by formula."""
        points = np.asarray(points_mm, float)
        x, y, z = self.local(points[..., 0], points[..., 1], points[..., 2])
        codes = np.zeros(x.shape, np.uint8)
        for part in self.parts:
            paint(codes, part, np.asarray(part.shape.distance(x, y, z) <= 0))
        return codes

    def describe(self) -> dict[str, Any]:
        """Closed description (JSON-ready) from which another code can rebuild the phantom."""
        listed = [
            {"name": p.name, "tissue": p.tissue, "only_in": list(p.only_in), "shape": p.shape.describe()}
            for p in self.parts
        ]
        return {
            "rule": "air; then each part in order replaces the tissue where its solid is (only_in: only those)",
            "frame": "RAS mm, origin at the centre of the target body; mirrored: negate x first",
            "level": self.level.value,
            "mirrored": self.mirrored,
            "parameters": asdict(self.parameters),
            "parts": listed,
        }


def paint(codes: NDArray[np.uint8], part: Part, inside: NDArray[np.bool_]) -> None:
    """Put a part's tissue into ``codes`` in place where ``inside`` (and ``only_in``) allow."""
    if part.only_in:
        inside = inside & np.isin(codes, [TISSUE_OF[name] for name in part.only_in])
    codes[inside] = TISSUE_OF[part.tissue]


def neighbours(level: Level) -> list[tuple[Level, int]]:
    """Target and one vertebra above and below with their position in pitches; sacral ends are left out."""
    found = [(level, 0)]
    if level is not Level.C1:
        found.insert(0, (neighbour_above(level), 1))
    if level is not Level.S5:
        found.append((neighbour_below(level), -1))
    return found


def vertebra(p: PhantomParameters, z: float) -> tuple[Shape, Shape]:
    """Body and posterior elements of one vertebra whose body centre lies at height ``z``."""
    bx, by, bz = p.body_half
    cy, px = p.canal_y, p.pedicle_x
    body = Column((0.0, 0.0, z), bx, by, bz, p.body_waist)
    back = cy - p.canal_half[1]
    ring = Column((0.0, cy, z - 2), p.canal_half[0] + p.lamina, p.canal_half[1] + p.lamina, bz - 3.5)
    behind = Slab((0.0, cy - 3 - 30, z), (60.0, 30.0, 3 * bz))
    # At the pedicles bone closes tightly around the canal; below them it opens into the foramina.
    height = z + 0.37 * bz
    tight = Column((0.0, cy, height), p.canal_half[0] + 4, p.canal_half[1] + 4, p.pedicle_half[1])
    wall_y = 0.5 * (cy - 0.55 * by)
    wall = Slab((0.0, wall_y, height), (px, -0.55 * by - wall_y, p.pedicle_half[1]))
    parts: list[Shape] = [Common((ring, behind)), tight, wall]
    spinous_y = back - 0.5 * p.spinous_length - p.lamina + 2
    parts.append(Slab((0.0, spinous_y, z - 6.0), (3.5, 0.5 * p.spinous_length, 0.55 * bz)))
    pillar = (px + 0.5, cy - 0.45 * p.canal_half[1])
    for side in (-1.0, 1.0):
        tip = (side * p.transverse_tip[0], p.transverse_tip[1], z + p.transverse_tip[2])
        parts.append(_pedicle(p, side * px, z + 0.37 * bz))
        parts.append(Tube(((side * pillar[0], pillar[1] - 3, z + 4), tip), (4.5, 3.5)))
        top = (side * (px + 1.5), cy - 0.4 * p.canal_half[1], z + 1.35 * bz)
        parts.append(Tube(((side * pillar[0], pillar[1], z + 4), top), (4.5, 4.0)))
        low = (side * (px - 2), back - 5.5, z - 1.55 * bz)
        parts.append(Tube(((side * (px - 1), back - 3.5, z - 4), low), (4.5, 4.0)))
    return body, Union(tuple(parts))


def _pedicle(p: PhantomParameters, x: float, z: float) -> Shape:
    """Bar of rounded section from the body to the articular pillar."""
    front, rear = -0.55 * p.body_half[1], p.canal_y - 0.6 * p.canal_half[1]
    half_y = 0.5 * (front - rear)
    hx, hz = p.pedicle_half
    bars = [Tube(((x, front, z + d), (x, rear, z + d)), (hx, hx)) for d in (-(hz - hx), 0.0, hz - hx)]
    return Common((Union(tuple(bars)), Slab((x, front - half_y, z), (hx, half_y + hx, hz))))


def root(p: PhantomParameters, z: float, side: float) -> Shape:
    """One nerve root from the lateral recess through the foramen, with its ganglion, to ``root_end``."""
    points = tuple((side * x, y, z + dz) for x, y, dz in (*p.root_path, p.root_end))
    radii = [p.root_radius] * len(points)
    radii[3] = p.ganglion_radius
    return Tube(points, tuple(radii))


Solids = dict[Level, Shape]


def spine(p: PhantomParameters, level: Level) -> tuple[list[Part], Solids, Solids, Solids]:
    """Discs, vertebrae, canal with its content, roots; and vertebra, body and cortex solids by level."""
    canal = Column((0.0, p.canal_y, 0.0), *p.canal_half, LONG)
    parts = [
        Part("foraminal fat", "fat", Column((0.0, p.canal_y, 0.0), p.canal_half[0] + 10, p.canal_half[1] + 3, LONG))
    ]
    whole: Solids = {}
    bodies: Solids = {}
    shells: Solids = {}
    found = neighbours(level)
    for _, step in found:
        for edge in (-0.5, 0.5) if step == 0 else (1.5 * step,):
            centre = (0.0, 0.0, edge * p.pitch)
            disc = Column(centre, p.body_half[0] - 0.5, p.body_half[1] - 0.5, 0.5 * p.disc_height)
            parts.append(Part(f"disc at {centre[2]:+.1f}", "disc", disc))
    for name, step in found:
        body, posterior = vertebra(p, step * p.pitch)
        bodies[name] = Difference(body, canal)
        whole[name] = Difference(Union((body, posterior)), canal)
        shells[name] = Difference(whole[name], Grown(whole[name], -p.cortex))
        parts.append(Part(f"vertebra {name}", "cortical_bone", whole[name], level=name))
        parts.append(Part(f"cancellous {name}", "cancellous_bone", Grown(whole[name], -p.cortex), level=name))
    parts += _canal_parts(p, canal) + _root_parts(p, found)
    return parts, whole, bodies, shells


def _canal_parts(p: PhantomParameters, canal: Shape) -> list[Part]:
    sac = Column((0.0, p.canal_y + 0.5, 0.0), *p.sac_half, LONG)
    parts = [
        Part("canal", "fat", canal, StructureKind.canal),
        Part("dural sac", "dura", sac, StructureKind.dural_sac),
        Part("csf", "csf", Grown(sac, -p.dura)),
    ]
    cord: Shape = Column((0.0, p.canal_y + 0.5, 0.0), *p.cord_half, LONG)
    if p.conus_z is not None:
        tip = Ellipsoid((0.0, p.canal_y + 0.5, p.conus_z), (*p.cord_half, 12.0))
        above = Slab((0.0, 0.0, p.conus_z + LONG), (LONG, LONG, LONG))
        cord = Union((Common((cord, above)), tip))
        below = Slab((0.0, 0.0, p.conus_z - LONG), (LONG, LONG, LONG))
        bundle = Column((0.0, p.canal_y - 1.5, 0.0), *p.cauda_half, LONG)
        parts.append(Part("cauda equina", "nerve", Common((bundle, below)), StructureKind.cauda))
    parts.append(Part("spinal cord", "spinal_cord", cord, StructureKind.cord))
    return parts


def _root_parts(p: PhantomParameters, found: list[tuple[Level, int]]) -> list[Part]:
    parts = []
    for level, step in found:
        name = root_below(level)
        sides: tuple[tuple[Side, float], ...] = (("left", -1.0), ("right", 1.0))
        for side, sign in sides:
            shape = root(p, step * p.pitch, sign)
            parts.append(
                Part(f"root {name} {side}", "nerve", shape, StructureKind.root, level, side, ("fat", "muscle"))
            )
    return parts
