"""A planned case as plain tables and numbered volumes, and back: what stands in the JSON files of its state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from vertherm.applicator.antenna import Antenna
from vertherm.clinical.levels import CountingRule, Level, LevelStatement, Transition
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Volume
from vertherm.heat.protection import Dissection, Irrigation, Protection, SkinCooling
from vertherm.heat.schedule import Schedule
from vertherm.imaging.anatomy import Anatomy, Structure, StructureKind
from vertherm.planning.case import CaseFile
from vertherm.planning.objects import Case, PlacedAntenna, Target, Treatment
from vertherm.planning.state.volumes import VolumeStore, without_folder

if TYPE_CHECKING:
    from vertherm.calibration.device import DeviceCalibration

Table = dict[str, Any]
Volumes = Mapping[str, Volume]


# ---- case -----------------------------------------------------------------------------------------------------------
def case_document(case: Case, store: VolumeStore) -> Table:
    """The case as a table; its volumes go to ``store``."""
    return {
        "name": case.name,
        "title": case.title,
        "seeds": case.seeds,
        "anatomy": _anatomy_document(case.anatomy, store),
        "targets": [
            {
                "name": target.name,
                "level": target.level.value,
                "confirmed": target.statement.confirmed,
                "counting_rule": target.statement.counting_rule.value,
                "transition": target.statement.transition.value,
                "pathology": target.pathology,
                "kind": target.kind,
                "mask": store.add(target.mask),
                "synthetic": target.synthetic,
            }
            for target in case.targets
        ],
    }


def case_of(document: Table, volumes: Volumes, inputs: tuple[tuple[str, Path], ...]) -> Case:
    """The case of :func:`case_document`; ``inputs`` is what it now rests on."""
    targets = tuple(
        Target(
            name=row["name"],
            statement=LevelStatement(
                Level(row["level"]), row["confirmed"], CountingRule(row["counting_rule"]), Transition(row["transition"])
            ),
            pathology=row["pathology"],
            kind=row["kind"],
            mask=volumes[row["mask"]],
            synthetic=row["synthetic"],
        )
        for row in document["targets"]
    )
    anatomy = _anatomy_of(document["anatomy"], volumes)
    return Case(document["name"], document["title"], anatomy, targets, inputs, dict(document["seeds"]))


def _anatomy_document(anatomy: Anatomy, store: VolumeStore) -> Table:
    def optional(volume: Volume | None) -> str | None:
        return None if volume is None else store.add(volume)

    def by_level(found: dict[Level, Volume] | None) -> dict[str, str] | None:
        return None if found is None else {level.value: store.add(volume) for level, volume in found.items()}

    return {
        "ct": store.add(anatomy.ct),
        "tissue": store.add(anatomy.tissue),
        "tissue_names": {str(code): name for code, name in anatomy.tissue_names.items()},
        "vertebrae": by_level(anatomy.vertebrae),
        "bodies": by_level(anatomy.bodies),
        "structures": [_structure_document(structure, store) for structure in anatomy.structures],
        "lesions": {name: store.add(volume) for name, volume in anatomy.lesions.items()},
        "notes": list(anatomy.notes),
        "synthetic": anatomy.synthetic,
        "metal": optional(anatomy.metal),
        "mr": optional(anatomy.mr),
        "no_data": optional(anatomy.no_data),
    }


def _structure_document(structure: Structure, store: VolumeStore) -> Table:
    return {
        "name": structure.name,
        "kind": structure.kind.value,
        "mask": store.add(structure.mask),
        "derived": structure.derived,
        "source": without_folder(structure.source),
        "level": None if structure.level is None else structure.level.value,
        "side": structure.side,
    }


def _anatomy_of(document: Table, volumes: Volumes) -> Anatomy:
    def optional(name: str) -> Volume | None:
        return None if document[name] is None else volumes[document[name]]

    def by_level(name: str) -> dict[Level, Volume]:
        return {Level(level): volumes[key] for level, key in document[name].items()}

    structures = tuple(
        Structure(
            name=row["name"],
            kind=StructureKind(row["kind"]),
            mask=volumes[row["mask"]],
            derived=row["derived"],
            source=row["source"],
            level=None if row["level"] is None else Level(row["level"]),
            side=row["side"],
        )
        for row in document["structures"]
    )
    return Anatomy(
        ct=volumes[document["ct"]],
        tissue=volumes[document["tissue"]],
        tissue_names={int(code): name for code, name in document["tissue_names"].items()},
        vertebrae=by_level("vertebrae"),
        structures=structures,
        lesions={name: volumes[key] for name, key in document["lesions"].items()},
        notes=tuple(document["notes"]),
        synthetic=document["synthetic"],
        metal=optional("metal"),
        bodies=None if document["bodies"] is None else by_level("bodies"),
        mr=optional("mr"),
        no_data=optional("no_data"),
    )


# ---- treatment ------------------------------------------------------------------------------------------------------
def treatment_document(treatment: Treatment, store: VolumeStore) -> Table:
    """The treatment as a table; regions of its protection go to ``store``."""
    return {
        **places_document(treatment),
        "power_kind": treatment.power_kind,
        "power_note": treatment.power_note,
        "thermocouples": {name: np.asarray(point).tolist() for name, point in treatment.thermocouples.items()},
        "coherent": treatment.coherent,
        "protection": _protection_document(treatment.protection, store),
    }


def places_document(treatment: Treatment) -> Table:
    """What a re-plan changes of a treatment."""
    return {
        "applicators": [_placed_document(placed) for placed in treatment.applicators],
        "schedule": TypeAdapter(Schedule).dump_python(treatment.schedule, mode="json"),
        "reconstruction": treatment.reconstruction,
    }


def treatment_of(document: Table, volumes: Volumes) -> Treatment:
    """The treatment of :func:`treatment_document`."""
    return Treatment(
        applicators=tuple(_placed_of(row) for row in document["applicators"]),
        schedule=TypeAdapter(Schedule).validate_python(document["schedule"]),
        power_kind=document["power_kind"],
        power_note=document["power_note"],
        thermocouples={name: np.array(point, float) for name, point in document["thermocouples"].items()},
        reconstruction=document["reconstruction"],
        coherent=document["coherent"],
        protection=_protection_of(document["protection"], volumes),
    )


def _placed_document(placed: PlacedAntenna) -> Table:
    # The antenna is stored whole: a catalogue that has changed since must not change a plan.
    calibration = None if placed.calibration is None else _calibration().dump_python(placed.calibration, mode="json")
    return {
        "name": placed.name,
        "antenna": _as_text(TypeAdapter(Antenna).dump_python(placed.antenna, mode="json")),
        "frequency_hz": placed.frequency_hz,
        "entry_mm": placed.trajectory.entry_mm.tolist(),
        "tip_mm": placed.trajectory.tip_mm.tolist(),
        "phase_deg": placed.phase_deg,
        "calibration": _as_text(calibration),
    }


def _placed_of(row: Table) -> PlacedAntenna:
    found = row["calibration"]
    return PlacedAntenna(
        name=row["name"],
        antenna=TypeAdapter(Antenna).validate_python(row["antenna"]),
        frequency_hz=row["frequency_hz"],
        trajectory=Trajectory(np.array(row["entry_mm"]), np.array(row["tip_mm"])),
        phase_deg=row["phase_deg"],
        calibration=None if found is None else _calibration().validate_python(found),
    )


def _calibration() -> TypeAdapter[DeviceCalibration]:
    from vertherm.calibration.device import DeviceCalibration

    return TypeAdapter(DeviceCalibration)


def _as_text(value: Any) -> Any:
    """``value`` with infinite numbers as text, because JSON has none (an antenna's parts reach "up to the port")."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _protection_document(protection: Protection, store: VolumeStore) -> Table:
    return {
        "dissections": [
            {
                "name": item.name,
                "medium": item.medium,
                "region": store.add(item.region),
                "protects": item.protects,
                "temperature_c": item.temperature_c,
            }
            for item in protection.dissections
        ],
        "irrigations": [
            {
                "name": item.name,
                "region": store.add(item.region),
                "flow_ml_min": item.flow_ml_min,
                "temperature_c": item.temperature_c,
                "medium": item.medium,
            }
            for item in protection.irrigations
        ],
        "skin_cooling": [
            {
                "name": item.name,
                "centre_mm": np.asarray(item.centre_mm).tolist(),
                "radius_mm": item.radius_mm,
                "temperature_c": item.temperature_c,
                "film_w_m2k": item.film_w_m2k,
            }
            for item in protection.skin_cooling
        ],
    }


def _protection_of(document: Table, volumes: Volumes) -> Protection:
    def with_region(row: Table) -> Table:
        return {**row, "region": volumes[row["region"]]}

    return Protection(
        dissections=tuple(Dissection(**with_region(row)) for row in document["dissections"]),
        irrigations=tuple(Irrigation(**with_region(row)) for row in document["irrigations"]),
        skin_cooling=tuple(
            SkinCooling(**{**row, "centre_mm": np.array(row["centre_mm"], float)}) for row in document["skin_cooling"]
        ),
    )


# ---- case file ------------------------------------------------------------------------------------------------------
def entry_document(entry: CaseFile) -> Table:
    """The case file with the names of its files, not their folders: those may identify a person or a machine."""
    return _without_folders(entry.model_dump(mode="python"))


def _without_folders(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(item) for item in value]
    return value
