"""How needles go through the target's bone: approach, side, incidence, length in bone, wall and breach of a pedicle.

Definitions (anterior, superior: the vertebra's own; "from behind": the needle moves forward in the vertebra):

- **transiliac**: from behind through the ilium into the target's bone; sacrum and last lumbar vertebra (L5, L6) only,
  which lie between the iliac wings. At other levels a way through the ilium fits none.
- **sacral posterior**: from behind into the sacrum, through a surface that faces backwards, and from there on in bone
  (transiliac ways too). Its arch and body are one bone: no further class is told apart. The bone is curved: a steep
  needle from below could otherwise pass the pelvis, through the sciatic foramen or through the lower sacrum and out of
  it again, and reach S1 from the front, past rectum and vessels.
- **transpedicular**: from behind; in bone where it crosses the plane of the posterior wall, lateral to the canal, and
  in bone over at least half of its way from the canal's middle to that plane. There the only bone beside the canal is
  the pedicle; further behind, processes and lamina lie on every way. A needle whose tip stays in the pedicle counts.
- **parapedicular** and **costovertebral**: from behind, beside the pedicle, into the body behind its middle and at the
  pedicle's height. Thoracic: where arch bone was crossed on the way (transverse process, the pedicle's lateral wall)
  it is parapedicular, otherwise costovertebral: between rib and pedicle straight into the body. Lumbar: parapedicular.
- **posterolateral**: from behind into the body's flank: before its middle, or above or below the pedicle.
- **posterior to the arch**: most of the lesion lies outside the body, and the needle never enters the body.
- **anterolateral cervical**: from the front into the front half of a cervical body.

Whatever enters the body through the canal's width fits none. Where a vertebra has no frame (body or canal unknown) no
path fits any class above the sacrum: not knowing where the canal is, nothing may be called a way in.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from vertherm.access.bone import Bone, Crossing
from vertherm.access.rules import Approach
from vertherm.access.scene import AccessScene, VertebraFrame
from vertherm.access.vertebra import canal_middle, coordinates, pedicle_regions
from vertherm.clinical.levels import Level, Region
from vertherm.geometry.volume import FloatArray

CODES = {approach: code for code, approach in enumerate(Approach)}
"""Approach to the int that stands for it in arrays; -1: fits none."""
BESIDE_CANAL = 0.8
"""Share of the canal's half width from which a way counts as lateral to the canal: the dural sac is oval."""
PEDICLE_SHARE = 0.5
"""Share of the way through the pedicle's depth that must lie in bone."""
LEAST_PEDICLE_MM = 2.0
"""A tip that goes less far into the pedicle's depth has not entered the pedicle."""
HEIGHT_MM = 2.0
"""Allowance on the pedicle's height for a way beside it."""
SACRAL_GAP_MM = 6.0
"""Longest way out of bone within the sacrum: a gap of two coarse voxels in a label, less than a pelvis."""
MIDLINE_MM = 2.0
"""Nearer to the middle than this is neither left nor right."""

Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BoneScores:
    """Arrays (n,), one entry a path.

    Args:
        approach: code into ``tuple(Approach)``; -1: fits none.
        side: -1 left, 0 midline, +1 right: of the pedicle used, or where the body (else the bone) is entered.
        incidence_deg: between the needle and the inward normal of the first bone it meets; nan without bone.
        first_bone_mm: where that is, mm from the entry; nan without bone.
        bone_mm: length of the axis in the target's bone and the ilium.
        pedicle_wall_mm: thinnest bone between the needle's surface and the outside of the bone within the pedicle's
            depth, 0 where it sticks out; nan where no pedicle is used.
        breach_mm: how far the needle's surface sticks out of bone there; 0 elsewhere.
        crosses_ilium: bool.
    """

    approach: NDArray[np.int64]
    side: NDArray[np.int64]
    incidence_deg: FloatArray
    first_bone_mm: FloatArray
    bone_mm: FloatArray
    pedicle_wall_mm: FloatArray
    breach_mm: FloatArray
    crosses_ilium: Bool


class _Parts:
    """What of a scene serves every path; made once a scene."""

    def __init__(self, scene: AccessScene) -> None:
        self.bone = Bone(scene.bone, scene.vertebral_body)
        self.ilium = None if scene.ilium is None or not scene.ilium.data.any() else Bone(scene.ilium)
        self.lesion_in_arch = _lesion_in_arch(scene)
        points = scene.bone.grid.world(np.argwhere(scene.bone.data))
        self.middle_x = float(points[:, 0].mean()) if len(points) else 0.0
        self.heights = _pedicle_heights(scene)


_known: WeakKeyDictionary[AccessScene, _Parts] = WeakKeyDictionary()


