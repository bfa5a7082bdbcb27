"""What surrounds the spine of the torso phantom: skin, fat, muscle, vessels, kidneys, bowel, lungs, ribs."""

from __future__ import annotations

from vertherm.clinical.levels import Region
from vertherm.imaging.anatomy import Side, StructureKind
from vertherm.imaging.shapes import Column, Difference, Ellipsoid, Grown, Shape, Tube, Union
from vertherm.imaging.torso import LONG, Part, PhantomParameters

_SIDES: tuple[tuple[Side, float], ...] = (("left", -1.0), ("right", 1.0))


def torso_outline(p: PhantomParameters) -> Shape:
    """The body's surface: a long ellipse with its back at ``back_y``."""
    return Column((0.0, p.back_y + p.torso_half[1], 0.0), *p.torso_half, LONG)


def trunk(p: PhantomParameters, region: Region) -> list[Part]:
    """Everything painted before the spine, from skin inwards."""
    outline = torso_outline(p)
    parts = [
        Part("skin", "skin", outline),
        Part("subcutaneous fat", "fat", Grown(outline, -p.skin)),
        Part("trunk muscle", "muscle", Grown(outline, -p.skin - p.back_fat)),
    ]
    return parts + (_chest(p) if region is Region.thoracic else _abdomen())


def skin_layer(p: PhantomParameters) -> Shape:
    """The skin as a solid of its own."""
    outline = torso_outline(p)
    return Difference(outline, Grown(outline, -p.skin))


def vessels(p: PhantomParameters, region: Region) -> list[Part]:
    """Great vessels before the vertebral bodies; painted after the spine."""
    front = p.body_half[1]
    if region is Region.thoracic:
        return [
            Part("aorta", "blood", Column((-14.0, front + 5.0, 0.0), 10.5, 10.5, LONG), StructureKind.vessel),
            Part("azygos vein", "blood", Column((8.0, front + 4.0, 0.0), 3.5, 3.0, LONG), StructureKind.vessel),
        ]
    return [
        Part("aorta", "blood", Column((-12.0, front + 12.5, 0.0), 10.0, 10.0, LONG), StructureKind.vessel),
        Part("inferior vena cava", "blood", Column((14.0, front + 11.0, 0.0), 11.0, 9.0, LONG), StructureKind.vessel),
    ]


def _abdomen() -> list[Part]:
    kind = StructureKind
    parts = [Part("retroperitoneal fat", "fat", Column((0.0, 60.0, 0.0), 150.0, 62.0, LONG))]
    heights = {"left": 25.0, "right": 15.0}
    for side, sign in _SIDES:
        kidney = Ellipsoid((sign * 70.0, -4.0, heights[side]), (18.0, 16.0, 50.0))
        ureter = Tube(((sign * 44.0, 26.0, 80.0), (sign * 38.0, 26.0, -80.0)), (2.5, 2.5))
        psoas = Column((sign * 38.0, 3.0, 0.0), 15.0, 18.0, LONG)
        parts += [
            Part(f"psoas {side}", "muscle", psoas, kind.muscle, side=side),
            Part(f"kidney {side}", "kidney", kidney, kind.kidney, side=side),
            Part(f"ureter {side}", "water", ureter, kind.ureter, side=side),
        ]
    colon: Shape = Union(
        (Tube(((-66.0, 36.0, -90.0), (-70.0, 34.0, 90.0)), (14.0, 14.0)), Column((67.0, 36.0, 0.0), 15.0, 14.0, LONG))
    )
    small = Difference(Ellipsoid((4.0, 74.0, 0.0), (48.0, 24.0, 200.0)), Grown(colon, 1.0))
    return [
        *parts,
        Part("colon", "bowel", colon, kind.bowel),
        Part("small bowel", "bowel", small, kind.bowel),
    ]


def _chest(p: PhantomParameters) -> list[Part]:
    kind = StructureKind
    parts = [Part("mediastinal fat", "fat", Column((0.0, 55.0, 0.0), 60.0, 55.0, LONG))]
    for side, sign in _SIDES:
        lung = Ellipsoid((sign * 66.0, 20.0, 0.0), (46.0, 62.0, 220.0))
        parts += [
            Part(f"pleura {side}", "fat", Difference(Grown(lung, 1.5), lung), kind.pleura, side=side),
            Part(f"lung {side}", "lung", lung, kind.lung, side=side),
        ]
        for step in (-1, 0, 1):
            z = step * p.pitch + 6.0
            path = (
                (sign * 18.0, -14.0, z),
                (sign * 32.0, -29.0, z - 1),
                (sign * 52.0, -46.0, z - 8),
                (sign * 78.0, -45.0, z - 20),
            )
            parts.append(
                Part(
                    f"rib {side} at {z:+.0f}", "cancellous_bone", Tube(path, (4.5, 4.5, 4.5, 4.5)), kind.bone, side=side
                )
            )
    oesophagus = Column((2.0, p.body_half[1] + 20.0, 0.0), 8.0, 6.0, LONG)
    return [*parts, Part("oesophagus", "muscle", oesophagus, kind.oesophagus)]
