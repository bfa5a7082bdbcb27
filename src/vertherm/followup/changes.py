"""What is new since an earlier examination: tissue that takes up contrast medium inside or beside the treated zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.followup.criteria import rules
from vertherm.followup.diameters import diameters
from vertherm.followup.scene import LocalScene
from vertherm.followup.zone import ObservedZone, Tissue, ball_element, known_mean, robust_sd
from vertherm.geometry.volume import Volume

Bool = NDArray[np.bool_]
SMOOTHING_MM = 1.5
LYSIS_SMOOTHING_MM = 1.0
"""Density has less noise to lose than contrast, and its holes are deeper."""
Place = Literal["inside the treated zone", "at its margin"]
Kind = Literal["enhancing nodule", "enhancing rim", "loss of bone"]


@dataclass(frozen=True, eq=False)
class Finding:
    """Something new in one examination against an earlier one.

    Args:
        kind: nodule and loss of bone speak for tumour; a rim all around is how a treated zone shrinks.
        place: inside the treated zone of the earlier examination, or up to 10 mm beside it.
        volume_ml: by voxels.
        longest_mm: axial diameter.
        centre_mm: RAS point of the planning frame.
        change: mean difference from what is usual there: HU, or grey values of an MR.
        mask: bool, on the scene's grid.
    """

    kind: Kind
    place: Place
    volume_ml: float
    longest_mm: float
    centre_mm: tuple[float, float, float]
    change: float
    mask: Volume


@dataclass(frozen=True, eq=False)
class Look:
    """One examination as the comparison sees it, on the scene's grid.

    Args:
        signal: what contrast medium added; None without contrast medium.
        hu: density; None for MR.
        zone: the treated zone.
        tissue: what each voxel is.
        place_error_mm: standard deviation of the registration.
    """

    signal: Volume | None
    hu: Volume | None
    zone: ObservedZone
    tissue: Tissue
    place_error_mm: float


def new_findings(earlier: Look, later: Look, scene: LocalScene) -> tuple[Finding, ...]:
    """Compare two registered examinations.

    A change counts beyond the error of both zones' edges and of both registrations; it must hold a ball, so that a
    shifted edge alone, which gives a thin shell, is never a finding.

    Returns:
        Findings, largest first; empty where nothing is new or nothing can be compared.
    """
    edge_mm = 1.96 * float(
        np.linalg.norm([earlier.zone.edge_sd_mm, later.zone.edge_sd_mm, earlier.place_error_mm, later.place_error_mm])
    )
    seen = earlier.tissue.visible & later.tissue.visible
    found: list[Finding] = []
    if later.signal is not None:
        found += _inside(earlier.zone, later, seen, edge_mm, scene)
    if earlier.signal is not None and later.signal is not None:
        found += _beside(earlier, later, seen, edge_mm, scene)
    if earlier.hu is not None and later.hu is not None:
        found += _lysis(earlier, later, seen, edge_mm, scene)
    return tuple(sorted(found, key=lambda finding: -finding.volume_ml))


def _inside(zone: ObservedZone, later: Look, seen: Bool, edge_mm: float, scene: LocalScene) -> list[Finding]:
    """Parts of the earlier zone that take up contrast medium again and reach deeper than both edges' errors."""
    depth = _depth(zone.mask.data, scene)
    back = (depth > 0.0) & ~later.zone.mask.data & seen
    assert later.signal is not None
    return _listed(
        back,
        later.signal,
        "inside the treated zone",
        scene,
        later,
        rim_of=zone.mask.data,
        core=back & (depth > edge_mm),
    )


def _beside(earlier: Look, later: Look, seen: Bool, edge_mm: float, scene: LocalScene) -> list[Finding]:
    """Tissue beside the zone that takes up more than it did."""
    assert earlier.signal is not None
    assert later.signal is not None
    sigma = SMOOTHING_MM / float(scene.grid.spacing_mm.max())
    change = later.signal.with_data(
        known_mean(later.signal.data - earlier.signal.data.astype(float), seen, sigma).astype(np.float32)
    )
    around = _beside_mask(earlier.zone.mask.data, edge_mm, scene) & seen
    if not around.any():
        return []
    usual = float(np.median(change.data[around]))
    bright = around & (change.data - usual > rules("local")["brighter_noise"] * robust_sd(change.data[around]))
    return _listed(bright, change, "at its margin", scene, later)


