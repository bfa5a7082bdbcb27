"""Tables that keep the registry honest: audit, seals, locks, signatures, freezes; and the order of the migrations."""

from __future__ import annotations

import sqlalchemy as sa

from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.tables import METADATA

REVISION = "0002"
"""Newest migration; a database at another one is not opened."""

ACTIONS = ("I", "U", "D")
BLOCK_ROWS = 1000
"""Most audit rows under one seal."""

CONTEXT_TABLE = "audit_context"
"""SQLite only: who writes and why, for the triggers. Made with the triggers, empty outside a transaction."""

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _serial(name: str) -> sa.Column[int]:
    return sa.Column(name, _SERIAL, sa.Identity(), primary_key=True)


def _name(name: str, length: int = 200, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _key(name: str, length: int = 200) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=True)


META = sa.Table("meta", METADATA, _key("name", 60), sa.Column("value", sa.Text(), nullable=False))
AUDIT = sa.Table(
    "audit",
    METADATA,
    _serial("id"),
    _name("at", 30),
    _name("who"),
    sa.Column("why", sa.Text()),
    _name("tx", 40, nullable=True),
    _name("entity", 40),
    # In the order of its bytes on both: `check` reads the audit record by record beside the data.
    sa.Column("record_key", sa.String(400).with_variant(sa.String(400, collation="C"), "postgresql"), nullable=False),
    _name("action", 1),
    sa.Column("old", sa.Text()),
    sa.Column("new", sa.Text()),
    sa.CheckConstraint("action IN ('I', 'U', 'D')", name="action"),
    sa.CheckConstraint("(old IS NULL) = (action = 'I') AND (new IS NULL) = (action = 'D')", name="content"),
    sa.Index(None, "entity", "record_key", "id"),
    sqlite_autoincrement=True,
)
SEAL = sa.Table(
    "seal",
    METADATA,
    sa.Column("seal_no", sa.BigInteger(), primary_key=True, autoincrement=False),
    _name("tx", 40),
    sa.Column("first_id", sa.BigInteger(), nullable=False),
    sa.Column("last_id", sa.BigInteger(), nullable=False),
    sa.Column("n_rows", sa.Integer(), nullable=False),
    _name("digest", 64),
    _name("previous", 64),
    _name("mac", 64),
    _name("at", 30),
    sa.CheckConstraint("seal_no >= 1", name="seal_no"),
    sa.CheckConstraint(f"n_rows BETWEEN 0 AND {BLOCK_ROWS} AND first_id <= last_id", name="rows"),
)
RECORD_LOCK = sa.Table(
    "record_lock",
    METADATA,
    _key("patient_key", 40),
    _key("entity", 40),
    _key("record_key", 400),
    _name("locked_by"),
    _name("locked_at", 30),
    sa.CheckConstraint("(entity = '*') = (record_key = '')", name="whole_patient"),
    sa.ForeignKeyConstraint(["patient_key"], ["patient.patient_key"]),
)
SIGNATURE = sa.Table(
    "signature",
    METADATA,
    _serial("signature_no"),
    _name("patient_key", 40),
    _name("entity", 40),
    _name("record_key", 400),
    _name("content_sha256", 64),
    _name("signed_by"),
    _name("printed_name"),
    _name("meaning", 500),
    _name("signed_at", 30),
    _name("mac", 64),
    _name("voided_at", 30, nullable=True),
    _name("voided_by", nullable=True),
    sa.Column("voided_why", sa.Text()),
    sa.Index(None, "patient_key", "entity", "record_key"),
    sqlite_autoincrement=True,
)
FREEZE = sa.Table(
    "freeze",
    METADATA,
    _serial("freeze_no"),
    _name("at", 30),
    _name("who"),
    sa.Column("why", sa.Text(), nullable=False),
    _name("series", 40),
    _name("data_sha256", 64),
    sa.Column("counts", sa.Text(), nullable=False),
    sa.Column("head_seal_no", sa.BigInteger(), nullable=False),
    _name("head_mac", 64),
    sa.Column("audit_rows", sa.BigInteger(), nullable=False),
    sqlite_autoincrement=True,
)

AUDITED: tuple[str, ...] = (*(entity.name for entity in ENTITIES), "record_lock", "signature", "freeze")
"""Tables whose every change the triggers write down, parents before children."""