def through_bone(scene: AccessScene, entries_mm: FloatArray, tips_mm: FloatArray, radius_mm: float) -> BoneScores:
    """Score paths by what they do in bone.

    Args:
        scene: one lesion and its surroundings.
        entries_mm, tips_mm: (n, 3) RAS mm.
        radius_mm: of the needle (with the placement error added: wall and breach of the tube it may end up in).
    """
    parts = _known.get(scene)
    if parts is None:
        parts = _known[scene] = _Parts(scene)
    entries, tips = (np.ascontiguousarray(np.reshape(p, (-1, 3)), np.float64) for p in (entries_mm, tips_mm))
    way = _Way(entries, tips, scene.frame)
    crossing = parts.bone.crossing(entries, tips, way.pedicle)
    through = None if parts.ilium is None else parts.ilium.crossing(entries, tips)
    ilium_mm = np.zeros(len(entries)) if through is None else through.length_mm
    crosses = ilium_mm > 0
    approach, side = _classified(scene, parts, way, crossing, crosses)
    wall, breach = _pedicle_wall(parts, way, approach, radius_mm)
    first, incidence = _incidence(parts, way, crossing, through)
    return BoneScores(approach, side, incidence, first, crossing.length_mm + ilium_mm, wall, breach, crosses)


class _Way:
    """Paths in the vertebra's own directions (the patient's where there is no frame)."""

    def __init__(self, entries: FloatArray, tips: FloatArray, frame: VertebraFrame | None) -> None:
        self.entries, self.tips, self.frame = entries, tips, frame
        self.length = np.linalg.norm(tips - entries, axis=1)
        self.direction = (tips - entries) / self.length[:, None]
        front = np.array([0.0, 1.0, 0.0]) if frame is None else frame.anterior
        self.front = front
        self.forward = self.direction @ front
        self.across, self.wall = 0.0, np.zeros(0)
        self.pedicle = np.zeros((len(entries), 2))
        if frame is None:
            return
        self.across, middle = canal_middle(frame)
        depth = (entries - frame.centre_mm) @ front
        with np.errstate(divide="ignore", invalid="ignore"):
            # A needle that moves sideways reaches neither plane at a place that means anything.
            steep = np.where(self.forward > 0.05, self.forward, np.nan)
            self.wall = (frame.posterior_wall_mm - depth) / steep
            begin, end = (middle - depth) / steep, self.wall
        begin, end = np.maximum(begin, 0.0), np.minimum(end, self.length)
        self.pedicle = np.where((end > begin)[:, None], np.stack([begin, end], axis=1), 0.0)

    def at(self, along_mm: FloatArray) -> FloatArray:
        """RAS points (n, 3) at mm from the entry."""
        return np.asarray(self.entries + along_mm[:, None] * self.direction)

    def beside(self, along_mm: FloatArray) -> FloatArray:
        """How far to the right of the canal's middle the paths are at mm from the entry."""
        assert self.frame is not None
        return np.asarray(coordinates(self.frame, self.at(along_mm))[:, 0] - self.across)


