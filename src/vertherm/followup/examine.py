"""One lesion at one examination: registered, zone and cement found, margin and agreement measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.followup.cement import ObservedCement, find_cement, given_cement
from vertherm.followup.changes import Look
from vertherm.followup.diameters import Diameters, diameters
from vertherm.followup.entry import FollowupFile, ReadTarget
from vertherm.followup.images import Scan, drawn_mask, laid, on_cubes, read_drawn
from vertherm.followup.planned import PredictedZone
from vertherm.followup.registration import Registration, register_vertebra
from vertherm.followup.scene import LocalScene, voxels
from vertherm.followup.zone import NotVisible, ObservedZone, Tissue, given_zone, segment_zone
from vertherm.geometry.margin_map import MarginMap, margin_map
from vertherm.geometry.volume import LPS_RAS, FloatArray, Volume
from vertherm.imaging.anatomy import Anatomy

Bool = NDArray[np.bool_]
SEED_SHARE = 0.6
"""The middle of the predicted zone is deeper than this share of its greatest depth."""
SEEDS_ML = 0.5
"""So much of the visible tissue next to that middle surely is coagulated; around cement, where cement hides it."""
SEED_BALL_MM = 3.0
MISSING_HU = -2000.0
LEAST_KEPT = 0.9
"""Of a drawn zone's volume that must lie in the region around the vertebra."""


@dataclass(frozen=True, eq=False)
class Examined:
    """What one examination shows of one lesion. Everything lies in the planning frame.

    Args:
        scene: the lesion's surroundings.
        scan: the examination.
        registration: of its vertebra.
        image: the examination on the scene's grid; None where registration failed.
        signal: what contrast medium added.
        zone: treated zone, or why there is none; None where registration failed.
        cement: None for MR without a mask.
        margin: None without a zone.
        tumour: size of viable tumour; None where nobody stated it.
        tumour_mask: its mask.
        look: for the comparison with other examinations.
        shown: share of the lesion and the margin aimed at that lies inside the image.
        notes: what a reader must know.
    """

    scene: LocalScene
    scan: Scan
    registration: Registration
    image: Volume | None = None
    signal: Volume | None = None
    zone: ObservedZone | NotVisible | None = None
    cement: ObservedCement | None = None
    margin: MarginMap | None = None
    tumour: Diameters | None = None
    tumour_mask: Volume | None = None
    look: Look | None = None
    shown: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def seen_zone(self) -> ObservedZone | None:
        """The zone where there is one."""
        return self.zone if isinstance(self.zone, ObservedZone) else None


def examine(
    scan: Scan,
    scene: LocalScene,
    anatomy: Anatomy,
    predicted: tuple[PredictedZone, ...],
    reading: ReadTarget,
    entry: FollowupFile,
) -> Examined:
    """Read one lesion in one examination.

    Args:
        scan: the examination.
        scene: the lesion's surroundings in the planning frame.
        anatomy: of the planning scan.
        predicted: zones of this lesion.
        reading: what a person said and drew.
        entry: the follow-up file's settings.

    Raises:
        InputError: a drawn mask or a seed cannot be used.
    """
    registration = _registered(scan, scene, anatomy, predicted)
    if registration.status == "failed":
        return Examined(scene, scan, registration, notes=("not registered, so nothing is measured",))
    matrix = np.asarray(registration.transform)
    is_ct = scan.entry.modality == "CT"
    image = laid(scan.image, matrix, scene.grid, outside=MISSING_HU)
    inside = image.data > MISSING_HU
    image = image.with_data(np.where(inside, image.data, -1000.0 if is_ct else 0.0).astype(np.float32))
    cement = _cement(image, scan, scene, anatomy, reading, entry, matrix)
    hidden = np.zeros(scene.grid.shape, bool) if cement is None else voxels(cement.mask, scene.grid)
    tissue = scene.seen(hidden)
    tissue = replace(tissue, bone=tissue.bone & inside, soft=tissue.soft & inside)
    signal, note = _signal(image, scan, scene, matrix)
    if reading.zone is not None:
        zone: ObservedZone | NotVisible = _drawn_zone(reading, scan, scene, anatomy, matrix)
    elif signal is None:
        zone = NotVisible("without contrast medium the treated zone is not told from living tissue: give it as a mask")
    elif not is_ct and reading.cement is None and not reading.no_cement:
        zone = NotVisible(
            "on MR cement is as dark as a treated zone: name its mask, or no_cement = true, or draw the zone"
        )
    else:
        zone = _segmented(signal, _seeds(scene, predicted, reading, matrix, tissue.visible), tissue, reading)
    shown = _shown(scene, inside, entry.goal_mm)
    found = Examined(scene, scan, registration, image, signal, zone, cement, shown=shown, notes=(note,) if note else ())
    if isinstance(zone, ObservedZone):
        place_mm = _place_sd(registration, scene)
        look = Look(scan.entry.modality, signal, image if is_ct else None, zone, tissue, place_mm)
        margin = _margin(scene, zone, place_mm, entry.goal_mm)
        found = replace(found, margin=margin, look=look)
    return _with_tumour(found, reading, scan, anatomy, matrix, entry.spacing_mm)


