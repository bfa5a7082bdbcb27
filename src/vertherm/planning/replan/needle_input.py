"""Where the needles really lie: from text, from a TOML file, or beside each other with those of the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.planning.case import Point
from vertherm.planning.objects import Treatment
from vertherm.planning.prepare import in_ras
from vertherm.planning.validate import read_toml, validated

SAME_TRACK_MM = 0.5
SAME_TRACK_DEG = 0.5
"""Places this close to one line belong to one needle that is drawn back between activations."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NeedleEntry(_Part):
    """One needle of a needles file; the frame must be said."""

    name: str = ""
    entry: Point
    tip: Point
    frame: Literal["RAS", "LPS"]

    @property
    def trajectory(self) -> Trajectory:
        """In RAS mm."""
        return Trajectory(in_ras(self.entry, self.frame), in_ras(self.tip, self.frame))


class NeedlesFile(_Part):
    """``needles.toml``: one ``[[needles]]`` table each."""

    needles: tuple[NeedleEntry, ...] = Field(min_length=1)


def load_needles(path: Path) -> tuple[NeedleEntry, ...]:
    """Needles of a TOML file.

    Raises:
        InputError: the file or one of its entries is wrong.
    """
    return validated(NeedlesFile, read_toml(path, "needles file"), str(path)).needles


def parse_needle(text: str) -> NeedleEntry:
    """A needle written as ``NAME:entry=x,y,z:tip=x,y,z[:frame=LPS]``; without a frame RAS, without a name the only one.

    Raises:
        InputError: another form.
    """
    parts = [part.strip() for part in text.split(":")]
    name = parts.pop(0) if parts and "=" not in parts[0] else ""
    given: dict[str, str] = {}
    for part in parts:
        key, _, value = part.partition("=")
        if key in given or key not in ("entry", "tip", "frame"):
            raise _unreadable(text, f"{key!r}")
        given[key] = value
    try:
        data = {
            "name": name,
            "frame": given.pop("frame", "RAS").upper(),
            **{key: tuple(float(number) for number in value.split(",")) for key, value in given.items()},
        }
    except ValueError as error:
        raise _unreadable(text, str(error)) from error
    return validated(NeedleEntry, data, f"--needle {text}")


def _unreadable(text: str, got: str) -> InputError:
    return InputError(
        "A needle cannot be read.",
        where=f"--needle {text}",
        got=got,
        expected="NAME:entry=x,y,z:tip=x,y,z in mm, RAS (add :frame=LPS for DICOM coordinates)",
    )


# ---- needles of a treatment -----------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Needle:
    """One physical needle of a treatment: its deepest place, and how far back each of its places lies.

    Args:
        name: of its deepest place.
        trajectory: of its deepest place.
        drawn_back_mm: by place (applicator) name.
    """

    name: str
    trajectory: Trajectory
    drawn_back_mm: Mapping[str, float]


def needles_of(treatment: Treatment) -> tuple[Needle, ...]:
    """The physical needles: places on one track are one needle, drawn back between its activations."""
    groups: list[list[int]] = []
    for index, placed in enumerate(treatment.applicators):
        for group in groups:
            first = treatment.applicators[group[0]]
            if first.antenna == placed.antenna and _same_track(first.trajectory, placed.trajectory):
                group.append(index)
                break
        else:
            groups.append([index])
    return tuple(_needle(treatment, group) for group in groups)


def _same_track(one: Trajectory, other: Trajectory) -> bool:
    r, _ = one.cylindrical_mm(other.tip_mm)
    angle = np.degrees(np.arccos(np.clip(one.axis @ other.axis, -1.0, 1.0)))
    return bool(r <= SAME_TRACK_MM and angle <= SAME_TRACK_DEG)


def _needle(treatment: Treatment, group: Sequence[int]) -> Needle:
    places = [treatment.applicators[index] for index in group]
    reference = places[0].trajectory
    depth = [float((place.trajectory.tip_mm - reference.tip_mm) @ reference.axis) for place in places]
    deepest = int(np.argmin(depth))
    back = {place.name: value - depth[deepest] for place, value in zip(places, depth, strict=True)}
    return Needle(places[deepest].name, places[deepest].trajectory, back)


def placed_really(treatment: Treatment, real: Mapping[str, Trajectory]) -> Treatment:
    """The treatment with needles where they really lie; pull-backs keep their lengths along the real needle.

    Args:
        treatment: as planned.
        real: by the name of any place of a needle; an empty name where the plan has only one needle. Needles that are
            not named stay as planned.

    Raises:
        InputError: an unknown name, or two names of one needle.
    """
    needles = needles_of(treatment)
    chosen: dict[str, Trajectory] = {}
    for name, trajectory in real.items():
        needle = _needle_named(name, needles)
        if needle.name in chosen:
            raise InputError("A needle is given twice.", where=name, got=needle.name, expected="each needle once")
        chosen[needle.name] = trajectory
    places = {}
    for needle in needles:
        if needle.name in chosen:
            line = chosen[needle.name]
            for place, back in needle.drawn_back_mm.items():
                tip = line.tip_mm + back * line.axis
                places[place] = Trajectory(line.entry_mm, tip)
    applicators = tuple(replace(p, trajectory=places.get(p.name, p.trajectory)) for p in treatment.applicators)
    return replace(treatment, applicators=applicators)


def _needle_named(name: str, needles: Sequence[Needle]) -> Needle:
    if not name and len(needles) == 1:
        return needles[0]
    for needle in needles:
        if name in needle.drawn_back_mm:
            return needle
    raise InputError(
        "The plan has no needle of this name.",
        where="needles",
        got=name or "no name",
        expected=", ".join(needle.name for needle in needles),
    )
