"""What was measured at the bench: ablation zones and thermocouple curves, each with its condition and its error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError

Array = NDArray[np.float64]
ASSUMED_SD_MM = 2.0
"""[guess] scatter of a zone's diameter between ablations, taken where a file gives none (marked in the result)."""
ASSUMED_SD_K = 2.0
"""[guess] error of a thermocouple with its place, taken where a file gives none (marked in the result)."""
CURVE_COUNTS_AS = 4
"""[guess] a thermocouple curve counts as at most this many independent numbers: a wrong place shifts all of it."""
BOUNDARY_FORMS = "'isotherm T' (peak temperature in degC), 'cem43 M' (minutes) or 'arrhenius X' (omega)"


@dataclass(frozen=True)
class Boundary:
    """What the edge of a zone means: where ``field`` of a thermal result passes ``level``.

    Args:
        text: as written in the file, e.g. "isotherm 54".
        field: "peak_c", "cem43_min" or "omega".
        level: degC, minutes or 1.
    """

    text: str
    field: str
    level: float

    @staticmethod
    def parse(text: str, where: str) -> Boundary:
        """Read "isotherm 54", "cem43 240" or "arrhenius 1".

        Raises:
            InputError: another form, or a level out of range.
        """
        match = re.fullmatch(r"(isotherm|cem43|arrhenius) ([0-9]+(?:\.[0-9]+)?)", " ".join(text.lower().split()))
        ranges = {
            "isotherm": ("peak_c", 40.0, 100.0),
            "cem43": ("cem43_min", 1.0, 1e4),
            "arrhenius": ("omega", 0.1, 10.0),
        }
        if match:
            name, low, high = ranges[match[1]]
            if low <= float(match[2]) <= high:
                return Boundary(f"{match[1]} {float(match[2]):g}", name, float(match[2]))
        raise InputError(
            "The definition of a zone's boundary is unusable.",
            where=where,
            got=text or "nothing",
            expected=f"{BOUNDARY_FORMS}; isotherm 40-100, cem43 1-10000, arrhenius 0.1-10",
            advice="say what edge was measured: the choice alone moves the diameter by 5-7 mm",
        )


@dataclass(frozen=True)
class Condition:
    """Medium and power of a measurement; equal conditions share one forward run.

    Args:
        medium: tissue of the vocabulary (``materials.tissue.tissue_names``).
        start_c: temperature before the power came on, degC; perfused media take it as arterial temperature too.
        perfused: False ex vivo.
        power_w: constant power.
        power_kind: "set", "forward" or "net".
    """

    medium: str
    start_c: float
    perfused: bool
    power_w: float
    power_kind: str

    @property
    def medium_words(self) -> str:
        """For tables."""
        return f"{self.medium}, start {self.start_c:g} °C, {'perfused' if self.perfused else 'not perfused'}"


@dataclass(frozen=True)
class Zone:
    """One ablation zone (or the mean of several made alike).

    Args:
        row: where it stands, for messages.
        condition, time_s: how it was made.
        boundary: what its edge means.
        short_mm, long_mm: largest width across the antenna and extent along it; None where not measured.
        error_mm: standard error of each, the scatter over the square root of the number of ablations.
        assumed: the scatter was not in the file.
    """

    row: str
    condition: Condition
    time_s: float
    boundary: Boundary
    short_mm: float | None
    long_mm: float | None
    error_mm: float
    assumed: bool


@dataclass(frozen=True, eq=False)
class Curve:
    """One thermocouple's curve.

    Args:
        row: where it stands, for messages.
        condition, on_s: how it was made: power on from 0 to ``on_s``.
        r_mm, z_mm: place in the antenna's frame (z = 0 at the tip, positive towards the hub).
        time_s, temperature_c: (n,) times since power on, strictly increasing, and temperatures.
        error_k: standard error of each.
        assumed: it was not in the file.
    """

    row: str
    condition: Condition
    on_s: float
    r_mm: float
    z_mm: float
    time_s: Array
    temperature_c: Array
    error_k: float
    assumed: bool


@dataclass(frozen=True, eq=False)
class Measurements:
    """A file of measurements, checked.

    Args:
        path: the file; ``files`` are all files read, by role.
        title, source: as written.
        synthetic: the file says that its numbers are made up.
        zones, curves: in the file's order.
        assumptions: what the file does not say and was assumed.
    """

    path: Path
    title: str
    source: str
    synthetic: bool
    zones: tuple[Zone, ...]
    curves: tuple[Curve, ...]
    files: tuple[tuple[str, Path], ...]
    assumptions: tuple[str, ...] = field(default=())

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Each once, in the file's order."""
        zones, curves = (z.condition for z in self.zones), (c.condition for c in self.curves)
        return tuple(dict.fromkeys((*zones, *curves)))

    @property
    def times_s(self) -> tuple[float, ...]:
        """Times with power on, each once, sorted."""
        return tuple(sorted({z.time_s for z in self.zones} | {c.on_s for c in self.curves}))

    @property
    def power_kind(self) -> str:
        """The one meaning of all watts (checked when reading)."""
        return self.conditions[0].power_kind

    @property
    def size(self) -> int:
        """How many numbers were measured."""
        axes = sum((z.short_mm is not None) + (z.long_mm is not None) for z in self.zones)
        return axes + sum(c.time_s.size for c in self.curves)