def _drawn_zone(
    reading: ReadTarget, scan: Scan, scene: LocalScene, anatomy: Anatomy, matrix: FloatArray
) -> ObservedZone:
    """The zone as drawn; one that leaves the region around the vertebra would be cut, so it is refused."""
    assert reading.zone is not None
    whole, _ = read_drawn(reading.zone, scan, anatomy.ct, matrix)
    drawn = drawn_mask(reading.zone, scan, anatomy.ct, matrix, scene.grid)
    volume = float(np.count_nonzero(whole.data)) * whole.grid.voxel_volume_ml
    kept = float(np.count_nonzero(drawn.data)) * drawn.grid.voxel_volume_ml
    if volume > 0.0 and kept < LEAST_KEPT * volume:
        raise InputError(
            "A drawn zone reaches beyond the region around its vertebra.",
            where=f"{reading.zone.path.name}, examination {scan.entry.name}",
            got=f"{volume:.1f} ml, {kept:.1f} ml of them in the region",
            expected="a zone at this lesion",
            advice="check the mask, its label, and the frame it was drawn in",
        )
    return given_zone(drawn, reading.edge_sd_mm)


def _segmented(signal: Volume, seeds: Bool, tissue: Tissue, reading: ReadTarget) -> ObservedZone | NotVisible:
    """By growing from the seeds; only seeds that a person named must hold tissue."""
    if reading.seed is None and not (seeds & tissue.visible).any():
        return NotVisible("the middle of the expected zone shows no bone or soft tissue: name a seed, or draw the zone")
    return segment_zone(signal, seeds, tissue)


def _shown(scene: LocalScene, inside: Bool, goal_mm: float) -> float:
    """Share of the lesion and the margin aimed at that the image shows."""
    from scipy.ndimage import distance_transform_edt

    lesion = voxels(scene.lesion, scene.grid)
    needed = np.asarray(distance_transform_edt(~lesion)) * float(scene.grid.spacing_mm.max()) <= goal_mm
    return float(np.count_nonzero(needed & inside)) / max(float(np.count_nonzero(needed)), 1.0)


