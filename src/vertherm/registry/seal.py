"""Seals: each covers up to a thousand audit rows of one transaction and is chained to the one before.

``digest`` is SHA-256 over the rows as lines of JSON, ``mac`` is HMAC-SHA256 with the registry's key over the seal's
fields and the mac of its predecessor. Whoever has the database but not the key can neither change a sealed row nor add
a seal. How to compute both is written down in docs/theory/registry-integrity.md; change it there too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry.schema.system import AUDIT, BLOCK_ROWS, SEAL

COLUMNS = tuple(column.name for column in AUDIT.columns)
"""Columns of an audit row in the order in which they are hashed."""
EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Seal:
    """One row of the table ``seal``."""

    seal_no: int
    tx: str
    first_id: int
    last_id: int
    n_rows: int
    digest: str
    previous: str
    mac: str
    at: str


def utc_now() -> str:
    """The present moment as the registry writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def origin(registry_id: str) -> str:
    """What the first seal names as its predecessor: a hash of the registry's name."""
    return hashlib.sha256(f"vertherm-registry {registry_id}".encode()).hexdigest()


def audit_line(row: Sequence[Any]) -> bytes:
    """One audit row as it is hashed."""
    return json.dumps(list(row), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def digest_of(rows: Iterable[Sequence[Any]]) -> str:
    """SHA-256 over audit rows in order of id."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(audit_line(row))
    return digest.hexdigest()


def mac_of(key: bytes, registry_id: str, seal: Seal) -> str:
    """HMAC-SHA256 that a seal must carry."""
    fields = [registry_id, seal.seal_no, seal.tx, seal.first_id, seal.last_id, seal.n_rows]
    text = json.dumps([*fields, seal.digest, seal.previous, seal.at], ensure_ascii=False, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def last_seal(connection: sa.Connection) -> Seal | None:
    """The newest seal."""
    row = connection.execute(sa.select(SEAL).order_by(SEAL.c.seal_no.desc()).limit(1)).first()
    return None if row is None else Seal(*row)


def need_chain(connection: sa.Connection, key: bytes, registry_id: str) -> Seal:
    """The newest seal, proved to be made with ``key``.

    Raises:
        InputError: another key, or a seal that somebody changed.
    """
    seal = last_seal(connection)
    if seal is None or not hmac.compare_digest(mac_of(key, registry_id, seal), seal.mac):
        raise InputError(
            "The last seal of this registry was not made with the key at hand, so nothing is written.",
            where=f"registry {registry_id}, seal {seal.seal_no if seal else 'none'}",
            expected="a seal that the key confirms",
            advice="see whether the key belongs to this registry; if it does, the chain was tampered with: run "
            "vertherm registry check",
        )
    return seal


def first_seal(connection: sa.Connection, key: bytes, registry_id: str) -> None:
    """Seal the empty registry, so that its key can be told from any other from the first day on."""
    draft = Seal(1, "created", 0, 0, 0, EMPTY_DIGEST, origin(registry_id), "", utc_now())
    _insert(connection, key, registry_id, draft)


def seal_rows(connection: sa.Connection, key: bytes, registry_id: str, tx: str, previous: Seal, after: int) -> int:
    """Seal what a transaction wrote: its audit rows beyond id ``after``; returns their number."""
    total, last = 0, previous
    for rows in _blocks(connection, tx, after):
        draft = Seal(last.seal_no + 1, tx, rows[0][0], rows[-1][0], len(rows), digest_of(rows), last.mac, "", utc_now())
        last = _insert(connection, key, registry_id, draft)
        total += len(rows)
    return total


def _blocks(connection: sa.Connection, tx: str, after: int) -> Iterator[list[tuple[Any, ...]]]:
    # Windows of ids, both ends given: with a LIMIT, PostgreSQL sorts all the rest of a table it has no statistics of.
    ends = sa.select(sa.func.min(AUDIT.c.id), sa.func.max(AUDIT.c.id)).where(AUDIT.c.id > after)
    first, last = connection.execute(ends).one()
    query = (
        sa.select(AUDIT)
        .where(AUDIT.c.id.between(sa.bindparam("low"), sa.bindparam("high")), AUDIT.c.tx == tx)
        .order_by(AUDIT.c.id)
    )
    for low in range(first or 0, (last or 0) + 1, BLOCK_ROWS) if first else ():
        if rows := [tuple(row) for row in connection.execute(query, {"low": low, "high": low + BLOCK_ROWS - 1})]:
            yield rows


def _insert(connection: sa.Connection, key: bytes, registry_id: str, draft: Seal) -> Seal:
    made = Seal(**{**vars(draft), "mac": mac_of(key, registry_id, draft)})
    connection.execute(SEAL.insert(), vars(made))
    return made
