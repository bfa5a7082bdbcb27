"""Protection of a case file as regions in the patient, and what may be suggested where a plan is not safe.

Pull-back needs nothing of this: the case has one entry of ``[[applicators]]`` for each place of the same antenna (the
tip drawn back along the same entry point) and one activation for each, which names the place it fires at. A place's
needle touches the tissue only from its activation on until the next one that fires elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import LPS_RAS, FloatArray, Volume
from vertherm.heat.dissection import REPLACED
from vertherm.heat.irrigation import IRRIGATED
from vertherm.heat.protection import Dissection, Irrigation, Protection, SkinCooling
from vertherm.imaging.anatomy import Anatomy, StructureKind
from vertherm.imaging.read import read_mask
from vertherm.planning.case import (
    DissectionEntry,
    IrrigationEntry,
    Point,
    ProtectionEntry,
    RegionEntry,
    SkinCoolingEntry,
)
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.protection.regions import capsule, layer_between, tissue_ml
from vertherm.planning.setup import skin_crossing

SUGGESTED_FLOW_ML_MIN = 10.0
"""Flow of a suggested irrigation: a slow drip by hand; [guess]."""


def with_protection(treatment: Treatment, entry: ProtectionEntry, case: Case) -> Treatment:
    """The treatment with what protects; layers around a structure are laid on its side towards the antennas.

    Raises:
        InputError: a structure, mask or point cannot be used, or a region holds no tissue that a medium could replace.
    """
    anatomy, needles = case.anatomy, treatment.trajectories
    return replace(
        treatment,
        protection=Protection(
            tuple(_dissection(item, anatomy, needles) for item in entry.dissections),
            tuple(_irrigation(item, anatomy, needles) for item in entry.irrigations),
            tuple(_skin_cooling(item, anatomy, needles) for item in entry.skin_cooling),
        ),
    )


def suggested(kind: str, anatomy: Anatomy, structure_name: str, trajectories: Sequence[Trajectory]) -> Protection:
    """What could protect a structure: a layer of gas or fluid before it, irrigation of such a layer, cold skin.

    Numbers are the defaults of the case file's entries.

    Args:
        kind: "co2", "saline", "dextrose", "irrigation" or "skin cooling".
        anatomy: the patient.
        structure_name: what shall be protected; of no matter for the skin.
        trajectories: the needles.

    Raises:
        InputError: unknown kind or structure, no soft tissue where the layer would lie, no skin in the image.
    """
    name = f"{kind} before {structure_name}"
    if kind == "skin cooling":
        return Protection(skin_cooling=(_skin_cooling(SkinCoolingEntry(), anatomy, trajectories),))
    if kind == "irrigation":
        flow = IrrigationEntry(name=name, around=structure_name, flow_ml_min=SUGGESTED_FLOW_ML_MIN)
        return Protection(irrigations=(_irrigation(flow, anatomy, trajectories),))
    if kind not in ("co2", "saline", "dextrose"):
        expected = "co2, saline, dextrose, irrigation or skin cooling"
        raise InputError("There is no such protection.", got=kind, expected=expected)
    layer = DissectionEntry.model_validate(
        {"name": name, "medium": kind, "around": structure_name, "protects": structure_name}
    )
    return Protection((_dissection(layer, anatomy, trajectories),))


def _dissection(entry: DissectionEntry, anatomy: Anatomy, needles: Sequence[Trajectory]) -> Dissection:
    region = _region(entry, f"protection.dissections: {entry.name}", anatomy, needles, REPLACED)
    protects = entry.protects or entry.around or ""
    if protects:
        anatomy.structure(protects)
    return Dissection(entry.name, entry.medium, region, protects, entry.temperature_c)


def _irrigation(entry: IrrigationEntry, anatomy: Anatomy, needles: Sequence[Trajectory]) -> Irrigation:
    region = _region(entry, f"protection.irrigations: {entry.name}", anatomy, needles, IRRIGATED)
    return Irrigation(entry.name, region, entry.flow_ml_min, entry.temperature_c, entry.medium)


def _region(
    entry: RegionEntry, where: str, anatomy: Anatomy, needles: Sequence[Trajectory], tissues: tuple[str, ...]
) -> Volume:
    """The region of an entry; refused where it holds none of ``tissues``."""
    if entry.around is not None:
        region = layer_between(anatomy, entry.around, needles, entry.thickness_mm)
    elif entry.points:
        points = [_ras(point, entry.frame) for point in entry.points]
        region = capsule(points, entry.radius_mm, anatomy.ct.grid.frame)
    else:
        assert entry.mask is not None  # the entry's own check
        region = read_mask(entry.mask, anatomy.ct, entry.label)
    if tissue_ml(region, anatomy, tissues) <= 0.0:
        raise InputError(
            "A protected region holds no soft tissue.",
            where=where,
            got=f"{np.count_nonzero(region.data) * region.grid.voxel_volume_ml:.2f} mL without {' or '.join(tissues)}",
            expected="soft tissue within the image: gas and fluid go nowhere else",
            advice="check the coordinates and their frame (RAS or LPS), or make the layer thicker",
        )
    return region


def _skin_cooling(entry: SkinCoolingEntry, anatomy: Anatomy, needles: Sequence[Trajectory]) -> SkinCooling:
    where = f"protection.skin_cooling: {entry.name}"
    centre = _ras(entry.centre, entry.frame) if entry.centre is not None else skin_crossing(anatomy, needles[0])
    if centre is None:
        raise InputError(
            "The first needle does not cross the skin within the image.",
            where=where,
            expected="a CT that reaches the skin",
            advice="give the centre of the patch, or an image with the skin",
        )
    nearest = _to_skin_mm(centre, anatomy)
    if nearest is None or nearest > entry.radius_mm:
        raise InputError(
            "The patch to be cooled does not touch the skin.",
            where=where,
            got="no skin in the image" if nearest is None else f"{nearest:.0f} mm from the skin",
            expected=f"within its radius of {entry.radius_mm:g} mm",
            advice="check the coordinates and their frame (RAS or LPS)",
        )
    return SkinCooling(entry.name, centre, entry.radius_mm, entry.temperature_c, entry.film_w_m2k)


def _to_skin_mm(point_mm: FloatArray, anatomy: Anatomy) -> float | None:
    """Distance to the nearest voxel of skin; None where none is labelled."""
    found = [
        float(np.linalg.norm(s.mask.grid.world(np.argwhere(s.mask.data)) - point_mm, axis=1).min())
        for s in anatomy.of_kind(StructureKind.skin)
        if s.mask.data.any()
    ]
    return min(found, default=None)


def _ras(point: Point, frame: str) -> FloatArray:
    array = np.array(point, dtype=np.float64)
    return LPS_RAS @ array if frame == "LPS" else array
