"""Thermal, electric and damage properties of each tissue, with the source and certainty of every number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from vertherm.core.errors import MissingValueError
from vertherm.materials.constants import constants
from vertherm.materials.damage import damage_model
from vertherm.materials.dielectric import Dielectric, Mixture, cole_cole
from vertherm.materials.quantity import (
    Certainty,
    Quantity,
    certainty_of,
    number,
    read_table,
    worst_certainty,
)

THERMAL_FIELDS = (
    ("density", "density_kg_m3", "kg/m3"),
    ("heat_capacity", "heat_capacity_j_kgk", "J/kgK"),
    ("conductivity", "conductivity_w_mk", "W/mK"),
    ("perfusion", "perfusion_w_m3k", "W/m3K"),
    ("metabolic", "metabolic_w_kg", "W/m3"),
)
"""Field of :class:`TissueProperties`, column of ``data/thermal.csv``, unit of the field."""
BONE_BY_HU = ("cancellous_bone", "vertebra")
"""Names whose properties follow the CT number."""
BONE_CLASSES = 32


@dataclass(frozen=True)
class TissueProperties:
    """Properties of one tissue at 37 degC.

    Args:
        name: key of the tissue vocabulary.
        density: kg/m3.
        heat_capacity: J/kgK.
        conductivity: thermal, W/mK.
        perfusion: Pennes coefficient omega rho_b c_b in W/m3K.
        metabolic: metabolic heat in W/m3.
        water_fraction: mass fraction of water that can boil off.
        dielectric: permittivity and conductivity at any frequency.
        damage: id of the Arrhenius model (see :mod:`vertherm.materials.damage`).
        unverified: fields whose value no source confirms.
        variant: which of several kinds under one name, for instance "HU 215"; "" where there is one.
        quantities: every number above with range, source and certainty, by field.
    """

    name: str
    density: float
    heat_capacity: float
    conductivity: float
    perfusion: float
    metabolic: float
    water_fraction: float
    dielectric: Dielectric = field(compare=False)
    damage: str
    unverified: tuple[str, ...] = ()
    variant: str = ""
    quantities: tuple[tuple[str, Quantity], ...] = field(default=(), compare=False, repr=False)

    def permittivity(self, frequency_hz: float) -> tuple[float, float]:
        """Relative permittivity and electric conductivity in S/m at ``frequency_hz``, 37 degC."""
        return self.dielectric.at(frequency_hz)

    @property
    def volumetric_heat_capacity(self) -> float:
        """Density times heat capacity, J/m3K."""
        return self.density * self.heat_capacity


Parts = tuple[tuple[str, float], ...]


def _parts(text: str) -> Parts:
    """ "A:0.5;B:0.5" as (("A", 0.5), ("B", 0.5)); a plain key has weight 1."""
    pieces = [piece.rsplit(":", 1) for piece in text.split(";")]
    return tuple((piece[0], float(piece[1]) if len(piece) > 1 else 1.0) for piece in pieces)


@cache
def _row(table: str, column: str, key: str) -> dict[str, str]:
    for row in read_table(table):
        if row[column] == key:
            return row
    known = ", ".join(row[column] for row in read_table(table))
    raise MissingValueError(
        "A tissue is missing in a data table.",
        where=f"materials/data/{table}.csv",
        got=key,
        expected=known,
        advice="use a name of the tissue vocabulary, or add a row with its sources",
    )


def _blend(parts: Iterable[tuple[float, float, float]], by_mass: bool) -> float:
    """Mean of (value, volume weight, density): per volume, or per mass."""
    items = [(value, weight * (density if by_mass else 1.0)) for value, weight, density in parts]
    return sum(value * weight for value, weight in items) / sum(weight for _, weight in items)


def _thermal(parts: Parts) -> dict[str, float]:
    """Thermal numbers of a volume mixture of rows of ``thermal.csv``: heat capacity and metabolism go by mass."""
    rows = [(_row("thermal", "key", key), weight) for key, weight in parts]
    densities = [number(row, "density_kg_m3", f"thermal.csv: {row['key']}") for row, _ in rows]
    values: dict[str, float] = {}
    for name, column, _ in THERMAL_FIELDS:
        items = [
            (number(row, column, f"thermal.csv: {row['key']}"), weight, density)
            for (row, weight), density in zip(rows, densities, strict=True)
        ]
        values[name] = _blend(items, by_mass=name in ("heat_capacity", "metabolic"))
    values["metabolic"] *= values["density"]
    return values


def _spread_group(name: str) -> str:
    """The tissue's own rows of ``data/spread.csv``, or those of all tissues."""
    return name if any(row["group"] == name for row in read_table("spread")) else "tissue"


