"""JSON in: {"format": "vertherm-registry", "schema_version": 1, "tables": {"patient": [{...}, ...], ...}}."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from vertherm.registry.importing.problem import Problems
from vertherm.registry.importing.raw import ColumnBuilder, RawTable, RawTables
from vertherm.registry.importing.source import read_bytes
from vertherm.registry.importing.text import decode
from vertherm.registry.schema.catalogue import BY_NAME, SCHEMA_VERSION

FORMAT = "vertherm-registry"


class _Number(str):
    """A number as it is written, so that no digit is lost before it is checked."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """The members of an object in order, repeated names included."""


def read_json(path: Path) -> RawTables:
    """Read a document; what is wrong is in ``problems``."""
    raw = RawTables(str(path), "json")
    text = decode(read_bytes(path), path.name, raw.problems)
    if text is None:
        return raw
    document = _parse(text, path.name, raw.problems)
    if document is None:
        return raw
    members = _members(document, path.name, raw.problems)
    if not _header(members, path.name, raw.problems):
        return raw
    tables = members.get("tables")
    if not isinstance(tables, _Pairs):
        raw.problems.add(
            "no_tables",
            "the document has no object 'tables'",
            'write {"tables": {"patient": [...], ...}}',
            file=path.name,
        )
        return raw
    for name, rows in tables:
        _take(raw, name, rows, path.name)
    return raw


def _parse(text: str, file: str, problems: Problems) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_Pairs, parse_int=_Number, parse_float=_Number, parse_constant=_Number
        )
    except json.JSONDecodeError as error:
        body = text.rstrip()
        cut = error.pos >= len(body) or not body.endswith(("}", "]"))
        reason = "the document is cut off" if cut else f"not proper JSON: {error.msg}"
        problems.add(
            "json_truncated" if cut else "bad_json",
            f"{reason} (line {error.lineno}, character {error.colno})",
            "export it again",
            file=file,
            row=error.lineno,
            column=f"character {error.colno}",
        )
    except RecursionError:
        problems.add("bad_json", "lists or objects are nested too deeply", "export it again", file=file)
    return None


def _members(document: Any, file: str, problems: Problems) -> dict[str, Any]:
    if not isinstance(document, _Pairs):
        problems.add("bad_json", "the document is not an object", 'begin it with {"format": ...}', file=file)
        return {}
    _unique(document, file, "", 0, problems)
    return dict(document)


def _unique(pairs: _Pairs, file: str, table: str, row: int, problems: Problems) -> bool:
    names = [name for name, _ in pairs]
    if len(set(names)) == len(names):
        return True
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add(
            "json_duplicate_name",
            "the same name stands twice in one object",
            "keep one of them",
            file=file,
            table=table,
            row=row,
            column=name,
        )
    return False


def _header(members: dict[str, Any], file: str, problems: Problems) -> bool:
    if not members:
        if not len(problems):
            problems.add("no_tables", "the document is empty", "export it again", file=file)
        return False
    if members.get("format") != FORMAT:
        problems.add(
            "json_format",
            "not a document of a Vertherm registry",
            f'it must say "format": "{FORMAT}"',
            file=file,
            column="format",
            value=members.get("format", ""),
        )
        return False
    version = members.get("schema_version")
    # An older document lacks tables and nothing else.
    if version not in [str(number) for number in range(1, SCHEMA_VERSION + 1)]:
        newer = isinstance(version, _Number) and version.isdigit() and int(version[:9]) > SCHEMA_VERSION
        problems.add(
            "schema_version",
            f"the document follows version {version} of the data dictionary, this program version {SCHEMA_VERSION}",
            "install the newer program" if newer else "export it again with this version",
            file=file,
            column="schema_version",
            value=version,
        )
        return False
    return True


def _take(raw: RawTables, name: str, rows: Any, file: str) -> None:
    if name not in BY_NAME:
        near = difflib.get_close_matches(name.lower(), BY_NAME, n=1)
        raw.problems.add(
            "unknown_table",
            "the registry has no table of this name",
            f"rename it to {near[0]}" if near else "take it out",
            file=file,
            value=name,
        )
        return
    if name in raw.tables:
        return  # reported as a name that stands twice
    if not isinstance(rows, list) or isinstance(rows, _Pairs):
        raw.problems.add(
            "bad_json", "a table must be a list of objects", 'write "NAME": [{...}, ...]', file=file, table=name
        )
        raw.unreadable.add(name)
        return
    _table(raw, name, rows, file)


def _table(raw: RawTables, name: str, rows: list[Any], file: str) -> None:
    headings: dict[str, None] = {}
    for row in rows:
        if isinstance(row, _Pairs):
            headings.update(dict.fromkeys(key for key, _ in row))
    for key in (item for item in BY_NAME[name].columns if item not in headings):
        headings[key] = None
    builder = ColumnBuilder(list(headings))
    numbers = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, _Pairs):
            raw.problems.add(
                "bad_json",
                "a row must be an object",
                'write {"patient_key": ..., ...}',
                file=file,
                table=name,
                row=number,
                value=row,
            )
            continue
        if not _unique(row, file, name, number, raw.problems):
            continue
        members = dict(row)
        builder.add([_text(members.get(key), key, raw.problems, file, name, number) for key in headings])
        numbers.append(number)
    raw.tables[name] = RawTable(name, file, builder.finish(), numbers)


def _text(value: Any, column: str, problems: Problems, file: str, table: str, row: int) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    problems.add(
        "bad_json",
        "a list or object where a single value belongs",
        "give one text, number or null",
        file=file,
        table=table,
        row=row,
        column=column,
    )
    return ""
