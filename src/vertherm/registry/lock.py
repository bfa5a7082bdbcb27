"""Soft locks: a locked record cannot change until somebody unlocks it, which anyone may and the audit tells.

The database itself refuses the change. Unlocking voids the signatures on what was locked.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry.record_ref import EVERYTHING, RecordRef, record_ref, resolve
from vertherm.registry.schema.system import RECORD_LOCK, SIGNATURE
from vertherm.registry.seal import utc_now

if TYPE_CHECKING:
    from vertherm.registry.database import Registry


@dataclass(frozen=True)
class Lock:
    """A lock that is in force: what, by whom, since when (UTC, ISO 8601)."""

    ref: RecordRef
    locked_by: str
    locked_at: str


def lock(
    registry: Registry, patient_key: str, entity: str = EVERYTHING, record_key: str = "", *, user: str, why: str
) -> Lock:
    """Lock one record, or everything of a patient, against change.

    Args:
        registry: an open registry.
        patient_key, entity, record_key: see :func:`vertherm.registry.record_ref.record_ref`.
        user, why: for the audit.

    Raises:
        InputError: no such record, or it is locked already; the message names by whom and when.
    """
    ref = record_ref(patient_key, entity, record_key)
    with registry.transaction(user=user, why=why) as writer:
        ref = resolve(writer.connection, ref)
        known = find(writer.connection, ref)
        if known is not None:
            raise InputError(
                "This is locked already.",
                where=str(ref),
                got=f"locked by {known.locked_by} at {known.locked_at}",
                advice=f"nothing to do; {how_to_unlock(ref)}",
            )
        made = Lock(ref, writer.user, utc_now())
        writer.connection.execute(
            sa.insert(RECORD_LOCK).values(**key_of(ref), locked_by=writer.user, locked_at=made.locked_at)
        )
    return made


def unlock(
    registry: Registry, patient_key: str, entity: str = EVERYTHING, record_key: str = "", *, user: str, why: str
) -> int:
    """Remove a lock; the signatures on it become void and stay visible. Returns how many did.

    Raises:
        InputError: it is not locked.
    """
    ref = record_ref(patient_key, entity, record_key)
    with registry.transaction(user=user, why=why) as writer:
        connection = writer.connection
        # First as it is written: a lock can be removed even where its record has gone.
        if find(connection, ref) is None:
            with suppress(InputError):
                ref = resolve(connection, ref)
        if find(connection, ref) is None:
            others = [str(item.ref) for item in _select(connection, patient_key)]
            raise InputError(
                "This is not locked.",
                where=str(ref),
                got=f"locks of this patient: {', '.join(others) or 'none'}",
                advice="give the same patient, --table and --record as at the lock: vertherm registry locks",
            )
        signed = sa.select(sa.func.count()).where(
            *(SIGNATURE.c[name] == value for name, value in key_of(ref).items()), SIGNATURE.c.voided_at.is_(None)
        )
        valid = connection.execute(signed).scalar_one()
        connection.execute(sa.delete(RECORD_LOCK).where(*_is(ref)))
    return int(valid)


def locks(registry: Registry, patient_key: str | None = None) -> list[Lock]:
    """Locks in force, of one patient or of all, ordered by patient, table and key."""
    with registry.engine.connect() as connection:
        return _select(connection, patient_key)


def find(connection: sa.Connection, ref: RecordRef) -> Lock | None:
    """The lock on exactly ``ref``."""
    row = connection.execute(sa.select(RECORD_LOCK).where(*_is(ref))).one_or_none()
    return None if row is None else _lock(row)


def how_to_unlock(ref: RecordRef) -> str:
    """The command that removes a lock."""
    record = "" if ref.whole_patient else f" --table {ref.entity} --record '{ref.record_key}'"
    return f"to change it: vertherm registry unlock {ref.patient_key}{record} --why REASON"


def key_of(ref: RecordRef) -> dict[str, str]:
    """Columns of ``record_lock`` and ``signature`` that name what they speak of."""
    return {"patient_key": ref.patient_key, "entity": ref.entity, "record_key": ref.record_key}


def _is(ref: RecordRef) -> list[sa.ColumnElement[bool]]:
    return [RECORD_LOCK.c[name] == value for name, value in key_of(ref).items()]


def _select(connection: sa.Connection, patient_key: str | None) -> list[Lock]:
    c = RECORD_LOCK.c
    query = sa.select(RECORD_LOCK).order_by(c.patient_key, c.entity, c.record_key)
    if patient_key is not None:
        query = query.where(c.patient_key == patient_key)
    return [_lock(row) for row in connection.execute(query)]


def _lock(row: sa.Row[Any]) -> Lock:
    return Lock(RecordRef(row.patient_key, row.entity, row.record_key), row.locked_by, row.locked_at)
