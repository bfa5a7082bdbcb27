"""Heads: number and mac of the last seal at some moment, kept outside the database.

A chain cannot show by itself that its end was cut off. A head that was exported can: whatever was sealed up to it must
still be there, unchanged. Every exported head is also kept beside the key, so that `check` always has the last one.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.core.files import write_json
from vertherm.core.warnings import VerthermWarning
from vertherm.registry.key import key_path
from vertherm.registry.reading import snapshot
from vertherm.registry.schema.system import FREEZE, SEAL
from vertherm.registry.seal import last_seal

if TYPE_CHECKING:
    from vertherm.registry.database import Registry


@dataclass(frozen=True)
class Head:
    """The end of a chain of seals.

    Args:
        registry_id: registry.
        seal_no, mac: its last seal.
        audit_rows: audit rows sealed so far.
        at: when the last seal was made, UTC.
        source: where this head was read; not part of it.
    """

    registry_id: str
    seal_no: int
    mac: str
    audit_rows: int
    at: str
    source: str = ""


def current_head(connection: sa.Connection, registry_id: str) -> Head:
    """The head of the chain as the database has it now.

    Raises:
        InputError: there is no seal at all.
    """
    last = last_seal(connection)
    if last is None:
        raise InputError(
            "The registry has no seal, though every registry is made with one.",
            where=f"registry {registry_id}",
            advice="somebody removed them: run vertherm registry check and restore a backup",
        )
    rows = connection.execute(sa.select(sa.func.sum(SEAL.c.n_rows))).scalar_one()
    return Head(registry_id, last.seal_no, last.mac, int(rows), last.at)


def export_head(registry: Registry, path: Path) -> Head:
    """Write the head of the chain to a file, and add it to those kept beside the key.

    Raises:
        InputError: the file cannot be written.
    """
    with snapshot(registry.engine) as connection:
        head = current_head(connection, registry.registry_id)
    write_json(Path(path), _document(head))
    _keep(head)
    return head


def kept_path(registry_id: str) -> Path:
    """File with the exported heads of a registry, beside its key; one JSON document a line."""
    return key_path(registry_id).parent / f"{registry_id}.heads.jsonl"


def _keep(head: Head) -> None:
    path = kept_path(head.registry_id)
    line = json.dumps(_document(head)) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists() and line in path.read_text("utf-8"):
            return
        # One write with O_APPEND: programs that export at once do not mix their lines.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(line)
    except OSError as error:
        warnings.warn(
            f"The exported head could not be kept in {path} ({error}); give it to check yourself.",
            VerthermWarning,
            stacklevel=3,
        )


def read_head(path: Path, registry_id: str) -> Head:
    """An exported head of this registry.

    Raises:
        InputError: no such file, no head, or one of another registry.
    """
    try:
        head = _parse(Path(path).read_text("utf-8"), str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "This is no exported head.",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            expected="a file freeze-N-head.json as vertherm registry freeze writes it",
        ) from error
    if head.registry_id != registry_id:
        raise InputError(
            "This head belongs to another registry.",
            where=str(path),
            got=head.registry_id,
            expected=registry_id,
            advice="choose the head that was exported from this registry",
        )
    return head


def kept_heads(registry_id: str) -> list[Head]:
    """Heads kept beside the key; an empty list where none was ever exported from here.

    Raises:
        InputError: the file is damaged.
    """
    path = kept_path(registry_id)
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("The heads kept beside the key cannot be read.", where=str(path), got=str(error)) from error
    try:
        return [_parse(line, f"the head kept in {path.name}") for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "The heads kept beside the key are damaged.",
            where=str(path),
            got=str(error),
            advice="move the file away and give check the exported heads with --head",
        ) from error


def frozen_heads(connection: sa.Connection, registry_id: str) -> list[Head]:
    """Heads that the registry itself noted with its freezes."""
    rows: Iterable[Any] = connection.execute(sa.select(FREEZE).order_by(FREEZE.c.freeze_no))
    return [Head(registry_id, row.head_seal_no, row.head_mac, -1, row.at, f"freeze {row.freeze_no}") for row in rows]


def _parse(text: str, source: str) -> Head:
    document = json.loads(text)
    numbers = int(document["seal_no"]), int(document["audit_rows"])
    return Head(str(document["registry_id"]), numbers[0], str(document["mac"]), numbers[1], str(document["at"]), source)


def _document(head: Head) -> dict[str, Any]:
    return {name: value for name, value in asdict(head).items() if name != "source"}
