"""A surrogate whose readings are closed forms, so that the best dose is known.

With x = sum over pulses of P (1 - exp(-t / tau)) a structure's rise is a x (its own tau), the zone's radius is
b sqrt(x) (the zone's tau), coverage (radius / (lesion + margin))**3 up to 1, margin radius - lesion, and the dose of a
structure R**(43 - T) t / 60 with R = 0.5 from 43 °C on and 0.25 below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np

from vertherm.planning.surrogate.dose import Dose
from vertherm.planning.surrogate.readings import Readings, StructureReading, TargetReading

LABELS = ("nominal", "water drying", "sigmoid drying")


@dataclass(eq=False)
class ClosedForm:
    """See above.

    Args:
        rise: by structure (a in K/W, tau in s).
        zone: b in mm per square root of a watt, tau in s.
        lesion_mm, margin_mm: radii of the ball to cover.
        heat: factor on the rise, by variant; nominal first.
        reach: factor on the radius, by variant.
        gain: by place, (on the rise, on the radius).
    """

    rise: Mapping[str, tuple[float, float]]
    zone: tuple[float, float]
    lesion_mm: float = 8.0
    margin_mm: float = 2.0
    heat: Sequence[float] = (1.0,)
    reach: Sequence[float] = (1.0,)
    target: str = "target"
    gain: Sequence[tuple[float, float]] = ((1.0, 1.0),)

    @property
    def n(self) -> int:
        return len(self.heat)

    @property
    def variants(self) -> tuple[SimpleNamespace, ...]:
        return tuple(SimpleNamespace(label=LABELS[min(n, 2)]) for n in range(self.n))

    @property
    def members(self) -> tuple[SimpleNamespace, ...]:
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @property
    def statistics(self) -> dict[str, float]:
        return {}

    def anchored(self, dose: Dose, fields: Mapping[str, object]) -> ClosedForm:
        return self

    def scaled(self, rise_factor: Mapping[str, float]) -> ClosedForm:
        rise = {name: (a * rise_factor.get(name, 1.0), tau) for name, (a, tau) in self.rise.items()}
        return replace(self, rise=rise)

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(f"place {n}" for n in range(len(self.gain)))

    @property
    def structures(self) -> tuple[str, ...]:
        return tuple(self.rise)

    def amount(self, dose: Dose, tau_s: float, which: int) -> float:
        """x of a dose for a time constant; ``which``: 0 for the rise, 1 for the radius."""
        return sum(p.power_w * self.gain[p.place][which] * (1 - np.exp(-p.on_s / tau_s)) for p in dose.pulses)

    def readings(self, dose: Dose, variants: Sequence[int] | None = None) -> Readings:
        asked = slice(None) if variants is None else list(variants)
        heat, reach = np.array(self.heat)[asked], np.array(self.reach)[asked]
        minutes = sum(p.on_s for p in dose.pulses) / 60.0
        structures = {}
        for name, (a, tau) in self.rise.items():
            peak = 37.0 + a * heat * self.amount(dose, tau, 0)
            structures[name] = StructureReading(peak, minutes * np.where(peak >= 43, 2.0, 4.0) ** (peak - 43))
        radius = self.zone[0] * reach * np.sqrt(self.amount(dose, self.zone[1], 1))
        goal = self.lesion_mm + self.margin_mm
        target = TargetReading(
            coverage=np.minimum(1.0, (radius / goal) ** 3),
            lesion_coverage=np.minimum(1.0, (radius / self.lesion_mm) ** 3),
            margin_mm=radius - self.lesion_mm,
            reach_mm=1e3,
        )
        return Readings(structures, {self.target: target}, 37.0)
