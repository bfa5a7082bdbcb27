"""Every scalar model constant of the project, by name, from ``data/constants.csv``."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from vertherm.core.errors import MissingValueError
from vertherm.materials.quantity import Quantity, read_quantities


@cache
def all_constants() -> MappingProxyType[str, Quantity]:
    """All constants by name, read-only."""
    return MappingProxyType(read_quantities("constants"))


def constants(name: str) -> Quantity:
    """The constant ``name``, for instance ``constants("skin_convection").value`` in W/m2K.

    Raises:
        MissingValueError: nobody supplied a constant of that name.
    """
    table = all_constants()
    if name not in table:
        raise MissingValueError(
            "A model constant is missing.",
            where="materials/data/constants.csv",
            got=name,
            expected=", ".join(sorted(table)),
            advice="add a row with value, unit, range, source and certainty",
        )
    return table[name]