def _spread(group: str, name: str) -> tuple[float, float]:
    for row in read_table("spread"):
        if row["group"] == group and row["field"] == name:
            return float(row["low_factor"]), float(row["high_factor"])
    raise MissingValueError("A range is missing.", where="materials/data/spread.csv", got=f"{group}, {name}")


def _table_certainty(table: str, parts: Parts, mark: str, where: str) -> Certainty:
    marks = [certainty_of(_row(table, "key", key)["certainty"], f"{table}.csv: {key}") for key, _ in parts]
    return worst_certainty(certainty_of(mark, where), *marks)


def _sources(table: str, parts: Parts, note: str) -> str:
    named = [f"{key}{'' if weight == 1.0 else f' x {weight:g}'}" for key, weight in parts]
    sources = dict.fromkeys(_row(table, "key", key)["source"] for key, _ in parts)
    return f"{' + '.join(named)}: {'; '.join(sources)}" + (f" ({note})" if note else "")


REFERENCE_FREQUENCY_HZ = 2.45e9
"""Where tables of dielectric values are quoted."""


def _dielectric(parts: Parts) -> Dielectric:
    return cole_cole(parts[0][0]) if len(parts) == 1 else Mixture(tuple((cole_cole(k), w) for k, w in parts))


def _quantities(
    row: dict[str, str], values: dict[str, float], dielectric: Dielectric
) -> tuple[tuple[str, Quantity], ...]:
    name, note = row["name"], row["note"]
    group = _spread_group(name)
    thermal, electric = _parts(row["thermal"]), _parts(row["dielectric"])
    certainty = _table_certainty("thermal", thermal, row["thermal_certainty"], name)
    source = _sources("thermal", thermal, note)

    def ranged(key: str, value: float, unit: str, source: str, certainty: Certainty) -> tuple[str, Quantity]:
        low, high = _spread(group, key)
        return key, Quantity(value, unit, value * low, value * high, source, certainty)

    rows = [ranged(key, values[key], unit, source, certainty) for key, _, unit in THERMAL_FIELDS]
    eps, sigma = dielectric.at(REFERENCE_FREQUENCY_HZ)
    certainty = _table_certainty("dielectric", electric, row["dielectric_certainty"], name)
    source = _sources("dielectric", electric, note) + "; quoted at 2.45 GHz"
    rows.append(ranged("permittivity", eps, "1", source, certainty))
    rows.append(ranged("electric_conductivity", sigma, "S/m", source, certainty))
    water = Quantity(
        number(row, "water_fraction", name),
        "kg/kg",
        number(row, "water_low", name),
        number(row, "water_high", name),
        row["water_source"],
        certainty_of(row["water_certainty"], name),
    )
    return (*rows, ("water_fraction", water))


def _unverified(quantities: tuple[tuple[str, Quantity], ...], damage_certainty: Certainty) -> tuple[str, ...]:
    fields = tuple(name for name, quantity in quantities if not quantity.verified)
    return fields if damage_certainty in ("S", "D") else (*fields, "damage")


