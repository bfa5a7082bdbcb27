"""A surrogate in closed form: every point answers a step of power with two time constants.

    S(t) = a (1 - (tau1 exp(-t / tau1) - tau2 exp(-t / tau2)) / (tau1 - tau2)),   dS/dt(0) = 0

so that heat arrives late and goes on arriving after switch-off. Variants multiply ``a``; several places add.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vertherm.geometry.volume import Grid
from vertherm.planning.monitor.plan_scale import cem43_min
from vertherm.planning.surrogate.dose import Dose

BODY_C = 37.0


@dataclass(frozen=True)
class Point:
    """Kelvin per watt in the long run, and the two time constants."""

    k_per_w: float
    slow_s: float = 150.0
    fast_s: float = 30.0

    def step(self, t: np.ndarray) -> np.ndarray:
        t = np.maximum(t, 0.0)
        one, two = self.slow_s, self.fast_s
        return self.k_per_w * (1.0 - (one * np.exp(-t / one) - two * np.exp(-t / two)) / (one - two))


@dataclass(frozen=True)
class FakeReading:
    peak_c: np.ndarray
    cem43_min: np.ndarray


@dataclass(frozen=True)
class FakeTarget:
    coverage: np.ndarray
    lesion_coverage: np.ndarray
    margin_mm: np.ndarray


@dataclass(frozen=True)
class FakeReadings:
    structures: dict[str, FakeReading]
    targets: dict[str, FakeTarget]
    hottest_c: float = 100.0


@dataclass(frozen=True)
class FakeSurrogate:
    points: Mapping[str, Point]
    factors: tuple[float, ...] = (1.0, 0.8, 1.2)
    places: tuple[str, ...] = ("antenna 1",)
    targets: tuple[str, ...] = ("target",)
    thermocouples: tuple[str, ...] = field(default=())
    cooling: float = 1.0
    samples: int = 0
    power_w: tuple[float, float] = (1.0, 500.0)
    longest_s: float = 7200.0
    notes: tuple[str, ...] = ()
    members: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        return Grid.isotropic(np.zeros(3), np.full(3, 50.0), 2.5)

    @property
    def n(self) -> int:
        return len(self.factors)

    @property
    def structures(self) -> tuple[str, ...]:
        return tuple(name for name in self.points if name not in self.thermocouples)

    def curves(self, dose: Dose, time_s: np.ndarray, *, reading: str = "safety") -> dict[str, np.ndarray]:
        found = {}
        for name, point in self.points.items():
            sensor = name in self.thermocouples
            if reading == "coverage" and not sensor:
                continue
            rise, start = np.zeros(len(time_s)), 0.0
            for pulse in dose.pulses:
                rise += pulse.power_w * (point.step(time_s - start) - point.step(time_s - start - pulse.on_s))
                start += pulse.on_s + pulse.pause_s
            cooled = self.cooling if reading == "coverage" else 1.0
            label = f"thermocouple {name}" if sensor else name
            found[label] = BODY_C + cooled * np.array(self.factors)[:, None] * rise
        return found

    def readings(self, dose: Dose) -> FakeReadings:
        total = sum(p.on_s + p.pause_s for p in dose.pulses)
        times = np.arange(0.0, total + 900.0, 2.0)
        curves = self.curves(dose, times)
        structures = {
            name: FakeReading(curves[name].max(axis=1), np.array([cem43_min(times, c) for c in curves[name]]))
            for name in self.structures
        }
        energy = sum(p.power_w * p.on_s for p in dose.pulses) / 1000.0
        share = np.clip(np.array(self.factors) * energy / 9.0, 0.0, 1.0)
        targets = {name: FakeTarget(share, share, 10.0 * (share - 0.5)) for name in self.targets}
        return FakeReadings(structures, targets)

    def save(self, path: Path) -> None:
        document = {
            "points": {name: [p.k_per_w, p.slow_s, p.fast_s] for name, p in self.points.items()},
            "factors": self.factors,
            "places": self.places,
            "targets": self.targets,
            "thermocouples": self.thermocouples,
            "cooling": self.cooling,
        }
        np.savez(path, document=np.array(json.dumps(document)))

    @staticmethod
    def load(path: Path) -> FakeSurrogate:
        with np.load(path, allow_pickle=False) as found:
            document = json.loads(str(found["document"]))
        points = {name: Point(*values) for name, values in document.pop("points").items()}
        cooling = document.pop("cooling")
        return FakeSurrogate(points, **{name: tuple(value) for name, value in document.items()}, cooling=cooling)
