"""A verification that a reader confirmed becomes records: examination, response, treated zone, predicted zones.

The document is what ``vertherm verify`` writes (``verify.json``). What it suggests about response and progression is
never taken over: those are the reader's own words, or they stay unsaid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from vertherm.core.errors import InputError
from vertherm.registry.records import Records, Row, Value
from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.registry.verification_patient import Patient, read_patient
from vertherm.registry.verification_rows import prediction_values, zone_values

if TYPE_CHECKING:
    from vertherm.registry.database import Registry
    from vertherm.registry.writer import Writer

WRITTEN = ("imaging", "response", "treated_zone", "zone_prediction")
"""Tables that a verification fills, parents before children."""
Answers: TypeAlias = Mapping[tuple[str, str], tuple[str, str, str]]
"""(criterion, response, progression) by (examination, target), as a reader stated them."""


@dataclass(frozen=True)
class Recorded:
    """What was done.

    Args:
        inserted, updated, unchanged: rows by table.
        examinations: number of the examination in the registry by its name in the document; only those recorded.
        notes: what was left out, and why.
    """

    inserted: dict[str, int]
    updated: dict[str, int]
    unchanged: dict[str, int]
    examinations: dict[str, int]
    notes: tuple[str, ...]


def record_verification(
    registry: Registry,
    document: Mapping[str, Any],
    *,
    patient_key: str,
    lesions: Mapping[str, int],
    confirmed_by: str,
    examinations: Mapping[str, int] | None = None,
    responses: Answers | None = None,
    replace: bool = False,
    user: str,
    why: str,
) -> Recorded:
    """Write a confirmed verification into the registry, all of it or nothing; the same one again changes nothing.

    Args:
        registry: open registry.
        document: content of ``verify.json``.
        patient_key: the patient.
        lesions: number of the lesion by target; other targets of the document are left out.
        confirmed_by: the reader who looked at the images and confirms the document.
        examinations: number of the examination by name; for those not named (or None): the one of that date and
            modality, or a new one.
        responses: what the reader stated of a target at an examination.
        replace: overwrite what is recorded of these lesions at these examinations.
        user: who records it.
        why: reason for the audit trail.

    Raises:
        InputError: no such document, patient, lesion or examination; a level that is not the lesion's; real and
            synthetic mixed; an examination after death; other content recorded already.
    """
    name = confirmed_by.strip()
    if not name:
        raise InputError("Nobody confirmed the verification.", expected="the name of the reader", advice="give it")
    rows = _rows(document)
    answers = dict(responses or {})
    _known(rows, lesions, answers, examinations or {})
    digest = document_sha256(document)
    with registry.transaction(user=user, why=why) as writer:
        patient = read_patient(writer.connection, patient_key)
        patient.need_same_kind(bool(document["synthetic"]))
        draft = _Draft(patient, lesions, name, digest, _calibration(document), answers, dict(examinations or {}))
        for row in rows:
            draft.add(row)
        return _write(writer, draft, replace)


def document_sha256(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document's content, whatever its layout: of its JSON with sorted keys and without spaces."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class _Draft:
    """Rows to be, gathered lesion by lesion."""

    def __init__(
        self,
        patient: Patient,
        lesions: Mapping[str, int],
        confirmed_by: str,
        sha256: str,
        calibration: Mapping[tuple[str, str, str], Mapping[str, Any]],
        answers: Answers,
        numbers: dict[str, int],
    ) -> None:
        self.patient, self.lesions, self.answers, self.calibration = patient, lesions, answers, calibration
        self.confirmed = {"confirmed_by": confirmed_by, "document_sha256": sha256}
        self.numbers, self.used = numbers, dict[str, int]()
        self.records, self.notes = Records(), list[str]()
        self._judged: dict[int, bool] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """One lesion at one examination."""
        target, examination = str(row["target"]), str(row["examination"])
        if target not in self.lesions:
            self.notes.append(f"{target} at {examination}: left out, no lesion was named for it")
            return
        self.patient.need_level(self.lesions[target], str(row["level"]), target)
        answer = self.answers.get((examination, target))
        assessed = row["coverage"] != "not assessed" and row.get("zone") is not None
        if not assessed:
            self.notes.append(f"{target} at {examination}: no zone recorded, coverage was not assessed")
        if not assessed and answer is None:
            return
        key: dict[str, Value] = {
            "patient_key": self.patient.key,
            "imaging_no": self._number(row, answer),
            "lesion_no": self.lesions[target],
        }
        if answer is not None:
            criterion, response, progression = answer
            self.records.add("response", **key, criterion=criterion, response=response or None, progression=progression)
        if assessed:
            self.records.add("treated_zone", **key, **zone_values(row), **self.confirmed)
            for line in row["agreement"]:
                more = self.calibration.get((target, examination, str(line["metric"])), {})
                if float(line["predicted_ml"]) > 0.0:
                    self.records.add("zone_prediction", **key, **prediction_values(line, more))

    def _number(self, row: Mapping[str, Any], answer: tuple[str, str, str] | None) -> int:
        name = str(row["examination"])
        number = self.patient.examination(row, self.numbers.get(name), set(self.used.values()))
        self.numbers[name] = self.used[name] = number
        if answer is not None:
            self._judged[number] = self._judged.get(number, False) or answer[2] != "ne"
        return number

    def complete(self) -> Records:
        """All rows, those of examinations that are new or that the reader found evaluable after all included.

        A new one is evaluable for local control unless the reader stated of every lesion that it is not.
        """
        there = {row["imaging_no"]: row for row in self.patient.records.dicts("imaging")}
        for number in self.used.values():
            if number in self.patient.made:
                evaluable = "yes" if self._judged.get(number, True) else "no"
                self.records.add("imaging", **self.patient.made[number], evaluable=evaluable)
            elif self._judged.get(number) and there[number]["evaluable"] == "no":
                self.records.add("imaging", **{**there[number], "evaluable": "yes"})
        return self.records


def _write(writer: Writer, draft: _Draft, replace: bool) -> Recorded:
    records, old = draft.complete(), draft.patient.records
    counts: tuple[dict[str, int], dict[str, int], dict[str, int]] = ({}, {}, {})
    if replace:
        _drop_stale(writer, records, old)
    for entity in WRITTEN:
        size = len(BY_NAME[entity].key)
        there = {row[:size]: row for row in old.rows(entity)}
        new = [row for row in records.rows(entity) if row[:size] not in there]
        other = [row for row in records.rows(entity) if row[:size] in there and there[row[:size]] != row]
        if other and not replace:
            raise _differs(entity, there[other[0][:size]], other[0])
        writer.insert(entity, new)
        writer.update(entity, other)
        same = len(records.rows(entity)) - len(new) - len(other)
        for into, number in zip(counts, (len(new), len(other), same), strict=True):
            if number:
                into[entity] = number
    return Recorded(*counts, examinations=draft.used, notes=tuple(draft.notes))


def _drop_stale(writer: Writer, records: Records, old: Records) -> None:
    """Predictions of these zones by metrics that the new document no longer has."""
    zones = {row[:3] for row in records.rows("treated_zone")}
    kept = {row[:4] for row in records.rows("zone_prediction")}
    writer.delete(
        "zone_prediction",
        [row[:4] for row in old.rows("zone_prediction") if row[:3] in zones and row[:4] not in kept],
    )


def _differs(entity: str, was: Row, now: Row) -> InputError:
    known = BY_NAME[entity]
    names = [name for name, old, new in zip(known.columns, was, now, strict=True) if old != new]
    place = known.columns.index(names[0])
    return InputError(
        "Something else is recorded already.",
        where=f"{entity} " + ", ".join(f"{n} {v}" for n, v in zip(known.key, now, strict=False)),
        got=f"{names[0]}: {was[place]} in the registry, {now[place]} now"
        + (f" ({len(names) - 1} more differ)" if len(names) > 1 else ""),
        expected="a lesion and examination without records, or the same ones again",
        advice="compare the two; --replace overwrites what is recorded, and the audit keeps both",
    )


def _rows(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Rows of a document of ``vertherm verify``, tested for what is read of them."""
    needed = ("target", "level", "examination", "date", "modality", "contrast", "coverage", "agreement", "registration")
    rows = document.get("rows") if isinstance(document, Mapping) else None
    whole = isinstance(rows, list) and rows and isinstance(document.get("synthetic"), bool)
    if not whole or document.get("schema_version") != 1:
        got = f"schema version {document.get('schema_version')}" if whole else "other content"
        raise InputError("This is no verification.", got=got, expected="verify.json as `vertherm verify` writes it")
    assert isinstance(rows, list)
    for number, row in enumerate(rows, start=1):
        missing = [name for name in needed if not isinstance(row, Mapping) or name not in row]
        if missing:
            raise InputError("This is no verification.", where=f"row {number}", got=f"no {', '.join(missing)}")
        if row["date"]:
            _date(str(row["date"]), number)
    return list(rows)


