"""Which numbers in use rest on no source: outputs show them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from vertherm.core.errors import InputError
from vertherm.materials.constants import constants
from vertherm.materials.drying import DRYING_IDS
from vertherm.materials.quantity import Quantity
from vertherm.materials.tissue import TissueProperties, damage_certainty, tissue

BONE_BY_HU_PARTS = ("yellow_marrow", "cancellous_bone", "cortical_bone")
HU_ANCHORS = ("hu_yellow_marrow", "hu_cancellous", "hu_cortical")


@dataclass(frozen=True)
class UnverifiedValue:
    """One number that is recalled or guessed, as a row of a table.

    Args:
        name: what it is, for instance "water fraction of muscle".
        value: the number used, or the name of a model used beyond its source.
        unit: its unit.
        range: the plausible range as text.
        source: where it comes from.
        certainty: "R" recalled, "guess" a proposal of ours.
    """

    name: str
    value: float | str
    unit: str
    range: str
    source: str
    certainty: str

    def as_row(self) -> dict[str, float | str]:
        """The fields by name, ready for JSON."""
        return asdict(self)


def _row(name: str, quantity: Quantity) -> UnverifiedValue:
    return UnverifiedValue(
        name, quantity.value, quantity.unit, quantity.range_text, quantity.source, quantity.certainty
    )


def _of_tissue(entry: TissueProperties) -> Iterable[UnverifiedValue]:
    shown = entry.name.replace("_", " ")
    for field, quantity in entry.quantities:
        if not quantity.verified and quantity.value != 0:
            yield _row(f"{field.replace('_', ' ')} of {shown}", quantity)
    certainty = damage_certainty(entry.name)
    if certainty not in ("S", "D"):
        yield UnverifiedValue(
            f"damage model of {shown}",
            entry.damage,
            "",
            "not stated",
            "stands in: no constants for this tissue",
            certainty,
        )


def used_unverified(
    palette: Iterable[TissueProperties], *, constant_names: Iterable[str] = (), drying_id: str = "none"
) -> tuple[UnverifiedValue, ...]:
    """Every unverified value in use, one row each, without repeats.

    Args:
        palette: tissues in use (``TissueMap.palette``); bone by CT number is reported by its anchors and its parts.
        constant_names: scalar constants in use (:func:`vertherm.materials.constants.constants`).
        drying_id: drying model in use.

    Raises:
        InputError: unknown drying model.
        MissingValueError: unknown constant.
    """
    if drying_id not in (*DRYING_IDS, "none"):
        raise InputError("No drying model of that name.", got=drying_id, expected=", ".join((*DRYING_IDS, "none")))
    entries = list(palette)
    by_hu = any(entry.variant for entry in entries)
    plain = [entry for entry in entries if not entry.variant]
    rows: list[UnverifiedValue] = []
    for entry in [*plain, *(tissue(name) for name in BONE_BY_HU_PARTS if by_hu)]:
        rows.extend(_of_tissue(entry))
    names = [*constant_names, *(HU_ANCHORS if by_hu else ()), *(("drying_floor",) if drying_id == "water" else ())]
    rows.extend(_row(name.replace("_", " "), constants(name)) for name in names if not constants(name).verified)
    if drying_id == "sigmoid":
        source = "Ji and Brace 2011 measured liver at 2.45 GHz; no bone or tumour data found"
        rows.append(
            UnverifiedValue("drying curve in tissues other than liver", "sigmoid", "", "not stated", source, "guess")
        )
    return tuple(dict.fromkeys(rows))