def _classified(
    scene: AccessScene, parts: _Parts, way: _Way, crossing: Crossing, crosses: Bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    region = scene.level.region
    approach = np.full(len(way.length), -1, np.int64)
    inside = np.isfinite(crossing.first_mm)
    behind = way.forward > 0
    if region is Region.sacral:
        # What lies behind the first bone and is not bone; nan (no bone at all) compares as False.
        behind &= way.length - crossing.first_mm - crossing.length_mm <= SACRAL_GAP_MM
        approach[inside & behind & _dorsal(parts, way, crossing)] = CODES[Approach.sacral_posterior]
    elif scene.frame is not None:
        approach = _vertebral(scene, parts, way, crossing)
    if region is Region.sacral or scene.level in (Level.L5, Level.L6):
        approach[crosses] = np.where(inside & behind, CODES[Approach.transiliac], -1)[crosses]
    else:
        approach[crosses] = -1
    return approach, _sides(parts, way, crossing, approach)


def _dorsal(parts: _Parts, way: _Way, crossing: Crossing) -> Bool:
    """True where the first surface of the target's bone faces backwards."""
    met = np.flatnonzero(np.isfinite(crossing.first_mm))
    found = np.zeros(len(way.length), bool)
    if met.size:
        found[met] = parts.bone.normals(way.at(crossing.first_mm)[met]) @ way.front < 0
    return found


def _vertebral(scene: AccessScene, parts: _Parts, way: _Way, crossing: Crossing) -> NDArray[np.int64]:
    frame, region = scene.frame, scene.level.region
    assert frame is not None
    approach = np.full(len(way.length), -1, np.int64)
    behind = way.forward > 0
    inside = np.isfinite(crossing.first_mm)
    enters = np.isfinite(crossing.first_body_mm)
    place = coordinates(frame, way.at(np.where(enters, crossing.first_body_mm, 0.0)))
    rear = place[:, 1] < 0
    medial = (way.wall <= way.length) & (np.abs(way.beside(way.wall)) < BESIDE_CANAL * frame.canal_half_width_mm)
    flank = enters & behind & ~medial
    approach[flank] = CODES[Approach.posterolateral]
    at_pedicle = flank & rear & _at_height(parts, place)
    approach[at_pedicle] = CODES[Approach.parapedicular]
    if region is Region.thoracic:
        approach[at_pedicle & (crossing.before_body_mm <= 0.5)] = CODES[Approach.costovertebral]
    if parts.lesion_in_arch:
        approach[inside & behind & ~enters] = CODES[Approach.arch]
    if region is Region.cervical:
        approach[enters & ~behind & ~rear] = CODES[Approach.anterolateral]
    approach[_transpedicular(frame, way, crossing)] = CODES[Approach.transpedicular]
    return approach


def _transpedicular(frame: VertebraFrame, way: _Way, crossing: Crossing) -> Bool:
    begin, end = way.pedicle[:, 0], way.pedicle[:, 1]
    depth = end - begin
    one, other = way.beside(begin), way.beside(end)
    lateral = np.minimum(np.abs(one), np.abs(other)) >= BESIDE_CANAL * frame.canal_half_width_mm
    through = crossing.window_ends_in_bone & (crossing.window_mm >= PEDICLE_SHARE * depth)
    reached = (way.wall <= way.length) | (depth >= LEAST_PEDICLE_MM)
    return np.asarray((depth > 0) & lateral & (one * other > 0) & through & reached)


def _at_height(parts: _Parts, place: FloatArray) -> Bool:
    """True where a point of the body's surface lies at the height of the pedicle of its side (any, where none is)."""
    found = np.ones(len(place), bool)
    for sign, span in zip((-1.0, 1.0), parts.heights, strict=True):
        if span is not None:
            own = sign * place[:, 0] > 0
            inside = (place[:, 2] >= span[0] - HEIGHT_MM) & (place[:, 2] <= span[1] + HEIGHT_MM)
            found[own] = inside[own]
    return found


def _sides(parts: _Parts, way: _Way, crossing: Crossing, approach: NDArray[np.int64]) -> NDArray[np.int64]:
    where = np.where(np.isfinite(crossing.first_body_mm), crossing.first_body_mm, crossing.first_mm)
    where = np.where(np.isfinite(where), where, way.length)
    if way.frame is None:
        offset = way.at(where)[:, 0] - parts.middle_x
    else:
        pedicle = approach == CODES[Approach.transpedicular]
        offset = way.beside(np.where(pedicle, way.pedicle[:, 1], where))
    return np.where(np.abs(offset) < MIDLINE_MM, 0, np.sign(offset)).astype(np.int64)


def _pedicle_wall(
    parts: _Parts, way: _Way, approach: NDArray[np.int64], radius_mm: float
) -> tuple[FloatArray, FloatArray]:
    wall, breach = np.full(len(approach), np.nan), np.zeros(len(approach))
    used = np.flatnonzero(approach == CODES[Approach.transpedicular])
    if used.size:
        depth = parts.bone.depth(way.entries[used], way.tips[used], way.pedicle[used])
        wall[used] = np.maximum(depth - radius_mm, 0.0)
        breach[used] = np.maximum(radius_mm - depth, 0.0)
    return wall, breach


def _incidence(parts: _Parts, way: _Way, crossing: Crossing, through: Crossing | None) -> tuple[FloatArray, FloatArray]:
    """First bone surface of each path (the target's bone or the ilium), and the angle to its inward normal."""
    first = crossing.first_mm.copy()
    bones = np.zeros(len(first), np.int64)
    if through is not None:
        earlier = np.isfinite(through.first_mm) & ~(through.first_mm >= first)
        first[earlier], bones[earlier] = through.first_mm[earlier], 1
    angle = np.full(len(first), np.nan)
    for number, bone in enumerate((parts.bone, parts.ilium)):
        met = np.flatnonzero(np.isfinite(first) & (bones == number))
        if bone is None or met.size == 0:
            continue
        normals = bone.normals(way.at(first)[met])
        cosine = -np.sum(way.direction[met] * normals, axis=1)
        angle[met] = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return first, angle


def _lesion_in_arch(scene: AccessScene) -> bool:
    """True where most of the lesion lies outside the vertebral body."""
    if scene.vertebral_body is None:
        return False
    points = scene.lesion.grid.world(np.argwhere(scene.lesion.data))
    return float(np.mean(scene.vertebral_body.sample(points, order=0, outside=0.0) > 0)) < 0.5


def _pedicle_heights(scene: AccessScene) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Lower and upper end of each pedicle along ``superior`` (left, right; 5th and 95th percentile: single voxels of
    articular processes reach into its depth); None where there is none."""
    if scene.frame is None:
        return None, None
    spans: list[tuple[float, float] | None] = []
    for region in pedicle_regions(scene.bone, scene.frame):
        points = region.grid.world(np.argwhere(region.data))
        height = coordinates(scene.frame, points)[:, 2]
        low, high = np.percentile(height, (5, 95)) if len(height) else (np.nan, np.nan)
        spans.append((float(low), float(high)) if len(height) else None)
    return spans[0], spans[1]
