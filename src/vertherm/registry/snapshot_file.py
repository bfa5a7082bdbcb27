"""The data of a freeze as a file: what a review was made from, readable and checkable years later.

Gzip of UTF-8 lines: a header, one line a record as :func:`vertherm.registry.records.canonical` writes it, sorted within
each table, and a last line with counts and hash. The hash is SHA-256 over ``vertherm-registry <schema version>`` and
the lines of the records, each ended by a line feed: the same as ``Records.sha256``. The schema version in it is the
oldest one that has all tables of which there are records (``catalogue.content_version``).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress
from vertherm.registry.records import Records, Row, Value, canonical
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES, SCHEMA_VERSION, SINCE, content_version
from vertherm.registry.schema.field import Entity, Kind
from vertherm.registry.schema.tables import TABLES

FORMAT, VERSION = "vertherm-registry-freeze", 1
_VERSIONS = sorted({1, *SINCE.values()})


def data_lines(connection: sa.Connection, series: str | None, progress: Progress) -> Iterator[tuple[str, str]]:
    """Table and canonical line of every record of a registry or one series, in the order in which they are hashed.

    One table at a time is held in memory.
    """
    for number, entity in enumerate(ENTITIES):
        for line in sorted(
            canonical(entity.name, tuple(row)) for row in connection.execute(_of_series(entity, series))
        ):
            yield entity.name, line
        progress("read data", (number + 1) / len(ENTITIES))


def digest(
    lines: Iterable[tuple[str, str]],
    *,
    sink: Callable[[bytes], Any] | None = None,
) -> tuple[str, dict[str, int]]:
    """SHA-256 of the lines and their number by table; each line also goes to ``sink``."""
    # Which version counts is known only at the end.
    versions = {number: hashlib.sha256(f"vertherm-registry {number}\n".encode()) for number in _VERSIONS}
    counts = dict[str, int]()
    for entity, line in lines:
        text = line.encode() + b"\n"
        for sha256 in versions.values():
            sha256.update(text)
        counts[entity] = counts.get(entity, 0) + 1
        if sink is not None:
            sink(text)
    return versions[content_version(counts)].hexdigest(), counts


def write(path: Path, header: dict[str, Any], lines: Iterable[tuple[str, str]]) -> tuple[str, dict[str, int]]:
    """Write a snapshot; hash and counts of its records. The same data give the same bytes."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as stream:
        stream.write(_json({"format": FORMAT, "version": VERSION, "schema_version": SCHEMA_VERSION, **header}))
        sha256, counts = digest(lines, sink=stream.write)
        stream.write(_json({"counts": counts, "data_sha256": sha256}))
    return sha256, counts


def load_snapshot(path: Path, *, data_sha256: str | None = None) -> Records:
    """The records of a freeze as they were frozen.

    Args:
        path: file ``freeze-N.jsonl.gz``.
        data_sha256: hash that the registry, or a printed review, names for this freeze; None: only the file's own hash
            is tested, which shows damage but not a forger.

    Raises:
        InputError: not such a file, damaged, of a newer schema, or with another hash.
    """
    try:
        with gzip.open(path, "rb") as stream:
            return _read(path, (line.decode("utf-8") for line in stream), data_sha256)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise InputError(
            "The freeze cannot be read.",
            where=str(path),
            got=error.strerror or type(error).__name__,
            expected="a file freeze-N.jsonl.gz as vertherm registry freeze writes it",
            advice="check the path, and that you may read the file",
        ) from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _damaged(path, f"a line that is no record ({type(error).__name__}: {error})") from error


def _read(path: Path, text: Iterator[str], wanted: str | None) -> Records:
    header = json.loads(next(text, "null"))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise _damaged(path, "no header of a freeze")
    if header["version"] != VERSION or header["schema_version"] > SCHEMA_VERSION:
        raise InputError(
            "This freeze was made by a newer version of Vertherm.",
            where=str(path),
            got=f"format {header['version']}, schema {header['schema_version']}",
            expected=f"format {VERSION}, schema up to {SCHEMA_VERSION}",
            advice="read it with the version that made it, or a newer one",
        )
    records, trailer = Records(), dict[str, Any]()

    def bodies() -> Iterator[tuple[str, str]]:
        for line in text:
            document = json.loads(line)
            if isinstance(document, dict):
                trailer.update(document)
                return
            entity = BY_NAME[document[0]]
            records.tables.setdefault(entity.name, []).append(_row(entity, document[1]))
            yield entity.name, line.rstrip("\n")

    found, counts = digest(bodies())
    if not trailer or next(text, None) is not None:
        raise _damaged(path, "it does not end where it should")
    if found != trailer.get("data_sha256") or counts != trailer.get("counts"):
        raise _damaged(path, "counts or SHA-256 of the records differ from what its last line says")
    if wanted is not None and found != wanted:
        raise InputError("This is not the freeze that was asked for.", where=str(path), got=found, expected=wanted)
    return records


def _row(entity: Entity, values: dict[str, Any]) -> Row:
    unknown = set(values) - set(entity.columns)
    if unknown:
        raise ValueError(f"{entity.name} has no {', '.join(sorted(unknown))}")
    return tuple(_typed(field.kind, values.get(field.name)) for field in entity.fields)


def _typed(kind: Kind, value: Any) -> Value:
    if value is None:
        return None
    if kind is Kind.date:
        return date.fromisoformat(value)
    return float(value) if kind is Kind.number else value


def _of_series(entity: Entity, series: str | None) -> sa.Select[Any]:
    table = TABLES[entity.name]
    query = sa.select(table)
    if series is None:
        return query
    if "series" in table.c:
        return query.where(table.c.series == series)
    patient = TABLES["patient"]
    return query.where(table.c.patient_key.in_(sa.select(patient.c.patient_key).where(patient.c.series == series)))


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _damaged(path: Path, what: str) -> InputError:
    return InputError(
        "This is no complete freeze file, or it was changed.",
        where=str(path),
        got=what,
        expected="a file freeze-N.jsonl.gz as vertherm registry freeze writes it",
        advice="use another copy of it",
    )
