"""What a database refused, said so that a person can act on it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry import triggers
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES
from vertherm.registry.schema.field import Check, Entity, Field, Kind

_BY_TRIGGER = {
    triggers.LOCKED: (
        "The record is locked.",
        "a record that is not locked",
        "see who did (vertherm registry locks); unlock it first (vertherm registry unlock), which voids signatures",
    ),
    triggers.AFTER_DEATH: (
        "The date lies after the patient's death.",
        "a date on or before the day of death",
        "correct this date or the date of death",
    ),
    triggers.BEFORE_EVENT: (
        "The death would lie before something that happened to the patient later.",
        "a date of death on or after every procedure, visit, examination, complication and event",
        "correct the date of death, or the later record",
    ),
    triggers.APPEND_ONLY: (
        "This table keeps history: its rows are neither changed nor deleted.",
        "new rows only",
        "nothing was changed; add a correcting record instead",
    ),
    triggers.KEY_CHANGED: (
        "The key of a record cannot change.",
        "the same key",
        "delete the record and enter it under its new key",
    ),
}
_BY_TEXT = {
    ("database is locked", "55P03", "40P01", "40001"): (
        "The database is busy: another program has been writing to it for a long time.",
        "try again; if nothing else writes, look for a program that hangs with the registry open",
    ),
    ("disk is full", "53100"): ("The disk with the registry is full.", "free some space and try again"),
    ("readonly database", "42501", "25006"): (
        "This account may not write to the registry.",
        "use an account with the right to write, or ask who runs the server",
    ),
    ("malformed", "not a database", "XX001"): (
        "The file is damaged, or it is no SQLite database.",
        "check the path; if it is the right one, restore the last backup",
    ),
    ("unable to open", "unable to open database file"): (
        "The registry's file cannot be opened.",
        "check that the folder exists and that you may write to it",
    ),
    ("28P01", "28000", "3D000"): (
        "The PostgreSQL server refused the connection.",
        "check user, password and name of the database in --db",
    ),
    ("53300", "57P03"): ("The PostgreSQL server takes no more connections now.", "wait a moment and try again"),
    ("57P01", "57P02", "network error", "Can't create a connection", "connection is closed", "server closed"): (
        "The PostgreSQL server cannot be reached.",
        "check that it runs and that host and port in --db are right; nothing half-written was left behind",
    ),
    ("22001",): ("A text is longer than its field.", "shorten it, or use the code of the vocabulary"),
    ("22007", "22008", "22P02", "22003"): (
        "A value is not of its field's type.",
        "give dates as YYYY-MM-DD and numbers with a decimal point",
    ),
    ("22021", "22P05"): ("A text holds a character that the database cannot keep.", "remove control characters"),
}


@contextmanager
def translated(where: str = "") -> Iterator[None]:
    """Turn every database error below into an `InputError`."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
        raise translate(error, where) from error


def translate(error: Exception, where: str = "") -> InputError:
    """The `InputError` that says what a database error means.

    Args:
        error: what the driver or SQLAlchemy raised.
        where: the record or file it concerns, where that is known.
    """
    original = getattr(error, "orig", None) or error
    parts = original.args[0] if original.args and isinstance(original.args[0], dict) else {}
    message = str(parts.get("M") or original)
    for word, (what, expected, advice) in _BY_TRIGGER.items():
        if word in message:
            got = message.split(word, 1)[1].strip().split("\n")[0]
            return InputError(what, where=where or got, got=got if where else "", expected=expected, advice=advice)
    found = _constraint(message, parts, where)
    if found is not None:
        return found
    code = str(parts.get("C", ""))
    for words, (what, advice) in _BY_TEXT.items():
        if code in words or any(word in message for word in words):
            return InputError(what, where=where, got=message, advice=advice)
    return InputError(
        "The database refused the change.",
        where=where,
        got=message,
        advice="nothing was changed; if the message does not help, report it with what you did",
    )


