"""What is new since an earlier examination: tissue that takes up contrast medium inside or beside the treated zone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
class Comparison:
    """What is new, and what an empty list of it is worth.

    Args:
        findings: largest first.
        gaps: why nothing found does not mean that nothing is there; empty where the comparison is complete.
        hidden: share of the zone and its surroundings under cement, glare or metal in one of the examinations.
    """

    findings: tuple[Finding, ...]
    gaps: tuple[str, ...]
    hidden: float


@dataclass(frozen=True, eq=False)
class Look:
    """One examination as the comparison sees it, on the scene's grid.

    Args:
        modality: "CT" or "MR".
        signal: what contrast medium added; None without contrast medium.
        hu: density; None for MR.
        zone: the treated zone.
        tissue: what each voxel is.
        place_error_mm: standard deviation of the registration.
    """

    modality: str
    signal: Volume | None
    hu: Volume | None
    zone: ObservedZone
    tissue: Tissue
    place_error_mm: float


def compare(earlier: Look, later: Look, scene: LocalScene) -> Comparison:
    """Compare two registered examinations.

    A change counts beyond the error of both zones' edges and of both registrations; it must hold a ball, so that a
    shifted edge alone, which gives a thin shell, is never a finding.
    """
    edge_mm = 1.96 * float(
        np.linalg.norm([earlier.zone.edge_sd_mm, later.zone.edge_sd_mm, earlier.place_error_mm, later.place_error_mm])
    )
    seen = earlier.tissue.visible & later.tissue.visible
    region = _Region(earlier.zone.mask.data, edge_mm, seen, later.tissue.bone, scene)
    found: list[Finding] = []
    gaps: list[str] = []
    if later.signal is not None:
        found += _inside(earlier.zone, later, seen, edge_mm, scene)
    beside = _beside(earlier, later, region)
    if isinstance(beside, str):
        gaps.append(beside)
    else:
        found += beside
    if earlier.hu is not None and later.hu is not None:
        found += _lysis(earlier.hu, later, region)
    gaps += _unseen(earlier, later, region) + _changed_zone(earlier.zone, later.zone, found, region)
    hidden = _share((earlier.tissue.cement | later.tissue.cement) & region.near, region.near)
    return Comparison(tuple(sorted(found, key=lambda finding: -finding.volume_ml)), tuple(gaps), hidden)


@dataclass(frozen=True, eq=False)
class _Region:
    """Where a zone's surroundings are looked at, and the tissue beyond that says what is usual."""

    zone: Bool
    edge_mm: float
    seen: Bool
    bone: Bool
    scene: LocalScene

    @cached_property
    def away(self) -> NDArray[np.float64]:
        """Distance outside the zone, mm."""
        return _depth(~self.zone, self.scene)

    @cached_property
    def near(self) -> Bool:
        """Zone and margin, of tissue that takes up contrast medium."""
        return np.asarray((self.away <= self._reach) & self.scene.followable)

    @cached_property
    def around(self) -> Bool:
        """Beyond the edges' errors, up to the margin."""
        return np.asarray((self.away > self.edge_mm) & (self.away <= self._reach) & self.seen)

    @cached_property
    def beyond(self) -> Bool:
        """Too far away for a recurrence at the margin: level and noise come from here, however much has grown."""
        return np.asarray((self.away > self._reach) & self.seen)

    @property
    def _reach(self) -> float:
        return float(rules("local")["margin_mm"]) + self.edge_mm

    def ml(self, mask: Bool) -> float:
        """Volume by voxels."""
        return float(np.count_nonzero(mask)) * self.scene.grid.voxel_volume_ml

    def usual(self, change: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """What is usual at every voxel (bone and soft tissue apart), and the noise about it."""
        least = float(rules("local")["beyond_ml"])
        level = np.full(change.shape, float(np.median(change[self.beyond])))
        for part in (self.bone, ~self.bone):
            known = self.beyond & part
            if self.ml(known) >= least:
                level[part] = float(np.median(change[known]))
        return level, robust_sd((change - level)[self.beyond])


def _share(part: Bool, whole: Bool) -> float:
    return float(np.count_nonzero(part)) / max(float(np.count_nonzero(whole)), 1.0)


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


def _beside(earlier: Look, later: Look, region: _Region) -> list[Finding] | str:
    """Tissue beside the zone that takes up more than it did, or why that cannot be said."""
    rule = rules("local")
    if earlier.signal is None or later.signal is None:
        return "without contrast medium in both examinations, new tumour beside the zone is not seen"
    if earlier.modality != later.modality:
        return f"contrast medium in {earlier.modality} and {later.modality} is not comparable"
    if region.ml(region.beyond) < rule["beyond_ml"]:
        return "too little tissue beyond the zone's surroundings to tell what contrast medium usually adds"
    before = earlier.signal.data.astype(float)
    if later.modality == "MR":
        gain = _gain(before, later.signal.data.astype(float), region.beyond)
        if gain is None:
            return "the two MR do not show enough uptake of living tissue to be scaled to each other"
        before = gain * before
    sigma = SMOOTHING_MM / float(region.scene.grid.spacing_mm.max())
    change = known_mean(later.signal.data - before, region.seen, sigma)
    level, noise = region.usual(change)
    least = rule["brighter_noise"] * noise
    if later.modality == "CT":
        least = max(least, rule["brighter_least_hu"])
    risen = later.signal.with_data((change - level).astype(np.float32))
    return _listed(region.around & (change - level > least), risen, "at its margin", region.scene, later)


def _gain(before: NDArray[np.float64], after: NDArray[np.float64], living: Bool) -> float | None:
    """Scale of one MR's uptake to another's, by living tissue; None where either shows none."""
    rows = [values[living] for values in (before, after)]
    levels = [float(np.median(row)) for row in rows]
    if any(level <= robust_sd(row) for level, row in zip(levels, rows, strict=True)):
        return None
    return levels[1] / levels[0]


def _lysis(earlier: Volume, later: Look, region: _Region) -> list[Finding]:
    """Bone beside the zone that has lost density, beyond what all bone of the scan reads lower."""
    rule = rules("local")
    assert later.hu is not None
    known = region.beyond & region.bone & (earlier.data > rule["gain_hu"])
    if region.ml(known) < rule["beyond_ml"]:
        return []
    # Another tube voltage or phase changes all bone by a factor.
    gain = float(np.median(later.hu.data[known] / earlier.data[known]))
    sigma = LYSIS_SMOOTHING_MM / float(region.scene.grid.spacing_mm.max())
    change = known_mean(later.hu.data - gain * earlier.data.astype(float), region.seen, sigma)
    level = float(np.median(change[known]))
    least = max(min(gain, 1.0) * rule["lysis_hu"], rule["brighter_noise"] * robust_sd(change[known]))
    fallen = later.hu.with_data((change - level).astype(np.float32))
    lost = region.around & region.bone & (change - level < -least)
    return _listed(lost, fallen, "at its margin", region.scene, later, kind="loss of bone")


def _unseen(earlier: Look, later: Look, region: _Region) -> list[str]:
    """Parts of the zone and its surroundings that one of the examinations does not show."""
    rule = rules("local")
    hidden = earlier.tissue.cement | later.tissue.cement
    open_part = region.near & ~hidden
    gaps = []
    missing = 1.0 - _share(open_part & region.seen, open_part)
    if missing > rule["missing_share"]:
        gaps.append(f"{100 * missing:.0f} % of the zone and its surroundings lie outside one of the images")
    covered = _share(hidden & region.near, region.near)
    if covered > rule["hidden_share"]:
        gaps.append(f"{100 * covered:.0f} % of the zone and its surroundings lie under cement, its glare or metal")
    return gaps


def _changed_zone(earlier: ObservedZone, later: ObservedZone, found: list[Finding], region: _Region) -> list[str]:
    """Treated zones shrink slowly and never grow: what does otherwise needs a reader."""
    from scipy.ndimage import binary_opening

    rule = rules("local")
    before = region.ml(earlier.mask.data)
    radius = rule["nodule_mm"] / float(region.scene.grid.spacing_mm.max())
    grown = region.ml(binary_opening(later.mask.data & (region.away > region.edge_mm), ball_element(radius)))
    gaps = []
    if grown > rule["zone_change"] * before:
        gaps.append(
            f"what takes up no contrast medium has grown by {grown:.1f} ml, as necrotic tumour may and a treated zone "
            "does not"
        )
    rim = sum(finding.volume_ml for finding in found if finding.kind == "enhancing rim")
    if rim > rule["rim_volume"] * before:
        gaps.append(f"{100 * rim / before:.0f} % of the zone takes up contrast medium again, more than a shrinking rim")
    return gaps


def _depth(mask: Bool, scene: LocalScene) -> NDArray[np.float64]:
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(mask)) * float(scene.grid.spacing_mm.max())


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
