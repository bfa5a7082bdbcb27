"""Write the catalogue of ``vertherm.registry`` into docs/reference/data-dictionary.md: fill_dictionary.py."""

from __future__ import annotations

from pathlib import Path

from vertherm.clinical.vocabulary import Vocabulary
from vertherm.registry.schema.catalogue import ENTITIES, SCHEMA_VERSION
from vertherm.registry.schema.field import Entity, Field, Kind

PAGE = Path(__file__).with_name("reference") / "data-dictionary.md"
INTRODUCTION = f"""# Data dictionary

Written by `docs/fill_dictionary.py` from `src/vertherm/registry/schema`; a test keeps it current. This is
schema version {SCHEMA_VERSION}. The same catalogue makes the tables, the constraints of the database, the checks on
import, the headers of CSV and XLSX files and the REDCap data dictionary.

Marks: **key** part of the primary key; **required** a row without it is refused; **computed** filled from its parts
where it is left empty, checked against them where it is filled; **or reason** either this or the field of the same name
with `_missing` must be filled, never both; **identifier** and **free text** are left out of de-identified exports.
Dates are calendar days, written 2024-05-31. An empty cell means not recorded. Codes are stored, labels are shown.

A dated row may not lie after the patient's death. The database itself enforces types, limits, codes,
references and every rule listed here."""
_LIMITS = (Kind.integer, Kind.number)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _anchor(name: str) -> str:
    """Anchor that the table of contents gives to a heading ``Codes: `name```."""
    return f"#codes-{name}"


def _type(field: Field) -> str:
    if field.vocabulary is not None:
        return f"[{field.vocabulary.name}]({_anchor(field.vocabulary.name)})"
    if field.kind in _LIMITS:
        return f"{field.kind}, {field.low:g} to {field.high:g}"
    if field.kind is Kind.text:
        return f"text, at most {field.max_length}"
    return str(field.kind)


def _marks(entity: Entity, field: Field) -> str:
    named = (
        ("**key**", field.name in entity.key),
        ("required", field.required and field.name not in entity.key),
        ("computed", field.computed),
        ("or reason", bool(field.missing)),
        ("identifier", field.identifier),
        ("free text", field.free_text),
    )
    return ", ".join(name for name, holds in named if holds)


def _entity(entity: Entity) -> list[str]:
    lines = [f"## `{entity.name}`: {entity.label}", "", entity.help, ""]
    for reference in entity.references:
        lines.append(f"- Belongs to `{reference.entity}` by {', '.join(f'`{name}`' for name in reference.fields)}.")
    for names in entity.unique:
        lines.append(f"- No two rows share {', '.join(f'`{name}`' for name in names)}.")
    if entity.date:
        lines.append(f"- `{entity.date}` dates the row.")
    if lines[-1]:
        lines.append("")
    lines += ["| field | label | type | unit | marks | note |", "|---|---|---|---|---|---|"]
    for field in entity.fields:
        cells = [f"`{field.name}`", field.label, _type(field), field.unit, _marks(entity, field), field.help]
        lines.append(_row(cells))
    if entity.checks:
        lines += ["", "| refused when | fields | what to do |", "|---|---|---|"]
        for check in entity.checks:
            lines.append(_row([check.reason, ", ".join(f"`{name}`" for name in check.fields), check.remedy]))
    return [*lines, ""]


def _vocabularies() -> list[Vocabulary]:
    used: dict[str, Vocabulary] = {}
    for entity in ENTITIES:
        for field in entity.fields:
            if field.vocabulary is not None:
                known = used.setdefault(field.vocabulary.name, field.vocabulary)
                if known != field.vocabulary:
                    raise ValueError(f"two vocabularies are called {known.name}")
    return list(used.values())


def _codes(vocabulary: Vocabulary) -> list[str]:
    lines = [
        f"### Codes: {vocabulary.name}",
        "",
        f"Wording: {vocabulary.source}.",
        "",
        "| code | label | |",
        "|---|---|---|",
    ]
    for term in vocabulary.terms:
        marks = ("" if term.verified else "unverified wording", "" if term.enabled else "disabled")
        lines.append(_row([f"`{term.code}`", term.label, ", ".join(mark for mark in marks if mark)]))
    return [*lines, ""]


def page() -> str:
    """The whole page as Markdown."""
    lines = [INTRODUCTION, "", "| table | one row is | key |", "|---|---|---|"]
    for entity in ENTITIES:
        lines.append(_row([f"`{entity.name}`", entity.help, ", ".join(f"`{name}`" for name in entity.key)]))
    lines.append("")
    for entity in ENTITIES:
        lines += _entity(entity)
    lines += ["## Codes", ""]
    for vocabulary in _vocabularies():
        lines += _codes(vocabulary)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