def _registered(scan: Scan, scene: LocalScene, anatomy: Anatomy, predicted: tuple[PredictedZone, ...]) -> Registration:
    """The vertebra's registration; where the treatment changed the image, it does not look."""
    start = None
    if scan.entry.shift_mm is not None:
        start = np.eye(4)
        start[:3, 3] = scan.entry.shift_mm
    changed = voxels(scene.lesion, scene.grid)
    masks = sorted((voxels(zone.mask, scene.grid) for zone in predicted), key=np.count_nonzero)
    if masks:
        # The metric in the middle: the widest one may hold the whole vertebra and leave nothing to register by.
        changed |= masks[len(masks) // 2]
    return register_vertebra(
        anatomy.ct,
        scan.image,
        scene.vertebra,
        exclude=Volume(changed, scene.grid, "lesion and predicted zone"),
        start=start,
        modality=scan.entry.modality,
    )


def _place_sd(registration: Registration, scene: LocalScene) -> float:
    """Standard deviation of the registration at the lesion, one axis, mm: 2.8 of them hold 95 % of a vector."""
    points = scene.lesion.grid.world(np.argwhere(scene.lesion.data))
    return float(np.max(registration.error_mm(points))) / 2.795


def _signal(image: Volume, scan: Scan, scene: LocalScene, matrix: FloatArray) -> tuple[Volume | None, str]:
    """What contrast medium added, and what was subtracted; None without contrast medium."""
    if not scan.entry.contrast:
        return None, ""
    if scan.native is not None:
        before = laid(scan.native, matrix, scene.grid, outside=MISSING_HU)
        return _subtracted(image, before), ""
    if scan.entry.modality == "CT":
        note = (
            "contrast medium judged against the planning scan (no native scan of the same examination): another "
            "reconstruction kernel, sclerosis or healing would look like it"
        )
        return _subtracted(image, scene.planning), note
    return image, "no native MR given: the zone is sought as a dark region, without subtraction"


def _subtracted(image: Volume, before: Volume) -> Volume:
    change = image.data - before.data
    # Where either shows nothing, a difference means nothing.
    return image.with_data(np.where(np.abs(change) > 1500.0, 0.0, change).astype(np.float32))


def _seeds(
    scene: LocalScene, predicted: tuple[PredictedZone, ...], reading: ReadTarget, matrix: FloatArray, visible: Bool
) -> Bool:
    """A ball around the named point; else the middle of the smallest predicted zone; else of the lesion."""
    from scipy.ndimage import distance_transform_edt

    if reading.seed is not None:
        point = np.asarray(reading.seed, float)
        point = LPS_RAS @ point if reading.seed_frame == "LPS" else point
        back = np.linalg.inv(matrix)
        own = back[:3, :3] @ point + back[:3, 3]
        return np.asarray(np.linalg.norm(scene.grid.centres() - own, axis=-1) <= SEED_BALL_MM)
    masks = [voxels(zone.mask, scene.grid) for zone in predicted]
    inner = min((mask for mask in masks if mask.any()), key=np.count_nonzero, default=voxels(scene.lesion, scene.grid))
    depth = np.asarray(distance_transform_edt(inner))
    middle = np.argwhere(depth >= SEED_SHARE * depth.max()).mean(axis=0)
    candidates = np.argwhere(inner & visible)
    near = np.argsort(np.linalg.norm(candidates - middle, axis=1), kind="stable")
    chosen = candidates[near[: round(SEEDS_ML / scene.grid.voxel_volume_ml)]]
    seeds = np.zeros(scene.grid.shape, bool)
    seeds[tuple(chosen.T)] = True
    return seeds


def _cement(
    image: Volume,
    scan: Scan,
    scene: LocalScene,
    anatomy: Anatomy,
    reading: ReadTarget,
    entry: FollowupFile,
    matrix: FloatArray,
) -> ObservedCement | None:
    if reading.cement is not None:
        return given_cement(drawn_mask(reading.cement, scan, anatomy.ct, matrix, scene.grid), scene)
    # Contrast medium does not reach 1000 HU in tissue; the native scan is still the cleaner one.
    source = image if scan.native is None else laid(scan.native, matrix, scene.grid, outside=-1000.0)
    return find_cement(source, scene, entry.cement_hu) if scan.entry.modality == "CT" else None


def _margin(scene: LocalScene, zone: ObservedZone, place_sd_mm: float, goal_mm: float) -> MarginMap:
    from vertherm.geometry.margin_barriers import Barriers

    barriers = Barriers(bone=scene.vertebra, canal=scene.canal)
    return margin_map(
        scene.lesion,
        zone.mask,
        barriers=barriers,
        registration_sd_mm=place_sd_mm,
        segmentation_sd_mm=zone.edge_sd_mm,
        goal_mm=goal_mm,
    )


def _with_tumour(
    found: Examined, reading: ReadTarget, scan: Scan, anatomy: Anatomy, matrix: FloatArray, spacing_mm: float
) -> Examined:
    """Size of viable tumour as drawn, all of it, on cubes as the lesion before treatment."""
    if reading.no_tumour:
        return replace(found, tumour=Diameters(0.0, 0.0, 0.0, 0.0))
    if reading.tumour is None:
        return found
    own, frame = read_drawn(reading.tumour, scan, anatomy.ct, matrix)
    if not (own.data > 0).any():
        raise InputError(
            "The mask of viable tumour is empty.",
            where=f"{reading.tumour.path.name}, examination {scan.entry.name}",
            advice="where no tumour is left, state no_tumour = true; else check file and label",
        )
    mask = drawn_mask(reading.tumour, scan, anatomy.ct, matrix, found.scene.grid)
    return replace(found, tumour=diameters(on_cubes(own, frame, spacing_mm)), tumour_mask=mask)
