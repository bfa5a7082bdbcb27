"""Fields and entities: the one description that tables, constraints, import checks, forms and documentation share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from vertherm.clinical.vocabulary import Vocabulary


class Kind(StrEnum):
    """Type of a field."""

    text = "text"
    integer = "integer"
    number = "number"
    date = "date"
    choice = "choice"


@dataclass(frozen=True)
class Field:
    """One column.

    Args:
        name: column name.
        kind: type.
        label: what a person reads.
        unit: unit of a number, empty where it has none.
        help: one sentence more, where the label does not do.
        required: a row without it is refused.
        low, high: inclusive limits of a number.
        vocabulary: allowed codes of a choice.
        max_length: longest text.
        identifier: may identify a person; left out of de-identified exports.
        free_text: written by hand; left out of de-identified exports too, because nobody can promise what it holds.
        missing: name of the field that says why this one is empty; exactly one of the two must be filled.
        computed: derived from its parts where it is left empty, checked against them where it is filled.
    """

    name: str
    kind: Kind
    label: str
    unit: str = ""
    help: str = ""
    required: bool = False
    low: float | None = None
    high: float | None = None
    vocabulary: Vocabulary | None = None
    max_length: int = 0
    identifier: bool = False
    free_text: bool = False
    missing: str = ""
    computed: bool = False


@dataclass(frozen=True)
class Check:
    """A rule on one row that the database itself enforces.

    Args:
        name: short name, unique within the entity.
        sql: a condition that SQLite and PostgreSQL both understand; NULL counts as kept.
        fields: the fields it speaks of, the first being the one to name in a message.
        reason: what is wrong when it does not hold.
        remedy: what to do.
    """

    name: str
    sql: str
    fields: tuple[str, ...]
    reason: str
    remedy: str


@dataclass(frozen=True)
class Reference:
    """A foreign key: ``fields`` of this entity point at the key of ``entity``; optional where a field is empty."""

    entity: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Entity:
    """One table.

    Args:
        name: table name, singular.
        label: what a person reads.
        key: names of the fields of the primary key, the patient's key first.
        fields: all fields, the key's first.
        references: foreign keys.
        checks: rules on one row.
        unique: further sets of fields that no two rows may share.
        date: the field that dates the row; may not lie after the patient's death.
        help: what one row is.
    """

    name: str
    label: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    references: tuple[Reference, ...] = ()
    checks: tuple[Check, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    date: str = ""
    help: str = ""

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Field by name."""
        return {item.name: item for item in self.fields}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of all fields in order."""
        return tuple(item.name for item in self.fields)

    @property
    def of_patient(self) -> bool:
        """True where every row belongs to one patient."""
        return self.key[0] == "patient_key"


def text(name: str, label: str, *, length: int = 200, **more: object) -> Field:
    """A text field."""
    return Field(name, Kind.text, label, max_length=length, **more)  # type: ignore[arg-type]


def note(name: str = "note", label: str = "note") -> Field:
    """A free text, never part of a de-identified export."""
    return Field(name, Kind.text, label, max_length=2000, free_text=True)


def integer(name: str, label: str, low: int, high: int, unit: str = "", **more: object) -> Field:
    """A whole number within limits."""
    return Field(name, Kind.integer, label, unit=unit, low=low, high=high, **more)  # type: ignore[arg-type]


def number(name: str, label: str, low: float, high: float, unit: str = "", **more: object) -> Field:
    """A number within limits."""
    return Field(name, Kind.number, label, unit=unit, low=low, high=high, **more)  # type: ignore[arg-type]


def date(name: str, label: str, **more: object) -> Field:
    """A calendar day."""
    return Field(name, Kind.date, label, **more)  # type: ignore[arg-type]


def choice(name: str, label: str, vocabulary: Vocabulary, **more: object) -> Field:
    """A code of a vocabulary."""
    return Field(name, Kind.choice, label, vocabulary=vocabulary, **more)  # type: ignore[arg-type]
