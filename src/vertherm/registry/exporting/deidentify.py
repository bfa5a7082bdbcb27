"""De-identified records: pseudonyms, shifted dates, no identifiers, no free text.

Pseudonyms and shifts come from the registry's key (HMAC-SHA-256): the same patient has the same pseudonym and the same
shift in every export of one registry, and nobody without the key can undo either. What is done, by field:

* the patient's key becomes a pseudonym; other identifiers (year of birth, reader, hash of a verification) are left out,
  or replaced by ``[removed]`` where they must be filled; an age over 89 becomes 90;
* every date of a patient moves back by the patient's own number of days, 1 to 364, so that intervals stay;
* dates of a series are left out; free texts and plan links (a plan's hash leads to its document) are left out;
* short texts that remain (applicator, structure, what a source states) are left out, or replaced by ``[removed]`` where
  they must be filled, when they hold a patient's key (short plain numbers aside), something like a date, an address,
  or a long number.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import date, timedelta

from vertherm.core.errors import InputError
from vertherm.registry.records import Records, Row, Value
from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.field import Entity, Field, Kind

LONGEST_SHIFT = 364
"""Largest number of days by which a patient's dates move back."""
OLDEST_AGE = 89
"""Ages above this become one more than it: the very old are few."""
REMOVED = "[removed]"
LEFT_OUT = ("plan_link",)
"""Entities of which a de-identified export holds no rows."""
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PART = re.compile(r"[A-Za-z0-9_]+")
_MOST_PARTS = 12
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_TELLING = re.compile(
    r"\d{1,4}\s*[-./]\s*\d{1,2}\s*[-./]\s*\d{1,4}"  # a date in digits
    rf"|\b\d{{1,4}}(?:st|nd|rd|th|\.)?\s*{_MONTH}|\b{_MONTH},?\s*\d"  # a date with its month's name
    r"|\S+@\S+\.\S+|https?://|www\."  # an address
    r"|\d{6,}",  # a number long enough for a record or a telephone
    re.IGNORECASE,
)
_SHORT_NUMBER = re.compile(r"\d{1,3}")
_KEY_TEXTS = {
    name
    for entity in ENTITIES
    for name in entity.key
    if name != "patient_key" and entity.by_name[name].kind is Kind.text
}
"""Keys that are texts (series, time point): where they tell something they get a pseudonym, so that references hold."""


class Deidentifier:
    """Replaces and shifts by a key.

    Args:
        key: the registry's key.
        patients: all keys of patients; texts that hold one of them are removed.
    """

    def __init__(self, key: bytes, patients: set[str]) -> None:
        if len(key) < 16:
            raise InputError("The key is too short to hide anything.", got=f"{len(key)} bytes", expected="16 or more")
        # A key of its own, so that the key that seals the audit is never used for anything else.
        self._key = hmac.new(key, b"vertherm de-identification 1", hashlib.sha256).digest()
        # Plain numbers of up to three digits are everywhere in texts and name nobody outside the registry.
        self._patients = {patient for patient in patients if not _SHORT_NUMBER.fullmatch(patient)}
        self._known: dict[str, tuple[str, timedelta]] = {}

    def _digest(self, what: str, text: str) -> bytes:
        return hmac.new(self._key, f"{what}|{text}".encode(), hashlib.sha256).digest()

    def patient(self, key: str) -> tuple[str, timedelta]:
        """Pseudonym of a patient, and how far back the patient's dates move."""
        if key not in self._known:
            pseudonym = "p" + self._digest("patient", key).hex()[:20]
            days = int.from_bytes(self._digest("shift", key)[:8], "big") % LONGEST_SHIFT + 1
            self._known[key] = (pseudonym, timedelta(days=days))
        return self._known[key]

    def telling(self, text: str) -> bool:
        """True where a text may identify somebody: it holds a patient's key, a date, an address, a long number."""
        return bool(_TELLING.search(text)) or any(self._names_patient(word) for word in _WORD.findall(text))

    def _names_patient(self, word: str) -> bool:
        """True where a word, or a stretch of its parts, is the key of a patient."""
        if word in self._patients:
            return True
        parts = [match.span() for match in _PART.finditer(word)][:_MOST_PARTS]
        return any(
            word[start:end] in self._patients for place, (start, _) in enumerate(parts) for _, end in parts[place:]
        )

    def records(self, records: Records) -> Records:
        """The de-identified records, sorted by their new keys so that their order tells nothing."""
        made = Records()
        for entity in ENTITIES:
            if entity.name in LEFT_OUT:
                continue
            convert = self._of_patient(entity) if entity.of_patient else self._of_series(entity)
            rows = [convert(row) for row in records.rows(entity.name)]
            size = len(entity.key)
            made.tables[entity.name] = sorted(rows, key=lambda row: row[:size])
        return made

    def _of_patient(self, entity: Entity) -> Callable[[Row], Row]:
        changes = [(place, self._change(item)) for place, item in enumerate(entity.fields) if place]
        active = [(place, change) for place, change in changes if change is not None]

        def convert(row: Row) -> Row:
            pseudonym, shift = self.patient(str(row[0]))
            new = [pseudonym, *row[1:]]
            for place, change in active:
                new[place] = change(new[place], shift)
            return tuple(new)

        return convert

    def _of_series(self, entity: Entity) -> Callable[[Row], Row]:
        changes = [(place, self._change(item)) for place, item in enumerate(entity.fields)]
        active = [
            (place, _nothing if item.kind is Kind.date else change)
            for (place, change), item in zip(changes, entity.fields, strict=True)
            if change is not None
        ]

        def convert(row: Row) -> Row:
            new = list(row)
            for place, change in active:
                new[place] = change(new[place], timedelta())
            return tuple(new)

        return convert

    def _change(self, item: Field) -> Callable[[Value, timedelta], Value] | None:
        """What happens to the values of a field; None where they stay."""
        if item.identifier or item.free_text:
            return _removed if item.required else _nothing
        if item.kind is Kind.date:
            return _shifted
        if item.name == "age":
            return _capped
        if item.kind is Kind.text:
            memo: dict[Value, Value] = {None: None}
            return lambda value, _: memo[value] if value in memo else memo.setdefault(value, self._text(value, item))
        return None

    def _text(self, value: Value, item: Field) -> Value:
        if not self.telling(str(value)):
            return value
        if item.name in _KEY_TEXTS:
            return "k" + self._digest(item.name, str(value)).hex()[:20]
        return (REMOVED if item.max_length >= len(REMOVED) else "removed") if item.required else None


def _nothing(_value: Value, _shift: timedelta) -> Value:
    return None


def _removed(_value: Value, _shift: timedelta) -> Value:
    return REMOVED


def _shifted(value: Value, shift: timedelta) -> Value:
    return value - shift if isinstance(value, date) else value


def _capped(value: Value, _shift: timedelta) -> Value:
    return OLDEST_AGE + 1 if isinstance(value, int) and value > OLDEST_AGE else value


def deidentified(records: Records, key: bytes, patients: set[str] | None = None) -> Records:
    """De-identified records.

    Args:
        records: what to de-identify.
        key: the registry's key.
        patients: keys to look for in texts, where the registry holds more patients than ``records``.

    Raises:
        InputError: a key that is too short.
    """
    keys = {str(row[0]) for row in records.rows("patient")} | (patients or set())
    return Deidentifier(key, keys).records(records)
