"""A plan beside the procedure that followed it: recorded as id, hash and document, never interpreted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry.schema.tables import TABLES

if TYPE_CHECKING:
    from vertherm.registry.database import Registry


def link_plan(registry: Registry, patient_key: str, procedure_no: int, path: Path, *, user: str, why: str) -> int:
    """Record a plan or assessment document with a procedure and return its number within the procedure.

    The document is stored as it is, with the SHA-256 of its bytes. The same document is recorded once.

    Args:
        registry: open registry.
        patient_key: the patient.
        procedure_no: the procedure that followed the plan.
        path: JSON document, for instance ``assessment.json``.
        user: who records it.
        why: reason for the audit trail.

    Raises:
        InputError: no JSON document, or no such procedure.
    """
    content, document = _document(path)
    digest = hashlib.sha256(content).hexdigest()
    table = TABLES["plan_link"]
    here = sa.select(table.c.plan_no, table.c.sha256).where(
        table.c.patient_key == patient_key, table.c.procedure_no == procedure_no
    )
    with registry.engine.connect() as connection:
        known = {str(row.sha256): int(row.plan_no) for row in connection.execute(here)}
    if digest in known:
        return known[digest]
    number = 1 + max(known.values(), default=0)
    name = str(document.get("plan_id") or document.get("title") or path.stem)[:80]
    with registry.transaction(user=user, why=why) as writer:
        row_values = (patient_key, procedure_no, number, f"{name} {digest[:12]}", digest, content.decode("utf-8"))
        writer.insert("plan_link", [row_values])
    return number


def _document(path: Path) -> tuple[bytes, dict[str, object]]:
    try:
        content = path.read_bytes()
        document = json.loads(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            "The plan cannot be read.",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            expected="a JSON document such as assessment.json",
        ) from error
    if not isinstance(document, dict):
        raise InputError("The plan is no JSON object.", where=str(path), got=type(document).__name__)
    return content, document
