"""Variants from linear answers and corrections: the nominal patient, members that can be the worst, or samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.heat.member import Member
from vertherm.planning.surrogate.correction import Correction
from vertherm.planning.surrogate.families import Family, Key, composed, worst_families
from vertherm.planning.surrogate.ratios import Nominal
from vertherm.planning.surrogate.response import Response
from vertherm.planning.surrogate.sites import Index, Sites
from vertherm.planning.surrogate.surrogate import Variant
from vertherm.planning.surrogate.tasks import SampleReading, Shared
from vertherm.planning.uncertainty import Reading


@dataclass(frozen=True, eq=False)
class Variants:
    """Puts variants together.

    Args:
        nominal: linear answers.
        shared: sites and setup.
        known: corrections of the families that were run.
    """

    nominal: Nominal
    shared: Shared
    known: Mapping[Key, tuple[Correction, ...]]

    def nominal_variant(self) -> Variant:
        """The nominal member in both readings."""
        family = self.nominal.families[0]
        return Variant("nominal", self._member(family, True), self._member(family, False))

    def of_members(self) -> list[Variant]:
        """One a drying model, each with the member that is worst for safety and the one that is for coverage."""
        factor = self.shared.local_factor
        return [
            Variant(label, self._member(safety, True), self._member(cover, False))
            for label, safety, cover in worst_families(factor)
        ]

    def of_samples(self, samples: Sequence[tuple[int, Mapping[Reading, SampleReading]]]) -> list[Variant]:
        """One a sample: its own linear answer, with the ratio of the nominal patient's member of the same choices."""
        from scipy.spatial import cKDTree

        tree = cKDTree(self._points_mm(self.shared.sites))
        return [
            Variant(f"sample {number}", *(self._sample(found[reading], tree) for reading in ("safety", "coverage")))
            for number, found in samples
        ]

    def _member(self, family: Family, structures: bool) -> Response:
        sites, kept = self.shared.sites.only(structures, not structures)
        member = family.member
        answer = self.nominal.answers[member.cooling, member.power, member.sar_factor]
        return self._response(
            sites, answer[:, :, kept], kept, member, self.shared.setup.body_c, 1.0, self.shared.setup.damage_shift_k
        )

    def _sample(self, found: SampleReading, tree: object) -> Response:
        places = self._points_mm(found.sites) - found.shift_mm
        base = np.asarray(tree.query(places)[1], dtype=np.int64)  # type: ignore[attr-defined]
        return self._response(
            found.sites, found.per_w, base, found.member, found.body_c, found.drive, found.damage_shift_k
        )

    def _response(
        self,
        sites: Sites,
        per_w: NDArray[np.float32],
        base: Index,
        member: Member,
        body_c: float,
        drive: float,
        damage_shift_k: float,
    ) -> Response:
        key = member.cooling, member.drying, member.power
        damage = self.nominal.damage.copy()
        damage[:, 3] = damage_shift_k
        return Response(
            sites=sites,
            times_s=self.shared.times_s,
            per_w=np.ascontiguousarray(np.maximum(per_w, 0.0), dtype=np.float32),
            without=np.ascontiguousarray(self.nominal.without[member.cooling][:, :, base]),
            body_c=body_c,
            drive=drive,
            key="|".join(key),
            base=base,
            damage=damage,
            model=self.nominal.model[base],
            corrections=composed(key, self.known),
        )

    def _points_mm(self, sites: Sites) -> NDArray[np.float64]:
        grid = self.shared.setup.tissue.grid
        return grid.world(np.stack(np.unravel_index(sites.cells, grid.shape), axis=-1))
