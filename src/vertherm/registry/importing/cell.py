"""One cell to one value, by its field."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import cache

from vertherm.clinical.levels import parse_level
from vertherm.clinical.vocabularies import LEVEL
from vertherm.clinical.vocabulary import Vocabulary
from vertherm.core.errors import InputError
from vertherm.registry.guard import is_formula, unguarded
from vertherm.registry.importing.date_text import parse_date
from vertherm.registry.importing.fault import CellError, Fault, MissingCode
from vertherm.registry.importing.number_text import REASONS, parse_number
from vertherm.registry.records import Value
from vertherm.registry.schema.field import Field, Kind

Cell = Value | MissingCode | Fault
# Control characters other than tab and line feed, halves of surrogate pairs, and non-characters.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_KEY_TEXT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


class Column(dict[str, "Cell"]):
    """Values of a column by the text of their cell: every different text is read once.

    ``odd`` is true once a cell was no plain value (a fault or a missing-data code).
    """

    def __init__(self, field: Field, today: date, key: bool) -> None:
        super().__init__()
        self._read = reader(field, today, key)
        self.odd = False

    def __missing__(self, text: str) -> Cell:
        value: Cell
        try:
            value = self._read(text)
        except CellError as error:
            value = error.fault
        if isinstance(value, (Fault, MissingCode)):
            self.odd = True
        self[text] = value
        return value


def reader(field: Field, today: date, key: bool = False) -> Callable[[str], Value | MissingCode]:
    """The function that reads cells of a field; an empty cell gives None.

    Args:
        field: the field.
        today: dates after it are refused.
        key: the field is part of a key.
    """
    if field.kind is Kind.text:
        return lambda text: clean_text(text, field, key)

    def read(text: str) -> Value | MissingCode:
        body = text.strip()
        if not body:
            return None
        if body[0] in "=@":
            raise _formula(repr(body[0]))
        if field.kind is not Kind.number and field.kind is not Kind.integer:
            _no_missing_code(body)
        if field.kind is Kind.date:
            return parse_date(body, today)
        if field.kind is Kind.choice:
            assert field.vocabulary is not None
            return parse_code(unguarded(body), field.vocabulary)
        return parse_number(unguarded(body), field)

    return read


def clean_text(text: str, field: Field, key: bool = False) -> str | None:
    """Text without surrounding spaces, line ends as line feeds, the guard against formulas taken off.

    Raises:
        CellError: a formula, control characters, too long, or characters that a key may not have.
    """
    body = text.replace("\r\n", "\n")
    if body.startswith(("\t", "\r")) and body.strip():
        raise _formula("a tab or carriage return")
    body = body.replace("\r", "\n").strip()
    if not body:
        return None
    if is_formula(body):
        _no_missing_code(body)
        raise _formula(repr(body[0]))
    body = unguarded(body)
    found = _NOT_TEXT.search(body)
    if found:
        name = f"U+{ord(found.group()):04X}"
        raise CellError("control_character", f"a control character ({name})", "delete it")
    if len(body) > field.max_length:
        raise CellError(
            "too_long", f"{len(body)} characters, {field.max_length} are allowed", "shorten it; move the rest to a note"
        )
    if key and not _KEY_TEXT.fullmatch(body):
        raise CellError("bad_key", "this cannot be a key", "use letters, digits, dot, dash and underscore only")
    return body


def _no_missing_code(text: str) -> None:
    reason = REASONS.get(text)
    if reason:
        raise CellError(
            "missing_code",
            f"{text} is the code of a missing value ({reason}), and this field takes none",
            "leave the cell empty, or use the field's own code for unknown where it has one",
        )


def _formula(start: str) -> CellError:
    return CellError(
        "formula",
        f"text that begins with {start} would run as a formula when it is opened in a spreadsheet",
        "put an apostrophe in front of it, or begin it with a letter",
    )


def parse_code(text: str, vocabulary: Vocabulary) -> str:
    """Code of a vocabulary; capitals do not matter, nor does 5 for 5.0, where only one code can be meant.

    Raises:
        CellError: no such code, a label instead of a code, or a code that must not be used yet.
    """
    known = _lookup(vocabulary)
    code = known.get(text) or known.get(text.casefold()) or known.get(_numeric(text))
    if code is not None:
        return code
    if vocabulary is LEVEL:
        try:
            return str(parse_level(text))
        except InputError as error:
            raise CellError("unknown_code", "there is no such level", f"use {error.expected}") from None
    for term in vocabulary.terms:
        if not term.enabled and text.casefold() == term.code.casefold():
            raise CellError(
                "disabled_code", f"'{term.label}' is known but must not be used yet", "use another version of the scale"
            )
    labels = {label.casefold(): code for code, label in vocabulary.labels.items() if code in vocabulary.codes}
    if text.casefold() in labels:
        raise CellError(
            "label_for_code",
            "the label of a code, not the code",
            f"write {labels[text.casefold()]}; export raw data, not labels",
        )
    raise CellError("unknown_code", f"not a code of {vocabulary.name.replace('_', ' ')}", "use " + _listed(vocabulary))


def _listed(vocabulary: Vocabulary) -> str:
    codes = vocabulary.codes
    return ", ".join(codes) if len(codes) <= 16 else ", ".join(codes[:12]) + f", ... ({len(codes)} codes)"


@cache
def _lookup(vocabulary: Vocabulary) -> dict[str, str]:
    """Code by the spellings that can mean only it."""
    found: dict[str, set[str]] = {}
    for code in vocabulary.codes:
        for spelling in (code.casefold(), _numeric(code)):
            if spelling:
                found.setdefault(spelling, set()).add(code)
    unique = {spelling: next(iter(codes)) for spelling, codes in found.items() if len(codes) == 1}
    return unique | {code: code for code in vocabulary.codes}


def _numeric(text: str) -> str:
    """A mark for codes that are numbers: spreadsheets turn 5.0 into 5."""
    return f"#{float(text):g}" if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text, re.ASCII) else ""