def _date(text: str, number: int) -> None:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise InputError("A date cannot be read.", where=f"row {number}", got=text, expected="YYYY-MM-DD") from error


def _calibration(document: Mapping[str, Any]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    lines = document.get("calibration") or []
    needed = ("target", "examination", "metric")
    if not isinstance(lines, list) or not all(isinstance(line, Mapping) and set(needed) <= set(line) for line in lines):
        raise InputError(
            "This is no verification.",
            where="calibration",
            got=type(lines).__name__,
            expected=f"a list of rows with {', '.join(needed)}",
        )
    return {(str(line["target"]), str(line["examination"]), str(line["metric"])): line for line in lines}


def _known(
    rows: list[Mapping[str, Any]], lesions: Mapping[str, int], answers: Answers, numbers: Mapping[str, int]
) -> None:
    """Everything that the reader names is in the document, and no two targets are one lesion."""
    targets = {str(row["target"]) for row in rows}
    names = {str(row["examination"]) for row in rows}
    pairs = {(str(row["examination"]), str(row["target"])) for row in rows if str(row["target"]) in lesions}
    if not lesions:
        raise InputError(
            "No lesion was named.", expected=f"the lesion's number for one of {', '.join(sorted(targets))}"
        )
    for what, given, known in (("target", lesions, targets), ("examination", numbers, names)):
        if odd := sorted(set(given) - known):
            raise InputError(f"The document has no such {what}.", got=", ".join(odd), expected=", ".join(sorted(known)))
    if odd_pairs := sorted(set(answers) - pairs):
        raise InputError(
            "A response of an examination or target that is not recorded here.",
            got="; ".join(f"{examination}: {target}" for examination, target in odd_pairs),
            expected="; ".join(f"{examination}: {target}" for examination, target in sorted(pairs)),
        )
    for what, numbered in (("lesion", lesions), ("examination", numbers)):
        if len(set(numbered.values())) < len(numbered):
            raise InputError(f"Two names stand for one {what}.", got=dict(numbered), expected="one number for each")
