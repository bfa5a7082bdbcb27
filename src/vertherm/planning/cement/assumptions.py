"""The unverified numbers and the models behind a cement prediction."""

from __future__ import annotations

from vertherm.materials.bone_cement import BoneCement
from vertherm.materials.quantity import Quantity, read_quantities
from vertherm.planning.cement.document import AssumptionRow

TABLES = ("bone_flow", "bone_mechanics", "sins")


def assumption_rows(cement: BoneCement) -> list[AssumptionRow]:
    """Every number that no source confirms; of the cements only the one in use."""
    numbers = {f"cement: {name}": quantity for name, quantity in cement.quantities().items()}
    for table in TABLES:
        numbers |= {name.replace("_", " "): quantity for name, quantity in read_quantities(table).items()}
    return [_row(name, quantity) for name, quantity in numbers.items() if not quantity.verified]


def models_used(ablated: bool) -> dict[str, str]:
    """Ids and words of the models."""
    return {
        "fill": "Darcy flow with a moving front on cubic cells, permeability from density (Kozeny and Carman); veins "
        "and intact shell by rule",
        "leakage": "share of independent samples with a visible leak, exact intervals",
        "heat": "autocatalytic polymerisation that follows temperature, in Pennes' equation"
        + (", from the temperatures that the ablation leaves" if ablated else ", from body temperature"),
        "strength": "voxel finite elements, linear elastic, axial compression; failure by a critical strain",
    }


def _row(name: str, quantity: Quantity) -> AssumptionRow:
    return AssumptionRow(
        name=name,
        value=quantity.value,
        unit=quantity.unit,
        low=quantity.low,
        high=quantity.high,
        certainty=quantity.certainty,
        source=quantity.source,
    )
