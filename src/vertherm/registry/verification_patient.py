"""What the registry holds of the patient whose verification is recorded, and what must fit it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry.reading import row_decoder
from vertherm.registry.records import Records, Value
from vertherm.registry.schema.catalogue import BY_NAME

_READ = ("patient", "death", "lesion", "imaging", "response", "treated_zone", "zone_prediction")
MODALITY = {"CT": "ct", "MR": "mr"}


@dataclass
class Patient:
    """One patient.

    Args:
        key: of the patient.
        records: what is recorded of them.
        synthetic: the series is made up.
        made: examinations that this verification adds, by number.
    """

    key: str
    records: Records
    synthetic: bool
    made: dict[int, dict[str, Value]] = field(default_factory=dict)

    def need_same_kind(self, synthetic: bool) -> None:
        """Real and synthetic never share a series.

        Raises:
            InputError: a synthetic document for a real patient, or the other way round.
        """
        if synthetic == self.synthetic:
            return
        kinds = {True: "synthetic", False: "not synthetic"}
        raise InputError(
            "Real and synthetic patients never share a series.",
            where=f"patient {self.key}",
            got=f"a verification that is {kinds[synthetic]}",
            expected=f"one that is {kinds[self.synthetic]}, as the patient's series",
            advice="record it with a patient of the right series",
        )

    def need_level(self, lesion_no: int, level: str, target: str) -> None:
        """The lesion is there, and at the level of the target.

        Raises:
            InputError: it is not.
        """
        levels = {row["lesion_no"]: row["level"] for row in self.records.dicts("lesion")}
        if lesion_no not in levels:
            raise InputError(
                "There is no such lesion.",
                where=f"patient {self.key}",
                got=lesion_no,
                expected=", ".join(map(str, levels)) or "the patient has no lesion yet",
            )
        if levels[lesion_no] != level:
            raise InputError(
                "The lesion lies at another level than the target.",
                where=f"patient {self.key}, lesion {lesion_no}",
                got=f"{target} at {level}",
                expected=f"a target at {levels[lesion_no]}",
                advice="name the right lesion, or correct its level in the registry",
            )

    def examination(self, row: Mapping[str, Any], number: int | None, taken: Collection[int]) -> int:
        """Number of an examination; a new one is added to ``made`` (without ``evaluable``).

        Args:
            row: of the document.
            number: as stated; None: the one of that date, modality and contrast, or a new one.
            taken: numbers of the document's other examinations.

        Raises:
            InputError: another date or modality than the document's, no date, a date after death, or several that fit.
        """
        day = date.fromisoformat(str(row["date"])) if row["date"] else None
        modality = MODALITY.get(str(row["modality"]))
        if modality is None:
            raise InputError("This modality is not known.", got=row["modality"], expected=", ".join(MODALITY))
        there = {int(str(old["imaging_no"])): old for old in self.records.dicts("imaging")} | self.made
        if number is None:
            fitting = [n for n, old in there.items() if n not in taken and _fits(old, row, day, modality)]
            number = _one_of(fitting, 1 + max(there, default=0), str(row["examination"]), day)
        if number in there:
            _need_fit(there[number], day, modality, str(row["examination"]))
        else:
            self._add(number, row, day, modality)
        return number

    def _add(self, number: int, row: Mapping[str, Any], day: date | None, modality: str) -> None:
        if day is None:
            raise InputError(
                "A new examination needs a date.", where=str(row["examination"]), expected="a date in the document"
            )
        for death in self.records.dicts("death"):
            died = death["date"]
            if isinstance(died, date) and died < day:
                raise InputError(
                    "The examination lies after the patient's death.",
                    where=f"patient {self.key}, {row['examination']}",
                    got=day.isoformat(),
                    expected=f"a day up to {died.isoformat()}",
                    advice="check both dates, and that it is the right patient",
                )
        self.made[number] = {
            "patient_key": self.key,
            "imaging_no": number,
            "date": day,
            "modality": modality,
            "contrast": _contrast(row),
        }


def _contrast(row: Mapping[str, Any]) -> str:
    return "yes" if row["contrast"] else "no"


def _fits(old: Mapping[str, Value], row: Mapping[str, Any], day: date | None, modality: str) -> bool:
    same = old["date"] == day and old["modality"] == modality
    return same and old["contrast"] in (_contrast(row), "unknown", None)


def _one_of(fitting: list[int], new: int, name: str, day: date | None) -> int:
    if day is None:
        raise InputError(
            "The examination has no date.",
            where=name,
            expected="a date in the document, or the number of an examination of the registry",
            advice=f"give its number, for instance --examination '{name}=1'",
        )
    if len(fitting) > 1:
        raise InputError(
            "Several examinations of that day and modality are recorded.",
            where=name,
            got=", ".join(map(str, fitting)),
            expected="the number of one of them",
            advice=f"give it, for instance --examination '{name}={fitting[0]}'",
        )
    return fitting[0] if fitting else new


def _need_fit(there: Mapping[str, Value], day: date | None, modality: str, name: str) -> None:
    if (day is None or there["date"] == day) and there["modality"] == modality:
        return
    raise InputError(
        "The examination of that number is another one.",
        where=f"{name}, examination {there['imaging_no']}",
        got=f"{day or 'no date'}, {modality}",
        expected=f"{there['date']}, {there['modality']}",
        advice="name the right number, or none: then it is found by its date and modality",
    )


def read_patient(connection: sa.Connection, patient_key: str) -> Patient:
    """A patient as the transaction sees them.

    Raises:
        InputError: there is no such patient.
    """
    records = Records()
    for name in _READ:
        entity = BY_NAME[name]
        columns = ", ".join(f'"{column}"' for column in entity.columns)
        query = sa.text(f"SELECT {columns} FROM {name} WHERE patient_key = :key")
        decode = row_decoder(entity, connection.dialect.name)
        records.tables[name] = [decode(tuple(row)) for row in connection.execute(query, {"key": patient_key})]
    patient = next(records.dicts("patient"), None)
    if patient is None:
        raise InputError(
            "There is no such patient.",
            got=patient_key,
            expected="the key of a patient of this registry",
            advice="enter the patient and the lesions first",
        )
    query = sa.text("SELECT synthetic FROM series WHERE series = :series")
    synthetic = connection.execute(query, {"series": patient["series"]}).scalar_one()
    return Patient(patient_key, records, synthetic == "yes")
