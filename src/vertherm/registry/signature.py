"""Signatures on locked records: who signed what content, when, and what the signature means.

A signature is bound to the content by SHA-256 and to the registry by HMAC with its key. It supports an electronic
signature and is none by itself: nobody's identity is proved here, the user's name is whatever the caller gives.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry import lock as locking
from vertherm.registry.finding import Finding
from vertherm.registry.key import find_key, need_key
from vertherm.registry.record_ref import (
    EVERYTHING,
    RecordRef,
    content_sha256,
    lines,
    patient_lines,
    record_ref,
    resolve,
)
from vertherm.registry.schema.system import RECORD_LOCK, SIGNATURE
from vertherm.registry.seal import utc_now

if TYPE_CHECKING:
    from vertherm.registry.database import Registry

KIND = "signature"
"""Kind of the findings about signatures."""
_PATIENTS = 400
"""Patients read at once; SQLite takes 32766 parameters, and memory stays small."""


@dataclass(frozen=True)
class Signature:
    """One signature; times are UTC, ISO 8601. A voided one stays, with by whom, when and why."""

    signature_no: int
    ref: RecordRef
    content_sha256: str
    signed_by: str
    printed_name: str
    meaning: str
    signed_at: str
    mac: str
    voided_at: str | None = None
    voided_by: str | None = None
    voided_why: str | None = None

    @property
    def voided(self) -> bool:
        """True where what it signed was unlocked since."""
        return self.voided_at is not None


def sign(
    registry: Registry,
    patient_key: str,
    entity: str = EVERYTHING,
    record_key: str = "",
    *,
    user: str,
    printed_name: str,
    meaning: str,
    why: str = "signature",
) -> Signature:
    """Sign a locked record, or everything of a locked patient.

    Args:
        registry: an open registry.
        patient_key, entity, record_key: what was locked, see :func:`vertherm.registry.record_ref.record_ref`.
        user: who signs; not verified.
        printed_name: the name as it is to be read.
        meaning: what the signature says (``entered by me``, ``reviewed``, ``approved``).
        why: for the audit.

    Raises:
        InputError: no such record, it is not locked, the name or the meaning is empty, or the key is missing.
    """
    ref = record_ref(patient_key, entity, record_key)
    for name, value, most in (("printed name", printed_name, 200), ("meaning", meaning, 500)):
        if not 1 <= len(value.strip()) <= most:
            raise InputError(
                f"A signature needs a {name}.", where=str(ref), got=value[:80], expected=f"1 to {most} characters"
            )
    with registry.transaction(user=user, why=why) as writer:
        ref = resolve(writer.connection, ref)
        content = content_sha256(lines(writer.connection, ref))
        if locking.find(writer.connection, ref) is None:
            raise InputError(
                "Only a locked record can be signed.",
                where=str(ref),
                got="no lock on exactly this",
                advice="lock it first (vertherm registry lock), with the same patient, --table and --record",
            )
        signed = {
            "content_sha256": content,
            "signed_by": writer.user,
            "printed_name": printed_name.strip(),
            "meaning": meaning.strip(),
            "signed_at": utc_now(),
        }
        draft = Signature(0, ref, **signed, mac="")
        mac = mac_of(need_key(registry.registry_id), registry.registry_id, draft)
        row = {**locking.key_of(ref), **signed, "mac": mac}
        statement = sa.insert(SIGNATURE).values(**row).returning(SIGNATURE.c.signature_no)
        number = writer.connection.execute(statement).scalar_one()
    return Signature(number, ref, **signed, mac=mac)


def signatures(registry: Registry, patient_key: str | None = None) -> list[Signature]:
    """Signatures of one patient or of all in the order in which they were given, voided ones included."""
    with registry.engine.connect() as connection:
        return list(_select(connection, patient_key))


def findings(registry: Registry, connection: sa.Connection | None = None) -> list[Finding]:
    """What is wrong with the signatures; an empty list where all is well.

    A signature must carry the code of the registry's key, and one that is not voided must sign the content of today
    and be locked. Without the key the codes are not tested; ``check`` says so.

    Args:
        registry: an open registry.
        connection: read in this transaction instead of one of our own.

    Raises:
        InputError: the key is not readable.
    """
    key = find_key(registry.registry_id)
    with nullcontext(connection) if connection is not None else registry.engine.connect() as open_connection:
        every = list(_select(open_connection, None))
        found = [] if key is None else list(_wrong_codes(key, registry.registry_id, every))
        return found + list(_wrong_content(open_connection, [item for item in every if not item.voided]))


def mac_of(key: bytes, registry_id: str, signature: Signature) -> str:
    """HMAC-SHA256 that a signature must carry; its number and what voided it are not under it."""
    ref = signature.ref
    fields = [registry_id, ref.patient_key, ref.entity, ref.record_key, signature.content_sha256]
    fields += [signature.signed_by, signature.printed_name, signature.meaning, signature.signed_at]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return hmac.new(key, b"vertherm-signature\n" + text.encode(), hashlib.sha256).hexdigest()


def _wrong_codes(key: bytes, registry_id: str, every: Sequence[Signature]) -> Iterator[Finding]:
    for item in every:
        if not hmac.compare_digest(mac_of(key, registry_id, item), item.mac):
            yield _finding(item, "was not made with this registry's key, or was changed since")


def _wrong_content(connection: sa.Connection, valid: Sequence[Signature]) -> Iterator[Finding]:
    locked = {tuple(row) for row in connection.execute(sa.select(*RECORD_LOCK.primary_key.columns))}
    whole = [item for item in valid if item.ref.whole_patient]
    for start in range(0, len(whole), _PATIENTS):
        block = whole[start : start + _PATIENTS]
        rows = patient_lines(connection, {item.ref.patient_key for item in block})
        for item in block:
            yield from _compared(item, rows.get(item.ref.patient_key, []), locked)
    for item in valid:
        if not item.ref.whole_patient:
            yield from _compared(item, lines(connection, item.ref), locked)


def _compared(item: Signature, rows: Sequence[str], locked: set[tuple[Any, ...]]) -> Iterator[Finding]:
    if content_sha256(rows) != item.content_sha256:
        yield _finding(item, "does not fit the content of today: it changed after it was signed")
    if tuple(locking.key_of(item.ref).values()) not in locked:
        yield _finding(item, "counts as valid, but what it signed is not locked")


def _finding(item: Signature, what: str) -> Finding:
    return Finding(KIND, f"signature {item.signature_no} on {item.ref}", f"The signature of {item.signed_by} {what}.")


def _select(connection: sa.Connection, patient_key: str | None) -> Iterator[Signature]:
    query = sa.select(SIGNATURE).order_by(SIGNATURE.c.signature_no)
    if patient_key is not None:
        query = query.where(SIGNATURE.c.patient_key == patient_key)
    for row in connection.execute(query).mappings():
        values = dict(row)
        ref = RecordRef(*(values.pop(name) for name in ("patient_key", "entity", "record_key")))
        yield Signature(ref=ref, **values)