def _constraint(message: str, parts: Mapping[str, Any], where: str) -> InputError | None:
    code, detail = str(parts.get("C", "")), str(parts.get("D", ""))
    if match := re.search(r"CHECK constraint failed: (\w+)", message):
        return _check(match[1], detail, where)
    if code == "23514":
        return _check(str(parts.get("n")), detail, where)
    if match := re.search(r"NOT NULL constraint failed: (\w+)\.(\w+)", message):
        return _required(match[1], match[2], where)
    if code == "23502":
        return _required(str(parts.get("t")), str(parts.get("c")), where)
    if code == "23505" or "UNIQUE constraint failed" in message:
        what = detail or message.rsplit(": ", 1)[-1]
        return InputError(
            "There is such a record already.",
            where=where or str(parts.get("t", "")),
            got=what,
            expected="no two records with the same key, and none of the same lesion or day twice",
            advice="give the new record another number, or import with --update to replace the old one",
        )
    if code == "23503" or "FOREIGN KEY constraint failed" in message:
        return InputError(
            "A record points at one that does not exist, or others still point at a record to be deleted.",
            where=where or str(parts.get("t", "")),
            got=detail,
            expected="the patient, lesion, procedure or visit that the record names",
            advice="enter the missing record first; delete dependent records before the one they depend on",
        )
    return None


@cache
def _by_constraint() -> dict[str, tuple[Entity, Check | Field]]:
    found: dict[str, tuple[Entity, Check | Field]] = {}
    for entity in ENTITIES:
        found |= {f"ck_{entity.name}_{field.name}": (entity, field) for field in entity.fields}
        found |= {f"ck_{entity.name}_{check.name}": (entity, check) for check in entity.checks}
    return found


def _check(name: str, detail: str, where: str) -> InputError:
    if name not in _by_constraint():
        return InputError("A rule of the database was broken.", where=where or name, got=detail or name)
    entity, rule = _by_constraint()[name]
    if isinstance(rule, Check):
        fields = ", ".join(rule.fields)
        return InputError(
            f"{entity.label}: {rule.reason}.", where=where or f"{entity.name}: {fields}", got=detail, advice=rule.remedy
        )
    return InputError(
        f"{entity.label}: {rule.label} has a value that is not allowed.",
        where=where or f"{entity.name}.{rule.name}",
        got=detail,
        expected=allowed(rule),
        advice=f"correct {rule.name}" if rule.required else f"correct {rule.name} or leave it empty",
    )


def too_long(entity: Entity, row: Mapping[str, object], where: str) -> InputError | None:
    """The error of the first text that its column has no room for, None where there is none."""
    for name, value in row.items():
        field = entity.by_name[name]
        room = field.max_length if field.vocabulary is None else max(map(len, field.vocabulary.codes))
        if isinstance(value, str) and field.kind is not Kind.date and len(value) > room:
            return _check(f"ck_{entity.name}_{name}", value[:80], where)
    return None


def allowed(field: Field) -> str:
    """What a field takes, in words."""
    if field.kind is Kind.choice and field.vocabulary is not None:
        return "one of " + ", ".join(field.vocabulary.codes)
    if field.kind in (Kind.integer, Kind.number):
        whole = "a whole number" if field.kind is Kind.integer else "a number"
        return f"{whole} from {field.low:g} to {field.high:g} {field.unit}".rstrip()
    if field.kind is Kind.date:
        return "a date as YYYY-MM-DD"
    return f"a text of at most {field.max_length} characters"


def _required(table: str, column: str, where: str) -> InputError:
    entity = BY_NAME.get(table)
    label = entity.by_name[column].label if entity and column in entity.by_name else column
    return InputError(
        f"{entity.label if entity else table}: {label} is missing.",
        where=where or f"{table}.{column}",
        expected=allowed(entity.by_name[column]) if entity and column in entity.by_name else "a value",
        advice=f"fill {column}",
    )
