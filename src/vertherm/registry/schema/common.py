"""Fields and rules that several entities share."""

from __future__ import annotations

from vertherm.registry.schema.field import Check, Field, Reference, integer, text

PATIENT_KEY = text(
    "patient_key",
    "patient",
    length=40,
    required=True,
    identifier=True,
    help="Pseudonym, never a name or hospital number; letters, digits, dot, dash and underscore.",
)
LESION_NO = integer("lesion_no", "lesion", 1, 999, required=True, help="Number of the lesion within the patient.")
PROCEDURE_NO = integer("procedure_no", "procedure", 1, 999, required=True, help="Number within the patient.")

TO_PATIENT = Reference("patient", ("patient_key",))
TO_LESION = Reference("lesion", ("patient_key", "lesion_no"))
TO_PROCEDURE = Reference("procedure", ("patient_key", "procedure_no"))
TO_TREATMENT = Reference("treatment", ("patient_key", "procedure_no", "lesion_no"))


def optional_lesion() -> Field:
    """The lesion a row speaks of, where it speaks of one."""
    return integer("lesion_no", "lesion", 1, 999, help="Empty where it concerns no single lesion.")


def in_order(first: str, second: str, what: str) -> Check:
    """``second`` may not lie before ``first``."""
    return Check(
        f"{second}_order",
        f"{first} <= {second}",
        (second, first),
        f"{what}: the second date lies before the first",
        "check both dates for day and month swapped",
    )


def together(name: str, fields: tuple[str, ...], what: str) -> Check:
    """All of ``fields`` are filled, or none is."""
    filled = " AND ".join(f"{item} IS NOT NULL" for item in fields)
    empty = " AND ".join(f"{item} IS NULL" for item in fields)
    return Check(name, f"({filled}) OR ({empty})", fields, f"{what} belong together", "fill all of them or none")


def needs(field: str, other: str, values: tuple[str, ...], what: str) -> Check:
    """``field`` may be filled only where ``other`` has one of ``values``."""
    allowed = ", ".join(f"'{value}'" for value in values)
    return Check(
        f"{field}_needs_{other}",
        f"{field} IS NULL OR ({other} IS NOT NULL AND {other} IN ({allowed}))",
        (field, other),
        what,
        f"set {other} to {' or '.join(values)}, or leave {field} empty",
    )


def or_missing(field: str) -> Check:
    """Either a value or the reason why there is none."""
    return Check(
        f"{field}_or_reason",
        f"({field} IS NULL) <> ({field_reason(field)} IS NULL)",
        (field, field_reason(field)),
        "a value and a reason for its absence cannot both be there, and one of them must be",
        f"fill {field}, or say in {field_reason(field)} why it is missing",
    )


def field_reason(field: str) -> str:
    """Name of the field that says why ``field`` is empty."""
    return f"{field}_missing"
