"""What protects, as rows, notes and assumptions of an assessment."""

from __future__ import annotations

from collections.abc import Iterable

from vertherm.heat.dissection import medium_ml
from vertherm.heat.irrigation import irrigated_ml
from vertherm.heat.protection import Dissection, Irrigation, SkinCooling
from vertherm.heat.setup import Setup
from vertherm.heat.skin_cooling import within
from vertherm.materials.tissue import tissue
from vertherm.materials.unverified import UnverifiedValue, used_unverified
from vertherm.planning.assessment import Assumption, ProtectionRow

MEDIA = {"co2": "CO2 gas", "saline": "0.9 % saline", "dextrose": "5 % dextrose"}
WET_GAS = (
    "between wet walls radiation and evaporation carry up to ten times what dry, still gas conducts; "
    "ours, recalled numbers; [guess]"
)


def protection_rows(setup: Setup) -> list[ProtectionRow]:
    """Everything that protects, one row each, with its volume on the heat grid."""
    given = setup.protection
    rows = [_dissection_row(one, setup) for one in given.dissections]
    rows += [_irrigation_row(one, setup) for one in given.irrigations]
    return rows + [_skin_row(one, setup) for one in given.skin_cooling]


def _dissection_row(one: Dissection, setup: Setup) -> ProtectionRow:
    volume = medium_ml(one, setup.tissue)
    protects = f" before {one.protects}" if one.protects and one.protects not in one.name else ""
    return ProtectionRow(
        kind="dissection",
        name=one.name,
        medium=one.medium,
        protects=one.protects,
        volume_ml=volume,
        temperature_c=one.temperature_c,
        words=f"{one.name}: {volume:.1f} mL of {MEDIA[one.medium]} at {one.temperature_c:g} °C{protects}",
    )


def _irrigation_row(one: Irrigation, setup: Setup) -> ProtectionRow:
    volume = irrigated_ml(one, setup.tissue)
    return ProtectionRow(
        kind="irrigation",
        name=one.name,
        medium=one.medium,
        volume_ml=volume,
        temperature_c=one.temperature_c,
        flow_ml_min=one.flow_ml_min,
        words=f"{one.name}: {one.flow_ml_min:g} mL/min of {MEDIA[one.medium]} at {one.temperature_c:g} °C through "
        f"{volume:.1f} mL",
    )


def _skin_row(one: SkinCooling, setup: Setup) -> ProtectionRow:
    return ProtectionRow(
        kind="skin cooling",
        name=one.name,
        temperature_c=one.temperature_c,
        words=f"{one.name}: coolant of {one.temperature_c:g} °C on skin within {one.radius_mm:g} mm, film "
        f"{one.film_w_m2k:g} W/m²K" + ("" if _on_skin(one, setup) else "; outside the computed region: cools nothing"),
    )


def _on_skin(one: SkinCooling, setup: Setup) -> bool:
    return bool((setup.tissue.exterior_air() & within(one, setup.tissue.grid)).any())


def protection_notes(setup: Setup) -> list[str]:
    """What a reader must know about the protection of this treatment."""
    rows = protection_rows(setup)
    if not rows:
        return []
    notes = [f"Protection: {'; '.join(row.words for row in rows)}."]
    if setup.protection.dissections:
        notes.append(
            "Gas and fluid replace soft tissue and displace nothing: structures stay as near as in the image. They "
            "stay where they were put; in a patient they spread and are resorbed."
        )
    if any(one.medium == "co2" for one in setup.protection.dissections):
        notes.append(
            "Gas is taken as dry and still. Between wet walls radiation and evaporation pass up to ten times the heat: "
            "what gas changes is overstated rather than understated, the heat that it holds back from what lies behind "
            "it as well as the heat that it keeps before it."
        )
    if setup.protection.irrigations:
        notes.append(
            "Irrigation is taken to reach all of its region and to leave at its mean temperature: the most that the "
            "flow can carry, so that its cooling is overstated rather than understated."
        )
    empty = [row.name for row in rows if row.volume_ml is not None and row.volume_ml <= 0.0]
    if empty:
        notes.append(f"No soft tissue of the computed region lies in {', '.join(empty)}: it changes nothing.")
    return notes


def protection_assumptions(setup: Setup) -> list[Assumption]:
    """The measures as given, the media of irrigations, and what is left out of a layer of gas."""
    found = [
        Assumption(name=f"{row.kind}: {row.name}", value=row.words.removeprefix(f"{row.name}: "), range="",
                   source="as given; where gas and fluid really lie must be seen on a scan", certainty="guess",
                   verified=False)
        for row in protection_rows(setup)
    ]  # fmt: skip
    if any(one.medium == "co2" for one in setup.protection.dissections):
        k = tissue("co2").conductivity
        found.append(
            Assumption(name="layer of gas: dry and still", value=f"conducts {k:.3f} W/mK",
                       range=f"{k:.3f} - {10 * k:.2f}", source=WET_GAS, certainty="guess", verified=False)
        )  # fmt: skip
    return found


def unverified_fluids(setup: Setup) -> Iterable[UnverifiedValue]:
    """Unverified values of what flows; fluids that lie in the tissue are listed with it."""
    shown = {entry.name for entry in setup.tissue.palette}
    media = dict.fromkeys(one.medium for one in setup.protection.irrigations if one.medium not in shown)
    return used_unverified([tissue(medium) for medium in media])
