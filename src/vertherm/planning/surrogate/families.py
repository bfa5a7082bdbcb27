"""Which members are run with the coupled model, and how their ratios stand for those that are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vertherm.core.errors import InputError
from vertherm.heat.member import Drying, Member
from vertherm.planning.surrogate.correction import LARGEST_RATIO, Correction

Key = tuple[str, str, str]
"""Cooling, drying and meaning of the power: what the ratio of a member depends on."""


@dataclass(frozen=True)
class Family:
    """One kind of member."""

    label: str
    member: Member

    @property
    def key(self) -> Key:
        """See :data:`Key`."""
        return self.member.cooling, self.member.drying, self.member.power


def nominal_family(power_kind: str) -> Family:
    """The nominal member, as :func:`vertherm.heat.member.members` has it."""
    return Family("nominal", Member(power="net" if power_kind == "net" else "forward"))


def worst_families(local_factor: float) -> list[tuple[str, Family, Family]]:
    """The members that can be the worst: by drying, the one for safety and the one for coverage.

    Net power heats at least as much as the same forward power, no cooling more than full cooling, and the local factor
    never less: of the twelve standard members these four hold the others between them. Which drying is worse depends on
    dose and place.
    """
    found = []
    models: tuple[Drying, ...] = ("water", "sigmoid")
    for drying in models:
        safety = Member(drying, "net", "none", local_factor)
        cover = Member(drying, "forward", "full")
        label = f"{drying} drying"
        found.append((label, Family(f"{label}, safety", safety), Family(f"{label}, coverage", cover)))
    return found


def composed(key: Key, known: Mapping[Key, tuple[Correction, ...]]) -> tuple[Correction, ...]:
    """The ratios of a kind of member that was not run: those of the same source, times what cooling does to another.

        R[cooling, source] = R[other cooling, source] R[cooling, other source] / R[other cooling, other source]

    Source: drying and meaning of the power.

    Raises:
        InputError: the known ones do not suffice.
    """
    if key in known:
        return known[key]
    cooling, *source = key
    for (other, drying, power), same in known.items():
        if [drying, power] != source or other == cooling:
            continue
        for third in known:
            fourth = (other, *third[1:])
            if third[0] == cooling and fourth in known:
                return tuple(map(_times, same, known[third], known[fourth]))
    raise InputError("No correction for a kind of member.", got=", ".join(key), where="surrogate")


def _times(a: Correction, b: Correction, c: Correction) -> Correction:
    def product(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.clip(x * y / z, 1.0 / LARGEST_RATIO, LARGEST_RATIO).astype(np.float32)

    return Correction(
        a.powers_w, a.times_s, product(a.heating, b.heating, c.heating), a.offs_s, product(a.tail, b.tail, c.tail)
    )
