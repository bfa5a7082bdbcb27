"""The fast model of one arrangement of needles: any dose in milliseconds, for the nominal and the uncertain patient.

Linear step responses in every watched cell (``linear``), times a ratio taken from a few coupled runs (``correction``).
What it rests on, and what that costs, is in ``statistics``: differences from the coupled model of the same grid at a
dose that no correction has seen. That grid is coarse: near the antenna cells of 2 mm boil and dry later than those of
1 mm, so that temperatures come out too high (docs of :meth:`Surrogate.anchored`, which puts this right).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.setup import Setup
from vertherm.planning.assessment import Probability
from vertherm.planning.objects import Case, Numerics, Treatment
from vertherm.planning.percentiles import probability
from vertherm.planning.protocol import Protocol
from vertherm.planning.surrogate.dose import Dose
from vertherm.planning.surrogate.readings import (
    Readings,
    StructureReading,
    TargetReading,
    decide_coverage,
    decide_safety,
)
from vertherm.planning.surrogate.response import Response, moments
from vertherm.planning.surrogate.zone import coverage, omega, peak_and_cem43

Float = NDArray[np.float32]
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Variant:
    """One patient: its safety reading says what structures suffer, its coverage reading what the lesion gets."""

    label: str
    """"nominal", a drying model, or "sample 12"."""
    safety: Response
    coverage: Response


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Make one with :meth:`build`.

    Args:
        structures, targets: names with a row.
        places: names of the applicators, in the order that pulses count them in.
        variants: the nominal one first; then the members that can be the worst, or samples.
        samples: how many of the variants are samples (0: members).
        failed: samples that have no result and are left out.
        quantity, level: of the metric that decides coverage.
        power_w, longest_s: range that the corrections span; beyond it ratios are held, which is no prediction.
        grid: the heat grid that cells are numbered in.
        statistics: errors against the coupled model, sizes and times.
        notes: what a person must read.
        members: beside samples, the standard members that can be the worst, one a drying model; not saved.
        anchor: (places, nominal cells) what a finer run has put on the linear answers; None: nothing.
    """

    structures: tuple[str, ...]
    targets: tuple[str, ...]
    places: tuple[str, ...]
    variants: tuple[Variant, ...]
    samples: int
    failed: int
    quantity: str
    level: float
    power_w: tuple[float, float]
    longest_s: float
    grid: Grid
    statistics: dict[str, float]
    notes: tuple[str, ...] = ()
    members: tuple[Variant, ...] = ()
    anchor: NDArray[np.float32] | None = None

    @staticmethod
    def build(
        case: Case,
        treatment: Treatment,
        protocol: Protocol,
        numerics: Numerics | None = None,
        *,
        spacing_mm: float = 2.0,
        margin_mm: float,
        samples: int = 0,
        seed: int = 0,
        longest_s: float,
        power_w: tuple[float, float],
        setup: Setup | None = None,
        workers: int = 1,
        progress: Progress = silent,
    ) -> Surrogate:
        """See :func:`vertherm.planning.surrogate.build.build`."""
        from vertherm.planning.surrogate.build import Wishes, build

        wishes = Wishes(spacing_mm, margin_mm, samples, seed, longest_s, power_w, workers)
        return build(case, treatment, protocol, numerics or Numerics(), wishes, setup, progress)

    @property
    def sample_numbers(self) -> tuple[int, ...]:
        """Numbers of the samples behind the variants after the first; those that have no result are left out."""
        return tuple(int(variant.label.removeprefix("sample ")) for variant in self.variants[1:])

    @property
    def n(self) -> int:
        """Number of variants."""
        return len(self.variants)

    def readings(self, dose: Dose, variants: Sequence[int] | None = None) -> Readings:
        """Peaks, doses and coverage of every variant, the heat after switch-off included.

        Args:
            dose: what is given.
            variants: numbers of those that are read, the only ones that the arrays then hold, in this order; None: all.
                ``hottest_c`` is of the first of them.

        Raises:
            InputError: a pulse names a place that does not exist.
        """
        self._check(dose)
        at = moments(dose)
        asked = self.variants if variants is None else [self.variants[n] for n in variants]
        safe = [self._structures(v.safety, dose, at) for v in asked]
        cover, hottest = zip(*(self._targets(v.coverage, dose, at) for v in asked), strict=True)
        structures = {
            name: StructureReading(*(np.array([row[name][k] for row in safe]) for k in (0, 1)))
            for name in self.structures
        }
        reach = {name: t.reach_mm for name, t in self.variants[0].coverage.sites.targets.items()}
        targets = {}
        for name in self.targets:
            shares, of_lesion, margins = np.array([row[name] for row in cover]).T
            targets[name] = TargetReading(shares, of_lesion, margins, reach[name])
        nominal = max((row[0] for row in safe[0].values()), default=0.0)
        return Readings(structures, targets, max(nominal, hottest[0]))

    def curves(self, dose: Dose, time_s: Sequence[float] | Array, *, reading: str = "safety") -> dict[str, Array]:
        """Temperature over time, (variants, instants): hottest cell of each structure, and each thermocouple.

        Args:
            dose: what is given, from 0 s on.
            time_s: instants.
            reading: "safety" (nothing is cooled by vessels), or "coverage" (all is): the latter has thermocouples only.
        """
        self._check(dose)
        at = np.asarray(time_s, dtype=np.float64)
        rows: dict[str, list[Array]] = {}
        for variant in self.variants:
            response = variant.safety if reading == "safety" else variant.coverage
            course = response.temperature_c(dose, at)
            if reading == "safety":
                for name, where in response.sites.structures.items():
                    plain = np.full(len(at), response.body_c)
                    rows.setdefault(name, []).append(course[:, where].max(axis=1) if where.size else plain)
            for name, (where, weights) in response.sites.sensors.items():
                rows.setdefault(f"thermocouple {name}", []).append(course[:, where] @ weights)
        return {name: np.array(found, dtype=np.float64) for name, found in rows.items()}

    def decide_safety(self, values: Array) -> float:
        """What of a structure's ``values`` is held against a limit; see :func:`.readings.decide_safety`."""
        return decide_safety(values, self.samples)

    def decide_coverage(self, values: Array) -> float:
        """What of a target's ``values`` is held against the goal; see :func:`.readings.decide_coverage`."""
        return decide_coverage(values, self.samples)

    def probability(self, happened: NDArray[np.bool_]) -> Probability | None:
        """Share of the samples in which something happens (``happened``: of every variant); None without samples."""
        return probability([bool(h) for h in happened[1:]], self.failed) if self.samples else None

    def anchored(self, dose: Dose, fields: dict[str, Volume]) -> Surrogate:
        """This surrogate, scaled so that its nominal variant agrees with a finer run of one dose.

        The ratio of the peak rises in every watched cell, finer over fast, multiplies the responses of all variants
        (the discrepancy of the grid is taken to be the same for all and at all doses): one nominal run at 1 mm takes
        most of a coarse grid's error away near the dose it was made for.

        Args:
            dose: of the finer run.
            fields: its nominal "peak_c" on its own grid.
        """
        from vertherm.planning.surrogate.anchor import anchored

        return anchored(self, dose, fields["peak_c"])

    def save(self, path: Path) -> None:
        """Write everything to one npz file, without pickle."""
        from vertherm.planning.surrogate.store import save

        save(self, path)

    @staticmethod
    def load(path: Path) -> Surrogate:
        """What :meth:`save` wrote.

        Raises:
            InputError: no such file, or one of another kind or version.
        """
        from vertherm.planning.surrogate.store import load

        return load(path)

    def with_notes(self, *notes: str) -> Surrogate:
        """The same with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def _check(self, dose: Dose) -> None:
        last = max(pulse.place for pulse in dose.pulses)
        if last >= len(self.places):
            raise InputError(
                "A pulse names a place that does not exist.", got=last, expected=f"0 to {len(self.places) - 1}"
            )

    def _structures(self, response: Response, dose: Dose, at_s: Array) -> dict[str, tuple[float, float]]:
        """Peak and CEM43 of each structure."""
        course = response.temperature_c(dose, at_s)
        peak, dosed = peak_and_cem43(course, at_s)
        return {
            name: (float(peak[where].max()), float(dosed[where].max())) if where.size else (response.body_c, 0.0)
            for name, where in response.sites.structures.items()
        }

    def _targets(
        self, response: Response, dose: Dose, at_s: Array
    ) -> tuple[dict[str, tuple[float, float, float]], float]:
        """Coverage, lesion coverage and margin of each target; and the hottest cell."""
        course = response.temperature_c(dose, at_s)
        if self.quantity == "cem43_min":
            peak, dosed = peak_and_cem43(course, at_s)
            fields = {"peak_c": peak, "cem43_min": dosed}
        else:
            fields = {"peak_c": course.max(axis=0)}
        if self.quantity == "omega":
            fields["omega"] = omega(course, at_s, response.damage, response.model)
        found = {
            name: coverage(target, fields, self.quantity, self.level) for name, target in response.sites.targets.items()
        }
        return found, float(fields["peak_c"].max(initial=0.0))
