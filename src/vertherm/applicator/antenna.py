"""The antenna catalogue: complete geometries as data, read from ``applicator/data/*.toml``.

Antenna frame: z = 0 at the physical tip, positive along the shaft towards the entry, r from the axis; millimetres.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertherm.core.errors import InputError, MissingValueError
from vertherm.materials.quantity import Certainty, Quantity, certainty_of

MU_0 = 1.25663706212e-6
EPS_0 = 8.8541878128e-12
LIGHT_M_S = 299792458.0
"""Vacuum permeability and permittivity (CODATA 2018, N/A^2 and F/m) and the speed of light (exact, m/s)."""


@dataclass(frozen=True)
class AntennaMaterial:
    """What a part is made of: a conductor (``resistivity``) or a dielectric (``permittivity``, ``loss_tangent``)."""

    name: str
    resistivity: Quantity | None
    permittivity: Quantity | None
    loss_tangent: Quantity | None

    @property
    def metal(self) -> bool:
        """True for a conductor."""
        return self.resistivity is not None

    @property
    def eps_c(self) -> complex:
        """Complex relative permittivity of a dielectric, exp(+j w t)."""
        if self.permittivity is None or self.loss_tangent is None:
            raise MissingValueError("A conductor has no permittivity.", where=self.name)
        return complex(self.permittivity.value * (1 - 1j * self.loss_tangent.value))

    def surface_resistance_ohm(self, frequency_hz: float) -> float:
        """Surface resistance sqrt(pi f mu0 rho) of a conductor thicker than its skin depth."""
        if self.resistivity is None:
            raise MissingValueError("A dielectric has no surface resistance.", where=self.name)
        return math.sqrt(math.pi * frequency_hz * MU_0 * self.resistivity.value)


@dataclass(frozen=True)
class Part:
    """A body of revolution: a closed polygon of (r, z) corners in mm; ``math.inf`` in z means "up to the port"."""

    name: str
    material: str
    corners_mm: tuple[tuple[float, float], ...]

    def contains(self, r_mm: NDArray[np.float64], z_mm: NDArray[np.float64], top_mm: float) -> NDArray[np.bool_]:
        """True where a point lies inside, with infinite corners cut at ``top_mm`` (even-odd rule)."""
        inside = np.zeros(np.broadcast_shapes(r_mm.shape, z_mm.shape), dtype=bool)
        corners = [(r, min(z, top_mm)) for r, z in self.corners_mm]
        for (r0, z0), (r1, z1) in zip(corners, corners[1:] + corners[:1], strict=True):
            if z0 == z1:
                continue
            crosses = (z0 > z_mm) != (z1 > z_mm)
            inside ^= crosses & (r_mm < r0 + (z_mm - z0) * (r1 - r0) / (z1 - z0))
        return inside


@dataclass(frozen=True)
class Port:
    """The matched coaxial line that feeds the antenna from above."""

    inner_radius_mm: float
    outer_radius_mm: float
    dielectric: str
    inner_conductor: str
    outer_conductor: str


@dataclass(frozen=True)
class Cooling:
    """How the shaft is cooled: ``cooled`` false means not at all; the numbers then are absent.

    The coolant acts on the shaft from ``from_mm`` (distance from the tip) up to the hub.
    """

    name: str
    cooled: bool
    coolant_temperature_c: Quantity | None
    film_coefficient_w_m2k: Quantity | None
    from_mm: Quantity | None


@dataclass(frozen=True)
class Antenna:
    """Complete description of an antenna; ``applicator/data/*.toml`` show the file format.

    Attributes:
        name, title: catalogue key and plain name.
        source, certainty: where the geometry comes from, and how sure it is.
        missing: what the source does not give, in words a reader must see.
        frequencies_hz: frequencies it may be used at; the first is the one it was designed for.
        shaft_radius_mm: outer radius of the shaft in tissue.
        materials, parts, port: the geometry; later parts override earlier ones where they overlap.
        cable_loss_db: loss between generator and antenna port, at the design frequency.
        shaft_conductivity_w_mk: effective thermal conductivity of the shaft along its axis.
        cooling: the chosen variant; ``coolings`` holds all of them.
    """

    name: str
    title: str
    source: str
    certainty: Certainty
    missing: tuple[str, ...]
    frequencies_hz: tuple[float, ...]
    shaft_radius_mm: float
    materials: Mapping[str, AntennaMaterial]
    parts: tuple[Part, ...]
    port: Port
    cable_loss_db: Quantity
    shaft_conductivity_w_mk: Quantity
    cooling: Cooling
    coolings: Mapping[str, Cooling]

    @property
    def cooled(self) -> bool:
        """True where the chosen variant cools the shaft."""
        return self.cooling.cooled

    @property
    def key(self) -> str:
        """Hash of what decides the electromagnetic solution (geometry, materials, port)."""
        content = {
            "parts": [(p.material, [[repr(r), repr(z)] for r, z in p.corners_mm]) for p in self.parts],
            "materials": {n: repr((m.resistivity, m.permittivity, m.loss_tangent)) for n, m in self.materials.items()},
            "port": repr(self.port),
            "shaft_radius_mm": repr(self.shaft_radius_mm),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def unverified(self) -> tuple[str, ...]:
        """Names of the values that rest on [R] or [guess]; "geometry" stands for all lengths."""
        names = ["geometry"] if self.certainty in ("R", "guess") else []
        pairs: list[tuple[str, Quantity | None]] = [
            ("cable loss", self.cable_loss_db),
            ("shaft conductivity", self.shaft_conductivity_w_mk),
            ("coolant temperature", self.cooling.coolant_temperature_c),
            ("coolant film coefficient", self.cooling.film_coefficient_w_m2k),
            ("start of the cooled shaft", self.cooling.from_mm),
        ]
        for material in self.materials.values():
            for field in ("resistivity", "permittivity", "loss_tangent"):
                pairs.append((f"{material.name} {field.replace('_', ' ')}", getattr(material, field)))
        return tuple(names + [name for name, quantity in pairs if quantity is not None and not quantity.verified])

    def with_cooling(self, name: str) -> Antenna:
        """The same antenna with another cooling variant of its data file.

        Raises:
            InputError: the file has no such variant.
        """
        if name not in self.coolings:
            raise InputError(
                "Unknown cooling variant.", where=self.name, got=name, expected=", ".join(sorted(self.coolings))
            )
        from dataclasses import replace

        return replace(self, cooling=self.coolings[name])

    def check_frequency(self, frequency_hz: float) -> None:
        """Refuse a frequency that the catalogue entry does not list.

        Raises:
            InputError: the frequency is not among ``frequencies_hz``.
        """
        if not any(math.isclose(frequency_hz, f, rel_tol=1e-6) for f in self.frequencies_hz):
            raise InputError(
                "The antenna is not catalogued at this frequency.",
                where=self.name,
                got=f"{frequency_hz / 1e6:.6g} MHz",
                expected=", ".join(f"{f / 1e6:.6g} MHz" for f in self.frequencies_hz),
            )

    def part_at(self, r_mm: ArrayLike, z_mm: ArrayLike, top_mm: float) -> NDArray[np.int64]:
        """Index of the part that holds each point, -1 in the surrounding tissue."""
        r, z = np.broadcast_arrays(np.asarray(r_mm, float), np.asarray(z_mm, float))
        found = np.full(r.shape, -1, dtype=np.int64)
        for index, part in enumerate(self.parts):
            found[part.contains(r, z, top_mm)] = index
        return found

    def outer_radius_mm(self, z_mm: ArrayLike, top_mm: float = 1e4) -> NDArray[np.float64]:
        """Outer radius of the antenna at ``z_mm`` (0 beyond the tip), in mm; from the polygons' edges."""
        z = np.asarray(z_mm, float)
        radius = np.zeros(z.shape)
        for part in self.parts:
            corners = [(r, min(zc, top_mm)) for r, zc in part.corners_mm]
            for (r0, z0), (r1, z1) in zip(corners, corners[1:] + corners[:1], strict=True):
                if z0 == z1:
                    continue
                spans = (z >= min(z0, z1)) & (z <= max(z0, z1))
                radius = np.where(spans, np.maximum(radius, r0 + (z - z0) * (r1 - r0) / (z1 - z0)), radius)
        return radius

    def line_impedance_ohm(self) -> float:
        """Characteristic impedance of the feeding coax."""
        eps = self.materials[self.port.dielectric].eps_c.real
        ratio = math.log(self.port.outer_radius_mm / self.port.inner_radius_mm)
        return math.sqrt(MU_0 / EPS_0 / eps) * ratio / (2 * math.pi)

    def line_attenuation_np_m(self, frequency_hz: float) -> float:
        """Attenuation of the coax inside the shaft (conductors and dielectric), nepers per metre.

        Conductors: (Rs_a / a + Rs_b / b) / (4 pi Z0) with the surface resistances of both; dielectric: k tan(d) / 2.
        """
        port, material = self.port, self.materials[self.port.dielectric]
        walls = (
            self.materials[port.inner_conductor].surface_resistance_ohm(frequency_hz) / (port.inner_radius_mm * 1e-3)
            + self.materials[port.outer_conductor].surface_resistance_ohm(frequency_hz) / (port.outer_radius_mm * 1e-3)
        ) / (4 * math.pi * self.line_impedance_ohm())
        wave_number = 2 * math.pi * frequency_hz / LIGHT_M_S * math.sqrt(material.eps_c.real)
        return walls + wave_number * -material.eps_c.imag / material.eps_c.real / 2

    def shaft_loss_w_m(self, frequency_hz: float, forward_w: float) -> float:
        """Heat released per metre of shaft by the matched coax inside it, 2 alpha P, in W/m."""
        return 2 * self.line_attenuation_np_m(frequency_hz) * forward_w


def antenna_names() -> tuple[str, ...]:
    """Names of the catalogue, sorted."""
    folder = files("vertherm.applicator").joinpath("data")
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


@cache
def load_antenna(name: str, cooling: str | None = None) -> Antenna:
    """The catalogue entry ``name``, with its default or the named cooling variant.

    Raises:
        InputError: unknown antenna or cooling variant.
        MissingValueError: the entry lacks a value.
    """
    if name not in antenna_names():
        raise InputError("Unknown antenna.", got=name, expected=", ".join(antenna_names()))
    text = files("vertherm.applicator").joinpath("data", f"{name}.toml").read_text("utf-8")
    antenna = parse_antenna(tomllib.loads(text), where=f"{name}.toml")
    return antenna if cooling is None else antenna.with_cooling(cooling)


def parse_antenna(data: Mapping[str, Any], where: str) -> Antenna:
    """Build an antenna from the content of a data file.

    Raises:
        MissingValueError: a value is missing or has no unit, source or certainty.
        InputError: the parts contradict each other.
    """
    try:
        materials = {name: _material(name, table, where) for name, table in data["materials"].items()}
        coolings = {name: _cooling(name, table, where) for name, table in data["cooling"].items()}
        antenna = Antenna(
            name=data["name"],
            title=data["title"],
            source=data["source"],
            certainty=certainty_of(data["certainty"], where),
            missing=tuple(data["missing"]),
            frequencies_hz=tuple(float(f) for f in data["frequencies_hz"]),
            shaft_radius_mm=float(data["shaft_radius_mm"]),
            materials=materials,
            parts=tuple(_part(table) for table in data["parts"]),
            port=Port(**data["port"]),
            cable_loss_db=_quantity(data["cable_loss"], f"{where}: cable_loss"),
            shaft_conductivity_w_mk=_quantity(data["shaft_conductivity"], f"{where}: shaft_conductivity"),
            cooling=coolings[data["default_cooling"]],
            coolings=coolings,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MissingValueError("An antenna's data are incomplete.", where=where, got=repr(error)) from error
    _check_parts(antenna, where)
    return antenna


def _quantity(table: Mapping[str, Any], where: str) -> Quantity:
    return Quantity(
        value=float(table["value"]),
        unit=str(table["unit"]),
        low=None if "low" not in table else float(table["low"]),
        high=None if "high" not in table else float(table["high"]),
        source=str(table["source"]),
        certainty=certainty_of(table["certainty"], where),
    )


def _material(name: str, table: Mapping[str, Any], where: str) -> AntennaMaterial:
    def optional(key: str) -> Quantity | None:
        return _quantity(table[key], f"{where}: {name}.{key}") if key in table else None

    material = AntennaMaterial(name, optional("resistivity"), optional("permittivity"), optional("loss_tangent"))
    dielectric = material.permittivity is not None and material.loss_tangent is not None
    if material.metal == dielectric:
        raise KeyError(f"{name}: either resistivity, or permittivity and loss_tangent")
    return material


def _cooling(name: str, table: Mapping[str, Any], where: str) -> Cooling:
    cooled = bool(table["cooled"])
    keys = ("coolant_temperature", "film_coefficient", "from")
    values = [_quantity(table[key], f"{where}: cooling.{name}.{key}") if cooled else None for key in keys]
    return Cooling(name, cooled, *values)


def _part(table: Mapping[str, Any]) -> Part:
    if "corners_mm" in table:
        corners = tuple((float(r), float(z)) for r, z in table["corners_mm"])
    else:
        (r0, r1), (z0, z1) = table["r_mm"], table["z_mm"]
        corners = ((float(r0), float(z0)), (float(r1), float(z0)), (float(r1), float(z1)), (float(r0), float(z1)))
    return Part(table["name"], table["material"], corners)


def _check_parts(antenna: Antenna, where: str) -> None:
    used = {part.material for part in antenna.parts} | {
        antenna.port.dielectric,
        antenna.port.inner_conductor,
        antenna.port.outer_conductor,
    }
    if used - set(antenna.materials):
        raise MissingValueError(
            "A part's material is not described.", where=where, got=sorted(used - set(antenna.materials))
        )
    radius = float(antenna.outer_radius_mm(np.array([200.0]))[0])
    if abs(radius - antenna.shaft_radius_mm) > 1e-6:
        raise InputError(
            "The shaft radius contradicts the parts.", where=where, got=antenna.shaft_radius_mm, expected=radius
        )