@cache
def tissue(name: str) -> TissueProperties:
    """The tissue ``name`` of the vocabulary :func:`tissue_names`.

    "soft_tissue" (muscle) is what is assumed outside the image. "vertebra" is no tissue: see
    :func:`cancellous_by_hu`.

    Raises:
        MissingValueError: there is no such tissue, or one of its numbers is missing.
    """
    row = _row("tissues", "name", name)
    values = _thermal(_parts(row["thermal"]))
    values["perfusion"] *= number(row, "perfusion_scale", name)
    dielectric = _dielectric(_parts(row["dielectric"]))
    quantities = _quantities(row, values, dielectric)
    return TissueProperties(
        name=name,
        density=values["density"],
        heat_capacity=values["heat_capacity"],
        conductivity=values["conductivity"],
        perfusion=values["perfusion"],
        metabolic=values["metabolic"],
        water_fraction=number(row, "water_fraction", name),
        dielectric=dielectric,
        damage=damage_model(row["damage"]).id,
        unverified=_unverified(quantities, certainty_of(row["damage_certainty"], name)),
        quantities=quantities,
    )


@cache
def tissue_names() -> tuple[str, ...]:
    """The tissue vocabulary."""
    return tuple(row["name"] for row in read_table("tissues"))


def tissue_note(name: str) -> str:
    """What a user must know about a tissue's numbers (proxies, assumptions); "" where there is nothing."""
    return _row("tissues", "name", name)["note"]


def damage_certainty(name: str) -> Certainty:
    """Certainty of applying the tissue's damage model to this tissue."""
    return certainty_of(_row("tissues", "name", name)["damage_certainty"], f"tissues.csv: {name}")


def mixture(name: str, parts: tuple[tuple[TissueProperties, float], ...], variant: str = "") -> TissueProperties:
    """Volume mixture of tissues; heat capacity and water go by mass, the damage model is the first part's.

    Args:
        name: name of the result.
        parts: tissue and volume share; shares sum to 1.
        variant: see :class:`TissueProperties`.
    """

    def mean(key: str, by_mass: bool = False) -> float:
        return _blend([(getattr(part, key), weight, part.density) for part, weight in parts], by_mass)

    fields = tuple(dict.fromkeys(key for part, _ in parts for key in part.unverified))
    return TissueProperties(
        name=name,
        density=mean("density"),
        heat_capacity=mean("heat_capacity", by_mass=True),
        conductivity=mean("conductivity"),
        perfusion=mean("perfusion"),
        metabolic=mean("metabolic"),
        water_fraction=mean("water_fraction", by_mass=True),
        dielectric=Mixture(tuple((part.dielectric, weight) for part, weight in parts)),
        damage=parts[0][0].damage,
        unverified=fields,
        variant=variant,
    )


@cache
def bone_classes() -> tuple[TissueProperties, ...]:
    """The 32 bone tissues between the CT anchors of yellow marrow and cortical bone, named "cancellous_bone"."""
    low, mid, high = (constants(f"hu_{key}").value for key in ("yellow_marrow", "cancellous", "cortical"))
    marrow, cancellous, cortical = tissue("yellow_marrow"), tissue("cancellous_bone"), tissue("cortical_bone")
    classes = []
    for hu in np.linspace(low, high, BONE_CLASSES):
        if hu <= mid:
            share = float((hu - low) / (mid - low))
            parts = ((cancellous, share), (marrow, 1.0 - share))
        else:
            share = float((high - hu) / (high - mid))
            parts = ((cancellous, share), (cortical, 1.0 - share))
        classes.append(mixture("cancellous_bone", parts, f"HU {hu:.0f}"))
    return tuple(classes)


def cancellous_by_hu(hu: float) -> TissueProperties:
    """Bone at CT number ``hu``: yellow marrow, cancellous and cortical bone mixed linearly between their anchors.

    Quantised to 32 classes; beyond the outer anchors the outer tissue. The anchors are guesses of ours (no CT
    calibration was read), and the trend above the middle one agrees with Irastorza 2014 (denser wet bone has lower
    permittivity and conductivity).
    """
    low, high = constants("hu_yellow_marrow").value, constants("hu_cortical").value
    step = (high - low) / (BONE_CLASSES - 1)
    return bone_classes()[int(np.clip(np.rint((hu - low) / step), 0, BONE_CLASSES - 1))]
