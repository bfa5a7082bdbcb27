"""Records as tables for computing: one pandas DataFrame an entity, with the same types wherever the rows came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES
from vertherm.registry.schema.field import Entity, Field, Kind

if TYPE_CHECKING:
    import pandas as pd


def frames_of(records: Records) -> dict[str, pd.DataFrame]:
    """All entities of ``records`` as DataFrames, empty ones included; see :func:`typed` for the types."""
    import pandas as pd

    return {
        entity.name: typed(
            entity.name, pd.DataFrame.from_records(records.rows(entity.name), columns=list(entity.columns))
        )
        for entity in ENTITIES
    }


def typed(entity: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the columns of the catalogue in their order and with fixed types.

    Dates become datetime64[ns] (NaT where missing), numbers and optional integers float64 (NaN), required integers
    int64, texts and choices object (None). Columns that the frame lacks are added empty, others are dropped.

    Raises:
        KeyError: an entity that the catalogue does not have.
        ValueError: a value that its type cannot hold.
    """
    import pandas as pd

    known: Entity = BY_NAME[entity]
    columns = {field.name: _column(field, frame.get(field.name), len(frame)) for field in known.fields}
    return pd.DataFrame(columns, columns=list(known.columns))


def all_typed(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every entity of the catalogue through :func:`typed`; entities that ``frames`` lacks become empty."""
    import pandas as pd

    return {entity.name: typed(entity.name, frames.get(entity.name, pd.DataFrame())) for entity in ENTITIES}


def _column(field: Field, values: Any, length: int) -> pd.Series[Any]:
    import numpy as np
    import pandas as pd

    found = pd.Series([None] * length, dtype=object) if values is None else values.reset_index(drop=True)
    if field.kind is Kind.date:
        return pd.to_datetime(found).astype("datetime64[ns]")
    if field.kind is Kind.integer and field.required:
        return pd.to_numeric(found).astype(np.int64)
    if field.kind in (Kind.integer, Kind.number):
        return pd.to_numeric(found).astype(np.float64)
    texts = found.astype(object)
    texts[found.isna()] = None
    return texts