def _lysis(earlier: Look, later: Look, seen: Bool, edge_mm: float, scene: LocalScene) -> list[Finding]:
    """Bone beside the zone that has lost density."""
    assert earlier.hu is not None
    assert later.hu is not None
    sigma = LYSIS_SMOOTHING_MM / float(scene.grid.spacing_mm.max())
    change = later.hu.with_data(
        known_mean(later.hu.data - earlier.hu.data.astype(float), seen, sigma).astype(np.float32)
    )
    around = _beside_mask(earlier.zone.mask.data, edge_mm, scene) & seen & earlier.tissue.bone
    if not around.any():
        return []
    rule = rules("local")
    least = max(rule["lysis_hu"], rule["brighter_noise"] * robust_sd(change.data[around]))
    return _listed(around & (change.data < -least), change, "at its margin", scene, later, kind="loss of bone")


def _depth(mask: Bool, scene: LocalScene) -> NDArray[np.float64]:
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(mask)) * float(scene.grid.spacing_mm.max())


def _beside_mask(zone: Bool, edge_mm: float, scene: LocalScene) -> Bool:
    away = _depth(~zone, scene)
    return np.asarray((away > edge_mm) & (away <= rules("local")["margin_mm"] + edge_mm))


def _listed(
    new: Bool,
    image: Volume,
    place: Place,
    scene: LocalScene,
    later: Look,
    *,
    kind: Kind = "enhancing nodule",
    rim_of: Bool | None = None,
    core: Bool | None = None,
) -> list[Finding]:
    """Connected parts that hold a ball, with their size."""
    from scipy import ndimage

    rule = rules("local")
    spacing = float(scene.grid.spacing_mm.max())
    opened = ndimage.binary_opening(new, ball_element(rule["nodule_mm"] / spacing))
    labels, count = ndimage.label(opened)
    # Inside the zone, what is still treated; elsewhere, all tissue.
    usual = float(np.median(image.data[later.tissue.visible if core is None else later.zone.mask.data]))
    found = []
    for i in range(1, count + 1):
        part = labels == i
        volume = float(np.count_nonzero(part)) * scene.grid.voxel_volume_ml
        deep = volume if core is None else float(np.count_nonzero(part & core)) * scene.grid.voxel_volume_ml
        if volume < rule["least_ml"] or deep < rule["core_ml"]:
            continue
        rim = rim_of is not None and _share_of_edge(part, rim_of) > rule["rim_share"]
        mask = Volume(part, scene.grid, kind)
        size = diameters(mask)
        centre = scene.grid.world(np.argwhere(part).mean(axis=0))
        change = float(np.mean(image.data[part])) - usual
        named: Kind = "enhancing rim" if rim else kind
        at = (float(centre[0]), float(centre[1]), float(centre[2]))
        found.append(Finding(named, place, volume, size.longest_mm, at, change, mask))
    return found


def _share_of_edge(part: Bool, zone: Bool) -> float:
    """Share of the zone's edge, seen from its middle, behind which the part lies."""
    from scipy.ndimage import binary_erosion

    middle = np.argwhere(zone).mean(axis=0)

    def sectors(mask: Bool) -> set[tuple[int, int]]:
        rays = np.argwhere(mask) - middle
        length = np.linalg.norm(rays, axis=1)
        rays, length = rays[length > 0], length[length > 0]
        height = np.floor(4.0 * (rays[:, 2] / length + 1.0)).astype(int)
        turn = np.floor(12.0 * (np.arctan2(rays[:, 1], rays[:, 0]) / (2.0 * np.pi) + 0.5)).astype(int)
        return set(zip(height.tolist(), turn.tolist(), strict=True))

    edge = sectors(zone & ~binary_erosion(zone))
    return len(sectors(part) & edge) / max(len(edge), 1)
