"""REDCap's data dictionary, 18 columns: ours made from the catalogue, and another project's checked against it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vertherm.registry.importing.problem import Problems
from vertherm.registry.redcap.layout import FORMS
from vertherm.registry.redcap.names import RECORD_ID, variable
from vertherm.registry.schema.field import Check, Entity, Field, Kind

COLUMNS = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
"""Columns A to R of the dictionary."""
_VALIDATION = {Kind.integer: "integer", Kind.number: "number", Kind.date: "date_ymd"}
_RADIO = 6
"""Longest list that is shown as buttons."""
_LONG = 500
_NEEDS = re.compile(r"(\w+) IS NULL OR \((\w+) IS NOT NULL AND (\w+) IN \(([^()]*)\)\)")
_EITHER = re.compile(r"\((\w+) IS NULL\) <> \((\w+) IS NULL\)")


def dictionary() -> list[dict[str, str]]:
    """One row a variable, in the order of the forms; the record id first."""
    rows = [_record_id()]
    for form in FORMS:
        header = form.label
        for item in form.fields:
            if item.name == form.key[0]:
                continue
            rows.append(_row(form, item, header))
            header = ""
    return rows


def _record_id() -> dict[str, str]:
    first = FORMS[0].by_name[FORMS[0].key[0]]
    return _filled(
        {
            "Variable / Field Name": RECORD_ID,
            "Form Name": FORMS[0].name,
            "Field Type": "text",
            "Field Label": "Record: the patient's key, or the name of the series",
            "Field Note": first.help,
            "Identifier?": "y",
        }
    )


def _row(form: Entity, item: Field, header: str) -> dict[str, str]:
    limits = item.kind in (Kind.integer, Kind.number)
    return _filled(
        {
            "Variable / Field Name": variable(form, item.name),
            "Form Name": form.name,
            "Section Header": header,
            "Field Type": _type(item),
            "Field Label": item.label,
            "Choices, Calculations, OR Slider Labels": choices(item),
            "Field Note": ". ".join(part for part in (item.unit, item.help) if part),
            "Text Validation Type OR Show Slider Number": _VALIDATION.get(item.kind, ""),
            "Text Validation Min": f"{item.low:g}" if limits else "",
            "Text Validation Max": f"{item.high:g}" if limits else "",
            "Identifier?": "y" if item.identifier else "",
            "Branching Logic (Show field only if...)": branching(form, item),
            # What is computed on the way in may be left empty there.
            "Required Field?": "y" if item.required and not item.computed else "",
            "Field Annotation": f"unit: {item.unit}" if item.unit else "",
        }
    )


def _filled(row: dict[str, str]) -> dict[str, str]:
    return {column: row.get(column, "") for column in COLUMNS}


def _type(item: Field) -> str:
    if item.kind is Kind.choice and item.vocabulary is not None:
        return "radio" if len(item.vocabulary.codes) <= _RADIO else "dropdown"
    return "notes" if item.kind is Kind.text and (item.free_text or item.max_length > _LONG) else "text"


def choices(item: Field) -> str:
    """Codes and labels as REDCap writes them; bars in labels would end a choice."""
    if item.vocabulary is None:
        return ""
    labels = item.vocabulary.labels
    return " | ".join(f"{code}, {labels[code].replace('|', '/')}" for code in item.vocabulary.codes)


def branching(form: Entity, item: Field) -> str:
    """When a field is shown, as far as a rule on the row implies it."""
    for check in form.checks:
        logic = _needs(form, item, check) or _either(form, item, check)
        if logic:
            return logic
    return ""


def _needs(form: Entity, item: Field, check: Check) -> str:
    """The field may be filled only where another has certain codes."""
    match = _NEEDS.fullmatch(check.sql)
    if not match or match[1] != item.name or match[2] != match[3]:
        return ""
    codes = re.findall(r"'([^']*)'", match[4])
    return " or ".join(f"[{variable(form, match[2])}] = '{code}'" for code in codes)


def _either(form: Entity, item: Field, check: Check) -> str:
    """The reason for a missing value is asked where there is no value."""
    match = _EITHER.fullmatch(check.sql)
    if not match or match[2] != item.name:
        return ""
    return f"[{variable(form, match[1])}] = ''"


@dataclass(frozen=True)
class DictionaryCheck:
    """What another project's dictionary has beside ours.

    Args:
        added: variables that are not ours; their data are not imported.
        added_forms: forms that are not ours.
        lacking: variables of ours that the project does not have; they stay empty.
    """

    added: tuple[str, ...]
    added_forms: tuple[str, ...]
    lacking: tuple[str, ...]


def check_dictionary(rows: list[dict[str, str]], file: str, problems: Problems, first_row: int = 2) -> DictionaryCheck:
    """Compare a dictionary with ours; variables of ours with another meaning become problems.

    Args:
        rows: rows by heading, as the CSV has them.
        file: for messages.
        problems: receives what is wrong.
        first_row: number of the first of ``rows`` as a person counts it.
    """
    ours = {row[COLUMNS[0]]: row for row in dictionary()}
    if rows and not set(COLUMNS[:4]) <= set(rows[0]):
        problems.add(
            "dictionary_columns",
            "not a REDCap data dictionary: its columns are missing",
            "download the data dictionary of the project as CSV",
            file=file,
            row=1,
        )
        return DictionaryCheck((), (), tuple(ours))
    found: dict[str, str] = {}
    for number, row in enumerate(rows, start=first_row):
        name = (row.get(COLUMNS[0]) or "").strip().lower()
        found[name] = (row.get(COLUMNS[1]) or "").strip().lower()
        if name in ours:
            _compare(ours[name], row, name, file, number, problems)
    forms = {form.name for form in FORMS}
    return DictionaryCheck(
        tuple(name for name in found if name and name not in ours),
        tuple(dict.fromkeys(form for form in found.values() if form and form not in forms)),
        tuple(name for name in ours if name not in found),
    )


def _compare(
    ours: dict[str, str], theirs: dict[str, str], name: str, file: str, number: int, problems: Problems
) -> None:
    for place, what in ((1, "form"), (7, "validation")):
        wanted, got = ours[COLUMNS[place]], (theirs.get(COLUMNS[place]) or "").strip()
        # Dates may be shown in another order: REDCap exports them as year-month-day all the same.
        if wanted.split("_")[0] != got.split("_")[0] and wanted:
            problems.add(
                "dictionary_differs",
                f"variable {name} has another {what}: {got or 'none'} instead of {wanted}",
                f"restore it from the dictionary that `vertherm registry export` writes ({wanted})",
                file=file,
                row=number,
                column=COLUMNS[place],
                value=got,
            )
    wanted_codes, got_codes = codes_of(ours[COLUMNS[5]]), codes_of(theirs.get(COLUMNS[5]) or "")
    if wanted_codes and set(wanted_codes) != set(got_codes):
        added = [code for code in got_codes if code not in wanted_codes]
        lost = [code for code in wanted_codes if code not in got_codes]
        words = [f"{what} {', '.join(codes[:8])}" for what, codes in (("adds", added), ("lacks", lost)) if codes]
        problems.add(
            "dictionary_choices",
            f"variable {name} has other choices: it {' and '.join(words)}",
            "restore the choices; codes are what is stored, labels may differ",
            file=file,
            row=number,
            column=COLUMNS[5],
            value=", ".join(got_codes),
        )


def codes_of(text: str) -> list[str]:
    """Codes of a list of choices."""
    return [part.split(",", 1)[0].strip() for part in text.split("|") if part.strip()]
