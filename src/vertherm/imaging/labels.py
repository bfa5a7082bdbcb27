"""From label maps and their vocabularies to masks by meaning. All arrays on one canonical grid (x, y, z)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.dicom.segment import Segment, SegmentedVolume, onto
from vertherm.imaging.read import integer_codes, on_ct_grid
from vertherm.imaging.vocabulary import SEGMENT_WORDS, Entry, segment_code, vocabulary

Bool = NDArray[np.bool_]


@dataclass(eq=False)
class Decoded:
    """What the label maps say; the first map that names something wins nothing: masks of the same name are joined."""

    shape: tuple[int, int, int]
    vertebrae: dict[Level, Bool] = field(default_factory=dict)
    bodies: dict[Level, Bool] = field(default_factory=dict)
    structures: dict[str, tuple[Entry, Bool, str]] = field(default_factory=dict)
    roles: dict[str, Bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def role(self, name: str) -> Bool:
        """Union of all labels of a role ("body", "arch", "disc", "canal", "sac", "metal"); all False if none."""
        return self.roles.get(name, np.zeros(self.shape, bool))

    def bone(self) -> Bool:
        """All vertebrae and bones."""
        out = self.role("arch") | self.role("body")
        for mask in self.vertebrae.values():
            out = out | mask
        for entry, mask, _ in self.structures.values():
            if entry.kind is not None and entry.kind.value == "bone":
                out = out | mask
        return out


def decode(ct: Volume, labels: Sequence[tuple[Volume, str]]) -> Decoded:
    """Masks by meaning on ``ct``'s grid.

    Args:
        ct: canonical CT.
        labels: label maps with the name of their vocabulary; another grid of the same frame is resampled. Segments of
            a SEG or RTSTRUCT keep their own masks, so overlapping ones do not overwrite each other.

    Raises:
        InputError: unknown vocabulary, labels in another frame, or not whole numbers.
    """
    decoded = Decoded(ct.grid.shape)
    for volume, name in labels:
        words = vocabulary(name)
        if isinstance(volume, SegmentedVolume):
            _add_segments(decoded, volume, name, ct)
            continue
        if name == SEGMENT_WORDS:
            raise InputError(
                "This vocabulary is for segments that carry words, not for a map of numbers.",
                where=volume.source,
                got=repr(name),
                expected="the vocabulary whose numbers the label map uses",
            )
        codes = on_ct_grid(volume.with_data(integer_codes(volume)), ct).data
        for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
            if code == 0:
                continue
            entry = words.entries.get(int(code))
            if entry is None:
                decoded.notes.append(
                    f"label value {code} ({count} voxels) of {volume.source or name} "
                    f"has no meaning in vocabulary {name}: ignored"
                )
                continue
            _add(decoded, entry, codes == code, f"label '{entry.name}' ({name} {code})")
    _bodies_of_levels(decoded)
    _check_order(decoded, ct)
    _stand_ins(decoded)
    return decoded


def _stand_ins(decoded: Decoded) -> None:
    entries = [e for e, _, _ in decoded.structures.values() if "stands for" in e.note]
    stand_ins = sorted({e.note.replace("stands for it", f"stands for {e.name}") for e in entries})
    if stand_ins:
        decoded.notes.append(f"tissues without own values: {'; '.join(stand_ins)}")


def _add_segments(decoded: Decoded, volume: SegmentedVolume, name: str, ct: Volume) -> None:
    """Segments by their words, or by their numbers where another vocabulary is named; each keeps its whole mask."""
    for segment in volume.segments:
        decoded.notes += segment.notes
        entry, reason = meaning(segment, name)
        if entry is None:
            decoded.notes.append(f"segment {segment.number} '{segment.name}' of {volume.source}: {reason}: ignored")
        elif entry.role == "lesion":
            decoded.notes.append(
                f"segment {segment.number} '{segment.name}' of {volume.source} is a lesion: name it as a target's mask"
            )
        elif segment.mask.data.any():
            mask = on_grid(onto(segment.mask, ct.grid), ct.grid)
            _add(decoded, entry, mask, f"segment '{segment.name}' ({name} {segment.number})")


def meaning(segment: Segment, name: str = SEGMENT_WORDS) -> tuple[Entry | None, str]:
    """What a segment means in a vocabulary, and why nothing where it means nothing.

    Args:
        segment: of a SEG or RTSTRUCT.
        name: "dicom" (by label and coded term) or a vocabulary of numbers (by segment number).

    Raises:
        InputError: unknown vocabulary.
    """
    entries = vocabulary(name).entries
    if name != SEGMENT_WORDS:
        return entries.get(segment.number), f"its number has no meaning in vocabulary {name}"
    terms = ((segment.type.scheme, segment.type.value),) if segment.type else ()
    code, reason = segment_code(segment.label, terms, segment.side)
    return (None, reason) if code is None else (entries[code], "")


def _add(decoded: Decoded, entry: Entry, mask: Bool, source: str) -> None:
    if entry.role in ("vertebra", "endplate") and entry.level is not None:
        _join(decoded.vertebrae, entry.level, mask)
    elif entry.role == "body" and entry.level is not None:
        _join(decoded.bodies, entry.level, mask)
    if entry.role in ("body", "arch", "disc", "canal", "sac", "metal"):
        old = decoded.roles.get(entry.role)
        decoded.roles[entry.role] = mask if old is None else old | mask
    if entry.kind is not None or entry.role == "tissue":
        known = decoded.structures.get(entry.name)
        joined = mask if known is None else known[1] | mask
        decoded.structures[entry.name] = (entry, joined, source)


def _join(masks: dict[Level, Bool], level: Level, mask: Bool) -> None:
    masks[level] = masks[level] | mask if level in masks else mask


def _bodies_of_levels(decoded: Decoded) -> None:
    """Give unnumbered bodies to their vertebra; make a vertebra of a body where nothing else labels it."""
    anonymous = decoded.role("body")
    for level, mask in decoded.vertebrae.items():
        if level not in decoded.bodies and (mask & anonymous).any():
            decoded.bodies[level] = mask & anonymous
    for level, mask in decoded.bodies.items():
        if level not in decoded.vertebrae:
            decoded.vertebrae[level] = mask
            decoded.notes.append(f"only the body of {level} is labelled, not its arch")
    decoded.vertebrae = dict(sorted(decoded.vertebrae.items()))
    decoded.bodies = dict(sorted(decoded.bodies.items()))


def _check_order(decoded: Decoded, ct: Volume) -> None:
    heights = [ct.grid.world(np.argwhere(mask).mean(0))[2] for mask in decoded.vertebrae.values()]
    levels = list(decoded.vertebrae)
    if any(low >= high for high, low in itertools.pairwise(heights)):
        decoded.notes.append("vertebra labels do not run from head to tail: check the levels and the affine")
    if levels:
        decoded.notes.append(f"levels {levels[0]} to {levels[-1]} come from the label map: a person must confirm them")
